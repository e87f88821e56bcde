//! Sockets become other things and come back: halves, std's types, descriptors, sockets of another runtime; addresses,
//! options, and listeners that go.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use coracle::Runtime;
use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::net::{ListenerOptions, TcpListener, TcpStream, ToSocketAddrs};

use super::{kind, pair, pair_with_std, settle, soon};
use crate::support::{self, poll_once};

#[test]
fn borrowed_halves_read_and_write_at_once() {
    coracle::block_on(soon(async {
        let (mut client, server) = pair().await;
        let (mut reader, mut writer) = client.split();
        writer.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(b"pongpong").await.unwrap();
        reader.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"pong");
        AsyncReadExt::read_exact(&mut reader, &mut bytes).await.unwrap();
        assert_eq!(&bytes, b"pong");
        AsyncWriteExt::close(&mut writer).await.unwrap();
        assert_eq!(server.read(&mut bytes).await.unwrap(), 0);
    }));
}

#[test]
fn dropping_the_writing_half_ends_its_direction_only() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let (reader, writer) = client.into_split();
        drop(writer);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.write_all(b"still").await.unwrap();
        reader.read_exact(&mut [0; 5]).await.unwrap();
        drop(reader);
        while server.write(b"into the void").await.is_ok() {}
    }));
}

#[test]
fn dropping_the_reading_half_lets_the_other_write() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let (reader, writer) = client.into_split();
        drop(reader);
        writer.write_all(b"still").await.unwrap();
        server.read_exact(&mut [0; 5]).await.unwrap();
    }));
}

#[test]
fn a_writing_half_that_keeps_open_does_not_end_its_direction() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let (reader, writer) = client.into_split();
        writer.keep_open();
        let mut buffer = [0; 8];
        let mut read = server.read(&mut buffer);
        assert!(poll_once(&mut read).is_pending(), "the direction has ended");
        drop(reader);
        assert_eq!(read.await.unwrap(), 0, "the last half closes the connection");
    }));
}

#[test]
fn reunited_halves_are_the_stream_again() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let address = client.local_addr().unwrap();
        let (reader, writer) = client.into_split();
        let client = reader.reunite(writer).unwrap();
        assert_eq!(client.local_addr().unwrap(), address);
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1, "reuniting has shut the direction down");
    }));
}

#[test]
fn halves_of_different_streams_come_back() {
    coracle::block_on(soon(async {
        let ((one, one_peer), (two, _two_peer)) = (pair().await, pair().await);
        let ((reader, one_writer), (two_reader, writer)) = (one.into_split(), two.into_split());
        let error = reader.reunite(writer).unwrap_err();
        let (reader, writer) = (error.0, error.1);
        let one = reader.reunite(one_writer).unwrap();
        drop(two_reader.reunite(writer).unwrap());
        one.write_all(b"x").await.unwrap();
        assert_eq!(one_peer.read(&mut [0; 8]).await.unwrap(), 1);
    }));
}

/// A connection goes to std and back, in the middle of its life and registered, and to another runtime on another thread.
#[test]
fn a_stream_moves_between_two_runtimes_by_way_of_std() {
    let runtime = Runtime::new();
    let (ours, mut theirs) = runtime.block_on(pair_with_std());
    assert!(poll_once(&mut ours.read(&mut [0; 8])).is_pending());
    assert_eq!(runtime.inspect().sources.len(), 1);
    let std = ours.into_std();
    assert!(runtime.inspect().sources.is_empty(), "it left the poller");
    theirs.write_all(b"ab").unwrap();
    let std = std::thread::spawn(move || {
        Runtime::new().block_on(soon(async {
            let stream = TcpStream::from_std(std).unwrap();
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 1);
            stream.into_std()
        }))
    })
    .join()
    .unwrap();
    runtime.block_on(soon(async {
        let stream = TcpStream::from_std(std).unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"b");
        stream.write_all(b"c").await.unwrap();
    }));
    theirs.read_exact(&mut [0; 1]).unwrap();
}

