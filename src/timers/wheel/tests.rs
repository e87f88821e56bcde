//! The wheel against an ordered map, and what a map does not show.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The naive model: deadline and arrival, in order.
#[derive(Default)]
struct Model {
    now: u64,
    arrivals: u64,
    waiting: BTreeMap<(u64, u64), u32>,
}

#[derive(Clone, Debug)]
enum Op {
    /// Sets a timer so far after now.
    Set(u64),
    /// Sets a timer at this very time, past or not.
    SetAt(u64),
    /// Takes back the n-th of those that wait.
    Cancel(usize),
    /// Lets time pass, and fires.
    Advance(u64),
    /// Sleeps until something fires, as a loop does that lets timers wait so long for each other.
    Sleep(u64),
}

/// A hundred years, in nanoseconds.
const CENTURY: u64 = 100 * 365 * 24 * 3600 * 1_000_000_000;

/// Times near the boundaries of the levels, and any other.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0u32..64, 0u64..4).prop_map(|(shift, off)| (1u64 << shift).wrapping_add(off).wrapping_sub(2) % CENTURY),
        (0u64..11, 1u64..64).prop_map(|(level, digit)| (64u64.pow(level.min(9) as u32) * digit) % CENTURY),
        0u64..2_000,
        0u64..CENTURY,
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => time().prop_map(Op::Set),
        1 => time().prop_map(Op::SetAt),
        2 => any::<usize>().prop_map(Op::Cancel),
        1 => time().prop_map(Op::Advance),
        2 => prop_oneof![Just(0), time()].prop_map(Op::Sleep),
    ]
}

fn fire_both(wheel: &mut Wheel, model: &mut Model, now: u64) {
    model.now = model.now.max(now);
    while let Some((key, _)) = wheel.pop_due(now) {
        let ((deadline, _), expected) = model.waiting.pop_first().expect("the model knows of no timer");
        assert!(deadline <= model.now, "fired early");
        assert_eq!(key, expected, "fired out of order");
        wheel.remove(key);
    }
    if let Some(((deadline, _), _)) = model.waiting.first_key_value() {
        assert!(*deadline > model.now, "did not fire");
    }
}

/// Each alarm is in the future, and late by no more than was allowed, and only for the sake of another; after few of
/// them something fires.
fn sleep(wheel: &mut Wheel, model: &mut Model, within: u64) {
    let waiting = model.waiting.len();
    let Some(next) = wheel.next() else { return assert_eq!(wheel.alarm(within), None) };
    for _ in 0..2 * LEVELS + 1000 {
        let alarm = wheel.alarm(within).unwrap();
        assert!(alarm > model.now || next <= model.now, "an alarm that rings at once");
        assert!(alarm <= next.saturating_add(within), "an alarm that is late");
        assert!(waiting > 1 || alarm <= next, "late though alone");
        fire_both(wheel, model, alarm);
        if model.waiting.len() < waiting {
            return;
        }
    }
    panic!("nothing fires");
}

fn apply(wheel: &mut Wheel, model: &mut Model, op: Op) {
    match op {
        Op::Set(_) | Op::SetAt(_) => {
            let deadline = match op {
                Op::Set(after) => model.now.saturating_add(after),
                Op::SetAt(time) => time,
                _ => unreachable!(),
            };
            let key = wheel.insert(deadline, Waker::noop().clone());
            model.arrivals += 1;
            model.waiting.insert((deadline.max(model.now), model.arrivals), key);
        }
        Op::Cancel(n) if !model.waiting.is_empty() => {
            let at = *model.waiting.keys().nth(n % model.waiting.len()).unwrap();
            wheel.remove(model.waiting.remove(&at).unwrap());
        }
        Op::Cancel(_) => {}
        Op::Advance(by) => {
            let now = model.now.saturating_add(by);
            fire_both(wheel, model, now);
        }
        Op::Sleep(within) => {
            let next = wheel.next();
            assert_eq!(next, model.waiting.keys().next().map(|(deadline, _)| *deadline), "wrong next deadline");
            sleep(wheel, model, within);
        }
    }
    assert_eq!(wheel.len(), model.waiting.len());
}

