//! Who waits for which descriptor.
//!
//! The reactor keeps what the poller said of each registered descriptor until an operation finds it no longer true, and
//! the wakers of those who wait. It knows wakers, not tasks, and no operation: trying is the business of
//! `net::registration::Registration`, which calls here only when something would block.
//!
//! A registration is named by a [`Token`]: the key of its slot and the slot's generation. An event for a slot that was
//! given back, or given to another descriptor, in the same batch has the wrong generation: it wakes nobody and is counted.

mod slot;

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::task::Waker;
use std::time::Duration;

use slab::Slab;

use crate::observer::Observers;
use crate::sys::{Event, Readiness, Token, World, WorldPoller};
use crate::task;
use crate::wait_list::{Left, WaitKey};
pub(crate) use slot::Direction;
use slot::Slot;

/// See the head of this file.
pub(crate) struct Reactor {
    world: World,
    poller: OnceCell<WorldPoller>,
    slots: RefCell<Slab<Slot>>,
    /// The generation of the next registration; never 0, so that no token is 0.
    generation: Cell<u32>,
    /// What the last wait brought, until `dispatch`. Its room is kept.
    events: RefCell<Vec<Event>>,
    stale: Cell<u64>,
    /// Who wants to know when a descriptor was closed, since there were too many.
    want_room: RefCell<Vec<Waker>>,
    observers: Observers,
}

/// What an operation must know before it tries.
pub(crate) struct Prospect {
    /// Whether the operation is worth trying.
    pub(crate) ready: bool,
    /// Whether anybody waits in the queue of its direction.
    pub(crate) others_wait: bool,
}

fn token(generation: u32, key: usize) -> Token {
    // A key has 32 bits: more descriptors than that no process can have.
    u64::from(generation) << 32 | key as u64
}

fn key(token: Token) -> usize {
    (token & u64::from(u32::MAX)) as usize
}

impl Reactor {
    pub(crate) fn new(world: World, observers: Observers) -> Reactor {
        Reactor {
            world,
            poller: OnceCell::new(),
            slots: RefCell::default(),
            generation: Cell::new(1),
            events: RefCell::default(),
            stale: Cell::new(0),
            want_room: RefCell::default(),
            observers,
        }
    }

    /// The poller, made at the first call.
    pub(crate) fn poller(&self) -> io::Result<&WorldPoller> {
        if let Some(poller) = self.poller.get() {
            return Ok(poller);
        }
        let poller = self.world.poller()?;
        Ok(self.poller.get_or_init(|| poller))
    }

