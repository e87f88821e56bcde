//! Which CPUs there are, staying on one of them, and what a process has used of them.
//!
//! CPU time is read from the process's own CPU clock: the scheduler's exact sum over all its threads in nanoseconds.
//! The `utime + stime` of `/proc/PID/stat` are ticks of 10 ms, too coarse for a round of half a second.

use std::io;
use std::mem;
use std::time::Duration;

use super::check;

/// The CPUs this process may run on, ascending.
pub fn allowed() -> io::Result<Vec<usize>> {
    // SAFETY: a `cpu_set_t` is an array of integers, and all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a live `cpu_set_t` of the size given; 0 is this thread.
    check(unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) })?;
    // SAFETY: every index asked for is below the capacity of the set.
    let is_set = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    Ok((0..libc::CPU_SETSIZE as usize).filter(is_set).collect())
}

/// All CPUs that the system may have; the kernel leaves out those that are not there.
pub fn any() -> Vec<usize> {
    (0..libc::CPU_SETSIZE as usize).collect()
}

/// Keeps the calling thread, and threads that it starts from now on, on `cpu`.
pub fn pin(cpu: usize) -> io::Result<()> {
    allow(&[cpu])
}

/// Lets the calling thread, and what it starts from now on, run on these CPUs alone.
pub fn allow(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: a `cpu_set_t` is an array of integers, and all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    for &cpu in cpus {
        assert!(cpu < libc::CPU_SETSIZE as usize, "there is no CPU {cpu}");
        // SAFETY: the index is below the capacity of the set (asserted).
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the pointer is to a live `cpu_set_t` of the size given; 0 is this thread.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) })?;
    Ok(())
}

/// The CPU time that all threads of `pid` have used so far, to the nanosecond, exact even while they run.
pub fn time_used_by(pid: u32) -> io::Result<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is to a live clock id. This function returns the error itself, not -1.
    let error = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    check(unsafe { libc::clock_gettime(clock, &mut used) })?;
    Ok(Duration::new(used.tv_sec as u64, used.tv_nsec as u32))
}

/// The CPU time of all programs that this process has started and waited for, and of what those have.
pub fn time_used_by_children() -> io::Result<Duration> {
    // SAFETY: an `rusage` is an array of integers, and all zeros is one.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a live `rusage`.
    check(unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) })?;
    let time = |it: libc::timeval| Duration::new(it.tv_sec as u64, it.tv_usec as u32 * 1000);
    Ok(time(usage.ru_utime) + time(usage.ru_stime))
}

/// How long the main thread of `pid` has been ready to run while something else had its CPU.
pub fn time_waited_by(pid: u32) -> io::Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let waited = text.split_whitespace().nth(1).and_then(|field| field.parse().ok());
    Ok(Duration::from_nanos(waited.unwrap_or(0)))
}
