//! [`Tube`]: bytes in one direction within a host, without any delay: a pipe, or half of a Unix stream.
//!
//! Descriptors that travel are marked where their message begins and ends: a read gets those of one message at most, and
//! ends with that message, as on Linux.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::super::{ATOMIC_WRITE, Family, Kind, MOST_DESCRIPTORS, Readiness};
use super::net::{HostId, State};
use super::socket::{Socket, What, errno, when, would_block};
use super::table::Key;
use super::transfer::Take;

/// What a pipe of Linux holds.
const PIPE: usize = 65_536;

pub(super) struct Tube {
    bytes: VecDeque<u8>,
    pub(super) room: usize,
    /// A pipe: short writes go as a whole or not at all.
    is_pipe: bool,
    marks: VecDeque<Mark>,
    /// How many bytes were ever taken out.
    taken: u64,
    /// The sockets at its ends, until they are closed.
    pub(super) reader: Option<Key>,
    pub(super) writer: Option<Key>,
    /// Nothing more goes in: what is there can still be read.
    pub(super) is_ended: bool,
}

/// Where a message with descriptors is, counted from the first byte there ever was.
struct Mark {
    begin: u64,
    end: u64,
    carried: Vec<Carried>,
}

/// A descriptor on its way.
pub(super) enum Carried {
    /// One of this network.
    Socket(Key),
    Other(OwnedFd),
}

