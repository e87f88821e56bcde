//! Calls that block, and do not stop the others: each is run by a thread of a pool, while the task that made it waits like
//! for anything else. Three calls of 40 ms need 40 ms together, and a heartbeat goes on meanwhile.
//!
//! ```text
//! $ cargo run --example 16_blocking
//! called here: 3 calls one after the other, 0 heartbeats meanwhile
//! called in the pool: 3 calls at once, … heartbeats meanwhile
//! this file, read by a thread of the pool: 3 of its lines print something
//! ```
//!
//! Then read `src/blocking/mod.rs`. Python's gevent does this by replacing the library's functions under the program; here
//! it is said where it happens.

use std::cell::Cell;
use std::rc::Rc;
use std::thread::sleep; // the one that blocks
use std::time::Duration;

use coracle::{blocking, fs, time};

const CALL: Duration = Duration::from_millis(40);

/// Counts as long as others let it run.
fn heartbeat() -> (Rc<Cell<u32>>, coracle::task::AbortOnDrop<()>) {
    let beats = Rc::new(Cell::new(0));
    let counted = beats.clone();
    let task = coracle::spawn(async move {
        loop {
            time::sleep(CALL / 20).await;
            counted.set(counted.get() + 1);
        }
    });
    (beats, task.abort_on_drop())
}

fn main() -> std::io::Result<()> {
    coracle::block_on(async {
        let (beats, _heart) = heartbeat();
        coracle::task::yield_now().await;
        for _ in 0..3 {
            sleep(CALL);
        }
        println!("called here: 3 calls one after the other, {} heartbeats meanwhile", beats.get());

        let calls: Vec<_> = (0..3).map(|_| blocking::submit(|| sleep(CALL))).collect();
        for call in calls {
            call.await.expect("it does not panic");
        }
        println!("called in the pool: 3 calls at once, {} heartbeats meanwhile", beats.get());

        let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/16_blocking.rs")).await?;
        let lines = text.lines().filter(|line| line.contains("println!(\"")).count();
        println!("this file, read by a thread of the pool: {lines} of its lines print something");
        Ok(())
    })
}
