//! A process of this same program that does one rival's work, and answers in lines.
//!
//! One process for each rival: what one does to the allocator, the caches of the library or the number of threads
//! (glibc's `malloc` is slower once there are two) is not laid at another's door.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::sys::{cpu, process};

pub struct Child {
    process: std::process::Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Child {
    /// Starts this program again as `coracle-bench ROLE NAME CPU`.
    pub fn start(role: &str, name: &str, cpu: usize) -> io::Result<Child> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([role, name, &cpu.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Ok(Child { process, questions, answers })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends one line.
    pub fn tell(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.questions, "{line}")
    }

    /// The next line of the child. An error if it ends first, or takes longer than `limit`.
    pub fn hear(&mut self, limit: Duration) -> io::Result<String> {
        if !process::wait_readable(self.answers.get_ref(), limit)? {
            return Err(io::Error::new(ErrorKind::TimedOut, format!("no answer in {} s", limit.as_secs())));
        }
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the process ended"));
        }
        Ok(line.trim().to_string())
    }
}

impl Drop for Child {
    /// The child has nothing to save: it is killed, and waited for so that it leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The roles of a child.
pub const SERVER: &str = "server";
pub const WORKER: &str = "worker";

/// What a child is told to be, by its arguments.
pub struct Task<'a> {
    pub role: &'a str,
    pub name: &'a str,
    pub cpu: usize,
}

/// None: these are not the arguments of a child.
pub fn task(arguments: &[String]) -> Option<Task<'_>> {
    let [role, name, cpu] = arguments else { return None };
    let cpu = cpu.parse().ok()?;
    (role == SERVER || role == WORKER).then_some(Task { role, name, cpu })
}

/// To be called first thing in the child: it stays on `cpu`, and ends when its parent does.
pub fn settle_in(cpu: usize) -> io::Result<()> {
    process::die_with_parent()?;
    process::raise_descriptor_limit()?;
    cpu::pin(cpu)
}
