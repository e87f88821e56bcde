//! Every core, with numbers: an echo server in one thread, in as many threads as there are cores, and in as many
//! processes. Each has a runtime of its own, and all that listen share one port.
//!
//! ```text
//! $ cargo run --release --example many_cores
//! 1 thread: 100 clients, 20000 round trips, 0 mismatches, … a second; connections served: 100
//! 2 threads: 100 clients, 20000 round trips, 0 mismatches, … a second; connections served: … …
//! 2 processes: 100 clients, 20000 round trips, 0 mismatches, … a second; connections served: … …
//! ```
//!
//! With `-- --cores 2 --clients 100 --rounds 200` it does the same; other numbers may be given, and `--pin` keeps each
//! server on a processor of its own. The clients run on the same machine and take half of it, so that what is to be seen
//! is the sharing, and not how fast it could be. Then read `src/cores/mod.rs`.

mod clients;
mod server;

use std::fmt::Display;
use std::io;
use std::process::ExitCode;
use std::str::FromStr;

use server::{Place, Servers};

struct Settings {
    cores: usize,
    clients: usize,
    rounds: usize,
    pin: bool,
    /// This process is a server that another of these started: on which port, and which of them it is.
    serve: Option<(u16, usize)>,
}

impl Settings {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Settings, String> {
        let mut settings = Settings { cores: 2, clients: 100, rounds: 200, pin: false, serve: None };
        while let Some(option) = words.next() {
            match option.as_str() {
                "--pin" => settings.pin = true,
                "--cores" => settings.cores = number(&option, words.next(), 1)?,
                "--clients" => settings.clients = number(&option, words.next(), 1)?,
                "--rounds" => settings.rounds = number(&option, words.next(), 1)?,
                "--serve" => {
                    settings.serve = Some((number(&option, words.next(), 1)?, number(&option, words.next(), 0)?))
                }
                _ => return Err("usage: many_cores [--cores N] [--clients N] [--rounds N] [--pin]".into()),
            }
        }
        Ok(settings)
    }
}

/// The value of an option, which is to be `least` or more.
fn number<T: FromStr + PartialOrd + Display>(option: &str, value: Option<String>, least: T) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("{option} needs a number"))?;
    let number = value.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("{option} must be a number from {least} on, not '{value}'"))
}

fn main() -> ExitCode {
    let settings = match Settings::parse(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("many_cores: {error}");
            return ExitCode::from(2);
        }
    };
    let result = match settings.serve {
        Some((port, number)) => server::process(port, number, settings.pin),
        None => compare(&settings),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("many_cores: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(settings: &Settings) -> io::Result<()> {
    for (count, place) in [(1, Place::Threads), (settings.cores, Place::Threads), (settings.cores, Place::Processes)] {
        let servers = Servers::start(count, place, settings.pin)?;
        let result = clients::run(servers.address(), settings.cores, settings.clients, settings.rounds)?;
        let served: Vec<_> = servers.stop()?.iter().map(ToString::to_string).collect();
        println!(
            "{count} {}: {} clients, {} round trips, {} mismatches, {:.0} a second; connections served: {}",
            place.name(count),
            settings.clients,
            result.round_trips,
            result.mismatches,
            result.round_trips as f64 / result.time.as_secs_f64(),
            served.join(" "),
        );
    }
    Ok(())
}
