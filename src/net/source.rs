//! [`Source`]: a descriptor bound to its runtime; and [`Operation`], a try that waits if it must.
//!
//! Here is the policy between the sockets and the reactor: an operation is tried first; a descriptor is registered when
//! one first says `WouldBlock`, once, for both directions; what is known not to be ready is not tried.
//!
//! A source is `Send + Sync` without any `unsafe`: it holds a descriptor, a number, and a reference to its home. What
//! belongs to the home's thread is looked up there at each operation; elsewhere the look-up fails, and that is the error.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use crate::observer::WaitReason;
use crate::reactor::{Direction, UNREGISTERED};
use crate::runtime::{Loop, at_home, current_or_error, on};
use crate::sys::{Token, World};
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
    fn direction(self) -> Direction {
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

/// See the head of this file.
pub(super) struct Source {
    /// `None` only while it is being taken apart.
    fd: Option<OwnedFd>,
    home: HomeRef,
    /// The registration; 0 before there is one. Written by the home thread only: an atomic for the sake of `Sync`.
    token: AtomicU64,
}

/// What one try of an operation gave.
pub(super) struct Done<T> {
    pub(super) value: T,
    /// It took less than it asked for, which on a stream means that nothing is left for now.
    pub(super) drained: bool,
}

impl<T> Done<T> {
    /// More may be there.
    pub(super) fn with(value: T) -> Done<T> {
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
pub(super) enum Place<'a> {
    /// In the one place of those who poll.
    Polled,
    /// In the queue.
    Queued(&'a mut Option<WaitKey>),
}

impl Source {
    /// A non-blocking descriptor becomes one of the current runtime's.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Source> {
        Ok(Source::in_loop(&current_or_error()?, fd))
    }

    pub(super) fn in_loop(event_loop: &Rc<Loop>, fd: OwnedFd) -> Source {
        Source { fd: Some(fd), home: event_loop.executor.home().home().clone(), token: AtomicU64::new(0) }
    }

    /// Another descriptor of the same runtime.
    pub(super) fn sibling(&self, fd: OwnedFd) -> Source {
        Source { fd: Some(fd), home: self.home.clone(), token: AtomicU64::new(0) }
    }

    pub(super) fn world(&self) -> &World {
        self.home.world()
    }

    /// Uses the runtime that this belongs to; an error if it is not this thread's, or has ended.
    pub(super) fn with_loop<T>(&self, use_it: impl FnOnce(&Loop) -> T) -> io::Result<T> {
        Ok(on(&self.home, use_it)?)
    }

    /// Whether it may be used here and now.
    pub(super) fn check_home(&self) -> io::Result<()> {
        self.with_loop(|_| ())
    }

    pub(super) fn is_registered(&self) -> bool {
        self.token().is_some()
    }

    fn token(&self) -> Option<Token> {
        match self.token.load(Ordering::Relaxed) {
            0 => None,
            token => Some(token),
        }
    }

    /// Tries `attempt` until it succeeds or fails, waiting whenever it says `WouldBlock`.
    #[inline]
    pub(super) fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        place: Place<'_>,
        at: &'static Location<'static>,
        attempt: impl FnMut(&World, BorrowedFd<'_>) -> io::Result<Done<T>>,
    ) -> Poll<io::Result<T>> {
        match on(&self.home, |event_loop| self.poll_on(event_loop, cx, interest, place, at, attempt)) {
            Ok(polled) => polled,
            Err(away) => Poll::Ready(Err(away.into())),
        }
    }

    #[inline]
    fn poll_on<T>(
        &self,
        event_loop: &Loop,
        cx: &mut Context<'_>,
        interest: Interest,
        mut place: Place<'_>,
        at: &'static Location<'static>,
        mut attempt: impl FnMut(&World, BorrowedFd<'_>) -> io::Result<Done<T>>,
    ) -> Poll<io::Result<T>> {
        let direction = interest.direction();
        if !here::may_go_on(cx) {
            here::waits(interest.reason(self.as_raw_fd()), at);
            return Poll::Pending;
        }
        loop {
            let token = self.token();
            let prospect = token.map_or(UNREGISTERED, |token| event_loop.reactor.prospect(token, direction));
            match token {
                Some(token) if !prospect.ready => {
                    match place {
                        Place::Polled => event_loop.reactor.wait_polled(token, direction, cx.waker()),
                        Place::Queued(place) => event_loop.reactor.wait_queued(token, direction, place, cx.waker()),
                    }
                    here::waits(interest.reason(self.as_raw_fd()), at);
                    return Poll::Pending;
                }
                token => match attempt(self.world(), self.as_fd()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => match token {
                        Some(token) => event_loop.reactor.clear(token, direction),
                        None => self.token.store(event_loop.register(self.as_fd())?, Ordering::Relaxed),
                    },
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                        // Tried again, but not for ever: each try costs budget, and others get their turn.
                        here::spend();
                        if !here::may_go_on(cx) {
                            here::waits(interest.reason(self.as_raw_fd()), at);
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

    /// An operation is over: it leaves the queue, and the next may try unless there is nothing left.
    #[inline]
    fn finish(&self, event_loop: &Loop, direction: Direction, place: &mut Place<'_>, drained: bool) {
        let Some(token) = self.token() else { return };
        let place = match place {
            Place::Polled => None,
            Place::Queued(place) => place.take(),
        };
        event_loop.reactor.finish(token, direction, place, drained);
    }

    /// An operation is given up: if it had been woken, the next is woken instead.
    #[cold]
    fn leave(&self, direction: Direction, place: WaitKey) {
        let Some(token) = self.token() else { return };
        at_home(&self.home, move |event_loop| event_loop.reactor.leave(token, direction, place));
    }

    /// Takes the descriptor out of the poller and hands it over.
    pub(super) fn into_fd(mut self) -> OwnedFd {
        self.disconnect().expect("a source is taken apart once")
    }

    /// The poller lets go of the descriptor at once, on whatever thread; what the reactor keeps goes now or, from
    /// elsewhere, when the request has travelled home.
    fn disconnect(&mut self) -> Option<OwnedFd> {
        let fd = self.fd.take()?;
        let Some(token) = self.token() else { return Some(fd) };
        if on(&self.home, |event_loop| event_loop.reactor.deregister(fd.as_fd())).is_err() {
            self.home.deregister(fd.as_fd());
        }
        at_home(&self.home, move |event_loop| event_loop.reactor.remove(token));
        Some(fd)
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("a source has its descriptor until it is taken apart").as_fd()
    }
}

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let Some(fd) = self.disconnect() else { return };
        self.world().close(fd);
        at_home(&self.home, |event_loop| event_loop.reactor.closed());
    }
}

/// An operation in progress: the part that is common to all futures of sockets. Dropped before its end, it leaves the
/// queue and passes its wake on.
pub(super) struct Operation<'a> {
    pub(super) source: &'a Source,
    interest: Interest,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl<'a> Operation<'a> {
    #[track_caller]
    pub(super) fn new(source: &'a Source, interest: Interest) -> Operation<'a> {
        Operation { source, interest, place: None, at: Location::caller() }
    }

    #[inline]
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&World, BorrowedFd<'_>) -> io::Result<Done<T>>,
    ) -> Poll<io::Result<T>> {
        self.source.poll_io(cx, self.interest, Place::Queued(&mut self.place), self.at, attempt)
    }
}

impl Drop for Operation<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.source.leave(self.interest.direction(), place);
        }
    }
}

impl std::fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("fd", &self.source.as_raw_fd()).field("interest", &self.interest).finish()
    }
}
