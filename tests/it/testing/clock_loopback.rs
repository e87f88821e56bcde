//! What paused clocks rely on, measured: on Linux's loopback, what was sent is visible to the peer when the call
//! returns.
//!
//! Plain `std::net`, non-blocking, without any runtime. Each operation is followed at once by its counterpart on the
//! peer's side; a *miss* is one that would have had to wait. (Small writes with TCP_NODELAY: what TCP keeps back of its
//! own accord is another matter, and the paused clock looks for it.)

#![cfg(target_os = "linux")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};

/// A miss, if it would have had to wait.
fn missed<T>(result: io::Result<T>) -> usize {
    match result {
        Ok(_) => 0,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 1,
        Err(error) => panic!("{error}"),
    }
}

/// Loopback addresses that this machine has.
fn addresses() -> Vec<&'static str> {
    ["127.0.0.1:0", "[::1]:0"].into_iter().filter(|address| TcpListener::bind(address).is_ok()).collect()
}

#[test]
fn a_byte_that_was_sent_over_tcp_is_there() {
    const OPERATIONS: usize = 40_000;
    let mut misses = 0;
    for address in addresses() {
        let listener = TcpListener::bind(address).unwrap();
        let mut one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        for stream in [&one, &other] {
            stream.set_nonblocking(true).unwrap();
            stream.set_nodelay(true).unwrap();
        }
        let mut buffer = [0; 1024];
        for round in 0..OPERATIONS / 2 {
            let length = 1 + round % 1000;
            one.write_all(&[7; 1024][..length]).unwrap();
            misses += missed(other.read_exact(&mut buffer[..length]));
            other.write_all(&[7]).unwrap();
            misses += missed(one.read_exact(&mut buffer[..1]));
        }
    }
    assert_eq!(misses, 0);
}

#[test]
fn a_datagram_that_was_sent_is_there() {
    const OPERATIONS: usize = 32_000;
    let (mut misses, mut buffer) = (0, [0; 1024]);
    for address in addresses() {
        let (one, other) = (UdpSocket::bind(address).unwrap(), UdpSocket::bind(address).unwrap());
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        for socket in [&one, &other] {
            socket.set_nonblocking(true).unwrap();
        }
        for round in 0..OPERATIONS / 2 {
            one.send(&buffer[..round % 1000]).unwrap();
            misses += missed(other.recv(&mut buffer.clone()));
            other.send(&[7]).unwrap();
            misses += missed(one.recv(&mut buffer));
        }
    }
    assert_eq!(misses, 0);
}

#[test]
fn what_was_sent_over_a_pair_is_there() {
    const OPERATIONS: usize = 30_000;
    let (mut misses, mut buffer) = (0, [0; 1024]);
    let (mut one, mut other) = UnixStream::pair().unwrap();
    other.set_nonblocking(true).unwrap();
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    receiver.set_nonblocking(true).unwrap();
    for round in 0..OPERATIONS {
        let length = 1 + round % 1000;
        one.write_all(&buffer[..length]).unwrap();
        misses += missed(other.read_exact(&mut buffer[..length]));
        sender.send(&buffer[..length]).unwrap();
        misses += missed(receiver.recv(&mut buffer));
    }
    assert_eq!(misses, 0);
}

#[test]
fn a_connection_and_its_end_are_there() {
    const CONNECTIONS: usize = 2_000;
    let mut misses = 0;
    for address in addresses() {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        for round in 0..CONNECTIONS {
            let mut one = TcpStream::connect(address).unwrap();
            let Ok((mut other, _)) = listener.accept() else {
                misses += 1;
                continue;
            };
            other.set_nonblocking(true).unwrap();
            one.set_nonblocking(true).unwrap();
            one.write_all(b"last").unwrap();
            one.shutdown(Shutdown::Write).unwrap();
            misses += missed(other.read_exact(&mut [0; 4]));
            misses += missed(other.read(&mut [0]));
            // A drop ends it like a shutdown; one with something unread breaks it off. Both are there.
            if round % 2 == 0 {
                other.write_all(b"unread").unwrap();
                drop(one);
                misses +=
                    usize::from(other.read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock));
            } else {
                drop(other);
                misses += missed(one.read(&mut [0]));
            }
        }
    }
    assert_eq!(misses, 0);
}
