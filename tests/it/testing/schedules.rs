//! Schedules as a strategy of proptest: zero is the ordinary order, so shrinking ends at the smallest deviation.

use std::cell::Cell;
use std::rc::Rc;

use coracle::task::yield_now;
use coracle::testing::{Choices, Kinds};
use coracle::{Budget, Runtime};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

/// The two lines of the module's documentation.
fn schedules() -> impl Strategy<Value = Choices> {
    proptest::collection::vec(0u32..8, 0..64).prop_map(|list| Choices::replay(list).only(Kinds::ORDER))
}

/// What is chosen in the smallest run that fails, without the zeros at the end.
fn smallest_that_fails(works: impl Fn(&Choices) -> bool) -> Vec<u32> {
    let config = Config { failure_persistence: None, cases: 2000, ..Config::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    let result = TestRunner::new_with_rng(config, rng).run(&schedules(), |choices| {
        if works(&choices) { Ok(()) } else { Err(TestCaseError::fail("it does not work")) }
    });
    let Err(TestError::Fail(_, choices)) = result else { panic!("no schedule fails: {result:?}") };
    assert!(!works(&choices), "it is used up; what it made is kept all the same");
    let mut chosen: Vec<u32> = choices.made().iter().map(|made| made.chosen).collect();
    chosen.truncate(chosen.iter().rposition(|chosen| *chosen != 0).map_or(0, |last| last + 1));
    chosen
}

/// Tasks that each yield so often and then count one up; whether they come in order.
fn in_order(choices: &Choices, tasks: usize, yields: usize, wrong: fn(usize, usize) -> bool) -> bool {
    let runtime = Runtime::builder().choices(choices.clone()).build();
    let (count, right) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(true)));
    for task in 0..tasks {
        let (count, right) = (count.clone(), right.clone());
        drop(runtime.spawn(async move {
            for _ in 0..yields {
                yield_now().await;
            }
            if wrong(task, count.replace(count.get() + 1)) {
                right.set(false);
            }
        }));
    }
    while runtime.turn(Budget::no_wait()).unwrap().more {}
    right.get()
}

#[test]
fn shrinking_leaves_one_choice_that_is_not_ordinary() {
    // The last of three must not be the first.
    let smallest = smallest_that_fails(|choices| in_order(choices, 3, 0, |task, place| task == 2 && place == 0));
    assert_eq!(smallest, [2]);
    // The first must not be the second: one other before it is enough.
    let smallest = smallest_that_fails(|choices| in_order(choices, 3, 0, |task, place| task == 0 && place == 1));
    assert_eq!(smallest, [1]);
}

/// Spawns three tasks and waits for them; whether the last one was not the first.
async fn round() -> bool {
    let first = Rc::new(Cell::new(None));
    let tasks = [0, 1, 2].map(|task| {
        let first = first.clone();
        coracle::spawn(async move { first.set(first.get().or(Some(task))) })
    });
    for task in tasks {
        task.await.unwrap();
    }
    first.get() != Some(2)
}

/// In the rounds before it any order will do; the zeros say only where it is.
#[test]
fn what_is_chosen_before_the_place_that_matters_becomes_ordinary() {
    let smallest = smallest_that_fails(|choices| {
        Runtime::builder().choices(choices.clone()).build().block_on(async {
            round().await;
            round().await;
            round().await
        })
    });
    assert_eq!(smallest, [0, 0, 0, 0, 2]);
}

#[test]
fn two_deviations_stay_if_it_takes_two() {
    // From last to first: each of the first two choices must be the last one.
    let smallest = smallest_that_fails(|choices| in_order(choices, 3, 0, |task, place| task == 0 && place == 2));
    assert_eq!(smallest, [1, 1]);
}

#[test]
fn the_empty_list_is_the_ordinary_order() {
    assert!(in_order(&Choices::replay([]), 5, 3, |task, place| task != place));
}
