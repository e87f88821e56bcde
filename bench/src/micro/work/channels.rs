//! Channels between two tasks of one runtime.

use std::time::{Duration, Instant};

use super::each;
use crate::micro::rival::{Channel, Rival};

/// Items in a burst.
const BURST: u64 = 1000;

pub fn ping_pong<R: Rival>(operations: u64) -> Vec<f64> {
    each(R::run(|runtime| play(runtime, operations)), operations)
}

pub fn queue<R: Rival>(capacity: usize, operations: u64) -> Vec<f64> {
    each(R::run(|runtime| pour(runtime, capacity, operations)), operations)
}

pub fn bursts<R: Rival>(operations: u64) -> Vec<f64> {
    let bursts = operations.div_ceil(BURST);
    each(R::run(|runtime| burst_by_burst(runtime, bursts)), bursts * BURST)
}

async fn play<R: Rival>(runtime: R, rounds: u64) -> Duration {
    let begun = Instant::now();
    let (mut to, mut there) = R::Bounded::new(1);
    let (mut back, mut here) = R::Bounded::new(1);
    let echo = runtime.spawn(async move {
        while let Some(value) = R::Bounded::receive(&mut there).await {
            R::Bounded::send(&mut back, value).await;
        }
        0
    });
    let play = runtime.spawn(async move {
        let mut sum = 0;
        for value in 0..rounds {
            R::Bounded::send(&mut to, value).await;
            sum += R::Bounded::receive(&mut here).await.expect("the other side answers");
        }
        sum
    });
    assert_eq!(R::value(play.await), rounds * (rounds - 1) / 2);
    R::value(echo.await);
    begun.elapsed()
}

async fn pour<R: Rival>(runtime: R, capacity: usize, items: u64) -> Duration {
    let begun = Instant::now();
    let (mut sender, mut receiver) = R::Bounded::new(capacity);
    let receiving = runtime.spawn(async move {
        let mut sum = 0;
        while let Some(value) = R::Bounded::receive(&mut receiver).await {
            sum += value;
        }
        sum
    });
    let sending = runtime.spawn(async move {
        for value in 0..items {
            R::Bounded::send(&mut sender, value).await;
        }
        0
    });
    R::value(sending.await);
    assert_eq!(R::value(receiving.await), items * (items - 1) / 2);
    begun.elapsed()
}

/// Items through an unbounded channel, in bursts. The receiver acknowledges each over a bounded channel: without that
/// the sender would send everything before the receiver runs, and the row would measure how memory grows.
async fn burst_by_burst<R: Rival>(runtime: R, bursts: u64) -> Duration {
    let begun = Instant::now();
    let (mut sender, mut receiver) = R::Unbounded::new(0);
    let (mut acknowledge, mut acknowledged) = R::Bounded::new(1);
    let receiving = runtime.spawn(async move {
        let (mut sum, mut count) = (0, 0);
        while let Some(value) = R::Unbounded::receive(&mut receiver).await {
            sum += value;
            count += 1;
            if count % BURST == 0 {
                R::Bounded::send(&mut acknowledge, count).await;
            }
        }
        sum
    });
    let sending = runtime.spawn(async move {
        for _ in 0..bursts {
            for value in 0..BURST {
                R::Unbounded::send(&mut sender, value).await;
            }
            R::Bounded::receive(&mut acknowledged).await;
        }
        0
    });
    R::value(sending.await);
    assert_eq!(R::value(receiving.await), bursts * (BURST * (BURST - 1) / 2));
    begun.elapsed()
}
