//! What is left of a program when its main future is done, and where it comes from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::BitOr;
use std::os::fd::RawFd;
use std::panic::Location;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use crate::blocking::RunningJob;
use crate::observer::{Entry, Ledger, Observer, TaskId};
use crate::runtime::Runtime;
use crate::sys::{Descriptors, World};

/// Kinds of what may be left, as a set.
///
/// ```
/// use coracle::testing::Leaks;
/// let allowed = Leaks::TASKS | Leaks::JOBS;
/// assert!(allowed.contains(Leaks::JOBS) && !allowed.contains(Leaks::TIMERS));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Leaks(u8);

impl Leaks {
    /// Nothing.
    pub const NONE: Leaks = Leaks(0);
    /// Tasks that have not ended, and what they made: their timers and sockets.
    pub const TASKS: Leaks = Leaks(1);
    /// Timers that wait.
    pub const TIMERS: Leaks = Leaks(2);
    /// Descriptors that are open: sockets, pipes, registered or not.
    pub const SOCKETS: Leaks = Leaks(4);
    /// Jobs of the runtime's pool of threads that have not ended.
    pub const JOBS: Leaks = Leaks(8);
    /// Everything.
    pub const ALL: Leaks = Leaks(15);

    /// Whether all of these are among them.
    ///
    /// ```
    /// # use coracle::testing::Leaks;
    /// assert!(Leaks::ALL.contains(Leaks::TASKS) && !Leaks::NONE.contains(Leaks::TASKS));
    /// ```
    pub fn contains(self, others: Leaks) -> bool {
        self.0 & others.0 == others.0
    }
}

impl BitOr for Leaks {
    type Output = Leaks;

    fn bitor(self, others: Leaks) -> Leaks {
        Leaks(self.0 | others.0)
    }
}

impl fmt::Debug for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaks({:#b})", self.0)
    }
}

/// Something that is left.
pub(super) enum Leak {
    Task(Entry),
    Timer(Option<Origin>),
    Descriptor(&'static str, Option<Origin>),
    Job(RunningJob),
    QueuedJobs(usize),
}

/// The task that made it.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    task: TaskId,
    spawned_at: &'static Location<'static>,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = |origin: &Option<Origin>, f: &mut fmt::Formatter<'_>| match origin {
            Some(Origin { task, spawned_at }) => write!(f, " by {task}, spawned at {spawned_at}"),
            None => f.write_str(" outside of a task"),
        };
        match self {
            Leak::Task(entry) => write!(f, "{entry}"),
            Leak::Timer(origin) => {
                f.write_str("a timer, set")?;
                by(origin, f)
            }
            // Without its number, which depends on what else the process has open.
            Leak::Descriptor(what, origin) => {
                write!(f, "{what}, opened")?;
                by(origin, f)
            }
            Leak::Job(job) => write!(f, "{job}"),
            Leak::QueuedJobs(count) => write!(f, "jobs that have not begun: {count}"),
        }
    }
}

/// What is open, by descriptor, and which task opened it.
#[derive(Default)]
struct Open(Mutex<BTreeMap<RawFd, (&'static str, Option<TaskId>)>>);

impl Descriptors for Open {
    fn opened(&self, fd: RawFd, what: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(fd, (what, crate::task::id()));
    }

    fn gone(&self, fd: RawFd) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&fd);
    }
}

/// Where tasks were spawned, also those that have ended.
#[derive(Default)]
pub(super) struct Origins(RefCell<BTreeMap<TaskId, &'static Location<'static>>>);

impl Observer for Origins {
    fn task_spawned(&self, task: TaskId, at: &'static Location<'static>) {
        self.0.borrow_mut().insert(task, at);
    }
}

/// Keeps account of a runtime, from its birth on.
pub(super) struct Accounts {
    open: Arc<Open>,
    pub(super) ledger: Rc<Ledger>,
    pub(super) origins: Rc<Origins>,
}

impl Accounts {
    /// And the world in which the runtime must live.
    pub(super) fn in_world(world: World) -> (Accounts, World) {
        let open = Arc::new(Open::default());
        let ledger = Rc::new(Ledger::in_world(&world));
        let world = world.telling(open.clone());
        (Accounts { open, ledger, origins: Rc::default() }, world)
    }

    fn origin(&self, task: Option<TaskId>) -> Option<Origin> {
        let task = task?;
        Some(Origin { task, spawned_at: self.origins.0.borrow().get(&task)? })
    }

    /// What there is that is not allowed.
    pub(super) fn left(&self, runtime: &Runtime, allowed: Leaks) -> Vec<Leak> {
        let mut left = Vec::new();
        let tasks = self.ledger.tasks();
        // What an allowed task has made is the task's.
        let is_theirs = |task: &Option<TaskId>| {
            allowed.contains(Leaks::TASKS) && task.is_some_and(|task| tasks.iter().any(|entry| entry.task == task))
        };
        if !allowed.contains(Leaks::TASKS) {
            left.extend(tasks.iter().cloned().map(Leak::Task));
        }
        if !allowed.contains(Leaks::TIMERS) {
            let timers = self.ledger.timers().into_iter().map(|(_, task)| task).filter(|task| !is_theirs(task));
            left.extend(timers.map(|task| Leak::Timer(self.origin(task))));
        }
        if !allowed.contains(Leaks::SOCKETS) {
            let mut open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (_, fd, task) in self.ledger.sources() {
                open.entry(fd).or_insert(("a registered descriptor", task));
            }
            let open = open.into_iter().filter(|(_, (_, task))| !is_theirs(task));
            left.extend(open.map(|(_, (what, task))| Leak::Descriptor(what, self.origin(task))));
        }
        if !allowed.contains(Leaks::JOBS) {
            if let Some(pool) = runtime.enter(crate::blocking::own_pool) {
                left.extend(pool.running.into_iter().map(Leak::Job));
                left.extend((pool.queued > 0).then_some(Leak::QueuedJobs(pool.queued)));
            }
        }
        left
    }
}
