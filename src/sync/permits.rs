//! [`Permits`]: a number of permits and a line before it. Semaphores and locks are this with a type around it.
//!
//! A mutex is one permit; a lock for readers and a writer is very many, of which a reader takes one and a writer all.
//! So order, hand-over and cancellation are written, and tested, once. The rules:
//!
//! 1. First come, first served: while somebody waits, nobody else takes anything, however many permits lie there. So
//!    one who wants many is not starved by those who want few.
//! 2. *Hand-over*: permits that come back are counted out to the first in the line, at once and for as long as they
//!    suffice; who was given his has them, though his task runs only later. So a permit is never free while the first
//!    in the line could use it.
//! 3. Who leaves the line makes way for those behind; who leaves with permits that he has not seen yet gives them back.
//! 4. No code of others (wakers) runs between looking at the state and changing it, nor while the list is borrowed.
//!
//! Without waiters, taking is a comparison of two cells and a store, giving back an addition: the list is not touched.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::task::{Context, Poll, Waker};

use super::noted::Noted;
use crate::observer::{TaskId, WaitReason};
use crate::task::{here, keep, let_go, wake};
use crate::wait_list::{Left, WaitKey, WaitList};

/// See the head of this file.
pub(super) struct Permits {
    free: Cell<usize>,
    state: Cell<State>,
    /// Who waits, and for how many.
    line: RefCell<WaitList<Wanted>>,
    /// Of a lock: who has it. For reports only.
    holder: Noted,
}

/// What one who waits has said.
struct Wanted {
    count: usize,
    by: Option<TaskId>,
    at: &'static Location<'static>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody waits.
    Open,
    /// Somebody waits, and wants more than is free.
    Contended,
    /// Nothing is given any more, and nobody waits.
    Closed,
}

/// Why permits were not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There are too few, or others came before.
    Busy,
    Closed,
}

/// What an operation wants, and its place in the line.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) want: usize,
    place: Option<WaitKey>,
    pub(super) at: &'static Location<'static>,
}

impl Claim {
    #[track_caller]
    pub(super) fn new(want: usize) -> Claim {
        Claim { want, place: None, at: Location::caller() }
    }

    /// Whether it stands in the line, or was served there and has not seen it.
    #[inline]
    pub(super) fn waits(&self) -> bool {
        self.place.is_some()
    }

    /// Whether this poll has budget left to take something without waiting. `false`: return `Pending`.
    #[inline]
    pub(super) fn may_go_on(&self, cx: &mut Context<'_>, what: &'static str) -> bool {
        let may = here::may_go_on(cx);
        if !may {
            here::waits(WaitReason::Sync(what), self.at);
        }
        may
    }
}

impl Permits {
    pub(super) fn new(count: usize) -> Permits {
        Permits::with(count, Noted::nothing())
    }

    /// Those of a lock, which has as many in all, and notes who has it.
    pub(super) fn of_lock(count: usize) -> Permits {
        Permits::with(count, Noted::of_lock(count))
    }

    fn with(count: usize, holder: Noted) -> Permits {
        Permits { free: Cell::new(count), state: Cell::new(State::Open), line: RefCell::default(), holder }
    }

    /// The task that is being polled has the lock, by the call at `at`.
    #[inline]
    pub(super) fn note(&self, at: &'static Location<'static>) {
        self.holder.taken(at);
    }

    /// Takes permits if that needs no waiting. They are to be given back by [`release`](Permits::release).
    #[inline]
    pub(super) fn try_take(&self, want: usize) -> Result<(), Refused> {
        if self.take(want) { Ok(()) } else { self.refuse(want) }
    }

    /// Nobody waits, and there are as many.
    #[inline]
    fn take(&self, want: usize) -> bool {
        let free = self.free.get();
        let are_there = self.state.get() == State::Open && free >= want;
        if are_there {
            self.free.set(free - want);
        }
        are_there
    }

    #[cold]
    fn refuse(&self, want: usize) -> Result<(), Refused> {
        match self.state.get() {
            State::Closed => Err(Refused::Closed),
            // Nothing is not worth waiting for.
            State::Open | State::Contended if want == 0 => Ok(()),
            State::Open | State::Contended => Err(Refused::Busy),
        }
    }

    /// The poll of an operation that wants permits. An error: closed.
    #[inline]
    pub(super) fn poll_take(
        &self,
        claim: &mut Claim,
        cx: &mut Context<'_>,
        what: &'static str,
    ) -> Poll<Result<(), Refused>> {
        if self.take_at_once(claim) { Poll::Ready(Ok(())) } else { self.wait(claim, cx, what) }
    }

    /// The ordinary case of [`poll_take`](Permits::poll_take), short enough to become part of the future that awaits.
    #[inline]
    pub(super) fn take_at_once(&self, claim: &Claim) -> bool {
        let taken = !claim.waits() && here::has_budget() && self.take(claim.want);
        if taken {
            here::spend();
        }
        taken
    }

