//! [`Generator`]: a body that can be left at any `yield_` and resumed there.
//!
//! This file has its life, driven without any executor; `waiting.rs` drives it from async code.
//!
//! ```text
//!    new            start                      resume                 the body returns or panics, close
//!   ─────▶ FRESH ──────────▶ RUNNING ◀───────────────────── SUSPENDED          from all
//!                             │ │ ▲                           ▲     └───────────────────▶ FINISHED
//!                             │ │ └── start ── INTERRUPTED    │
//!                             │ │                 ▲           │
//!                             │ └─────────────────┘           │
//!                             │  it awaits something else     │
//!                             └───────────────────────────────┘ it yields
//! ```

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::exchange::{Exchange, Yielder};
use super::step::{CloseError, ResumeError, StartError, Step};

/// A computation that yields values of type `Y` on its way, gets an answer of type `R` for each, and returns a `T`.
///
/// It runs when it is started and resumed, on the caller's stack, and only then. A resume with its yield is a call, and
/// allocates nothing; a generator is two allocations. Dropping it, like [`close`](Generator::close), drops what its body
/// holds. It may borrow (`'a`), and may be shared by reference or [`Rc`]: a body that resumes itself gets an error.
///
/// A generator that takes no answers (`R = ()`) is an [`Iterator`], and so is a reference to it.
///
/// ```
/// use coracle::coroutine::{Generator, Step};
/// let consumer = Generator::new(async |co| {
///     let mut answer = "";
///     loop {
///         let item: u32 = co.yield_(answer).await;
///         if item == 0 { break "done" }
///         answer = "200 OK";
///     }
/// });
/// assert_eq!(consumer.start(), Ok(Step::Yielded("")));
/// assert_eq!(consumer.resume(1), Ok(Step::Yielded("200 OK")));
/// assert_eq!(consumer.resume(0), Ok(Step::Returned("done")));
/// ```
#[must_use = "a generator does nothing unless started"]
pub struct Generator<'a, Y, R = (), T = ()> {
    phase: Cell<Phase>,
    /// Not here while it runs, and when it is finished.
    body: Cell<Option<Body<'a, T>>>,
    exchange: Rc<Exchange<Y, R>>,
    /// What it returned to an iteration.
    returned: Cell<Option<T>>,
}

type Body<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// See the picture at the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Fresh,
    Running,
    Suspended,
    Interrupted,
    Finished,
}

// Nothing is pinned through the generator: the body has its own box.
impl<Y, R, T> Unpin for Generator<'_, Y, R, T> {}

impl<'a, Y: 'a, R: 'a, T: 'a> Generator<'a, Y, R, T> {
    /// A generator with this body, an `async` closure or function that is lent a [`Yielder`]. Runs nothing of it.
    ///
    /// ```
    /// use coracle::coroutine::Generator;
    /// let text = String::from("borrowed");
    /// let letters = Generator::new(async |co| { for letter in text.chars() { co.yield_(letter).await } });
    /// assert_eq!(letters.collect::<String>(), "borrowed");
    /// ```
    pub fn new<F>(body: F) -> Generator<'a, Y, R, T>
    where
        F: AsyncFnOnce(&Yielder<Y, R>) -> T + 'a,
    {
        let exchange = Rc::new(Exchange::new());
        let yielder = Yielder::new(exchange.clone());
        let body: Body<'a, T> = Box::pin(async move { body(&yielder).await });
        Generator { phase: Cell::new(Phase::Fresh), body: Cell::new(Some(body)), exchange, returned: Cell::new(None) }
    }
}

