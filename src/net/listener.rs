//! [`Listener`]: connections come in. [`TcpListener`] and, in `unix.rs`, `UnixListener`.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::addresses::ToSocketAddrs;
use super::binding::ListenerOptions;
use super::domain::{Domain, Internet};
use super::registration::{Done, Interest, Place};
use super::source::{Operation, Source, descriptor};
use super::stream::Stream;
use crate::runtime::Loop;
use crate::sys::{World, is_out_of_descriptors, is_transient_accept_error};
use crate::time::{Sleep, sleep};

/// How long [`Listener::accept`] waits when there is no descriptor left, unless this runtime closes one before.
/// Arbitrary: long enough to cost nothing, short enough for people not to give up.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// How many connections that broke before they were accepted one poll passes over.
const MOST_BROKEN: usize = 64;

/// A socket that accepts TCP connections.
///
/// Most of what it can do, it can do as a [`Listener`].
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
pub type TcpListener = Listener<Internet>;

/// A socket that accepts connections: a [`TcpListener`] or a [`UnixListener`](super::UnixListener).
///
/// ```
/// use coracle::net::{Domain, Listener};
/// async fn count<D: Domain>(listener: Listener<D>) -> usize {
///     let mut count = 0;
///     while listener.try_accept().is_ok() {
///         count += 1;
///     }
///     count
/// }
/// coracle::block_on(async {
///     assert_eq!(count(coracle::net::TcpListener::bind("127.0.0.1:0").unwrap()).await, 0);
/// });
/// ```
pub struct Listener<D> {
    source: Source,
    domain: PhantomData<D>,
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

impl<D: Domain> Listener<D> {
    /// A bound socket begins to listen. The poller is made while there is room for it: when connections have used up all
    /// descriptors, none of them could wait.
    pub(super) fn listen(event_loop: &Rc<Loop>, source: Source, backlog: u32) -> io::Result<Listener<D>> {
        event_loop.reactor.poller()?;
        source.world().listen(source.as_fd(), i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(Listener { source, domain: PhantomData })
    }

    /// Waits for a connection; gives it and its peer's address.
    ///
    /// It deals with what is no fault of the listener: connections that broke before they were accepted are passed over,
    /// and when descriptors or memory have run out it waits, without spinning, until this runtime closes a descriptor, or
    /// a second has passed. So a loop around it may end at the first error. [`poll_accept`](Listener::poll_accept)
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
    pub fn accept(&self) -> Accept<'_, D> {
        Accept { listener: self, operation: Operation::new(&self.source, Interest::Read), pause: None }
    }

    /// [`accept`](Listener::accept) for code that polls: the last task that polled is woken. It passes over broken
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
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream<D>, D::Address)>> {
        let at = Location::caller();
        let accepted = ready!(self.source.poll_io(cx, Interest::Read, Place::Polled, at, accept_one::<D>))?;
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
    pub fn try_accept(&self) -> io::Result<(Stream<D>, D::Address)> {
        let (fd, peer) = self.source.try_io(World::accept)?;
        Ok(self.stream((fd, D::address(peer)?)))
    }

    fn stream(&self, (fd, peer): (OwnedFd, D::Address)) -> (Stream<D>, D::Address) {
        (Stream::from_source(self.source.sibling(fd)), peer)
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
    pub fn local_addr(&self) -> io::Result<D::Address> {
        D::address(self.source.world().local_address(self.source.as_fd())?)
    }
}

fn accept_one<D: Domain>(world: &World, fd: BorrowedFd<'_>) -> io::Result<Done<(OwnedFd, D::Address)>> {
    for _ in 0..MOST_BROKEN {
        match world.accept(fd) {
            Err(error) if is_transient_accept_error(&error) => {}
            result => return result.and_then(|(fd, peer)| Ok(Done::with((fd, D::address(peer)?)))),
        }
    }
    // So many in a row: somebody does it on purpose. Others go first.
    Err(io::ErrorKind::Interrupted.into())
}

/// See [`Listener::accept`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Accept<'a, D: Domain = Internet> {
    listener: &'a Listener<D>,
    operation: Operation<'a>,
    /// Set while there was no descriptor left.
    pause: Option<Sleep>,
}

impl<D: Domain> Future for Accept<'_, D> {
    type Output = io::Result<(Stream<D>, D::Address)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match ready!(this.operation.poll(cx, accept_one::<D>)) {
                Err(error) if is_out_of_descriptors(&error) => {
                    // Whatever wakes this task next, it tries again: a closed descriptor, or the end of the pause.
                    let registration = &this.listener.source.registration;
                    registration.with_loop(|event_loop| event_loop.reactor.wake_when_closed(cx.waker()))?;
                    ready!(Pin::new(this.pause.insert(sleep(EXHAUSTED))).poll(cx));
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok(accepted) => return Poll::Ready(Ok(this.listener.stream(accepted))),
            }
        }
    }
}

descriptor!(owns: [D] Listener<D>);

/// A descriptor of a listening socket becomes a listener of the current runtime's; it is made non-blocking. An error
/// outside of a runtime: hence not `From`.
impl<D: Domain> TryFrom<OwnedFd> for Listener<D> {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Listener<D>> {
        let source = Source::adopt(fd)?;
        source.registration.with_loop(|event_loop| event_loop.reactor.poller().map(drop))??; // as in `listen`
        Ok(Listener { source, domain: PhantomData })
    }
}

impl<D: Domain> fmt::Debug for Listener<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, name, _] = D::NAMES;
        f.debug_struct(name).field("fd", &self.as_raw_fd()).field("local", &self.local_addr().ok()).finish()
    }
}
