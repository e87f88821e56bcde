//! The futures of a [`Stream`](crate::net::Stream): what is read into or written from, and an operation that waits if it must.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::registration::Done;
use super::source::Operation;
use crate::io::{Buffer, Buffers};

/// See [`Stream::read`](crate::net::Stream::read).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Read<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) buffer: &'a mut [u8],
}

impl Future for Read<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| {
            world.receive(fd, this.buffer, false).map(|count| Done::bytes(count, this.buffer.len()))
        })
    }
}

/// See [`Stream::read_pooled`](crate::net::Stream::read_pooled).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadPooled<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) buffers: &'a Buffers,
}

impl Future for ReadPooled<'_> {
    type Output = io::Result<Buffer>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Buffer>> {
        let this = &mut *self;
        this.operation.poll(cx, |world, fd| {
            let buffer = this.buffers.fill(|room| world.receive(fd, room, false))?;
            let Done { drained, .. } = Done::bytes(buffer.len(), this.buffers.size());
            Ok(Done { value: buffer, drained })
        })
    }
}

/// See [`Stream::read_vectored`](crate::net::Stream::read_vectored).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadVectored<'a, 'b> {
    pub(super) operation: Operation<'a>,
    pub(super) buffers: &'a mut [IoSliceMut<'b>],
}

impl Future for ReadVectored<'_, '_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| world.receive_vectored(fd, this.buffers).map(Done::with))
    }
}

/// See [`Stream::read_exact`](crate::net::Stream::read_exact).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadExact<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) buffer: &'a mut [u8],
    pub(super) filled: usize,
}

impl ReadExact<'_> {
    /// How many bytes have been read into the beginning of the buffer.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(stream.read_exact(&mut [0; 4]).filled(), 0);
    /// # });
    /// ```
    pub fn filled(&self) -> usize {
        self.filled
    }
}

impl Future for ReadExact<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.filled < this.buffer.len() {
            let rest = &mut this.buffer[this.filled..];
            let count =
                ready!(this.operation.poll(cx, |world, fd| {
                    world.receive(fd, rest, false).map(|count| Done::bytes(count, rest.len()))
                }))?;
            if count == 0 {
                return Poll::Ready(Err(crate::io::unexpected_end()));
            }
            this.filled += count;
        }
        Poll::Ready(Ok(()))
    }
}

/// See [`Stream::peek`](crate::net::Stream::peek).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Peek<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) buffer: &'a mut [u8],
}

impl Future for Peek<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| world.receive(fd, this.buffer, true).map(Done::with))
    }
}

/// See [`Stream::write`](crate::net::Stream::write).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Write<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) bytes: &'a [u8],
}

impl Future for Write<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.operation
            .poll(cx, |world, fd| world.send(fd, this.bytes).map(|count| Done::bytes(count, this.bytes.len())))
    }
}

/// See [`Stream::write_vectored`](crate::net::Stream::write_vectored).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct WriteVectored<'a, 'b> {
    pub(super) operation: Operation<'a>,
    pub(super) buffers: &'a [IoSlice<'b>],
}

impl Future for WriteVectored<'_, '_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| world.send_vectored(fd, this.buffers).map(Done::with))
    }
}

/// See [`Stream::write_all`](crate::net::Stream::write_all).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct WriteAll<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) bytes: &'a [u8],
    pub(super) written: usize,
}

impl WriteAll<'_> {
    /// How many bytes have been written.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(stream.write_all(b"bytes").written(), 0);
    /// # });
    /// ```
    pub fn written(&self) -> usize {
        self.written
    }
}

impl Future for WriteAll<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.written < this.bytes.len() {
            let rest = &this.bytes[this.written..];
            let count = ready!(
                this.operation
                    .poll(cx, |world, fd| { world.send(fd, rest).map(|count| Done::bytes(count, rest.len())) })
            )?;
            if count == 0 {
                return Poll::Ready(Err(crate::io::no_more_taken()));
            }
            this.written += count;
        }
        Poll::Ready(Ok(()))
    }
}
