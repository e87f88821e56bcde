//! A client with a timeout of 30 seconds, and a network that loses, delays and parts: a thousand runs of some minutes,
//! in less than a second. Each is a function of its seed: what went wrong once goes wrong again, as often as one likes.
//!
//! ```text
//! $ cargo run --release --example 21_simulation
//! seed 0: questions: 1, answered after 160ms
//! seed 1: questions: …, answered after …s
//! seed 2: questions: …, answered after …s
//! 1000 seeds: … questions and 1000 answers; seed … is the most unlucky one, with … questions
//! the same seed again: … questions
//! 1000 seeds in …, … a second; … of virtual time, … for one of real time
//! ```
//!
//! Then read `src/sim/simulation.rs`: hosts are runtimes, and time is what a loop says it is.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream};
use coracle::sim::{Link, Simulation};
use coracle::testing::{Choices, for_seeds};
use coracle::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(30);

/// Ordinary code: neither of these knows where it runs.
async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7000")?;
    loop {
        let (stream, _peer) = listener.accept().await?;
        drop(coracle::spawn(async move {
            stream.read(&mut [0; 16]).await?;
            stream.write_all(b"half past four").await
        }));
    }
}

async fn ask() -> io::Result<String> {
    let stream = TcpStream::connect("clock:7000").await?;
    stream.write_all(b"the time, please").await?;
    let mut answer = [0; 14];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn ask_until_answered() -> u32 {
    for asked in 1.. {
        if let Ok(Ok(answer)) = timeout(PATIENCE, ask()).await {
            assert_eq!(answer, "half past four");
            return asked;
        }
        sleep(Duration::from_secs(1)).await;
    }
    unreachable!("it asks until it is answered")
}

/// How often it asked, and when it was answered.
fn run(seed: u64) -> (u32, Duration) {
    let choices = Choices::seeded(seed);
    let mut simulation = Simulation::with_choices(choices.clone());
    simulation.host("clock", serve);
    let asked = Rc::new(Cell::new(0));
    let counts = asked.clone();
    simulation.client("client", async move || counts.set(ask_until_answered().await));

    let wifi = Link::new().latency(Duration::from_millis(40)).jitter(Duration::from_millis(200)).loss(0.1);
    simulation.network().links(wifi);
    // For some part of the first three minutes nothing passes; in the ordinary run, that of seed 0, for none.
    let dark = Duration::from_secs(choices.choose(180) as u64);
    if !dark.is_zero() {
        simulation.network().partition("client", "clock");
        simulation.at(dark, |network| network.heal("client", "clock"));
    }
    simulation.run().expect("it is answered in the end");
    (asked.get(), simulation.elapsed())
}

fn main() {
    for seed in 0..3 {
        let (asked, time) = run(seed);
        println!("seed {seed}: questions: {asked}, answered after {time:?}");
    }
    let (mut all, mut most, mut unlucky) = (0, 0, 0);
    let passed = for_seeds(0..1000, |seed| {
        let (asked, _) = run(seed);
        all += asked;
        if asked > most {
            (most, unlucky) = (asked, seed);
        }
    });
    print!("1000 seeds: {all} questions and 1000 answers; ");
    println!("seed {unlucky} is the most unlucky one, with {most} questions");
    println!("the same seed again: {} questions", run(unlucky).0);
    println!("{passed}");
}
