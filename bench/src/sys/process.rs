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

/// Stops process `pid` until `go_on`: it uses no CPU, and takes in nothing.
pub fn stop(pid: u32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::kill(pid as libc::pid_t, libc::SIGSTOP) })?;
    Ok(())
}

pub fn go_on(pid: u32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::kill(pid as libc::pid_t, libc::SIGCONT) })?;
    Ok(())
}

/// Leaves `fd` open, under its number, in a program that this process becomes or starts.
pub fn let_inherit(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: takes no pointers; no flag is set, close-on-exec is the only one there is.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) })?;
    Ok(())
}

/// How many bytes process `pid` has in memory that belong to no file.
pub fn anonymous_memory_of(pid: u32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map(|it| it * 1024).ok_or_else(|| io::Error::other("the kernel does not tell the memory of a process"))
}

/// Waits until `fd` can be read, or ends. False: it did not within `limit`.
pub fn wait_readable(fd: &impl AsRawFd, limit: Duration) -> io::Result<bool> {
    let fd: RawFd = fd.as_raw_fd();
    let mut wanted = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one live pollfd, and 1 is the count given.
    let ready = check(unsafe { libc::poll(&mut wanted, 1, limit.as_millis() as i32) })?;
    Ok(ready > 0)
}

/// How many descriptors this process may have open.
pub fn descriptor_limit() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok(limit.rlim_cur as usize)
}

/// Allows as many open descriptors as there may be: the load has a connection per server and slot. Who may not raise
/// the limit of the system keeps to it.
pub fn raise_descriptor_limit() -> io::Result<()> {
    const ENOUGH: libc::rlim_t = 1 << 19;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    let most = limit.rlim_max.max(ENOUGH);
    let raised = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the pointer is to a live rlimit, which the kernel only reads.
    if check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) }).is_ok() {
        return Ok(());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a live rlimit, which the kernel only reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(())
}
