//! What a [`FaultProxy`](super::FaultProxy) is told, and what it counts: read by its connections at each step.

use std::cell::{Cell, RefCell};

use super::Direction;
use crate::choices::Choices;
use crate::net::TcpListener;
use crate::sim::{Fault, Link};
use crate::sync::WaitQueue;

pub(super) struct Controls {
    /// `None`: clients are refused.
    pub(super) listener: RefCell<Option<TcpListener>>,
    pub(super) choices: RefCell<Choices>,
    /// How often all connections were reset: each compares it with what that was when it began.
    pub(super) resets: Cell<u64>,
    pub(super) connections: Cell<usize>,
    pub(super) accepted: Cell<u64>,
    to_server: Way,
    to_client: Way,
    /// The connections wait for changes of the above, and who looks at the counts for those.
    pub(super) changed: WaitQueue,
    pub(super) counted: WaitQueue,
}

/// One direction.
#[derive(Default)]
pub(super) struct Way {
    pub(super) link: RefCell<Link>,
    pub(super) faults: RefCell<Vec<(u64, Fault)>>,
    pub(super) is_held: Cell<bool>,
    pub(super) is_parted: Cell<bool>,
    pub(super) passed: Cell<u64>,
}

impl Controls {
    pub(super) fn new(listener: TcpListener) -> Controls {
        Controls {
            listener: RefCell::new(Some(listener)),
            // Not 0: that is a run without jitter and without loss.
            choices: RefCell::new(Choices::seeded(1)),
            resets: Cell::new(0),
            connections: Cell::new(0),
            accepted: Cell::new(0),
            to_server: Way::default(),
            to_client: Way::default(),
            changed: WaitQueue::new(),
            counted: WaitQueue::new(),
        }
    }

    pub(super) fn to(&self, direction: Direction) -> &Way {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// A connection is there until the guard is dropped.
    pub(super) fn count(&self) -> Counted<'_> {
        self.connections.set(self.connections.get() + 1);
        Counted(self)
    }

    /// Waits until something arrives again in this direction. Whether it was parted meanwhile.
    pub(super) async fn open(&self, direction: Direction) -> bool {
        let (way, mut was_parted) = (self.to(direction), false);
        while way.is_held.get() || way.is_parted.get() {
            was_parted |= way.is_parted.get();
            self.changed.wait().await;
        }
        was_parted
    }

    /// Waits until all connections are reset once more.
    pub(super) async fn reset_since(&self, before: u64) {
        while self.resets.get() == before {
            self.changed.wait().await;
        }
    }
}

impl Way {
    /// The fault that a new connection meets first.
    pub(super) fn first_fault(&self) -> Option<(u64, Fault)> {
        self.faults.borrow().iter().copied().min_by_key(|(after, _)| *after)
    }

    pub(super) fn count(&self, bytes: usize) {
        self.passed.set(self.passed.get() + bytes as u64);
    }
}

/// See [`Controls::count`].
pub(super) struct Counted<'a>(&'a Controls);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.0.counted.wake_all();
    }
}
