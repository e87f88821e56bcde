//! [`TcpListener`]: connections come in.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::addresses::{ToSocketAddrs, first_that_works};
use super::source::{Done, Interest, Operation, Place, Source};
use super::stream::TcpStream;
use crate::runtime::current_or_error;
use crate::sys::{Family, Kind, SocketOption, World, is_out_of_descriptors, is_transient_accept_error};
use crate::time::{Sleep, sleep};

/// How long [`TcpListener::accept`] waits when there is no descriptor left, unless this runtime closes one before.
/// Arbitrary: long enough to cost nothing, short enough for people not to give up.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// How many connections that broke before they were accepted one poll passes over.
const MOST_BROKEN: usize = 64;

/// A socket that accepts connections.
///
/// ```
/// use coracle::net::{TcpListener, TcpStream};
/// coracle::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (_server, peer) = listener.accept().await?;
///     assert_eq!(peer, client.local_addr()?);
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub struct TcpListener {
    source: Source,
}

impl TcpListener {
    /// A listener on the first of `addresses` that can be bound, with the default [options](ListenerOptions). Port 0
    /// lets the system choose.
    ///
    /// # Errors
    /// The last address's, for instance [`AddrInUse`](io::ErrorKind::AddrInUse). If the poller, which is made here at the
    /// latest, cannot be made. Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async { coracle::net::TcpListener::bind("127.0.0.1:0").unwrap(); });
    /// ```
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<TcpListener> {
        ListenerOptions::new().bind(addresses)
    }

    /// Waits for a connection; gives it and its peer's address.
    ///
    /// It deals with what is no fault of the listener: connections that broke before they were accepted are passed over,
    /// and when descriptors or memory have run out it waits, without spinning, until this runtime closes a descriptor, or
    /// a second has passed. So a loop around it may end at the first error. [`poll_accept`](TcpListener::poll_accept)
    /// shows exhaustion instead.
    ///
    /// Many may wait at once; each connection wakes one of them, in order.
    ///
    /// **Cancel safety**: cancel-safe; no connection is lost.
    ///
    /// ```
    /// use coracle::net::{TcpListener, TcpStream};
    /// coracle::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ///     let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    ///     let (_stream, _peer) = listener.accept().await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn accept(&self) -> Accept<'_> {
        Accept { operation: Operation::new(&self.source, Interest::Read), pause: None }
    }

    /// [`accept`](TcpListener::accept) for code that polls: the last task that polled is woken. It passes over broken
    /// connections too, but when descriptors have run out it returns that error: the caller must wait before it
    /// tries again.
    ///
    /// ```
    /// use coracle::net::{TcpListener, TcpStream};
    /// coracle::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ///     let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    ///     std::future::poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let at = Location::caller();
        let accepted = ready!(self.source.poll_io(cx, Interest::Read, Place::Polled, at, accept_one))?;
        Poll::Ready(Ok(self.stream(accepted)))
    }

    /// Accepts a connection that waits already.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if none does, and whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let listener = coracle::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ///     assert_eq!(listener.try_accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// });
    /// ```
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.source.check_home()?;
        self.source.world().accept(self.source.as_fd()).map(|accepted| self.stream(accepted))
    }

    fn stream(&self, (fd, peer): (OwnedFd, SocketAddr)) -> (TcpStream, SocketAddr) {
        (TcpStream::from_source(self.source.sibling(fd)), peer)
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let listener = coracle::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ///     assert!(listener.local_addr().unwrap().port() > 0);
    /// });
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.world().local_address(self.source.as_fd())
    }

    /// A listener of std becomes one of the current runtime's. It is made non-blocking.
    ///
    /// # Errors
    /// If the poller cannot be made, as in [`bind`](TcpListener::bind). Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ///     coracle::net::TcpListener::from_std(listener).unwrap();
    /// });
    /// ```
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::try_from(OwnedFd::from(listener))
    }

    /// The listener as one of std. It stays non-blocking.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let listener = coracle::net::TcpListener::bind("127.0.0.1:0").unwrap().into_std();
    ///     listener.set_nonblocking(false).unwrap();
    /// });
    /// ```
    pub fn into_std(self) -> std::net::TcpListener {
        OwnedFd::from(self).into()
    }
}

fn accept_one(world: &World, fd: BorrowedFd<'_>) -> io::Result<Done<(OwnedFd, SocketAddr)>> {
    for _ in 0..MOST_BROKEN {
        match world.accept(fd) {
            Err(error) if is_transient_accept_error(&error) => {}
            result => return result.map(Done::with),
        }
    }
    // So many in a row: somebody does it on purpose. Others go first.
    Err(io::ErrorKind::Interrupted.into())
}

