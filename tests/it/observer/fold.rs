//! The fold of the events: run queue, live tasks, timers and sources, from nothing but what an observer is told.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use coracle::Snapshot;
use coracle::observer::{Ending, Observer, TaskId, Wait, WaitReason};

/// A live task.
struct Task {
    spawned_at: &'static Location<'static>,
    name: Option<Rc<str>>,
    /// What it said last that it waits for.
    wait: Option<Wait>,
}

/// See the head of this file.
#[derive(Default)]
pub(super) struct Fold {
    queue: RefCell<VecDeque<TaskId>>,
    tasks: RefCell<BTreeMap<TaskId, Task>>,
    timers: RefCell<BTreeMap<usize, Duration>>,
    sources: RefCell<BTreeMap<u64, (RawFd, u8)>>,
    stale: Cell<u64>,
    /// The runtime ends: tasks are dropped wherever they stand in the queue.
    ending: Cell<bool>,
    /// Events that cannot be. (An observer must not panic.)
    wrong: RefCell<Vec<String>>,
}

/// A task, plainly: number, name, where it was spawned, what it waits for and where, whether it is in the queue.
type PlainTask = (TaskId, Option<Rc<str>>, String, Option<(WaitReason, String)>, bool);

/// What can be compared.
#[derive(Debug, PartialEq)]
pub(super) struct State {
    queue: Vec<TaskId>,
    tasks: Vec<PlainTask>,
    timers: Vec<(Duration, usize)>,
    sources: Vec<(u64, RawFd, u8)>,
    stale: u64,
}

fn plain(wait: Option<Wait>) -> Option<(WaitReason, String)> {
    wait.map(|wait| (wait.reason, wait.at.to_string()))
}

impl State {
    pub(super) fn of(snapshot: &Snapshot) -> State {
        let task = |task: &coracle::TaskView| {
            (task.id, task.name.clone(), task.spawned_at.to_string(), plain(task.wait), task.ready)
        };
        State {
            queue: snapshot.queue.clone(),
            tasks: snapshot.tasks.iter().map(task).collect(),
            timers: snapshot.timers.iter().map(|timer| (timer.deadline, timer.timer)).collect(),
            sources: snapshot.sources.iter().map(|source| (source.source, source.fd, source.bits)).collect(),
            stale: snapshot.stale_events,
        }
    }
}

impl Fold {
    pub(super) fn state(&self) -> State {
        assert!(self.wrong.borrow().is_empty(), "{:#?}", self.wrong.borrow());
        let queue = Vec::from(self.queue.borrow().clone());
        let mut timers: Vec<_> = self.timers.borrow().iter().map(|(timer, deadline)| (*deadline, *timer)).collect();
        timers.sort();
        State {
            tasks: (self.tasks.borrow().iter())
                .map(|(id, task)| {
                    (*id, task.name.clone(), task.spawned_at.to_string(), plain(task.wait), queue.contains(id))
                })
                .collect(),
            sources: self.sources.borrow().iter().map(|(source, (fd, bits))| (*source, *fd, *bits)).collect(),
            stale: self.stale.get(),
            timers,
            queue,
        }
    }

    /// From now on the runtime is being dropped.
    pub(super) fn end(&self) {
        self.ending.set(true);
    }

    pub(super) fn tasks(&self) -> usize {
        self.tasks.borrow().len()
    }

    fn must(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.borrow_mut().push(what());
        }
    }
}

impl Observer for Fold {
    fn task_spawned(&self, task: TaskId, at: &'static Location<'static>) {
        let old = self.tasks.borrow_mut().insert(task, Task { spawned_at: at, name: None, wait: None });
        self.must(old.is_none(), || format!("{task} was spawned twice"));
    }

    fn task_named(&self, task: TaskId, name: &Rc<str>) {
        let named = self.tasks.borrow_mut().get_mut(&task).map(|live| live.name.replace(name.clone()));
        self.must(matches!(named, Some(None)), || format!("{task} was named {name}, and before that: {named:?}"));
    }

    fn task_queued(&self, task: TaskId) {
        let known = self.tasks.borrow().contains_key(&task);
        self.must(known, || format!("{task} was queued and does not live"));
        let twice = self.queue.borrow().contains(&task);
        self.must(!twice, || format!("{task} was queued twice"));
        self.queue.borrow_mut().push_back(task);
    }

    fn poll_began(&self, task: TaskId) {
        if self.ending.get() {
            return self.queue.borrow_mut().retain(|other| *other != task);
        }
        let first = self.queue.borrow_mut().pop_front();
        self.must(first == Some(task), || format!("{task} was polled, and the first was {first:?}"));
    }

    fn poll_ended(&self, task: TaskId, wait: Option<Wait>) {
        let known = match self.tasks.borrow_mut().get_mut(&task) {
            Some(live) => {
                live.wait = wait;
                true
            }
            None => false,
        };
        self.must(known, || format!("{task} was polled and does not live"));
    }

    fn task_ended(&self, task: TaskId, _: Ending) {
        let known = self.tasks.borrow_mut().remove(&task).is_some();
        self.must(known, || format!("{task} ended twice"));
    }

    fn source_added(&self, source: u64, fd: RawFd) {
        let old = self.sources.borrow_mut().insert(source, (fd, 0));
        self.must(old.is_none(), || format!("source {source:x} was added twice"));
    }

    fn source_ready(&self, source: u64, bits: u8) {
        self.bits(source, bits);
    }

    fn source_drained(&self, source: u64, bits: u8) {
        self.bits(source, bits);
    }

    fn source_removed(&self, source: u64) {
        let known = self.sources.borrow_mut().remove(&source).is_some();
        self.must(known, || format!("source {source:x} was removed twice"));
    }

    fn source_stale(&self, source: u64) {
        self.stale.set(self.stale.get() + 1);
        let known = self.sources.borrow().contains_key(&source);
        self.must(!known, || format!("source {source:x} is stale and registered"));
    }

    fn timer_set(&self, timer: usize, deadline: Duration) {
        let old = self.timers.borrow_mut().insert(timer, deadline);
        self.must(old.is_none(), || format!("timer {timer} was set twice"));
    }

    fn timer_fired(&self, timer: usize) {
        let known = self.timers.borrow_mut().remove(&timer).is_some();
        self.must(known, || format!("timer {timer} fired and was not set"));
    }

    fn timer_cancelled(&self, timer: usize) {
        let known = self.timers.borrow_mut().remove(&timer).is_some();
        self.must(known, || format!("timer {timer} was cancelled and was not set"));
    }
}

impl Fold {
    fn bits(&self, source: u64, bits: u8) {
        let known = self.sources.borrow_mut().get_mut(&source).map(|(_, old)| *old = bits).is_some();
        self.must(known, || format!("source {source:x} became ready or drained and is not registered"));
    }
}
