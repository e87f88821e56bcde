//! [`PausedPoller`]: how a wait passes in a paused world.
//!
//! 1. *Look*: what is ready now, or was told, ends the wait.
//! 2. *Judge*: can anything happen before the deadline? If so, wait for it below, in real time, and begin anew.
//! 3. *Look again*. Whatever was on its way before 2 found that nothing is, has arrived before this look; and nobody
//!    who could have sent more has run since. So if there is nothing,
//! 4. *move*: who waits for rest is told; else the clock jumps.
//!
//! A notification counts from the moment it is sent: it is noted under the lock under which the clock moves, before it
//! is passed on to the poller below. So none is overtaken by a jump.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::{Event, Poller, Token, WorldPoller};
use super::sleepers::{Bell, Count};
use super::{Books, transit};

/// A thread of this world that does something will wait again: it gets more time than a stranger, so many times as much.
const COMPANY: u32 = 10;

/// So long the kernel is waited for: above a second, after which it tries a connection again.
const MOST_TRANSIT: Duration = Duration::from_millis(1500);

/// A year: an `Instant` has room for it.
const LONGEST_PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);

/// What it does shows by an event, if anybody waits for that; if nobody does, by looking now and then.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// After so long without anybody coming, nobody is expected to come to a listener, or to send to an unconnected datagram
/// socket: for the question whether anything can happen at all, not for the clock. Arbitrary: a child process that is
/// to connect has long begun.
const VISITING_HOURS: Duration = Duration::from_secs(3);

/// What the judgement comes to.
enum Next {
    /// In real time, at most so long.
    Wait(Option<Duration>),
    /// Nothing can happen. The first deadline of all, and the epoch of which this is true.
    Move(Option<Duration>, u64),
}

/// For a loop outside: when our descriptor is to become readable.
struct Alarm {
    until: Duration,
    /// In real time.
    rings: Instant,
}

/// See the head of this file.
pub(super) struct PausedPoller {
    below: Arc<Bell>,
    number: u64,
    books: Arc<Books>,
    alarm: Mutex<Option<Alarm>>,
    /// The kernel had something on its way when it was asked last. What it has just delivered shows a moment later, if
    /// another processor does it.
    delivers: AtomicBool,
}

impl PausedPoller {
    pub(super) fn over(below: WorldPoller, books: Arc<Books>) -> PausedPoller {
        let below = Arc::new(Bell(below));
        let number = books.known().sleepers.add(below.clone());
        PausedPoller { below, number, books, alarm: Mutex::default(), delivers: AtomicBool::new(false) }
    }

    fn real_now(&self) -> Instant {
        self.books.below.now()
    }

    /// Whether there is an event, or a notification.
    fn look(&self, events: &mut Vec<Event>) -> io::Result<bool> {
        self.below.0.wait(events, Some(Duration::ZERO))?;
        let mut known = self.books.known();
        let told = known.sleepers.take_notice(self.number);
        if told || !events.is_empty() {
            known.doors_stay_shut = false;
        }
        Ok(told || !events.is_empty())
    }

    fn sleep(&self, events: &mut Vec<Event>, until: Option<Duration>) -> io::Result<()> {
        // Since when nothing has happened, in real time, and in which epoch.
        let (mut since, mut epoch) = (self.real_now(), self.books.known().sleepers.epoch());
        loop {
            if self.look(events)? || until.is_some_and(|until| self.books.clock.passed() >= until) {
                return Ok(());
            }
            let current = self.books.known().sleepers.epoch();
            if current != epoch {
                (since, epoch) = (self.real_now(), current);
            }
            let quiet = self.real_now().saturating_duration_since(since);
            if until.is_none() && quiet >= VISITING_HOURS && self.books.known().may_have_visitors() {
                // Back to the loop, which may ask whether anything can happen.
                self.books.known().doors_stay_shut = true;
                return Ok(());
            }
            match self.judge(until, quiet) {
                Next::Wait(most) => {
                    self.below.0.wait(events, most)?;
                    if !events.is_empty() {
                        return Ok(());
                    }
                }
                Next::Move(first, epoch) => {
                    if self.look(events)? || self.go(first, epoch) {
                        return Ok(());
                    }
                    since = self.real_now();
                }
            }
        }
    }

    /// What can happen before any deadline. `quiet`: for so long nothing has.
    fn judge(&self, until: Option<Duration>, quiet: Duration) -> Next {
        let clock = &self.books.clock;
        let (patience, most) = (clock.patience(), clock.patience().saturating_mul(COMPANY));
        let mut known = self.books.known();
        let first = match known.sleepers.vote(self.number, until, quiet >= most) {
            Count::Until(first) => first,
            Count::Wait(others) => {
                drop(known);
                others.iter().for_each(|other| other.nudge());
                return Next::Wait(Some(most.saturating_sub(quiet)));
            }
        };
        let may_move = first.is_some() && !clock.is_held();
        if known.is_job_under_way() || !may_move && !clock.is_rest_awaited() {
            let has_doors = until.is_none() && known.may_have_visitors();
            return Next::Wait(has_doors.then(|| VISITING_HOURS.saturating_sub(quiet)));
        }
        let foreign = if quiet < patience { Books::foreign(&known) } else { Vec::new() };
        if !foreign.is_empty() {
            foreign.into_iter().for_each(|source| clock.waits_for(source));
            return Next::Wait(Some(patience.saturating_sub(quiet)));
        }
        if let Some(fd) = transit::on_its_way(&self.books.below, &known.sockets) {
            if quiet >= MOST_TRANSIT {
                known.sockets.is_stuck(fd);
            }
            self.delivers.store(true, Ordering::Relaxed);
            return Next::Wait(Some(BETWEEN_LOOKS));
        }
        // What another thread has just sent may be with the kernel still.
        let just_sent = known.sleepers.is_anybody_else_here() && quiet < BETWEEN_LOOKS;
        if self.delivers.swap(false, Ordering::Relaxed) || just_sent {
            return Next::Wait(Some(BETWEEN_LOOKS));
        }
        Next::Move(first, known.sleepers.epoch())
    }

