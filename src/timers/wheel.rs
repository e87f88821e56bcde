//! The timing wheel: insert, cancel and fire in constant time, however many timers wait.
//!
//! Time is a `u64` of nanoseconds, seen as eleven digits in base 64. The wheel has a level a digit, and 64 slots a
//! level. A timer stands at the level of the *highest digit in which its deadline differs from now*, in the slot of that
//! digit of the deadline:
//!
//! ```text
//!                        digit 10   …    3     2     1     0
//!   now                        0   …   [7]   [5]  [61]   [2]
//!   due in the same 64 ns      0   …    7     5    61     9    → level 0, slot 9: all there have one deadline
//!   due a little later         0   …    7     6     0    33    → level 2, slot 6: 4,096 ns wide
//!   due much later             0   …    9     …                → level 3, slot 9
//! ```
//!
//! So everything in a lower level comes before everything in a higher one, and within a level the lowest slot comes
//! first. When time enters a slot, its timers have that digit in common with now, and move down, in order; at level 0
//! they fire. A timer moves at most ten times, and most are cancelled before they move at all.
//!
//! After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987; theirs rounds to the tick of the
//! lowest wheel, ours has a tick of a nanosecond and sleeps until the earliest deadline, which it finds by looking
//! through the earliest slot. A slot remembers whether it is in order already (with equal time-outs it always is), and
//! is put in order when that search finds it is not, so the search is not repeated.
//!
//! Timers are linked by keys into one slab. A deadline that has passed when it is set counts as due now.

use std::task::Waker;
use std::time::Duration;

use slab::Slab;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Eleven digits of six bits cover a `u64`.
const LEVELS: usize = 11;

/// No timer.
const NONE: u32 = u32::MAX;

/// Where a timer stands: `level * 64 + slot`, or one of these two.
const DUE: u16 = (LEVELS * SLOTS) as u16;
const FIRED: u16 = DUE + 1;

/// See the head of this file.
pub(super) struct Wheel {
    /// All timers with a deadline up to here have fired, or are in `due`.
    now: u64,
    timers: Slab<Timer>,
    fired: usize,
    levels: [Level; LEVELS],
    /// Those that are due, in order; `pop_due` empties it.
    due: List,
}

struct Timer {
    deadline: u64,
    waker: Option<Waker>,
    previous: u32,
    next: u32,
    place: u16,
}

#[derive(Clone, Copy)]
struct Level {
    /// A bit for each slot that is not empty.
    occupied: u64,
    slots: [List; SLOTS],
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
    /// Whether the deadlines are in order.
    sorted: bool,
}

const EMPTY: List = List { first: NONE, last: NONE, sorted: true };

impl Default for Wheel {
    fn default() -> Wheel {
        let level = Level { occupied: 0, slots: [EMPTY; SLOTS] };
        Wheel { now: 0, timers: Slab::new(), fired: 0, levels: [level; LEVELS], due: EMPTY }
    }
}

impl Wheel {
    pub(super) fn insert(&mut self, deadline: u64, waker: Waker) -> u32 {
        let deadline = deadline.max(self.now);
        let timer = Timer { deadline, waker: Some(waker), previous: NONE, next: NONE, place: FIRED };
        // A key has 32 bits: four thousand million timers would take 200 gigabytes.
        let key = self.timers.insert(timer) as u32;
        self.place(key, deadline);
        key
    }

    /// Takes a timer out, wherever it is.
    pub(super) fn remove(&mut self, key: u32) -> Option<Waker> {
        if self.has_fired(key) {
            self.fired -= 1;
        } else {
            self.unlink(key);
        }
        let timer = self.timers.remove(key as usize);
        if self.timers.is_empty() && self.timers.capacity() > MOST_IDLE_ROOM {
            self.timers = Slab::new();
        }
        timer.waker
    }

    pub(super) fn has_fired(&self, key: u32) -> bool {
        self.timers[key as usize].place == FIRED
    }

    pub(super) fn wakes(&self, key: u32, waker: &Waker) -> bool {
        self.timers[key as usize].waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }

    /// The old waker is to be dropped outside of all borrows.
    pub(super) fn renew(&mut self, key: u32, waker: Waker) -> Option<Waker> {
        self.timers[key as usize].waker.replace(waker)
    }

