//! Between a process and its child: the child dies with its parent, and an answer is awaited with a limit.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use super::check;

/// Has the kernel kill this process when the thread that started it ends, so that no server outlives a benchmark.
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    Ok(())
}

/// Asks process `pid` to stop, as Ctrl-C would.
pub fn interrupt(pid: u32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::kill(pid as libc::pid_t, libc::SIGINT) })?;
    Ok(())
}

/// Waits until `fd` can be read, or ends. False: it did not within `limit`.
pub fn wait_readable(fd: &impl AsRawFd, limit: Duration) -> io::Result<bool> {
    let fd: RawFd = fd.as_raw_fd();
    let mut wanted = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one live pollfd, and 1 is the count given.
    let ready = check(unsafe { libc::poll(&mut wanted, 1, limit.as_millis() as i32) })?;
    Ok(ready > 0)
}

/// Allows as many open descriptors as the system lets us without asking: the load has a connection per server and slot.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a live rlimit, which the kernel only reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(())
}
