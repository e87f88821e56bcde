//! A real proxy with faults, between peers in the same runtime and in threads.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use coracle::Runtime;
use coracle::io::{self, ErrorKind};
use coracle::net::{TcpListener, TcpStream};
use coracle::sim::{Fault, Link};
use coracle::sys::World;
use coracle::task::{join, yield_now};
use coracle::testing::Direction::{ToClient, ToServer};
use coracle::testing::{Choices, FaultProxy, check_stream, listener, settle};
use coracle::time::{now, timeout};

fn paused() -> Runtime {
    Runtime::builder().world(World::kernel().paused()).build()
}

/// A proxy before a listener, and a connection through both.
struct Through {
    listener: TcpListener,
    proxy: FaultProxy,
}

impl Through {
    async fn new() -> Through {
        let (listener, address) = listener().unwrap();
        let proxy = FaultProxy::bind("127.0.0.1:0", address).await.unwrap();
        Through { listener, proxy }
    }

    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.addr()).await.unwrap();
        let (server, _) = self.listener.accept().await.unwrap();
        (client, server)
    }
}

async fn read(stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// What is read up to the end or an error, and that error's kind.
async fn read_all(stream: &TcpStream) -> (usize, Option<ErrorKind>) {
    let (mut all, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return (all, None),
            Ok(count) => all += count,
            Err(error) => return (all, Some(error.kind())),
        }
    }
}

/// How a connection ends that is reset at once: perhaps before the client has seen that it was connected.
async fn end_seen_by(client: io::Result<TcpStream>) -> Option<ErrorKind> {
    match client {
        Ok(client) => read_all(&client).await.1,
        Err(error) => Some(error.kind()),
    }
}

#[test]
fn without_faults_it_is_a_stream_like_any_other() {
    coracle::block_on(async {
        let through = Through::new().await;
        let narrow = async || {
            let (client, server) = through.connect().await;
            for stream in [&client, &server] {
                stream.set_send_buffer_size(32 * 1024)?;
                stream.set_recv_buffer_size(32 * 1024)?;
            }
            Ok((client, server))
        };
        check_stream(narrow).await.assert();
        assert!(through.proxy.bytes(ToServer) > 1 << 20 && through.proxy.bytes(ToClient) > 1 << 20);
        through.proxy.until(|proxy| proxy.connections() == 0).await;
    });
}

#[test]
fn on_a_paused_clock_too() {
    paused().block_on(async {
        let through = Through::new().await;
        through.proxy.link(ToServer, Link::new().latency(Duration::from_millis(30)));
        let checks = coracle::testing::Checks::new().limit(Duration::from_secs(3600)).patience(Duration::from_secs(1));
        checks.run(async || Ok(through.connect().await)).await.assert();
    });
}

#[test]
fn latency_is_the_way_there_and_back() {
    paused().block_on(async {
        let through = Through::new().await;
        through.proxy.link(ToServer, Link::new().latency(Duration::from_millis(30)));
        through.proxy.link(ToClient, Link::new().latency(Duration::from_millis(70)));
        let (client, server) = through.connect().await;
        let start = now();
        client.write_all(b"ping").await.unwrap();
        assert_eq!(read(&server, 4).await, b"ping");
        assert_eq!(now() - start, Duration::from_millis(30));
        server.write_all(b"pong").await.unwrap();
        assert_eq!(read(&client, 4).await, b"pong");
        assert_eq!(now() - start, Duration::from_millis(100));
    });
}

#[test]
fn a_narrow_link_takes_its_time() {
    paused().block_on(async {
        let through = Through::new().await;
        through.proxy.link(ToServer, Link::new().bandwidth(10_000));
        let (client, server) = through.connect().await;
        let start = now();
        let writing = async {
            client.write_all(&[7; 50_000]).await.unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
        };
        let ((), (count, error)) = join((writing, read_all(&server))).await;
        assert_eq!((count, error), (50_000, None));
        assert_eq!((now() - start).as_millis(), 5_000);
    });
}

