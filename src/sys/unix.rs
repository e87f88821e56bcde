//! [`Kernel`]: the calls that all Unix systems share. Differences are in `os.rs`, polling in `epoll.rs`, `kqueue.rs`.
//!
//! Rules for the `unsafe` in `sys`:
//!
//! - **S1 (lent memory)**: a pointer given to the kernel points into a value that outlives the call, with its true length.
//! - **S2 (fresh descriptor)**: a non-negative result of a call that makes a descriptor is open and owned by nobody else.
//! - **S3 (plain data)**: the C structs used here are integers only; zeroes are a value of them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{self, MaybeUninit};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use super::address::RawAddress;
use super::{Backend, Family, Kind, Poller, SocketOption, Thread, os};

/// How many slices one vectored call carries at most: POSIX's IOV_MAX is 1024 on all systems we know.
const MOST_SLICES: usize = 1024;

/// The real kernel. It has no state of its own.
pub(super) struct Kernel;

impl Backend for Kernel {
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// std seeds every `RandomState` from the system's random source, and differently each time.
    fn random(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }

    fn nap(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<Thread> {
        std::thread::Builder::new().name(name.to_owned()).spawn(body)
    }

    fn poller(&self) -> io::Result<Arc<dyn Poller>> {
        Ok(Arc::new(os::KernelPoller::new()?))
    }

    fn socket(&self, family: Family, kind: Kind) -> io::Result<OwnedFd> {
        let domain = match family {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        };
        let kind = match kind {
            Kind::Stream => libc::SOCK_STREAM,
        };
        // SAFETY: no pointers.
        let fd = fresh(unsafe { libc::socket(domain, kind | os::BORN_FLAGS, 0) })?;
        os::finish_socket(&fd)?;
        Ok(fd)
    }

    fn bind(&self, fd: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
        let raw = RawAddress::of(address);
        // SAFETY: S1: `raw` lives to the end of the call.
        check(unsafe { libc::bind(fd.as_raw_fd(), raw.as_ptr(), raw.length) }).map(drop)
    }

    fn listen(&self, fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
        // SAFETY: no pointers.
        check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
    }

    fn accept(&self, fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, SocketAddr)> {
        let mut raw = RawAddress::empty();
        let (storage, length) = raw.as_mut_ptrs();
        let fd = fresh(os::accept(fd, storage, length))?;
        os::finish_socket(&fd)?;
        Ok((fd, raw.to_std()?))
    }

    fn connect(&self, fd: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
        let raw = RawAddress::of(address);
        // SAFETY: S1: `raw` lives to the end of the call.
        match check(unsafe { libc::connect(fd.as_raw_fd(), raw.as_ptr(), raw.length) }) {
            Ok(_) => Ok(()),
            // POSIX: an interrupted connect goes on by itself, like one that has only begun.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error),
        }
    }

    #[inline]
    fn receive(&self, fd: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>], peek: bool) -> io::Result<usize> {
        if buffer.is_empty() {
            // Where there is nothing to read either, Linux says EAGAIN; all others, and all of `read`, say 0.
            return Ok(0);
        }
        let flags = if peek { libc::MSG_PEEK } else { 0 };
        // SAFETY: S1: the kernel writes at most `buffer.len()` bytes into `buffer`.
        count(unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) })
    }

    fn receive_vectored(&self, fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let slices = buffers.len().min(MOST_SLICES) as libc::c_int;
        // SAFETY: S1; std promises that `IoSliceMut` has the layout of `iovec`.
        count(unsafe { libc::readv(fd.as_raw_fd(), buffers.as_mut_ptr().cast(), slices) })
    }

    #[inline]
    fn send(&self, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: S1: the kernel reads `bytes.len()` bytes.
        count(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), os::SEND_FLAGS) })
    }

    fn send_vectored(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        // SAFETY: S3: `msghdr` is integers and pointers, for which zeroes (null) are values.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_iov = buffers.as_ptr().cast_mut().cast();
        message.msg_iovlen = buffers.len().min(MOST_SLICES) as _;
        // SAFETY: S1; std promises that `IoSlice` has the layout of `iovec`, and sendmsg only reads through it.
        count(unsafe { libc::sendmsg(fd.as_raw_fd(), &message, os::SEND_FLAGS) })
    }

    fn shutdown(&self, fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => libc::SHUT_RD,
            Shutdown::Write => libc::SHUT_WR,
            Shutdown::Both => libc::SHUT_RDWR,
        };
        // SAFETY: no pointers.
        check(unsafe { libc::shutdown(fd.as_raw_fd(), how) }).map(drop)
    }

    fn local_address(&self, fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
        let mut raw = RawAddress::empty();
        let (storage, length) = raw.as_mut_ptrs();
        // SAFETY: S1: both pointers are into `raw`.
        check(unsafe { libc::getsockname(fd.as_raw_fd(), storage, length) })?;
        raw.to_std()
    }

    fn peer_address(&self, fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
        let mut raw = RawAddress::empty();
        let (storage, length) = raw.as_mut_ptrs();
        // SAFETY: S1: both pointers are into `raw`.
        check(unsafe { libc::getpeername(fd.as_raw_fd(), storage, length) })?;
        raw.to_std()
    }

    fn option(&self, fd: BorrowedFd<'_>, option: SocketOption) -> io::Result<i32> {
        if option == SocketOption::Linger {
            let linger: libc::linger = socket_option(fd, libc::SOL_SOCKET, os::SO_LINGER)?;
            return Ok(if linger.l_onoff == 0 { -1 } else { linger.l_linger });
        }
        let (level, name) = named(option);
        let value: libc::c_int = socket_option(fd, level, name)?;
        // The BSDs answer with the bit's own value where Linux says 1.
        Ok(if is_flag(option) { i32::from(value != 0) } else { value })
    }

    fn set_option(&self, fd: BorrowedFd<'_>, option: SocketOption, value: i32) -> io::Result<()> {
        if option == SocketOption::Linger {
            let linger = libc::linger { l_onoff: libc::c_int::from(value >= 0), l_linger: value.max(0) };
            return set_socket_option(fd, libc::SOL_SOCKET, os::SO_LINGER, linger);
        }
        let (level, name) = named(option);
        set_socket_option(fd, level, name, value)
    }

    fn set_nonblocking(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        set_nonblocking(fd)
    }

    fn close(&self, fd: OwnedFd) {
        drop(fd);
    }
}

