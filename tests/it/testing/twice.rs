//! What makes a run differ from itself is found, and what does not is let pass.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use coracle::Runtime;
use coracle::net::UnixStream;
use coracle::sync::channel;
use coracle::sys::World;
use coracle::task::yield_now;
use coracle::testing::{Choices, Trace, for_seeds, twice};
use coracle::time::sleep;

use super::child;

/// What it says of this scenario.
fn verdict(scenario: impl FnMut(&Trace)) -> Option<String> {
    let result = catch_unwind(AssertUnwindSafe(|| twice(scenario)));
    result.err().map(|payload| payload.downcast_ref::<String>().unwrap().clone())
}

/// Channels, timers and a pair of sockets, everything that a seed can change included.
fn talk(trace: &Trace, seed: u64) {
    let builder = Runtime::builder().world(World::kernel().paused()).choices(Choices::seeded(seed));
    let runtime = trace.settings(builder).build();
    runtime.block_on(async {
        let (left, right) = UnixStream::pair().unwrap();
        let (sender, receiver) = channel::bounded(2);
        let tasks = [1, 2, 3].map(|number| {
            let sender = sender.clone();
            coracle::spawn(async move {
                yield_now().await;
                sender.send(number).await.unwrap();
            })
        });
        drop(sender);
        let echo = coracle::spawn(async move {
            let mut byte = [0];
            while right.read(&mut byte).await.unwrap() == 1 {
                right.write_all(&byte).await.unwrap();
            }
        });
        while let Some(number) = receiver.recv().await {
            left.write_all(&[number]).await.unwrap();
            let mut answer = [0];
            left.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, [number]);
        }
        drop(left);
        echo.await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        sleep(Duration::from_secs(1)).await;
    });
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let passed = for_seeds(0..40, |seed| twice(|trace| talk(trace, seed)));
    assert_eq!(passed.seeds, 40);
}

#[test]
fn seeds_differ() {
    let mut seed = 0;
    let verdict = verdict(|trace| {
        seed += 1;
        talk(trace, seed);
    });
    assert!(verdict.unwrap().starts_with("two runs that should be equal are not: line "));
}

/// The order of a map of std: two maps of one process differ already.
#[test]
fn the_order_of_a_hash_map_is_found() {
    let verdict = verdict(|trace| {
        trace.record(|| {
            coracle::block_on(async {
                let map: HashMap<u32, u32> = (0..100).map(|number| (number, number)).collect();
                for number in map.into_keys() {
                    let named = coracle::task::Builder::new().name(format!("task for {number}"));
                    named.spawn(async {}).await.unwrap();
                }
            });
        });
    });
    let verdict = verdict.unwrap();
    assert!(verdict.contains(" is named \"task for "), "{verdict}");
    // Their first elements may be the same, so it is not always the first task.
    assert!(verdict.lines().any(|line| line.starts_with("  - task ")), "{verdict}");
    assert!(verdict.lines().any(|line| line.starts_with("  + task ")), "{verdict}");
    assert!(verdict.contains("    task 2 spawned at "), "{verdict}");
}

#[test]
fn an_address_that_the_program_looks_at_is_found() {
    let mut kept = Vec::new();
    let verdict = verdict(|trace| {
        kept.push(Box::new(0_u8));
        trace.note(format!("at {:p}", *kept.last().unwrap()));
    });
    assert!(verdict.unwrap().contains("line 1 differs"));
}

#[test]
fn one_run_that_goes_on_longer_is_found() {
    let mut runs = 0;
    let verdict = verdict(|trace| {
        runs += 1;
        (0..runs).for_each(|number| trace.note(format!("{number}")));
    });
    let verdict = verdict.unwrap();
    assert!(verdict.contains("line 2 differs") && verdict.contains("  - (the end)\n  + 1\n"), "{verdict}");
}

#[test]
fn a_panic_of_the_second_run_alone_is_told_with_the_difference() {
    const NAME: &str = "testing::twice::a_panic_of_the_second_run_alone_is_told_with_the_difference";
    if child::is_this(NAME) {
        let mut runs = 0;
        twice(|trace| {
            runs += 1;
            trace.note(format!("run {runs}"));
            assert_eq!(runs, 1, "planted");
        });
        return;
    }
    let said = child::run(NAME, &[]);
    assert!(!said.passed && said.text.contains("planted"), "{}", said.text);
    for part in ["failed: the second of two equal runs\n", "the first one did not fail\n", "- run 1\n", "+ run 2\n"] {
        assert!(said.text.contains(part), "{part:?} is missing: {}", said.text);
    }
}
