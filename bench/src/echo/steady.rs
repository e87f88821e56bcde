//! The load of connections that stay: sends messages, receives them back, and verifies every byte.
//!
//! One epoll loop without a runtime, so that the client is as quick as it can be. What a connection sends is a stream
//! cut from one table of random bytes, different for each connection; a byte lost, doubled, changed or crossed over to
//! another connection shows. The stream is never copied: it is sent from the table, and compared with it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::STALLED_AFTER;
use crate::sys::epoll::{self, Epoll, Events};

/// The stream repeats after so many bytes: a prime, so that it does not beat with message sizes.
const PERIOD: usize = 65_521;

/// What one read takes at most.
const READ_SIZE: usize = 256 * 1024;

pub struct SteadyLoad {
    epoll: Epoll,
    events: Events,
    connections: Vec<Connection>,
    messages: Messages,
    scratch: Vec<u8>,
}

/// What is sent: the messages' size and number in flight, and the table that their bytes are cut from.
struct Messages {
    size: u64,
    depth: u64,
    /// `PERIOD` random bytes, and then again their beginning: any window of `size * depth` bytes is one slice.
    table: Vec<u8>,
}

/// Positions in the stream: `received <= sent <= allowed`.
struct Connection {
    stream: TcpStream,
    start: u64,
    received: u64,
    sent: u64,
    allowed: u64,
}

impl SteadyLoad {
    pub fn connect(server: SocketAddr, connections: usize, size: usize, depth: usize) -> io::Result<SteadyLoad> {
        let epoll = Epoll::new()?;
        let mut connected = Vec::with_capacity(connections);
        for token in 0..connections {
            let stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll.add(&stream, epoll::IN | epoll::OUT | epoll::EDGE, token)?;
            let start = (token * 7919) as u64;
            connected.push(Connection { stream, start, received: 0, sent: 0, allowed: 0 });
        }
        let messages = Messages::new(size, depth);
        Ok(SteadyLoad { epoll, events: Events::new(), connections: connected, messages, scratch: vec![0; READ_SIZE] })
    }

    /// Loads the server for `length`, then takes in what is still in flight. Returns the number of requests answered.
    pub fn run(&mut self, length: Duration) -> io::Result<u64> {
        let end = Instant::now() + length;
        let mut running = true;
        let mut answered = 0;
        let in_flight = self.messages.size * self.messages.depth;
        for connection in &mut self.connections {
            connection.allowed += in_flight;
            connection.send(&self.messages)?;
        }
        let mut outstanding = self.messages.depth * self.connections.len() as u64;
        while outstanding > 0 {
            let count = self.epoll.spin(&mut self.events, STALLED_AFTER)?;
            running = running && Instant::now() < end;
            for index in 0..count {
                let connection = &mut self.connections[self.events.token(index)];
                let done = connection.receive(&self.messages, &mut self.scratch)?;
                answered += done;
                if running {
                    connection.allowed += done * self.messages.size;
                } else {
                    outstanding -= done;
                }
                connection.send(&self.messages)?;
            }
        }
        Ok(answered)
    }
}

impl Connection {
    /// Receives all there is, verifies it, and returns how many messages it completed.
    fn receive(&mut self, messages: &Messages, scratch: &mut [u8]) -> io::Result<u64> {
        let before = self.received / messages.size;
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed a connection")),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            if self.sent - self.received < count as u64 {
                return Err(io::Error::new(ErrorKind::InvalidData, "the server sent more than it received"));
            }
            messages.verify(self.start + self.received, &scratch[..count])?;
            self.received += count as u64;
            // All that was sent is back, or less came than there was room for: nothing more is there.
            if self.received == self.sent || count < scratch.len() {
                break;
            }
        }
        Ok(self.received / messages.size - before)
    }

    /// Sends what is allowed and not sent yet, as far as the socket takes it; an edge says when it takes more.
    fn send(&mut self, messages: &Messages) -> io::Result<()> {
        while self.sent < self.allowed {
            let bytes = messages.window(self.start + self.sent, self.allowed - self.sent);
            match self.stream.write(bytes) {
                Ok(count) => self.sent += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Messages {
    fn new(size: usize, depth: usize) -> Messages {
        let window = (size * depth).max(READ_SIZE);
        let table = random_bytes(PERIOD).into_iter().cycle().take(PERIOD + window).collect();
        Messages { size: size as u64, depth: depth as u64, table }
    }

    /// `length` bytes of the stream from `position` on.
    fn window(&self, position: u64, length: u64) -> &[u8] {
        let from = (position % PERIOD as u64) as usize;
        &self.table[from..from + length as usize]
    }

    fn verify(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes == self.window(position, bytes.len() as u64) {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::InvalidData, "the server sent back other bytes than it received"))
    }
}

/// Bytes without a pattern, the same in each run (xorshift64, a known generator; nothing depends on its quality).
fn random_bytes(count: usize) -> Vec<u8> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}
