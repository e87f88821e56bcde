//! What a network does to bytes and datagrams: delay, loss, partitions, faults, crashes. At the seam itself.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::super::{Family, Kind, SocketOption, World};
use super::trials::{SECOND, Stage, address, errno, is_writable, read, two_hosts};
use super::{Fault, Link, socket};
use crate::testing::Choices;

// ---- bytes ----------------------------------------------------------------------------------------------------------

#[test]
fn a_receiver_that_does_not_read_stops_the_sender_and_room_travels_back() {
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    let mut sent = 0;
    for _ in 0..10 {
        while let Ok(count) = stage.here.send(ours.as_fd(), &[7; 10_000]) {
            sent += count;
        }
        stage.calm();
    }
    assert_eq!(sent, 2 * socket::BUFFER, "one buffer at each end");
    let mut buffer = vec![0; sent];
    let count = stage.there.receive(theirs.as_fd(), &mut buffer, false).unwrap();
    assert_eq!(count, socket::BUFFER);
    assert!(!is_writable(&stage.here, &ours));
    stage.pass(Duration::from_micros(2999));
    assert!(!is_writable(&stage.here, &ours));
    // The window comes, what waited for it goes, and word comes that it has arrived.
    stage.pass(Duration::from_micros(1));
    assert!(is_writable(&stage.here, &ours));
}

#[test]
fn bytes_in_a_partition_are_late_and_after_a_quarter_of_an_hour_lost() {
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    stage.net.partition(stage.hosts[0], stage.hosts[1]);
    stage.here.send(ours.as_fd(), b"late").unwrap();
    stage.pass(SECOND);
    assert_eq!(errno(read(&stage.there, &theirs)), Some(libc::EAGAIN));
    stage.net.heal(stage.hosts[0], stage.hosts[1]);
    stage.pass(SECOND);
    assert_eq!(read(&stage.there, &theirs).unwrap(), b"late");

    // It does not matter which way is closed: without an answer, nobody knows that they have arrived.
    for (from, to) in [(0, 1), (1, 0)] {
        let stage = Stage::new();
        let (ours, _theirs) = stage.connected();
        let before = stage.passed();
        stage.net.partition(stage.hosts[from], stage.hosts[to]);
        stage.here.send(ours.as_fd(), b"lost").unwrap();
        stage.calm();
        let passed = (stage.passed() - before).as_secs();
        assert_eq!((passed, stage.error(&ours)), (924, libc::ETIMEDOUT));
    }
}

#[test]
fn what_is_held_comes_in_order_when_it_is_let_go() {
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    stage.net.hold(stage.hosts[0], stage.hosts[1]);
    for bytes in [b"one ", b"two "] {
        stage.here.send(ours.as_fd(), bytes).unwrap();
    }
    stage.calm();
    assert_eq!(errno(read(&stage.there, &theirs)), Some(libc::EAGAIN));
    stage.net.let_go(stage.hosts[0], stage.hosts[1]);
    stage.here.send(ours.as_fd(), b"three").unwrap();
    stage.calm();
    assert_eq!(read(&stage.there, &theirs).unwrap(), b"one two three");
}

#[test]
fn a_narrow_link_takes_its_time() {
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    stage.net.set_link(stage.hosts[0], stage.hosts[1], Link::new().bandwidth(1_040_000));
    let before = stage.passed();
    stage.here.send(ours.as_fd(), &[7; 50_000]).unwrap();
    stage.calm();
    let taken = (stage.passed() - before).as_secs_f64();
    // 50,000 bytes and the headers of 35 packets, at 1,040 a millisecond.
    assert!((0.048..0.052).contains(&taken), "{taken}");
    assert_eq!(stage.there.receive(theirs.as_fd(), &mut vec![0; 60_000], false).unwrap(), 50_000);
}

// ---- faults and crashes ---------------------------------------------------------------------------------------------

