//! Runtimes inside of runtimes (async-std#644, async-std#358): another one works, the same one says so.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream};
use coracle::task::yield_now;
use coracle::time::sleep;
use coracle::{Budget, Runtime, block_on};

/// Also through a task of it, and through its own drop at the end.
#[test]
fn block_on_inside_of_the_same_runtime_is_a_clear_panic() {
    let runtime = Rc::new(Runtime::new());
    let weak = Rc::downgrade(&runtime);
    let inside = runtime.spawn(async move { weak.upgrade().unwrap().block_on(async {}) });
    let payload = match runtime.block_on(inside) {
        Err(coracle::task::JoinError::Panicked(payload)) => payload,
        other => panic!("{other:?}"),
    };
    let words = payload.downcast_ref::<&str>().unwrap();
    assert!(words.contains("block_on inside a task of the same runtime"), "{words}");
    assert_eq!(runtime.block_on(async { 1 }), 1, "and nothing is broken");
}

/// A sleep and an echo over a socket, on this runtime.
async fn timer_and_socket() {
    sleep(Duration::from_millis(5)).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let server = coracle::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"echo").await.unwrap();
    });
    let mut buffer = [0; 4];
    client.await.unwrap().read_exact(&mut buffer).await.unwrap();
    server.await.unwrap();
    assert_eq!(&buffer, b"echo");
}

fn nest(depth: usize) -> Pin<Box<dyn Future<Output = usize>>> {
    Box::pin(async move {
        timer_and_socket().await;
        let below = if depth == 0 { 0 } else { Runtime::new().block_on(nest(depth - 1)) };
        timer_and_socket().await;
        below + 1
    })
}

#[test]
fn runtimes_nest_three_deep_each_with_a_timer_and_a_socket() {
    assert_eq!(block_on(nest(2)), 3);
}

/// Two runtimes in turns, each in a task of the other's stack.
#[test]
fn two_runtimes_alternate_on_one_stack() {
    let (one, two) = (Rc::new(Runtime::new()), Rc::new(Runtime::new()));
    for _ in 0..3 {
        let inner = two.clone();
        let three = one.block_on(async move {
            sleep(Duration::from_millis(1)).await;
            inner.block_on(async {
                sleep(Duration::from_millis(1)).await;
                3
            })
        });
        let inner = one.clone();
        let four = two.block_on(async move { inner.block_on(async { 4 }) });
        assert_eq!((three, four), (3, 4));
    }
}

/// The inner one waits while another thread wakes a task of the outer one: when the inner one returns, that task runs.
#[test]
fn a_wake_of_the_outer_runtime_is_not_eaten_by_the_inner_ones_sleep() {
    let woken = Arc::new(AtomicBool::new(false));
    let (send_waker, wakers) = mpsc::channel::<Waker>();
    block_on(async {
        let waiting = coracle::spawn({
            let woken = woken.clone();
            poll_fn(move |cx| {
                if woken.load(SeqCst) {
                    return Poll::Ready(());
                }
                send_waker.send(cx.waker().clone()).unwrap();
                Poll::Pending
            })
        });
        yield_now().await;
        let waker = wakers.recv().unwrap();
        let inner = Runtime::new();
        let spawner = inner.spawner();
        let thread = std::thread::spawn({
            let woken = woken.clone();
            move || {
                woken.store(true, SeqCst);
                waker.wake();
                // Only now may the inner one end, which slept meanwhile, or was about to.
                spawner.spawn(|| async { 5 }).unwrap()
            }
        });
        inner.block_on(async {
            while !woken.load(SeqCst) {
                sleep(Duration::from_millis(1)).await;
            }
        });
        assert_eq!(inner.block_on(thread.join().unwrap()).unwrap(), 5);
        waiting.await.unwrap();
    });
}

/// A task of the inner one completes a task that the outer one waits for, and the other way round.
#[test]
fn tasks_of_two_nested_runtimes_wake_each_other() {
    let outer = Rc::new(Runtime::new());
    let inner = Rc::new(Runtime::new());
    let (to_outer, from_inner) = coracle::sync::channel::bounded::<u8>(1);
    let (to_inner, from_outer) = coracle::sync::channel::bounded::<u8>(1);
    let echo = inner.spawn(async move {
        while let Some(n) = from_outer.recv().await {
            to_outer.send(n + 1).await.unwrap();
        }
    });
    let sum = outer.block_on({
        let inner = inner.clone();
        async move {
            let mut sum = 0;
            for n in 0..10 {
                to_inner.send(n).await.unwrap();
                // Woken by us, from inside of another runtime's turn: it is in its inbox.
                let answer = coracle::spawn({
                    let from_inner = from_inner.clone();
                    async move { from_inner.recv().await.unwrap() }
                });
                yield_now().await;
                while inner.turn(Budget::no_wait()).unwrap().more {}
                sum += u32::from(answer.await.unwrap());
            }
            sum
        }
    });
    assert_eq!(sum, 55);
    drop(outer);
    inner.block_on(echo).unwrap();
}

/// The current runtime, task and name are those of the innermost, and the outer ones again afterwards.
#[test]
fn the_current_task_is_the_innermost_ones() {
    let seen = Cell::new(None);
    block_on(async {
        let named = coracle::task::Builder::new().name("outer").spawn(async {
            let outside = (coracle::task::name(), coracle::task::id());
            Runtime::new().block_on(async {
                yield_now().await;
                assert_eq!(coracle::task::name(), None);
                assert_eq!(coracle::task::id().unwrap().number(), 1);
            });
            assert_eq!((coracle::task::name(), coracle::task::id()), outside);
            outside.0
        });
        seen.set(named.await.unwrap());
    });
    assert_eq!(seen.take().as_deref(), Some("outer"));
    assert_eq!(coracle::task::id(), None);
}

/// A runtime that is dropped inside of another's task ends there, with what it owns.
#[test]
fn a_runtime_dropped_in_a_task_of_another_ends_its_tasks() {
    struct Sets(Rc<Cell<bool>>);
    impl Drop for Sets {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let inner = Runtime::new();
    let guard = Sets(dropped.clone());
    let handle = inner.spawn(async move {
        let _guard = guard;
        sleep(Duration::from_secs(3600)).await;
    });
    block_on(async {
        inner.turn(Budget::no_wait()).unwrap();
        drop(inner);
        assert!(dropped.get());
        assert!(handle.await.is_err());
    });
}

/// The free function would make a runtime of its own, and hold up this one for as long as that runs.
#[test]
fn the_free_block_on_inside_of_a_task_is_a_clear_panic() {
    let task = block_on(async {
        let task = coracle::spawn(async { block_on(async { 1 }) });
        task.await
    });
    let Err(coracle::task::JoinError::Panicked(payload)) = task else { panic!("it returned {task:?}") };
    let words = payload.downcast_ref::<&str>().unwrap();
    assert!(words.contains("block_on inside of a task") && words.contains("`.await` instead"), "{words}");
}
