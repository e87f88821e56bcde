//! Transfer of control between peers, without an executor.

use std::cell::RefCell;
use std::rc::Rc;

use coracle::coroutine::{Address, NameTaken, Peers, RunError, SwitchError};

use super::{Trace, panic_of, until};

/// The value comes out where the peer last switched away, or begins it.
#[test]
fn a_value_arrives_where_its_receiver_last_switched_away() {
    let trace = Trace::default();
    let mut peers = Peers::new();
    peers
        .add("a", async |me, first: u32| {
            trace.say(format!("a begins with {first}"));
            let second = me.switch_to("b", first + 1).await.unwrap();
            trace.say(format!("a gets {second}"));
            let third = me.switch_to("b", second + 1).await.unwrap();
            trace.say(format!("a gets {third}"));
            third + 1
        })
        .unwrap();
    peers
        .add("b", async |me, first| {
            trace.say(format!("b begins with {first}"));
            let second = me.switch_to("a", first + 1).await.unwrap();
            trace.say(format!("b gets {second}"));
            me.switch_to("a", second + 1).await.unwrap()
        })
        .unwrap();
    assert_eq!(peers.run("a", 1), Ok(6));
    let lines = ["a begins with 1", "b begins with 2", "a gets 3", "b gets 4", "a gets 5"];
    assert_eq!(trace.lines(), lines);
    assert_eq!(peers.run("b", 10), Ok(10), "b stood in its switch all the time");
}

#[test]
fn a_switch_that_cannot_be_gives_the_value_back() {
    let mut strangers = Peers::<u32>::new();
    let stranger = strangers.add("b", async |_, n| n).unwrap();
    let mut peers = Peers::new();
    let finished = peers.add("finished", async |_, n: u32| n).unwrap();
    let stranger_too = stranger.clone();
    let finished_too = finished.clone();
    let asks = async move |me: &coracle::coroutine::Peer<'_, u32>, n| {
        assert_eq!(me.switch_to("nobody", 1).await, Err(SwitchError::Unknown(1)));
        assert_eq!(me.switch_to(&stranger_too, 2).await, Err(SwitchError::Unknown(2)));
        assert_eq!(me.switch_to("finished", 3).await, Err(SwitchError::Finished(3)));
        assert_eq!(me.switch_to(&finished_too, 4).await, Err(SwitchError::Finished(4)));
        assert_eq!(me.switch_to("asks", 5).await, Err(SwitchError::Running(5)));
        assert_eq!(me.switch_to(me.id(), 6).await, Err(SwitchError::Running(6)));
        n
    };
    peers.add("asks", asks).unwrap();
    assert_eq!(peers.run("finished", 0), Ok(0));
    assert_eq!(peers.run("asks", 7), Ok(7));
    assert_eq!(peers.run("asks", 8), Err(RunError::Finished(8)));
    assert_eq!(peers.run("nobody", 9), Err(RunError::Unknown(9)));
    assert_eq!(peers.run(&stranger, 10), Err(RunError::Unknown(10)));
    let values = [SwitchError::Unknown(1), SwitchError::Finished(2), SwitchError::Running(3)];
    assert_eq!(values.map(SwitchError::into_value), [1, 2, 3]);
    let values = [RunError::Unknown(1), RunError::Finished(2), RunError::Unfinished(3), RunError::Awaiting];
    assert_eq!(values.map(RunError::into_value), [Some(1), Some(2), Some(3), None]);
    assert_eq!(format!("{:?} {:?}", RunError::Unknown(1), SwitchError::Running(1)), "Unknown(..) Running(..)");
}

/// As in greenlet: who is finished passes control, and what it returned, to its parent.
#[test]
fn a_finished_peer_returns_to_its_parent() {
    let trace = Trace::default();
    let mut peers = Peers::new();
    peers
        .add("parent", async |me, n: u32| {
            let child = me
                .add("child", async |me, n| {
                    trace.say(format!("child {n}"));
                    let more = me.switch_to("uncle", n + 1).await.unwrap();
                    trace.say(format!("child {more}"));
                    more + 1
                })
                .await
                .unwrap();
            let back = me.switch_to(&child, n + 1).await.unwrap();
            trace.say(format!("parent {back}"));
            back + 1
        })
        .unwrap();
    peers.add("uncle", async |me, n| me.switch_to("child", n + 1).await.unwrap()).unwrap();
    assert_eq!(peers.run("parent", 1), Ok(6));
    assert_eq!(trace.lines(), ["child 2", "child 4", "parent 5"]);
    assert_eq!(peers.run("uncle", 9), Ok(9), "the parent of one that was added from outside is the runner");
}

