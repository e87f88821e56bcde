//! The load of one connection, request after request: how long each takes, from the send to the last byte of the
//! answer.
//!
//! It asks for the answer without sleeping, so that only the server's sleep is in the time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::STALLED_AFTER;

pub struct PingLoad {
    stream: TcpStream,
    message: Vec<u8>,
    answer: Vec<u8>,
    /// Nanoseconds of each request of the last run, in no order.
    times: Vec<u64>,
}

impl PingLoad {
    pub fn connect(server: SocketAddr, size: usize) -> io::Result<PingLoad> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let message = (0..size).map(|index| index as u8).collect();
        Ok(PingLoad { stream, message, answer: vec![0; size], times: Vec::new() })
    }

    /// Asks for `length`; returns how many requests were answered.
    pub fn run(&mut self, length: Duration) -> io::Result<u64> {
        self.times.clear();
        let end = Instant::now() + length;
        let mut begun = Instant::now();
        loop {
            // Each message differs from the one before.
            self.message[0] = self.message[0].wrapping_add(1);
            self.ask(begun)?;
            let answered = Instant::now();
            self.times.push((answered - begun).as_nanos() as u64);
            if answered >= end {
                return Ok(self.times.len() as u64);
            }
            begun = answered;
        }
    }

    /// How long a request took in the last run, in microseconds: the middle, and the one that 99 of 100 are below.
    pub fn latency(&mut self) -> Latency {
        self.times.sort_unstable();
        let at = |percent: usize| self.times[(self.times.len() - 1) * percent / 100] as f64 / 1000.0;
        Latency { p50: at(50), p99: at(99) }
    }

    fn ask(&mut self, begun: Instant) -> io::Result<()> {
        // It is smaller than any socket's buffer, which is empty.
        self.stream.write_all(&self.message)?;
        let mut received = 0;
        while received < self.answer.len() {
            match self.stream.read(&mut self.answer[received..]) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed a connection")),
                Ok(count) => received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if begun.elapsed() > STALLED_AFTER {
                        return Err(io::Error::new(ErrorKind::TimedOut, "a request got no answer"));
                    }
                    // Of effect only if the server has to share this CPU.
                    thread::yield_now();
                }
                Err(error) => return Err(error),
            }
        }
        if self.answer != self.message {
            return Err(io::Error::new(ErrorKind::InvalidData, "the server sent back other bytes than it received"));
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
}
