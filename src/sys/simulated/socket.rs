//! What a descriptor refers to: a socket, or an end of a pipe; its options, its readiness and its end.
//!
//! A descriptor of this world is a real one that means nothing, a duplicate of `/dev/null`, so that `OwnedFd` stays what
//! it promises. Which socket it is stands in a table. Several may be one socket, when it was sent from hand to hand. A
//! descriptor that was closed without a word to this world is noticed when its number comes again.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use super::super::{Family, Kind, Readiness, SocketOption};
use super::datagram::Datagrams;
use super::half::End;
use super::listener::Listener;
use super::net::{HostId, State};
use super::poller::Watch;
use super::table::Key;
use super::unix::{Name, UnixDatagrams, UnixEnd, UnixListener};

/// How much a socket keeps in each direction unless it is told otherwise. Linux begins near this, and grows.
pub(super) const BUFFER: usize = 65_536;

/// What a descriptor says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    pub(super) host: HostId,
    pub(super) socket: Key,
}

pub(super) struct Socket {
    pub(super) host: HostId,
    pub(super) family: Family,
    pub(super) kind: Kind,
    /// Descriptors, and messages under way that carry it.
    pub(super) references: usize,
    pub(super) options: Vec<(SocketOption, i32)>,
    pub(super) watches: Vec<Watch>,
    /// A write was refused, or cut short: room is an edge.
    pub(super) wants_room: bool,
    pub(super) bound: Option<std::net::SocketAddr>,
    /// That of a Unix socket; and the one that it says although it is another's, who accepted it.
    pub(super) name: Name,
    pub(super) said_name: Name,
    pub(super) what: What,
}

pub(super) enum What {
    /// A stream that is not connected.
    Fresh,
    Listener(Listener),
    Stream(End),
    Datagrams(Datagrams),
    UnixListener(UnixListener),
    UnixStream(UnixEnd),
    UnixDatagrams(UnixDatagrams),
    /// The end of a pipe from which it is read: the pipe.
    Reader(Key),
    Writer(Key),
}

impl Socket {
    pub(super) fn new(host: HostId, family: Family, kind: Kind, what: What) -> Socket {
        Socket {
            host,
            family,
            kind,
            references: 0,
            options: Vec::new(),
            watches: Vec::new(),
            wants_room: false,
            bound: None,
            name: Name::new(),
            said_name: Name::new(),
            what,
        }
    }

    pub(super) fn option(&self, option: SocketOption) -> i32 {
        let set = self.options.iter().find(|(of, _)| *of == option);
        set.map_or_else(|| default_of(option, self.kind), |(_, value)| *value)
    }

    pub(super) fn is_on(&self, option: SocketOption) -> bool {
        self.option(option) != 0
    }

    /// How many bytes it keeps: half of what the option says, which as on Linux counts what keeping them costs too.
    pub(super) fn room(&self, option: SocketOption) -> usize {
        self.option(option) as usize / 2
    }

    pub(super) fn set_option(&mut self, option: SocketOption, value: i32) -> io::Result<()> {
        use SocketOption::{HopsV6, Linger, MulticastHopsV6, MulticastTtlV4, PendingError, ReceiveBuffer};
        use SocketOption::{SendBuffer, Ttl};
        let value = match option {
            PendingError | SocketOption::Kind => return Err(errno(libc::ENOPROTOOPT)),
            ReceiveBuffer => value.clamp(0, 212_992).saturating_mul(2).max(2304),
            SendBuffer => value.clamp(0, 212_992).saturating_mul(2).max(4608),
            Linger => value.max(-1),
            Ttl if !(1..=255).contains(&value) => return Err(errno(libc::EINVAL)),
            MulticastTtlV4 if !(0..=255).contains(&value) => return Err(errno(libc::EINVAL)),
            HopsV6 | MulticastHopsV6 if !(-1..=255).contains(&value) => return Err(errno(libc::EINVAL)),
            Ttl | HopsV6 | MulticastTtlV4 | MulticastHopsV6 => value,
            SocketOption::MulticastInterfaceV6 => value,
            _ => i32::from(value != 0),
        };
        self.options.retain(|(of, _)| *of != option);
        self.options.push((option, value));
        Ok(())
    }
}

fn default_of(option: SocketOption, kind: Kind) -> i32 {
    match option {
        SocketOption::Linger => -1,
        SocketOption::Kind => i32::from(kind == Kind::Stream),
        SocketOption::Ttl | SocketOption::HopsV6 => 64,
        SocketOption::MulticastTtlV4 | SocketOption::MulticastHopsV6 => 1,
        SocketOption::MulticastLoopV4 | SocketOption::MulticastLoopV6 => 1,
        SocketOption::ReceiveBuffer | SocketOption::SendBuffer => match kind {
            Kind::Stream => 2 * BUFFER as i32,
            Kind::Datagram => 212_992,
        },
        _ => 0,
    }
}

impl State {
    // ---- descriptors ---------------------------------------------------------------------------------------------

