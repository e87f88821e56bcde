//! The behaviour suite: what every backend must do, each behaviour a test that runs in every world there is here.
//!
//! It holds the contract of `mod.rs` against the kernel. What it says of edges is what the reactor relies on; see the
//! heads of `epoll.rs` and `kqueue.rs`. Where those two differ, a test demands what both promise.

mod hooks;
mod messages;
mod plain;
mod polling;
mod sockets;
mod waits;

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::choices::{Choices, Kinds};

use super::{Call, Event, Family, Hook, Kind, Net, Readiness, Token, World, WorldPoller};

/// Longer than anything here takes; a wait that lasts so long has failed.
const LONG: Duration = Duration::from_secs(5);

thread_local! {
    /// The network and the world on it, while a behaviour runs there: its descriptors mean nothing to the kernel.
    static SIMULATED: RefCell<Option<(Net, World)>> = const { RefCell::new(None) };
}

/// Runs a behaviour in every world. A failure shows the name of the last world.
fn in_each_world(behaviour: impl Fn(&World)) {
    in_each_kernel(&behaviour);
    println!("a simulated host");
    let net = Net::new(Choices::ordinary());
    let world = net.world(net.add_host("host", &[]));
    SIMULATED.set(Some((net, world.clone())));
    behaviour(&world);
    SIMULATED.set(None);
}

fn simulated() -> Option<(Net, World)> {
    SIMULATED.with_borrow(Clone::clone)
}

/// For behaviours that are a matter of the operating system's alone.
fn in_each_kernel(behaviour: impl Fn(&World)) {
    println!("the kernel");
    behaviour(&World::kernel());
    println!("the kernel, behind a hook that lets everything pass");
    let counting = Arc::new(Counting::default());
    behaviour(&World::kernel().hooked(counting.clone()));
    let (begun, ended) = (counting.begun.load(Ordering::SeqCst), counting.ended.load(Ordering::SeqCst));
    assert!(begun > 0, "nothing passed the hook");
    assert_eq!(begun, ended, "a call began and did not end");
    println!("a hostile kernel that deviates in nothing");
    behaviour(&World::kernel().hostile(&Choices::ordinary()));
    // The other deviations are within what a program must expect, and not within what is held here: that a call which
    // can be made is made, at once and whole, and that a wait gives all there is.
    println!("a hostile kernel that shuffles events");
    behaviour(&World::kernel().hostile(&Choices::seeded(1).only(Kinds::EVENTS)));
}

