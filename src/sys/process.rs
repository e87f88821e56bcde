//! Children: how they are started, told something, waited for and reaped. What is waited on differs; see `os.rs`.
//!
//! A child that has ended and was not reaped keeps its number, so as long as we have not reaped it the number is its
//! own. Two things can take that away: a program that ignores SIGCHLD, whose kernel reaps by itself, and somebody who
//! waits for any child. Then the kernel says ECHILD, and the status is lost.

use std::io;
use std::mem;
use std::process::{Child, Command, ExitStatus};

use super::Signal;
use super::unix::check;

pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    command.spawn()
}

pub(super) fn send_signal(child: &Child, signal: Signal) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::kill(child.id() as libc::pid_t, signal.number()) }).map(drop)
}

pub(super) fn reap(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    child.try_wait()
}

/// Whether a call failed because the process is no child of ours, or not any more.
pub(crate) fn is_no_child(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ECHILD)
}

/// Leaves the child as it is: only who owns it may reap it.
pub(super) fn await_exit(number: u32) -> io::Result<()> {
    // SAFETY: S3: integers, and pointers in a union of them.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOWAIT;
    loop {
        // SAFETY: S1: `info` lives to the end of the call.
        match check(unsafe { libc::waitid(libc::P_PID, number as libc::id_t, &mut info, flags) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(drop),
        }
    }
}
