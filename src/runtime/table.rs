//! [`Stall`]: the table of all tasks and what they wait for, as data and for people.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::inspect::tasks;
use super::turn::Loop;
use crate::executor::TaskView;
use crate::observer::{LockHolder, TaskId, Wait, blame};

/// Why [`Runtime::try_block_on`](crate::Runtime::try_block_on) gave up: what each task waits for, and where in the
/// source. Printed, it is a table, a task a paragraph:
///
/// ```
/// use std::rc::Rc;
/// use coracle::sync::Mutex;
/// let runtime = coracle::Runtime::new();
/// let stall = runtime.try_block_on(async {
///     let mutex = Mutex::new(());
///     let _guard = mutex.lock().await;
///     let _second = mutex.lock().await;
/// });
/// let table = stall.unwrap_err().to_string();
/// assert!(table.starts_with("stalled: nothing is ready, no timer is set, and nothing outside can wake a task"));
/// assert!(table.contains("waits for a mutex at ") && table.contains(", which it has itself since "));
/// assert!(table.ends_with("cycle: task 1 waits for itself"));
/// ```
pub struct Stall {
    findings: Box<Findings>,
}

struct Findings {
    /// The limit that has passed, if that is all that is known.
    hung: Option<Duration>,
    tasks: Vec<Stuck>,
    cycles: Vec<Vec<TaskId>>,
    panicked: Vec<(TaskId, String)>,
}

/// A task in the table of a [`Stall`].
///
/// ```
/// let stall = coracle::Runtime::new().try_block_on(std::future::pending::<()>()).unwrap_err();
/// let stuck = &stall.tasks()[0];
/// assert!(stuck.waits.is_empty() && stuck.polls == 1);
/// assert!(stuck.to_string().ends_with("nobody can wake it: its poll 1 kept no waker"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stuck {
    /// Its number.
    pub task: TaskId,
    /// Its name, if it was given one.
    pub name: Option<Rc<str>>,
    /// The line that spawned it.
    pub spawned_at: &'static Location<'static>,
    /// How often it was polled.
    pub polls: u64,
    /// Whether it stands in the run queue. Not in a stall.
    pub ready: bool,
    /// All that it waits for. Nothing: its last poll kept no waker, so nobody can wake it.
    pub waits: Vec<StuckOn>,
    /// Somebody has a waker of it, or an [`AbortHandle`](crate::task::AbortHandle), of which nothing is known. Not in a
    /// stall.
    pub others: bool,
    /// What it said last.
    said: Option<Wait>,
}

/// One of the things that a [`Stuck`] task waits for.
///
/// ```
/// let notify = coracle::sync::Notify::new();
/// let stall = coracle::Runtime::new().try_block_on(notify.notified()).unwrap_err();
/// let wait = stall.tasks()[0].waits[0].wait.unwrap();
/// assert_eq!(wait.reason.to_string(), "a notification");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StuckOn {
    /// What for, and where in the source; `None`: it is nothing of this library. Not in a stall.
    pub wait: Option<Wait>,
    /// How long, by the clock of the runtime's world.
    pub time: Duration,
    /// Who has it, if it is a lock.
    pub holder: Option<LockHolder>,
    /// The future that waits for this was last polled in this of the task's polls; later ones did not come to it.
    pub left_in_poll: Option<u64>,
}

impl Stall {
    /// The table of all live tasks now.
    pub(super) fn of(event_loop: &Loop, hung: Option<Duration>) -> Stall {
        let tasks: Vec<Stuck> = tasks(event_loop).into_iter().map(|view| Stuck::of(event_loop, view)).collect();
        let edges = tasks.iter().map(|stuck| (stuck.task, stuck.leads_to().collect())).collect::<Vec<_>>();
        let (cycles, panicked) = (blame::cycles(&edges), event_loop.executor.panicked());
        Stall { findings: Box::new(Findings { hung, tasks, cycles, panicked }) }
    }

