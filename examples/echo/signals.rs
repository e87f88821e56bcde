//! SIGINT and SIGTERM. The library has no module for signals yet, so this is the classical way to get by without a
//! signal handler: both are blocked in every thread, and one thread waits for them.
//!
//! What that thread does then any thread may do: an [`AbortHandle`] works from everywhere, and wakes the loop if it
//! sleeps. (To run code of one's own on the loop's thread, there is [`coracle::Spawner`].)

use std::io;
use std::mem::MaybeUninit;

use coracle::task::AbortHandle;

/// SIGINT and SIGTERM, blocked.
pub(crate) struct Signals {
    set: libc::sigset_t,
}

impl Signals {
    /// Blocks them in this thread, and in all that it starts from now on.
    pub(crate) fn block() -> io::Result<Signals> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: the pointer is to room for a `sigset_t`.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: `sigemptyset` has made a valid set of it, and cannot fail.
        let mut set: libc::sigset_t = unsafe { set.assume_init() };
        for signal in [libc::SIGINT, libc::SIGTERM] {
            // SAFETY: the pointer is to a valid set.
            unsafe { libc::sigaddset(&raw mut set, signal) };
        }
        // SAFETY: the pointer is to a valid set; the old one is not wanted.
        let errno = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if errno == 0 { Ok(Signals { set }) } else { Err(io::Error::from_raw_os_error(errno)) }
    }

    /// Ends a task when one of them comes, from a thread that waits for it.
    pub(crate) fn abort_at_the_first(self, task: AbortHandle) -> io::Result<()> {
        let wait_and_abort = move || {
            self.wait();
            task.abort();
        };
        std::thread::Builder::new().name("signals".into()).spawn(wait_and_abort).map(drop)
    }

    fn wait(&self) {
        let mut signal = 0;
        // SAFETY: both pointers are valid for the call. It fails for invalid sets only.
        unsafe { libc::sigwait(&raw const self.set, &raw mut signal) };
    }
}
