//! [`Sockets`]: which descriptors a paused world has made, and whether anybody outside of it can make them ready.
//!
//! | descriptor                            | its peer is within this world if                                        |
//! |---------------------------------------|-------------------------------------------------------------------------|
//! | end of a pipe or of a pair            | the other end is this world's, or was closed by it                      |
//! | TCP connection, from `a` to `b`       | it made one from `b` to `a` (closed or not), or listens on `b`          |
//! | Unix connection                       | it was accepted by the listener of this world that it was made to       |
//! | connected datagram socket             | a socket of this world is bound to that address                         |
//! | listener, unconnected datagram socket | it is bound to a loopback address or is a Unix socket, so that a        |
//! |                                       | stranger would have to know the address, and has had to do with none    |
//! | any other: adopted, received, sent away, of a process or of signals, standard input | never                     |
//!
//! It only keeps books: what is asked of the kernel is asked by `paused.rs`. What a program does to a descriptor
//! behind this world's back (`dup`, a close of its number) it does not know.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;

use super::super::{Address, Kind};

#[cfg(all(test, not(loom)))]
mod tests;

/// An address as it is compared: an IPv4 address is one, however it is written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Ip(SocketAddr),
    Unix(Vec<u8>),
}

impl Name {
    /// `None`: a Unix socket without a name.
    pub(super) fn of(address: &Address) -> Option<Name> {
        if let Ok(ip) = address.to_ip() {
            return Some(Name::Ip(SocketAddr::new(ip.ip().to_canonical(), ip.port())));
        }
        let name = address.to_unix().ok().filter(|name| !name.is_unnamed())?;
        // What std shows of it is as good as the name itself, and is one for paths and for abstract names.
        Some(Name::Unix(format!("{name:?}").into_bytes()))
    }

    /// Whether only this machine can reach it.
    fn is_local(&self) -> bool {
        match self {
            Name::Ip(address) => address.ip().is_loopback(),
            Name::Unix(_) => true,
        }
    }

    /// The addresses to which one is bound who gets what is sent here.
    fn receivers(&self) -> Vec<Name> {
        let Name::Ip(address) = self else { return vec![self.clone()] };
        let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let any = any.into_iter().map(|any| Name::Ip(SocketAddr::new(any, address.port())));
        std::iter::once(self.clone()).chain(any).collect()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Ip(address) => address.fmt(f),
            Name::Unix(name) => f.write_str(&String::from_utf8_lossy(name)),
        }
    }
}

/// What is known of one descriptor.
struct Socket {
    kind: Kind,
    bound: Option<Name>,
    role: Role,
    /// Somebody else has it too.
    shared: bool,
    /// The kernel was waited for in vain.
    stuck: bool,
    /// A datagram socket that has sent something to somebody else, who may answer.
    met_strangers: bool,
}

enum Role {
    Fresh,
    Listener {
        queue: VecDeque<Option<RawFd>>,
    },
    End(Partner),
    /// Of a stream of IP: from here, to there.
    Connection(Name, Name),
    /// A Unix stream that was not accepted yet, or a datagram socket.
    Connected(Option<Name>),
    Stranger,
}

/// The other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partner {
    Open(RawFd),
    /// It was closed here: what it did has been done.
    Closed,
    /// A listener of this world has not accepted it yet.
    Queued,
    Elsewhere,
}

/// See the head of this file.
#[derive(Default)]
pub(super) struct Sockets {
    known: BTreeMap<RawFd, Socket>,
    connections: BTreeMap<(Name, Name), RawFd>,
    /// Ends of connections that were closed while the other end was not.
    gone: BTreeSet<(Name, Name)>,
    /// Listeners and datagram sockets by their address: several, if it is reused.
    bound: BTreeMap<Name, BTreeSet<RawFd>>,
}

impl Sockets {
    // ---- how they come -------------------------------------------------------------------------------------------

    pub(super) fn made(&mut self, fd: RawFd, kind: Kind) {
        self.insert(fd, kind, Role::Fresh);
    }

    pub(super) fn paired(&mut self, one: RawFd, other: RawFd, kind: Kind) {
        self.insert(one, kind, Role::End(Partner::Open(other)));
        self.insert(other, kind, Role::End(Partner::Open(one)));
    }

    fn insert(&mut self, fd: RawFd, kind: Kind, role: Role) {
        // A number that was given again: whoever had it closed it behind our back.
        self.lose(fd, Partner::Elsewhere);
        self.known.insert(fd, Socket { kind, bound: None, role, shared: false, stuck: false, met_strangers: false });
    }

    pub(super) fn was_bound(&mut self, fd: RawFd, name: Option<Name>) {
        let Some(socket) = self.known.get_mut(&fd) else { return };
        socket.bound = name;
        if socket.kind == Kind::Datagram {
            self.index(fd);
        }
    }

