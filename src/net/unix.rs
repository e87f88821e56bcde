//! Unix sockets that are connected: [`UnixStream`] and [`UnixListener`]; and how their names are made.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::SocketAddr as UnixName;
use std::path::Path;

use super::domain::Local;
use super::listener::Listener;
use super::source::Source;
use super::stream::Stream;
use super::unix_connect::UnixConnect;
use crate::runtime::current_or_error;
use crate::sys::{Credentials, Family, Kind};

/// A connection inside this machine.
///
/// Most of what it can do, it can do as a [`Stream`]. Descriptors can travel in it: see
/// [`send_with_fds`](Stream::send_with_fds).
///
/// ```
/// use coracle::net::{UnixListener, UnixStream};
/// coracle::block_on(async {
///     let path = std::env::temp_dir().join(format!("coracle-doc-{}", std::process::id()));
///     let listener = UnixListener::bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (server, _) = listener.accept().await?;
///     std::fs::remove_file(&path)?;
///     client.write_all(b"ping").await?;
///     let mut buffer = [0; 16];
///     let n = server.read(&mut buffer).await?;
///     assert_eq!(&buffer[..n], b"ping");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub type UnixStream = Stream<Local>;

/// A socket that accepts [`UnixStream`]s.
///
/// Most of what it can do, it can do as a [`Listener`]. The file that [`bind`](UnixListener::bind) makes is never removed
/// by it: another process may have bound the path anew meanwhile, or hold a duplicate of this listener.
///
/// ```
/// use coracle::net::UnixListener;
/// coracle::block_on(async {
///     let path = std::env::temp_dir().join(format!("coracle-doc-listener-{}", std::process::id()));
///     drop(UnixListener::bind(&path).unwrap());
///     // Nobody listens any more, but the file is still there.
///     let error = UnixListener::bind(&path).unwrap_err();
///     assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
///     std::fs::remove_file(&path).unwrap();
/// });
/// ```
pub type UnixListener = Listener<Local>;

/// How many connections may wait to be accepted; the system may cut it.
const BACKLOG: u32 = 1024;

/// The name that is a path. It need not exist.
pub(super) fn name_of(path: impl AsRef<Path>) -> io::Result<UnixName> {
    let path = path.as_ref();
    let refused = |why: &str| {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("'{}' cannot name a Unix socket: {why}", path.display()),
        ))
    };
    if path.as_os_str().is_empty() {
        return refused("it is empty");
    }
    match UnixName::from_pathname(path) {
        Ok(name) => Ok(name),
        Err(_) if path.as_os_str().as_encoded_bytes().contains(&0) => refused("it has a zero byte in it"),
        Err(_) => refused("it is too long; take a relative one, or one nearer to the root"),
    }
}

/// An unnamed Unix socket of the current runtime's, bound to a name, if there is one.
pub(super) fn bound(kind: Kind, name: Option<&UnixName>) -> io::Result<Source> {
    let event_loop = current_or_error()?;
    let world = event_loop.world();
    let source = Source::in_loop(&event_loop, world.socket(Family::Unix, kind)?);
    let Some(name) = name else { return Ok(source) };
    match (world.bind(source.as_fd(), name), name.as_pathname()) {
        (Ok(()), _) => Ok(source),
        (Err(error), Some(path)) if error.kind() == io::ErrorKind::AddrInUse => {
            let what = "exists; if no other socket uses it any more, remove the file first";
            Err(io::Error::new(error.kind(), format!("'{}' {what}", path.display())))
        }
        (Err(error), _) => Err(error),
    }
}

/// Two sockets of the current runtime's, connected with each other.
pub(super) fn pair(kind: Kind) -> io::Result<(Source, Source)> {
    let event_loop = current_or_error()?;
    let (one, other) = event_loop.world().socket_pair(kind)?;
    Ok((Source::in_loop(&event_loop, one), Source::in_loop(&event_loop, other)))
}

/// Who is at the other end of a Unix socket. Said by the system: the peer cannot claim another.
///
/// ```
/// coracle::block_on(async {
///     let (one, _other) = coracle::net::UnixStream::pair().unwrap();
///     let peer = one.peer_credentials().unwrap();
///     assert!(peer.pid.is_none_or(|pid| pid as u32 == std::process::id()));
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The user for whom it runs.
    pub uid: u32,
    /// The user's first group.
    pub gid: u32,
    /// The process; on Linux only, and not if it has no number here: it may be outside of this process's container. It may
    /// have ended, and its number may be another's by now.
    pub pid: Option<i32>,
}

impl From<Credentials> for PeerCredentials {
    fn from(Credentials { uid, gid, pid }: Credentials) -> PeerCredentials {
        PeerCredentials { uid, gid, pid }
    }
}

