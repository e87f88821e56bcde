//! System calls a request, counted by strace in a pass of its own. Nothing is timed here.
//!
//! A traced server is so slow that under a steady load it would find the next request there already, whenever it looks,
//! and never wait. So the load goes in lock step: all connections send, all are answered, the server comes to rest,
//! again. (In `churn` it comes to rest before the connections are closed, as well.)

use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};

use super::run::Connected;
use super::server::Running;
use super::shape::{Load, Shape};
use super::{Server, role};
use crate::calm::Cpus;
use crate::json::Json;
use crate::line::{Better, Contestant, Goal, Line};
use crate::results::Findings;
use crate::sys::{cpu, process};
use crate::table::Table;

/// The shapes that are counted where nobody says which.
pub const ROWS: [&str; 3] = ["c50", "c1", "churn"];

/// So many requests at least, in so many steps at least.
const REQUESTS: usize = 200;
const STEPS: usize = 10;

/// How many kinds of call are named.
const NAMED: usize = 5;

/// Counts and prints; or says that there is no strace.
pub fn count_all(servers: &[&Server], shapes: &[Shape], cpus: Cpus) -> io::Result<Findings> {
    let mut findings = Findings::default();
    if Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("system calls are not counted: there is no strace\n");
        return Ok(findings);
    }
    let mut entries = Vec::new();
    for shape in shapes {
        let mut table = Table::new(["server", "calls", "of which"]);
        let mut contestants = Vec::new();
        for server in servers {
            let counted = count(server, shape, cpus);
            match &counted {
                Ok(counts) => table.row([server.name.to_string(), format!("{:.2}", counts.all), counts.named()]),
                Err(error) => table.row([server.name.to_string(), "-".to_string(), error.to_string()]),
            }
            let samples: Vec<f64> = counted.iter().map(|counts| counts.all).collect();
            entries.push(Json::Object(vec![
                ("shape", shape.name.as_str().into()),
                ("server", server.name.into()),
                ("calls_per_request", samples.first().copied().into()),
            ]));
            contestants.push(Contestant { name: server.name.to_string(), role: role(server.name), samples });
        }
        let text = format!("{}: system calls a request\n\n{}\n", shape.name, table.render());
        println!("{text}");
        findings.details += &text;
        let row = format!("{}: system calls a request", shape.name);
        findings.lines.push(Line::judge(row, "calls", Better::Less, &contestants, goal(shape)));
    }
    findings.json.push(("echo_calls", Json::List(entries)));
    Ok(findings)
}

/// As many calls as the limit makes; a connection that comes and goes has none, since its CPU time is judged.
fn goal(shape: &Shape) -> Goal {
    if shape.load == Load::Churn { Goal::NONE } else { Goal::to_limit(1.02) }
}

/// Calls divided by requests, the most frequent first.
struct Counts {
    all: f64,
    each: Vec<(String, f64)>,
}

fn count(server: &Server, shape: &Shape, cpus: Cpus) -> io::Result<Counts> {
    let running = Running::start(server, shape.mode, cpus.work)?;
    let mut load = Connected::warm(&running, shape)?;
    running.cpu_time_at_rest()?;

    // It alternates with the server, so it shares its CPU; on the other one it would compete with the load.
    cpu::pin(cpus.work)?;
    let strace = Command::new("strace")
        .args(["-f", "-c", "-U", "calls,name", "-S", "calls", "-p", &running.id().to_string()])
        .stderr(Stdio::piped())
        .spawn();
    cpu::pin(cpus.load)?;
    let mut strace = strace?;
    let mut says = BufReader::new(strace.stderr.take().expect("stderr is piped"));
    let mut first = String::new();
    says.read_line(&mut first)?; // "strace: Process 1 attached"
    let requests = lock_step(&mut load, &running, shape);
    process::interrupt(strace.id())?;
    let lines: Vec<String> = says.lines().collect::<io::Result<_>>()?;
    strace.wait()?;
    let requests = requests? as f64;

    let each: Vec<(String, f64)> =
        lines.iter().filter_map(|line| calls_and_name(line)).map(|(calls, name)| (name, calls / requests)).collect();
    if each.is_empty() {
        return Err(io::Error::other(format!("strace counted nothing ({})", first.trim())));
    }
    Ok(Counts { all: each.iter().map(|(_, calls)| calls).sum(), each })
}

/// Loads the server step by step; returns the number of requests.
fn lock_step(load: &mut Connected, server: &Running, shape: &Shape) -> io::Result<u64> {
    let mut requests = 0;
    for _ in 0..STEPS.max(REQUESTS / shape.in_flight()) {
        requests += load.step(|| server.cpu_time_at_rest())?;
    }
    Ok(requests)
}

/// Reads "  1234 recvfrom"; other lines are headings, rules and the total.
fn calls_and_name(line: &str) -> Option<(f64, String)> {
    let mut words = line.split_whitespace();
    let calls = words.next()?.parse().ok()?;
    let name = words.next()?;
    (name != "total" && words.next().is_none()).then(|| (calls, name.to_string()))
}

impl Counts {
    fn named(&self) -> String {
        let named = self.each.iter().take(NAMED).map(|(name, calls)| format!("{name} {calls:.2}"));
        named.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::calls_and_name;

    #[test]
    fn only_lines_with_a_count_and_a_name_are_read() {
        assert_eq!(calls_and_name("     1234 recvfrom"), Some((1234.0, "recvfrom".to_string())));
        for other in ["    calls syscall", "--------- ----------------", "     2468 total", ""] {
            assert_eq!(calls_and_name(other), None, "for `{other}`");
        }
    }
}
