//! All runs of small programs: how many there are is known, and each is there once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use coracle::sync::channel;
use coracle::task::yield_now;
use coracle::testing::{Choices, Kinds, explore};
use coracle::{Budget, Runtime};

use super::child;

/// So many tasks that yield so often, all ready at the beginning: in what order they were polled.
fn order(choices: &Choices, tasks: usize, yields: usize) -> Vec<usize> {
    let runtime = Runtime::builder().choices(choices.clone()).build();
    let order = Rc::new(RefCell::new(Vec::new()));
    for task in 0..tasks {
        let order = order.clone();
        drop(runtime.spawn(async move {
            order.borrow_mut().push(task);
            for _ in 0..yields {
                yield_now().await;
                order.borrow_mut().push(task);
            }
        }));
    }
    while runtime.turn(Budget::no_wait()).unwrap().more {}
    order.take()
}

fn factorial(number: usize) -> usize {
    (1..=number).product()
}

#[test]
fn tasks_that_are_ready_at_once_run_in_every_order_once() {
    for tasks in 0..6 {
        let mut orders = BTreeSet::new();
        let explored = explore(1000, |choices| assert!(orders.insert(order(choices, tasks, 0)), "twice the same"));
        assert_eq!((explored.runs, explored.complete), (factorial(tasks), true), "{tasks} tasks");
    }
}

/// All that are ready run before those that they make ready: so it is a permutation a turn.
#[test]
fn each_turn_has_every_order_of_its_own() {
    for (tasks, yields) in [(2, 1), (2, 5), (3, 1), (3, 2)] {
        let mut orders = BTreeSet::new();
        let explored = explore(1000, |choices| assert!(orders.insert(order(choices, tasks, yields))));
        let all = factorial(tasks).pow(yields as u32 + 1);
        assert_eq!((explored.runs, explored.complete, orders.len()), (all, true, all));
    }
}

#[test]
fn what_a_program_chooses_is_explored_too_and_may_depend_on_what_was_chosen() {
    let mut seen = Vec::new();
    let explored = explore(100, |choices| {
        let first = choices.choose(3);
        let second = choices.choose(first + 1);
        seen.push((first, second, choices.choose(1)));
    });
    assert!(explored.complete);
    assert_eq!(seen, [(0, 0, 0), (1, 0, 0), (2, 0, 0), (1, 1, 0), (2, 1, 0), (2, 2, 0)]);
}

#[test]
fn it_stops_after_so_many_runs_and_says_so() {
    for most in [0, 1, 5, 23] {
        let mut runs = 0;
        let explored = explore(most, |choices| {
            runs += 1;
            order(choices, 4, 0);
        });
        assert_eq!((explored.runs, explored.complete, runs), (most, false, most));
    }
    let explored = explore(24, |choices| drop(order(choices, 4, 0)));
    assert_eq!(explored.to_string(), "24 runs, all that there are");
}

#[test]
fn the_first_run_is_the_ordinary_one() {
    let mut first = None;
    explore(1, |choices| first = Some(order(choices, 4, 1)));
    assert_eq!(first.unwrap(), [0, 1, 2, 3, 0, 1, 2, 3]);
}

/// Each kind more multiplies the runs, so only those that are asked for.
#[test]
fn other_kinds_of_choices_are_explored_if_asked_for() {
    let polls = |kinds: Kinds| {
        let explored = explore(5000, |choices| assert!(order(&choices.clone().only(kinds), 1, 1).starts_with(&[0])));
        assert!(explored.complete);
        explored.runs
    };
    assert_eq!(polls(Kinds::ORDER), 1);
    let spurious = polls(Kinds::SPURIOUS);
    assert!(spurious > 1, "{spurious}");
}

/// Right in the ordinary order, and in most others.
fn planted(choices: &Choices) {
    let runtime = Runtime::builder().choices(choices.clone()).build();
    let (ready, used) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    for part in 1..=2 {
        let ready = ready.clone();
        drop(runtime.spawn(async move {
            yield_now().await;
            ready.set(ready.get() + part);
        }));
    }
    drop(runtime.spawn({
        let used = used.clone();
        async move {
            yield_now().await;
            assert!(ready.get() != 2, "the first part is missing");
            used.set(true);
        }
    }));
    runtime.block_on(async {});
    while runtime.turn(Budget::no_wait()).unwrap().more {}
    drop(runtime);
}

