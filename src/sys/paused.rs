//! The paused world: real sockets, and a clock that stands still while anything can happen.
//!
//! [`World::paused`] lays it over another world. Its time passes in jumps: when a runtime waits, and nothing can happen
//! before its next deadline, the clock moves there at once. What can happen is judged from what passes through this
//! layer: blocking jobs under way, sockets whose peer is elsewhere (`sockets.rs`), bytes that the kernel holds back
//! (`transit.rs`). The order of the steps is the point, and stands in `poller.rs`; who takes part when several
//! threads share a paused world, in `sleepers.rs`.
//!
//! It relies on this: on Linux's loopback, and in pairs and pipes, what was sent is there at the peer when the call
//! returns. `tests/it/testing/clock_loopback.rs` measures it. On other systems it is not promised.

mod poller;
mod sleepers;
mod sockets;
#[cfg(all(test, not(loom)))]
mod tests;
mod transit;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::layer::Layer;
use super::{Address, Family, Kind, Poller, Received, Signal, SignalWatch, VirtualClock, World};
use poller::PausedPoller;
use sleepers::Sleepers;
use sockets::{Name, Sockets};

impl World {
    /// This world with a clock that does not run. It moves when a runtime has nothing to do and nothing can happen
    /// before its next deadline: then it jumps there. So a program that waits for half an hour is done in no time, and
    /// a timeout fires if, and only if, what it is for did not come.
    ///
    /// The clock stands while
    /// - a job runs on a thread of a pool ([`blocking`](crate::blocking), names, files), or an
    ///   [`under_way`](crate::testing::under_way) lives;
    /// - the kernel has something on its way between two sockets of this world;
    /// - a program [holds](crate::testing::hold_clock) it.
    ///
    /// A socket whose peer is not one of this world (another process, a `std::net` socket of another thread), a
    /// descriptor that was adopted, a child process, watched signals: nobody can know when those do something. While
    /// one is waited for, each jump comes after 50 milliseconds of real time in which nothing has happened
    /// ([`set_patience`](crate::testing::set_patience)); [`foreign_sources`](crate::testing::foreign_sources) names them. A listener, or an unconnected datagram socket,
    /// on a loopback address counts as one that only this world knows; on any other address it does not. A wake by a
    /// thread of your own comes from nowhere, too: hold an [`under_way`](crate::testing::under_way) there.
    ///
    /// With no deadline at all nobody can say where to jump: then a wait is one in real time. A runtime that a foreign
    /// loop drives by its [`descriptor`](crate::Runtime::descriptor) jumps after those 50 milliseconds; one that is
    /// only [turned](crate::Runtime::turn) without waiting does not jump. Runtimes on several threads may share a
    /// paused world (clones of one `World`): it jumps when all of them wait, to the first deadline of all; or, if one of
    /// them does not wait, after half a second.
    ///
    /// Of a world that has such a clock already nothing is changed. Lay choices *over* it
    /// ([`World::hostile`], afterwards), not under it.
    ///
    /// ```
    /// use coracle::{Runtime, sys::World, time::sleep};
    /// use std::time::{Duration, Instant};
    /// let runtime = Runtime::builder().world(World::kernel().paused()).build();
    /// let (real, virtual_) = (Instant::now(), runtime.now());
    /// runtime.block_on(async { sleep(Duration::from_secs(3600)).await });
    /// assert_eq!(runtime.now() - virtual_, Duration::from_secs(3600));
    /// assert!(real.elapsed() < Duration::from_secs(60));
    /// ```
    pub fn paused(self) -> World {
        if self.clock().is_some() {
            return self;
        }
        World::of(Arc::new(Paused { books: Arc::new(Books::over(self)) }))
    }
}

/// The world that [`World::paused`] makes.
struct Paused {
    books: Arc<Books>,
}

/// What it knows; its pollers share it.
struct Books {
    below: World,
    clock: Arc<VirtualClock>,
    known: Mutex<Known>,
}

