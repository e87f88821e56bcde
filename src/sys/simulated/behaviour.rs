//! How connections are made and how they end, what is whose name: at the seam itself.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::super::{Family, Kind, Readiness, SocketOption};
use super::trials::{SECOND, Stage, address, errno, is_writable, read, two_hosts};
use crate::testing::Choices;

// ---- how connections are made ---------------------------------------------------------------------------------------

#[test]
fn a_connection_takes_a_round_trip_and_arrives_half_a_one_later() {
    let stage = Stage::new();
    let listener = stage.listener(16);
    let ours = stage.connect();
    stage.pass(Duration::from_micros(1999));
    assert!(!is_writable(&stage.here, &ours));
    stage.pass(Duration::from_micros(1));
    assert!(is_writable(&stage.here, &ours) && stage.error(&ours) == 0);
    assert_eq!(errno(stage.there.accept(listener.as_fd())), Some(libc::EAGAIN));
    stage.pass(Duration::from_millis(1));
    let (theirs, peer) = stage.there.accept(listener.as_fd()).unwrap();
    assert_eq!(peer.to_ip().unwrap(), address("10.0.0.1:32768"));
    let said = [stage.here.local_address(ours.as_fd()), stage.there.peer_address(theirs.as_fd())];
    assert_eq!(said.map(|said| said.unwrap().to_ip().unwrap()), [peer.to_ip().unwrap(); 2]);
}

#[test]
fn where_nobody_listens_the_refusal_takes_a_round_trip() {
    let stage = Stage::new();
    let ours = stage.connect();
    stage.calm();
    assert_eq!(stage.passed(), Duration::from_millis(2));
    assert!(is_writable(&stage.here, &ours));
    assert_eq!([stage.error(&ours), stage.error(&ours)], [libc::ECONNREFUSED, 0]);
}

#[test]
fn an_address_that_nobody_has_is_unreachable() {
    let stage = Stage::new();
    let fd = stage.here.socket(Family::V4, Kind::Stream).unwrap();
    let _ = stage.here.connect(fd.as_fd(), address("10.0.0.99:80"));
    stage.calm();
    assert_eq!((stage.passed(), stage.error(&fd)), (3 * SECOND, libc::EHOSTUNREACH));
    let v6 = stage.here.socket(Family::V6, Kind::Stream).unwrap();
    let no_way = stage.here.connect(v6.as_fd(), address("[fd00::1]:80"));
    assert_eq!(errno(no_way), Some(libc::ENETUNREACH), "this host has no address of that family");
}

/// As Linux: `tcp_syn_retries` is 6.
#[test]
fn in_a_partition_a_connect_is_tried_for_two_minutes() {
    for (from, to) in [(0, 1), (1, 0)] {
        let stage = Stage::new();
        stage.net.partition(stage.hosts[from], stage.hosts[to]);
        let _listener = stage.listener(16);
        let ours = stage.connect();
        stage.calm();
        assert_eq!((stage.passed(), stage.error(&ours)), (127 * SECOND, libc::ETIMEDOUT));
    }
}

#[test]
fn a_syn_that_finds_the_backlog_full_is_sent_again() {
    let stage = Stage::new();
    let listener = stage.listener(1);
    let ours: Vec<OwnedFd> = (0..3).map(|_| stage.connect()).collect();
    stage.pass(Duration::from_millis(900));
    // As Linux: one more than was asked for.
    assert_eq!(ours.iter().filter(|fd| is_writable(&stage.here, fd)).count(), 2);
    stage.there.accept(listener.as_fd()).unwrap();
    stage.pass(Duration::from_millis(110));
    assert!(ours.iter().all(|fd| is_writable(&stage.here, fd)));
}

