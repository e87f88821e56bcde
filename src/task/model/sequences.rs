//! Sequences of operations on a real task, each compared with [`Model`].

use std::cell::RefCell;
use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;

use super::expected::{Life, Model, Place, Script};
use crate::executor::Executor;
use crate::observer::Observers;
use crate::sys::{Hook, World};
use crate::task::header::Header;
use crate::task::{AbortHandle, HomeOwner, JoinError, JoinHandle};

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Sets what the next poll does.
    Script(Script),
    Turn,
    Wake(Place),
    WakeByValue(Place),
    CloneWaker(Place),
    DropWaker(Place),
    PollHandle(Place),
    Abort(Place),
    AbortByAbortHandle(Place),
    DropAbortHandle(Place),
    DropHandle(Place),
    EndRuntime,
}

// ---- the real thing ----------------------------------------------------------------------------------------------

#[derive(Default)]
struct Counters {
    polls: AtomicUsize,
    futures_dropped: AtomicUsize,
    values_dropped: AtomicUsize,
    joins: AtomicUsize,
}

impl Wake for Counters {
    fn wake(self: Arc<Self>) {
        self.joins.fetch_add(1, SeqCst);
    }
}

/// The task's output.
struct Value(Arc<Counters>);

impl Drop for Value {
    fn drop(&mut self) {
        self.0.values_dropped.fetch_add(1, SeqCst);
    }
}

/// What the task and the test share, on the home thread.
struct Desk {
    script: Script,
    wakers: Vec<Waker>,
    aborts: Vec<AbortHandle>,
    header: Option<NonNull<Header>>,
}

struct Subject {
    counters: Arc<Counters>,
    desk: Rc<RefCell<Desk>>,
}

impl Future for Subject {
    type Output = Value;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Value> {
        self.counters.polls.fetch_add(1, SeqCst);
        let mut desk = self.desk.borrow_mut();
        desk.header = NonNull::new(cx.waker().data().cast::<Header>().cast_mut());
        match std::mem::replace(&mut desk.script, Script::Wait) {
            Script::Wait => {}
            Script::Keep => desk.wakers.push(cx.waker().clone()),
            Script::WakeSelf(times) => (0..times).for_each(|_| cx.waker().wake_by_ref()),
            // The one that is made at the beginning, if it is still there; else there is no way.
            Script::AbortSelf => desk.aborts[0].abort(),
            Script::Finish => return Poll::Ready(Value(self.counters.clone())),
            Script::Panic => resume_unwind(Box::new("scripted")),
        }
        Poll::Pending
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.counters.futures_dropped.fetch_add(1, SeqCst);
    }
}

struct NoHook;

impl Hook for NoHook {}

struct Bench {
    executor: Option<Executor>,
    handle: Option<JoinHandle<Value>>,
    counters: Arc<Counters>,
    joiner: Waker,
    desk: Rc<RefCell<Desk>>,
    /// Lives as long as the home, hence as long as any memory of the task.
    home_lives: Weak<NoHook>,
    unobserved: usize,
    model: Model,
}

impl Bench {
    fn new() -> Bench {
        let hook = Arc::new(NoHook);
        let home_lives = Arc::downgrade(&hook);
        let home = HomeOwner::new(World::kernel().hooked(hook), Observers::default());
        let executor = Executor::new(home, Observers::default(), None);
        let counters = Arc::new(Counters::default());
        let desk = Desk { script: Script::Wait, wakers: vec![], aborts: vec![], header: None };
        let desk = Rc::new(RefCell::new(desk));
        let subject = Subject { counters: counters.clone(), desk: desk.clone() };
        let handle = executor.spawn(subject, None, Location::caller());
        desk.borrow_mut().aborts.push(handle.abort_handle());
        let joiner = Waker::from(counters.clone());
        let (executor, handle) = (Some(executor), Some(handle));
        Bench { executor, handle, counters, joiner, desk, home_lives, unobserved: 0, model: Model::new() }
    }

    /// Does something at a place.
    fn at<T: Send>(&self, place: Place, code: impl FnOnce() -> T + Send) -> T {
        match place {
            Place::Inside => {
                let _turning = self.executor.as_ref().map(|executor| executor.home().turn());
                code()
            }
            Place::Outside => code(),
            Place::Elsewhere => std::thread::scope(|scope| scope.spawn(code).join().unwrap()),
        }
    }

