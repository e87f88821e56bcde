//! Options of datagram sockets: room, reach, broadcast and multicast. They ask the system and nobody else, so they work on
//! any thread, and after the end of the runtime.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

use super::datagram::Datagrams;
use super::domain::Domain;
use super::udp::UdpSocket;
use crate::sys::{Group, SocketOption};

impl<D: Domain> Datagrams<D> {
    /// Room for datagrams that have arrived and were not received yet (`SO_RCVBUF`), in bytes; Linux takes twice as much.
    /// What arrives when there is none is lost.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     socket.set_recv_buffer_size(65_536).unwrap();
    ///     assert!(socket.recv_buffer_size().unwrap() >= 65_536);
    /// });
    /// ```
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.source.set_count(SocketOption::ReceiveBuffer, bytes)
    }

    /// See [`set_recv_buffer_size`](Datagrams::set_recv_buffer_size).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     assert!(socket.recv_buffer_size().unwrap() > 0);
    /// });
    /// ```
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        Ok(self.source.option(SocketOption::ReceiveBuffer)?.unsigned_abs() as usize)
    }

    /// Room for datagrams that were sent and have not left yet (`SO_SNDBUF`), in bytes; Linux takes twice as much.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     socket.set_send_buffer_size(65_536).unwrap();
    ///     assert!(socket.send_buffer_size().unwrap() >= 65_536);
    /// });
    /// ```
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.source.set_count(SocketOption::SendBuffer, bytes)
    }

    /// See [`set_send_buffer_size`](Datagrams::set_send_buffer_size).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     assert!(socket.send_buffer_size().unwrap() > 0);
    /// });
    /// ```
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        Ok(self.source.option(SocketOption::SendBuffer)?.unsigned_abs() as usize)
    }
}

impl UdpSocket {
    /// Whether it may send to broadcast addresses (`SO_BROADCAST`). Off by default.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     socket.set_broadcast(true).unwrap();
    ///     assert!(socket.broadcast().unwrap());
    /// });
    /// ```
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.source.set_option(SocketOption::Broadcast, i32::from(on))
    }

    /// See [`set_broadcast`](UdpSocket::set_broadcast).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     assert!(!coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap().broadcast().unwrap());
    /// });
    /// ```
    pub fn broadcast(&self) -> io::Result<bool> {
        Ok(self.source.option(SocketOption::Broadcast)? != 0)
    }

    /// How many hops its datagrams may take: `IP_TTL`, or `IPV6_UNICAST_HOPS`, by the family of the socket.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     socket.set_ttl(7).unwrap();
    ///     assert_eq!(socket.ttl().unwrap(), 7);
    /// });
    /// ```
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.source.set_count(self.ttl_option()?, hops)
    }

    /// See [`set_ttl`](UdpSocket::set_ttl).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     assert!(coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap().ttl().unwrap() > 0);
    /// });
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.source.option(self.ttl_option()?)?.unsigned_abs())
    }

    fn ttl_option(&self) -> io::Result<SocketOption> {
        Ok(if self.local_addr()?.is_ipv4() { SocketOption::Ttl } else { SocketOption::HopsV6 })
    }

    /// Receives from now on what is sent to this group, on the interface that has this address; unspecified lets the
    /// system choose.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if that is no group, [`AddrInUse`](io::ErrorKind::AddrInUse) if it has
    /// joined already, and an error of the system's if no interface has this address.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    ///     assert!(socket.join_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST).is_err());
    /// });
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.source.world().set_member(self.source.as_fd(), Group::V4(group, interface), true)
    }

    /// Takes [`join_multicast_v4`](UdpSocket::join_multicast_v4) back. Dropping the socket does too.
    ///
    /// # Errors
    /// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if it has not joined.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    ///     let group = Ipv4Addr::new(239, 255, 0, 1);
    ///     assert!(socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).is_err());
    /// });
    /// ```
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.source.world().set_member(self.source.as_fd(), Group::V4(group, interface), false)
    }

    /// [`join_multicast_v4`](UdpSocket::join_multicast_v4) for IPv6; the interface by its number, 0 lets the system choose.
    ///
    /// # Errors
    /// Likewise.
    ///
    /// ```
    /// use std::net::Ipv6Addr;
    /// coracle::block_on(async {
    ///     let Ok(socket) = coracle::net::UdpSocket::bind("[::1]:0") else { return };
    ///     assert!(socket.join_multicast_v6(Ipv6Addr::LOCALHOST, 0).is_err());
    /// });
    /// ```
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.source.world().set_member(self.source.as_fd(), Group::V6(group, interface), true)
    }

    /// Takes [`join_multicast_v6`](UdpSocket::join_multicast_v6) back. Dropping the socket does too.
    ///
    /// # Errors
    /// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if it has not joined.
    ///
    /// ```
    /// use std::net::Ipv6Addr;
    /// coracle::block_on(async {
    ///     let Ok(socket) = coracle::net::UdpSocket::bind("[::1]:0") else { return };
    ///     assert!(socket.leave_multicast_v6(Ipv6Addr::LOCALHOST, 0).is_err());
    /// });
    /// ```
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.source.world().set_member(self.source.as_fd(), Group::V6(group, interface), false)
    }

    /// By which interface multicast of IPv4 goes out: the one that has this address; unspecified lets the system choose.
    ///
    /// # Errors
    /// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if none has it.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    ///     socket.set_multicast_interface_v4(std::net::Ipv4Addr::LOCALHOST).unwrap();
    /// });
    /// ```
    pub fn set_multicast_interface_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        self.source.world().set_multicast_interface(self.source.as_fd(), interface)
    }

    /// By which interface multicast of IPv6 goes out; 0 lets the system choose.
    ///
    /// # Errors
    /// Whatever the system says, if there is no interface of that number.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let Ok(socket) = coracle::net::UdpSocket::bind("[::1]:0") else { return };
    ///     assert!(socket.set_multicast_interface_v6(u32::MAX).is_err());
    /// });
    /// ```
    pub fn set_multicast_interface_v6(&self, interface: u32) -> io::Result<()> {
        self.source.set_count(SocketOption::MulticastInterfaceV6, interface)
    }

    /// How many hops multicast of IPv4 may take. 1 by default: it does not leave the network.
    ///
    /// # Errors
    /// Whatever the system says, if there are more than 255.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    ///     socket.set_multicast_ttl_v4(3).unwrap();
    ///     assert!(socket.set_multicast_ttl_v4(256).is_err());
    /// });
    /// ```
    pub fn set_multicast_ttl_v4(&self, hops: u32) -> io::Result<()> {
        self.source.set_count(SocketOption::MulticastTtlV4, hops)
    }

    /// The same for IPv6.
    ///
    /// # Errors
    /// Likewise.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let Ok(socket) = coracle::net::UdpSocket::bind("[::1]:0") else { return };
    ///     socket.set_multicast_hops_v6(3).unwrap();
    /// });
    /// ```
    pub fn set_multicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        self.source.set_count(SocketOption::MulticastHopsV6, hops)
    }

    /// Whether this machine's members of a group of IPv4 receive what this socket sends to it. On by default.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let socket = coracle::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    ///     socket.set_multicast_loop_v4(false).unwrap();
    /// });
    /// ```
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.source.set_option(SocketOption::MulticastLoopV4, i32::from(on))
    }

    /// The same for IPv6.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let Ok(socket) = coracle::net::UdpSocket::bind("[::1]:0") else { return };
    ///     socket.set_multicast_loop_v6(false).unwrap();
    /// });
    /// ```
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.source.set_option(SocketOption::MulticastLoopV6, i32::from(on))
    }
}
