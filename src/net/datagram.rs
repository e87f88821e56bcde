//! [`Datagrams`]: a socket that carries datagrams, each whole or not at all: [`UdpSocket`](super::UdpSocket) and
//! [`UnixDatagram`](super::UnixDatagram).
//!
//! What a buffer has no room for is lost. The plain forms, which return a count as std's do, do not say so; `recv_message`
//! does. A datagram may be empty, and an empty buffer takes one.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::Location;
use std::task::{Context, Poll};

use super::datagram_operations::{PeekDatagram, PeekFrom, RecvDatagram, RecvFrom, RecvMessage, SendDatagram};
use super::domain::Domain;
use super::registration::{Done, Interest, Place};
use super::source::{Operation, Source, descriptor};
use crate::sys::{Received, World};

/// A socket for datagrams: a [`UdpSocket`](super::UdpSocket) or a [`UnixDatagram`](super::UnixDatagram).
///
/// All methods take `&self`, so one task may receive while another sends. Each datagram goes to one receiver. The
/// `poll_…` methods keep one waker for each direction: the last to poll is woken.
///
/// ```
/// use coracle::net::UdpSocket;
/// coracle::block_on(async {
///     let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
///     one.send_to(b"ping", other.local_addr()?).await?;
///     let mut buffer = [0; 1500];
///     let (n, from) = other.recv_from(&mut buffer).await?;
///     assert_eq!((&buffer[..n], from), (&b"ping"[..], one.local_addr()?));
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub struct Datagrams<D> {
    pub(super) source: Source,
    domain: PhantomData<D>,
}

/// What is known of a datagram that was received.
///
/// ```
/// use coracle::net::UdpSocket;
/// coracle::block_on(async {
///     let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
///     socket.send_to(b"more than four", socket.local_addr().unwrap()).await.unwrap();
///     let message = socket.recv_message(&mut [0; 4]).await.unwrap();
///     assert_eq!((message.length, message.truncated), (4, true));
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<A> {
    /// How many bytes stand in the buffer.
    pub length: usize,
    /// Who sent it.
    pub from: A,
    /// Whether it was longer than the buffer. The rest is lost; how long it was, not all systems say.
    pub truncated: bool,
}

impl<D: Domain> Datagrams<D> {
    pub(super) fn from_source(source: Source) -> Datagrams<D> {
        Datagrams { source, domain: PhantomData }
    }

    /// The address of this socket.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     assert!(socket.local_addr().unwrap().port() > 0);
    /// });
    /// ```
    pub fn local_addr(&self) -> io::Result<D::Address> {
        D::address(self.source.world().local_address(self.source.as_fd())?)
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected).
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     assert_eq!(socket.peer_addr().unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    /// });
    /// ```
    pub fn peer_addr(&self) -> io::Result<D::Address> {
        D::address(self.source.world().peer_address(self.source.as_fd())?)
    }

    // ---- receiving -----------------------------------------------------------------------------------------------

    /// Receives a datagram: how many bytes, and from whom. What `buffer` has no room for is lost.
    ///
    /// **Cancel safety**: cancel-safe; no datagram is lost.
    ///
    /// # Errors
    /// Whatever the system says. An error that the network reported for a datagram sent before (nobody listens there) is
    /// told to a connected socket once, by the next operation; one that is not connected never hears of it.
    ///
    /// ```
    /// # use coracle::net::UdpSocket;
    /// # coracle::block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    /// socket.send_to(b"x", socket.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(socket.recv_from(&mut [0; 8]).await.unwrap(), (1, socket.local_addr().unwrap()));
    /// # });
    /// ```
    #[track_caller]
    pub fn recv_from<'a>(&'a self, buffer: &'a mut [u8]) -> RecvFrom<'a, D> {
        RecvFrom { operation: self.reading(), buffer, domain: PhantomData }
    }

    /// [`recv_from`](Datagrams::recv_from) that also says whether the datagram was longer than `buffer`.
    ///
    /// **Cancel safety** and errors: as [`recv_from`](Datagrams::recv_from).
    ///
    /// ```
    /// # use coracle::net::UdpSocket;
    /// # coracle::block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    /// socket.send_to(b"12345", socket.local_addr().unwrap()).await.unwrap();
    /// assert!(socket.recv_message(&mut [0; 4]).await.unwrap().truncated);
    /// # });
    /// ```
    #[track_caller]
    pub fn recv_message<'a>(&'a self, buffer: &'a mut [u8]) -> RecvMessage<'a, D> {
        RecvMessage { operation: self.reading(), buffer, domain: PhantomData }
    }

    /// Receives a datagram, and does not ask from whom: for a socket that is connected.
    ///
    /// **Cancel safety** and errors: as [`recv_from`](Datagrams::recv_from).
    ///
    /// ```
    /// # use coracle::net::UnixDatagram;
    /// # coracle::block_on(async {
    /// let (one, other) = UnixDatagram::pair().unwrap();
    /// one.send(b"x").await.unwrap();
    /// assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn recv<'a>(&'a self, buffer: &'a mut [u8]) -> RecvDatagram<'a, D> {
        RecvDatagram { operation: self.reading(), buffer, domain: PhantomData }
    }

