//! [`Async`]: any descriptor of the user's, with operations that wait.
//!
//! There is no `readable().await`: between that and the operation somebody else may take what was there, and who forgets
//! to say that the operation found nothing waits for an event that has been. The operation is a closure instead, which is
//! tried, and tried again. A descriptor that poller cannot watch (a regular file) never says `WouldBlock`, so it is never
//! registered, and all its operations are done at once.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::registration::{Done, Interest, Place, Registration};
use super::source::Operation;
use crate::io::{AsyncRead, AsyncWrite};

/// Anything with a descriptor, and operations on it that wait.
///
/// ```
/// use coracle::net::Async;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// coracle::block_on(async {
///     let (one, mut other) = UnixStream::pair()?;
///     let one = Async::new(one)?;
///     other.write_all(b"bytes")?;
///     let mut buffer = [0; 16];
///     let n = one.read_with(|mut one| one.read(&mut buffer)).await?;
///     assert_eq!(&buffer[..n], b"bytes");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub struct Async<T: AsFd> {
    /// `None` only while it is being taken apart.
    io: Option<T>,
    registration: Registration,
}

impl<T: AsFd> Unpin for Async<T> {}

impl<T: AsFd> Async<T> {
    /// Makes the descriptor non-blocking, and one of the current runtime's. `io` must not change its descriptor afterwards.
    ///
    /// `O_NONBLOCK` is a property of the open file and not of the descriptor: whoever else holds it, by `dup` or in
    /// another process, finds it non-blocking too. It stays so.
    ///
    /// # Errors
    /// Whatever the system says. Outside of a runtime. `io` is dropped.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    ///     coracle::net::Async::new(one).unwrap();
    /// });
    /// ```
    pub fn new(io: T) -> io::Result<Async<T>> {
        let registration = Registration::here()?;
        registration.world().set_nonblocking(io.as_fd())?;
        Ok(Async { io: Some(io), registration })
    }

