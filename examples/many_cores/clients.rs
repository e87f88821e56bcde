//! The clients: as many threads as servers, each with its share of the connections.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use coracle::cores::Crew;
use coracle::net::TcpStream;
use coracle::task::JoinSet;

pub(crate) struct Outcome {
    pub(crate) round_trips: usize,
    pub(crate) mismatches: usize,
    pub(crate) time: Duration,
}

/// Connects `clients` times, from `threads` threads, and holds what comes back in `rounds` rounds against what was sent.
pub(crate) fn run(server: SocketAddr, threads: usize, clients: usize, rounds: usize) -> io::Result<Outcome> {
    let began = Instant::now();
    let crew = Crew::start(threads, move |member| async move {
        let mut tasks = JoinSet::new();
        for number in (member.number()..clients).step_by(member.count()) {
            tasks.spawn(client(server, number, rounds));
        }
        let mut mismatches = 0;
        while let Some((_task, result)) = tasks.next().await {
            mismatches += result.expect("a client does not panic")?;
        }
        io::Result::Ok(mismatches)
    })?;
    let mut mismatches = 0;
    for result in crew.join() {
        mismatches += result.expect("a client does not panic")?;
    }
    Ok(Outcome { round_trips: clients * rounds, mismatches, time: began.elapsed() })
}

async fn client(server: SocketAddr, number: usize, rounds: usize) -> io::Result<usize> {
    let stream = TcpStream::connect(server).await?;
    let mut mismatches = 0;
    for round in 0..rounds {
        let sent = format!("client {number:6} round {round:6}\n");
        let mut answer = vec![0; sent.len()];
        stream.write_all(sent.as_bytes()).await?;
        stream.read_exact(&mut answer).await?;
        mismatches += usize::from(answer != sent.as_bytes());
    }
    Ok(mismatches)
}