    pub(super) fn len(&self) -> usize {
        self.timers.len() - self.fired
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The earliest deadline, or a time that has passed if one is due already.
    pub(super) fn next(&mut self) -> Option<u64> {
        if self.due.first != NONE {
            return Some(self.now);
        }
        let (level, slot) = self.earliest_slot()?;
        if !self.levels[level].slots[slot].sorted {
            self.sort(level, slot);
        }
        let first = self.levels[level].slots[slot].first;
        Some(self.timers[first as usize].deadline)
    }

    /// The next timer that is due at `now`, with its waker; it has fired. Moves the wheel on.
    pub(super) fn pop_due(&mut self, now: u64) -> Option<(u32, Waker)> {
        loop {
            if self.due.first != NONE {
                let key = self.due.first;
                self.unlink(key);
                let timer = &mut self.timers[key as usize];
                timer.place = FIRED;
                self.fired += 1;
                // A waiting timer has a waker; if ever one had none, its owner sees that it fired at its next poll.
                let Some(waker) = timer.waker.take() else { continue };
                return Some((key, waker));
            }
            match self.earliest_slot() {
                Some((level, slot)) if self.start(level, slot) <= now => self.enter(level, slot),
                _ => {
                    self.now = self.now.max(now);
                    return None;
                }
            }
        }
    }

    /// The lowest level that has anything, and its lowest slot: nothing is due before what is there.
    fn earliest_slot(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// The time at which a slot begins: now's digits above it, its own digit, and zeroes.
    fn start(&self, level: usize, slot: usize) -> u64 {
        let shift = BITS * level as u32;
        let above = self.now.checked_shr(shift + BITS).map_or(0, |digits| digits << BITS);
        (above | slot as u64) << shift
    }

    /// Time enters a slot: what is in it moves down, or is due.
    fn enter(&mut self, level: usize, slot: usize) {
        self.now = self.start(level, slot);
        self.levels[level].occupied &= !(1 << slot);
        let list = std::mem::replace(&mut self.levels[level].slots[slot], EMPTY);
        let mut key = list.first;
        while key != NONE {
            let timer = &self.timers[key as usize];
            let (deadline, next) = (timer.deadline, timer.next);
            self.place(key, deadline);
            key = next;
        }
    }

    /// Puts a timer, which stands nowhere, where it belongs.
    fn place(&mut self, key: u32, deadline: u64) {
        let place = match deadline ^ self.now {
            0 => DUE,
            difference => {
                let level = (u64::BITS - 1 - difference.leading_zeros()) / BITS;
                let slot = (deadline >> (BITS * level)) as usize % SLOTS;
                self.levels[level as usize].occupied |= 1 << slot;
                (level as usize * SLOTS + slot) as u16
            }
        };
        let list = *self.list(place);
        let after = |other: u32| deadline >= self.timers[other as usize].deadline;
        // In front, if that keeps the list in order: the common case of one shorter time-out among long ones.
        let front = list.first != NONE && list.sorted && !after(list.last) && !after(list.first);
        let sorted = list.sorted && (front || list.last == NONE || after(list.last));
        let (previous, next) = if front { (NONE, list.first) } else { (list.last, NONE) };
        let timer = &mut self.timers[key as usize];
        (timer.place, timer.previous, timer.next) = (place, previous, next);
        self.link(place, key, previous, next);
        self.list(place).sorted = sorted;
    }

    /// Makes the neighbours of a timer, or the ends of its list, point at it.
    fn link(&mut self, place: u16, key: u32, previous: u32, next: u32) {
        match previous {
            NONE => self.list(place).first = key,
            _ => self.timers[previous as usize].next = key,
        }
        match next {
            NONE => self.list(place).last = key,
            _ => self.timers[next as usize].previous = key,
        }
    }

    fn unlink(&mut self, key: u32) {
        let Timer { previous, next, place, .. } = self.timers[key as usize];
        match previous {
            NONE => self.list(place).first = next,
            _ => self.timers[previous as usize].next = next,
        }
        match next {
            NONE => self.list(place).last = previous,
            _ => self.timers[next as usize].previous = previous,
        }
        if self.list(place).first == NONE {
            self.list(place).sorted = true;
            if place != DUE {
                self.levels[place as usize / SLOTS].occupied &= !(1 << (place as usize % SLOTS));
            }
        }
    }

    /// Puts a slot in order; equal deadlines stay in order of arrival.
    fn sort(&mut self, level: usize, slot: usize) {
        let place = (level * SLOTS + slot) as u16;
        let mut keys = Vec::new();
        let mut key = self.list(place).first;
        while key != NONE {
            keys.push(key);
            key = self.timers[key as usize].next;
        }
        keys.sort_by_key(|key| self.timers[*key as usize].deadline);
        *self.list(place) = EMPTY;
        for key in keys {
            let last = self.list(place).last;
            let timer = &mut self.timers[key as usize];
            (timer.previous, timer.next) = (last, NONE);
            self.link(place, key, last, NONE);
        }
    }

    fn list(&mut self, place: u16) -> &mut List {
        match place {
            DUE => &mut self.due,
            _ => &mut self.levels[place as usize / SLOTS].slots[place as usize % SLOTS],
        }
    }

    pub(super) fn for_each(&self, mut seen: impl FnMut(usize, Duration)) {
        for (key, timer) in &self.timers {
            if timer.place != FIRED {
                seen(key, Duration::from_nanos(timer.deadline));
            }
        }
    }
}

/// An empty wheel keeps room for this many timers. Arbitrary: under a hundred kilobytes.
const MOST_IDLE_ROOM: usize = 1024;

#[cfg(all(test, not(loom)))]
mod tests {
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
        /// Goes to the earliest deadline, as a loop does that sleeps.
        Sleep,
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
            2 => Just(Op::Sleep),
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
            Op::Sleep => {
                let next = wheel.next();
                assert_eq!(next, model.waiting.keys().next().map(|(deadline, _)| *deadline), "wrong next deadline");
                if let Some(next) = next {
                    fire_both(wheel, model, next);
                }
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
        assert!(wheel.levels.iter().all(|level| level.occupied == 0));
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
    fn a_clock_that_goes_back_fires_nothing_early() {
        let mut wheel = Wheel::default();
        assert!(wheel.pop_due(1_000).is_none());
        let key = wheel.insert(2_000, Waker::noop().clone());
        assert!(wheel.pop_due(500).is_none(), "time went back");
        assert!(wheel.pop_due(1_999).is_none());
        assert_eq!(wheel.pop_due(2_000).map(|(key, _)| key), Some(key));
    }
}
