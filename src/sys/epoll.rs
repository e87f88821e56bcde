//! The poller on epoll, with an eventfd as notifier and a timerfd as alarm.
//!
//! What is true of edge-triggered epoll, and relied on above (each has a test in `suite.rs` or `tests/`):
//!
//! 1. `EPOLL_CTL_ADD` reports what is ready already. So a read that said EAGAIN *before* the registration loses nothing:
//!    what came between shows in the next wait.
//! 2. Each arrival of data is an edge, also while earlier data is unread. So a read shorter than its buffer has drained
//!    the socket, and whatever comes later is a new edge. Three exceptions, all visible as bits that stay set: the end
//!    of the stream (`EPOLLRDHUP`) and an error, which make no further edge, and urgent data (`EPOLLPRI`), which ends
//!    a read early although more is there. A fourth shows nowhere: a read of a Unix stream ends where descriptors came
//!    with the bytes. So `net` sets the bit of the third for those from the beginning.
//! 3. A write shorter than asked has filled the socket; room makes an `EPOLLOUT` edge, because the kernel notes the
//!    refusal (SOCK_NOSPACE) also when it took a part.
//! 4. `EPOLLHUP` and `EPOLLERR` come unasked, `EPOLLHUP` also *without* `EPOLLIN` (a pipe whose writer closed) and on a
//!    socket that was never connected. Being edges, they come once: they cannot make the loop spin.
//! 5. A registration belongs to the open file, not to the number: closing a descriptor of which a duplicate exists
//!    leaves it behind. Hence `remove` before close, where there may be one; the last close takes it out by itself.
//! 6. Every write to an eventfd is an edge, so the counter need never be read, but when it is full.
//! 7. `epoll_pwait2` (Linux 5.11) takes nanoseconds; `epoll_wait` takes milliseconds, which are rounded *up*, so that
//!    a deadline is never missed to the early side and no loop spins through the last millisecond.
//!    Both add the thread's timer slack, by default 50 µs, and a thousandth of the time. A timerfd adds nothing, for a
//!    call more.
//! 8. A datagram that a full receiver refuses is an `EPOLLOUT` edge of its *sender*, whose memory it took and gave back:
//!    waiting for that would spin. So an unconnected Unix socket does not wait for it (`net/retry.rs`).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::unix::{check, fresh};
use super::super::{Event, Poller, Readiness, Token};

/// How many events one wait takes in. What is left stays queued in the kernel, in order: no descriptor starves.
const MOST_EVENTS: usize = 1024;

type Room = [MaybeUninit<libc::epoll_event>; MOST_EVENTS];

/// From here on what the kernel adds to a wait is more than 50 µs.
const LONG: Duration = Duration::from_millis(50);

/// For less than this it is not worth while to sleep: to set an alarm and to be woken by it takes longer, on any machine.
const NO_SLEEP: Duration = Duration::from_micros(10);

/// The token of our own descriptors. The reactor's tokens never have all bits set.
const OURS: Token = Token::MAX;

const EVERYTHING: u32 = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET) as u32;

/// One epoll instance.
pub(crate) struct KernelPoller {
    epoll: OwnedFd,
    notifier: OwnedFd,
    alarm: OnceLock<OwnedFd>,
    /// The alarm was set for a wait, and may ring in a later one.
    set: AtomicBool,
    /// Set when the kernel turned out to be older than `epoll_pwait2`, or a sandbox forbids it.
    coarse: AtomicBool,
}