#[test]
fn a_fault_strikes_after_its_bytes() {
    for fault in [Fault::Reset, Fault::HalfClose, Fault::Stall] {
        let stage = Stage::new();
        stage.net.fault(stage.hosts[0], stage.hosts[1], 4, fault);
        let (ours, theirs) = stage.connected();
        stage.here.send(ours.as_fd(), b"four and more").unwrap();
        stage.calm();
        assert_eq!(read(&stage.there, &theirs).unwrap(), b"four");
        let after = read(&stage.there, &theirs);
        let back = stage.there.send(theirs.as_fd(), b"back");
        stage.calm();
        match fault {
            Fault::Reset => {
                assert_eq!([errno(after), errno(back)], [Some(libc::ECONNRESET), Some(libc::EPIPE)]);
                assert_eq!(errno(read(&stage.here, &ours)), Some(libc::ECONNRESET));
            }
            Fault::HalfClose => {
                assert_eq!(after.unwrap(), b"");
                assert_eq!(read(&stage.here, &ours).unwrap(), b"back", "the other direction lives");
                for _ in 0..20 {
                    assert_eq!(stage.here.send(ours.as_fd(), &[0; 10_000]).unwrap(), 10_000, "into the void");
                }
            }
            Fault::Stall => {
                assert_eq!(errno(after), Some(libc::EAGAIN));
                assert_eq!(read(&stage.here, &ours).unwrap(), b"back", "the other direction lives");
                while stage.here.send(ours.as_fd(), &[0; 10_000]).is_ok() {}
                stage.calm();
                assert_eq!(stage.error(&ours), 0, "nobody is told");
            }
        }
    }
}

#[test]
fn a_crash_says_nothing_and_a_restart_answers_with_a_reset() {
    let stage = Stage::new();
    let (ours, theirs) = stage.connected();
    stage.net.crash(stage.hosts[1]);
    assert_eq!(stage.net.open_descriptors(stage.hosts[1]), 0);
    stage.there.close(theirs);
    assert_eq!(errno(stage.there.socket(Family::V4, Kind::Stream)), Some(libc::ENETDOWN));
    stage.pass(SECOND);
    assert_eq!(errno(read(&stage.here, &ours)), Some(libc::EAGAIN));
    stage.here.send(ours.as_fd(), b"anybody?").unwrap();
    stage.pass(SECOND);
    stage.net.restart(stage.hosts[1]);
    let connecting = stage.connect();
    stage.calm();
    assert_eq!(errno(read(&stage.here, &ours)), Some(libc::ECONNRESET));
    assert_eq!(stage.error(&connecting), libc::ECONNREFUSED, "nobody listens there any more");
    let there = stage.net.world(stage.hosts[1]);
    let listener = there.socket(Family::V4, Kind::Stream).unwrap();
    there.bind(listener.as_fd(), address("10.0.0.2:80")).unwrap();
    there.listen(listener.as_fd(), 4).unwrap();
    let again = stage.connect();
    stage.calm();
    assert_eq!(stage.error(&again), 0);
    there.accept(listener.as_fd()).unwrap();
}

#[test]
fn who_has_too_many_descriptors_gets_no_more() {
    let stage = Stage::new();
    let listener = stage.listener(16);
    let _ours = stage.connect();
    stage.calm();
    stage.net.limit_descriptors(stage.hosts[1], Some(1));
    for _ in 0..2 {
        assert_eq!(errno(stage.there.accept(listener.as_fd())), Some(libc::EMFILE));
    }
    assert_eq!(errno(stage.there.pipe()), Some(libc::EMFILE));
    stage.net.limit_descriptors(stage.hosts[1], None);
    stage.there.accept(listener.as_fd()).unwrap();
}

// ---- datagrams ------------------------------------------------------------------------------------------------------

/// A socket for datagrams at port 53.
fn udp(world: &World) -> OwnedFd {
    let fd = world.socket(Family::V4, Kind::Datagram).unwrap();
    world.bind(fd.as_fd(), address("0.0.0.0:53")).unwrap();
    fd
}

