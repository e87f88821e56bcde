//! What can be read from and written to, in the form for implementors: poll functions.

use std::io::{IoSlice, IoSliceMut, Result};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes can be read from it.
///
/// ```
/// use coracle::io::{AsyncRead, AsyncReadExt};
/// coracle::block_on(async {
///     let mut source: &[u8] = b"bytes";
///     let mut buffer = [0; 2];
///     assert_eq!(source.read(&mut buffer).await.unwrap(), 2);
///     assert_eq!(&buffer, b"by");
/// });
/// ```
pub trait AsyncRead {
    /// Reads into `buffer`, at most its length. `Ok(0)` means the end, or that `buffer` is empty. `Pending`: nothing
    /// was read, and the task will be woken when it is worth trying again. Never gives `WouldBlock` or `Interrupted`.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>>;

    /// Reads into several buffers, in order. By default into the first that is not empty.
    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<Result<usize>> {
        let first = buffers.iter_mut().find(|buffer| !buffer.is_empty());
        self.poll_read(cx, first.map_or(&mut [], |buffer| &mut **buffer))
    }
}

/// Bytes can be written to it.
///
/// ```
/// use coracle::io::{AsyncWrite, AsyncWriteExt};
/// coracle::block_on(async {
///     let mut sink = Vec::new();
///     sink.write_all(b"bytes").await.unwrap();
///     assert_eq!(sink, b"bytes");
/// });
/// ```
pub trait AsyncWrite {
    /// Writes from `bytes`, at most all. `Ok(0)`: it takes no more, or `bytes` is empty. `Pending` as in
    /// [`AsyncRead::poll_read`].
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>>;

    /// Writes from several buffers, in order. By default from the first that is not empty.
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        self.poll_write(cx, first.map_or(&[], |buffer| &**buffer))
    }

    /// Passes on what is buffered.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Passes on what is buffered, then says that nothing will follow: for a socket, a half close.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>>;
}

/// Bytes can be read from it, and it has a buffer of its own.
///
/// ```
/// use coracle::io::AsyncBufRead;
/// use std::{future::poll_fn, pin::Pin};
/// coracle::block_on(async {
///     let mut source: &[u8] = b"bytes";
///     let seen = poll_fn(|cx| Pin::new(&mut source).poll_fill_buf(cx).map_ok(<[u8]>::len)).await.unwrap();
///     Pin::new(&mut source).consume(seen);
///     assert!(source.is_empty());
/// });
/// ```
pub trait AsyncBufRead: AsyncRead {
    /// What is buffered, reading more if that is nothing. Empty: the end.
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>>;

    /// Takes so many bytes out of the buffer, at most what `poll_fill_buf` showed.
    fn consume(self: Pin<&mut Self>, amount: usize);

    /// Puts the last bytes that were consumed back, to be shown and read again before all others. Whether it could: by
    /// default it cannot.
    ///
    /// Who must see more than the buffer shows, and then has to wait, hands back by this what it is not done with, so
    /// that a cancelled operation loses nothing. Everything in this module can do it that ever waits.
    fn put_back(self: Pin<&mut Self>, bytes: &[u8]) -> bool {
        bytes.is_empty()
    }
}

/// Implements a trait's methods by calling them on what `$get` makes of the pinned pointer.
macro_rules! forward_read {
    ($get:expr) => {
        fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
            $get(self).poll_read(cx, buffer)
        }

        fn poll_read_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffers: &mut [IoSliceMut<'_>],
        ) -> Poll<Result<usize>> {
            $get(self).poll_read_vectored(cx, buffers)
        }
    };
}

macro_rules! forward_write {
    ($get:expr) => {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
            $get(self).poll_write(cx, bytes)
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffers: &[IoSlice<'_>],
        ) -> Poll<Result<usize>> {
            $get(self).poll_write_vectored(cx, buffers)
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
            $get(self).poll_flush(cx)
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
            $get(self).poll_close(cx)
        }
    };
}

macro_rules! forward_buf_read {
    ($get:expr) => {
        fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
            $get(self).poll_fill_buf(cx)
        }

        fn consume(self: Pin<&mut Self>, amount: usize) {
            $get(self).consume(amount);
        }

        fn put_back(self: Pin<&mut Self>, bytes: &[u8]) -> bool {
            $get(self).put_back(bytes)
        }
    };
}

pub(super) use {forward_buf_read, forward_read, forward_write};

fn of_mut<'a, T: Unpin + ?Sized>(pointer: Pin<&'a mut &mut T>) -> Pin<&'a mut T> {
    Pin::new(&mut **pointer.get_mut())
}

fn of_box<T: Unpin + ?Sized>(pointer: Pin<&mut Box<T>>) -> Pin<&mut T> {
    Pin::new(&mut **pointer.get_mut())
}

fn of_pin<P: DerefMut + Unpin>(pointer: Pin<&mut Pin<P>>) -> Pin<&mut P::Target> {
    pointer.get_mut().as_mut()
}

impl<T: AsyncRead + Unpin + ?Sized> AsyncRead for &mut T {
    forward_read!(of_mut);
}

impl<T: AsyncRead + Unpin + ?Sized> AsyncRead for Box<T> {
    forward_read!(of_box);
}

impl<P: DerefMut<Target: AsyncRead> + Unpin> AsyncRead for Pin<P> {
    forward_read!(of_pin);
}

impl<T: AsyncWrite + Unpin + ?Sized> AsyncWrite for &mut T {
    forward_write!(of_mut);
}

impl<T: AsyncWrite + Unpin + ?Sized> AsyncWrite for Box<T> {
    forward_write!(of_box);
}

impl<P: DerefMut<Target: AsyncWrite> + Unpin> AsyncWrite for Pin<P> {
    forward_write!(of_pin);
}

impl<T: AsyncBufRead + Unpin + ?Sized> AsyncBufRead for &mut T {
    forward_buf_read!(of_mut);
}

impl<T: AsyncBufRead + Unpin + ?Sized> AsyncBufRead for Box<T> {
    forward_buf_read!(of_box);
}

impl<P: DerefMut<Target: AsyncBufRead> + Unpin> AsyncBufRead for Pin<P> {
    forward_buf_read!(of_pin);
}
