//! Timers: never early, never late where the clock is simulated, in order, and gone when they are given up.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use coracle::spawn;
use coracle::sync::channel;
use coracle::time::{Elapsed, interval, now, sleep, sleep_until, timeout};

use super::{Scenario, perhaps, run, some_turns};

pub(super) const ALL: &[Scenario] = &[
    ("sleeps", sleeps),
    ("equal deadlines", equal),
    ("resets", resets),
    ("timeouts", timeouts),
    ("intervals", ticks),
    ("a timer that moves", moved),
];

/// Lengths whose bits lie far apart, so that timers pass through all levels of the wheel.
fn length(choices: &coracle::testing::Choices) -> Duration {
    let unit = [1, 63, 64, 65, 4_095, 4_097, 1_000_003, 3_600_000_000_007][choices.choose(8)];
    Duration::from_nanos(unit * (1 + choices.choose(70) as u64))
}

fn sleeps(seed: u64) {
    run(seed, |choices| async move {
        let tasks: Vec<_> = (0..12)
            .map(|_| {
                let choices = choices.clone();
                spawn(async move {
                    for _ in 0..3 {
                        let (begun, length) = (now(), length(&choices));
                        if perhaps(&choices, sleep(length)).await.is_some() {
                            assert_eq!(now() - begun, length, "early, or late");
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// What is due at one instant fires in the order in which it was set.
fn equal(seed: u64) {
    run(seed, |choices| async move {
        let (fired, deadline) = (Rc::new(RefCell::new(Vec::new())), now() + length(&choices));
        let mut sleeps = coracle::task::FutureSet::new();
        for number in 0..6 {
            let fired = fired.clone();
            sleeps.insert(async move {
                sleep_until(deadline).await;
                fired.borrow_mut().push(number);
            });
        }
        while sleeps.next().await.is_some() {}
        assert_eq!(now(), deadline);
        assert_eq!(*fired.borrow(), [0, 1, 2, 3, 4, 5]);
    });
}

fn resets(seed: u64) {
    run(seed, |choices| async move {
        for _ in 0..4 {
            let begun = now();
            let mut timer = Box::pin(sleep(length(&choices)));
            let mut deadline = timer.deadline().unwrap();
            for _ in 0..choices.choose(4) {
                let pause = length(&choices);
                let rang = timeout(pause, timer.as_mut()).await.is_ok();
                assert_eq!(rang, now() >= deadline, "it rang at {:?}, due at {:?}", now() - begun, deadline - begun);
                deadline = now() + length(&choices);
                timer.reset(deadline);
            }
            timer.await;
            assert_eq!(now(), deadline.max(begun));
        }
    });
}

/// What is done in time is given, what is not is given up, and a value is never lost between the two.
fn timeouts(seed: u64) {
    run(seed, |choices| async move {
        let (sender, receiver) = channel::bounded(1);
        let task = {
            let choices = choices.clone();
            spawn(async move {
                for value in 0..5 {
                    sleep(Duration::from_nanos(1 + choices.choose(4) as u64)).await;
                    sender.send(value).await.unwrap();
                }
            })
        };
        let mut next = 0;
        while next < 5 {
            match timeout(Duration::from_nanos(1 + choices.choose(3) as u64), receiver.recv()).await {
                Ok(value) => {
                    assert_eq!(value, Some(next));
                    next += 1;
                }
                Err(Elapsed { .. }) => some_turns(&choices).await,
            }
        }
        task.await.unwrap();
        let begun = now();
        assert!(timeout(Duration::from_secs(30), pending::<()>()).await.is_err());
        assert_eq!(now() - begun, Duration::from_secs(30));
        assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7), "what is ready is given, whatever the time");
    });
}

fn ticks(seed: u64) {
    run(seed, |choices| async move {
        let (begun, period) = (now(), length(&choices));
        let mut interval = interval(period);
        let mut tick = 0;
        while tick < 5 {
            if perhaps(&choices, interval.tick()).await.is_some() {
                assert_eq!(now() - begun, period * tick, "an interval drifts");
                tick += 1;
            }
        }
    });
}

/// A timer that is set in one task, or by nobody who could be woken, rings in another.
fn moved(seed: u64) {
    run(seed, |choices| async move {
        let (begun, length) = (now(), length(&choices));
        let mut timer = Box::pin(sleep(length));
        for _ in 0..choices.choose(3) {
            assert!(coracle::testing::poll_once(timer.as_mut()).is_pending());
        }
        let first = spawn(async move {
            let _ = coracle::testing::poll_once(timer.as_mut());
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(timer.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            Some(timer)
        });
        let timer = first.await.unwrap().unwrap();
        spawn(timer).await.unwrap();
        assert_eq!(now() - begun, length);
    });
}
