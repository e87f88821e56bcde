//! The price of cooperation: a task that computes and never waits holds up all others. Shown, found, and cured in three
//! ways.
//!
//! ```text
//! $ cargo run --release --example 18_hog
//! no cure: the others ran 0 times while 20 rounds were worked on
//! found: task … "digger", spawned at examples/18_hog.rs:…, kept the thread for …
//! cure 1, it yields after each round: the others ran … times
//! cure 2, it works until its time is up, then yields: the others ran … times
//! cure 3, it works in a thread of the pool: the others ran … times
//! polls above the limit since then: …
//! ```
//!
//! Then read `src/observer/hogs.rs`, and `src/task/here.rs`: the budget by which sockets and channels yield by themselves.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use coracle::observer::Hogs;
use coracle::task::{Builder, yield_now};
use coracle::{Runtime, blocking};

const ROUNDS: u32 = 20;
const ROUND: Duration = Duration::from_millis(2);
/// A poll that takes longer than this is a hog's.
const LIMIT: Duration = Duration::from_millis(20);

/// Work that takes so long, and never waits.
fn work(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        black_box((0..1000).sum::<u64>());
    }
}

/// How often another task ran while this one worked.
async fn meanwhile(digging: impl Future<Output = ()> + 'static) -> u32 {
    let runs = Rc::new(Cell::new(0_u32));
    let counted = runs.clone();
    let other = coracle::spawn(async move {
        loop {
            yield_now().await;
            counted.set(counted.get() + 1);
        }
    });
    Builder::new().name("digger").spawn(digging).await.expect("it does not panic");
    other.abort();
    runs.get().saturating_sub(1) // once before it began
}

fn main() {
    let found = Rc::new(RefCell::new(Vec::new()));
    let report = found.clone();
    let hogs = Hogs::new(LIMIT, move |hog| report.borrow_mut().push(hog.to_string()));
    let runtime = Runtime::builder().observer(Rc::new(hogs)).build();
    runtime.block_on(async {
        let runs = meanwhile(async { (0..ROUNDS).for_each(|_| work(ROUND)) }).await;
        println!("no cure: the others ran {runs} times while {ROUNDS} rounds were worked on");
        found.borrow_mut().drain(..).for_each(|hog| println!("found: {hog}"));

        let runs = meanwhile(async {
            for _ in 0..ROUNDS {
                work(ROUND);
                yield_now().await;
            }
        });
        println!("cure 1, it yields after each round: the others ran {} times", runs.await);

        let runs = meanwhile(async {
            let mut since = Instant::now();
            for _ in 0..ROUNDS * 10 {
                work(ROUND / 10);
                if since.elapsed() >= ROUND {
                    yield_now().await;
                    since = Instant::now();
                }
            }
        });
        println!("cure 2, it works until its time is up, then yields: the others ran {} times", runs.await);

        let digging = async { blocking::submit(|| work(ROUND * ROUNDS)).await.expect("it does not panic") };
        println!("cure 3, it works in a thread of the pool: the others ran {} times", meanwhile(digging).await);
    });
    // On a busy machine there may be some: a thread that another program holds up looks the same from inside.
    println!("polls above the limit since then: {}", found.borrow().len());
}
