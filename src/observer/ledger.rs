//! [`Ledger`]: what the events add up to, with origins: which task set this timer, and registered that descriptor.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::os::fd::RawFd;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;

use super::{Ending, Observer, TaskId, Wait};
use crate::sys::World;

/// An observer that keeps account of the live tasks, timers and sources of one runtime, and of who made them.
///
/// What [`Runtime::inspect`](crate::Runtime::inspect) shows, at any moment, also from inside, and beyond it how often a
/// task was polled, since when it waits, and where timers and sources come from. As text it is a table for people.
///
/// ```
/// use coracle::observer::Ledger;
/// use std::rc::Rc;
///
/// let ledger = Rc::new(Ledger::new());
/// let runtime = coracle::Runtime::builder().observer(ledger.clone()).build();
/// let _task = runtime.spawn(async { coracle::time::sleep(std::time::Duration::from_secs(60)).await });
/// runtime.turn(coracle::Budget::no_wait()).unwrap();
/// let entry = &ledger.tasks()[0];
/// assert_eq!((entry.polls, ledger.timers()[0].1), (1, Some(entry.task)));
/// assert!(ledger.to_string().starts_with("task 1, spawned at "), "{ledger}");
/// ```
pub struct Ledger {
    clock: World,
    accounts: RefCell<Accounts>,
}

#[derive(Default)]
struct Accounts {
    tasks: HashMap<u64, Entry>,
    timers: HashMap<u64, Option<TaskId>>,
    sources: HashMap<u64, (RawFd, Option<TaskId>)>,
    /// The poll under way; polls nest if a task turns a runtime.
    polls: Vec<TaskId>,
}

/// What a [`Ledger`] knows of a live task.
///
/// ```
/// use coracle::observer::Ledger;
/// let ledger = std::rc::Rc::new(Ledger::new());
/// let runtime = coracle::Runtime::builder().observer(ledger.clone()).build();
/// let _task = runtime.spawn(async {});
/// assert_eq!(ledger.tasks()[0].polls, 0);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its number.
    pub task: TaskId,
    /// Its name, if it was given one.
    pub name: Option<Rc<str>>,
    /// The line that spawned it.
    pub spawned_at: &'static Location<'static>,
    /// How often it was polled.
    pub polls: u64,
    /// What it said in its last poll that it waits for.
    pub wait: Option<Wait>,
    /// Since when it waits for that, by the clock of its world; a poll that changes nothing does not count.
    pub since: Instant,
    /// Whether it waits, and nobody keeps a waker of it.
    pub is_lost: bool,
}

impl Ledger {
    /// An empty one, with the kernel's clock.
    ///
    /// ```
    /// assert!(coracle::observer::Ledger::new().tasks().is_empty());
    /// ```
    #[allow(clippy::new_without_default, reason = "a ledger belongs to one runtime; write `new`")]
    pub fn new() -> Ledger {
        Ledger::in_world(&World::kernel())
    }

    /// The same with the clock of this world.
    ///
    /// ```
    /// use coracle::{observer::Ledger, sys::World};
    /// assert!(Ledger::in_world(&World::kernel()).tasks().is_empty());
    /// ```
    pub fn in_world(world: &World) -> Ledger {
        Ledger { clock: world.clone(), accounts: RefCell::default() }
    }

    /// The live tasks, the oldest first.
    ///
    /// ```
    /// assert!(coracle::observer::Ledger::new().tasks().is_empty());
    /// ```
    pub fn tasks(&self) -> Vec<Entry> {
        by_number(&self.accounts.borrow().tasks).map(|(_, entry)| entry.clone()).collect()
    }

    /// The timers that wait, by their numbers, and which task set each.
    ///
    /// ```
    /// assert!(coracle::observer::Ledger::new().timers().is_empty());
    /// ```
    pub fn timers(&self) -> Vec<(usize, Option<TaskId>)> {
        by_number(&self.accounts.borrow().timers).map(|(timer, task)| (timer as usize, *task)).collect()
    }

