//! [`AsyncReadExt`]: the everyday methods of whatever can be read.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{AsyncRead, Buffer, Buffers, Chain, Take};

/// Methods of every [`AsyncRead`].
///
/// ```
/// use coracle::io::AsyncReadExt;
/// coracle::block_on(async {
///     let mut source: &[u8] = b"bytes";
///     let mut all = Vec::new();
///     source.read_to_end(&mut all).await.unwrap();
///     assert_eq!(all, b"bytes");
/// });
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// Reads once, into at most all of `buffer`. How many bytes; 0 is the end (or `buffer` is empty).
    ///
    /// **Cancel safety**: cancel-safe, if `poll_read` is as it must be.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// coracle::block_on(async {
    ///     let mut buffer = [0; 8];
    ///     assert_eq!((&b"abc"[..]).read(&mut buffer).await.unwrap(), 3);
    /// });
    /// ```
    fn read<'a>(&'a mut self, buffer: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Unpin,
    {
        Read { reader: self, buffer }
    }

    /// Reads once, into one of `buffers`, which is taken when there is something to read. An empty one is the end.
    ///
    /// **Cancel safety**: cancel-safe, if `poll_read` is as it must be. While it waits it holds no buffer.
    ///
    /// ```
    /// use coracle::io::{AsyncReadExt, Buffers};
    /// coracle::block_on(async {
    ///     let bytes = (&b"abc"[..]).read_pooled(&Buffers::new(1024)).await.unwrap();
    ///     assert_eq!(&bytes[..], b"abc");
    /// });
    /// ```
    fn read_pooled<'a>(&'a mut self, buffers: &'a Buffers) -> ReadPooled<'a, Self>
    where
        Self: Unpin,
    {
        ReadPooled { reader: self, buffers }
    }

    /// Fills `buffer`.
    ///
    /// **Cancel safety**: prefix-safe. What was read when it is dropped stands at the beginning of `buffer`, and
    /// [`ReadExact::filled`] says how much it is, if it is awaited by `&mut`. [`Exact`](super::Exact) keeps its
    /// progress by itself.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] if the end comes before; `filled` bytes have been read.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// coracle::block_on(async {
    ///     let mut buffer = [0; 2];
    ///     (&b"abc"[..]).read_exact(&mut buffer).await.unwrap();
    ///     assert_eq!(&buffer, b"ab");
    /// });
    /// ```
    fn read_exact<'a>(&'a mut self, buffer: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Unpin,
    {
        ReadExact { reader: self, buffer, filled: 0 }
    }

    /// Appends everything up to the end to `bytes`. How many bytes. [`take`](AsyncReadExt::take) sets a limit.
    ///
    /// **Cancel safety**: prefix-safe; what was read when it is dropped has been appended.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// coracle::block_on(async {
    ///     let mut bytes = Vec::new();
    ///     assert_eq!((&b"abc"[..]).read_to_end(&mut bytes).await.unwrap(), 3);
    /// });
    /// ```
    fn read_to_end<'a>(&'a mut self, bytes: &'a mut Vec<u8>) -> ReadToEnd<'a, Self>
    where
        Self: Unpin,
    {
        ReadToEnd { reader: self, before: bytes.len(), bytes, room: LEAST_ROOM }
    }

    /// Appends everything up to the end to `text`. How many bytes.
    ///
    /// **Cancel safety**: lossy; text is appended when all of it has proved to be UTF-8.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] if it is not UTF-8; then `text` is as it was.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// coracle::block_on(async {
    ///     let mut text = String::new();
    ///     (&b"abc"[..]).read_to_string(&mut text).await.unwrap();
    ///     assert_eq!(text, "abc");
    /// });
    /// ```
    fn read_to_string<'a>(&'a mut self, text: &'a mut String) -> ReadToString<'a, Self>
    where
        Self: Unpin,
    {
        ReadToString { reader: self, bytes: Vec::new(), text, room: LEAST_ROOM }
    }

    /// Reads `N` bytes, such as those of a number: `u32::from_be_bytes(reader.read_array().await?)`.
    ///
    /// **Cancel safety**: lossy, unless it is awaited by `&mut`: the bytes are in the future, and
    /// [`ReadArray::filled`] shows them. [`Exact`](super::Exact) keeps them elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] if the end comes before.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// coracle::block_on(async {
    ///     let mut source: &[u8] = &[0, 0, 1, 2];
    ///     assert_eq!(u32::from_be_bytes(source.read_array().await.unwrap()), 258);
    /// });
    /// ```
    fn read_array<const N: usize>(&mut self) -> ReadArray<'_, Self, N>
    where
        Self: Unpin,
    {
        ReadArray { reader: self, bytes: [0; N], filled: 0 }
    }

    /// A reader of the first `limit` bytes: with it everything that reads to an end has a bound. `&mut reader` is a
    /// reader too, so that the rest is not given away.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// coracle::block_on(async {
    ///     let mut source: &[u8] = b"a peer that never stops";
    ///     let mut bytes = Vec::new();
    ///     (&mut source).take(6).read_to_end(&mut bytes).await.unwrap();
    ///     assert_eq!((&bytes[..], source), (&b"a peer"[..], &b" that never stops"[..]));
    /// });
    /// ```
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take::new(self, limit)
    }

    /// A reader of everything that this one has, and then of everything that `next` has.
    ///
    /// ```
    /// use coracle::io::AsyncReadExt;
    /// coracle::block_on(async {
    ///     let mut text = String::new();
    ///     (&b"one, "[..]).chain(&b"two"[..]).read_to_string(&mut text).await.unwrap();
    ///     assert_eq!(text, "one, two");
    /// });
    /// ```
    fn chain<R: AsyncRead>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
    {
        Chain::new(self, next)
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}

