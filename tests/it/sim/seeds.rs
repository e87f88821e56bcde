//! A run is a function of its seed: the same in each process, and under each setting of the compiler.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use coracle::Runtime;
use coracle::net::{TcpStream, UdpSocket};
use coracle::sim::{Link, Simulation};
use coracle::testing::{Choices, Kinds, Trace, explore, for_seeds, twice};
use coracle::time::{interval, now, sleep, timeout};

use super::{echo_server, ms, seconds};

/// As much as fits into one run: streams and datagrams, loss, a partition, a crash, time limits that are met and not,
/// names, a blocking job.
fn chaos(seed: u64, hostile: bool, trace: Option<&Trace>) -> Vec<String> {
    let mut simulation = Simulation::new(seed);
    trace.iter().for_each(|trace| simulation.record_in((*trace).clone()));
    if hostile {
        simulation.hostile();
    }
    let log = Rc::new(RefCell::new(Vec::new()));
    simulation.network().links(Link::new().latency(ms(10)).jitter(ms(30)).loss(0.1).duplicates(0.1));
    simulation.host("server", echo_server);
    simulation.host("beacon", async || -> io::Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:9")?;
        let mut ticks = interval(ms(70));
        loop {
            ticks.tick().await;
            for client in [3, 4, 5] {
                socket.send_to(b"here", std::net::SocketAddr::from(([10, 0, 0, client], 9))).await?;
            }
        }
    });
    for name in ["a", "b", "c"] {
        let log = log.clone();
        simulation.client(name, async move || -> io::Result<()> {
            let began = now();
            let note = |what: &str| log.borrow_mut().push(format!("{name} {what} {:?}", now() - began));
            let beacon = UdpSocket::bind("0.0.0.0:9")?;
            let hear = async {
                for _ in 0..20 {
                    beacon.recv_from(&mut [0; 8]).await?;
                    note("heard the beacon");
                }
                io::Result::Ok(())
            };
            let talk = async {
                for round in 0..8_u8 {
                    let one = async {
                        let stream = TcpStream::connect("server:7000").await?;
                        stream.write_all(&[round; 3000]).await?;
                        let mut answer = [0; 3000];
                        stream.read_exact(&mut answer).await.map(|()| assert_eq!(answer, [round; 3000]))
                    };
                    match timeout(ms(800), one).await {
                        Ok(Ok(())) => note("was answered"),
                        Ok(Err(error)) => note(&format!("failed: {:?}", error.kind())),
                        Err(_) => note("was too impatient"),
                    }
                    coracle::blocking::submit(|| ()).await.unwrap();
                    sleep(ms(100)).await;
                }
                Ok(())
            };
            coracle::task::try_join((hear, talk)).await.map(drop)
        });
    }
    simulation.at(ms(500), |network| network.partition("a", "server"));
    simulation.at(ms(1500), |network| network.heal("a", "server"));
    simulation.at(ms(1000), |network| network.restart("server"));
    simulation.limit(seconds(600));
    simulation.run().unwrap_or_else(|stopped| panic!("{stopped}"));
    drop(simulation);
    Rc::try_unwrap(log).unwrap().into_inner()
}

#[test]
fn a_run_is_the_same_twice() {
    for seed in 0..4 {
        for hostile in [false, true] {
            twice(|_| drop(chaos(seed, hostile, None)));
        }
    }
}

/// Threads are as fast as they like; when their jobs are over is a function of the seed all the same, be the runtime
/// turned by the simulator or not.
#[test]
fn blocking_jobs_end_in_an_order_of_their_own() {
    async fn jobs() {
        let trace = Trace::current();
        let tasks: Vec<_> = (0..6_u64)
            .map(|number| {
                let trace = trace.clone();
                coracle::spawn(async move {
                    let pause = std::time::Duration::from_micros(300 * (number % 3));
                    coracle::blocking::submit(move || std::thread::sleep(pause)).await.unwrap();
                    trace.note(format!("job {number} is over"));
                    sleep(ms(number)).await;
                    coracle::blocking::submit(|| ()).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    for seed in 0..5 {
        twice(|_| {
            let mut simulation = Simulation::new(seed);
            simulation.client("client", jobs);
            simulation.run().unwrap();
        });
        twice(|trace| {
            let choices = Choices::seeded(seed);
            let world = Simulation::with_choices(choices.clone()).world("alone");
            let builder = Runtime::builder().world(world).choices(choices);
            trace.settings(builder).build().block_on(jobs());
        });
    }
}

#[test]
fn different_seeds_are_different_runs() {
    assert_ne!(chaos(1, false, None), chaos(2, false, None));
}

/// Where a process that runs this test is to write the trace.
const FILE: &str = "CORACLE_TEST_TRACE_FILE";

/// Each process has other addresses, other hash seeds, other numbers of descriptors.
#[test]
fn a_run_is_the_same_in_each_process() {
    let trace = Trace::new();
    let log = chaos(17, true, Some(&trace));
    let text = format!("{log:#?}\n{trace}");
    if let Some(file) = std::env::var_os(FILE) {
        return std::fs::write(file, text).unwrap();
    }
    assert!(trace.len() > 1000, "{} events", trace.len());
    for number in 0..2 {
        let name = format!("coracle-trace-{}-{number}.txt", std::process::id());
        let file = std::env::temp_dir().join(name);
        let other = run_elsewhere(&file);
        let _ = std::fs::remove_file(&file);
        let differs = text.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(text == other, "{differs:#?}");
    }
}

fn run_elsewhere(file: &Path) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["sim::seeds::a_run_is_the_same_in_each_process", "--exact", "--test-threads=1"]);
    let output = command.env(FILE, file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(file).unwrap()
}

/// All of them end well; at least one of them has a client that was too impatient, and one that met the restart.
#[test]
fn many_seeds_meet_what_can_happen() {
    let mut seen = Vec::new();
    for_seeds(0..30, |seed| seen.extend(chaos(seed, seed % 2 == 1, None)));
    for what in ["heard the beacon", "was answered", "was too impatient", "failed: ConnectionReset"] {
        assert!(seen.iter().any(|line| line.contains(what)), "never: {what}");
    }
}

/// Two that read a number, let others go first, and write it back, plus one: of all orders of these steps, only those
/// in which one comes wholly before the other are right. All are found.
#[test]
fn all_orders_of_a_small_program_are_found() {
    let mut sums = Vec::new();
    let explored = explore(10_000, |choices| {
        let mut simulation = Simulation::with_choices(choices.clone().only(Kinds::ORDER));
        let shared = Rc::new(std::cell::Cell::new(0));
        for name in ["one", "other"] {
            let shared = shared.clone();
            simulation.client(name, async move || {
                for _ in 0..2 {
                    let seen = shared.get();
                    coracle::task::yield_now().await;
                    shared.set(seen + 1);
                }
            });
        }
        simulation.run().unwrap();
        sums.push(shared.get());
    });
    assert!(explored.complete, "{explored}");
    let sums: std::collections::BTreeSet<_> = sums.into_iter().collect();
    assert_eq!(sums.into_iter().collect::<Vec<_>>(), [2, 3, 4]);
}
