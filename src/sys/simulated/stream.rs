//! What programs do with a TCP connection: read, write, end a half of it, close it.

use std::io;
use std::net::Shutdown;

use super::super::Readiness;
use super::half::{End, Half, Phase, Segment};
use super::net::{HostId, State};
use super::socket::{errno, when, would_block};
use super::table::Key;
use super::transfer::Take;

impl State {
    pub(super) fn half(&self, end: End) -> Option<&Half> {
        Some(&self.connections.get(end.connection)?.halves[end.side])
    }

    pub(super) fn half_mut(&mut self, end: End) -> Option<&mut Half> {
        Some(&mut self.connections.get_mut(end.connection)?.halves[end.side])
    }

    // ---- for programs --------------------------------------------------------------------------------------------

    pub(super) fn stream_readiness(&self, end: End) -> Readiness {
        let Some(half) = self.half(end) else { return Readiness::NONE };
        let (read, write, failed) = (Readiness::READ, Readiness::WRITE, Readiness::FAILED);
        let hung_up = read.with(write).with(failed);
        let error = when(half.error.is_some(), hung_up);
        match half.phase {
            Phase::Asking => error,
            Phase::Gone => error.with(hung_up).with(Readiness::READ_ENDED),
            _ => {
                let no_more = half.has_ended || half.is_deaf;
                error
                    .with(when(!half.incoming.is_empty(), read))
                    .with(when(half.is_writable() || half.is_shut, write))
                    .with(when(no_more, read.with(Readiness::READ_ENDED)))
                    .with(when(no_more && half.is_shut, hung_up))
            }
        }
    }

    /// Gives bytes to `take` from the front of what has arrived, as two slices; it says how many it took.
    pub(super) fn receive_stream(&mut self, end: End, peek: bool, take: &mut Take<'_>) -> io::Result<usize> {
        let half = self.half_mut(end).ok_or_else(|| errno(libc::ENOTCONN))?;
        if half.incoming.is_empty() {
            // As Linux: who has read the end hears of no error after it.
            if let Some(error) = half.error.take_if(|_| !half.has_ended) {
                return Err(errno(error));
            }
            let no_more = half.has_ended || half.is_deaf || half.phase == Phase::Gone;
            return if no_more { Ok(0) } else { Err(would_block()) };
        }
        let (one, other) = half.incoming.as_slices();
        let mut count = take(one);
        if count == one.len() {
            count += take(other);
        }
        if !peek {
            half.incoming.drain(..count);
            self.acknowledge(end);
        }
        Ok(count)
    }

    pub(super) fn send_stream(&mut self, key: Key, end: End, pieces: &[&[u8]]) -> io::Result<usize> {
        let half = self.half_mut(end).ok_or_else(|| errno(libc::ENOTCONN))?;
        if half.is_shut || half.phase == Phase::Gone || half.error.is_some() {
            return Err(errno(half.error.take().unwrap_or(libc::EPIPE)));
        }
        if half.phase == Phase::Asking {
            return Err(would_block());
        }
        let (asked, mut count) = (pieces.iter().map(|piece| piece.len()).sum(), 0);
        // Within a host there may be room for more at once.
        while let Some(more) = self.half_mut(end).map(|half| half.write(pieces, count)).filter(|more| *more > 0) {
            count += more;
            self.pump(end);
            self.settle();
        }
        if count < asked {
            self.sockets.get_mut(key).into_iter().for_each(|socket| socket.wants_room = true);
        }
        if count == 0 && asked > 0 { Err(would_block()) } else { Ok(count) }
    }

    pub(super) fn shut_stream(&mut self, key: Key, end: End, how: Shutdown) -> io::Result<()> {
        let is_over = self.is_over(end);
        let half = self.half_mut(end).ok_or_else(|| errno(libc::ENOTCONN))?;
        if is_over || half.phase == Phase::Gone || half.phase == Phase::Asking {
            return Err(errno(libc::ENOTCONN));
        }
        half.is_deaf |= how != Shutdown::Write;
        half.is_shut |= how != Shutdown::Read;
        self.pump(end);
        self.edge(key);
        Ok(())
    }

    /// The program has closed its last descriptor. Unread bytes, or bytes that are still to come, are a reset.
    pub(super) fn close_stream(&mut self, end: End, at_once: bool) {
        let is_over = self.is_over(end);
        let Some(half) = self.half_mut(end) else { return };
        half.socket = None;
        half.is_orphan = true;
        match half.phase {
            Phase::Asking => half.end(None),
            Phase::Gone | Phase::Absent => {}
            _ if is_over => {}
            _ if at_once || !half.incoming.is_empty() => self.break_off(end),
            _ => {
                half.is_shut = true;
                self.pump(end);
            }
        }
        self.tidy(end.connection);
    }

    /// Ends it and tells the other end so.
    pub(super) fn break_off(&mut self, end: End) {
        let Some(half) = self.half_mut(end) else { return };
        half.end(None);
        self.answer(end, Segment::Reset);
    }

    /// The same, for a reason that the program is told.
    pub(super) fn break_off_with(&mut self, end: End, error: i32) {
        self.break_off(end);
        let Some(half) = self.half_mut(end) else { return };
        half.error = Some(error);
        let socket = half.socket;
        socket.into_iter().for_each(|socket| self.edge(socket));
    }

    /// Whether both directions have ended, which for Linux is not being connected any more.
    pub(super) fn is_over(&self, end: End) -> bool {
        [end, end.other()].into_iter().all(|end| self.half(end).is_some_and(|half| half.has_ended))
    }

    // ---- the end -------------------------------------------------------------------------------------------------

    /// Forgets a connection of which no program has an end, and on which nothing is to happen any more.
    pub(super) fn tidy(&mut self, connection: Key) {
        let Some(both) = self.connections.get(connection).map(|connection| &connection.halves) else { return };
        let is_over = |side: usize| {
            let (half, other) = (&both[side], &both[1 - side]);
            let is_done = matches!(half.phase, Phase::Gone | Phase::Absent) || half.has_ended && other.has_ended;
            half.socket.is_none() && half.listener.is_none() && is_done && (half.is_orphan || half.phase != Phase::Open)
        };
        if is_over(0) && is_over(1) {
            self.connections.remove(connection);
        }
    }

    /// What a host has of connections is gone without a word.
    pub(super) fn vanish(&mut self, host: HostId) {
        for connection in self.connections.keys(|connection| connection.halves.iter().any(|half| half.host == host)) {
            for side in [0, 1] {
                let half = self.half_mut(End { connection, side }).expect("it was there a moment ago");
                if half.host == host {
                    half.end(None);
                    (half.socket, half.listener, half.is_orphan) = (None, None, true);
                }
            }
            self.tidy(connection);
        }
    }

    pub(super) fn between(&self, end: End) -> String {
        match (self.half(end), self.half(end.other())) {
            (Some(from), Some(to)) => format!("{} > {}", from.address, to.address),
            _ => "a connection that is over".to_owned(),
        }
    }
}
