//! In which order tasks run, and what one turn does.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use coracle::task::yield_now;
use coracle::time::sleep;
use coracle::{Budget, Runtime, Turn};

/// Who was polled, in order.
type Trace = Rc<RefCell<Vec<usize>>>;

fn noting(trace: &Trace, name: usize, yields: usize) -> impl Future<Output = ()> + use<> {
    let trace = trace.clone();
    async move {
        trace.borrow_mut().push(name);
        for _ in 0..yields {
            yield_now().await;
            trace.borrow_mut().push(name);
        }
    }
}

/// Also of tasks that a task spawns, and of those that other threads sent between.
#[test]
fn tasks_are_polled_first_in_the_order_in_which_they_were_spawned() {
    let (runtime, trace) = (Runtime::new(), Trace::default());
    for name in [0, 1] {
        drop(runtime.spawn(noting(&trace, name, 0)));
    }
    drop(runtime.spawn({
        let trace = trace.clone();
        async move {
            trace.borrow_mut().push(2);
            drop(coracle::spawn(noting(&trace, 4, 0)));
            drop(coracle::spawn(noting(&trace, 5, 0)));
        }
    }));
    runtime.block_on(noting(&trace, 3, 1));
    assert_eq!(*trace.borrow(), [0, 1, 2, 3, 4, 5, 3]);
}

#[test]
fn ready_tasks_take_turns() {
    let (runtime, trace) = (Runtime::new(), Trace::default());
    let tasks: Vec<_> = (0..3).map(|name| runtime.spawn(noting(&trace, name, 2))).collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(*trace.borrow(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

/// Tasks that are made ready in a turn wait for the next; the budget bounds the polls, and nothing is skipped.
#[test]
fn a_turn_polls_what_was_ready_when_it_began_within_its_budget() {
    let (runtime, trace) = (Runtime::new(), Trace::default());
    (0..5).for_each(|name| drop(runtime.spawn(noting(&trace, name, 1))));
    let budget = Budget { polls: 3, ..Budget::no_wait() };
    let turns: Vec<_> = (0..4).map(|_| runtime.turn(budget).unwrap()).map(|turn| (turn.polled, turn.more)).collect();
    assert_eq!(turns, [(3, true), (3, true), (3, true), (1, false)]);
    assert_eq!(*trace.borrow(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
}

#[test]
fn a_turn_without_polls_runs_nothing_and_forgets_nothing() {
    let (runtime, trace) = (Runtime::new(), Trace::default());
    drop(runtime.spawn(noting(&trace, 0, 0)));
    for _ in 0..3 {
        let turn = runtime.turn(Budget { polls: 0, wait: None }).unwrap();
        assert_eq!(turn, Turn { more: true, ..Turn::default() });
    }
    assert_eq!(runtime.turn(Budget::no_wait()).unwrap().polled, 1);
}

/// It sleeps for its own limit, for the first timer, or not at all.
#[test]
fn a_turn_sleeps_no_longer_than_asked_and_no_longer_than_the_first_timer() {
    let runtime = Runtime::new();
    let limit = |wait| Budget { wait: Some(wait), ..Budget::no_wait() };
    let start = Instant::now();
    assert_eq!(runtime.turn(limit(Duration::from_millis(20))).unwrap(), Turn::default());
    assert!((Duration::from_millis(20)..Duration::from_secs(2)).contains(&start.elapsed()));

    let task = runtime.spawn(async { sleep(Duration::from_millis(20)).await });
    let start = Instant::now();
    let turn = runtime.turn(limit(Duration::from_secs(60))).unwrap();
    assert_eq!(turn, Turn { polled: 1, ready: 0, expired: 1, more: true });
    assert!((Duration::from_millis(19)..Duration::from_secs(30)).contains(&start.elapsed()));
    assert_eq!(runtime.turn(Budget::no_wait()).unwrap().polled, 1);
    assert!(task.is_finished());
    drop(task);
}

#[test]
fn a_turn_inside_of_a_turn_is_an_error() {
    let runtime = Rc::new(Runtime::new());
    let task = runtime.spawn({
        let runtime = Rc::downgrade(&runtime);
        async move { runtime.upgrade().unwrap().turn(Budget::no_wait()).map_err(|error| error.kind()) }
    });
    assert_eq!(runtime.block_on(task).unwrap(), Err(io::ErrorKind::Other));
}

/// What is left goes on in the next call, and is not polled between.
#[test]
fn tasks_that_block_on_leaves_go_on_in_the_next() {
    let runtime = Runtime::new();
    let steps = Rc::new(Cell::new(0));
    drop(runtime.spawn({
        let steps = steps.clone();
        async move {
            loop {
                steps.set(steps.get() + 1);
                yield_now().await;
            }
        }
    }));
    runtime.block_on(yield_now());
    let first = steps.get();
    assert!((1..=2).contains(&first), "{first}");
    runtime.block_on(yield_now());
    assert!((first + 1..=first + 2).contains(&steps.get()));
}

/// The main future may borrow, also if it panics, and is dropped before `block_on` goes on with the panic.
#[test]
fn a_main_future_that_panics_is_gone_before_what_it_borrows() {
    struct Clears<'a>(&'a Cell<bool>);
    impl Drop for Clears<'_> {
        fn drop(&mut self) {
            self.0.set(false);
        }
    }
    let runtime = Runtime::new();
    let alive = Cell::new(true);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async {
            let _clears = Clears(&alive);
            yield_now().await;
            std::panic::resume_unwind(Box::new("main"))
        })
    }));
    assert_eq!(*caught.unwrap_err().downcast_ref::<&str>().unwrap(), "main");
    assert!(!alive.get());
    assert!(runtime.inspect().tasks.is_empty());
    drop(runtime.spawn(pending::<()>()));
    assert_eq!(runtime.block_on(async { 1 }), 1);
}
