//! [`Take`]: the first bytes of a reader.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{AsyncBufRead, AsyncRead};

/// A reader that ends after a number of bytes; see [`AsyncReadExt::take`](super::AsyncReadExt::take).
#[derive(Debug)]
pub struct Take<R> {
    reader: R,
    limit: u64,
}

impl<R> Take<R> {
    pub(super) fn new(reader: R, limit: u64) -> Take<R> {
        Take { reader, limit }
    }

    /// How many bytes may still be read. At 0 it is at its end, whether or not the reader is.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// coracle::block_on(async {
    ///     let mut take = (&b"bytes"[..]).take(3);
    ///     take.read(&mut [0; 2]).await.unwrap();
    ///     assert_eq!(take.limit(), 1);
    /// });
    /// ```
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Lets so many bytes be read from here on.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// let mut take = (&b"bytes"[..]).take(0);
    /// take.set_limit(5);
    /// assert_eq!(coracle::block_on(async { take.read_array().await.unwrap() }), *b"bytes");
    /// ```
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The reader.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// assert_eq!(*(&b"bytes"[..]).take(3).get_ref(), b"bytes");
    /// ```
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The reader. What is read from it here does not count.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// assert_eq!(*(&b"bytes"[..]).take(3).get_mut(), b"bytes");
    /// ```
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader. Nothing is lost: it stands where the last read ended.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// assert_eq!((&b"bytes"[..]).take(3).into_inner(), b"bytes");
    /// ```
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// As much of `length` bytes as is left.
    fn at_most(&self, length: usize) -> usize {
        usize::try_from(self.limit).map_or(length, |limit| limit.min(length))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Take<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let this = &mut *self;
        let most = this.at_most(buffer.len());
        // Also when nothing is wanted: a reader that has come to its limit must not wait for more.
        if most == 0 {
            return Poll::Ready(Ok(0));
        }
        let count = ready!(Pin::new(&mut this.reader).poll_read(cx, &mut buffer[..most]))?;
        this.limit = this.limit.saturating_sub(count as u64);
        Poll::Ready(Ok(count))
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for Take<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        let this = self.get_mut();
        if this.limit == 0 {
            return Poll::Ready(Ok(&[]));
        }
        let limit = usize::try_from(this.limit).unwrap_or(usize::MAX);
        Pin::new(&mut this.reader).poll_fill_buf(cx).map_ok(|bytes| &bytes[..bytes.len().min(limit)])
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        let amount = self.at_most(amount);
        self.limit -= amount as u64;
        Pin::new(&mut self.reader).consume(amount);
    }

    fn put_back(mut self: Pin<&mut Self>, bytes: &[u8]) -> bool {
        let could = Pin::new(&mut self.reader).put_back(bytes);
        if could {
            self.limit = self.limit.saturating_add(bytes.len() as u64);
        }
        could
    }
}
