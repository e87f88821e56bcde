//! The one file that names operating systems: what differs between them, each difference under one name.
//!
//! Everything else in `sys` is POSIX (`unix.rs`) or one polling mechanism (`epoll.rs`, `kqueue.rs`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr as UnixName;

use super::Credentials;

pub(super) use super::unix::{Kernel, forks, forks_begun};

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "epoll.rs"]
mod poller;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "kqueue.rs"]
mod poller;

pub(super) use poller::{KernelPoller, exit_descriptor};

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

/// The flag of `recvmsg` by which descriptors are born close-on-exec; where there is none, [`finish_received`] does it.
#[cfg(not(target_vendor = "apple"))]
pub(super) const RECEIVE_FLAGS: libc::c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
pub(super) const RECEIVE_FLAGS: libc::c_int = 0;

/// What a descriptor still lacks that came in a message.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn finish_received(_: &OwnedFd) -> io::Result<()> {
    Ok(())
}
#[cfg(target_vendor = "apple")]
pub(super) fn finish_received(fd: &OwnedFd) -> io::Result<()> {
    use std::os::fd::AsFd;
    super::unix::set_close_on_exec(fd.as_fd())
}

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

/// `pipe`, with the flags of birth where the system has them.
pub(super) fn pipe(ends: &mut [RawFd; 2]) -> libc::c_int {
    #[cfg(not(target_vendor = "apple"))]
    // SAFETY: S1: room for two descriptors.
    return unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) };
    #[cfg(target_vendor = "apple")]
    // SAFETY: S1: as above.
    return unsafe { libc::pipe(ends.as_mut_ptr()) };
}

/// What an end of a pipe still lacks after that.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn finish_pipe(_: &OwnedFd) -> io::Result<()> {
    Ok(())
}
#[cfg(target_vendor = "apple")]
pub(super) fn finish_pipe(fd: &OwnedFd) -> io::Result<()> {
    use std::os::fd::AsFd;
    super::unix::set_close_on_exec(fd.as_fd())?;
    super::unix::set_nonblocking(fd.as_fd())
}

/// How many bytes a pipe takes without blocking once it says that it is writable.
pub(crate) const ATOMIC_WRITE: usize = libc::PIPE_BUF;

/// The credentials that the peer of a Unix socket had when it connected, or began to listen.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn peer_credentials(fd: BorrowedFd<'_>) -> io::Result<Credentials> {
    credentials(super::unix::socket_option(fd, libc::SOL_SOCKET, libc::SO_PEERCRED)?)
}

/// Without a peer, Linux says that nobody is it: -1. No number alone is a peer that this process's PID namespace does not
/// see: one outside of the container.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn credentials(peer: libc::ucred) -> io::Result<Credentials> {
    if (peer.pid, peer.uid) == (0, libc::uid_t::MAX) {
        return Err(io::Error::from_raw_os_error(libc::ENOTCONN));
    }
    Ok(Credentials { uid: peer.uid, gid: peer.gid, pid: (peer.pid != 0).then_some(peer.pid) })
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn peer_credentials(fd: BorrowedFd<'_>) -> io::Result<Credentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: S1: both live to the end of the call.
    super::unix::check(unsafe { libc::getpeereid(fd.as_raw_fd(), &mut uid, &mut gid) })?;
    Ok(Credentials { uid, gid, pid: None })
}

/// What a connection of TCP has still to do by itself.
#[allow(dead_code, reason = "where the system cannot tell, nobody makes one")]
pub(super) struct TcpProgress {
    /// The other side has not answered yet.
    pub(super) connecting: bool,
    /// Bytes wait to be sent, or to be sent again.
    pub(super) sending: bool,
    /// Bytes were sent, and the other side's system has not said yet that they came.
    pub(super) unacknowledged: bool,
    /// The other side has not ended its stream yet, as far as this one knows.
    pub(super) may_receive: bool,
}

/// `None`: it cannot be told.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn tcp_progress(fd: BorrowedFd<'_>) -> Option<TcpProgress> {
    /// `struct tcp_info` of the kernel, which ever grows at its end, as far as it is of use here.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct TcpInfo {
        state: u8,
        _congestion: u8,
        retransmits: u8,
        _others: [u8; 5],
        _before_unacknowledged: [u32; 4],
        unacknowledged: u32,
        _before_lost: u32,
        lost: u32,
        _before_unsent: [u32; 27],
        /// Since Linux 4.6; before, it stays zero.
        unsent: u32,
    }
    // The kernel's names: ESTABLISHED, FIN_WAIT1, FIN_WAIT2; and SYN_SENT.
    const MAY_RECEIVE: [u8; 3] = [1, 4, 5];
    const CONNECTING: u8 = 2;
    let info: TcpInfo = super::unix::socket_option(fd, libc::IPPROTO_TCP, libc::TCP_INFO).ok()?;
    Some(TcpProgress {
        connecting: info.state == CONNECTING,
        sending: info.unsent > 0 || info.retransmits > 0 || info.lost > 0,
        unacknowledged: info.unacknowledged > 0,
        may_receive: MAY_RECEIVE.contains(&info.state),
    })
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn tcp_progress(_: BorrowedFd<'_>) -> Option<TcpProgress> {
    None
}

