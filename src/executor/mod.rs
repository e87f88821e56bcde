//! Who runs next.
//!
//! The executor owns the live tasks and polls those in the run queue, in order. It does not sleep and knows no
//! descriptor and no clock: when nothing is ready, that is the loop's business.

mod deviation;
mod evidence;

use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::observer::{Ending, Observers, TaskId, Wait};
use crate::task::kept::Book;
use crate::task::{Begin, Ended, Extras, Header, HomeOwner, JoinError, JoinHandle, Live, Outcome, Payload, TaskRef};
use crate::task::{Unobserved, Woken, borrowed_waker, here, report};

pub(crate) use deviation::Deviation;
pub(crate) use evidence::Evidence;

/// [`Executor::run`], another way.
type Run = fn(&Executor, usize) -> usize;

/// See the head of this file.
pub(crate) struct Executor {
    home: HomeOwner,
    next_id: Cell<u64>,
    /// After the end, a spawned task is cancelled before its handle is returned.
    closed: Cell<bool>,
    observers: Observers,
    /// How to run tasks, if not everything goes the ordinary way: there are choices, or a book. By a pointer, so that a
    /// program without them is not linked with what it never runs.
    otherwise: Cell<Option<Run>>,
    /// How many polls there were, those that unwound included.
    polls: Cell<usize>,
    /// Where choices come from.
    deviation: Option<Deviation>,
    /// Where the wakers stand that are kept.
    book: OnceCell<Book>,
}

/// Ends the task of this number if it is dropped, which it is only by unwinding.
struct EndsIfUnwound<'a>(&'a Executor, TaskId);

impl Drop for EndsIfUnwound<'_> {
    fn drop(&mut self) {
        self.0.end_now(self.1);
    }
}

impl Executor {
    pub(crate) fn new(home: HomeOwner, observers: Observers, deviation: Option<Deviation>) -> Executor {
        let (next_id, closed) = (Cell::new(1), Cell::new(false));
        let otherwise = Cell::new(deviation.as_ref().map(|deviation| deviation.run));
        Executor { home, next_id, closed, observers, otherwise, polls: Cell::new(0), deviation, book: OnceCell::new() }
    }

    fn live(&self) -> &Live {
        &self.home.local().live
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
        let local = self.home.local();
        let task = TaskRef::new(self.home.home(), id, at, future);
        if name.is_some() || local.inherits.get() {
            task.header().set_extras(self.extras(name.clone()));
        }
        let handle = JoinHandle::new(task, at);
        // What the future borrows ends with the caller, also if an observer panics.
        let ends = self.observers.0.as_ref().map(|_| EndsIfUnwound(self, id));
        self.observers.tell(|observer| {
            observer.task_spawned(id, at);
            if let Some(name) = &name {
                observer.task_named(id, name);
            }
        });
        if self.closed.get() {
            self.end(task);
        } else {
            local.enqueue(task.0);
        }
        std::mem::forget(ends);
        handle
    }

    /// What a new task begins with.
    #[cold]
    fn extras(&self, name: Option<Rc<str>>) -> Option<Box<Extras>> {
        let inherited = here::with_task(|spawning| {
            let is_ours = self.home.home().is(spawning.home());
            spawning.extras(|extras| extras.inherited()).filter(|_| is_ours)
        });
        Extras::new(name, inherited.flatten().unwrap_or_default())
    }

    fn new_id(&self) -> TaskId {
        TaskId(self.next_id.replace(self.next_id.get() + 1))
    }

    /// Takes in what other threads woke, aborted, detached or sent.
    #[inline]
    pub(crate) fn take_in(&self) {
        let arrived = self.home.take_in();
        if !arrived.is_empty() {
            self.take_in_all(arrived.map(TaskRef));
        }
    }

    #[cold]
    fn take_in_all(&self, arrived: impl Iterator<Item = TaskRef>) {
        if let Some(deviation) = &self.deviation {
            return (deviation.take_in)(self, arrived.collect());
        }
        arrived.for_each(|task| self.arrive(task));
    }

