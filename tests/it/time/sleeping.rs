//! A sleep that is reset, moved, dropped where it is awkward, polled by others, and polled again when it is over.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use coracle::time::{Sleep, sleep, sleep_until};
use coracle::{Budget, Runtime};

use super::{HOUR, fire};
use crate::reactor::settle;
use crate::support::{CountingWaker, poll_once, poll_with};

/// A sleep that waits already.
fn waiting(runtime: &Runtime, duration: Duration, waker: &Waker) -> Sleep {
    let mut sleep = runtime.enter(|| sleep(duration));
    assert!(runtime.enter(|| poll_with(&mut sleep, waker)).is_pending());
    sleep
}

/// Reset to an earlier time, while it waits: it is over then, and nothing is left of the later one (tokio#2290).
#[test]
fn a_reset_to_an_earlier_time_ends_earlier() {
    let runtime = Runtime::new();
    let (counter, waker) = CountingWaker::new();
    let mut sleep = waiting(&runtime, HOUR, &waker);
    sleep.reset(runtime.now() + Duration::from_millis(30));
    assert!(runtime.inspect().timers.is_empty(), "nobody waits for the new time before the next poll");
    assert!(runtime.enter(|| poll_with(&mut sleep, &waker)).is_pending());
    fire(&runtime);
    assert_eq!(counter.wakes(), 1);
    assert!(poll_once(&mut sleep).is_ready());
    assert!(runtime.inspect().timers.is_empty());
}

/// Reset to a later time: the earlier one wakes nobody (tokio#4178).
#[test]
fn a_reset_to_a_later_time_wakes_nobody_earlier() {
    let runtime = Runtime::new();
    let (counter, waker) = CountingWaker::new();
    let mut sleep = waiting(&runtime, Duration::from_millis(30), &waker);
    let begin = Instant::now();
    sleep.reset(runtime.now() + Duration::from_millis(100));
    assert!(runtime.enter(|| poll_with(&mut sleep, &waker)).is_pending());
    let turn = runtime.turn(Budget { wait: Some(Duration::from_millis(50)), ..Budget::no_wait() }).unwrap();
    if begin.elapsed() < Duration::from_millis(100) {
        assert_eq!((turn.expired, counter.wakes()), (0, 0));
    }
    while counter.wakes() == 0 {
        runtime.turn(Budget::until_ready()).unwrap();
    }
    assert!(begin.elapsed() >= Duration::from_millis(100));
    assert!(poll_once(&mut sleep).is_ready());
}

/// Reset to a time that has passed: over at the next poll. And over, then reset to the future: it waits again.
#[test]
fn a_reset_works_in_every_state() {
    let runtime = Runtime::new();
    let mut sleep = waiting(&runtime, HOUR, Waker::noop());
    sleep.reset(runtime.now());
    assert!(runtime.enter(|| poll_once(&mut sleep)).is_ready());
    for _ in 0..3 {
        sleep.reset(runtime.now() + Duration::from_millis(30));
        assert!(runtime.enter(|| poll_once(&mut sleep)).is_pending());
        fire(&runtime);
        assert!(runtime.enter(|| poll_once(&mut sleep)).is_ready());
    }
    // Fired, but not polled since.
    sleep.reset(runtime.now() + Duration::from_millis(30));
    assert!(runtime.enter(|| poll_once(&mut sleep)).is_pending());
    fire(&runtime);
    sleep.reset(runtime.now() + HOUR);
    assert!(runtime.enter(|| poll_once(&mut sleep)).is_pending(), "the old end does not count");
    assert_eq!(runtime.inspect().timers.len(), 1);
}

#[test]
fn a_sleep_that_is_over_stays_over_until_it_is_reset() {
    let runtime = Runtime::new();
    let mut waited = waiting(&runtime, Duration::from_millis(30), Waker::noop());
    let mut at_once = runtime.enter(|| sleep(Duration::ZERO));
    fire(&runtime);
    for _ in 0..10 {
        assert!(runtime.enter(|| poll_once(&mut waited)).is_ready());
        assert!(runtime.enter(|| poll_once(&mut at_once)).is_ready());
        settle(&runtime);
    }
}

