//! [`FaultProxy`]: a real TCP proxy that delays, cuts and breaks connections, for servers that are not ours.
//!
//! It speaks the simulator's words ([`Link`], [`Fault`]) on real sockets: a client in the test, or anywhere, connects
//! to the proxy, and it connects to the target: a database, a server in another process. `way.rs` says when bytes
//! arrive, `connection.rs` moves them, `controls.rs` is what both they and the test look at.
//!
//! It knows bytes, not packets: what a lost packet does to a TCP connection is delay, and that is what it does here.
//! What the kernels on both sides do it cannot change: a connection to it is established at once, whatever the link is
//! like.

mod connection;
mod controls;
mod way;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::choices::Choices;
use crate::net::{TcpListener, TcpStream, ToSocketAddrs, resolve};
use crate::scope::scope;
use crate::sim::{Fault, Link};
use crate::task::{AbortOnDrop, race};
use crate::time::sleep;
use controls::Controls;

/// In which direction bytes go through a [`FaultProxy`].
///
/// ```
/// assert_ne!(coracle::testing::Direction::ToServer, coracle::testing::Direction::ToClient);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From who connected to the proxy to the target: questions.
    ToServer,
    /// From the target to who connected to the proxy: answers.
    ToClient,
}

/// A TCP proxy in the current runtime, whose connections can be slowed down, held, cut and broken while it runs.
///
/// Without any of that, it passes on bytes, half closes and resets, and holds back who sends faster than the other side
/// reads: on its way each direction of a connection holds at most 256 KiB. Its methods take effect at once, on all
/// connections, unless they say otherwise. When it is dropped, so are its connections, in the next turn.
///
/// What is random (jitter, loss) is drawn from a fixed seed, or from [`choices`](FaultProxy::choices). On a paused
/// clock its delays take no real time.
///
/// ```
/// use coracle::{io::ErrorKind, net::TcpStream, sim::Fault, testing::{Direction, FaultProxy, listener}};
/// coracle::block_on(async {
///     let (server, address) = listener().unwrap();
///     let echo = coracle::spawn(async move {
///         let (stream, _) = server.accept().await.unwrap();
///         coracle::io::copy(&mut &stream, &mut &stream).await
///     });
///     let proxy = FaultProxy::bind("127.0.0.1:0", address).await.unwrap();
///     proxy.fault(Direction::ToClient, 4, Fault::Reset);
///
///     let client = TcpStream::connect(proxy.addr()).await.unwrap();
///     client.write_all(b"ping pong").await.unwrap();
///     let error = loop {
///         match client.read(&mut [0; 16]).await {
///             Ok(count) => assert!((1..=4).contains(&count), "an answer of four bytes at most"),
///             Err(error) => break error,
///         }
///     };
///     assert_eq!(error.kind(), ErrorKind::ConnectionReset);
///     # let _ = echo.await;
/// });
/// ```
pub struct FaultProxy {
    controls: Rc<Controls>,
    address: SocketAddr,
    _accepting: AbortOnDrop<()>,
}

impl FaultProxy {
    /// A proxy that listens on `addresses`, port 0 for any, and connects each client to `target`: an address, or a name
    /// that is looked up now. Whether the target is there is seen when a client comes: if it is not, that one is reset.
    ///
    /// **Cancel safety**: cancel-safe; nothing listens any more.
    ///
    /// # Errors
    /// Those of [`TcpListener::bind`] and [`resolve`](crate::net::resolve()).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let proxy = coracle::testing::FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    ///     assert!(proxy.addr().ip().is_loopback());
    /// });
    /// ```
    pub async fn bind(addresses: impl ToSocketAddrs, target: impl ToSocketAddrs) -> io::Result<FaultProxy> {
        let target = match target.to_name() {
            Some((host, port)) => resolve(&host, port).await?,
            None => target.to_socket_addrs()?,
        };
        let listener = TcpListener::bind(addresses)?;
        let address = listener.local_addr()?;
        let controls = Rc::new(Controls::new(listener));
        let accepting = crate::spawn(accept(controls.clone(), target)).abort_on_drop();
        Ok(FaultProxy { controls, address, _accepting: accepting })
    }

    /// Where it listens: what clients connect to.
    ///
    /// ```
    /// # use coracle::testing::FaultProxy;
    /// # coracle::block_on(async {
    /// let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// assert_ne!(proxy.addr().port(), 0);
    /// # });
    /// ```
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it draws from what is random, from now on.
    ///
    /// ```
    /// # use coracle::testing::{Choices, FaultProxy};
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.choices(Choices::seeded(42));
    /// # });
    /// ```
    pub fn choices(&self, choices: Choices) {
        self.controls.choices.replace(choices);
    }