impl KernelPoller {
    pub(crate) fn new() -> io::Result<KernelPoller> {
        // SAFETY: no pointers.
        let epoll = fresh(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: no pointers.
        let notifier = fresh(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        let poller = KernelPoller {
            epoll,
            notifier,
            alarm: OnceLock::new(),
            set: AtomicBool::new(false),
            coarse: AtomicBool::new(false),
        };
        poller.control(poller.notifier.as_fd(), (libc::EPOLLIN | libc::EPOLLET) as u32, OURS)?;
        Ok(poller)
    }

    fn control(&self, fd: BorrowedFd<'_>, events: u32, token: Token) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: S1: `event` lives to the end of the call.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &mut event) })
            .map(drop)
    }

    /// Waits to the nanosecond, as exactly as the kernel can.
    fn wait_exactly(&self, room: &mut Room, time: Duration) -> io::Result<usize> {
        let begin = Instant::now();
        let mut rest = time;
        // Nearly all of a long time is waited without an alarm: most such waits end by an event.
        while rest > LONG {
            let count = self.wait_raw(room, Some(rest - rest / 256))?;
            rest = time.saturating_sub(begin.elapsed());
            if count > 0 || rest.is_zero() {
                return Ok(count);
            }
        }
        if rest < NO_SLEEP {
            while begin.elapsed() < time {
                std::hint::spin_loop();
            }
            return self.wait_raw(room, Some(Duration::ZERO));
        }
        // Without a descriptor for the alarm it is as late as the kernel will have it.
        let exact = self.alarm(Some(rest)).is_ok();
        self.set.store(exact, Ordering::Relaxed);
        self.wait_raw(room, if exact { None } else { Some(rest) })
    }

    /// Waits to the nanosecond and the slack where the kernel can, else to the next whole millisecond.
    fn wait_raw(&self, room: &mut Room, timeout: Option<Duration>) -> io::Result<usize> {
        let (epoll, events) = (self.epoll.as_raw_fd(), room.as_mut_ptr().cast());
        let length = room.len() as libc::c_int;
        if let Some(time) = timeout.filter(|time| !time.is_zero() && !self.coarse.load(Ordering::Relaxed)) {
            let time = timespec(time);
            // SAFETY: S1: the kernel writes at most `length` events into `room`, and reads `time`.
            match check(unsafe { libc::epoll_pwait2(epoll, events, length, &time, ptr::null()) }) {
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    self.coarse.store(true, Ordering::Relaxed);
                }
                result => return result.map(|count| count as usize),
            }
        }
        // SAFETY: S1: as above.
        check(unsafe { libc::epoll_wait(epoll, events, length, milliseconds(timeout)) }).map(|count| count as usize)
    }

    fn alarm_fd(&self) -> io::Result<&OwnedFd> {
        if let Some(alarm) = self.alarm.get() {
            return Ok(alarm);
        }
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: no pointers.
        let alarm = fresh(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        self.control(alarm.as_fd(), (libc::EPOLLIN | libc::EPOLLET) as u32, OURS)?;
        Ok(self.alarm.get_or_init(|| alarm))
    }
}

impl Poller for KernelPoller {
    fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.control(fd, EVERYTHING, token)
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: Linux 2.6.9 and later ignore the event of a removal.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_raw_fd(), ptr::null_mut()) })
            .map(drop)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut room = [const { MaybeUninit::<libc::epoll_event>::uninit() }; MOST_EVENTS];
        let short = timeout.filter(|time| *time <= LONG);
        if short.is_none() && self.set.swap(false, Ordering::Relaxed) {
            self.alarm(None)?;
        }
        let waited = match timeout {
            Some(time) if !time.is_zero() => self.wait_exactly(&mut room, time),
            _ => self.wait_raw(&mut room, timeout),
        };
        let count = match waited {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        for raw in &room[..count] {
            // SAFETY: S1: the kernel wrote the first `count` events.
            let raw = unsafe { raw.assume_init() };
            if raw.u64 != OURS {
                events.push(Event { token: raw.u64, readiness: translate(raw.events) });
            }
        }
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        loop {
            let one = 1u64;
            // SAFETY: S1: eight bytes of `one`.
            let written = unsafe { libc::write(self.notifier.as_raw_fd(), (&raw const one).cast(), 8) };
            if written == 8 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => drain(&self.notifier),
                _ => return Err(error),
            }
        }
    }

    fn alarm(&self, after: Option<Duration>) -> io::Result<()> {
        if after.is_none() && self.alarm.get().is_none() {
            return Ok(());
        }
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // A zero time would disarm: the soonest alarm is in a nanosecond.
        let value = after.map_or(zero, |time| timespec(time.max(Duration::from_nanos(1))));
        let setting = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: S1: `setting` lives to the end of the call.
        check(unsafe { libc::timerfd_settime(self.alarm_fd()?.as_raw_fd(), 0, &setting, ptr::null_mut()) }).map(drop)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Empties an eventfd whose counter is full, so that the next write makes an edge again.
fn drain(eventfd: &OwnedFd) {
    let mut counter = 0u64;
    // SAFETY: S1: eight bytes into `counter`. A failure leaves the counter, and the caller tries again.
    let _ = unsafe { libc::read(eventfd.as_raw_fd(), (&raw mut counter).cast(), 8) };
}

/// A *pidfd*: it becomes readable when the process has ended and can be reaped. It is close-on-exec. Kernels before 5.3
/// do not know the call, and some sandboxes refuse it.
pub(crate) fn exit_descriptor(number: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    fresh(unsafe { libc::syscall(libc::SYS_pidfd_open, number as libc::pid_t, 0) } as libc::c_int)
}

fn translate(bits: u32) -> Readiness {
    let has = |flag: libc::c_int| bits & flag as u32 != 0;
    let mut readiness = Readiness::NONE;
    if has(libc::EPOLLIN) {
        readiness = readiness.with(Readiness::READ);
    }
    if has(libc::EPOLLOUT) {
        readiness = readiness.with(Readiness::WRITE);
    }
    if has(libc::EPOLLPRI) {
        readiness = readiness.with(Readiness::READ).with(Readiness::URGENT);
    }
    if has(libc::EPOLLRDHUP) {
        readiness = readiness.with(Readiness::READ).with(Readiness::READ_ENDED);
    }
    if has(libc::EPOLLHUP) || has(libc::EPOLLERR) {
        readiness = readiness.with(Readiness::READ).with(Readiness::WRITE).with(Readiness::FAILED);
    }
    readiness
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(time.subsec_nanos() as i32),
    }
}

