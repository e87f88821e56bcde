//! Sleeps that are dropped, many that are alive at once, and sleeps that end.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{each, percentile};
use crate::micro::leaf::{Arrivals, InPlace, poll_once};
use crate::micro::rival::Rival;
use crate::sys::cpu;

/// What a coarse timer is late by.
const SLACK: Duration = Duration::from_millis(1);

const HOUR: Duration = Duration::from_secs(3600);

pub fn cancel<R: Rival>(operations: u64) -> Vec<f64> {
    let elapsed = R::run(|runtime| async move {
        let begun = Instant::now();
        let task = runtime.spawn(async move {
            for _ in 0..operations {
                let sleep = pin!(R::sleep(HOUR));
                poll_once(sleep).await;
            }
            operations
        });
        assert_eq!(R::value(task.await), operations);
        begun.elapsed()
    });
    each(elapsed, operations)
}

/// `count` sleeps at once, each of a random length between a second and an hour: all made and polled, then all dropped.
/// Once so that all memory is there, and then as often as the clock needs. Sum, insert, drop; ns each.
pub fn alive<R: Rival>(count: u64) -> Vec<f64> {
    let repeats = (100_000 / count).max(1);
    let (insert, drop) = R::run(|_| async move {
        let lengths: Vec<Duration> = random_lengths(count);
        let mut sleeps = InPlace::with_capacity(count as usize);
        let (mut insert, mut drop) = (Duration::ZERO, Duration::ZERO);
        for repeat in 0..=repeats {
            let begun = Instant::now();
            for &length in &lengths {
                poll_once(sleeps.push(R::sleep(length))).await;
            }
            let made = Instant::now();
            sleeps.clear();
            if repeat > 0 {
                insert += made - begun;
                drop += made.elapsed();
            }
        }
        (insert, drop)
    });
    let count = count * repeats;
    [each(insert + drop, count), each(insert, count), each(drop, count)].concat()
}

fn random_lengths(count: u64) -> Vec<Duration> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let second = 1_000_000_000;
    (0..count).map(|_| Duration::from_nanos(second + next() % (3599 * second))).collect()
}

/// `count` tasks, each of which sleeps once; their ends are 10 µs apart. How late they are (half of them, 99 of 100 at
/// most), in µs; and the CPU time of the whole process for each, spawning it included, in ns.
pub fn fire<R: Rival>(count: u64, slack: bool) -> Vec<f64> {
    let used = || cpu::time_used_by(std::process::id()).expect("this process has a CPU clock");
    let before = used();
    let mut runtime = if slack { R::make_with_slack(SLACK) } else { R::make() };
    let mut late = R::block_on(&mut runtime, |runtime| all_late(runtime, count));
    drop(runtime);
    let cpu = (used() - before).as_nanos() as f64 / count as f64;
    assert_eq!(late.len(), count as usize);
    vec![percentile(&mut late, 0.5), percentile(&mut late, 0.99), cpu]
}

async fn all_late<R: Rival>(runtime: R, count: u64) -> Vec<f64> {
    /// For each task, so that all are asleep before the first is due.
    const HEAD_START: Duration = Duration::from_micros(3);
    const APART: Duration = Duration::from_micros(10);
    let ended = Rc::new((Arrivals::of(count), RefCell::new(Vec::with_capacity(count as usize))));
    let first = Instant::now() + HEAD_START * count as u32;
    let task = |number| {
        let ended = ended.clone();
        runtime.spawn(async move {
            let due = first + APART * number as u32;
            let late = lateness(due, R::sleep(due - Instant::now())).await;
            ended.1.borrow_mut().push(late as f64 / 1000.0);
            ended.0.arrive();
            0
        })
    };
    // They are kept until the end: some runtimes cancel a task whose handle is dropped.
    let tasks: Vec<R::Join> = (0..count).map(task).collect();
    ended.0.all().await;
    drop(tasks);
    ended.1.take()
}

/// One task that sleeps, `count` times. How late it is, in µs: half of them, and 99 of 100, at most.
pub fn lone<R: Rival>(microseconds: u64, count: u64) -> Vec<f64> {
    let length = Duration::from_micros(microseconds);
    let mut late = R::run(|runtime| async move {
        let mut late = Vec::new();
        for _ in 0..count {
            let task = runtime.spawn(async move {
                let due = Instant::now() + length;
                lateness(due, R::sleep(length)).await
            });
            late.push(R::value(task.await) as f64 / 1000.0);
        }
        late
    });
    vec![percentile(&mut late, 0.5), percentile(&mut late, 0.99)]
}

/// Nanoseconds after `due` that `sleep` ends. No runtime may end it earlier; one that counts from a clock it read
/// before
/// `due` was fixed is not early by that.
async fn lateness(due: Instant, sleep: impl Future) -> u64 {
    sleep.await;
    Instant::now().saturating_duration_since(due).as_nanos() as u64
}