    /// All live tasks, the oldest first.
    ///
    /// ```
    /// let stall = coracle::Runtime::new().try_block_on(std::future::pending::<()>()).unwrap_err();
    /// assert_eq!(stall.tasks().len(), 1);
    /// assert!(stall.tasks()[0].waits.is_empty());
    /// ```
    pub fn tasks(&self) -> &[Stuck] {
        &self.findings.tasks
    }

    /// The circles in which tasks wait for each other, by joins and locks.
    ///
    /// ```
    /// let stall = coracle::Runtime::new().try_block_on(std::future::pending::<()>()).unwrap_err();
    /// assert!(stall.cycles().is_empty());
    /// ```
    pub fn cycles(&self) -> &[Vec<TaskId>] {
        &self.findings.cycles
    }

    /// The limit of [`hang_after`](crate::RuntimeBuilder::hang_after), if it has passed. `None`: it is certain that
    /// nothing could have happened any more.
    ///
    /// ```
    /// let stall = coracle::Runtime::new().try_block_on(std::future::pending::<()>()).unwrap_err();
    /// assert_eq!(stall.hung(), None);
    /// ```
    pub fn hung(&self) -> Option<Duration> {
        self.findings.hung
    }
}

impl Stuck {
    fn of(event_loop: &Loop, view: TaskView) -> Stuck {
        let now = event_loop.now();
        let evidence = event_loop.executor.evidence(view.id);
        let (polls, others) = evidence.as_ref().map_or((0, true), |evidence| (evidence.polls, evidence.more));
        let kept = evidence.map_or_else(Vec::new, |evidence| evidence.kept);
        let waits = kept.into_iter().map(|kept| StuckOn {
            wait: kept.said,
            time: now.saturating_duration_since(kept.since),
            holder: kept.said.as_ref().and_then(LockHolder::of),
            left_in_poll: (kept.poll < polls && !kept.is_childs).then_some(kept.poll),
        });
        let waits = waits.collect();
        let TaskView { id, name, spawned_at, ready, wait, .. } = view;
        Stuck { task: id, name, spawned_at, polls, ready, waits, others, said: wait }
    }

    fn leads_to(&self) -> impl Iterator<Item = TaskId> {
        self.waits.iter().filter_map(|on| blame::leads_to(on.wait.as_ref()?))
    }
}

impl std::error::Error for Stall {}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { hung, tasks, cycles, panicked } = &*self.findings;
        match hung {
            None => f.write_str("stalled: nothing is ready, no timer is set, and nothing outside can wake a task")?,
            Some(limit) => write!(f, "hung: not done after {limit:.0?}; this is what the tasks wait for")?,
        }
        for stuck in tasks {
            write!(f, "\n{stuck}")?;
        }
        for (task, message) in panicked {
            write!(f, "\n{task} panicked, and nobody has awaited it{message}")?;
        }
        for cycle in cycles {
            f.write_str("\n")?;
            blame::describe_cycle(cycle, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.task)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, ", spawned at {}", self.spawned_at)?;
        if self.ready {
            return f.write_str("\n    is ready");
        }
        for on in &self.waits {
            f.write_str("\n    ")?;
            on.describe(self, f)?;
        }
        if self.others {
            f.write_str("\n    can be woken, or aborted, by somebody of whom nothing is known")?;
        } else if self.waits.is_empty() {
            write!(f, "\n    nobody can wake it: its poll {} kept no waker", self.polls)?;
            if let Some(said) = &self.said {
                write!(f, ", although it {said}")?;
            }
        }
        Ok(())
    }
}

impl StuckOn {
    fn describe(&self, stuck: &Stuck, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wait {
            Some(wait) => write!(f, "{wait}")?,
            None => f.write_str("waits for something that is not of this library")?,
        }
        if let Some(holder) = &self.holder {
            holder.describe(stuck.task, f)?;
        }
        if let Some(poll) = self.left_in_poll {
            write!(f, ", in a future that was polled in poll {poll}, and not in the last, poll {}", stuck.polls)?;
        }
        write!(f, ", for {:.0?}", self.time)
    }
}

impl fmt::Debug for Stall {
    /// The same table: it is what a failed `unwrap` shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
