//! The measurement: rounds of interleaved samples, shape after shape.

use std::io;
use std::time::{Duration, Instant};

use super::Server;
use super::churn::ChurnLoad;
use super::ping::{Latency, PingLoad};
use super::report;
use super::server::Running;
use super::shape::{Load, Shape};
use super::steady::SteadyLoad;
use crate::calm::{Calm, Cpus};
use crate::sys::process;

/// What all shapes said.
pub struct Results(pub Vec<ShapeResult>);

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
    /// Only where each request is timed.
    pub latency: Option<Latency>,
}

/// A load that is connected to one server.
pub enum Connected {
    Steady(SteadyLoad),
    Ping(PingLoad),
    Churn(ChurnLoad),
}

/// The first load of a server is not measured: it allocates, and fills caches.
const WARM_UP: Duration = Duration::from_millis(50);

/// A server in a row: its process, or what failed; and the load that is connected to it.
struct Contender<'a> {
    name: &'static str,
    shape: &'a Shape,
    running: io::Result<Running>,
    load: Option<Connected>,
    /// The load stays connected from sample to sample.
    keeps: bool,
    samples: Vec<Sample>,
}

/// So many descriptors a process may have besides its connections.
const SPARE_DESCRIPTORS: usize = 500;

pub fn run(servers: &[&Server], shapes: &[Shape], rounds: usize, length: Duration, cpus: Cpus) -> io::Result<Results> {
    let mut calm = Calm::new(cpus, servers.len() * shapes.len() * rounds, length)?;
    let mut results = Vec::new();
    for shape in shapes {
        let result = run_shape(shape, servers, rounds, length, &mut calm, cpus)?;
        println!("{}", report::shape(&result));
        results.push(result);
    }
    println!("{}\n", calm.report());
    Ok(Results(results))
}

fn run_shape(
    shape: &Shape,
    servers: &[&Server],
    rounds: usize,
    length: Duration,
    calm: &mut Calm,
    cpus: Cpus,
) -> io::Result<ShapeResult> {
    // Where this process may not have as many descriptors, only the load that is running is connected.
    let keeps = servers.len() * shape.connections + SPARE_DESCRIPTORS < process::descriptor_limit()?;
    let contender = |server: &&Server| Contender::new(server, shape, keeps, cpus);
    let mut contenders: Vec<Contender> = servers.iter().map(contender).collect();
    for _ in 0..rounds {
        for contender in &mut contenders {
            contender.sample(length, calm);
        }
    }
    let outcome = |it: Contender| match it.running {
        Ok(_) => ServerResult { name: it.name, samples: Ok(it.samples) },
        Err(error) => ServerResult { name: it.name, samples: Err(error.to_string()) },
    };
    Ok(ShapeResult { shape: shape.clone(), servers: contenders.into_iter().map(outcome).collect() })
}

impl<'a> Contender<'a> {
    fn new(server: &Server, shape: &'a Shape, keeps: bool, cpus: Cpus) -> Contender<'a> {
        let running = Running::start(server, shape.mode, cpus.work).and_then(|running| {
            // Once, so that it is stopped from then on.
            running.awake(|| running.cpu_time_at_rest())?;
            Ok(running)
        });
        Contender { name: server.name, shape, running, load: None, keeps, samples: Vec::new() }
    }

    fn sample(&mut self, length: Duration, calm: &mut Calm) {
        let Ok(running) = &self.running else { return };
        let connected = match self.load.take() {
            Some(load) => Ok(load),
            None => running.awake(|| Connected::warm(running, self.shape)),
        };
        let sampled = connected.and_then(|mut load| {
            let sample = calm.sample(running.id(), || running.awake(|| sample(&mut load, running, length)))?;
            if self.keeps {
                self.load = Some(load);
                return Ok(sample);
            }
            // It closes them too, before another server has its turn.
            running.awake(|| {
                drop(load);
                running.cpu_time_at_rest()
            })?;
            Ok(sample)
        });
        match sampled {
            Ok(sample) => self.samples.push(sample),
            Err(error) => self.running = Err(error),
        }
    }
}

/// Loads the server once. The CPU time is its whole bill, until it is at rest; the rate is over the loaded time only.
fn sample(load: &mut Connected, server: &Running, length: Duration) -> io::Result<Sample> {
    let cpu_before = server.cpu_time_at_rest()?;
    let begun = Instant::now();
    let requests = load.run(length)? as f64;
    let elapsed = begun.elapsed();
    let cpu = server.cpu_time_at_rest()?.saturating_sub(cpu_before);
    Ok(Sample {
        cpu_ns_per_request: cpu.as_nanos() as f64 / requests,
        requests_per_second: requests / elapsed.as_secs_f64(),
        latency: load.latency(),
    })
}

impl Connected {
    pub fn warm(server: &Running, shape: &Shape) -> io::Result<Connected> {
        let mut connected = match shape.load {
            Load::Steady { size, depth } => {
                Connected::Steady(SteadyLoad::connect(server.address, shape.connections, size, depth)?)
            }
            Load::Ping { size } => Connected::Ping(PingLoad::connect(server.address, size)?),
            Load::Churn => Connected::Churn(ChurnLoad::new(server.address, shape.connections)?),
        };
        connected.run(WARM_UP)?;
        Ok(connected)
    }

    /// Loads the server for `length`; returns the number of requests answered, each verified.
    pub fn run(&mut self, length: Duration) -> io::Result<u64> {
        match self {
            Connected::Steady(load) => load.run(length),
            Connected::Ping(load) => load.run(length),
            Connected::Churn(load) => load.run(length),
        }
    }

    /// Loads the server once with all that may be in flight, and calls `rest` when it should come to rest. Returns the
    /// number of requests answered, each verified.
    pub fn step<T>(&mut self, rest: impl Fn() -> io::Result<T>) -> io::Result<u64> {
        let answered = match self {
            Connected::Steady(load) => load.run(Duration::ZERO)?,
            Connected::Ping(load) => load.run(Duration::ZERO)?,
            Connected::Churn(load) => {
                load.begin_batch()?;
                rest()?;
                load.finish_batch()?
            }
        };
        rest()?;
        Ok(answered)
    }

    fn latency(&mut self) -> Option<Latency> {
        match self {
            Connected::Ping(load) => Some(load.latency()),
            _ => None,
        }
    }
}
