//! Switching costs, and does not help work that only computes: a million additions, all at once and with a switch after
//! each. `--full` makes it ten million.
//!
//! ```text
//! $ cargo run --release --example 07_switch_cost
//! 1000000 additions in one go: 499999500000, … ms
//! the same in a generator, a yield each: 499999500000, … ms, … ns a switch
//! the same in a task, a yield_now each: 499999500000, … ms, … ns a switch
//! ```
//!
//! Then read `src/task/yield_now.rs`, and `bench/`, where switches are measured with care.

use std::hint::black_box;
use std::time::{Duration, Instant};

use coracle::coroutine::Generator;
use coracle::task::yield_now;

fn additions() -> u64 {
    if std::env::args().any(|word| word == "--full") { 10_000_000 } else { 1_000_000 }
}

fn report(how: &str, sum: u64, time: Duration, alone: Option<Duration>) {
    let each = alone.map(|alone| time.saturating_sub(alone).as_nanos() as f64 / additions() as f64);
    let each = each.map_or_else(String::new, |each| format!(", {each:.1} ns a switch"));
    println!("{how}: {sum}, {:.0} ms{each}", time.as_secs_f64() * 1e3);
}

fn main() {
    let additions = additions();
    let began = Instant::now();
    let sum = (0..additions).fold(0, |sum, n| black_box(sum + n));
    let alone = began.elapsed();
    report(&format!("{additions} additions in one go"), sum, alone, None);

    let began = Instant::now();
    let mut adder = Generator::new(async |co| {
        let mut sum = 0;
        for n in 0..additions {
            sum = black_box(sum + n);
            co.yield_(()).await;
        }
        sum
    });
    adder.by_ref().for_each(drop);
    let sum = adder.take_returned().expect("it ran to its end");
    report("the same in a generator, a yield each", sum, began.elapsed(), Some(alone));

    let began = Instant::now();
    let sum = coracle::block_on(async {
        let mut sum = 0;
        for n in 0..additions {
            sum = black_box(sum + n);
            yield_now().await;
        }
        sum
    });
    report("the same in a task, a yield_now each", sum, began.elapsed(), Some(alone));
}
