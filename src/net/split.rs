//! The halves of a [`TcpStream`]: one reads, one writes.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::operations::{Peek, Read, ReadExact, Write, WriteAll, WriteVectored};
use super::stream::TcpStream;
use crate::io::{AsyncRead, AsyncWrite};

/// The reading half of a borrowed stream; see [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a> {
    stream: &'a TcpStream,
}

/// The writing half of a borrowed stream; see [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a> {
    stream: &'a TcpStream,
}

impl<'a> ReadHalf<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> ReadHalf<'a> {
        ReadHalf { stream }
    }
}

impl<'a> WriteHalf<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> WriteHalf<'a> {
        WriteHalf { stream }
    }
}

/// The reading half of a shared stream; see [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<TcpStream>,
}

/// The writing half of a shared stream; see [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    /// Whether dropping it ends the direction.
    ends: bool,
}

impl OwnedReadHalf {
    pub(super) fn new(stream: Arc<TcpStream>) -> OwnedReadHalf {
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
    pub fn reunite(self, writer: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, &writer.stream) {
            return Err(ReuniteError(self, writer));
        }
        let stream = self.stream.clone();
        drop(self);
        writer.keep_open();
        Ok(Arc::into_inner(stream).expect("two halves are all the owners that a stream has"))
    }
}

impl OwnedWriteHalf {
    pub(super) fn new(stream: Arc<TcpStream>) -> OwnedWriteHalf {
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

impl Drop for OwnedWriteHalf {
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
#[derive(Debug, thiserror::Error)]
#[error("the halves are not of one stream")]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

macro_rules! reading_half {
    ($half:ty) => {
        impl $half {
            /// See [`TcpStream::read`].
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

            /// See [`TcpStream::read_exact`].
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

            /// See [`TcpStream::peek`].
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
            /// As [`TcpStream::peer_addr`].
            ///
            /// ```
            /// # use coracle::net::{TcpListener, TcpStream};
            /// # coracle::block_on(async {
            /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            /// # let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            /// assert!(stream.split().0.peer_addr().is_ok());
            /// # });
            /// ```
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.stream.peer_addr()
            }
        }

        impl AsyncRead for $half {
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
        impl $half {
            /// See [`TcpStream::write`].
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

            /// See [`TcpStream::write_vectored`].
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

            /// See [`TcpStream::write_all`].
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
            /// As [`TcpStream::shutdown`].
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

        impl AsyncWrite for $half {
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

reading_half!(ReadHalf<'_>);
reading_half!(OwnedReadHalf);
writing_half!(WriteHalf<'_>);
writing_half!(OwnedWriteHalf);
