//! `blocking`: the pool of threads. Nothing here sleeps to force an order: jobs are held up by gates.

mod end;
mod jobs;
mod process;
mod runtime;
mod threads;

use std::time::{Duration, Instant};

use coracle::blocking::{Job, Pool};
use coracle::sync::remote::{channel, oneshot};

/// Jobs that wait until they are let through, one at a time, and tell when they begin.
struct Gate {
    begun: channel::Receiver<&'static str>,
    begins: channel::UnboundedSender<&'static str>,
}

impl Gate {
    fn new() -> Gate {
        let (begins, begun) = channel::unbounded();
        Gate { begun, begins }
    }

    /// A closure that tells that it has begun, then waits for its key; and the key, to be sent to or dropped.
    fn closure(&self, name: &'static str) -> (oneshot::Sender<()>, impl FnOnce() -> &'static str + Send + 'static) {
        let (key, waits) = oneshot::channel();
        let begins = self.begins.clone();
        let closure = move || {
            let _ = begins.send(name);
            let _ = waits.recv_blocking();
            name
        };
        (key, closure)
    }

    /// Blocks until the next job has begun.
    fn wait(&self) -> &'static str {
        self.begun.recv_blocking().unwrap()
    }
}

/// A pool of one thread, which is held up until the key is used.
fn busy_pool() -> (Pool, oneshot::Sender<()>, Job<&'static str>) {
    let pool = Pool::builder().threads(1).build();
    let gate = Gate::new();
    let (key, closure) = gate.closure("first");
    let job = pool.submit(closure);
    gate.wait();
    (pool, key, job)
}

/// Waits until something is so that other threads bring about, and fails if it takes five seconds.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(5), "it did not come to this: {what}");
        std::thread::yield_now();
    }
}

const LONG: Duration = Duration::from_secs(20);
