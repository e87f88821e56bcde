//! What it costs to depend on a runtime: a clean release build of the least echo server on it, in seconds; how many
//! packages that compiles; and how large the stripped program is.
//!
//! The servers are crates in `build/`, each built by itself into an empty folder, with what cargo does by default. All
//! that is to be downloaded is there before the clock starts. Cargo uses every CPU there is, so this is the one part of
//! the benchmark that is not pinned.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::args::Args;
use crate::json::Json;
use crate::line::{Better, Contestant, Goal, Line, Role};
use crate::results::Findings;
use crate::rivals::Choice;
use crate::stats::Spread;
use crate::sys::cpu;
use crate::table::Table;

pub const ROW: &str = "build";

const NAMES: [&str; 7] = ["raw", "coracle", "tokio", "smol", "monoio", "compio", "glommio"];

/// Built in a quick run: ours, the limit, and the two that compile least of the rivals.
const QUICK: [&str; 4] = ["raw", "coracle", "tokio", "monoio"];

/// More rounds than this tell nothing more: a build takes seconds, and moves by a few per cent.
const MOST_ROUNDS: usize = 3;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/build");

/// One runtime's echo server.
struct Server {
    name: &'static str,
    seconds: Vec<f64>,
    /// Of all CPUs together: on a busy machine this is the steadier figure.
    cpu_seconds: Vec<f64>,
    packages: usize,
    bytes: u64,
    /// Why it could not be built; it is not tried again.
    failure: Option<String>,
}

pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

pub fn bench(args: &Args) -> io::Result<Findings> {
    println!("{ROW}: a clean release build of an echo server\n");
    cargo(&["fetch"], None)?;
    let wanted = |name: &&str| args.only.wants(name) && (!args.quick || !args.only.is_empty() || QUICK.contains(name));
    let new =
        |name| Server { name, seconds: Vec::new(), cpu_seconds: Vec::new(), packages: 0, bytes: 0, failure: None };
    let mut servers: Vec<Server> = NAMES.into_iter().filter(wanted).map(new).collect();
    let rounds = if args.quick { 1 } else { args.rounds.min(MOST_ROUNDS) };
    let pinned = cpu::allowed()?;
    cpu::allow(&cpu::any())?;
    for _ in 0..rounds {
        for server in servers.iter_mut().filter(|server| server.failure.is_none()) {
            server.failure = server.build().err().map(|error| error.to_string());
        }
    }
    cpu::allow(&pinned)?;
    let table = table(&servers);
    println!("{table}");
    Ok(Findings {
        lines: lines(&servers),
        details: format!("{ROW}: a clean release build of an echo server\n\n{table}\n"),
        plots: Vec::new(),
        json: vec![("build", servers.iter().map(json).collect())],
    })
}

impl Server {
    fn build(&mut self) -> io::Result<()> {
        let package = format!("echo-{}", self.name);
        let target = Target::new(&package)?;
        let (begun, cpu_before) = (Instant::now(), cpu::time_used_by_children()?);
        cargo(&["build", "--release", "--offline", "--quiet", "-p", &package], Some(&target.0))?;
        self.seconds.push(begun.elapsed().as_secs_f64());
        self.cpu_seconds.push((cpu::time_used_by_children()? - cpu_before).as_secs_f64());
        self.bytes = fs::metadata(target.0.join("release").join(&package))?.len();
        let tree = cargo(&["tree", "--offline", "-e", "normal,build", "--prefix", "none", "-p", &package], None)?;
        let mut packages: Vec<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        packages.sort_unstable();
        packages.dedup();
        // All but the server itself.
        self.packages = packages.len() - 1;
        Ok(())
    }
}

/// An empty folder to build into; it is gone afterwards.
struct Target(PathBuf);

impl Target {
    fn new(package: &str) -> io::Result<Target> {
        let folder = std::env::temp_dir().join(format!("coracle-bench-{}-{package}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Target(folder))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs cargo in the folder of the servers, and gives what it prints.
fn cargo(arguments: &[&str], target: Option<&Path>) -> io::Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(FOLDER).stdin(Stdio::null());
    // What the user set for his own builds would be no clean build here.
    for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "RUSTFLAGS", "RUSTC_WRAPPER", "CARGO_INCREMENTAL"] {
        cargo.env_remove(name);
    }
    if let Some(target) = target {
        cargo.arg("--target-dir").arg(target);
    }
    let output = cargo.output()?;
    if !output.status.success() {
        let says = String::from_utf8_lossy(&output.stderr).trim().to_string();
        return Err(io::Error::other(format!("cargo {}: {says}", arguments.join(" "))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn table(servers: &[Server]) -> String {
    let mut table = Table::new(["runtime", "seconds", "quartiles", "CPU seconds", "packages", "stripped KiB"]);
    for server in servers.iter().filter(|server| server.failure.is_none()) {
        let spread = |samples: &[f64]| Spread::of(samples.iter().copied());
        let (Some(seconds), Some(cpu)) = (spread(&server.seconds), spread(&server.cpu_seconds)) else { continue };
        table.row([
            server.name.to_string(),
            format!("{:.1}", seconds.median),
            format!("{:.1}..{:.1}", seconds.low, seconds.high),
            format!("{:.1}", cpu.median),
            server.packages.to_string(),
            format!("{:.0}", server.bytes as f64 / 1024.0),
        ]);
    }
    let failures = servers.iter().filter_map(|it| Some(format!("\n{} failed: {}\n", it.name, it.failure.as_ref()?)));
    table.render() + &failures.collect::<String>()
}

fn lines(servers: &[Server]) -> Vec<Line> {
    let line = |row: &str, unit, goal, figures: &dyn Fn(&Server) -> Vec<f64>| {
        let built = servers.iter().filter(|server| server.failure.is_none());
        let contestants: Vec<Contestant> = built.map(|server| server.contestant(figures(server))).collect();
        Line::judge(format!("{ROW}: {row}"), unit, Better::Less, &contestants, Goal::absolute(goal))
    };
    vec![
        line("clean release build", "s", 5.0, &|it| it.seconds.clone()),
        line("packages", "packages", 10.0, &|it| vec![it.packages as f64]),
        line("stripped program", "KiB", 420.0, &|it| vec![it.bytes as f64 / 1024.0]),
    ]
}

impl Server {
    fn contestant(&self, samples: Vec<f64>) -> Contestant {
        let role = match self.name {
            "raw" => Role::Limit,
            "coracle" => Role::Ours,
            _ => Role::Rival,
        };
        Contestant { name: self.name.to_string(), role, samples }
    }
}

fn json(server: &Server) -> Json {
    Json::Object(vec![
        ("runtime", server.name.into()),
        ("seconds", Spread::of(server.seconds.iter().copied()).into()),
        ("cpu_seconds", Spread::of(server.cpu_seconds.iter().copied()).into()),
        ("packages", (server.packages as f64).into()),
        ("stripped_bytes", (server.bytes as f64).into()),
        ("failure", server.failure.as_deref().into()),
    ])
}
