//! Moving bytes, and asking and telling addresses: which kind of socket it is decides who does it.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};

use super::super::{Address, Family, Received, SocketOption};
use super::half::{End, Phase};
use super::host::shown_to;
use super::net::{HostId, State};
use super::socket::{What, errno};
use super::table::Key;
use super::tube::Carried;
use super::unix::{UnixEnd, address_of_name, name_of};

/// What a socket is, as far as it decides who does it.
enum Of {
    Fresh,
    Listener,
    Stream(End),
    Datagrams,
    UnixStream(UnixEnd),
    UnixDatagrams,
    Reader(Key),
    Writer(Key),
}

/// Where bytes go that are received: it says how many it took.
pub(super) type Take<'a> = dyn FnMut(&[u8]) -> usize + 'a;

impl State {
    fn of(&self, key: Key) -> io::Result<Of> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        Ok(match &socket.what {
            What::Fresh => Of::Fresh,
            What::Listener(_) | What::UnixListener(_) => Of::Listener,
            What::Stream(end) => Of::Stream(*end),
            What::Datagrams(_) => Of::Datagrams,
            What::UnixStream(end) => Of::UnixStream(end.clone()),
            What::UnixDatagrams(_) => Of::UnixDatagrams,
            What::Reader(tube) => Of::Reader(*tube),
            What::Writer(tube) => Of::Writer(*tube),
        })
    }

    fn place_of(&self, key: Key) -> (HostId, Family) {
        self.sockets.get(key).map_or((HostId(0), Family::V4), |socket| (socket.host, socket.family))
    }

    // ---- bytes ---------------------------------------------------------------------------------------------------

    pub(super) fn receive(&mut self, key: Key, peek: bool, take: &mut Take<'_>) -> io::Result<usize> {
        match self.of(key)? {
            Of::Stream(end) => self.receive_stream(end, peek, take),
            Of::Datagrams => Ok(self.receive_datagram(key, peek)?.map_or(0, |message| take(&message.bytes))),
            Of::UnixStream(_) | Of::UnixDatagrams => {
                let (count, carried) = self.receive_unix(key, peek, take)?;
                self.drop_carried(carried);
                Ok(count)
            }
            Of::Reader(_) | Of::Writer(_) => Err(errno(libc::ENOTSOCK)),
            Of::Fresh | Of::Listener => Err(errno(libc::ENOTCONN)),
        }
    }

    fn receive_unix(&mut self, key: Key, peek: bool, take: &mut Take<'_>) -> io::Result<(usize, Vec<Carried>)> {
        if let Of::UnixDatagrams = self.of(key)? {
            let Some(message) = self.receive_unix_datagram(key, peek)? else { return Ok((0, Vec::new())) };
            return Ok((take(&message.bytes), message.carried));
        }
        let Some(What::UnixStream(end)) = self.sockets.get_mut(key).map(|socket| &mut socket.what) else {
            return Err(errno(libc::EBADF));
        };
        let tube = end.incoming;
        match self.tubes.get(tube).is_none_or(|tube| tube.is_empty()).then(|| end.error.take()).flatten() {
            Some(error) => Err(errno(error)),
            None => self.read_tube(tube, peek, take),
        }
    }

    pub(super) fn receive_message(
        &mut self,
        key: Key,
        buffer: &mut [u8],
        most: usize,
        peek: bool,
    ) -> io::Result<Received> {
        let (host, family) = self.place_of(key);
        let mut received = Received {
            count: 0,
            from: address_of_name(&[])?,
            truncated: false,
            descriptors: Vec::new(),
            descriptors_lost: false,
        };
        match self.of(key)? {
            Of::Datagrams => {
                if let Some(message) = self.receive_datagram(key, peek)? {
                    received.count = fill(buffer, &message.bytes);
                    received.truncated = message.bytes.len() > buffer.len();
                    received.from = shown_to(family, message.from).into();
                }
            }
            Of::UnixDatagrams => {
                if let Some(message) = self.receive_unix_datagram(key, peek)? {
                    received.count = fill(buffer, &message.bytes);
                    received.truncated = message.bytes.len() > buffer.len();
                    received.from = address_of_name(&message.from)?;
                    self.hand_over(host, message.carried, most, &mut received);
                }
            }
            Of::UnixStream(_) => {
                let (count, carried) = self.receive_unix(key, peek, &mut filling(buffer))?;
                received.count = count;
                self.hand_over(host, carried, most, &mut received);
            }
            _ => received.count = self.receive(key, peek, &mut filling(buffer))?,
        }
        Ok(received)
    }

    fn hand_over(&mut self, host: HostId, carried: Vec<Carried>, most: usize, received: &mut Received) {
        match self.land(host, carried, most) {
            Some(landed) => received.descriptors = landed,
            None => received.descriptors_lost = true,
        }
    }

    pub(super) fn send(&mut self, key: Key, pieces: &[&[u8]]) -> io::Result<usize> {
        match self.of(key)? {
            Of::Stream(end) => self.send_stream(key, end, pieces),
            Of::Reader(_) | Of::Writer(_) => Err(errno(libc::ENOTSOCK)),
            _ => self.send_message(key, pieces, None, &[]),
        }
    }

    pub(super) fn send_message(
        &mut self,
        key: Key,
        pieces: &[&[u8]],
        to: Option<&Address>,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        match self.of(key)? {
            Of::UnixStream(end) => {
                let carried = self.carry_descriptors(descriptors)?;
                self.write_tube(key, end.outgoing, pieces, carried)
            }
            Of::UnixDatagrams => {
                let name = to.map(name_of).transpose()?;
                let carried = self.carry_descriptors(descriptors)?;
                self.send_unix_datagram(key, pieces.concat(), name.as_deref(), carried)
            }
            _ if !descriptors.is_empty() => Err(errno(libc::EINVAL)),
            Of::Stream(end) => self.send_stream(key, end, pieces),
            Of::Datagrams => {
                let to = to.map(|to| to.to_ip().map_err(|_| errno(libc::EAFNOSUPPORT))).transpose()?;
                self.send_datagram(key, pieces.concat(), to)
            }
            Of::Fresh if self.place_of(key).1 == Family::Unix => Err(errno(libc::ENOTCONN)),
            _ => Err(errno(libc::EPIPE)),
        }
    }

    /// From what is no socket, and from one too.
    pub(super) fn read(&mut self, key: Key, take: &mut Take<'_>) -> io::Result<usize> {
        match self.of(key)? {
            Of::Reader(tube) => Ok(self.read_tube(tube, false, take)?.0),
            Of::Writer(_) => Err(errno(libc::EBADF)),
            _ => self.receive(key, false, take),
        }
    }

    pub(super) fn write(&mut self, key: Key, pieces: &[&[u8]]) -> io::Result<usize> {
        match self.of(key)? {
            Of::Writer(tube) => self.write_tube(key, tube, pieces, Vec::new()),
            Of::Reader(_) => Err(errno(libc::EBADF)),
            _ => self.send(key, pieces),
        }
    }

    // ---- connections ---------------------------------------------------------------------------------------------

    pub(super) fn shutdown(&mut self, key: Key, how: Shutdown) -> io::Result<()> {
        match self.of(key)? {
            Of::Stream(end) => self.shut_stream(key, end, how),
            Of::Datagrams => self.shut_datagrams(key, how),
            Of::UnixStream(end) => {
                self.shut_unix_stream(&end, how);
                Ok(())
            }
            Of::UnixDatagrams => self.shut_unix_datagrams(key, how),
            Of::Reader(_) | Of::Writer(_) => Err(errno(libc::ENOTSOCK)),
            Of::Fresh | Of::Listener => Err(errno(libc::ENOTCONN)),
        }
    }

    pub(super) fn bind(&mut self, key: Key, address: &Address) -> io::Result<()> {
        match (self.of(key)?, self.place_of(key).1) {
            (Of::Reader(_) | Of::Writer(_), _) => Err(errno(libc::ENOTSOCK)),
            (_, Family::Unix) => self.bind_unix(key, name_of(address)?),
            _ => self.bind_to(key, address.to_ip().map_err(|_| errno(libc::EAFNOSUPPORT))?),
        }
    }

    pub(super) fn listen(&mut self, key: Key, backlog: i32) -> io::Result<()> {
        match (self.of(key)?, self.place_of(key).1) {
            (Of::Reader(_) | Of::Writer(_), _) => Err(errno(libc::ENOTSOCK)),
            (Of::Datagrams | Of::UnixDatagrams, _) => Err(errno(libc::EOPNOTSUPP)),
            (_, Family::Unix) => self.listen_unix(key, backlog),
            _ => self.listen_at(key, backlog),
        }
    }

    pub(super) fn accept(&mut self, key: Key) -> io::Result<(OwnedFd, Address)> {
        match (self.of(key)?, self.place_of(key).1) {
            (Of::Reader(_) | Of::Writer(_), _) => Err(errno(libc::ENOTSOCK)),
            (Of::Datagrams | Of::UnixDatagrams, _) => Err(errno(libc::EOPNOTSUPP)),
            (_, Family::Unix) => self.accept_unix(key),
            _ => self.accept_stream(key),
        }
    }

    pub(super) fn connect(&mut self, key: Key, to: &Address) -> io::Result<()> {
        let family = self.place_of(key).1;
        let of = self.of(key)?;
        match (&of, family) {
            (Of::Reader(_) | Of::Writer(_), _) => return Err(errno(libc::ENOTSOCK)),
            (Of::UnixDatagrams, _) => return self.connect_unix_datagrams(key, &name_of(to)?),
            (_, Family::Unix) => return self.connect_unix(key, &name_of(to)?),
            _ => {}
        }
        let to = to.to_ip().map_err(|_| errno(libc::EAFNOSUPPORT))?;
        if (family == Family::V4) != to.is_ipv4() {
            return Err(errno(libc::EAFNOSUPPORT));
        }
        match of {
            Of::Datagrams => self.connect_datagrams(key, to),
            _ => self.connect_stream(key, to),
        }
    }

    // ---- addresses and options -----------------------------------------------------------------------------------

    pub(super) fn local_address(&self, key: Key) -> io::Result<Address> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let any: SocketAddr = match socket.family {
            Family::Unix => {
                return address_of_name(if socket.name.is_empty() { &socket.said_name } else { &socket.name });
            }
            Family::V6 => "[::]:0".parse().expect("an address"),
            Family::V4 => "0.0.0.0:0".parse().expect("an address"),
        };
        let address = match &socket.what {
            What::Reader(_) | What::Writer(_) => return Err(errno(libc::ENOTSOCK)),
            What::Stream(end) => self.half(*end).map(|half| half.address),
            _ => socket.bound,
        };
        Ok(address.map_or(any, |address| shown_to(socket.family, address)).into())
    }

    pub(super) fn peer_address(&self, key: Key) -> io::Result<Address> {
        let socket = self.sockets.get(key).ok_or_else(|| errno(libc::EBADF))?;
        let peer = match &socket.what {
            What::Reader(_) | What::Writer(_) => return Err(errno(libc::ENOTSOCK)),
            What::UnixStream(end) => return address_of_name(&end.peer_name),
            What::UnixDatagrams(datagrams) => {
                let peer = datagrams.peer.and_then(|peer| self.sockets.get(peer));
                return address_of_name(&peer.ok_or_else(|| errno(libc::ENOTCONN))?.name);
            }
            What::Stream(end) => {
                let is_open = self.half(*end).is_some_and(|half| half.phase == Phase::Open) && !self.is_over(*end);
                self.half(end.other()).filter(|_| is_open).map(|other| other.address)
            }
            What::Datagrams(datagrams) => datagrams.peer,
            _ => None,
        };
        Ok(shown_to(socket.family, peer.ok_or_else(|| errno(libc::ENOTCONN))?).into())
    }

    pub(super) fn option(&mut self, key: Key, option: SocketOption) -> io::Result<i32> {
        let socket = self.sockets.get_mut(key).ok_or_else(|| errno(libc::EBADF))?;
        if let What::Reader(_) | What::Writer(_) = socket.what {
            return Err(errno(libc::ENOTSOCK));
        }
        if option != SocketOption::PendingError {
            return Ok(socket.option(option));
        }
        let error = match &mut socket.what {
            What::Datagrams(datagrams) => datagrams.error.take(),
            What::UnixStream(end) => end.error.take(),
            What::Stream(end) => {
                let end = *end;
                self.half_mut(end).and_then(|half| half.error.take())
            }
            _ => None,
        };
        Ok(error.unwrap_or(0))
    }

    pub(super) fn set_option(&mut self, key: Key, option: SocketOption, value: i32) -> io::Result<()> {
        let socket = self.sockets.get_mut(key).ok_or_else(|| errno(libc::EBADF))?;
        if let What::Reader(_) | What::Writer(_) = socket.what {
            return Err(errno(libc::ENOTSOCK));
        }
        socket.set_option(option, value)?;
        let (room, window) = (socket.room(SocketOption::SendBuffer), socket.room(SocketOption::ReceiveBuffer));
        match &socket.what {
            What::Stream(end) => {
                let end = *end;
                let half = self.half_mut(end).ok_or_else(|| errno(libc::EBADF))?;
                // A window that was promised is kept.
                (half.room, half.window) = (room, half.window.max(window));
            }
            What::UnixStream(end) => {
                let tube = end.outgoing;
                self.tubes.get_mut(tube).into_iter().for_each(|tube| tube.room = room);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a Unix socket is connected with another.
    pub(super) fn is_paired(&self, key: Key) -> bool {
        let socket = self.sockets.get(key);
        socket.is_some_and(|socket| matches!(socket.what, What::UnixStream(_) | What::UnixDatagrams(_)))
    }
}

/// As much as fits.
pub(super) fn fill(buffer: &mut [u8], bytes: &[u8]) -> usize {
    let count = bytes.len().min(buffer.len());
    buffer[..count].copy_from_slice(&bytes[..count]);
    count
}

/// Fills a buffer, piece by piece.
fn filling(buffer: &mut [u8]) -> impl FnMut(&[u8]) -> usize + '_ {
    let mut filled = 0;
    move |bytes| {
        let count = fill(&mut buffer[filled..], bytes);
        filled += count;
        count
    }
}