    /// A new socket, and a descriptor of it.
    pub(super) fn open(&mut self, socket: Socket) -> io::Result<(OwnedFd, Key)> {
        let host = socket.host;
        self.may_open(host, 1)?;
        let key = self.sockets.insert(socket);
        match self.open_another(host, key) {
            Ok(fd) => Ok((fd, key)),
            Err(error) => {
                self.sockets.remove(key);
                Err(error)
            }
        }
    }

    /// Whether there is room for so many descriptors.
    pub(super) fn may_open(&self, host: HostId, count: usize) -> io::Result<()> {
        let host = &self.hosts[host.0];
        match host.most_descriptors {
            Some(most) if host.descriptors + count > most => Err(errno(libc::EMFILE)),
            _ => Ok(()),
        }
    }

    /// A descriptor of a socket that is there.
    pub(super) fn open_another(&mut self, host: HostId, socket: Key) -> io::Result<OwnedFd> {
        self.may_open(host, 1)?;
        let fd = self.placeholder.as_fd().try_clone_to_owned()?;
        // Whoever had the number before has closed it without a word.
        self.close(fd.as_raw_fd());
        self.descriptors.insert(fd.as_raw_fd(), Descriptor { host, socket });
        self.hosts[host.0].descriptors += 1;
        if let Some(socket) = self.sockets.get_mut(socket) {
            socket.references += 1;
        }
        Ok(fd)
    }

    /// Forgets a descriptor, if it is one of this network, and with the last the socket.
    pub(super) fn close(&mut self, fd: RawFd) {
        let Some(descriptor) = self.descriptors.remove(&fd) else { return };
        self.hosts[descriptor.host.0].descriptors -= 1;
        if let Some(socket) = self.sockets.get_mut(descriptor.socket) {
            socket.watches.retain(|watch| watch.fd != fd);
            self.release(descriptor.socket);
        }
    }

    /// One reference less.
    pub(super) fn release(&mut self, key: Key) {
        // What a socket carries may carry others, as deep as a program likes: a list, not a recursion.
        self.to_release.push(key);
        if std::mem::replace(&mut self.releases, true) {
            return;
        }
        while let Some(key) = self.to_release.pop() {
            self.release_one(key);
        }
        self.releases = false;
    }

    fn release_one(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        socket.references -= 1;
        if socket.references > 0 {
            return;
        }
        let Some(socket) = self.sockets.remove(key) else { return };
        if let Some(bound) = socket.bound {
            self.ports(socket.host, socket.kind).release(key, bound.port());
        }
        let (host, name, lingers_not) = (socket.host, &socket.name, socket.option(SocketOption::Linger) == 0);
        match socket.what {
            What::Fresh if name.is_empty() => {}
            What::Fresh => drop(self.hosts[host.0].unix.remove(name)),
            What::Listener(_) => self.close_listener(key),
            What::Stream(end) => self.close_stream(end, lingers_not),
            What::Datagrams(_) => {}
            What::UnixListener(listener) => self.close_unix_listener(host, name, listener),
            What::UnixStream(end) => self.close_unix_stream(host, name, &end),
            What::UnixDatagrams(datagrams) => self.close_unix_datagrams(host, name, datagrams),
            What::Reader(tube) => self.close_reader(tube),
            What::Writer(tube) => self.close_writer(tube),
        }
    }

    // ---- readiness -----------------------------------------------------------------------------------------------

    /// What the socket is ready for, as Linux's poll has it.
    pub(super) fn readiness(&self, key: Key) -> Readiness {
        let Some(socket) = self.sockets.get(key) else { return Readiness::NONE };
        let gone = Readiness::READ.with(Readiness::WRITE).with(Readiness::FAILED);
        match &socket.what {
            What::Fresh => gone,
            What::Listener(listener) => when(listener.has_arrived(), Readiness::READ),
            What::Stream(end) => self.stream_readiness(*end),
            What::Datagrams(datagrams) => datagrams.readiness(),
            What::UnixListener(listener) => when(listener.has_arrived(), Readiness::READ),
            What::UnixStream(end) => self.unix_stream_readiness(end),
            What::UnixDatagrams(datagrams) => self.unix_datagram_readiness(datagrams),
            What::Reader(pipe) => self.reader_readiness(*pipe),
            What::Writer(pipe) => self.writer_readiness(*pipe),
        }
    }

    /// Something came about that a poller is to tell, if the socket is ready for anything then.
    pub(super) fn edge(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        for watch in &mut socket.watches {
            if !std::mem::replace(&mut watch.is_queued, true) {
                if let Some(watcher) = self.watchers.get_mut(watch.watcher) {
                    watcher.queue.push_back((key, watch.number));
                }
            }
        }
    }

    /// There is room again: an edge for who was refused.
    pub(super) fn room_edge(&mut self, key: Key) {
        if let Some(socket) = self.sockets.get_mut(key) {
            if std::mem::take(&mut socket.wants_room) {
                self.edge(key);
            }
        }
    }
}

pub(super) fn when(is_so: bool, bits: Readiness) -> Readiness {
    if is_so { bits } else { Readiness::NONE }
}

pub(super) fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

pub(super) fn would_block() -> io::Error {
    errno(libc::EAGAIN)
}
