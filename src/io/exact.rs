//! [`Exact`]: so many bytes, kept outside of the future that reads them.
//!
//! The future of [`read_exact`](super::AsyncReadExt::read_exact) borrows its buffer and counts in itself: who drops it
//! must have asked it how far it came. An `Exact` is the state alone. It stays, and any number of futures work on it.

use std::future::Future;
use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::AsyncRead;
use super::read::{LEAST_ROOM, poll_more, unexpected_end};

/// So many bytes that are to be read, and those that have been.
///
/// ```
/// use coracle::io::{AsyncWriteExt, Exact, duplex};
/// use coracle::time::timeout;
/// use std::time::Duration;
/// coracle::block_on(async {
///     let (mut server, mut client) = duplex(64);
///     let mut header = Exact::new(4);
///     client.write_all(b"ab").await.unwrap();
///     // The time is up before the header is there. What came is kept.
///     assert!(timeout(Duration::from_millis(1), header.read_from(&mut server)).await.is_err());
///     assert_eq!((header.filled(), header.missing()), (&b"ab"[..], 2));
///     client.write_all(b"cd, body").await.unwrap();
///     assert_eq!(header.read_from(&mut server).await.unwrap(), b"abcd");
/// });
/// ```
#[derive(Debug)]
pub struct Exact {
    bytes: Vec<u8>,
    length: usize,
    room: usize,
}

impl Exact {
    /// For `length` bytes. Memory is allocated as they come, so that a large number costs nothing by itself.
    ///
    /// ```
    /// assert_eq!(coracle::io::Exact::new(usize::MAX).missing(), usize::MAX);
    /// ```
    pub fn new(length: usize) -> Exact {
        Exact { bytes: Vec::new(), length, room: LEAST_ROOM }
    }

    /// Begins anew, with the same memory: what was read is forgotten, and `length` bytes are to be read.
    ///
    /// ```
    /// use coracle::io::Exact;
    /// coracle::block_on(async {
    ///     let (mut source, mut exact) = (&b"\x04body"[..], Exact::new(1));
    ///     let length = exact.read_from(&mut source).await.unwrap()[0];
    ///     exact.restart(length as usize);
    ///     assert_eq!(exact.read_from(&mut source).await.unwrap(), b"body");
    /// });
    /// ```
    pub fn restart(&mut self, length: usize) {
        self.bytes.clear();
        self.length = length;
    }

    /// Reads what is missing, not a byte more; then all the bytes. If nothing is missing it does not read.
    ///
    /// **Cancel safety**: cancel-safe; what was read is kept here, and the next call goes on, also with another reader.
    ///
    /// # Errors
    /// [`UnexpectedEof`](super::ErrorKind::UnexpectedEof) if the end comes before; else those of the reader. What was
    /// read is kept.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mut source: &[u8] = b"abc";
    ///     assert_eq!(coracle::io::Exact::new(2).read_from(&mut source).await.unwrap(), b"ab");
    ///     assert_eq!(source, b"c");
    /// });
    /// ```
    pub fn read_from<'a, R>(&'a mut self, reader: &'a mut R) -> ReadFrom<'a, R>
    where
        R: AsyncRead + Unpin + ?Sized,
    {
        ReadFrom { exact: Some(self), reader }
    }

    /// What has been read.
    ///
    /// ```
    /// assert!(coracle::io::Exact::new(16).filled().is_empty());
    /// ```
    pub fn filled(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes are still to be read.
    ///
    /// ```
    /// assert_eq!(coracle::io::Exact::new(16).missing(), 16);
    /// ```
    pub fn missing(&self) -> usize {
        self.length - self.bytes.len()
    }

    /// What has been read, all of it or not.
    ///
    /// ```
    /// assert!(coracle::io::Exact::new(16).into_bytes().is_empty());
    /// ```
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Reads until nothing is missing. `false`: the end came before.
    pub(super) fn poll_complete<R>(&mut self, reader: &mut R, cx: &mut Context<'_>) -> Poll<Result<bool>>
    where
        R: AsyncRead + Unpin + ?Sized,
    {
        while self.missing() > 0 {
            let missing = self.missing();
            if ready!(poll_more(reader, &mut self.bytes, missing, &mut self.room, cx))? == 0 {
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Exchanges the bytes for other memory, to be used next.
    pub(super) fn swap(&mut self, bytes: &mut Vec<u8>) {
        std::mem::swap(&mut self.bytes, bytes);
    }
}

/// See [`Exact::read_from`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadFrom<'a, R: ?Sized> {
    /// Handed over with the answer.
    exact: Option<&'a mut Exact>,
    reader: &'a mut R,
}

impl<'a, R: AsyncRead + Unpin + ?Sized> Future for ReadFrom<'a, R> {
    type Output = Result<&'a [u8]>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&'a [u8]>> {
        let this = &mut *self;
        let exact = this.exact.as_mut().expect("a ReadFrom was polled after it was done");
        if !ready!(exact.poll_complete(this.reader, cx))? {
            return Poll::Ready(Err(unexpected_end()));
        }
        let exact = this.exact.take().expect("it was there a moment ago");
        Poll::Ready(Ok(&exact.bytes))
    }
}
