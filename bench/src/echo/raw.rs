//! The limit: a plain level-triggered epoll loop, one `recv` and one `send` a request, and no runtime at all.
//!
//! Level-triggered, since then a read that filled its buffer needs no second one to learn that nothing is left.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::BUFFER;
use crate::sys::epoll::{self, Epoll, Events};
use crate::sys::socket;

struct Connection {
    stream: TcpStream,
    /// `buffer[unsent_from..unsent_to]` was received and not yet sent back. While there is any, nothing is read.
    buffer: [u8; BUFFER],
    unsent_from: usize,
    unsent_to: usize,
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
                && connection.echo(&epoll, token).is_err()
            {
                connections[token] = None;
            }
        }
    }
}

/// Takes in one connection. If there are more, the level-triggered listener says so in the next wait.
fn accept(listener: &TcpListener, epoll: &Epoll, connections: &mut Vec<Option<Box<Connection>>>) -> io::Result<()> {
    let stream = match socket::accept(listener) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(error),
    };
    stream.set_nodelay(true)?;
    let token = stream.as_raw_fd() as usize;
    epoll.add(&stream, epoll::IN, token)?;
    if connections.len() <= token {
        connections.resize_with(token + 1, || None);
    }
    connections[token] = Some(Box::new(Connection { stream, buffer: [0; BUFFER], unsent_from: 0, unsent_to: 0 }));
    Ok(())
}

impl Connection {
    /// One event's worth: what waits is sent; otherwise one read, sent back. An error says that the connection is over.
    fn echo(&mut self, epoll: &Epoll, token: usize) -> io::Result<()> {
        if self.unsent_from < self.unsent_to {
            if self.send()? {
                epoll.modify(&self.stream, epoll::IN, token)?;
            }
            return Ok(());
        }
        match self.stream.read(&mut self.buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(received) => (self.unsent_from, self.unsent_to) = (0, received),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        if !self.send()? {
            epoll.modify(&self.stream, epoll::OUT, token)?;
        }
        Ok(())
    }

    /// Sends what is unsent. False: the socket is full, some of it waits.
    fn send(&mut self) -> io::Result<bool> {
        while self.unsent_from < self.unsent_to {
            match self.stream.write(&self.buffer[self.unsent_from..self.unsent_to]) {
                Ok(sent) => self.unsent_from += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