#[test]
fn an_order_that_fails_is_found_and_runs_again_from_its_list() {
    const NAME: &str = "testing::explore::an_order_that_fails_is_found_and_runs_again_from_its_list";
    if child::is_this(NAME) {
        explore(1000, planted);
        return;
    }
    planted(&Choices::ordinary());
    let said = child::run(NAME, &[]);
    assert!(!said.passed && said.text.contains("the first part is missing"), "{}", said.text);
    assert!(said.text.contains("coracle: failed: run "), "{}", said.text);
    let (_, list) = said.text.split_once("its choices again: Choices::replay([").expect(&said.text);
    let (list, _) = list.split_once("])").unwrap();
    let list = list.split(", ").map(|number| number.parse::<u32>().unwrap());
    let replayed = Choices::replay(list).only(Kinds::ORDER | Kinds::PROGRAM);
    assert!(catch_unwind(AssertUnwindSafe(|| planted(&replayed))).is_err());
}

/// The order of two tasks for some turns does not matter, but decides who is where in the queue when it does: from
/// many deviations none can be left out alone, so a list cannot be shrunk one by one. The first that is found needs none.
#[test]
fn the_first_run_that_fails_deviates_least() {
    let late = |choices: &Choices| {
        let runtime = Runtime::builder().choices(choices.clone()).build();
        let order = Rc::new(RefCell::new(Vec::new()));
        let noise = runtime.spawn(yields(9));
        runtime.block_on(async {
            yields(3).await;
            for place in 0..2 {
                let order = order.clone();
                drop(coracle::spawn(async move { order.borrow_mut().push(place) }));
            }
            noise.await.unwrap();
        });
        assert_eq!(*order.borrow(), [0, 1]);
    };
    let mut last = Vec::new();
    let explored = catch_unwind(AssertUnwindSafe(|| {
        explore(10_000, |choices| {
            let result = catch_unwind(AssertUnwindSafe(|| late(choices)));
            last = choices.made();
            result.unwrap();
        })
    }));
    assert!(explored.is_err());
    assert_eq!(last.iter().filter(|made| made.chosen != 0).count(), 1, "{last:?}");
    assert!(last.len() > 3 && last[..3].iter().all(|made| made.chosen == 0), "{last:?}");
}

async fn yields(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

#[test]
fn a_scenario_that_is_not_a_function_of_its_choices_is_refused() {
    let mut runs = 0;
    let explored = catch_unwind(AssertUnwindSafe(|| {
        explore(1000, |choices| {
            runs += 1;
            choices.choose(2 + runs);
            choices.choose(2);
        })
    }));
    let payload = explored.unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert_eq!(message, "not a function of its choices: after the same 0 choices it had 3 options, and then 4 options");
}

/// Two senders, one of which gives up, and a receiver, over a channel with room for one value.
#[test]
fn a_channel_loses_and_invents_nothing_in_any_order() {
    let mut outcomes = BTreeSet::new();
    let explored = explore(20_000, |choices| {
        let runtime = Runtime::builder().choices(choices.clone()).build();
        let (sender, receiver) = channel::bounded(1);
        let sent = Rc::new(RefCell::new(Vec::new()));
        let sending = [1, 2].map(|number| {
            let (sender, sent) = (sender.clone(), sent.clone());
            runtime.spawn(async move {
                sender.send(number).await.unwrap();
                sent.borrow_mut().push(number);
                sender.send(number + 10).await.unwrap();
                sent.borrow_mut().push(number + 10);
            })
        });
        drop(sender);
        let ([_stays, given_up], turns) = (sending, choices.choose(4));
        let received = runtime.block_on(async move {
            let receiving = coracle::spawn(async move {
                let mut received = Vec::new();
                while let Some(number) = receiver.recv().await {
                    received.push(number);
                }
                received
            });
            for _ in 0..turns {
                yield_now().await;
            }
            given_up.abort();
            receiving.await.unwrap()
        });
        let (mut sent, mut got) = (sent.take(), received.clone());
        sent.sort_unstable();
        got.sort_unstable();
        assert_eq!(sent, got);
        assert!(sent.contains(&1) && sent.contains(&11));
        outcomes.insert(received);
    });
    assert!(explored.complete, "{explored}");
    assert!(outcomes.len() > 2, "{outcomes:?}");
}
