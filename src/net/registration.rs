//! [`Registration`]: what binds a descriptor to its runtime, and the policy between operations and the reactor.
//!
//! An operation is tried first; a descriptor is registered when one first says `WouldBlock`, or comes after one that took
//! less than it could have; once, for both directions. What is known not to be ready is not tried. Whose descriptor it
//! is does not matter here: sockets own theirs ([`Source`](super::source::Source)), others are the user's
//! ([`Async`](super::Async)).
//!
//! It is `Send + Sync` without any `unsafe`: a number, and a reference to its home. What belongs to the home's thread is
//! looked up there at each operation; elsewhere the look-up fails, and that is the error.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use crate::observer::WaitReason;
use crate::reactor::{Direction, Prospect};
use crate::runtime::{Loop, at_home, current_or_error, on};
use crate::sys::{Readiness, Token, World, forks_begun};
use crate::task::{HomeRef, here};
use crate::wait_list::WaitKey;

/// In which direction a descriptor is to be ready.
///
/// ```
/// assert_ne!(coracle::net::Interest::Read, coracle::net::Interest::Write);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// To be read from, or accepted from.
    Read,
    /// To be written to.
    Write,
}

impl Interest {
    pub(super) fn direction(self) -> Direction {
        match self {
            Interest::Read => Direction::Read,
            Interest::Write => Direction::Write,
        }
    }

    fn reason(self, fd: RawFd) -> WaitReason {
        match self {
            Interest::Read => WaitReason::Readable(fd),
            Interest::Write => WaitReason::Writable(fd),
        }
    }
}

/// What one try of an operation gave.
pub(crate) struct Done<T> {
    pub(crate) value: T,
    /// It took less than it asked for, which on a stream means that nothing is left for now.
    pub(crate) drained: bool,
}

impl<T> Done<T> {
    /// More may be there.
    pub(crate) fn with(value: T) -> Done<T> {
        Done { value, drained: false }
    }
}

impl Done<usize> {
    /// `count` of `asked` bytes were moved. None at all is the end of a stream, not a pause.
    pub(super) fn bytes(count: usize, asked: usize) -> Done<usize> {
        Done { value: count, drained: 0 < count && count < asked }
    }
}

/// Where an operation waits.
pub(crate) enum Place<'a> {
    /// In the one place of those who poll.
    Polled,
    /// In the queue.
    Queued(&'a mut Option<WaitKey>),
}

/// See the head of this file.
pub(crate) struct Registration {
    home: HomeRef,
    /// Its name in the reactor; 0 before it is there, and when it has ended. Written by the home thread only, or when it
    /// ends: an atomic for the sake of `Sync`.
    token: AtomicU64,
    /// What its readiness has from the beginning and never loses.
    always: Readiness,
    /// For each direction: before there was a registration, an operation took less than it could have. The next would
    /// find nothing, so it registers without a try: whatever has come since shows in the next wait. Atomic as `token` is.
    drained: [AtomicBool; 2],
    /// The descriptor was shown to others, or comes from them: it may have duplicates.
    lent: AtomicBool,
    /// How many forks there had been when it was made. Children of later ones have duplicates.
    forks: u32,
}

impl Registration {
    pub(super) fn here() -> io::Result<Registration> {
        Ok(Registration::in_loop(&current_or_error()?))
    }

    pub(super) fn in_loop(event_loop: &Rc<Loop>) -> Registration {
        Registration::of(event_loop.executor.home().home().clone())
    }

    /// For another descriptor of the same runtime.
    pub(super) fn sibling(&self) -> Registration {
        Registration::of(self.home.clone())
    }

    fn of(home: HomeRef) -> Registration {
        Registration {
            home,
            token: AtomicU64::new(0),
            always: Readiness::NONE,
            drained: Default::default(),
            lent: AtomicBool::new(false),
            forks: forks_begun(),
        }
    }

    /// From now on the descriptor may have duplicates.
    #[inline]
    pub(super) fn set_lent(&self) {
        self.lent.store(true, Ordering::Relaxed);
    }

    /// A read that is shorter than its buffer shall not prove that nothing is left.
    pub(super) fn set_in_pieces(&mut self) {
        self.always = Readiness::URGENT;
    }

    pub(super) fn world(&self) -> &World {
        self.home.world()
    }

    /// Uses the runtime that this belongs to; an error if it is not this thread's, or has ended.
    pub(crate) fn with_loop<T>(&self, use_it: impl FnOnce(&Loop) -> T) -> io::Result<T> {
        Ok(on(&self.home, use_it)?)
    }

    /// Whether it may be used here and now.
    pub(super) fn check_home(&self) -> io::Result<()> {
        self.with_loop(|_| ())
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.token().is_some()
    }

    fn token(&self) -> Option<Token> {
        match self.token.load(Ordering::Relaxed) {
            0 => None,
            token => Some(token),
        }
    }

    /// What an operation must know before it tries.
    #[inline]
    fn prospect(&self, event_loop: &Loop, token: Option<Token>, direction: Direction) -> Prospect {
        match token {
            Some(token) => event_loop.reactor.prospect(token, direction),
            None => Prospect { ready: !self.drained[direction as usize].load(Ordering::Relaxed), others_wait: false },
        }
    }

