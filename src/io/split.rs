//! [`split`]: the halves of any stream, for two tasks.
//!
//! Both halves own the stream; each call borrows it for its time. TCP streams have halves of their own that cost less,
//! [`TcpStream::into_split`](crate::net::TcpStream::into_split), and a stream made by
//! [`join`](super::join()) is taken apart by [`into_parts`](super::Joined::into_parts).

use std::cell::RefCell;
use std::fmt;
use std::io::{IoSlice, IoSliceMut, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{AsyncRead, AsyncWrite};

/// Splits a stream into a half that reads and one that writes. Dropping a half closes nothing; the stream is dropped
/// with the second one.
///
/// ```
/// use coracle::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
/// coracle::block_on(async {
///     let (stream, mut peer) = duplex(64);
///     let (mut reader, mut writer) = split(stream);
///     let reading = coracle::spawn(async move { reader.read_array::<4>().await });
///     writer.write_all(b"ping").await.unwrap();
///     assert_eq!(peer.read_array().await.unwrap(), *b"ping");
///     peer.write_all(b"pong").await.unwrap();
///     assert_eq!(reading.await.unwrap().unwrap(), *b"pong");
/// });
/// ```
pub fn split<S>(stream: S) -> (ReadHalf<S>, WriteHalf<S>) {
    let stream = Rc::new(RefCell::new(stream));
    (ReadHalf { stream: stream.clone() }, WriteHalf { stream })
}

/// The half that reads; made by [`split`].
pub struct ReadHalf<S> {
    stream: Rc<RefCell<S>>,
}

/// The half that writes; made by [`split`].
pub struct WriteHalf<S> {
    stream: Rc<RefCell<S>>,
}

impl<S> ReadHalf<S> {
    /// Makes one stream of two halves again.
    ///
    /// # Errors
    /// With both halves, if they are not of one stream.
    ///
    /// ```
    /// let (reader, writer) = coracle::io::split(7);
    /// assert_eq!(reader.reunite(writer).unwrap(), 7);
    /// ```
    pub fn reunite(self, writer: WriteHalf<S>) -> std::result::Result<S, ReuniteError<S>> {
        if !self.is_pair_of(&writer) {
            return Err(ReuniteError(self, writer));
        }
        drop(writer);
        let stream = Rc::into_inner(self.stream).expect("two halves are all the owners that a stream has");
        Ok(stream.into_inner())
    }

    /// Whether both are halves of one stream.
    ///
    /// ```
    /// let (reader, writer) = coracle::io::split(7);
    /// assert!(reader.is_pair_of(&writer));
    /// ```
    pub fn is_pair_of(&self, writer: &WriteHalf<S>) -> bool {
        Rc::ptr_eq(&self.stream, &writer.stream)
    }
}

/// The halves were not of one stream. Here they are back.
///
/// ```
/// let ((reader, _), (_, writer)) = (coracle::io::split(1), coracle::io::split(1));
/// assert_eq!(reader.reunite(writer).unwrap_err().to_string(), "the halves are not of one stream");
/// ```
pub struct ReuniteError<S>(pub ReadHalf<S>, pub WriteHalf<S>);

impl<S> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of one stream")
    }
}

impl<S> std::error::Error for ReuniteError<S> {}

/// Calls the stream. It is code of somebody else's, and it may come back here, by a waker that polls at once: then the
/// stream is in use, and this task tries again when it is not.
fn poll_with<S: Unpin, T>(
    stream: &RefCell<S>,
    cx: &mut Context<'_>,
    poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    match stream.try_borrow_mut() {
        Ok(mut stream) => poll(Pin::new(&mut *stream), cx),
        Err(_) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadHalf<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        poll_with(&self.stream, cx, |stream, cx| stream.poll_read(cx, buffer))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<Result<usize>> {
        poll_with(&self.stream, cx, |stream, cx| stream.poll_read_vectored(cx, buffers))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteHalf<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        poll_with(&self.stream, cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        poll_with(&self.stream, cx, |stream, cx| stream.poll_write_vectored(cx, buffers))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        poll_with(&self.stream, cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        poll_with(&self.stream, cx, |stream, cx| stream.poll_close(cx))
    }
}

impl<S> fmt::Debug for ReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadHalf(..)")
    }
}

impl<S> fmt::Debug for WriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteHalf(..)")
    }
}

impl<S> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReuniteError(..)")
    }
}
