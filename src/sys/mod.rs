//! The world below: the only code that talks to an operating system.
//!
//! This file is the contract. A [`World`] is a value, chosen when a runtime is built; it offers everything that is
//! not a function of the program itself: a clock, a poller, sockets, a notifier, threads and randomness. The rest of
//! the crate never learns which world it lives in.
//!
//! Rules for a backend:
//!
//! 1. It only translates. Trying first, re-arming, budgets and generations are policy and live above.
//! 2. No call blocks, but `Poller::wait`, `Backend::nap`, those that say that they are for a thread of their own, and
//!    `read` and `write` of a descriptor from elsewhere that was left blocking.
//! 3. Every descriptor it makes is non-blocking and close-on-exec (one that came in a message: close-on-exec), and no
//!    write raises SIGPIPE.
//! 4. Every errno comes back as it is. Only `wait` turns EINTR into "no events", since its caller recomputes the time.
//!
//! One behaviour suite (`suite.rs`) runs against every backend that the machine has.

mod address;
#[cfg(feature = "testing")]
mod descriptors;
#[cfg(feature = "testing")]
mod gate;
mod hook;
#[cfg(feature = "testing")]
mod hostile;
#[cfg(feature = "testing")]
mod layer;
mod message;
mod os;
#[cfg(feature = "testing")]
mod paused;
mod plain;
mod process;
mod resolve;
mod signal;
#[cfg(feature = "testing")]
mod simulated;
#[cfg(test)]
mod suite;
mod unix;
mod virtual_clock;
mod world;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

pub(crate) use address::Address;
#[cfg(feature = "testing")]
pub(crate) use descriptors::Descriptors;
#[cfg(feature = "testing")]
pub(crate) use gate::Gate;
pub use hook::{Call, Hook};
pub(crate) use message::MOST_DESCRIPTORS;
pub(crate) use os::{ATOMIC_WRITE, is_out_of_descriptors, is_transient_accept_error};
pub(crate) use process::is_no_child;
pub use signal::Signal;
pub(crate) use signal::SignalWatch;
#[cfg(feature = "testing")]
pub use simulated::{Fault, Link};
#[cfg(feature = "testing")]
#[allow(unused_imports, reason = "the simulator's")]
pub(crate) use simulated::{HostId, Net};
pub(crate) use virtual_clock::VirtualClock;
pub use world::World;
pub(crate) use world::{JobUnderWay, Notifier, WorldPoller};

/// What every backend offers. See the rules at the head of this file.
pub(crate) trait Backend: Send + Sync {
    /// Monotonic time.
    fn now(&self) -> Instant;
    /// 64 random bits, for seeds: not for secrets.
    #[allow(dead_code, reason = "part of the contract; nothing above is random yet")]
    fn random(&self) -> u64;
    /// Blocks this thread for about `time`: the last resort of a loop that cannot have a poller.
    fn nap(&self, time: Duration);
    /// Runs `body` on a new thread. The name has no zero byte in it.
    fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<Thread>;
    /// The processors that this thread may run on.
    fn processors(&self) -> io::Result<Vec<usize>>;
    /// Keeps this thread on one of them.
    fn pin(&self, processor: usize) -> io::Result<()>;
    /// A new poller, watching nothing.
    fn poller(&self) -> io::Result<Arc<dyn Poller>>;

