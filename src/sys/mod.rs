//! The world below: the only code that talks to an operating system.
//!
//! This file is the contract. A [`World`] is a value, chosen when a runtime is built; it offers everything that is
//! not a function of the program itself: a clock, a poller, sockets, a notifier, threads and randomness. The rest of
//! the crate never learns which world it lives in.
//!
//! Rules for a backend:
//!
//! 1. It only translates. Trying first, re-arming, budgets and generations are policy and live above.
//! 2. No call blocks, but `Poller::wait` and `Backend::nap`.
//! 3. Every descriptor it makes is non-blocking and close-on-exec, and no write raises SIGPIPE.
//! 4. Every errno comes back as it is. Only `wait` turns EINTR into "no events", since its caller recomputes the time.
//!
//! One behaviour suite (`suite.rs`) runs against every backend that the machine has.

mod address;
mod hook;
mod os;
#[cfg(test)]
mod suite;
mod unix;
mod world;

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

pub use hook::{Call, Hook};
pub(crate) use os::{is_out_of_descriptors, is_transient_accept_error};
pub use world::World;
pub(crate) use world::{Notifier, WorldPoller};

/// What every backend offers. See the rules at the head of this file.
pub(crate) trait Backend: Send + Sync {
    /// Monotonic time.
    fn now(&self) -> Instant;
    /// 64 random bits, for seeds: not for secrets.
    #[allow(dead_code, reason = "part of the contract; nothing above is random yet")]
    fn random(&self) -> u64;
    /// Blocks this thread for about `time`: the last resort of a loop that cannot have a poller.
    fn nap(&self, time: Duration);
    /// Runs `body` on a new thread.
    #[allow(dead_code, reason = "part of the contract; nothing above starts threads yet")]
    fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<Thread>;
    /// A new poller, watching nothing.
    fn poller(&self) -> io::Result<Arc<dyn Poller>>;

    fn socket(&self, family: Family, kind: Kind) -> io::Result<OwnedFd>;
    fn bind(&self, fd: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()>;
    fn listen(&self, fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()>;
    fn accept(&self, fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, SocketAddr)>;
    /// Begins to connect; `WouldBlock` means that the end will show as writability.
    fn connect(&self, fd: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()>;
    /// Into an empty buffer: `Ok(0)`, always.
    fn receive(&self, fd: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>], peek: bool) -> io::Result<usize>;
    fn receive_vectored(&self, fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    fn send(&self, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize>;
    fn send_vectored(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize>;
    fn shutdown(&self, fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()>;
    fn local_address(&self, fd: BorrowedFd<'_>) -> io::Result<SocketAddr>;
    fn peer_address(&self, fd: BorrowedFd<'_>) -> io::Result<SocketAddr>;
    fn option(&self, fd: BorrowedFd<'_>, option: SocketOption) -> io::Result<i32>;
    fn set_option(&self, fd: BorrowedFd<'_>, option: SocketOption, value: i32) -> io::Result<()>;
    fn set_nonblocking(&self, fd: BorrowedFd<'_>) -> io::Result<()>;
    fn close(&self, fd: OwnedFd);
}

/// Which of many descriptors are ready, and a way to interrupt the wait.
///
/// Registration is edge-triggered, once, for both directions. An event says what is so *now or since the last wait*;
/// what it implies is written at the head of each backend.
pub(crate) trait Poller: Send + Sync {
    /// Watches `fd` until `remove`. What is ready already shows in the next wait.
    fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()>;
    /// Stops watching `fd`. To be called before the descriptor is closed: a duplicate would keep the registration.
    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()>;
    /// Appends what is ready, blocking for at most `timeout` (`None`: as long as it takes), never shorter than asked
    /// but for an event, a notification or a signal.
    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;
    /// Ends the present wait, or the next one, of another thread. Many calls may count as one.
    fn notify(&self) -> io::Result<()>;
    /// Makes `as_fd` readable `after` that time, once; `None` takes it back.
    fn alarm(&self, after: Option<Duration>) -> io::Result<()>;
    /// A descriptor that is readable while `wait(0)` would report something.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

/// How a registration is named in the events: the reactor's business, opaque to a backend.
pub(crate) type Token = u64;

/// One registered descriptor became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) token: Token,
    pub(crate) readiness: Readiness,
}

/// What a descriptor is ready for, as a set of bits.
///
/// | bit          | says                                                                          |
/// |--------------|-------------------------------------------------------------------------------|
/// | `READ`       | a read returns something: bytes, the end, or an error                         |
/// | `WRITE`      | a write does                                                                  |
/// | `READ_ENDED` | the peer sends no more; stays set, so a short read is not "drained"            |
/// | `FAILED`     | an error or a hang-up; stays set                                              |
/// | `URGENT`     | out-of-band bytes split the stream: a short read is not "drained"; stays set   |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Readiness(u8);

impl Readiness {
    pub(crate) const NONE: Readiness = Readiness(0);
    pub(crate) const READ: Readiness = Readiness(1);
    pub(crate) const WRITE: Readiness = Readiness(2);
    pub(crate) const READ_ENDED: Readiness = Readiness(4);
    pub(crate) const FAILED: Readiness = Readiness(8);
    pub(crate) const URGENT: Readiness = Readiness(16);

    pub(crate) fn contains(self, other: Readiness) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn intersects(self, other: Readiness) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn with(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Readiness) -> Readiness {
        Readiness(self.0 & !other.0)
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }
}

/// The address family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(address: SocketAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// What a socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
}

/// A setting of a socket; every value is an `i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketOption {
    /// 0 or 1.
    NoDelay,
    /// 0 or 1.
    ReuseAddress,
    /// 0 or 1.
    ReusePort,
    /// 0 or 1.
    KeepAlive,
    /// 0 or 1.
    V6Only,
    /// Seconds, or -1 for off.
    Linger,
    /// Hops.
    Ttl,
    /// Bytes.
    ReceiveBuffer,
    /// Bytes.
    SendBuffer,
    /// The pending error, as an errno, which reading takes away; 0 if none. Read-only.
    PendingError,
}

/// A thread that a world started.
#[allow(dead_code, reason = "part of the contract; nothing above starts threads yet")]
pub(crate) type Thread = std::thread::JoinHandle<()>;

/// The thread that runs now, as a number that no other thread of this process ever had. Costs a thread-local load.
pub(crate) fn thread_id() -> u64 {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static MINE: Cell<u64> = const { Cell::new(0) });
    MINE.with(|mine| {
        if mine.get() == 0 {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        mine.get()
    })
}