#[test]
fn a_finished_parent_is_passed_over() {
    let mut peers = Peers::new();
    peers
        .add("grandparent", async |me, n: u32| {
            me.add("parent", async |me, n| {
                me.add("child", async |_, n| n + 1).await.unwrap();
                n
            })
            .await
            .unwrap();
            let from_parent = me.switch_to("parent", n).await.unwrap();
            let from_child = me.switch_to("child", from_parent).await.unwrap();
            10 * from_child
        })
        .unwrap();
    assert_eq!(peers.run("grandparent", 1), Ok(20));
}

/// The parent need not have switched to its child: it may not have begun at all.
#[test]
fn a_child_that_ends_begins_a_parent_that_another_reached_past() {
    let mut peers = Peers::new();
    peers
        .add("a", async |me, n: u32| {
            me.add("b", async |me, n| me.switch_to("runner's", n).await.unwrap()).await.unwrap();
            me.switch_to_runner(n).await
        })
        .unwrap();
    peers.add("runner's", async |_, n| n + 1).unwrap();
    assert_eq!(peers.run("a", 1), Ok(1));
    assert_eq!(peers.run("b", 5), Ok(6), "its parent is the runner, and not the one that switched to it");
    assert_eq!(peers.run("b", 7), Ok(7), "b returns to a, which stood in its switch to the runner, and returns");
    assert_eq!(peers.run("a", 8), Err(RunError::Finished(8)));
}

#[test]
fn a_peer_may_pass_control_to_the_runner_and_go_on_in_another_run() {
    let words = RefCell::new(vec![]);
    let mut peers = Peers::new();
    peers
        .add("collector", async |me, mut word: &str| {
            while !word.is_empty() {
                words.borrow_mut().push(word);
                word = me.switch_to_runner("more").await;
            }
            "enough"
        })
        .unwrap();
    assert_eq!(["a", "b", ""].map(|word| peers.run("collector", word).unwrap()), ["more", "more", "enough"]);
    assert_eq!(*words.borrow(), ["a", "b"]);
}

#[test]
fn a_panic_goes_to_the_runner_and_the_others_stay() {
    let mut peers = Peers::new();
    peers
        .add("waits", async |me, n: u32| {
            let refused = me.switch_to("panics", n).await.unwrap();
            assert_eq!(me.switch_to("panics", 9).await, Err(SwitchError::Finished(9)));
            refused + 1
        })
        .unwrap();
    peers.add("panics", async |_, n| panic!("at {n}")).unwrap();
    assert_eq!(panic_of(|| peers.run("waits", 3)).unwrap(), "at 3");
    assert_eq!(peers.run("panics", 4), Err(RunError::Finished(4)));
    assert_eq!(peers.run("waits", 5), Ok(6));
}

#[test]
fn a_name_is_taken_until_its_peer_is_finished() {
    let mut peers = Peers::new();
    let first = peers.add("name", async |_, n: u32| n).unwrap();
    assert_eq!(peers.add(String::from("name"), async |_, n| n), Err(NameTaken));
    peers.run("name", 0).unwrap();
    let second = peers.add("name", async |_, n| 10 * n).unwrap();
    assert!(first != second);
    assert_eq!(peers.run(&first, 1), Err(RunError::Finished(1)), "an id is of one peer for ever");
    assert_eq!(peers.run(Address::from(String::from("name")), 1), Ok(10));
    peers
        .add("adds", async |me, n| {
            assert_eq!(me.add("adds", async |_, n| n).await, Err(NameTaken));
            n
        })
        .unwrap();
    assert_eq!(peers.run("adds", 5), Ok(5));
}

#[test]
fn a_body_that_never_begins_is_only_dropped() {
    let trace = Trace::default();
    let token = trace.at_drop("dropped");
    let mut peers = Peers::new();
    peers
        .add("never", async move |_, ()| {
            let _token = token;
        })
        .unwrap();
    assert!(trace.lines().is_empty());
    drop(peers);
    assert_eq!(trace.lines(), ["dropped"]);
}