    /// [`recv_from`](Datagrams::recv_from) without taking: the next gives the same datagram again.
    ///
    /// **Cancel safety** and errors: as [`recv_from`](Datagrams::recv_from).
    ///
    /// ```
    /// # use coracle::net::UdpSocket;
    /// # coracle::block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    /// socket.send_to(b"x", socket.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(socket.peek_from(&mut [0; 8]).await.unwrap().0, 1);
    /// assert_eq!(socket.recv_from(&mut [0; 8]).await.unwrap().0, 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn peek_from<'a>(&'a self, buffer: &'a mut [u8]) -> PeekFrom<'a, D> {
        PeekFrom { operation: self.reading(), buffer, domain: PhantomData }
    }

    /// [`recv`](Datagrams::recv) without taking: the next gives the same datagram again.
    ///
    /// **Cancel safety** and errors: as [`recv_from`](Datagrams::recv_from).
    ///
    /// ```
    /// # use coracle::net::UnixDatagram;
    /// # coracle::block_on(async {
    /// let (one, other) = UnixDatagram::pair().unwrap();
    /// one.send(b"x").await.unwrap();
    /// assert_eq!(other.peek(&mut [0; 8]).await.unwrap(), 1);
    /// assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn peek<'a>(&'a self, buffer: &'a mut [u8]) -> PeekDatagram<'a, D> {
        PeekDatagram { operation: self.reading(), buffer, domain: PhantomData }
    }

    /// [`recv_from`](Datagrams::recv_from) for code that polls.
    ///
    /// ```
    /// # use coracle::net::UdpSocket;
    /// # coracle::block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    /// socket.send_to(b"x", socket.local_addr().unwrap()).await.unwrap();
    /// let mut buffer = [0; 8];
    /// let (n, _from) = std::future::poll_fn(|cx| socket.poll_recv_from(cx, &mut buffer)).await.unwrap();
    /// assert_eq!(n, 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<(usize, D::Address)>> {
        self.poll_reading(cx, |world, fd| with_address::<D>(receive(world, fd, buffer, false)?))
    }

    /// [`recv_message`](Datagrams::recv_message) for code that polls.
    ///
    /// ```
    /// # use coracle::net::UdpSocket;
    /// # coracle::block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    /// socket.send_to(b"", socket.local_addr().unwrap()).await.unwrap();
    /// let message = std::future::poll_fn(|cx| socket.poll_recv_message(cx, &mut [])).await.unwrap();
    /// assert_eq!((message.length, message.truncated), (0, false));
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_recv_message(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Message<D::Address>>> {
        self.poll_reading(cx, |world, fd| as_message::<D>(receive(world, fd, buffer, false)?))
    }

    /// [`recv`](Datagrams::recv) for code that polls.
    ///
    /// ```
    /// # use coracle::net::UnixDatagram;
    /// # coracle::block_on(async {
    /// let (one, other) = UnixDatagram::pair().unwrap();
    /// one.send(b"x").await.unwrap();
    /// let mut buffer = [0; 8];
    /// assert_eq!(std::future::poll_fn(|cx| other.poll_recv(cx, &mut buffer)).await.unwrap(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_recv(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_reading(cx, |world, fd| Ok(receive(world, fd, buffer, false)?.count))
    }

    /// [`peek_from`](Datagrams::peek_from) for code that polls.
    ///
    /// ```
    /// # use coracle::net::UdpSocket;
    /// # coracle::block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    /// socket.send_to(b"x", socket.local_addr().unwrap()).await.unwrap();
    /// let mut buffer = [0; 8];
    /// std::future::poll_fn(|cx| socket.poll_peek_from(cx, &mut buffer)).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_peek_from(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<(usize, D::Address)>> {
        self.poll_reading(cx, |world, fd| with_address::<D>(receive(world, fd, buffer, true)?))
    }

    /// Receives a datagram that is there already.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     assert_eq!(socket.try_recv_from(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// });
    /// ```
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, D::Address)> {
        with_address::<D>(self.source.try_io(|world, fd| receive(world, fd, buffer, false))?)
    }

    /// The same without asking from whom.
    ///
    /// # Errors
    /// As [`try_recv_from`](Datagrams::try_recv_from).
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, _other) = coracle::net::UnixDatagram::pair().unwrap();
    ///     assert_eq!(one.try_recv(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// });
    /// ```
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.source.try_io(|world, fd| receive(world, fd, buffer, false))?.count)
    }

    // ---- sending -------------------------------------------------------------------------------------------------

    /// Sends a datagram, which may be empty, to the address that this is [connected](super::UdpSocket::connect) to. It is
    /// sent whole or not at all; when there is no room, it waits.
    ///
    /// **Cancel safety**: cancel-safe; not done means nothing sent.
    ///
    /// # Errors
    /// Whatever the system says, such as that the datagram is too long (EMSGSIZE), or that the one before found nobody
    /// ([`ConnectionRefused`](io::ErrorKind::ConnectionRefused); this one is then not sent).
    ///
    /// ```
    /// # use coracle::net::UnixDatagram;
    /// # coracle::block_on(async {
    /// let (one, _other) = UnixDatagram::pair().unwrap();
    /// assert_eq!(one.send(b"bytes").await.unwrap(), 5);
    /// # });
    /// ```
    #[track_caller]
    pub fn send<'a>(&'a self, bytes: &'a [u8]) -> SendDatagram<'a> {
        SendDatagram { operation: self.writing(), bytes }
    }

    /// [`send`](Datagrams::send) for code that polls.
    ///
    /// ```
    /// # use coracle::net::UnixDatagram;
    /// # coracle::block_on(async {
    /// let (one, _other) = UnixDatagram::pair().unwrap();
    /// std::future::poll_fn(|cx| one.poll_send(cx, b"bytes")).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let at = Location::caller();
        self.source.poll_io(cx, Interest::Write, Place::Polled, at, |world, fd| world.send(fd, bytes).map(Done::with))
    }

    /// [`send`](Datagrams::send) if there is room now.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, _other) = coracle::net::UnixDatagram::pair().unwrap();
    ///     assert_eq!(one.try_send(b"bytes").unwrap(), 5);
    /// });
    /// ```
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.source.try_io(|world, fd| world.send(fd, bytes))
    }

    // ---- anything ------------------------------------------------------------------------------------------------

    /// Does `attempt`, some call on the descriptor, and does it again each time it says `WouldBlock` and the descriptor
    /// has become ready since. For calls that this type does not offer, and for adapters.
    ///
    /// ```
    /// # use coracle::net::{Interest, UnixDatagram};
    /// # coracle::block_on(async {
    /// let (one, _other) = UnixDatagram::pair().unwrap();
    /// std::future::poll_fn(|cx| one.poll_io(cx, Interest::Write, |fd| {
    ///     std::os::unix::net::UnixDatagram::from(fd.try_clone_to_owned()?).send(b"bytes")
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

    /// Takes the error that waits on the socket, if any (`SO_ERROR`).
    ///
    /// # Errors
    /// If the system cannot say.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     assert!(socket.take_error().unwrap().is_none());
    /// });
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.take_error()
    }

    #[track_caller]
    fn reading(&self) -> Operation<'_> {
        Operation::new(&self.source, Interest::Read)
    }

    #[track_caller]
    fn writing(&self) -> Operation<'_> {
        Operation::new(&self.source, Interest::Write)
    }

    #[track_caller]
    fn poll_reading<T>(
        &self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&World, BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let at = Location::caller();
        self.source.poll_io(cx, Interest::Read, Place::Polled, at, |world, fd| attempt(world, fd).map(Done::with))
    }
}

/// One datagram, without descriptors.
pub(super) fn receive(world: &World, fd: BorrowedFd<'_>, buffer: &mut [u8], peek: bool) -> io::Result<Received> {
    world.receive_message(fd, buffer, 0, peek)
}

pub(super) fn with_address<D: Domain>(received: Received) -> io::Result<(usize, D::Address)> {
    Ok((received.count, D::address(received.from)?))
}

pub(super) fn as_message<D: Domain>(received: Received) -> io::Result<Message<D::Address>> {
    Ok(Message { length: received.count, from: D::address(received.from)?, truncated: received.truncated })
}

descriptor!(owns: [D] Datagrams<D>);

/// A descriptor of a datagram socket becomes one of the current runtime's; it is made non-blocking. An error outside of a
/// runtime: hence not `From`.
impl<D: Domain> TryFrom<OwnedFd> for Datagrams<D> {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Datagrams<D>> {
        Ok(Datagrams::from_source(Source::adopt(fd)?))
    }
}

impl<D: Domain> fmt::Debug for Datagrams<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, _, name] = D::NAMES;
        f.debug_struct(name)
            .field("fd", &self.as_raw_fd())
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}
