//! Unix sockets: streams that are two [tubes](super::tube), and datagrams that wait until they are taken.
//!
//! Names belong to a host. A path is one like any other: no file is made, and the name goes with the socket.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use super::super::os::{abstract_name, unix_name_without_path};
use super::super::{Address, Family, Kind, Readiness, SocketOption};
use super::net::{HostId, State};
use super::socket::{Socket, What, errno, when, would_block};
use super::table::Key;
use super::tube::{Carried, Tube};

/// How many datagrams wait at most, and one more: Linux's `max_dgram_qlen`.
const MOST_DATAGRAMS: usize = 10;

/// A name: a path, or a zero and a name of Linux's abstract kind. None at all is empty.
pub(super) type Name = Vec<u8>;

/// One end of a stream.
#[derive(Clone)]
pub(super) struct UnixEnd {
    pub(super) incoming: Key,
    pub(super) outgoing: Key,
    pub(super) error: Option<i32>,
    pub(super) peer_name: Name,
}

#[derive(Default)]
pub(super) struct UnixListener {
    backlog: usize,
    /// Sockets that nobody has a descriptor of yet.
    arrived: VecDeque<Key>,
}

#[derive(Default)]
pub(super) struct UnixDatagrams {
    pub(super) peer: Option<Key>,
    arrived: VecDeque<UnixMessage>,
    /// Who was refused because too many waited, and is connected to this.
    refused: Vec<Key>,
    is_deaf: bool,
    is_shut: bool,
}

pub(super) struct UnixMessage {
    pub(super) from: Name,
    pub(super) bytes: Vec<u8>,
    pub(super) carried: Vec<Carried>,
}

impl UnixListener {
    pub(super) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }
}

/// The name that an address is.
pub(super) fn name_of(address: &Address) -> io::Result<Name> {
    let name = address.to_unix().map_err(|_| errno(libc::EINVAL))?;
    Ok(match (name.as_pathname(), abstract_name(&name)) {
        (Some(path), _) => path.as_os_str().as_bytes().to_vec(),
        (None, Some(name)) => [&[0], name].concat(),
        (None, None) => Vec::new(),
    })
}