/// How long a conversation takes over a bad link, by a seed.
fn duration_of_a_conversation(choices: Choices) -> Duration {
    paused().block_on(async {
        let through = Through::new().await;
        through.proxy.choices(choices);
        through.proxy.link(ToServer, Link::new().jitter(Duration::from_millis(50)).loss(0.3));
        let (client, server) = through.connect().await;
        let start = now();
        for n in 0..50 {
            client.write_all(&[n]).await.unwrap();
            assert_eq!(read(&server, 1).await, [n]);
        }
        now() - start
    })
}

#[test]
fn what_is_random_is_as_the_seed_has_it() {
    let first = duration_of_a_conversation(Choices::seeded(7));
    assert_eq!(first, duration_of_a_conversation(Choices::seeded(7)));
    assert_ne!(first, duration_of_a_conversation(Choices::seeded(8)));
    assert!(first > Duration::from_millis(200), "nothing was lost: {first:?}");
    assert_eq!(duration_of_a_conversation(Choices::ordinary()), Duration::ZERO);
}

#[test]
fn a_reset_after_n_bytes_is_seen_by_both_sides() {
    coracle::block_on(async {
        let through = Through::new().await;
        through.proxy.fault(ToServer, 100, Fault::Reset);
        let (client, server) = through.connect().await;
        client.write_all(&[1; 1000]).await.unwrap();
        let (count, error) = read_all(&server).await;
        assert!(count <= 100, "{count} bytes passed");
        assert_eq!(error, Some(ErrorKind::ConnectionReset));
        assert_eq!(read_all(&client).await, (0, Some(ErrorKind::ConnectionReset)));
        assert_eq!(through.proxy.bytes(ToServer), 100);
        through.proxy.until(|proxy| proxy.connections() == 0).await;
    });
}

#[test]
fn a_half_close_after_n_bytes_leaves_the_other_direction() {
    coracle::block_on(async {
        let through = Through::new().await;
        through.proxy.fault(ToClient, 3, Fault::HalfClose);
        let (client, server) = through.connect().await;
        server.write_all(b"answer").await.unwrap();
        assert_eq!(read_all(&client).await, (3, None));
        server.write_all(&[0; 1 << 20]).await.unwrap();
        client.write_all(b"more?").await.unwrap();
        assert_eq!(read(&server, 5).await, b"more?");
        through.proxy.no_faults();
        let (client, server) = through.connect().await;
        server.write_all(b"answer").await.unwrap();
        assert_eq!(read(&client, 6).await, b"answer");
    });
}

#[test]
fn a_stall_after_n_bytes_tells_nobody_and_holds_the_sender_back() {
    paused().block_on(async {
        let through = Through::new().await;
        through.proxy.fault(ToServer, 5, Fault::Stall);
        let (client, server) = through.connect().await;
        client.write_all(b"some bytes").await.unwrap();
        assert_eq!(read(&server, 5).await, b"some ");
        assert!(timeout(Duration::from_secs(3600), server.read(&mut [0; 8])).await.is_err());
        server.write_all(b"hello?").await.unwrap();
        assert_eq!(read(&client, 6).await, b"hello?");
        let writing = client.write_all(&[0; 64 << 20]);
        assert!(timeout(Duration::from_secs(3600), writing).await.is_err(), "it takes everything");
    });
}

#[test]
fn a_fault_at_once_is_met_by_each_new_connection() {
    coracle::block_on(async {
        let through = Through::new().await;
        through.proxy.fault(ToServer, 0, Fault::Reset);
        through.proxy.fault(ToServer, 10, Fault::Stall);
        for _ in 0..3 {
            let (client, server) = join((TcpStream::connect(through.proxy.addr()), through.listener.accept())).await;
            assert_eq!(end_seen_by(client).await, Some(ErrorKind::ConnectionReset));
            assert_eq!(read_all(&server.unwrap().0).await.1, Some(ErrorKind::ConnectionReset));
        }
    });
}