    fn take_unobserved(&mut self) {
        if let Some(executor) = &self.executor {
            self.unobserved += executor.take_unobserved().len();
        }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Script(Script::AbortSelf) if self.desk.borrow().aborts.is_empty() => {}
            Operation::Script(script) => {
                (self.desk.borrow_mut().script, self.model.script) = (script, script);
            }
            Operation::Turn => self.turn(),
            Operation::Wake(place) => self.with_waker(
                place,
                |model| model.wake(false, place),
                |waker| {
                    waker.wake_by_ref();
                    Some(waker)
                },
            ),
            Operation::WakeByValue(place) => {
                let expect = |model: &mut Model| {
                    model.wake(false, place);
                    model.wakers -= 1;
                };
                self.with_waker(place, expect, |waker| {
                    waker.wake();
                    None
                });
            }
            Operation::DropWaker(place) => self.with_waker(place, |model| model.wakers -= 1, |_| None),
            Operation::CloneWaker(place) => self.clone_waker(place),
            Operation::PollHandle(place) => self.poll_handle(place),
            Operation::Abort(place) => {
                if let Some(handle) = &self.handle {
                    self.at(place, || handle.abort());
                    self.model.wake(true, place);
                }
            }
            Operation::AbortByAbortHandle(place) => self.with_abort_handle(place, true),
            Operation::DropAbortHandle(place) => self.with_abort_handle(place, false),
            Operation::DropHandle(place) => {
                if let Some(handle) = self.handle.take() {
                    self.at(place, move || drop(handle));
                    self.model.drop_handle(place);
                }
            }
            Operation::EndRuntime => self.end_runtime(),
        }
    }

    fn turn(&mut self) {
        let Some(executor) = &self.executor else { return };
        // The script was set while there was an abort handle; without one it cannot be played.
        if self.desk.borrow().script == Script::AbortSelf && self.desk.borrow().aborts.is_empty() {
            (self.desk.borrow_mut().script, self.model.script) = (Script::Wait, Script::Wait);
        }
        let turning = executor.home().turn();
        executor.take_in();
        executor.run(64);
        drop(turning);
        self.model.turn();
    }

    /// Gives a waker, if there is one, to `code`, which may give it back.
    fn with_waker(
        &mut self,
        place: Place,
        expect: impl FnOnce(&mut Model),
        code: impl FnOnce(Waker) -> Option<Waker> + Send,
    ) {
        let Some(waker) = self.desk.borrow_mut().wakers.pop() else { return };
        let back = self.at(place, move || code(waker));
        self.desk.borrow_mut().wakers.extend(back);
        expect(&mut self.model);
    }

    fn clone_waker(&mut self, place: Place) {
        let Some(waker) = self.desk.borrow().wakers.last().cloned() else { return };
        // The first clone was made here; the one that is kept, there.
        let there = self.at(place, move || waker.clone());
        self.desk.borrow_mut().wakers.push(there);
        self.model.wakers += 1;
    }

    fn with_abort_handle(&mut self, place: Place, abort: bool) {
        let Some(handle) = self.desk.borrow_mut().aborts.pop() else { return };
        if !abort {
            self.model.aborts -= 1;
            return self.at(place, move || drop(handle));
        }
        self.model.wake(true, place);
        let back = self.at(place, move || {
            handle.abort();
            handle
        });
        self.desk.borrow_mut().aborts.push(back);
    }

    fn poll_handle(&mut self, place: Place) {
        let Some(mut handle) = self.handle.take() else { return };
        let joiner = self.joiner.clone();
        let (handle, polled) = self.at(place, move || {
            let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&joiner));
            (handle, polled)
        });
        let polled = match polled {
            Poll::Pending => None,
            Poll::Ready(Ok(_)) => Some("value"),
            Poll::Ready(Err(JoinError::Cancelled)) => Some("cancelled"),
            Poll::Ready(Err(JoinError::Panicked(_))) => Some("panic"),
            Poll::Ready(Err(JoinError::Elsewhere)) => Some("elsewhere"),
        };
        assert_eq!(polled, self.model.poll_handle(place));
        if matches!(polled, None | Some("elsewhere")) {
            self.handle = Some(handle);
        } else {
            drop(handle);
            self.model.detach();
        }
    }

    fn end_runtime(&mut self) {
        let Some(executor) = &self.executor else { return };
        executor.shutdown();
        self.model.end();
        self.take_unobserved();
        self.check_unobserved();
        self.executor = None;
    }

    fn check_unobserved(&self) {
        assert_eq!(self.unobserved, self.model.unobserved, "panics that nobody awaited");
    }

    fn check(&mut self) {
        self.take_unobserved();
        let counted = [&self.counters.polls, &self.counters.futures_dropped, &self.counters.values_dropped];
        let counted = counted.map(|count| count.load(SeqCst));
        let model = &self.model;
        assert_eq!(counted, [model.polls, model.futures_dropped, model.values_dropped], "polls, drops: {model:?}");
        assert_eq!(self.counters.joins.load(SeqCst), model.joins, "wakes of who awaits the handle: {model:?}");
        if let Some(executor) = &self.executor {
            assert_eq!(executor.queue().len(), usize::from(model.life == Life::Queued), "{model:?}");
            self.check_unobserved();
        }
        if let Some(header) = self.desk.borrow().header.filter(|_| model.references() > 0) {
            // SAFETY: T4: it has references, says the model.
            let header = unsafe { header.as_ref() };
            assert_eq!(header.tally.references(&header.shared), model.references(), "{model:?}");
        }
    }

    /// Drops what is left.
    fn clear(mut self) {
        self.apply(Operation::DropHandle(Place::Outside));
        while !self.desk.borrow().wakers.is_empty() {
            self.apply(Operation::DropWaker(Place::Outside));
        }
        while !self.desk.borrow().aborts.is_empty() {
            self.apply(Operation::DropAbortHandle(Place::Outside));
        }
        self.check();
        self.end_runtime();
        assert_eq!(self.counters.futures_dropped.load(SeqCst), 1, "a future is dropped once");
        assert!(self.home_lives.upgrade().is_none(), "memory of the task or the home is left");
    }
}

