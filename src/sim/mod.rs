//! Simulated hosts, and a simulated network between them: a whole distributed program in one thread, in virtual time.
//!
//! A [`Simulation`] has hosts. Each has a name, addresses and a program, which is ordinary code on coracle: it binds,
//! connects, sleeps, and does not know where it is. The [`Network`] between them delays, loses, reorders and parts;
//! hosts crash and are started again. Time jumps to the next event, so an hour of timeouts lasts as long as the work in
//! it. And a run is a function of its seed: what failed once fails again, at the same place.
//!
//! ```
//! use coracle::net::{TcpListener, TcpStream};
//! use coracle::sim::{Link, Simulation};
//! use std::{io, time::Duration};
//!
//! let mut simulation = Simulation::new(1);
//! simulation.host("server", async || -> io::Result<()> {
//!     let listener = TcpListener::bind("0.0.0.0:7000")?;
//!     loop {
//!         let (stream, _peer) = listener.accept().await?;
//!         stream.write_all(b"hello").await?;
//!     }
//! });
//! simulation.client("client", async || -> io::Result<()> {
//!     let stream = TcpStream::connect("server:7000").await?;
//!     let mut greeting = [0; 5];
//!     stream.read_exact(&mut greeting).await?;
//!     assert_eq!(&greeting, b"hello");
//!     Ok(())
//! });
//! simulation.network().links(Link::new().latency(Duration::from_secs(30)));
//! simulation.run().unwrap();
//! // There and back and there again to connect, and back with the greeting.
//! assert_eq!(simulation.elapsed(), Duration::from_secs(120));
//! ```
//!
//! What is decided by the seed: the order in which hosts and tasks run, [jitter](Link::jitter), what is
//! [lost](Link::loss). Seed 0 is the ordinary run: first in, first out, no jitter, no loss.
//!
//! For a program that has both sides in one runtime, or calls [`block_on`](crate::block_on) itself, there is
//! [`Simulation::world`], a host without a program. [`for_seeds`](crate::testing::for_seeds) runs many seeds, and shows
//! the last events of one that fails.
//!
//! # What is simulated, and what is not
//!
//! The network is a model of streams and datagrams, not of packets. What a program can see of TCP is there: order,
//! windows, the end of each half, resets, retries and time-outs, the backlog, refused and unreachable addresses; of UDP
//! what is lost, doubled, late, too long; Unix sockets and pipes within a host. Real are files, the standard streams,
//! threads, blocking jobs (which time waits for) and [`std::time::Instant::now`]: a program that is to be simulated
//! asks [`time::now`](crate::time::now).
//!
//! What differs from Linux:
//!
//! - There is no congestion control, no Nagle's algorithm, no delayed acknowledgement, no keep-alive, no urgent data
//!   and no TIME_WAIT. A sender fills the receiver's window at once.
//! - Lost bytes are sent again after 200 ms, 400 ms and so on; nothing that comes after them shows the loss earlier.
//!   Lost by chance are only bytes and handshakes; what else there is (acknowledgements, resets) only in a partition.
//! - The buffer of a stream has 64 KiB in each direction, if no option says otherwise, and does not grow.
//! - A connection takes its place in the backlog with its first packet, not with its third.
//! - An address that nobody has is unreachable for a connect after three seconds; for datagrams it is silent.
//! - A sender of datagrams never has to wait.
//! - The path of a Unix socket is a name, and no file.
//! - Signals, child processes, multicast and broadcast are errors.
//! - A descriptor that leaves coracle (`into_std`, a duplicate) is no socket any more: the kernel takes it for
//!   `/dev/null`.

mod host;
mod network;
mod simulation;
mod stopped;

pub use crate::sys::{Fault, Link};
pub use host::{Host, Outcome};
pub use network::Network;
pub use simulation::Simulation;
pub use stopped::{HostView, Situation, Stopped};