#[test]
fn what_is_held_comes_when_it_is_let_go() {
    paused().block_on(async {
        let through = Through::new().await;
        through.proxy.link(ToServer, Link::new().latency(Duration::from_millis(10)));
        let (client, server) = through.connect().await;
        through.proxy.hold();
        for word in ["one ", "two ", "three"] {
            client.write_all(word.as_bytes()).await.unwrap();
        }
        assert!(timeout(Duration::from_secs(60), server.read(&mut [0; 8])).await.is_err());
        let start = now();
        through.proxy.let_go();
        assert_eq!(read(&server, 13).await, b"one two three");
        assert_eq!(now(), start);
        through.proxy.hold_one_way(ToClient);
        client.write_all(b"four").await.unwrap();
        assert_eq!(read(&server, 4).await, b"four");
    });
}

#[test]
fn what_is_lost_in_a_partition_is_sent_again_when_it_heals() {
    paused().block_on(async {
        let through = Through::new().await;
        through.proxy.link(ToServer, Link::new().latency(Duration::from_millis(10)));
        let (client, server) = through.connect().await;
        through.proxy.partition();
        client.write_all(b"lost").await.unwrap();
        assert!(timeout(Duration::from_secs(60), server.read(&mut [0; 8])).await.is_err());
        // Nobody new gets through, nor any end.
        let second = TcpStream::connect(through.proxy.addr()).await.unwrap();
        drop(client);
        assert!(timeout(Duration::from_secs(60), through.listener.accept()).await.is_err());
        let start = now();
        through.proxy.heal();
        assert_eq!(read(&server, 4).await, b"lost");
        assert_eq!(now() - start, Duration::from_millis(10));
        assert_eq!(read_all(&server).await, (0, None));
        let (other, _) = through.listener.accept().await.unwrap();
        second.write_all(b"second").await.unwrap();
        assert_eq!(read(&other, 6).await, b"second");
        through.proxy.partition_one_way(ToServer);
        other.write_all(b"answer").await.unwrap();
        assert_eq!(read(&second, 6).await, b"answer");
    });
}

#[test]
fn a_proxy_that_refuses_is_not_there() {
    coracle::block_on(async {
        let through = Through::new().await;
        let (client, server) = through.connect().await;
        through.proxy.refuse();
        for _ in 0..2 {
            let refused = TcpStream::connect(through.proxy.addr()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
        client.write_all(b"still here").await.unwrap();
        assert_eq!(read(&server, 10).await, b"still here");
        through.proxy.listen_again().unwrap();
        through.proxy.listen_again().unwrap();
        let (client, server) = through.connect().await;
        client.write_all(b"back").await.unwrap();
        assert_eq!(read(&server, 4).await, b"back");
        assert_eq!(through.proxy.accepted(), 2);
    });
}

#[test]
fn all_connections_are_reset_at_once_and_new_ones_live() {
    coracle::block_on(async {
        let through = Through::new().await;
        let (first, second) = (through.connect().await, through.connect().await);
        through.proxy.reset_all();
        for stream in [&first.0, &first.1, &second.0, &second.1] {
            assert_eq!(read_all(stream).await, (0, Some(ErrorKind::ConnectionReset)));
        }
        through.proxy.until(|proxy| proxy.connections() == 0).await;
        let (client, server) = through.connect().await;
        client.write_all(b"new").await.unwrap();
        assert_eq!(read(&server, 3).await, b"new");
    });
}

#[test]
fn a_target_that_is_not_there_resets_its_clients() {
    coracle::block_on(async {
        let (nobody, address) = listener().unwrap();
        drop(nobody);
        let proxy = FaultProxy::bind("127.0.0.1:0", address).await.unwrap();
        assert_eq!(end_seen_by(TcpStream::connect(proxy.addr()).await).await, Some(ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_reset_is_passed_on_and_an_end_too() {
    coracle::block_on(async {
        let through = Through::new().await;
        let (client, server) = through.connect().await;
        client.set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        assert_eq!(read_all(&server).await, (0, Some(ErrorKind::ConnectionReset)));
        let (client, server) = through.connect().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_all(&server).await, (8, None));
        server.write_all(b"answer").await.unwrap();
        drop(server);
        assert_eq!(read_all(&client).await, (6, None));
    });
}

/// As much as sockets and the window hold, and no more.
#[test]
fn a_sender_whose_receiver_does_not_read_is_held_back() {
    paused().block_on(async {
        let through = Through::new().await;
        let (client, server) = through.connect().await;
        let bytes = vec![5; 64 << 20];
        let mut writing = client.write_all(&bytes);
        assert!(timeout(Duration::from_secs(1), &mut writing).await.is_err());
        let held = writing.written();
        assert!(held < 32 << 20, "{held} bytes were taken");
        let (written, (count, _)) = join((
            async {
                writing.await.unwrap();
                client.shutdown(std::net::Shutdown::Write).unwrap();
            },
            read_all(&server),
        ))
        .await;
        assert_eq!((written, count), ((), 64 << 20));
    });
}

#[test]
fn a_dropped_proxy_leaves_nothing() {
    let runtime = Runtime::new();
    runtime.block_on(async {
        let through = Through::new().await;
        let (client, server) = through.connect().await;
        client.write_all(b"on its way").await.unwrap();
        let address = through.proxy.addr();
        drop(through.proxy);
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(matches!(read_all(&client).await.1, None | Some(ErrorKind::ConnectionReset)));
        assert!(read_all(&server).await.0 <= 10);
    });
    let left = runtime.inspect();
    assert_eq!((left.tasks.len(), left.sources.len(), left.timers.len()), (0, 0, 0));
}

/// Peers that know nothing of this library: a client and a server of std, in threads.
#[test]
fn it_serves_threads() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = server.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        stream.write_all(text.to_uppercase().as_bytes()).unwrap();
    });
    coracle::block_on(async {
        let proxy = FaultProxy::bind("127.0.0.1:0", target).await.unwrap();
        proxy.link(ToClient, Link::new().latency(Duration::from_millis(20)));
        let address = proxy.addr();
        let (done, is_done) = coracle::sync::remote::oneshot::channel();
        let start = Instant::now();
        let asking = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"hello").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            let _ = done.send(text);
        });
        assert_eq!(is_done.await.unwrap(), "HELLO");
        assert!(start.elapsed() >= Duration::from_millis(20));
        asking.join().unwrap();
        assert_eq!((proxy.bytes(ToServer), proxy.bytes(ToClient)), (5, 5));
    });
    serving.join().unwrap();
}

