//! Who waits until when.
//!
//! Deadlines are exact to the nanosecond and never early; equal ones fire in the order in which they were set. The timers
//! know wakers, not tasks, and no clock: the loop tells them the time, once for all that are due.
//!
//! The entry of a timer stands here and the [`Sleep`](crate::time::Sleep) keeps its key, so that a sleep can be moved
//! and reset freely, and this needs no `unsafe`.

mod wheel;

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::observer::Observers;
use crate::task;
use wheel::{HEADS, Wheel};

/// See the head of this file.
pub(crate) struct Timers {
    wheel: RefCell<Wheel>,
    /// The instant from which the wheel counts nanoseconds: the runtime's birth.
    origin: Instant,
    /// For so many nanoseconds timers wait for each other.
    within: u64,
    observers: Observers,
}

/// Timers that are due within this time of each other share a wake-up, if nothing else is said. What a thread pays for one
/// is more, everywhere, and as much again is what it is late.
pub(crate) const SHARED_WITHIN: Duration = Duration::from_micros(5);

/// A timer that was set: to be given back by `cancel` when it is no longer wanted, fired or not.
#[derive(Debug)]
pub(crate) struct TimerKey(NonZeroU32);

impl TimerKey {
    /// Its number for observers. Others may have it later.
    fn number(&self) -> usize {
        self.0.get() as usize - HEADS
    }
}

/// What a timer has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Fired,
    /// It waits, to wake the waker that was shown.
    Waits,
    /// It waits, to wake another.
    WakesAnother,
}

impl Timers {
    pub(crate) fn new(origin: Instant, within: Duration, observers: Observers) -> Timers {
        let within = within.as_nanos().try_into().unwrap_or(u64::MAX);
        Timers { wheel: RefCell::default(), origin, within, observers }
    }

    /// Sets a timer for a time that [`tick`](Timers::tick) gave.
    #[inline]
    pub(crate) fn set(&self, tick: u64, waker: Waker) -> TimerKey {
        let key = self.wheel.borrow_mut().insert(tick, waker);
        let key = TimerKey(NonZeroU32::new(key).expect("no timer is the head of a list"));
        self.observers.tell(|observer| observer.timer_set(key.number(), Duration::from_nanos(tick)));
        key
    }

    /// A time as the wheel has it. `None`: it is further off than 584 years, so it never comes.
    #[inline]
    pub(crate) fn tick(&self, time: Instant) -> Option<u64> {
        const SECOND: u64 = 1_000_000_000;
        let time = time.saturating_duration_since(self.origin);
        let tick = time.as_secs().checked_mul(SECOND)?.checked_add(time.subsec_nanos().into())?;
        Some(tick).filter(|tick| *tick != u64::MAX)
    }

    /// What it has come to, and whether it would wake `waker`.
    #[inline]
    pub(crate) fn look(&self, key: &TimerKey, waker: &Waker) -> Look {
        let wheel = self.wheel.borrow();
        match key.0.get() {
            key if wheel.has_fired(key) => Look::Fired,
            key if wheel.wakes(key, waker) => Look::Waits,
            _ => Look::WakesAnother,
        }
    }

    /// Another waker is to be woken.
    pub(crate) fn renew(&self, key: &TimerKey, waker: Waker) {
        let old = self.wheel.borrow_mut().renew(key.0.get(), waker);
        drop(old);
    }

    /// Takes a timer back; nothing is left of it.
    #[inline]
    pub(crate) fn cancel(&self, key: TimerKey) {
        // After the end of the runtime there is nothing to take it out of.
        let removed = self.wheel.borrow_mut().remove(key.0.get());
        if let Some((has_fired, waker)) = removed {
            if !has_fired {
                self.observers.tell(|observer| observer.timer_cancelled(key.number()));
            }
            drop(waker);
        }
    }

    /// Whether any timer waits: if not, nobody need read the clock.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.borrow().is_empty()
    }

    /// When the first timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.wheel.borrow().next().map(|tick| self.time(tick))
    }

    /// When the timers want to be looked at again: when the first is due, or a little later with others. (Or before: see
    /// the wheel.)
    #[inline]
    pub(crate) fn alarm(&self) -> Option<Instant> {
        let tick = self.wheel.borrow_mut().alarm(self.within)?;
        Some(self.time(tick))
    }

    fn time(&self, tick: u64) -> Instant {
        self.origin + Duration::from_nanos(tick)
    }

    /// Fires all that are due at `now`, in order. How many.
    pub(crate) fn expire(&self, now: Instant) -> usize {
        let tick = self.tick(now).unwrap_or(u64::MAX);
        let mut fired = 0;
        // A waker may set timers that are due at once: those that wait now bound the pass.
        let most = self.len();
        while fired < most {
            let due = self.wheel.borrow_mut().pop_due(tick);
            let Some((key, waker)) = due else { break };
            fired += 1;
            self.observers.tell(|observer| observer.timer_fired(key as usize - HEADS));
            task::wake(waker);
        }
        fired
    }

    /// How many timers wait.
    pub(crate) fn len(&self) -> usize {
        self.wheel.borrow().len()
    }

    /// The runtime ends: no timer fires any more, and the wakers go.
    pub(crate) fn shutdown(&self) {
        let wheel = self.wheel.take();
        task::let_go(wheel);
    }

    /// Calls `seen` with number and deadline of each timer that waits, in no order.
    pub(crate) fn for_each(&self, mut seen: impl FnMut(usize, Duration)) {
        self.wheel.borrow().for_each(|key, deadline| seen(key - HEADS, deadline));
    }
}
