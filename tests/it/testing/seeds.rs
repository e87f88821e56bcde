//! Many seeds: which are run, and what is said of one that fails.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coracle::Runtime;
use coracle::sim::Simulation;
use coracle::task::yield_now;
use coracle::testing::{Choices, Trace, for_seeds, for_seeds_on};
use coracle::time::sleep;

use super::child;

/// Runs the calling test in a child if this is not it; what the child said.
fn said(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> Option<child::Said> {
    if child::is_this(test) {
        body();
        return None;
    }
    Some(child::run(test, variables))
}

/// Three tasks under the choices of a seed; in what order they ran.
fn order(seed: u64) -> Vec<usize> {
    let builder = Runtime::builder().choices(Choices::seeded(seed));
    let runtime = Trace::current().settings(builder).build();
    let order = std::rc::Rc::new(RefCell::new(Vec::new()));
    for task in 0..3 {
        let order = order.clone();
        drop(runtime.spawn(async move { order.borrow_mut().push(task) }));
    }
    runtime.block_on(async {});
    order.take()
}

#[test]
fn every_seed_is_run_in_order_and_counted() {
    let mut seen = Vec::new();
    let passed = for_seeds([3, 1, 2, 1], |seed| seen.push(seed));
    assert_eq!((seen, passed.seeds), (vec![3, 1, 2, 1], 4));
    assert!(passed.per_second() > 0.0 && passed.virtual_time.is_zero());
    assert!(passed.to_string().starts_with("4 seeds in "), "{passed}");
    assert_eq!(for_seeds(0..0, |_| unreachable!()).seeds, 0);
}

#[test]
fn seeds_reach_every_order() {
    let mut orders = BTreeSet::new();
    for_seeds(0..200, |seed| {
        orders.insert(order(seed));
    });
    assert_eq!(orders.len(), 6, "{orders:?}");
    assert_eq!(order(0), [0, 1, 2]);
}

#[test]
fn the_virtual_time_of_simulations_is_added_up() {
    let passed = for_seeds(0..20, |seed| {
        let mut simulation = Simulation::new(seed);
        simulation.client("alone", async || sleep(Duration::from_secs(3600)).await);
        simulation.run().unwrap();
    });
    assert_eq!(passed.virtual_time, Duration::from_secs(20 * 3600));
    assert!(passed.to_string().contains("; 72000s of virtual time, "), "{passed}");
}

/// What a simulation did is in the report of its seed: in it, its hosts, and its virtual time.
#[test]
fn a_simulation_that_fails_is_reported_with_its_seed() {
    const NAME: &str = "testing::seeds::a_simulation_that_fails_is_reported_with_its_seed";
    let body = || {
        for_seeds(0..5, |seed| {
            let mut simulation = Simulation::new(seed);
            simulation.client("alone", async move || {
                sleep(Duration::from_secs(1)).await;
                assert_ne!(seed, 3, "planted");
            });
            simulation.run().unwrap();
        });
    };
    let Some(said) = said(NAME, &[], body) else { return };
    assert!(!said.passed && said.text.matches("coracle: failed").count() == 1, "{}", said.text);
    for part in ["failed: seed 3\n", "in it: a simulation with seed 3\n", "\n    1.000000000 alone: task 1 panicked\n"]
    {
        assert!(said.text.contains(part), "{part:?} is missing: {}", said.text);
    }
}

#[test]
fn nothing_is_printed_when_all_is_well() {
    const NAME: &str = "testing::seeds::nothing_is_printed_when_all_is_well";
    let body = || {
        for_seeds(0..50, |seed| drop(order(seed)));
    };
    let Some(said) = said(NAME, &[], body) else { return };
    assert!(said.passed && !said.text.contains("coracle"), "{}", said.text);
}

#[test]
fn a_variable_says_which_seeds_are_run_instead() {
    const NAME: &str = "testing::seeds::a_variable_says_which_seeds_are_run_instead";
    let body = || {
        let seen = Mutex::new(Vec::new());
        for_seeds(0..3, |seed| seen.lock().unwrap().push(seed));
        println!("one thread: {:?}", seen.into_inner().unwrap());
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let of_threads = seen.clone();
        for_seeds_on(2, 0..3, move |seed| assert!(of_threads.lock().unwrap().insert(seed))).unwrap();
        println!("two threads: {:?}", seen.lock().unwrap());
    };
    for (text, one, two) in
        [("17", "[17]", "{17}"), ("3, 9..11,4", "[3, 9, 10, 4]", "{3, 4, 9, 10}"), ("5..5", "[]", "{}")]
    {
        let Some(said) = said(NAME, &[("CORACLE_SEEDS", text)], body) else { return };
        let wanted = [format!("one thread: {one}"), format!("two threads: {two}")];
        assert!(said.passed && wanted.iter().all(|line| said.text.contains(line)), "{}", said.text);
    }
    let said = child::run(NAME, &[("CORACLE_SEEDS", "many")]);
    assert!(!said.passed && said.text.contains("CORACLE_SEEDS=many: write seeds and ranges"), "{}", said.text);
}

/// The file that a report names.
fn file_of(text: &str) -> std::path::PathBuf {
    let (_, path) = text.split_once("all that is kept: ").expect(text);
    path.lines().next().unwrap().into()
}

#[test]
fn a_failing_seed_says_how_to_run_it_again_and_what_happened() {
    const NAME: &str = "testing::seeds::a_failing_seed_says_how_to_run_it_again_and_what_happened";
    let body = || {
        for_seeds(0..1000, |seed| assert_eq!(order(seed)[0], 0, "planted"));
    };
    let Some(first) = said(NAME, &[], body) else { return };
    assert!(!first.passed && first.text.contains("planted"), "{}", first.text);
    let (_, report) = first.text.split_once("coracle: failed: seed ").expect(&first.text);
    let (seed, _) = report.split_once('\n').unwrap();
    assert_ne!(seed, "0");
    assert!(report.contains(&format!("run it again: CORACLE_SEEDS={seed} cargo test {NAME} -- --exact")), "{report}");
    assert!(report.contains("events:\n    task 1 spawned at "), "{report}");
    assert_eq!(first.text.matches("coracle: failed").count(), 1, "{}", first.text);
    let file = file_of(report);
    assert!(file.parent().unwrap().ends_with("traces"), "{file:?}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("task 1 spawned at "));
    // The line that it gave runs that seed alone, and fails in the same way.
    let again = child::run(NAME, &[("CORACLE_SEEDS", seed)]);
    let (_, same) = again.text.split_once("coracle: failed: seed ").expect(&again.text);
    assert_eq!(report.lines().take(8).collect::<Vec<_>>(), same.lines().take(8).collect::<Vec<_>>());
    std::fs::remove_file(file).unwrap();
}

/// More events than are kept of a run that is one of many.
#[test]
fn a_failing_seed_is_run_once_more_if_not_all_of_its_events_were_kept() {
    const NAME: &str = "testing::seeds::a_failing_seed_is_run_once_more_if_not_all_of_its_events_were_kept";
    let body = || {
        for_seeds(1..3, |seed| {
            (0..500).for_each(|number| Trace::current().note(format!("{number} of seed {seed}")));
            assert_ne!(seed, 2, "planted");
        });
    };
    let Some(said) = said(NAME, &[], body) else { return };
    assert!(!said.passed && said.text.contains("the last 25 of 500 events:"), "{}", said.text);
    assert!(said.text.contains("coracle: failed: seed 2; it is run once more"), "{}", said.text);
    let file = file_of(&said.text);
    let lines: Vec<String> = (0..500).map(|number| format!("{number} of seed 2")).collect();
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().collect::<Vec<_>>(), lines);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_seed_that_does_not_fail_again_is_told_to_be_no_function_of_its_seed() {
    const NAME: &str = "testing::seeds::a_seed_that_does_not_fail_again_is_told_to_be_no_function_of_its_seed";
    let body = || {
        let mut runs = 0;
        for_seeds(0..10, |_| {
            runs += 1;
            (0..500).for_each(|number| Trace::current().note(format!("{number} of run {runs}")));
            assert_ne!(runs, 4, "planted");
        });
    };
    let Some(said) = said(NAME, &[], body) else { return };
    assert!(!said.passed && said.text.contains("it did not fail a second time"), "{}", said.text);
    assert!(said.text.contains("    499 of run 4\n"), "the events of the run that failed are shown: {}", said.text);
}

/// The outer one knows the inner one's seed, and both are said, in one report.
#[test]
fn what_fails_inside_of_another_is_reported_once() {
    const NAME: &str = "testing::seeds::what_fails_inside_of_another_is_reported_once";
    let body = || {
        for_seeds(7..8, |_| {
            for_seeds(0..5, |seed| {
                Trace::current().note(format!("inner {seed}"));
                assert_ne!(seed, 3, "planted");
            });
        });
    };
    let Some(said) = said(NAME, &[], body) else { return };
    assert_eq!(said.text.matches("coracle: failed").count(), 1, "{}", said.text);
    assert!(said.text.contains("coracle: failed: seed 7\n"), "{}", said.text);
    assert!(said.text.contains("  in it: seed 3\n") && said.text.contains("    inner 3\n"), "{}", said.text);
}

#[test]
fn a_panic_that_the_scenario_catches_is_not_reported() {
    const NAME: &str = "testing::seeds::a_panic_that_the_scenario_catches_is_not_reported";
    let body = || {
        for_seeds(0..2, |outer| {
            let inner = || for_seeds(0..5, |seed| assert_ne!(seed, 3, "planted"));
            assert!(catch_unwind(AssertUnwindSafe(inner)).is_err());
            let of_a_drop = Trace::current();
            of_a_drop.note("caught");
            assert_eq!(outer, 0, "for the outer one");
        });
    };
    let Some(said) = said(NAME, &[], body) else { return };
    assert!(said.text.contains("coracle: failed: seed 1\n"), "{}", said.text);
    assert!(said.text.contains("in it: seed 3"), "it is near, and may have to do with it: {}", said.text);
    assert!(!said.text.contains("coracle: failed: seed 3"), "{}", said.text);
}

#[test]
fn threads_share_the_seeds_and_run_each_once() {
    let seen = Arc::new(Mutex::new((Vec::new(), BTreeSet::new())));
    let of_threads = seen.clone();
    let passed = for_seeds_on(3, 10..510, move |seed| {
        assert_eq!(order(seed).len(), 3);
        let (seeds, threads) = &mut *of_threads.lock().unwrap();
        seeds.push(seed);
        threads.insert(std::thread::current().name().unwrap().to_owned());
    });
    assert_eq!(passed.unwrap().seeds, 500);
    let (mut seeds, threads) = std::mem::take(&mut *seen.lock().unwrap());
    seeds.sort_unstable();
    assert_eq!(seeds, (10..510).collect::<Vec<_>>());
    assert!(threads.len() <= 3 && threads.iter().all(|name| name.starts_with("coracle-seeds-")), "{threads:?}");
    assert_eq!(for_seeds_on(0, 0..3, |_| ()).unwrap().seeds, 3, "no threads are one");
}

#[test]
fn a_seed_that_fails_on_a_thread_ends_the_others_and_is_reported_under_the_name_of_the_test() {
    const NAME: &str =
        "testing::seeds::a_seed_that_fails_on_a_thread_ends_the_others_and_is_reported_under_the_name_of_the_test";
    let body = || {
        for_seeds_on(2, 0..u64::MAX / 4, |seed| {
            Trace::current().note(format!("this is {seed}"));
            assert_ne!(seed, 300, "planted");
            yield_for_a_while();
        })
        .unwrap();
    };
    let Some(said) = said(NAME, &[], body) else { return };
    assert!(!said.passed && said.text.contains("planted"), "{}", said.text);
    assert!(said.text.contains(&format!("CORACLE_SEEDS=300 cargo test {NAME} -- --exact")), "{}", said.text);
    assert!(said.text.contains("    this is 300\n"), "{}", said.text);
}

/// Some polls.
fn yield_for_a_while() {
    coracle::block_on(async {
        for _ in 0..10 {
            yield_now().await;
        }
    });
}
