//! Several addresses of one name, tried side by side (RFC 8305): who begins when, who wins, and what is left of the
//! others.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coracle::Budget;
use coracle::net::TcpStream;
use coracle::sys::Call;

use super::resolve::{Names, descriptors_return_to};
use super::{kind, refusing, settle, soon};
use crate::reactor::calls::errno;
use crate::support::{self, alone, cut_at_every_poll, poll_once};

/// RFC 8305, section 5.
const DELAY: Duration = Duration::from_millis(250);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Every name has these addresses; the first `black` attempts hear nothing: the call says "in progress" without being
/// made.
fn black_holes(black: usize, addresses: Vec<SocketAddr>) -> Arc<Names> {
    let tried = AtomicUsize::new(0);
    let fault = move |call| {
        let is_black = call == Call::Connect && tried.fetch_add(1, Ordering::SeqCst) < black;
        if is_black { Err(errno(libc::EAGAIN)) } else { Ok(()) }
    };
    Names::with_faults(move |_, _| Some(Ok(addresses.clone())), fault)
}

/// No route anywhere: every attempt fails at once.
fn unreachable(addresses: Vec<SocketAddr>) -> Arc<Names> {
    let fault = |call| if call == Call::Connect { Err(errno(libc::ENETUNREACH)) } else { Ok(()) };
    Names::with_faults(move |_, _| Some(Ok(addresses.clone())), fault)
}

fn listener() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Whether this machine has IPv6 or not: what does not answer there is not waited for.
#[test]
fn when_ipv6_refuses_ipv4_is_next() {
    let (_listens, v4) = listener();
    let v6 = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v4.port()));
    let names = Names::always(vec![v6, v4]);
    let stream = names.runtime().block_on(soon(TcpStream::connect("both.name:80"))).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), v4);
    assert_eq!(names.connects(), 2);
}

#[test]
fn when_one_fails_the_next_begins_at_once() {
    let names = unreachable(vec![]);
    let list = [address("[::1]:1"), address("127.0.0.1:1"), address("127.0.0.2:1")];
    names.runtime().enter(|| {
        let polled = poll_once(&mut TcpStream::connect(&list[..]));
        assert!(polled.is_ready(), "nothing was waited for");
    });
    assert_eq!(names.connects(), 3);
}

/// One that hears nothing is alone for 250 ms, then the next begins beside it, and wins.
#[test]
fn a_black_hole_costs_a_quarter_of_a_second() {
    let (_listens, good) = listener();
    let names = black_holes(1, vec![address("[::1]:9"), good]);
    let runtime = names.runtime();
    let begin = Instant::now();
    let connecting = runtime.spawn(TcpStream::connect("black.name:80"));
    while names.connects() == 0 {
        runtime.turn(Budget { wait: Some(Duration::from_millis(1)), ..Budget::no_wait() }).unwrap();
    }
    let begun = Instant::now();
    settle(&runtime);
    let next = runtime.next_deadline().expect("the next attempt has a time");
    assert!(begin + DELAY <= next && next <= begun + DELAY, "{:?}", next - begin);
    let stream = runtime.block_on(soon(connecting)).unwrap().unwrap();
    let took = begin.elapsed();
    assert_eq!(stream.peer_addr().unwrap(), good);
    assert!(DELAY <= took && took < 10 * DELAY, "{took:?}");
    assert_eq!(names.connects(), 2);
    let snapshot = runtime.inspect();
    assert!(snapshot.sources.len() <= 1, "the other attempt is closed: {snapshot:?}");
    assert!(snapshot.timers.is_empty(), "{snapshot:?}");
}

/// What has begun goes on: when the second fails, the first is still waited for.
#[test]
fn a_failure_beside_a_black_hole_brings_on_the_next_one() {
    let (_refuses, refused) = refusing();
    let (_listens, good) = listener();
    let names = black_holes(1, vec![address("127.0.0.1:9"), refused, good]);
    let runtime = names.runtime();
    let begin = Instant::now();
    let stream = runtime.block_on(soon(TcpStream::connect("black.name:80"))).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good);
    assert!(DELAY <= begin.elapsed() && begin.elapsed() < 10 * DELAY, "one pause, not two: {:?}", begin.elapsed());
    assert_eq!(names.connects(), 3);
}

