//! What comes of running a coroutine: a step, or why there was none.

use std::fmt;

/// How far a generator came.
///
/// ```
/// use coracle::coroutine::{Generator, Step};
/// let greeting = Generator::new(async |co| { co.yield_("hello").await; 5 });
/// assert_eq!(greeting.start(), Ok(Step::Yielded("hello")));
/// assert_eq!(greeting.resume(()), Ok(Step::Returned(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<Y, T> {
    /// It yielded this, and waits there for an answer.
    Yielded(Y),
    /// It returned this, and is finished.
    Returned(T),
}

impl<Y, T> Step<Y, T> {
    /// What was yielded, if this is a yield.
    ///
    /// ```
    /// # use coracle::coroutine::Step;
    /// assert_eq!(Step::<u8, ()>::Yielded(1).yielded(), Some(1));
    /// ```
    pub fn yielded(self) -> Option<Y> {
        match self {
            Step::Yielded(value) => Some(value),
            Step::Returned(_) => None,
        }
    }

    /// What was returned, if this is the end.
    ///
    /// ```
    /// # use coracle::coroutine::Step;
    /// assert_eq!(Step::<(), u8>::Returned(1).returned(), Some(1));
    /// ```
    pub fn returned(self) -> Option<T> {
        match self {
            Step::Yielded(_) => None,
            Step::Returned(value) => Some(value),
        }
    }
}

/// Why a generator could not be started. Nothing has been lost, and nothing has run but for `Awaiting`.
///
/// ```
/// use coracle::coroutine::{Generator, StartError};
/// let one = Generator::new(async |co| co.yield_(1).await);
/// one.start().unwrap();
/// assert_eq!(one.start(), Err(StartError::Suspended));
/// # let _: Result<_, coracle::coroutine::ResumeError<()>> = one.resume(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// It has been started: it waits at a yield for an answer.
    Suspended,
    /// Its body is what runs now, and starts itself.
    Running,
    /// It has returned, panicked, or been closed.
    Finished,
    /// It ran, and awaits something that is not a yield. See [`ResumeError::Awaiting`].
    Awaiting,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StartError::Suspended => "the generator waits for an answer: resume it with one",
            StartError::Running => "the generator is running: its own body resumes it",
            StartError::Finished => "the generator is finished",
            StartError::Awaiting => "the generator awaits something that is not a yield: drive it from async code",
        })
    }
}

impl std::error::Error for StartError {}

/// Why a generator could not be resumed. The answer is here, but for `Awaiting`.
///
/// ```
/// use coracle::coroutine::{Generator, ResumeError};
/// let echo = Generator::new(async |co| { let _: &str = co.yield_(()).await; });
/// assert_eq!(echo.resume("too early"), Err(ResumeError::NotStarted("too early")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ResumeError<R> {
    /// It stands at its beginning, where nothing waits for an answer.
    NotStarted(R),
    /// An earlier step stopped at an await that is not a yield, and is not over: nothing waits for an answer.
    Interrupted(R),
    /// Its body is what runs now, and resumes itself.
    Running(R),
    /// It has returned, panicked, or been closed.
    Finished(R),
    /// It took the answer, and then came to an await that is not a yield, be it only for a moment. It stays there:
    /// [`Generator::start_async`](crate::coroutine::Generator::start_async) goes on with the step.
    Awaiting,
}

impl<R> fmt::Display for ResumeError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResumeError::NotStarted(_) => "the generator has not been started: nothing waits for an answer",
            ResumeError::Interrupted(_) => "the generator is in the middle of a step: nothing waits for an answer",
            ResumeError::Running(_) => "the generator is running: its own body resumes it",
            ResumeError::Finished(_) => "the generator is finished",
            ResumeError::Awaiting => "the generator awaits something that is not a yield: drive it from async code",
        })
    }
}

impl<R> std::error::Error for ResumeError<R> {}

impl<R> ResumeError<R> {
    /// The answer that was not given.
    ///
    /// ```
    /// # use coracle::coroutine::ResumeError;
    /// assert_eq!(ResumeError::Finished(1).into_answer(), Some(1));
    /// ```
    pub fn into_answer(self) -> Option<R> {
        match self {
            ResumeError::NotStarted(answer)
            | ResumeError::Interrupted(answer)
            | ResumeError::Running(answer)
            | ResumeError::Finished(answer) => Some(answer),
            ResumeError::Awaiting => None,
        }
    }
}

impl<R> fmt::Debug for ResumeError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResumeError::NotStarted(_) => "NotStarted(..)",
            ResumeError::Interrupted(_) => "Interrupted(..)",
            ResumeError::Running(_) => "Running(..)",
            ResumeError::Finished(_) => "Finished(..)",
            ResumeError::Awaiting => "Awaiting",
        })
    }
}

/// A generator cannot be closed from inside of its own body: return instead.
///
/// ```
/// # use coracle::coroutine::CloseError;
/// assert_eq!(CloseError.to_string(), "the generator is running: its own body closes it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseError;

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the generator is running: its own body closes it")
    }
}

impl std::error::Error for CloseError {}
