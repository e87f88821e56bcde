//! A scenario that is run for each place at which a future can be dropped.

use std::cell::{Cell, RefCell};
use std::panic::catch_unwind;
use std::rc::Rc;

use std::time::Duration;

use coracle::Runtime;
use coracle::io::{AsyncReadExt, DuplexStream, duplex};
use coracle::sync::channel::bounded;
use coracle::sys::World;
use coracle::task::yield_now;
use coracle::testing::{Checks, FaultProxy, cancel_at_each_await, check_stream, listener, lockstep, tcp_pair};
use coracle::time::timeout;

#[test]
fn the_future_is_dropped_before_after_and_between_its_polls() {
    let places = RefCell::new(Vec::new());
    let dropped = cancel_at_each_await(|cut| {
        coracle::block_on(async {
            let polls = Rc::new(Cell::new(0));
            let counted = polls.clone();
            let done = cut.at(async move {
                for _ in 0..2 {
                    counted.set(counted.get() + 1);
                    yield_now().await;
                }
                counted.set(counted.get() + 1);
            });
            let done = done.await.is_some();
            assert_eq!(Rc::strong_count(&polls), 1, "it is gone when `at` returns");
            places.borrow_mut().push((polls.get(), cut.to_string(), done));
        });
    });
    assert_eq!(dropped, 6);
    let places = places.into_inner();
    let places: Vec<_> = places.iter().map(|(polls, place, done)| (*polls, place.as_str(), *done)).collect();
    let expected = [
        (0, "dropped before its first poll", false),
        (0, "dropped before its first poll", false),
        (1, "dropped after poll 1", false),
        (1, "dropped when it was woken after poll 1", false),
        (2, "dropped after poll 2", false),
        (2, "dropped when it was woken after poll 2", false),
        (3, "dropped after poll 3", true),
    ];
    assert_eq!(places, expected);
}

/// The place that is forgotten most easily: a value was meant for the future that is dropped.
#[test]
fn what_was_meant_for_the_dropped_future_is_not_lost() {
    cancel_at_each_await(|cut| {
        coracle::block_on(async {
            let (sender, receiver) = bounded(1);
            let other = receiver.clone();
            let second = coracle::spawn(async move {
                yield_now().await;
                other.recv().await
            });
            let sending = coracle::spawn(async move {
                yield_now().await;
                yield_now().await;
                sender.send(7).await
            });
            let first = cut.at(receiver.recv()).await;
            sending.await.unwrap().unwrap();
            drop(receiver);
            let second = second.await.unwrap();
            assert_eq!(first.flatten().or(second), Some(7));
        });
    });
}

#[test]
fn cuts_nest() {
    let dropped = cancel_at_each_await(|cut| {
        coracle::block_on(async {
            cut.at(cut.at(yield_now())).await;
        });
    });
    // The outer one sees how the inner one has dropped it, which for it is an end.
    assert_eq!(dropped, 2);
}

#[test]
fn a_scenario_without_a_cut_is_a_mistake() {
    let result = catch_unwind(|| cancel_at_each_await(|_| {}));
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "the scenario did not await `Cut::at`");
}

// ---- what this module itself makes ----------------------------------------------------------------------------------

#[test]
fn a_pair_that_is_given_up_leaves_nothing() {
    let dropped = cancel_at_each_await(|cut| {
        let runtime = coracle::Runtime::new();
        runtime.block_on(async {
            if let Some(pair) = cut.at(tcp_pair()).await {
                pair.unwrap();
            }
        });
        assert_eq!(runtime.inspect().sources.len(), 0, "{cut}");
    });
    assert!(dropped >= 2);
}

#[test]
fn a_hand_over_that_is_given_up_has_handed_over_a_prefix() {
    let dropped = cancel_at_each_await(|cut| {
        coracle::block_on(async {
            let (mut one, mut other) = lockstep();
            let reading = coracle::spawn(async move {
                let mut bytes = Vec::new();
                other.read_to_end(&mut bytes).await.unwrap();
                bytes
            });
            let done = cut.at(one.hand_over(b"ab")).await;
            drop(one);
            let read = reading.await.unwrap();
            assert!(b"ab".starts_with(&read));
            assert!(done.is_none() || read == b"ab", "done, and only {read:?} was read");
        });
    });
    assert!(dropped >= 2);
}

#[test]
fn a_check_that_is_given_up_leaves_nothing() {
    let others = Checks::names().filter(|name| *name != "a second close");
    let checks = others.fold(Checks::new(), |checks, name| checks.without(name, "one is enough"));
    let dropped = cancel_at_each_await(|cut| {
        coracle::block_on(async {
            let made = Rc::new(Cell::new(0));
            let checked = cut.at(checks.run(make_pairs(&made))).await;
            assert_eq!(Rc::strong_count(&made), 1, "its pairs are gone");
            assert!(checked.is_none_or(|checked| checked.passed() == ["a second close"] && made.get() == 2));
        });
    });
    assert!(dropped >= 2);
    // The same for all behaviours; the third pair never comes.
    let dropped = cancel_at_each_await(|cut| {
        Runtime::builder().world(World::kernel().paused()).build().block_on(async {
            let made = Rc::new(Cell::new(0));
            let _ = cut.at(timeout(Duration::from_millis(1), check_stream(make_pairs(&made)))).await;
            assert_eq!(Rc::strong_count(&made), 1, "its pairs are gone");
        });
    });
    assert!(dropped >= 6);
}

fn make_pairs(made: &Rc<Cell<u32>>) -> impl AsyncFnMut() -> coracle::io::Result<(DuplexStream, DuplexStream)> {
    let made = made.clone();
    async move || {
        yield_now().await;
        made.set(made.get() + 1);
        if made.get() == 3 {
            std::future::pending().await
        }
        Ok(duplex(1 << 21))
    }
}

#[test]
fn a_proxy_that_is_given_up_leaves_nothing() {
    cancel_at_each_await(|cut| {
        let runtime = coracle::Runtime::new();
        runtime.block_on(async {
            let (_server, address) = listener().unwrap();
            drop(cut.at(FaultProxy::bind("127.0.0.1:0", address)).await);
            yield_now().await;
        });
        assert_eq!((runtime.inspect().sources.len(), runtime.inspect().tasks.len()), (0, 0), "{cut}");
    });
}

#[test]
fn a_wait_for_the_counts_of_a_proxy_that_is_given_up_changes_nothing() {
    let dropped = cancel_at_each_await(|cut| {
        coracle::block_on(async {
            let (server, address) = listener().unwrap();
            let proxy = FaultProxy::bind("127.0.0.1:0", address).await.unwrap();
            let client = coracle::net::TcpStream::connect(proxy.addr()).await.unwrap();
            cut.at(proxy.until(|proxy| proxy.connections() == 1)).await;
            proxy.until(|proxy| proxy.connections() == 1).await;
            let (_stream, _) = server.accept().await.unwrap();
            drop(client);
        });
    });
    assert!(dropped >= 2);
}