    /// What the link is like in one direction, for bytes that come from now on. Duplicates are nothing that a stream
    /// shows. A lost packet comes 200 ms later, and what follows it too; lost again, 400 ms after that, and so on: a
    /// link that loses everything is a very slow one, and no [partition](FaultProxy::partition).
    ///
    /// ```
    /// # use coracle::{sim::Link, testing::{Direction, FaultProxy}};
    /// # use std::time::Duration;
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.link(Direction::ToClient, Link::new().latency(Duration::from_millis(80)).bandwidth(100_000));
    /// # });
    /// ```
    pub fn link(&self, direction: Direction, link: Link) {
        self.controls.to(direction).link.replace(link);
    }

    /// When so many bytes of a connection have passed in this direction, this happens to it: to each connection that is
    /// made from now on. Of several for one direction each connection meets that with the fewest bytes. With 0, it
    /// happens when the connection to the target is made.
    ///
    /// ```
    /// # use coracle::{sim::Fault, testing::{Direction, FaultProxy}};
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.fault(Direction::ToServer, 1_000, Fault::HalfClose);
    /// # });
    /// ```
    pub fn fault(&self, direction: Direction, after_bytes: u64, fault: Fault) {
        self.controls.to(direction).faults.borrow_mut().push((after_bytes, fault));
    }

    /// Connections that are made from now on meet no fault.
    ///
    /// ```
    /// # use coracle::{sim::Fault, testing::{Direction, FaultProxy}};
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.fault(Direction::ToServer, 1_000, Fault::HalfClose);
    /// proxy.no_faults();
    /// # });
    /// ```
    pub fn no_faults(&self) {
        for direction in BOTH {
            self.controls.to(direction).faults.borrow_mut().clear();
        }
    }

    /// Nothing passes any more, in either direction, until [`heal`](FaultProxy::heal): what would arrive meanwhile is
    /// lost on its way, and sent again then. Nobody is told. New clients are not connected to the target.
    ///
    /// ```
    /// # use coracle::testing::FaultProxy;
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.partition();
    /// proxy.heal();
    /// # });
    /// ```
    pub fn partition(&self) {
        BOTH.into_iter().for_each(|direction| self.partition_one_way(direction));
    }

    /// Likewise, in one direction.
    ///
    /// ```
    /// # use coracle::testing::{Direction, FaultProxy};
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.partition_one_way(Direction::ToClient);
    /// # });
    /// ```
    pub fn partition_one_way(&self, direction: Direction) {
        self.controls.to(direction).is_parted.set(true);
    }

    /// Ends the [partition](FaultProxy::partition), in both directions. What was lost arrives after the latency of the
    /// link.
    ///
    /// ```
    /// # use coracle::testing::FaultProxy;
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.heal(); // There was none.
    /// # });
    /// ```
    pub fn heal(&self) {
        BOTH.into_iter().for_each(|direction| self.controls.to(direction).is_parted.set(false));
        self.controls.changed.wake_all();
    }

    /// What arrives from now on, in either direction, is kept until [`let_go`](FaultProxy::let_go).
    ///
    /// ```
    /// # use coracle::testing::FaultProxy;
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.hold();
    /// proxy.let_go();
    /// # });
    /// ```
    pub fn hold(&self) {
        BOTH.into_iter().for_each(|direction| self.hold_one_way(direction));
    }

    /// Likewise, in one direction.
    ///
    /// ```
    /// # use coracle::testing::{Direction, FaultProxy};
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.hold_one_way(Direction::ToServer);
    /// # });
    /// ```
    pub fn hold_one_way(&self, direction: Direction) {
        self.controls.to(direction).is_held.set(true);
    }

    /// What was [held](FaultProxy::hold) in either direction arrives now, in order.
    ///
    /// ```
    /// # use coracle::testing::FaultProxy;
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.let_go(); // Nothing was.
    /// # });
    /// ```
    pub fn let_go(&self) {
        BOTH.into_iter().for_each(|direction| self.controls.to(direction).is_held.set(false));
        self.controls.changed.wake_all();
    }

    /// Nobody listens any more at its address: new clients are refused, and those that have connected and were not
    /// accepted yet are reset. Connections that were accepted go on.
    ///
    /// ```
    /// use coracle::{io::ErrorKind, net::TcpStream, testing::FaultProxy};
    /// coracle::block_on(async {
    ///     let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    ///     proxy.refuse();
    ///     let refused = TcpStream::connect(proxy.addr()).await.unwrap_err();
    ///     assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    /// });
    /// ```
    pub fn refuse(&self) {
        let listener = self.controls.listener.take();
        drop(listener);
        self.controls.changed.wake_all();
    }