/// Whole milliseconds, rounded up; -1 for "as long as it takes". What does not fit is cut: the caller waits again.
fn milliseconds(timeout: Option<Duration>) -> libc::c_int {
    match timeout {
        None => -1,
        Some(time) => libc::c_int::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_up_and_never_overflow() {
        assert_eq!(milliseconds(None), -1);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1_000_001))), 2);
        assert_eq!(milliseconds(Some(Duration::MAX)), libc::c_int::MAX);
    }

    #[test]
    fn a_full_eventfd_still_wakes() {
        let poller = KernelPoller::new().unwrap();
        let full = u64::MAX - 1;
        // SAFETY: S1: eight bytes of `full`.
        assert_eq!(unsafe { libc::write(poller.notifier.as_raw_fd(), (&raw const full).cast(), 8) }, 8);
        poller.wait(&mut Vec::new(), Some(Duration::ZERO)).unwrap();
        let mut readable = libc::pollfd { fd: poller.epoll.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: S1: one pollfd.
        assert_eq!(unsafe { libc::poll(&mut readable, 1, 0) }, 0, "the edge was consumed");
        poller.notify().unwrap();
        // SAFETY: S1: one pollfd.
        assert_eq!(unsafe { libc::poll(&mut readable, 1, 0) }, 1, "a full counter lost a notification");
    }

    #[test]
    fn without_epoll_pwait2_a_wait_is_longer_not_shorter() {
        let poller = KernelPoller::new().unwrap();
        poller.coarse.store(true, Ordering::Relaxed);
        for time in [LONG * 2, Duration::from_micros(300)] {
            let start = std::time::Instant::now();
            poller.wait(&mut Vec::new(), Some(time)).unwrap();
            assert!(start.elapsed() >= time);
        }
    }

    #[test]
    fn an_alarm_that_was_overtaken_ends_no_later_wait() {
        let poller = KernelPoller::new().unwrap();
        poller.notify().unwrap();
        poller.wait(&mut Vec::new(), Some(LONG / 2)).unwrap();
        let start = Instant::now();
        poller.wait(&mut Vec::new(), Some(LONG * 2)).unwrap();
        assert!(start.elapsed() >= LONG * 2, "woken after {:?}", start.elapsed());
    }
}
