//! The poller on kqueue, with a user event as notifier and a timer event as alarm: for the BSDs and macOS.
//!
//! What is true of kqueue, and relied on above. Where it differs from epoll, the difference ends in this file.
//!
//! 1. A registration is a pair of a descriptor's number and a *filter*, and reading and writing are two filters. So
//!    `add` makes two registrations, and one descriptor may show in one wait as two events, which the reactor adds up.
//! 2. `EV_ADD` reports what is ready already. A wait asks the filter once more before it reports: what is no longer
//!    true is left out, where epoll would still report it.
//! 3. With `EV_CLEAR` each arrival of data is an edge, also while earlier data is unread, and each acknowledgement that
//!    makes room is one for writing. The end of a stream, and an error, are edges that come once: as with epoll, they
//!    become bits that stay set. `EV_EOF` says the end, and `fflags` beside it the error.
//! 4. The write filter says `EV_EOF` also after a shutdown of our own. It then counts as failed, which is true of
//!    writing, and costs reading no more than one further try after each short read.
//! 5. Of urgent data FreeBSD's kqueue says nothing, and macOS only to those who ask with a flag that others lack. So
//!    `URGENT` is always reported: a short read is never taken to have drained the socket, for it may have ended at
//!    the urgent mark, and what is behind the mark makes no edge. The price is one more read after each.
//! 6. A socket that was never connected is ready for nothing; epoll reports a hang-up.
//! 7. Regular files can be registered, and count as readable; epoll refuses them.
//! 8. A descriptor's registrations go when its number is closed, also if there is a duplicate. `remove` comes before
//!    close all the same, and finds them.
//! 9. A kqueue is not inherited by `fork`: there is nothing that parent and child could share, nor anything to leak
//!    between its birth and the call that makes it close-on-exec. In the child the number is free, or somebody else's:
//!    so the drop leaves it alone there.
//! 10. A user event is triggered by a change *without* `EV_CLEAR`: FreeBSD takes that flag in a change as "forget the
//!     trigger". A change replaces `udata`, so our own events are known by their filters and not by a token.
//! 11. Adding a timer that exists does not set it anew everywhere (not in DragonFly, nor FreeBSD before 12). So it is
//!     deleted first.
//! 12. Timeouts and timers are in nanoseconds, but macOS cuts timeouts to microseconds or to ticks of 41 ns, and some
//!     kernels refuse those of more than 10⁸ seconds. So they are rounded up to microseconds, and cut at that length.
//!
//! Type-checked for FreeBSD and macOS, but not run there yet; written with DragonFly, OpenBSD and NetBSD in mind (see
//! `TIMER_UNIT` in `os.rs`). NetBSD before 10 has no user events, and would need a pipe as notifier.

use std::io;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::super::unix::{check, forks, fresh, set_close_on_exec};
use super::super::{Event, Poller, Readiness, Token};
use super::TIMER_UNIT;

/// How many events one wait takes in. What is left stays queued in the kernel, in order: no descriptor starves.
const MOST_EVENTS: usize = 1024;

// The types of these constants, and of the fields they go into, differ between the systems; all fit into these.
const READ: i64 = libc::EVFILT_READ as _;
const WRITE: i64 = libc::EVFILT_WRITE as _;
const USER: i64 = libc::EVFILT_USER as _;
const TIMER: i64 = libc::EVFILT_TIMER as _;
const PROCESS: i64 = libc::EVFILT_PROC as _;
const EDGES: u32 = (libc::EV_ADD | libc::EV_CLEAR) as _;
const ONCE: u32 = (libc::EV_ADD | libc::EV_ONESHOT) as _;
const DELETE: u32 = libc::EV_DELETE as _;
const RECEIPT: u32 = libc::EV_RECEIPT as _;
const ENDED: u32 = libc::EV_EOF as _;

/// The identifier of our own events, of which there is one for each filter.
const OURS: usize = 0;

/// What is longer is cut: the caller waits again, or sets the alarm again.
const LONGEST: Duration = Duration::from_secs(100_000_000);

// A token travels as `udata`, which is as wide as a pointer: a 32-bit system would lose the generation.
const _: () = assert!(usize::BITS >= Token::BITS);

/// One kqueue.
pub(crate) struct KernelPoller {
    /// Not closed in a child process after a fork: there is no such descriptor there, and its number may be another's.
    kqueue: ManuallyDrop<OwnedFd>,
    born: usize,
}

