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
//! they fire. A timer that is alone in its slot skips the levels between; none moves more than ten times, and most are
//! cancelled before they move at all.
//!
//! After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987; theirs rounds to the tick of the
//! lowest wheel, ours has a tick of a nanosecond and looks for the earliest deadline in the earliest slot.
//!
//! ```text
//!   links    [slot 0 │ slot 1 │ … │ slot 703 │ due │ timer │ timer │ …]     8 bytes each
//!   timers                                         [ timer │ timer │ …]    24 bytes each
//! ```
//!
//! The lists are rings in one array of links, in which each slot has a place too, as the head of its ring: to leave a
//! ring then takes no look at what it is, and neighbours are found in few cache lines. Equal deadlines are in the same
//! ring, in order of arrival. A deadline that has passed when it is set counts as due now.

#[cfg(all(test, not(loom)))]
mod tests;

use std::task::Waker;
use std::time::Duration;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Eleven digits of six bits cover a `u64`.
const LEVELS: usize = 11;

/// The head of those that are due; the heads of the slots, `level * 64 + slot`, come before it, and timers after.
const DUE: u32 = (LEVELS * SLOTS) as u32;
/// How many heads there are: the key of the first timer.
pub(super) const HEADS: usize = DUE as usize + 1;

/// See the head of this file.
#[derive(Default)]
pub(super) struct Wheel {
    /// All timers with a deadline up to here have fired, or are due.
    now: u64,
    /// A bit for each slot that is not empty.
    occupied: [u64; LEVELS],
    /// Empty before the first timer.
    links: Vec<Link>,
    /// By key, from `HEADS` on.
    timers: Vec<Timer>,
    /// The first of the places that are free, chained by `next`; up to `DUE`: there is none.
    free: u32,
    /// How many have been inserted and not removed, and how many of them have fired.
    held: usize,
    fired: usize,
    /// Nothing is due before the first of these, and one timer at most before the second; `MAX`: there is no second timer,
    /// zero: it was not looked for. If the first has passed, neither is known.
    soonest: (u64, u64),
}

/// A timer that has fired is a ring of its own.
#[derive(Clone, Copy)]
struct Link {
    previous: u32,
    next: u32,
}

struct Timer {
    deadline: u64,
    waker: Option<Waker>,
}

impl Wheel {
    #[inline]
    pub(super) fn insert(&mut self, deadline: u64, waker: Waker) -> u32 {
        let deadline = deadline.max(self.now);
        let timer = Timer { deadline, waker: Some(waker) };
        let key = match self.free {
            key if key > DUE => {
                self.free = self.links[key as usize].next;
                self.timers[key as usize - HEADS] = timer;
                key
            }
            _ => self.grow(timer),
        };
        self.held += 1;
        let (first, second) = self.soonest;
        self.soonest = (first.min(deadline), second.min(first.max(deadline)));
        self.place(key, deadline);
        key
    }

    /// One more place.
    #[cold]
    fn grow(&mut self, timer: Timer) -> u32 {
        if self.links.is_empty() {
            self.links.extend((0..=DUE).map(|head| Link { previous: head, next: head }));
        }
        // A key has 32 bits: four thousand million timers would take a hundred gigabytes.
        let key = self.links.len() as u32;
        self.links.push(Link { previous: key, next: key });
        self.timers.push(timer);
        key
    }

    /// Takes a timer out, wherever it is. `None`: it is not there, since the wheel was emptied. Whether it had fired.
    #[inline]
    pub(super) fn remove(&mut self, key: u32) -> Option<(bool, Option<Waker>)> {
        let timer = self.timers.get_mut(key as usize - HEADS)?;
        let (waker, deadline) = (timer.waker.take(), timer.deadline);
        let has_fired = self.has_fired(key);
        self.fired -= usize::from(has_fired);
        self.unlink(key);
        if deadline <= self.soonest.0.max(self.soonest.1) {
            self.soonest = (0, 0);
        }
        self.links[key as usize].next = self.free;
        self.free = key;
        self.held -= 1;
        if self.held == 0 && self.timers.capacity() > MOST_IDLE_ROOM {
            self.clear();
        }
        Some((has_fired, waker))
    }

