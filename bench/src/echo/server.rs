//! A server in its own process: what the child does, and what the parent holds of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use super::{SERVERS, Server};
use crate::child::{self, Child};
use crate::sys::{cpu, socket};

/// A server that says nothing for so long did not start.
const START_LIMIT: Duration = Duration::from_secs(10);

/// It rests if it used no CPU in so many milliseconds: one may be too short on a busy machine, or under strace.
const REST: usize = 3;

/// It is asked so often at most.
const GLANCES: usize = 100;

/// The child's whole life: listens, tells on which port, and serves until it is killed.
pub fn serve(name: &str, cpu: usize) -> io::Result<()> {
    child::settle_in(cpu)?;
    let server = SERVERS.iter().find(|server| server.name == name).ok_or(io::ErrorKind::NotFound)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket::deepen_backlog(&listener)?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?.port());
    (server.serve)(listener)
}

/// A server that runs, until it is dropped.
pub struct Running {
    pub name: &'static str,
    pub address: SocketAddr,
    child: Child,
}

impl Running {
    pub fn start(server: &Server, cpu: usize) -> io::Result<Running> {
        let mut child = Child::start(child::SERVER, server.name, cpu)?;
        let line = child.hear(START_LIMIT)?;
        let port: u16 = line.parse().map_err(io::Error::other)?;
        Ok(Running { name: server.name, address: (Ipv4Addr::LOCALHOST, port).into(), child })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time it has used when it has come to rest: it may still be closing what the load has closed.
    pub fn cpu_time_at_rest(&self) -> io::Result<Duration> {
        let mut used = cpu::time_used_by(self.id())?;
        let mut glances_at_rest = 0;
        for _ in 0..GLANCES {
            thread::sleep(Duration::from_millis(1));
            let now = cpu::time_used_by(self.id())?;
            glances_at_rest = if now == used { glances_at_rest + 1 } else { 0 };
            if glances_at_rest == REST {
                break;
            }
            used = now;
        }
        Ok(used)
    }
}
