//! How sockets are bound: [`ListenerOptions`] and [`UdpOptions`].

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;

use super::addresses::{ToSocketAddrs, first_that_works};
use super::datagram::Datagrams;
use super::listener::{Listener, TcpListener};
use super::source::Source;
use super::udp::UdpSocket;
use crate::runtime::{Loop, current_or_error};
use crate::sys::{Family, Kind, SocketOption};

/// What both have in common.
#[derive(Clone, Debug)]
struct Binding {
    reuse_address: bool,
    reuse_port: bool,
    v6_only: Option<bool>,
}

impl Binding {
    /// A socket that is bound to `address`.
    fn bind(&self, event_loop: &Rc<Loop>, address: SocketAddr, kind: Kind) -> io::Result<Source> {
        let world = event_loop.world();
        let source = Source::in_loop(event_loop, world.socket(Family::of(address), kind)?);
        source.set_option(SocketOption::ReuseAddress, i32::from(self.reuse_address))?;
        if self.reuse_port {
            source.set_option(SocketOption::ReusePort, 1)?;
        }
        if let (Some(only), true) = (self.v6_only, address.is_ipv6()) {
            source.set_option(SocketOption::V6Only, i32::from(only))?;
        }
        world.bind(source.as_fd(), address)?;
        Ok(source)
    }
}

/// How a listener is to be made.
///
/// ```
/// coracle::block_on(async {
///     let listener = coracle::net::ListenerOptions::new().backlog(16).reuse_port(true).bind("127.0.0.1:0").unwrap();
///     assert!(listener.local_addr().is_ok());
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `bind`"]
pub struct ListenerOptions {
    backlog: u32,
    binding: Binding,
}

impl Default for ListenerOptions {
    fn default() -> ListenerOptions {
        ListenerOptions::new()
    }
}

impl ListenerOptions {
    /// The defaults: a backlog of 1,024, `SO_REUSEADDR` on, the rest as the system has it.
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new();
    /// ```
    pub fn new() -> ListenerOptions {
        ListenerOptions { backlog: 1024, binding: Binding { reuse_address: true, reuse_port: false, v6_only: None } }
    }

    /// How many connections may wait to be accepted; the system may cut it (on Linux, at `net.core.somaxconn`).
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new().backlog(4096);
    /// ```
    pub fn backlog(mut self, connections: u32) -> ListenerOptions {
        self.backlog = connections;
        self
    }

    /// Whether the address may be bound while connections of an earlier listener linger (`SO_REUSEADDR`).
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new().reuse_address(false);
    /// ```
    pub fn reuse_address(mut self, reuse: bool) -> ListenerOptions {
        self.binding.reuse_address = reuse;
        self
    }

    /// Whether several listeners may share the address, each with a part of the connections (`SO_REUSEPORT`).
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new().reuse_port(true);
    /// ```
    pub fn reuse_port(mut self, reuse: bool) -> ListenerOptions {
        self.binding.reuse_port = reuse;
        self
    }

    /// Whether a listener on an IPv6 address refuses IPv4 (`IPV6_V6ONLY`).
    ///
    /// ```
    /// let _options = coracle::net::ListenerOptions::new().v6_only(true);
    /// ```
    pub fn v6_only(mut self, only: bool) -> ListenerOptions {
        self.binding.v6_only = Some(only);
        self
    }

    /// A listener on the first of `addresses` that can be bound.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    ///
    /// ```
    /// coracle::block_on(async { coracle::net::ListenerOptions::new().bind("[::1]:0").unwrap(); });
    /// ```
    pub fn bind(&self, addresses: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let event_loop = current_or_error()?;
        first_that_works(addresses.to_socket_addrs()?, |address| {
            let source = self.binding.bind(&event_loop, address, Kind::Stream)?;
            Listener::listen(&event_loop, source, self.backlog)
        })
    }
}

/// How a UDP socket is to be made.
///
/// ```
/// coracle::block_on(async {
///     let one = coracle::net::UdpOptions::new().reuse_port(true).bind("127.0.0.1:0").unwrap();
///     let address = one.local_addr().unwrap();
///     coracle::net::UdpOptions::new().reuse_port(true).bind(address).unwrap();
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `bind`"]
pub struct UdpOptions {
    binding: Binding,
}

impl Default for UdpOptions {
    fn default() -> UdpOptions {
        UdpOptions::new()
    }
}

impl UdpOptions {
    /// The defaults: as the system has them.
    ///
    /// ```
    /// let _options = coracle::net::UdpOptions::new();
    /// ```
    pub fn new() -> UdpOptions {
        UdpOptions { binding: Binding { reuse_address: false, reuse_port: false, v6_only: None } }
    }

    /// Whether other sockets that say so too may bind the same address (`SO_REUSEADDR`), as all who listen to one
    /// multicast group do. On Linux the last one gets what is sent to one receiver.
    ///
    /// ```
    /// let _options = coracle::net::UdpOptions::new().reuse_address(true);
    /// ```
    pub fn reuse_address(mut self, reuse: bool) -> UdpOptions {
        self.binding.reuse_address = reuse;
        self
    }

    /// Whether several sockets may share the address (`SO_REUSEPORT`); on Linux, each with a part of the senders.
    ///
    /// ```
    /// let _options = coracle::net::UdpOptions::new().reuse_port(true);
    /// ```
    pub fn reuse_port(mut self, reuse: bool) -> UdpOptions {
        self.binding.reuse_port = reuse;
        self
    }

    /// Whether a socket on an IPv6 address refuses IPv4 (`IPV6_V6ONLY`).
    ///
    /// ```
    /// let _options = coracle::net::UdpOptions::new().v6_only(true);
    /// ```
    pub fn v6_only(mut self, only: bool) -> UdpOptions {
        self.binding.v6_only = Some(only);
        self
    }

    /// A socket on the first of `addresses` that can be bound.
    ///
    /// # Errors
    /// As [`UdpSocket::bind`].
    ///
    /// ```
    /// coracle::block_on(async { coracle::net::UdpOptions::new().bind("127.0.0.1:0").unwrap(); });
    /// ```
    pub fn bind(&self, addresses: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let event_loop = current_or_error()?;
        first_that_works(addresses.to_socket_addrs()?, |address| {
            self.binding.bind(&event_loop, address, Kind::Datagram).map(Datagrams::from_source)
        })
    }
}
