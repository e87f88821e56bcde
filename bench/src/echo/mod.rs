//! Echo servers side by side: the same work on each runtime, and on none.
//!
//! Every server has its own process on one CPU, of which all but the one under load are stopped. The load comes from
//! another CPU. Samples are interleaved (A B C .. A B C ..), so that a slow minute of the machine meets all alike.
//! Nothing goes over a real network.

mod calls;
mod churn;
mod compio;
mod coracle;
#[cfg(feature = "glommio")]
mod glommio;
mod idle;
mod lines;
mod monoio;
mod ping;
mod program;
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

use crate::args::{Args, Command};
use crate::calm::Cpus;
use crate::line::Role;
use crate::results::Findings;
use crate::rivals::Choice;

use program::Program;
pub use server::serve;
use shape::{Mode, Shape};

/// What each connection of each server reads into; and what is lent to it in `Mode::Bulk`.
const BUFFER: usize = 4096;
const BULK_BUFFER: usize = 256 * 1024;

/// How long a server looks before it sleeps in `Mode::Spin`.
const SPIN: Duration = Duration::from_micros(50);

/// A server that answers nothing for so long has failed.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// One line per rival; the first is what ratios refer to.
const SERVERS: &[Server] = &[
    Server::here("raw", raw::serve).borrowing(),
    Server::here("coracle", coracle::serve).borrowing(),
    Server::here("tokio", tokio::serve).borrowing(),
    Server::here("smol", smol::serve).borrowing(),
    Server::here("monoio", monoio::serve),
    Server::here("monoio-uring", monoio::serve_on_uring),
    Server::here("compio", compio::serve_by_polling),
    Server::here("compio-uring", compio::serve_on_uring),
    #[cfg(feature = "glommio")]
    Server::here("glommio", glommio::serve),
    Server::program("go", Program::Go),
    Server::program("uvloop", Program::Python("uvloop")).borrowing(),
    Server::program("asyncio", Program::Python("asyncio")).borrowing(),
    Server::program("gevent", Program::Python("gevent")),
];

const BASE: &str = "raw";

/// Rows that are no shape.
const CALLS: &str = "calls";
const IDLE: &str = "idle";
const SCALE: &str = "scale";

/// Who takes part in `scale` in a quick run: to connect 15,000 takes a second each time.
const QUICK_SCALE: [&str; 4] = [BASE, "coracle", "tokio", "monoio"];

struct Server {
    name: &'static str,
    runs: Runs,
    /// In `Mode::Bulk` a connection with nothing to read holds no buffer.
    borrows: bool,
}

/// How a server is run: it serves until its process is killed.
#[derive(Clone, Copy)]
enum Runs {
    /// In this program. The listener is non-blocking already.
    Here(fn(TcpListener, Mode) -> io::Result<()>),
    Program(Program),
}

impl Server {
    const fn here(name: &'static str, serve: fn(TcpListener, Mode) -> io::Result<()>) -> Server {
        Server { name, runs: Runs::Here(serve), borrows: false }
    }

    const fn program(name: &'static str, program: Program) -> Server {
        Server { name, runs: Runs::Program(program), borrows: false }
    }

    const fn borrowing(self) -> Server {
        Server { borrows: true, ..self }
    }

    fn prepare(&self) -> Result<(), String> {
        match self.runs {
            Runs::Here(_) => Ok(()),
            Runs::Program(program) => program.prepare(),
        }
    }
}

fn role(name: &str) -> Role {
    match name {
        BASE => Role::Limit,
        "coracle" => Role::Ours,
        _ => Role::Rival,
    }
}

pub fn names() -> impl Iterator<Item = &'static str> {
    SERVERS.iter().map(|server| server.name)
}

pub fn rows() -> Vec<String> {
    let shapes = Shape::defaults().into_iter().map(|shape| shape.name);
    shapes.chain([CALLS, IDLE, SCALE].map(str::to_string)).collect()
}

/// Runs the shapes and servers that `args` ask for, prints the tables as they are done, and returns the results.
pub fn bench(args: &Args, cpus: Cpus) -> io::Result<Findings> {
    let servers = installed(args);
    let shapes = match args.custom {
        Some(custom) => vec![Shape::steady("custom", custom.connections, custom.size, custom.depth)],
        None => Shape::defaults().into_iter().filter(|shape| args.rows.wants(&shape.name)).collect(),
    };
    let length = Duration::from_millis(if args.quick { 100 } else { 400 });
    let wants = |row| args.custom.is_none() && args.rows.wants(row);
    let mut findings = Findings::default();
    if !shapes.is_empty() {
        findings.add(run::run(&servers, &shapes, args.rounds, length, cpus)?.findings());
    }
    if args.calls || (args.command == Command::All || !args.rows.is_empty()) && wants(CALLS) {
        let counted: Vec<Shape> = match args.calls {
            true => shapes.iter().filter(|shape| shape.mode == Mode::Usual).cloned().collect(),
            false => Shape::defaults().into_iter().filter(|it| calls::ROWS.contains(&it.name.as_str())).collect(),
        };
        findings.add(calls::count_all(&servers, &counted, cpus)?);
    }
    if wants(IDLE) {
        findings.add(idle::measure(&servers, if args.quick { 1_000 } else { 5_000 }, cpus)?);
    }
    if wants(SCALE) {
        let wanted = |server: &&Server| match args.quick && args.only.is_empty() {
            true => QUICK_SCALE.contains(&server.name),
            false => matches!(server.runs, Runs::Here(_)),
        };
        let servers: Vec<&Server> = servers.into_iter().filter(wanted).collect();
        let rounds = args.rounds.div_ceil(2);
        findings.add(run::run(&servers, &Shape::scale(), rounds, length / 2, cpus)?.scale_findings());
    }
    Ok(findings)
}

/// The servers that were asked for and can be run here; says which cannot.
fn installed(args: &Args) -> Vec<&'static Server> {
    let mut servers = Vec::new();
    for server in SERVERS.iter().filter(|server| args.only.wants(server.name)) {
        match server.prepare() {
            Ok(()) => servers.push(server),
            Err(reason) => println!("without {}: {reason}\n", server.name),
        }
    }
    servers
}