    /// The registered descriptors, by their tokens, and which task registered each.
    ///
    /// ```
    /// assert!(coracle::observer::Ledger::new().sources().is_empty());
    /// ```
    pub fn sources(&self) -> Vec<(u64, RawFd, Option<TaskId>)> {
        by_number(&self.accounts.borrow().sources).map(|(source, (fd, task))| (source, *fd, *task)).collect()
    }

    /// Which task is being polled.
    fn polled(&self) -> Option<TaskId> {
        self.accounts.borrow().polls.last().copied()
    }

    fn change(&self, task: TaskId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.accounts.borrow_mut().tasks.get_mut(&task.0) {
            change(entry);
        }
    }
}

/// What such a map has, in the order of the numbers. (An ordered map would cost more at each event, and seven times the
/// code.)
fn by_number<T>(map: &HashMap<u64, T>) -> impl Iterator<Item = (u64, &T)> {
    let mut numbers: Vec<u64> = map.keys().copied().collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(|number| Some((number, map.get(&number)?)))
}

impl Observer for Ledger {
    fn task_spawned(&self, task: TaskId, at: &'static Location<'static>) {
        let since = self.clock.now();
        let entry = Entry { task, name: None, spawned_at: at, polls: 0, wait: None, since, is_lost: false };
        self.accounts.borrow_mut().tasks.insert(task.0, entry);
    }

    fn task_named(&self, task: TaskId, name: &Rc<str>) {
        self.change(task, |entry| entry.name = Some(name.clone()));
    }

    fn poll_began(&self, task: TaskId) {
        self.accounts.borrow_mut().polls.push(task);
        self.change(task, |entry| {
            entry.polls += 1;
            entry.is_lost = false;
        });
    }

    fn poll_ended(&self, task: TaskId, wait: Option<Wait>) {
        self.accounts.borrow_mut().polls.pop();
        let now = self.clock.now();
        self.change(task, |entry| {
            let goes_on = entry.wait.zip(wait).is_some_and(|(old, new)| old.is_same(&new));
            entry.since = if goes_on { entry.since } else { now };
            entry.wait = wait;
        });
    }

    fn waker_lost(&self, task: TaskId) {
        self.change(task, |entry| entry.is_lost = true);
    }

    fn task_ended(&self, task: TaskId, _: Ending) {
        let mut accounts = self.accounts.borrow_mut();
        accounts.tasks.remove(&task.0);
        if accounts.polls.last() == Some(&task) {
            accounts.polls.pop();
        }
    }

    fn source_added(&self, source: u64, fd: RawFd) {
        let task = self.polled();
        self.accounts.borrow_mut().sources.insert(source, (fd, task));
    }

    fn source_removed(&self, source: u64) {
        self.accounts.borrow_mut().sources.remove(&source);
    }

    fn timer_set(&self, timer: usize, _: Duration) {
        let task = self.polled();
        self.accounts.borrow_mut().timers.insert(timer as u64, task);
    }

    fn timer_fired(&self, timer: usize) {
        self.accounts.borrow_mut().timers.remove(&(timer as u64));
    }

    fn timer_cancelled(&self, timer: usize) {
        self.accounts.borrow_mut().timers.remove(&(timer as u64));
    }
}

impl fmt::Display for Ledger {
    /// A line for each task, then how many timers and sources there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.clock.now();
        for entry in self.tasks() {
            let waits = now.saturating_duration_since(entry.since);
            writeln!(f, "{entry}, for {waits:.0?}")?;
        }
        let accounts = self.accounts.borrow();
        write!(f, "timers: {}, descriptors: {}", accounts.timers.len(), accounts.sources.len())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.task)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, ", spawned at {}, polls: {}", self.spawned_at, self.polls)?;
        match &self.wait {
            Some(wait) => write!(f, ", {wait}")?,
            None => f.write_str(", has not said what it waits for")?,
        }
        if self.is_lost { f.write_str(", and nobody can wake it") } else { Ok(()) }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("tasks", &self.tasks()).finish_non_exhaustive()
    }
}