impl Drop for KernelPoller {
    fn drop(&mut self) {
        if forks() == self.born {
            // SAFETY: dropped once, here, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.kqueue) };
        }
    }
}

impl KernelPoller {
    pub(crate) fn new() -> io::Result<KernelPoller> {
        // SAFETY: no pointers.
        let kqueue = fresh(unsafe { libc::kqueue() })?;
        set_close_on_exec(kqueue.as_fd())?;
        let poller = KernelPoller { kqueue: ManuallyDrop::new(kqueue), born: forks() };
        poller.change(event(OURS, USER, EDGES))?;
        Ok(poller)
    }

    /// Makes one change.
    fn change(&self, change: libc::kevent) -> io::Result<()> {
        // SAFETY: S1: one change, which lives to the end of the call, and room for no event.
        check(unsafe { libc::kevent(self.kqueue.as_raw_fd(), &change, 1, ptr::null_mut(), 0, ptr::null()) }).map(drop)
    }

    /// Makes one change to each of a descriptor's filters, and says what became of each: `EV_RECEIPT` is answered in
    /// any case, with 0 for success, and a refusal of the first does not hold up the second.
    fn change_both(&self, fd: BorrowedFd<'_>, flags: u32, token: Token) -> io::Result<[io::Result<()>; 2]> {
        let mut changes = [READ, WRITE].map(|filter| {
            let mut change = event(fd.as_raw_fd() as usize, filter, flags | RECEIPT);
            change.udata = token as usize as _;
            change
        });
        let (both, length) = (changes.as_mut_ptr(), changes.len() as _);
        // SAFETY: S1: two changes, and room for two answers in the same place, as kevent(2) allows: a change is read
        // before its answer is written.
        check(unsafe { libc::kevent(self.kqueue.as_raw_fd(), both, length, both, length, ptr::null()) })?;
        Ok(changes.map(|answer| match answer.data {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno as i32)),
        }))
    }

    fn wait_raw(&self, room: &mut [MaybeUninit<libc::kevent>], timeout: Option<Duration>) -> io::Result<usize> {
        let (kqueue, events, length) = (self.kqueue.as_raw_fd(), room.as_mut_ptr().cast(), room.len() as _);
        let time = timeout.map(timespec);
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: S1: the kernel writes at most `length` events into `room`, and reads `time`, if there is one.
        check(unsafe { libc::kevent(kqueue, ptr::null(), 0, events, length, time) }).map(|count| count as usize)
    }
}

impl Poller for KernelPoller {
    /// A filter may be refused because the descriptor is not open in its direction (a pipe on macOS, a device), or is
    /// a kqueue, which can be waited on, but not written to: then the other is all there is to watch. Any other
    /// refusal is an error, and nothing is left behind.
    fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let (error, other) = match self.change_both(fd, EDGES, token)? {
            [Ok(()), Ok(())] => return Ok(()),
            [Err(error), Err(_)] => return Err(error),
            [Ok(()), Err(error)] if error.raw_os_error() == Some(libc::EINVAL) => return Ok(()),
            [Ok(()), Err(error)] => (error, libc::O_RDONLY),
            [Err(error), Ok(())] => (error, libc::O_WRONLY),
        };
        if is_open_for(fd).is_ok_and(|mode| mode == other) {
            return Ok(());
        }
        let _ = self.remove(fd);
        Err(error)
    }

    /// One of the filters may never have been there: see `add`.
    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        match self.change_both(fd, DELETE, 0)? {
            [Err(error), Err(_)] => Err(error),
            [Err(error), _] | [_, Err(error)] if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
            _ => Ok(()),
        }
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut room = [const { MaybeUninit::<libc::kevent>::uninit() }; MOST_EVENTS];
        let count = match self.wait_raw(&mut room, timeout) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        for raw in &room[..count] {
            // SAFETY: S1: the kernel wrote the first `count` events.
            let raw = unsafe { raw.assume_init() };
            if let Some(readiness) = translate(&raw) {
                events.push(Event { token: raw.udata as usize as Token, readiness });
            }
        }
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        let mut trigger = event(OURS, USER, 0);
        trigger.fflags = libc::NOTE_TRIGGER as _;
        self.change(trigger)
    }

    fn alarm(&self, after: Option<Duration>) -> io::Result<()> {
        match self.change(event(OURS, TIMER, DELETE)) {
            // There was none, or it has rung.
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error),
            _ => {}
        }
        let Some(time) = after else { return Ok(()) };
        let (unit, nanoseconds) = TIMER_UNIT;
        let mut timer = event(OURS, TIMER, ONCE);
        timer.fflags = unit as _;
        // Not every system takes a zero time: the soonest alarm is in one unit.
        timer.data = time.min(LONGEST).as_nanos().div_ceil(nanoseconds).max(1) as _;
        self.change(timer)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kqueue.as_fd()
    }
}

