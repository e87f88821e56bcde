//! Streams between hosts: when bytes arrive, to the nanosecond; how connections begin, end and break.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use coracle::net::{Shutdown, TcpListener, TcpStream};
use coracle::sim::{Fault, Link, Simulation};
use coracle::time::{now, sleep, timeout};

use super::{echo_server, kind, ms, seconds};

#[test]
fn an_echo_takes_the_latency_four_times() {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(ms(20)));
    simulation.host("server", echo_server);
    simulation.client("client", async || -> io::Result<()> {
        let began = now();
        let stream = TcpStream::connect("server:7000").await?;
        assert_eq!(now() - began, ms(40), "there and back");
        for round in 1..=3 {
            stream.write_all(b"hello").await?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await?;
            assert_eq!((&answer, now() - began), (b"hello", ms(40 + 40 * round)));
        }
        Ok(())
    });
    simulation.run().unwrap();
    assert_eq!(simulation.elapsed(), ms(160));
}

/// Each direction has a way of its own.
#[test]
fn the_way_there_may_be_longer_than_the_way_back() {
    let mut simulation = Simulation::new(0);
    simulation.host("server", echo_server);
    simulation.client("client", async || -> io::Result<()> {
        let stream = TcpStream::connect("server:7000").await?;
        stream.write_all(b"x").await?;
        stream.read(&mut [0]).await?;
        Ok(())
    });
    simulation.network().link_one_way("client", "server", Link::new().latency(ms(100)));
    simulation.network().link_one_way("server", "client", Link::new().latency(ms(1)));
    simulation.run().unwrap();
    assert_eq!(simulation.elapsed(), ms(202));
}

/// 100,000 bytes at 1,000 bytes a second are under way for 100 seconds, whoever may write as fast as he likes.
#[test]
fn bandwidth_is_kept_to() {
    let mut simulation = Simulation::new(0);
    const BYTES: usize = 100_000;
    let sink = simulation.host("sink", async || -> io::Result<()> {
        let listener = TcpListener::bind("0.0.0.0:7000")?;
        let (stream, _) = listener.accept().await?;
        let began = now();
        let mut all = vec![0; BYTES];
        stream.read_exact(&mut all).await?;
        let took = now() - began;
        assert!(took >= seconds(95) && took <= seconds(110), "{took:?}");
        assert!(all.iter().enumerate().all(|(place, byte)| *byte == place as u8));
        stream.write_all(b"!").await
    });
    simulation.client("source", async move || -> io::Result<()> {
        let stream = TcpStream::connect((sink.address(), 7000)).await?;
        let all: Vec<u8> = (0..BYTES).map(|place| place as u8).collect();
        stream.write_all(&all).await?;
        stream.read(&mut [0]).await.map(drop)
    });
    simulation.network().link("source", "sink", Link::new().bandwidth(1000));
    simulation.run().unwrap();
}

#[test]
fn who_listens_not_refuses_and_who_is_not_there_is_unreachable() {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(ms(30)));
    simulation.host("server", async || std::future::pending::<()>().await);
    simulation.client("client", async || {
        let began = now();
        assert_eq!(kind(TcpStream::connect("10.0.0.1:7000").await), ErrorKind::ConnectionRefused);
        assert_eq!(now() - began, ms(60), "the refusal comes back");
        assert_eq!(kind(TcpStream::connect("server:7000").await), ErrorKind::ConnectionRefused);
        assert_eq!(now() - began, ms(180), "both of its addresses were tried, one after the other");
        let nobody = TcpStream::connect("10.99.0.1:7000").await;
        assert_eq!(kind(nobody), ErrorKind::HostUnreachable);
    });
    simulation.run().unwrap();
}

