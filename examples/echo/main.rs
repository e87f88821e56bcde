//! An echo server and five hundred clients, on one thread.
//!
//! ```text
//! $ cargo run --release --example echo
//! listening on 127.0.0.1:41739
//! 500 clients connect from the same thread, for 20 round trips each
//! served 500 connections, 500 at once, 11003660 bytes, 0 errors
//! echo: 500 clients, 10000 round trips, 11003660 bytes, 0 mismatches
//! ```
//!
//! Or each side by itself, for other programs to talk to:
//!
//! ```text
//! cargo run --release --example echo -- serve 127.0.0.1:8080            until Ctrl-C (SIGINT) or SIGTERM
//! cargo run --release --example echo -- serve 127.0.0.1:8080 --upper    in upper case, and names each peer
//! cargo run --release --example echo -- clients 127.0.0.1:8080 500      20 round trips each; a fourth word changes that
//! ```
//!
//! The exit status is 1 if an answer was wrong or the system refused something, and 2 if the arguments were wrong. Read
//! `server.rs` and `clients.rs` beside this file, then read `src/net/stream.rs`, `src/net/source.rs`, and on down.

mod arguments;
mod clients;
mod limits;
mod server;
mod signals;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;

use arguments::Command;
use clients::Totals;
use coracle::net::TcpListener;
use server::{Answer, Tally};

fn main() -> ExitCode {
    let command = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("echo: {error}");
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was as it should be.
fn run(command: Command) -> io::Result<bool> {
    match command {
        Command::Both => both(),
        Command::Serve { addresses, answer } => serve(&addresses, answer).map(|()| true),
        Command::Clients { addresses, clients, rounds } => talk(addresses, clients, rounds),
    }
}

/// Server and clients, each connection with a task at either end.
fn both() -> io::Result<bool> {
    const CLIENTS: u32 = 500;
    limits::allow_descriptors(2 * CLIENTS)?;
    coracle::block_on(async {
        let listener = listen(&[SocketAddr::from(([127, 0, 0, 1], 0))])?;
        let address = listener.local_addr()?;
        let tally = Rc::new(Tally::default());
        let accepting = coracle::spawn(server::accept(listener, Answer::Same, tally.clone())).abort_on_drop();

        let rounds = arguments::ROUNDS;
        say(format_args!("{CLIENTS} clients connect from the same thread, for {rounds} round trips each"))?;
        let totals = clients::run(vec![address], CLIENTS, rounds).await;

        drop(accepting);
        server::last_connections(&tally).await;
        say(format_args!("{tally}"))?;
        report(totals)
    })
}

/// The server alone, until a signal.
fn serve(addresses: &[SocketAddr], answer: Answer) -> io::Result<()> {
    coracle::block_on(async {
        // Before anybody can know that there is something to end.
        let signals = signals::watch()?;
        let listener = listen(addresses)?;
        let tally = Rc::new(Tally::default());
        let accepting = coracle::spawn(server::accept(listener, answer, tally.clone()));
        signals::abort_at_the_first(signals, accepting.abort_handle());

        // An `Err` is the expected end: the task was aborted, and its listener is closed.
        if let Ok(Err(error)) = accepting.await {
            return Err(during("cannot accept", error));
        }
        server::last_connections(&tally).await;
        say(format_args!("{tally}"))
    })
}

/// The clients alone.
fn talk(addresses: Vec<SocketAddr>, clients: u32, rounds: u32) -> io::Result<bool> {
    limits::allow_descriptors(clients)?;
    report(coracle::block_on(clients::run(addresses, clients, rounds)))
}

fn listen(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let listener =
        TcpListener::bind(addresses).map_err(|error| during(&format!("cannot listen on {addresses:?}"), error))?;
    say(format_args!("listening on {}", listener.local_addr()?))?;
    Ok(listener)
}

/// The last line. Whether all clients could finish, and all answers were right.
fn report(totals: Totals) -> io::Result<bool> {
    say(format_args!("echo: {totals}"))?;
    match totals.first_error {
        Some(error) => Err(during(&format!("{} clients failed, the first with", totals.failed), error)),
        None => Ok(totals.mismatches == 0),
    }
}

/// A line on standard output, at once. Unlike `println!` it does not panic when nobody reads it any more.
fn say(line: std::fmt::Arguments<'_>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(|error| during("cannot print", error))
}

/// The same error, with words before it.
fn during(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
