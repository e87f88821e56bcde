//! Pipes: [`PipeReader`] and [`PipeWriter`], an end each. Also for what others made: the standard streams of a child
//! process, FIFOs, terminals, and whatever else is read or written in one direction and can be made non-blocking.
//!
//! A read that is shorter than its buffer does not prove here that nothing is left (a terminal gives one line at a time),
//! so there is one more try, which says so, before a wait.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::Location;
use std::pin::Pin;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::task::{Context, Poll};

use super::registration::{Done, Interest, Place};
use super::source::{Operation, Source, descriptor};
use crate::io::{AsyncRead, AsyncWrite};
use crate::runtime::current_or_error;

/// A new pipe: what is written into the one end comes out of the other. It holds 64 KiB on Linux; then writing waits.
///
/// # Errors
/// Whatever the system says, such as that there is no room for two descriptors. Outside of a runtime.
///
/// ```
/// use coracle::io::{AsyncReadExt, AsyncWriteExt};
/// coracle::block_on(async {
///     let (mut reader, mut writer) = coracle::net::pipe().unwrap();
///     writer.write_all(b"bytes").await.unwrap();
///     drop(writer);
///     let mut all = String::new();
///     reader.read_to_string(&mut all).await.unwrap();
///     assert_eq!(all, "bytes");
/// });
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let event_loop = current_or_error()?;
    let (reader, writer) = event_loop.world().pipe()?;
    let [reader, writer] = [reader, writer].map(|fd| Source::in_loop(&event_loop, fd));
    Ok((PipeReader { source: reader }, PipeWriter { source: writer }))
}

/// The end of a pipe that reads.
///
/// Made by [`pipe()`], or from any descriptor by `TryFrom<OwnedFd>`, which makes it non-blocking. That is a property of
/// the open file and not of the descriptor: whoever shares it, such as another process with the same terminal, finds it
/// non-blocking too. For this process's standard input take [`Stdin`](super::Stdin).
///
/// ```
/// use coracle::net::PipeReader;
/// use std::process::{Command, Stdio};
/// coracle::block_on(async {
///     let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn().unwrap();
///     let reader = PipeReader::try_from(child.stdout.take().unwrap()).unwrap();
///     let mut buffer = [0; 64];
///     let n = reader.read(&mut buffer).await.unwrap();
///     assert_eq!(&buffer[..n], b"hello\n");
///     child.wait().unwrap();
/// });
/// ```
pub struct PipeReader {
    source: Source,
}

impl PipeReader {
    /// Reads once, at most all of `buffer`. How many bytes; 0 is the end (every writer is gone), or `buffer` is empty,
    /// which never waits. Tried at once; when there is nothing, it waits.
    ///
    /// **Cancel safety**: cancel-safe; no byte is lost.
    ///
    /// # Errors
    /// Whatever the system says. After the end it does not wait.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (reader, writer) = coracle::net::pipe().unwrap();
    ///     drop(writer);
    ///     assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
    /// });
    /// ```
    #[track_caller]
    pub fn read<'a>(&'a self, buffer: &'a mut [u8]) -> PipeRead<'a> {
        PipeRead { operation: Operation::new(&self.source, Interest::Read), buffer }
    }

    /// [`read`](PipeReader::read) for code that polls: the last task that polled is woken.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (reader, writer) = coracle::net::pipe().unwrap();
    ///     writer.write(b"x").await.unwrap();
    ///     let mut buffer = [0; 8];
    ///     let n = std::future::poll_fn(|cx| reader.poll_read(cx, &mut buffer)).await.unwrap();
    ///     assert_eq!(n, 1);
    /// });
    /// ```
    #[track_caller]
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Interest::Read, Place::Polled, Location::caller(), |world, fd| {
            world.read(fd, buffer).map(Done::with)
        })
    }

    /// Reads what is there already.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (reader, _writer) = coracle::net::pipe().unwrap();
    ///     assert_eq!(reader.try_read(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// });
    /// ```
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.try_io(|world, fd| world.read(fd, buffer))
    }
}

/// See [`PipeReader::read`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct PipeRead<'a> {
    operation: Operation<'a>,
    buffer: &'a mut [u8],
}

impl Future for PipeRead<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| world.read(fd, this.buffer).map(Done::with))
    }
}

