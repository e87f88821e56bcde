//! What the kernel has still to do by itself between two ends of one connection.
//!
//! Mostly nothing: on loopback a byte that was sent is there. But TCP keeps bytes back for reasons of its own, and
//! gives them by its own clock, which is the real one:
//!
//! - a full buffer has room again when the peer has acknowledged what it has, which it delays by up to 40 ms;
//! - a small segment waits for the acknowledgement of the one before (Nagle);
//! - a window that was full opens a little, and the sender waits until it opens more, or probes it after 200 ms;
//! - a segment that found no room is sent again, after 200 ms;
//! - a connection that found the listener's queue full is tried again, after a second.
//!
//! If nothing was asked of the peer (it has something to read and does not), the kernel waits for the program, and so
//! it may for ever. Where the system cannot tell, nothing is ever on its way.

use std::os::fd::{BorrowedFd, RawFd};

use super::sockets::{Partner, Sockets};
use crate::sys::{World, os};

/// The first connection, if any, between sockets of this world on which something is on its way.
pub(super) fn on_its_way(below: &World, sockets: &Sockets) -> Option<RawFd> {
    sockets.connections().find(|(fd, partner)| moves(below, *fd, *partner)).map(|(fd, _)| fd)
}

fn moves(below: &World, fd: RawFd, partner: Partner) -> bool {
    if partner == Partner::Elsewhere {
        return false;
    }
    let Some(progress) = os::tcp_progress(lend(fd)) else { return false };
    let is_unread = |fd: RawFd| below.is_ready(lend(fd), false).unwrap_or(true);
    match partner {
        _ if progress.connecting => true,
        Partner::Open(other) => {
            let is_full = progress.unacknowledged && !below.is_ready(lend(fd), true).unwrap_or(true);
            is_full || progress.sending && !is_unread(other)
        }
        // Its end comes behind whatever it had sent.
        Partner::Closed => progress.may_receive && !is_unread(fd),
        Partner::Queued | Partner::Elsewhere => false,
    }
}

/// For a call about a descriptor that the books know.
fn lend<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the books are locked, and what stands in them is open: see `Known`. If somebody has closed it behind our
    // back, the call says EBADF, or tells of a descriptor that is not asked about: it changes nothing.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
