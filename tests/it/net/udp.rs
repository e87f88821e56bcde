//! UDP: datagrams come whole or not at all, and what the network says of one is nobody else's affair.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::task::Context;

use coracle::Runtime;
use coracle::net::UdpSocket;

use super::{kind, make_poller, pattern, settle, soon};
use crate::support::{self, CountingWaker, cut_at_every_poll};

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// An address where nobody listens. Somebody else may bind it meanwhile, but not by chance in a moment.
fn nobody() -> SocketAddr {
    socket().local_addr().unwrap()
}

/// Two sockets that are connected with each other.
fn pair() -> (UdpSocket, UdpSocket) {
    let (one, other) = (socket(), socket());
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    (one, other)
}

// ---- what the network says -----------------------------------------------------------------------------------------

/// A server answers a client that is gone, and the network says "port unreachable". It goes on serving the others
/// (tokio#4996, libuv#5030, bun#35922).
#[test]
fn a_server_that_answered_a_closed_port_serves_a_thousand_others() {
    coracle::block_on(soon(async {
        let (server, client) = (socket(), socket());
        let (to_server, gone) = (server.local_addr().unwrap(), nobody());
        let mut buffer = [0; 64];
        for round in 0..1000_u32 {
            if round % 10 == 0 {
                server.send_to(b"is anybody there?", gone).await.unwrap();
            }
            client.send_to(&round.to_le_bytes(), to_server).await.unwrap();
            let (n, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..n], from), (&round.to_le_bytes()[..], client.local_addr().unwrap()));
        }
    }));
}

/// A connected socket is told once, by the next receive, and goes on (tokio#7870, bun#36249).
#[test]
fn a_connected_socket_is_told_once_and_goes_on() {
    coracle::block_on(soon(async {
        let (client, address) = (socket(), nobody());
        client.connect(address).unwrap();
        client.send(b"is anybody there?").await.unwrap();
        let mut buffer = [0; 64];
        assert_eq!(kind(client.recv(&mut buffer).await), ErrorKind::ConnectionRefused);
        assert_eq!(kind(client.try_recv(&mut buffer)), ErrorKind::WouldBlock, "it was told twice");
        let server = UdpSocket::bind(address).unwrap();
        client.send(b"and now?").await.unwrap();
        let (n, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..n], b"and now?");
        server.send_to(b"yes", from).await.unwrap();
        assert_eq!(client.recv(&mut buffer).await.unwrap(), 3);
    }));
}

/// The error comes while a receive waits: it wakes it. A send may be the one who is told; it is then not done.
#[test]
fn an_error_wakes_a_waiting_receive_and_fails_a_send() {
    coracle::block_on(soon(async {
        let client = Rc::new(socket());
        client.connect(nobody()).unwrap();
        let waiting = coracle::spawn({
            let client = client.clone();
            async move { kind(client.recv(&mut [0; 8]).await) }
        });
        coracle::task::yield_now().await;
        client.send(b"x").await.unwrap();
        assert_eq!(waiting.await.unwrap(), ErrorKind::ConnectionRefused);
        client.send(b"x").await.unwrap();
        while client.take_error().unwrap().is_none() {
            coracle::task::yield_now().await;
        }
        client.send(b"x").await.unwrap();
        let told = poll_fn(|_| match client.try_send(b"y") {
            Ok(_) => std::task::Poll::Pending,
            Err(error) => std::task::Poll::Ready(error.kind()),
        });
        // Each poll sends once more; the answer to an earlier one comes soon on loopback.
        let mut told = Box::pin(told);
        let told = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            told.as_mut().poll(cx)
        });
        assert_eq!(told.await, ErrorKind::ConnectionRefused);
    }));
}

/// An error that nobody reads does not make the loop spin.
#[test]
fn an_error_that_waits_does_not_keep_the_loop_busy() {
    let runtime = Runtime::new();
    let client = runtime.block_on(async {
        let client = socket();
        client.connect(nobody()).unwrap();
        // Registered, with a poller that will not poll again.
        assert!(client.poll_recv(&mut Context::from_waker(std::task::Waker::noop()), &mut [0; 8]).is_pending());
        client.send(b"x").await.unwrap();
        client
    });
    settle(&runtime);
    assert_eq!(runtime.block_on(async { kind(client.recv(&mut [0; 8]).await) }), ErrorKind::ConnectionRefused);
    settle(&runtime);
}

