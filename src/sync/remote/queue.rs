//! [`Queue`]: a channel's values, and who waits at its two ends, in two locks.
//!
//! ```text
//!   senders ──▶ Inlet: values, waiting receivers ══ all at once ══▶ Outlet: values, waiting senders ──▶ receivers
//! ```
//!
//! Whoever sends takes the lock of the inlet, whoever receives that of the outlet. Only a receiver that finds the
//! outlet empty takes both, and then takes over all that was sent meanwhile. So while values flow, senders and receivers
//! meet once in many values, and not at each one: a cache line that two threads write costs more than all the rest.
//!
//! - **Order**: whoever takes both locks takes the outlet's first. Only with both does one begin to wait: then neither
//!   a value nor room can come between the last look and the first moment of waiting.
//! - **Waiters**: who waits for a value stands where values arrive, who waits for room where room is made. So each new
//!   value, and each new room, chooses one of them under the one lock that it takes anyway.
//! - **Room**: a sender knows by an upper bound how many values are before it at the outlet ([`Inlet::ahead`]), and
//!   looks at the true number only when that says "full". Nothing goes over to the outlet while it looks.
//!
//! Each transition returns what the caller owes once the locks are let go: wakers to wake, values to drop. Nothing here
//! runs a user's code.

use std::collections::VecDeque;
use std::task::Waker;

use super::lock::{AtomicUsize, Guard, Lock, Ordering, pause};
use crate::sync::channel::{TryRecvError, TrySendError};
use crate::wait_list::{Left, WaitKey, WaitList};

/// See the head of this file.
pub(super) struct Queue<T> {
    inlet: Apart<Lock<Inlet<T>>>,
    outlet: Apart<Lock<Outlet<T>>>,
    /// How many values are at the outlet, for senders to look at. Changed only under the outlet's lock; made more only
    /// under both.
    at_outlet: Apart<AtomicUsize>,
}

/// Keeps what different threads write out of each other's cache lines; two lines, since they are fetched in pairs.
#[repr(align(128))]
struct Apart<T>(T);

/// The most pauses of [`Queue::both_at_leisure`]: a microsecond, in which one sends a hundred values. Arbitrary: of 16,
/// 64 and 128, each tried in one short run, 128 was the slowest, and the others did not differ clearly.
const LEISURE: usize = 64;

/// So often it is at leisure after each time that it met a sender. Arbitrary: so that it does not hurry because it met
/// none a few times by chance.
const TIMES_AT_LEISURE: u8 = 8;

/// The senders' side. In this order: what a receiver changes that takes over lies in one cache line, with the lock.
#[repr(C)]
pub(super) struct Inlet<T> {
    values: VecDeque<T>,
    /// How many values are at the outlet, at most.
    ahead: usize,
    capacity: usize,
    receivers: usize,
    senders: usize,
    /// Who waits for a value.
    waiting: WaitList,
}

/// The receivers' side.
struct Outlet<T> {
    values: VecDeque<T>,
    /// For how many pauses to stay away from the inlet when at leisure; no longer than it takes to fill the channel.
    pauses: usize,
    /// How often still to come at leisure.
    leisure: u8,
    /// Who waits for room.
    waiting: WaitList,
}

/// What one waits for.
#[derive(Clone, Copy)]
pub(super) enum End {
    Room,
    Value,
}

/// Whom to wake, and what to drop, when the locks are let go.
#[derive(Default)]
#[must_use]
pub(super) struct Owed {
    pub(super) wake: Option<Waker>,
    pub(super) drop: Option<Waker>,
}

impl<T> Queue<T> {
    /// With one sender and one receiver.
    pub(super) fn new(capacity: usize) -> Queue<T> {
        let (values, waiting) = (VecDeque::new(), WaitList::default());
        let inlet = Inlet { values, ahead: 0, capacity, receivers: 1, senders: 1, waiting };
        let outlet =
            Outlet { values: VecDeque::new(), pauses: capacity.min(LEISURE), leisure: 0, waiting: WaitList::default() };
        Queue {
            inlet: Apart(Lock::new(inlet)),
            outlet: Apart(Lock::new(outlet)),
            at_outlet: Apart(AtomicUsize::new(0)),
        }
    }

    /// Puts a value at the end. Whom to wake for it.
    #[inline]
    pub(super) fn push(&self, value: T) -> Result<Option<Waker>, TrySendError<T>> {
        self.inlet.0.lock().push(value, &self.at_outlet.0)
    }

    /// Takes the first value, if it is at the outlet. Whom to wake for the room.
    #[inline]
    pub(super) fn pop_at_hand(&self) -> Option<(T, Option<Waker>)> {
        self.outlet.0.lock().pop(&self.at_outlet.0)
    }

    /// Both sides.
    pub(super) fn both(&self) -> Both<'_, T> {
        let outlet = self.outlet.0.lock();
        Both { outlet, inlet: self.inlet.0.lock(), at_outlet: &self.at_outlet.0 }
    }

    /// Both sides, for a receiver that found nothing at the outlet. If it has lately met a sender at the inlet, it
    /// comes a moment later than it could: then there is more to take over at once, and the sender was left alone.
    pub(super) fn both_at_leisure(&self) -> Both<'_, T> {
        let mut outlet = self.outlet.0.lock();
        if outlet.leisure > 0 && outlet.values.is_empty() {
            outlet.leisure -= 1;
            pause(outlet.pauses);
        }
        let inlet = self.inlet.0.try_lock().unwrap_or_else(|| {
            outlet.leisure = TIMES_AT_LEISURE;
            pause(outlet.pauses);
            self.inlet.0.lock()
        });
        Both { outlet, inlet, at_outlet: &self.at_outlet.0 }
    }

    /// The senders' side, for what concerns no value.
    pub(super) fn inlet(&self) -> Guard<'_, Inlet<T>> {
        self.inlet.0.lock()
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        let inlet = self.inlet.0.lock();
        inlet.values.len() + self.at_outlet.0.load(Ordering::Relaxed)
    }
}

