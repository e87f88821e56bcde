//! Datagrams: each arrives whole, or not, or twice, or after its successors, as the link has it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use coracle::net::UdpSocket;
use coracle::sim::{Link, Simulation};
use coracle::time::{now, sleep, timeout};

use super::{ms, seconds};

const SENT: u32 = 200;

/// The numbers of the datagrams that arrive, of those that are sent, one each millisecond.
fn arrivals(seed: u64, link: Link) -> Vec<u32> {
    let mut simulation = Simulation::new(seed);
    let came = Rc::new(RefCell::new(Vec::new()));
    let arrived = came.clone();
    let receiver = simulation.host("receiver", async move || -> io::Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:7000")?;
        loop {
            let mut buffer = [0; 16];
            let (n, from) = socket.recv_from(&mut buffer).await?;
            assert_eq!((n, from.ip().to_string()), (4, "10.0.0.2".into()));
            arrived.borrow_mut().push(u32::from_be_bytes(buffer[..4].try_into().unwrap()));
        }
    });
    simulation.client("sender", async move || -> io::Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        for number in 0..SENT {
            socket.send_to(&number.to_be_bytes(), (receiver.address(), 7000)).await?;
            sleep(ms(1)).await;
        }
        sleep(seconds(5)).await;
        Ok(())
    });
    simulation.network().links(link);
    simulation.run().unwrap();
    came.take()
}

fn in_order(numbers: &[u32]) -> bool {
    numbers.is_sorted()
}

#[test]
fn a_perfect_link_brings_each_datagram_once_and_in_order() {
    for seed in 0..5 {
        assert_eq!(arrivals(seed, Link::new().latency(ms(50))), (0..SENT).collect::<Vec<_>>());
    }
}

#[test]
fn some_datagrams_are_lost() {
    let came = arrivals(1, Link::new().loss(0.5));
    assert!((60..140).contains(&came.len()), "{} of {SENT} came", came.len());
    assert!(in_order(&came));
    assert_eq!(arrivals(1, Link::new().loss(1.0)), []);
    assert_eq!(arrivals(0, Link::new().loss(0.5)).len(), SENT as usize, "the ordinary run loses nothing");
}

#[test]
fn some_datagrams_come_twice() {
    let came = arrivals(1, Link::new().duplicates(0.5));
    assert!((240..360).contains(&came.len()), "{} came", came.len());
    assert_eq!(came.iter().collect::<BTreeSet<_>>().len(), SENT as usize);
}

#[test]
fn jitter_brings_datagrams_out_of_order() {
    let came = arrivals(1, Link::new().jitter(ms(20)));
    assert!(!in_order(&came));
    assert_eq!(came.iter().collect::<BTreeSet<_>>().len(), SENT as usize);
}

/// It takes the latency, and each datagram that is longer than the MTU goes in pieces, which are lost or come together.
#[test]
fn a_long_datagram_is_lost_more_often() {
    let count = |mtu| {
        let mut simulation = Simulation::new(3);
        let came = Rc::new(RefCell::new(0));
        let arrived = came.clone();
        simulation.host("receiver", async move || -> io::Result<()> {
            let socket = UdpSocket::bind("0.0.0.0:7000")?;
            loop {
                let mut buffer = [0; 4000];
                let (n, _) = socket.recv_from(&mut buffer).await?;
                assert_eq!(n, 3000);
                *arrived.borrow_mut() += 1;
            }
        });
        simulation.client("sender", async || -> io::Result<()> {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            for _ in 0..SENT {
                socket.send_to(&[0; 3000], SocketAddr::from(([10, 0, 0, 1], 7000))).await?;
                sleep(ms(1)).await;
            }
            Ok(())
        });
        simulation.network().links(Link::new().loss(0.1).mtu(mtu));
        simulation.run().unwrap();
        came.take()
    };
    let (whole, in_pieces) = (count(9000), count(300));
    assert!(whole > 150 && in_pieces < 120, "{whole} came whole, {in_pieces} in pieces");
}

#[test]
fn an_answer_takes_the_latency_twice() {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(ms(15)));
    simulation.host("server", async || -> io::Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:53")?;
        loop {
            let mut buffer = [0; 512];
            let (n, from) = socket.recv_from(&mut buffer).await?;
            socket.send_to(&buffer[..n], from).await?;
        }
    });
    simulation.client("client", async || -> io::Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        let began = now();
        socket.send_to(b"?", SocketAddr::from(([10, 0, 0, 1], 53))).await?;
        let mut answer = [0; 8];
        let (n, from) = socket.recv_from(&mut answer).await?;
        assert_eq!((&answer[..n], from.to_string().as_str(), now() - began), (&b"?"[..], "10.0.0.1:53", ms(30)));
        let lost = timeout(seconds(3), async {
            socket.send_to(b"?", SocketAddr::from(([10, 99, 0, 1], 53))).await?;
            socket.recv_from(&mut [0; 8]).await
        });
        assert!(!matches!(lost.await, Ok(Ok(_))), "there is nobody");
        Ok(())
    });
    simulation.run().unwrap();
}
