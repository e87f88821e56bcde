//! The world of threads next door: a pool with results, callbacks and an orderly end; and locks, for tasks.
//!
//! ```text
//! $ cargo run --example 17_pool
//! result: 3 squared is 9
//! callback: a job gave 16
//! a job that panics has a result too: the job panicked: not a number
//! shutdown: all is done
//! submitted after that: the job could not begin: the pool has been shut down
//! shutdown in 10 ms: 1 job still runs: "stuck", submitted at examples/17_pool.rs:…, for …
//! mutex: 100 tasks added 1 each, and no addition was lost: 100
//! re-entrant: the task that has the lock may lock again: depth 2
//! ```
//!
//! Then read `src/blocking/pool.rs`, and `src/sync/mutex.rs`, which needs no thread.

use std::rc::Rc;
use std::time::Duration;

use coracle::blocking::Pool;
use coracle::sync::remote::oneshot;
use coracle::sync::{Mutex, ReentrantMutex};
use coracle::task::{join_all, yield_now};

/// Like Python's ThreadPoolExecutor, from a plain thread: no runtime is needed.
fn threads() {
    let pool = Pool::builder().threads(2).build();
    println!("result: 3 squared is {}", pool.submit(|| 3 * 3).wait().expect("it does not panic"));

    let mut job = pool.submit(|| 4 * 4);
    job.on_done(|result| println!("callback: a job gave {}", result.as_ref().expect("it does not panic")));
    job.wait().expect("it does not panic");

    std::panic::set_hook(Box::new(|_| {})); // this panic is part of the show
    let panicked = pool.submit(|| panic!("not a number")).wait().expect_err("it panics");
    println!("a job that panics has a result too: {panicked}");
    drop(std::panic::take_hook());

    pool.shutdown(Duration::from_secs(10)).expect("nothing is stuck");
    println!("shutdown: all is done");
    println!("submitted after that: {}", pool.submit(|| ()).wait().expect_err("the pool is closed"));

    let pool = Pool::new();
    let (release, released) = oneshot::channel::<()>();
    let stuck = pool.submit_named("stuck", || released.recv_blocking());
    while pool.inspect().running.is_empty() {
        std::thread::yield_now();
    }
    println!("shutdown in 10 ms: {}", pool.shutdown(Duration::from_millis(10)).expect_err("one is stuck"));
    release.send(()).expect("it waits for this");
    drop(stuck.wait());
}

/// Between tasks a lock is for what must not be interleaved with an `await` in it.
fn tasks() {
    coracle::block_on(async {
        let sum = Rc::new(Mutex::new(0));
        let add = async |sum: Rc<Mutex<u32>>| {
            let mut sum = sum.lock().await;
            let before = *sum;
            yield_now().await;
            *sum = before + 1;
        };
        join_all((0..100).map(|_| add(sum.clone()))).await;
        println!("mutex: 100 tasks added 1 each, and no addition was lost: {}", *sum.lock().await);

        let lock = ReentrantMutex::new(());
        let guards = [lock.lock().await, lock.lock().await];
        println!("re-entrant: the task that has the lock may lock again: depth {}", guards.len());
    });
}

fn main() {
    threads();
    tasks();
}
