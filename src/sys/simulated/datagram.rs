//! UDP: datagrams that are lost, doubled, overtaken, or dropped because nobody reads them.
//!
//! One that is longer than the link's MTU goes in fragments, and is lost if one of them is. A socket that is connected
//! hears of nobody else, and learns that its datagrams find nobody: ECONNREFUSED, at the next operation.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::{Readiness, SocketOption};
use super::host::plain;
use super::listener::meant;
use super::net::{HostId, State};
use super::socket::{What, errno, when, would_block};
use super::table::Key;
use super::way::{Load, Packet, happens};

/// The headers of IPv4 and of UDP.
const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// What keeping a datagram costs beside its bytes, so that empty ones fill a buffer too.
const COST: usize = 256;

#[derive(Clone)]
pub(super) struct Message {
    pub(super) from: SocketAddr,
    to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// Who sent a datagram to whom, who is not there.
#[derive(Clone, Copy)]
pub(super) struct Refused {
    sender: SocketAddr,
    by: SocketAddr,
}

/// A socket of datagrams.
#[derive(Default)]
pub(super) struct Datagrams {
    pub(super) peer: Option<SocketAddr>,
    pub(super) error: Option<i32>,
    arrived: VecDeque<Message>,
    /// What those cost.
    kept: usize,
    is_deaf: bool,
    is_shut: bool,
}

impl Datagrams {
    pub(super) fn readiness(&self) -> Readiness {
        let both = Readiness::READ.with(Readiness::WRITE);
        let ended = Readiness::READ.with(Readiness::READ_ENDED);
        Readiness::WRITE
            .with(when(!self.arrived.is_empty(), Readiness::READ))
            .with(when(self.is_deaf, ended))
            .with(when(self.is_deaf && self.is_shut || self.error.is_some(), both.with(Readiness::FAILED)))
    }
}

impl State {
    fn datagrams(&mut self, key: Key) -> Option<&mut Datagrams> {
        match &mut self.sockets.get_mut(key)?.what {
            What::Datagrams(datagrams) => Some(datagrams),
            _ => None,
        }
    }

    pub(super) fn connect_datagrams(&mut self, key: Key, to: SocketAddr) -> io::Result<()> {
        let to = meant(plain(to));
        let from = self.speak_from(key, to.ip())?;
        let Some(socket) = self.sockets.get_mut(key) else { return Ok(()) };
        socket.bound = Some(from);
        let (host, kind) = (socket.host, socket.kind);
        self.ports(host, kind).rebind(key, from);
        self.datagrams(key).into_iter().for_each(|datagrams| datagrams.peer = Some(to));
        Ok(())
    }

    pub(super) fn shut_datagrams(&mut self, key: Key, how: std::net::Shutdown) -> io::Result<()> {
        let datagrams = self.datagrams(key).filter(|datagrams| datagrams.peer.is_some());
        let datagrams = datagrams.ok_or_else(|| errno(libc::ENOTCONN))?;
        datagrams.is_deaf |= how != std::net::Shutdown::Write;
        datagrams.is_shut |= how != std::net::Shutdown::Read;
        self.edge(key);
        Ok(())
    }

    pub(super) fn send_datagram(&mut self, key: Key, bytes: Vec<u8>, to: Option<SocketAddr>) -> io::Result<usize> {
        let datagrams = self.datagrams(key).ok_or_else(|| errno(libc::EBADF))?;
        if let Some(error) = datagrams.error.take() {
            return Err(errno(error));
        }
        if datagrams.is_shut {
            return Err(errno(libc::EPIPE));
        }
        let to = to.map(|to| meant(plain(to))).or(datagrams.peer).ok_or_else(|| errno(libc::EDESTADDRREQ))?;
        let most = if to.is_ipv4() { 65_507 } else { 65_527 };
        if bytes.len() > most {
            return Err(errno(libc::EMSGSIZE));
        }
        if to.port() == 0 {
            return Err(errno(libc::EINVAL));
        }
        let may_broadcast = self.sockets.get(key).is_some_and(|socket| socket.is_on(SocketOption::Broadcast));
        match to.ip() {
            IpAddr::V4(Ipv4Addr::BROADCAST) if !may_broadcast => return Err(errno(libc::EACCES)),
            IpAddr::V4(Ipv4Addr::BROADCAST) => return Err(errno(libc::ENETUNREACH)),
            ip if ip.is_multicast() => return Err(errno(libc::ENETUNREACH)),
            _ => {}
        }
        let from = self.speak_from(key, to.ip())?;
        let host = self.sockets.get(key).expect("it was there a moment ago").host;
        let count = bytes.len();
        // Nobody has the address: nobody will say so.
        if let Some(there) = self.host_at(host, to.ip()) {
            self.carry(host, there, Message { from, to, bytes });
        }
        Ok(count)
    }

