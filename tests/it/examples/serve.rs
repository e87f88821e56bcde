//! `echo serve` with clients that are threads and sockets of std: it must serve them all, whatever one of them does,
//! and end in good order at a signal.

#[cfg(target_os = "linux")]
mod exhausted;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Ended, LIMIT, Program, example, run};

struct Server {
    program: Program,
    address: SocketAddr,
}

impl Server {
    fn start(command: &mut Command, options: &[&str]) -> Server {
        let program = Program::start(command.args(["serve", "127.0.0.1:0"]).args(options));
        let line = program.line();
        let address = line.strip_prefix("listening on ").expect("it says where it listens").parse().unwrap();
        Server { program, address }
    }

    fn echo() -> Server {
        Server::start(&mut example("echo"), &[])
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.program.child.id()).unwrap();
        // SAFETY: no pointers; the child has not been waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Ends it, and gives what it printed at the end.
    fn end(self) -> String {
        self.signal(libc::SIGTERM);
        summary(&self.program.end())
    }
}

/// The last line, of a server that ended well.
fn summary(ended: &Ended) -> String {
    ended.assert_good();
    let [line] = ended.lines.as_slice() else { panic!("one line, not {:?}", ended.lines) };
    line.clone()
}

/// Sends a few bytes and reads the same back.
#[track_caller]
fn round_trip(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, bytes);
}

#[test]
fn the_examples_own_clients_are_served() {
    let server = Server::echo();
    let clients = run(example("echo").args(["clients", &server.address.to_string(), "50", "5"]));
    clients.assert_good();
    let [line] = clients.lines.as_slice() else { panic!("one line, not {:?}", clients.lines) };
    assert!(
        line.starts_with("echo: 50 clients, 250 round trips, ") && line.ends_with(" bytes, 0 mismatches"),
        "{line}"
    );
    let bytes = line.split(", ").nth(2).unwrap();
    let summary = server.end();
    assert!(summary.starts_with("served 50 connections, "), "{summary}");
    assert!(summary.ends_with(&format!(" at once, {bytes}, 0 errors")), "{summary}");
}

#[test]
fn threads_of_another_program_get_every_byte_back() {
    let server = Server::echo();
    std::thread::scope(|scope| {
        for client in 0..20_u8 {
            let stream = server.connect();
            scope.spawn(move || {
                (1..=20).for_each(|round| round_trip(&stream, &vec![client ^ round; 500 * usize::from(round)]));
            });
        }
    });
    let bytes = 20 * 500 * (1..=20).sum::<usize>();
    let summary = server.end();
    assert!(summary.starts_with("served 20 connections, "), "{summary}");
    assert!(summary.ends_with(&format!(" at once, {bytes} bytes, 0 errors")), "{summary}");
}

/// A client that has said its last must still get all of its answer, however much is under way, and then the end.
#[test]
fn all_is_answered_after_a_half_close() {
    let server = Server::echo();
    let mut stream = server.connect();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            (&stream).write_all(&bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut answer = Vec::new();
        (&stream).read_to_end(&mut answer).unwrap();
        answer
    });
    assert!(answer == bytes, "{} bytes came back of {}", answer.len(), bytes.len());
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.end(), "served 1 connections, 1 at once, 1000000 bytes, 0 errors");
}

#[test]
fn upper_answers_in_upper_case_and_names_each_peer() {
    let server = Server::start(&mut example("echo"), &["--upper"]);
    for text in ["grüße 1", "MiXeD"] {
        let mut stream = server.connect();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, text.to_ascii_uppercase());
        assert_eq!(server.program.line(), format!("{} is here", stream.local_addr().unwrap()));
    }
    assert_eq!(server.end(), "served 2 connections, 1 at once, 14 bytes, 0 errors");
}

/// One that resets is counted; one that is silent is waited for; the others notice neither.
#[test]
fn a_reset_and_a_silent_client_cost_nobody_else_anything() {
    let server = Server::echo();
    let silent = server.connect();
    let other = server.connect();
    round_trip(&other, b"before");

    let mut resets = server.connect();
    resets.write_all(b"unread").unwrap();
    assert!(resets.peek(&mut [0]).unwrap() > 0);
    drop(resets); // with an answer unread: the system sends a reset

    round_trip(&other, b"after");
    round_trip(&silent, b"not any more");
    drop((silent, other));
    assert_eq!(server.end(), "served 3 connections, 3 at once, 29 bytes, 1 errors");
}

#[test]
fn sigint_ends_an_idle_server_with_a_summary() {
    let server = Server::echo();
    server.signal(libc::SIGINT);
    assert_eq!(summary(&server.program.end()), "served 0 connections, 0 at once, 0 bytes, 0 errors");
}

#[test]
fn a_connection_may_finish_after_sigterm_but_no_new_one_is_accepted() {
    let server = Server::echo();
    let stream = server.connect();
    round_trip(&stream, b"one");
    server.signal(libc::SIGTERM);

    let began = Instant::now();
    while TcpStream::connect(server.address).is_ok() {
        assert!(began.elapsed() < LIMIT, "it still listens");
    }
    round_trip(&stream, b"two");
    drop(stream);
    let summary = summary(&server.program.end());
    assert!(summary.ends_with(" bytes, 0 errors") && summary.contains(" at once, 6 "), "{summary}");
}

/// The moment is two seconds long.
#[test]
fn a_silent_client_delays_the_end_for_a_moment_only() {
    let server = Server::echo();
    let mut silent = server.connect();
    round_trip(&silent, b"hello");
    let began = Instant::now();
    assert_eq!(server.end(), "served 1 connections, 1 at once, 5 bytes, 0 errors");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1900) && took < LIMIT, "{took:?}");
    assert_eq!(silent.read(&mut [0]).unwrap(), 0, "the connection was closed");
}
