//! Timeouts and intervals: who goes first, which ticks come, and that nothing is left behind.

use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use coracle::Runtime;
use coracle::time::{MissedTicks, interval, interval_at, now, sleep, timeout, timeout_at};

use super::{HOUR, fire};
use crate::reactor::settle;
use crate::support::{alone, heap, poll_once};

/// The future is polled first: an output that is there when the time is up counts.
#[test]
fn a_timeout_gives_precedence_to_the_future() {
    coracle::block_on(async {
        assert_eq!(timeout(Duration::ZERO, ready(1)).await, Ok(1));
        assert_eq!(timeout_at(now(), ready(2)).await, Ok(2));
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
    });
    let runtime = Runtime::new();
    let is_there = Rc::new(Cell::new(false));
    let seen = is_there.clone();
    let future = poll_fn(move |_| if seen.get() { Poll::Ready("late, not too late") } else { Poll::Pending });
    let mut limited = Box::pin(runtime.enter(|| timeout(Duration::from_millis(30), future)));
    assert!(runtime.enter(|| poll_once(&mut limited)).is_pending());
    fire(&runtime);
    is_there.set(true);
    assert_eq!(runtime.enter(|| poll_once(&mut limited)), Poll::Ready(Ok("late, not too late")));
}

/// The future is dropped with the timeout, at once.
#[test]
fn a_timeout_that_is_over_takes_its_future_along() {
    let runtime = Runtime::new();
    let held = Rc::new(());
    let inside = held.clone();
    runtime.block_on(async {
        let limited = timeout(Duration::from_millis(1), async move {
            let _inside = inside;
            pending::<()>().await;
        });
        assert!(limited.await.is_err());
        assert_eq!(Rc::strong_count(&held), 1);
    });
    assert!(runtime.inspect().timers.is_empty());
}

/// A time-out for each request, none of which is ever needed: after a million of them, nothing is left, and the heap has
/// not grown (tokio#8252).
#[test]
fn a_million_timeouts_that_were_not_needed_leave_nothing() {
    alone("time::limits::a_million_timeouts_that_were_not_needed_leave_nothing", || {
        let runtime = Runtime::new();
        runtime.block_on(async {
            // The first poll of each finds nothing, so that its timer is set; the second finds the output.
            let request = |first: &mut bool| if std::mem::take(first) { Poll::Pending } else { Poll::Ready(()) };
            let mut before = 0;
            for round in 0..100_000 {
                let mut first = true;
                let mut limited = std::pin::pin!(timeout(HOUR, poll_fn(|_| request(&mut first))));
                assert!(poll_once(&mut limited).is_pending());
                assert_eq!(poll_once(&mut limited), Poll::Ready(Ok(())));
                if round == 100 {
                    before = heap();
                }
            }
            for _ in 0..900_000 {
                assert_eq!(timeout(HOUR, ready(())).await, Ok(()));
            }
            // The test harness has a thread of its own, which may take a little meanwhile. A byte for each would be more.
            let grown = heap() - before;
            assert!(grown < 4096, "the heap grew by {grown}");
        });
        assert!(runtime.inspect().timers.is_empty());
    });
}

/// A million sleeps wait, and are dropped: their memory is given back at once.
#[test]
fn a_million_pending_sleeps_give_their_memory_back_when_they_are_dropped() {
    alone("time::limits::a_million_pending_sleeps_give_their_memory_back_when_they_are_dropped", || {
        let runtime = Runtime::new();
        assert!(runtime.enter(|| poll_once(&mut sleep(HOUR))).is_pending());
        let before = heap();
        let mut sleeps: Vec<_> =
            (0..1_000_000).map(|index| runtime.enter(|| sleep(HOUR + Duration::from_nanos(index)))).collect();
        let without_timers = heap();
        runtime.enter(|| sleeps.iter_mut().for_each(|sleep| assert!(poll_once(sleep).is_pending())));
        assert!(heap() - without_timers > 1_000_000, "timers take some memory");
        drop(sleeps);
        let rest = heap() - before;
        assert!(rest < 64 << 10, "{rest} bytes are left");
        assert!(runtime.inspect().timers.is_empty());
    });
}

