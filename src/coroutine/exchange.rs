//! Where a coroutine and whoever resumes it meet: the exchange, and the body's side of it, [`Yielder`].
//!
//! One yield at a time is *out*: its value was offered, its answer has not come. If the body runs several at once
//! (in a `join`), the others wait for their turn, and one that comes anew stands behind those that wait: a body of two
//! endless producers yields from both. None is confused with another, since only the one that is out takes an answer.
//!
//! Usually a yield is polled with the very waker with which the body is polled, and then it needs none: the resumer polls
//! the body anyway. Under a combinator that has wakers of its own, and polls only what was woken, it leaves its waker here.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::generator::Generator;
use super::step::{StartError, Step};
use crate::sync::WaitQueue;
use crate::task::{keep, wake};
use crate::wait_list::WaitKey;

/// See the head of this file.
pub(super) struct Exchange<Y, R> {
    /// From the body to the resumer.
    yielded: Cell<Option<Y>>,
    /// From the resumer to the yield that is out.
    answer: Cell<Option<R>>,
    /// Whether a yield is out.
    out: Cell<bool>,
    /// Yields that wait until none is, and how many they are.
    turn: WaitQueue,
    waiting: Cell<usize>,
    /// Where the waker lies with which the body is being polled. Only compared: nothing else lies there meanwhile.
    resumer: Cell<*const Waker>,
    /// Of the yield that is out, if it was polled with another waker than that; and whether it is there.
    waker: Cell<Option<Waker>>,
    has_waker: Cell<bool>,
}

impl<Y, R> Exchange<Y, R> {
    pub(super) fn new() -> Exchange<Y, R> {
        Exchange {
            yielded: Cell::new(None),
            answer: Cell::new(None),
            out: Cell::new(false),
            turn: WaitQueue::new(),
            waiting: Cell::new(0),
            resumer: Cell::new(ptr::null()),
            waker: Cell::new(None),
            has_waker: Cell::new(false),
        }
    }

    // ---- the resumer's side --------------------------------------------------------------------------------------

    /// Hands in an answer for the yield that is out.
    #[inline]
    pub(super) fn answer(&self, answer: R) {
        self.answer.set(Some(answer));
        if self.has_waker.get() {
            self.wake_yield();
        }
    }

    /// The body is about to be polled with this waker.
    #[inline]
    pub(super) fn polls_with(&self, waker: &Waker) {
        self.resumer.set(waker);
    }

    /// What the body yielded in the last poll.
    #[inline]
    pub(super) fn take_yielded(&self) -> Option<Y> {
        self.yielded.take()
    }

    /// Whether none is out, and one waits whose turn it is: it was polled just before its turn came.
    #[inline]
    pub(super) fn next_is_due(&self) -> bool {
        !self.out.get() && self.waiting.get() > 0
    }

    // ---- the body's side -----------------------------------------------------------------------------------------

    #[inline]
    fn offer(&self, value: Y, cx: &Context<'_>) {
        self.out.set(true);
        self.yielded.set(Some(value));
        self.keep_waker(cx);
    }

    #[inline]
    fn keep_waker(&self, cx: &Context<'_>) {
        if !ptr::eq(cx.waker(), self.resumer.get()) {
            self.has_waker.set(true);
            self.waker.set(Some(keep(cx.waker())));
        }
    }

    fn take_waker(&self) -> Option<Waker> {
        self.has_waker.set(false);
        self.waker.take()
    }

    #[cold]
    fn wake_yield(&self) {
        if let Some(waker) = self.take_waker() {
            wake(waker);
        }
    }

    /// The yield that was out has its answer, or is dropped: the next may come.
    #[inline]
    fn come_in(&self) {
        self.out.set(false);
        if self.waiting.get() > 0 {
            self.turn.wake_one();
        }
    }

    /// The same for one that is dropped while it is out: a value that nobody saw was never yielded, and nobody else gets
    /// its answer.
    fn withdraw(&self) {
        let unseen = (self.yielded.take(), self.answer.take(), self.take_waker());
        self.come_in();
        drop(unseen);
    }
}

/// What the body of a [`Generator`] has in hand to yield with: `Y` goes out, `R` comes back.
///
/// It is lent to the body, so that it cannot be used by anybody else, nor after the end:
///
/// ```compile_fail
/// let mut kept = None;
/// let generator = coracle::coroutine::Generator::new(async |co| { kept = Some(co); co.yield_(1).await });
/// ```
///
/// Functions that yield for the body take it by reference:
///
/// ```
/// use coracle::coroutine::{Generator, Yielder};
/// async fn countdown(co: &Yielder<u32>, from: u32) {
///     for n in (1..=from).rev() {
///         co.yield_(n).await;
///     }
/// }
/// let numbers = Generator::new(async |co| { countdown(co, 2).await; countdown(co, 1).await });
/// assert_eq!(numbers.collect::<Vec<_>>(), [2, 1, 1]);
/// ```
pub struct Yielder<Y, R = ()> {
    exchange: Rc<Exchange<Y, R>>,
}

impl<Y, R> Yielder<Y, R> {
    pub(super) fn new(exchange: Rc<Exchange<Y, R>>) -> Yielder<Y, R> {
        Yielder { exchange }
    }

