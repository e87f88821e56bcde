//! What the reactor keeps for one registered descriptor: what it is ready for, and who waits.

use std::os::fd::RawFd;
use std::task::Waker;

use crate::sys::{Readiness, Token};
use crate::wait_list::WaitList;

/// One of the two ways in which a descriptor is used; each has its own readiness and waiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    fn bit(self) -> Readiness {
        match self {
            Direction::Read => Readiness::READ,
            Direction::Write => Readiness::WRITE,
        }
    }
}

pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) fd: RawFd,
    pub(super) ready: Readiness,
    reading: Waiters,
    /// Most descriptors never wait to write. On the heap from the first time on, it leaves a slot 80 bytes, of 128.
    writing: Option<Box<Waiters>>,
}

/// Who waits in one direction.
#[derive(Default)]
struct Waiters {
    /// The caller of a `poll_…` function: it has no place that it could give up, so it is not in the queue, and is
    /// woken by every event.
    polled: Option<Waker>,
    /// Futures: each event wakes the first, who passes it on when it has used it.
    queue: WaitList,
    owed: Owed,
}

/// Which wakes an event owes that have not been given yet.
#[derive(Default)]
struct Owed {
    polled: bool,
    queued: bool,
}

impl Waiters {
    #[inline]
    fn next_to_wake(&mut self) -> Option<Waker> {
        if std::mem::take(&mut self.owed.polled) {
            return self.polled.take();
        }
        if std::mem::take(&mut self.owed.queued) { self.queue.notify_one() } else { None }
    }
}

impl Slot {
    pub(super) fn new(generation: u32, fd: RawFd, ready: Readiness) -> Slot {
        Slot { generation, fd, ready, reading: Waiters::default(), writing: None }
    }

    /// Who waits in this direction, if anybody ever did.
    #[inline]
    fn waiters(&self, direction: Direction) -> Option<&Waiters> {
        match direction {
            Direction::Read => Some(&self.reading),
            Direction::Write => self.writing.as_deref(),
        }
    }

    #[inline]
    fn waiters_mut(&mut self, direction: Direction) -> Option<&mut Waiters> {
        match direction {
            Direction::Read => Some(&mut self.reading),
            Direction::Write => self.writing.as_deref_mut(),
        }
    }

    /// The same for somebody who is about to wait.
    #[inline]
    fn waiters_to_join(&mut self, direction: Direction) -> &mut Waiters {
        match direction {
            Direction::Read => &mut self.reading,
            Direction::Write => self.writing.get_or_insert_default(),
        }
    }

    pub(super) fn is(&self, token: Token) -> bool {
        u64::from(self.generation) == token >> 32
    }

    pub(super) fn is_ready(&self, direction: Direction) -> bool {
        self.ready.contains(direction.bit())
    }

    pub(super) fn clear(&mut self, direction: Direction) -> Readiness {
        self.ready = self.ready.without(direction.bit());
        self.ready
    }

    /// Facts 2 and 3 of `sys/epoll.rs`: after a short operation the next edge is sure to come, unless one of the bits
    /// that stay says that none will.
    pub(super) fn drained(&mut self, direction: Direction) {
        let last = Readiness::FAILED.with(match direction {
            Direction::Read => Readiness::READ_ENDED.with(Readiness::URGENT),
            Direction::Write => Readiness::NONE,
        });
        if !self.ready.intersects(last) {
            self.ready = self.ready.without(direction.bit());
        }
    }

    pub(super) fn is_polled_by(&self, direction: Direction, waker: &Waker) -> bool {
        let polled = self.waiters(direction).and_then(|waiters| waiters.polled.as_ref());
        polled.is_some_and(|polled| polled.will_wake(waker))
    }

    pub(super) fn set_polled(&mut self, direction: Direction, waker: Waker) -> Option<Waker> {
        self.waiters_to_join(direction).polled.replace(waker)
    }

    /// The queue of a direction, for somebody who is in it, or about to be.
    #[inline]
    pub(super) fn queue(&mut self, direction: Direction) -> &mut WaitList {
        &mut self.waiters_to_join(direction).queue
    }

    #[inline]
    pub(super) fn others_wait(&self, direction: Direction) -> bool {
        self.waiters(direction).is_some_and(|waiters| !waiters.queue.is_empty())
    }

    /// The next in the queue, if there is something for it.
    pub(super) fn pass_on(&mut self, direction: Direction) -> Option<Waker> {
        if !self.is_ready(direction) {
            return None;
        }
        self.waiters_mut(direction)?.queue.notify_one()
    }

    /// Takes in what the poller said. Who is to be woken for it then comes from [`next_to_wake`](Slot::next_to_wake).
    #[inline]
    pub(super) fn deliver(&mut self, readiness: Readiness) -> Readiness {
        self.ready = self.ready.with(readiness);
        for direction in [Direction::Read, Direction::Write] {
            if !readiness.contains(direction.bit()) {
                continue;
            }
            if let Some(waiters) = self.waiters_mut(direction) {
                waiters.owed = Owed { polled: waiters.polled.is_some(), queued: !waiters.queue.is_empty() };
            }
        }
        self.ready
    }

    /// One of those who are to be woken for what came last; to be woken outside of all borrows, until there is none.
    #[inline]
    pub(super) fn next_to_wake(&mut self) -> Option<Waker> {
        self.reading.next_to_wake().or_else(|| self.writing.as_mut()?.next_to_wake())
    }

    pub(super) fn waiting(&self, direction: Direction) -> usize {
        self.waiters(direction).map_or(0, |waiters| waiters.queue.len() + usize::from(waiters.polled.is_some()))
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// What a registered descriptor takes in the reactor. Whoever makes it larger should know.
    #[test]
    fn a_slot_takes_eighty_bytes() {
        assert_eq!(size_of::<Slot>(), 80);
    }
}
