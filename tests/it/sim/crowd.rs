//! The echo server of the examples on a simulated host, and five hundred of its clients on others, over a network that
//! is slow, loses, and is parted: not a byte is lost, whatever the seed.

#[path = "../../../examples/echo/clients.rs"]
mod clients;
#[path = "../../../examples/echo/server.rs"]
#[allow(dead_code, reason = "the server alone: nobody says that it is over")]
mod server;

use std::io;
use std::rc::Rc;
use std::time::Instant;

use coracle::net::TcpListener;
use coracle::sim::{Link, Simulation};

use super::{ms, seconds};
use crate::support::alone;
use server::{Answer, Tally};

/// What both modules expect of the example that they are of.
fn say(line: std::fmt::Arguments<'_>) -> io::Result<()> {
    println!("{line}");
    Ok(())
}

fn during(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

const HOSTS: u32 = 5;

/// What the server and the clients have counted.
fn run(seed: u64, clients: u32, rounds: u32) -> (String, Vec<String>) {
    let mut simulation = Simulation::new(seed);
    let tally = Rc::new(Tally::default());
    let counts = tally.clone();
    let server = simulation.host("server", async move || -> io::Result<()> {
        let listener = TcpListener::bind("0.0.0.0:7000")?;
        server::accept(listener, Answer::Same, counts.clone()).await
    });
    let totals = Rc::new(std::cell::RefCell::new(Vec::new()));
    for host in 0..HOSTS {
        let (address, totals) = ((server.address(), 7000).into(), totals.clone());
        simulation.client(&format!("clients {host}"), async move || {
            let done = clients::run(vec![address], clients / HOSTS, rounds).await;
            assert!(done.failed == 0 && done.mismatches == 0, "{:?}", done.first_error);
            totals.borrow_mut().push(done.to_string());
        });
    }
    let link = Link::new().latency(ms(20)).jitter(ms(10)).bandwidth(5_000_000).loss(0.005);
    simulation.network().links(link);
    for host in 0..3 {
        let name = format!("clients {host}");
        let same = name.clone();
        simulation.at(ms(200), move |network| network.partition(&name, "server"));
        simulation.at(ms(1700), move |network| network.heal(&same, "server"));
    }
    simulation.limit(seconds(600));
    simulation.run().unwrap_or_else(|stopped| panic!("{stopped}"));
    let text = tally.to_string();
    drop(simulation);
    (text, Rc::try_unwrap(totals).unwrap().into_inner())
}

#[test]
fn five_hundred_clients_lose_no_byte_in_a_second() {
    alone("sim::crowd::five_hundred_clients_lose_no_byte_in_a_second", || {
        super::allow_descriptors(4096);
        // With optimisation it is five times as much, and takes a fifth of a second.
        let rounds = if cfg!(debug_assertions) { 4 } else { 20 };
        let began = Instant::now();
        let (served, totals) = run(1, 500, rounds);
        let took = began.elapsed();
        println!("{took:?}: {served}; {totals:?}");
        assert!(served.starts_with("served 500 connections, "), "{served}");
        assert!(served.ends_with(", 0 errors"), "{served}");
        assert_eq!(totals.len(), HOSTS as usize);
        assert!(
            totals.iter().all(|total| total.starts_with(&format!("100 clients, {} round trips, ", 100 * rounds))),
            "{totals:?}"
        );
        assert!(took < seconds(10), "{took:?}: not a second, be it that this machine is ten times slower");
    });
}

#[test]
fn no_seed_loses_a_byte() {
    for seed in 0..20 {
        run(seed, 20, 3);
    }
}