    pub(super) fn listens(&mut self, fd: RawFd) {
        let Some(socket) = self.known.get_mut(&fd) else { return };
        socket.role = Role::Listener { queue: VecDeque::new() };
        self.index(fd);
    }

    fn index(&mut self, fd: RawFd) {
        if let Some(name) = self.known.get(&fd).and_then(|socket| socket.bound.clone()) {
            self.bound.entry(name).or_default().insert(fd);
        }
    }

    /// A connection was begun, or made: from `here`, if that is known, `there`.
    pub(super) fn connects(&mut self, fd: RawFd, here: Option<Name>, there: Option<Name>) {
        let Some(socket) = self.known.get_mut(&fd) else { return };
        match (socket.kind, here, there) {
            (Kind::Stream, Some(here @ Name::Ip(_)), Some(there)) => self.connection(fd, here, there),
            (Kind::Stream, _, there) => {
                socket.role = Role::Connected(there.clone());
                let listener = there.and_then(|there| self.listener_at(&there));
                let listener = listener.and_then(|listener| self.known.get_mut(&listener));
                if let Some(Socket { role: Role::Listener { queue }, .. }) = listener {
                    queue.push_back(Some(fd));
                }
            }
            (Kind::Datagram, here, there) => {
                socket.role = Role::Connected(there);
                self.was_bound(fd, here);
            }
        }
    }

    fn connection(&mut self, fd: RawFd, here: Name, there: Name) {
        let ends = (here, there);
        self.gone.remove(&ends);
        if let Some(socket) = self.known.get_mut(&fd) {
            socket.role = Role::Connection(ends.0.clone(), ends.1.clone());
            self.connections.insert(ends, fd);
        }
    }

    /// A listener gave this connection. `ours`: as far as the system tells, this process made it.
    pub(super) fn accepted(&mut self, listener: RawFd, fd: RawFd, here: Option<Name>, there: Option<Name>, ours: bool) {
        self.insert(fd, Kind::Stream, Role::Stranger);
        if let (Some(here @ Name::Ip(_)), Some(there)) = (here, there) {
            return self.connection(fd, here, there);
        }
        let Some(Socket { role: Role::Listener { queue }, .. }) = self.known.get_mut(&listener) else { return };
        // A queue is first in, first out; a stranger between ours leaves one of ours unmatched, which then stands for
        // it.
        let partner = if ours { queue.pop_front() } else { None };
        let role = match partner {
            Some(Some(client)) => {
                self.set_role(client, Role::End(Partner::Open(fd)));
                Role::End(Partner::Open(client))
            }
            Some(None) => Role::End(Partner::Closed),
            None => Role::Stranger,
        };
        self.set_role(fd, role);
    }

    /// An unconnected datagram socket sent something there.
    pub(super) fn sent_to(&mut self, fd: RawFd, to: &Name) {
        if self.receiver_at(to, Kind::Datagram).is_some() {
            return;
        }
        if let Some(socket) = self.known.get_mut(&fd) {
            socket.met_strangers = true;
        }
    }

    fn set_role(&mut self, fd: RawFd, role: Role) {
        if let Some(socket) = self.known.get_mut(&fd) {
            socket.role = role;
        }
    }

    // ---- how they go ---------------------------------------------------------------------------------------------

    /// It is about to be closed.
    pub(super) fn closes(&mut self, fd: RawFd) {
        self.lose(fd, Partner::Closed);
    }

    /// It goes to somebody else, or came from there.
    pub(super) fn forget(&mut self, fd: RawFd) {
        self.lose(fd, Partner::Elsewhere);
    }

    /// Somebody else gets a duplicate of it.
    pub(super) fn shares(&mut self, fd: RawFd) {
        if let Some(socket) = self.known.get_mut(&fd) {
            socket.shared = true;
        }
    }

    /// The kernel does not get on with it.
    pub(super) fn is_stuck(&mut self, fd: RawFd) {
        if let Some(socket) = self.known.get_mut(&fd) {
            socket.stuck = true;
        }
    }

    fn lose(&mut self, fd: RawFd, left: Partner) {
        let Some(socket) = self.known.remove(&fd) else { return };
        if let Some(set) = socket.bound.as_ref().and_then(|name| self.bound.get_mut(name)) {
            set.remove(&fd);
        }
        self.bound.retain(|_, set| !set.is_empty());
        // What is shared is not closed.
        let left = if socket.shared { Partner::Elsewhere } else { left };
        match socket.role {
            Role::End(Partner::Open(other)) => self.set_role(other, Role::End(left)),
            Role::Connection(here, there) => self.lose_connection(here, there, left),
            Role::Connected(Some(there)) => {
                let listener = self.listener_at(&there).and_then(|listener| self.known.get_mut(&listener));
                if let Some(Socket { role: Role::Listener { queue }, .. }) = listener {
                    queue.iter_mut().filter(|waiting| **waiting == Some(fd)).for_each(|waiting| *waiting = None);
                }
            }
            _ => {}
        }
    }