/// A call that changes a descriptor is noted after it was made, but for its end, which is noted before: so a number
/// that is known is open.
#[derive(Default)]
struct Known {
    sockets: Sockets,
    /// By poller and descriptor.
    registered: BTreeSet<(u64, RawFd)>,
    sleepers: Sleepers,
    /// Blocking jobs under way.
    jobs: usize,
    /// Those of them that wait for a child process.
    exits: usize,
    /// Nobody has come through a door for long; see [`Sockets::is_door`].
    doors_stay_shut: bool,
}

impl Known {
    /// Whether somebody outside might still come: a descriptor is registered through which strangers can reach us.
    fn may_have_visitors(&self) -> bool {
        !self.doors_stay_shut && self.registered.iter().any(|(_, fd)| self.sockets.is_door(*fd))
    }

    /// A job that is done by this process. The end of another process is not: it is foreign.
    fn is_job_under_way(&self) -> bool {
        self.jobs > self.exits
    }
}

impl Books {
    fn over(below: World) -> Books {
        let clock = Arc::new(VirtualClock::beginning_at(below.now()));
        Books { below, clock, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how many jobs there are. If none is under way any more, the waits that last until then go on, and judge
    /// anew.
    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known();
        change(&mut known);
        let all = if known.is_job_under_way() { Vec::new() } else { known.sleepers.asleep() };
        drop(known);
        all.iter().for_each(|poller| poller.nudge());
    }

    /// What is registered and can become ready by somebody else's doing.
    fn foreign(known: &Known) -> Vec<String> {
        let elsewhere = |fd: RawFd| known.sockets.is_inside(fd).err();
        let mut all: Vec<String> = known.registered.iter().filter_map(|(_, fd)| elsewhere(*fd)).collect();
        if known.exits > 0 {
            all.push("the end of a child process".into());
        }
        all
    }

    fn local_name(&self, fd: BorrowedFd<'_>) -> Option<Name> {
        Name::of(&self.below.local_address(fd).ok()?)
    }
}

impl Layer for Paused {
    fn below(&self) -> &World {
        &self.books.below
    }

    fn poller(&self) -> io::Result<Arc<dyn Poller>> {
        Ok(Arc::new(PausedPoller::over(self.books.below.poller()?, self.books.clone())))
    }

    // ---- time ----------------------------------------------------------------------------------------------------

    fn clock(&self) -> Option<Arc<VirtualClock>> {
        Some(self.books.clock.clone())
    }

    fn now(&self) -> Instant {
        self.books.clock.now()
    }

    /// A loop without a poller gets on at the pace of its naps: in both times.
    fn nap(&self, time: Duration) {
        self.books.below.nap(time);
        if !self.books.clock.is_held() {
            self.books.clock.advance(time);
        }
    }

    fn job_began(&self) {
        self.books.below.job_began();
        self.books.known().jobs += 1;
    }

    fn job_ended(&self) {
        self.books.below.job_ended();
        self.books.change(|known| known.jobs -= 1);
    }

    fn is_still(&self) -> bool {
        self.books.is_still()
    }

    // ---- how descriptors come ------------------------------------------------------------------------------------

    fn socket(&self, family: Family, kind: Kind) -> io::Result<OwnedFd> {
        let fd = self.books.below.socket(family, kind)?;
        self.books.known().sockets.made(fd.as_raw_fd(), kind);
        Ok(fd)
    }

