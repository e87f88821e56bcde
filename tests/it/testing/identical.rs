//! A run is a function of its seed: the same bytes in every process, where hash tables have other seeds, memory other
//! addresses and descriptors other numbers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::time::Duration;

use coracle::Runtime;
use coracle::net::{TcpListener, TcpStream, UnixStream};
use coracle::sim::{Link, Simulation};
use coracle::sync::{Mutex, channel};
use coracle::sys::World;
use coracle::task::yield_now;
use coracle::testing::{Choices, Trace};
use coracle::time::{sleep, timeout};

use super::child;

/// Workers that take numbers from a queue, and each sends them through a pair of sockets of its own.
fn scenario(seed: u64) -> String {
    let trace = Trace::new();
    let host = trace.of("host");
    // Each run has a world of its own, whatever the others of this program live in.
    let builder = Runtime::builder().world(World::kernel().paused()).choices(Choices::seeded(seed));
    let runtime = host.settings(builder).build();
    runtime.block_on(async {
        let (sender, receiver) = channel::bounded(3);
        let total = std::rc::Rc::new(Mutex::new(0_u32));
        let workers: Vec<_> = (0..4)
            .map(|number| {
                let (receiver, total) = (receiver.clone(), total.clone());
                let named = coracle::task::Builder::new().name(format!("worker {number}"));
                named.spawn(async move {
                    while let Some(item) = receiver.recv().await {
                        let (left, right) = UnixStream::pair().unwrap();
                        let far = coracle::spawn(async move { right.read(&mut [0]).await.unwrap() });
                        left.write_all(&[item]).await.unwrap();
                        *total.lock().await += far.await.unwrap() as u32 * u32::from(item);
                        sleep(Duration::from_millis(10 * u64::from(item % 3))).await;
                        yield_now().await;
                    }
                })
            })
            .collect();
        for item in 1..=20 {
            timeout(Duration::from_secs(3600), sender.send(item)).await.unwrap().unwrap();
        }
        drop(sender);
        for worker in workers {
            worker.await.unwrap();
        }
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(*total.lock().await, 210);
    });
    trace.to_string()
}

/// Two clients that talk to a server over slow links that lose packets; one of them is cut off for a while.
fn simulated(seed: u64) -> String {
    let mut simulation = Simulation::new(seed);
    simulation.record_in(Trace::new());
    let link = Link::new().latency(Duration::from_millis(20)).jitter(Duration::from_millis(30)).loss(0.05);
    simulation.network().links(link);
    simulation.hostile();
    simulation.host("server", async || -> io::Result<()> {
        let listener = TcpListener::bind("0.0.0.0:7")?;
        loop {
            let (stream, _) = listener.accept().await?;
            drop(coracle::spawn(async move {
                let mut buffer = [0; 100];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            }));
        }
    });
    for name in ["anne", "bill"] {
        simulation.client(name, async || -> io::Result<()> {
            let stream = TcpStream::connect("server:7").await?;
            for number in 0..5 {
                stream.write_all(&[number; 300]).await?;
                let mut answer = [0; 300];
                stream.read_exact(&mut answer).await?;
                assert_eq!(answer, [number; 300]);
                sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        });
    }
    simulation.run().unwrap();
    simulation.trace().to_string()
}

const SEEDS: std::ops::Range<u64> = 0..5;

#[test]
fn a_seed_gives_the_same_bytes_in_every_process() {
    const NAME: &str = "testing::identical::a_seed_gives_the_same_bytes_in_every_process";
    // Some descriptors are open that the others do not have.
    let _open: Vec<File> = (0..std::process::id() % 7).map(|_| File::open("/dev/null").unwrap()).collect();
    let all: String = SEEDS.map(scenario).chain(SEEDS.map(simulated)).collect();
    if let Ok(path) = std::env::var("CORACLE_TRACE_INTO") {
        // To be compared with what a program says that was compiled in another way.
        std::fs::write(path, &all).unwrap();
    }
    if child::is_this(NAME) {
        println!("BEGIN\n{all}END");
        return;
    }
    for _ in 0..2 {
        let said = child::run(NAME, &[]);
        assert!(said.passed, "{}", said.text);
        let (_, other) = said.text.split_once("BEGIN\n").unwrap();
        let (other, _) = other.split_once("END").unwrap();
        if let Some((line, (one, other))) = all.lines().zip(other.lines()).enumerate().find(|(_, (a, b))| a != b) {
            panic!("line {line}: {one:?} here, {other:?} in another process");
        }
        assert!(all == other, "one is longer");
    }
}

#[test]
fn seeds_give_different_traces() {
    let simulations: BTreeSet<String> = SEEDS.map(simulated).collect();
    assert_eq!(simulations.len(), 5);
    let traces: BTreeSet<String> = SEEDS.map(scenario).collect();
    assert_eq!(traces.len(), 5);
    assert!(traces.iter().all(|trace| trace.lines().count() > 200));
    assert!(traces.iter().all(|trace| trace.lines().last().unwrap().starts_with("360")), "an hour, and some");
}
