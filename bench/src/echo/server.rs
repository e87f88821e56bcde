//! A server in its own process: what the child does, and what the parent holds of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::Duration;

use super::shape::Mode;
use super::{Runs, SERVERS, Server};
use crate::child::{self, Child};
use crate::sys::{cpu, process, socket};

/// A server that says nothing for so long did not start.
const START_LIMIT: Duration = Duration::from_secs(10);

/// It rests if it used no CPU in so many milliseconds: one may be too short on a busy machine, or under strace.
const REST: usize = 3;

/// It is asked so often at most.
const GLANCES: usize = 100;

/// Between the server's name and its mode, in the argument that tells both.
const IN: char = ':';

/// The child's whole life: listens, tells on which port, and serves until it is killed.
pub fn serve(what: &str, cpu: usize) -> io::Result<()> {
    child::settle_in(cpu)?;
    let (name, mode) = what.split_once(IN).ok_or(io::ErrorKind::InvalidInput)?;
    let mode = Mode::by_name(mode).ok_or(io::ErrorKind::InvalidInput)?;
    let server = SERVERS.iter().find(|server| server.name == name).ok_or(io::ErrorKind::NotFound)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket::deepen_backlog(&listener)?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?.port());
    match server.runs {
        Runs::Here(serve) => serve(listener, mode),
        Runs::Program(program) => {
            process::let_inherit(&listener)?;
            Err(program.command(&listener, mode)?.exec())
        }
    }
}

/// A server that runs, until it is dropped. Unless it is to serve it is stopped, as some use their CPU even when idle.
pub struct Running {
    pub address: SocketAddr,
    child: Child,
}

impl Running {
    pub fn start(server: &Server, mode: Mode, cpu: usize) -> io::Result<Running> {
        let mut child = Child::start(child::SERVER, &format!("{}{IN}{}", server.name, mode.name()), cpu)?;
        let line = child.hear(START_LIMIT)?;
        let port: u16 = line.parse().map_err(io::Error::other)?;
        Ok(Running { address: (Ipv4Addr::LOCALHOST, port).into(), child })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Runs `serving` while the server goes on; before and after it is stopped.
    pub fn awake<T>(&self, serving: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        process::go_on(self.id())?;
        let result = serving();
        process::stop(self.id())?;
        result
    }

    /// The CPU time it has used when it has come to rest: it may still be closing what the load has closed. Of one that
    /// never rests, what it has used by now.
    pub fn cpu_time_at_rest(&self) -> io::Result<Duration> {
        let first = cpu::time_used_by(self.id())?;
        let mut used = first;
        let mut glances_at_rest = 0;
        for _ in 0..GLANCES {
            thread::sleep(Duration::from_millis(1));
            let now = cpu::time_used_by(self.id())?;
            glances_at_rest = if now == used { glances_at_rest + 1 } else { 0 };
            if glances_at_rest == REST {
                return Ok(used);
            }
            used = now;
        }
        Ok(first)
    }

    /// The bytes of memory that are its own: neither files nor shared with others.
    pub fn memory(&self) -> io::Result<u64> {
        process::anonymous_memory_of(self.id())
    }
}