#[test]
fn ports_are_given_in_order_and_taken_ports_are_in_use() {
    let stage = Stage::new();
    let bind = |text: &str, reuse: i32| {
        let fd = stage.here.socket(Family::of(address(text)), Kind::Stream).unwrap();
        stage.here.set_option(fd.as_fd(), SocketOption::ReuseAddress, reuse).unwrap();
        stage.here.bind(fd.as_fd(), address(text))?;
        Ok::<_, io::Error>((stage.here.local_address(fd.as_fd()).unwrap().to_ip().unwrap().port(), fd))
    };
    let given = [bind("127.0.0.1:0", 0).unwrap(), bind("0.0.0.0:0", 0).unwrap(), bind("[::]:0", 0).unwrap()];
    assert_eq!([given[0].0, given[1].0, given[2].0], [32768, 32769, 32770]);
    for (first, second, collide) in [
        ("127.0.0.1:80", "127.0.0.1:80", true),
        ("127.0.0.1:81", "10.0.0.1:81", false),
        ("0.0.0.0:82", "10.0.0.1:82", true),
        ("[::]:83", "0.0.0.0:83", true),
        ("[::1]:84", "127.0.0.1:84", false),
    ] {
        let kept = bind(first, 0).unwrap();
        match bind(second, 0) {
            Ok((_, fd)) if !collide => stage.here.close(fd),
            result => assert_eq!((collide, errno(result)), (true, Some(libc::EADDRINUSE)), "{first} and {second}"),
        }
        stage.here.close(kept.1);
        bind(second, 0).unwrap();
    }
    let sharing = bind("127.0.0.1:90", 1).unwrap();
    let shared = bind("127.0.0.1:90", 1).unwrap();
    stage.here.listen(sharing.1.as_fd(), 1).unwrap();
    assert_eq!(errno(stage.here.listen(shared.1.as_fd(), 1)), Some(libc::EADDRINUSE));
    assert_eq!(errno(bind("127.0.0.1:90", 1)), Some(libc::EADDRINUSE), "somebody listens there");
    assert_eq!(errno(bind("10.0.0.2:1", 0)), Some(libc::EADDRNOTAVAIL));
    for _ in 0..2 {
        let fd = stage.here.socket(Family::V4, Kind::Stream).unwrap();
        stage.here.set_option(fd.as_fd(), SocketOption::ReusePort, 1).unwrap();
        stage.here.bind(fd.as_fd(), address("127.0.0.1:91")).unwrap();
        stage.here.listen(fd.as_fd(), 1).unwrap();
    }
}

#[test]
fn a_socket_of_all_families_is_found_by_both() {
    let stage = Stage::new();
    let listener = stage.here.socket(Family::V6, Kind::Stream).unwrap();
    stage.here.bind(listener.as_fd(), address("[::]:80")).unwrap();
    stage.here.listen(listener.as_fd(), 4).unwrap();
    for (to, seen) in [("127.0.0.1:80", "[::ffff:127.0.0.1]"), ("[::1]:80", "[::1]")] {
        let fd = stage.here.socket(Family::of(address(to)), Kind::Stream).unwrap();
        let _ = stage.here.connect(fd.as_fd(), address(to));
        let (_, peer) = stage.here.accept(listener.as_fd()).unwrap();
        assert!(peer.to_ip().unwrap().to_string().starts_with(seen), "{peer:?}");
    }
}

#[test]
fn who_is_not_accepted_when_the_listener_closes_is_reset() {
    let stage = Stage::new();
    let listener = stage.listener(16);
    let ours = stage.connect();
    stage.calm();
    stage.there.close(listener);
    stage.calm();
    assert_eq!(errno(read(&stage.here, &ours)), Some(libc::ECONNRESET));
}

// ---- how they end ---------------------------------------------------------------------------------------------------

#[test]
fn closing_with_unread_bytes_is_a_reset_and_so_is_closing_at_once() {
    for at_once in [false, true] {
        let stage = Stage::new();
        let (ours, theirs) = stage.connected();
        stage.there.send(theirs.as_fd(), b"last words").unwrap();
        if at_once {
            stage.there.set_option(theirs.as_fd(), SocketOption::Linger, 0).unwrap();
        } else {
            stage.here.send(ours.as_fd(), b"unread").unwrap();
        }
        stage.calm();
        stage.there.close(theirs);
        stage.calm();
        // As Linux: what came before can be read, then the error shows once, then the end.
        assert_eq!(read(&stage.here, &ours).unwrap(), b"last words");
        assert_eq!(errno(read(&stage.here, &ours)), Some(libc::ECONNRESET));
        assert_eq!(read(&stage.here, &ours).unwrap(), b"");
        assert_eq!(errno(stage.here.send(ours.as_fd(), b"x")), Some(libc::EPIPE));
    }
}

#[test]
fn bytes_to_a_closed_socket_are_answered_with_a_reset() {
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    stage.there.close(theirs);
    stage.calm();
    assert_eq!(read(&stage.here, &ours).unwrap(), b"", "the end");
    assert_eq!(stage.here.send(ours.as_fd(), b"anybody?").unwrap(), 8);
    stage.calm();
    assert_eq!(errno(stage.here.send(ours.as_fd(), b"x")), Some(libc::EPIPE));
    stage.here.close(ours);
    let state = stage.net.lock();
    assert_eq!((state.connections.len(), state.sockets.len()), (0, 0));
}

