//! Generators from async code: a body that awaits more than its yields simply waits, with its caller.
//!
//! These take the generator by `&mut`: between the polls of one step nobody else can run it. What a dropped step leaves
//! behind is a body that stands at its await; [`Generator::start_async`] and [`Generator::next_async`] go on from there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::generator::Generator;
use super::step::{ResumeError, StartError, Step};
use crate::task::here;

impl<'a, Y, R, T> Generator<'a, Y, R, T> {
    /// Like [`start`](Generator::start), and waits where the body waits. Also goes on with a step that was dropped in
    /// the middle.
    ///
    /// **Cancel safety**: cancel-safe; the body stays where it waits, and another `start_async` goes on.
    ///
    /// # Errors
    /// As `start`, but never [`StartError::Awaiting`].
    ///
    /// ```
    /// use coracle::{coroutine::Generator, coroutine::Step, task::yield_now};
    /// coracle::block_on(async {
    ///     let mut slow = Generator::new(async |co| { yield_now().await; co.yield_(1).await });
    ///     assert_eq!(slow.start_async().await, Ok(Step::Yielded(1)));
    ///     assert_eq!(slow.resume_async("end").await, Ok(Step::Returned("end")));
    /// });
    /// ```
    pub fn start_async(&mut self) -> Starting<'_, 'a, Y, R, T> {
        Starting { generator: self }
    }

    /// Like [`resume`](Generator::resume), and waits where the body waits.
    ///
    /// **Cancel safety**: cancel-safe. Dropped before its first poll, it drops the answer
    /// ([`Resuming::into_answer`] saves it). Later the body has it, and stays where it waits:
    /// [`start_async`](Generator::start_async) goes on with the step.
    ///
    /// # Errors
    /// As `resume`, but never [`ResumeError::Awaiting`].
    ///
    /// ```
    /// use coracle::{coroutine::Generator, coroutine::Step, task::yield_now};
    /// coracle::block_on(async {
    ///     let mut echo = Generator::new(async |co| { let word = co.yield_("?").await; yield_now().await; word });
    ///     echo.start_async().await.unwrap();
    ///     assert_eq!(echo.resume_async("!").await, Ok(Step::Returned("!")));
    /// });
    /// ```
    pub fn resume_async(&mut self, answer: R) -> Resuming<'_, 'a, Y, R, T> {
        Resuming { generator: self, answer: Some(answer) }
    }
}

impl<'a, Y, T> Generator<'a, Y, (), T> {
    /// The next item, as of a stream: like the iterator's `next`, and waits where the body waits. `None`: it has ended.
    ///
    /// **Cancel safety**: cancel-safe; the body stays where it waits, and the next `next_async` goes on.
    ///
    /// ```
    /// use coracle::{coroutine::Generator, task::yield_now};
    /// coracle::block_on(async {
    ///     let mut ticks = Generator::new(async |co| for n in 0..3 { yield_now().await; co.yield_(n).await });
    ///     let mut sum = 0;
    ///     while let Some(n) = ticks.next_async().await {
    ///         sum += n;
    ///     }
    ///     assert_eq!(sum, 3);
    /// });
    /// ```
    pub fn next_async(&mut self) -> NextItem<'_, 'a, Y, T> {
        NextItem { generator: self }
    }

    /// The same as a function to poll, for adapters to other crates' stream traits.
    ///
    /// ```
    /// use coracle::coroutine::Generator;
    /// coracle::block_on(async {
    ///     let mut one = Generator::new(async |co| co.yield_(1).await);
    ///     assert_eq!(std::future::poll_fn(|cx| one.poll_next(cx)).await, Some(1));
    /// });
    /// ```
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Y>> {
        if !here::may_go_on(cx) {
            return Poll::Pending;
        }
        let item = ready!(self.poll_item(cx));
        here::spend();
        Poll::Ready(item)
    }
}

/// See [`Generator::start_async`].
#[must_use = "a future does nothing unless awaited"]
pub struct Starting<'g, 'a, Y, R, T> {
    generator: &'g mut Generator<'a, Y, R, T>,
}

impl<Y, R, T> Future for Starting<'_, '_, Y, R, T> {
    type Output = Result<Step<Y, T>, StartError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.generator.poll_start(cx)
    }
}

impl<Y, R, T> fmt::Debug for Starting<'_, '_, Y, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starting").field("generator", self.generator).finish()
    }
}

/// See [`Generator::resume_async`].
#[must_use = "a future does nothing unless awaited"]
pub struct Resuming<'g, 'a, Y, R, T> {
    generator: &'g mut Generator<'a, Y, R, T>,
    /// Until the body has it.
    answer: Option<R>,
}

impl<Y, R, T> Unpin for Resuming<'_, '_, Y, R, T> {}

impl<Y, R, T> Resuming<'_, '_, Y, R, T> {
    /// Gives up resuming. The answer, if the body does not have it.
    ///
    /// ```
    /// # use coracle::coroutine::Generator;
    /// let mut echo = Generator::new(async |co| co.yield_(()).await);
    /// assert_eq!(echo.resume_async(7).into_answer(), Some(7));
    /// ```
    pub fn into_answer(self) -> Option<R> {
        self.answer
    }
}

impl<Y, R, T> Future for Resuming<'_, '_, Y, R, T> {
    type Output = Result<Step<Y, T>, ResumeError<R>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !here::may_go_on(cx) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let result = ready!(this.generator.poll_resume(cx, &mut this.answer));
        here::spend();
        Poll::Ready(result)
    }
}

impl<Y, R, T> fmt::Debug for Resuming<'_, '_, Y, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.answer.is_none();
        f.debug_struct("Resuming").field("generator", self.generator).field("given", &given).finish()
    }
}

/// See [`Generator::next_async`].
#[must_use = "a future does nothing unless awaited"]
pub struct NextItem<'g, 'a, Y, T> {
    generator: &'g mut Generator<'a, Y, (), T>,
}

impl<Y, T> Future for NextItem<'_, '_, Y, T> {
    type Output = Option<Y>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Y>> {
        self.generator.poll_next(cx)
    }
}

impl<Y, T> fmt::Debug for NextItem<'_, '_, Y, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextItem").field("generator", self.generator).finish()
    }
}
