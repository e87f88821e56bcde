//! What the words on the command line mean.

use std::ffi::OsString;
use std::net::SocketAddr;

use coracle::net::ToSocketAddrs;

use crate::server::Answer;

/// How many round trips a client makes, unless told.
pub(crate) const ROUNDS: u32 = 20;

const USAGE: &str = "usage: echo | echo serve ADDRESS [--upper] | echo clients ADDRESS CLIENTS [ROUNDS]";

pub(crate) enum Command {
    /// Server and clients in this process.
    Both,
    Serve {
        addresses: Vec<SocketAddr>,
        answer: Answer,
    },
    Clients {
        addresses: Vec<SocketAddr>,
        clients: u32,
        rounds: u32,
    },
}

/// The error is one line for people.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
        [] => Ok(Command::Both),
        ["serve", address] => Ok(Command::Serve { addresses: addresses(address)?, answer: Answer::Same }),
        ["serve", address, "--upper"] => Ok(Command::Serve { addresses: addresses(address)?, answer: Answer::Upper }),
        ["clients", address, clients] => to_clients(address, clients, ROUNDS),
        ["clients", address, clients, rounds] => to_clients(address, clients, number("ROUNDS", rounds)?),
        _ => Err(USAGE.into()),
    }
}

fn to_clients(address: &str, clients: &str, rounds: u32) -> Result<Command, String> {
    Ok(Command::Clients { addresses: addresses(address)?, clients: number("CLIENTS", clients)?, rounds })
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    text.to_socket_addrs().map_err(|error| error.to_string())
}

fn number(what: &str, text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{what} must be a number from 1 to {}, not '{text}'", u32::MAX)),
    }
}
