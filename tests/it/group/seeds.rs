//! The programs that tutorials on coroutines begin with: tasks with numbers, waiting side by side, collecting results.

use std::time::{Duration, Instant};

use coracle::Runtime;
use coracle::task::{JoinError, JoinSet, join_all, yield_now};
use coracle::time::sleep;

use super::Trace;

/// Three tasks count to four, each line with the task's number. Without a pause one goes after the other.
#[test]
fn tasks_that_do_not_wait_run_one_after_the_other() {
    let trace = Trace::default();
    Runtime::new().block_on(async {
        join_all((0..3).map(|_| {
            let trace = trace.clone();
            coracle::spawn(async move {
                for n in 0..5 {
                    trace.note(format!("{}: {n}", coracle::task::id().unwrap()));
                }
            })
        }))
        .await;
    });
    let expected: Vec<_> = (2..=4).flat_map(|task| (0..5).map(move |n| format!("task {task}: {n}"))).collect();
    assert_eq!(trace.take(), expected);
}

/// With a pause after each line they take turns.
#[test]
fn tasks_that_pause_take_turns() {
    let trace = Trace::default();
    Runtime::new().block_on(async {
        let count = |trace: Trace| async move {
            for n in 0..5 {
                trace.note(format!("{}: {n}", coracle::task::name().unwrap()));
                yield_now().await;
            }
        };
        let tasks = (0..3).map(|n| {
            let name = format!("counter {n}");
            coracle::task::Builder::new().name(name).spawn(count(trace.clone()))
        });
        join_all(tasks).await;
    });
    let expected: Vec<_> = (0..5).flat_map(|n| (0..3).map(move |task| format!("counter {task}: {n}"))).collect();
    assert_eq!(trace.take(), expected);
}

/// Two that sleep, one twice as long as the other: one after the other it takes the sum, together the longer.
#[test]
fn two_that_sleep_take_the_sum_or_the_longer() {
    let trace = Trace::default();
    let rest = |name: &'static str, millis: u64| {
        let trace = trace.clone();
        async move {
            trace.note(format!("{name} begins"));
            sleep(Duration::from_millis(millis)).await;
            trace.note(format!("{name} ends"));
            millis
        }
    };
    coracle::block_on(async {
        let begin = Instant::now();
        let serial = [rest("long", 40).await, rest("short", 20).await];
        assert!(begin.elapsed() >= Duration::from_millis(60));
        assert_eq!(serial, [40, 20]);
        assert_eq!(trace.take(), ["long begins", "long ends", "short begins", "short ends"]);

        let begin = Instant::now();
        let together = join_all([coracle::spawn(rest("long", 40)), coracle::spawn(rest("short", 20))]).await;
        assert!((Duration::from_millis(40)..Duration::from_secs(4)).contains(&begin.elapsed()));
        assert!(together.into_iter().map(Result::unwrap).eq([40, 20]), "values in the order of the handles");
        assert_eq!(trace.take(), ["long begins", "short begins", "short ends", "long ends"]);
    });
}

/// Ten that wait a tenth of a second each: a second one after the other; together far less.
#[test]
fn ten_that_sleep_together_take_as_long_as_one() {
    const PAUSE: Duration = Duration::from_millis(100);
    coracle::block_on(async {
        let begin = Instant::now();
        let tasks = join_all((0..10).map(|n| {
            coracle::spawn(async move {
                sleep(PAUSE).await;
                n
            })
        }));
        assert!(tasks.await.into_iter().map(Result::unwrap).eq(0..10));
        let elapsed = begin.elapsed();
        assert!((PAUSE..10 * PAUSE).contains(&elapsed), "{elapsed:?}");
    });
}

/// The event loop of asyncio: tasks, `wait`, and `task.result()` of each, be it a value or an exception.
#[test]
fn results_and_errors_are_collected_by_task() {
    let trace = Trace::default();
    let runtime = Runtime::new();
    let sum = runtime.block_on(async {
        let mut set = JoinSet::new();
        let ids: Vec<_> = (0..4)
            .map(|n| {
                let trace = trace.clone();
                set.spawn(async move {
                    trace.note(format!("task {n} begins"));
                    for _ in n..3 {
                        yield_now().await;
                    }
                    trace.note(format!("task {n} ends"));
                    assert_ne!(n, 2, "as it should");
                    n * n
                })
            })
            .collect();
        let mut sum = 0;
        while let Some((id, result)) = set.next().await {
            let task = ids.iter().position(|known| *known == id).unwrap();
            match result {
                Ok(square) => {
                    trace.note(format!("{task}: {square}"));
                    sum += square;
                }
                Err(JoinError::Panicked(_)) => trace.note(format!("{task}: failed")),
                Err(error) => panic!("{error}"),
            }
        }
        sum
    });
    assert_eq!(sum, 9 + 1);
    let expected = [
        "task 0 begins",
        "task 1 begins",
        "task 2 begins",
        "task 3 begins",
        "task 3 ends",
        "task 2 ends",
        "3: 9",
        "2: failed",
        "task 1 ends",
        "task 0 ends",
        "1: 1",
        "0: 0",
    ];
    assert_eq!(trace.take(), expected);
}
