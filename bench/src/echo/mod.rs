//! Echo servers side by side: the same work on each runtime, and on none.
//!
//! Every server has its own process on one CPU, all are started at once, and the one that is not under load is idle. The load
//! comes from another CPU. Samples are interleaved (A B C .. A B C ..), so that a slow minute of the machine meets all alike.
//! Latency is not measured here, nor anything over a real network.

mod calls;
mod churn;
mod coracle;
mod monoio;
mod raw;
mod report;
mod run;
mod server;
mod shape;
mod smol;
mod steady;
#[cfg(test)]
mod tests;
mod tokio;

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use crate::args::Args;
use crate::calm::Cpus;
use crate::json::Json;
use crate::rivals::Choice;

pub use server::serve;
use shape::Shape;

/// What each connection of each server reads into.
const BUFFER: usize = 4096;

/// A server that answers nothing for so long has failed.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// One line per rival; the first is what ratios refer to.
const SERVERS: &[Server] = &[
    Server { name: "raw", serve: raw::serve },
    Server { name: "coracle", serve: coracle::serve },
    Server { name: "tokio", serve: tokio::serve },
    Server { name: "smol", serve: smol::serve },
    Server { name: "monoio", serve: monoio::serve },
];

const BASE: &str = "raw";

/// Serves until the process is killed. The listener is non-blocking already.
struct Server {
    name: &'static str,
    serve: fn(TcpListener) -> io::Result<()>,
}

pub fn names() -> impl Iterator<Item = &'static str> {
    SERVERS.iter().map(|server| server.name)
}

pub fn rows() -> Vec<String> {
    Shape::defaults().into_iter().map(|shape| shape.name).collect()
}

/// Runs the shapes and servers that `args` ask for, prints the tables, and returns the results.
pub fn bench(args: &Args, cpus: Cpus) -> io::Result<Json> {
    let servers: Vec<&Server> = SERVERS.iter().filter(|server| args.only.wants(server.name)).collect();
    let shapes = match args.custom {
        Some(custom) => vec![Shape::steady("custom", custom.connections, custom.size, custom.depth)],
        None => Shape::defaults().into_iter().filter(|shape| args.rows.wants(&shape.name)).collect(),
    };
    let length = Duration::from_millis(if args.quick { 150 } else { 500 });
    let results = run::run(&servers, &shapes, args.rounds, length, cpus)?;
    report::print_summary(&results);
    if args.calls {
        calls::print(&servers, &shapes, cpus)?;
    }
    Ok(report::json(&results))
}
