//! The child of a micro-benchmark: answers each line `ROW MILLISECONDS` with the nanoseconds of one operation.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::time::Duration;

use super::RIVALS;
use super::row::Row;
use crate::child;

/// The child's whole life, until its parent ends.
///
/// The first sample of a row finds out how many operations fill the time asked for (and warms up); later ones do as many.
pub fn work(name: &str, cpu: usize) -> io::Result<()> {
    child::settle_in(cpu)?;
    let rival = RIVALS.iter().find(|rival| rival.name == name).ok_or(io::ErrorKind::NotFound)?;
    let mut operations = HashMap::new();
    for line in io::stdin().lock().lines() {
        let (row, length) = question(&line?).ok_or(io::ErrorKind::InvalidInput)?;
        let operations =
            *operations.entry(row).or_insert_with(|| enough_to_fill(length, |count| (rival.time)(row, count)));
        println!("{}", (rival.time)(row, operations));
    }
    Ok(())
}

fn question(line: &str) -> Option<(Row, Duration)> {
    let (row, length) = line.split_once(' ')?;
    Some((Row::by_name(row)?, Duration::from_millis(length.parse().ok()?)))
}

/// How many operations take `length`: from few to many, as the cost of one is unknown by orders of magnitude.
fn enough_to_fill(length: Duration, time: impl Fn(u64) -> f64) -> u64 {
    let length = length.as_nanos() as f64;
    let mut operations: u64 = 1000;
    loop {
        let each = time(operations);
        if each * operations as f64 > length / 10.0 {
            return (length / each).max(1000.0) as u64;
        }
        operations *= 4;
    }
}
