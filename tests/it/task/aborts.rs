//! Aborts, from anywhere and at any time (tokio#3929, tokio#3964, RUSTSEC-2021-0072), and what a task may do with its
//! own handle.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread::ThreadId;

use coracle::Runtime;
use coracle::task::{AbortHandle, JoinError, JoinHandle, yield_now};

use super::{Drops, panics, settle, turn, word};
use crate::support::poll_once;

/// Not `Send`, and remembers the thread on which it was dropped.
struct DroppedOn(Rc<Cell<Option<ThreadId>>>);

impl Drop for DroppedOn {
    fn drop(&mut self) {
        self.0.set(Some(std::thread::current().id()));
    }
}

/// A runtime with one task that waits for ever, its handle, and where its future was dropped.
fn waiting(polled: bool) -> (Runtime, JoinHandle<()>, Rc<Cell<Option<ThreadId>>>) {
    let runtime = Runtime::new();
    let dropped = Rc::new(Cell::new(None));
    let guard = DroppedOn(dropped.clone());
    let task = runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    if polled {
        settle(&runtime);
    }
    (runtime, task, dropped)
}

#[test]
fn an_abort_before_the_first_poll_prevents_it() {
    let runtime = Runtime::new();
    let polled = Rc::new(Cell::new(false));
    let task = runtime.spawn({
        let polled = polled.clone();
        async move { polled.set(true) }
    });
    task.abort();
    settle(&runtime);
    assert!(task.is_finished() && !polled.get());
    assert_eq!(word(runtime.block_on(task)), "cancelled");
}

#[test]
fn a_future_aborted_from_another_thread_is_dropped_on_its_own() {
    for polled in [false, true] {
        for twice in [false, true] {
            let (runtime, task, dropped) = waiting(polled);
            let abort = task.abort_handle();
            let thread = std::thread::spawn(move || (0..=usize::from(twice)).for_each(|_| abort.abort()));
            thread.join().unwrap();
            assert_eq!(dropped.get(), None, "it is only asked to end");
            settle(&runtime);
            assert_eq!(dropped.get(), Some(std::thread::current().id()));
            assert_eq!(word(runtime.block_on(task)), "cancelled");
        }
    }
}

/// The handle itself travels, aborts and is dropped there at once: the same.
#[test]
fn a_handle_that_aborts_and_is_dropped_elsewhere_ends_the_task_at_home() {
    for polled in [false, true] {
        let (runtime, task, dropped) = waiting(polled);
        std::thread::spawn(move || drop(task.abort_on_drop())).join().unwrap();
        settle(&runtime);
        assert_eq!(dropped.get(), Some(std::thread::current().id()));
        assert!(runtime.inspect().tasks.is_empty());
    }
}

/// Another thread aborts while the task is in the middle of its poll: the poll ends first, then the task.
#[test]
fn an_abort_during_a_poll_lets_the_poll_end() {
    let (ask, asked) = mpsc::channel::<AbortHandle>();
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        asked.recv().unwrap().abort();
        done.send(()).unwrap();
    });
    let runtime = Runtime::new();
    let (own, steps) = (Rc::new(RefCell::new(None::<AbortHandle>)), Rc::new(Cell::new(0)));
    let task = runtime.spawn({
        let (own, steps) = (own.clone(), steps.clone());
        async move {
            ask.send(own.borrow_mut().take().unwrap()).unwrap();
            is_done.recv().unwrap();
            steps.set(1);
            yield_now().await;
            steps.set(2);
        }
    });
    *own.borrow_mut() = Some(task.abort_handle());
    assert_eq!(word(runtime.block_on(task)), "cancelled");
    assert_eq!(steps.get(), 1);
    thread.join().unwrap();
}

#[test]
fn an_abort_after_the_end_changes_nothing() {
    let runtime = Runtime::new();
    let task = runtime.spawn(async { 5 });
    let abort = task.abort_handle();
    settle(&runtime);
    task.abort();
    abort.abort();
    std::thread::spawn(move || abort.abort()).join().unwrap();
    settle(&runtime);
    assert_eq!(runtime.block_on(task).unwrap(), 5);
}

/// A task that was aborted and finishes in the very poll in which it learns of it has finished.
#[test]
fn a_task_that_finishes_in_the_poll_in_which_it_aborts_itself_has_finished() {
    let runtime = Runtime::new();
    let own = Rc::new(RefCell::new(None::<AbortHandle>));
    let task = runtime.spawn({
        let own = own.clone();
        async move {
            own.borrow().as_ref().unwrap().abort();
            7
        }
    });
    *own.borrow_mut() = Some(task.abort_handle());
    assert_eq!(runtime.block_on(task).unwrap(), 7);
}

/// A place for a task's own handle.
type Own = Rc<RefCell<Option<JoinHandle<()>>>>;

/// A task that may use its own handle, and what it leaves behind.
fn with_own_handle<F: Future<Output = ()> + 'static>(make: impl FnOnce(Own) -> F) -> (Runtime, Own, Drops) {
    let (runtime, own, drops) = (Runtime::new(), Own::default(), Drops::default());
    let (future, token) = (make(own.clone()), drops.token());
    let task = runtime.spawn(async move {
        let _token = token;
        future.await;
    });
    *own.borrow_mut() = Some(task);
    (runtime, own, drops)
}

