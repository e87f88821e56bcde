//! Spinning: for a while, looking at the world again and again in place of a sleep.
//!
//! To fall asleep and to be woken costs a thread some ten or twenty microseconds. Where the next event comes sooner
//! than that, as in a dialogue with one peer on the same machine, most of the time goes there. So
//! [`Runtime::block_on`](crate::Runtime::block_on) may spin, if the builder was told so.
//!
//! It is built on turns and nothing else: the loop (`turn.rs`) does not know of it. A turn that may not wait is one
//! look. While it spins the inbox is not parked, so a wake from another thread costs no system call on either side.
//!
//! Whether it spins follows from the gaps that there were. One that was short is a reason to try; one that was spun through
//! in vain is a reason to let it be for a while, twice as long each time: for who comes only after we sleep may have needed
//! the processor that we held. (KVM's halt polling, Linux, `virt/kvm/kvm_main.c`, learns from the length of the gaps alone; then
//! two that share a processor keep each other waiting, and take the wait for a short gap.)

use std::time::Duration;

use super::turn::{Budget, Loop, Turn};

/// So often, at most, the time is doubled in which it is let be: a thousand gaps.
const MOST_MISSES: u32 = 10;

/// What is known of the gaps: the times in which there was nothing to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spin {
    /// The most that is spent on one gap. What is longer is not worth it.
    most: Duration,
    /// What is spent on the next: that, or nothing.
    window: Duration,
    /// How often it was in vain, since it last was not.
    misses: u32,
    /// So many short gaps are slept through before it is tried again.
    rest: u32,
}

/// How a gap was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    /// What came was seen while spinning.
    Spun,
    /// The whole window was spun, and then it slept all the same.
    InVain,
    /// It slept at once; for so long.
    Slept(Duration),
}

impl Spin {
    /// Begins with sleeping: that spinning pays has to be seen first. `None`: never.
    pub(super) fn new(most: Duration) -> Option<Spin> {
        (!most.is_zero()).then_some(Spin { most, window: Duration::ZERO, misses: 0, rest: 0 })
    }

    fn learn(&mut self, gap: Gap) {
        match gap {
            Gap::Spun => self.misses = 0,
            Gap::InVain => {
                self.misses = (self.misses + 1).min(MOST_MISSES);
                (self.window, self.rest) = (Duration::ZERO, 1 << self.misses);
            }
            Gap::Slept(length) if length > self.most => {}
            Gap::Slept(_) if self.rest > 0 => self.rest -= 1,
            Gap::Slept(_) => self.window = self.most,
        }
    }
}

impl Loop {
    /// Turns until the main future is gone, and spins before it sleeps.
    pub(super) fn run_spinning(&self, mut spin: Spin) {
        while !self.has_returned() {
            if self.finds_something(Budget::no_wait()) {
                continue;
            }
            let idle_since = self.now();
            let gap = || self.now().saturating_duration_since(idle_since);
            let mut found = false;
            while !found && gap() < spin.window {
                found = self.finds_something(Budget::no_wait());
            }
            if !found {
                self.finds_something(Budget::until_ready());
            }
            spin.learn(match found {
                true => Gap::Spun,
                false if spin.window.is_zero() => Gap::Slept(gap()),
                false => Gap::InVain,
            });
        }
    }

    /// One turn. Whether there was anything to do, or might have been.
    fn finds_something(&self, budget: Budget) -> bool {
        match self.turn(budget) {
            Ok(turn) => turn != Turn::default(),
            Err(error) => {
                self.bear(&error);
                true
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_micros(50);
    const SHORT: Gap = Gap::Slept(MOST);
    const LONG: Gap = Gap::Slept(Duration::from_micros(51));

    #[test]
    fn it_begins_after_a_short_gap_and_not_before() {
        assert!(Spin::new(Duration::ZERO).is_none());
        let mut spin = Spin::new(MOST).unwrap();
        assert_eq!(spin.window, Duration::ZERO);
        spin.learn(LONG);
        assert_eq!(spin.window, Duration::ZERO);
        spin.learn(SHORT);
        assert_eq!(spin.window, MOST);
        spin.learn(Gap::Spun);
        assert_eq!(spin.window, MOST);
    }

    /// Who comes as soon as we sleep, and never while we spin, is waiting for the processor that we hold.
    #[test]
    fn what_is_always_in_vain_is_hardly_ever_tried() {
        let mut spin = Spin::new(MOST).unwrap();
        let tries = (0..10_000).filter(|_| {
            let tries = !spin.window.is_zero();
            spin.learn(if tries { Gap::InVain } else { SHORT });
            tries
        });
        assert_eq!(tries.count(), 18, "ten times after twice as many gaps each, then once in a thousand");
    }

    #[test]
    fn one_long_gap_among_short_ones_does_not_end_it() {
        let mut spin = Spin::new(MOST).unwrap();
        spin.learn(SHORT);
        spin.learn(Gap::InVain);
        assert_eq!(spin.window, Duration::ZERO);
        (0..3).for_each(|_| spin.learn(SHORT));
        assert_eq!(spin.window, MOST);
        spin.learn(Gap::Spun);
        assert_eq!(spin.misses, 0);
    }

    #[test]
    fn long_gaps_are_slept_through() {
        let mut spin = Spin::new(MOST).unwrap();
        (0..1_000).for_each(|_| spin.learn(LONG));
        assert_eq!((spin.window, spin.misses), (Duration::ZERO, 0));
    }

    #[test]
    fn the_smallest_and_the_largest_window_are_windows() {
        for most in [Duration::from_nanos(1), Duration::MAX] {
            let mut spin = Spin::new(most).unwrap();
            spin.learn(Gap::Slept(Duration::ZERO));
            assert_eq!(spin.window, most);
        }
    }
}
