//! Waiting overlaps. Two tasks that sleep 2 s and 4 s need 6 s one after the other and 4 s together; ten tasks of 1 s need
//! 10 s or 1 s. Here a second lasts 10 ms; `--full` makes it a real one.
//!
//! ```text
//! $ cargo run --example 09_sleep
//! one after the other: slept 2 s, then 4 s: … s
//! together: 2 s, 4 s: … s
//! ten of 1 s, one after the other: … s
//! ten of 1 s, together: … s
//! their results: 0 1 4 9 16 25 36 49 64 81
//! ```
//!
//! Then read `src/time/sleep.rs`, and `src/timers/wheel.rs` in which a million sleeps may stand.

use std::time::{Duration, Instant};

use coracle::time::sleep;

/// How long a second lasts here.
fn second() -> Duration {
    Duration::from_millis(if std::env::args().any(|word| word == "--full") { 1000 } else { 10 })
}

/// Time since then, in those seconds.
fn passed(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() / second().as_secs_f64()
}

async fn work(seconds: u32, input: u32) -> u32 {
    sleep(second() * seconds).await;
    input * input
}

fn main() {
    coracle::block_on(async {
        let began = Instant::now();
        work(2, 0).await;
        work(4, 0).await;
        println!("one after the other: slept 2 s, then 4 s: {:.2} s", passed(began));

        let began = Instant::now();
        let tasks = [2, 4].map(|seconds| coracle::spawn(work(seconds, 0)));
        for task in tasks {
            task.await.expect("it does not panic");
        }
        println!("together: 2 s, 4 s: {:.2} s", passed(began));

        let began = Instant::now();
        for n in 0..10 {
            work(1, n).await;
        }
        println!("ten of 1 s, one after the other: {:.2} s", passed(began));

        let began = Instant::now();
        let tasks: Vec<_> = (0..10).map(|n| coracle::spawn(work(1, n))).collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.expect("it does not panic").to_string());
        }
        println!("ten of 1 s, together: {:.2} s", passed(began));
        println!("their results: {}", results.join(" "));
    });
}