impl UnixListener {
    /// A listener on a path. The file is made, with the permissions that the process's umask leaves.
    ///
    /// # Errors
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if the path exists, also as a leftover of a listener that is gone: such a
    /// file must be removed first, which only the program can know to be right. [`InvalidInput`](io::ErrorKind::InvalidInput)
    /// if the path is empty, or longer than the system's limit of about a hundred bytes. Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let path = std::env::temp_dir().join(format!("coracle-doc-bind-{}", std::process::id()));
    ///     let listener = coracle::net::UnixListener::bind(&path).unwrap();
    ///     assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(path.as_path()));
    ///     std::fs::remove_file(&path).unwrap();
    /// });
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&name_of(path)?)
    }

    /// A listener on a name of any kind. On Linux that may be an abstract one, which needs no file and goes with the
    /// listener: see `std::os::linux::net::SocketAddrExt`.
    ///
    /// # Errors
    /// As [`bind`](UnixListener::bind).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    /// let name = SocketAddr::from_abstract_name(format!("coracle-doc-{}", std::process::id())).unwrap();
    /// coracle::block_on(async {
    ///     let listener = coracle::net::UnixListener::bind_addr(&name).unwrap();
    ///     coracle::net::UnixStream::connect_addr(&name).await.unwrap();
    ///     listener.accept().await.unwrap();
    /// });
    /// # }
    /// ```
    pub fn bind_addr(name: &UnixName) -> io::Result<UnixListener> {
        let source = bound(Kind::Stream, Some(name))?;
        Listener::listen(&current_or_error()?, source, BACKLOG)
    }

    /// A listener of std becomes one of the current runtime's. It is made non-blocking.
    ///
    /// # Errors
    /// Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let path = std::env::temp_dir().join(format!("coracle-doc-std-{}", std::process::id()));
    ///     let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    ///     coracle::net::UnixListener::from_std(listener).unwrap();
    ///     std::fs::remove_file(&path).unwrap();
    /// });
    /// ```
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
        UnixListener::try_from(OwnedFd::from(listener))
    }

    /// The listener as one of std. It stays non-blocking.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let path = std::env::temp_dir().join(format!("coracle-doc-into-{}", std::process::id()));
    ///     let listener = coracle::net::UnixListener::bind(&path).unwrap().into_std();
    ///     listener.set_nonblocking(false).unwrap();
    ///     std::fs::remove_file(&path).unwrap();
    /// });
    /// ```
    pub fn into_std(self) -> std::os::unix::net::UnixListener {
        OwnedFd::from(self).into()
    }
}

impl UnixStream {
    /// Connects to the listener at a path.
    ///
    /// If its queue is full, Linux says so and gives no sign when there is room: then this tries again after a
    /// millisecond, after two more, after four, and so on up to 16.
    ///
    /// **Cancel safety**: cancel-safe; the socket of an attempt that is given up is closed.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no such file,
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if nobody listens there any more (or, on BSD and macOS, the
    /// queue is full). [`InvalidInput`](io::ErrorKind::InvalidInput) as in [`UnixListener::bind`]. Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let error = coracle::net::UnixStream::connect("/there/is/no/such/file").await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// });
    /// ```
    #[track_caller]
    pub fn connect(path: impl AsRef<Path>) -> UnixConnect {
        UnixConnect::new(name_of(path))
    }

    /// The same for a name of any kind: see [`UnixListener::bind_addr`].
    ///
    /// **Cancel safety** and errors: as [`connect`](UnixStream::connect).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    /// let name = SocketAddr::from_abstract_name("coracle-doc-nobody").unwrap();
    /// coracle::block_on(async {
    ///     assert!(coracle::net::UnixStream::connect_addr(&name).await.is_err());
    /// });
    /// # }
    /// ```
    #[track_caller]
    pub fn connect_addr(name: &UnixName) -> UnixConnect {
        UnixConnect::new(Ok(name.clone()))
    }

    /// Two streams that are connected with each other and have no names.
    ///
    /// # Errors
    /// Whatever the system says. Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, other) = coracle::net::UnixStream::pair().unwrap();
    ///     one.write_all(b"x").await.unwrap();
    ///     assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 1);
    /// });
    /// ```
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = pair(Kind::Stream)?;
        Ok((Stream::from_source(one), Stream::from_source(other)))
    }

    /// Who the peer is: the process that connected, or that began to listen, as it was at that moment.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, other) = coracle::net::UnixStream::pair().unwrap();
    ///     assert_eq!(one.peer_credentials().unwrap(), other.peer_credentials().unwrap());
    /// });
    /// ```
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.source.world().peer_credentials(self.source.as_fd()).map(PeerCredentials::from)
    }

    /// A stream of std becomes one of the current runtime's. It is made non-blocking.
    ///
    /// # Errors
    /// Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    ///     coracle::net::UnixStream::from_std(one).unwrap();
    /// });
    /// ```
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
        UnixStream::try_from(OwnedFd::from(stream))
    }

    /// The stream as one of std, for another thread or runtime. It stays non-blocking.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (one, _other) = coracle::net::UnixStream::pair().unwrap();
    ///     one.into_std().set_nonblocking(false).unwrap();
    /// });
    /// ```
    pub fn into_std(self) -> std::os::unix::net::UnixStream {
        OwnedFd::from(self).into()
    }
}