// ---- sizes ---------------------------------------------------------------------------------------------------------

#[test]
fn what_does_not_fit_is_lost_and_recv_message_says_so() {
    coracle::block_on(soon(async {
        let (one, other) = pair();
        let from = one.local_addr().unwrap();
        for _ in 0..4 {
            one.send(b"12345").await.unwrap();
        }
        let mut buffer = [0; 4];
        assert_eq!(other.recv_from(&mut buffer).await.unwrap(), (4, from));
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
        let cut = other.recv_message(&mut buffer).await.unwrap();
        assert_eq!((cut.length, cut.from, cut.truncated, &buffer), (4, from, true, b"1234"));
        let whole = other.recv_message(&mut [0; 5]).await.unwrap();
        assert_eq!((whole.length, whole.truncated), (5, false), "exactly as long as the buffer is not cut");
        assert_eq!(kind(other.try_recv(&mut buffer)), ErrorKind::WouldBlock, "the rest came as another datagram");
    }));
}

/// An empty datagram is one, and is no end; an empty buffer takes one.
#[test]
fn a_datagram_and_a_buffer_may_be_empty() {
    coracle::block_on(soon(async {
        let (one, other) = pair();
        let to = other.local_addr().unwrap();
        assert_eq!(one.send(b"").await.unwrap(), 0);
        assert_eq!(one.send_to(b"", to).await.unwrap(), 0);
        assert_eq!(one.try_send(b"").unwrap(), 0);
        assert_eq!(poll_fn(|cx| one.poll_send(cx, b"")).await.unwrap(), 0);
        one.send(b"a").await.unwrap();
        one.send(b"b").await.unwrap();
        for _ in 0..4 {
            assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 0);
        }
        let cut = other.recv_message(&mut []).await.unwrap();
        assert_eq!((cut.length, cut.truncated), (0, true));
        let mut buffer = [0; 8];
        assert_eq!((other.recv(&mut buffer).await.unwrap(), buffer[0]), (1, b'b'));
    }));
}

/// An empty buffer waits for a datagram too.
#[test]
fn a_receive_into_an_empty_buffer_waits() {
    coracle::block_on(soon(async {
        let (one, other) = pair();
        let waiting = coracle::spawn(async move { other.recv_message(&mut []).await.unwrap() });
        coracle::task::yield_now().await;
        assert!(!waiting.is_finished());
        one.send(b"x").await.unwrap();
        assert!(waiting.await.unwrap().truncated);
    }));
}

#[test]
fn the_longest_datagram_is_whole_and_a_longer_one_is_an_error() {
    coracle::block_on(soon(async {
        let (one, other) = pair();
        let bytes = pattern(65_508);
        assert_eq!(one.send(&bytes[..65_507]).await.unwrap(), 65_507);
        let mut buffer = vec![0; 70_000];
        let message = other.recv_message(&mut buffer).await.unwrap();
        assert_eq!((message.length, message.truncated), (65_507, false));
        assert!(buffer[..65_507] == bytes[..65_507]);
        let to = other.local_addr().unwrap();
        for result in [one.send(&bytes).await, one.send_to(&bytes, to).await, one.try_send(&bytes)] {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
        }
        one.send(b"still").await.unwrap();
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 5);
    }));
}

#[test]
fn peeking_takes_nothing_away() {
    coracle::block_on(soon(async {
        let (one, other) = pair();
        let from = one.local_addr().unwrap();
        one.send(b"12345").await.unwrap();
        let mut buffer = [0; 8];
        for _ in 0..3 {
            assert_eq!(other.peek_from(&mut buffer).await.unwrap(), (5, from));
            assert_eq!(other.peek(&mut buffer[..2]).await.unwrap(), 2);
            assert_eq!(poll_fn(|cx| other.poll_peek_from(cx, &mut buffer)).await.unwrap(), (5, from));
        }
        assert_eq!(&buffer[..5], b"12345");
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 5);
        assert_eq!(kind(other.try_recv(&mut buffer)), ErrorKind::WouldBlock);
    }));
}

// ---- all forms, many waiters ---------------------------------------------------------------------------------------

