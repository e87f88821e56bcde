//! [`resolve`]: the addresses that belong to a name.
//!
//! The system's resolver is asked, on a thread of the [blocking pool](crate::blocking): it knows the hosts file, the
//! name servers and whatever else this machine is set up to ask, and it blocks. What needs no asking costs no thread.
//! Nothing is kept: who wants a cache knows for how long.
//!
//! A test that needs names, or a slow resolver, puts a [`Hook`](crate::sys::Hook::resolve) in its place.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::addresses::known_host;
use crate::blocking::{Job, submit_as};
use crate::runtime::current_or_error;
use crate::sys::World;

/// Looks up the addresses of a machine; each comes with this port. In the system's order, which is the order in which
/// they are to be tried (RFC 6724), each once.
///
/// An address in text needs no asking, nor does `localhost` (RFC 6761: it is always this machine). Everything else is
/// asked of the system on a thread of the [blocking pool](crate::blocking), from the first poll on. How long it takes
/// is the system's business (often five seconds a name server): put a [`timeout`](crate::time::timeout) around it.
///
/// To listen on a name: `TcpListener::bind(resolve("name", 80).await?)`.
///
/// **Cancel safety**: cancel-safe. A look-up that has begun goes on alone on its thread, and nobody waits for it.
///
/// # Errors
/// [`NotFound`](io::ErrorKind::NotFound) if there is no such name, or it has no address. Else with the resolver's own
/// words: a failure that may pass (`EAI_AGAIN`) is not told by its kind from one that stays. Outside of a runtime.
///
/// ```
/// coracle::block_on(async {
///     let addresses = coracle::net::resolve("localhost", 80).await.unwrap();
///     assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
/// });
/// ```
#[track_caller]
pub fn resolve(host: &str, port: u16) -> Resolve {
    Resolve { host: host.to_owned(), port, look_up: None, at: Location::caller() }
}

/// See [`resolve`].
#[must_use = "a future does nothing unless awaited"]
pub struct Resolve {
    host: String,
    port: u16,
    /// Once it was polled, if anybody had to be asked.
    look_up: Option<Job<io::Result<Vec<SocketAddr>>>>,
    at: &'static Location<'static>,
}

impl Resolve {
    fn begin(&self, world: World) -> Job<io::Result<Vec<SocketAddr>>> {
        let (host, port) = (self.host.clone(), self.port);
        submit_as(Some("resolve"), self.at, move || world.resolve(&host, port))
    }

    /// Nobody need check for an empty list.
    fn some(&self, addresses: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        if addresses.is_empty() {
            let what = format!("'{}' has no internet address", self.host);
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        Ok(addresses)
    }
}

impl Future for Resolve {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(addresses) = known_host(&this.host, this.port) {
            return Poll::Ready(Ok(addresses));
        }
        let mut look_up = match this.look_up.take() {
            Some(look_up) => look_up,
            None => {
                let world = current_or_error()?.world().clone();
                if let Some(known) = world.known_host(&this.host, this.port) {
                    return Poll::Ready(known.and_then(|addresses| this.some(addresses)));
                }
                this.begin(world)
            }
        };
        match Pin::new(&mut look_up).poll(cx) {
            Poll::Ready(found) => Poll::Ready(found?.and_then(|addresses| this.some(addresses))),
            Poll::Pending => {
                this.look_up = Some(look_up);
                Poll::Pending
            }
        }
    }
}

/// One that has not begun need not begin.
impl Drop for Resolve {
    fn drop(&mut self) {
        if let Some(look_up) = &self.look_up {
            look_up.cancel();
        }
    }
}

impl fmt::Debug for Resolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolve").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}