    /// Does `attempt`, and does it again each time it says `WouldBlock` and the descriptor has become readable since. So
    /// `attempt` must try to read (or whatever readiness is for: to accept, to ask an error off) whenever it is called,
    /// and must not say `WouldBlock` of its own accord.
    ///
    /// **Cancel safety**: cancel-safe; `attempt` is not called again, and no event is lost for others.
    ///
    /// # Errors
    /// What `attempt` says, but for `WouldBlock` and `Interrupted`. That the system cannot watch the descriptor.
    ///
    /// ```
    /// # use std::io::Read;
    /// # coracle::block_on(async {
    /// let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
    /// let one = coracle::net::Async::new(one).unwrap();
    /// drop(other);
    /// assert_eq!(one.read_with(|mut one| one.read(&mut [0; 8])).await.unwrap(), 0);
    /// # });
    /// ```
    #[track_caller]
    pub fn read_with<R, F: FnMut(&T) -> io::Result<R>>(&self, attempt: F) -> Attempts<'_, T, F> {
        Attempts { io: self.get_ref(), operation: self.operation(Interest::Read), attempt }
    }

    /// [`read_with`](Async::read_with) for a descriptor that is to become writable.
    ///
    /// **Cancel safety** and errors: as [`read_with`](Async::read_with).
    ///
    /// ```
    /// # use std::io::Write;
    /// # coracle::block_on(async {
    /// let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    /// let one = coracle::net::Async::new(one).unwrap();
    /// assert_eq!(one.write_with(|mut one| one.write(b"bytes")).await.unwrap(), 5);
    /// # });
    /// ```
    #[track_caller]
    pub fn write_with<R, F: FnMut(&T) -> io::Result<R>>(&self, attempt: F) -> Attempts<'_, T, F> {
        Attempts { io: self.get_ref(), operation: self.operation(Interest::Write), attempt }
    }

    /// [`read_with`](Async::read_with) for code that polls: the last task that polled is woken.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # coracle::block_on(async {
    /// let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
    /// let one = coracle::net::Async::new(one).unwrap();
    /// other.write_all(b"x").unwrap();
    /// std::future::poll_fn(|cx| one.poll_read_with(cx, |mut one| one.read(&mut [0; 8]))).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(cx, Interest::Read, attempt)
    }

    /// [`write_with`](Async::write_with) for code that polls: the last task that polled is woken.
    ///
    /// ```
    /// # use std::io::Write;
    /// # coracle::block_on(async {
    /// let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    /// let one = coracle::net::Async::new(one).unwrap();
    /// std::future::poll_fn(|cx| one.poll_write_with(cx, |mut one| one.write(b"bytes"))).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(cx, Interest::Write, attempt)
    }

    #[track_caller]
    fn poll_with<R>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let (io, at) = (self.get_ref(), Location::caller());
        self.registration.poll_io(io.as_fd(), cx, interest, Place::Polled, at, |_, _| attempt(io).map(Done::with))
    }

    #[track_caller]
    fn operation(&self, interest: Interest) -> Operation<'_> {
        Operation::on(&self.registration, self.as_fd(), interest)
    }

    /// What it holds. There is no `get_mut`: to take `io` away from under its registration would be too easy.
    ///
    /// ```
    /// # coracle::block_on(async {
    /// let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    /// let one = coracle::net::Async::new(one).unwrap();
    /// one.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    /// # });
    /// ```
    pub fn get_ref(&self) -> &T {
        self.io.as_ref().expect("an Async has what it holds until it is taken apart")
    }

    /// Gives back what it holds. The descriptor stays non-blocking.
    ///
    /// ```
    /// # coracle::block_on(async {
    /// let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    /// let one = coracle::net::Async::new(one).unwrap();
    /// one.into_inner().set_nonblocking(false).unwrap();
    /// # });
    /// ```
    pub fn into_inner(mut self) -> T {
        self.disconnect().expect("an Async is taken apart once")
    }

    fn disconnect(&mut self) -> Option<T> {
        let io = self.io.take()?;
        self.registration.end(io.as_fd());
        Some(io)
    }
}

impl<T: AsFd> Drop for Async<T> {
    fn drop(&mut self) {
        // The drop of what is the user's comes last: it may panic.
        if let Some(io) = self.disconnect() {
            drop(io);
            self.registration.closed();
        }
    }
}

/// See [`Async::read_with`].
#[must_use = "a future does nothing unless awaited"]
pub struct Attempts<'a, T, F> {
    io: &'a T,
    operation: Operation<'a>,
    attempt: F,
}

impl<T, F> Unpin for Attempts<'_, T, F> {}

impl<T, R, F: FnMut(&T) -> io::Result<R>> Future for Attempts<'_, T, F> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let this = &mut *self;
        this.operation.poll(cx, |_, _| (this.attempt)(this.io).map(Done::with))
    }
}

impl<T, F> fmt::Debug for Attempts<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").field("operation", &self.operation).finish_non_exhaustive()
    }
}

macro_rules! read_and_write_by_reference {
    ($type:ty) => {
        /// For what reads by reference, as the types of std do.
        impl<T: AsFd> AsyncRead for $type
        where
            for<'r> &'r T: Read,
        {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
                self.poll_read_with(cx, |mut io| io.read(buffer))
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                self.poll_read_with(cx, |mut io| io.read_vectored(buffers))
            }
        }

        /// For what writes by reference, as the types of std do. To close it is to flush it: what that means for the
        /// direction, only the type knows.
        impl<T: AsFd> AsyncWrite for $type
        where
            for<'r> &'r T: Write,
        {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                self.poll_write_with(cx, |mut io| io.write(bytes))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.poll_write_with(cx, |mut io| io.write_vectored(buffers))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_with(cx, |mut io| io.flush())
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

read_and_write_by_reference!(Async<T>);
read_and_write_by_reference!(&Async<T>);

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> AsRawFd for Async<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Async").field(self.get_ref()).finish()
    }
}
