//! Micro-benchmarks of what needs no socket: tasks, channels, timers, wakes between threads, memory.
//!
//! Each rival has its own process, and its own few lines here that adapt it (`tokio.rs`, `smol.rs` ..); the work
//! is in `work/`, once for all. The samples are interleaved.

mod compio;
mod coracle;
mod floor;
mod floor_channel;
mod floor_timer;
mod futures;
#[cfg(feature = "glommio")]
mod glommio;
mod heap;
mod leaf;
mod monoio;
mod others;
mod program;
mod report;
mod rival;
mod row;
mod run;
mod smol;
mod tokio;
mod work;
mod worker;

use std::io;
use std::time::Duration;

use crate::args::Args;
use crate::calm::Cpus;
use crate::line::Role;
use crate::results::Findings;
use crate::rivals::Choice;

use program::PROGRAMS;
use rival::Rival;
use row::{ROWS, Row};
pub use worker::work;

/// One line per rival.
const RIVALS: &[Contender] = &[
    Contender::of::<floor::Floor>("floor", Role::Limit),
    Contender::of::<coracle::Coracle>("coracle", Role::Ours),
    Contender::of::<tokio::Tokio>("tokio", Role::Rival),
    Contender::of::<smol::Smol>("smol", Role::Rival),
    Contender::of::<monoio::Monoio<monoio::OnEpoll>>("monoio", Role::Rival),
    Contender::of::<monoio::Monoio<monoio::OnUring>>("monoio-uring", Role::Rival),
    Contender::of::<compio::Compio<false>>("compio", Role::Rival),
    Contender::of::<compio::Compio<true>>("compio-uring", Role::Rival),
    #[cfg(feature = "glommio")]
    Contender::of::<glommio::Glommio>("glommio", Role::Rival),
    Contender::of::<futures::Futures>("futures", Role::Rival),
    Contender::of::<others::Kanal>("kanal", Role::Rival),
    Contender::of::<others::Flume>("flume", Role::Rival),
    Contender::of::<others::AsyncUnsync>("async-unsync", Role::Rival),
    Contender::of::<others::LocalSync>("local-sync", Role::Rival),
];

/// A rival that is part of this program.
struct Contender {
    name: &'static str,
    role: Role,
    offers: fn(&Row) -> bool,
    measure: fn(&Row, u64, usize) -> Vec<f64>,
}

impl Contender {
    const fn of<R: Rival>(name: &'static str, role: Role) -> Contender {
        Contender { name, role, offers: R::offers, measure: work::measure::<R> }
    }
}

/// Who takes part, and in which rows.
struct Runner {
    name: &'static str,
    role: Role,
    rows: Vec<&'static Row>,
}

pub fn names() -> impl Iterator<Item = &'static str> {
    RIVALS.iter().map(|rival| rival.name).chain(PROGRAMS.iter().map(|(name, _)| *name))
}

pub fn rows() -> Vec<String> {
    ROWS.iter().map(|row| row.name.to_string()).collect()
}

/// Runs the rows and rivals that `args` ask for, prints a table for each row, and returns what came of it.
pub fn bench(args: &Args, cpus: Cpus) -> io::Result<Findings> {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| args.rows.wants(row.name)).collect();
    let mut runners = Vec::new();
    for rival in RIVALS.iter().filter(|rival| args.only.wants(rival.name)) {
        let rows = rows.iter().copied().filter(|row| (rival.offers)(row)).collect();
        runners.push(Runner { name: rival.name, role: rival.role, rows });
    }
    for (name, program) in PROGRAMS.into_iter().filter(|(name, _)| args.only.wants(name)) {
        let rows = program.rows()?;
        if rows.is_empty() {
            println!("{name} does not take part: it is not installed\n");
        }
        runners.push(Runner { name, role: Role::Rival, rows });
    }
    runners.retain(|runner| runner.rows.iter().any(|offered| rows.iter().any(|row| row.name == offered.name)));
    let length = Duration::from_millis(if args.quick { 10 } else { 40 });
    let results = run::Run { runners, quick: args.quick, rounds: args.rounds, length, cpus }.run(&rows)?;
    Ok(report::findings(&results))
}

#[cfg(test)]
mod tests {
    use super::row::{Kind, Size, Work};
    use super::{RIVALS, ROWS};

    /// The work itself asserts that it was done.
    #[test]
    fn every_rival_does_every_row_that_it_offers() {
        let other_cpu = *crate::sys::cpu::allowed().unwrap().last().unwrap();
        for rival in RIVALS {
            for row in ROWS.iter().filter(|row| (rival.offers)(row)) {
                let operations = match row.work {
                    // So many that what other tests allocate meanwhile is little.
                    Work::IdleTasks => 20_000,
                    _ if row.size == Size::Filling && row.kind != Kind::Threads => 2500,
                    _ => 100,
                };
                let figures = (rival.measure)(row, operations, other_cpu);
                assert_eq!(figures.len(), row.figures.len(), "{} {}", rival.name, row.name);
                assert!(figures[0].is_finite(), "{} {}: {figures:?}", rival.name, row.name);
                if row.work == Work::IdleTasks {
                    // It holds its future of 40 bytes, and no kilobytes.
                    assert!(figures[0] > 40.0 && figures[0] < 1000.0, "{}: {figures:?}", rival.name);
                }
            }
        }
    }

    /// The workers are started anew where the first thread takes part.
    #[test]
    fn rows_with_threads_come_after_those_without() {
        let first = ROWS.iter().position(|row| row.kind == Kind::Threads).unwrap();
        assert!(ROWS[first..].iter().all(|row| matches!(row.kind, Kind::Threads | Kind::Scale)));
    }

    #[test]
    fn names_of_rows_are_distinct() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..index].iter().all(|other| other.name != row.name), "{} is there twice", row.name);
        }
    }
}
