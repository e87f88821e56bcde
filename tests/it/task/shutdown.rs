//! The end of a runtime: what drops run, in which order, and what they may do (tokio#1972, tokio#2046, tokio#157).

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};

use coracle::sync::{WaitQueue, channel, oneshot};
use coracle::time::{Duration, sleep};
use coracle::{Runtime, Spawner};

use super::{Drops, panics, settle, wake_by_value};
use crate::support::poll_once;

/// Runs code when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Makes a guard that writes `name` when it is dropped.
fn noting(trace: &Rc<RefCell<Vec<usize>>>, name: usize) -> OnDrop<impl FnMut() + use<>> {
    let trace = trace.clone();
    OnDrop(move || trace.borrow_mut().push(name))
}

/// Some have begun, some not; some were woken, some sleep; one ended long ago, so that its place was given to another.
#[test]
fn live_tasks_are_dropped_in_the_order_in_which_they_were_spawned() {
    let trace = Rc::default();
    let runtime = Runtime::new();
    runtime.block_on(async { coracle::spawn(async {}).await.unwrap() });
    for name in 0..10 {
        let guard = noting(&trace, name);
        drop(runtime.spawn(async move {
            let _guard = guard;
            match name % 3 {
                0 => pending().await,
                1 => sleep(Duration::from_secs(3600)).await,
                _ => coracle::task::yield_now().await,
            }
            pending::<()>().await;
        }));
        if name == 6 {
            settle(&runtime);
        }
    }
    drop(runtime);
    assert_eq!(*trace.borrow(), (0..10).collect::<Vec<_>>());
}

/// A task's drop wakes another, drops a sender that a third waits for, aborts a fourth and drops its handle: no borrow
/// is held, nobody is polled any more.
#[test]
fn a_drop_at_the_end_may_wake_abort_and_send() {
    let runtime = Runtime::new();
    let (polls, waker) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None::<Waker>)));
    let (sender, receiver) = channel::bounded::<u8>(1);
    let (once, value) = oneshot::channel::<u8>();
    let queue = Rc::new(WaitQueue::new());
    let aborted = runtime.spawn(pending::<()>());
    let spawned = Drops::default();
    let mut once = Some(once);
    let mut parts = Some((aborted, sender));
    let guard = OnDrop({
        let (waker, queue, token) = (waker.clone(), queue.clone(), spawned.token());
        let mut token = Some(token);
        move || {
            waker.borrow().as_ref().unwrap().wake_by_ref();
            queue.wake_all();
            once.take().unwrap().send(1).unwrap();
            let (aborted, sender) = parts.take().unwrap();
            aborted.abort();
            sender.try_send(1).unwrap();
            let token = token.take();
            drop(coracle::spawn(async move { drop(token) }));
        }
    });
    drop(runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    }));
    let count = {
        let polls = polls.clone();
        move || polls.set(polls.get() + 1)
    };
    drop(runtime.spawn({
        let (waker, count) = (waker.clone(), count.clone());
        poll_fn(move |cx| {
            count();
            *waker.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        })
    }));
    let (count_recv, count_value, count_queue) = (count.clone(), count.clone(), count.clone());
    drop(runtime.spawn(async move {
        receiver.recv().await;
        count_recv();
    }));
    drop(runtime.spawn(async move {
        value.await.unwrap();
        count_value();
    }));
    drop(runtime.spawn(async move {
        queue.wait().await;
        count_queue();
    }));
    settle(&runtime);
    assert_eq!(polls.get(), 1);
    assert!(!panics(|| drop(runtime)));
    assert_eq!((polls.get(), spawned.count()), (1, 1), "nobody was polled, and all is dropped");
}

/// Each of three generations spawns ten tasks in its drop, by the current runtime, by a spawner and by a handle kept.
#[test]
fn tasks_spawned_by_drops_at_the_end_are_dropped_too() {
    fn generation(depth: usize, drops: &Drops, spawner: &Spawner) -> OnDrop<impl FnMut() + use<>> {
        let (drops, spawner) = (drops.clone(), spawner.clone());
        OnDrop(move || {
            drop(drops.token());
            if depth == 0 {
                return;
            }
            for n in 0..10 {
                if n % 2 == 0 {
                    let guard: Box<dyn std::any::Any> = Box::new(generation(depth - 1, &drops, &spawner));
                    drop(coracle::spawn(async move {
                        let _guard = guard;
                        pending::<()>().await;
                    }));
                } else {
                    drop(spawner.spawn(pending::<()>));
                }
            }
        })
    }
    let drops = Drops::default();
    let runtime = Runtime::new();
    let guard = generation(3, &drops, &runtime.spawner());
    let task = runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    settle(&runtime);
    drop(runtime);
    assert_eq!(drops.count(), 1 + 5 + 25 + 125);
    assert!(task.is_finished());
}