fn check(start: u64, ops: Vec<Op>) {
    let (mut wheel, mut model) = (Wheel::default(), Model::default());
    fire_both(&mut wheel, &mut model, start);
    for op in ops {
        apply(&mut wheel, &mut model, op);
    }
    let end = model.now.saturating_add(2 * CENTURY);
    fire_both(&mut wheel, &mut model, end);
    assert!(wheel.is_empty() && model.waiting.is_empty());
    assert_eq!(wheel.occupied, [0; LEVELS]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn behaves_like_an_ordered_map_over_a_hundred_years(
        start in prop_oneof![Just(0u64), Just((1 << 30) - 1), Just((1 << 36) - 1), Just(1 << 62), 0..CENTURY],
        ops in proptest::collection::vec(op(), 1..200),
    ) {
        check(start, ops);
    }
}

#[test]
fn equal_deadlines_fire_in_order_of_arrival_whatever_level_they_were_put_in() {
    let mut wheel = Wheel::default();
    let deadline = 5_000_000;
    let mut expected = Vec::new();
    for now in [0, 1_000_000, 4_194_304, 4_999_999] {
        assert!(wheel.pop_due(now).is_none());
        expected.push(wheel.insert(deadline, Waker::noop().clone()));
    }
    assert!(wheel.pop_due(deadline - 1).is_none());
    let fired: Vec<u32> = std::iter::from_fn(|| wheel.pop_due(deadline)).map(|(key, _)| key).collect();
    assert_eq!(fired, expected);
}

#[test]
fn a_hundred_thousand_equal_deadlines_keep_their_order() {
    let mut wheel = Wheel::default();
    let set: Vec<u32> = (0..100_000).map(|_| wheel.insert(1_234_567_890, Waker::noop().clone())).collect();
    let fired: Vec<u32> = std::iter::from_fn(|| wheel.pop_due(u64::MAX - 1)).map(|(key, _)| key).collect();
    assert_eq!(fired, set);
}

#[test]
fn a_million_cancelled_timers_leave_no_memory() {
    let mut wheel = Wheel::default();
    let set: Vec<u32> = (0..1_000_000).map(|n| wheel.insert(1_000_000 + n * 977, Waker::noop().clone())).collect();
    for key in set {
        wheel.remove(key);
    }
    assert!(wheel.is_empty());
    assert!(wheel.timers.capacity() <= MOST_IDLE_ROOM);
    assert_eq!(wheel.next(), None);
}

#[test]
fn the_alarm_is_exact_and_waits_for_company_only() {
    let mut wheel = Wheel::default();
    let mut set = |deadline| wheel.insert(deadline, Waker::noop().clone());
    let (first, _far) = (set(1_000_000), set(3_000_000));
    assert_eq!(wheel.alarm(0), Some(1_000_000));
    assert_eq!(wheel.alarm(10_000), Some(1_000_000), "alone");
    assert_eq!(wheel.alarm(1_990_000), Some(1_000_000), "alone, though the next slot begins within that");
    let near = wheel.insert(1_009_000, Waker::noop().clone());
    assert_eq!(wheel.alarm(10_000), Some(1_010_000), "two share a wake-up");
    assert_eq!(wheel.alarm(8_000), Some(1_000_000), "not for one that is later");
    assert_eq!(wheel.pop_due(1_010_000).map(|(key, _)| key), Some(first));
    assert_eq!(wheel.pop_due(1_010_000).map(|(key, _)| key), Some(near));
    assert_eq!(wheel.alarm(u64::MAX), Some(3_000_000));
}

/// Time-outs that are set anew all the time, each before it is due: the alarm is not looked for anew each time, and
/// rings for nothing at most once for each slot.
#[test]
fn a_crowd_of_timers_that_are_renewed_costs_few_alarms() {
    let mut wheel = Wheel::default();
    let (mut now, mut alarms) = (0, 0);
    let mut keys: std::collections::VecDeque<u32> =
        (0..1_000).map(|n| wheel.insert(1_000_000_000 + n, Waker::noop().clone())).collect();
    for round in 0..100_000 {
        now += 100_000;
        wheel.remove(keys.pop_front().unwrap());
        keys.push_back(wheel.insert(now + 1_000_000_000, Waker::noop().clone()));
        if wheel.alarm(0).unwrap() <= now {
            alarms += 1;
            assert!(wheel.pop_due(now).is_none(), "round {round}: each is renewed in time");
        }
    }
    assert!((1..200).contains(&alarms), "{alarms}");
}

#[test]
fn a_clock_that_goes_back_fires_nothing_early() {
    let mut wheel = Wheel::default();
    assert!(wheel.pop_due(1_000).is_none());
    let key = wheel.insert(2_000, Waker::noop().clone());
    assert!(wheel.pop_due(500).is_none(), "time went back");
    assert!(wheel.pop_due(1_999).is_none());
    assert_eq!(wheel.pop_due(2_000).map(|(key, _)| key), Some(key));
}
