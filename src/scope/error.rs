//! [`ScopeError`]: what a failed scope says. Panics are no part of it: they go on.

use std::io;

/// The errors of a [`try_scope`](super::try_scope): the first, and those that came after it, if they were
/// [collected](super::Scope::collect_errors).
///
/// For a caller that deals with one error, `map_err(ScopeError::into_first)`; `?` makes an [`io::Error`] of it where
/// that is what the children give.
///
/// ```
/// use coracle::scope::{ScopeError, try_scope};
/// let failed = coracle::block_on(try_scope(async |s| {
///     s.try_spawn(async { Err::<(), _>("out of paper") });
///     Ok(())
/// }));
/// let error: ScopeError<&str> = failed.unwrap_err();
/// assert_eq!(error.to_string(), "a child of a scope failed: out of paper");
/// assert_eq!(error.into_first(), "out of paper");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeError<E> {
    /// The first in time.
    pub first: E,
    /// Those that came after it, in order.
    pub others: Vec<E>,
}

impl<E> ScopeError<E> {
    pub(super) fn of(errors: Vec<E>) -> Option<ScopeError<E>> {
        let mut errors = errors.into_iter();
        let first = errors.next()?;
        Some(ScopeError { first, others: errors.collect() })
    }

    /// The first error alone.
    ///
    /// ```
    /// let error = coracle::scope::ScopeError { first: 1, others: vec![2] };
    /// assert_eq!(error.into_first(), 1);
    /// ```
    pub fn into_first(self) -> E {
        self.first
    }

    /// All errors, in order of time.
    ///
    /// ```
    /// let error = coracle::scope::ScopeError { first: 1, others: vec![2] };
    /// assert_eq!(error.into_all().collect::<Vec<_>>(), [1, 2]);
    /// ```
    pub fn into_all(self) -> impl Iterator<Item = E> {
        std::iter::once(self.first).chain(self.others)
    }
}

impl<E: std::fmt::Display> std::fmt::Display for ScopeError<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a child of a scope failed: {}", self.first)?;
        match self.others.len() {
            0 => Ok(()),
            others => write!(f, " (and {others} more)"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for ScopeError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.first)
    }
}

impl From<ScopeError<io::Error>> for io::Error {
    fn from(error: ScopeError<io::Error>) -> io::Error {
        error.first
    }
}