/// Section 4: by turns, and the family of the resolver's first address begins. A list of one's own is tried as it is.
#[test]
fn the_families_of_a_name_take_turns() {
    let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"].map(address);
    let names = unreachable(addresses.to_vec());
    let order = |result: io::Result<TcpStream>| -> Vec<String> {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable);
        let text = error.to_string();
        let all = text.strip_prefix("no address answers: ").unwrap();
        all.split("; ").map(|one| one.split_once(": ").unwrap().0.to_owned()).collect()
    };
    let runtime = names.runtime();
    let by_name = runtime.block_on(soon(TcpStream::connect("both.name:80")));
    assert_eq!(order(by_name), ["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "[::3]:1"]);
    let by_list = runtime.block_on(soon(TcpStream::connect(&addresses[..])));
    assert_eq!(order(by_list), addresses.map(|address| address.to_string()));
}

#[test]
fn when_all_fail_the_error_names_all() {
    let (_one, first) = refusing();
    let (_two, second) = refusing();
    let names = Names::always(vec![first, second]);
    let error = names.runtime().block_on(soon(TcpStream::connect("shut.name:80"))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let text = error.to_string();
    assert!(text.contains(&first.to_string()) && text.contains(&second.to_string()), "{text}");
    assert_eq!(text.matches("refused").count(), 2, "{text}");
    // Of one there is nothing to tell but itself.
    let names = Names::always(vec![first]);
    let error = names.runtime().block_on(soon(TcpStream::connect("shut.name:80"))).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
}

/// In its look-up, beside a black hole, between two attempts: nothing is left.
#[test]
fn a_connect_that_is_dropped_anywhere_leaves_nothing() {
    alone("net::families::a_connect_that_is_dropped_anywhere_leaves_nothing", || {
        let (_refuses, refused) = refusing();
        let (listens, good) = listener();
        let before = support::descriptors();
        let dropped = cut_at_every_poll(|cut| {
            let names = black_holes(1, vec![address("127.0.0.1:9"), refused, good]);
            let runtime = names.runtime();
            let connected = runtime.block_on(soon(cut.at(TcpStream::connect("some.name:80"))));
            if let Some(stream) = connected {
                assert_eq!(stream.unwrap().peer_addr().unwrap(), good);
                listens.accept().unwrap();
            }
            let snapshot = runtime.inspect();
            assert!(snapshot.sources.is_empty() && snapshot.timers.is_empty(), "{snapshot:?}");
        });
        assert!(dropped >= 4, "{dropped}");
        descriptors_return_to(before);
    });
}

/// Until somebody's patience ends.
#[test]
fn black_holes_alone_wait_and_do_not_spin() {
    let names = black_holes(usize::MAX, vec![address("127.0.0.1:9"), address("127.0.0.2:9")]);
    let runtime = names.runtime();
    let connecting =
        runtime.spawn(async { coracle::time::timeout(2 * DELAY, TcpStream::connect("black.name:80")).await });
    let mut turns = 0;
    while !connecting.is_finished() {
        runtime.turn(Budget { wait: Some(DELAY), ..Budget::no_wait() }).unwrap();
        turns += 1;
    }
    assert_eq!(names.connects(), 2);
    assert!(turns < 20, "{turns} turns");
    assert!(runtime.block_on(connecting).unwrap().is_err(), "the time is up");
    assert!(runtime.inspect().sources.is_empty());
}

#[test]
fn a_name_without_an_address_is_an_error() {
    let names = Names::always(vec![]);
    assert_eq!(kind(names.runtime().block_on(soon(TcpStream::connect("no.name:80")))), io::ErrorKind::NotFound);
    assert_eq!(names.connects(), 0);
}
