//! Descriptors that are no sockets: pipes, terminals and what users bring. Reading, writing, and asking if one is ready.
//!
//! A write to a pipe whose reader is gone raises SIGPIPE, and there is no flag against it, as `send` has. So the signal
//! is blocked in this thread around the write, and taken away if the write has raised it. That costs two further system
//! calls a write, short ones (five when the pipe is broken), and is right whether the process ignores the signal,
//! handles it, or would die of it. Asking first how SIGPIPE is handled would be one call, and a race with whoever sets it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::unix::{MOST_SLICES, check, count};

pub(super) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: S1: the kernel writes at most `buffer.len()` bytes into `buffer`.
    count(unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) })
}

pub(super) fn write(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    let slices = buffers.len().min(MOST_SLICES) as libc::c_int;
    let quiet = WithoutSigpipe::begin()?;
    // SAFETY: S1; std promises that `IoSlice` has the layout of `iovec`.
    let result = count(unsafe { libc::writev(fd.as_raw_fd(), buffers.as_ptr().cast(), slices) });
    quiet.end(result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe));
    result
}

/// Whether a read, or a write, would not block: poll(2), without any waiting. An error of the descriptor is "ready" too:
/// the call itself says what it is.
pub(super) fn is_ready(fd: BorrowedFd<'_>, to_write: bool) -> io::Result<bool> {
    let events = if to_write { libc::POLLOUT } else { libc::POLLIN };
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: S1: one pollfd, which lives to the end of the call.
    Ok(check(unsafe { libc::poll(&mut poll, 1, 0) })? > 0)
}

/// While it lives, SIGPIPE is blocked in this thread.
struct WithoutSigpipe {
    sigpipe: libc::sigset_t,
    /// What was blocked before.
    before: libc::sigset_t,
    /// SIGPIPE waited already, so that it is not ours to take. Only where it was blocked before can that be.
    waited: bool,
}

impl WithoutSigpipe {
    fn begin() -> io::Result<WithoutSigpipe> {
        let mut sigpipe = empty_set();
        // SAFETY: S1: `sigpipe` is a set.
        unsafe { libc::sigaddset(&mut sigpipe, libc::SIGPIPE) };
        let mut before = empty_set();
        // SAFETY: S1: both sets live to the end of the call.
        let errno = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe, &mut before) };
        if errno != 0 {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let waited = has_sigpipe(&before) && is_sigpipe_pending();
        Ok(WithoutSigpipe { sigpipe, before, waited })
    }

    /// `raised`: the call in between has raised it, unless the system throws away what is ignored.
    fn end(self, raised: bool) {
        if raised && !self.waited && is_sigpipe_pending() {
            let mut signal = 0;
            // SAFETY: S1: both live to the end of the call, which does not wait, since the signal is there.
            unsafe { libc::sigwait(&self.sigpipe, &mut signal) };
        }
        if !has_sigpipe(&self.before) {
            // SAFETY: S1: the set lives to the end of the call.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
        }
    }
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: S1: room for one set, which is written whole.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the call before has written it; it cannot fail.
    unsafe { set.assume_init() }
}

fn has_sigpipe(set: &libc::sigset_t) -> bool {
    // SAFETY: S1: `set` lives to the end of the call.
    unsafe { libc::sigismember(set, libc::SIGPIPE) == 1 }
}

fn is_sigpipe_pending() -> bool {
    let mut pending = empty_set();
    // SAFETY: S1: `pending` lives to the end of the call.
    unsafe { libc::sigpending(&mut pending) };
    has_sigpipe(&pending)
}
