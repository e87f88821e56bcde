//! Sockets that a test gets ready for use.

use coracle::io::ErrorKind;
use coracle::net::TcpStream;
use coracle::task::join;
use coracle::testing::{listener, tcp_pair, udp_pair, unix_pair};

#[test]
fn two_listeners_have_two_ports_of_the_loopback_address() {
    coracle::block_on(async {
        let ((one, first), (other, second)) = (listener().unwrap(), listener().unwrap());
        assert!(first.ip().is_loopback() && second.ip().is_loopback());
        assert_ne!(first.port(), second.port());
        assert_eq!((one.local_addr().unwrap(), other.local_addr().unwrap()), (first, second));
    });
}

#[test]
fn a_client_connects_before_the_server_accepts() {
    coracle::block_on(async {
        let (server, address) = listener().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"early").await.unwrap();
        let (stream, peer) = server.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"early");
    });
}

#[test]
fn the_ends_of_a_pair_are_each_other_s_peers() {
    coracle::block_on(async {
        let (client, server) = tcp_pair().await.unwrap();
        assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
        assert_eq!(server.local_addr().unwrap(), client.peer_addr().unwrap());
        let pairs = join((tcp_pair(), tcp_pair())).await;
        let ((one, _server), (_client, other)) = (pairs.0.unwrap(), pairs.1.unwrap());
        assert_ne!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        let (one, other) = unix_pair().unwrap();
        drop(one);
        assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_udp_pair_hears_no_strangers() {
    coracle::block_on(async {
        let (one, other) = udp_pair().unwrap();
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(b"stranger", other.local_addr().unwrap()).unwrap();
        one.send(b"peer").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 4);
        assert_eq!(&bytes[..4], b"peer");
    });
}

#[test]
fn outside_of_a_runtime_there_are_no_sockets() {
    for error in
        [listener().map(|_| ()).unwrap_err(), unix_pair().map(|_| ()).unwrap_err(), udp_pair().map(|_| ()).unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::Other, "{error}");
    }
}