#[test]
fn every_form_of_sending_reaches_every_form_of_receiving() {
    coracle::block_on(soon(async {
        let (one, other) = (socket(), socket());
        let (from, to) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let mut buffer = [0; 8];
        one.send_to(b"1", to).await.unwrap();
        assert_eq!(other.recv_from(&mut buffer).await.unwrap(), (1, from));
        one.send_to(b"22", (Ipv4Addr::LOCALHOST, to.port())).await.unwrap();
        assert_eq!(poll_fn(|cx| other.poll_recv_from(cx, &mut buffer)).await.unwrap(), (2, from));
        one.try_send_to(b"333", to).unwrap();
        assert_eq!(poll_fn(|cx| other.poll_recv_message(cx, &mut buffer)).await.unwrap().length, 3);
        assert_eq!(poll_fn(|cx| one.poll_send_to(cx, b"4444", to)).await.unwrap(), 4);
        assert_eq!(other.try_recv_from(&mut buffer).unwrap(), (4, from));
        one.connect(to).unwrap();
        assert_eq!(one.peer_addr().unwrap(), to);
        one.send(b"5").await.unwrap();
        assert_eq!(poll_fn(|cx| other.poll_recv(cx, &mut buffer)).await.unwrap(), 1);
        assert_eq!(&format!("{one:?}")[..9], "UdpSocket");
    }));
}

/// A connected socket hears nobody else, and can be connected anew.
#[test]
fn a_connected_socket_receives_from_its_peer_only() {
    coracle::block_on(soon(async {
        let (one, first, second) = (socket(), socket(), socket());
        let to = one.local_addr().unwrap();
        let mut buffer = [0; 8];
        for (peer, stranger) in [(&first, &second), (&second, &first)] {
            one.connect(peer.local_addr().unwrap()).unwrap();
            stranger.send_to(b"stranger", to).await.unwrap();
            peer.send_to(b"peer", to).await.unwrap();
            assert_eq!(one.recv(&mut buffer).await.unwrap(), 4);
            // A stranger's datagram is refused, which it hears of only if it is connected.
            assert_eq!(kind(one.try_recv(&mut buffer)), ErrorKind::WouldBlock);
        }
    }));
}

#[test]
fn each_datagram_goes_to_one_of_those_who_wait() {
    coracle::block_on(soon(async {
        let (one, other) = pair();
        let other = Rc::new(other);
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let other = other.clone();
                coracle::spawn(async move {
                    let mut byte = [0];
                    other.recv(&mut byte).await.unwrap();
                    byte[0]
                })
            })
            .collect();
        coracle::task::yield_now().await;
        for byte in 0..20 {
            one.send(&[byte]).await.unwrap();
        }
        let mut got = Vec::new();
        for waiting in waiting {
            got.push(waiting.await.unwrap());
        }
        assert_eq!(got, (0..20).collect::<Vec<u8>>());
    }));
}

#[test]
fn a_poller_is_woken_by_each_datagram() {
    let runtime = Runtime::new();
    let (one, other) = runtime.block_on(async { pair() });
    for _ in 0..3 {
        let (woken, waker) = CountingWaker::new();
        let mut cx = Context::from_waker(&waker);
        assert!(other.poll_recv(&mut cx, &mut [0; 8]).is_pending());
        one.try_send(b"x").unwrap();
        settle(&runtime);
        assert_eq!(woken.wakes(), 1);
        assert!(other.poll_recv(&mut cx, &mut [0; 8]).is_ready());
    }
}

#[test]
fn to_std_and_back_to_another_runtime() {
    let first = Runtime::new();
    let one = first.block_on(async {
        let one = socket();
        // It is registered there.
        assert!(one.poll_recv(&mut Context::from_waker(std::task::Waker::noop()), &mut [0; 8]).is_pending());
        one.into_std()
    });
    assert_eq!(first.inspect().sources.len(), 0);
    let to = one.local_addr().unwrap();
    coracle::block_on(soon(async {
        let one = UdpSocket::from_std(one).unwrap();
        socket().send_to(b"x", to).await.unwrap();
        assert_eq!(one.recv(&mut [0; 8]).await.unwrap(), 1);
    }));
}

