//! [`AsyncBufReadExt`]: the everyday methods of whatever has a buffer to read from: up to a delimiter, by lines.
//!
//! None of them loses a byte when it is dropped: what has been taken stands with the caller, the rest in the buffer.

use std::future::Future;
use std::io::{BufRead, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{AsyncBufRead, Lines, ReadLine, Split};
use crate::task::here;

/// Methods of every [`AsyncBufRead`].
///
/// ```
/// use coracle::io::AsyncBufReadExt;
/// coracle::block_on(async {
///     let mut lines = (&b"one\ntwo\n"[..]).lines();
///     while let Some(line) = lines.next().await {
///         println!("{}", line.unwrap());
///     }
/// });
/// ```
pub trait AsyncBufReadExt: AsyncBufRead {
    /// What is buffered, reading more if that is nothing. Empty: the end. Say with
    /// [`consume`](AsyncBufReadExt::consume) how much of it is done with.
    ///
    /// **Cancel safety**: cancel-safe; what came stays in the buffer.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// coracle::block_on(async {
    ///     let mut source: &[u8] = b"bytes";
    ///     assert_eq!(source.fill_buf().await.unwrap(), b"bytes");
    /// });
    /// ```
    fn fill_buf(&mut self) -> FillBuf<'_, Self>
    where
        Self: Unpin,
    {
        FillBuf { reader: Some(self) }
    }

    /// Takes so many bytes out of the buffer; at most what it holds.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// let mut source: &[u8] = b"bytes";
    /// AsyncBufReadExt::consume(&mut source, 2);
    /// assert_eq!(source, b"tes");
    /// ```
    fn consume(&mut self, amount: usize)
    where
        Self: Unpin,
    {
        AsyncBufRead::consume(Pin::new(self), amount);
    }

    /// Appends everything up to `delimiter`, and the delimiter, to `bytes`; without it at the end. How many bytes,
    /// counted from this call; 0 is the end.
    ///
    /// It reads for ever if the peer sends no delimiter: [`take`](super::AsyncReadExt::take) sets a limit, as does
    /// [`Split::at_most`].
    ///
    /// **Cancel safety**: prefix-safe; what was read when it is dropped has been appended, and the same call again goes
    /// on.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// coracle::block_on(async {
    ///     let (mut source, mut bytes) = (&b"key=value"[..], Vec::new());
    ///     assert_eq!(source.read_until(b'=', &mut bytes).await.unwrap(), 4);
    ///     assert_eq!((&bytes[..], source), (&b"key="[..], &b"value"[..]));
    /// });
    /// ```
    fn read_until<'a>(&'a mut self, delimiter: u8, bytes: &'a mut Vec<u8>) -> ReadUntil<'a, Self>
    where
        Self: Unpin,
    {
        ReadUntil { reader: self, delimiter, before: bytes.len(), bytes }
    }

    /// Reads past the next `delimiter`, or to the end. How many bytes, counted from this call.
    ///
    /// **Cancel safety**: prefix-safe; what was skipped is skipped, and the same call again goes on.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// coracle::block_on(async {
    ///     let mut source: &[u8] = b"comment\ntext";
    ///     assert_eq!(source.skip_until(b'\n').await.unwrap(), 8);
    ///     assert_eq!(source, b"text");
    /// });
    /// ```
    fn skip_until(&mut self, delimiter: u8) -> SkipUntil<'_, Self>
    where
        Self: Unpin,
    {
        SkipUntil { reader: self, delimiter, skipped: 0 }
    }

    /// Appends the rest of a line, and its `\n`, to `text`; without it at the end. How many bytes, counted from this
    /// call; 0 is the end.
    ///
    /// It reads for ever if the peer sends no `\n`: [`take`](super::AsyncReadExt::take) sets a limit, as does
    /// [`Lines::at_most`].
    ///
    /// **Cancel safety**: prefix-safe; what was read when it is dropped has been appended, and the same call again goes
    /// on. Half a character waits in the reader's buffer; only a reader of another crate that cannot [put it
    /// back](AsyncBufRead::put_back) loses it, up to three bytes.
    ///
    /// # Errors
    /// [`InvalidData`](super::ErrorKind::InvalidData) at bytes that are not UTF-8. The text before them has been
    /// appended; they have not been taken (but for half a character at the end of a slice, which cannot put back):
    /// [`skip_until`](AsyncBufReadExt::skip_until) or [`read_until`](AsyncBufReadExt::read_until) goes past them, the
    /// same call again only repeats the error.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// coracle::block_on(async {
    ///     let (mut source, mut line) = (&b"first\nsecond\n"[..], String::new());
    ///     source.read_line(&mut line).await.unwrap();
    ///     assert_eq!(line, "first\n");
    /// });
    /// ```
    fn read_line<'a>(&'a mut self, text: &'a mut String) -> ReadLine<'a, Self>
    where
        Self: Unpin,
    {
        ReadLine::new(self, text)
    }

    /// The lines of this reader, one after another. Set a limit with [`Lines::at_most`] if a peer writes them.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// coracle::block_on(async {
    ///     let mut lines = (&b"first\r\nsecond"[..]).lines();
    ///     assert_eq!(lines.next().await.unwrap().unwrap(), "first");
    ///     assert_eq!(lines.next().await.unwrap().unwrap(), "second");
    ///     assert!(lines.next().await.is_none());
    /// });
    /// ```
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines::new(self)
    }

    /// The pieces between delimiters, one after another. Set a limit with [`Split::at_most`] if a peer writes them.
    ///
    /// ```
    /// use coracle::io::{AsyncBufReadExt, BufReader};
    /// coracle::block_on(async {
    ///     let mut pieces = BufReader::new(&b"a,,b"[..]).split(b',');
    ///     for expected in [&b"a"[..], b"", b"b"] {
    ///         assert_eq!(pieces.next().await.unwrap().unwrap(), expected);
    ///     }
    ///     assert!(pieces.next().await.is_none());
    /// });
    /// ```
    fn split(self, delimiter: u8) -> Split<Self>
    where
        Self: Sized,
    {
        Split::new(self, delimiter)
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufReadExt for R {}

/// Takes everything up to `delimiter`, and the delimiter, piece by piece. `accept` is given each piece before it is
/// taken; what it refuses is not. Whether the delimiter was there; else it is the end.
pub(super) fn poll_until<R>(
    reader: &mut R,
    delimiter: u8,
    mut accept: impl FnMut(&[u8]) -> Result<()>,
    cx: &mut Context<'_>,
) -> Poll<Result<bool>>
where
    R: AsyncBufRead + Unpin + ?Sized,
{
    // A large buffer may hold many lines: they count, and not only the reads that fill it.
    if !here::may_go_on(cx) {
        return Poll::Pending;
    }
    loop {
        let shown = ready!(Pin::new(&mut *reader).poll_fill_buf(cx))?;
        let piece = through(delimiter, shown);
        let (length, found) = (piece.len(), piece.last() == Some(&delimiter));
        accept(piece)?;
        Pin::new(&mut *reader).consume(length);
        if found || length == 0 {
            here::spend();
            return Poll::Ready(Ok(found));
        }
    }
}

/// The beginning of `bytes` that ends with the first `delimiter`; all of it if there is none.
pub(super) fn through(delimiter: u8, bytes: &[u8]) -> &[u8] {
    // By the way of std, which looks at several bytes at once.
    let mut rest = bytes;
    let length = BufRead::skip_until(&mut rest, delimiter).expect("a slice gives no errors");
    &bytes[..length]
}

/// See [`AsyncBufReadExt::fill_buf`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct FillBuf<'a, R: ?Sized> {
    /// Handed over with the answer.
    reader: Option<&'a mut R>,
}

impl<'a, R: AsyncBufRead + Unpin + ?Sized> Future for FillBuf<'a, R> {
    type Output = Result<&'a [u8]>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&'a [u8]>> {
        let reader = self.reader.as_mut().expect("a FillBuf was polled after it was done");
        // What it shows cannot be given out before it is clear that the future will not need the reader again. So it is
        // asked twice; the second time it has something buffered, and does not read.
        if ready!(Pin::new(&mut **reader).poll_fill_buf(cx))?.is_empty() {
            return Poll::Ready(Ok(&[]));
        }
        let reader = self.reader.take().expect("it was there a moment ago");
        let Poll::Ready(shown) = Pin::new(reader).poll_fill_buf(cx) else {
            panic!("a reader with bytes in its buffer says that it has to wait");
        };
        Poll::Ready(shown)
    }
}

/// See [`AsyncBufReadExt::read_until`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadUntil<'a, R: ?Sized> {
    reader: &'a mut R,
    delimiter: u8,
    bytes: &'a mut Vec<u8>,
    before: usize,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadUntil<'_, R> {
    type Output = Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let this = &mut *self;
        let append = |piece: &[u8]| {
            this.bytes.extend_from_slice(piece);
            Ok(())
        };
        ready!(poll_until(this.reader, this.delimiter, append, cx))?;
        Poll::Ready(Ok(this.bytes.len() - this.before))
    }
}

/// See [`AsyncBufReadExt::skip_until`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct SkipUntil<'a, R: ?Sized> {
    reader: &'a mut R,
    delimiter: u8,
    skipped: usize,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for SkipUntil<'_, R> {
    type Output = Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let this = &mut *self;
        let count = |piece: &[u8]| {
            this.skipped += piece.len();
            Ok(())
        };
        ready!(poll_until(this.reader, this.delimiter, count, cx))?;
        Poll::Ready(Ok(this.skipped))
    }
}