fn count_received(world: &World, fd: &OwnedFd) -> usize {
    std::iter::from_fn(|| world.receive_message(fd.as_fd(), &mut [0; 8], 0, false).ok()).count()
}

#[test]
fn datagrams_are_lost_doubled_and_cut_as_the_link_has_it() {
    for (link, bytes, expected) in [
        (Link::new(), 1, 1000..=1000),
        (Link::new().loss(0.5), 1, 400..=600),
        (Link::new().loss(1.0), 1, 0..=0),
        (Link::new().duplicates(0.5), 1, 1400..=1600),
        // Three fragments, each of which arrives nine times in ten.
        (Link::new().loss(0.1), 4000, 650..=800),
    ] {
        let (net, one, other) = two_hosts(Choices::seeded(11));
        let (here, there) = (net.world(one), net.world(other));
        let (from, to) = (udp(&here), udp(&there));
        net.set_link(one, other, link.clone());
        let mut received = 0;
        for _ in 0..1000 {
            here.send_message(from.as_fd(), &vec![7; bytes], Some(&address("10.0.0.2:53").into()), &[]).unwrap();
            while let Some(next) = net.next_event() {
                net.advance_to(next);
            }
            received += count_received(&there, &to);
        }
        assert!(expected.contains(&received), "{link:?}: {received}");
    }
}

#[test]
fn jitter_brings_datagrams_out_of_order_and_never_the_bytes_of_a_stream() {
    let (net, one, other) = two_hosts(Choices::seeded(11));
    let (here, there) = (net.world(one), net.world(other));
    let (from, to) = (udp(&here), udp(&there));
    net.set_default_link(Link::new().jitter(SECOND));
    for number in 0..100 {
        here.send_message(from.as_fd(), &[number], Some(&address("10.0.0.2:53").into()), &[]).unwrap();
    }
    net.advance_to(SECOND);
    let mut numbers = Vec::new();
    let mut buffer = [0];
    while there.receive_message(to.as_fd(), &mut buffer, 0, false).is_ok() {
        numbers.push(buffer[0]);
    }
    assert!(numbers.len() == 100 && !numbers.is_sorted());
}

#[test]
fn a_full_buffer_drops_what_comes() {
    let stage = Stage::new();
    let (from, to) = (udp(&stage.here), udp(&stage.there));
    stage.there.set_option(to.as_fd(), SocketOption::ReceiveBuffer, 10_000).unwrap();
    for _ in 0..20 {
        stage.here.send_message(from.as_fd(), &[7; 1000], Some(&address("10.0.0.2:53").into()), &[]).unwrap();
    }
    stage.calm();
    assert_eq!(count_received(&stage.there, &to), 7, "each costs its bytes, and 256");
}

#[test]
fn a_connected_socket_hears_its_peer_only_and_learns_that_it_is_not_there() {
    let stage = Stage::new();
    let ours = udp(&stage.here);
    stage.here.connect(ours.as_fd(), address("10.0.0.2:53")).unwrap();
    stage.here.send(ours.as_fd(), b"anybody?").unwrap();
    stage.calm();
    let mut buffer = [0; 8];
    assert_eq!(errno(stage.here.receive(ours.as_fd(), &mut buffer, false)), Some(libc::ECONNREFUSED));
    let stranger = stage.there.socket(Family::V4, Kind::Datagram).unwrap();
    stage.there.send_message(stranger.as_fd(), b"hello", Some(&address("10.0.0.1:53").into()), &[]).unwrap();
    stage.calm();
    assert_eq!(errno(stage.here.receive(ours.as_fd(), &mut buffer, false)), Some(libc::EAGAIN));
    let theirs = udp(&stage.there);
    stage.here.send(ours.as_fd(), b"").unwrap();
    stage.calm();
    assert_eq!(count_received(&stage.there, &theirs), 1, "empty, and a datagram");
    let too_long = stage.here.send(ours.as_fd(), &[0; 65_508]);
    assert_eq!(errno(too_long), Some(libc::EMSGSIZE));
}
