//! How few calls to the world a runtime makes: what is not needed is not called.

use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coracle::Runtime;
use coracle::net::TcpListener;
use coracle::sync::{channel, oneshot};
use coracle::sys::{Call, Hook, World};
use coracle::task::yield_now;
use coracle::time::sleep;

/// Writes down every call.
#[derive(Default)]
pub(super) struct Calls(Mutex<Vec<Call>>);

impl Hook for Calls {
    fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
        self.0.lock().unwrap().push(call);
        Ok(())
    }
}

impl Calls {
    /// A runtime whose calls are written down. Its birth reads the clock.
    pub(super) fn runtime() -> (Arc<Calls>, Runtime) {
        let calls = Arc::new(Calls::default());
        let runtime = Runtime::builder().world(World::kernel().hooked(calls.clone())).build();
        calls.take();
        (calls, runtime)
    }

    pub(super) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn a_runtime_is_made_and_dropped_without_a_call_but_to_the_clock() {
    let calls = Arc::new(Calls::default());
    drop(Runtime::builder().world(World::kernel().hooked(calls.clone())).build());
    assert!(calls.take().iter().all(|call| *call == Call::Now));
}

/// Yields, spawns, channels, oneshots, joins and aborts, far more than the loop polls without looking at the world.
#[test]
fn tasks_that_need_no_descriptor_and_no_time_make_no_call() {
    let (calls, runtime) = Calls::runtime();
    runtime.block_on(async {
        for _ in 0..500 {
            yield_now().await;
        }
        let (sender, receiver) = channel::bounded(3);
        let producer = coracle::spawn(async move {
            for n in 0..500 {
                sender.send(n).await.unwrap();
            }
        });
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        producer.await.unwrap();
        let (sender, receiver) = oneshot::channel();
        drop(coracle::spawn(async move { sender.send(sum) }));
        assert_eq!(receiver.await, Ok(500 * 499 / 2));
        let task = coracle::spawn(std::future::pending::<()>());
        task.abort();
        assert!(task.await.is_err());
    });
    drop(runtime);
    assert_eq!(calls.take(), []);
}

/// With a socket registered there is something to look at: but not for one lone yield.
#[test]
fn a_lone_yield_makes_no_call_even_with_a_socket_registered() {
    let (calls, runtime) = Calls::runtime();
    let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    drop(runtime.spawn(async move { listener.accept().await.map(drop) }));
    runtime.turn(coracle::Budget::no_wait()).unwrap();
    calls.take();
    runtime.block_on(async {
        yield_now().await;
        calls.take();
        yield_now().await;
        assert_eq!(calls.take(), []);
    });
}

/// A sleep costs one wait, with the poller made at the first.
#[test]
fn a_sleep_costs_one_poller_and_one_wait() {
    let (calls, runtime) = Calls::runtime();
    let waits = |calls: Vec<Call>| calls.into_iter().filter(|call| *call != Call::Now).collect::<Vec<_>>();
    runtime.block_on(async { sleep(Duration::from_millis(2)).await });
    assert_eq!(waits(calls.take()), [Call::Poller, Call::Wait]);
    runtime.block_on(async { sleep(Duration::from_millis(2)).await });
    assert_eq!(waits(calls.take()), [Call::Wait]);
}

/// A runtime that does not sleep has no need to be notified: a wake from elsewhere is seen at the next turn.
#[test]
fn a_wake_from_elsewhere_to_a_runtime_without_a_poller_makes_no_call() {
    let (calls, runtime) = Calls::runtime();
    let spawner = runtime.spawner();
    let thread = std::thread::spawn(move || drop(spawner.spawn(|| async {}).unwrap()));
    thread.join().unwrap();
    assert_eq!(runtime.turn(coracle::Budget::no_wait()).unwrap().polled, 1);
    assert_eq!(calls.take(), []);
}
