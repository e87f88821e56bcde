//! [`Lines`] and [`Split`]: a reader cut at delimiters. The piece that is not complete yet is kept here, and not in the
//! future that reads it: losing a race loses no byte.

use std::fmt;
use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::buf_read::poll_until;
use super::{AsyncBufRead, TooLong};

/// A piece, and whether a delimiter ended it.
type Piece = (Vec<u8>, bool);

/// The pieces of a reader between delimiters; see [`AsyncBufReadExt::split`](super::AsyncBufReadExt::split).
pub struct Split<R> {
    reader: R,
    delimiter: u8,
    partial: Vec<u8>,
    limit: usize,
    what: &'static str,
    /// The rest of a piece that was too long is to be skipped.
    is_skipping: bool,
}

impl<R> Split<R> {
    pub(super) fn new(reader: R, delimiter: u8) -> Split<R> {
        let what = "a piece between delimiters";
        Split { reader, delimiter, partial: Vec::new(), limit: usize::MAX, what, is_skipping: false }
    }

    /// No piece may be longer than `limit` bytes, not counting the delimiter. One that is becomes an error,
    /// [`TooLong`], and is skipped; what follows it can be read. Without this only the memory is the limit.
    ///
    /// ```
    /// use coracle::io::{AsyncBufReadExt, BufReader};
    /// coracle::block_on(async {
    ///     let mut pieces = BufReader::new(&b"too long,short"[..]).split(b',').at_most(5);
    ///     assert!(pieces.next().await.unwrap().is_err());
    ///     assert_eq!(pieces.next().await.unwrap().unwrap(), b"short");
    /// });
    /// ```
    pub fn at_most(mut self, limit: usize) -> Split<R> {
        self.limit = limit;
        self
    }

    /// The next piece, without its delimiter. `None`: the end. What follows the last delimiter is a piece if it is not
    /// empty.
    ///
    /// **Cancel safety**: cancel-safe; what was read of a piece is kept, and the next call goes on.
    ///
    /// # Errors
    /// Those of the reader; what was read before is kept. [`TooLong`], see [`at_most`](Split::at_most).
    ///
    /// ```
    /// use coracle::io::{AsyncBufReadExt, BufReader};
    /// coracle::block_on(async {
    ///     assert_eq!(BufReader::new(&b"a b"[..]).split(b' ').next().await.unwrap().unwrap(), b"a");
    /// });
    /// ```
    #[allow(clippy::should_implement_trait, reason = "it is not Iterator's, as its answer has to be awaited")]
    pub fn next(&mut self) -> NextPiece<'_, R>
    where
        R: AsyncBufRead + Unpin,
    {
        NextPiece { split: self }
    }

    /// [`next`](Split::next), for implementors of futures. One waker is kept, as the reader keeps it.
    ///
    /// ```
    /// use coracle::io::{AsyncBufReadExt, BufReader};
    /// coracle::block_on(async {
    ///     let mut pieces = BufReader::new(&b"a b"[..]).split(b' ');
    ///     let piece = std::future::poll_fn(|cx| pieces.poll_next(cx)).await;
    ///     assert_eq!(piece.unwrap().unwrap(), b"a");
    /// });
    /// ```
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>>>>
    where
        R: AsyncBufRead + Unpin,
    {
        self.poll_piece(cx).map_ok(|(piece, _)| piece)
    }

    /// What has been read of a piece that is not complete.
    ///
    /// ```
    /// use coracle::io::{AsyncBufReadExt, BufReader};
    /// assert!(BufReader::new(&b"a b"[..]).split(b' ').partial().is_empty());
    /// ```
    pub fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// The reader, and what has been read of a piece that is not complete.
    ///
    /// ```
    /// use coracle::io::{AsyncBufReadExt, BufReader};
    /// coracle::block_on(async {
    ///     let mut pieces = BufReader::new(&b"head body"[..]).split(b' ');
    ///     pieces.next().await.unwrap().unwrap();
    ///     let (reader, partial) = pieces.into_parts();
    ///     assert_eq!((reader.buffer(), partial), (&b"body"[..], vec![]));
    /// });
    /// ```
    pub fn into_parts(self) -> (R, Vec<u8>) {
        (self.reader, self.partial)
    }

    /// The next piece, whoever asks.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece>>>
    where
        R: AsyncBufRead + Unpin,
    {
        if self.is_skipping {
            ready!(poll_until(&mut self.reader, self.delimiter, |_| Ok(()), cx))?;
            self.is_skipping = false;
        }
        let too_long = TooLong { what: self.what, limit: self.limit };
        let accept = |piece: &[u8]| {
            let length = piece.len() - usize::from(piece.last() == Some(&self.delimiter));
            if length > self.limit.saturating_sub(self.partial.len()) {
                self.partial = Vec::new();
                self.is_skipping = true;
                return Err(too_long.received());
            }
            self.partial.extend_from_slice(piece);
            Ok(())
        };
        let found = ready!(poll_until(&mut self.reader, self.delimiter, accept, cx))?;
        if !found && self.partial.is_empty() {
            return Poll::Ready(None);
        }
        let mut piece = std::mem::take(&mut self.partial);
        piece.truncate(piece.len() - usize::from(found));
        Poll::Ready(Some(Ok((piece, found))))
    }
}