#[test]
fn on_another_thread_and_after_the_end_it_is_an_error() {
    let runtime = Runtime::new();
    let one = runtime.block_on(async { socket() });
    let to = one.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(kind(one.try_send_to(b"x", to)), ErrorKind::Other);
            assert_eq!(kind(one.connect(to)), ErrorKind::Other);
            assert_eq!(one.local_addr().unwrap(), to);
        });
    });
    drop(runtime);
    assert_eq!(kind(one.try_recv(&mut [0; 8])), ErrorKind::NotConnected);
    assert_eq!(kind(coracle::block_on(async { one.recv(&mut [0; 8]).await })), ErrorKind::NotConnected);
    assert_eq!(kind(UdpSocket::bind("127.0.0.1:0")), ErrorKind::Other, "outside of a runtime");
}

// ---- options -------------------------------------------------------------------------------------------------------

#[test]
fn options_are_kept() {
    coracle::block_on(async {
        let one = socket();
        one.set_ttl(33).unwrap();
        one.set_broadcast(true).unwrap();
        one.set_recv_buffer_size(usize::MAX).unwrap();
        one.set_send_buffer_size(100_000).unwrap();
        assert_eq!((one.ttl().unwrap(), one.broadcast().unwrap()), (33, true));
        assert!(one.send_buffer_size().unwrap() >= 100_000);
        assert!(one.set_ttl(u32::MAX).is_err() && one.set_multicast_ttl_v4(u32::MAX).is_err());
        if let Ok(six) = UdpSocket::bind("[::1]:0") {
            six.set_ttl(44).unwrap();
            six.set_multicast_hops_v6(3).unwrap();
            six.set_multicast_loop_v6(false).unwrap();
            assert_eq!(six.ttl().unwrap(), 44);
            six.send_to(b"six", six.local_addr().unwrap()).await.unwrap();
            assert_eq!(six.recv(&mut [0; 8]).await.unwrap(), 3);
        }
    });
}

#[test]
fn broadcasting_is_refused_unless_it_is_allowed() {
    coracle::block_on(async {
        let one = socket();
        let everybody = SocketAddr::from((Ipv4Addr::new(127, 255, 255, 255), 9));
        assert_eq!(kind(one.send_to(b"x", everybody).await), ErrorKind::PermissionDenied);
        one.set_broadcast(true).unwrap();
        assert_eq!(one.send_to(b"x", everybody).await.unwrap(), 1);
        one.set_broadcast(false).unwrap();
        assert_eq!(kind(one.send_to(b"x", everybody).await), ErrorKind::PermissionDenied);
    });
}

/// Over the loopback interface. Where that has no multicast, joining says so.
#[test]
fn a_group_of_ipv4_reaches_its_members() {
    coracle::block_on(soon(async {
        let group = Ipv4Addr::new(239, 255, 41, 7);
        let member = UdpSocket::bind("0.0.0.0:0").unwrap();
        if let Err(error) = member.join_multicast_v4(group, Ipv4Addr::LOCALHOST) {
            assert!(matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EADDRNOTAVAIL)), "{error}");
            return;
        }
        let sender = socket();
        sender.set_multicast_interface_v4(Ipv4Addr::LOCALHOST).unwrap();
        sender.set_multicast_ttl_v4(1).unwrap();
        sender.set_multicast_loop_v4(true).unwrap();
        let to = (group, member.local_addr().unwrap().port());
        match sender.send_to(b"to all", to).await {
            Ok(n) => assert_eq!(n, 6),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NetworkUnreachable, "{error}");
                return;
            }
        }
        let mut buffer = [0; 16];
        let (n, from) = member.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..n], from), (&b"to all"[..], sender.local_addr().unwrap()));
        member.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(kind(member.leave_multicast_v4(group, Ipv4Addr::LOCALHOST)), ErrorKind::AddrNotAvailable);
        assert!(member.join_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST).is_err(), "that is no group");
    }));
}

/// The group of all nodes of the interface, which is this machine.
#[test]
fn a_group_of_ipv6_reaches_its_members() {
    coracle::block_on(soon(async {
        let Ok(member) = UdpSocket::bind("[::]:0") else {
            assert_eq!(kind(UdpSocket::bind("[::1]:0")), ErrorKind::AddrNotAvailable, "a machine without IPv6");
            return;
        };
        let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0x41, 7);
        // The number of the loopback interface is 1 on every system that we know.
        let joined = member.join_multicast_v6(group, 1);
        let sender = UdpSocket::bind("[::1]:0").unwrap();
        sender.set_multicast_interface_v6(1).unwrap();
        let sent = match joined {
            Ok(()) => sender.send_to(b"to all", (group, member.local_addr().unwrap().port())).await.map(drop),
            error => error,
        };
        match sent {
            Ok(()) => {
                assert_eq!(member.recv_from(&mut [0; 16]).await.unwrap(), (6, sender.local_addr().unwrap()));
                member.leave_multicast_v6(group, 1).unwrap();
            }
            Err(error) => {
                let known = [libc::ENODEV, libc::EADDRNOTAVAIL, libc::ENETUNREACH];
                assert!(error.raw_os_error().is_some_and(|errno| known.contains(&errno)), "{error}");
            }
        }
    }));
}

