//! `signal`: what is watched is seen by all who watch, and by nobody else; what was there before comes back.
//!
//! Signals belong to the process, so each test has a process of its own.

mod citizen;
mod watching;

use coracle::signal::Signal;

/// To this thread; the handler has run when it returns.
fn raise(signal: Signal) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::raise(signal.number()) }, 0);
}

/// What a signal does now: the handler's address, or `SIG_DFL` or `SIG_IGN`.
fn disposition(signal: Signal) -> usize {
    // SAFETY: all zeroes is an action without flags, mask and handler.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `sigaction`, and nothing is set.
    assert_eq!(unsafe { libc::sigaction(signal.number(), std::ptr::null(), &mut action) }, 0);
    action.sa_sigaction
}

fn set_disposition(signal: Signal, handler: usize) {
    // SAFETY: the handlers of these tests do only what a handler may.
    assert_ne!(unsafe { libc::signal(signal.number(), handler) }, libc::SIG_ERR);
}
