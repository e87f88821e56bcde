//! [`join`]: a reader and a writer as one stream; and [`duplex`], two such streams in memory that are each other's
//! peers.

use std::io::{IoSlice, IoSliceMut, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::traits::{forward_buf_read, forward_read, forward_write};
use super::{AsyncBufRead, AsyncRead, AsyncWrite, PipeReader, PipeWriter, pipe};

/// Makes one stream of a reader and a writer: what is read comes from the one, what is written goes to the other.
///
/// ```
/// use coracle::io::{AsyncReadExt, AsyncWriteExt, join};
/// coracle::block_on(async {
///     let mut stream = join(&b"in"[..], Vec::new());
///     assert_eq!(stream.read_array().await.unwrap(), *b"in");
///     stream.write_all(b"out").await.unwrap();
///     assert_eq!(stream.into_parts().1, b"out");
/// });
/// ```
pub fn join<R, W>(reader: R, writer: W) -> Joined<R, W> {
    Joined { reader, writer }
}

/// Two connected streams: what is written to one is read from the other. On its way each direction holds at most
/// `capacity` bytes; see [`pipe`](fn@pipe), of which it has two.
///
/// As with sockets: closing one stream is a half close, the peer reads the end and can still answer. Dropping it ends
/// both directions: the peer reads what is left, then the end, and can write no more. One task may use both streams, as
/// long as it does not wait for more than `capacity` bytes to be taken by itself.
///
/// ```
/// use coracle::io::{AsyncReadExt, AsyncWriteExt, duplex};
/// coracle::block_on(async {
///     let (mut client, mut server) = duplex(64);
///     client.write_all(b"ping").await.unwrap();
///     assert_eq!(server.read_array().await.unwrap(), *b"ping");
///     server.write_all(b"pong").await.unwrap();
///     assert_eq!(client.read_array().await.unwrap(), *b"pong");
/// });
/// ```
#[track_caller]
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    let (to_second, from_first) = pipe(capacity);
    let (to_first, from_second) = pipe(capacity);
    (join(to_first, from_first), join(to_second, from_second))
}

/// One of two connected streams; made by [`duplex`].
pub type DuplexStream = Joined<PipeReader, PipeWriter>;

/// A reader and a writer as one stream; made by [`join`].
#[derive(Debug)]
pub struct Joined<R, W> {
    reader: R,
    writer: W,
}

impl<R, W> Joined<R, W> {
    /// The reader and the writer; for a [`DuplexStream`] the ends of its two pipes, which can be used by two tasks.
    ///
    /// ```
    /// assert_eq!(coracle::io::join(1, 2).into_parts(), (1, 2));
    /// ```
    pub fn into_parts(self) -> (R, W) {
        (self.reader, self.writer)
    }

    /// The reader and the writer.
    ///
    /// ```
    /// assert_eq!(coracle::io::join(1, 2).get_ref(), (&1, &2));
    /// ```
    pub fn get_ref(&self) -> (&R, &W) {
        (&self.reader, &self.writer)
    }

    /// The reader and the writer, to be used at the same time.
    ///
    /// ```
    /// assert_eq!(coracle::io::join(1, 2).get_mut(), (&mut 1, &mut 2));
    /// ```
    pub fn get_mut(&mut self) -> (&mut R, &mut W) {
        (&mut self.reader, &mut self.writer)
    }
}

fn reader_of<R: Unpin, W: Unpin>(this: Pin<&mut Joined<R, W>>) -> Pin<&mut R> {
    Pin::new(&mut this.get_mut().reader)
}

fn writer_of<R: Unpin, W: Unpin>(this: Pin<&mut Joined<R, W>>) -> Pin<&mut W> {
    Pin::new(&mut this.get_mut().writer)
}

impl<R: AsyncRead + Unpin, W: Unpin> AsyncRead for Joined<R, W> {
    forward_read!(reader_of);
}

impl<R: AsyncBufRead + Unpin, W: Unpin> AsyncBufRead for Joined<R, W> {
    forward_buf_read!(reader_of);
}

impl<R: Unpin, W: AsyncWrite + Unpin> AsyncWrite for Joined<R, W> {
    forward_write!(writer_of);
}
