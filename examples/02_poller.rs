//! One socket and one poller by hand: what a reactor is made of. A socket that does not block says so with an error; the
//! poller says when it is worth trying again; an empty read is the end.
//!
//! ```text
//! $ cargo run --example 02_poller
//! read: WouldBlock, nothing is there yet
//! poll, without waiting: not readable
//! the peer sends "hello"
//! poll: readable
//! read: 5 bytes, "hello"
//! read: WouldBlock, nothing is there yet
//! the peer closes
//! poll: readable
//! read: 0 bytes, the end
//! ```
//!
//! Then read `src/sys/epoll.rs`: the same for thousands of sockets at once, and what is true of it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

/// Asks the kernel whether a read would return at once. It waits for that, if it `may_wait`.
fn readable(socket: impl AsFd, may_wait: bool) -> io::Result<bool> {
    let mut question = libc::pollfd { fd: socket.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which lives until the call returns.
    let ready = unsafe { libc::poll(&mut question, 1, if may_wait { -1 } else { 0 }) };
    if ready < 0 { Err(io::Error::last_os_error()) } else { Ok(ready > 0) }
}

/// One try. Says whether the peer may send more.
fn read(mut socket: &TcpStream) -> io::Result<bool> {
    let mut buffer = [0; 1024];
    match socket.read(&mut buffer) {
        Ok(0) => {
            println!("read: 0 bytes, the end");
            return Ok(false);
        }
        Ok(n) => println!("read: {n} bytes, {:?}", String::from_utf8_lossy(&buffer[..n])),
        Err(error) if error.kind() == ErrorKind::WouldBlock => println!("read: WouldBlock, nothing is there yet"),
        Err(error) => return Err(error),
    }
    Ok(true)
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut peer = TcpStream::connect(listener.local_addr()?)?;
    let (socket, _) = listener.accept()?;
    socket.set_nonblocking(true)?;

    read(&socket)?;
    println!("poll, without waiting: {}", if readable(&socket, false)? { "readable" } else { "not readable" });

    peer.write_all(b"hello")?;
    println!("the peer sends \"hello\"");
    println!("poll: {}", if readable(&socket, true)? { "readable" } else { "interrupted" });
    read(&socket)?;
    read(&socket)?;

    drop(peer);
    println!("the peer closes");
    println!("poll: {}", if readable(&socket, true)? { "readable" } else { "interrupted" });
    while read(&socket)? {}
    Ok(())
}