/// How often this process was forked off another since the first call: a child must not touch the parent's poller,
/// which on some systems both would share.
pub(super) fn forks() -> usize {
    static FORKS: AtomicUsize = AtomicUsize::new(0);
    static COUNTING: Once = Once::new();
    extern "C" fn count() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    COUNTING.call_once(|| {
        // SAFETY: `count` does nothing that is not allowed after a fork. Without memory for it, forks go unnoticed.
        unsafe { libc::pthread_atfork(None, None, Some(count)) };
    });
    FORKS.load(Ordering::Relaxed)
}

/// The level and number of an option whose value is a plain integer.
fn named(option: SocketOption) -> (libc::c_int, libc::c_int) {
    match option {
        SocketOption::NoDelay => (libc::IPPROTO_TCP, libc::TCP_NODELAY),
        SocketOption::ReuseAddress => (libc::SOL_SOCKET, libc::SO_REUSEADDR),
        SocketOption::ReusePort => (libc::SOL_SOCKET, libc::SO_REUSEPORT),
        SocketOption::KeepAlive => (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
        SocketOption::V6Only => (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
        SocketOption::Linger => (libc::SOL_SOCKET, os::SO_LINGER),
        SocketOption::Ttl => (libc::IPPROTO_IP, libc::IP_TTL),
        SocketOption::ReceiveBuffer => (libc::SOL_SOCKET, libc::SO_RCVBUF),
        SocketOption::SendBuffer => (libc::SOL_SOCKET, libc::SO_SNDBUF),
        SocketOption::PendingError => (libc::SOL_SOCKET, libc::SO_ERROR),
    }
}

fn is_flag(option: SocketOption) -> bool {
    use SocketOption::{KeepAlive, NoDelay, ReuseAddress, ReusePort, V6Only};
    matches!(option, NoDelay | ReuseAddress | ReusePort | KeepAlive | V6Only)
}

fn socket_option<T: Copy>(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<T> {
    // SAFETY: S3: `T` is an integer or `linger`.
    let mut value: T = unsafe { mem::zeroed() };
    let mut length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: S1: `value` and `length` live to the end of the call.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &mut length) })?;
    Ok(value)
}

pub(super) fn set_socket_option<T: Copy>(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: T,
) -> io::Result<()> {
    let length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: S1: `value` lives to the end of the call.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length) }).map(drop)
}

pub(super) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    if flags & libc::O_NONBLOCK == 0 {
        // SAFETY: no pointers.
        check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    }
    Ok(())
}

#[allow(dead_code, reason = "only systems whose descriptors are not born close-on-exec call it")]
pub(super) fn set_close_on_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// The result of a call that says -1 for "see errno".
pub(super) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for calls that count bytes.
fn count(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The same for calls that make a descriptor.
pub(super) fn fresh(result: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: S2: the call made it just now.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
