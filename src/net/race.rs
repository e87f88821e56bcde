//! [`Race`]: the addresses of one machine, tried side by side; the first that answers wins. This is RFC 8305, "Happy
//! Eyeballs": half a network (often its IPv6) may be out of order without a word, and nobody likes to wait for two
//! minutes to learn that the other half works.
//!
//! An attempt has a quarter of a second for itself, then the next one begins beside it; at once, if one has failed.
//! What has begun goes on. When one succeeds the others are closed.
//!
//! Of the RFC there is not: asking for both kinds of addresses at once, and connecting when one answer is there
//! (section 3: the system's resolver gives both together); remembering what was quick (section 4); NAT64 (section 7).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::addresses::no_address;
use super::registration::{Done, Interest, Place};
use super::source::Source;
use super::stream::TcpStream;
use crate::observer::WaitReason;
use crate::runtime::current_or_error;
use crate::sys::{Family, Kind, SocketOption};
use crate::task::here;
use crate::time::{Sleep, sleep};

/// RFC 8305, sections 5 and 8, "Connection Attempt Delay": how long an attempt is alone. Recommended is 250 ms, at
/// least 100 ms, at most 2 s.
const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// RFC 8305, sections 4 and 8, "First Address Family Count": how many addresses of the preferred family come before the
/// first of the other.
const FIRST_ADDRESS_FAMILY_COUNT: usize = 1;

/// RFC 8305, section 4: the families by turns, beginning with that of the first address. Within a family the order
/// stays: the resolver has sorted by RFC 6724, which the RFC demands.
pub(super) fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (mut preferred, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let head = preferred.drain(..FIRST_ADDRESS_FAMILY_COUNT.min(preferred.len())).collect::<Vec<_>>();
    let (mut preferred, mut other) = (preferred.drain(..), other.drain(..));
    let mut order = head;
    loop {
        let (next, then) = (other.next(), preferred.next());
        if next.is_none() && then.is_none() {
            return order;
        }
        order.extend(next.into_iter().chain(then));
    }
}

/// See the head of this file.
pub(super) struct Race {
    /// Not tried yet.
    left: std::vec::IntoIter<SocketAddr>,
    under_way: Vec<Attempt>,
    /// Until the next may begin; `None`: now.
    pause: Option<Sleep>,
    failed: Vec<(SocketAddr, io::Error)>,
}

struct Attempt {
    address: SocketAddr,
    source: Source,
}

impl Race {
    /// In this order.
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Race {
        Race { left: addresses.into_iter(), under_way: Vec::new(), pause: None, failed: Vec::new() }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: &'static Location<'static>) -> Poll<io::Result<TcpStream>> {
        loop {
            if let Some(stream) = self.poll_attempts(cx, at) {
                return Poll::Ready(Ok(stream));
            }
            let is_over = |pause: &mut Sleep| Pin::new(pause).poll(cx).is_ready();
            let next = if self.pause.as_mut().is_none_or(is_over) { self.left.next() } else { None };
            match next {
                Some(address) => {
                    if let Some(stream) = self.begin(address)? {
                        return Poll::Ready(Ok(stream));
                    }
                }
                None if self.under_way.is_empty() && self.left.len() == 0 => return Poll::Ready(Err(self.error())),
                None => {
                    // The pause has said that it is what is waited for; the attempts are.
                    let last = self.under_way.last().map(|attempt| attempt.source.as_raw_fd());
                    last.into_iter().for_each(|fd| here::waits(WaitReason::Writable(fd), at));
                    return Poll::Pending;
                }
            }
        }
    }

    /// Asks those that are under way, the first first. The others are closed when this is dropped.
    fn poll_attempts(&mut self, cx: &mut Context<'_>, at: &'static Location<'static>) -> Option<TcpStream> {
        let mut index = 0;
        while let Some(attempt) = self.under_way.get(index) {
            match attempt.poll(cx, at) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(())) => return Some(TcpStream::from_source(self.under_way.remove(index).source)),
                Poll::Ready(Err(error)) => {
                    let address = self.under_way.remove(index).address;
                    self.fail(address, error);
                }
            }
        }
        None
    }

    /// Begins to connect. The error is that there is no runtime.
    fn begin(&mut self, address: SocketAddr) -> io::Result<Option<TcpStream>> {
        let event_loop = current_or_error()?;
        let world = event_loop.world();
        let source = match world.socket(Family::of(address), Kind::Stream) {
            Ok(fd) => Source::in_loop(&event_loop, fd),
            Err(error) => {
                self.fail(address, error);
                return Ok(None);
            }
        };
        match world.connect(source.as_fd(), address) {
            Ok(()) => return Ok(Some(TcpStream::from_source(source))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.under_way.push(Attempt { address, source });
                self.pause = (self.left.len() > 0).then(|| sleep(CONNECTION_ATTEMPT_DELAY));
            }
            Err(error) => self.fail(address, error),
        }
        Ok(None)
    }

    /// The next one need not wait.
    fn fail(&mut self, address: SocketAddr, error: io::Error) {
        self.failed.push((address, error));
        self.pause = None;
    }

    /// If there was one address, its error; else one that tells of all, of the kind of the last.
    fn error(&mut self) -> io::Error {
        let said: Vec<String> = self.failed.iter().map(|(address, error)| format!("{address}: {error}")).collect();
        match self.failed.pop() {
            None => no_address(),
            Some((_, only)) if self.failed.is_empty() => only,
            Some((_, last)) => io::Error::new(last.kind(), format!("no address answers: {}", said.join("; "))),
        }
    }
}

impl Attempt {
    fn poll(&self, cx: &mut Context<'_>, at: &'static Location<'static>) -> Poll<io::Result<()>> {
        // The first try says `WouldBlock` whatever the state: an unconnected socket is asked only when it was writable.
        let mut asked = self.source.registration.is_registered();
        self.source.poll_io(cx, Interest::Write, Place::Polled, at, |world, fd| {
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
                result => result.map(|_| Done::with(())),
            }
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn order(addresses: &[&str]) -> Vec<String> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        interleaved(addresses).iter().map(|address| address.ip().to_string()).collect()
    }

    #[test]
    fn families_take_turns_and_the_first_begins() {
        assert_eq!(order(&[]), [""; 0]);
        assert_eq!(order(&["[::1]:1"]), ["::1"]);
        let mixed = ["[::1]:1", "[::2]:1", "[::3]:1", "0.0.0.1:1", "0.0.0.2:1"];
        assert_eq!(order(&mixed), ["::1", "0.0.0.1", "::2", "0.0.0.2", "::3"]);
        let few = ["0.0.0.1:1", "[::1]:1", "[::2]:1", "[::3]:1"];
        assert_eq!(order(&few), ["0.0.0.1", "::1", "::2", "::3"]);
    }
}
