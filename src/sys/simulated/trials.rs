//! Trials of the whole: programs over simulated hosts.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::super::{Family, Kind, SocketOption, World};
use super::{HostId, Link, Net};
use crate::io::AsyncReadExt;
use crate::net::{TcpListener, TcpStream};
use crate::testing::Choices;
use crate::{Budget, Runtime};

/// A network of two hosts.
pub(super) fn two_hosts(choices: Choices) -> (Net, HostId, HostId) {
    let net = Net::new(choices);
    let address = |number: u8| [IpAddr::from([10, 0, 0, number])];
    let (one, other) = (net.add_host("one", &address(1)), net.add_host("other", &address(2)));
    (net, one, other)
}

/// Runs a program on each host until both are done.
pub(super) fn run_both<A: 'static, B: 'static>(
    net: &Net,
    (one, first): (HostId, impl Future<Output = A> + 'static),
    (other, second): (HostId, impl Future<Output = B> + 'static),
) -> (A, B) {
    let runtimes = [one, other].map(|host| Runtime::builder().world(net.world(host)).build());
    let (mut first, mut second) = (runtimes[0].spawn(first), runtimes[1].spawn(second));
    for runtime in &runtimes {
        runtime.turn(Budget::no_wait()).unwrap();
    }
    loop {
        let mut active = false;
        for runtime in &runtimes {
            let turn = runtime.turn(Budget::no_wait()).unwrap();
            active |= turn != crate::Turn::default();
        }
        if first.is_finished() && second.is_finished() {
            let block = Runtime::new();
            return (block.block_on(&mut first).unwrap(), block.block_on(&mut second).unwrap());
        }
        if !active {
            let next = net.next_event().expect("nothing is to come, and the programs are not done");
            net.advance_to(next);
        }
    }
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Two hosts with one millisecond between them, and a world on each.
pub(super) struct Stage {
    pub(super) net: Net,
    pub(super) hosts: [HostId; 2],
    pub(super) here: World,
    pub(super) there: World,
}

impl Stage {
    pub(super) fn new() -> Stage {
        let (net, one, other) = two_hosts(Choices::ordinary());
        net.set_default_link(Link::new().latency(Duration::from_millis(1)));
        let (here, there) = (net.world(one), net.world(other));
        Stage { net, hosts: [one, other], here, there }
    }

    pub(super) fn passed(&self) -> Duration {
        self.net.clock().passed()
    }

    /// Lets everything happen that happens by itself.
    pub(super) fn calm(&self) {
        while let Some(next) = self.net.next_event() {
            self.net.advance_to(next);
        }
    }

    pub(super) fn pass(&self, time: Duration) {
        self.net.advance_to(self.passed() + time);
    }

    /// A socket there that listens at port 80.
    pub(super) fn listener(&self, backlog: i32) -> OwnedFd {
        let fd = self.there.socket(Family::V4, Kind::Stream).unwrap();
        self.there.bind(fd.as_fd(), address("0.0.0.0:80")).unwrap();
        self.there.listen(fd.as_fd(), backlog).unwrap();
        fd
    }

    /// Begins to connect to it.
    pub(super) fn connect(&self) -> OwnedFd {
        let fd = self.here.socket(Family::V4, Kind::Stream).unwrap();
        let begun = self.here.connect(fd.as_fd(), address("10.0.0.2:80"));
        assert_eq!(begun.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        fd
    }

    /// Both ends of a connection: ours, and theirs.
    pub(super) fn connected(&self) -> (OwnedFd, OwnedFd) {
        let listener = self.listener(16);
        let ours = self.connect();
        self.pass(Duration::from_millis(5));
        let (theirs, _) = self.there.accept(listener.as_fd()).unwrap();
        self.there.close(listener);
        (ours, theirs)
    }

    pub(super) fn error(&self, fd: &OwnedFd) -> i32 {
        self.here.option(fd.as_fd(), SocketOption::PendingError).unwrap()
    }
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn read(world: &World, fd: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 100];
    world.receive(fd.as_fd(), &mut buffer, false).map(|count| buffer[..count].to_vec())
}

pub(super) fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

pub(super) fn is_writable(world: &World, fd: &OwnedFd) -> bool {
    world.is_ready(fd.as_fd(), true).unwrap()
}

#[test]
fn bytes_go_through_a_lone_host() {
    let (net, one, _) = two_hosts(Choices::ordinary());
    let runtime = Runtime::builder().world(net.world(one)).build();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.port(), 32768);
        let server = crate::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            bytes.len()
        });
        let client = TcpStream::connect(address).await.unwrap();
        client.write_all(&[7; 1_000_000]).await.unwrap();
        drop(client);
        assert_eq!(server.await.unwrap(), 1_000_000);
    });
    drop(runtime);
    assert_eq!(net.open_descriptors(one), 0);
}

#[test]
fn bytes_go_from_host_to_host() {
    for (link, least) in [
        (Link::new(), 0),
        (Link::new().latency(Duration::from_millis(10)), 20),
        (Link::new().latency(Duration::from_millis(10)).loss(0.1).jitter(Duration::from_millis(5)), 20),
        (Link::new().bandwidth(1_000_000), 200),
    ] {
        let (net, one, other) = two_hosts(Choices::seeded(3));
        net.set_default_link(link.clone());
        let server = async {
            let listener = TcpListener::bind("0.0.0.0:80").unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            stream.write_all(b"thanks").await.unwrap();
            bytes
        };
        let client = async {
            let mut stream = TcpStream::connect("10.0.0.1:80").await.unwrap();
            let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            (bytes, answer)
        };
        let (received, (sent, answer)) = run_both(&net, (one, server), (other, client));
        assert!(received == sent && answer == "thanks");
        assert!(net.clock().passed() >= Duration::from_millis(least), "{link:?}: {:?}", net.clock().passed());
        println!("{link:?}: {:?}", net.clock().passed());
        assert_eq!((net.open_descriptors(one), net.open_descriptors(other)), (0, 0));
        let state = net.lock();
        assert_eq!((state.sockets.len(), state.connections.len()), (0, 0));
    }
}
