//! TCP: [`TcpListener`] and [`TcpStream`].
//!
//! Sockets are owned values bound to the runtime of the thread that made them. By type they are `Send + Sync`, because the
//! traits of other crates demand it; on another thread every operation is an error, and dropping one there is fine. To
//! move a connection, go by `into_std` and `from_std`. When their runtime has ended, operations fail with
//! [`NotConnected`](std::io::ErrorKind::NotConnected), but addresses and options still work.
//!
//! Every operation is tried at once. Only a descriptor that would have to wait is registered with the poller, and stays so.

mod addresses;
mod connect;
mod listener;
mod operations;
mod options;
mod source;
mod split;
mod stream;

pub use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};

pub use addresses::ToSocketAddrs;
pub use connect::Connect;
pub use listener::{Accept, ListenerOptions, TcpListener};
pub use operations::{Peek, Read, ReadExact, ReadVectored, Write, WriteAll, WriteVectored};
pub use source::Interest;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
