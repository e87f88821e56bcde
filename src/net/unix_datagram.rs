//! [`UnixDatagram`]: datagrams inside this machine, which are neither lost nor reordered. What it shares with UDP stands in
//! `datagram.rs`.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::SocketAddr as UnixName;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::datagram::Datagrams;
use super::domain::Local;
use super::retry::Retry;
use super::unix::{PeerCredentials, bound, name_of, pair};
use crate::sys::{Address, Kind};

/// A Unix socket for datagrams.
///
/// Most of what it can do, it can do as [`Datagrams`]. Descriptors can travel in it: see
/// [`send_with_fds`](Datagrams::send_with_fds). As with a [`UnixListener`](super::UnixListener), the file that
/// [`bind`](UnixDatagram::bind) makes is never removed by it.
///
/// ```
/// use coracle::net::UnixDatagram;
/// coracle::block_on(async {
///     let path = std::env::temp_dir().join(format!("coracle-doc-datagram-{}", std::process::id()));
///     let server = UnixDatagram::bind(&path)?;
///     UnixDatagram::unbound()?.send_to(b"ping", &path).await?;
///     std::fs::remove_file(&path)?;
///     let mut buffer = [0; 16];
///     let (n, from) = server.recv_from(&mut buffer).await?;
///     assert!(n == 4 && from.is_unnamed());
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub type UnixDatagram = Datagrams<Local>;

