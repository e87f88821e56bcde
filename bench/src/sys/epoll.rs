//! An epoll instance, for the raw server and for the load generator. It owns its descriptor and no others.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use super::check;

pub const IN: u32 = libc::EPOLLIN as u32;
pub const OUT: u32 = libc::EPOLLOUT as u32;
pub const EDGE: u32 = libc::EPOLLET as u32;

/// How many events one `wait` takes at most: as many as tokio takes.
const BATCH: usize = 1024;

pub struct Epoll {
    fd: OwnedFd,
}

/// Room for one batch of events.
pub struct Events(Vec<libc::epoll_event>);

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: takes no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor was just made, and nothing else owns it.
        Ok(Epoll { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Reports `interest` in `target` under `token`, until `target` is closed.
    pub fn add(&self, target: &impl AsRawFd, interest: u32, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, target, interest, token)
    }

    pub fn modify(&self, target: &impl AsRawFd, interest: u32, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, target, interest, token)
    }

    /// Sleeps until something is ready, and returns how many events there are.
    pub fn wait(&self, events: &mut Events) -> io::Result<usize> {
        self.wait_for(events, -1)
    }

    /// Asks again and again without sleeping, for `most`; then sleeps as `wait` does.
    pub fn spin_then_wait(&self, events: &mut Events, most: Duration) -> io::Result<usize> {
        let begun = Instant::now();
        while begun.elapsed() < most {
            let count = self.wait_for(events, 0)?;
            if count > 0 {
                return Ok(count);
            }
        }
        self.wait(events)
    }

    /// As `wait`, but asks again and again without sleeping, for `limit` at most; then it is an error.
    ///
    /// The load waits like this: to wake a sleeping CPU costs the *waker* several µs on a virtual machine, which would
    /// stand on the server's bill, and all servers would look alike.
    pub fn spin(&self, events: &mut Events, limit: Duration) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            let count = self.wait_for(events, 0)?;
            if count > 0 {
                return Ok(count);
            }
            if begun.elapsed() > limit {
                return Err(io::Error::new(ErrorKind::TimedOut, format!("no answer for {} s", limit.as_secs())));
            }
            // Of effect only if the server has to share this CPU.
            thread::yield_now();
        }
    }

    fn wait_for(&self, events: &mut Events, milliseconds: i32) -> io::Result<usize> {
        let room = events.0.len() as i32;
        // SAFETY: the kernel writes at most `room` events to a buffer that holds that many.
        match check(unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.0.as_mut_ptr(), room, milliseconds) }) {
            Ok(count) => Ok(count as usize),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn control(&self, what: i32, target: &impl AsRawFd, interest: u32, token: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest, u64: token as u64 };
        // SAFETY: the pointer is to a live event, which the kernel only reads.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), what, target.as_raw_fd(), &mut event) })?;
        Ok(())
    }
}

impl Events {
    pub fn new() -> Events {
        Events(vec![libc::epoll_event { events: 0, u64: 0 }; BATCH])
    }

    /// The token of event number `index` of the last wait.
    pub fn token(&self, index: usize) -> usize {
        self.0[index].u64 as usize
    }
}
