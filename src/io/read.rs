//! [`AsyncReadExt`]: the everyday methods of whatever can be read.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::AsyncRead;

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
    fn read<'a>(&'a mut self, buffer: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Unpin,
    {
        Read { reader: self, buffer }
    }

    /// Fills `buffer`.
    ///
    /// **Cancel safety**: prefix-safe. What was read when it is dropped stands at the beginning of `buffer`, and
    /// [`ReadExact::filled`] says how much it is, if it is awaited by `&mut`.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] if the end comes before; `filled` bytes have been read.
    fn read_exact<'a>(&'a mut self, buffer: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Unpin,
    {
        ReadExact { reader: self, buffer, filled: 0 }
    }

    /// Appends everything up to the end to `bytes`. How many bytes.
    ///
    /// **Cancel safety**: prefix-safe; what was read when it is dropped has been appended.
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
    fn read_to_string<'a>(&'a mut self, text: &'a mut String) -> ReadToString<'a, Self>
    where
        Self: Unpin,
    {
        ReadToString { reader: self, bytes: Vec::new(), text, room: LEAST_ROOM }
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
        while this.filled < this.buffer.len() {
            let rest = &mut this.buffer[this.filled..];
            match ready!(Pin::new(&mut *this.reader).poll_read(cx, rest))? {
                0 => return Poll::Ready(Err(unexpected_end())),
                n => this.filled += n,
            }
        }
        Poll::Ready(Ok(()))
    }
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
///
/// There is room for twice what the last read gave. So what is cleared for the reader and what is copied when the vector
/// grows is linear in what is read, whether it comes in large pieces or small.
fn poll_append<R>(reader: &mut R, bytes: &mut Vec<u8>, room: &mut usize, cx: &mut Context<'_>) -> Poll<Result<()>>
where
    R: AsyncRead + Unpin + ?Sized,
{
    loop {
        let filled = bytes.len();
        bytes.resize(filled + *room, 0);
        let read = Pin::new(&mut *reader).poll_read(cx, &mut bytes[filled..]);
        let count = match &read {
            Poll::Ready(Ok(count)) => *count,
            _ => 0,
        };
        bytes.truncate(filled + count);
        match ready!(read)? {
            0 => return Poll::Ready(Ok(())),
            count => *room = (2 * count).clamp(LEAST_ROOM, MOST_ROOM),
        }
    }
}

/// The least and the most that is read at a time. Arbitrary: a small message, and the point from which system calls
/// cost nothing in comparison.
const LEAST_ROOM: usize = 512;
const MOST_ROOM: usize = 256 * 1024;

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
