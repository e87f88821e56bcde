//! Who runs next.
//!
//! The executor owns the live tasks and polls those in the run queue, in order. It does not sleep and knows no
//! descriptor and no clock: when nothing is ready, that is the loop's business.

mod deviation;
mod evidence;
mod extras;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::choices::Choices;
use crate::observer::{Ending, Observers, TaskId, Wait};
use crate::task::kept::Book;
use crate::task::{Begin, Ended, HomeOwner, JoinHandle, NO_KEY, Outcome, TaskRef, Unobserved, Woken};
use crate::task::{borrowed_waker, here, report};

pub(crate) use evidence::Evidence;
use extras::Extras;
pub(crate) use extras::LocalKey;

/// See the head of this file.
pub(crate) struct Executor {
    home: HomeOwner,
    live: RefCell<Slab<Record>>,
    next_id: Cell<u64>,
    /// After the end, a spawned task is cancelled before its handle is returned.
    closed: Cell<bool>,
    /// Some task has, or had, a local value that is inherited: a spawn must look.
    inherits: Cell<bool>,
    observers: Observers,
    /// Not everything goes the ordinary way: there are choices, or a book.
    deviates: Cell<bool>,
    /// Where choices come from.
    choices: Option<Choices>,
    /// Where the wakers stand that are kept.
    book: OnceCell<Book>,
}

/// What the executor knows of a live task, beyond its header.
struct Record {
    task: TaskRef,
    extras: Option<Box<Extras>>,
}

impl Executor {
    pub(crate) fn new(home: HomeOwner, observers: Observers, choices: Option<Choices>) -> Executor {
        let (live, next_id) = (RefCell::default(), Cell::new(1));
        let (closed, inherits) = (Cell::new(false), Cell::new(false));
        let deviates = Cell::new(choices.is_some());
        Executor { home, live, next_id, closed, inherits, observers, deviates, choices, book: OnceCell::new() }
    }

    pub(crate) fn home(&self) -> &HomeOwner {
        &self.home
    }

