//! The work of each row, once for all rivals. Each returns the time that `operations` of it took, without the making of
//! the runtime, and checks that the work was done.

use std::pin::pin;
use std::time::{Duration, Instant};

use super::leaf::{Ring, Yield, poll_once};
use super::rival::{Channel, Rival};
use super::row::Row;

/// Tasks in a batch, and in the rows of many.
const MANY: u64 = 1000;

/// Does `operations` of `row` on a new runtime; some rows round them up to whole batches. Returns the time of one in ns.
pub fn time<R: Rival>(row: Row, operations: u64) -> f64 {
    let rounds = operations.div_ceil(MANY);
    let (elapsed, done) = match row {
        Row::SpawnBatch => (R::run(|runtime| spawn_batch(runtime, rounds)), rounds * MANY),
        Row::SpawnOne => (R::run(|runtime| spawn_one(runtime, operations)), operations),
        Row::SpawnOneInTask => (R::run(|runtime| in_task(runtime, operations)), operations),
        Row::YieldOne => (R::run(|runtime| yields(runtime, 1, operations)), operations),
        Row::YieldMany => (R::run(|runtime| yields(runtime, MANY, rounds)), rounds * MANY),
        Row::RingOfTwo => (R::run(|runtime| ring(runtime, 2, operations)), operations * 2),
        Row::RingOfMany => (R::run(|runtime| ring(runtime, MANY, rounds)), rounds * MANY),
        Row::PingPong => (R::run(|runtime| ping_pong(runtime, operations)), operations),
        Row::QueueOf3 => (R::run(|runtime| queue(runtime, 3, operations)), operations),
        Row::QueueOf1024 => (R::run(|runtime| queue(runtime, 1024, operations)), operations),
        Row::QueueUnbounded => (R::run(|runtime| bursts(runtime, rounds)), rounds * MANY),
        Row::TimerCancel => (R::run(|runtime| timer_cancel(runtime, operations)), operations),
    };
    elapsed.as_nanos() as f64 / done as f64
}

async fn spawn_batch<R: Rival>(runtime: R, batches: u64) -> Duration {
    let begun = Instant::now();
    let mut tasks = Vec::with_capacity(MANY as usize);
    for _ in 0..batches {
        tasks.extend((0..MANY).map(|number| runtime.spawn(async move { number })));
        let sum = join_all::<R>(&mut tasks).await;
        assert_eq!(sum, MANY * (MANY - 1) / 2);
    }
    begun.elapsed()
}

async fn spawn_one<R: Rival>(runtime: R, operations: u64) -> Duration {
    let begun = Instant::now();
    for number in 0..operations {
        let task = runtime.spawn(async move { number });
        assert_eq!(R::value(task.await), number);
    }
    begun.elapsed()
}

/// `spawn_one` by a spawned task: a runtime may treat its main future as something else than a task.
async fn in_task<R: Rival>(runtime: R, operations: u64) -> Duration {
    let task = runtime.spawn(async move { spawn_one(runtime, operations).await.as_nanos() as u64 });
    Duration::from_nanos(R::value(task.await))
}

async fn yields<R: Rival>(runtime: R, tasks: u64, yields_each: u64) -> Duration {
    let begun = Instant::now();
    let yielding = |_| {
        runtime.spawn(async move {
            for _ in 0..yields_each {
                Yield::new().await;
            }
            yields_each
        })
    };
    let mut tasks_alive: Vec<R::Join> = (0..tasks).map(yielding).collect();
    let sum = join_all::<R>(&mut tasks_alive).await;
    assert_eq!(sum, tasks * yields_each);
    begun.elapsed()
}

async fn ring<R: Rival>(runtime: R, members: u64, rounds: u64) -> Duration {
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

async fn ping_pong<R: Rival>(runtime: R, rounds: u64) -> Duration {
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

async fn queue<R: Rival>(runtime: R, capacity: usize, items: u64) -> Duration {
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

/// Items through an unbounded channel, in bursts of `MANY`. The receiver acknowledges each over a bounded channel: without
/// that the sender would send everything before the receiver runs, and the row would measure how memory grows.
async fn bursts<R: Rival>(runtime: R, bursts: u64) -> Duration {
    let begun = Instant::now();
    let (mut sender, mut receiver) = R::Unbounded::new(0);
    let (mut acknowledge, mut acknowledged) = R::Bounded::new(1);
    let receiving = runtime.spawn(async move {
        let (mut sum, mut count) = (0, 0);
        while let Some(value) = R::Unbounded::receive(&mut receiver).await {
            sum += value;
            count += 1;
            if count % MANY == 0 {
                R::Bounded::send(&mut acknowledge, count).await;
            }
        }
        sum
    });
    let sending = runtime.spawn(async move {
        for _ in 0..bursts {
            for value in 0..MANY {
                R::Unbounded::send(&mut sender, value).await;
            }
            R::Bounded::receive(&mut acknowledged).await;
        }
        0
    });
    R::value(sending.await);
    assert_eq!(R::value(receiving.await), bursts * (MANY * (MANY - 1) / 2));
    begun.elapsed()
}

async fn timer_cancel<R: Rival>(runtime: R, operations: u64) -> Duration {
    const HOUR: Duration = Duration::from_secs(3600);
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
}

/// Awaits them in order of spawning; the vector keeps its room.
async fn join_all<R: Rival>(tasks: &mut Vec<R::Join>) -> u64 {
    let mut sum = 0;
    for task in tasks.drain(..) {
        sum += R::value(task.await);
    }
    sum
}
