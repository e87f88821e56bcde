//! [`Chain`]: one reader after another.

use std::io::{IoSliceMut, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{AsyncBufRead, AsyncRead};

/// Reads all of one reader, then all of another; see [`AsyncReadExt::chain`](super::AsyncReadExt::chain).
#[derive(Debug)]
pub struct Chain<A, B> {
    first: A,
    second: B,
    /// The first has ended; it is not asked again.
    is_second: bool,
}

impl<A, B> Chain<A, B> {
    pub(super) fn new(first: A, second: B) -> Chain<A, B> {
        Chain { first, second, is_second: false }
    }

    /// Both readers.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// assert_eq!((&b"a"[..]).chain(&b"b"[..]).get_ref(), (&&b"a"[..], &&b"b"[..]));
    /// ```
    pub fn get_ref(&self) -> (&A, &B) {
        (&self.first, &self.second)
    }

    /// Both readers. What is read from them here is not read by the chain.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// assert_eq!(*(&b"a"[..]).chain(&b"b"[..]).get_mut().1, b"b");
    /// ```
    pub fn get_mut(&mut self) -> (&mut A, &mut B) {
        (&mut self.first, &mut self.second)
    }

    /// Both readers. Nothing is lost: they stand where the last read ended.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// assert_eq!((&b"a"[..]).chain(&b"b"[..]).into_inner(), (&b"a"[..], &b"b"[..]));
    /// ```
    pub fn into_inner(self) -> (A, B) {
        (self.first, self.second)
    }
}

impl<A: AsyncRead + Unpin, B: AsyncRead + Unpin> AsyncRead for Chain<A, B> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let this = &mut *self;
        // Nothing read into nothing is not the end of the first.
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if !this.is_second {
            match ready!(Pin::new(&mut this.first).poll_read(cx, buffer))? {
                0 => this.is_second = true,
                count => return Poll::Ready(Ok(count)),
            }
        }
        Pin::new(&mut this.second).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<Result<usize>> {
        let this = &mut *self;
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        if !this.is_second {
            match ready!(Pin::new(&mut this.first).poll_read_vectored(cx, buffers))? {
                0 => this.is_second = true,
                count => return Poll::Ready(Ok(count)),
            }
        }
        Pin::new(&mut this.second).poll_read_vectored(cx, buffers)
    }
}

impl<A: AsyncBufRead + Unpin, B: AsyncBufRead + Unpin> AsyncBufRead for Chain<A, B> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        let this = self.get_mut();
        if !this.is_second {
            // Asked once whether it has ended, and once more for what it shows: the borrow cannot span both.
            this.is_second = ready!(Pin::new(&mut this.first).poll_fill_buf(cx))?.is_empty();
        }
        if this.is_second {
            Pin::new(&mut this.second).poll_fill_buf(cx)
        } else {
            Pin::new(&mut this.first).poll_fill_buf(cx)
        }
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        let this = &mut *self;
        if this.is_second {
            Pin::new(&mut this.second).consume(amount);
        } else {
            Pin::new(&mut this.first).consume(amount);
        }
    }

    /// What was consumed of the first, when it has ended, goes before the second, which is read next.
    fn put_back(mut self: Pin<&mut Self>, bytes: &[u8]) -> bool {
        let this = &mut *self;
        if this.is_second {
            Pin::new(&mut this.second).put_back(bytes)
        } else {
            Pin::new(&mut this.first).put_back(bytes)
        }
    }
}