#[test]
fn a_descriptor_moves_between_two_runtimes_of_one_thread() {
    let (first, second) = (Runtime::new(), Runtime::new());
    let (ours, mut theirs) = first.block_on(pair_with_std());
    assert!(poll_once(&mut ours.read(&mut [0; 8])).is_pending());
    let number = ours.as_raw_fd();
    let fd = OwnedFd::from(ours);
    assert_eq!(fd.as_raw_fd(), number, "it is the same descriptor, not a copy");
    let ours = second.enter(|| TcpStream::try_from(fd)).unwrap();
    theirs.write_all(b"x").unwrap();
    assert_eq!(second.block_on(soon(ours.read(&mut [0; 8]))).unwrap(), 1);
    settle(&first);
    assert!(first.inspect().sources.is_empty());
}

#[test]
fn a_blocking_stream_of_std_is_made_non_blocking() {
    coracle::block_on(soon(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert!(poll_once(&mut listener.accept()).is_pending());
        let server = TcpStream::from_std(server.into_std()).unwrap();
        assert!(poll_once(&mut server.read(&mut [0; 8])).is_pending());
        theirs.write_all(b"x").unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
        let std = listener.into_std();
        assert_eq!(kind(std.accept()), io::ErrorKind::WouldBlock, "as documented, it stays non-blocking");
    }));
}

/// Without a runtime there is nothing to bind a socket to. The message says what to do, and the descriptor is closed.
#[test]
fn outside_of_a_runtime_a_conversion_is_an_error_that_says_what_to_do() {
    support::alone("net::convert::outside_of_a_runtime_a_conversion_is_an_error_that_says_what_to_do", || {
        let before = support::descriptors();
        let listener = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let errors = [
            TcpListener::bind("127.0.0.1:0").unwrap_err(),
            TcpListener::from_std(listener()).unwrap_err(),
            TcpListener::try_from(OwnedFd::from(listener())).unwrap_err(),
            TcpStream::try_from(OwnedFd::from(listener())).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("no runtime on this thread"), "{error}");
        }
        assert_eq!(support::descriptors(), before);
    });
}

/// Options that the system does not set a bound to come back as they were set.
#[test]
fn options_are_set_and_read() {
    coracle::block_on(soon(async {
        let (client, _server) = pair().await;
        for on in [true, false] {
            client.set_nodelay(on).unwrap();
            assert_eq!(client.nodelay().unwrap(), on);
            client.set_keepalive(on).unwrap();
        }
        client.set_ttl(42).unwrap();
        assert_eq!(client.ttl().unwrap(), 42);
        assert_eq!(kind(client.set_ttl(u32::MAX)), io::ErrorKind::InvalidInput);
        assert_eq!(client.ttl().unwrap(), 42);
        client.set_linger(Some(Duration::ZERO)).unwrap();
        client.set_linger(None).unwrap();
        assert_eq!(kind(client.set_linger(Some(Duration::from_nanos(1)))), io::ErrorKind::InvalidInput);
        client.set_send_buffer_size(32 * 1024).unwrap();
        client.set_recv_buffer_size(32 * 1024).unwrap();
        assert!(client.send_buffer_size().unwrap() >= 32 * 1024 && client.recv_buffer_size().unwrap() >= 32 * 1024);
        client.set_send_buffer_size(usize::MAX).unwrap();
        assert!(client.take_error().unwrap().is_none());
        assert!(format!("{client:?}").starts_with("TcpStream { fd: "));
    }));
}

#[test]
fn listener_options_do_what_they_say() {
    coracle::block_on(soon(async {
        let sharing = ListenerOptions::new().reuse_port(true);
        let one = sharing.bind("127.0.0.1:0").unwrap();
        let address = one.local_addr().unwrap();
        let _two = sharing.bind(address).unwrap();
        assert_eq!(kind(TcpListener::bind(address)), io::ErrorKind::AddrInUse, "only those share who all say so");
        let both = ListenerOptions::new().v6_only(false).bind("[::]:0").unwrap();
        let port = both.local_addr().unwrap().port();
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (_, peer) = both.accept().await.unwrap();
        assert_eq!(peer.ip(), IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()));
        drop(client);
        let only = ListenerOptions::new().v6_only(true).bind("[::1]:0").unwrap();
        let client = TcpStream::connect(only.local_addr().unwrap()).await.unwrap();
        assert_eq!(only.accept().await.unwrap().1, client.local_addr().unwrap());
        ListenerOptions::new().backlog(u32::MAX).reuse_address(false).bind("127.0.0.1:0").unwrap();
    }));
}

