//! A host: its addresses, who has which port, and what becomes of it in a crash.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::Family;
use super::net::{HostId, State};
use super::socket::errno;
use super::table::Key;
use super::unix::Name;

/// The ports that are given to who asks for none in particular: Linux's.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32768..=60999;

pub(super) struct Host {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) up: bool,
    /// How often it crashed.
    pub(super) life: u32,
    pub(super) descriptors: usize,
    pub(super) most_descriptors: Option<usize>,
    pub(super) watchers: Vec<Key>,
    pub(super) streams: Ports,
    pub(super) datagrams: Ports,
    /// The Unix sockets that have names.
    pub(super) unix: BTreeMap<Name, Key>,
    /// How many names were given to who asked for none in particular.
    pub(super) unix_numbered: u32,
}

/// Which sockets of one kind are bound to which ports.
#[derive(Default)]
pub(super) struct Ports {
    bound: BTreeMap<u16, Vec<Bound>>,
    /// The one that was given last.
    last: Option<u16>,
}

/// A socket that has a port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) socket: Key,
    pub(super) address: SocketAddr,
    /// Bound to `[::]`, it takes IPv4 too.
    pub(super) takes_both: bool,
    pub(super) reuses: bool,
    /// Several may listen: the first that does gets all.
    pub(super) shares: bool,
    pub(super) listens: bool,
}

impl Bound {
    fn takes(&self, address: IpAddr) -> bool {
        let own = self.address.ip();
        own == address || own.is_unspecified() && (own.is_ipv4() == address.is_ipv4() || self.takes_both)
    }

    fn collides(&self, other: &Bound) -> bool {
        let same = self.takes(other.address.ip()) || other.takes(self.address.ip());
        let may_reuse = self.reuses && other.reuses && !self.listens && !other.listens;
        same && !may_reuse && !(self.shares && other.shares)
    }
}

impl Host {
    pub(super) fn new(name: &str, addresses: &[IpAddr]) -> Host {
        Host {
            name: name.to_owned(),
            addresses: addresses.to_vec(),
            up: true,
            life: 0,
            descriptors: 0,
            most_descriptors: None,
            watchers: Vec::new(),
            streams: Ports::default(),
            datagrams: Ports::default(),
            unix: BTreeMap::new(),
            unix_numbered: 0,
        }
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.contains(&address)
    }

