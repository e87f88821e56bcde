//! `coracle-bench clock`: paused clocks, side by side. Not how fast, but how right: how many requests time out although
//! the reply is on its way.
//!
//! The program is written once (`program.rs`) and compiled for each: over loopback, a client asks a server, which asks
//! another server; around each request there is a timeout of 30 seconds; the clock is paused. Nobody sleeps, so no time
//! should pass at all. A runtime that moves its clock whenever no task is ready and no descriptor is gets it wrong when
//! the reply is somewhere else at that moment: with a thread, or held back by the kernel (tokio#4522, tokio#8232).

mod program;

use std::io;
use std::time::{Duration, Instant};

use crate::table::Table;

/// What the requests came to.
struct Outcome {
    timed_out: usize,
    /// On the paused clock.
    passed: Duration,
}

/// Who answers.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Backend {
    /// A task of the same runtime.
    Task,
    /// A thread with a blocking socket, which thinks for a millisecond: nobody can know of it.
    Thread,
}

/// What is sent: a whole, or pieces by a call each.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Body {
    length: usize,
    pieces: usize,
}

struct Row {
    name: &'static str,
    backend: Backend,
    body: Body,
    /// All requests go over one connection.
    keeps: bool,
    requests: usize,
}

const ROWS: &[Row] = &[
    Row {
        name: "from a task",
        backend: Backend::Task,
        body: Body { length: 64, pieces: 1 },
        keeps: false,
        requests: 1_000,
    },
    Row {
        name: "1 MiB, from a task",
        backend: Backend::Task,
        body: Body { length: 1 << 20, pieces: 1 },
        keeps: true,
        requests: 100,
    },
    // The kernel keeps the second piece back until the first is acknowledged: 40 ms, which ours has to wait.
    Row {
        name: "in two pieces, from a task",
        backend: Backend::Task,
        body: Body { length: 64, pieces: 2 },
        keeps: true,
        requests: 100,
    },
    Row {
        name: "from a thread, after 1 ms",
        backend: Backend::Thread,
        body: Body { length: 64, pieces: 1 },
        keeps: false,
        requests: 1_000,
    },
];

#[allow(unused_mut, reason = "its streams are read and written by reference")]
mod with_coracle {
    use super::{Backend, Body, Outcome, Row};
    use coracle::net::{TcpListener, TcpStream};
    use coracle::time::{now, timeout};
    use coracle::{Runtime, spawn, sys::World};

    async fn bind() -> std::io::Result<TcpListener> {
        TcpListener::bind("127.0.0.1:0")
    }

    super::program::program!();

    pub fn run(row: &'static Row) -> std::io::Result<Outcome> {
        Runtime::builder().world(World::kernel().paused()).build().block_on(program(row))
    }
}

mod with_tokio {
    use super::{Backend, Body, Outcome, Row};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::spawn;
    use tokio::time::{Instant, timeout};

    async fn bind() -> std::io::Result<TcpListener> {
        TcpListener::bind("127.0.0.1:0").await
    }

    fn now() -> Instant {
        Instant::now()
    }

    super::program::program!();

    pub fn run(row: &'static Row) -> std::io::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        runtime.block_on(program(row))
    }
}

/// Runs all and prints what came out.
pub fn compare() -> io::Result<()> {
    println!("Requests in a row, each with a timeout of 30 s, over loopback through two servers, on a paused clock:\n");
    let mut table = Table::new(["answers", "clock", "requests", "timed out falsely", "time passed", "in real time"]);
    for row in ROWS {
        for (name, run) in [("coracle", with_coracle::run as fn(&'static Row) -> _), ("tokio", with_tokio::run)] {
            let begin = Instant::now();
            let outcome: Outcome = run(row)?;
            let real = begin.elapsed();
            table.row([
                row.name.to_string(),
                name.to_string(),
                row.requests.to_string(),
                outcome.timed_out.to_string(),
                format!("{} s", outcome.passed.as_secs()),
                format!("{:.2} s", real.as_secs_f64()),
            ]);
        }
    }
    table.print();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_times_out_with_coracle() {
        for row in ROWS {
            let outcome = with_coracle::run(row).unwrap();
            assert_eq!((outcome.timed_out, outcome.passed), (0, Duration::ZERO), "{}", row.name);
        }
    }
}