/// Connections that nobody accepted are reset or ended with their listener; the address can be bound again at once.
#[test]
fn a_listener_that_is_dropped_ends_its_queued_connections_and_frees_its_address() {
    support::alone(
        "net::convert::a_listener_that_is_dropped_ends_its_queued_connections_and_frees_its_address",
        || {
            let before = support::descriptors();
            coracle::block_on(soon(async {
                let mut address: SocketAddr = "127.0.0.1:0".parse().unwrap();
                for _ in 0..3 {
                    let listener = TcpListener::bind(address).unwrap();
                    address = listener.local_addr().unwrap();
                    let mut clients = Vec::new();
                    for _ in 0..10 {
                        clients.push(TcpStream::connect(address).await.unwrap());
                    }
                    let (accepted, _) = listener.accept().await.unwrap();
                    assert!(poll_once(&mut clients[5].read(&mut [0; 8])).is_pending());
                    drop(listener);
                    for client in &clients[1..] {
                        match client.read(&mut [0; 8]).await {
                            Ok(count) => assert_eq!(count, 0),
                            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
                        }
                    }
                    clients[0].write_all(b"x").await.unwrap();
                    assert_eq!(accepted.read(&mut [0; 8]).await.unwrap(), 1, "what was accepted lives on");
                }
                assert_eq!(kind(TcpStream::connect(address).await), io::ErrorKind::ConnectionRefused);
            }));
            assert_eq!(support::descriptors(), before);
        },
    );
}

fn addresses(what: impl ToSocketAddrs) -> Vec<String> {
    what.to_socket_addrs().unwrap().iter().map(SocketAddr::to_string).collect()
}

#[test]
fn all_that_stands_for_an_address_is_understood() {
    let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    assert_eq!(addresses("127.0.0.1:80"), ["127.0.0.1:80"]);
    assert_eq!(addresses("[::1]:80"), ["[::1]:80"]);
    assert_eq!(addresses(String::from("127.0.0.1:80")), ["127.0.0.1:80"]);
    assert_eq!(addresses("localhost:80"), ["127.0.0.1:80", "[::1]:80"]);
    assert_eq!(addresses((v4, 80)), ["127.0.0.1:80"]);
    assert_eq!(addresses((v6, 80)), ["[::1]:80"]);
    assert_eq!(addresses((IpAddr::V4(v4), 80)), ["127.0.0.1:80"]);
    assert_eq!(addresses(SocketAddrV4::new(v4, 80)), ["127.0.0.1:80"]);
    assert_eq!(addresses(SocketAddrV6::new(v6, 80, 0, 0)), ["[::1]:80"]);
    let both: [SocketAddr; 2] = [(v4, 1).into(), (v6, 2).into()];
    assert_eq!(addresses(&both[..]), ["127.0.0.1:1", "[::1]:2"]);
    assert_eq!(addresses(both.to_vec()), ["127.0.0.1:1", "[::1]:2"]);
    assert_eq!(addresses(both[0]), ["127.0.0.1:1"]);
}

#[test]
fn what_is_no_address_is_an_error_that_shows_it() {
    for text in
        ["", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80:x", "localhost", "localhost:x", "a.b:80"]
    {
        let error = text.to_socket_addrs().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let error = coracle::block_on(async { TcpListener::bind("example.com:80").unwrap_err() });
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn ipv6_connects_like_ipv4() {
    coracle::block_on(soon(async {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
        assert_eq!(client.as_fd().as_raw_fd(), client.as_raw_fd());
    }));
}
