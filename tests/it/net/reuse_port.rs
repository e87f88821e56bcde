//! Several sockets that share a port (`SO_REUSEPORT`), as servers do that use a runtime a core.

use std::io::ErrorKind;

use coracle::net::{ListenerOptions, TcpListener, TcpStream, UdpOptions, UdpSocket};

use super::{kind, soon};

/// The system deals connections out by a hash of their addresses: of a hundred, each listener gets some. That one gets
/// none happens once in 2^99 runs.
#[test]
fn two_listeners_share_a_port_and_both_get_connections() {
    coracle::block_on(soon(async {
        let options = ListenerOptions::new().reuse_port(true);
        let one = options.bind("127.0.0.1:0").unwrap();
        let address = one.local_addr().unwrap();
        let other = options.bind(address).unwrap();
        let mut clients = Vec::new();
        for _ in 0..100 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut accepted = [0, 0];
        while accepted.iter().sum::<usize>() < clients.len() {
            for (listener, count) in [&one, &other].into_iter().zip(&mut accepted) {
                while let Ok((_, peer)) = listener.try_accept() {
                    assert!(clients.iter().any(|client| client.local_addr().unwrap() == peer));
                    *count += 1;
                }
            }
            coracle::task::yield_now().await;
        }
        assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
    }));
}

/// Both must say so, and say nothing by default.
#[test]
fn a_port_is_not_shared_unless_both_want_it() {
    coracle::block_on(async {
        let sharing = ListenerOptions::new().reuse_port(true);
        let alone = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(kind(sharing.bind(alone.local_addr().unwrap())), ErrorKind::AddrInUse);
        let shared = sharing.bind("127.0.0.1:0").unwrap();
        assert_eq!(kind(TcpListener::bind(shared.local_addr().unwrap())), ErrorKind::AddrInUse);

        let sharing = UdpOptions::new().reuse_port(true);
        let alone = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(kind(sharing.bind(alone.local_addr().unwrap())), ErrorKind::AddrInUse);
        let shared = sharing.bind("127.0.0.1:0").unwrap();
        assert_eq!(kind(UdpSocket::bind(shared.local_addr().unwrap())), ErrorKind::AddrInUse);
    });
}

#[test]
fn two_udp_sockets_share_a_port_and_both_get_datagrams() {
    coracle::block_on(soon(async {
        let options = UdpOptions::new().reuse_port(true);
        let one = options.bind("127.0.0.1:0").unwrap();
        let address = one.local_addr().unwrap();
        let other = options.bind(address).unwrap();
        for _ in 0..100 {
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", address).await.unwrap();
        }
        let mut got = [0, 0];
        while got.iter().sum::<usize>() < 100 {
            for (socket, count) in [&one, &other].into_iter().zip(&mut got) {
                while socket.try_recv(&mut [0; 8]).is_ok() {
                    *count += 1;
                }
            }
            coracle::task::yield_now().await;
        }
        assert!(got.iter().all(|count| *count > 0), "{got:?}");
    }));
}

/// With `reuse_address` two may bind one UDP address, as the members of a multicast group on one machine do.
#[test]
fn udp_sockets_share_an_address_if_both_want_it() {
    coracle::block_on(async {
        let options = UdpOptions::new().reuse_address(true);
        let one = options.bind("127.0.0.1:0").unwrap();
        options.bind(one.local_addr().unwrap()).unwrap();
        assert_eq!(kind(UdpSocket::bind(one.local_addr().unwrap())), ErrorKind::AddrInUse);
    });
}

/// One that is left gets everything.
#[test]
fn a_listener_that_goes_leaves_the_port_to_the_other() {
    coracle::block_on(soon(async {
        let options = ListenerOptions::new().reuse_port(true);
        let one = options.bind("127.0.0.1:0").unwrap();
        let address = one.local_addr().unwrap();
        let other = options.bind(address).unwrap();
        drop(one);
        for _ in 0..20 {
            let client = TcpStream::connect(address).await.unwrap();
            assert_eq!(other.accept().await.unwrap().1, client.local_addr().unwrap());
        }
    }));
}
