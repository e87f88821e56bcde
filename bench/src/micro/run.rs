//! The measurement: rounds of interleaved samples, row after row.

use std::io;
use std::time::Duration;

use super::Contender;
use super::report;
use super::row::Row;
use crate::calm::{Calm, Cpus};
use crate::child::{self, Child};

/// What a row said of each rival that offers it.
pub struct RowResult {
    pub row: Row,
    pub rivals: Vec<RivalResult>,
}

pub struct RivalResult {
    pub name: &'static str,
    /// Nanoseconds an operation, in order of the rounds; or what failed.
    pub samples: Result<Vec<f64>, String>,
}

/// A sample that takes so long hangs.
const LIMIT: Duration = Duration::from_secs(20);

pub fn run(
    rivals: &[&Contender],
    rows: &[Row],
    rounds: usize,
    length: Duration,
    cpus: Cpus,
) -> io::Result<Vec<RowResult>> {
    let mut calm = Calm::new(cpus, rivals.len() * rows.len() * rounds, length)?;
    let mut workers = Vec::new();
    for rival in rivals {
        workers.push(Child::start(child::WORKER, rival.name, cpus.work)?);
    }
    let mut results = Vec::new();
    for &row in rows {
        let result = run_row(row, rivals, &mut workers, rounds, length, &mut calm, cpus)?;
        report::print_row(&result);
        results.push(result);
    }
    println!("{}\n", calm.report());
    Ok(results)
}

fn run_row(
    row: Row,
    rivals: &[&Contender],
    workers: &mut [Child],
    rounds: usize,
    length: Duration,
    calm: &mut Calm,
    cpus: Cpus,
) -> io::Result<RowResult> {
    let mut results: Vec<RivalResult> = Vec::new();
    let mut runners = Vec::new();
    for (index, rival) in rivals.iter().enumerate().filter(|(_, rival)| (rival.offers)(row)) {
        // The first sample is not counted.
        let warm = ask(&mut workers[index], row, length);
        results.push(RivalResult { name: rival.name, samples: warm.map(|_| Vec::new()).map_err(|it| it.to_string()) });
        runners.push(index);
    }
    for _ in 0..rounds {
        for (&index, result) in runners.iter().zip(&mut results) {
            let Ok(samples) = &mut result.samples else { continue };
            let worker = &mut workers[index];
            match calm.sample(worker.id(), || ask(worker, row, length)) {
                Ok(sample) => samples.push(sample),
                Err(error) => result.samples = Err(error.to_string()),
            }
        }
    }
    for (&index, result) in runners.iter().zip(&results) {
        if result.samples.is_err() {
            workers[index] = Child::start(child::WORKER, result.name, cpus.work)?;
        }
    }
    Ok(RowResult { row, rivals: results })
}

/// One sample.
fn ask(worker: &mut Child, row: Row, length: Duration) -> io::Result<f64> {
    worker.tell(&format!("{} {}", row.name(), length.as_millis()))?;
    worker.hear(LIMIT)?.parse().map_err(io::Error::other)
}