    fn carry(&mut self, from: HostId, to: HostId, message: Message) {
        let (link, length) = (self.link(from, to), message.bytes.len() + UDP_HEADER);
        let (loss, duplicates) = if from == to { (0.0, 0.0) } else { (link.loss, link.duplicates) };
        let fragments = length.div_ceil(link.mtu.saturating_sub(IP_HEADER).max(1));
        if (0..fragments).any(|_| happens(&self.choices, loss)) {
            return self.note(|_| format!("{} > {} lost {length} bytes", message.from, message.to));
        }
        let copies = 1 + usize::from(happens(&self.choices, duplicates));
        for message in std::iter::repeat_n(message, copies) {
            let route = self.route(from, to, length + fragments * IP_HEADER, false, std::time::Duration::ZERO);
            self.put(route, Packet { from, to, load: Load::Datagram(message) });
        }
    }

    pub(super) fn take_in_datagram(&mut self, from: HostId, to: HostId, message: Message) {
        self.note(|_| format!("{} > {} datagram of {} bytes", message.from, message.to, message.bytes.len()));
        let key = self.hosts[to.0].datagrams.bound_to(message.to);
        let is_for = |datagrams: &Datagrams| datagrams.peer.is_none_or(|peer| peer == message.from);
        let Some(key) = key.filter(|key| self.datagrams(*key).is_some_and(|datagrams| is_for(datagrams))) else {
            let refused = Refused { sender: message.from, by: message.to };
            let route = self.route(to, from, IP_HEADER + UDP_HEADER, true, std::time::Duration::ZERO);
            return self.put(route, Packet { from: to, to: from, load: Load::Unreachable(refused) });
        };
        let room = self.sockets.get(key).map_or(0, |socket| socket.room(SocketOption::ReceiveBuffer));
        let datagrams = self.datagrams(key).expect("it was there a moment ago");
        let cost = message.bytes.len() + COST;
        if datagrams.kept > 0 && datagrams.kept + cost > room {
            return self.note(|_| format!("{} has no room for it", message.to));
        }
        datagrams.kept += cost;
        datagrams.arrived.push_back(message);
        self.edge(key);
    }

    pub(super) fn refuse_datagram(&mut self, host: HostId, refused: Refused) {
        let Some(key) = self.hosts[host.0].datagrams.bound_to(refused.sender) else { return };
        let Some(datagrams) = self.datagrams(key).filter(|datagrams| datagrams.peer == Some(refused.by)) else {
            return;
        };
        datagrams.error = Some(libc::ECONNREFUSED);
        self.edge(key);
    }

    /// The next one, or a copy of it.
    pub(super) fn receive_datagram(&mut self, key: Key, peek: bool) -> io::Result<Option<Message>> {
        let datagrams = self.datagrams(key).ok_or_else(|| errno(libc::EBADF))?;
        if let Some(error) = datagrams.error.take() {
            return Err(errno(error));
        }
        if peek && !datagrams.arrived.is_empty() {
            return Ok(datagrams.arrived.front().cloned());
        }
        let Some(message) = datagrams.arrived.pop_front() else {
            return if datagrams.is_deaf { Ok(None) } else { Err(would_block()) };
        };
        datagrams.kept -= message.bytes.len() + COST;
        Ok(Some(message))
    }
}