    /// Whether no descriptor is registered.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.borrow().is_empty()
    }

    // ---- a source's life -----------------------------------------------------------------------------------------

    /// Registers a descriptor that has just said `WouldBlock`: it counts as ready for nothing, until the next wait says
    /// otherwise; but for the bits `always`, of those that stay set. On an error nothing is left behind.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, always: Readiness) -> io::Result<Token> {
        let generation = self.next_generation();
        let slot = Slot::new(generation, fd.as_raw_fd(), always);
        let token = token(generation, self.slots.borrow_mut().insert(slot));
        if let Err(error) = self.poller().and_then(|poller| poller.add(fd, token)) {
            self.slots.borrow_mut().remove(key(token));
            return Err(error);
        }
        self.observers.tell(|observer| observer.source_added(token, fd.as_raw_fd()));
        if always != Readiness::NONE {
            self.observers.tell(|observer| observer.source_ready(token, always.bits()));
        }
        Ok(token)
    }

    fn next_generation(&self) -> u32 {
        let generation = self.generation.get();
        // All ones in both halves would be the poller's own token.
        self.generation.set(if generation >= u32::MAX - 1 { 1 } else { generation + 1 });
        generation
    }

    /// Takes a descriptor out of the poller, before it is closed or handed over. That it is not in there (somebody closed it behind our
    /// back) is no matter.
    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) {
        if let Some(poller) = self.poller.get() {
            let _ = poller.remove(fd);
        }
    }

    /// Forgets a source. Its waiters, who have no descriptor to wait for any more, are not woken.
    pub(crate) fn remove(&self, token: Token) {
        let slot = {
            let mut slots = self.slots.borrow_mut();
            slots.get(key(token)).is_some_and(|slot| slot.is(token)).then(|| slots.remove(key(token)))
        };
        if slot.is_some() {
            self.observers.tell(|observer| observer.source_removed(token));
        }
        drop(slot);
    }

    /// `waker` is woken when this runtime closes a descriptor next: whoever has hit the limit may try again then.
    pub(crate) fn wake_when_closed(&self, waker: &Waker) {
        let known = self.want_room.borrow().iter().any(|other| other.will_wake(waker));
        if !known {
            let waker = task::keep(waker);
            self.want_room.borrow_mut().push(waker);
        }
    }

    /// A descriptor was closed.
    pub(crate) fn closed(&self) {
        let wakers = self.want_room.take();
        wakers.into_iter().for_each(task::wake);
    }

    // ---- for operations ------------------------------------------------------------------------------------------

    #[inline]
    pub(crate) fn prospect(&self, token: Token, direction: Direction) -> Prospect {
        self.with(token, |slot| Prospect { ready: slot.is_ready(direction), others_wait: slot.others_wait(direction) })
    }

    /// An operation said `WouldBlock`.
    pub(crate) fn clear(&self, token: Token, direction: Direction) {
        let bits = self.with(token, |slot| slot.clear(direction));
        self.observers.tell(|observer| observer.source_drained(token, bits.bits()));
    }

    /// An operation is over, and leaves its `place` in the queue, if it had one. `drained`: it took less than it could
    /// have; if that proves that nothing is left, it need not be tried again. If not, the next who waits is to try.
    #[inline]
    pub(crate) fn finish(&self, token: Token, direction: Direction, place: Option<WaitKey>, drained: bool) {
        let (left, next, bits) = self.with(token, |slot| {
            let left = place.map(|place| slot.queue(direction).remove(place));
            let before = slot.ready;
            if drained {
                slot.drained(direction);
            }
            (left, slot.pass_on(direction), (slot.ready != before).then_some(slot.ready))
        });
        drop(left);
        if let Some(bits) = bits {
            self.observers.tell(|observer| observer.source_drained(token, bits.bits()));
        }
        if let Some(waker) = next {
            task::wake(waker);
        }
    }

    /// Waits as the one poller of this direction: a later caller takes the place of an earlier one.
    pub(crate) fn wait_polled(&self, token: Token, direction: Direction, waker: &Waker) {
        if self.with(token, |slot| slot.is_polled_by(direction, waker)) {
            return;
        }
        let waker = task::keep(waker);
        drop(self.with(token, |slot| slot.set_polled(direction, waker)));
    }

    /// Waits in the queue of this direction.
    pub(crate) fn wait_queued(&self, token: Token, direction: Direction, place: &mut Option<WaitKey>, waker: &Waker) {
        if let Some(place) = place {
            if self.with(token, |slot| slot.queue(direction).waits_as(place, waker)) {
                return;
            }
            let waker = task::keep(waker);
            drop(self.with(token, |slot| slot.queue(direction).renew(place, waker)));
        } else {
            let waker = task::keep(waker);
            *place = Some(self.with(token, |slot| slot.queue(direction).push(waker)));
        }
    }

    /// Leaves the queue without having tried: a wake that it was given goes to the next.
    pub(crate) fn leave(&self, token: Token, direction: Direction, place: WaitKey) {
        match self.with(token, |slot| slot.queue(direction).remove(place)) {
            Left::Waiting(waker) => drop(waker),
            Left::PassOn => self.finish(token, direction, None, false),
            Left::Nothing => {}
        }
    }

    /// The slot of a source that is alive, hence the right generation.
    #[inline]
    fn with<T>(&self, token: Token, look: impl FnOnce(&mut Slot) -> T) -> T {
        let mut slots = self.slots.borrow_mut();
        let slot = &mut slots[key(token)];
        debug_assert!(slot.is(token), "a source outlived its slot");
        look(slot)
    }

    // ---- for the loop --------------------------------------------------------------------------------------------

    /// Asks the poller what is ready; waits for it for at most `time`.
    pub(crate) fn wait(&self, time: Option<Duration>) -> io::Result<()> {
        let mut events = self.events.take();
        let result = self.poller().and_then(|poller| poller.wait(&mut events, time));
        self.events.replace(events);
        result
    }

    /// Hands readiness to the sources and wakes who waits. How many became ready.
    pub(crate) fn dispatch(&self) -> usize {
        let mut events = self.events.take();
        let count = events.len();
        for event in &events {
            self.deliver(event.token, event.readiness);
        }
        events.clear();
        self.events.replace(events);
        count
    }

    fn deliver(&self, token: Token, readiness: Readiness) {
        let delivered = {
            let mut slots = self.slots.borrow_mut();
            let slot = slots.get_mut(key(token)).filter(|slot| slot.is(token));
            slot.map(|slot| (slot.deliver(readiness), slot.next_to_wake()))
        };
        let Some((bits, mut waker)) = delivered else {
            self.stale.set(self.stale.get() + 1);
            return self.observers.tell(|observer| observer.source_stale(token));
        };
        self.observers.tell(|observer| observer.source_ready(token, bits.bits()));
        while let Some(woken) = waker {
            task::wake(woken);
            // Whoever was woken may have taken the source away.
            let mut slots = self.slots.borrow_mut();
            waker = slots.get_mut(key(token)).filter(|slot| slot.is(token)).and_then(Slot::next_to_wake);
        }
    }

    /// The runtime ends: nobody is woken any more, and the wakers go.
    pub(crate) fn shutdown(&self) {
        let (slots, wakers) = (self.slots.take(), self.want_room.take());
        task::let_go(slots);
        task::let_go(wakers);
    }

    /// How many events wait for `dispatch`.
    pub(crate) fn pending_events(&self) -> usize {
        self.events.borrow().len()
    }

    // ---- for inspection ------------------------------------------------------------------------------------------

    /// Calls `seen` for each source: token, descriptor, readiness, how many wait to read and to write.
    pub(crate) fn for_each(&self, mut seen: impl FnMut(Token, RawFd, Readiness, usize, usize)) {
        for (key, slot) in self.slots.borrow_mut().iter_mut() {
            let (reading, writing) = (slot.waiting(Direction::Read), slot.waiting(Direction::Write));
            seen(token(slot.generation, key), slot.fd, slot.ready, reading, writing);
        }
    }

    /// Events that came for a source that was gone.
    pub(crate) fn stale_events(&self) -> u64 {
        self.stale.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_never_zero_and_never_all_ones() {
        let reactor = Reactor::new(World::kernel(), Observers::default());
        reactor.generation.set(u32::MAX - 2);
        let generations: Vec<u32> = (0..4).map(|_| reactor.next_generation()).collect();
        assert_eq!(generations, [u32::MAX - 2, u32::MAX - 1, 1, 2]);
    }

    #[test]
    fn an_event_of_an_earlier_generation_wakes_nobody_and_is_counted() {
        use std::os::fd::AsFd;
        let reactor = Reactor::new(World::kernel(), Observers::default());
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let old = reactor.add(ours.as_fd(), Readiness::NONE).unwrap();
        reactor.deregister(ours.as_fd());
        reactor.remove(old);
        let new = reactor.add(ours.as_fd(), Readiness::NONE).unwrap();
        assert_eq!(key(old), key(new), "the slot is used again");
        reactor.events.borrow_mut().push(Event { token: old, readiness: Readiness::READ });
        reactor.dispatch();
        assert_eq!(reactor.stale_events(), 1);
        assert!(!reactor.prospect(new, Direction::Read).ready, "the new source was told of the old one's event");
    }
}