    /// Nothing can happen any more. Whether that ends the wait.
    fn go(&self, first: Option<Duration>, epoch: u64) -> bool {
        // Outside of the lock: a waker is somebody else's code.
        if self.books.clock.wake_at_rest() {
            return true;
        }
        let mut known = self.books.known();
        let is_old = known.sleepers.epoch() != epoch || known.sleepers.is_any_notified();
        let Some(first) = first.filter(|_| !is_old && !self.books.clock.is_held()) else { return false };
        self.books.clock.advance_to(first);
        let roused = known.sleepers.rouse(self.number, first);
        drop(known);
        roused.iter().for_each(|other| other.nudge());
        // If this was another's deadline, ours is still ahead: the wait goes on.
        false
    }

    // ---- for a loop outside --------------------------------------------------------------------------------------

    fn set_alarm(&self, alarm: Option<Alarm>) {
        *self.alarm.lock().unwrap_or_else(PoisonError::into_inner) = alarm;
    }

    /// The deadline of the alarm and when it rings.
    fn alarm_set(&self) -> Option<(Duration, Instant)> {
        let alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        alarm.as_ref().map(|alarm| (alarm.until, alarm.rings))
    }

    /// A loop outside had nothing to do until the alarm rang: that is its wait.
    fn answer_alarm(&self) -> io::Result<()> {
        let Some((until, rings)) = self.alarm_set() else { return Ok(()) };
        if self.real_now() < rings {
            return Ok(());
        }
        self.books.known().sleepers.falls_asleep(self.number);
        let next = self.judge(Some(until), self.books.clock.patience());
        let result = match next {
            Next::Move(first, epoch) => {
                self.go(first, epoch);
                Ok(())
            }
            Next::Wait(_) => self.ring_later(until),
        };
        self.books.known().sleepers.wakes(self.number);
        result
    }

    fn ring_later(&self, until: Duration) -> io::Result<()> {
        let patience = self.books.clock.patience().min(LONGEST_PATIENCE);
        self.set_alarm(Some(Alarm { until, rings: self.real_now() + patience }));
        self.below.0.alarm(Some(patience))
    }
}

impl Poller for PausedPoller {
    fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.below.0.add(fd, token)?;
        self.books.known().registered.insert((self.number, fd.as_raw_fd()));
        Ok(())
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.books.known().registered.remove(&(self.number, fd.as_raw_fd()));
        self.below.0.remove(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            return if self.look(events)? { Ok(()) } else { self.answer_alarm() };
        }
        let until = timeout.map(|time| self.books.clock.after(time));
        self.books.known().sleepers.falls_asleep(self.number);
        let result = self.sleep(events, until);
        self.books.known().sleepers.wakes(self.number);
        result
    }

    fn notify(&self) -> io::Result<()> {
        self.books.known().sleepers.notify(self.number);
        self.below.0.notify()
    }

    /// The loop outside sleeps in real time, in which nobody knows what it waits for beside us. So it rings soon, and
    /// the turn that follows moves the clock, if it has found nothing to do. The same deadline again does not ring
    /// later.
    fn alarm(&self, after: Option<Duration>) -> io::Result<()> {
        let Some(after) = after else {
            self.set_alarm(None);
            return self.below.0.alarm(None);
        };
        let until = self.books.clock.after(after);
        if after.is_zero() {
            self.set_alarm(None);
            return self.below.0.alarm(Some(after));
        }
        match self.alarm_set() {
            Some((set, rings)) if set == until => {
                self.below.0.alarm(Some(rings.saturating_duration_since(self.real_now())))
            }
            _ => self.ring_later(until),
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.below.0.as_fd()
    }
}

impl Drop for PausedPoller {
    fn drop(&mut self) {
        let mut known = self.books.known();
        known.sleepers.remove(self.number);
        known.registered.retain(|(poller, _)| *poller != self.number);
        let others = known.sleepers.asleep();
        drop(known);
        // Nobody waits for this one any more.
        others.iter().for_each(|other| other.nudge());
    }
}

impl Books {
    /// See [`Backend::is_still`](crate::sys::Backend::is_still). In the order of a wait: judge, then look.
    pub(super) fn is_still(&self) -> bool {
        let known = self.known();
        let busy = known.is_job_under_way()
            || known.may_have_visitors()
            || self.clock.is_rest_awaited()
            || known.sleepers.is_anybody_else_here();
        if busy || !Books::foreign(&known).is_empty() || transit::on_its_way(&self.below, &known.sockets).is_some() {
            return false;
        }
        let rings = |bell: &Arc<Bell>| self.below.is_ready(bell.0.as_fd(), false).unwrap_or(true);
        !known.sleepers.bells().any(rings) && !known.sleepers.is_any_notified()
    }
}
