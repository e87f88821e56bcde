//! Transfer of control in async code: peers that wait, runs that are dropped.

use std::cell::Cell;
use std::rc::Rc;

use coracle::coroutine::{Peers, RunError};
use coracle::sync::channel;
use coracle::task::yield_now;
use coracle::{Runtime, block_on, spawn};

use super::{Trace, panic_of};
use crate::support::cut_at_every_poll;

#[test]
fn peers_wait_for_other_tasks() {
    let trace = Trace::default();
    block_on(async {
        let (sender, receiver) = channel::bounded(1);
        let producer = spawn(async move {
            for n in 1..=3 {
                sender.send(n).await.unwrap();
            }
        });
        let mut peers = Peers::new();
        peers
            .add("reader", async |me, _: u32| {
                while let Some(n) = receiver.recv().await {
                    me.switch_to("writer", n).await.unwrap();
                }
                0
            })
            .unwrap();
        peers
            .add("writer", async |me, mut n| {
                loop {
                    trace.say(format!("got {n}"));
                    yield_now().await;
                    n = me.switch_to("reader", 0).await.unwrap();
                }
            })
            .unwrap();
        assert_eq!(peers.run_async("reader", 0).await, Ok(0));
        producer.await.unwrap();
    });
    assert_eq!(trace.lines(), ["got 1", "got 2", "got 3"]);
}

#[test]
fn a_run_that_cannot_be_gives_the_value_back_and_a_panic_goes_to_who_awaits_it() {
    block_on(async {
        let mut peers = Peers::new();
        peers.add("panics", async |_, n: u32| panic!("at {n}")).unwrap();
        assert_eq!(peers.run_async("nobody", 1).await, Err(RunError::Unknown(1)));
        let panic = panic_of(|| Runtime::new().block_on(async { peers.run_async("panics", 2).await.is_ok() }));
        assert_eq!(panic.unwrap(), "at 2");
        assert_eq!(peers.run_async("panics", 3).await, Err(RunError::Finished(3)));
        assert_eq!(peers.go_on_async().await, None, "the panic left no run behind");
    });
}

/// Wherever a run, or the going on with it, is dropped: control stays where it is, and no switch happens twice.
#[test]
fn a_dropped_run_is_gone_on_with_where_it_was() {
    let scenario = |trace: &Trace| {
        let mut peers = Peers::new();
        for (name, other) in [("a", "b"), ("b", "a")] {
            let says = trace.clone();
            peers
                .add(name, async move |me, mut n: u32| {
                    while n < 4 {
                        yield_now().await;
                        says.say(format!("{name} {n}"));
                        n = me.switch_to(other, n + 1).await.unwrap();
                    }
                    n
                })
                .unwrap();
        }
        peers
    };
    let lines = ["a 0", "b 1", "a 2", "b 3"];
    let dropped = cut_at_every_poll(|cut| {
        let trace = Trace::default();
        let mut peers = scenario(&trace);
        block_on(async {
            let result = match cut.at(peers.run_async("a", 0)).await {
                Some(result) => result,
                None => match peers.go_on_async().await {
                    Some(value) => Ok(value),
                    None => peers.run_async("a", 0).await,
                },
            };
            assert_eq!((result, trace.lines()), (Ok(4), lines.map(str::to_owned).to_vec()));
        });
    });
    assert!(dropped >= 8);
    let dropped = cut_at_every_poll(|cut| {
        let trace = Trace::default();
        let mut peers = scenario(&trace);
        assert_eq!(peers.run("a", 0), Err(RunError::Awaiting));
        block_on(async {
            let value = match cut.at(peers.go_on_async()).await {
                Some(value) => value,
                None => {
                    assert_eq!(peers.run_async("b", 9).await, Err(RunError::Unfinished(9)));
                    peers.go_on_async().await
                }
            };
            assert_eq!((value, trace.lines()), (Some(4), lines.map(str::to_owned).to_vec()));
        });
    });
    assert!(dropped >= 8);
}

/// A dropped switch: before control has gone nothing has happened; after, what comes back goes with it. Either way the
/// peer is at its place for the next switch.
#[test]
fn a_dropped_switch_has_not_happened_or_drops_what_comes_back() {
    let dropped = cut_at_every_poll(|cut| {
        let came = Cell::new(0);
        let mut peers = Peers::new();
        peers
            .add("a", async |me, _: u32| {
                let first = cut.at(me.switch_to("b", 1)).await;
                let second = me.switch_to("b", 2).await.unwrap();
                first.map_or(0, |value| value.unwrap()) * 100 + second
            })
            .unwrap();
        peers
            .add("b", async |me, mut n| {
                loop {
                    came.set(came.get() + 1);
                    n = me.switch_to("a", 10 * n).await.unwrap();
                }
            })
            .unwrap();
        let result = peers.run("a", 0).unwrap();
        match came.get() {
            1 => assert_eq!(result, 20),
            2 => assert!(result == 20 || result == 1020, "{result}"),
            n => panic!("b ran {n} times"),
        }
    });
    assert_eq!(dropped, 4);
}

/// Likewise for a switch to the runner, and the adding of a peer.
#[test]
fn a_dropped_switch_to_the_runner_or_addition_leaves_the_peer_whole() {
    let dropped = cut_at_every_poll(|cut| {
        let mut peers = Peers::new();
        peers
            .add("a", async |me, n: u32| {
                let _ = cut.at(me.switch_to_runner(n)).await;
                7
            })
            .unwrap();
        let first = peers.run("a", 1).unwrap();
        let result = if first == 7 { first } else { peers.run("a", 2).unwrap() };
        assert_eq!((first == 1 || first == 7, result), (true, 7));
    });
    assert_eq!(dropped, 4);
    let dropped = cut_at_every_poll(|cut| {
        let mut peers = Peers::new();
        peers
            .add("a", async |me, n: u32| {
                let added = cut.at(me.add("child", async |_, n| n + 1)).await.is_some();
                let value = me.switch_to("child", n).await;
                assert!(!added || value.is_ok());
                n
            })
            .unwrap();
        assert_eq!(peers.run("a", 5), Ok(5));
    });
    assert_eq!(dropped, 4);
}

/// Peers that switch without end, and never wait: the tasks beside them have their turn all the same.
#[test]
fn endless_peers_let_others_run() {
    let stop = Rc::new(Cell::new(false));
    block_on(async {
        let set = stop.clone();
        let other = spawn(async move { set.set(true) });
        let mut peers = Peers::new();
        for (name, other) in [("a", "b"), ("b", "a")] {
            let stop = stop.clone();
            peers
                .add(name, async move |me, mut n: u32| {
                    while !stop.get() {
                        assert!(n < 10_000, "the other task never ran");
                        n = me.switch_to(other, n + 1).await.unwrap();
                    }
                    n
                })
                .unwrap();
        }
        assert!(peers.run_async("a", 0).await.unwrap() > 0);
        other.await.unwrap();
    });
}
