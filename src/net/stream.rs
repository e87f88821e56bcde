//! [`TcpStream`]: a connection.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::addresses::ToSocketAddrs;
use super::connect::Connect;
use super::source::{Done, Interest, Operation, Place, Source};
use super::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::io::{AsyncRead, AsyncWrite};
use crate::sys::SocketOption;

/// A TCP connection.
///
/// All methods take `&self`, so one task may read while another writes; [`split`](TcpStream::split) and
/// [`into_split`](TcpStream::into_split) make halves for code that wants to own them. Several tasks may even read, in
/// order of their calls, but which bytes each gets is a matter of chance. The `poll_…` methods keep one waker for each
/// direction: the last to poll is woken. Dropping the stream closes the connection.
///
/// ```
/// use coracle::net::{TcpListener, TcpStream};
/// coracle::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all(b"ping").await?;
///     let mut buffer = [0; 16];
///     let n = server.read(&mut buffer).await?;
///     assert_eq!(&buffer[..n], b"ping");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub struct TcpStream {
    source: Source,
}

impl TcpStream {
    pub(super) fn from_source(source: Source) -> TcpStream {
        TcpStream { source }
    }

    /// Connects to the first of `addresses` that answers; they are tried one after the other, from the first poll on.
    ///
    /// **Cancel safety**: cancel-safe; the socket of an attempt that is given up is closed.
    ///
    /// # Errors
    /// The last address's: [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) and the like. Outside of a runtime.
    ///
    /// ```
    /// use coracle::net::{TcpListener, TcpStream};
    /// coracle::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ///     TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn connect(addresses: impl ToSocketAddrs) -> Connect {
        Connect::new(addresses)
    }

    // ---- reading -------------------------------------------------------------------------------------------------

    /// Reads once, at most all of `buffer`. How many bytes; 0 is the end, or `buffer` is empty, which never waits. Tried at once; when
    /// there is nothing, it waits.
    ///
    /// **Cancel safety**: cancel-safe; no byte is lost.
    ///
    /// # Errors
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset) and the like. After the end or an error it does not wait.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # let (stream, _) = listener.accept().await.unwrap();
    /// # drop(client);
    /// let mut buffer = [0; 1024];
    /// assert_eq!(stream.read(&mut buffer).await.unwrap(), 0, "the peer has closed");
    /// # });
    /// ```
    #[track_caller]
    pub fn read<'a>(&'a self, buffer: &'a mut [u8]) -> Read<'a> {
        Read { operation: self.reading(), buffer }
    }

    /// Reads once into several buffers, in order; at most the first 1,024 of them.
    ///
    /// **Cancel safety** and errors: as [`read`](TcpStream::read).
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # let (stream, _) = listener.accept().await.unwrap();
    /// # client.write_all(b"headbody").await.unwrap();
    /// use std::io::IoSliceMut;
    /// let (mut head, mut body) = ([0; 4], [0; 4]);
    /// let mut buffers = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
    /// assert_eq!(stream.read_vectored(&mut buffers).await.unwrap(), 8);
    /// # });
    /// ```
    #[track_caller]
    pub fn read_vectored<'a, 'b>(&'a self, buffers: &'a mut [IoSliceMut<'b>]) -> ReadVectored<'a, 'b> {
        ReadVectored { operation: self.reading(), buffers }
    }

    /// Fills `buffer`.
    ///
    /// **Cancel safety**: prefix-safe. What was read when it is dropped stands at the beginning of `buffer`, and
    /// [`ReadExact::filled`] says how much it is, if it is awaited by `&mut`.
    ///
    /// # Errors
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the end comes before, else as [`read`](TcpStream::read).
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # let (stream, _) = listener.accept().await.unwrap();
    /// # client.write_all(b"1234").await.unwrap();
    /// let mut header = [0; 4];
    /// stream.read_exact(&mut header).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn read_exact<'a>(&'a self, buffer: &'a mut [u8]) -> ReadExact<'a> {
        ReadExact { operation: self.reading(), buffer, filled: 0 }
    }

    /// Reads without taking: the next read gives the same bytes again.
    ///
    /// **Cancel safety** and errors: as [`read`](TcpStream::read).
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # let (stream, _) = listener.accept().await.unwrap();
    /// # client.write_all(b"x").await.unwrap();
    /// let mut byte = [0];
    /// assert_eq!(stream.peek(&mut byte).await.unwrap(), 1);
    /// assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn peek<'a>(&'a self, buffer: &'a mut [u8]) -> Peek<'a> {
        Peek { operation: self.reading(), buffer }
    }

    /// [`read`](TcpStream::read) for code that polls.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # let (stream, _) = listener.accept().await.unwrap();
    /// # client.write_all(b"x").await.unwrap();
    /// let mut buffer = [0; 8];
    /// let n = std::future::poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.unwrap();
    /// # assert_eq!(n, 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Interest::Read, Place::Polled, Location::caller(), |world, fd| {
            world.receive(fd, buffer, false).map(|count| Done::bytes(count, buffer.len()))
        })
    }

    /// [`poll_read`](TcpStream::poll_read) into memory that need not be initialised: the bytes up to the count that it
    /// gives are, afterwards.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # let (stream, _) = listener.accept().await.unwrap();
    /// # client.write_all(b"x").await.unwrap();
    /// let mut bytes = Vec::with_capacity(1024);
    /// let n = std::future::poll_fn(|cx| stream.poll_read_uninit(cx, bytes.spare_capacity_mut())).await.unwrap();
    /// // SAFETY: `n` bytes were read into it.
    /// unsafe { bytes.set_len(n) };
    /// assert_eq!(bytes, b"x");
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_read_uninit(&self, cx: &mut Context<'_>, buffer: &mut [MaybeUninit<u8>]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Interest::Read, Place::Polled, Location::caller(), |world, fd| {
            world.receive_uninit(fd, buffer, false).map(|count| Done::bytes(count, buffer.len()))
        })
    }

    /// [`read_vectored`](TcpStream::read_vectored) for code that polls.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # let (stream, _) = listener.accept().await.unwrap();
    /// # client.write_all(b"x").await.unwrap();
    /// # use std::io::IoSliceMut;
    /// let mut buffer = [0; 8];
    /// let mut buffers = [IoSliceMut::new(&mut buffer)];
    /// std::future::poll_fn(|cx| stream.poll_read_vectored(cx, &mut buffers)).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_read_vectored(&self, cx: &mut Context<'_>, buffers: &mut [IoSliceMut<'_>]) -> Poll<io::Result<usize>> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Interest::Read, Place::Polled, Location::caller(), |world, fd| {
            world.receive_vectored(fd, buffers).map(Done::with)
        })
    }

    /// [`peek`](TcpStream::peek) for code that polls.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # let (stream, _) = listener.accept().await.unwrap();
    /// # client.write_all(b"x").await.unwrap();
    /// let mut byte = [0];
    /// std::future::poll_fn(|cx| stream.poll_peek(cx, &mut byte)).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Interest::Read, Place::Polled, Location::caller(), |world, fd| {
            world.receive(fd, buffer, true).map(Done::with)
        })
    }

    /// Reads what is there already.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// let error = stream.try_read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    /// # });
    /// ```
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.event_loop()?;
        self.source.world().receive(self.source.as_fd(), buffer, false)
    }

    // ---- writing -------------------------------------------------------------------------------------------------

    /// Writes once, at most all of `bytes`. How many. Tried at once; when there is no room, it waits. Never raises
    /// SIGPIPE.
    ///
    /// **Cancel safety**: cancel-safe; not done means nothing written.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe), [`ConnectionReset`](io::ErrorKind::ConnectionReset) and the like.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(stream.write(b"bytes").await.unwrap(), 5);
    /// # });
    /// ```
    #[track_caller]
    pub fn write<'a>(&'a self, bytes: &'a [u8]) -> Write<'a> {
        Write { operation: self.writing(), bytes }
    }

    /// Writes once from several buffers, in order; at most the first 1,024 of them.
    ///
    /// **Cancel safety** and errors: as [`write`](TcpStream::write).
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// use std::io::IoSlice;
    /// let n = stream.write_vectored(&[IoSlice::new(b"head"), IoSlice::new(b"body")]).await.unwrap();
    /// assert_eq!(n, 8);
    /// # });
    /// ```
    #[track_caller]
    pub fn write_vectored<'a, 'b>(&'a self, buffers: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b> {
        WriteVectored { operation: self.writing(), buffers }
    }

    /// Writes all of `bytes`.
    ///
    /// **Cancel safety**: prefix-safe. When it is dropped, a prefix has been written; [`WriteAll::written`] says how long
    /// it is, if it is awaited by `&mut`.
    ///
    /// # Errors
    /// As [`write`](TcpStream::write).
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.write_all(b"all of it").await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn write_all<'a>(&'a self, bytes: &'a [u8]) -> WriteAll<'a> {
        WriteAll { operation: self.writing(), bytes, written: 0 }
    }

    /// [`write`](TcpStream::write) for code that polls.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// std::future::poll_fn(|cx| stream.poll_write(cx, b"bytes")).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Interest::Write, Place::Polled, Location::caller(), |world, fd| {
            world.send(fd, bytes).map(|count| Done::bytes(count, bytes.len()))
        })
    }

    /// [`write_vectored`](TcpStream::write_vectored) for code that polls.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # use std::io::IoSlice;
    /// std::future::poll_fn(|cx| stream.poll_write_vectored(cx, &[IoSlice::new(b"bytes")])).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_write_vectored(&self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Interest::Write, Place::Polled, Location::caller(), |world, fd| {
            world.send_vectored(fd, buffers).map(Done::with)
        })
    }

    /// Does nothing: a socket keeps nothing back. Here for code that is written for any stream.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// std::future::poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
    /// # });
    /// ```
    pub fn poll_flush(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// [`shutdown`](TcpStream::shutdown) of the writing direction, for code that is written for any stream. Never waits.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// std::future::poll_fn(|cx| stream.poll_shutdown(cx)).await.unwrap();
    /// # });
    /// ```
    pub fn poll_shutdown(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown(Shutdown::Write))
    }

    /// Writes what there is room for now.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(stream.try_write(b"bytes").unwrap(), 5);
    /// # });
    /// ```
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.source.event_loop()?;
        self.source.world().send(self.source.as_fd(), bytes)
    }

    /// Ends one or both directions. After `Write` the peer reads the end, and its answer can still be read: a half close.
    /// Doing it again, or after the peer has gone, is no error.
    ///
    /// # Errors
    /// Whatever else the system says.
    ///
    /// ```
    /// # use coracle::net::{Shutdown, TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.shutdown(Shutdown::Write).unwrap();
    /// stream.shutdown(Shutdown::Write).unwrap();
    /// # });
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.source.event_loop()?;
        match self.source.world().shutdown(self.source.as_fd(), how) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    // ---- anything ------------------------------------------------------------------------------------------------

    /// Does `attempt`, some call on the descriptor, and does it again each time it says `WouldBlock` and the descriptor
    /// has become ready since. For calls that this type does not offer, and for adapters.
    ///
    /// ```
    /// # use coracle::net::{Interest, TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// use std::future::poll_fn;
    /// poll_fn(|cx| stream.poll_io(cx, Interest::Write, |fd| {
    ///     let fd = fd.try_clone_to_owned()?;
    ///     std::io::Write::write(&mut std::net::TcpStream::from(fd), b"bytes")
    /// })).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.source.poll_io(cx, interest, Place::Polled, Location::caller(), |_, fd| attempt(fd).map(Done::with))
    }

    #[track_caller]
    fn reading(&self) -> Operation<'_> {
        Operation::new(&self.source, Interest::Read)
    }

    #[track_caller]
    fn writing(&self) -> Operation<'_> {
        Operation::new(&self.source, Interest::Write)
    }

    // ---- halves --------------------------------------------------------------------------------------------------

    /// A half that reads and a half that writes, which borrow.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// let (_reader, writer) = stream.split();
    /// writer.write_all(b"bytes").await.unwrap();
    /// # });
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf::new(self), WriteHalf::new(self))
    }

    /// A half that reads and a half that writes, for two tasks. Dropping the writing half ends that direction; the
    /// connection is closed when both are gone.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// let (reader, writer) = stream.into_split();
    /// coracle::spawn(async move { writer.write_all(b"bytes").await }).await.unwrap().unwrap();
    /// # drop(reader);
    /// # });
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        (OwnedReadHalf::new(stream.clone()), OwnedWriteHalf::new(stream))
    }

    // ---- addresses and options -----------------------------------------------------------------------------------

    /// The address of this end.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.local_addr().unwrap().ip().is_loopback());
    /// # });
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.world().local_address(self.source.as_fd())
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if it has gone.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
    /// # });
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.world().peer_address(self.source.as_fd())
    }

    /// Whether small writes go out at once (`TCP_NODELAY`), rather than being held back to be joined (Nagle). Off by
    /// default, as the system has it.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_nodelay(true).unwrap();
    /// assert!(stream.nodelay().unwrap());
    /// # });
    /// ```
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.set_option(SocketOption::NoDelay, i32::from(on))
    }

    /// See [`set_nodelay`](TcpStream::set_nodelay).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(!stream.nodelay().unwrap());
    /// # });
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.option(SocketOption::NoDelay)? != 0)
    }

    /// Whether the system asks an idle peer now and then if it is still there (`SO_KEEPALIVE`).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_keepalive(true).unwrap();
    /// # });
    /// ```
    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        self.set_option(SocketOption::KeepAlive, i32::from(on))
    }

    /// What closing does with bytes that have not been sent (`SO_LINGER`). `None`: they are sent in the background, the
    /// default. Zero: the connection is reset at once. More is not for this runtime: closing would block its thread.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for more than zero.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # use std::time::Duration;
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_linger(Some(Duration::ZERO)).unwrap();
    /// assert!(stream.set_linger(Some(Duration::from_secs(1))).is_err());
    /// # });
    /// ```
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        match time {
            None => self.set_option(SocketOption::Linger, -1),
            Some(Duration::ZERO) => self.set_option(SocketOption::Linger, 0),
            Some(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "lingering would block the thread")),
        }
    }

    /// How many hops its packets may take (`IP_TTL`).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_ttl(7).unwrap();
    /// assert_eq!(stream.ttl().unwrap(), 7);
    /// # });
    /// ```
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.set_option(SocketOption::Ttl, i32::try_from(hops).unwrap_or(i32::MAX))
    }

    /// See [`set_ttl`](TcpStream::set_ttl).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.ttl().unwrap() > 0);
    /// # });
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.option(SocketOption::Ttl)?.unsigned_abs())
    }

    /// Room for bytes that have arrived and were not read yet (`SO_RCVBUF`), in bytes; Linux takes twice as much.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_recv_buffer_size(65_536).unwrap();
    /// assert!(stream.recv_buffer_size().unwrap() >= 65_536);
    /// # });
    /// ```
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.set_option(SocketOption::ReceiveBuffer, i32::try_from(bytes).unwrap_or(i32::MAX))
    }

    /// See [`set_recv_buffer_size`](TcpStream::set_recv_buffer_size).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.recv_buffer_size().unwrap() > 0);
    /// # });
    /// ```
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        Ok(self.option(SocketOption::ReceiveBuffer)?.unsigned_abs() as usize)
    }

    /// Room for bytes that were written and not acknowledged yet (`SO_SNDBUF`), in bytes; Linux takes twice as much.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_send_buffer_size(65_536).unwrap();
    /// assert!(stream.send_buffer_size().unwrap() >= 65_536);
    /// # });
    /// ```
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.set_option(SocketOption::SendBuffer, i32::try_from(bytes).unwrap_or(i32::MAX))
    }

    /// See [`set_send_buffer_size`](TcpStream::set_send_buffer_size).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.send_buffer_size().unwrap() > 0);
    /// # });
    /// ```
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        Ok(self.option(SocketOption::SendBuffer)?.unsigned_abs() as usize)
    }

    /// Takes the error that waits on the socket, if any (`SO_ERROR`).
    ///
    /// # Errors
    /// If the system cannot say.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.take_error().unwrap().is_none());
    /// # });
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(match self.option(SocketOption::PendingError)? {
            0 => None,
            errno => Some(io::Error::from_raw_os_error(errno)),
        })
    }

    fn option(&self, option: SocketOption) -> io::Result<i32> {
        self.source.world().option(self.source.as_fd(), option)
    }

    fn set_option(&self, option: SocketOption, value: i32) -> io::Result<()> {
        self.source.world().set_option(self.source.as_fd(), option, value)
    }

    // ---- to and from elsewhere -----------------------------------------------------------------------------------

    /// A stream of std becomes one of the current runtime's. It is made non-blocking.
    ///
    /// # Errors
    /// Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ///     let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    ///     coracle::net::TcpStream::from_std(stream).unwrap();
    /// });
    /// ```
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::try_from(OwnedFd::from(stream))
    }

    /// The stream as one of std, for another thread or runtime. It stays non-blocking.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.into_std().set_nonblocking(false).unwrap();
    /// # });
    /// ```
    pub fn into_std(self) -> std::net::TcpStream {
        OwnedFd::from(self).into()
    }
}

