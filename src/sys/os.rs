//! The one file that names operating systems: what differs between them, each difference under one name.
//!
//! Everything else in `sys` is POSIX (`unix.rs`) or one polling mechanism (`epoll.rs`, `kqueue.rs`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

pub(super) use super::unix::{Kernel, forks};

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "epoll.rs"]
mod poller;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "kqueue.rs"]
mod poller;

pub(super) use poller::KernelPoller;

/// Whether a descriptor can be born non-blocking and close-on-exec, or must be made so by further calls.
#[cfg(not(target_vendor = "apple"))]
pub(super) const BORN_FLAGS: libc::c_int = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
#[cfg(target_vendor = "apple")]
pub(super) const BORN_FLAGS: libc::c_int = 0;

/// The flag of a send that keeps SIGPIPE away; where there is none, [`finish_socket`] sets it for good.
#[cfg(not(target_vendor = "apple"))]
pub(super) const SEND_FLAGS: libc::c_int = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(super) const SEND_FLAGS: libc::c_int = 0;

/// What a socket still lacks after `socket` or `accept`.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn finish_socket(_: &OwnedFd) -> io::Result<()> {
    Ok(())
}
#[cfg(target_vendor = "apple")]
pub(super) fn finish_socket(fd: &OwnedFd) -> io::Result<()> {
    use std::os::fd::AsFd;
    super::unix::set_close_on_exec(fd.as_fd())?;
    super::unix::set_nonblocking(fd.as_fd())?;
    super::unix::set_socket_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_NOSIGPIPE, 1)
}

/// `accept`, with the flags of birth where the system has them.
pub(super) fn accept(fd: BorrowedFd<'_>, storage: *mut libc::sockaddr, length: *mut libc::socklen_t) -> libc::c_int {
    #[cfg(not(target_vendor = "apple"))]
    // SAFETY: S1: `storage` and `length` come from `unix::accept`, which owns both for the length of the call.
    return unsafe { libc::accept4(fd.as_raw_fd(), storage, length, BORN_FLAGS) };
    #[cfg(target_vendor = "apple")]
    // SAFETY: S1: as above.
    return unsafe { libc::accept(fd.as_raw_fd(), storage, length) };
}

/// The finest unit of a kqueue's timers: its flag, and how many nanoseconds it is.
#[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd"))]
const TIMER_UNIT: (u32, u128) = (libc::NOTE_NSECONDS, 1);
#[cfg(any(target_os = "dragonfly", target_os = "openbsd"))]
const TIMER_UNIT: (u32, u128) = (0, 1_000_000);

/// The option for which `struct linger` counts in seconds.
#[cfg(not(target_vendor = "apple"))]
pub(super) const SO_LINGER: libc::c_int = libc::SO_LINGER;
#[cfg(target_vendor = "apple")]
pub(super) const SO_LINGER: libc::c_int = libc::SO_LINGER_SEC;

/// Whether a call failed because this process, or the system, has no room for another descriptor: later it may succeed.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Whether an error of `accept` says something about one connection only, so that the next `accept` may well succeed.
///
/// Linux passes pending network errors of the new connection on through `accept` (see accept(2)); all others report
/// at least an aborted one. EOPNOTSUPP is in that list too, but it is also what a socket says that cannot accept at
/// all, and says for ever: it is not passed over.
pub(crate) fn is_transient_accept_error(error: &io::Error) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const MORE: &[i32] = &[libc::ENONET];
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const MORE: &[i32] = &[];
    const TRANSIENT: &[i32] = &[
        libc::ECONNABORTED,
        libc::ECONNRESET,
        libc::EINTR,
        libc::EPROTO,
        libc::EPERM,
        libc::ENETDOWN,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
        libc::ETIMEDOUT,
    ];
    error.raw_os_error().is_some_and(|errno| TRANSIENT.contains(&errno) || MORE.contains(&errno))
}