/// A sleep is plain data: it can be moved between polls, and each poll may come from another task.
#[test]
fn a_sleep_can_be_moved_between_polls_and_wakes_who_polled_last() {
    let runtime = Runtime::new();
    let (first, second) = (CountingWaker::new(), CountingWaker::new());
    let mut sleep = waiting(&runtime, Duration::from_millis(30), &first.1);
    let mut elsewhere = Vec::new();
    for round in 0..4 {
        elsewhere.push(Box::new(sleep));
        let mut moved = *elsewhere.pop().unwrap();
        let waker = if round % 2 == 0 { &second.1 } else { &first.1 };
        assert!(runtime.enter(|| poll_with(&mut moved, waker)).is_pending());
        sleep = moved;
    }
    assert!(runtime.enter(|| poll_with(&mut sleep, &second.1)).is_pending());
    fire(&runtime);
    assert_eq!((first.0.wakes(), second.0.wakes()), (0, 1));
    assert!(poll_once(&mut sleep).is_ready());
}

/// A waker that drops sleeps.
struct Dropper(Mutex<Vec<Sleep>>);

impl Wake for Dropper {
    fn wake(self: Arc<Self>) {
        let sleeps = std::mem::take(&mut *self.0.lock().unwrap());
        drop(sleeps);
    }
}

/// The waker that a timer wakes drops that sleep, and others that are due in the same pass, and later (tokio#6751).
#[test]
fn a_sleep_can_be_dropped_by_the_waker_that_it_wakes() {
    let runtime = Runtime::new();
    let dropper = Arc::new(Dropper(Mutex::default()));
    let waker = Waker::from(dropper.clone());
    let (counter, counting) = CountingWaker::new();
    let deadline = runtime.now() + Duration::from_millis(30);
    let until = |deadline, waker: &Waker| {
        let mut sleep = runtime.enter(|| sleep_until(deadline));
        assert!(runtime.enter(|| poll_with(&mut sleep, waker)).is_pending());
        sleep
    };
    let own = until(deadline, &waker);
    let same_pass = until(deadline, &counting);
    let later = until(deadline + HOUR, &counting);
    let kept = until(deadline, &counting);
    dropper.0.lock().unwrap().extend([later, own, same_pass]);
    fire(&runtime);
    settle(&runtime);
    assert!(runtime.inspect().timers.is_empty());
    assert_eq!(counter.wakes(), 1, "only the one that was kept");
    drop(kept);
}

/// Dropped on another thread: nothing is left after the next turn, whether it had fired or not.
#[test]
fn a_sleep_that_is_dropped_on_another_thread_leaves_no_timer() {
    let runtime = Runtime::new();
    let far = waiting(&runtime, HOUR, Waker::noop());
    let fired = waiting(&runtime, Duration::from_millis(30), Waker::noop());
    fire(&runtime);
    std::thread::spawn(move || drop((far, fired))).join().unwrap();
    assert_eq!(runtime.inspect().timers.len(), 1, "the request is on its way");
    settle(&runtime);
    assert!(runtime.inspect().timers.is_empty() && runtime.inspect().tasks.is_empty());
}

#[test]
fn a_sleep_that_is_polled_on_another_thread_says_so() {
    let runtime = Runtime::new();
    let mut sleep = waiting(&runtime, HOUR, Waker::noop());
    let panic = std::thread::spawn(move || poll_once(&mut sleep)).join().unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("another thread"), "{message}");
    settle(&runtime);
    assert!(runtime.inspect().timers.is_empty());
}

/// Sleeps of two runtimes on one thread are counted by their own, wherever they are polled.
#[test]
fn a_sleep_belongs_to_the_runtime_in_which_it_was_made() {
    let (one, other) = (Runtime::new(), Runtime::new());
    let mut sleep = one.enter(|| sleep(Duration::from_millis(30)));
    assert!(other.enter(|| poll_once(&mut sleep)).is_pending());
    assert_eq!((one.inspect().timers.len(), other.inspect().timers.len()), (1, 0));
    fire(&one);
    assert!(other.enter(|| poll_once(&mut sleep)).is_ready());
}