macro_rules! forward_to_the_stream {
    ($type:ty) => {
        impl AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
                TcpStream::poll_read(&self, cx, buffer)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                TcpStream::poll_read_vectored(&self, cx, buffers)
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                TcpStream::poll_write(&self, cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                TcpStream::poll_write_vectored(&self, cx, buffers)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                TcpStream::poll_flush(&self, cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                TcpStream::poll_shutdown(&self, cx)
            }
        }
    };
}

forward_to_the_stream!(TcpStream);
forward_to_the_stream!(&TcpStream);

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.source.as_raw_fd()
    }
}

/// A descriptor of a connected socket becomes a stream of the current runtime's; it is made non-blocking. An error
/// outside of a runtime: hence not `From`.
impl TryFrom<OwnedFd> for TcpStream {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<TcpStream> {
        let source = Source::new(fd)?;
        source.world().set_nonblocking(source.as_fd())?;
        Ok(TcpStream { source })
    }
}

impl From<TcpStream> for OwnedFd {
    fn from(stream: TcpStream) -> OwnedFd {
        stream.source.into_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("fd", &self.as_raw_fd())
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}

// ---- the futures -------------------------------------------------------------------------------------------------

/// See [`TcpStream::read`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Read<'a> {
    operation: Operation<'a>,
    buffer: &'a mut [u8],
}

