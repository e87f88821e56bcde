//! [`Stream`]: a connection that carries bytes, in order, both ways: [`TcpStream`] and, in `unix.rs`, `UnixStream`.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::addresses::ToSocketAddrs;
use super::connect::Connect;
use super::domain::{Domain, Internet};
use super::operations::{Peek, Read, ReadExact, ReadPooled, ReadVectored, Write, WriteAll, WriteVectored};
use super::registration::{Done, Interest, Place};
use super::source::{Operation, Source, descriptor};
use super::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::io::{AsyncRead, AsyncWrite, Buffers};

/// A TCP connection.
///
/// Most of what it can do, it can do as a [`Stream`].
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
pub type TcpStream = Stream<Internet>;

/// A connection: a [`TcpStream`] or a [`UnixStream`](super::UnixStream).
///
/// All methods take `&self`, so one task may read while another writes; [`split`](Stream::split) and
/// [`into_split`](Stream::into_split) make halves for code that wants to own them. Several tasks may even read, in
/// order of their calls, but which bytes each gets is a matter of chance. The `poll_…` methods keep one waker for each
/// direction: the last to poll is woken. Dropping the stream closes the connection.
///
/// ```
/// use coracle::net::UnixStream;
/// coracle::block_on(async {
///     let (one, other) = UnixStream::pair()?;
///     one.write_all(b"ping").await?;
///     let mut buffer = [0; 16];
///     let n = other.read(&mut buffer).await?;
///     assert_eq!(&buffer[..n], b"ping");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub struct Stream<D> {
    pub(super) source: Source,
    domain: PhantomData<D>,
}

impl TcpStream {
    /// Connects to the first of `addresses` that answers: an address, several, or a name and a port, such as
    /// `"example.com:80"` or `("example.com", 80)`, which is first [looked up](super::resolve()). It begins at the
    /// first poll.
    ///
    /// Several are raced, as RFC 8305 says: when one has failed, or has not answered for 250 ms, the next is tried
    /// beside it. Those of a name are tried by turns of IPv6 and IPv4, beginning with the kind that the system
    /// prefers; a list in its own order.
    ///
    /// **Cancel safety**: cancel-safe; the sockets of attempts that are given up are closed, and the look-up goes on
    /// alone.
    ///
    /// # Errors
    /// If one address was tried, its own: [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) and the like. If more
    /// were, one of the last one's kind that names each, with what became of it. What the look-up says. Outside of a
    /// runtime.
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

impl<D: Domain> Stream<D> {
    #[inline]
    pub(super) fn from_source(source: Source) -> Stream<D> {
        Stream { source: D::stream(source), domain: PhantomData }
    }

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
    pub fn local_addr(&self) -> io::Result<D::Address> {
        D::address(self.source.world().local_address(self.source.as_fd())?)
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
    pub fn peer_addr(&self) -> io::Result<D::Address> {
        D::address(self.source.world().peer_address(self.source.as_fd())?)
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

    /// Reads once into one of `buffers`, which is taken when there is something to read: so a connection that waits holds
    /// none. An empty one is the end.
    ///
    /// **Cancel safety** and errors: as [`read`](Stream::read).
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # let (stream, _) = listener.accept().await.unwrap();
    /// # client.write_all(b"ping").await.unwrap();
    /// let buffers = coracle::io::Buffers::new(256 * 1024); // one for all connections
    /// let bytes = stream.read_pooled(&buffers).await.unwrap();
    /// assert_eq!(&bytes[..], b"ping");
    /// # });
    /// ```
    #[track_caller]
    pub fn read_pooled<'a>(&'a self, buffers: &'a Buffers) -> ReadPooled<'a> {
        ReadPooled { operation: self.reading(), buffers }
    }

    /// Reads once into several buffers, in order; at most the first 1,024 of them.
    ///
    /// **Cancel safety** and errors: as [`read`](Stream::read).
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
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the end comes before, else as [`read`](Stream::read).
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
    /// **Cancel safety** and errors: as [`read`](Stream::read).
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

    /// [`read`](Stream::read) for code that polls.
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

    /// [`poll_read`](Stream::poll_read) into memory that need not be initialised: the bytes up to the count that it
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

    /// [`read_vectored`](Stream::read_vectored) for code that polls.
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

    /// [`peek`](Stream::peek) for code that polls.
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
        self.source.try_io(|world, fd| world.receive(fd, buffer, false))
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
    /// **Cancel safety** and errors: as [`write`](Stream::write).
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
    /// As [`write`](Stream::write).
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

    /// [`write`](Stream::write) for code that polls.
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

    /// [`write_vectored`](Stream::write_vectored) for code that polls.
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

    /// [`shutdown`](Stream::shutdown) of the writing direction, for code that is written for any stream. Never waits.
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
        self.source.try_io(|world, fd| world.send(fd, bytes))
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
        self.source.check_home()?;
        match self.source.world().shutdown(self.source.as_fd(), how) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// For a half that is dropped, on whatever thread and also after the runtime: the peer must not wait for ever.
    pub(super) fn end_writing(&self) {
        // A connection that is gone already has ended.
        let _ = self.source.world().shutdown(self.source.as_fd(), Shutdown::Write);
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
        self.source.lend();
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
    pub fn split(&mut self) -> (ReadHalf<'_, D>, WriteHalf<'_, D>) {
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
    pub fn into_split(self) -> (OwnedReadHalf<D>, OwnedWriteHalf<D>) {
        let stream = Arc::new(self);
        (OwnedReadHalf::new(stream.clone()), OwnedWriteHalf::new(stream))
    }
}

macro_rules! forward_to_the_stream {
    ($type:ty) => {
        impl<D: Domain> AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
                Stream::<D>::poll_read(&self, cx, buffer)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                Stream::<D>::poll_read_vectored(&self, cx, buffers)
            }
        }

        impl<D: Domain> AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                Stream::<D>::poll_write(&self, cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Stream::<D>::poll_write_vectored(&self, cx, buffers)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Stream::<D>::poll_flush(&self, cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Stream::<D>::poll_shutdown(&self, cx)
            }
        }
    };
}

forward_to_the_stream!(Stream<D>);
forward_to_the_stream!(&Stream<D>);

descriptor!(owns: [D] Stream<D>);

/// A descriptor of a connected socket becomes a stream of the current runtime's; it is made non-blocking. An error
/// outside of a runtime: hence not `From`.
impl<D: Domain> TryFrom<OwnedFd> for Stream<D> {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Stream<D>> {
        Ok(Stream::from_source(Source::adopt(fd)?))
    }
}

impl<D: Domain> fmt::Debug for Stream<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, ..] = D::NAMES;
        f.debug_struct(name)
            .field("fd", &self.as_raw_fd())
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}
