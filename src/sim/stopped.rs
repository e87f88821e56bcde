//! [`Stopped`]: why a simulation did not come to its end; [`Situation`]: what its hosts were doing.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::Snapshot;
use crate::task::JoinError;

/// Why [`Simulation::run`](super::Simulation::run) ended before all clients had.
///
/// ```
/// use coracle::sim::{Simulation, Stopped};
/// let mut simulation = Simulation::new(0);
/// simulation.client("impatient", async || Err("no time for this"));
/// let stopped = simulation.run().unwrap_err();
/// assert_eq!(stopped.to_string(), "host impatient failed: no time for this");
/// ```
#[non_exhaustive]
pub enum Stopped {
    /// The main of a host returned an error.
    Failed {
        /// The name of the host.
        host: String,
        /// What its main returned.
        error: Box<dyn Error>,
    },
    /// The main of a host panicked, or a task that nobody awaited did, which showed when the host ended.
    Panicked {
        /// The name of the host.
        host: String,
        /// It is [`JoinError::Panicked`], with the payload.
        error: JoinError,
    },
    /// Nothing can happen any more: no task is ready, no timer is set, nothing is on its way, and no event is planned.
    Stalled {
        /// The virtual time.
        at: Duration,
        /// The clients whose mains have not ended.
        clients: Vec<String>,
        /// What all the tasks wait for.
        situation: Situation,
    },
    /// More virtual time passed than the [limit](super::Simulation::limit).
    TooLong {
        /// The virtual time.
        at: Duration,
        /// The clients whose mains have not ended.
        clients: Vec<String>,
        /// What all the tasks wait for.
        situation: Situation,
    },
    /// The hosts were turned so often as [`limit_turns`](super::Simulation::limit_turns) says, and the clock stood
    /// still: some task goes on and on without ever waiting for time to pass.
    Spinning {
        /// The virtual time.
        at: Duration,
        /// How many turns.
        turns: u64,
        /// What all the tasks do.
        situation: Situation,
    },
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stopped::Failed { host, error } => write!(f, "host {host} failed: {error}"),
            Stopped::Panicked { host, error } => write!(f, "host {host}: {error}"),
            Stopped::Stalled { at, clients, situation } => {
                write!(f, "after {at:?} nothing can happen any more, and {} not ended\n{situation}", have(clients))
            }
            Stopped::TooLong { at, clients, situation } => {
                write!(f, "after {at:?}, the limit, {} not ended\n{situation}", have(clients))
            }
            Stopped::Spinning { at, turns, situation } => {
                write!(f, "at {at:?} the hosts were turned {turns} times, and no time passes\n{situation}")
            }
        }
    }
}

impl Error for Stopped {}

/// The same as `Display`: a table, also for who unwraps it.
impl std::fmt::Debug for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

fn have(clients: &[String]) -> String {
    match clients {
        [one] => format!("{one} has"),
        several => format!("{} have", several.join(", ")),
    }
}

/// What the hosts of a simulation are doing, made by [`Simulation::inspect`](super::Simulation::inspect). Shown, it is
/// a table: each host, and each of its tasks with what that waits for and where in the source.
///
/// ```
/// let mut simulation = coracle::sim::Simulation::new(0);
/// simulation.host("server", async || std::future::pending::<()>().await);
/// simulation.step().unwrap();
/// let table = simulation.inspect().to_string();
/// assert!(table.starts_with("server\n  task 1 (server), spawned at "), "{table}");
/// ```
#[derive(Clone, Debug)]
pub struct Situation {
    /// Those whose programs run, in the order in which they were made.
    pub hosts: Vec<HostView>,
}

/// What one host is doing.
///
/// ```
/// let mut simulation = coracle::sim::Simulation::new(0);
/// simulation.host("server", async || std::future::pending::<()>().await);
/// simulation.step().unwrap();
/// assert_eq!(simulation.inspect().hosts[0].name, "server");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HostView {
    /// Its name.
    pub name: String,
    /// What is inside of its runtime.
    pub snapshot: Snapshot,
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for host in &self.hosts {
            writeln!(f, "{}", host.name)?;
            for task in &host.snapshot.tasks {
                write!(f, "  {}", task.id)?;
                if let Some(name) = &task.name {
                    write!(f, " ({name})")?;
                }
                write!(f, ", spawned at {}, ", task.spawned_at)?;
                match &task.wait {
                    _ if task.ready => writeln!(f, "is ready")?,
                    Some(wait) => writeln!(f, "{wait}")?,
                    None => writeln!(f, "waits, and does not say for what")?,
                }
            }
        }
        Ok(())
    }
}
