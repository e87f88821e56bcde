//! The limit: a plain level-triggered epoll loop, one `recv` and one `send` a request, and no runtime at all.
//!
//! Level-triggered, since then a read that filled its buffer needs no second one to learn that nothing is left.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd;

use super::shape::Mode;
use super::{BUFFER, BULK_BUFFER, SPIN};
use crate::sys::epoll::{self, Epoll, Events};
use crate::sys::socket;

struct Connection {
    stream: TcpStream,
    /// Empty while it is with the `Buffers`.
    buffer: Vec<u8>,
    /// The part of the buffer that was received and not sent back yet. While there is any, nothing is read.
    unsent: Range<usize>,
}

/// What connections read into: each has its own for good, or is lent one while there is something to read.
struct Buffers {
    size: usize,
    lent: bool,
    spare: Vec<Vec<u8>>,
}

pub fn serve(listener: TcpListener, mode: Mode) -> io::Result<()> {
    let epoll = Epoll::new()?;
    let mut events = Events::new();
    let lent = mode == Mode::Bulk;
    let mut buffers = Buffers { size: if lent { BULK_BUFFER } else { BUFFER }, lent, spare: Vec::new() };
    // Descriptors are small and dense: the table is indexed by them, and they are the tokens.
    let mut connections: Vec<Option<Box<Connection>>> = Vec::new();
    let listener_token = listener.as_raw_fd() as usize;
    epoll.add(&listener, epoll::IN, listener_token)?;
    loop {
        let count =
            if mode == Mode::Spin { epoll.spin_then_wait(&mut events, SPIN)? } else { epoll.wait(&mut events)? };
        for index in 0..count {
            let token = events.token(index);
            if token == listener_token {
                accept(&listener, &epoll, &mut connections, &mut buffers)?;
            } else if let Some(connection) = &mut connections[token]
                && connection.advance(&epoll, token, &mut buffers).is_err()
            {
                connections[token] = None;
            }
        }
    }
}

/// Takes in all connections that wait.
fn accept(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut Vec<Option<Box<Connection>>>,
    buffers: &mut Buffers,
) -> io::Result<()> {
    loop {
        let stream = match socket::accept(listener) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let token = stream.as_raw_fd() as usize;
        let mut connection = Box::new(Connection { stream, buffer: Vec::new(), unsent: 0..0 });
        // The first request often is there already: one event less to wait for.
        if connection.echo(buffers).is_err() {
            continue;
        }
        epoll.add(&connection.stream, connection.interest(), token)?;
        if connections.len() <= token {
            connections.resize_with(token + 1, || None);
        }
        connections[token] = Some(connection);
    }
}

impl Connection {
    /// What it waits for: room to send while anything is unsent, else something to read.
    fn interest(&self) -> u32 {
        if self.unsent.is_empty() { epoll::IN } else { epoll::OUT }
    }

    /// Its event has come. An error says that the connection is over.
    fn advance(&mut self, epoll: &Epoll, token: usize, buffers: &mut Buffers) -> io::Result<()> {
        let before = self.interest();
        self.echo(buffers)?;
        if self.interest() != before {
            epoll.modify(&self.stream, self.interest(), token)?;
        }
        Ok(())
    }

    /// Reads once, unless something is unsent still, and sends as much as the socket takes.
    fn echo(&mut self, buffers: &mut Buffers) -> io::Result<()> {
        buffers.lend(&mut self.buffer);
        let outcome = self.read_and_write();
        if self.unsent.is_empty() || outcome.is_err() {
            buffers.take_back(&mut self.buffer);
        }
        outcome
    }

    fn read_and_write(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(received) => self.unsent = 0..received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        while !self.unsent.is_empty() {
            match self.stream.write(&self.buffer[self.unsent.clone()]) {
                Ok(sent) => self.unsent.start += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Buffers {
    fn lend(&mut self, buffer: &mut Vec<u8>) {
        if buffer.is_empty() {
            *buffer = self.spare.pop().unwrap_or_else(|| vec![0; self.size]);
        }
    }

    fn take_back(&mut self, buffer: &mut Vec<u8>) {
        if self.lent {
            self.spare.push(mem::take(buffer));
        }
    }
}
