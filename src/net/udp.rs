//! [`UdpSocket`]: datagrams over the internet. What it shares with Unix sockets stands in `datagram.rs`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::Location;
use std::task::{Context, Poll};

use super::addresses::{ToSocketAddrs, first_that_works};
use super::binding::UdpOptions;
use super::datagram::Datagrams;
use super::datagram_operations::SendTo;
use super::domain::Internet;
use super::registration::{Done, Interest, Place};
use super::source::Operation;
use crate::sys::Address;

/// A UDP socket.
///
/// Most of what it can do, it can do as [`Datagrams`].
///
/// ```
/// use coracle::net::UdpSocket;
/// coracle::block_on(async {
///     let server = UdpSocket::bind("127.0.0.1:0")?;
///     let address = server.local_addr()?;
///     let _serving = coracle::spawn(async move {
///         let mut buffer = [0; 1500];
///         let (n, from) = server.recv_from(&mut buffer).await?;
///         server.send_to(&buffer[..n], from).await
///     });
///     let client = UdpSocket::bind("127.0.0.1:0")?;
///     client.connect(address)?;
///     client.send(b"echo").await?;
///     let mut buffer = [0; 1500];
///     let n = client.recv(&mut buffer).await?;
///     assert_eq!(&buffer[..n], b"echo");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub type UdpSocket = Datagrams<Internet>;

impl UdpSocket {
    /// A socket on the first of `addresses` that can be bound, with the default [options](UdpOptions). Port 0 lets the
    /// system choose.
    ///
    /// # Errors
    /// The last address's, for instance [`AddrInUse`](io::ErrorKind::AddrInUse). Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async { coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap(); });
    /// ```
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        UdpOptions::new().bind(addresses)
    }

    /// Sends to this address from now on, by [`send`](Datagrams::send), and receives from no other. Nothing is sent, so
    /// nobody need be there. It may be done again, with another address.
    ///
    /// # Errors
    /// The last address's: that there is no way to it, or that it is of another family than this socket.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     socket.connect("127.0.0.1:9").unwrap();
    ///     assert_eq!(socket.peer_addr().unwrap().port(), 9);
    /// });
    /// ```
    pub fn connect(&self, addresses: impl ToSocketAddrs) -> io::Result<()> {
        self.source.check_home()?;
        let connect = |address| self.source.world().connect(self.source.as_fd(), address);
        first_that_works(addresses.to_socket_addrs()?, connect)
    }

    /// Sends a datagram, which may be empty, to `address`. It is sent whole or not at all; when there is no room, it waits.
    /// At most 65,507 bytes over IPv4, and 65,527 over IPv6.
    ///
    /// **Cancel safety**: cancel-safe; not done means nothing sent.
    ///
    /// # Errors
    /// Whatever the system says, such as that the datagram is too long (EMSGSIZE).
    ///
    /// ```
    /// # use coracle::net::UdpSocket;
    /// # coracle::block_on(async {
    /// let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    /// assert_eq!(one.send_to(b"bytes", other.local_addr().unwrap()).await.unwrap(), 5);
    /// # });
    /// ```
    #[track_caller]
    pub fn send_to<'a>(&'a self, bytes: &'a [u8], address: impl Into<SocketAddr>) -> SendTo<'a> {
        let to = Address::from(address.into());
        SendTo { operation: Operation::new(&self.source, Interest::Write), bytes, to }
    }

    /// [`send_to`](UdpSocket::send_to) for code that polls.
    ///
    /// ```
    /// # use coracle::net::UdpSocket;
    /// # coracle::block_on(async {
    /// let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    /// let to = other.local_addr().unwrap();
    /// std::future::poll_fn(|cx| one.poll_send_to(cx, b"bytes", to)).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        address: impl Into<SocketAddr>,
    ) -> Poll<io::Result<usize>> {
        let (to, at) = (Address::from(address.into()), Location::caller());
        self.source.poll_io(cx, Interest::Write, Place::Polled, at, |world, fd| {
            world.send_message(fd, bytes, Some(&to), &[]).map(Done::with)
        })
    }

    /// [`send_to`](UdpSocket::send_to) if there is room now.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none, else as [`send_to`](UdpSocket::send_to).
    ///
    /// ```
    /// # use coracle::net::UdpSocket;
    /// # coracle::block_on(async {
    /// let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    /// assert_eq!(one.try_send_to(b"bytes", other.local_addr().unwrap()).unwrap(), 5);
    /// # });
    /// ```
    pub fn try_send_to(&self, bytes: &[u8], address: impl Into<SocketAddr>) -> io::Result<usize> {
        let to = Address::from(address.into());
        self.source.try_io(|world, fd| world.send_message(fd, bytes, Some(&to), &[]))
    }

    /// A socket of std becomes one of the current runtime's. It is made non-blocking.
    ///
    /// # Errors
    /// Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     coracle::net::UdpSocket::from_std(socket).unwrap();
    /// });
    /// ```
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        UdpSocket::try_from(OwnedFd::from(socket))
    }

    /// The socket as one of std, for another thread or runtime. It stays non-blocking.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap().into_std();
    ///     socket.set_nonblocking(false).unwrap();
    /// });
    /// ```
    pub fn into_std(self) -> std::net::UdpSocket {
        OwnedFd::from(self).into()
    }
}