impl Tube {
    pub(super) fn new(room: usize, is_pipe: bool) -> Tube {
        Tube {
            bytes: VecDeque::new(),
            room,
            is_pipe,
            marks: VecDeque::new(),
            taken: 0,
            reader: None,
            writer: None,
            is_ended: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn free(&self) -> usize {
        self.room.saturating_sub(self.bytes.len())
    }

    /// As Linux has it: a pipe with room for what is atomic, a socket that is filled to a quarter at most.
    pub(super) fn is_writable(&self) -> bool {
        if self.is_pipe { self.free() >= ATOMIC_WRITE } else { 4 * self.bytes.len() <= self.room }
    }

    /// How much one read may take.
    fn readable(&self) -> usize {
        let end = self.marks.front().map_or(u64::MAX, |mark| mark.end);
        self.bytes.len().min(usize::try_from(end - self.taken).unwrap_or(usize::MAX))
    }
}

impl State {
    pub(super) fn pipe(&mut self, host: HostId) -> io::Result<(OwnedFd, OwnedFd)> {
        self.may_open(host, 2)?;
        let tube = self.tubes.insert(Tube::new(PIPE, true));
        let (out, reader) = self.open(Socket::new(host, Family::Unix, Kind::Stream, What::Reader(tube)))?;
        let (into, writer) = self.open(Socket::new(host, Family::Unix, Kind::Stream, What::Writer(tube)))?;
        let tube = self.tubes.get_mut(tube).expect("it was made just now");
        (tube.reader, tube.writer) = (Some(reader), Some(writer));
        Ok((out, into))
    }

    /// Ready to be carried: what is sent stays open until it is received, or lost.
    pub(super) fn carry_descriptors(&mut self, descriptors: &[BorrowedFd<'_>]) -> io::Result<Vec<Carried>> {
        if descriptors.len() > MOST_DESCRIPTORS {
            return Err(errno(libc::EINVAL));
        }
        let carry = |fd: &BorrowedFd<'_>| match self.descriptors.get(&fd.as_raw_fd()) {
            Some(descriptor) => Ok(Carried::Socket(descriptor.socket)),
            None => Ok(Carried::Other(fd.as_fd().try_clone_to_owned()?)),
        };
        let carried = descriptors.iter().map(carry).collect::<io::Result<Vec<Carried>>>()?;
        self.refer_to(&carried);
        Ok(carried)
    }

    fn refer_to(&mut self, carried: &[Carried]) {
        for carried in carried {
            if let Carried::Socket(key) = carried {
                self.sockets.get_mut(*key).into_iter().for_each(|socket| socket.references += 1);
            }
        }
    }

    pub(super) fn drop_carried(&mut self, carried: Vec<Carried>) {
        for carried in carried {
            if let Carried::Socket(key) = carried {
                self.release(key);
            }
        }
    }

    /// Descriptors for those that came, if they are as many as are wanted at most and there is room; or none.
    pub(super) fn land(&mut self, host: HostId, carried: Vec<Carried>, most: usize) -> Option<Vec<OwnedFd>> {
        if carried.len() > most || self.may_open(host, carried.len()).is_err() {
            self.drop_carried(carried);
            return None;
        }
        let mut landed = Vec::new();
        for carried in carried {
            match carried {
                Carried::Other(fd) => landed.push(fd),
                Carried::Socket(key) => {
                    landed.extend(self.open_another(host, key));
                    self.release(key);
                }
            }
        }
        Some(landed)
    }

    pub(super) fn write_tube(
        &mut self,
        own: Key,
        tube: Key,
        pieces: &[&[u8]],
        carried: Vec<Carried>,
    ) -> io::Result<usize> {
        let asked: usize = pieces.iter().map(|piece| piece.len()).sum();
        let Some(to) = self.tubes.get_mut(tube).filter(|tube| !tube.is_ended) else {
            self.drop_carried(carried);
            return Err(errno(libc::EPIPE));
        };
        let mut free = to.free();
        if to.is_pipe && asked <= ATOMIC_WRITE && free < asked {
            free = 0;
        }
        let begin = to.taken + to.bytes.len() as u64;
        for piece in pieces {
            let taken = &piece[..piece.len().min(free)];
            to.bytes.extend(taken);
            free -= taken.len();
        }
        let end = to.taken + to.bytes.len() as u64;
        let count = (end - begin) as usize;
        let unsent = if count > 0 && !carried.is_empty() {
            to.marks.push_back(Mark { begin, end, carried });
            Vec::new()
        } else {
            carried
        };
        let reader = to.reader.filter(|_| count > 0);
        self.drop_carried(unsent);
        reader.into_iter().for_each(|reader| self.edge(reader));
        if count < asked {
            self.sockets.get_mut(own).into_iter().for_each(|socket| socket.wants_room = true);
        }
        if count == 0 && asked > 0 { Err(would_block()) } else { Ok(count) }
    }

    /// What was read, and the descriptors that came with it: those of a peek are duplicates.
    pub(super) fn read_tube(
        &mut self,
        tube: Key,
        peek: bool,
        take: &mut Take<'_>,
    ) -> io::Result<(usize, Vec<Carried>)> {
        let from = self.tubes.get_mut(tube).ok_or_else(|| errno(libc::EBADF))?;
        if from.bytes.is_empty() {
            return if from.is_ended { Ok((0, Vec::new())) } else { Err(would_block()) };
        }
        let readable = from.readable();
        let (one, other) = from.bytes.as_slices();
        let one = &one[..one.len().min(readable)];
        let mut count = take(one);
        if count == one.len() && count < readable {
            count += take(&other[..readable - count]);
        }
        let reached = from.taken + count as u64;
        let carried = match from.marks.front_mut().filter(|mark| mark.begin < reached) {
            Some(mark) if peek => mark.duplicates()?,
            Some(mark) => std::mem::take(&mut mark.carried),
            None => Vec::new(),
        };
        if peek {
            self.refer_to(&carried);
            return Ok((count, carried));
        }
        from.taken = reached;
        from.bytes.drain(..count);
        if from.marks.front().is_some_and(|mark| mark.end <= reached) {
            from.marks.pop_front();
        }
        let writer = from.writer.filter(|_| from.is_writable());
        writer.into_iter().for_each(|writer| self.room_edge(writer));
        Ok((count, carried))
    }

    /// Nothing more goes in: both ends are told.
    pub(super) fn end_tube(&mut self, tube: Key) {
        let Some(tube) = self.tubes.get_mut(tube) else { return };
        tube.is_ended = true;
        let ends = [tube.reader, tube.writer];
        ends.into_iter().flatten().for_each(|end| self.edge(end));
    }

    pub(super) fn close_reader(&mut self, key: Key) {
        let Some(tube) = self.tubes.get_mut(key) else { return };
        tube.reader = None;
        let marks = std::mem::take(&mut tube.marks);
        tube.bytes.clear();
        self.end_tube(key);
        self.forget_tube(key);
        marks.into_iter().for_each(|mark| self.drop_carried(mark.carried));
    }

    pub(super) fn close_writer(&mut self, key: Key) {
        let Some(tube) = self.tubes.get_mut(key) else { return };
        tube.writer = None;
        self.end_tube(key);
        self.forget_tube(key);
    }

    fn forget_tube(&mut self, key: Key) {
        if self.tubes.get(key).is_some_and(|tube| tube.reader.is_none() && tube.writer.is_none()) {
            self.tubes.remove(key);
        }
    }

    pub(super) fn reader_readiness(&self, tube: Key) -> Readiness {
        let Some(tube) = self.tubes.get(tube) else { return Readiness::NONE };
        let both = Readiness::READ.with(Readiness::WRITE).with(Readiness::FAILED);
        when(!tube.is_empty(), Readiness::READ).with(when(tube.writer.is_none(), both))
    }

    pub(super) fn writer_readiness(&self, tube: Key) -> Readiness {
        let Some(tube) = self.tubes.get(tube) else { return Readiness::NONE };
        let both = Readiness::READ.with(Readiness::WRITE).with(Readiness::FAILED);
        when(tube.is_writable(), Readiness::WRITE).with(when(tube.reader.is_none(), both))
    }
}

impl Mark {
    fn duplicates(&self) -> io::Result<Vec<Carried>> {
        let duplicate = |carried: &Carried| match carried {
            Carried::Socket(key) => Ok(Carried::Socket(*key)),
            Carried::Other(fd) => Ok(Carried::Other(fd.try_clone()?)),
        };
        self.carried.iter().map(duplicate).collect()
    }
}
