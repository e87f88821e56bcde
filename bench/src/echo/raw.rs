//! The limit: a plain level-triggered epoll loop, one `recv` and one `send` a request, and no runtime at all.
//!
//! Level-triggered, since then a read that filled its buffer needs no second one to learn that nothing is left.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd;

use super::BUFFER;
use crate::sys::epoll::{self, Epoll, Events};
use crate::sys::socket;

struct Connection {
    stream: TcpStream,
    buffer: [u8; BUFFER],
    /// The part of the buffer that was received and not sent back yet. While there is any, nothing is read.
    unsent: Range<usize>,
}

pub fn serve(listener: TcpListener) -> io::Result<()> {
    let epoll = Epoll::new()?;
    let mut events = Events::new();
    // Descriptors are small and dense: the table is indexed by them, and they are the tokens.
    let mut connections: Vec<Option<Box<Connection>>> = Vec::new();
    let listener_token = listener.as_raw_fd() as usize;
    epoll.add(&listener, epoll::IN, listener_token)?;
    loop {
        let count = epoll.wait(&mut events)?;
        for index in 0..count {
            let token = events.token(index);
            if token == listener_token {
                accept(&listener, &epoll, &mut connections)?;
            } else if let Some(connection) = &mut connections[token]
                && connection.advance(&epoll, token).is_err()
            {
                connections[token] = None;
            }
        }
    }
}

/// Takes in all connections that wait.
fn accept(listener: &TcpListener, epoll: &Epoll, connections: &mut Vec<Option<Box<Connection>>>) -> io::Result<()> {
    loop {
        let stream = match socket::accept(listener) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let token = stream.as_raw_fd() as usize;
        let mut connection = Box::new(Connection { stream, buffer: [0; BUFFER], unsent: 0..0 });
        // The first request often is there already: one event less to wait for.
        if connection.echo().is_err() {
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
    fn advance(&mut self, epoll: &Epoll, token: usize) -> io::Result<()> {
        let before = self.interest();
        self.echo()?;
        if self.interest() != before {
            epoll.modify(&self.stream, self.interest(), token)?;
        }
        Ok(())
    }

    /// Reads once, unless something is unsent still, and sends as much as the socket takes.
    fn echo(&mut self) -> io::Result<()> {
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
