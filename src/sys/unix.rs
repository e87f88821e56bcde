//! [`Kernel`]: the calls that all Unix systems share. Differences are in `os.rs`, polling in `epoll.rs`, `kqueue.rs`,
//! messages in `message.rs`, what is no socket in `plain.rs`.
//!
//! Rules for the `unsafe` in `sys`:
//!
//! - **S1 (lent memory)**: a pointer given to the kernel points into a value that outlives the call, with its true length.
//! - **S2 (fresh descriptor)**: a non-negative result of a call that makes a descriptor is open and owned by nobody else.
//! - **S3 (plain data)**: the C structs used here are integers only; zeroes are a value of them.
//! - **S4 (any moment)**: a handler of signals takes no lock, allocates nothing and leaves `errno` as it was; one of forks
//!   takes in the child no lock that it does not have from before, and allocates nothing there.
//! - **S5 (lent to us)**: what the C library made for us is not used after it was given back, which is done once.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use super::{Address, Credentials, Group, Received, message, plain};
use super::{Backend, Family, Kind, Poller, Signal, SignalWatch, SocketOption, Thread, os, process, resolve};

/// How many slices one vectored call carries at most: POSIX's IOV_MAX is 1024 on all systems we know.
pub(super) const MOST_SLICES: usize = 1024;

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

    fn processors(&self) -> io::Result<Vec<usize>> {
        os::processors()
    }

    fn pin(&self, processor: usize) -> io::Result<()> {
        os::pin(processor)
    }

    fn poller(&self) -> io::Result<Arc<dyn Poller>> {
        Ok(Arc::new(os::KernelPoller::new()?))
    }

    fn socket(&self, family: Family, kind: Kind) -> io::Result<OwnedFd> {
        let domain = match family {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
            Family::Unix => libc::AF_UNIX,
        };
        // SAFETY: no pointers.
        let fd = fresh(unsafe { libc::socket(domain, number_of(kind) | os::BORN_FLAGS, 0) })?;
        os::finish_socket(&fd)?;
        Ok(fd)
    }

    fn socket_pair(&self, kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> {
        let mut ends = [-1; 2];
        // SAFETY: S1: room for two descriptors.
        let made = unsafe { libc::socketpair(libc::AF_UNIX, number_of(kind) | os::BORN_FLAGS, 0, ends.as_mut_ptr()) };
        fresh_pair(made, ends, os::finish_socket)
    }

    fn bind(&self, fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
        // SAFETY: S1: `address` lives to the end of the call.
        check(unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr(), address.length) }).map(drop)
    }

    fn listen(&self, fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
        // SAFETY: no pointers.
        check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
    }

    fn accept(&self, fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
        let mut address = Address::empty();
        let (storage, length) = address.as_mut_ptrs();
        let fd = fresh(os::accept(fd, storage, length))?;
        os::finish_socket(&fd)?;
        Ok((fd, address))
    }

    fn connect(&self, fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
        // SAFETY: S1: `address` lives to the end of the call.
        match check(unsafe { libc::connect(fd.as_raw_fd(), address.as_ptr(), address.length) }) {
            Ok(_) => Ok(()),
            // POSIX: an interrupted connect goes on by itself, like one that has only begun.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            // Of IP it says that there was no port, or no route, to be had. Nothing has begun, and nothing would show.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && address.to_ip().is_ok() => {
                Err(io::Error::new(io::ErrorKind::AddrNotAvailable, error))
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

    fn receive_message(&self, fd: BorrowedFd<'_>, buffer: &mut [u8], most: usize, peek: bool) -> io::Result<Received> {
        message::receive(fd, buffer, most, peek)
    }

    fn send_message(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        to: Option<&Address>,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        message::send(fd, bytes, to, descriptors)
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

    fn local_address(&self, fd: BorrowedFd<'_>) -> io::Result<Address> {
        let mut address = Address::empty();
        let (storage, length) = address.as_mut_ptrs();
        // SAFETY: S1: both pointers are into `address`.
        check(unsafe { libc::getsockname(fd.as_raw_fd(), storage, length) })?;
        Ok(address)
    }

    fn peer_address(&self, fd: BorrowedFd<'_>) -> io::Result<Address> {
        let mut address = Address::empty();
        let (storage, length) = address.as_mut_ptrs();
        // SAFETY: S1: both pointers are into `address`.
        check(unsafe { libc::getpeername(fd.as_raw_fd(), storage, length) })?;
        Ok(address)
    }

    fn peer_credentials(&self, fd: BorrowedFd<'_>) -> io::Result<Credentials> {
        os::peer_credentials(fd)
    }

    fn option(&self, fd: BorrowedFd<'_>, option: SocketOption) -> io::Result<i32> {
        if option == SocketOption::Linger {
            let linger: libc::linger = socket_option(fd, libc::SOL_SOCKET, os::SO_LINGER)?;
            return Ok(if linger.l_onoff == 0 { -1 } else { linger.l_linger });
        }
        let (level, name) = named(option);
        if is_multicast_of_v4(option) {
            let value: os::MulticastV4 = socket_option(fd, level, name)?;
            return Ok(value as libc::c_int);
        }
        let value: libc::c_int = socket_option(fd, level, name)?;
        if option == SocketOption::Kind {
            return Ok(i32::from(value == libc::SOCK_STREAM));
        }
        // The BSDs answer with the bit's own value where Linux says 1.
        Ok(if is_flag(option) { i32::from(value != 0) } else { value })
    }

    fn set_option(&self, fd: BorrowedFd<'_>, option: SocketOption, value: i32) -> io::Result<()> {
        if option == SocketOption::Linger {
            let linger = libc::linger { l_onoff: libc::c_int::from(value >= 0), l_linger: value.max(0) };
            return set_socket_option(fd, libc::SOL_SOCKET, os::SO_LINGER, linger);
        }
        let (level, name) = named(option);
        if is_multicast_of_v4(option) {
            let value = os::MulticastV4::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            return set_socket_option(fd, level, name, value);
        }
        set_socket_option(fd, level, name, value)
    }

    fn set_member(&self, fd: BorrowedFd<'_>, group: Group, member: bool) -> io::Result<()> {
        match group {
            Group::V4(group, interface) => {
                let request = libc::ip_mreq { imr_multiaddr: in_addr(group), imr_interface: in_addr(interface) };
                let name = if member { libc::IP_ADD_MEMBERSHIP } else { libc::IP_DROP_MEMBERSHIP };
                set_socket_option(fd, libc::IPPROTO_IP, name, request)
            }
            Group::V6(group, interface) => {
                let group = libc::in6_addr { s6_addr: group.octets() };
                let request = libc::ipv6_mreq { ipv6mr_multiaddr: group, ipv6mr_interface: interface as _ };
                let [join, leave] = os::V6_MEMBERSHIP;
                set_socket_option(fd, libc::IPPROTO_IPV6, if member { join } else { leave }, request)
            }
        }
    }

    fn set_multicast_interface(&self, fd: BorrowedFd<'_>, interface: Ipv4Addr) -> io::Result<()> {
        set_socket_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, in_addr(interface))
    }

    fn set_nonblocking(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        set_nonblocking(fd)
    }

    fn pipe(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        let mut ends = [-1; 2];
        let made = os::pipe(&mut ends);
        fresh_pair(made, ends, os::finish_pipe)
    }

    fn read(&self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        plain::read(fd, buffer)
    }

    fn write(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        plain::write(fd, buffers)
    }

    fn is_ready(&self, fd: BorrowedFd<'_>, to_write: bool) -> io::Result<bool> {
        plain::is_ready(fd, to_write)
    }

    fn close(&self, fd: OwnedFd) {
        drop(fd);
    }

    fn watch(&self, signals: &[Signal]) -> io::Result<(SignalWatch, OwnedFd)> {
        SignalWatch::new(signals)
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        process::spawn(command)
    }

    fn exit_descriptor(&self, number: u32) -> io::Result<OwnedFd> {
        os::exit_descriptor(number)
    }

    fn await_exit(&self, number: u32) -> io::Result<()> {
        process::await_exit(number)
    }

    fn reap(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        process::reap(child)
    }

    fn send_signal(&self, child: &Child, signal: Signal) -> io::Result<()> {
        process::send_signal(child, signal)
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        resolve::resolve(host, port)
    }
}

/// How often this process was forked off another since the first call: a child must not touch the parent's poller,
/// which on some systems both would share.
pub(super) fn forks() -> usize {
    count_forks();
    FORKS.load(Ordering::Relaxed)
}

/// How many forks this process, and those that it was forked off, have begun since the first call: a child has duplicates
/// of all descriptors that were open then.
#[inline]
pub(super) fn forks_begun() -> u32 {
    count_forks();
    FORKS_BEGUN.load(Ordering::Relaxed)
}

static FORKS: AtomicUsize = AtomicUsize::new(0);
static FORKS_BEGUN: AtomicU32 = AtomicU32::new(0);

#[inline]
fn count_forks() {
    static COUNTING: Once = Once::new();
    extern "C" fn begin() {
        FORKS_BEGUN.fetch_add(1, Ordering::Relaxed);
    }
    extern "C" fn count() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    COUNTING.call_once(|| {
        // SAFETY: S4: they add to a number. Without memory for them, forks go unnoticed.
        unsafe { libc::pthread_atfork(Some(begin), None, Some(count)) };
    });
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
        SocketOption::Broadcast => (libc::SOL_SOCKET, libc::SO_BROADCAST),
        SocketOption::Ttl => (libc::IPPROTO_IP, libc::IP_TTL),
        SocketOption::HopsV6 => (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS),
        SocketOption::MulticastTtlV4 => (libc::IPPROTO_IP, libc::IP_MULTICAST_TTL),
        SocketOption::MulticastHopsV6 => (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS),
        SocketOption::MulticastLoopV4 => (libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP),
        SocketOption::MulticastLoopV6 => (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP),
        SocketOption::MulticastInterfaceV6 => (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF),
        SocketOption::ReceiveBuffer => (libc::SOL_SOCKET, libc::SO_RCVBUF),
        SocketOption::SendBuffer => (libc::SOL_SOCKET, libc::SO_SNDBUF),
        SocketOption::PendingError => (libc::SOL_SOCKET, libc::SO_ERROR),
        SocketOption::Kind => (libc::SOL_SOCKET, libc::SO_TYPE),
    }
}

