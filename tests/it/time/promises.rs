//! Never early, no spin on the way, any duration is valid, and equal deadlines fire in the order in which they were set.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use coracle::sys::Call;
use coracle::time::{interval, sleep, sleep_until, timeout};
use coracle::{Budget, Runtime};

use super::{HOUR, fire};
use crate::reactor::calls::Calls;
use crate::reactor::settle;
use crate::support::{poll_once, poll_with};

/// Durations from a nanosecond to three milliseconds, most of them no whole number of anything.
fn durations(count: u64) -> impl Iterator<Item = Duration> {
    (0..count).map(|index| Duration::from_nanos(1 + index * index * 7919 % 3_000_000))
}

/// P7, one at a time (smol#109, calloop#142, mio#1615: rounded down, too early).
#[test]
fn a_sleep_is_never_early() {
    coracle::block_on(async {
        for duration in durations(600) {
            let begin = Instant::now();
            sleep(duration).await;
            let elapsed = begin.elapsed();
            assert!(elapsed >= duration, "{elapsed:?} instead of {duration:?}");
        }
    });
}

/// P7, ten thousand at once, among each other.
#[test]
fn of_ten_thousand_sleeps_at_once_none_is_early() {
    coracle::block_on(async {
        let sleeps: Vec<_> = durations(10_000)
            .map(|duration| {
                coracle::spawn(async move {
                    let begin = Instant::now();
                    sleep(duration).await;
                    (duration, begin.elapsed())
                })
            })
            .collect();
        for sleep in sleeps {
            let (duration, elapsed) = sleep.await.unwrap();
            assert!(elapsed >= duration, "{elapsed:?} instead of {duration:?}");
        }
    });
}

/// A waker that notes when it was woken.
#[derive(Default)]
struct Stamp(Mutex<Option<Instant>>);

impl Wake for Stamp {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = Some(Instant::now());
    }
}

/// P7, to the moment of the wake: while others are due all the time, so that the loop looks at its timers ever again.
#[test]
fn no_waker_is_woken_before_its_deadline() {
    let runtime = Runtime::new();
    let begin = runtime.now();
    let mut sleeps: Vec<_> = (0..1_000)
        .map(|index| {
            let stamp = Arc::new(Stamp::default());
            let mut sleep = runtime.enter(|| sleep_until(begin + Duration::from_nanos(100_000_000 + index * 19_997)));
            assert!(runtime.enter(|| poll_with(&mut sleep, &Waker::from(stamp.clone()))).is_pending());
            (sleep, stamp)
        })
        .collect();
    while !runtime.inspect().timers.is_empty() {
        runtime.turn(Budget::until_ready()).unwrap();
    }
    for (sleep, stamp) in &mut sleeps {
        let (deadline, woken) = (sleep.deadline().unwrap(), stamp.0.lock().unwrap().expect("it was woken"));
        assert!(woken >= deadline, "early by {:?}", deadline - woken);
    }
}

/// What a millisecond's rounding makes of the last part of a wait: a loop that asks and asks (mio#1614), or one that is
/// late by half.
#[test]
fn each_sleep_of_a_part_of_a_millisecond_is_about_one_wait() {
    const SLEEPS: usize = 200;
    let calls = Calls::new();
    calls.runtime().block_on(async {
        for _ in 0..SLEEPS {
            sleep(Duration::from_micros(900)).await;
        }
    });
    let waits = calls.of(Call::Wait);
    assert!((SLEEPS..=2 * SLEEPS).contains(&waits), "{waits} waits for {SLEEPS} sleeps");
}

/// Durations around which some representation of time ends.
fn immense() -> Vec<Duration> {
    let mut all = vec![Duration::MAX, Duration::MAX - Duration::from_nanos(1), Duration::from_secs(u64::MAX)];
    let mut around = |edge: Duration| {
        let nano = Duration::from_nanos(1);
        all.extend([edge.saturating_sub(nano), edge, edge.saturating_add(nano)]);
    };
    (36..64).for_each(|bits| around(Duration::from_millis(1 << bits)));
    [u64::MAX, i64::MAX as u64, 1 << 60].into_iter().for_each(|nanos| around(Duration::from_nanos(nanos)));
    [i64::MAX as u64, i32::MAX as u64, u32::MAX.into()].into_iter().for_each(|secs| around(Duration::from_secs(secs)));
    around(Duration::from_millis(u64::MAX));
    all
}

/// Neither a panic nor an end (tokio#5183, tokio#6634, futures-timer#79).
#[test]
fn a_duration_that_no_clock_can_count_is_valid_and_never_over() {
    let runtime = Runtime::new();
    let mut sleeps: Vec<_> = immense().into_iter().map(|duration| runtime.enter(|| sleep(duration))).collect();
    let mut timeouts: Vec<_> = immense()
        .into_iter()
        .map(|duration| runtime.enter(|| timeout(duration, std::future::pending::<()>())))
        .map(Box::pin)
        .collect();
    for _ in 0..2 {
        sleeps.iter_mut().for_each(|sleep| assert!(runtime.enter(|| poll_once(sleep)).is_pending()));
        timeouts.iter_mut().for_each(|timeout| assert!(runtime.enter(|| poll_once(timeout)).is_pending()));
        runtime.turn(Budget { wait: Some(Duration::from_millis(2)), ..Budget::no_wait() }).unwrap();
    }
    drop((sleeps, timeouts));
    assert!(runtime.inspect().timers.is_empty(), "they are taken back like any other");
}