// ---- the tests ---------------------------------------------------------------------------------------------------

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![Just(Place::Inside), Just(Place::Outside), Just(Place::Elsewhere)]
}

fn script() -> impl Strategy<Value = Script> {
    prop_oneof![
        Just(Script::Wait),
        Just(Script::Keep),
        Just(Script::Keep),
        (1..4usize).prop_map(Script::WakeSelf),
        Just(Script::AbortSelf),
        Just(Script::Finish),
        Just(Script::Panic),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => script().prop_map(Operation::Script),
        6 => Just(Operation::Turn),
        3 => place().prop_map(Operation::Wake),
        2 => place().prop_map(Operation::WakeByValue),
        2 => place().prop_map(Operation::CloneWaker),
        1 => place().prop_map(Operation::DropWaker),
        2 => place().prop_map(Operation::PollHandle),
        1 => place().prop_map(Operation::Abort),
        1 => place().prop_map(Operation::AbortByAbortHandle),
        1 => place().prop_map(Operation::DropAbortHandle),
        1 => place().prop_map(Operation::DropHandle),
        1 => Just(Operation::EndRuntime),
    ]
}

/// The first poll keeps a waker, in most sequences: without one there is little to do.
fn sequence() -> impl Strategy<Value = Vec<Operation>> {
    let first = prop_oneof![
        3 => Just(vec![Operation::Script(Script::Keep), Operation::Turn]),
        1 => Just(vec![]),
    ];
    (first, prop::collection::vec(operation(), 0..40)).prop_map(|(first, rest)| [first, rest].concat())
}

fn run(sequence: &[Operation]) {
    let mut bench = Bench::new();
    for operation in sequence {
        bench.apply(*operation);
        bench.check();
    }
    bench.clear();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_task_does_what_the_model_does(sequence in sequence()) {
        run(&sequence);
    }
}

/// glommio#379: a wake by reference, then the waker's drop, took one reference too many.
#[test]
fn wake_by_reference_then_drop_gives_up_one_reference() {
    for place in [Place::Inside, Place::Outside, Place::Elsewhere] {
        run(&[
            Operation::Script(Script::Keep),
            Operation::Turn,
            Operation::Wake(place),
            Operation::DropWaker(place),
            Operation::Turn,
            Operation::DropHandle(place),
            Operation::Turn,
            Operation::EndRuntime,
        ]);
    }
}

/// Each place for the end of the runtime, between a request and its arrival.
#[test]
fn what_is_on_its_way_when_the_runtime_ends_is_not_leaked() {
    for place in [Place::Inside, Place::Outside, Place::Elsewhere] {
        let requests = [Operation::Wake(place), Operation::WakeByValue(place), Operation::Abort(place)];
        for request in requests.into_iter().chain([Operation::DropHandle(place)]) {
            for script in [Script::Wait, Script::Finish, Script::Panic] {
                run(&[
                    Operation::Script(Script::Keep),
                    Operation::Turn,
                    Operation::CloneWaker(place),
                    Operation::Wake(place),
                    Operation::Script(script),
                    Operation::Turn,
                    request,
                    Operation::EndRuntime,
                    request,
                ]);
            }
        }
    }
}