impl<Y, R, T> Generator<'_, Y, R, T> {
    /// Runs the body to its first yield, or to its end. No answer is given, since no yield waits for one. (So it is also
    /// the way on for a step that stopped with [`ResumeError::Awaiting`], when what it awaits may be ready.)
    ///
    /// # Errors
    /// If it has been started, is running, or is finished; or awaits something that is not a yield.
    ///
    /// # Panics
    /// With the body's own panic; the generator is finished then.
    ///
    /// ```
    /// use coracle::coroutine::{Generator, StartError, Step};
    /// let once = Generator::new(async |co| { let () = co.yield_('a').await; });
    /// assert_eq!(once.start(), Ok(Step::Yielded('a')));
    /// assert_eq!(once.start(), Err(StartError::Suspended));
    /// ```
    pub fn start(&self) -> Result<Step<Y, T>, StartError> {
        match self.poll_start(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(StartError::Awaiting),
        }
    }

    /// Gives `answer` to the yield that waits, and runs the body to the next one, or to its end.
    ///
    /// # Errors
    /// If no yield waits for an answer: it has not been started, is in the middle of a step, is running, or is finished.
    /// The error has the answer. Or, when the body has the answer, if it then awaits something that is not a yield.
    ///
    /// # Panics
    /// With the body's own panic; the generator is finished then.
    ///
    /// ```
    /// use coracle::coroutine::{Generator, ResumeError, Step};
    /// let double = Generator::new(async |co| 2 * co.yield_(()).await);
    /// assert_eq!(double.resume(4), Err(ResumeError::NotStarted(4)));
    /// double.start().unwrap();
    /// assert_eq!(double.resume(4), Ok(Step::Returned(8)));
    /// assert_eq!(double.resume(4), Err(ResumeError::Finished(4)));
    /// ```
    #[inline]
    pub fn resume(&self, answer: R) -> Result<Step<Y, T>, ResumeError<R>> {
        match self.poll_resume(&mut Context::from_waker(Waker::noop()), &mut Some(answer)) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(ResumeError::Awaiting),
        }
    }

    /// Ends it where it stands: what the body holds is dropped now. No effect on one that is finished.
    ///
    /// # Errors
    /// If it is running: only its own body can ask for that.
    ///
    /// # Panics
    /// With the panic of a drop; it is closed all the same.
    ///
    /// ```
    /// use coracle::coroutine::{Generator, ResumeError};
    /// let endless = Generator::<u32>::new(async |co| loop { co.yield_(1).await });
    /// endless.start().unwrap();
    /// endless.close().unwrap();
    /// assert_eq!(endless.resume(()), Err(ResumeError::Finished(())));
    /// ```
    pub fn close(&self) -> Result<(), CloseError> {
        if self.phase.get() == Phase::Running {
            return Err(CloseError);
        }
        self.phase.set(Phase::Finished);
        drop(self.body.take());
        Ok(())
    }

    /// Whether it has returned, panicked, or been closed.
    ///
    /// ```
    /// # use coracle::coroutine::Generator;
    /// let empty = Generator::<()>::new(async |_| {});
    /// assert!(!empty.is_finished());
    /// empty.start().unwrap();
    /// assert!(empty.is_finished());
    /// ```
    pub fn is_finished(&self) -> bool {
        self.phase.get() == Phase::Finished
    }

    /// What the body returned, if that happened in an iteration, which has no other place for it. Once.
    ///
    /// ```
    /// # use coracle::coroutine::Generator;
    /// let counted = Generator::new(async |co| { co.yield_('x').await; "the end" });
    /// assert_eq!((&counted).count(), 1);
    /// assert_eq!((counted.take_returned(), counted.take_returned()), (Some("the end"), None));
    /// ```
    pub fn take_returned(&self) -> Option<T> {
        self.returned.take()
    }

    /// Starts, or goes on in the middle of a step. Pending: it awaits something, and is interrupted.
    pub(super) fn poll_start(&self, cx: &mut Context<'_>) -> Poll<Result<Step<Y, T>, StartError>> {
        Poll::Ready(Err(match self.phase.get() {
            Phase::Fresh | Phase::Interrupted => return self.step(cx, None).map(Ok),
            Phase::Suspended => StartError::Suspended,
            Phase::Running => StartError::Running,
            Phase::Finished => StartError::Finished,
        }))
    }

    /// Gives the answer, if it has not been taken; else goes on with the step that took it.
    #[inline]
    pub(super) fn poll_resume(
        &self,
        cx: &mut Context<'_>,
        answer: &mut Option<R>,
    ) -> Poll<Result<Step<Y, T>, ResumeError<R>>> {
        Poll::Ready(Err(match (self.phase.get(), answer.take()) {
            (Phase::Suspended, Some(answer)) => return self.step(cx, Some(answer)).map(Ok),
            (Phase::Interrupted, None) => return self.step(cx, None).map(Ok),
            (Phase::Fresh, Some(answer)) => ResumeError::NotStarted(answer),
            (Phase::Interrupted, Some(answer)) => ResumeError::Interrupted(answer),
            (Phase::Running, Some(answer)) => ResumeError::Running(answer),
            (Phase::Finished, Some(answer)) => ResumeError::Finished(answer),
            (_, None) => panic!("a Resuming was polled after it was done"),
        }))
    }

    /// Polls the body once.
    #[inline(always)]
    fn step(&self, cx: &mut Context<'_>, answer: Option<R>) -> Poll<Step<Y, T>> {
        // Taken out: whoever looks for it while it runs finds nothing. If it panics it is dropped here.
        let Some(mut body) = self.body.take() else { unreachable!("a generator that is not finished has a body") };
        let running = RunningMark::begin(&self.phase);
        if let Some(answer) = answer {
            self.exchange.answer(answer);
        }
        self.exchange.polls_with(cx.waker());
        let mut polled = body.as_mut().poll(cx);
        if polled.is_pending() && self.exchange.next_is_due() {
            polled = body.as_mut().poll(cx);
        }
        match polled {
            Poll::Pending => {
                self.body.set(Some(body));
                match self.exchange.take_yielded() {
                    Some(value) => {
                        running.end(Phase::Suspended);
                        Poll::Ready(Step::Yielded(value))
                    }
                    None => {
                        running.end(Phase::Interrupted);
                        Poll::Pending
                    }
                }
            }
            Poll::Ready(value) => {
                running.end(Phase::Finished);
                drop(body);
                Poll::Ready(Step::Returned(value))
            }
        }
    }

    /// Keeps what a body returned in an iteration.
    pub(super) fn item(&self, step: Step<Y, T>) -> Option<Y> {
        match step {
            Step::Yielded(value) => Some(value),
            Step::Returned(value) => {
                self.returned.set(Some(value));
                None
            }
        }
    }
}

