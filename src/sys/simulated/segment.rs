//! What travels between the ends of a TCP connection, and what becomes of it at the other one.
//!
//! Bytes go out as far as the receiver's window allows, in pieces that arrive in order. A piece that is lost holds up
//! what comes after it; it is tried again after 200 ms, 400 ms and so on up to two minutes, and after a quarter of an
//! hour that is the end (Linux: `tcp_retries2`). So it is if the answer is lost. Room travels back when half of a buffer
//! was read, or has arrived.

use std::time::Duration;

use super::half::{End, Next, Phase, Segment};
use super::net::{Happening, State};
use super::socket::errno;
use super::way::{Load, Packet, Route};
use super::{Fault, Link};

/// What each piece carries beside its bytes: the headers of IPv4 and TCP.
const HEADER: usize = 40;
/// After so many lost tries a connection is given up, and after so many the attempt to make one.
const MOST_TRIES: u32 = 15;
const MOST_SYNS: u32 = 6;
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(120);

impl State {
    // ---- on the way ----------------------------------------------------------------------------------------------

    /// Sends what may be sent.
    pub(super) fn pump(&mut self, end: End) {
        let (Some(half), Some(other)) = (self.half(end), self.half(end.other())) else { return };
        let (from, to) = (half.host, other.host);
        let most = if from == to { usize::MAX } else { piece(self.link(from, to)) };
        while let Some(next) = self.half(end).and_then(|half| half.next(most)) {
            let not_before = self.half(end).map_or(Duration::ZERO, |half| half.latest);
            let bytes = HEADER + if let Next::Bytes(count) = next { count } else { 0 };
            let route = self.route(from, to, bytes, true, not_before);
            if let Route::Lost = route {
                self.note(|state| format!("{} lost {bytes} bytes", state.between(end)));
                return self.lost(end);
            }
            let half = self.half_mut(end).expect("it was there a moment ago");
            let segment = half.take(next);
            if let Route::At(time) = route {
                half.latest = time;
            }
            self.put(route, Packet { from, to, load: Load::Segment(end.other(), segment) });
        }
        if let Some(half) = self.half_mut(end).filter(|half| half.broken.is_some()) {
            half.swallow();
        }
    }

    /// Sends word that is not repeated by itself. Says whether it is lost.
    pub(super) fn answer(&mut self, from: End, segment: Segment) -> bool {
        let (Some(half), Some(other)) = (self.half(from), self.half(from.other())) else { return false };
        let (here, there) = (half.host, other.host);
        let by_chance = matches!(segment, Segment::Syn | Segment::SynAck);
        let route = self.route(here, there, HEADER, by_chance, Duration::ZERO);
        self.put(route, Packet { from: here, to: there, load: Load::Segment(from.other(), segment) });
        matches!(route, Route::Lost)
    }

    /// What this end has sent did not arrive, or the answer did not: it will try again.
    pub(super) fn lost(&mut self, end: End) {
        let now = self.now;
        let Some(half) = self.half_mut(end) else { return };
        if half.is_retrying || half.phase == Phase::Gone {
            return;
        }
        half.is_retrying = true;
        let time = match half.phase {
            Phase::Asking => half.tried.saturating_add(Duration::from_secs(1 << half.tries)),
            _ => now.saturating_add((FIRST_RETRY * (1 << half.tries.min(10))).min(LAST_RETRY)),
        };
        half.tries += 1;
        self.schedule(time, Happening::Retries(end));
    }

    pub(super) fn retry(&mut self, end: End) {
        let Some(half) = self.half_mut(end) else { return };
        half.is_retrying = false;
        match half.phase {
            Phase::Asking if half.tries <= MOST_SYNS => self.ask(end),
            Phase::Open if half.tries <= MOST_TRIES => {
                if half.next(usize::MAX).is_none() {
                    half.outgoing.shrink_to_fit();
                    self.probe(end);
                }
                self.pump(end);
            }
            Phase::Asking | Phase::Open => self.fail(end, libc::ETIMEDOUT),
            _ => {}
        }
    }

    /// All was sent, and nothing was heard: a piece without bytes asks for an answer.
    fn probe(&mut self, end: End) {
        if self.answer(end, Segment::Data(Vec::new())) {
            self.lost(end);
        }
    }

    pub(super) fn fail(&mut self, end: End, error: i32) {
        let Some(half) = self.half_mut(end).filter(|half| half.phase != Phase::Gone) else { return };
        half.end(Some(error));
        let socket = half.socket;
        self.note(|state| format!("{} fails: {}", state.between(end), errno(error)));
        socket.into_iter().for_each(|socket| self.edge(socket));
        self.tidy(end.connection);
    }

    // ---- at its destination --------------------------------------------------------------------------------------