/// The end of a pipe that writes. When it is dropped, and every duplicate too, the reader reads the end.
///
/// As for where it comes from, see [`PipeReader`].
///
/// ```
/// coracle::block_on(async {
///     let (reader, writer) = coracle::net::pipe().unwrap();
///     drop(reader);
///     assert_eq!(writer.write(b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
/// });
/// ```
pub struct PipeWriter {
    source: Source,
}

impl PipeWriter {
    /// Writes once, at most all of `bytes`. How many. Tried at once; when there is no room, it waits. Never raises
    /// SIGPIPE, which costs two short system calls more a write than a socket's.
    ///
    /// **Cancel safety**: cancel-safe; not done means nothing written.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) when every reader is gone.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (_reader, writer) = coracle::net::pipe().unwrap();
    ///     assert_eq!(writer.write(b"bytes").await.unwrap(), 5);
    /// });
    /// ```
    #[track_caller]
    pub fn write<'a>(&'a self, bytes: &'a [u8]) -> PipeWrite<'a> {
        PipeWrite { operation: Operation::new(&self.source, Interest::Write), bytes }
    }

    /// [`write`](PipeWriter::write) for code that polls: the last task that polled is woken.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (_reader, writer) = coracle::net::pipe().unwrap();
    ///     std::future::poll_fn(|cx| writer.poll_write(cx, b"bytes")).await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// The same from several buffers, in order; at most the first 1,024 of them.
    ///
    /// ```
    /// use std::io::IoSlice;
    /// coracle::block_on(async {
    ///     let (_reader, writer) = coracle::net::pipe().unwrap();
    ///     let pieces = [IoSlice::new(b"head"), IoSlice::new(b"body")];
    ///     assert_eq!(std::future::poll_fn(|cx| writer.poll_write_vectored(cx, &pieces)).await.unwrap(), 8);
    /// });
    /// ```
    #[track_caller]
    pub fn poll_write_vectored(&self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Interest::Write, Place::Polled, Location::caller(), |world, fd| {
            world.write(fd, buffers).map(Done::with)
        })
    }

    /// Writes what there is room for now.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (_reader, writer) = coracle::net::pipe().unwrap();
    ///     while writer.try_write(&[0; 4096]).is_ok() {}
    ///     assert_eq!(writer.try_write(b"x").unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// });
    /// ```
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.source.try_io(|world, fd| world.write(fd, &[IoSlice::new(bytes)]))
    }
}

/// See [`PipeWriter::write`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct PipeWrite<'a> {
    operation: Operation<'a>,
    bytes: &'a [u8],
}

impl Future for PipeWrite<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| world.write(fd, &[IoSlice::new(this.bytes)]).map(Done::with))
    }
}

macro_rules! pipe_end {
    ($end:ident, from $($theirs:ty),*) => {
        descriptor!(owns: [] $end);

        /// Becomes the current runtime's, and non-blocking. An error outside of a runtime: hence not `From`.
        impl TryFrom<OwnedFd> for $end {
            type Error = io::Error;

            fn try_from(fd: OwnedFd) -> io::Result<$end> {
                Ok($end { source: Source::adopt(fd)? })
            }
        }

        $(
            /// Becomes the current runtime's, and non-blocking. An error outside of a runtime: hence not `From`.
            impl TryFrom<$theirs> for $end {
                type Error = io::Error;

                fn try_from(theirs: $theirs) -> io::Result<$end> {
                    $end::try_from(OwnedFd::from(theirs))
                }
            }
        )*

        impl fmt::Debug for $end {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end)).field("fd", &self.as_raw_fd()).finish()
            }
        }
    };
}

pipe_end!(PipeReader, from ChildStdout, ChildStderr);
pipe_end!(PipeWriter, from ChildStdin);

macro_rules! read_and_write_by_the_end {
    ($reader:ty, $writer:ty) => {
        impl AsyncRead for $reader {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
                PipeReader::poll_read(&self, cx, buffer)
            }
        }

        impl AsyncWrite for $writer {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                PipeWriter::poll_write(&self, cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                PipeWriter::poll_write_vectored(&self, cx, buffers)
            }

            /// Does nothing: a pipe keeps nothing back.
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Does nothing: the reader reads the end when the writer is dropped, and not before.
            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
    };
}

read_and_write_by_the_end!(PipeReader, PipeWriter);
read_and_write_by_the_end!(&PipeReader, &PipeWriter);