/// Those that do not fit into the backlog connect when there is room again; nobody is refused.
#[test]
fn a_full_backlog_makes_clients_wait() {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(ms(1)));
    simulation.host("server", async || -> io::Result<()> {
        let options = coracle::net::ListenerOptions::new().backlog(2);
        let listener = options.bind("0.0.0.0:7000")?;
        sleep(seconds(10)).await;
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await?);
        }
    });
    let times = Rc::new(RefCell::new(Vec::new()));
    for name in ["a", "b", "c", "d", "e", "f"] {
        let times = times.clone();
        simulation.client(name, async move || -> io::Result<()> {
            let began = now();
            TcpStream::connect("server:7000").await?;
            times.borrow_mut().push(now() - began);
            Ok(())
        });
    }
    simulation.run().unwrap();
    let times = times.take();
    let at_once = times.iter().filter(|time| **time < ms(100)).count();
    let later = times.iter().filter(|time| **time >= seconds(9)).count();
    assert!((1..=4).contains(&at_once) && at_once + later == 6, "{times:?}");
}

/// What a client has said before it says no more is answered.
#[test]
fn half_of_a_connection_closes_and_the_other_one_lives() {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(ms(5)));
    simulation.host("server", async || -> io::Result<()> {
        let (stream, _) = TcpListener::bind("0.0.0.0:7000")?.accept().await?;
        let mut question = [0; 100];
        let mut length = 0;
        loop {
            match stream.read(&mut question[length..]).await? {
                0 => break,
                n => length += n,
            }
        }
        sleep(seconds(1)).await;
        stream.write_all(&question[..length]).await
    });
    simulation.client("client", async || -> io::Result<()> {
        let stream = TcpStream::connect("server:7000").await?;
        stream.write_all(b"that is all").await?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = [0; 11];
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"that is all");
        assert_eq!(stream.read(&mut answer).await?, 0, "the server has ended, and its socket is closed");
        Ok(())
    });
    simulation.run().unwrap();
    assert_eq!(simulation.elapsed(), ms(1020));
}

/// The server sends 1000 bytes; the fault comes after 300.
fn with_fault(from: &str, to: &str, fault: Fault) -> (usize, io::Result<usize>) {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(ms(5)));
    simulation.host("server", async || -> io::Result<()> {
        let (stream, _) = TcpListener::bind("0.0.0.0:7000")?.accept().await?;
        let _ = stream.write_all(&[7; 1000]).await;
        std::future::pending().await
    });
    let result = Rc::new(RefCell::new(None));
    let seen = result.clone();
    simulation.client("client", async move || -> io::Result<()> {
        let stream = TcpStream::connect("server:7000").await?;
        let mut sum = 0;
        let end = loop {
            let mut buffer = [0; 4096];
            match timeout(seconds(60), stream.read(&mut buffer)).await {
                Ok(Ok(0)) => break Ok(0),
                Ok(Ok(n)) => sum += n,
                Ok(Err(error)) => break Err(error),
                Err(_) => break Err(ErrorKind::TimedOut.into()),
            }
        };
        *seen.borrow_mut() = Some((sum, end));
        Ok(())
    });
    simulation.network().fault(from, to, 300, fault);
    simulation.run().unwrap();
    result.take().unwrap()
}

#[test]
fn a_fault_comes_after_so_many_bytes_of_its_direction() {
    let (bytes, end) = with_fault("server", "client", Fault::HalfClose);
    assert_eq!((bytes, end.unwrap()), (300, 0));
    let (bytes, end) = with_fault("server", "client", Fault::Stall);
    assert_eq!((bytes, kind(end)), (300, ErrorKind::TimedOut));
    // What has arrived and was not read yet is lost in a reset, or not, as on any system.
    let (bytes, end) = with_fault("server", "client", Fault::Reset);
    assert!(bytes <= 300);
    assert_eq!(kind(end), ErrorKind::ConnectionReset);
    // The client sends nothing, so nothing of that direction is counted.
    let (bytes, end) = with_fault("client", "server", Fault::Reset);
    assert_eq!((bytes, kind(end)), (1000, ErrorKind::TimedOut));
}