pub(super) fn address_of_name(name: &[u8]) -> io::Result<Address> {
    let name = match name {
        [0, name @ ..] => unix_name_without_path(name)?,
        path => std::os::unix::net::SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    Ok(Address::from(&name))
}

impl State {
    // ---- names ---------------------------------------------------------------------------------------------------

    /// No name at all asks for one of the system's choice.
    pub(super) fn bind_unix(&mut self, key: Key, mut name: Name) -> io::Result<()> {
        let socket = self.sockets.get_mut(key).ok_or_else(|| errno(libc::EBADF))?;
        if !socket.name.is_empty() {
            return Err(errno(libc::EINVAL));
        }
        let host = &mut self.hosts[socket.host.0];
        while name.is_empty() || name[0] == 0 && name.len() == 1 && host.unix.contains_key(&name) {
            host.unix_numbered += 1;
            let chosen = format!("\0{:05x}", host.unix_numbered).into_bytes();
            name = if host.unix.contains_key(&chosen) { Vec::new() } else { chosen };
        }
        if host.unix.contains_key(&name) {
            return Err(errno(libc::EADDRINUSE));
        }
        host.unix.insert(name.clone(), key);
        socket.name = name;
        Ok(())
    }

    /// Who has this name.
    fn named(&self, host: HostId, name: &[u8]) -> io::Result<Key> {
        let missing = if name.first() == Some(&0) { libc::ECONNREFUSED } else { libc::ENOENT };
        self.hosts[host.0].unix.get(name).copied().ok_or_else(|| errno(missing))
    }

    fn release_name(&mut self, host: HostId, name: &[u8]) {
        if !name.is_empty() {
            self.hosts[host.0].unix.remove(name);
        }
    }

    // ---- streams -------------------------------------------------------------------------------------------------

    pub(super) fn socket_pair(&mut self, host: HostId, kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> {
        self.may_open(host, 2)?;
        let fresh = || Socket::new(host, Family::Unix, kind, What::Fresh);
        let ((one, first), (other, second)) = (self.open(fresh())?, self.open(fresh())?);
        if kind == Kind::Stream {
            self.join(first, second);
        } else {
            for (own, peer) in [(first, second), (second, first)] {
                let datagrams = UnixDatagrams { peer: Some(peer), ..UnixDatagrams::default() };
                self.sockets.get_mut(own).expect("it was made just now").what = What::UnixDatagrams(datagrams);
            }
        }
        Ok((one, other))
    }

    /// Makes a connection of two sockets.
    fn join(&mut self, first: Key, second: Key) {
        let room = |key| self.sockets.get(key).map_or(0, |socket: &Socket| socket.room(SocketOption::SendBuffer));
        let (there, back) = (Tube::new(room(first), false), Tube::new(room(second), false));
        let (there, back) = (self.tubes.insert(there), self.tubes.insert(back));
        for (own, peer, incoming, outgoing) in [(first, second, back, there), (second, first, there, back)] {
            let peer_name = self.sockets.get(peer).map_or(Vec::new(), |socket| socket.name.clone());
            let end = UnixEnd { incoming, outgoing, error: None, peer_name };
            self.sockets.get_mut(own).expect("it was there a moment ago").what = What::UnixStream(end);
            self.tubes.get_mut(incoming).expect("it was made just now").reader = Some(own);
            self.tubes.get_mut(outgoing).expect("it was made just now").writer = Some(own);
        }
    }

    pub(super) fn listen_unix(&mut self, key: Key, backlog: i32) -> io::Result<()> {
        let socket = self.sockets.get_mut(key).ok_or_else(|| errno(libc::EBADF))?;
        if socket.name.is_empty() {
            return Err(errno(libc::EINVAL));
        }
        if let What::Fresh = socket.what {
            socket.what = What::UnixListener(UnixListener::default());
        }
        let What::UnixListener(listener) = &mut socket.what else { return Err(errno(libc::EINVAL)) };
        listener.backlog = usize::try_from(backlog).unwrap_or(4096).min(4096);
        Ok(())
    }

    /// It is connected when this returns, or it is not.
    pub(super) fn connect_unix(&mut self, key: Key, name: &[u8]) -> io::Result<()> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let (host, own_name) = (socket.host, socket.name.clone());
        if !matches!(socket.what, What::Fresh) {
            return Err(errno(libc::EISCONN));
        }
        let to = self.named(host, name)?;
        let there = self.sockets.get(to).ok_or_else(|| errno(libc::ECONNREFUSED))?;
        match &there.what {
            What::UnixListener(listener) if listener.arrived.len() > listener.backlog => return Err(would_block()),
            What::UnixListener(_) => {}
            What::UnixDatagrams(_) => return Err(errno(libc::EPROTOTYPE)),
            _ => return Err(errno(libc::ECONNREFUSED)),
        }
        let mut accepted = Socket::new(host, Family::Unix, Kind::Stream, What::Fresh);
        accepted.options.clone_from(&there.options);
        // The listener's, until it is accepted.
        accepted.references = 1;
        let accepted = self.sockets.insert(accepted);
        self.join(key, accepted);
        let socket = self.sockets.get_mut(accepted).expect("it was made just now");
        // It says the listener's name as its own, but does not have it.
        socket.said_name = name.to_vec();
        if let What::UnixStream(end) = &mut socket.what {
            end.peer_name = own_name;
        }
        if let Some(What::UnixStream(end)) = self.sockets.get_mut(key).map(|socket| &mut socket.what) {
            end.peer_name = name.to_vec();
        }
        if let Some(What::UnixListener(listener)) = self.sockets.get_mut(to).map(|socket| &mut socket.what) {
            listener.arrived.push_back(accepted);
        }
        self.edge(to);
        self.edge(key);
        Ok(())
    }

    pub(super) fn accept_unix(&mut self, key: Key) -> io::Result<(OwnedFd, Address)> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let What::UnixListener(listener) = &socket.what else { return Err(errno(libc::EINVAL)) };
        let accepted = *listener.arrived.front().ok_or_else(would_block)?;
        let fd = self.open_another(socket.host, accepted)?;
        if let Some(What::UnixListener(listener)) = self.sockets.get_mut(key).map(|socket| &mut socket.what) {
            listener.arrived.pop_front();
        }
        self.release(accepted);
        let peer = match self.sockets.get(accepted).map(|socket| &socket.what) {
            Some(What::UnixStream(end)) => end.peer_name.clone(),
            _ => Vec::new(),
        };
        Ok((fd, address_of_name(&peer)?))
    }

    pub(super) fn close_unix_listener(&mut self, host: HostId, name: &[u8], listener: UnixListener) {
        self.release_name(host, name);
        listener.arrived.into_iter().for_each(|waiting| self.release(waiting));
    }

    /// What was not read is a reset to who sent it.
    pub(super) fn close_unix_stream(&mut self, host: HostId, name: &[u8], end: &UnixEnd) {
        self.release_name(host, name);
        let Some(incoming) = self.tubes.get(end.incoming) else { return };
        let (is_unread, peer) = (!incoming.is_empty(), incoming.writer);
        if let Some(What::UnixStream(peer)) =
            peer.and_then(|peer| self.sockets.get_mut(peer)).map(|peer| &mut peer.what)
        {
            if is_unread {
                peer.error = Some(libc::ECONNRESET);
            }
        }
        self.close_reader(end.incoming);
        self.close_writer(end.outgoing);
    }

    pub(super) fn shut_unix_stream(&mut self, end: &UnixEnd, how: Shutdown) {
        if how != Shutdown::Write {
            self.end_tube(end.incoming);
        }
        if how != Shutdown::Read {
            self.end_tube(end.outgoing);
        }
    }

    pub(super) fn unix_stream_readiness(&self, end: &UnixEnd) -> Readiness {
        let (Some(incoming), Some(outgoing)) = (self.tubes.get(end.incoming), self.tubes.get(end.outgoing)) else {
            return Readiness::NONE;
        };
        let hung_up = Readiness::READ.with(Readiness::WRITE).with(Readiness::FAILED);
        when(!incoming.is_empty(), Readiness::READ)
            .with(when(incoming.is_ended, Readiness::READ.with(Readiness::READ_ENDED)))
            .with(when(outgoing.is_writable(), Readiness::WRITE))
            .with(when(end.error.is_some() || incoming.is_ended && outgoing.is_ended, hung_up))
    }

    // ---- datagrams -----------------------------------------------------------------------------------------------

    fn unix_datagrams(&mut self, key: Key) -> Option<&mut UnixDatagrams> {
        match &mut self.sockets.get_mut(key)?.what {
            What::UnixDatagrams(datagrams) => Some(datagrams),
            _ => None,
        }
    }

    pub(super) fn connect_unix_datagrams(&mut self, key: Key, name: &[u8]) -> io::Result<()> {
        let host = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?.host;
        let to = self.named(host, name)?;
        self.unix_datagrams(to).ok_or_else(|| errno(libc::EPROTOTYPE))?;
        self.unix_datagrams(key).into_iter().for_each(|datagrams| datagrams.peer = Some(to));
        Ok(())
    }

    /// To the socket of that name, or to the peer.
    pub(super) fn send_unix_datagram(
        &mut self,
        key: Key,
        bytes: Vec<u8>,
        to: Option<&[u8]>,
        carried: Vec<Carried>,
    ) -> io::Result<usize> {
        let reached = self.receiver_for(key, bytes.len(), to);
        let there = match reached {
            Ok(there) => there,
            Err(error) => {
                self.drop_carried(carried);
                return Err(error);
            }
        };
        let from = self.sockets.get(key).map_or(Vec::new(), |socket| socket.name.clone());
        let count = bytes.len();
        let datagrams = self.unix_datagrams(there).expect("it was there a moment ago");
        datagrams.arrived.push_back(UnixMessage { from, bytes, carried });
        self.edge(there);
        Ok(count)
    }

    fn receiver_for(&mut self, key: Key, length: usize, to: Option<&[u8]>) -> io::Result<Key> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let (host, room) = (socket.host, socket.room(SocketOption::SendBuffer));
        let own = self.unix_datagrams(key).ok_or_else(|| errno(libc::EBADF))?;
        if own.is_shut {
            return Err(errno(libc::EPIPE));
        }
        let peer = own.peer;
        let there = match to {
            Some(name) => self.named(host, name)?,
            None => peer.ok_or_else(|| errno(libc::ENOTCONN))?,
        };
        if length > room {
            return Err(errno(libc::EMSGSIZE));
        }
        let is_connected = peer == Some(there);
        match self.sockets.get(there).map(|socket| &socket.what) {
            Some(What::UnixDatagrams(_)) => {}
            Some(_) => return Err(errno(libc::EPROTOTYPE)),
            None => {
                // Word is given once; then nobody is there to send to. And as on Linux, what came from there is lost.
                let own = self.unix_datagrams(key).expect("it was there a moment ago");
                own.peer = None;
                let lost = std::mem::take(&mut own.arrived);
                lost.into_iter().for_each(|message| self.drop_carried(message.carried));
                return Err(errno(libc::ECONNREFUSED));
            }
        }
        let datagrams = self.unix_datagrams(there).expect("it was there a moment ago");
        if datagrams.is_deaf {
            return Err(errno(libc::EPIPE));
        }
        if datagrams.peer.is_some_and(|peer| peer != key) {
            return Err(errno(libc::EPERM));
        }
        if datagrams.arrived.len() > MOST_DATAGRAMS {
            if is_connected && !datagrams.refused.contains(&key) {
                datagrams.refused.push(key);
            }
            self.sockets.get_mut(key).into_iter().for_each(|socket| socket.wants_room = is_connected);
            return Err(would_block());
        }
        Ok(there)
    }

    pub(super) fn receive_unix_datagram(&mut self, key: Key, peek: bool) -> io::Result<Option<UnixMessage>> {
        let datagrams = self.unix_datagrams(key).ok_or_else(|| errno(libc::EBADF))?;
        if peek {
            if let Some(message) = datagrams.arrived.front() {
                let (from, bytes) = (message.from.clone(), message.bytes.clone());
                return Ok(Some(UnixMessage { from, bytes, carried: Vec::new() }));
            }
        }
        let Some(message) = datagrams.arrived.pop_front() else {
            return if datagrams.is_deaf { Ok(None) } else { Err(would_block()) };
        };
        let refused = std::mem::take(&mut datagrams.refused);
        refused.into_iter().for_each(|sender| self.room_edge(sender));
        Ok(Some(message))
    }

    pub(super) fn shut_unix_datagrams(&mut self, key: Key, how: Shutdown) -> io::Result<()> {
        let own = self.unix_datagrams(key).filter(|own| own.peer.is_some()).ok_or_else(|| errno(libc::ENOTCONN))?;
        own.is_deaf |= how != Shutdown::Write;
        own.is_shut |= how != Shutdown::Read;
        self.edge(key);
        Ok(())
    }

    pub(super) fn close_unix_datagrams(&mut self, host: HostId, name: &[u8], datagrams: UnixDatagrams) {
        self.release_name(host, name);
        datagrams.refused.into_iter().for_each(|sender| self.room_edge(sender));
        datagrams.arrived.into_iter().for_each(|message| self.drop_carried(message.carried));
    }

    pub(super) fn unix_datagram_readiness(&self, datagrams: &UnixDatagrams) -> Readiness {
        let peer = datagrams.peer.and_then(|peer| self.sockets.get(peer)).map(|peer| &peer.what);
        let is_full = matches!(peer, Some(What::UnixDatagrams(peer)) if peer.arrived.len() > MOST_DATAGRAMS);
        let hung_up = Readiness::READ.with(Readiness::WRITE).with(Readiness::FAILED);
        when(!datagrams.arrived.is_empty(), Readiness::READ)
            .with(when(!is_full, Readiness::WRITE))
            .with(when(datagrams.is_deaf, Readiness::READ.with(Readiness::READ_ENDED)))
            .with(when(datagrams.is_deaf && datagrams.is_shut, hung_up))
    }
}
