//! Who waits until when.
//!
//! Deadlines are exact to the nanosecond and never early; equal ones fire in the order in which they were set. The timers
//! know wakers, not tasks, and no clock: the loop tells them the time, once for all that are due.
//!
//! The entry of a timer stands here and the [`Sleep`](crate::time::Sleep) keeps its key, so that a sleep can be moved
//! and reset freely, and this needs no `unsafe`.

mod wheel;

use std::cell::RefCell;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::observer::Observers;
use crate::task;
use wheel::Wheel;

/// See the head of this file.
pub(crate) struct Timers {
    /// Made at the first timer: six kilobytes that a runtime without timers does without.
    wheel: RefCell<Option<Box<Wheel>>>,
    /// The instant from which the wheel counts nanoseconds: the runtime's birth.
    origin: Instant,
    observers: Observers,
}

/// A timer that was set: to be given back by `cancel` when it is no longer wanted, fired or not.
#[derive(Debug)]
pub(crate) struct TimerKey(u32);

impl Timers {
    pub(crate) fn new(origin: Instant, observers: Observers) -> Timers {
        Timers { wheel: RefCell::default(), origin, observers }
    }

    /// Sets a timer. `None`: the deadline is further off than 584 years, so it is never due.
    pub(crate) fn set(&self, deadline: Instant, waker: Waker) -> Result<TimerKey, Waker> {
        let Some(tick) = self.tick(deadline) else { return Err(waker) };
        let key = self.wheel.borrow_mut().get_or_insert_default().insert(tick, waker);
        self.observers.tell(|observer| observer.timer_set(key as usize, Duration::from_nanos(tick)));
        Ok(TimerKey(key))
    }

    fn tick(&self, time: Instant) -> Option<u64> {
        u64::try_from(time.saturating_duration_since(self.origin).as_nanos()).ok().filter(|tick| *tick != u64::MAX)
    }

    /// Whether the timer has fired.
    pub(crate) fn has_fired(&self, key: &TimerKey) -> bool {
        self.with(|wheel| wheel.has_fired(key.0))
    }

    /// Whether a timer that has not fired would wake `waker`.
    pub(crate) fn wakes(&self, key: &TimerKey, waker: &Waker) -> bool {
        self.with(|wheel| wheel.wakes(key.0, waker))
    }

    /// Another waker is to be woken.
    pub(crate) fn renew(&self, key: &TimerKey, waker: Waker) {
        let old = self.with(|wheel| wheel.renew(key.0, waker));
        drop(old);
    }

    /// Takes a timer back; nothing is left of it.
    pub(crate) fn cancel(&self, key: TimerKey) {
        // After the end of the runtime there is nothing to take it out of.
        let removed = self.wheel.borrow_mut().as_mut().map(|wheel| (!wheel.has_fired(key.0), wheel.remove(key.0)));
        if let Some((true, waker)) = removed {
            self.observers.tell(|observer| observer.timer_cancelled(key.0 as usize));
            drop(waker);
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Wheel) -> T) -> T {
        look(self.wheel.borrow_mut().as_mut().expect("a timer exists, so the wheel does"))
    }

    /// Whether any timer waits: if not, nobody need read the clock.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.borrow().as_ref().is_none_or(|wheel| wheel.is_empty())
    }

    /// When the first timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let tick = self.wheel.borrow_mut().as_mut()?.next()?;
        Some(self.origin + Duration::from_nanos(tick))
    }

    /// Fires all that are due at `now`, in order. How many.
    pub(crate) fn expire(&self, now: Instant) -> usize {
        let tick = self.tick(now).unwrap_or(u64::MAX);
        let mut fired = 0;
        // A waker may set timers that are due at once: those that wait now bound the pass.
        let most = self.len();
        while fired < most {
            let due = self.wheel.borrow_mut().as_mut().and_then(|wheel| wheel.pop_due(tick));
            let Some((key, waker)) = due else { break };
            fired += 1;
            self.observers.tell(|observer| observer.timer_fired(key as usize));
            task::wake(waker);
        }
        fired
    }

    /// How many timers wait.
    pub(crate) fn len(&self) -> usize {
        self.wheel.borrow().as_ref().map_or(0, |wheel| wheel.len())
    }

    /// The runtime ends: no timer fires any more, and the wakers go.
    pub(crate) fn shutdown(&self) {
        let wheel = self.wheel.take();
        task::let_go(wheel);
    }

    /// Calls `seen` with key and deadline of each timer that waits, in no order.
    pub(crate) fn for_each(&self, seen: impl FnMut(usize, Duration)) {
        if let Some(wheel) = self.wheel.borrow().as_ref() {
            wheel.for_each(seen);
        }
    }
}
