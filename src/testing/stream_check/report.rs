//! How one behaviour is run, and what came out: [`Checked`].

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::pair::{Check, Notes, Pair};
use super::{Behaviour, Checking};
use crate::time::timeout;

/// What came out of a [check](super::Checks::run) of a stream.
///
/// ```
/// use coracle::{io::duplex, testing::Checks};
/// let checked = coracle::block_on(Checks::new().run(async || Ok(duplex(4096))));
/// assert_eq!(checked.passed().len(), Checks::names().count());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "the stream may have failed"]
pub struct Checked {
    passed: Vec<&'static str>,
    broken: Vec<Broken>,
    left_out: Vec<(&'static str, &'static str)>,
}

/// A behaviour that a stream does not have.
///
/// ```
/// use coracle::{io::{empty, join, sink}, testing::Checks};
/// let checks = Checks::new().limit(std::time::Duration::from_millis(50));
/// let checked = coracle::block_on(checks.run(async || Ok((join(empty(), sink()), join(empty(), sink())))));
/// let first = &checked.broken()[0];
/// assert_eq!((first.behaviour, first.end), ("bytes arrive in order", "first"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Broken {
    /// Its name.
    pub behaviour: &'static str,
    /// The `first` or the `second` end of the pair: the one that wrote, closed, waited or was dropped.
    pub end: &'static str,
    /// What happened, or did not.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} end): {}", self.behaviour, self.end, self.why)
    }
}

impl Checked {
    pub(super) fn new(left_out: Vec<(&'static str, &'static str)>) -> Checked {
        Checked { left_out, ..Checked::default() }
    }

    pub(super) fn add(&mut self, name: &'static str, broken: Option<Broken>) {
        match broken {
            Some(broken) => self.broken.push(broken),
            None => self.passed.push(name),
        }
    }

    /// The behaviours that the stream has, by name.
    ///
    /// ```
    /// # use coracle::{io::duplex, testing::check_stream};
    /// let checked = coracle::block_on(check_stream(async || Ok(duplex(4096))));
    /// assert!(checked.passed().contains(&"half close"));
    /// ```
    pub fn passed(&self) -> &[&'static str] {
        &self.passed
    }

    /// Those that it does not have.
    ///
    /// ```
    /// # use coracle::{io::duplex, testing::check_stream};
    /// let checked = coracle::block_on(check_stream(async || Ok(duplex(4096))));
    /// assert!(checked.broken().is_empty());
    /// ```
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Those that were [left out](super::Checks::without), with the reasons.
    ///
    /// ```
    /// # use coracle::{io::duplex, testing::check_stream};
    /// let checked = coracle::block_on(check_stream(async || Ok(duplex(4096))));
    /// assert!(checked.left_out().is_empty());
    /// ```
    pub fn left_out(&self) -> &[(&'static str, &'static str)] {
        &self.left_out
    }

    /// Holds that the stream has all behaviours that were checked.
    ///
    /// # Panics
    /// If it does not, with the list.
    ///
    /// ```
    /// # use coracle::{io::duplex, testing::Checks};
    /// coracle::block_on(Checks::new().run(async || Ok(duplex(4096)))).assert();
    /// ```
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.broken.is_empty(), "{self}");
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, broken) = (self.passed.len(), self.broken.len());
        write!(f, "the stream has {passed} of {} behaviours of a stream", passed + broken)?;
        for broken in &self.broken {
            write!(f, "\n  it does not have: {broken}")?;
        }
        for (name, reason) in &self.left_out {
            write!(f, "\n  left out: {name}: {reason}")?;
        }
        Ok(())
    }
}

/// Runs one behaviour on one pair.
pub(super) async fn run(behaviour: &Behaviour, pair: Pair, limit: Duration) -> Check {
    let notes = pair.notes.clone();
    let mut guarded = Guarded { checking: (behaviour.check)(pair), notes: notes.clone() };
    if let Ok(result) = timeout(limit, &mut guarded).await {
        return result;
    }
    let (doing, before) = (notes.doing.get(), notes.done.get());
    let again = poll_fn(|cx| Poll::Ready(Pin::new(&mut guarded).poll(cx))).await;
    if again.is_ready() || notes.done.get() != before {
        return Err(format!("a wake-up was lost: {doing}, and it went on only when it was polled without one"));
    }
    Err(format!("not done within {limit:?}: {doing}"))
}

/// A check, in which panics and broken rules are failures.
struct Guarded {
    checking: Checking,
    notes: Rc<Notes>,
}

impl Future for Guarded {
    type Output = Check;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Check> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.checking.as_mut().poll(cx)));
        if let Some(rule) = self.notes.broken.take() {
            return Poll::Ready(Err(rule));
        }
        polled.unwrap_or_else(|payload| {
            let message = payload.downcast_ref::<&str>().copied().map(str::to_owned);
            let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
            let doing = self.notes.doing.get();
            Poll::Ready(Err(format!("it panicked while {doing}: {}", message.as_deref().unwrap_or("no message"))))
        })
    }
}