// ---- dropped -------------------------------------------------------------------------------------------------------

/// What a receive that was given up would have taken is there for the next.
#[test]
fn a_cancelled_receive_loses_no_datagram() {
    type Receive = fn(&UdpSocket) -> std::pin::Pin<Box<dyn Future<Output = io::Result<u8>> + '_>>;
    let forms: [Receive; 3] = [
        |socket| Box::pin(async { first_byte(async |buffer| socket.recv(buffer).await).await }),
        |socket| Box::pin(async { first_byte(async |buffer| Ok(socket.recv_from(buffer).await?.0)).await }),
        |socket| Box::pin(async { first_byte(async |buffer| Ok(socket.recv_message(buffer).await?.length)).await }),
    ];
    for receive in forms {
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(soon(async {
                let (one, other) = pair();
                let sending = coracle::spawn(async move {
                    coracle::task::yield_now().await;
                    one.send(b"a").await.unwrap();
                    one.send(b"b").await.unwrap();
                    one
                });
                let got = cut.at(receive(&other)).await.map(Result::unwrap);
                let _one = sending.await.unwrap();
                let mut rest = Vec::from_iter(got);
                while rest.len() < 2 {
                    rest.push(receive(&other).await.unwrap());
                }
                assert_eq!(rest, b"ab");
            }));
        });
        assert!(dropped >= 3, "{dropped}");
    }
}

async fn first_byte(receive: impl AsyncFnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<u8> {
    let mut buffer = [0; 8];
    let n = receive(&mut buffer).await?;
    assert_eq!(n, 1);
    Ok(buffer[0])
}

#[test]
fn a_cancelled_peek_takes_nothing() {
    for with_address in [false, true] {
        cut_at_every_poll(|cut| {
            coracle::block_on(soon(async {
                let (one, other) = pair();
                let sending = coracle::spawn(async move {
                    coracle::task::yield_now().await;
                    one.send(b"a").await.unwrap();
                    one
                });
                let mut buffer = [0; 8];
                if with_address {
                    cut.at(other.peek_from(&mut buffer)).await;
                } else {
                    cut.at(other.peek(&mut buffer)).await;
                }
                let _one = sending.await.unwrap();
                assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 1);
            }));
        });
    }
}

/// On the loopback interface a send always has room: it is done at its first poll, or dropped before it.
#[test]
fn a_send_that_was_not_polled_has_sent_nothing() {
    for connected in [false, true] {
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(soon(async {
                let (one, other) = pair();
                let to = other.local_addr().unwrap();
                let sent = if connected { cut.at(one.send(b"a")).await } else { cut.at(one.send_to(b"a", to)).await };
                one.send(b"bb").await.unwrap();
                let first = other.recv(&mut [0; 8]).await.unwrap();
                assert_eq!(first, if sent.is_some() { 1 } else { 2 });
            }));
        });
        assert_eq!(dropped, 2);
    }
}

#[test]
fn sockets_give_their_descriptors_back() {
    support::alone("net::udp::sockets_give_their_descriptors_back", || {
        let runtime = Runtime::new();
        make_poller(&runtime);
        let before = support::descriptors();
        runtime.block_on(soon(async {
            for _ in 0..100 {
                let (one, other) = pair();
                let waiting = coracle::spawn(async move { other.recv(&mut [0; 8]).await.unwrap() });
                coracle::task::yield_now().await;
                one.send(b"x").await.unwrap();
                waiting.await.unwrap();
                assert!(UdpSocket::bind(one.local_addr().unwrap()).is_err());
                assert!(one.connect("[::1]:9").is_err());
            }
        }));
        assert_eq!(support::descriptors(), before);
        assert!(runtime.inspect().sources.is_empty());
    });
}
