//! The halves of a [`Stream`]: one reads, one writes.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::domain::{Domain, Internet};
use super::operations::{Peek, Read, ReadExact, ReadPooled, Write, WriteAll, WriteVectored};
use super::stream::Stream;
use crate::io::{AsyncRead, AsyncWrite, Buffers};

/// The reading half of a borrowed stream; see [`Stream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a, D: Domain = Internet> {
    stream: &'a Stream<D>,
}

/// The writing half of a borrowed stream; see [`Stream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a, D: Domain = Internet> {
    stream: &'a Stream<D>,
}

impl<'a, D: Domain> ReadHalf<'a, D> {
    pub(super) fn new(stream: &'a Stream<D>) -> ReadHalf<'a, D> {
        ReadHalf { stream }
    }
}

impl<'a, D: Domain> WriteHalf<'a, D> {
    pub(super) fn new(stream: &'a Stream<D>) -> WriteHalf<'a, D> {
        WriteHalf { stream }
    }
}

/// The reading half of a shared stream; see [`Stream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf<D: Domain = Internet> {
    stream: Arc<Stream<D>>,
}

/// The writing half of a shared stream; see [`Stream::into_split`].
#[derive(Debug)]
pub struct OwnedWriteHalf<D: Domain = Internet> {
    stream: Arc<Stream<D>>,
    /// Whether dropping it ends the direction.
    ends: bool,
}

impl<D: Domain> OwnedReadHalf<D> {
    pub(super) fn new(stream: Arc<Stream<D>>) -> OwnedReadHalf<D> {
        OwnedReadHalf { stream }
    }

    /// Makes one stream of two halves again; nothing is shut down.
    ///
    /// # Errors
    /// With both halves, if they are not of one stream.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// let (reader, writer) = stream.into_split();
    /// let stream = reader.reunite(writer).unwrap();
    /// # drop(stream);
    /// # });
    /// ```
    pub fn reunite(self, writer: OwnedWriteHalf<D>) -> Result<Stream<D>, ReuniteError<D>> {
        if !Arc::ptr_eq(&self.stream, &writer.stream) {
            return Err(ReuniteError(self, writer));
        }
        let stream = self.stream.clone();
        drop(self);
        writer.keep_open();
        Ok(Arc::into_inner(stream).expect("two halves are all the owners that a stream has"))
    }
}

impl<D: Domain> OwnedWriteHalf<D> {
    pub(super) fn new(stream: Arc<Stream<D>>) -> OwnedWriteHalf<D> {
        OwnedWriteHalf { stream, ends: true }
    }

    /// Drops the half without ending its direction: the peer goes on waiting until the reading half is gone too.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// let (_reader, writer) = stream.into_split();
    /// writer.keep_open();
    /// # });
    /// ```
    pub fn keep_open(mut self) {
        self.ends = false;
    }
}

impl<D: Domain> Drop for OwnedWriteHalf<D> {
    fn drop(&mut self) {
        if self.ends {
            self.stream.end_writing();
        }
    }
}

/// The halves were not of one stream. Here they are back.
///
/// ```
/// # use coracle::net::{TcpListener, TcpStream};
/// # coracle::block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
/// # let address = listener.local_addr().unwrap();
/// let (reader, _) = TcpStream::connect(address).await.unwrap().into_split();
/// let (_, writer) = TcpStream::connect(address).await.unwrap().into_split();
/// assert_eq!(reader.reunite(writer).unwrap_err().to_string(), "the halves are not of one stream");
/// # });
/// ```
#[derive(Debug)]
pub struct ReuniteError<D: Domain = Internet>(pub OwnedReadHalf<D>, pub OwnedWriteHalf<D>);

impl<D: Domain> fmt::Display for ReuniteError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of one stream")
    }
}

impl<D: Domain> std::error::Error for ReuniteError<D> where Self: fmt::Debug {}

