//! [`Connect`]: one address after the other, until one answers.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::addresses::{ToSocketAddrs, no_address};
use super::source::{Done, Interest, Place, Source};
use super::stream::TcpStream;
use crate::runtime::{Loop, current_or_error};
use crate::sys::{Family, Kind, SocketOption, World};

/// See [`TcpStream::connect`].
#[must_use = "a future does nothing unless awaited"]
pub struct Connect {
    /// What is left to try, or why there is nothing.
    addresses: io::Result<std::vec::IntoIter<SocketAddr>>,
    /// The attempt that is under way.
    attempt: Option<Source>,
    error: Option<io::Error>,
    at: &'static Location<'static>,
}

impl Connect {
    #[track_caller]
    pub(super) fn new(addresses: impl ToSocketAddrs) -> Connect {
        Connect {
            addresses: addresses.to_socket_addrs().map(Vec::into_iter),
            attempt: None,
            error: None,
            at: Location::caller(),
        }
    }

    fn poll_attempt(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let Some(source) = &self.attempt else { unreachable!("polled without an attempt") };
        // The first try says `WouldBlock` whatever the state: an unconnected socket is asked only when it was writable.
        let mut asked = source.is_registered();
        let connected = source.poll_io(cx, Interest::Write, Place::Polled, self.at, |world, fd| {
            if !std::mem::replace(&mut asked, true) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            match world.option(fd, SocketOption::PendingError)? {
                0 => {}
                errno => return Err(io::Error::from_raw_os_error(errno)),
            }
            match world.peer_address(fd) {
                // Writable, no error, no peer: a spurious event. Go on waiting.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
                result => result.map(Done::with),
            }
        });
        connected.map(|result| {
            let source = self.attempt.take();
            result?;
            source.map(TcpStream::from_source).ok_or_else(no_address)
        })
    }
}

/// Begins to connect. `true`: connected already.
fn begin(event_loop: &Rc<Loop>, world: &World, address: SocketAddr) -> io::Result<(Source, bool)> {
    let source = Source::in_loop(event_loop, world.socket(Family::of(address), Kind::Stream)?);
    match world.connect(source.as_fd(), address) {
        Ok(()) => Ok((source, true)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok((source, false)),
        Err(error) => Err(error),
    }
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let this = &mut *self;
        loop {
            if this.attempt.is_some() {
                match std::task::ready!(this.poll_attempt(cx)) {
                    Ok(stream) => return Poll::Ready(Ok(stream)),
                    Err(error) => this.error = Some(error),
                }
            }
            let next = match &mut this.addresses {
                Ok(addresses) => addresses.next(),
                Err(error) => return Poll::Ready(Err(std::mem::replace(error, no_address()))),
            };
            let Some(address) = next else { return Poll::Ready(Err(this.error.take().unwrap_or_else(no_address))) };
            let event_loop = current_or_error()?;
            match begin(&event_loop, event_loop.world(), address) {
                Ok((source, true)) => return Poll::Ready(Ok(TcpStream::from_source(source))),
                Ok((source, false)) => this.attempt = Some(source),
                Err(error) => this.error = Some(error),
            }
        }
    }
}

impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect").field("under_way", &self.attempt.is_some()).finish_non_exhaustive()
    }
}
