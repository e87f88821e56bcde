//! [`Noted`]: who has a lock. Nothing depends on it: it is there so that a report on a stall can name the one who has what
//! others wait for, and where it was locked.
//!
//! An uncontended lock pays two stores for it. Only while somebody waits, the note is where a report can find it
//! (`task::holders`).

use std::cell::{Cell, OnceCell};
use std::panic::Location;
use std::rc::Rc;

use crate::observer::{TaskId, WaitReason};
use crate::task::here;
use crate::task::holders::{Contended, Holder};

/// See the head of this file.
pub(super) struct Noted {
    /// How many can have it at once; 0: it is no lock, and nothing is noted.
    most: usize,
    /// Whose poll took it last; 0: no task's. Tasks of different runtimes of one thread are not told apart here.
    task: Cell<u64>,
    at: Cell<Option<&'static Location<'static>>>,
    /// It was handed to that one, which has not been polled since.
    was_handed: Cell<bool>,
    /// From the first time on that somebody waited.
    contended: OnceCell<Rc<Contended>>,
}

impl Noted {
    pub(super) fn nothing() -> Noted {
        Noted::of_lock(0)
    }

    pub(super) fn of_lock(most: usize) -> Noted {
        let (task, at, was_handed) = (Cell::new(0), Cell::new(None), Cell::new(false));
        Noted { most, task, at, was_handed, contended: OnceCell::new() }
    }

    /// The task that is being polled took it.
    #[inline]
    pub(super) fn taken(&self, at: &'static Location<'static>) {
        self.task.set(number(here::task()));
        self.at.set(Some(at));
    }

    /// One that stood in the line was given it.
    pub(super) fn handed_to(&self, task: Option<TaskId>, at: &'static Location<'static>, free: usize) {
        self.task.set(number(task));
        self.at.set(Some(at));
        self.was_handed.set(true);
        self.publish(free);
    }

    /// That one has been polled.
    pub(super) fn was_seen(&self, at: &'static Location<'static>, free: usize) {
        self.was_handed.set(false);
        self.taken(at);
        self.publish(free);
    }

    /// That one was dropped.
    pub(super) fn was_given_back(&self) {
        self.was_handed.set(false);
    }

    /// Somebody waits, or what is noted has changed while somebody waits.
    pub(super) fn publish(&self, free: usize) {
        if self.most == 0 {
            return;
        }
        let holder = self.at.get().map(|at| {
            // A writer has all there are, and counts as one.
            let count = if free == 0 { 1 } else { self.most.saturating_sub(free) };
            let task = Some(TaskId(self.task.get())).filter(|task| task.0 != 0);
            Holder { task, at, was_handed: self.was_handed.get(), count, is_shared: self.most > 1 && free > 0 }
        });
        self.contended.get_or_init(Contended::new).holder.set(holder);
    }

    /// What one waits for who stands in the line.
    pub(super) fn reason(&self, what: &'static str) -> WaitReason {
        match self.contended.get() {
            Some(contended) => WaitReason::Lock(what, contended.id()),
            None => WaitReason::Sync(what),
        }
    }
}

/// Tasks are counted from 1.
#[inline]
fn number(task: Option<TaskId>) -> u64 {
    task.map_or(0, |task| task.0)
}
