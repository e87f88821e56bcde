//! Micro-benchmarks of executor, channels and timers: one row, one operation, in nanoseconds.
//!
//! Each rival has its own process, and its own few lines here that adapt it (`tokio.rs`, `smol.rs` ..); the work
//! is in `work.rs`, once for all. The samples are interleaved. Nothing here sleeps, and no thread takes part.

mod coracle;
mod floor;
mod floor_channel;
mod futures;
#[cfg(feature = "glommio")]
mod glommio;
mod leaf;
mod monoio;
mod others;
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
use crate::json::Json;
use crate::rivals::Choice;

use rival::Rival;
use row::Row;
pub use worker::work;

/// One line per rival.
const RIVALS: &[Contender] = &[
    Contender::of::<floor::Floor>("floor"),
    Contender::of::<coracle::Coracle>("coracle"),
    Contender::of::<tokio::Tokio>("tokio"),
    Contender::of::<smol::Smol>("smol"),
    Contender::of::<monoio::Monoio>("monoio"),
    Contender::of::<futures::Futures>("futures"),
    #[cfg(feature = "glommio")]
    Contender::of::<glommio::Glommio>("glommio"),
    Contender::of::<others::Kanal>("kanal"),
    Contender::of::<others::AsyncUnsync>("async-unsync"),
];

/// Those that "the best rival" is never: the limit, and us.
const NO_RIVALS: [&str; 2] = ["floor", "coracle"];

/// A rival in a table.
struct Contender {
    name: &'static str,
    offers: fn(Row) -> bool,
    time: fn(Row, u64) -> f64,
}

impl Contender {
    const fn of<R: Rival>(name: &'static str) -> Contender {
        Contender { name, offers: R::offers, time: work::time::<R> }
    }
}

pub fn names() -> impl Iterator<Item = &'static str> {
    RIVALS.iter().map(|rival| rival.name)
}

pub fn rows() -> Vec<String> {
    Row::ALL.iter().map(|row| row.name().to_string()).collect()
}

/// Runs the rows and rivals that `args` ask for, prints the tables, and returns the results.
pub fn bench(args: &Args, cpus: Cpus) -> io::Result<Json> {
    let rivals: Vec<&Contender> = RIVALS.iter().filter(|rival| args.only.wants(rival.name)).collect();
    let rows: Vec<Row> = Row::ALL.into_iter().filter(|row| args.rows.wants(row.name())).collect();
    let length = Duration::from_millis(if args.quick { 10 } else { 40 });
    let results = run::run(&rivals, &rows, args.rounds, length, cpus)?;
    report::print_summary(&results);
    Ok(report::json(&results))
}

#[cfg(test)]
mod tests {
    use super::{RIVALS, Row};

    /// The work itself asserts that it was done.
    #[test]
    fn every_rival_does_every_row_that_it_offers() {
        for rival in RIVALS {
            for row in Row::ALL.into_iter().filter(|row| (rival.offers)(*row)) {
                let ns = (rival.time)(row, 2500);
                assert!(ns > 0.0, "{} {}", rival.name, row.name());
            }
        }
    }
}