/// A kqueue with the end of a process in it: what is registered with another kqueue becomes readable when it has
/// something to report. A process that has ended already is refused by some systems, and reported by others. The report
/// comes a moment before the process can be reaped.
pub(crate) fn exit_descriptor(number: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let kqueue = fresh(unsafe { libc::kqueue() })?;
    set_close_on_exec(kqueue.as_fd())?;
    let mut change = event(number as usize, PROCESS, ONCE);
    change.fflags = libc::NOTE_EXIT as _;
    // SAFETY: S1: one change, which lives to the end of the call, and room for no event.
    check(unsafe { libc::kevent(kqueue.as_raw_fd(), &change, 1, ptr::null_mut(), 0, ptr::null()) })?;
    Ok(kqueue)
}

/// An event, or a change, with nothing but these in it.
fn event(ident: usize, filter: i64, flags: u32) -> libc::kevent {
    // SAFETY: S3: `kevent` is integers and one pointer, for which zeroes (null) are values.
    let mut event: libc::kevent = unsafe { mem::zeroed() };
    event.ident = ident as _;
    event.filter = filter as _;
    event.flags = flags as _;
    event
}

/// In which directions a descriptor is open: `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
fn is_open_for(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) }).map(|flags| flags & libc::O_ACCMODE)
}

/// `None` for our own events.
fn translate(event: &libc::kevent) -> Option<Readiness> {
    let (filter, ended) = (i64::from(event.filter), u32::from(event.flags) & ENDED != 0);
    let mut readiness = Readiness::NONE;
    if filter == READ {
        // Urgent data may always be there unseen (see the head), so a short read proves nothing.
        readiness = readiness.with(Readiness::READ).with(Readiness::URGENT);
        if ended {
            readiness = readiness.with(Readiness::READ_ENDED);
        }
        if ended && event.fflags != 0 {
            readiness = readiness.with(Readiness::FAILED);
        }
    } else if filter == WRITE {
        readiness = readiness.with(Readiness::WRITE);
        if ended {
            readiness = readiness.with(Readiness::FAILED);
        }
    } else {
        return None;
    }
    Some(readiness)
}

/// Rounded up to microseconds: see the head of this file.
fn timespec(time: Duration) -> libc::timespec {
    let time = time.min(LONGEST);
    let microseconds = time.subsec_nanos().div_ceil(1000);
    let (more, microseconds) = (microseconds / 1_000_000, microseconds % 1_000_000);
    // Neither can overflow: `LONGEST` fits into 32 bits, and so does a second in nanoseconds.
    libc::timespec {
        tv_sec: (time.as_secs() + u64::from(more)) as libc::time_t,
        tv_nsec: (microseconds * 1000) as libc::c_long,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_round_up_and_never_overflow() {
        let of = |time| {
            let spec = timespec(time);
            (spec.tv_sec, spec.tv_nsec)
        };
        assert_eq!(of(Duration::ZERO), (0, 0));
        assert_eq!(of(Duration::from_nanos(1)), (0, 1000));
        assert_eq!(of(Duration::from_nanos(1_999_999_001)), (2, 0));
        assert_eq!(of(Duration::MAX), (100_000_000, 0));
    }

    #[test]
    fn what_the_flags_of_an_event_say() {
        let says = |filter, flags, fflags| {
            let mut event = event(7, filter, flags);
            event.fflags = fflags;
            translate(&event)
        };
        let read = Readiness::READ.with(Readiness::URGENT);
        let ended = read.with(Readiness::READ_ENDED);
        assert_eq!(says(READ, 0, 0), Some(read));
        assert_eq!(says(READ, ENDED, 0), Some(ended));
        assert_eq!(says(READ, ENDED, libc::ECONNRESET as u32), Some(ended.with(Readiness::FAILED)));
        assert_eq!(says(WRITE, 0, 0), Some(Readiness::WRITE));
        assert_eq!(says(WRITE, ENDED, 0), Some(Readiness::WRITE.with(Readiness::FAILED)));
        assert_eq!(says(USER, 0, 0), None);
        assert_eq!(says(TIMER, 0, 0), None);
    }
}