    fn arrive(&self, task: TaskRef) {
        let header = task.header();
        let arrival = header.take_in();
        if header.is_on_its_way() {
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
        if header.is_on_its_way() {
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
        task.arrive(id);
        self.observers.tell(|observer| observer.task_spawned(id, at));
    }

    /// Polls tasks that are ready now, `most` at the most: those that they make ready wait for the next call. How many
    /// it polled.
    pub(crate) fn run(&self, most: usize) -> usize {
        if let Some(run) = self.otherwise.get() {
            return run(self, most);
        }
        let (ready, before) = (self.home.local().run_queue.len().min(most), self.polls.get());
        self.caught(|| self.run_next(ready - (self.polls.get() - before)));
        here::end_poll();
        self.polls.get() - before
    }

    /// [`run`](Executor::run), again and again, until there were so many polls, or nothing is ready, or something came from
    /// elsewhere, or it shall stop: many turns in one, for a caller who would do nothing in between, when nobody looks on
    /// and could tell.
    pub(crate) fn run_on(&self, most: usize, stop: &Cell<bool>) {
        if self.otherwise.get().is_some() || self.observers.0.is_some() {
            self.run(most);
            return;
        }
        let end = self.polls.get() + most;
        let queue = &self.home.local().run_queue;
        // The last task of the turn under way, until it is reached; kept here, since a poll that unwinds ends no turn.
        let last = Cell::new(queue.last());
        self.caught(|| {
            while self.polls.get() != end {
                if last.get().is_null() {
                    if stop.get() || self.home.has_mail() {
                        return;
                    }
                    last.set(queue.last());
                }
                let Some(task) = queue.pop() else { return };
                if ptr::eq(task.as_ptr(), last.get()) {
                    last.set(ptr::null());
                }
                let task = TaskRef(task);
                self.run_task(task, &borrowed_waker(&task));
            }
        });
        here::end_poll();
    }

    /// Runs `code` again whenever a poll in it unwinds: one net under many polls. Under each it would cost more than the
    /// poll.
    #[inline]
    fn caught<T>(&self, mut code: impl FnMut() -> T) -> T {
        loop {
            match catch_unwind(AssertUnwindSafe(&mut code)) {
                Ok(value) => return value,
                Err(payload) => self.unwound(payload),
            }
        }
    }

    #[inline]
    fn run_next(&self, most: usize) {
        for _ in 0..most {
            let Some(task) = self.home.local().run_queue.pop() else { return };
            let task = TaskRef(task);
            self.run_task(task, &borrowed_waker(&task));
        }
    }

    /// A poll unwound: the future that it was of has ended so.
    #[cold]
    fn unwound(&self, payload: Payload) {
        // Else it was an observer's, whose panics are the program's.
        let Some(task) = here::end_unwound_poll() else { resume_unwind(payload) };
        let ending = task.end(JoinError::Panicked(payload));
        self.complete(task, ending);
    }

    /// How many polls there were since the runtime began.
    #[inline]
    pub(crate) fn polls(&self) -> usize {
        self.polls.get()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.home.local().run_queue.len() == 0
    }

    /// Inlined into the one loop of ordinary runs; what deviates calls it by a pointer.
    #[inline(always)]
    fn run_task(&self, task: TaskRef, waker: &Waker) {
        self.polls.set(self.polls.get() + 1);
        if self.observers.0.is_some() {
            self.tell_of_poll(task);
        }
        match task.header().owner.begin_poll() {
            Begin::Cancel => {
                here::end_poll();
                let ending = task.end(JoinError::Cancelled);
                self.complete(task, ending);
            }
            Begin::Poll => match task.poll(&mut Context::from_waker(waker)) {
                Poll::Ready(ending) => {
                    here::end_poll();
                    self.complete(task, ending);
                }
                Poll::Pending => self.wait(task),
            },
        }
    }

    #[cold]
    fn tell_of_poll(&self, task: TaskRef) {
        here::end_poll();
        self.observers.tell(|observer| observer.poll_began(task.header().id()));
    }

    /// The poll returned `Pending`.
    #[inline]
    fn wait(&self, task: TaskRef) {
        if self.observers.0.is_some() {
            self.tell_of_wait(task);
        }
        if task.header().owner.end_poll() == Ended::Enqueue {
            self.home.local().enqueue(task.0);
        }
    }

    #[cold]
    fn tell_of_wait(&self, task: TaskRef) {
        here::end_poll();
        let id = task.header().id();
        self.observers.tell(|observer| {
            observer.poll_ended(id, task.header().wait());
            // Where there is a book, that knows better.
            if self.book.get().is_none() && self.is_lost(task) {
                observer.waker_lost(id);
            }
        });
    }

    /// Whether nobody can wake a task that waits: nobody has a waker of it, or another handle but its JoinHandle.
    fn is_lost(&self, task: TaskRef) -> bool {
        !task.header().owner.is_queued() && task.header().references() == 0
    }

    /// The future is gone and the output stored: the executor lets go of the task.
    #[inline]
    fn complete(&self, task: TaskRef, ending: Ending) {
        let header = task.header();
        let id = header.id();
        task.leave();
        if header.owner.has_extras() {
            self.drop_locals(id, header);
        }
        let outcome = header.owner.complete();
        let joiner = if header.has_details() { task.take_details() } else { None };
        self.observers.tell(|observer| observer.task_ended(id, ending));
        match outcome {
            Outcome::Keep => {
                if let Some(joiner) = joiner {
                    self.wake_joiner(id, joiner);
                }
            }
            Outcome::Discard => self.discard(task),
        }
    }

    #[inline]
    fn wake_joiner(&self, id: TaskId, joiner: Waker) {
        if crate::task::is_ours(&joiner) {
            return joiner.wake();
        }
        self.contained(id, || joiner.wake());
    }

    /// One by one: the panic of one is not that of another.
    #[inline(never)]
    fn drop_locals(&self, id: TaskId, header: &Header) {
        let Some(extras) = header.take_extras() else { return };
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
        // SAFETY: T2 as above; T4: complete and without a handle: the home's reference ends here.
        unsafe { task.release_home() };
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
        while self.live().len() > 0 {
            self.end_all();
        }
        self.closed.set(true);
        // From the closing on, a complete task and its tally are its handle's: this thread counts in the shared words.
        let outside = self.home.outside();
        for task in self.home.close() {
            self.arrive_last(TaskRef(task));
        }
        if self.live().len() > 0 {
            self.end_all();
        }
        drop(outside);
        drop(turning);
    }

    fn end_all(&self) {
        let mut all: Vec<(TaskId, usize)> =
            self.live().all().map(|task| (task.header().id(), task.header().place())).collect();
        all.sort_unstable();
        for (id, place) in all {
            // The drop of an earlier one cannot end a later one, but its place may be a new task's by now.
            if let Some(task) = self.live().get(place).filter(|task| task.header().id() == id) {
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
        let Some(task) = self.live().find(id) else { return };
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
        let id = task.header().id();
        let told = catch_unwind(AssertUnwindSafe(|| self.observers.tell(|observer| observer.poll_began(id))));
        task.header().owner.begin_last();
        let ending = task.end(JoinError::Cancelled);
        self.complete(task, ending);
        if let Err(payload) = told {
            resume_unwind(payload);
        }
    }

    /// Calls `seen` for each live task, in no order.
    pub(crate) fn for_each(&self, mut seen: impl FnMut(TaskView)) {
        for task in self.live().all() {
            let header = task.header();
            seen(TaskView {
                id: header.id(),
                name: header.name(),
                spawned_at: header.at(),
                wait: header.wait(),
                ready: header.owner.is_queued(),
                is_lost: !header.owner.is_running() && self.is_lost(task),
            });
        }
    }

    /// The numbers of the tasks in the run queue, in order.
    pub(crate) fn queue(&self) -> Vec<TaskId> {
        let mut queue = Vec::new();
        self.home.local().run_queue.for_each(|header| queue.push(header.id()));
        queue
    }

    #[inline]
    pub(crate) fn has_unobserved(&self) -> bool {
        !self.home.local().unobserved.borrow().is_empty()
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