impl Future for Read<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| {
            world.receive(fd, this.buffer, false).map(|count| Done::bytes(count, this.buffer.len()))
        })
    }
}

/// See [`TcpStream::read_vectored`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadVectored<'a, 'b> {
    operation: Operation<'a>,
    buffers: &'a mut [IoSliceMut<'b>],
}

impl Future for ReadVectored<'_, '_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| world.receive_vectored(fd, this.buffers).map(Done::with))
    }
}

/// See [`TcpStream::read_exact`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadExact<'a> {
    operation: Operation<'a>,
    buffer: &'a mut [u8],
    filled: usize,
}

impl ReadExact<'_> {
    /// How many bytes have been read into the beginning of the buffer.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(stream.read_exact(&mut [0; 4]).filled(), 0);
    /// # });
    /// ```
    pub fn filled(&self) -> usize {
        self.filled
    }
}

impl Future for ReadExact<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.filled < this.buffer.len() {
            let rest = &mut this.buffer[this.filled..];
            let count =
                ready!(this.operation.poll(cx, |world, fd| {
                    world.receive(fd, rest, false).map(|count| Done::bytes(count, rest.len()))
                }))?;
            if count == 0 {
                return Poll::Ready(Err(crate::io::unexpected_end()));
            }
            this.filled += count;
        }
        Poll::Ready(Ok(()))
    }
}