#[test]
fn dropping_the_set_drops_what_its_peers_hold_in_the_order_of_adding() {
    let trace = Trace::default();
    let mut peers = Peers::new();
    peers
        .add("a", async |me, ()| {
            let _held = trace.at_drop("a");
            me.switch_to("b", ()).await.unwrap();
        })
        .unwrap();
    peers
        .add("b", async |me, ()| {
            let _held = trace.at_drop("b");
            me.switch_to_runner(()).await;
        })
        .unwrap();
    peers.run("a", ()).unwrap();
    assert!(trace.lines().is_empty());
    drop(peers);
    assert_eq!(trace.lines(), ["a", "b"]);
}

/// To and fro, and by a chain of peers of which each is new: control is passed by a loop, so the stack stays as it is.
#[test]
fn a_million_switches_and_a_chain_of_peers_need_no_more_stack_than_one() {
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let done = small.spawn(|| {
        let mut peers = Peers::new();
        for (name, other) in [("a", "b"), ("b", "a")] {
            peers
                .add(name, async move |me, mut n: u32| {
                    while n < 1_000_000 {
                        n = me.switch_to(other, n + 1).await.unwrap();
                    }
                    n
                })
                .unwrap();
        }
        let count = peers.run("a", 0).unwrap();

        const CHAIN: u32 = 20_000;
        let mut chain = Peers::new();
        for n in 0..CHAIN {
            chain
                .add(n.to_string(), async move |me, sum: u32| match n {
                    0 => sum,
                    // It never comes back here, and does not have to.
                    _ => me.switch_to((n - 1).to_string(), sum + 1).await.unwrap(),
                })
                .unwrap();
        }
        (count, chain.run((CHAIN - 1).to_string(), 0).unwrap())
    });
    assert_eq!(done.unwrap().join().unwrap(), (1_000_000, 19_999));
}

/// Each adds the next and switches to it; then they return, one to the other: neither way, nor the drop, is a recursion.
#[test]
fn a_long_line_of_descendants_returns_without_recursion() {
    type Down = Rc<dyn for<'p> Fn(&'p coracle::coroutine::Peer<'static, u32>, u32) -> Future<'p>>;
    type Future<'p> = std::pin::Pin<Box<dyn std::future::Future<Output = u32> + 'p>>;
    fn down() -> Down {
        Rc::new(|me, n| {
            Box::pin(async move {
                if n == 0 {
                    return 0;
                }
                let next = me.add(n.to_string(), async move |me, n| down()(me, n).await).await.unwrap();
                1 + me.switch_to(&next, n - 1).await.unwrap()
            })
        })
    }
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let depth = small.spawn(|| {
        let mut peers = Peers::new();
        peers.add("first", async |me, n| down()(me, n).await).unwrap();
        peers.run("first", 20_000).unwrap()
    });
    assert_eq!(depth.unwrap().join().unwrap(), 20_000);
}

#[test]
fn awaiting_something_else_is_an_error_and_a_new_run_has_to_wait() {
    let ready = std::cell::Cell::new(false);
    let mut peers = Peers::new();
    peers
        .add("slow", async |_, n: u32| {
            until(&ready).await;
            n + 1
        })
        .unwrap();
    peers.add("other", async |_, n| n).unwrap();
    assert_eq!(peers.run("slow", 1), Err(RunError::Awaiting));
    assert_eq!(peers.run("other", 2), Err(RunError::Unfinished(2)));
    assert!(format!("{peers:?}").contains("control: Some(0)"));
    ready.set(true);
    coracle::block_on(async {
        assert_eq!(peers.go_on_async().await, Some(2));
        assert_eq!(peers.go_on_async().await, None);
    });
    assert_eq!(peers.run("other", 2), Ok(2));
}

/// Two switches of one peer at once go one after the other, each with the value that comes back to it.
#[test]
fn a_peer_that_switches_twice_at_once_has_both_values() {
    let mut peers = Peers::new();
    peers
        .add("asks", async |me, _: u32| {
            let (a, b) = super::both(me.switch_to("times ten", 1), me.switch_to("times ten", 2)).await;
            a.unwrap() + b.unwrap()
        })
        .unwrap();
    peers
        .add("times ten", async |me, mut n| {
            loop {
                n = me.switch_to("asks", 10 * n).await.unwrap();
            }
        })
        .unwrap();
    assert_eq!(peers.run("asks", 0), Ok(30));
}
