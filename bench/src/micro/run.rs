//! The measurement: rounds of interleaved samples, row after row.

use std::io;
use std::time::Duration;

use super::Runner;
use super::report;
use super::row::{Kind, Row, Size, Work};
use crate::calm::{Calm, Cpus};
use crate::child::{self, Child};
use crate::line::Role;

/// What is to be run, and how.
pub struct Run {
    pub runners: Vec<Runner>,
    pub quick: bool,
    pub rounds: usize,
    /// Of one sample, where the row leaves it open.
    pub length: Duration,
    pub cpus: Cpus,
}

/// What a row said of each rival that offers it.
pub struct RowResult {
    pub row: &'static Row,
    pub rivals: Vec<RivalResult>,
}

pub struct RivalResult {
    pub name: &'static str,
    pub role: Role,
    /// The row's figures, in order of the rounds; or what failed.
    pub samples: Result<Vec<Vec<f64>>, String>,
}

/// A sample that takes so long hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Operations of a sample at least.
const LEAST: u64 = 100;

/// Rounds at most in the rows that take long; in a quick run, those of fixed size.
const FEW_ROUNDS: usize = 3;

impl Run {
    pub fn run(&self, rows: &[&'static Row]) -> io::Result<Vec<RowResult>> {
        let mut calm = Calm::new(self.cpus, self.runners.len() * rows.len() * self.rounds, self.length)?;
        let mut workers = self.start_all()?;
        let mut threads = false;
        let mut results = Vec::new();
        for &row in rows.iter().filter(|row| !self.leaves_out(row)) {
            if (row.kind == Kind::Threads) != threads {
                threads = !threads;
                workers = self.start_all()?;
            }
            let result = self.run_row(row, &mut workers, &mut calm)?;
            report::print_row(&result);
            results.push(result);
        }
        println!("{}\n", calm.report());
        Ok(results)
    }

    fn start_all(&self) -> io::Result<Vec<Child>> {
        self.runners.iter().map(|runner| self.start(runner)).collect()
    }

    fn start(&self, runner: &Runner) -> io::Result<Child> {
        Child::start(child::WORKER, runner.name, self.cpus.work)
    }

    fn leaves_out(&self, row: &Row) -> bool {
        self.quick && matches!(row.size, Size::Fixed { quick: 0, .. })
    }

    fn rounds(&self, row: &Row) -> usize {
        let long = row.kind == Kind::Scale || (self.quick && row.size != Size::Filling);
        if long { self.rounds.min(FEW_ROUNDS) } else { self.rounds }
    }

    fn run_row(&self, row: &'static Row, workers: &mut [Child], calm: &mut Calm) -> io::Result<RowResult> {
        let mut results: Vec<RivalResult> = Vec::new();
        let mut taking_part = Vec::new();
        let offers = |runner: &Runner| runner.rows.iter().any(|offered| offered.name == row.name);
        for (index, runner) in self.runners.iter().enumerate().filter(|(_, runner)| offers(runner)) {
            // Finds the size, and warms up.
            let operations = self.operations(&mut workers[index], row);
            taking_part.push((index, *operations.as_ref().unwrap_or(&0)));
            let samples = operations.map(|_| Vec::new()).map_err(|error| error.to_string());
            results.push(RivalResult { name: runner.name, role: runner.role, samples });
        }
        for _ in 0..self.rounds(row) {
            for (&(index, operations), result) in taking_part.iter().zip(&mut results) {
                let Ok(samples) = &mut result.samples else { continue };
                let worker = &mut workers[index];
                let sample = if row.work == Work::IdleTasks {
                    // Only to a new process each task's memory is new. Bytes need no calm.
                    *worker = self.start(&self.runners[index])?;
                    self.ask(worker, row, operations)
                } else {
                    calm.sample(worker.id(), || self.ask(worker, row, operations))
                };
                match sample {
                    Ok(sample) => samples.push(sample),
                    Err(error) => result.samples = Err(error.to_string()),
                }
            }
        }
        for (&(index, _), result) in taking_part.iter().zip(&results) {
            if result.samples.is_err() {
                workers[index] = self.start(&self.runners[index])?;
            }
        }
        Ok(RowResult { row, rivals: results })
    }

    /// How many operations a sample has. Where they fill a time: from few to many, as the cost of one is unknown by
    /// orders of magnitude.
    fn operations(&self, worker: &mut Child, row: &Row) -> io::Result<u64> {
        if let Size::Fixed { full, quick } = row.size {
            return Ok(if self.quick { quick } else { full });
        }
        let length = self.length.as_nanos() as f64;
        let mut operations: u64 = LEAST;
        loop {
            let each = self.ask(worker, row, operations)?[0];
            if each * operations as f64 > length / 10.0 {
                return Ok((length / each).max(LEAST as f64) as u64);
            }
            operations *= 4;
        }
    }

    /// One sample.
    fn ask(&self, worker: &mut Child, row: &Row, operations: u64) -> io::Result<Vec<f64>> {
        worker.tell(&format!("{} {operations} {}", row.name, self.cpus.load))?;
        let answer = worker.hear(LIMIT)?;
        let figures: Result<Vec<f64>, _> = answer.split(' ').map(str::parse).collect();
        match figures {
            Ok(figures) if figures.len() == row.figures.len() => Ok(figures),
            _ => Err(io::Error::other(format!("the answer `{answer}`"))),
        }
    }
}