macro_rules! reading_half {
    ($half:ty) => {
        impl<D: Domain> $half {
            /// See [`Stream::read`].
            ///
            /// **Cancel safety**: cancel-safe; no byte is lost.
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// # let mut stream = listener.accept().await.unwrap().0;
            /// # client.write_all(b"x").await.unwrap();
            /// let (reader, _writer) = stream.split();
            /// assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 1);
            /// # });
            /// ```
            #[track_caller]
            pub fn read<'b>(&'b self, buffer: &'b mut [u8]) -> Read<'b> {
                self.stream.read(buffer)
            }

            /// See [`Stream::read_pooled`].
            ///
            /// **Cancel safety**: cancel-safe; no byte is lost, and no buffer is held.
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// # let mut stream = listener.accept().await.unwrap().0;
            /// # client.write_all(b"x").await.unwrap();
            /// let buffers = coracle::io::Buffers::new(1024);
            /// let (reader, _writer) = stream.split();
            /// assert_eq!(&reader.read_pooled(&buffers).await.unwrap()[..], b"x");
            /// # });
            /// ```
            #[track_caller]
            pub fn read_pooled<'b>(&'b self, buffers: &'b Buffers) -> ReadPooled<'b> {
                self.stream.read_pooled(buffers)
            }

            /// See [`Stream::read_exact`].
            ///
            /// **Cancel safety**: prefix-safe; [`ReadExact::filled`] says how much was read.
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// # let mut stream = listener.accept().await.unwrap().0;
            /// # client.write_all(b"1234").await.unwrap();
            /// let (reader, _writer) = stream.split();
            /// reader.read_exact(&mut [0; 4]).await.unwrap();
            /// # });
            /// ```
            #[track_caller]
            pub fn read_exact<'b>(&'b self, buffer: &'b mut [u8]) -> ReadExact<'b> {
                self.stream.read_exact(buffer)
            }

            /// See [`Stream::peek`].
            ///
            /// **Cancel safety**: cancel-safe; nothing is taken.
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// # let mut stream = listener.accept().await.unwrap().0;
            /// # client.write_all(b"x").await.unwrap();
            /// let (reader, _writer) = stream.split();
            /// assert_eq!(reader.peek(&mut [0; 8]).await.unwrap(), 1);
            /// # });
            /// ```
            #[track_caller]
            pub fn peek<'b>(&'b self, buffer: &'b mut [u8]) -> Peek<'b> {
                self.stream.peek(buffer)
            }

            /// The address of the other end.
            ///
            /// # Errors
            /// As [`Stream::peer_addr`].
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// assert!(stream.split().0.peer_addr().is_ok());
            /// # });
            /// ```
            pub fn peer_addr(&self) -> io::Result<D::Address> {
                self.stream.peer_addr()
            }
        }

        impl<D: Domain> AsyncRead for $half {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
                self.stream.poll_read(cx, buffer)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                self.stream.poll_read_vectored(cx, buffers)
            }
        }
    };
}

macro_rules! writing_half {
    ($half:ty) => {
        impl<D: Domain> $half {
            /// See [`Stream::write`].
            ///
            /// **Cancel safety**: cancel-safe; not done means nothing written.
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// assert_eq!(stream.split().1.write(b"bytes").await.unwrap(), 5);
            /// # });
            /// ```
            #[track_caller]
            pub fn write<'b>(&'b self, bytes: &'b [u8]) -> Write<'b> {
                self.stream.write(bytes)
            }

            /// See [`Stream::write_vectored`].
            ///
            /// **Cancel safety**: cancel-safe; not done means nothing written.
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// # use std::io::IoSlice;
            /// assert_eq!(stream.split().1.write_vectored(&[IoSlice::new(b"bytes")]).await.unwrap(), 5);
            /// # });
            /// ```
            #[track_caller]
            pub fn write_vectored<'b, 'c>(&'b self, buffers: &'b [IoSlice<'c>]) -> WriteVectored<'b, 'c> {
                self.stream.write_vectored(buffers)
            }

            /// See [`Stream::write_all`].
            ///
            /// **Cancel safety**: prefix-safe; [`WriteAll::written`] says how much was written.
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// stream.split().1.write_all(b"bytes").await.unwrap();
            /// # });
            /// ```
            #[track_caller]
            pub fn write_all<'b>(&'b self, bytes: &'b [u8]) -> WriteAll<'b> {
                self.stream.write_all(bytes)
            }

            /// Ends this direction: the peer reads the end. Doing it again is no error.
            ///
            /// # Errors
            /// As [`Stream::shutdown`].
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// stream.split().1.shutdown().unwrap();
            /// # });
            /// ```
            pub fn shutdown(&self) -> io::Result<()> {
                self.stream.shutdown(Shutdown::Write)
            }
        }

        impl<D: Domain> AsyncWrite for $half {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                self.stream.poll_write(cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.stream.poll_write_vectored(cx, buffers)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.stream.poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.stream.poll_shutdown(cx)
            }
        }
    };
}

reading_half!(ReadHalf<'_, D>);
reading_half!(OwnedReadHalf<D>);
writing_half!(WriteHalf<'_, D>);
writing_half!(OwnedWriteHalf<D>);
