//! How a TCP connection is made: bind, listen, connect, the handshake and the backlog.
//!
//! A SYN takes a place in the backlog when it arrives; one that finds none is dropped, and tried again after 1, 3, 7 …
//! seconds, for about two minutes, as on Linux. One for a port where nobody listens is answered with a reset, one for an
//! address that nobody has is unreachable after the three seconds that Linux asks for it.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::super::{Address, Family, Kind, SocketOption};
use super::half::{Connection, End, Half, Phase, Segment};
use super::host::{Bound, Ports, plain, shown_to};
use super::net::{Happening, HostId, State};
use super::socket::{Socket, What, errno, would_block};
use super::table::Key;

/// How long is asked for the owner of an address.
const ASKED_FOR_ADDRESS: Duration = Duration::from_secs(3);
/// Linux's `somaxconn`.
const MOST_BACKLOG: usize = 4096;

#[derive(Default)]
pub(super) struct Listener {
    backlog: usize,
    /// Places that are taken by handshakes that are not over.
    half_open: usize,
    arrived: VecDeque<End>,
}

impl Listener {
    pub(super) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }
}

impl State {
    pub(super) fn ports(&mut self, host: HostId, kind: Kind) -> &mut Ports {
        let host = &mut self.hosts[host.0];
        if kind == Kind::Stream { &mut host.streams } else { &mut host.datagrams }
    }

