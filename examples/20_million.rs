//! A million tasks alive at once, on one thread; and what a switch from one task to the next costs.
//!
//! ```text
//! $ cargo run --release --example 20_million
//! two tasks take turns, 100000 times each: … ns a switch
//! 1000000 tasks are alive, each waits for its turn: … bytes a task
//! each adds its number to the sum and ends: 499999500000
//! none is alive
//! ```
//!
//! Then read `src/task/mod.rs`: a task is one allocation. `bench/` measures the same beside other runtimes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Instant;

use coracle::Runtime;
use coracle::sync::WaitQueue;
use coracle::task::yield_now;

const MANY: u64 = 1_000_000;
const TURNS: u64 = 100_000;

/// Counts the bytes in use.
struct Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: all calls go to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

async fn take_turns() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}

fn main() {
    let runtime = Runtime::new();
    let began = Instant::now();
    let pair = [runtime.spawn(take_turns()), runtime.spawn(take_turns())];
    runtime.block_on(async {
        for task in pair {
            task.await.expect("it does not panic");
        }
    });
    let each = began.elapsed().as_nanos() as f64 / (2 * TURNS) as f64;
    println!("two tasks take turns, {TURNS} times each: {each:.1} ns a switch");

    let before = IN_USE.load(Ordering::Relaxed);
    let (gate, sum) = (Rc::new(WaitQueue::new()), Rc::new(Cell::new(0)));
    runtime.block_on(async {
        for number in 0..MANY {
            let (gate, sum) = (gate.clone(), sum.clone());
            drop(coracle::spawn(async move {
                gate.wait().await;
                sum.set(sum.get() + number);
            }));
        }
        while gate.len() < MANY as usize {
            yield_now().await; // until all have come so far
        }
        let bytes = (IN_USE.load(Ordering::Relaxed) - before) as f64 / MANY as f64;
        println!("{MANY} tasks are alive, each waits for its turn: {bytes:.0} bytes a task");
        gate.wake_all();
        while !gate.is_empty() {
            yield_now().await;
        }
    });
    println!("each adds its number to the sum and ends: {}", sum.get());
    let alive = runtime.inspect().tasks.len();
    println!("{} alive", if alive == 0 { "none is".into() } else { format!("{alive} are") });
}