/// What outlives its runtime: handles give their result, wakers and spawners do nothing, and a handle of a task that
/// was spawned too late says that it was cancelled.
#[test]
fn what_outlives_the_runtime_says_so() {
    let runtime = Runtime::new();
    let spawner = runtime.spawner();
    let mut finished = runtime.spawn(async { 1 });
    let mut unfinished = runtime.spawn(pending::<u8>());
    let (mut remote, mut late) = (spawner.spawn(pending::<u8>).unwrap(), None);
    settle(&runtime);
    let slot = Rc::new(RefCell::new(None));
    let guard = OnDrop({
        let slot = slot.clone();
        move || *slot.borrow_mut() = Some(coracle::spawn(async { 3 }))
    });
    drop(runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    }));
    drop(runtime);
    std::mem::swap(&mut late, &mut slot.borrow_mut());
    assert!(matches!(poll_once(&mut finished), Poll::Ready(Ok(1))));
    assert!(matches!(poll_once(&mut unfinished), Poll::Ready(Err(coracle::task::JoinError::Cancelled))));
    assert!(matches!(poll_once(&mut remote), Poll::Ready(Err(coracle::task::JoinError::Cancelled))));
    assert!(matches!(poll_once(late.as_mut().unwrap()), Poll::Ready(Err(coracle::task::JoinError::Cancelled))));
    assert!(spawner.spawn(|| async {}).is_err());
}

/// What a thread does at its end.
type LastWords = OnDrop<Box<dyn FnMut()>>;

thread_local! {
    static EARLY: RefCell<Option<LastWords>> = const { RefCell::new(None) };
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// A runtime in a thread-local, and a waker of it that another thread-local wakes in its destructor, before and after
/// the runtime's own (tokio#593, tokio#4973): the thread ends, and joins.
#[test]
fn a_runtime_in_a_thread_local_ends_with_its_thread() {
    for (touch_early_first, touch_current_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let (sender, dropped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            if touch_early_first {
                EARLY.with(|early| drop(early.borrow()));
            }
            if touch_current_first {
                Runtime::new().block_on(async {});
            }
            RUNTIME.with(|slot| drop(slot.borrow()));
            let runtime = Runtime::new();
            let kept = Rc::new(RefCell::new(None::<Waker>));
            let task = runtime.spawn({
                let (kept, guard) = (kept.clone(), OnDrop(move || sender.send("dropped").unwrap()));
                async move {
                    let _guard = guard;
                    let mut timer = sleep(Duration::from_secs(3600));
                    poll_fn(|cx| {
                        assert!(poll_once(&mut timer).is_pending());
                        *kept.borrow_mut() = Some(cx.waker().clone());
                        Poll::<()>::Pending
                    })
                    .await;
                }
            });
            settle(&runtime);
            let mut task = Some(task);
            let wakes = move || {
                let waker = kept.borrow_mut().take().unwrap();
                waker.wake_by_ref();
                wake_by_value(&waker);
                task.as_ref().unwrap().abort();
                drop(task.take());
            };
            EARLY.with(|early| *early.borrow_mut() = Some(OnDrop(Box::new(wakes))));
            RUNTIME.with(|slot| *slot.borrow_mut() = Some(runtime));
        });
        assert!(thread.join().is_ok());
        assert_eq!(dropped.try_iter().collect::<Vec<_>>(), ["dropped"]);
    }
}

/// The runtime's own part of the thread is torn down already, and yet a runtime is dropped, or even made and used: it
/// works without the sockets that need to be found.
#[test]
fn a_runtime_made_while_its_thread_ends_still_runs_tasks() {
    let (sender, said) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let late = move || {
            let runtime = Runtime::new();
            let task = runtime.spawn(async {
                coracle::task::yield_now().await;
                42
            });
            sender.send(runtime.block_on(task).unwrap()).unwrap();
        };
        // Registered first, hence destroyed last.
        EARLY.with(|early| *early.borrow_mut() = Some(OnDrop(Box::new(late))));
        Runtime::new().block_on(async {});
    });
    assert!(thread.join().is_ok());
    assert_eq!(said.try_iter().collect::<Vec<_>>(), [42]);
}