/// See [`TcpStream::peek`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Peek<'a> {
    operation: Operation<'a>,
    buffer: &'a mut [u8],
}

impl Future for Peek<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| world.receive(fd, this.buffer, true).map(Done::with))
    }
}

/// See [`TcpStream::write`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Write<'a> {
    operation: Operation<'a>,
    bytes: &'a [u8],
}

impl Future for Write<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.operation
            .poll(cx, |world, fd| world.send(fd, this.bytes).map(|count| Done::bytes(count, this.bytes.len())))
    }
}

/// See [`TcpStream::write_vectored`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct WriteVectored<'a, 'b> {
    operation: Operation<'a>,
    buffers: &'a [IoSlice<'b>],
}

impl Future for WriteVectored<'_, '_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.buffers.iter().all(|buffer| buffer.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        this.operation.poll(cx, |world, fd| world.send_vectored(fd, this.buffers).map(Done::with))
    }
}

/// See [`TcpStream::write_all`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct WriteAll<'a> {
    operation: Operation<'a>,
    bytes: &'a [u8],
    written: usize,
}

impl WriteAll<'_> {
    /// How many bytes have been written.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(stream.write_all(b"bytes").written(), 0);
    /// # });
    /// ```
    pub fn written(&self) -> usize {
        self.written
    }
}

impl Future for WriteAll<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.written < this.bytes.len() {
            let rest = &this.bytes[this.written..];
            let count = ready!(
                this.operation
                    .poll(cx, |world, fd| { world.send(fd, rest).map(|count| Done::bytes(count, rest.len())) })
            )?;
            if count == 0 {
                return Poll::Ready(Err(crate::io::no_more_taken()));
            }
            this.written += count;
        }
        Poll::Ready(Ok(()))
    }
}
