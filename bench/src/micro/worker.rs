//! The child of a micro-benchmark: answers each line `ROW OPERATIONS CPU` with the row's figures on one line.
//!
//! Programs in other languages (`bench/programs`) speak the same.

use std::io::{self, BufRead};

use super::RIVALS;
use super::program::Program;
use super::row::Row;
use crate::child;

/// The child's whole life, until its parent ends.
pub fn work(name: &str, cpu: usize) -> io::Result<()> {
    child::settle_in(cpu)?;
    if let Some(program) = Program::by_name(name) {
        return Err(program.become_it());
    }
    let rival = RIVALS.iter().find(|rival| rival.name == name).ok_or(io::ErrorKind::NotFound)?;
    for line in io::stdin().lock().lines() {
        let (row, operations, other_cpu) = question(&line?).ok_or(io::ErrorKind::InvalidInput)?;
        let figures = (rival.measure)(row, operations, other_cpu);
        println!("{}", figures.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
    }
    Ok(())
}

fn question(line: &str) -> Option<(&'static Row, u64, usize)> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    Some((Row::by_name(next()?)?, next()?.parse().ok()?, next()?.parse().ok()?))
}