impl<T> Inlet<T> {
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn has_receivers(&self) -> bool {
        self.receivers > 0
    }

    pub(super) fn add_sender(&mut self) {
        self.senders += 1;
    }

    pub(super) fn add_receiver(&mut self) {
        self.receivers += 1;
    }

    /// Whom to wake: all who wait for a value, if that was the last sender.
    pub(super) fn remove_sender(&mut self) -> Vec<Waker> {
        self.senders -= 1;
        if self.senders == 0 { all(&mut self.waiting) } else { Vec::new() }
    }

    /// How many values fit: with capacity 0, as many as there are receivers waiting for one.
    fn limit(&self) -> usize {
        if self.capacity == 0 { self.waiting.len() } else { self.capacity }
    }

    fn is_full(&self) -> bool {
        self.values.len() + self.ahead >= self.limit()
    }

    #[inline]
    fn push(&mut self, value: T, at_outlet: &AtomicUsize) -> Result<Option<Waker>, TrySendError<T>> {
        if self.receivers == 0 {
            return Err(TrySendError::Closed(value));
        }
        if self.is_full() {
            self.ahead = at_outlet.load(Ordering::Relaxed);
            if self.is_full() {
                return Err(TrySendError::Full(value));
            }
        }
        self.values.push_back(value);
        Ok(self.waiting.notify_one())
    }
}

impl<T> Outlet<T> {
    #[inline]
    fn pop(&mut self, at_outlet: &AtomicUsize) -> Option<(T, Option<Waker>)> {
        let value = self.values.pop_front()?;
        at_outlet.store(self.values.len(), Ordering::Relaxed);
        Some((value, self.waiting.notify_one()))
    }
}

/// Both sides, locked: for whatever is not the ordinary way.
pub(super) struct Both<'a, T> {
    outlet: Guard<'a, Outlet<T>>,
    inlet: Guard<'a, Inlet<T>>,
    at_outlet: &'a AtomicUsize,
}

impl<T> Both<'_, T> {
    /// See [`Queue::push`].
    pub(super) fn push(&mut self, value: T) -> Result<Option<Waker>, TrySendError<T>> {
        self.inlet.push(value, self.at_outlet)
    }

    /// Takes the first value, from whichever side. Whom to wake for the room.
    pub(super) fn pop(&mut self) -> Result<(T, Option<Waker>), TryRecvError> {
        if self.outlet.values.is_empty() {
            // Both buffers stay in use, each at one side.
            std::mem::swap(&mut self.outlet.values, &mut self.inlet.values);
            self.inlet.ahead = self.outlet.values.len();
        }
        match self.outlet.pop(self.at_outlet) {
            Some(found) => Ok(found),
            None if self.inlet.senders == 0 => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    fn list(&mut self, end: End) -> &mut WaitList {
        match end {
            End::Room => &mut self.outlet.waiting,
            End::Value => &mut self.inlet.waiting,
        }
    }

    /// Whether the waiter stands in the list already, as this waker.
    pub(super) fn stands(&mut self, end: End, place: &Option<WaitKey>, waker: &Waker) -> bool {
        place.as_ref().is_some_and(|place| self.list(end).waits_as(place, waker))
    }

    /// Stands in the list from now on. With capacity 0, a receiver that comes makes room for a sender.
    pub(super) fn stand(&mut self, end: End, place: &mut Option<WaitKey>, waker: Waker) -> Owed {
        if let Some(place) = place {
            return Owed { wake: None, drop: self.list(end).renew(place, waker) };
        }
        *place = Some(self.list(end).push(waker));
        let makes_room = self.inlet.capacity == 0 && matches!(end, End::Value);
        Owed { wake: if makes_room { self.outlet.waiting.notify_one() } else { None }, drop: None }
    }

    /// Leaves the list. `used`: what it was woken for was taken; else a wake that it had goes to the next.
    pub(super) fn leave(&mut self, end: End, place: &mut Option<WaitKey>, used: bool) -> Owed {
        let Some(place) = place.take() else { return Owed::default() };
        match self.list(end).remove(place) {
            Left::Waiting(waker) => Owed { wake: None, drop: Some(waker) },
            Left::PassOn if !used => Owed { wake: self.list(end).notify_one(), drop: None },
            Left::PassOn | Left::Nothing => Owed::default(),
        }
    }

    /// Whom to wake, and what nobody will receive, if that was the last receiver.
    pub(super) fn remove_receiver(&mut self) -> (Vec<Waker>, [VecDeque<T>; 2]) {
        self.inlet.receivers -= 1;
        if self.inlet.receivers > 0 {
            return Default::default();
        }
        self.at_outlet.store(0, Ordering::Relaxed);
        let rest = [std::mem::take(&mut self.outlet.values), std::mem::take(&mut self.inlet.values)];
        (all(&mut self.outlet.waiting), rest)
    }
}

fn all(list: &mut WaitList) -> Vec<Waker> {
    std::iter::from_fn(|| list.notify_with_all()).collect()
}
