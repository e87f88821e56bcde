//! Scopes and handles, dropped at every point.

use std::cell::Cell;

use coracle::scope::{scope, try_scope};
use coracle::task::yield_now;

use crate::group::{Noted, Trace};
use crate::support::cut_at_every_poll;

/// Counts those that are in it.
struct Inside<'a>(&'a Cell<usize>);

impl<'a> Inside<'a> {
    fn new(count: &'a Cell<usize>) -> Inside<'a> {
        count.set(count.get() + 1);
        Inside(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Whenever it is dropped, no child is left when the drop returns, and the data is untouched.
#[test]
fn a_dropped_scope_leaves_no_child() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (inside, data) = (Cell::new(0), vec![1, 2, 3]);
            let sum = cut
                .at(scope(async |s| {
                    let _body = Inside::new(&inside);
                    let inside = &inside;
                    let children: Vec<_> = data
                        .iter()
                        .map(|n| {
                            s.spawn(async move {
                                let _child = Inside::new(inside);
                                for _ in 0..*n {
                                    s.spawn(async move {
                                        let _grandchild = Inside::new(inside);
                                        yield_now().await;
                                    });
                                    yield_now().await;
                                }
                                *n
                            })
                        })
                        .collect();
                    let mut sum = 0;
                    for child in children {
                        sum += child.await;
                    }
                    sum
                }))
                .await;
            assert_eq!(inside.get(), 0, "all are gone with the scope");
            assert_eq!(sum.unwrap_or(6), data.iter().sum());
        });
    });
    assert!(dropped >= 6);
}

#[test]
fn a_dropped_try_scope_leaves_no_child() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let inside = Cell::new(0);
            let result = cut
                .at(try_scope(async |s| {
                    for n in 0..3 {
                        let inside = &inside;
                        s.try_spawn(async move {
                            let _child = Inside::new(inside);
                            for _ in 0..n {
                                yield_now().await;
                            }
                            if n == 2 { Err(n) } else { Ok(()) }
                        });
                    }
                    Ok(())
                }))
                .await;
            assert_eq!(inside.get(), 0);
            assert!(result.is_none_or(|result| result.unwrap_err().first == 2));
        });
    });
    assert!(dropped >= 3);
}

/// By reference: the output stays for the next who asks.
#[test]
fn a_dropped_wait_for_a_child_loses_nothing() {
    let trace = Trace::default();
    for catching in [false, true] {
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(scope(async |s| {
                let noted = Noted(trace.clone(), "child".to_owned());
                let work = async move {
                    yield_now().await;
                    yield_now().await;
                    drop(noted);
                    7
                };
                let output = if catching {
                    let mut child = s.spawn_catching(work);
                    match cut.at(&mut child).await {
                        Some(output) => output,
                        None => child.await,
                    }
                } else {
                    let mut child = s.spawn(work);
                    match cut.at(&mut child).await {
                        Some(output) => Ok(output),
                        None => Ok(child.await),
                    }
                };
                assert_eq!(output.unwrap(), 7);
            }));
            assert_eq!(trace.take(), ["drop child"]);
        });
        assert!(dropped >= 2);
    }
}

/// A handle that is dropped at any time changes nothing for its child.
#[test]
fn a_dropped_handle_leaves_its_child_alone() {
    let dropped = cut_at_every_poll(|cut| {
        let ended = Cell::new(false);
        coracle::block_on(scope(async |s| {
            cut.at(s.spawn(async {
                yield_now().await;
                yield_now().await;
                ended.set(true);
            }))
            .await;
        }));
        assert!(ended.get(), "the scope has waited for it");
    });
    assert!(dropped >= 2);
}
