//! [`Stdin`], [`Stdout`] and [`Stderr`]: this process's standard streams, without a thread.
//!
//! What stands behind them is often shared with other processes: a shell, a pager, a sister in a pipeline. `O_NONBLOCK`
//! would be set for all of them, and some do not survive that. So it is not set: the system is asked, by poll(2), whether
//! a read or a write would block, right before each. That is one system call more. Between the two somebody else who
//! shares the stream may take what was there; then the call blocks this thread until there is more. Nothing waits in the
//! background: a task that waits for input is dropped with its runtime like any other.
//!
//! A regular file, or `/dev/null`, is always ready, so it is never registered: pollers refuse some of those.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::registration::{Done, Interest, Place};
use super::source::{Operation, Source, descriptor};
use crate::io::{AsyncRead, AsyncWrite};
use crate::sys::{ATOMIC_WRITE, World};

fn read(world: &World, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    if !world.is_ready(fd, false)? {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    world.read(fd, buffer)
}

/// No more at once than what a pipe takes without blocking when it says that it is writable.
fn write(world: &World, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    if !world.is_ready(fd, true)? {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    world.write(fd, &[IoSlice::new(&bytes[..bytes.len().min(ATOMIC_WRITE)])])
}

/// The standard input of this process.
///
/// It has no buffer: what `std::io::stdin()` has read and not given out is not seen here. Several of them share the
/// input; each byte goes to one. A terminal gives a line at a time.
///
/// ```no_run
/// use coracle::io::AsyncReadExt;
/// coracle::block_on(async {
///     let mut all = String::new();
///     coracle::net::Stdin::new()?.read_to_string(&mut all).await?;
///     println!("{} bytes", all.len());
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub struct Stdin {
    source: Source,
}

impl Stdin {
    /// The standard input, by a duplicate of descriptor 0.
    ///
    /// # Errors
    /// If there is none, or no room for another descriptor. Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async { coracle::net::Stdin::new().unwrap(); });
    /// ```
    pub fn new() -> io::Result<Stdin> {
        Ok(Stdin { source: Source::new(io::stdin().as_fd().try_clone_to_owned()?)? })
    }

    /// Reads once, at most all of `buffer`. How many bytes; 0 is the end, or `buffer` is empty, which never waits. After
    /// the end of a terminal's input (Ctrl-D) more may come.
    ///
    /// **Cancel safety**: cancel-safe; no byte is lost.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```no_run
    /// coracle::block_on(async {
    ///     let stdin = coracle::net::Stdin::new().unwrap();
    ///     let mut line = [0; 1024];
    ///     println!("{} bytes", stdin.read(&mut line).await.unwrap());
    /// });
    /// ```
    #[track_caller]
    pub fn read<'a>(&'a self, buffer: &'a mut [u8]) -> StdinRead<'a> {
        StdinRead { operation: Operation::new(&self.source, Interest::Read), buffer }
    }

    /// [`read`](Stdin::read) for code that polls: the last task that polled is woken.
    ///
    /// ```no_run
    /// coracle::block_on(async {
    ///     let (stdin, mut line) = (coracle::net::Stdin::new().unwrap(), [0; 1024]);
    ///     std::future::poll_fn(|cx| stdin.poll_read(cx, &mut line)).await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Interest::Read, Place::Polled, Location::caller(), |world, fd| {
            read(world, fd, buffer).map(Done::with)
        })
    }

    /// Reads what is there already.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is.
    ///
    /// ```no_run
    /// coracle::block_on(async {
    ///     println!("{:?}", coracle::net::Stdin::new().unwrap().try_read(&mut [0; 8]));
    /// });
    /// ```
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.try_io(|world, fd| read(world, fd, buffer))
    }
}

/// See [`Stdin::read`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct StdinRead<'a> {
    operation: Operation<'a>,
    buffer: &'a mut [u8],
}

impl Future for StdinRead<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| read(world, fd, this.buffer).map(Done::with))
    }
}

impl AsyncRead for Stdin {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Stdin::poll_read(&self, cx, buffer)
    }
}

impl AsyncRead for &Stdin {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Stdin::poll_read(&self, cx, buffer)
    }
}

/// The standard output of this process.
///
/// It has no buffer, and takes 4 KiB at most at once (512 bytes on BSD and macOS), so that what it takes does not block.
/// A terminal that was stopped (Ctrl-S) may block the thread nevertheless. What `print!` holds back comes later.
///
/// ```
/// use coracle::io::AsyncWriteExt;
/// coracle::block_on(async {
///     coracle::net::Stdout::new().unwrap().write_all(b"hello\n").await.unwrap();
/// });
/// ```
pub struct Stdout {
    source: Source,
}

impl Stdout {
    /// The standard output, by a duplicate of descriptor 1.
    ///
    /// # Errors
    /// If there is none, or no room for another descriptor. Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async { coracle::net::Stdout::new().unwrap(); });
    /// ```
    pub fn new() -> io::Result<Stdout> {
        Ok(Stdout { source: Source::new(io::stdout().as_fd().try_clone_to_owned()?)? })
    }
}

/// The standard error of this process. In all else like [`Stdout`].
///
/// ```
/// use coracle::io::AsyncWriteExt;
/// coracle::block_on(async {
///     coracle::net::Stderr::new().unwrap().write_all(b"hello\n").await.unwrap();
/// });
/// ```
pub struct Stderr {
    source: Source,
}

impl Stderr {
    /// The standard error, by a duplicate of descriptor 2.
    ///
    /// # Errors
    /// If there is none, or no room for another descriptor. Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async { coracle::net::Stderr::new().unwrap(); });
    /// ```
    pub fn new() -> io::Result<Stderr> {
        Ok(Stderr { source: Source::new(io::stderr().as_fd().try_clone_to_owned()?)? })
    }
}

macro_rules! writes {
    ($type:ty) => {
        impl AsyncWrite for $type {
            #[track_caller]
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                if bytes.is_empty() {
                    return Poll::Ready(Ok(0));
                }
                self.source.poll_io(cx, Interest::Write, Place::Polled, Location::caller(), |world, fd| {
                    write(world, fd, bytes).map(Done::with)
                })
            }

            /// Does nothing: nothing is kept back.
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Does nothing: the descriptor stays open for the rest of the program.
            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
    };
}

writes!(Stdout);
writes!(&Stdout);
writes!(Stderr);
writes!(&Stderr);

macro_rules! has_a_descriptor {
    ($type:ident) => {
        descriptor!(lends: [] $type);

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).field("fd", &self.as_raw_fd()).finish()
            }
        }
    };
}

has_a_descriptor!(Stdin);
has_a_descriptor!(Stdout);
has_a_descriptor!(Stderr);