    pub(super) fn arrive(&mut self, packet: Packet) {
        let is_up = self.hosts[packet.to.0].up;
        match packet.load {
            Load::Segment(end, segment) if is_up => self.take_in(end, segment),
            Load::Segment(_, Segment::Ack(..) | Segment::Reset | Segment::SynAck) => {}
            Load::Segment(end, _) => self.lost(end.other()),
            Load::Datagram(message) if is_up => self.take_in_datagram(packet.from, packet.to, message),
            Load::Unreachable(refused) if is_up => self.refuse_datagram(packet.to, refused),
            Load::Datagram(_) | Load::Unreachable(_) => {}
        }
    }

    fn take_in(&mut self, end: End, segment: Segment) {
        self.note(|state| format!("{} {}", state.between(end.other()), described(&segment)));
        let Some(half) = self.half_mut(end) else { return };
        match (half.phase, segment) {
            (_, Segment::Reset) => return self.take_in_reset(end),
            (_, Segment::Syn) => return self.take_in_syn(end),
            (Phase::Gone | Phase::Absent, Segment::Ack(..)) => {}
            (Phase::Gone | Phase::Absent, _) => drop(self.answer(end, Segment::Reset)),
            (_, Segment::SynAck) => self.take_in_answer(end),
            (_, Segment::Open) => self.take_in_open(end),
            (_, Segment::Ack(received, edge)) => {
                half.acknowledged = half.acknowledged.max(received);
                half.edge = half.edge.max(edge);
                half.tries = 0;
                self.has_room(end);
            }
            (_, Segment::Data(bytes)) => self.take_in_bytes(end, &bytes),
            (_, Segment::Faulty(Fault::Stall)) => {}
            (_, Segment::Faulty(Fault::Reset)) => {
                self.break_off_with(end, libc::ECONNRESET);
            }
            (_, Segment::Fin | Segment::Faulty(Fault::HalfClose)) => {
                half.has_ended = true;
                let socket = half.socket;
                socket.into_iter().for_each(|socket| self.edge(socket));
                self.acknowledge(end);
            }
        }
        self.tidy(end.connection);
    }

    fn take_in_bytes(&mut self, end: End, bytes: &[u8]) {
        let Some(half) = self.half_mut(end) else { return };
        // Nobody will read it. Linux resets the connection too, rather than let the sender believe it.
        if !bytes.is_empty() && (half.is_orphan || half.is_deaf && half.is_shut) {
            return self.break_off_with(end, libc::ECONNRESET);
        }
        half.incoming.extend(bytes);
        half.received += bytes.len() as u64;
        let socket = half.socket.filter(|_| !bytes.is_empty());
        socket.into_iter().for_each(|socket| self.edge(socket));
        self.acknowledge(end);
    }

    /// First operation: the error; then reads find the end, and writes a broken pipe.
    fn take_in_reset(&mut self, end: End) {
        let Some(half) = self.half(end) else { return };
        let error = match half.phase {
            Phase::Asking => libc::ECONNREFUSED,
            _ if half.has_ended => libc::EPIPE,
            _ => libc::ECONNRESET,
        };
        if half.phase == Phase::Answering {
            self.leave_backlog(end);
        }
        self.fail(end, error);
    }

    /// Tells the other end what has arrived and how much may come, if that is news enough.
    pub(super) fn acknowledge(&mut self, end: End) {
        let Some(half) = self.half(end) else { return };
        let Some(other) = self.half(end.other()) else { return };
        let (told, news) = (half.told, (half.received, half.reaches()));
        let (here, there) = (half.host, other.host);
        if here != there && self.is_parted(here, there) {
            return self.lost(end.other());
        }
        // Half of what may be written, or of what may be sent: less would keep nobody waiting, but at the very end.
        let is_news = |before: u64, now: u64, of: usize| now - before >= (of as u64 / 2).max(1);
        let is_full = news.0 == news.1 && told.0 < news.0;
        let is_worth_it = is_news(told.0, news.0, other.room.min(half.window)) || is_news(told.1, news.1, half.window);
        if here == there || is_full || is_worth_it {
            self.half_mut(end).expect("it was there a moment ago").told = news;
            self.answer(end, Segment::Ack(news.0, news.1));
        } else if let Some(other) = self.half_mut(end.other()) {
            other.tries = 0;
        }
    }

    /// More may be written, or sent.
    pub(super) fn has_room(&mut self, end: End) {
        self.pump(end);
        let Some(half) = self.half(end) else { return };
        if let Some(socket) = half.socket.filter(|_| half.is_writable()) {
            self.room_edge(socket);
        }
    }
}

/// How much goes in one piece: as much as there is, unless the link makes a difference.
fn piece(link: &Link) -> usize {
    if link.bandwidth.is_some() || link.loss > 0.0 { link.mtu.saturating_sub(HEADER).max(1) } else { usize::MAX }
}

fn described(segment: &Segment) -> String {
    match segment {
        Segment::Data(bytes) => format!("{} bytes", bytes.len()),
        other => format!("{other:?}"),
    }
}
