//! Tasks that are spawned, wake themselves, and wake each other.

use std::time::{Duration, Instant};

use super::each;
use crate::micro::leaf::{Ring, Yield};
use crate::micro::rival::Rival;

/// Tasks in a batch, and in the rows of many.
const MANY: u64 = 1000;

pub fn spawn_batch<R: Rival>(operations: u64) -> Vec<f64> {
    let batches = operations.div_ceil(MANY);
    each(R::run(|runtime| batches_of(runtime, MANY, batches)), batches * MANY)
}

/// One batch, of all.
pub fn spawn_all<R: Rival>(operations: u64) -> Vec<f64> {
    each(R::run(|runtime| batches_of(runtime, operations, 1)), operations)
}

pub fn spawn_one<R: Rival>(operations: u64) -> Vec<f64> {
    each(R::run(|runtime| one_by_one(runtime, operations)), operations)
}

/// `spawn_one` by a spawned task: a runtime may treat its main future as something else than a task.
pub fn spawn_one_in_task<R: Rival>(operations: u64) -> Vec<f64> {
    let elapsed = R::run(|runtime| async move {
        let inside = runtime.clone();
        let task = runtime.spawn(async move { one_by_one(inside, operations).await.as_nanos() as u64 });
        Duration::from_nanos(R::value(task.await))
    });
    each(elapsed, operations)
}

pub fn yields<R: Rival>(tasks: u64, operations: u64) -> Vec<f64> {
    let yields_each = operations.div_ceil(tasks);
    each(R::run(|runtime| yielding(runtime, tasks, yields_each)), yields_each * tasks)
}

pub fn ring<R: Rival>(members: u64, operations: u64) -> Vec<f64> {
    let rounds = operations.div_ceil(members);
    each(R::run(|runtime| ring_of(runtime, members, rounds)), rounds * members)
}

async fn batches_of<R: Rival>(runtime: R, size: u64, batches: u64) -> Duration {
    let begun = Instant::now();
    let mut tasks = Vec::with_capacity(size as usize);
    for _ in 0..batches {
        tasks.extend((0..size).map(|number| runtime.spawn(async move { number })));
        let sum = join_all::<R>(&mut tasks).await;
        assert_eq!(sum, size * (size - 1) / 2);
    }
    begun.elapsed()
}

async fn one_by_one<R: Rival>(runtime: R, operations: u64) -> Duration {
    let begun = Instant::now();
    for number in 0..operations {
        let task = runtime.spawn(async move { number });
        assert_eq!(R::value(task.await), number);
    }
    begun.elapsed()
}

async fn yielding<R: Rival>(runtime: R, tasks: u64, yields_each: u64) -> Duration {
    let begun = Instant::now();
    let task = |_| {
        runtime.spawn(async move {
            for _ in 0..yields_each {
                Yield::new().await;
            }
            yields_each
        })
    };
    let mut alive: Vec<R::Join> = (0..tasks).map(task).collect();
    let sum = join_all::<R>(&mut alive).await;
    assert_eq!(sum, tasks * yields_each);
    begun.elapsed()
}

async fn ring_of<R: Rival>(runtime: R, members: u64, rounds: u64) -> Duration {
    let begun = Instant::now();
    let ring = Ring::new(members as usize);
    let member = |number| {
        let ring = ring.clone();
        runtime.spawn(async move {
            for _ in 0..rounds {
                ring.turn(number as usize).await;
                ring.pass();
            }
            rounds
        })
    };
    let mut tasks: Vec<R::Join> = (0..members).map(member).collect();
    let sum = join_all::<R>(&mut tasks).await;
    assert_eq!(sum, members * rounds);
    begun.elapsed()
}

/// Awaits them in order of spawning; the vector keeps its room.
pub async fn join_all<R: Rival>(tasks: &mut Vec<R::Join>) -> u64 {
    let mut sum = 0;
    for task in tasks.drain(..) {
        sum += R::value(task.await);
    }
    sum
}
