//! What a verdict on the tasks needs to know: which of their wakers are kept. Noted only where verdicts are asked for.

use std::panic::Location;
use std::task::Waker;

use super::Executor;
use crate::observer::TaskId;
use crate::task::kept::{Book, Kept};
use crate::task::{TaskRef, Woken, borrowed_waker};

/// What is known of a live task that waits.
pub(crate) struct Evidence {
    /// How often it was polled since the book was begun.
    pub(crate) polls: u64,
    /// The wakers of it that somebody keeps.
    pub(crate) kept: Vec<Kept>,
    /// There are others, of which nothing is known: cloned before there was a book, or abort handles.
    pub(crate) more: bool,
}

impl Executor {
    /// Notes from now on which wakers are kept. Tasks that wait already are polled once more, so that it is known what
    /// they wait for.
    pub(crate) fn keep_book(&self, book: impl FnOnce() -> Book) {
        if self.book.get().is_some() || self.book.set(book()).is_err() {
            return;
        }
        self.otherwise.set(Some(Executor::run_otherwise));
        for task in self.live().all() {
            if task.header().owner.wake() == Woken::Enqueue {
                self.home.local().enqueue(task.0);
            }
        }
    }

    /// [`run`](Executor::run), where not everything goes the ordinary way.
    #[cold]
    pub(super) fn run_otherwise(&self, most: usize) -> usize {
        if let Some(deviation) = &self.deviation {
            return self.run_as_chosen(&deviation.choices, most);
        }
        let ready = self.home.local().run_queue.len().min(most);
        for polled in 0..ready {
            let Some(task) = self.home.local().run_queue.pop() else { return polled };
            let task = TaskRef(task);
            self.run_kept(task, &borrowed_waker(&task));
        }
        ready
    }

    /// [`run_task`](Executor::run_task), by the book if there is one.
    pub(super) fn run_kept(&self, task: TaskRef, waker: &Waker) {
        let Some(book) = self.book.get() else { return self.run_task_apart(task, waker) };
        let (id, place) = (task.header().id(), task.header().place());
        let poll = book.begin(&task, waker);
        self.run_task_apart(task, &poll.waker);
        // The task may be gone, and its place another's.
        let waits = self.live().get(place).filter(|task| task.header().id() == id);
        let nobody = poll.end(waits.map(|task| task.header().wait()));
        if waits.is_some_and(|task| nobody && !task.header().owner.is_queued()) && self.unknown_wakers(task) == 0 {
            self.observers.tell(|observer| observer.waker_lost(id));
        }
    }

    /// Wakers of which the book does not know, and other handles.
    fn unknown_wakers(&self, task: TaskRef) -> usize {
        let known = self.book.get().map_or(0, |book| book.known_wakers(task.header().id()));
        task.header().references().saturating_sub(known)
    }

    /// What the book knows of a live task.
    pub(crate) fn evidence(&self, id: TaskId) -> Option<Evidence> {
        self.evidence_of(self.live().find(id)?)
    }

    fn evidence_of(&self, task: TaskRef) -> Option<Evidence> {
        let (book, id) = (self.book.get()?, task.header().id());
        Some(Evidence { polls: book.polls(id), kept: book.kept(id), more: self.unknown_wakers(task) > 0 })
    }

    /// Whether there is evidence of all live tasks, and it is as `is_so` says.
    pub(crate) fn all_evidence(&self, is_so: impl Fn(&Evidence) -> bool) -> bool {
        self.live().all().all(|task| self.evidence_of(task).is_some_and(|evidence| is_so(&evidence)))
    }

    /// Tells, on any thread, which task is being polled, and where it was spawned.
    pub(crate) fn polled(&self) -> impl Fn() -> Option<(TaskId, &'static Location<'static>)> + Send + 'static {
        let book = self.book.get().cloned();
        move || book.as_ref()?.polled()
    }

    /// What nobody has awaited of those that panicked: who, and the message.
    pub(crate) fn panicked(&self) -> Vec<(TaskId, String)> {
        let unobserved = self.home.local().unobserved.borrow();
        unobserved.iter().map(|panic| (panic.task, crate::task::message(&panic.payload))).collect()
    }
}
