//! Datagrams inside this machine: none is lost, and a full receiver holds the sender up.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use coracle::Runtime;
use coracle::net::UnixDatagram;
use coracle::task::yield_now;

use super::unix::TempPath;
use super::{kind, settle, soon};
use crate::support::{self, cut_at_every_poll};

#[test]
fn a_datagram_names_its_sender_and_can_be_answered() {
    coracle::block_on(soon(async {
        let (server_path, client_path) = (TempPath::new(), TempPath::new());
        let (server, client) = (UnixDatagram::bind(&server_path).unwrap(), UnixDatagram::bind(&client_path).unwrap());
        client.send_to(b"ping", &server_path).await.unwrap();
        let mut buffer = [0; 16];
        let (n, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..n], from.as_pathname()), (&b"ping"[..], Some(client_path.as_ref())));
        server.send_to_addr(b"pong", &from).await.unwrap();
        let message = client.recv_message(&mut buffer).await.unwrap();
        assert_eq!((message.length, message.from.as_pathname()), (4, Some(server_path.as_ref())));
        UnixDatagram::unbound().unwrap().send_to(b"who am I?", &server_path).await.unwrap();
        assert!(server.recv_from(&mut buffer).await.unwrap().1.is_unnamed());
        assert!(format!("{server:?}").starts_with("UnixDatagram"));
    }));
}

#[test]
fn errors_of_names_are_clear() {
    coracle::block_on(soon(async {
        let path = TempPath::new();
        drop(UnixDatagram::bind(&path).unwrap());
        let sender = UnixDatagram::unbound().unwrap();
        assert_eq!(kind(sender.send_to(b"x", &path).await), ErrorKind::ConnectionRefused, "nobody has it any more");
        assert_eq!(kind(sender.connect(&path)), ErrorKind::ConnectionRefused);
        assert_eq!(kind(sender.send_to(b"x", "/no/such/file").await), ErrorKind::NotFound);
        assert_eq!(kind(sender.send_to(b"x", "").await), ErrorKind::InvalidInput);
        assert_eq!(kind(sender.send(b"x").await), ErrorKind::NotConnected);
        assert_eq!(kind(UnixDatagram::bind(&path)), ErrorKind::AddrInUse);
        std::fs::remove_file(&path).unwrap();
        let receiver = UnixDatagram::bind(&path).unwrap();
        sender.connect(&path).unwrap();
        sender.send(b"x").await.unwrap();
        assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 1);
        assert_eq!(sender.peer_addr().unwrap().as_pathname(), Some(path.as_ref()));
    }));
}

#[test]
fn datagrams_keep_their_bounds_and_order() {
    coracle::block_on(soon(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let sending = coracle::spawn(async move {
            for length in 0..1000 {
                one.send(&vec![7; length % 50]).await.unwrap();
            }
        });
        for length in 0..1000 {
            let message = other.recv_message(&mut [0; 64]).await.unwrap();
            assert_eq!((message.length, message.truncated), (length % 50, false));
        }
        sending.await.unwrap();
        assert_eq!(kind(other.try_recv(&mut [0; 8])), ErrorKind::WouldBlock);
    }));
}

/// When the peer goes, a connected socket is told, and does not hang.
#[test]
fn a_peer_that_goes_is_an_error() {
    coracle::block_on(soon(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        while one.try_send(b"fill").is_ok() {}
        let sending = coracle::spawn(async move { kind(one.send(b"x").await) });
        yield_now().await;
        drop(other);
        let told = sending.await.unwrap();
        assert!(matches!(told, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::NotConnected));
    }));
}

/// A connected sender waits for room without looking again and again.
#[test]
fn a_full_receiver_holds_a_connected_sender_up() {
    coracle::block_on(soon(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut queued = 0;
        while one.try_send(b"fill").is_ok() {
            queued += 1;
        }
        let one = Rc::new(one);
        let sending = coracle::spawn({
            let one = one.clone();
            async move { one.send(b"last").await.unwrap() }
        });
        yield_now().await;
        let polled = poll_fn(|cx| std::task::Poll::Ready(one.poll_send(cx, b"x").is_pending())).await;
        assert!(polled && !sending.is_finished());
        for _ in 0..queued {
            other.recv(&mut [0; 8]).await.unwrap();
        }
        assert_eq!(sending.await.unwrap(), 4);
        assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 4);
    }));
}

