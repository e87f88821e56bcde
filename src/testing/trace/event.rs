//! One line of a trace, as a value: what happened, and its text when somebody asks.

use std::fmt;
use std::io;
use std::panic::Location;
use std::time::Duration;

use crate::observer::{Ending, TaskId, WaitReason};
use crate::sys::{Call, Readiness};

type At = &'static Location<'static>;

/// Descriptors are stable numbers already, also in a [`WaitReason`]; 0 is one that nobody knows.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    Spawned(TaskId, At),
    Named(TaskId, Box<str>),
    Queued(TaskId),
    Polled(TaskId),
    Waits(TaskId, Option<(WaitReason, At)>),
    Ended(TaskId, Ending),
    Added(usize),
    Ready(usize, u8),
    Drained(usize, u8),
    Removed(usize),
    Stale,
    /// The deadline, if the clock is virtual.
    TimerSet(usize, Option<Duration>),
    TimerFired(usize),
    TimerCancelled(usize),
    Called(Call, Option<usize>, Option<Failure>),
    Note(Box<str>),
}

/// What can be kept of an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Failure {
    kind: io::ErrorKind,
    number: Option<i32>,
}

impl Failure {
    pub(super) fn of(error: &io::Error) -> Failure {
        Failure { kind: error.kind(), number: error.raw_os_error() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        self.number.map_or(Ok(()), |number| write!(f, " (os error {number})"))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Spawned(task, at) => write!(f, "{task} spawned at {at}"),
            Event::Named(task, name) => write!(f, "{task} is named {name:?}"),
            Event::Queued(task) => write!(f, "{task} queued"),
            Event::Polled(task) => write!(f, "{task} polled"),
            Event::Waits(task, Some((reason, at))) => write!(f, "{task} waits for {reason} at {at}"),
            Event::Waits(task, None) => write!(f, "{task} waits, and does not say for what"),
            Event::Ended(task, Ending::Finished) => write!(f, "{task} finished"),
            Event::Ended(task, Ending::Cancelled) => write!(f, "{task} cancelled"),
            Event::Ended(task, Ending::Panicked) => write!(f, "{task} panicked"),
            Event::Added(descriptor) => write!(f, "descriptor {descriptor} registered"),
            Event::Ready(descriptor, bits) => write!(f, "descriptor {descriptor} ready: {}", Bits(*bits)),
            Event::Drained(descriptor, bits) => write!(f, "descriptor {descriptor} tried; left: {}", Bits(*bits)),
            Event::Removed(descriptor) => write!(f, "descriptor {descriptor} taken out"),
            Event::Stale => f.write_str("an event for a descriptor that is gone"),
            Event::TimerSet(timer, Some(deadline)) => write!(f, "timer {timer} set for {deadline:?}"),
            Event::TimerSet(timer, None) => write!(f, "timer {timer} set"),
            Event::TimerFired(timer) => write!(f, "timer {timer} fired"),
            Event::TimerCancelled(timer) => write!(f, "timer {timer} taken back"),
            Event::Called(call, descriptor, failure) => {
                write!(f, "call {call:?}")?;
                descriptor.map_or(Ok(()), |descriptor| write!(f, " on descriptor {descriptor}"))?;
                failure.map_or(Ok(()), |failure| write!(f, ": {failure}"))
            }
            Event::Note(text) => f.write_str(text),
        }
    }
}

/// The names of [`Readiness`].
struct Bits(u8);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Readiness::READ, "read"),
            (Readiness::WRITE, "write"),
            (Readiness::READ_ENDED, "end"),
            (Readiness::FAILED, "failed"),
            (Readiness::URGENT, "urgent"),
        ];
        let set = names.iter().filter(|(bit, _)| self.0 & bit.bits() != 0);
        let names: Vec<&str> = set.map(|(_, name)| *name).collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}