    /// Tries `attempt` until it succeeds or fails, waiting whenever it says `WouldBlock`. `fd` is always the same.
    #[inline]
    pub(super) fn poll_io<T>(
        &self,
        fd: BorrowedFd<'_>,
        cx: &mut Context<'_>,
        interest: Interest,
        place: Place<'_>,
        at: &'static Location<'static>,
        attempt: impl FnMut(&World, BorrowedFd<'_>) -> io::Result<Done<T>>,
    ) -> Poll<io::Result<T>> {
        match on(&self.home, |event_loop| self.poll_on(event_loop, fd, cx, interest, place, at, attempt)) {
            Ok(polled) => polled,
            Err(away) => Poll::Ready(Err(away.into())),
        }
    }

    #[inline]
    #[allow(clippy::too_many_arguments, reason = "inlined: the arguments of `poll_io` in its loop")]
    fn poll_on<T>(
        &self,
        event_loop: &Loop,
        fd: BorrowedFd<'_>,
        cx: &mut Context<'_>,
        interest: Interest,
        mut place: Place<'_>,
        at: &'static Location<'static>,
        mut attempt: impl FnMut(&World, BorrowedFd<'_>) -> io::Result<Done<T>>,
    ) -> Poll<io::Result<T>> {
        let direction = interest.direction();
        if !here::may_go_on(cx) {
            here::waits(interest.reason(fd.as_raw_fd()), at);
            return Poll::Pending;
        }
        loop {
            let token = self.token();
            let prospect = self.prospect(event_loop, token, direction);
            match token {
                Some(token) if !prospect.ready => {
                    match place {
                        Place::Polled => event_loop.reactor.wait_polled(token, direction, cx.waker()),
                        Place::Queued(place) => event_loop.reactor.wait_queued(token, direction, place, cx.waker()),
                    }
                    here::waits(interest.reason(fd.as_raw_fd()), at);
                    return Poll::Pending;
                }
                None if !prospect.ready => self.register_untried(event_loop, fd, direction),
                token => match attempt(self.world(), fd) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => match token {
                        Some(token) => event_loop.reactor.clear(token, direction),
                        None => self.register(event_loop, fd)?,
                    },
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                        // Tried again, but not for ever: each try costs budget, and others get their turn.
                        here::spend();
                        if !here::may_go_on(cx) {
                            here::waits(interest.reason(fd.as_raw_fd()), at);
                            return Poll::Pending;
                        }
                    }
                    result => {
                        here::spend();
                        let drained = result.as_ref().is_ok_and(|done| done.drained);
                        // Nobody else ran meanwhile. Often nothing has changed that anyone must know of.
                        if drained || prospect.others_wait || !matches!(place, Place::Polled | Place::Queued(None)) {
                            self.finish(event_loop, direction, &mut place, drained);
                        }
                        return Poll::Ready(result.map(|done| done.value));
                    }
                },
            }
        }
    }

    #[cold]
    fn register(&self, event_loop: &Loop, fd: BorrowedFd<'_>) -> io::Result<()> {
        // An attempt may be the user's code, which may have done just that by another operation of its own.
        if !self.is_registered() {
            self.token.store(event_loop.register(fd, self.always)?, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Registers because the last operation left nothing. If that fails, the try decides: what is there needs no poller.
    #[cold]
    fn register_untried(&self, event_loop: &Loop, fd: BorrowedFd<'_>, direction: Direction) {
        if self.register(event_loop, fd).is_err() {
            self.drained[direction as usize].store(false, Ordering::Relaxed);
        }
    }

    /// An operation is over: it leaves the queue, and the next may try unless there is nothing left.
    #[inline]
    fn finish(&self, event_loop: &Loop, direction: Direction, place: &mut Place<'_>, drained: bool) {
        let Some(token) = self.token() else {
            return self.drained[direction as usize].store(drained, Ordering::Relaxed);
        };
        let place = match place {
            Place::Polled => None,
            Place::Queued(place) => place.take(),
        };
        event_loop.reactor.finish(token, direction, place, drained);
    }

    /// An operation is given up: if it had been woken, the next is woken instead.
    #[cold]
    pub(super) fn leave(&self, direction: Direction, place: WaitKey) {
        let Some(token) = self.token() else { return };
        at_home(&self.home, move |event_loop| event_loop.reactor.leave(token, direction, place));
    }

    /// Ends it, before the descriptor is handed over. The poller lets go of the descriptor at once, on whatever thread;
    /// what the reactor keeps goes now or, from elsewhere, when the request has travelled home.
    pub(super) fn end(&mut self, fd: BorrowedFd<'_>) {
        self.set_lent();
        self.end_with_close(fd);
    }

    /// The same, before the descriptor is closed. Closing it takes it out of the poller, so that is not asked for, unless
    /// a duplicate might keep it in there.
    ///
    /// What nobody can see here (a thief by `pidfd_getfd`, a fork on another thread at this very moment) is harmless: the
    /// duplicate's events carry a token that is no longer valid.
    pub(super) fn end_with_close(&mut self, fd: BorrowedFd<'_>) {
        let Some(token) = self.token() else { return };
        *self.token.get_mut() = 0;
        let has_duplicates = *self.lent.get_mut() || self.forks != forks_begun();
        if !has_duplicates && self.world().deregisters_at_close() {
            // Nothing is left to ask.
        } else if on(&self.home, |event_loop| event_loop.reactor.deregister(fd)).is_err() {
            self.home.deregister(fd);
        }
        at_home(&self.home, move |event_loop| event_loop.reactor.remove(token));
    }

    /// The descriptor was closed: who has waited for room may try again.
    pub(super) fn closed(&self) {
        at_home(&self.home, |event_loop| event_loop.reactor.closed());
    }
}
