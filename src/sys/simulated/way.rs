//! The way of a packet from one host to another: what becomes of it, and when it arrives.
//!
//! A choice is made only where the [`Link`] leaves one: a perfect link uses none up.

use std::time::Duration;

use super::half::{End, Segment};
use super::net::{Happening, HostId, State};
use super::{Link, datagram};
use crate::choices::Kinds;

/// Into how many parts the jitter of a link is divided.
const STEPS_OF_JITTER: usize = 1024;

/// What travels.
pub(super) struct Packet {
    pub(super) from: HostId,
    pub(super) to: HostId,
    pub(super) load: Load,
}

pub(super) enum Load {
    /// For one end of a connection.
    Segment(End, Segment),
    Datagram(datagram::Message),
    /// A datagram found nobody: word for its sender.
    Unreachable(datagram::Refused),
}

/// One direction between two hosts.
#[derive(Default)]
pub(super) struct Way {
    /// `None`: the network's default.
    pub(super) link: Option<Link>,
    pub(super) parted: bool,
    pub(super) holding: bool,
    held: Vec<Packet>,
    /// Until then other packets are being put on the line.
    busy_until: Duration,
}

/// What becomes of a packet.
#[derive(Clone, Copy)]
pub(super) enum Route {
    Lost,
    Held,
    /// Within a host, before the call returns.
    AtOnce,
    At(Duration),
}

impl State {
    pub(super) fn way(&mut self, from: HostId, to: HostId) -> &mut Way {
        self.ways.entry((from, to)).or_default()
    }

    pub(super) fn link(&self, from: HostId, to: HostId) -> &Link {
        self.ways.get(&(from, to)).and_then(|way| way.link.as_ref()).unwrap_or(&self.default_link)
    }

    /// Whether nothing passes at all.
    pub(super) fn is_parted(&self, from: HostId, to: HostId) -> bool {
        self.ways.get(&(from, to)).is_some_and(|way| way.parted)
    }

    /// What becomes of a packet of so many bytes. `in_order`: it comes not before this time, nor is it lost by chance.
    pub(super) fn route(&mut self, from: HostId, to: HostId, bytes: usize, lossy: bool, not_before: Duration) -> Route {
        if from == to {
            return Route::AtOnce;
        }
        let now = self.now;
        let way = self.ways.entry((from, to)).or_default();
        if way.holding {
            return Route::Held;
        }
        if way.parted {
            return Route::Lost;
        }
        let link = way.link.as_ref().unwrap_or(&self.default_link);
        if lossy && happens(&self.choices, link.loss) {
            return Route::Lost;
        }
        let mut time = now;
        if let Some(bandwidth) = link.bandwidth {
            let nanoseconds = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(bandwidth.max(1)));
            let lasts = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
            way.busy_until = way.busy_until.max(now).saturating_add(lasts);
            time = way.busy_until;
        }
        time = time.saturating_add(link.latency);
        if !link.jitter.is_zero() {
            let steps = self.choices.of_kind(Kinds::NETWORK, STEPS_OF_JITTER);
            time = time.saturating_add(link.jitter.mul_f64(steps as f64 / (STEPS_OF_JITTER - 1) as f64));
        }
        Route::At(time.max(not_before))
    }

    /// Puts a packet on its way. One that is lost leaves no trace.
    pub(super) fn put(&mut self, route: Route, packet: Packet) {
        match route {
            Route::Lost => {}
            Route::Held => self.way(packet.from, packet.to).held.push(packet),
            Route::AtOnce => self.at_once.push_back(packet),
            Route::At(time) => self.schedule(time, Happening::Arrives(packet)),
        }
    }

    /// Everything that was held goes on its way, in order.
    pub(super) fn let_go(&mut self, from: HostId, to: HostId) {
        let way = self.way(from, to);
        way.holding = false;
        let held = std::mem::take(&mut way.held);
        let time = self.now.saturating_add(self.link(from, to).latency);
        for packet in held {
            let mut time = time;
            // Behind what its sender sent before, and before what it sends next.
            if let Load::Segment(end, _) = &packet.load {
                if let Some(half) = self.half_mut(end.other()) {
                    time = time.max(half.latest);
                    half.latest = time;
                }
            }
            self.schedule(time, Happening::Arrives(packet));
        }
    }
}

/// Whether something happens of which a share is given. What is certain needs no choice.
pub(super) fn happens(choices: &crate::choices::Choices, share: f64) -> bool {
    if share <= 0.0 {
        return false;
    }
    share >= 1.0 || choices.happens_of_million(Kinds::NETWORK, (share * 1e6) as u32)
}
