//! Messages: datagrams with addresses, and descriptors between Unix sockets. And the addresses themselves.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::SocketAddr as UnixName;

use super::super::{Address, Family, Group, Kind, MOST_DESCRIPTORS, SocketOption, World};
use super::{LONG, alone, becomes, families, in_each_kernel, in_each_world, is_would_block, loopback};

/// A bound UDP socket, and its address.
fn udp(world: &World, family: Family) -> (OwnedFd, SocketAddr) {
    let fd = world.socket(family, Kind::Datagram).unwrap();
    world.bind(fd.as_fd(), loopback(family)).unwrap();
    let address = world.local_address(fd.as_fd()).unwrap().to_ip().unwrap();
    (fd, address)
}

fn is_close_on_exec(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
}

fn is_non_blocking(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK != 0 }
}

#[test]
fn an_address_comes_back_as_it_went_in() {
    for ip in ["127.0.0.1:80", "0.0.0.0:0", "[::1]:65535", "[fe80::1%3]:7"] {
        let ip: SocketAddr = ip.parse().unwrap();
        let address = Address::from(ip);
        assert_eq!(address.to_ip().unwrap(), ip);
        assert!(address.to_unix().is_err());
    }
    for path in ["/a", "relative", &"x".repeat(100)] {
        let address = Address::from(&UnixName::from_pathname(path).unwrap());
        assert_eq!(address.to_unix().unwrap().as_pathname(), Some(path.as_ref()));
        assert!(address.to_ip().is_err());
    }
    let unnamed = Address::from(&UnixName::from_pathname("").unwrap());
    assert!(unnamed.to_unix().unwrap().is_unnamed());
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn an_abstract_name_comes_back_with_every_byte() {
    use std::os::linux::net::SocketAddrExt;
    for name in [&b"name"[..], b"", b"with\0zero", &[0; 3], &[7; 107]] {
        let address = Address::from(&UnixName::from_abstract_name(name).unwrap());
        assert_eq!(address.to_unix().unwrap().as_abstract_name(), Some(name));
    }
}

#[test]
fn a_datagram_is_whole_and_names_its_sender() {
    in_each_world(|world| {
        for family in families() {
            let ((one, one_at), (other, other_at)) = (udp(world, family), udp(world, family));
            assert!(is_would_block(world.receive_message(other.as_fd(), &mut [0; 8], 0, false).map(drop)));
            for bytes in [&b"first"[..], b"", b"second"] {
                assert_eq!(world.send_message(one.as_fd(), bytes, Some(&other_at.into()), &[]).unwrap(), bytes.len());
            }
            assert!(becomes(other.as_fd(), libc::POLLIN, LONG));
            for peek in [true, false] {
                let mut buffer = [0; 64];
                let received = world.receive_message(other.as_fd(), &mut buffer, 0, peek).unwrap();
                assert_eq!(&buffer[..received.count], b"first");
                assert_eq!((received.from.to_ip().unwrap(), received.truncated), (one_at, false));
            }
            let empty = world.receive_message(other.as_fd(), &mut [0; 64], 0, false).unwrap();
            assert_eq!((empty.count, empty.truncated), (0, false));
            let cut = world.receive_message(other.as_fd(), &mut [0; 3], 0, false).unwrap();
            assert_eq!((cut.count, cut.truncated), (3, true));
            assert!(
                is_would_block(world.receive_message(other.as_fd(), &mut [], 0, false).map(drop)),
                "the rest is lost"
            );
        }
    });
}

/// An empty buffer takes a datagram like any other.
#[test]
fn an_empty_buffer_takes_a_datagram() {
    in_each_world(|world| {
        let (one, other) = world.socket_pair(Kind::Datagram).unwrap();
        world.send(one.as_fd(), b"lost").unwrap();
        let received = world.receive_message(other.as_fd(), &mut [], 0, false).unwrap();
        assert_eq!((received.count, received.truncated), (0, true));
        assert!(is_would_block(world.receive_message(other.as_fd(), &mut [], 0, false).map(drop)));
    });
}

#[test]
fn a_pair_is_non_blocking_close_on_exec_and_without_names() {
    in_each_world(|world| {
        for kind in [Kind::Stream, Kind::Datagram] {
            let (one, other) = world.socket_pair(kind).unwrap();
            for end in [&one, &other] {
                assert!(is_close_on_exec(end.as_fd()) && is_non_blocking(end.as_fd()));
                assert!(world.local_address(end.as_fd()).unwrap().to_unix().unwrap().is_unnamed());
            }
            world.send(one.as_fd(), b"x").unwrap();
            let received = world.receive_message(other.as_fd(), &mut [0; 8], 0, false).unwrap();
            assert_eq!(received.count, 1);
            assert!(received.from.to_unix().unwrap().is_unnamed());
        }
    });
}

#[test]
fn descriptors_travel_with_bytes_and_arrive_close_on_exec() {
    in_each_world(|world| {
        for kind in [Kind::Stream, Kind::Datagram] {
            let (one, other) = world.socket_pair(kind).unwrap();
            let (reader, writer) = world.pipe().unwrap();
            world.send_message(one.as_fd(), b"x", None, &[reader.as_fd(), writer.as_fd()]).unwrap();
            let received = world.receive_message(other.as_fd(), &mut [0; 8], 2, false).unwrap();
            assert_eq!((received.count, received.descriptors_lost), (1, false));
            let [their_reader, their_writer] = &received.descriptors[..] else { panic!("{received:?}") };
            assert!(is_close_on_exec(their_reader.as_fd()) && is_close_on_exec(their_writer.as_fd()));
            world.write(their_writer.as_fd(), &[io::IoSlice::new(b"through")]).unwrap();
            assert_eq!(world.read(reader.as_fd(), &mut [0; 16]).unwrap(), 7, "they are the same pipe");
        }
    });
}

/// More than was asked for: none is taken, and none is left open.
#[test]
fn descriptors_that_are_not_wanted_are_closed() {
    alone("sys::suite::messages::descriptors_that_are_not_wanted_are_closed", || {
        in_each_world(|world| {
            let (one, other) = world.socket_pair(Kind::Datagram).unwrap();
            let (reader, writer) = world.pipe().unwrap();
            for (sent, most) in [(1, 0), (2, 1), (3, 2), (MOST_DESCRIPTORS, MOST_DESCRIPTORS - 1)] {
                let descriptors = vec![writer.as_fd(); sent];
                world.send_message(one.as_fd(), b"x", None, &descriptors).unwrap();
                let received = world.receive_message(other.as_fd(), &mut [0; 8], most, false).unwrap();
                assert_eq!((received.count, received.descriptors.len()), (1, 0), "{sent} sent, {most} wanted");
                assert!(received.descriptors_lost, "{sent} sent, {most} wanted");
            }
            world.close(writer);
            assert_eq!(world.read(reader.as_fd(), &mut [0; 8]).unwrap(), 0, "some writer is still open");
        });
    });
}

#[test]
fn a_message_carries_as_many_descriptors_as_the_system_allows() {
    in_each_world(|world| {
        let (one, other) = world.socket_pair(Kind::Stream).unwrap();
        let descriptors = vec![one.as_fd(); MOST_DESCRIPTORS];
        world.send_message(one.as_fd(), b"x", None, &descriptors).unwrap();
        let received = world.receive_message(other.as_fd(), &mut [0; 8], MOST_DESCRIPTORS, false).unwrap();
        assert_eq!((received.descriptors.len(), received.descriptors_lost), (MOST_DESCRIPTORS, false));
        let one_more = vec![one.as_fd(); MOST_DESCRIPTORS + 1];
        let error = world.send_message(one.as_fd(), b"x", None, &one_more).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn the_credentials_of_a_peer_are_this_process() {
    in_each_world(|world| {
        let (one, _other) = world.socket_pair(Kind::Stream).unwrap();
        let peer = world.peer_credentials(one.as_fd()).unwrap();
        // SAFETY: no pointers.
        assert_eq!((peer.uid, peer.gid), (unsafe { libc::geteuid() }, unsafe { libc::getegid() }));
        assert!(peer.pid.is_none_or(|pid| pid == std::process::id() as i32));
        let alone = world.socket(Family::Unix, Kind::Stream).unwrap();
        assert_eq!(world.peer_credentials(alone.as_fd()).unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn options_of_datagram_sockets_are_kept() {
    use SocketOption::{Broadcast, HopsV6, MulticastHopsV6, MulticastLoopV4, MulticastLoopV6, MulticastTtlV4};
    in_each_world(|world| {
        for (family, option, values) in [
            (Family::V4, Broadcast, [1, 0]),
            (Family::V4, MulticastLoopV4, [0, 1]),
            (Family::V4, MulticastTtlV4, [7, 255]),
            (Family::V6, HopsV6, [7, 255]),
            (Family::V6, MulticastHopsV6, [7, 255]),
            (Family::V6, MulticastLoopV6, [0, 1]),
        ] {
            if !families().contains(&family) {
                continue;
            }
            let socket = world.socket(family, Kind::Datagram).unwrap();
            for value in values {
                world.set_option(socket.as_fd(), option, value).unwrap();
                assert_eq!(world.option(socket.as_fd(), option).unwrap(), value, "{option:?}");
            }
        }
    });
}

/// Joined twice and left twice are errors, so both are known to have happened. A machine without multicast on its
/// loopback interface says ENODEV or EADDRNOTAVAIL instead.
#[test]
fn a_group_is_joined_and_left() {
    in_each_kernel(|world| {
        for family in families() {
            let socket = world.socket(family, Kind::Datagram).unwrap();
            let group = match family {
                Family::V4 => Group::V4(Ipv4Addr::new(239, 255, 77, 1), Ipv4Addr::LOCALHOST),
                _ => Group::V6(Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 0x77), 0),
            };
            match world.set_member(socket.as_fd(), group, true) {
                Ok(()) => {
                    let twice = world.set_member(socket.as_fd(), group, true).unwrap_err();
                    assert_eq!(twice.kind(), io::ErrorKind::AddrInUse);
                    world.set_member(socket.as_fd(), group, false).unwrap();
                    let gone = world.set_member(socket.as_fd(), group, false).unwrap_err();
                    assert_eq!(gone.kind(), io::ErrorKind::AddrNotAvailable);
                }
                Err(error) => {
                    let known = [libc::ENODEV, libc::EADDRNOTAVAIL];
                    assert!(error.raw_os_error().is_some_and(|errno| known.contains(&errno)), "{family:?}: {error}");
                }
            }
        }
        let socket = world.socket(Family::V4, Kind::Datagram).unwrap();
        world.set_multicast_interface(socket.as_fd(), Ipv4Addr::LOCALHOST).unwrap();
    });
}