/// See [`TcpListener::accept`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Accept<'a> {
    operation: Operation<'a>,
    /// Set while there was no descriptor left.
    pause: Option<Sleep>,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let source = this.operation.source;
        loop {
            match ready!(this.operation.poll(cx, accept_one)) {
                Err(error) if is_out_of_descriptors(&error) => {
                    // Whatever wakes this task next, it tries again: a closed descriptor, or the end of the pause.
                    source.with_loop(|event_loop| event_loop.reactor.wake_when_closed(cx.waker()))?;
                    ready!(Pin::new(this.pause.insert(sleep(EXHAUSTED))).poll(cx));
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok((fd, peer)) => return Poll::Ready(Ok((TcpStream::from_source(source.sibling(fd)), peer))),
            }
        }
    }
}

/// How a listener is to be made.
///
/// ```
/// coracle::block_on(async {
///     let listener = coracle::net::ListenerOptions::new().backlog(16).reuse_port(true).bind("127.0.0.1:0").unwrap();
///     assert!(listener.local_addr().is_ok());
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `bind`"]
pub struct ListenerOptions {
    backlog: u32,
    reuse_address: bool,
    reuse_port: bool,
    v6_only: Option<bool>,
}

impl Default for ListenerOptions {
    fn default() -> ListenerOptions {
        ListenerOptions::new()
    }
}

impl ListenerOptions {
    /// The defaults: a backlog of 1,024, `SO_REUSEADDR` on, the rest as the system has it.
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new();
    /// ```
    pub fn new() -> ListenerOptions {
        ListenerOptions { backlog: 1024, reuse_address: true, reuse_port: false, v6_only: None }
    }

    /// How many connections may wait to be accepted; the system may cut it (on Linux, at `net.core.somaxconn`).
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new().backlog(4096);
    /// ```
    pub fn backlog(mut self, connections: u32) -> ListenerOptions {
        self.backlog = connections;
        self
    }

    /// Whether the address may be bound while connections of an earlier listener linger (`SO_REUSEADDR`).
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new().reuse_address(false);
    /// ```
    pub fn reuse_address(mut self, reuse: bool) -> ListenerOptions {
        self.reuse_address = reuse;
        self
    }

    /// Whether several listeners may share the address, each with a part of the connections (`SO_REUSEPORT`).
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new().reuse_port(true);
    /// ```
    pub fn reuse_port(mut self, reuse: bool) -> ListenerOptions {
        self.reuse_port = reuse;
        self
    }

    /// Whether a listener on an IPv6 address refuses IPv4 (`IPV6_V6ONLY`).
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new().v6_only(true);
    /// ```
    pub fn v6_only(mut self, only: bool) -> ListenerOptions {
        self.v6_only = Some(only);
        self
    }

    /// A listener on the first of `addresses` that can be bound.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    ///
    /// ```
    /// coracle::block_on(async { coracle::net::ListenerOptions::new().bind("[::1]:0").unwrap(); });
    /// ```
    pub fn bind(&self, addresses: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let event_loop = current_or_error()?;
        let world = event_loop.world();
        // While there is room for it: when connections have used up all descriptors, none of them could wait.
        event_loop.reactor.poller()?;
        first_that_works(addresses.to_socket_addrs()?, |address| {
            let source = Source::in_loop(&event_loop, world.socket(Family::of(address), Kind::Stream)?);
            let fd = source.as_fd();
            world.set_option(fd, SocketOption::ReuseAddress, i32::from(self.reuse_address))?;
            if self.reuse_port {
                world.set_option(fd, SocketOption::ReusePort, 1)?;
            }
            if let (Some(only), true) = (self.v6_only, address.is_ipv6()) {
                world.set_option(fd, SocketOption::V6Only, i32::from(only))?;
            }
            world.bind(fd, address)?;
            world.listen(fd, i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
            Ok(TcpListener { source })
        })
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.source.as_raw_fd()
    }
}

/// A descriptor of a listening socket becomes a listener of the current runtime's; it is made non-blocking. An error
/// outside of a runtime: hence not `From`.
impl TryFrom<OwnedFd> for TcpListener {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<TcpListener> {
        let source = Source::new(fd)?;
        source.with_loop(|event_loop| event_loop.reactor.poller().map(drop))??; // as in `bind`
        source.world().set_nonblocking(source.as_fd())?;
        Ok(TcpListener { source })
    }
}

impl From<TcpListener> for OwnedFd {
    fn from(listener: TcpListener) -> OwnedFd {
        listener.source.into_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("fd", &self.as_raw_fd()).field("local", &self.local_addr().ok()).finish()
    }
}