/// Each attempt that fails makes the sender "writable" again, because it has taken and freed memory. Who waits must not
/// take that for a sign, or the loop spins.
#[test]
fn a_full_receiver_does_not_make_the_loop_spin() {
    for connected in [true, false] {
        let runtime = Runtime::new();
        let path = TempPath::new();
        let (_receiver, sender, name) = runtime.block_on(async {
            let receiver = UnixDatagram::bind(&path).unwrap();
            let name = receiver.local_addr().unwrap();
            (receiver, Rc::new(UnixDatagram::unbound().unwrap()), name)
        });
        while sender.try_send_to_addr(b"fill", &name).is_ok() {}
        let sending = runtime.spawn({
            let sender = sender.clone();
            async move {
                if connected {
                    sender.connect_addr(&name).unwrap();
                    sender.send(b"x").await.unwrap();
                } else {
                    sender.send_to_addr(b"x", &name).await.unwrap();
                }
            }
        });
        settle(&runtime);
        assert!(!sending.is_finished());
        drop(sending);
    }
}

/// The receiver is full of what *others* sent. Of its having room again the system gives an unconnected sender no sign.
#[test]
fn a_receiver_that_others_filled_does_not_hold_a_sender_up_for_ever() {
    coracle::block_on(soon(async {
        let path = TempPath::new();
        let receiver = UnixDatagram::bind(&path).unwrap();
        let name = receiver.local_addr().unwrap();
        let other = UnixDatagram::unbound().unwrap();
        let mut queued = 0;
        while other.try_send_to_addr(b"fill", &name).is_ok() {
            queued += 1;
        }
        let sender = UnixDatagram::unbound().unwrap();
        assert_eq!(kind(sender.try_send_to_addr(b"x", &name)), ErrorKind::WouldBlock);
        let sending = coracle::spawn(async move { sender.send_to_addr(b"last", &name).await.unwrap() });
        coracle::time::sleep(Duration::from_millis(20)).await;
        assert!(!sending.is_finished());
        for _ in 0..queued {
            receiver.recv(&mut [0; 8]).await.unwrap();
        }
        assert_eq!(sending.await.unwrap(), 4);
        assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 4);
    }));
}

#[test]
fn a_cancelled_send_has_sent_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let path = TempPath::new();
            let receiver = UnixDatagram::bind(&path).unwrap();
            let (sender, mut queued) = (UnixDatagram::unbound().unwrap(), 0);
            while sender.try_send_to_addr(b"fill", &receiver.local_addr().unwrap()).is_ok() {
                queued += 1;
            }
            let receiving = coracle::spawn(async move {
                yield_now().await;
                for _ in 0..queued {
                    receiver.recv(&mut [0; 8]).await.unwrap();
                }
                receiver
            });
            let sent = cut.at(sender.send_to(b"x", &path)).await.map(Result::unwrap);
            let receiver = receiving.await.unwrap();
            assert_eq!(receiver.try_recv(&mut [0; 8]).ok(), sent);
        }));
    });
    assert!(dropped >= 2, "{dropped}");
}

#[test]
fn a_cancelled_send_of_a_connected_socket_has_sent_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (one, other) = UnixDatagram::pair().unwrap();
            let mut queued = 0;
            while one.try_send(b"fill").is_ok() {
                queued += 1;
            }
            let receiving = coracle::spawn(async move {
                yield_now().await;
                for _ in 0..queued {
                    other.recv(&mut [0; 8]).await.unwrap();
                }
                other
            });
            let sent = cut.at(one.send(b"x")).await.map(Result::unwrap);
            let other = receiving.await.unwrap();
            assert_eq!(other.try_recv(&mut [0; 8]).ok(), sent);
        }));
    });
    assert!(dropped >= 2, "{dropped}");
}

#[test]
fn a_cancelled_receive_loses_no_datagram() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (one, other) = UnixDatagram::pair().unwrap();
            let sending = coracle::spawn(async move {
                yield_now().await;
                one.send(b"x").await.unwrap();
                one
            });
            let got = cut.at(other.recv(&mut [0; 8])).await.map(Result::unwrap);
            let _one = sending.await.unwrap();
            assert_eq!(got.or_else(|| other.try_recv(&mut [0; 8]).ok()), Some(1));
        }));
    });
    assert!(dropped >= 3, "{dropped}");
}

#[test]
fn to_std_and_back_and_no_descriptor_is_left() {
    support::alone("net::unix_datagram::to_std_and_back_and_no_descriptor_is_left", || {
        let before = support::descriptors();
        coracle::block_on(soon(async {
            for _ in 0..20 {
                let path = TempPath::new();
                let receiver = UnixDatagram::bind(&path).unwrap();
                assert!(UnixDatagram::bind(&path).is_err());
                let (one, other) = UnixDatagram::pair().unwrap();
                let one = UnixDatagram::from_std(one.into_std()).unwrap();
                let waiting = coracle::spawn(async move { other.recv(&mut [0; 8]).await.unwrap() });
                yield_now().await;
                one.send(b"x").await.unwrap();
                waiting.await.unwrap();
                assert_eq!(one.peer_credentials().unwrap().pid, Some(std::process::id() as i32));
                drop(receiver);
            }
        }));
        assert_eq!(support::descriptors(), before);
    });
}