impl<R: fmt::Debug> fmt::Debug for Split<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partial = self.partial.len();
        f.debug_struct("Split").field("reader", &self.reader).field("partial", &partial).finish_non_exhaustive()
    }
}

/// The lines of a reader; see [`AsyncBufReadExt::lines`](super::AsyncBufReadExt::lines).
#[derive(Debug)]
pub struct Lines<R> {
    split: Split<R>,
}

impl<R> Lines<R> {
    pub(super) fn new(reader: R) -> Lines<R> {
        Lines { split: Split { what: "a line", ..Split::new(reader, b'\n') } }
    }

    /// No line may be longer than `limit` bytes, not counting the `\n`. One that is becomes an error, [`TooLong`], and
    /// is skipped; the lines after it can be read. Without this only the memory is the limit.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// coracle::block_on(async {
    ///     let mut lines = (&b"too long\nshort"[..]).lines().at_most(5);
    ///     assert!(lines.next().await.unwrap().is_err());
    ///     assert_eq!(lines.next().await.unwrap().unwrap(), "short");
    /// });
    /// ```
    pub fn at_most(self, limit: usize) -> Lines<R> {
        Lines { split: self.split.at_most(limit) }
    }

    /// The next line, without its `\n` or `\r\n`. `None`: the end. What follows the last `\n` is a line if it is not
    /// empty.
    ///
    /// **Cancel safety**: cancel-safe; what was read of a line is kept, and the next call goes on.
    ///
    /// # Errors
    /// Those of the reader; what was read before is kept. [`TooLong`], see [`at_most`](Lines::at_most). For a line that
    /// is not UTF-8 [`ErrorKind::InvalidData`] with a [`FromUtf8Error`](std::string::FromUtf8Error) in it, which gives
    /// its bytes; the lines after it can be read.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// coracle::block_on(async {
    ///     let mut lines = (&b"\xFF\ngood\n"[..]).lines();
    ///     let error = lines.next().await.unwrap().unwrap_err();
    ///     let bytes = error.into_inner().unwrap().downcast::<std::string::FromUtf8Error>().unwrap().into_bytes();
    ///     assert_eq!(bytes, b"\xFF");
    ///     assert_eq!(lines.next().await.unwrap().unwrap(), "good");
    /// });
    /// ```
    #[allow(clippy::should_implement_trait, reason = "it is not Iterator's, as its answer has to be awaited")]
    pub fn next(&mut self) -> NextLine<'_, R>
    where
        R: AsyncBufRead + Unpin,
    {
        NextLine { lines: self }
    }

    /// [`next`](Lines::next), for implementors of futures. One waker is kept, as the reader keeps it.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// coracle::block_on(async {
    ///     let mut lines = (&b"a\nb"[..]).lines();
    ///     let line = std::future::poll_fn(|cx| lines.poll_next(cx)).await;
    ///     assert_eq!(line.unwrap().unwrap(), "a");
    /// });
    /// ```
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<String>>>
    where
        R: AsyncBufRead + Unpin,
    {
        let Some((mut line, ended)) = ready!(self.split.poll_piece(cx)).transpose()? else {
            return Poll::Ready(None);
        };
        if ended && line.last() == Some(&b'\r') {
            line.pop();
        }
        Poll::Ready(Some(String::from_utf8(line).map_err(|error| Error::new(ErrorKind::InvalidData, error))))
    }

    /// What has been read of a line that is not complete.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// assert!((&b"line"[..]).lines().partial().is_empty());
    /// ```
    pub fn partial(&self) -> &[u8] {
        self.split.partial()
    }

    /// The reader, and what has been read of a line that is not complete: for a body that follows a header.
    ///
    /// ```
    /// use coracle::io::AsyncBufReadExt;
    /// coracle::block_on(async {
    ///     let mut lines = (&b"head\nbody"[..]).lines();
    ///     lines.next().await.unwrap().unwrap();
    ///     assert_eq!(lines.into_parts(), (&b"body"[..], vec![]));
    /// });
    /// ```
    pub fn into_parts(self) -> (R, Vec<u8>) {
        self.split.into_parts()
    }
}

/// See [`Split::next`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct NextPiece<'a, R> {
    split: &'a mut Split<R>,
}

impl<R: AsyncBufRead + Unpin> Future for NextPiece<'_, R> {
    type Output = Option<Result<Vec<u8>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.split.poll_next(cx)
    }
}

/// See [`Lines::next`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct NextLine<'a, R> {
    lines: &'a mut Lines<R>,
}

impl<R: AsyncBufRead + Unpin> Future for NextLine<'_, R> {
    type Output = Option<Result<String>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.lines.poll_next(cx)
    }
}
