//! `coracle-bench`: coracle beside its rivals. This file only reads the command line and hands on.
//!
//! `echo`, `micro`, `build` and `clock` each have a directory or a file; what they share is beside this file. See
//! README.md for what is measured.

mod args;
mod build;
mod calm;
mod child;
#[cfg(feature = "clock")]
mod clock;
mod echo;
mod json;
mod line;
mod micro;
mod plot;
mod results;
mod rivals;
mod stats;
mod sys;
mod table;
mod versions;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use args::{Args, Command};
use calm::Cpus;
use results::Findings;
use rivals::Choice;

/// The exit code of a mistake on the command line.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{}", args::USAGE);
        return ExitCode::SUCCESS;
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Misused(mistake)) => {
            eprintln!("coracle-bench: {mistake} (--help says more)");
            ExitCode::from(MISUSED)
        }
        Err(Failure::Io(error)) => {
            eprintln!("coracle-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Misused(String),
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

fn run(arguments: Vec<String>) -> Result<(), Failure> {
    // As a process of one rival, started by this program itself?
    if let Some(task) = child::task(&arguments) {
        match task.role {
            child::SERVER => echo::serve(task.name, task.cpu)?,
            _ => micro::work(task.name, task.cpu)?,
        }
        return Ok(());
    }
    let args = args::parse(arguments).map_err(Failure::Misused)?;
    if args.command == Command::Clock {
        return clock();
    }
    let args = known(args).map_err(Failure::Misused)?;
    Ok(bench(&args)?)
}

#[cfg(feature = "clock")]
fn clock() -> Result<(), Failure> {
    println!("{}\n", versions::describe());
    Ok(clock::compare()?)
}

#[cfg(not(feature = "clock"))]
fn clock() -> Result<(), Failure> {
    Err(Failure::Misused("this program was built without `--features clock`".to_string()))
}

/// Refuses names of rivals and rows that the command does not have.
fn known(args: Args) -> Result<Args, String> {
    let (mut rivals, mut rows) = (Vec::new(), Vec::new());
    if args.runs(Command::Echo) {
        rivals.extend(echo::names().map(str::to_string));
        rows.extend(echo::rows());
    }
    if args.runs(Command::Micro) {
        rivals.extend(micro::names().map(str::to_string));
        rows.extend(micro::rows());
    }
    if args.runs(Command::Build) {
        rivals.extend(build::names().map(str::to_string));
        rows.push(build::ROW.to_string());
    }
    if let Some(name) = args.only.unknown(&rivals) {
        return Err(format!("there is no rival `{name}` (there are {})", distinct(rivals)));
    }
    if let Some(name) = args.rows.unknown(&rows) {
        return Err(format!("there is no row `{name}` (there are {})", distinct(rows)));
    }
    Ok(args)
}

fn distinct(mut names: Vec<String>) -> String {
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names.join(", ")
}

fn bench(args: &Args) -> io::Result<()> {
    // Before anything is measured: a file that cannot be written is known at once.
    let file = args.json.as_deref().map(create).transpose()?;
    sys::process::raise_descriptor_limit()?;
    let cpus = Cpus::settle()?;
    let conditions = conditions(args, cpus);
    println!("{}\n{conditions}\n", versions::describe());
    let mut findings = Findings::default();
    if args.runs(Command::Echo) {
        findings.add(echo::bench(args, cpus)?);
    }
    if args.runs(Command::Micro) {
        findings.add(micro::bench(args, cpus)?);
    }
    if args.runs(Command::Build) && args.rows.wants(build::ROW) {
        findings.add(build::bench(args)?);
    }
    line::table(&findings.lines).print();
    println!();
    if let Some(mut file) = file {
        writeln!(file, "{}", findings.json())?;
    }
    if let Some(folder) = args.folder() {
        findings.write(&folder, &conditions)?;
        println!("written: {}", folder.display());
    }
    Ok(())
}

/// How the run is done, in a paragraph.
fn conditions(args: &Args, cpus: Cpus) -> String {
    let kind = if args.quick { "A quick run" } else { "A run" };
    let mut text = format!(
        "{kind}: {} rounds, medians and quartiles; work on CPU {}, load on CPU {}.",
        args.rounds, cpus.work, cpus.load
    );
    if cpus.work == cpus.load {
        text += " There is one CPU only: work and load disturb each other, and rates mean little.";
    }
    text
}

fn create(path: &Path) -> io::Result<File> {
    File::create(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
