//! Sockets made the way the benchmark needs them: with fewer calls, or from an address of our choice.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr;

use super::check;

/// Lets `listener` queue many connections: std's 128 is less than the largest shape connects at once.
pub fn deepen_backlog(listener: &TcpListener) -> io::Result<()> {
    const BACKLOG: i32 = 4096;
    // SAFETY: takes no pointers.
    check(unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) })?;
    Ok(())
}

/// Accepts a connection that is non-blocking from the start: one call, where std needs two.
pub fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    const FLAGS: i32 = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: null pointers say that the peer's address is not wanted.
    let fd = check(unsafe { libc::accept4(listener.as_raw_fd(), ptr::null_mut(), ptr::null_mut(), FLAGS) })?;
    // SAFETY: the descriptor was just made, and nothing else owns it.
    Ok(unsafe { TcpStream::from_raw_fd(fd) })
}

/// Begins a non-blocking connection from `source` (any port) to `target`.
///
/// A closed connection holds its pair of ports for a minute. The churn load spreads over many source addresses, or it
/// would run out of ports and measure the search for a free one.
pub fn connect_from(source: Ipv4Addr, target: SocketAddrV4) -> io::Result<TcpStream> {
    const KIND: i32 = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: takes no pointers.
    let fd = check(unsafe { libc::socket(libc::AF_INET, KIND, 0) })?;
    // SAFETY: the descriptor was just made, and nothing else owns it.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };

    let (yes, size) = (1i32, size_of::<i32>() as u32);
    let option = ptr::from_ref(&yes).cast();
    // SAFETY: the option's value is one live integer of the size given. (Choose the port at connect, not at bind.)
    check(unsafe { libc::setsockopt(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, option, size) })?;

    let size = size_of::<libc::sockaddr_in>() as u32;
    let source = c_address(SocketAddrV4::new(source, 0));
    // SAFETY: the address is live and of the size given.
    check(unsafe { libc::bind(fd, ptr::from_ref(&source).cast(), size) })?;
    let target = c_address(target);
    // SAFETY: the address is live and of the size given.
    match check(unsafe { libc::connect(fd, ptr::from_ref(&target).cast(), size) }) {
        Ok(_) => Ok(stream),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(stream),
        Err(error) => Err(error),
    }
}

fn c_address(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}