/// A name of Linux's abstract kind: bytes that are no path, and go with the socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn abstract_name(name: &UnixName) -> Option<&[u8]> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    name.as_abstract_name()
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn abstract_name(_: &UnixName) -> Option<&[u8]> {
    None
}

/// The name that the kernel wrote with a zero byte before it: an abstract one, or none at all.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn unix_name_without_path(name: &[u8]) -> io::Result<UnixName> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    UnixName::from_abstract_name(name)
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn unix_name_without_path(_: &[u8]) -> io::Result<UnixName> {
    UnixName::from_pathname("")
}

/// The options by which a group of IPv6 is joined and left: the same numbers, under two names.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) const V6_MEMBERSHIP: [libc::c_int; 2] = [libc::IPV6_ADD_MEMBERSHIP, libc::IPV6_DROP_MEMBERSHIP];
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) const V6_MEMBERSHIP: [libc::c_int; 2] = [libc::IPV6_JOIN_GROUP, libc::IPV6_LEAVE_GROUP];

/// What `IP_MULTICAST_TTL` and `IP_MULTICAST_LOOP` are given: by POSIX's ancestors a byte, which all but OpenBSD and
/// NetBSD take as an integer too.
#[cfg(not(any(target_os = "openbsd", target_os = "netbsd")))]
pub(super) type MulticastV4 = libc::c_int;
#[cfg(any(target_os = "openbsd", target_os = "netbsd"))]
pub(super) type MulticastV4 = libc::c_uchar;

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

/// Where this thread's `errno` is.
pub(super) fn errno() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "dragonfly"))]
    // SAFETY: no pointers go in.
    return unsafe { libc::__errno_location() };
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: no pointers go in.
    return unsafe { libc::__error() };
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    // SAFETY: no pointers go in.
    return unsafe { libc::__errno() };
}

/// What `getaddrinfo` says of a name that exists and has no address, beside `EAI_NONAME`.
#[cfg(not(any(target_os = "freebsd", target_os = "dragonfly")))]
pub(super) const NO_ADDRESS: &[libc::c_int] = &[libc::EAI_NODATA];
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(super) const NO_ADDRESS: &[libc::c_int] = &[];

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

/// The processors that this thread may run on.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn processors() -> io::Result<Vec<usize>> {
    let set = affinity()?;
    // SAFETY: S1: reads a bit of a set of its own size; the numbers stay below CPU_SETSIZE.
    Ok((0..libc::CPU_SETSIZE as usize).filter(|processor| unsafe { libc::CPU_ISSET(*processor, &set) }).collect())
}

/// Keeps this thread on one processor.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn pin(processor: usize) -> io::Result<()> {
    if !processors()?.contains(&processor) {
        let why = format!("this thread may not run on a processor {processor}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    // SAFETY: S3: a set is an array of integers.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: S1: writes a bit of a set that has it, as asked above.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: S1: reads as many bytes as the set has.
    super::unix::check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) }).map(drop)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn affinity() -> io::Result<libc::cpu_set_t> {
    // SAFETY: S3: a set is an array of integers.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: S1: writes as many bytes as the set has.
    super::unix::check(unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) })?;
    Ok(set)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn processors() -> io::Result<Vec<usize>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no call that says which processors may be used"))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn pin(_: usize) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no call that keeps a thread on one processor"))
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn a_peer_without_a_number_is_a_peer() {
        let outside = libc::ucred { pid: 0, uid: 0, gid: 5 };
        assert_eq!(credentials(outside).unwrap(), Credentials { uid: 0, gid: 5, pid: None });
        let inside = libc::ucred { pid: 7, uid: 1000, gid: 5 };
        assert_eq!(credentials(inside).unwrap(), Credentials { uid: 1000, gid: 5, pid: Some(7) });
        let nobody = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
        assert_eq!(credentials(nobody).unwrap_err().raw_os_error(), Some(libc::ENOTCONN));
    }
}