    /// Binds a socket of the internet, to a port of the system's choice if none is asked for.
    pub(super) fn bind_to(&mut self, key: Key, address: SocketAddr) -> io::Result<()> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let is_v6 = socket.family == Family::V6;
        if socket.bound.is_some() || is_v6 != address.is_ipv6() {
            return Err(errno(libc::EINVAL));
        }
        let (host, kind) = (socket.host, socket.kind);
        let takes_both = is_v6 && address.ip().is_unspecified() && !socket.is_on(SocketOption::V6Only);
        let (reuses, shares) = (socket.is_on(SocketOption::ReuseAddress), socket.is_on(SocketOption::ReusePort));
        let address = plain(address);
        if !address.ip().is_unspecified() && !self.hosts[host.0].has(address.ip()) {
            return Err(errno(libc::EADDRNOTAVAIL));
        }
        let bound = Bound { socket: key, address, takes_both, reuses, shares, listens: false };
        let address = self.ports(host, kind).bind(bound)?;
        self.sockets.get_mut(key).expect("it was there a moment ago").bound = Some(address);
        Ok(())
    }

    /// The address by which a socket speaks to that one; it is bound to one if it was not.
    pub(super) fn speak_from(&mut self, key: Key, to: IpAddr) -> io::Result<SocketAddr> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let (host, kind, bound) = (socket.host, socket.kind, socket.bound);
        if socket.bound.is_none() {
            let any: IpAddr = match socket.family {
                Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
                _ => Ipv4Addr::UNSPECIFIED.into(),
            };
            self.bind_to(key, SocketAddr::new(any, 0))?;
        }
        let source = self.hosts[host.0].source_for(to);
        let socket = self.sockets.get_mut(key).expect("it was there a moment ago");
        let own = socket.bound.expect("it was bound just now");
        if !own.ip().is_unspecified() {
            return Ok(own);
        }
        let address = SocketAddr::new(source.ok_or_else(|| errno(libc::ENETUNREACH))?, own.port());
        if kind == Kind::Stream && bound.is_none() {
            socket.bound = Some(address);
            self.ports(host, kind).rebind(key, address);
        }
        Ok(address)
    }

    pub(super) fn listen_at(&mut self, key: Key, backlog: i32) -> io::Result<()> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let (host, family) = (socket.host, socket.family);
        match &socket.what {
            What::Fresh if socket.bound.is_none() => {
                let any: IpAddr = match family {
                    Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
                    _ => Ipv4Addr::UNSPECIFIED.into(),
                };
                self.bind_to(key, SocketAddr::new(any, 0))?;
            }
            What::Fresh | What::Listener(_) => {}
            _ => return Err(errno(libc::EINVAL)),
        }
        let port = self.sockets.get(key).and_then(|socket| socket.bound).map_or(0, |bound| bound.port());
        self.ports(host, Kind::Stream).listen(key, port)?;
        let socket = self.sockets.get_mut(key).expect("it was there a moment ago");
        if !matches!(socket.what, What::Listener(_)) {
            socket.what = What::Listener(Listener::default());
        }
        if let What::Listener(listener) = &mut socket.what {
            listener.backlog = usize::try_from(backlog).unwrap_or(MOST_BACKLOG).min(MOST_BACKLOG);
        }
        Ok(())
    }

    // ---- the one that connects -----------------------------------------------------------------------------------

    pub(super) fn connect_stream(&mut self, key: Key, to: SocketAddr) -> io::Result<()> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let (host, window, room) =
            (socket.host, socket.room(SocketOption::ReceiveBuffer), socket.room(SocketOption::SendBuffer));
        match socket.what {
            What::Fresh => {}
            What::Stream(end) => match self.half(end).map(|half| (half.phase, half.error)) {
                Some((Phase::Asking, _)) => return Err(errno(libc::EALREADY)),
                Some((Phase::Gone, None)) => {}
                Some((Phase::Gone, Some(error))) => {
                    self.half_mut(end).expect("it was there a moment ago").error = None;
                    return Err(errno(error));
                }
                _ => return Err(errno(libc::EISCONN)),
            },
            _ => return Err(errno(libc::EISCONN)),
        }
        let to = meant(plain(to));
        let from = self.speak_from(key, to.ip())?;
        let found = self.host_at(host, to.ip());
        let there = found.unwrap_or(host);
        let mut asking = Half::new(host, from, Phase::Asking);
        (asking.socket, asking.window, asking.room) = (Some(key), window, room);
        let mut absent = Half::new(there, to, Phase::Absent);
        if host != there {
            asking.faults = self.faults.get(&(host, there)).into_iter().flatten().copied().collect();
            absent.faults = self.faults.get(&(there, host)).into_iter().flatten().copied().collect();
        }
        let end = End { connection: self.connections.insert(Connection { halves: [asking, absent] }), side: 0 };
        self.sockets.get_mut(key).expect("it was there a moment ago").what = What::Stream(end);
        match found {
            Some(_) => self.ask(end),
            None => self.schedule(self.now.saturating_add(ASKED_FOR_ADDRESS), Happening::Unreachable(end)),
        }
        Err(would_block())
    }

    /// Sends a SYN.
    pub(super) fn ask(&mut self, end: End) {
        let now = self.now;
        self.half_mut(end).into_iter().for_each(|half| half.tried = now);
        if self.answer(end, Segment::Syn) {
            self.note(|state| format!("{} lost Syn", state.between(end)));
            self.lost(end);
        }
    }

    /// The SYN was answered.
    pub(super) fn take_in_answer(&mut self, end: End) {
        let Some(window) = self.half(end.other()).map(|other| other.window as u64) else { return };
        let Some(half) = self.half_mut(end).filter(|half| half.phase == Phase::Asking) else { return };
        half.open(window);
        let socket = half.socket;
        socket.into_iter().for_each(|socket| self.edge(socket));
        self.pump(end);
    }

    // ---- the one that listens ------------------------------------------------------------------------------------

    pub(super) fn take_in_syn(&mut self, end: End) {
        let Some(half) = self.half(end) else { return };
        let (host, address) = (half.host, half.address);
        if half.phase == Phase::Absent {
            let Some(key) = self.hosts[host.0].streams.listening_at(address) else {
                self.answer(end, Segment::Reset);
                return;
            };
            let Some(socket) = self.sockets.get_mut(key) else { return };
            let sizes = (socket.room(SocketOption::ReceiveBuffer), socket.room(SocketOption::SendBuffer));
            let What::Listener(listener) = &mut socket.what else { return };
            if listener.arrived.len() + listener.half_open > listener.backlog {
                self.note(|state| format!("{} finds the backlog full", state.between(end.other())));
                return self.lost(end.other());
            }
            listener.half_open += 1;
            let half = self.half_mut(end).expect("it was there a moment ago");
            (half.window, half.room) = sizes;
            (half.phase, half.listener) = (Phase::Answering, Some(key));
        }
        if self.half(end).is_some_and(|half| half.phase == Phase::Gone) {
            self.answer(end, Segment::Reset);
        } else if self.answer(end, Segment::SynAck) {
            self.lost(end.other());
        }
    }

    /// The handshake is over: the connection waits to be accepted.
    pub(super) fn take_in_open(&mut self, end: End) {
        let Some(window) = self.half(end.other()).map(|other| other.window as u64) else { return };
        let Some(half) = self.half_mut(end).filter(|half| half.phase == Phase::Answering) else { return };
        half.open(window);
        let Some(key) = half.listener else { return };
        let Some(socket) = self.sockets.get_mut(key) else { return };
        if let What::Listener(listener) = &mut socket.what {
            listener.half_open -= 1;
            listener.arrived.push_back(end);
        }
        self.edge(key);
    }

    /// A handshake came to nothing.
    pub(super) fn leave_backlog(&mut self, end: End) {
        let Some(key) = self.half_mut(end).and_then(|half| half.listener.take()) else { return };
        if let Some(What::Listener(listener)) = self.sockets.get_mut(key).map(|socket| &mut socket.what) {
            listener.half_open -= 1;
        }
    }

    pub(super) fn accept_stream(&mut self, key: Key) -> io::Result<(OwnedFd, Address)> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let What::Listener(listener) = &socket.what else { return Err(errno(libc::EINVAL)) };
        let end = *listener.arrived.front().ok_or_else(would_block)?;
        let (host, family) = (socket.host, socket.family);
        let mut accepted = Socket::new(host, family, Kind::Stream, What::Stream(end));
        accepted.options.clone_from(&socket.options);
        let (fd, accepted) = self.open(accepted)?;
        if let Some(What::Listener(listener)) = self.sockets.get_mut(key).map(|socket| &mut socket.what) {
            listener.arrived.pop_front();
        }
        let half = self.half_mut(end).expect("what waits to be accepted is there");
        (half.socket, half.listener) = (Some(accepted), None);
        let peer = self.half(end.other()).expect("both halves are there").address;
        Ok((fd, shown_to(family, peer).into()))
    }

    /// Whoever was not accepted is turned away.
    pub(super) fn close_listener(&mut self, key: Key) {
        let waits = |half: &Half| half.listener == Some(key);
        for connection in self.connections.keys(|connection| waits(&connection.halves[1])) {
            let end = End { connection, side: 1 };
            let half = self.half_mut(end).expect("it was there a moment ago");
            (half.listener, half.is_orphan) = (None, true);
            self.break_off(end);
            self.tidy(connection);
        }
    }
}

/// Who connects to no address in particular means his own host.
pub(super) fn meant(to: SocketAddr) -> SocketAddr {
    let ip = match to.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, to.port())
}
