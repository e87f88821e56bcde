//! A simulated host: what a program knows of it ([`Host`]), and what the simulator does with it (`Machine`): it starts
//! the host's program on a runtime of its own, turns that, and takes its end.

use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::stopped::{HostView, Stopped};
use crate::sys::HostId;
use crate::task::{Builder, JoinError, JoinHandle};
use crate::{Budget, Runtime};

/// A host of a [`Simulation`](super::Simulation): its name and its addresses.
///
/// ```
/// let mut simulation = coracle::sim::Simulation::new(0);
/// let server = simulation.host("server", async || {});
/// assert_eq!((server.name(), server.address().to_string()), ("server", "10.0.0.1".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: Rc<str>,
    /// The one of IPv4 first.
    addresses: Rc<[IpAddr]>,
}

impl Host {
    pub(super) fn new(name: &str, addresses: &[IpAddr]) -> Host {
        Host { name: name.into(), addresses: addresses.into() }
    }

    /// The name by which it is known to the network, and resolved by the others.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// assert_eq!(simulation.host("server", async || {}).name(), "server");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address of IPv4: 10.0.0.1 is that of the first host.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// assert_eq!(simulation.host("server", async || {}).address().to_string(), "10.0.0.1");
    /// ```
    pub fn address(&self) -> IpAddr {
        self.addresses[0]
    }

    /// All of its addresses: one of IPv4, then one of IPv6, fd00::1 that of the first host.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// assert_eq!(simulation.host("server", async || {}).addresses()[1].to_string(), "fd00::1");
    /// ```
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }
}

/// What the main of a host may give back: nothing, or a [`Result`] of nothing with any error. Or it never returns.
///
/// ```
/// let mut simulation = coracle::sim::Simulation::new(0);
/// simulation.client("one", async || {});
/// simulation.client("other", async || std::io::Result::Ok(()));
/// simulation.run().unwrap();
/// ```
pub trait Outcome {
    /// Why the run is to fail, if it is.
    ///
    /// ```
    /// use coracle::sim::Outcome;
    /// assert!(().outcome().is_ok());
    /// assert_eq!(Err("no tea").outcome().unwrap_err().to_string(), "no tea");
    /// ```
    fn outcome(self) -> Result<(), Box<dyn Error>>;
}

/// The type `!`, of a main that is a loop without an end. It has no name yet, but it is what this function returns.
type Never = <fn() -> ! as Returns>::Output;

trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

#[allow(private_interfaces, reason = "the name is private, the type is not")]
impl Outcome for Never {
    fn outcome(self) -> MainResult {
        self
    }
}

impl Outcome for () {
    fn outcome(self) -> MainResult {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error>>> Outcome for Result<(), E> {
    fn outcome(self) -> MainResult {
        self.map_err(Into::into)
    }
}

pub(super) type MainResult = Result<(), Box<dyn Error>>;

/// Makes a task of a main, in the runtime of which it is called; `None`: it has run, and can run only once.
pub(super) type Start = Box<dyn FnMut(Builder) -> Option<JoinHandle<MainResult>>>;

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It may run for ever.
    Server,
    /// Its main must end.
    Client,
    /// It has no main: somebody else runs a runtime in its world.
    World,
}

/// A host as the simulator sees it.
pub(super) struct Machine {
    pub(super) host: Host,
    pub(super) id: HostId,
    pub(super) role: Role,
    start: Start,
    running: Option<Running>,
}

/// A program that runs.
struct Running {
    // Dropped before the runtime: a main that is cancelled with it is nobody's any more.
    main: JoinHandle<MainResult>,
    runtime: Runtime,
    /// The last turn left tasks in the run queue.
    more: bool,
    /// The last turn failed: time of the next try.
    again_at: Option<Duration>,
}

/// How long a host rests whose poller failed. [`Runtime::block_on`] rests as long.
const REST: Duration = Duration::from_millis(1);

impl Machine {
    pub(super) fn new(host: Host, id: HostId, role: Role, start: Start) -> Machine {
        Machine { host, id, role, start, running: None }
    }

    /// Begins its program. `false`: that is a client's, and had begun before.
    pub(super) fn start(&mut self, runtime: Runtime) -> bool {
        let task = Builder::new().name(self.host.name.clone());
        let main = runtime.enter(|| (self.start)(task));
        self.running = main.map(|main| Running { main, runtime, more: true, again_at: None });
        self.running.is_some()
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether it has tasks in its run queue, or a timer or a try that is due.
    pub(super) fn has_work(&self, now: Duration, since: impl Fn(std::time::Instant) -> Duration) -> bool {
        let Some(running) = &self.running else { return false };
        running.again_at.is_none() && running.more || self.next_moment(since).is_some_and(|next| next <= now)
    }

    /// When it wants to be turned, if nothing happens before.
    pub(super) fn next_moment(&self, since: impl Fn(std::time::Instant) -> Duration) -> Option<Duration> {
        let running = self.running.as_ref()?;
        running.again_at.or_else(|| running.runtime.next_deadline().map(since))
    }

    /// Turns its runtime once. Whether that did anything.
    pub(super) fn turn(&mut self, now: Duration) -> bool {
        let Some(running) = &mut self.running else { return false };
        match running.runtime.turn(Budget::no_wait()) {
            Ok(turn) => {
                (running.more, running.again_at) = (turn.more, None);
                turn.polled > 0 || turn.ready > 0 || turn.expired > 0 || turn.more
            }
            Err(_) => {
                running.again_at = Some(now + REST);
                true
            }
        }
    }

    /// If its main has ended: ends the program, as a process does whose `main` returns.
    pub(super) fn reap(&mut self) -> Result<(), Stopped> {
        let Some(running) = self.running.as_mut().filter(|running| running.main.is_finished()) else { return Ok(()) };
        let Poll::Ready(ended) = Pin::new(&mut running.main).poll(&mut Context::from_waker(Waker::noop())) else {
            unreachable!("a task that has ended gives its result at once");
        };
        let dropped = self.stop();
        let host = || self.host.name().to_owned();
        match ended {
            Err(error) => Err(Stopped::Panicked { host: host(), error }),
            Ok(Err(error)) => Err(Stopped::Failed { host: host(), error }),
            Ok(Ok(())) => dropped,
        }
    }

    /// Drops its runtime, and with it all that its tasks have.
    ///
    /// # Errors
    /// With the panic of a task that nobody awaited.
    pub(super) fn stop(&mut self) -> Result<(), Stopped> {
        let running = self.running.take();
        catch_unwind(AssertUnwindSafe(|| drop(running))).map_err(|payload| {
            let (host, error) = (self.host.name().to_owned(), JoinError::Panicked(payload));
            Stopped::Panicked { host, error }
        })
    }

    pub(super) fn inspect(&self) -> Option<HostView> {
        let running = self.running.as_ref()?;
        Some(HostView { name: self.host.name().to_owned(), snapshot: running.runtime.inspect() })
    }
}
