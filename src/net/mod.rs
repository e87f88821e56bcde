//! Sockets, pipes, the standard streams, and any other descriptor.
//!
//! | | over IP | inside this machine |
//! |---|---|---|
//! | connections | [`TcpListener`], [`TcpStream`] | [`UnixListener`], [`UnixStream`] |
//! | datagrams | [`UdpSocket`] | [`UnixDatagram`] |
//! | one direction | | [`pipe()`], [`PipeReader`], [`PipeWriter`]; [`Stdin`], [`Stdout`], [`Stderr`] |
//! | anything else with a descriptor | [`Async`] | [`Async`] |
//!
//! What is true of both columns stands at [`Listener`], [`Stream`] and [`Datagrams`].
//!
//! Sockets are owned values bound to the runtime of the thread that made them. By type they are `Send + Sync`, because the
//! traits of other crates demand it; on another thread every operation is an error, and dropping one there is fine. To
//! move a connection, go by `into_std` and `from_std`. When their runtime has ended, operations fail with
//! [`NotConnected`](std::io::ErrorKind::NotConnected), but addresses and options still work.
//!
//! An operation is tried at once, unless it is known that it would have to wait. Only a descriptor for which something
//! waits is registered with the poller, and stays so.
//!
//! Thousands of connections that are mostly idle, or large messages: see [`Buffers`](crate::io::Buffers).

mod addresses;
mod binding;
mod connect;
mod custom;
mod datagram;
mod datagram_operations;
mod descriptors;
mod domain;
mod listener;
mod operations;
mod options;
mod pipe;
mod race;
mod registration;
mod resolve;
mod retry;
mod source;
mod split;
mod stdio;
mod stream;
mod udp;
mod udp_options;
mod unix;
mod unix_connect;
mod unix_datagram;

pub use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};

pub use addresses::ToSocketAddrs;
pub use binding::{ListenerOptions, UdpOptions};
pub use connect::Connect;
pub use custom::{Async, Attempts};
pub use datagram::{Datagrams, Message};
pub use datagram_operations::{PeekDatagram, PeekFrom, RecvDatagram, RecvFrom, RecvMessage, SendDatagram, SendTo};
pub use descriptors::{RecvWithFds, SendWithFds, WithFds};
pub use domain::{Domain, Internet, Local};
pub use listener::{Accept, Listener, TcpListener};
pub use operations::{Peek, Read, ReadExact, ReadPooled, ReadVectored, Write, WriteAll, WriteVectored};
pub use pipe::{PipeRead, PipeReader, PipeWrite, PipeWriter, pipe};
pub use registration::Interest;
pub(crate) use registration::{Done, Place};
pub use resolve::{Resolve, resolve};
pub(crate) use source::{Operation, Source};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stdio::{Stderr, Stdin, StdinRead, Stdout};
pub use stream::{Stream, TcpStream};
pub use udp::UdpSocket;
pub use unix::{PeerCredentials, UnixListener, UnixStream};
pub use unix_connect::UnixConnect;
pub use unix_datagram::{UnixDatagram, UnixSendTo};