    /// Listens again at the same address, if it [refuses](FaultProxy::refuse).
    ///
    /// # Errors
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if somebody else has taken the port meanwhile.
    ///
    /// ```
    /// use coracle::{net::TcpStream, testing::FaultProxy};
    /// coracle::block_on(async {
    ///     let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    ///     proxy.refuse();
    ///     proxy.listen_again().unwrap();
    ///     assert!(TcpStream::connect(proxy.addr()).await.is_ok());
    /// });
    /// ```
    pub fn listen_again(&self) -> io::Result<()> {
        if self.controls.listener.borrow().is_none() {
            let listener = TcpListener::bind(self.address)?;
            self.controls.listener.replace(Some(listener));
            self.controls.changed.wake_all();
        }
        Ok(())
    }

    /// Resets all connections that there are, on both sides, in the next turn. What was on its way is lost.
    ///
    /// ```
    /// # use coracle::testing::FaultProxy;
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// proxy.reset_all();
    /// # });
    /// ```
    pub fn reset_all(&self) {
        self.controls.resets.set(self.controls.resets.get() + 1);
        self.controls.changed.wake_all();
    }

    /// How many connections there are.
    ///
    /// ```
    /// # use coracle::testing::FaultProxy;
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// assert_eq!(proxy.connections(), 0);
    /// # });
    /// ```
    pub fn connections(&self) -> usize {
        self.controls.connections.get()
    }

    /// How many clients have been accepted in all.
    ///
    /// ```
    /// # use coracle::testing::FaultProxy;
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// assert_eq!(proxy.accepted(), 0);
    /// # });
    /// ```
    pub fn accepted(&self) -> u64 {
        self.controls.accepted.get()
    }

    /// How many bytes have passed in this direction in all: those that were given to the receiver's socket.
    ///
    /// ```
    /// # use coracle::testing::{Direction, FaultProxy};
    /// # coracle::block_on(async {
    /// # let proxy = FaultProxy::bind("127.0.0.1:0", "127.0.0.1:5432").await.unwrap();
    /// assert_eq!(proxy.bytes(Direction::ToServer), 0);
    /// # });
    /// ```
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.controls.to(direction).passed.get()
    }

    /// Waits until its counts are so: so that a test acts when something has happened, and not after a while.
    ///
    /// **Cancel safety**: cancel-safe.
    ///
    /// ```
    /// use coracle::{net::TcpStream, testing::{Direction, FaultProxy, listener}};
    /// coracle::block_on(async {
    ///     let (_server, address) = listener().unwrap();
    ///     let proxy = FaultProxy::bind("127.0.0.1:0", address).await.unwrap();
    ///     let client = TcpStream::connect(proxy.addr()).await.unwrap();
    ///     client.write_all(b"half of it").await.unwrap();
    ///     proxy.until(|proxy| proxy.bytes(Direction::ToServer) == 10).await;
    ///     proxy.reset_all();
    /// });
    /// ```
    pub async fn until(&self, mut condition: impl FnMut(&FaultProxy) -> bool) {
        while !condition(self) {
            self.controls.counted.wait().await;
        }
    }
}

const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.refuse();
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("addr", &self.address)
            .field("connections", &self.connections())
            .field("to_server", &self.bytes(Direction::ToServer))
            .field("to_client", &self.bytes(Direction::ToClient))
            .finish_non_exhaustive()
    }
}

/// How long nobody is accepted after that has failed, for want of descriptors say. Arbitrary.
const FAILED: Duration = Duration::from_millis(100);

/// Accepts clients, and runs their connections: all are children of this one task, and end with it.
async fn accept(controls: Rc<Controls>, target: Vec<SocketAddr>) {
    let (controls, target) = (&*controls, &target[..]);
    scope(async |connections| {
        loop {
            match race((changed(controls), accepted(controls))).await {
                None => {}
                Some(Ok(client)) => {
                    controls.accepted.set(controls.accepted.get() + 1);
                    drop(connections.spawn(connection::run(client, target, controls)));
                    controls.counted.wake_all();
                }
                Some(Err(_)) => sleep(FAILED).await,
            }
        }
    })
    .await
}

/// The listener may be another one now, or gone.
async fn changed(controls: &Controls) -> Option<io::Result<TcpStream>> {
    controls.changed.wait().await;
    None
}

/// Borrows the listener for each poll alone, so that it can be taken away at any time.
async fn accepted(controls: &Controls) -> Option<io::Result<TcpStream>> {
    poll_fn(|cx| match &*controls.listener.borrow() {
        Some(listener) => listener.poll_accept(cx).map(|accepted| Some(accepted.map(|(client, _)| client))),
        None => Poll::Pending,
    })
    .await
}