#[derive(Default)]
struct Counting {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Hook for Counting {
    fn before(&self, _: Call, _: Option<i32>) -> io::Result<()> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn after(&self, _: Call, _: Option<i32>, _: Option<&io::Error>) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs a test body in a process of its own: the test calls this and nothing else. `name` is its full name.
fn alone(name: &str, body: impl FnOnce()) {
    const MARK: &str = "CORACLE_SUITE_ALONE";
    if std::env::var(MARK).is_ok_and(|marked| marked == name) {
        return body();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, name)
        .output()
        .unwrap();
    let (said, erred) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed in its own process ({}):\n{said}{erred}", output.status);
    assert!(said.contains("1 passed"), "no test is called {name}:\n{said}");
}

// ---- descriptors ----------------------------------------------------------------------------------------------------

/// The families that this machine's loopback interface has: a container may lack IPv6.
fn families() -> Vec<Family> {
    let v6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if v6 { vec![Family::V4, Family::V6] } else { vec![Family::V4] }
}

fn loopback(family: Family) -> SocketAddr {
    match family {
        Family::V4 => (Ipv4Addr::LOCALHOST, 0).into(),
        Family::V6 => (Ipv6Addr::LOCALHOST, 0).into(),
        Family::Unix => panic!("a Unix socket has no loopback address"),
    }
}

fn listener(world: &World, family: Family) -> (OwnedFd, SocketAddr) {
    let fd = world.socket(family, Kind::Stream).unwrap();
    world.bind(fd.as_fd(), loopback(family)).unwrap();
    world.listen(fd.as_fd(), 16).unwrap();
    let address = world.local_address(fd.as_fd()).unwrap().to_ip().unwrap();
    (fd, address)
}

/// Begins to connect, and waits for the end of that.
fn connect(world: &World, address: SocketAddr) -> OwnedFd {
    let fd = world.socket(Family::of(address), Kind::Stream).unwrap();
    match world.connect(fd.as_fd(), address) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        result => result.unwrap(),
    }
    assert!(becomes(fd.as_fd(), libc::POLLOUT, LONG), "the connection was not made");
    fd
}

/// Both ends of a connection, the one that connected first.
fn connected(world: &World, family: Family) -> (OwnedFd, OwnedFd) {
    let (listener, address) = listener(world, family);
    let client = connect(world, address);
    assert!(becomes(listener.as_fd(), libc::POLLIN, LONG), "the connection did not arrive");
    let (server, _) = world.accept(listener.as_fd()).unwrap();
    (client, server)
}

/// A pair of local sockets: what one end does is there at the other when the call returns.
fn pair() -> (OwnedFd, OwnedFd) {
    if let Some((_, world)) = simulated() {
        return world.socket_pair(Kind::Stream).unwrap();
    }
    let (ours, theirs) = UnixStream::pair().unwrap();
    for end in [&ours, &theirs] {
        end.set_nonblocking(true).unwrap();
    }
    (ours.into(), theirs.into())
}

/// The kinds of stream whose edges the reactor relies on.
fn streams(world: &World) -> [(OwnedFd, OwnedFd); 2] {
    [pair(), connected(world, Family::V4)]
}

/// Another descriptor of the same socket.
fn duplicate(fd: &OwnedFd) -> OwnedFd {
    let Some((_, world)) = simulated() else { return fd.try_clone().unwrap() };
    let (one, other) = world.socket_pair(Kind::Datagram).unwrap();
    world.send_message(one.as_fd(), b"", None, &[fd.as_fd()]).unwrap();
    let received = world.receive_message(other.as_fd(), &mut [], 1, false).unwrap();
    [one, other].into_iter().for_each(|end| world.close(end));
    received.descriptors.into_iter().next().unwrap()
}

/// Whether poll(2), or the network, finds the descriptor ready within that time.
fn becomes(fd: BorrowedFd<'_>, events: i16, within: Duration) -> bool {
    if let Some((net, world)) = simulated() {
        let end = net.clock().passed() + within;
        while !world.is_ready(fd, events == libc::POLLOUT).unwrap() {
            match net.next_event().filter(|next| *next <= end) {
                Some(next) => net.advance_to(next),
                None => {
                    net.advance_to(end);
                    return world.is_ready(fd, events == libc::POLLOUT).unwrap();
                }
            }
        }
        return true;
    }
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    let milliseconds = within.as_millis() as libc::c_int;
    // SAFETY: S1: one pollfd, which lives to the end of the call.
    unsafe { libc::poll(&mut poll, 1, milliseconds) == 1 }
}

/// Reads once, with room for 64 bytes.
fn read(world: &World, fd: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 64];
    let count = world.receive(fd.as_fd(), &mut buffer, false)?;
    Ok(buffer[..count].to_vec())
}

/// Reads until so many bytes have come.
fn read_exactly(world: &World, fd: &OwnedFd, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        assert!(becomes(fd.as_fd(), libc::POLLIN, LONG), "only {} of {count} bytes came", bytes.len());
        bytes.extend(read(world, fd).unwrap());
    }
    bytes
}

fn is_would_block<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

// ---- pollers --------------------------------------------------------------------------------------------------------

/// Waits once.
fn wait(poller: &WorldPoller, time: Duration) -> Vec<Event> {
    let mut events = Vec::new();
    poller.wait(&mut events, Some(time)).unwrap();
    events
}

/// Waits until a descriptor has shown all these bits, in one event or several: what it has shown. No other may show.
fn shows(poller: &WorldPoller, token: Token, bits: Readiness) -> Readiness {
    let (begin, mut shown) = (Instant::now(), Readiness::NONE);
    while !shown.contains(bits) {
        assert!(begin.elapsed() < LONG, "{bits:?} did not show, only {shown:?}");
        for event in wait(poller, LONG) {
            assert_eq!(event.token, token, "an event of another descriptor");
            shown = shown.with(event.readiness);
        }
    }
    shown
}

/// Takes in whatever shows at first; after that a wait finds nothing.
fn settle(poller: &WorldPoller) {
    let begin = Instant::now();
    while !wait(poller, Duration::from_millis(10)).is_empty() {
        assert!(begin.elapsed() < LONG, "the poller reports without end");
    }
}

/// Nothing shows for a while.
fn is_silent(poller: &WorldPoller) -> bool {
    wait(poller, Duration::from_millis(10)).is_empty()
}