/// The generator runs as long as this lives. If nobody says what comes after, it has panicked.
struct RunningMark<'a> {
    phase: &'a Cell<Phase>,
    after: Phase,
}

impl RunningMark<'_> {
    #[inline]
    fn begin(phase: &Cell<Phase>) -> RunningMark<'_> {
        phase.set(Phase::Running);
        RunningMark { phase, after: Phase::Finished }
    }

    #[inline]
    fn end(mut self, after: Phase) {
        self.after = after;
    }
}

impl Drop for RunningMark<'_> {
    #[inline]
    fn drop(&mut self) {
        self.phase.set(self.after);
    }
}

impl<Y, T> Generator<'_, Y, (), T> {
    /// The next item, to an iteration or to a `next_async`: starts, answers, or goes on with a step.
    pub(super) fn poll_item(&self, cx: &mut Context<'_>) -> Poll<Option<Y>> {
        let step = match self.phase.get() {
            Phase::Finished => return Poll::Ready(None),
            Phase::Running => panic!("a generator was iterated over by its own body"),
            Phase::Suspended => self.step(cx, Some(())),
            Phase::Fresh | Phase::Interrupted => self.step(cx, None),
        };
        step.map(|step| self.item(step))
    }
}

/// Yields what the body yields, until it returns; [`take_returned`](Generator::take_returned) has what it returned.
///
/// # Panics
/// If the body awaits something that is not a yield (use [`next_async`](Generator::next_async)), or iterates over itself;
/// and with the body's own panic.
impl<Y, T> Iterator for &Generator<'_, Y, (), T> {
    type Item = Y;

    #[inline]
    fn next(&mut self) -> Option<Y> {
        match self.poll_item(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(item) => item,
            Poll::Pending => panic!("a generator that awaits more than its yields was iterated over; use `next_async`"),
        }
    }
}

/// As for a reference to it.
impl<Y, T> Iterator for Generator<'_, Y, (), T> {
    type Item = Y;

    #[inline]
    fn next(&mut self) -> Option<Y> {
        (&*self).next()
    }
}

impl<Y, T> FusedIterator for &Generator<'_, Y, (), T> {}

impl<Y, T> FusedIterator for Generator<'_, Y, (), T> {}

impl<Y, R, T> fmt::Debug for Generator<'_, Y, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").field("phase", &self.phase.get()).finish_non_exhaustive()
    }
}
