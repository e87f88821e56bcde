//! [`Half`]: what one host has of a TCP connection: the bytes that go out, and those that came in.
//!
//! ```text
//!   written ──> outgoing ──> on its way ──> acknowledged         (of the other half:  incoming ──> read)
//!               0 ≤ acknowledged ≤ sent ≤ edge          edge: how far the receiver's window reaches
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::Fault;
use super::net::HostId;
use super::table::Key;

/// One end of a connection. Side 0 is the one that connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) connection: Key,
    pub(super) side: usize,
}

impl End {
    pub(super) fn other(self) -> End {
        End { side: 1 - self.side, ..self }
    }
}

/// What travels from one end to the other. Those from `Open` to `Faulty` come in order, each once.
#[derive(Debug)]
pub(super) enum Segment {
    Syn,
    SynAck,
    /// The last step of the handshake.
    Open,
    Data(Vec<u8>),
    Fin,
    /// The link breaks the connection here.
    Faulty(Fault),
    /// So many bytes have arrived, and so many may be sent.
    Ack(u64, u64),
    Reset,
}

pub(super) struct Connection {
    pub(super) halves: [Half; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The other host has not heard of it.
    Absent,
    /// A SYN was sent.
    Asking,
    /// A SYN was answered.
    Answering,
    Open,
    /// Reset, given up, or vanished.
    Gone,
}

/// What one host has of a connection.
pub(super) struct Half {
    pub(super) host: HostId,
    pub(super) address: SocketAddr,
    /// `None`: it was not accepted yet, or it was closed.
    pub(super) socket: Option<Key>,
    /// In whose backlog it is.
    pub(super) listener: Option<Key>,
    pub(super) phase: Phase,
    /// To be told once.
    pub(super) error: Option<i32>,
    /// Closed by its program: it sends what is left, and hears of nothing.
    pub(super) is_orphan: bool,

    pub(super) outgoing: VecDeque<u8>,
    /// Counted from the beginning: what was sent, what is known to have arrived, and how far the window reaches.
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) edge: u64,
    /// How much may be written before it has arrived.
    pub(super) room: usize,
    pub(super) has_opened: bool,
    pub(super) is_shut: bool,
    pub(super) has_sent_end: bool,
    pub(super) latest: Duration,
    pub(super) is_retrying: bool,
    pub(super) tries: u32,
    pub(super) tried: Duration,
    pub(super) faults: VecDeque<(u64, Fault)>,
    pub(super) broken: Option<Fault>,

    pub(super) incoming: VecDeque<u8>,
    pub(super) received: u64,
    /// What the other end was told last: how much has arrived, and how far the window reaches.
    pub(super) told: (u64, u64),
    pub(super) window: usize,
    /// The end of the stream has arrived.
    pub(super) has_ended: bool,
    pub(super) is_deaf: bool,
}

/// What is to be sent next.
pub(super) enum Next {
    Open,
    Bytes(usize),
    Fin,
    Fault(Fault),
}

impl Half {
    pub(super) fn new(host: HostId, address: SocketAddr, phase: Phase) -> Half {
        Half {
            host,
            address,
            socket: None,
            listener: None,
            phase,
            error: None,
            is_orphan: false,
            outgoing: VecDeque::new(),
            sent: 0,
            acknowledged: 0,
            edge: 0,
            room: 0,
            has_opened: phase != Phase::Asking,
            is_shut: false,
            has_sent_end: false,
            latest: Duration::ZERO,
            is_retrying: false,
            tries: 0,
            tried: Duration::ZERO,
            faults: VecDeque::new(),
            broken: None,
            incoming: VecDeque::new(),
            received: 0,
            told: (0, 0),
            window: 0,
            has_ended: false,
            is_deaf: false,
        }
    }

    /// What was written and is not known to have arrived.
    pub(super) fn queued(&self) -> usize {
        self.outgoing.len() + (self.sent - self.acknowledged) as usize
    }

    pub(super) fn free(&self) -> usize {
        self.room.saturating_sub(self.queued())
    }

    /// As Linux has it, a third has to be free.
    pub(super) fn is_writable(&self) -> bool {
        2 * self.free() >= self.queued().max(1)
    }

    /// Takes as much as there is room for of what comes after so many bytes.
    pub(super) fn write(&mut self, pieces: &[&[u8]], mut after: usize) -> usize {
        let all = if self.phase == Phase::Gone { 0 } else { self.free() };
        let mut free = all;
        for piece in pieces {
            let rest = &piece[after.min(piece.len())..];
            after -= piece.len() - rest.len();
            let taken = &rest[..rest.len().min(free)];
            self.outgoing.extend(taken);
            free -= taken.len();
        }
        all - free
    }

    pub(super) fn reaches(&self) -> u64 {
        self.received - self.incoming.len() as u64 + self.window as u64
    }

    pub(super) fn next(&self, most: usize) -> Option<Next> {
        if self.phase != Phase::Open || self.is_retrying || self.broken.is_some() {
            return None;
        }
        if !self.has_opened {
            return Some(Next::Open);
        }
        let fault = self.faults.front();
        if let Some((_, fault)) = fault.filter(|(after, _)| *after <= self.sent) {
            return Some(Next::Fault(*fault));
        }
        let until = self.edge.min(fault.map_or(u64::MAX, |(after, _)| *after));
        let count = (until.saturating_sub(self.sent)).min(self.outgoing.len().min(most) as u64);
        if count > 0 {
            return Some(Next::Bytes(count as usize));
        }
        (self.is_shut && self.outgoing.is_empty() && !self.has_sent_end).then_some(Next::Fin)
    }

    pub(super) fn take(&mut self, next: Next) -> Segment {
        match next {
            Next::Open => {
                self.has_opened = true;
                Segment::Open
            }
            Next::Bytes(count) => {
                self.sent += count as u64;
                let left = self.outgoing.split_off(count);
                Segment::Data(std::mem::replace(&mut self.outgoing, left).into())
            }
            Next::Fin => {
                self.has_sent_end = true;
                Segment::Fin
            }
            Next::Fault(fault) => {
                self.broken = Some(fault);
                Segment::Faulty(fault)
            }
        }
    }

    /// What goes into a broken line is written and never arrives, if nobody shall notice.
    pub(super) fn swallow(&mut self) {
        if self.broken == Some(Fault::HalfClose) {
            self.sent += self.outgoing.len() as u64;
            self.acknowledged = self.sent;
            self.outgoing.clear();
        }
    }

    /// The handshake is over, and the other end takes so many bytes.
    pub(super) fn open(&mut self, window: u64) {
        self.phase = Phase::Open;
        self.edge = window;
        self.tries = 0;
        self.told = (0, self.window as u64);
    }

    pub(super) fn end(&mut self, error: Option<i32>) {
        self.phase = Phase::Gone;
        self.error = error;
        self.outgoing.clear();
        self.acknowledged = self.sent;
    }
}