#[test]
fn each_half_ends_by_itself() {
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    stage.here.shutdown(ours.as_fd(), Shutdown::Write).unwrap();
    assert_eq!(errno(stage.here.send(ours.as_fd(), b"x")), Some(libc::EPIPE));
    stage.calm();
    assert_eq!(read(&stage.there, &theirs).unwrap(), b"");
    stage.there.send(theirs.as_fd(), b"still here").unwrap();
    stage.calm();
    assert_eq!(read(&stage.here, &ours).unwrap(), b"still here");
    stage.here.close(ours);
    stage.there.close(theirs);
    stage.calm();
    assert_eq!(stage.net.lock().connections.len(), 0);
}

// ---- time and names -------------------------------------------------------------------------------------------------

#[test]
fn names_are_those_of_hosts() {
    let stage = Stage::new();
    let known = |name: &str| stage.here.known_host(name, 7).unwrap();
    assert_eq!(known("other").unwrap(), [address("10.0.0.2:7")]);
    assert_eq!(known("OTHER.").unwrap(), [address("10.0.0.2:7")]);
    assert_eq!(known("localhost").unwrap(), [address("[::1]:7"), address("127.0.0.1:7")]);
    assert_eq!(known("192.0.2.1").unwrap(), [address("192.0.2.1:7")]);
    assert_eq!(known("nobody.example").unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_network_at_rest_knows_that_it_is() {
    let (net, one, _) = two_hosts(Choices::ordinary());
    let world = net.world(one);
    assert!(world.is_still() && net.next_event().is_none() && !net.has_news(one));
    let poller = world.poller().unwrap();
    poller.notify().unwrap();
    assert!(net.has_news(one));
    poller.wait(&mut Vec::new(), Some(Duration::ZERO)).unwrap();
    assert!(!net.has_news(one));
    poller.alarm(Some(SECOND)).unwrap();
    assert_eq!(net.next_event(), Some(SECOND));
    net.advance_to(SECOND);
    assert!(net.has_news(one) && net.next_event().is_none());
    let (reader, writer) = world.pipe().unwrap();
    poller.wait(&mut Vec::new(), Some(Duration::ZERO)).unwrap();
    poller.add(reader.as_fd(), 1).unwrap();
    assert!(!net.has_news(one));
    world.write(writer.as_fd(), &[io::IoSlice::new(b"x")]).unwrap();
    let mut events = Vec::new();
    poller.wait(&mut events, None).unwrap();
    assert_eq!(events[0].readiness, Readiness::READ);
}

/// Where random programs found the model to differ from Linux.
#[test]
fn what_linux_does_at_the_end_of_a_connection() {
    // Who has read the end hears of no error after it; who writes does.
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    stage.there.send(theirs.as_fd(), b"unread").unwrap();
    stage.here.shutdown(ours.as_fd(), Shutdown::Write).unwrap();
    stage.calm();
    stage.here.close(ours);
    stage.calm();
    assert_eq!(read(&stage.there, &theirs).unwrap(), b"");
    assert_eq!(errno(stage.there.send(theirs.as_fd(), b"x")), Some(libc::EPIPE));

    // Bytes for who has ended both halves break the connection off, on both sides.
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    stage.here.shutdown(ours.as_fd(), Shutdown::Both).unwrap();
    stage.calm();
    stage.there.send(theirs.as_fd(), b"too late").unwrap();
    stage.calm();
    assert_eq!([stage.error(&ours), stage.error(&ours)], [libc::ECONNRESET, 0]);

    // When both halves have ended, nobody is connected any more, and bytes that are not read break nothing off.
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    stage.there.send(theirs.as_fd(), b"unread").unwrap();
    for (world, fd) in [(&stage.here, &ours), (&stage.there, &theirs)] {
        world.shutdown(fd.as_fd(), Shutdown::Write).unwrap();
        stage.calm();
    }
    assert_eq!(errno(stage.there.peer_address(theirs.as_fd())), Some(libc::ENOTCONN));
    stage.here.close(ours);
    stage.calm();
    assert_eq!(stage.there.option(theirs.as_fd(), SocketOption::PendingError).unwrap(), 0);
}
