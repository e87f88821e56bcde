//! Sleeps, limits and ticks: a dropped one leaves no timer behind.

use std::future::pending;
use std::time::Duration;

use coracle::Runtime;
use coracle::sync::channel::bounded;
use coracle::task::yield_now;
use coracle::time::{interval, now, sleep, sleep_until, timeout, timeout_at};

use crate::group::{Noted, Trace};
use crate::support::cut_at_every_poll;

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// Runs `body`, after which nobody waits for a time.
fn without_a_timer_left<T>(body: impl AsyncFnOnce() -> T) -> T {
    let runtime = Runtime::new();
    let output = runtime.block_on(async { body().await });
    assert!(runtime.inspect().timers.is_empty(), "{:?}", runtime.inspect().timers);
    output
}

#[test]
fn a_sleep_that_is_dropped_anywhere_leaves_no_timer() {
    let slept = cut_at_every_poll(|cut| {
        without_a_timer_left(async || {
            let begin = now();
            let done = cut.at(sleep(SHORT)).await.is_some();
            assert!(!done || now() >= begin + SHORT);
        });
    });
    let until = cut_at_every_poll(|cut| {
        without_a_timer_left(async || {
            let deadline = now() + SHORT;
            let done = cut.at(sleep_until(deadline)).await.is_some();
            assert!(!done || now() >= deadline);
        });
    });
    let by_reference = cut_at_every_poll(|cut| {
        without_a_timer_left(async || {
            let deadline = now() + SHORT;
            let mut sleep = sleep_until(deadline);
            if cut.at(&mut sleep).await.is_none() {
                sleep.await;
            }
            assert!(now() >= deadline, "it goes on to the same deadline");
        });
    });
    assert!(slept >= 2 && until >= 2 && by_reference >= 2, "{slept} {until} {by_reference}");
}

/// As that of the future in it: one that is cancel-safe loses nothing, and what another one holds goes with it.
#[test]
fn a_limit_that_is_dropped_anywhere_drops_its_future_and_leaves_no_timer() {
    for until in [false, true] {
        let safe = cut_at_every_poll(|cut| {
            without_a_timer_left(async || {
                let (sender, receiver) = bounded(1);
                let sending = coracle::spawn(async move {
                    yield_now().await;
                    sender.send(7).await
                });
                let received = match until {
                    false => cut.at(timeout(LONG, receiver.recv())).await,
                    true => cut.at(timeout_at(now() + LONG, receiver.recv())).await,
                };
                let received = match received {
                    Some(received) => received.unwrap(),
                    None => receiver.recv().await,
                };
                assert_eq!(received, Some(7));
                sending.await.unwrap().unwrap();
            });
        });
        let trace = Trace::default();
        let expires = cut_at_every_poll(|cut| {
            without_a_timer_left(async || {
                let noted = Noted(trace.clone(), String::from("future"));
                let future = async move {
                    let _noted = noted;
                    pending::<()>().await;
                };
                let late = match until {
                    false => cut.at(timeout(SHORT, future)).await,
                    true => cut.at(timeout_at(now() + SHORT, future)).await,
                };
                assert!(late.is_none_or(|late| late.is_err()));
                assert_eq!(trace.take(), ["drop future"]);
            });
        });
        assert!(safe >= 2 && expires >= 2, "{safe} {expires}");
    }
}

/// Cancel-safe: a tick that was not awaited to its end is still to come, and none is skipped.
#[test]
fn a_tick_that_is_dropped_anywhere_is_still_to_come() {
    let dropped = cut_at_every_poll(|cut| {
        without_a_timer_left(async || {
            let mut interval = interval(SHORT);
            let first = interval.tick().await;
            let second = match cut.at(interval.tick()).await {
                Some(second) => second,
                None => interval.tick().await,
            };
            assert_eq!((second - first, interval.tick().await - second), (SHORT, SHORT));
        });
    });
    assert!(dropped >= 2, "{dropped}");
}