/// Half of many timers are taken back in no order: what is left fires in order.
#[test]
fn what_is_left_after_many_were_taken_back_still_fires() {
    let runtime = Runtime::new();
    let mut sleeps = Vec::new();
    for index in 0..2_000u64 {
        let mut sleep = runtime.enter(|| sleep(Duration::from_micros(1_000 + index * 7919 % 2_000)));
        let _ = runtime.enter(|| poll_once(&mut sleep));
        sleeps.push(sleep);
    }
    let mut index = 0;
    sleeps.retain(|_| {
        index += 1;
        index % 2 == 0
    });
    let mut all = std::pin::pin!(async {
        for sleep in &mut sleeps {
            sleep.await;
        }
    });
    runtime.block_on(&mut all);
    assert!(runtime.inspect().timers.is_empty());
}

/// Stalls for two and a half periods after the first tick, and gives the times of the next four, in periods, and whether
/// each came at once.
fn after_a_stall(policy: MissedTicks) -> (Vec<u128>, Vec<bool>) {
    const PERIOD: Duration = Duration::from_millis(40);
    let runtime = Runtime::new();
    runtime.block_on(async {
        let start = now();
        let mut ticks = interval_at(start, PERIOD).missed_ticks(policy);
        assert_eq!(ticks.tick().await, start);
        std::thread::sleep(PERIOD * 5 / 2);
        let (mut due, mut at_once) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let mut tick = ticks.tick();
            let first = poll_once(&mut tick);
            at_once.push(first.is_ready());
            let tick = match first {
                Poll::Ready(tick) => tick,
                Poll::Pending => tick.await,
            };
            assert!(Instant::now() >= tick, "a tick is never early");
            due.push((tick - start).as_millis() / PERIOD.as_millis());
        }
        (due, at_once)
    })
}

/// The table of `MissedTicks`, with a real clock.
#[test]
fn missed_ticks_come_as_the_policy_says() {
    let (due, at_once) = after_a_stall(MissedTicks::Burst);
    assert_eq!(due, [1, 2, 3, 4], "every one of them comes");
    assert_eq!(at_once[..2], [true, true], "the missed ones at once");

    let (due, at_once) = after_a_stall(MissedTicks::Skip);
    assert_eq!((due[0], at_once[0]), (1, true), "the first that was missed comes late");
    assert!(due[1] >= 3 && due.windows(2).all(|pair| pair[0] < pair[1]), "{due:?}: the second is left out");

    let (due, at_once) = after_a_stall(MissedTicks::Delay);
    assert_eq!((due[0], &at_once[..2]), (1, &[true, false][..]), "the next comes a full period later");
    assert!(due[1] >= 3, "{due:?}");
}

/// Ticks are at multiples of the period, however late they were awaited.
#[test]
fn ticks_do_not_drift() {
    coracle::block_on(async {
        let mut ticks = interval(Duration::from_millis(2));
        let start = ticks.tick().await;
        for tick in 1..=20 {
            assert_eq!(ticks.tick().await, start + Duration::from_millis(2) * tick);
        }
    });
}

/// A tick that is given up comes again; an interval that is dropped leaves nothing.
#[test]
fn a_tick_that_is_given_up_is_still_to_come() {
    let runtime = Runtime::new();
    let mut ticks = runtime.enter(|| interval(Duration::from_millis(50)));
    let start = runtime.block_on(ticks.tick());
    for _ in 0..3 {
        assert!(runtime.enter(|| poll_once(&mut ticks.tick())).is_pending());
    }
    assert_eq!(runtime.inspect().timers.len(), 1);
    assert_eq!(runtime.block_on(ticks.tick()), start + Duration::from_millis(50));
    drop(ticks);
    settle(&runtime);
    assert!(runtime.inspect().timers.is_empty());
}

#[test]
#[should_panic(expected = "must not be zero")]
fn a_period_of_zero_is_refused() {
    coracle::block_on(async { interval(Duration::ZERO) });
}