    fn lose_connection(&mut self, here: Name, there: Name, left: Partner) {
        let (ends, others) = ((here.clone(), there.clone()), (there.clone(), here));
        self.connections.remove(&ends);
        let other_was_gone = self.gone.remove(&others);
        let other_is_here = self.connections.contains_key(&others) || self.listener_at(&there).is_some();
        if left == Partner::Closed && !other_was_gone && other_is_here {
            self.gone.insert(ends);
        }
    }

    // ---- where their peers are -----------------------------------------------------------------------------------

    fn listener_at(&self, name: &Name) -> Option<RawFd> {
        self.receiver_at(name, Kind::Stream)
    }

    fn receiver_at(&self, name: &Name, kind: Kind) -> Option<RawFd> {
        let at = |name: &Name| self.bound.get(name).into_iter().flatten().copied().collect::<Vec<_>>();
        let is_ours = |fd: &RawFd| self.known.get(fd).is_some_and(|socket| socket.kind == kind && !socket.shared);
        name.receivers().iter().flat_map(at).find(is_ours)
    }

    /// The other end of a connection, or `None` of what is no connection.
    pub(super) fn partner(&self, fd: RawFd) -> Option<Partner> {
        let partner = match &self.known.get(&fd)?.role {
            Role::End(partner) => *partner,
            Role::Connection(here, there) => {
                let others = (there.clone(), here.clone());
                match self.connections.get(&others) {
                    Some(other) => Partner::Open(*other),
                    None if self.gone.contains(&others) => Partner::Closed,
                    None if self.listener_at(there).is_some() => Partner::Queued,
                    None => Partner::Elsewhere,
                }
            }
            Role::Connected(Some(there)) if self.listener_at(there).is_some() => Partner::Queued,
            Role::Connected(_) | Role::Stranger => Partner::Elsewhere,
            Role::Fresh | Role::Listener { .. } => return None,
        };
        match partner {
            Partner::Open(other) if self.known.get(&other).is_none_or(|other| other.shared) => Some(Partner::Elsewhere),
            partner => Some(partner),
        }
    }

    /// Whether nobody outside of this world can make it ready; if not, what it is.
    pub(super) fn is_inside(&self, fd: RawFd) -> Result<(), String> {
        let Some(socket) = self.known.get(&fd) else {
            return Err(format!("descriptor {fd}, which this world has not made"));
        };
        let inside = match (&socket.role, socket.kind, &socket.bound) {
            _ if socket.stuck => false,
            (Role::Fresh, Kind::Stream, _) => true,
            (Role::Fresh | Role::Listener { .. }, _, Some(name)) => {
                name.is_local() && !socket.shared && !socket.met_strangers
            }
            (Role::Fresh | Role::Listener { .. }, _, None) => false,
            (Role::Connected(Some(there)), Kind::Datagram, _) => self.receiver_at(there, Kind::Datagram).is_some(),
            _ => self.partner(fd) != Some(Partner::Elsewhere),
        };
        if inside { Ok(()) } else { Err(socket.to_string()) }
    }

    /// Whether anybody who knows its address can make it ready: a listener, an unconnected datagram socket. The clock does
    /// not wait for those, but that nothing can happen any more is not certain while there is one.
    pub(super) fn is_door(&self, fd: RawFd) -> bool {
        let Some(socket) = self.known.get(&fd) else { return false };
        match socket.role {
            Role::Listener { .. } => true,
            Role::Fresh => socket.kind == Kind::Datagram && socket.bound.is_some(),
            _ => false,
        }
    }

    /// Connections of TCP, with their other ends.
    pub(super) fn connections(&self) -> impl Iterator<Item = (RawFd, Partner)> + '_ {
        let unstuck = |fd: &RawFd| self.known.get(fd).is_some_and(|socket| !socket.stuck);
        self.connections.values().copied().filter(unstuck).filter_map(|fd| Some((fd, self.partner(fd)?)))
    }
}

/// For people, when it makes the clock wait.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stuck = if self.stuck { ", which the kernel does not get on with" } else { "" };
        match (&self.role, &self.bound) {
            (Role::Connection(here, there), _) => write!(f, "the connection from {here} to {there}{stuck}"),
            (Role::Connected(Some(there)), _) => write!(f, "a socket that is connected to {there}"),
            (Role::Listener { .. }, Some(name)) => write!(f, "the listener on {name}"),
            (Role::Fresh, Some(name)) => write!(f, "the socket on {name}"),
            (Role::End(_), _) => f.write_str("one end of a pair or pipe whose other end is elsewhere"),
            (Role::Stranger, _) => f.write_str("a connection that somebody else made"),
            _ => f.write_str("a socket that anybody may send to"),
        }
    }
}
