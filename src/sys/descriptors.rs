//! A world that tells which descriptors it makes, and which are closed: for those who look for leaks.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use super::layer::Layer;
use super::{Address, Event, Family, Kind, Poller, Signal, SignalWatch, Token, World, WorldPoller};

/// Is told of descriptors. Called on the thread that makes or closes one.
pub(crate) trait Descriptors: Send + Sync {
    fn opened(&self, fd: RawFd, what: &'static str);
    /// It was closed, or went to somebody who will.
    fn gone(&self, fd: RawFd);
}

impl World {
    /// The same world, which tells of its descriptors.
    pub(crate) fn telling(self, told: Arc<dyn Descriptors>) -> World {
        World::of(Arc::new(Telling { below: self, told }))
    }
}

struct Telling {
    below: World,
    told: Arc<dyn Descriptors>,
}

impl Telling {
    fn opened(&self, fd: &OwnedFd, what: &'static str) {
        self.told.opened(fd.as_raw_fd(), what);
    }
}

impl Layer for Telling {
    fn below(&self) -> &World {
        &self.below
    }

    fn poller(&self) -> io::Result<Arc<dyn Poller>> {
        Ok(Arc::new(Same(self.below.poller()?)))
    }

    fn socket(&self, family: Family, kind: Kind) -> io::Result<OwnedFd> {
        self.below.socket(family, kind).inspect(|fd| self.opened(fd, "a socket"))
    }

    fn socket_pair(&self, kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> {
        self.below.socket_pair(kind).inspect(|(one, other)| {
            self.opened(one, "a socket of a pair");
            self.opened(other, "a socket of a pair");
        })
    }

    fn accept(&self, fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
        self.below.accept(fd).inspect(|(fd, _)| self.opened(fd, "an accepted connection"))
    }

    fn pipe(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        self.below.pipe().inspect(|(reader, writer)| {
            self.opened(reader, "the reading end of a pipe");
            self.opened(writer, "the writing end of a pipe");
        })
    }

    fn watch(&self, signals: &[Signal]) -> io::Result<(SignalWatch, OwnedFd)> {
        self.below.watch(signals).inspect(|(_, fd)| self.opened(fd, "a watch for signals"))
    }

    fn exit_descriptor(&self, number: u32) -> io::Result<OwnedFd> {
        self.below.exit_descriptor(number).inspect(|fd| self.opened(fd, "a watch for the end of a process"))
    }

    fn close(&self, fd: OwnedFd) {
        self.told.gone(fd.as_raw_fd());
        self.below.close(fd);
    }

    fn release(&self, fd: BorrowedFd<'_>) {
        self.told.gone(fd.as_raw_fd());
        self.below.release(fd);
    }
}

/// The poller below, unchanged.
struct Same(WorldPoller);

impl Poller for Same {
    fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.0.add(fd, token)
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.0.remove(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.0.wait(events, timeout)
    }

    fn notify(&self) -> io::Result<()> {
        self.0.notify()
    }

    fn alarm(&self, after: Option<Duration>) -> io::Result<()> {
        self.0.alarm(after)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
