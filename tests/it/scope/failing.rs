//! How a scope fails: panics, errors, and panics while it fails.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};

use coracle::scope::{ScopeError, scope, try_scope};
use coracle::task::{JoinError, yield_now};

use crate::group::{Noted, Trace};

fn named(trace: &Trace, name: impl ToString) -> Noted {
    Noted(trace.clone(), name.to_string())
}

/// The message of a panic that comes out of the scope.
fn panic_of<T>(running: impl Future<Output = T>) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| coracle::block_on(running))) else { panic!("no panic") };
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast_ref::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn the_first_panic_ends_the_others_in_the_order_of_spawning_and_goes_on() {
    let trace = Trace::default();
    let message = panic_of(scope(async |s| {
        let _body = named(&trace, "body");
        for n in 0..4 {
            let noted = named(&trace, n);
            s.spawn(async move {
                let _noted = noted;
                yield_now().await;
                if n == 1 || n == 2 {
                    panic!("child {n}");
                }
                pending::<()>().await;
            });
        }
        s.spawn(async {
            yield_now().await;
            trace.note("polled after the panic");
        });
        pending::<()>().await;
    }));
    assert_eq!(message, "child 1");
    assert_eq!(trace.take(), ["drop 1", "drop body", "drop 0", "drop 2", "drop 3"]);
}

#[test]
fn a_panic_of_the_body_ends_the_children() {
    let trace = Trace::default();
    let message = panic_of(scope(async |s| {
        let noted = named(&trace, "child");
        s.spawn(async move {
            let _noted = noted;
            pending::<()>().await;
        });
        let unpolled = named(&trace, "unpolled");
        yield_now().await;
        s.spawn(async move { unpolled.0.note("polled") });
        panic!("the body");
    }));
    assert_eq!(message, "the body");
    assert_eq!(trace.take(), ["drop child", "drop unpolled"]);
}

struct PanicOnDrop(Noted);

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        panic!("drop of {}", self.0.1);
    }
}

/// Panics in the drops of those that are ended: all are dropped, the process lives, the first panic goes on.
#[test]
fn drops_that_panic_while_a_scope_fails_do_not_end_the_process() {
    let trace = Trace::default();
    for first in ["panic", "error", "drop"] {
        let body = try_scope(async |s| {
            for n in 0..3 {
                let bad = PanicOnDrop(named(&trace, n));
                s.spawn(async move {
                    let _bad = bad;
                    pending::<()>().await;
                });
            }
            yield_now().await;
            match first {
                "panic" => panic!("the body"),
                "error" => Err::<(), _>("the error is lost for the panics"),
                _ => pending().await,
            }
        });
        let message = match first {
            "drop" => {
                let mut body = Box::pin(body);
                for _ in 0..3 {
                    assert!(crate::support::poll_once(&mut body).is_pending());
                }
                panic_of(async move { drop(body) })
            }
            _ => panic_of(body),
        };
        assert_eq!(message, if first == "panic" { "the body" } else { "drop of 0" });
        assert_eq!(trace.take(), ["drop 0", "drop 1", "drop 2"]);
    }
}

/// The drop of an aborted child, or of an output that nobody awaits, panics: that is the child's panic.
#[test]
fn a_panic_of_a_childs_drop_is_its_panic() {
    let trace = Trace::default();
    let message = panic_of(scope(async |s| {
        let bad = PanicOnDrop(named(&trace, "aborted"));
        let child = s.spawn(async move {
            let _bad = bad;
            pending::<()>().await;
        });
        yield_now().await;
        child.abort();
        pending::<()>().await;
    }));
    assert_eq!(message, "drop of aborted");
    let message = panic_of(scope(async |s| {
        drop(s.spawn(async { PanicOnDrop(named(&trace, "output")) }));
        pending::<()>().await;
    }));
    assert_eq!(message, "drop of output");
}

#[test]
fn a_caught_panic_ends_nobody_else() {
    let trace = Trace::default();
    coracle::block_on(scope(async |s| {
        let bad = s.spawn_catching(async { panic!("as it should") });
        let fine = s.spawn(async {
            yield_now().await;
            trace.note("goes on");
            5
        });
        let Err::<(), _>(JoinError::Panicked(payload)) = bad.await else { panic!() };
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"as it should"));
        assert_eq!((fine.await, s.spawn_catching(async { 6 }).await.unwrap()), (5, 6));
    }));
    assert_eq!(trace.take(), ["goes on"]);
}

