//! Descriptors that travel through Unix sockets, beside bytes (`SCM_RIGHTS`).
//!
//! The receiver gets duplicates, under numbers of its own. In a stream they travel with the first of the bytes that they
//! were sent with: a plain read of that byte closes them.

use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::registration::{Done, Interest};
use super::source::{Operation, Source};
use super::unix::UnixStream;
use super::unix_datagram::UnixDatagram;
use crate::sys::{MOST_DESCRIPTORS, Received};

/// What came by `recv_with_fds`.
///
/// ```
/// coracle::block_on(async {
///     let (one, other) = coracle::net::UnixStream::pair().unwrap();
///     one.write_all(b"only bytes").await.unwrap();
///     let got = other.recv_with_fds(&mut [0; 64], 1).await.unwrap();
///     assert!(got.length == 10 && got.fds.is_empty() && !got.fds_lost);
/// });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct WithFds {
    /// How many bytes stand in the buffer.
    pub length: usize,
    /// The descriptors that came with them: close-on-exec, and this process's own.
    pub fds: Vec<OwnedFd>,
    /// Whether some came that were not taken, because there were more than was asked for, or than this process may have
    /// open. Then `fds` is empty, and all of them are closed: what is left of a message is not what its sender meant.
    pub fds_lost: bool,
    /// Whether a datagram was longer than the buffer. The rest is lost.
    pub truncated: bool,
}

impl From<Received> for WithFds {
    fn from(received: Received) -> WithFds {
        WithFds {
            length: received.count,
            fds: received.descriptors,
            fds_lost: received.descriptors_lost,
            truncated: received.truncated,
        }
    }
}

impl UnixStream {
    /// Writes once, at most all of `bytes`, and sends duplicates of `fds` with them; up to 253. How many bytes. If it is not
    /// all of them, the descriptors have been sent all the same, with the first: write the rest without.
    ///
    /// **Cancel safety**: cancel-safe; not done means nothing sent.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `bytes` is empty, since they cannot travel alone, or if there are too
    /// many; else as [`write`](super::Stream::write), and what the system says of descriptors (on Linux ETOOMANYREFS, when
    /// too many are on their way).
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use std::io::Read;
    /// coracle::block_on(async {
    ///     let (one, other) = coracle::net::UnixStream::pair().unwrap();
    ///     let null = std::fs::File::open("/dev/null").unwrap();
    ///     one.send_with_fds(b"x", &[null.as_fd()]).await.unwrap();
    ///     let got = other.recv_with_fds(&mut [0; 8], 1).await.unwrap();
    ///     let mut file = std::fs::File::from(got.fds.into_iter().next().unwrap());
    ///     assert_eq!(file.read(&mut [0; 8]).unwrap(), 0);
    /// });
    /// ```
    #[track_caller]
    pub fn send_with_fds<'a>(&'a self, bytes: &'a [u8], fds: &'a [BorrowedFd<'a>]) -> SendWithFds<'a> {
        SendWithFds::new(&self.source, bytes, fds, true)
    }

    /// Reads once, at most all of `buffer`, and takes up to `most` descriptors that came with these bytes; 253 at most. It
    /// reads no further than the bytes that one lot of descriptors was sent with. No bytes: the end.
    ///
    /// **Cancel safety**: cancel-safe; neither bytes nor descriptors are lost.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `buffer` is empty; else as [`read`](super::Stream::read).
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, other) = coracle::net::UnixStream::pair().unwrap();
    ///     drop(one);
    ///     assert_eq!(other.recv_with_fds(&mut [0; 8], 1).await.unwrap().length, 0);
    /// });
    /// ```
    #[track_caller]
    pub fn recv_with_fds<'a>(&'a self, buffer: &'a mut [u8], most: usize) -> RecvWithFds<'a> {
        RecvWithFds::new(&self.source, buffer, most, true)
    }
}

impl UnixDatagram {
    /// [`send`](super::Datagrams::send), with duplicates of `fds`; up to 253. The datagram may be empty.
    ///
    /// **Cancel safety**: cancel-safe; not done means nothing sent.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if there are too many, else as [`send`](super::Datagrams::send).
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// coracle::block_on(async {
    ///     let (one, other) = coracle::net::UnixDatagram::pair().unwrap();
    ///     one.send_with_fds(b"", &[one.as_fd()]).await.unwrap();
    ///     assert_eq!(other.recv_with_fds(&mut [], 1).await.unwrap().fds.len(), 1);
    /// });
    /// ```
    #[track_caller]
    pub fn send_with_fds<'a>(&'a self, bytes: &'a [u8], fds: &'a [BorrowedFd<'a>]) -> SendWithFds<'a> {
        SendWithFds::new(&self.source, bytes, fds, false)
    }

    /// Receives a datagram, and up to `most` descriptors that came with it; 253 at most.
    ///
    /// **Cancel safety**: cancel-safe; nothing is lost.
    ///
    /// # Errors
    /// As [`recv`](super::Datagrams::recv).
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// coracle::block_on(async {
    ///     let (one, other) = coracle::net::UnixDatagram::pair().unwrap();
    ///     one.send_with_fds(b"two", &[one.as_fd(), other.as_fd()]).await.unwrap();
    ///     let got = other.recv_with_fds(&mut [0; 8], 1).await.unwrap();
    ///     assert!(got.length == 3 && got.fds.is_empty() && got.fds_lost);
    /// });
    /// ```
    #[track_caller]
    pub fn recv_with_fds<'a>(&'a self, buffer: &'a mut [u8], most: usize) -> RecvWithFds<'a> {
        RecvWithFds::new(&self.source, buffer, most, false)
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// See [`UnixStream::send_with_fds`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct SendWithFds<'a> {
    operation: Operation<'a>,
    bytes: &'a [u8],
    fds: &'a [BorrowedFd<'a>],
    /// In a stream: there must be a byte.
    stream: bool,
}

impl<'a> SendWithFds<'a> {
    #[track_caller]
    fn new(source: &'a Source, bytes: &'a [u8], fds: &'a [BorrowedFd<'a>], stream: bool) -> SendWithFds<'a> {
        SendWithFds { operation: Operation::new(source, Interest::Write), bytes, fds, stream }
    }
}

impl Future for SendWithFds<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.stream && this.bytes.is_empty() {
            return Poll::Ready(Err(refused("in a stream, descriptors travel with at least one byte")));
        }
        this.operation.poll(cx, |world, fd| world.send_message(fd, this.bytes, None, this.fds).map(Done::with))
    }
}

/// See [`UnixStream::recv_with_fds`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct RecvWithFds<'a> {
    operation: Operation<'a>,
    buffer: &'a mut [u8],
    most: usize,
    stream: bool,
}

impl<'a> RecvWithFds<'a> {
    #[track_caller]
    fn new(source: &'a Source, buffer: &'a mut [u8], most: usize, stream: bool) -> RecvWithFds<'a> {
        let most = most.min(MOST_DESCRIPTORS);
        RecvWithFds { operation: Operation::new(source, Interest::Read), buffer, most, stream }
    }
}

impl Future for RecvWithFds<'_> {
    type Output = io::Result<WithFds>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<WithFds>> {
        let this = &mut *self;
        if this.stream && this.buffer.is_empty() {
            return Poll::Ready(Err(refused("in a stream, descriptors come with at least one byte")));
        }
        this.operation.poll(cx, |world, fd| {
            world.receive_message(fd, this.buffer, this.most, false).map(WithFds::from).map(Done::with)
        })
    }
}
