//! The examples, run as their readers run them: what they print, how they end, how they serve programs that have
//! nothing to do with coracle.
//!
//! This file has what its modules share: a program with its output, bounded in time, and killed when its test fails.

mod ladder;
mod printed;
mod refused;
mod serve;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long anything may take here before it counts as a hang. None of it needs more than two seconds.
const LIMIT: Duration = Duration::from_secs(20);

/// An example as a command, to be given arguments. It is the one that lies beside this test program.
fn example(name: &str) -> Command {
    Command::new(path(name))
}

/// The same with a limit of descriptors, soft and hard.
fn example_with_descriptors(name: &str, limit: usize) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]).arg(path(name));
    command
}

fn path(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().with_file_name("examples").join(name);
    assert!(path.exists(), "{} is not there: run `cargo test`, or first `cargo build --examples`", path.display());
    path
}

/// A program that runs. Dropped, it is killed.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

/// How a program ended, and what it printed that was not taken before.
struct Ended {
    lines: Vec<String>,
    errors: String,
    /// `None`: a signal ended it.
    status: Option<i32>,
}

impl Program {
    fn start(command: &mut Command) -> Program {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = lines_of(child.stdout.take().unwrap());
        Program { child, lines }
    }

    /// The next line of its output.
    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("it prints a line")
    }

    /// Waits for its end.
    fn end(mut self) -> Ended {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it has not ended; it printed {lines:#?}"),
            }
        }
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        Ended { lines, errors, status: self.child.wait().unwrap().code() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines as they come, read by a thread, so that waiting for one can be bounded.
fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    receiver
}

/// Runs it to its end.
fn run(command: &mut Command) -> Ended {
    Program::start(command).end()
}

impl Ended {
    /// It ended well, and had nothing to complain of.
    #[track_caller]
    fn assert_good(&self) {
        assert_eq!((self.status, self.errors.as_str()), (Some(0), ""), "it printed {:#?}", self.lines);
    }

    /// It ended with this status, and one line of complaint that contains `words`.
    #[track_caller]
    fn assert_refused(&self, status: i32, words: &str) {
        assert_eq!(self.status, Some(status), "it said {:?}", self.errors);
        let lines: Vec<_> = self.errors.lines().collect();
        assert!(matches!(*lines, [line] if line.contains(words)), "not one line with '{words}': {:?}", self.errors);
    }
}