/// Its controls are used while bytes pass.
#[test]
fn a_download_survives_what_the_network_does_to_it() {
    paused().block_on(async {
        let through = Through::new().await;
        let (client, server) = through.connect().await;
        let serving = coracle::spawn(async move {
            let all: Vec<u8> = (0..1_000_000u32).map(|i| i as u8).collect();
            server.write_all(&all).await.unwrap();
        });
        let mut got = Vec::new();
        let mut buffer = vec![0; 10_000];
        for round in 0.. {
            let count = client.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            got.extend_from_slice(&buffer[..count]);
            match round % 8 {
                0 => through.proxy.link(ToClient, Link::new().latency(Duration::from_millis(5)).bandwidth(1_000_000)),
                2 => through.proxy.link(ToClient, Link::new().loss(0.1).jitter(Duration::from_millis(50))),
                4 => through.proxy.partition(),
                5 => through.proxy.hold(),
                _ => {}
            }
            settle().await;
            through.proxy.heal();
            through.proxy.let_go();
            yield_now().await;
        }
        serving.await.unwrap();
        assert_eq!(got.len(), 1_000_000);
        assert!(got.iter().enumerate().all(|(i, byte)| *byte == i as u8));
    });
}

#[test]
fn names_are_looked_up_and_bad_addresses_are_errors() {
    coracle::block_on(async {
        let (listener, address) = listener().unwrap();
        let proxy = FaultProxy::bind("127.0.0.1:0", format!("localhost:{}", address.port()).as_str()).await.unwrap();
        let client = TcpStream::connect(proxy.addr()).await.unwrap();
        client.write_all(b"by name").await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert_eq!(read(&server, 7).await, b"by name");
        assert!(FaultProxy::bind("127.0.0.1:0", "no port").await.is_err());
        let taken = FaultProxy::bind(address, address).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    });
}