    fn socket(&self, family: Family, kind: Kind) -> io::Result<OwnedFd>;
    /// Two Unix sockets, connected with each other.
    fn socket_pair(&self, kind: Kind) -> io::Result<(OwnedFd, OwnedFd)>;
    fn bind(&self, fd: BorrowedFd<'_>, address: &Address) -> io::Result<()>;
    fn listen(&self, fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()>;
    fn accept(&self, fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)>;
    /// Begins to connect; `WouldBlock` means that the end will show as writability. But that of a Unix socket, which
    /// never has to wait, means that the listener's queue is full, and nothing will show.
    fn connect(&self, fd: BorrowedFd<'_>, address: &Address) -> io::Result<()>;
    /// Into an empty buffer: `Ok(0)`, always.
    fn receive(&self, fd: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>], peek: bool) -> io::Result<usize>;
    fn receive_vectored(&self, fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    fn send(&self, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize>;
    fn send_vectored(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Into an empty buffer too: of a datagram, that takes it. At most `most` descriptors are taken, and none if it
    /// carried more; those that are not taken are closed.
    fn receive_message(&self, fd: BorrowedFd<'_>, buffer: &mut [u8], most: usize, peek: bool) -> io::Result<Received>;
    /// At most [`MOST_DESCRIPTORS`]. They stay the caller's: duplicates travel.
    fn send_message(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        to: Option<&Address>,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize>;
    fn shutdown(&self, fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()>;
    fn local_address(&self, fd: BorrowedFd<'_>) -> io::Result<Address>;
    fn peer_address(&self, fd: BorrowedFd<'_>) -> io::Result<Address>;
    fn peer_credentials(&self, fd: BorrowedFd<'_>) -> io::Result<Credentials>;
    fn option(&self, fd: BorrowedFd<'_>, option: SocketOption) -> io::Result<i32>;
    fn set_option(&self, fd: BorrowedFd<'_>, option: SocketOption, value: i32) -> io::Result<()>;
    /// Joins a multicast group, or leaves it.
    fn set_member(&self, fd: BorrowedFd<'_>, group: Group, member: bool) -> io::Result<()>;
    /// Where multicast goes out that is sent to groups of IPv4; for IPv6 it is a [`SocketOption`].
    fn set_multicast_interface(&self, fd: BorrowedFd<'_>, interface: Ipv4Addr) -> io::Result<()>;
    fn set_nonblocking(&self, fd: BorrowedFd<'_>) -> io::Result<()>;

    /// The end that reads, and the end that writes.
    fn pipe(&self) -> io::Result<(OwnedFd, OwnedFd)>;
    /// From anything that is no socket. It blocks if the descriptor does, which only [`is_ready`](Backend::is_ready)
    /// can then prevent.
    fn read(&self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize>;
    /// To anything that is no socket; see `read`.
    fn write(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Whether a read, or a write, would not block now.
    fn is_ready(&self, fd: BorrowedFd<'_>, to_write: bool) -> io::Result<bool>;
    fn close(&self, fd: OwnedFd);

    /// Takes note of these signals from now on, in place of what they did before, until the watch is dropped. The
    /// descriptor becomes readable when one has come.
    fn watch(&self, signals: &[Signal]) -> io::Result<(SignalWatch, OwnedFd)>;

    /// Starts a program; returns when it has begun, or cannot.
    fn spawn(&self, command: &mut Command) -> io::Result<Child>;
    /// A descriptor that becomes readable when this child, which was not reaped yet, has ended.
    fn exit_descriptor(&self, number: u32) -> io::Result<OwnedFd>;
    /// Returns when this child has ended: for a thread of its own.
    fn await_exit(&self, number: u32) -> io::Result<()>;
    /// How a child has ended, and that is the end of it; `None`: it has not.
    fn reap(&self, child: &mut Child) -> io::Result<Option<ExitStatus>>;
    /// Sends a signal to a child that was not reaped yet.
    fn send_signal(&self, child: &Child, signal: Signal) -> io::Result<()>;

    /// The addresses of a machine, with this port: for a thread of its own.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    // ---- what a kernel neither knows nor need know ---------------------------------------------------------------

    /// The addresses of a machine, if this world can tell without asking anybody.
    fn known_host(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        let _ = (host, port);
        None
    }
    /// A job was given to a thread of a pool: something is under way that no descriptor shows.
    fn job_began(&self) {}
    /// The thread is about to do it; returns when it may.
    fn job_begins(&self) {}
    /// It is over, and who waited for it has been woken.
    fn job_ended(&self) {}
    /// This descriptor goes to somebody who will close it without telling this world.
    fn release(&self, fd: BorrowedFd<'_>) {
        let _ = fd;
    }
    /// Whether no registered descriptor can become ready any more, unless a program of this world does something.
    fn is_still(&self) -> bool {
        false
    }
    /// The clock, if it is one that programs move.
    fn clock(&self) -> Option<Arc<VirtualClock>> {
        None
    }
}

/// Which of many descriptors are ready, and a way to interrupt the wait.
///
/// Registration is edge-triggered, once, for both directions. An event says what is so *now or since the last wait*;
/// what it implies is written at the head of each backend.
pub(crate) trait Poller: Send + Sync {
    /// Watches `fd` until `remove`. What is ready already shows in the next wait.
    fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()>;
    /// Stops watching `fd`. To be called before the descriptor is closed if it may have a duplicate, which would keep the
    /// registration; see `World::deregisters_at_close` too.
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
/// | `URGENT`     | something splits the stream (out-of-band bytes, or descriptors), so a short read is  |
/// |              | not "drained"; stays set                                                       |
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
    Unix,
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
    Datagram,
}

/// What [`Backend::receive_message`] took.
#[derive(Debug)]
pub(crate) struct Received {
    /// Bytes in the buffer.
    pub(crate) count: usize,
    pub(crate) from: Address,
    /// The datagram was longer than the buffer, and the rest is lost.
    pub(crate) truncated: bool,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// It carried more descriptors than were wanted, or than this process has room for. None is left.
    pub(crate) descriptors_lost: bool,
}

/// Who a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Where the system says it, and the process can be seen from here.
    pub(crate) pid: Option<i32>,
}

/// A multicast group on one of this machine's interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The interface by an address that it has; unspecified: whichever the system chooses.
    V4(Ipv4Addr, Ipv4Addr),
    /// The interface by its number; 0: whichever the system chooses.
    V6(Ipv6Addr, u32),
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
    /// 0 or 1.
    Broadcast,
    /// Hops, of IPv4.
    Ttl,
    /// Hops, of IPv6.
    HopsV6,
    /// Hops.
    MulticastTtlV4,
    /// Hops.
    MulticastHopsV6,
    /// 0 or 1.
    MulticastLoopV4,
    /// 0 or 1.
    MulticastLoopV6,
    /// The number of an interface.
    MulticastInterfaceV6,
    /// Bytes.
    ReceiveBuffer,
    /// Bytes.
    SendBuffer,
    /// The pending error, as an errno, which reading takes away; 0 if none. Read-only.
    PendingError,
    /// 1 for a stream, 0 for what keeps the borders of messages. Read-only.
    Kind,
}

/// A thread that a world started. Dropping this lets it run on.
pub(crate) type Thread = std::thread::JoinHandle<()>;

/// A number that changes in a child process after `fork`, where no thread lives but the one that forked, and a lock may
/// be held for ever by one that does not. Counted from the first call.
pub(crate) fn forks() -> usize {
    os::forks()
}

/// A number that changes when this process begins to fork: the child will have a duplicate of whatever is open.
/// (`posix_spawn` does not count: its duplicates are gone when the new program begins, since all of ours are close-on-exec.)
#[inline]
pub(crate) fn forks_begun() -> u32 {
    os::forks_begun()
}

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
