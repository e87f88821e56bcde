//! The simulated world: hosts, and a network between them, as plain data under one lock. No packet is real.
//!
//! It is a model at the level of streams and datagrams, not of the protocols: what a program can see of TCP through its
//! sockets is there (order, windows, the end of each half, resets, retries, time-outs, the backlog), and no sequence
//! number, congestion window or checksum. All randomness comes from one [`Choices`](crate::testing::Choices), and of its
//! choices zero is always the ordinary one: no jitter, no loss. A run is a function of them and of what the programs do.
//!
//! Built up from `table` (numbers that are never given twice), `net` (the lock, the clock, what will happen) and `way`
//! (what becomes of a packet); then `host`, `socket`, and for each kind of socket its files: `listener` (handshake and
//! backlog), `half`, `stream`, `segment` (TCP), `datagram` (UDP), `tube`, `unix` (pipes and Unix sockets). Programs come
//! in by `backend`, `transfer` and `poller`. It knows no runtime: who turns the hosts is `sim`'s business.
//!
//! What differs from Linux. All else that a test finds different is a mistake in the model:
//!
//! 1. No congestion control: a sender fills the receiver's window at once. A loss is noticed by its time-out only (200 ms,
//!    doubling), never by what came after it; the bytes behind it wait.
//! 2. Buffers do not grow: 64 KiB for each direction of a stream, unless an option says otherwise. They count bytes, not
//!    what keeping them costs.
//! 3. Acknowledgements and resets are lost in partitions only, not by chance; they come when half of a buffer has
//!    arrived or was read. What is on its way when a partition begins arrives.
//! 4. No TIME_WAIT: a port is free when its socket is closed. Accepted connections do not keep a port.
//! 5. A handshake takes its place in the backlog with the SYN, not with its last step.
//! 6. No Nagle, no delayed acknowledgement, no keep-alive, no urgent data: the options are kept, and do nothing. `Linger`
//!    is obeyed at 0 only. Of several listeners that share a port, the first gets all connections.
//! 7. Nobody hears of an address that no host has, but by a connect, after three seconds; no ICMP comes but for ports.
//! 8. Of datagrams, the receiver's buffer counts the bytes and 256 for each. A sender never has to wait.
//! 9. No multicast, no broadcast, no signals, no programs, no interfaces: those calls are `Unsupported`, or ENETUNREACH.
//! 10. The path of a Unix socket is a name: no file is there, and it is free when the socket is closed.
//! 11. An `OwnedFd` that leaves this crate and is dropped is not noticed before its number comes again; a duplicate that
//!     is made of it (`try_clone`) is nothing. One that is sent through a Unix socket is as good as the first.
//! 12. Peeking at a Unix datagram does not show its descriptors.
//! 13. The crash of a host frees its ports and names at once.
//! 14. `shutdown` for reading stops nobody from sending, as on Linux; but once both halves are shut, bytes that come are
//!     answered with a reset whatever the order was.

mod backend;
#[cfg(all(test, not(loom)))]
mod behaviour;
mod datagram;
mod half;
mod host;
mod link;
mod listener;
mod net;
mod poller;
mod segment;
mod socket;
mod stream;
mod table;
mod transfer;
#[cfg(all(test, not(loom)))]
mod trials;
#[cfg(all(test, not(loom)))]
mod trouble;
mod tube;
mod unix;
mod way;

pub use link::{Fault, Link};
pub(crate) use net::{HostId, Net};
