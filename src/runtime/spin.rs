//! Spinning: for a while, looking at the world again and again in place of a sleep.
//!
//! To fall asleep and to be woken costs a thread some ten or twenty microseconds. Where the next event comes sooner
//! than that, as in a dialogue with one peer on the same machine, most of the time goes there. So
//! [`Runtime::block_on`](crate::Runtime::block_on) may spin, if the builder was told so.
//!
//! It is built on turns and nothing else: the loop (`turn.rs`) does not know of it. A turn that may not wait is one
//! look. While it spins the inbox is not parked, so a wake from another thread costs no system call on either side.
//!
//! How long it spins follows from the gaps that there were, as in the halt polling of KVM (Linux,
//! `virt/kvm/kvm_main.c`), which grows and shrinks its window likewise.

use std::time::Duration;

use super::turn::{Budget, Loop, Turn};

/// Below this a window is none: one look takes about as long.
const LEAST: Duration = Duration::from_micros(1);

/// What is known of the gaps: the times in which there was nothing to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spin {
    /// The most that is spent on one gap. What is longer is not worth it.
    most: Duration,
    /// What is spent on the next.
    window: Duration,
}

impl Spin {
    /// Begins with sleeping: that spinning pays has to be seen first. `None`: never.
    pub(super) fn new(most: Duration) -> Option<Spin> {
        (!most.is_zero()).then_some(Spin { most, window: Duration::ZERO })
    }

    /// A gap is over, however it was spent. After a short one the whole is tried; each long one halves it. So of a row
    /// of long gaps, however many they are, no more than twice `most` is spun away.
    fn learn(&mut self, gap: Duration) {
        let next = if gap <= self.most { self.most } else { self.window / 2 };
        self.window = if next < LEAST.min(self.most) { Duration::ZERO } else { next };
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
            spin.learn(gap());
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

    fn micros(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    #[test]
    fn it_begins_after_a_short_gap_and_not_before() {
        assert!(Spin::new(Duration::ZERO).is_none());
        let mut spin = Spin::new(MOST).unwrap();
        assert_eq!(spin.window, Duration::ZERO);
        spin.learn(micros(51));
        assert_eq!(spin.window, Duration::ZERO);
        spin.learn(micros(50));
        assert_eq!(spin.window, MOST);
    }

    #[test]
    fn long_gaps_end_it_and_cost_less_than_twice_the_most() {
        let mut spin = Spin::new(MOST).unwrap();
        spin.learn(micros(1));
        let mut spun = Duration::ZERO;
        for _ in 0..1_000 {
            spun += spin.window;
            spin.learn(micros(51));
        }
        assert!(spin.window.is_zero() && spun < 2 * MOST, "{spun:?}");
    }

    #[test]
    fn one_long_gap_among_short_ones_does_not_end_it() {
        let mut spin = Spin::new(MOST).unwrap();
        spin.learn(micros(5));
        spin.learn(micros(5_000));
        assert_eq!(spin.window, MOST / 2);
        spin.learn(micros(5));
        assert_eq!(spin.window, MOST);
    }

    #[test]
    fn the_smallest_and_the_largest_window_are_windows() {
        for most in [Duration::from_nanos(1), Duration::MAX] {
            let mut spin = Spin::new(most).unwrap();
            spin.learn(Duration::ZERO);
            assert_eq!(spin.window, most);
            (0..200).for_each(|_| spin.learn(Duration::MAX));
            assert_eq!(spin.window, if most == Duration::MAX { most } else { Duration::ZERO });
        }
    }
}