    /// From which address it speaks to that one.
    pub(super) fn source_for(&self, to: IpAddr) -> Option<IpAddr> {
        if to.is_loopback() {
            return Some(if to.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        if self.has(to) {
            return Some(to);
        }
        self.addresses.iter().find(|address| address.is_ipv4() == to.is_ipv4()).copied()
    }
}

impl Ports {
    /// The socket that hears what is sent to this address: one that is bound to it rather than to all.
    pub(super) fn bound_to(&self, address: SocketAddr) -> Option<Key> {
        let bound = self.bound.get(&address.port())?;
        let exact = bound.iter().rev().find(|bound| bound.address.ip() == address.ip());
        let found = exact.or_else(|| bound.iter().rev().find(|bound| bound.takes(address.ip())))?;
        Some(found.socket)
    }

    /// The same among those that listen.
    pub(super) fn listening_at(&self, address: SocketAddr) -> Option<Key> {
        let listening = || self.bound.get(&address.port()).into_iter().flatten().filter(|bound| bound.listens);
        let exact = listening().find(|bound| bound.address.ip() == address.ip());
        exact.or_else(|| listening().find(|bound| bound.takes(address.ip()))).map(|bound| bound.socket)
    }

    /// Binds to the port that is asked for, or to the next that is free if that is 0; says which.
    pub(super) fn bind(&mut self, mut bound: Bound) -> io::Result<SocketAddr> {
        if bound.address.port() == 0 {
            let port = self.free_port(bound).ok_or_else(|| errno(libc::EADDRINUSE))?;
            bound.address.set_port(port);
        }
        let others = self.bound.entry(bound.address.port()).or_default();
        if others.iter().any(|other| other.collides(&bound)) {
            return Err(errno(libc::EADDRINUSE));
        }
        others.push(bound);
        Ok(bound.address)
    }

    fn free_port(&mut self, mut bound: Bound) -> Option<u16> {
        // A port that is given to somebody is free of everybody else's, whoever may share.
        (bound.reuses, bound.shares) = (false, false);
        for _ in EPHEMERAL {
            let port = self.last.map_or(*EPHEMERAL.start(), |last| last + 1);
            let port = if EPHEMERAL.contains(&port) { port } else { *EPHEMERAL.start() };
            self.last = Some(port);
            bound.address.set_port(port);
            let taken = self.bound.get(&port).into_iter().flatten().any(|other| other.collides(&bound));
            if !taken {
                return Some(port);
            }
        }
        None
    }

    /// The socket listens from now on, which it cannot where another does.
    pub(super) fn listen(&mut self, socket: Key, port: u16) -> io::Result<()> {
        let Some(bound) = self.bound.get_mut(&port) else { return Ok(()) };
        let Some(place) = bound.iter().position(|bound| bound.socket == socket) else { return Ok(()) };
        let mut listening = bound[place];
        listening.listens = true;
        if bound.iter().any(|other| other.socket != socket && other.listens && other.collides(&listening)) {
            return Err(errno(libc::EADDRINUSE));
        }
        bound[place] = listening;
        Ok(())
    }

    /// A socket that was bound to all addresses has found the one by which it speaks.
    pub(super) fn rebind(&mut self, socket: Key, address: SocketAddr) {
        for bound in self.bound.get_mut(&address.port()).into_iter().flatten() {
            if bound.socket == socket {
                bound.address = address;
            }
        }
    }

    pub(super) fn release(&mut self, socket: Key, port: u16) {
        if let Some(bound) = self.bound.get_mut(&port) {
            bound.retain(|bound| bound.socket != socket);
            if bound.is_empty() {
                self.bound.remove(&port);
            }
        }
    }
}

impl State {
    /// The host that has this address, seen from another.
    pub(super) fn host_at(&self, from: HostId, address: IpAddr) -> Option<HostId> {
        if self.hosts[from.0].has(address) { Some(from) } else { self.addresses.get(&address).copied() }
    }

    /// Everything on it vanishes without a word.
    pub(super) fn crash(&mut self, host: HostId) {
        self.note(|state| format!("{} crashes", state.hosts[host.0].name));
        self.vanish(host);
        self.descriptors.retain(|_, descriptor| descriptor.host != host);
        for key in self.sockets.keys(|socket| socket.host == host) {
            self.sockets.remove(key);
        }
        for key in self.hosts[host.0].watchers.clone() {
            self.forget_watches(key);
        }
        let old = &mut self.hosts[host.0];
        let (name, addresses) = (std::mem::take(&mut old.name), std::mem::take(&mut old.addresses));
        let fresh = Host::new(&name, &addresses);
        *old = Host { up: false, life: old.life + 1, most_descriptors: old.most_descriptors, ..fresh };
    }

    /// The addresses of a machine, as far as it is one of these.
    pub(super) fn known_host(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let of = |addresses: &[IpAddr]| addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(of(&[address]));
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name == "localhost" {
            return Ok(of(&[Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]));
        }
        match self.names.get(&name) {
            Some(host) => Ok(of(&self.hosts[host.0].addresses)),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no host of this network is called {name:?}"))),
        }
    }
}

/// As sockets of this family write it: one of IPv6 that speaks IPv4 says `::ffff:10.0.0.1`.
pub(super) fn shown_to(family: Family, address: SocketAddr) -> SocketAddr {
    match (family, address) {
        (Family::V6, SocketAddr::V4(v4)) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        _ => address,
    }
}

/// As the network writes it.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
