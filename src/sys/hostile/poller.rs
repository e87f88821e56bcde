//! The poller of a hostile world: it shuffles events, keeps some back, and owes some (rule 1 of `hostile.rs`).
//!
//! What it owes or keeps back is ready by the word of this poller only; the one below has told it, and will not again.
//! So while there is any, a wait does not sleep, and the descriptor is readable, because the poller below is notified.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::{Event, Poller, Readiness, Token, WorldPoller};
use crate::choices::{Choices, Kinds};

// About every so manieth event is kept back for a later wait, and every so manieth wait that may sleep ends for nothing.
const EVENTS_BETWEEN_LATE: u32 = 4;
const WAITS_BETWEEN_INTERRUPTED: u32 = 16;

/// See the head of this file.
pub(super) struct HostilePoller {
    below: WorldPoller,
    choices: Choices,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    watched: BTreeMap<RawFd, Token>,
    /// What a later wait is to give, in the order in which it came up.
    owed: Vec<Event>,
}

impl HostilePoller {
    pub(super) fn new(below: WorldPoller, choices: Choices) -> HostilePoller {
        HostilePoller { below, choices, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watches(&self, fd: RawFd) -> bool {
        self.state().watched.contains_key(&fd)
    }

    /// A later wait says that this descriptor is ready, if it is registered.
    pub(super) fn owe(&self, fd: RawFd, readiness: Readiness) {
        {
            let state = &mut *self.state();
            let Some(&token) = state.watched.get(&fd) else { return };
            state.owed.push(Event { token, readiness });
        }
        self.show_that_it_owes();
    }

    pub(super) fn owes(&self) -> bool {
        !self.state().owed.is_empty()
    }

    pub(super) fn forget(&self, fd: RawFd) {
        let state = &mut *self.state();
        if let Some(token) = state.watched.remove(&fd) {
            state.owed.retain(|event| event.token != token);
        }
    }

    /// Makes the descriptor readable, and ends a wait. A failure can only be injected: then the next wait gives what is
    /// owed, but who waits on the descriptor is not told.
    fn show_that_it_owes(&self) {
        let _ = self.below.notify();
    }

    /// Some of the events, for a later wait.
    fn keep_back(&self, events: &mut Vec<Event>) -> Vec<Event> {
        let is_late = |_: &Event| self.choices.happens(Kinds::BATCHES, EVENTS_BETWEEN_LATE);
        let (late, now) = events.drain(..).partition(is_late);
        *events = now;
        late
    }

    fn shuffle(&self, events: &mut [Event]) {
        for place in 0..events.len() {
            let chosen = place + self.choices.of_kind(Kinds::EVENTS, events.len() - place);
            events[place..=chosen].rotate_right(1);
        }
    }
}

impl Poller for HostilePoller {
    fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.below.add(fd, token)?;
        self.state().watched.insert(fd.as_raw_fd(), token);
        Ok(())
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.forget(fd.as_raw_fd());
        self.below.remove(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let may_sleep = timeout != Some(Duration::ZERO);
        if may_sleep && self.choices.happens(Kinds::INTERRUPTED, WAITS_BETWEEN_INTERRUPTED) {
            return Ok(());
        }
        let timeout = if self.owes() { Some(Duration::ZERO) } else { timeout };
        let mut fresh = Vec::new();
        self.below.wait(&mut fresh, timeout)?;
        let mut now = std::mem::take(&mut self.state().owed);
        now.append(&mut fresh);
        let late = self.keep_back(&mut now);
        self.shuffle(&mut now);
        events.append(&mut now);
        if !late.is_empty() {
            self.state().owed.extend(late);
            self.show_that_it_owes();
        }
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        self.below.notify()
    }

    fn alarm(&self, after: Option<Duration>) -> io::Result<()> {
        self.below.alarm(after)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.below.as_fd()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::super::World;
    use super::*;
    use std::os::fd::{AsFd, OwnedFd};

    /// Nothing deviates but what a test says by itself.
    fn poller(list: &[u32]) -> HostilePoller {
        let choices = Choices::replay(list.iter().copied());
        HostilePoller::new(World::kernel().poller().unwrap(), choices)
    }

    fn wait(poller: &HostilePoller) -> Vec<Event> {
        let mut events = Vec::new();
        // Ten seconds: a wait that sleeps although something is owed takes too long.
        poller.wait(&mut events, Some(Duration::from_secs(10))).unwrap();
        events
    }

    fn socket() -> (OwnedFd, OwnedFd) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        (ours.into(), theirs.into())
    }

    #[test]
    fn what_is_owed_comes_in_the_next_wait_once_and_only_while_it_is_registered() {
        let poller = poller(&[]);
        let (ours, _theirs) = socket();
        poller.owe(ours.as_raw_fd(), Readiness::READ);
        assert!(!poller.owes(), "`add` will report what is ready");
        poller.add(ours.as_fd(), 7).unwrap();
        assert_eq!(wait(&poller).len(), 1, "it can be written to");
        poller.owe(ours.as_raw_fd(), Readiness::READ);
        assert!(poller.owes());
        assert_eq!(wait(&poller), [Event { token: 7, readiness: Readiness::READ }]);
        assert!(!poller.owes());
        poller.owe(ours.as_raw_fd(), Readiness::READ);
        poller.remove(ours.as_fd()).unwrap();
        assert!(!poller.owes(), "the number may be another descriptor's soon");
    }

    #[test]
    fn what_is_kept_back_comes_later_and_meanwhile_the_descriptor_is_readable() {
        // The first wait may be interrupted (no), and its one event late (yes), and then that of the second.
        let poller = poller(&[0, 1, 0, 1]);
        let (ours, _theirs) = socket();
        poller.add(ours.as_fd(), 7).unwrap();
        let is_readable = || World::kernel().is_ready(poller.as_fd(), false).unwrap();
        for _ in 0..2 {
            assert_eq!(wait(&poller), []);
            assert!(poller.owes() && is_readable());
        }
        assert_eq!(wait(&poller), [Event { token: 7, readiness: Readiness::WRITE }]);
        assert!(!poller.owes());
    }

    #[test]
    fn a_world_that_owes_is_not_still() {
        struct Still;
        impl super::super::Layer for Still {
            fn below(&self) -> &World {
                static KERNEL: std::sync::OnceLock<World> = std::sync::OnceLock::new();
                KERNEL.get_or_init(World::kernel)
            }
            fn poller(&self) -> io::Result<std::sync::Arc<dyn Poller>> {
                Ok(std::sync::Arc::new(super::super::super::os::KernelPoller::new()?))
            }
            fn is_still(&self) -> bool {
                true
            }
        }
        // Not interrupted, but it would block.
        let world = World::of(std::sync::Arc::new(Still)).hostile(&Choices::replay([0, 1]));
        let poller = world.poller().unwrap();
        let (ours, _theirs) = socket();
        poller.add(ours.as_fd(), 7).unwrap();
        assert!(world.is_still());
        assert_eq!(world.send(ours.as_fd(), b"x").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(!world.is_still());
        poller.wait(&mut Vec::new(), Some(Duration::ZERO)).unwrap();
        assert!(world.is_still());
        drop(poller);
    }
}
