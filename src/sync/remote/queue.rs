//! [`Queue`]: a channel as plain data, to be kept in a lock.
//!
//! Each transition returns what the caller owes once the lock is let go: wakers to wake, values to drop. Nothing here
//! runs a user's code.

use std::collections::VecDeque;
use std::task::Waker;

use crate::sync::channel::{TryRecvError, TrySendError};
use crate::wait_list::{Left, WaitKey, WaitList};

/// The values in a channel, and who waits at either end.
pub(super) struct Queue<T> {
    values: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receivers: usize,
    /// Who waits for room.
    room: WaitList,
    /// Who waits for a value.
    value: WaitList,
}

/// What one waits for.
#[derive(Clone, Copy)]
pub(super) enum End {
    Room,
    Value,
}

/// Whom to wake, and what to drop, when the lock is let go.
#[derive(Default)]
#[must_use]
pub(super) struct Owed {
    pub(super) wake: Option<Waker>,
    pub(super) drop: Option<Waker>,
}

impl<T> Queue<T> {
    /// With one sender and one receiver.
    pub(super) fn new(capacity: usize) -> Queue<T> {
        let (room, value) = (WaitList::default(), WaitList::default());
        Queue { values: VecDeque::new(), capacity, senders: 1, receivers: 1, room, value }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn has_receivers(&self) -> bool {
        self.receivers > 0
    }

    fn list(&mut self, end: End) -> &mut WaitList {
        match end {
            End::Room => &mut self.room,
            End::Value => &mut self.value,
        }
    }

    /// How many values fit: with capacity 0, as many as there are receivers waiting for one.
    fn limit(&self) -> usize {
        if self.capacity == 0 { self.value.len() } else { self.capacity }
    }

    /// Puts a value at the end. Whom to wake for it.
    pub(super) fn push(&mut self, value: T) -> Result<Option<Waker>, TrySendError<T>> {
        if self.receivers == 0 {
            return Err(TrySendError::Closed(value));
        }
        if self.values.len() >= self.limit() {
            return Err(TrySendError::Full(value));
        }
        self.values.push_back(value);
        Ok(self.value.notify_one())
    }

    /// Takes the first value. Whom to wake for the room.
    pub(super) fn pop(&mut self) -> Result<(T, Option<Waker>), TryRecvError> {
        match self.values.pop_front() {
            Some(value) => Ok((value, self.room.notify_one())),
            None if self.senders == 0 => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
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
        let makes_room = self.capacity == 0 && matches!(end, End::Value);
        Owed { wake: if makes_room { self.room.notify_one() } else { None }, drop: None }
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

    pub(super) fn add_sender(&mut self) {
        self.senders += 1;
    }

    pub(super) fn add_receiver(&mut self) {
        self.receivers += 1;
    }

    /// Whom to wake: all who wait for a value, if that was the last sender.
    pub(super) fn remove_sender(&mut self) -> Vec<Waker> {
        self.senders -= 1;
        if self.senders == 0 { all(&mut self.value) } else { Vec::new() }
    }

    /// Whom to wake, and what nobody will receive, if that was the last receiver.
    pub(super) fn remove_receiver(&mut self) -> (Vec<Waker>, VecDeque<T>) {
        self.receivers -= 1;
        if self.receivers > 0 {
            return (Vec::new(), VecDeque::new());
        }
        (all(&mut self.room), std::mem::take(&mut self.values))
    }
}

fn all(list: &mut WaitList) -> Vec<Waker> {
    std::iter::from_fn(|| list.notify_with_all()).collect()
}