impl UnixDatagram {
    /// A socket on a path. The file is made, with the permissions that the process's umask leaves.
    ///
    /// # Errors
    /// As [`UnixListener::bind`](super::UnixListener::bind).
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let path = std::env::temp_dir().join(format!("coracle-doc-bound-{}", std::process::id()));
    ///     let socket = coracle::net::UnixDatagram::bind(&path).unwrap();
    ///     assert_eq!(socket.local_addr().unwrap().as_pathname(), Some(path.as_path()));
    ///     std::fs::remove_file(&path).unwrap();
    /// });
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        UnixDatagram::bind_addr(&name_of(path)?)
    }

    /// A socket on a name of any kind: see [`UnixListener::bind_addr`](super::UnixListener::bind_addr).
    ///
    /// # Errors
    /// As [`UnixListener::bind`](super::UnixListener::bind).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    /// let name = SocketAddr::from_abstract_name(format!("coracle-doc-datagram-{}", std::process::id())).unwrap();
    /// coracle::block_on(async { coracle::net::UnixDatagram::bind_addr(&name).unwrap(); });
    /// # }
    /// ```
    pub fn bind_addr(name: &UnixName) -> io::Result<UnixDatagram> {
        bound(Kind::Datagram, Some(name)).map(Datagrams::from_source)
    }

    /// A socket without a name: it can send, and nobody can answer.
    ///
    /// # Errors
    /// Whatever the system says. Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     assert!(coracle::net::UnixDatagram::unbound().unwrap().local_addr().unwrap().is_unnamed());
    /// });
    /// ```
    pub fn unbound() -> io::Result<UnixDatagram> {
        bound(Kind::Datagram, None).map(Datagrams::from_source)
    }

    /// Two sockets that are connected with each other and have no names.
    ///
    /// # Errors
    /// Whatever the system says. Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, other) = coracle::net::UnixDatagram::pair().unwrap();
    ///     one.send(b"x").await.unwrap();
    ///     assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 1);
    /// });
    /// ```
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = pair(Kind::Datagram)?;
        Ok((Datagrams::from_source(one), Datagrams::from_source(other)))
    }

    /// Sends to this path from now on, by [`send`](Datagrams::send), and receives from no other.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no such file,
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if no socket has it any more.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let error = coracle::net::UnixDatagram::unbound().unwrap().connect("/no/such/file").unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// });
    /// ```
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_addr(&name_of(path)?)
    }

    /// The same for a name of any kind.
    ///
    /// # Errors
    /// As [`connect`](UnixDatagram::connect).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    /// let nobody = SocketAddr::from_abstract_name("coracle-doc-nobody").unwrap();
    /// coracle::block_on(async {
    ///     assert!(coracle::net::UnixDatagram::unbound().unwrap().connect_addr(&nobody).is_err());
    /// });
    /// # }
    /// ```
    pub fn connect_addr(&self, name: &UnixName) -> io::Result<()> {
        self.source.check_home()?;
        self.source.world().connect(self.source.as_fd(), name)
    }

    /// Sends a datagram, which may be empty, to the socket at a path. It is sent whole or not at all; when there is no room,
    /// it waits.
    ///
    /// Of the receiver's having room again there is no sign on Linux, except to a socket that is
    /// [connected](UnixDatagram::connect). So this tries again after a millisecond, after two more, after four, and so on up
    /// to 16. There is no `poll_send_to`, which could not.
    ///
    /// **Cancel safety**: cancel-safe; not done means nothing sent.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) or [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if nobody is there;
    /// on BSD and macOS also (ENOBUFS) when the receiver has no room.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let error = coracle::net::UnixDatagram::unbound().unwrap().send_to(b"x", "/no/such/file").await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// });
    /// ```
    #[track_caller]
    pub fn send_to<'a>(&'a self, bytes: &'a [u8], path: impl AsRef<Path>) -> UnixSendTo<'a> {
        let to = name_of(path).map(|name| Address::from(&name));
        UnixSendTo::new(self, bytes, to)
    }

    /// The same for a name of any kind, such as [`recv_from`](Datagrams::recv_from) gives.
    ///
    /// **Cancel safety** and errors: as [`send_to`](UnixDatagram::send_to).
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let path = std::env::temp_dir().join(format!("coracle-doc-to-{}", std::process::id()));
    ///     let socket = coracle::net::UnixDatagram::bind(&path).unwrap();
    ///     socket.send_to_addr(b"to myself", &socket.local_addr().unwrap()).await.unwrap();
    ///     std::fs::remove_file(&path).unwrap();
    ///     assert_eq!(socket.recv(&mut [0; 16]).await.unwrap(), 9);
    /// });
    /// ```
    #[track_caller]
    pub fn send_to_addr<'a>(&'a self, bytes: &'a [u8], name: &UnixName) -> UnixSendTo<'a> {
        UnixSendTo::new(self, bytes, Ok(Address::from(name)))
    }

    /// [`send_to_addr`](UnixDatagram::send_to_addr) if there is room now.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none, else as [`send_to`](UnixDatagram::send_to).
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let path = std::env::temp_dir().join(format!("coracle-doc-try-{}", std::process::id()));
    ///     let socket = coracle::net::UnixDatagram::bind(&path).unwrap();
    ///     assert_eq!(socket.try_send_to_addr(b"x", &socket.local_addr().unwrap()).unwrap(), 1);
    ///     std::fs::remove_file(&path).unwrap();
    /// });
    /// ```
    pub fn try_send_to_addr(&self, bytes: &[u8], name: &UnixName) -> io::Result<usize> {
        self.try_send_raw(bytes, &Address::from(name))
    }

    fn try_send_raw(&self, bytes: &[u8], to: &Address) -> io::Result<usize> {
        self.source.try_io(|world, fd| world.send_message(fd, bytes, Some(to), &[]))
    }

    /// Who made the pair that this socket is of, or bound the one that it is connected to.
    ///
    /// # Errors
    /// Whatever the system says: not all know it of datagram sockets.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// coracle::block_on(async {
    ///     let (one, _other) = coracle::net::UnixDatagram::pair().unwrap();
    ///     assert_eq!(one.peer_credentials().unwrap().pid, Some(std::process::id() as i32));
    /// });
    /// ```
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.source.world().peer_credentials(self.source.as_fd()).map(PeerCredentials::from)
    }

    /// A socket of std becomes one of the current runtime's. It is made non-blocking.
    ///
    /// # Errors
    /// Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    ///     coracle::net::UnixDatagram::from_std(one).unwrap();
    /// });
    /// ```
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<UnixDatagram> {
        UnixDatagram::try_from(OwnedFd::from(socket))
    }

    /// The socket as one of std, for another thread or runtime. It stays non-blocking.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, _other) = coracle::net::UnixDatagram::pair().unwrap();
    ///     one.into_std().set_nonblocking(false).unwrap();
    /// });
    /// ```
    pub fn into_std(self) -> std::os::unix::net::UnixDatagram {
        OwnedFd::from(self).into()
    }
}

/// See [`UnixDatagram::send_to`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct UnixSendTo<'a> {
    socket: &'a UnixDatagram,
    bytes: &'a [u8],
    /// Where to, or why not.
    to: io::Result<Address>,
    retry: Retry,
}

impl<'a> UnixSendTo<'a> {
    #[track_caller]
    fn new(socket: &'a UnixDatagram, bytes: &'a [u8], to: io::Result<Address>) -> UnixSendTo<'a> {
        UnixSendTo { socket, bytes, to, retry: Retry::new() }
    }
}

impl Future for UnixSendTo<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let to = match &mut this.to {
            Ok(to) => &*to,
            Err(error) => return Poll::Ready(Err(std::mem::replace(error, io::ErrorKind::InvalidInput.into()))),
        };
        this.retry.poll(cx, || this.socket.try_send_raw(this.bytes, to))
    }
}
