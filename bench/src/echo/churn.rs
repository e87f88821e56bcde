//! The load of connections that do not stay: connect, send one byte, receive it back, close, again.
//!
//! They are made in batches: all of a batch are begun, then each is finished. To begin one costs this client less than
//! it costs the server to serve it, so the server is busy to the end of the batch; one at a time it would sleep before
//! each, and be billed for that. Still the client bounds the rate: what the row tells is the CPU time per connection.
//!
//! There is no epoll here: for sockets that live so short it is quicker to ask the oldest until its answer is there.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::STALLED_AFTER;
use crate::sys::socket;

/// How many addresses of 127.1.0.0/24 are used in turn as source; each has its own 28,000 ports.
const SOURCES: u64 = 100;

pub struct ChurnLoad {
    server: SocketAddrV4,
    at_once: usize,
    under_way: Vec<Visit>,
    made: u64,
}

/// One connection: made, then (as soon as the socket takes it) `byte` sent, then received back.
struct Visit {
    stream: TcpStream,
    byte: u8,
    sent: bool,
}

impl ChurnLoad {
    pub fn new(server: SocketAddr, at_once: usize) -> io::Result<ChurnLoad> {
        let SocketAddr::V4(server) = server else {
            return Err(io::Error::new(ErrorKind::Unsupported, "the churn load speaks IPv4"));
        };
        Ok(ChurnLoad { server, at_once, under_way: Vec::with_capacity(at_once), made: 0 })
    }

    /// Makes connections for `length`, to the end of a batch. Returns how many were served.
    pub fn run(&mut self, length: Duration) -> io::Result<u64> {
        let end = Instant::now() + length;
        let mut served = 0;
        loop {
            self.begin_batch()?;
            served += self.finish_batch()?;
            if Instant::now() >= end {
                return Ok(served);
            }
        }
    }

    /// Connects and sends, on each of a batch of connections.
    pub fn begin_batch(&mut self) -> io::Result<()> {
        for _ in 0..self.at_once {
            self.begin()?;
        }
        Ok(())
    }

    /// Receives and closes, on each connection of the batch; returns how many there were.
    pub fn finish_batch(&mut self) -> io::Result<u64> {
        let served = self.under_way.len() as u64;
        for mut visit in self.under_way.drain(..) {
            visit.finish()?;
        }
        Ok(served)
    }

    fn begin(&mut self) -> io::Result<()> {
        let source = Ipv4Addr::new(127, 1, 0, 1 + (self.made % SOURCES) as u8);
        let stream = socket::connect_from(source, self.server)?;
        let mut visit = Visit { stream, byte: self.made as u8, sent: false };
        visit.send()?;
        self.under_way.push(visit);
        self.made += 1;
        Ok(())
    }
}

impl Visit {
    /// Waits without sleeping until the byte is back.
    fn finish(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            if (self.sent || self.send()?) && self.receive()? {
                return Ok(());
            }
            if begun.elapsed() > STALLED_AFTER {
                return Err(io::Error::new(ErrorKind::TimedOut, "a connection got no answer"));
            }
            // Of effect only if the server has to share this CPU.
            thread::yield_now();
        }
    }

    /// False: the connection is not established yet.
    fn send(&mut self) -> io::Result<bool> {
        match self.stream.write(&[self.byte]) {
            Ok(_) => self.sent = true,
            Err(error) if is_early(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(self.sent)
    }

    /// False: nothing is there yet.
    fn receive(&mut self) -> io::Result<bool> {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(1) if byte[0] == self.byte => Ok(true),
            Ok(1) => Err(io::Error::new(ErrorKind::InvalidData, "the server sent back another byte than it received")),
            Ok(_) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed a connection")),
            Err(error) if is_early(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