    /// Makes a task of `future` and puts it at the end of the run queue.
    pub(crate) fn spawn<F: Future + 'static>(
        &self,
        future: F,
        name: Option<Rc<str>>,
        at: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        // SAFETY: what is `'static` may live as long as it likes.
        unsafe { self.spawn_unchecked(future, name, at) }
    }

    /// # Safety
    /// The task must end (be joined, or aborted and run) before anything that the future borrows does.
    pub(crate) unsafe fn spawn_unchecked<F: Future>(
        &self,
        future: F,
        name: Option<Rc<str>>,
        at: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        let id = self.new_id();
        let extras = if name.is_some() || self.inherits.get() { self.extras(name.clone()) } else { None };
        let task = {
            let mut live = self.live.borrow_mut();
            let entry = live.vacant_entry();
            let task = TaskRef::new(self.home.home().clone(), id, entry.key() as u32, at, future);
            entry.insert(Record { task, extras });
            task
        };
        let handle = JoinHandle::new(task, at);
        self.observers.tell(|observer| {
            observer.task_spawned(id, at);
            if let Some(name) = &name {
                observer.task_named(id, name);
            }
        });
        if self.closed.get() {
            self.end(task);
        } else {
            self.home.local().enqueue(task.0);
        }
        handle
    }

    /// What a new task begins with.
    #[cold]
    fn extras(&self, name: Option<Rc<str>>) -> Option<Box<Extras>> {
        let inherited = here::with_key(|home, spawning| {
            if !self.home.home().is(home) {
                return None;
            }
            Some(self.live.borrow().get(spawning as usize)?.extras.as_ref()?.inherited())
        });
        Extras::new(name, inherited.flatten().unwrap_or_default())
    }

    fn new_id(&self) -> TaskId {
        TaskId(self.next_id.replace(self.next_id.get() + 1))
    }

    /// Takes in what other threads woke, aborted, detached or sent.
    #[inline]
    pub(crate) fn take_in(&self) {
        let mut arrived = self.home.take_in().map(TaskRef);
        if let Some(first) = arrived.next() {
            self.take_in_all(std::iter::once(first).chain(arrived));
        }
    }

    fn take_in_all(&self, arrived: impl Iterator<Item = TaskRef>) {
        if self.choices.is_some() {
            return self.take_in_by_number(arrived.collect());
        }
        arrived.for_each(|task| self.arrive(task));
    }

    fn arrive(&self, task: TaskRef) {
        let header = task.header();
        let arrival = header.take_in();
        if header.key.get() == NO_KEY {
            self.adopt(task);
        }
        if header.owner.is_complete() {
            header.deafen();
        } else {
            let woken = if arrival.abort { header.owner.abort() } else { header.owner.wake() };
            if woken == Woken::Enqueue {
                self.home.local().enqueue(task.0);
            }
        }
        if arrival.detach {
            self.detach(task);
        }
        // SAFETY: T4: the inbox's reference, taken over with the task.
        unsafe { task.release() };
    }

    /// What came at the last moment: a wake or a detach of a complete task, or a task that never began. A complete one
    /// belongs to whoever has its handle, from the closing on and on whatever thread (T2): its state is not looked at.
    fn arrive_last(&self, task: TaskRef) {
        let header = task.header();
        let arrival = header.take_in();
        if header.key.get() == NO_KEY {
            self.adopt(task);
            if header.owner.wake() == Woken::Enqueue {
                self.home.local().enqueue(task.0);
            }
        }
        if arrival.detach {
            self.detach(task);
        }
        // SAFETY: T4: the inbox's reference, taken over with the task.
        unsafe { task.release() };
    }

    /// A task that was made elsewhere becomes one of ours.
    fn adopt(&self, task: TaskRef) {
        let (id, at) = (self.new_id(), task.header().at());
        task.header().set_id(id);
        let key = self.live.borrow_mut().insert(Record { task, extras: None });
        task.header().key.set(key as u32);
        self.observers.tell(|observer| observer.task_spawned(id, at));
    }

    /// Polls tasks that are ready now, `most` at the most: those that they make ready wait for the next call. How many
    /// it polled.
    #[inline]
    pub(crate) fn run(&self, most: usize) -> usize {
        if self.deviates.get() {
            return self.run_otherwise(most);
        }
        let ready = self.home.local().run_queue.len().min(most);
        for polled in 0..ready {
            let Some(task) = self.home.local().run_queue.pop() else { return polled };
            let task = TaskRef(task);
            self.run_task(task, &borrowed_waker(&task));
        }
        ready
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.home.local().run_queue.len() == 0
    }

    /// Inlined into the one loop of ordinary runs; what deviates calls it by a pointer.
    #[inline(always)]
    fn run_task(&self, task: TaskRef, waker: &Waker) {
        let header = task.header();
        let id = header.id();
        self.observers.tell(|observer| observer.poll_began(id));
        match header.owner.begin_poll() {
            Begin::Cancel => {
                let ending = task.cancel();
                self.complete(task, ending);
            }
            Begin::Poll => match task.poll(&mut Context::from_waker(waker)) {
                Poll::Ready(ending) => self.complete(task, ending),
                Poll::Pending => self.wait(task, id),
            },
        }
    }

    /// The poll returned `Pending`.
    #[inline]
    fn wait(&self, task: TaskRef, id: TaskId) {
        self.observers.tell(|observer| {
            observer.poll_ended(id, task.header().wait.get());
            // Where there is a book, that knows better.
            if self.book.get().is_none() && self.is_lost(task) {
                observer.waker_lost(id);
            }
        });
        if task.header().owner.end_poll() == Ended::Enqueue {
            self.home.local().enqueue(task.0);
        }
    }

    /// Whether nobody can wake a task that waits: nobody has a waker of it, or another handle but its JoinHandle.
    fn is_lost(&self, task: TaskRef) -> bool {
        !task.header().owner.is_queued() && task.header().references() == 0
    }

    /// The future is gone and the output stored: the executor lets go of the task.
    #[inline]
    fn complete(&self, task: TaskRef, ending: Ending) {
        let header = task.header();
        let (id, key) = (header.id(), header.key.get());
        let record = self.live.borrow_mut().remove(key as usize);
        if let Some(extras) = record.extras {
            self.drop_locals(id, *extras);
        }
        let outcome = header.owner.complete();
        self.observers.tell(|observer| observer.task_ended(id, ending));
        match outcome {
            Outcome::Keep => {
                if let Some(joiner) = header.take_joiner() {
                    self.contained(id, || joiner.wake());
                }
            }
            Outcome::Discard => self.discard(task),
        }
    }

    /// One by one: the panic of one is not that of another.
    #[cold]
    fn drop_locals(&self, id: TaskId, extras: Extras) {
        for local in extras.into_locals() {
            self.contained(id, || drop(local));
        }
    }

    /// A handle was dropped on another thread.
    fn detach(&self, task: TaskRef) {
        let joiner = task.header().take_joiner();
        self.contained(task.header().id(), || drop(joiner));
        if task.header().owner.detach() == Outcome::Discard {
            self.discard(task);
        }
    }

    /// Nobody wants the output of a complete task.
    fn discard(&self, task: TaskRef) {
        // SAFETY: T2: this is the home thread.
        if let Some(payload) = unsafe { task.discard() } {
            report(task, payload);
        }
        // SAFETY: T4: complete and without a handle: the home's reference ends here.
        unsafe { task.release() };
    }

    /// Runs somebody's waker or drop; a panic of it is reported like one of the task itself.
    fn contained(&self, id: TaskId, code: impl FnOnce()) {
        if let Some(payload) = crate::task::contain(code) {
            self.home.local().unobserved(Unobserved { task: id, payload });
        }
    }

    /// Ends all tasks: their futures are dropped in the order in which they were spawned, also those that are spawned
    /// or sent meanwhile. Then closes the inbox.
    pub(crate) fn shutdown(&self) {
        let turning = self.home.turn();
        // Once: a thread that spawns without a pause would keep us here for ever. What comes later is closed out below.
        self.take_in();
        while !self.live.borrow().is_empty() {
            self.end_all();
        }
        self.closed.set(true);
        for task in self.home.close() {
            self.arrive_last(TaskRef(task));
        }
        self.end_all();
        drop(turning);
    }

    fn end_all(&self) {
        let mut all: Vec<(TaskId, usize)> =
            self.live.borrow().iter().map(|(key, record)| (record.task.header().id(), key)).collect();
        all.sort_unstable();
        for (id, key) in all {
            // The drop of an earlier one cannot end a later one, but its key may serve a new task by now.
            let task = self.live.borrow().get(key).map(|record| record.task);
            if let Some(task) = task.filter(|task| task.header().id() == id) {
                // The queue counts no references, so nothing may stand in it that is about to go. Nothing is polled
                // any more.
                while self.home.local().run_queue.pop().is_some() {}
                self.end(task);
            }
        }
    }

    /// Ends one task, if it lives, as an abort does, but now.
    pub(crate) fn end_now(&self, id: TaskId) {
        let _turning = self.home.turn();
        let task = self.live.borrow().iter().map(|(_, record)| record.task).find(|task| task.header().id() == id);
        let Some(task) = task else { return };
        let queue = &self.home.local().run_queue;
        for _ in 0..queue.len() {
            let Some(other) = queue.pop() else { break };
            if other != task.0 {
                queue.push(other);
            }
        }
        self.end(task);
    }

    /// Drops the future of a task that neither runs nor stands in the run queue.
    fn end(&self, task: TaskRef) {
        self.observers.tell(|observer| observer.poll_began(task.header().id()));
        task.header().owner.begin_last();
        let ending = task.cancel();
        self.complete(task, ending);
    }

    /// Calls `seen` for each live task, in no order.
    pub(crate) fn for_each(&self, mut seen: impl FnMut(TaskView)) {
        for (_, record) in self.live.borrow().iter() {
            seen(TaskView {
                id: record.task.header().id(),
                name: record.extras.as_ref().and_then(|extras| extras.name.clone()),
                spawned_at: record.task.header().at(),
                wait: record.task.header().wait.get(),
                ready: record.task.header().owner.is_queued(),
                is_lost: !record.task.header().owner.is_running() && self.is_lost(record.task),
            });
        }
    }

    /// The numbers of the tasks in the run queue, in order.
    pub(crate) fn queue(&self) -> Vec<TaskId> {
        let mut queue = Vec::new();
        self.home.local().run_queue.for_each(|header| queue.push(header.id()));
        queue
    }

    /// The name of the task with this key.
    pub(crate) fn name(&self, task: u32) -> Option<Rc<str>> {
        self.live.borrow().get(task as usize)?.extras.as_ref()?.name.clone()
    }

    /// A local value of the task with this key.
    pub(crate) fn local(&self, task: u32, key: LocalKey) -> Option<Rc<dyn Any>> {
        self.live.borrow().get(task as usize)?.extras.as_ref()?.local(key)
    }

    /// Gives it one, and returns the one it had.
    pub(crate) fn set_local(&self, task: u32, key: LocalKey, value: Rc<dyn Any>) -> Option<Rc<dyn Any>> {
        if key.inherited {
            self.inherits.set(true);
        }
        self.live.borrow_mut().get_mut(task as usize)?.extras.get_or_insert_default().set_local(key, value)
    }

    pub(crate) fn take_local(&self, task: u32, key: LocalKey) -> Option<Rc<dyn Any>> {
        self.live.borrow_mut().get_mut(task as usize)?.extras.as_mut()?.take_local(key)
    }

    /// The panics that nobody awaited, since the last call.
    pub(crate) fn take_unobserved(&self) -> Vec<Unobserved> {
        std::mem::take(&mut self.home.local().unobserved.borrow_mut())
    }
}

/// A live task, as [`Runtime::inspect`](crate::Runtime::inspect) shows it.
///
/// ```
/// let runtime = coracle::Runtime::new();
/// let task = runtime.spawn(std::future::pending::<()>());
/// assert_eq!(runtime.inspect().tasks[0].id, task.id());
/// ```
#[derive(Clone, Debug)]
pub struct TaskView {
    /// Its number.
    pub id: TaskId,
    /// Its name, if it was given one.
    pub name: Option<Rc<str>>,
    /// The line that spawned it.
    pub spawned_at: &'static Location<'static>,
    /// What it said in its last poll that it waits for, and where; `None` if it said nothing.
    pub wait: Option<Wait>,
    /// Whether it stands in the run queue.
    pub ready: bool,
    /// Whether nobody can wake it: it waits, and nobody keeps a waker of it, nor an
    /// [`AbortHandle`](crate::task::AbortHandle).
    pub is_lost: bool,
}