    /// One more, for a handle of another kind that is lent to the body in its place.
    pub(super) fn another(&self) -> Yielder<Y, R> {
        Yielder { exchange: self.exchange.clone() }
    }

    /// Hands `value` to the resumer, and stands still until it resumes with an answer. Allocates nothing.
    ///
    /// Several at once (in a `join`) go out one after the other, each with an answer of its own.
    ///
    /// **Cancel safety**: lossy. Dropped before the resumer has the value, the yield did not happen; dropped after, its
    /// answer is dropped too, and goes to no other yield.
    ///
    /// ```
    /// use coracle::coroutine::{Generator, Step};
    /// let adder = Generator::new(async |co| {
    ///     let mut sum = 0;
    ///     loop {
    ///         sum += co.yield_(sum).await;
    ///     }
    /// });
    /// let _: Step<u32, ()> = adder.start().unwrap();
    /// assert_eq!(adder.resume(5).unwrap(), Step::Yielded(5));
    /// assert_eq!(adder.resume(2).unwrap(), Step::Yielded(7));
    /// ```
    pub fn yield_(&self, value: Y) -> Yield<'_, Y, R> {
        Yield { exchange: &self.exchange, stage: Stage::New(value), place: None }
    }

    /// Runs `inner` to its end in the place of this body: what it yields goes to our resumer, whose answers go to it.
    /// What it returned.
    ///
    /// Each delegation in another one is one call deeper, as each `await` in another one is. A body that is merely a
    /// function of its own need not be a generator: call it with this handle.
    ///
    /// **Cancel safety**: lossy, as [`yield_`](Yielder::yield_); `inner` is closed.
    ///
    /// # Errors
    /// If `inner` stands at a yield already, for whose answer nobody asked us; or is finished.
    ///
    /// ```
    /// use coracle::coroutine::Generator;
    /// let digits = Generator::new(async |co| {
    ///     let few = Generator::new(async |co| { for n in 0..3 { co.yield_(n).await; } "few" });
    ///     assert_eq!(co.delegate(few).await, Ok("few"));
    ///     co.yield_(9).await;
    /// });
    /// assert_eq!(digits.collect::<Vec<_>>(), [0, 1, 2, 9]);
    /// ```
    pub async fn delegate<T>(&self, inner: Generator<'_, Y, R, T>) -> Result<T, StartError> {
        let mut step = poll_fn(|cx| inner.poll_start(cx)).await?;
        loop {
            match step {
                Step::Returned(value) => return Ok(value),
                Step::Yielded(value) => {
                    let mut answer = Some(self.yield_(value).await);
                    step = poll_fn(|cx| inner.poll_resume(cx, &mut answer)).await.expect("it waits at a yield");
                }
            }
        }
    }
}

impl<Y, R> fmt::Debug for Yielder<Y, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Yielder")
    }
}

/// See [`Yielder::yield_`].
#[must_use = "a future does nothing unless awaited"]
pub struct Yield<'a, Y, R> {
    exchange: &'a Exchange<Y, R>,
    stage: Stage<Y>,
    /// Among those that wait for their turn.
    place: Option<WaitKey>,
}

enum Stage<Y> {
    New(Y),
    Out,
    Done,
}

impl<Y, R> Unpin for Yield<'_, Y, R> {}

impl<Y, R> Yield<'_, Y, R> {
    /// Waits for its turn.
    #[cold]
    fn stand(&mut self, cx: &Context<'_>) {
        let (exchange, comes) = (self.exchange, usize::from(self.place.is_none()));
        exchange.turn.stand(&mut self.place, cx, || {
            // Just when it stands there: a waker's panic before or after this changes nothing.
            exchange.waiting.set(exchange.waiting.get() + comes);
            !exchange.out.get()
        });
    }

    /// Its turn has come, or it is dropped.
    #[cold]
    fn leave(&mut self, used: bool) {
        self.exchange.waiting.set(self.exchange.waiting.get() - 1);
        self.exchange.turn.leave(&mut self.place, used);
    }
}

impl<Y, R> Future for Yield<'_, Y, R> {
    type Output = R;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        let exchange = this.exchange;
        match std::mem::replace(&mut this.stage, Stage::Out) {
            Stage::Out => {
                let Some(answer) = exchange.answer.take() else {
                    exchange.keep_waker(cx);
                    return Poll::Pending;
                };
                this.stage = Stage::Done;
                exchange.come_in();
                Poll::Ready(answer)
            }
            Stage::New(value) => {
                if exchange.out.get() || (this.place.is_none() && exchange.waiting.get() > 0) {
                    this.stage = Stage::New(value);
                    this.stand(cx);
                    return Poll::Pending;
                }
                if this.place.is_some() {
                    this.leave(true);
                }
                exchange.offer(value, cx);
                Poll::Pending
            }
            Stage::Done => {
                this.stage = Stage::Done;
                panic!("a Yield was polled after it was done")
            }
        }
    }
}

impl<Y, R> Drop for Yield<'_, Y, R> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Out) {
            self.exchange.withdraw();
        }
        if self.place.is_some() {
            self.leave(false);
        }
    }
}

impl<Y, R> fmt::Debug for Yield<'_, Y, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yield").field("out", &matches!(self.stage, Stage::Out)).finish_non_exhaustive()
    }
}