    fn socket_pair(&self, kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> {
        let (one, other) = self.books.below.socket_pair(kind)?;
        self.books.known().sockets.paired(one.as_raw_fd(), other.as_raw_fd(), kind);
        Ok((one, other))
    }

    fn pipe(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        let (reader, writer) = self.books.below.pipe()?;
        self.books.known().sockets.paired(reader.as_raw_fd(), writer.as_raw_fd(), Kind::Stream);
        Ok((reader, writer))
    }

    fn bind(&self, fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
        self.books.below.bind(fd, address)?;
        let name = self.books.local_name(fd);
        self.books.known().sockets.was_bound(fd.as_raw_fd(), name);
        Ok(())
    }

    fn listen(&self, fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
        self.books.below.listen(fd, backlog)?;
        self.books.known().sockets.listens(fd.as_raw_fd());
        Ok(())
    }

    fn accept(&self, fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
        let (accepted, address) = self.books.below.accept(fd)?;
        let here = self.books.local_name(accepted.as_fd());
        let is_unix = matches!(here, None | Some(Name::Unix(_)));
        let pid = if is_unix {
            self.books.below.peer_credentials(accepted.as_fd()).ok().and_then(|who| who.pid)
        } else {
            None
        };
        let ours = pid.is_none_or(|pid| pid == std::process::id() as i32);
        let there = Name::of(&address);
        self.books.known().sockets.accepted(fd.as_raw_fd(), accepted.as_raw_fd(), here, there, ours);
        Ok((accepted, address))
    }

    fn connect(&self, fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
        let result = self.books.below.connect(fd, address);
        let begun = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        if result.as_ref().is_ok() || result.as_ref().is_err_and(begun) {
            // To no address in particular means to this machine: the peer's own name says it, if there is one already.
            let there = self.books.below.peer_address(fd).ok().and_then(|peer| Name::of(&peer));
            let (here, there) = (self.books.local_name(fd), there.or_else(|| Name::of(address)));
            self.books.known().sockets.connects(fd.as_raw_fd(), here, there);
        }
        result
    }

    // ---- how they go, and those that are not ours ----------------------------------------------------------------

    fn close(&self, fd: OwnedFd) {
        self.books.known().sockets.closes(fd.as_raw_fd());
        self.books.below.close(fd);
    }

    fn release(&self, fd: BorrowedFd<'_>) {
        self.books.known().sockets.forget(fd.as_raw_fd());
        self.books.below.release(fd);
    }

    /// Only what comes from elsewhere has to be made so.
    fn set_nonblocking(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.books.known().sockets.forget(fd.as_raw_fd());
        self.books.below.set_nonblocking(fd)
    }

    fn send_message(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        to: Option<&Address>,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        let sent = self.books.below.send_message(fd, bytes, to, descriptors)?;
        if let Some(to) = to.and_then(Name::of) {
            self.books.known().sockets.sent_to(fd.as_raw_fd(), &to);
        }
        if !descriptors.is_empty() {
            let mut known = self.books.known();
            descriptors.iter().for_each(|fd| known.sockets.shares(fd.as_raw_fd()));
        }
        Ok(sent)
    }

    fn receive_message(&self, fd: BorrowedFd<'_>, buffer: &mut [u8], most: usize, peek: bool) -> io::Result<Received> {
        let received = self.books.below.receive_message(fd, buffer, most, peek)?;
        if !received.descriptors.is_empty() {
            let mut known = self.books.known();
            received.descriptors.iter().for_each(|fd| known.sockets.forget(fd.as_raw_fd()));
        }
        Ok(received)
    }

    fn watch(&self, signals: &[Signal]) -> io::Result<(SignalWatch, OwnedFd)> {
        let (watch, fd) = self.books.below.watch(signals)?;
        self.books.known().sockets.forget(fd.as_raw_fd());
        Ok((watch, fd))
    }

    fn exit_descriptor(&self, number: u32) -> io::Result<OwnedFd> {
        let fd = self.books.below.exit_descriptor(number)?;
        self.books.known().sockets.forget(fd.as_raw_fd());
        Ok(fd)
    }

    fn await_exit(&self, number: u32) -> io::Result<()> {
        self.books.change(|known| known.exits += 1);
        let result = self.books.below.await_exit(number);
        self.books.change(|known| known.exits -= 1);
        result
    }
}