/// See [`AsyncReadExt::read`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Read<'a, R: ?Sized> {
    reader: &'a mut R,
    buffer: &'a mut [u8],
}

impl<R: AsyncRead + Unpin + ?Sized> Future for Read<'_, R> {
    type Output = Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let this = &mut *self;
        Pin::new(&mut *this.reader).poll_read(cx, this.buffer)
    }
}

/// See [`AsyncReadExt::read_pooled`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadPooled<'a, R: ?Sized> {
    reader: &'a mut R,
    buffers: &'a Buffers,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadPooled<'_, R> {
    type Output = Result<Buffer>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Buffer>> {
        let this = &mut *self;
        this.buffers.poll_read(Pin::new(&mut *this.reader), cx)
    }
}

/// See [`AsyncReadExt::read_exact`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadExact<'a, R: ?Sized> {
    reader: &'a mut R,
    buffer: &'a mut [u8],
    filled: usize,
}

impl<R: ?Sized> ReadExact<'_, R> {
    /// How many bytes have been read into the beginning of the buffer.
    pub fn filled(&self) -> usize {
        self.filled
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadExact<'_, R> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        poll_fill(this.reader, this.buffer, &mut this.filled, cx)
    }
}

fn poll_fill<R>(reader: &mut R, buffer: &mut [u8], filled: &mut usize, cx: &mut Context<'_>) -> Poll<Result<()>>
where
    R: AsyncRead + Unpin + ?Sized,
{
    while *filled < buffer.len() {
        match ready!(Pin::new(&mut *reader).poll_read(cx, &mut buffer[*filled..]))? {
            0 => return Poll::Ready(Err(unexpected_end())),
            n => *filled += n,
        }
    }
    Poll::Ready(Ok(()))
}

pub(crate) fn unexpected_end() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the end came before the buffer was full")
}

/// See [`AsyncReadExt::read_to_end`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadToEnd<'a, R: ?Sized> {
    reader: &'a mut R,
    bytes: &'a mut Vec<u8>,
    before: usize,
    room: usize,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToEnd<'_, R> {
    type Output = Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let this = &mut *self;
        ready!(poll_append(this.reader, this.bytes, &mut this.room, cx))?;
        Poll::Ready(Ok(this.bytes.len() - this.before))
    }
}

/// Reads to the end; after each poll `bytes` holds what was read and nothing else.
fn poll_append<R>(reader: &mut R, bytes: &mut Vec<u8>, room: &mut usize, cx: &mut Context<'_>) -> Poll<Result<()>>
where
    R: AsyncRead + Unpin + ?Sized,
{
    while ready!(poll_more(reader, bytes, usize::MAX, room, cx))? > 0 {}
    Poll::Ready(Ok(()))
}

/// Reads once, at most `most` bytes, behind those that are there. How many; 0 is the end.
///
/// There is room for twice what the last read gave. So what is cleared for the reader and what is copied when the
/// vector grows is linear in what is read, whether it comes in large pieces or small; and nobody who only announces a
/// large number makes the vector grow.
pub(super) fn poll_more<R>(
    reader: &mut R,
    bytes: &mut Vec<u8>,
    most: usize,
    room: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<Result<usize>>
where
    R: AsyncRead + Unpin + ?Sized,
{
    let filled = bytes.len();
    bytes.resize(filled + most.min(*room), 0);
    let read = Pin::new(reader).poll_read(cx, &mut bytes[filled..]);
    let count = match &read {
        Poll::Ready(Ok(count)) => *count,
        _ => 0,
    };
    bytes.truncate(filled + count);
    if count > 0 {
        *room = (2 * count).clamp(LEAST_ROOM, MOST_ROOM);
    }
    read
}

/// The least and the most that is read at a time. Arbitrary: a small message, and the point from which system calls
/// cost nothing in comparison.
pub(super) const LEAST_ROOM: usize = 512;
const MOST_ROOM: usize = 256 * 1024;

/// See [`AsyncReadExt::read_array`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadArray<'a, R: ?Sized, const N: usize> {
    reader: &'a mut R,
    bytes: [u8; N],
    filled: usize,
}

impl<R: ?Sized, const N: usize> ReadArray<'_, R, N> {
    /// The bytes that have been read.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl<R: AsyncRead + Unpin + ?Sized, const N: usize> Future for ReadArray<'_, R, N> {
    type Output = Result<[u8; N]>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<[u8; N]>> {
        let this = &mut *self;
        ready!(poll_fill(this.reader, &mut this.bytes, &mut this.filled, cx))?;
        Poll::Ready(Ok(this.bytes))
    }
}

/// See [`AsyncReadExt::read_to_string`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadToString<'a, R: ?Sized> {
    reader: &'a mut R,
    bytes: Vec<u8>,
    text: &'a mut String,
    room: usize,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToString<'_, R> {
    type Output = Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let this = &mut *self;
        ready!(poll_append(this.reader, &mut this.bytes, &mut this.room, cx))?;
        let text = std::str::from_utf8(&this.bytes).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
        this.text.push_str(text);
        Poll::Ready(Ok(text.len()))
    }
}