    /// Gives the memory back that nothing is in.
    #[cold]
    fn clear(&mut self) {
        *self = Wheel { now: self.now, ..Wheel::default() };
    }

    #[inline]
    pub(super) fn has_fired(&self, key: u32) -> bool {
        self.links[key as usize].next == key
    }

    #[inline]
    pub(super) fn wakes(&self, key: u32, waker: &Waker) -> bool {
        self.timers[key as usize - HEADS].waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }

    /// The old waker is to be dropped outside of all borrows.
    pub(super) fn renew(&mut self, key: u32, waker: Waker) -> Option<Waker> {
        self.timers[key as usize - HEADS].waker.replace(waker)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.held - self.fired
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The earliest deadline, or a time that has passed if one is due already.
    pub(super) fn next(&self) -> Option<u64> {
        if self.is_empty() || self.any_due() {
            return (!self.is_empty()).then_some(self.now);
        }
        let (level, slot) = self.earliest_slot()?;
        self.ring((level * SLOTS + slot) as u32).map(|key| self.deadline(key)).min()
    }

    /// When to look again: at the earliest deadline, or so much later if another timer is due within that time after it.
    ///
    /// It is earlier if the earliest deadline would take long to find: when time enters the slot where it is.
    #[inline]
    pub(super) fn alarm(&mut self, within: u64) -> Option<u64> {
        if self.is_empty() || self.any_due() {
            return self.next();
        }
        if self.soonest.0 <= self.now {
            self.look_ahead();
        }
        let (first, second) = self.soonest;
        let shares = (first..u64::MAX).contains(&second) && second - first <= within;
        Some(if shares { first.saturating_add(within) } else { first })
    }

    /// Finds out what is soonest.
    fn look_ahead(&mut self) {
        let Some((level, slot)) = self.earliest_slot() else { return };
        let head = (level * SLOTS + slot) as u32;
        let next = self.first_slot(level, self.occupied[level] & !(1 << slot));
        let (mut first, mut second) = (u64::MAX, next.map_or(u64::MAX, |(level, slot)| self.soonest_in(level, slot)));
        for (looked_at, key) in self.ring(head).enumerate() {
            if looked_at == MOST_LOOKED_AT {
                (first, second) = (self.start(level, slot), 0);
                break;
            }
            let deadline = self.deadline(key);
            (first, second) = (first.min(deadline), second.min(first.max(deadline)));
        }
        self.soonest = (first, second);
    }

    /// The earliest deadline of a slot, or before it, if there are many.
    fn soonest_in(&self, level: usize, slot: usize) -> u64 {
        let mut ring = self.ring((level * SLOTS + slot) as u32);
        let soonest = ring.by_ref().take(MOST_LOOKED_AT).map(|key| self.deadline(key)).min();
        match soonest.filter(|_| ring.next().is_none()) {
            Some(soonest) => soonest,
            None => self.start(level, slot),
        }
    }

    /// The next timer that is due at `now`, with its waker; it has fired. Moves the wheel on.
    pub(super) fn pop_due(&mut self, now: u64) -> Option<(u32, Waker)> {
        while !self.is_empty() {
            if self.any_due() {
                let key = self.links[DUE as usize].next;
                self.unlink(key);
                self.links[key as usize] = Link { previous: key, next: key };
                self.fired += 1;
                // A waiting timer has a waker; if ever one had none, its owner sees that it fired at its next poll.
                let Some(waker) = self.timers[key as usize - HEADS].waker.take() else { continue };
                return Some((key, waker));
            }
            match self.earliest_slot() {
                Some((level, slot)) if self.start(level, slot) <= now => self.enter(level, slot, now),
                _ => break,
            }
        }
        self.now = self.now.max(now);
        None
    }

    #[inline]
    fn any_due(&self) -> bool {
        self.links[DUE as usize].next != DUE
    }

    #[inline]
    fn deadline(&self, key: u32) -> u64 {
        self.timers[key as usize - HEADS].deadline
    }

    /// The timers of a list, in order.
    fn ring(&self, head: u32) -> impl Iterator<Item = u32> {
        let after = move |key: u32| Some(self.links[key as usize].next).filter(|next| *next != head);
        std::iter::successors(after(head), move |key| after(*key))
    }

    /// The lowest level that has anything, and its lowest slot: nothing is due before what is there.
    fn earliest_slot(&self) -> Option<(usize, usize)> {
        self.first_slot(0, self.occupied[0])
    }

    /// The lowest of these slots of a level, or of the levels above.
    fn first_slot(&self, level: usize, slots: u64) -> Option<(usize, usize)> {
        if slots != 0 {
            return Some((level, slots.trailing_zeros() as usize));
        }
        let above = (level + 1..LEVELS).find(|above| self.occupied[*above] != 0)?;
        Some((above, self.occupied[above].trailing_zeros() as usize))
    }

    /// The time at which a slot begins: now's digits above it, its own digit, and zeroes.
    fn start(&self, level: usize, slot: usize) -> u64 {
        let shift = BITS * level as u32;
        let above = self.now.checked_shr(shift + BITS).map_or(0, |digits| digits << BITS);
        (above | slot as u64) << shift
    }

    /// Time enters a slot: what is in it moves down, or is due.
    fn enter(&mut self, level: usize, slot: usize, now: u64) {
        let head = (level * SLOTS + slot) as u32;
        let Link { previous: last, next: mut key } = self.links[head as usize];
        // Nothing comes before the only one, so time can pass as far as that.
        self.now = if key == last { now.min(self.deadline(key)) } else { self.start(level, slot) };
        self.links[head as usize] = Link { previous: head, next: head };
        self.occupied[level] &= !(1 << slot);
        while key != head {
            let next = self.links[key as usize].next;
            self.place(key, self.deadline(key));
            key = next;
        }
    }

    /// Puts a timer, which stands nowhere, at the end of the list where it belongs.
    #[inline]
    fn place(&mut self, key: u32, deadline: u64) {
        let head = match deadline ^ self.now {
            0 => DUE,
            difference => {
                let level = (u64::BITS - 1 - difference.leading_zeros()) / BITS;
                let slot = (deadline >> (BITS * level)) as usize % SLOTS;
                self.occupied[level as usize] |= 1 << slot;
                level * SLOTS as u32 + slot as u32
            }
        };
        let last = std::mem::replace(&mut self.links[head as usize].previous, key);
        self.links[last as usize].next = key;
        self.links[key as usize] = Link { previous: last, next: head };
    }

    /// Takes a timer out of its ring.
    #[inline]
    fn unlink(&mut self, key: u32) {
        let Link { previous, next } = self.links[key as usize];
        self.links[previous as usize].next = next;
        self.links[next as usize].previous = previous;
        if previous == next && previous < DUE {
            self.occupied[previous as usize / SLOTS] &= !(1 << (previous as usize % SLOTS));
        }
    }

    pub(super) fn for_each(&self, mut seen: impl FnMut(usize, Duration)) {
        for (timer, key) in self.timers.iter().zip(HEADS..) {
            if timer.waker.is_some() {
                seen(key, Duration::from_nanos(timer.deadline));
            }
        }
    }
}

/// An empty wheel keeps room for this many timers. Arbitrary: under forty kilobytes.
const MOST_IDLE_ROOM: usize = 1024;

/// A slot with more timers than this is not looked through for the earliest. Arbitrary: as many as cost a hundredth of
/// the wake-up that the look may save.
const MOST_LOOKED_AT: usize = 32;