/// Loss costs time and no byte.
#[test]
fn a_lossy_link_loses_no_byte_of_a_stream() {
    let mut slowest = Duration::ZERO;
    for seed in 0..20 {
        let mut simulation = Simulation::new(seed);
        simulation.network().links(Link::new().latency(ms(10)).jitter(ms(10)).loss(0.2));
        simulation.host("server", echo_server);
        simulation.client("client", async || -> io::Result<()> {
            let stream = TcpStream::connect("server:7000").await?;
            for round in 0..20_u32 {
                let block: Vec<u8> = (0..3000).map(|place| (place * round) as u8).collect();
                stream.write_all(&block).await?;
                let mut answer = vec![0; block.len()];
                stream.read_exact(&mut answer).await?;
                assert!(answer == block);
            }
            Ok(())
        });
        simulation.run().unwrap();
        if seed == 0 {
            assert_eq!(simulation.elapsed(), ms(20 + 20 * 20), "the ordinary run loses nothing");
        }
        slowest = slowest.max(simulation.elapsed());
    }
    assert!(slowest > seconds(1), "nothing was lost, in {slowest:?}");
}

/// Each name is its own, and so is each address; one may be asked without a system's resolver.
#[test]
fn names_resolve_to_the_addresses_of_their_hosts() {
    let mut simulation = Simulation::new(0);
    let server = simulation.host("server.example", echo_server);
    simulation.client("client", async move || -> io::Result<()> {
        let found = coracle::net::resolve("server.example", 80).await?;
        let found: Vec<_> = found.iter().map(std::net::SocketAddr::ip).collect();
        assert!(server.addresses().iter().all(|address| found.contains(address)), "{found:?}");
        assert_eq!(kind(coracle::net::resolve("server", 80).await), ErrorKind::NotFound);
        let stream = TcpStream::connect("server.example:7000").await?;
        assert_eq!(stream.peer_addr()?.ip(), server.address());
        assert_eq!(stream.local_addr()?.ip().to_string(), "10.0.0.2");
        Ok(())
    });
    simulation.run().unwrap();
}

/// Both hosts have a socket at 127.0.0.1:7000, and each reaches its own.
#[test]
fn each_host_has_a_loopback_of_its_own() {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(seconds(1)));
    for name in ["one", "other"] {
        simulation.client(name, async move || -> io::Result<()> {
            let listener = TcpListener::bind("127.0.0.1:7000")?;
            let stream = TcpStream::connect("localhost:7000").await?;
            let (own, _) = listener.accept().await?;
            own.write_all(name.as_bytes()).await?;
            drop(own);
            let mut said = [0; 10];
            let n = stream.read(&mut said).await?;
            assert_eq!(&said[..n], name.as_bytes());
            Ok(())
        });
    }
    simulation.run().unwrap();
    assert!(simulation.elapsed().is_zero(), "the link to oneself is perfect");
}

/// What is held back keeps its place among what its sender sent before and after.
#[test]
fn held_bytes_are_not_overtaken_and_overtake_none() {
    for seed in 0..50 {
        let mut simulation = Simulation::new(seed);
        let network = simulation.network();
        network.links(Link::new().latency(ms(10)).jitter(ms(200)));
        simulation.host("server", async || -> io::Result<()> {
            let listener = TcpListener::bind("0.0.0.0:7")?;
            let (stream, _) = listener.accept().await?;
            for number in 0..30u8 {
                stream.write_all(&[number; 100]).await?;
                coracle::time::sleep(ms(20)).await;
            }
            stream.shutdown(std::net::Shutdown::Write)?;
            std::future::pending().await
        });
        simulation.at(ms(500), |network| network.hold("server", "client"));
        simulation.at(ms(700), |network| network.let_go("server", "client"));
        simulation.client("client", async || -> io::Result<()> {
            let stream = loop {
                match TcpStream::connect("server:7").await {
                    Ok(stream) => break stream,
                    Err(_) => coracle::time::sleep(ms(1)).await,
                }
            };
            for number in 0..30u8 {
                let mut bytes = [0; 100];
                stream.read_exact(&mut bytes).await?;
                assert_eq!(bytes, [number; 100], "out of order");
            }
            Ok(())
        });
        simulation.run().unwrap();
    }
}
