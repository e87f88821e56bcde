//! What keeps which memory. Each test counts the heap, in a process of its own.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use coracle::Runtime;
use coracle::sync::channel;
use coracle::time::{Duration, sleep};

use super::{Drops, settle, turn};
use crate::support::{alone, heap, leaves_the_heap_as_it_was};

const MEBIBYTE: usize = 1 << 20;

/// A forgotten waker pins a header of the future's size, but not what the future owns (tokio#5861); and a boxed
/// future, as large as it likes, not at all.
#[test]
fn a_forgotten_waker_keeps_no_future_alive() {
    alone("task::memory::a_forgotten_waker_keeps_no_future_alive", || {
        let runtime = Runtime::new();
        let (drops, kept) = (Drops::default(), Rc::new(RefCell::new(None::<Waker>)));
        drop(runtime.spawn({
            let (token, kept) = (drops.token(), kept.clone());
            let large = vec![1u8; MEBIBYTE];
            let mut polled = false;
            poll_fn(move |cx| {
                let _held = (&token, &large);
                *kept.borrow_mut() = Some(cx.waker().clone());
                cx.waker().wake_by_ref();
                if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
            })
        }));
        turn(&runtime);
        let before = heap();
        turn(&runtime);
        assert_eq!(drops.count(), 1, "the future is dropped when it is done");
        assert!(before - heap() >= MEBIBYTE as isize, "the heap fell by {} only", before - heap());
        kept.borrow().as_ref().unwrap().wake_by_ref();
        settle(&runtime);
        drop(runtime);
        kept.borrow_mut().take().unwrap().wake();
    });
}

/// A task that holds a spawner of its own runtime, a sender to itself, and the receiver: dropping the runtime breaks
/// the circle (tokio#3477).
#[test]
fn a_task_that_holds_what_leads_back_to_it_is_freed_with_the_runtime() {
    alone("task::memory::a_task_that_holds_what_leads_back_to_it_is_freed_with_the_runtime", || {
        let round = || {
            let runtime = Runtime::new();
            let spawner = runtime.spawner();
            let (sender, receiver) = channel::bounded::<Box<dyn std::any::Any>>(4);
            sender.try_send(Box::new(sender.clone())).unwrap();
            sender.try_send(Box::new(receiver.clone())).unwrap();
            let abort = Rc::new(RefCell::new(None));
            let handle = runtime.spawn({
                let abort = abort.clone();
                async move {
                    let _all = (spawner, sender, abort);
                    // Taken out, so that the channel does not hold itself.
                    let _own = (receiver.recv().await, receiver.recv().await);
                    std::future::pending::<()>().await;
                }
            });
            *abort.borrow_mut() = Some((handle.abort_handle(), handle));
            drop(abort);
            settle(&runtime);
            runtime.inspect().tasks.len()
        };
        leaves_the_heap_as_it_was(|| assert_eq!(round(), 1));
    });
}

/// A thousand tasks of every ending, with handles, wakers and timers: not a byte is left.
#[test]
fn tasks_that_end_in_every_way_leave_the_heap_as_it_was() {
    alone("task::memory::tasks_that_end_in_every_way_leave_the_heap_as_it_was", || {
        let round = || {
            let runtime = Runtime::builder().panic_policy(coracle::PanicPolicy::Log).build();
            let mut handles = vec![];
            for n in 0..1000 {
                let handle = runtime.spawn(async move {
                    coracle::task::yield_now().await;
                    match n % 4 {
                        0 => {}
                        1 => sleep(Duration::from_secs(3600)).await,
                        2 => std::panic::resume_unwind(Box::new(n)),
                        _ => drop(coracle::spawn(sleep(Duration::from_secs(3600)))),
                    }
                });
                match n % 5 {
                    0 => handle.abort(),
                    1 => drop(handle),
                    _ => handles.push(handle),
                }
            }
            settle(&runtime);
            for handle in handles {
                if handle.is_finished() {
                    drop(runtime.block_on(handle));
                }
            }
            drop(runtime);
        };
        leaves_the_heap_as_it_was(round);
    });
}
