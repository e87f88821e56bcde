//! The measurement: rounds of interleaved samples, shape after shape.

use std::io;
use std::time::{Duration, Instant};

use super::Server;
use super::churn::ChurnLoad;
use super::report;
use super::server::Running;
use super::shape::{Load, Shape};
use super::steady::SteadyLoad;
use crate::calm::{Calm, Cpus};

/// What a shape said of each server.
pub struct ShapeResult {
    pub shape: Shape,
    pub servers: Vec<ServerResult>,
}

pub struct ServerResult {
    pub name: &'static str,
    /// In order of the rounds, the same number for all; or what failed.
    pub samples: Result<Vec<Sample>, String>,
}

#[derive(Clone, Copy)]
pub struct Sample {
    pub cpu_ns_per_request: f64,
    pub requests_per_second: f64,
}

/// A load that is connected to one server.
pub enum Connected {
    Steady(SteadyLoad),
    Churn(ChurnLoad),
}

/// The first load of a server is not measured: it allocates, and fills caches.
const WARM_UP: Duration = Duration::from_millis(50);

pub fn run(
    servers: &[&Server],
    shapes: &[Shape],
    rounds: usize,
    length: Duration,
    cpus: Cpus,
) -> io::Result<Vec<ShapeResult>> {
    let mut calm = Calm::new(cpus, servers.len() * shapes.len() * rounds, length)?;
    let mut contenders = Vec::new();
    for &server in servers {
        contenders.push(Contender { server, running: Running::start(server, cpus.work)? });
    }
    let mut results = Vec::new();
    for shape in shapes {
        let result = run_shape(shape, &mut contenders, rounds, length, &mut calm, cpus)?;
        report::print_shape(&result);
        results.push(result);
    }
    println!("{}\n", calm.report());
    Ok(results)
}

/// A server in the benchmark, and its process: a new one after a failure.
struct Contender<'a> {
    server: &'a Server,
    running: Running,
}

fn run_shape(
    shape: &Shape,
    contenders: &mut [Contender],
    rounds: usize,
    length: Duration,
    calm: &mut Calm,
    cpus: Cpus,
) -> io::Result<ShapeResult> {
    let mut loads: Vec<io::Result<Connected>> =
        contenders.iter().map(|it| Connected::warm(&it.running, shape)).collect();
    let mut samples = vec![Vec::with_capacity(rounds); contenders.len()];
    for _ in 0..rounds {
        for (index, contender) in contenders.iter().enumerate() {
            let Ok(load) = &mut loads[index] else { continue };
            let id = contender.running.id();
            match calm.sample(id, || sample(load, &contender.running, length)) {
                Ok(sample) => samples[index].push(sample),
                Err(error) => loads[index] = Err(error),
            }
        }
    }
    let mut servers = Vec::new();
    for ((contender, load), samples) in contenders.iter_mut().zip(loads).zip(samples) {
        let name = contender.running.name;
        let samples = match load {
            Ok(_) => Ok(samples),
            Err(error) => {
                contender.running = Running::start(contender.server, cpus.work)?;
                Err(error.to_string())
            }
        };
        servers.push(ServerResult { name, samples });
    }
    Ok(ShapeResult { shape: shape.clone(), servers })
}

/// Loads the server once. The CPU time is its whole bill, until it is at rest; the rate is over the loaded time only.
fn sample(load: &mut Connected, server: &Running, length: Duration) -> io::Result<Sample> {
    let cpu_before = server.cpu_time_at_rest()?;
    let begun = Instant::now();
    let requests = load.run(length)? as f64;
    let elapsed = begun.elapsed();
    let cpu = server.cpu_time_at_rest()? - cpu_before;
    Ok(Sample {
        cpu_ns_per_request: cpu.as_nanos() as f64 / requests,
        requests_per_second: requests / elapsed.as_secs_f64(),
    })
}

impl Connected {
    pub fn warm(server: &Running, shape: &Shape) -> io::Result<Connected> {
        let mut connected = match shape.load {
            Load::Steady { size, depth } => {
                Connected::Steady(SteadyLoad::connect(server.address, shape.connections, size, depth)?)
            }
            Load::Churn => Connected::Churn(ChurnLoad::new(server.address, shape.connections)?),
        };
        connected.run(WARM_UP)?;
        Ok(connected)
    }

    /// Loads the server for `length`; returns the number of requests answered, each verified.
    pub fn run(&mut self, length: Duration) -> io::Result<u64> {
        match self {
            Connected::Steady(load) => load.run(length),
            Connected::Churn(load) => load.run(length),
        }
    }

    /// Loads the server once with all that may be in flight, and calls `rest` when it should come to rest. Returns the
    /// number of requests answered, each verified.
    pub fn step<T>(&mut self, rest: impl Fn() -> io::Result<T>) -> io::Result<u64> {
        let answered = match self {
            Connected::Steady(load) => load.run(Duration::ZERO)?,
            Connected::Churn(load) => {
                load.begin_batch()?;
                rest()?;
                load.finish_batch()?
            }
        };
        rest()?;
        Ok(answered)
    }
}