#[test]
fn an_interval_of_an_immense_period_ticks_once() {
    for period in immense() {
        let runtime = Runtime::new();
        let mut ticks = runtime.enter(|| interval(period));
        runtime.block_on(ticks.tick());
        assert!(runtime.enter(|| poll_once(&mut ticks.tick())).is_pending());
        settle(&runtime);
        assert!(runtime.enter(|| poll_once(&mut ticks.tick())).is_pending());
        drop(ticks);
        assert!(runtime.inspect().timers.is_empty());
    }
}

/// A far timer does not keep a near one from firing, whatever the distance.
#[test]
fn immense_timers_do_not_harm_a_near_one() {
    let runtime = Runtime::new();
    let _far: Vec<_> = immense()
        .into_iter()
        .map(|duration| {
            let mut far = runtime.enter(|| sleep(duration));
            assert!(runtime.enter(|| poll_once(&mut far)).is_pending());
            far
        })
        .collect();
    let begin = Instant::now();
    runtime.block_on(async { sleep(Duration::from_millis(3)).await });
    assert!((Duration::from_millis(3)..Duration::from_secs(1)).contains(&begin.elapsed()));
}

/// Runs tasks that sleep until these times, and gives the order in which they wake.
fn order(runtime: &Runtime, deadlines: impl Iterator<Item = Instant>) -> Vec<usize> {
    let woken = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<_> = deadlines
        .enumerate()
        .map(|(index, deadline)| {
            let woken = woken.clone();
            runtime.spawn(async move {
                sleep_until(deadline).await;
                woken.borrow_mut().push(index);
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    woken.take()
}

#[test]
fn equal_deadlines_fire_in_the_order_in_which_they_were_set() {
    let runtime = Runtime::new();
    let deadline = runtime.now() + Duration::from_millis(100);
    let woken = order(&runtime, std::iter::repeat_n(deadline, 5_000));
    assert_eq!(woken, (0..5_000).collect::<Vec<_>>());
}

/// Deadlines in no order fire in order, however near they are: a nanosecond counts.
#[test]
fn deadlines_fire_in_order_to_the_nanosecond() {
    let runtime = Runtime::new();
    let begin = runtime.now() + Duration::from_millis(100);
    let offset = |index: u64| index * 7919 % 1_009;
    let woken = order(&runtime, (0..1_009).map(|index| begin + Duration::from_nanos(offset(index))));
    let offsets: Vec<u64> = woken.into_iter().map(|index| offset(index as u64)).collect();
    assert_eq!(offsets, (0..1_009).collect::<Vec<_>>());
}

/// All that are due fire in one turn, which reads the clock twice: once for how long to wait, once for what is due.
#[test]
fn all_that_are_due_fire_in_one_turn() {
    let calls = Calls::new();
    let runtime = calls.runtime();
    let sleeps: Vec<_> = (0..1_000)
        .map(|index| {
            let mut sleep = runtime.enter(|| sleep(Duration::from_micros(30_000 + index)));
            assert!(runtime.enter(|| poll_once(&mut sleep)).is_pending());
            sleep
        })
        .collect();
    std::thread::sleep(Duration::from_millis(40));
    calls.take();
    assert_eq!(runtime.turn(Budget::until_ready()).unwrap().expired, 1_000);
    assert!(calls.of(Call::Now) <= 2, "{} looks at the clock", calls.of(Call::Now));
    drop(sleeps);
}

/// Without a timer nobody asks for the time; with one that is far off, the turn ends when it is told to.
#[test]
fn the_clock_is_read_only_while_a_timer_waits() {
    let calls = Calls::new();
    let runtime = calls.runtime();
    calls.take();
    runtime.block_on(async { coracle::task::yield_now().await });
    assert_eq!(calls.of(Call::Now), 0);
    let mut far = runtime.enter(|| sleep(HOUR));
    assert!(runtime.enter(|| poll_once(&mut far)).is_pending());
    assert!(runtime.next_deadline().is_some());
    let turn = runtime.turn(Budget { wait: Some(Duration::from_millis(1)), ..Budget::no_wait() }).unwrap();
    assert_eq!(turn.expired, 0);
    drop(far);
    calls.take();
    settle(&runtime);
    assert_eq!((calls.of(Call::Now), runtime.next_deadline()), (0, None));
}

/// A sleep counts from the call that makes it, not from its first poll.
#[test]
fn a_sleep_counts_from_its_creation() {
    let runtime = Runtime::new();
    let mut early = std::pin::pin!(runtime.enter(|| sleep(Duration::from_millis(2))));
    std::thread::sleep(Duration::from_millis(3));
    let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
    assert!(runtime.enter(|| early.as_mut().poll(context)).is_pending(), "the clock is not read again");
    assert_eq!(runtime.turn(Budget::no_wait()).unwrap().expired, 1, "but it is due at once");
    assert!(runtime.enter(|| early.as_mut().poll(context)).is_ready());
    let mut late = runtime.enter(|| sleep(Duration::from_millis(30)));
    assert!(runtime.enter(|| poll_once(&mut late)).is_pending());
    fire(&runtime);
}