    /// All else.
    #[cold]
    pub(super) fn wait(
        &self,
        claim: &mut Claim,
        cx: &mut Context<'_>,
        what: &'static str,
    ) -> Poll<Result<(), Refused>> {
        if !claim.waits() && !claim.may_go_on(cx, what) {
            return Poll::Pending;
        }
        let mut answer = self.answer(claim);
        if answer.is_none() && !self.waits_as(claim, cx.waker()) {
            let waker = keep(cx.waker());
            // Asked again: the clone was code of somebody else's (rule 4).
            answer = self.answer(claim);
            match answer {
                None => self.stand(claim, waker),
                Some(_) => let_go(waker),
            }
        }
        match answer {
            Some(answer) => {
                here::spend();
                Poll::Ready(answer)
            }
            None => {
                here::waits(self.holder.reason(what), claim.at);
                Poll::Pending
            }
        }
    }

    /// What one can be told at once; whoever stood in the line for it has left.
    fn answer(&self, claim: &mut Claim) -> Option<Result<(), Refused>> {
        let Some(place) = &claim.place else {
            return Some(self.try_take(claim.want)).filter(|answer| *answer != Err(Refused::Busy));
        };
        if !self.line.borrow().is_notified(place) {
            return None;
        }
        match self.line.borrow_mut().remove(claim.place.take()?) {
            Left::PassOn => {
                self.holder.was_seen(claim.at, self.free.get());
                Some(Ok(()))
            }
            // Only closing notifies all.
            Left::Nothing => Some(Err(Refused::Closed)),
            Left::Waiting(_) => unreachable!("a notified waiter waits"),
        }
    }

    fn waits_as(&self, claim: &Claim, waker: &Waker) -> bool {
        claim.place.as_ref().is_some_and(|place| self.line.borrow().waits_as(place, waker))
    }

    /// Stands in the line, or stands there with another waker.
    fn stand(&self, claim: &mut Claim, waker: Waker) {
        let mut line = self.line.borrow_mut();
        let old = match &claim.place {
            Some(place) => line.renew(place, waker),
            None => {
                let wanted = Wanted { count: claim.want, by: here::task(), at: claim.at };
                claim.place = Some(line.push_wanting(waker, wanted));
                self.state.set(State::Contended);
                self.holder.publish(self.free.get());
                None
            }
        };
        drop(line);
        drop(old);
    }

    /// An operation is dropped (rule 3).
    #[inline]
    pub(super) fn abandon(&self, claim: &mut Claim) {
        if claim.waits() {
            self.leave(claim);
        }
    }

    #[cold]
    fn leave(&self, claim: &mut Claim) {
        let Some(place) = claim.place.take() else { return };
        let left = self.line.borrow_mut().remove(place);
        match left {
            Left::Waiting(waker) => {
                self.hand_over();
                drop(waker);
            }
            Left::PassOn => {
                self.holder.was_given_back();
                self.release(claim.want);
            }
            Left::Nothing => {}
        }
    }

    /// Gives permits back, or new ones. There are never more than `usize::MAX`: what would be above is dropped.
    #[inline]
    pub(super) fn release(&self, count: usize) {
        self.free.set(self.free.get().saturating_add(count));
        if self.state.get() == State::Contended {
            self.hand_over();
        }
    }

    /// Rule 2.
    #[cold]
    fn hand_over(&self) {
        while self.state.get() == State::Contended {
            let Some(served) = self.serve_first() else { return };
            wake(served);
        }
    }

    /// Gives the first in the line what he wants, if it is there.
    fn serve_first(&self) -> Option<Waker> {
        let mut line = self.line.borrow_mut();
        let left = line.first_wants().map(|want| (self.free.get().checked_sub(want.count), want.by, want.at));
        let served = match left {
            Some((None, ..)) => {
                self.holder.publish(self.free.get());
                return None;
            }
            Some((Some(left), by, at)) => {
                self.free.set(left);
                self.holder.handed_to(by, at, left);
                line.notify_one()
            }
            None => None,
        };
        if line.is_empty() {
            self.state.set(State::Open);
        }
        served
    }

    /// Refuses everybody from now on, also those who wait. What was given stays given.
    pub(super) fn close(&self) {
        self.state.set(State::Closed);
        loop {
            let refused = self.line.borrow_mut().notify_with_all();
            let Some(waker) = refused else { return };
            wake(waker);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.get() == State::Closed
    }

    /// How many nobody has.
    pub(super) fn free(&self) -> usize {
        self.free.get()
    }

    /// How many operations stand in the line, those that were served there and have not gone on yet among them.
    pub(super) fn waiting(&self) -> usize {
        self.line.borrow().len()
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Permits");
        fields
            .field("free", &self.free.get())
            .field("state", &self.state.get())
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// Permits that somebody has, until it is dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    permits: &'a Permits,
    count: usize,
}

impl<'a> Held<'a> {
    /// They were taken before.
    #[inline]
    pub(super) fn new(permits: &'a Permits, count: usize) -> Held<'a> {
        Held { permits, count }
    }

    /// Gives back all but so many.
    pub(super) fn keep(&mut self, count: usize) {
        let rest = self.count.saturating_sub(count);
        self.count -= rest;
        self.permits.release(rest);
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.permits.release(self.count);
    }
}