fn is_flag(option: SocketOption) -> bool {
    use SocketOption::{Broadcast, KeepAlive, NoDelay, ReuseAddress, ReusePort, V6Only};
    matches!(option, NoDelay | ReuseAddress | ReusePort | KeepAlive | V6Only | Broadcast)
}

/// See [`os::MulticastV4`].
fn is_multicast_of_v4(option: SocketOption) -> bool {
    matches!(option, SocketOption::MulticastTtlV4 | SocketOption::MulticastLoopV4)
}

fn in_addr(ip: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from(ip).to_be() }
}

fn number_of(kind: Kind) -> libc::c_int {
    match kind {
        Kind::Stream => libc::SOCK_STREAM,
        Kind::Datagram => libc::SOCK_DGRAM,
    }
}

pub(super) fn socket_option<T: Copy>(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<T> {
    // SAFETY: S3: `T` is an integer, or a struct of integers.
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
pub(super) fn count(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The same for calls that make a descriptor.
pub(super) fn fresh(result: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: S2: the call made it just now.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The same for calls that make two, each of which `finish` gives what it lacks.
fn fresh_pair(
    result: libc::c_int,
    ends: [RawFd; 2],
    finish: impl Fn(&OwnedFd) -> io::Result<()>,
) -> io::Result<(OwnedFd, OwnedFd)> {
    check(result)?;
    // SAFETY: S2: the call made them just now.
    let [one, two] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    finish(&one)?;
    finish(&two)?;
    Ok((one, two))
}
