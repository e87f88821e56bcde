//! In which order children are polled and dropped, and what handles say.

use std::cell::Cell;
use std::future::pending;

use coracle::scope::scope;
use coracle::task::{JoinError, yield_now};
use coracle::{Budget, Runtime};

use crate::group::{Noted, Trace};

fn named(trace: &Trace, name: impl ToString) -> Noted {
    Noted(trace.clone(), name.to_string())
}

#[test]
fn the_body_goes_first_and_the_children_in_the_order_of_their_spawning() {
    let trace = Trace::default();
    coracle::block_on(scope(async |s| {
        trace.note("body begins");
        for n in 0..3 {
            let trace = &trace;
            s.spawn(async move {
                trace.note(format!("child {n}"));
                yield_now().await;
                trace.note(format!("child {n} again"));
            });
        }
        trace.note("body yields");
        yield_now().await;
        trace.note("body ends");
    }));
    let expected = [
        "body begins",
        "body yields",
        "child 0",
        "child 1",
        "child 2",
        "body ends",
        "child 0 again",
        "child 1 again",
        "child 2 again",
    ];
    assert_eq!(trace.take(), expected);
}

/// The scope waits for the children, and what they borrow is dropped after them.
#[test]
fn data_outlives_children() {
    let trace = Trace::default();
    coracle::block_on(async {
        let _data = named(&trace, "data");
        scope(async |s| {
            let _body = named(&trace, "body");
            for n in 0..2 {
                let noted = named(&trace, n);
                s.spawn(async move {
                    let _noted = noted;
                    yield_now().await;
                });
            }
        })
        .await;
        trace.note("after");
    });
    assert_eq!(trace.take(), ["drop body", "drop 0", "drop 1", "after", "drop data"]);
}

/// Half-way: by an abort of the task around it, and by the end of the runtime.
#[test]
fn a_scope_that_is_dropped_half_way_drops_its_children_then_the_data() {
    let trace = Trace::default();
    for by_abort in [true, false] {
        let runtime = Runtime::new();
        let task = runtime.spawn({
            let trace = trace.clone();
            async move {
                let data = named(&trace, "data");
                scope(async |s| {
                    let noted = named(&data.0, "first");
                    s.spawn(async move {
                        let _noted = noted;
                        pending::<()>().await;
                    });
                    let noted = named(&data.0, "second");
                    s.spawn(async {
                        let _noted = noted;
                        s.spawn(async {
                            let _never_polled_again = named(&data.0, "third");
                            pending::<()>().await;
                        });
                        pending::<()>().await;
                    });
                    let _body = named(&data.0, "body");
                    pending::<()>().await;
                })
                .await;
            }
        });
        while runtime.turn(Budget::no_wait()).unwrap().more {}
        assert!(trace.take().is_empty());
        if by_abort {
            task.abort();
            runtime.turn(Budget::no_wait()).unwrap();
        } else {
            drop(runtime);
        }
        assert_eq!(trace.take(), ["drop body", "drop first", "drop second", "drop third", "drop data"]);
        drop(task);
    }
}

/// What is spawned by the drop of a child is dropped, too, unpolled.
#[test]
fn a_child_that_spawns_while_it_is_dropped_leaves_nothing_behind() {
    let trace = Trace::default();
    let mut running = Box::pin(scope(async |s| {
        struct Spawns<'a, F: FnMut()>(F, &'a Trace);
        impl<F: FnMut()> Drop for Spawns<'_, F> {
            fn drop(&mut self) {
                self.1.note("spawns");
                (self.0)();
            }
        }
        let spawn = || {
            let noted = named(&trace, "spawned late");
            s.spawn(async move {
                noted.0.note("polled late");
            });
        };
        let spawns = Spawns(spawn, &trace);
        s.spawn(async move {
            let _spawns = spawns;
            pending::<()>().await;
        });
    }));
    for _ in 0..3 {
        assert!(crate::support::poll_once(&mut running).is_pending());
    }
    drop(running);
    assert_eq!(trace.take(), ["spawns", "drop spawned late"]);
}

#[test]
fn an_aborted_child_is_polled_no_more_and_dropped_at_once() {
    let trace = Trace::default();
    coracle::block_on(scope(async |s| {
        let child = |name: &'static str| {
            let noted = named(&trace, name);
            async move {
                loop {
                    noted.0.note(format!("poll {name}"));
                    yield_now().await;
                }
            }
        };
        let (a, b, c) = (s.spawn(child("a")), s.spawn(child("b")), s.spawn_catching(child("c")));
        yield_now().await;
        assert_eq!(trace.take(), ["poll a", "poll b", "poll c"]);
        b.abort();
        yield_now().await;
        assert_eq!(trace.take(), ["drop b", "poll a", "poll c"]);
        // One that was never polled.
        s.spawn(child("d")).abort();
        s.abort_all();
        assert!(matches!(c.await, Err(JoinError::Cancelled)));
        assert_eq!(trace.take(), ["drop a", "drop c", "drop d"]);
        assert!(!a.is_finished());
        // The scope goes on, with children that come later.
        assert_eq!(s.spawn(async { 5 }).await, 5);
    }));
}

/// A child can end its siblings and itself.
#[test]
fn a_child_that_aborts_all_ends_itself_too() {
    let polls = Cell::new(0);
    coracle::block_on(scope(async |s| {
        s.spawn(pending::<()>());
        s.spawn(async {
            polls.set(polls.get() + 1);
            s.abort_all();
            yield_now().await;
            polls.set(polls.get() + 1);
        });
        s.spawn(pending::<()>());
    }));
    assert_eq!(polls.get(), 1);
}

#[test]
#[should_panic(expected = "a child of a scope was awaited, but is aborted")]
fn to_await_an_aborted_child_is_an_error_of_the_program() {
    coracle::block_on(scope(async |s| {
        let child = s.spawn(pending::<()>());
        s.abort_all();
        child.await;
    }));
}

/// Whoever looks at the task around a scope sees what it waits for.
#[test]
fn the_task_says_that_it_waits_for_a_child() {
    let runtime = Runtime::new();
    let task = runtime.spawn(async {
        scope(async |s| {
            s.spawn(pending::<()>());
        })
        .await;
    });
    while runtime.turn(Budget::no_wait()).unwrap().more {}
    let wait = runtime.inspect().tasks[0].wait.unwrap();
    assert!(wait.to_string().starts_with("waits for a child of a scope at "), "{wait}");
    assert!(wait.at.file().ends_with("order.rs"));
    task.abort();
    drop(task);
}

/// A task that is woken for one child polls that one (the body included).
#[test]
fn only_those_that_were_woken_are_polled() {
    let trace = Trace::default();
    let (hands, futures): (Vec<_>, Vec<_>) = (0..3).map(|n| crate::group::by_hand::<()>(&trace, n)).unzip();
    let mut running = Box::pin(scope(async |s| {
        for future in futures {
            s.spawn(future);
        }
    }));
    for _ in 0..2 {
        assert!(crate::support::poll_once(&mut running).is_pending());
    }
    assert_eq!(trace.take(), ["poll 0", "poll 1", "poll 2"]);
    for n in [2, 0, 1] {
        hands[n].end(());
        assert_eq!(crate::support::poll_once(&mut running).is_ready(), n == 1);
        assert_eq!(trace.take(), [format!("poll {n}"), format!("drop {n}")]);
    }
}