/// A caught panic that nobody looked at goes on at the end of the scope, when the others have ended.
#[test]
fn a_caught_panic_that_nobody_awaited_goes_on_at_the_end() {
    for drops_first in [true, false] {
        let trace = Trace::default();
        let message = panic_of(scope(async |s| {
            let bad = s.spawn_catching(async { panic!("unheard") });
            let kept = if drops_first { None } else { Some(bad) };
            for _ in 0..3 {
                yield_now().await;
            }
            trace.note("the body ends");
            drop(kept);
        }));
        assert_eq!((message.as_str(), trace.take()), ("unheard", vec!["the body ends".to_owned()]));
    }
}

#[test]
fn the_first_error_ends_the_others_in_the_order_of_spawning() {
    let trace = Trace::default();
    let failed: Result<(), ScopeError<u32>> = coracle::block_on(try_scope(async |s| {
        let _body = named(&trace, "body");
        for n in 0..4 {
            let noted = named(&trace, n);
            s.try_spawn(async move {
                yield_now().await;
                if n == 1 || n == 2 {
                    return Err(n);
                }
                pending::<()>().await;
                drop(noted);
                Ok(())
            });
        }
        pending().await
    }));
    assert_eq!(failed, Err(ScopeError { first: 1, others: vec![] }));
    assert_eq!(trace.take(), ["drop 1", "drop body", "drop 0", "drop 2", "drop 3"]);
}

#[test]
fn an_error_of_the_body_ends_the_children() {
    let trace = Trace::default();
    let failed: Result<(), _> = coracle::block_on(try_scope(async |s| {
        let noted = named(&trace, "child");
        s.spawn(async move {
            let _noted = noted;
            pending::<()>().await;
        });
        yield_now().await;
        Err("body")
    }));
    assert_eq!(failed.unwrap_err().first, "body");
    assert_eq!(trace.take(), ["drop child"]);
}

#[test]
fn errors_can_be_collected() {
    let trace = Trace::default();
    let failed = coracle::block_on(try_scope(async |s| {
        s.collect_errors();
        for n in 0..5 {
            let trace = &trace;
            s.try_spawn(async move {
                for _ in n..5 {
                    yield_now().await;
                }
                trace.note(format!("end {n}"));
                if n % 2 == 0 { Err(n) } else { Ok(()) }
            });
        }
        Ok(())
    }));
    assert_eq!(failed, Err(ScopeError { first: 4, others: vec![2, 0] }));
    assert_eq!(trace.take(), ["end 4", "end 3", "end 2", "end 1", "end 0"]);

    let all: Vec<_> = failed.unwrap_err().into_all().collect();
    assert_eq!(all, [4, 2, 0]);
}

/// Whoever awaits a child that has failed can never go on, whether he asked before or after: so the scope ends.
#[test]
fn to_await_a_failed_child_ends_a_scope_that_collects() {
    for asks_late in [true, false] {
        let trace = Trace::default();
        let failed: Result<(), ScopeError<&str>> = coracle::block_on(try_scope(async |s| {
            s.collect_errors();
            let noted = named(&trace, "other");
            s.spawn(async move {
                let _noted = noted;
                pending::<()>().await;
            });
            let fails = s.try_spawn(async {
                yield_now().await;
                Err::<(), _>("failed")
            });
            if asks_late {
                yield_now().await;
                yield_now().await;
                trace.note("asks");
            }
            fails.await;
            trace.note("goes on");
            Ok(())
        }));
        assert_eq!(failed.unwrap_err().first, "failed");
        let expected: &[&str] = if asks_late { &["asks", "drop other"] } else { &["drop other"] };
        assert_eq!(trace.take(), expected);
    }
}

#[test]
fn an_error_says_what_happened_and_how_many_more() {
    let error = ScopeError { first: std::io::Error::other("disk"), others: vec![std::io::Error::other("net")] };
    assert_eq!(error.to_string(), "a child of a scope failed: disk (and 1 more)");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "disk");
    assert_eq!(std::io::Error::from(error).to_string(), "disk");
}

/// A panic of one scope's child is a panic of the child of the scope around it.
#[test]
fn a_panic_goes_out_through_nested_scopes() {
    let trace = Trace::default();
    let message = panic_of(scope(async |s| {
        let noted = named(&trace, "sibling");
        s.spawn(async move {
            let _noted = noted;
            pending::<()>().await;
        });
        s.spawn(async {
            let _data = named(&trace, "data");
            scope(async |t| {
                t.spawn(async {
                    yield_now().await;
                    panic!("deep inside");
                });
                let _inner = named(&trace, "inner body");
                pending::<()>().await;
            })
            .await;
        });
    }));
    assert_eq!(message, "deep inside");
    assert_eq!(trace.take(), ["drop inner body", "drop data", "drop sibling"]);
}