#[test]
fn a_task_that_drops_its_own_handle_goes_on() {
    let steps = Rc::new(Cell::new(0));
    let (runtime, _own, drops) = with_own_handle({
        let steps = steps.clone();
        |own| async move {
            drop(own.take());
            yield_now().await;
            steps.set(1);
        }
    });
    settle(&runtime);
    assert_eq!((steps.get(), drops.count()), (1, 1));
}

#[test]
fn a_task_that_aborts_itself_ends_at_its_next_wait() {
    let steps = Rc::new(Cell::new(0));
    let (runtime, own, drops) = with_own_handle({
        let steps = steps.clone();
        |own| async move {
            own.borrow().as_ref().unwrap().abort();
            steps.set(1);
            yield_now().await;
            steps.set(2);
        }
    });
    settle(&runtime);
    assert_eq!((steps.get(), drops.count()), (1, 1));
    assert_eq!(word(runtime.block_on(own.take().unwrap())), "cancelled");
}

/// By the documentation it waits for ever. It can still be aborted, and goes with the runtime.
#[test]
fn a_task_that_awaits_itself_waits_until_it_is_aborted() {
    for abort in [false, true] {
        let (runtime, own, drops) = with_own_handle(|own| async move {
            let own = own.take().unwrap();
            own.await.unwrap();
        });
        let handle = own.borrow().as_ref().unwrap().abort_handle();
        settle(&runtime);
        assert_eq!(drops.count(), 0);
        if abort {
            handle.abort();
            settle(&runtime);
            assert_eq!(drops.count(), 1);
        }
        drop(runtime);
        assert_eq!(drops.count(), 1);
    }
}

/// The joiner's waker, kept in the handle that is kept in the task: polled by the task itself, dropped when it ends.
#[test]
fn a_task_that_has_polled_its_own_handle_may_end() {
    let (runtime, own, drops) = with_own_handle(|own| async move {
        poll_fn(|cx| {
            let mut own = own.borrow_mut();
            assert!(Pin::new(own.as_mut().unwrap()).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    });
    settle(&runtime);
    assert_eq!(drops.count(), 1);
    assert_eq!(word(runtime.block_on(own.take().unwrap())), "finished");
}

/// The future's own drop uses its handle: aborts, asks, drops.
#[test]
fn a_future_may_use_its_own_handle_while_it_is_dropped() {
    struct Uses(Own, Rc<Cell<bool>>);
    impl Drop for Uses {
        fn drop(&mut self) {
            let mut handle = self.0.take().unwrap();
            handle.abort();
            assert!(!handle.is_finished(), "its future is still there");
            assert!(poll_once(&mut handle).is_pending());
            drop(handle);
            self.1.set(true);
        }
    }
    for shutdown in [false, true] {
        let used = Rc::new(Cell::new(false));
        let (runtime, own, drops) = with_own_handle({
            let used = used.clone();
            |own| async move {
                let _uses = Uses(own, used);
                pending::<()>().await;
            }
        });
        settle(&runtime);
        if !shutdown {
            let abort = own.borrow().as_ref().unwrap().abort_handle();
            abort.abort();
            settle(&runtime);
        }
        assert!(!panics(|| drop(runtime)));
        assert!(used.get());
        assert_eq!(drops.count(), 1);
    }
}

#[test]
fn a_handle_awaited_elsewhere_says_so_until_the_runtime_has_ended() {
    let runtime = Runtime::new();
    let mut task = runtime.spawn(async { 5 });
    let elsewhere = |task: &mut JoinHandle<i32>| {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let finished = task.is_finished();
                (finished, poll_once(task))
            });
            thread.join().unwrap()
        })
    };
    assert!(matches!(elsewhere(&mut task), (false, Poll::Ready(Err(JoinError::Elsewhere)))));
    settle(&runtime);
    assert!(matches!(elsewhere(&mut task), (false, Poll::Ready(Err(JoinError::Elsewhere)))));
    drop(runtime);
    assert!(matches!(elsewhere(&mut task), (true, Poll::Ready(Ok(5)))));
}

/// A detached handle's output is dropped at home, also if the handle was dropped elsewhere.
#[test]
fn the_output_of_a_handle_dropped_elsewhere_is_dropped_at_home() {
    struct Here(mpsc::Sender<ThreadId>);
    impl Drop for Here {
        fn drop(&mut self) {
            self.0.send(std::thread::current().id()).unwrap();
        }
    }
    for finished in [false, true] {
        let (sender, dropped) = mpsc::channel();
        let runtime = Runtime::new();
        let task = runtime.spawn(async move { Here(sender) });
        if finished {
            settle(&runtime);
        }
        std::thread::spawn(move || drop(task)).join().unwrap();
        settle(&runtime);
        turn(&runtime);
        assert_eq!(dropped.try_iter().collect::<Vec<_>>(), [std::thread::current().id()]);
    }
}

/// The waker with which a handle was polled last is the one that is woken, and only once.
#[test]
fn the_last_of_several_joiners_is_woken_once() {
    let runtime = Runtime::new();
    let mut task = runtime.spawn(yield_now());
    let ((a, first), (b, second)) = (crate::support::CountingWaker::new(), crate::support::CountingWaker::new());
    for waker in [&first, &second, &second] {
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(waker)).is_pending());
    }
    settle(&runtime);
    assert_eq!((a.wakes(), b.wakes()), (0, 1));
    assert!(task.is_finished());
    drop(task);
}
