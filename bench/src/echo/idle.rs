//! What a connection costs in memory that has been served and waits: bytes of the server's own memory for each.
//!
//! Each server does what costs it least: where it can lend buffers (`Mode::Bulk`), a connection that waits holds none;
//! the others hold their 4 KiB. What the kernel holds for a socket is the same for all, and not counted.

use std::io;
use std::time::Duration;

use super::server::Running;
use super::shape::Mode;
use super::steady::SteadyLoad;
use super::{Server, role};
use crate::calm::Cpus;
use crate::json::Json;
use crate::line::{Better, Contestant, Goal, Line};
use crate::results::Findings;
use crate::table::Table;

/// These come first, and are not counted: what a server allocates once and for all.
const FIRST: usize = 100;

/// The size of the message that each connection echoes once.
const SIZE: usize = 64;

/// What ours must reach.
const GOAL: Goal = Goal::absolute(600.0);

/// Once a server: it is the same each time, but for what the allocator rounds.
pub fn measure(servers: &[&Server], connections: usize, cpus: Cpus) -> io::Result<Findings> {
    println!("idle: memory of a connection that waits, of {connections}\n");
    let mut table = Table::new(["server", "bytes a connection", "buffer"]);
    let mut contestants = Vec::new();
    for server in servers {
        let buffer = if server.borrows { "lent" } else { "4 KiB each" };
        let bytes = bytes_per_connection(server, connections, cpus);
        let told = bytes.as_ref().map_or_else(|error| format!("failed: {error}"), |bytes| format!("{bytes:.0}"));
        table.row([server.name.to_string(), told, buffer.to_string()]);
        let samples = bytes.into_iter().collect();
        contestants.push(Contestant { name: server.name.to_string(), role: role(server.name), samples });
    }
    let details = format!("idle: memory of a connection that waits, of {connections}\n\n{}\n", table.render());
    println!("{}", table.render());
    let entry = |it: &Contestant| {
        Json::Object(vec![("server", it.name.as_str().into()), ("bytes", it.samples.first().copied().into())])
    };
    Ok(Findings {
        lines: vec![Line::judge("idle: memory of a connection", "B", Better::Less, &contestants, GOAL)],
        details,
        plots: Vec::new(),
        json: vec![("echo_idle", contestants.iter().map(entry).collect())],
    })
}

fn bytes_per_connection(server: &Server, connections: usize, cpus: Cpus) -> io::Result<f64> {
    let mode = if server.borrows { Mode::Bulk } else { Mode::Usual };
    let running = Running::start(server, mode, cpus.work)?;
    let mut first = SteadyLoad::connect(running.address, FIRST, SIZE, 1)?;
    first.run(Duration::ZERO)?;
    running.cpu_time_at_rest()?;
    let before = running.memory()?;
    let mut others = SteadyLoad::connect(running.address, connections, SIZE, 1)?;
    others.run(Duration::ZERO)?;
    running.cpu_time_at_rest()?;
    Ok(running.memory()?.saturating_sub(before) as f64 / connections as f64)
}
