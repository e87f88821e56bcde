//! What is inside a runtime, as plain data. It is looked at between turns, and costs nothing until then.

use std::os::fd::RawFd;
use std::time::Duration;

use super::turn::Loop;
use crate::executor::TaskView;
use crate::observer::TaskId;

/// The state of a runtime; made by [`Runtime::inspect`](crate::Runtime::inspect).
///
/// ```
/// let runtime = coracle::Runtime::new();
/// let _task = runtime.spawn(async {});
/// println!("{:#?}", runtime.inspect());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The run queue, the next first.
    pub queue: Vec<TaskId>,
    /// The live tasks, the oldest first.
    pub tasks: Vec<TaskView>,
    /// The timers that wait, the next first.
    pub timers: Vec<TimerView>,
    /// The registered descriptors, by token.
    pub sources: Vec<SourceView>,
    /// How many events came for sources that were gone.
    pub stale_events: u64,
}

/// A timer that waits.
///
/// ```
/// let runtime = coracle::Runtime::new();
/// assert!(runtime.inspect().timers.is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerView {
    /// Its number in the observer's events.
    pub timer: usize,
    /// When it is due, counted from the runtime's birth.
    pub deadline: Duration,
}

/// A registered descriptor.
///
/// ```
/// let runtime = coracle::Runtime::new();
/// assert!(runtime.inspect().sources.is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceView {
    /// Its token in the observer's events.
    pub source: u64,
    /// The descriptor.
    pub fd: RawFd,
    /// What it is ready for, as the bits of the observer's events: 1 read, 2 write, 4 read ended, 8 failed, 16 urgent.
    pub bits: u8,
    /// How many wait to read.
    pub reading: usize,
    /// How many wait to write.
    pub writing: usize,
}

/// The live tasks, the oldest first.
pub(super) fn tasks(event_loop: &Loop) -> Vec<TaskView> {
    let mut tasks = Vec::new();
    event_loop.executor.for_each(|task| tasks.push(task));
    tasks.sort_unstable_by_key(|task: &TaskView| task.id);
    tasks
}

pub(super) fn snapshot(event_loop: &Loop) -> Snapshot {
    let (mut timers, mut sources) = (Vec::new(), Vec::new());
    event_loop.timers.for_each(|timer, deadline| timers.push(TimerView { timer, deadline }));
    event_loop.reactor.for_each(|source, fd, ready, reading, writing| {
        sources.push(SourceView { source, fd, bits: ready.bits(), reading, writing });
    });
    timers.sort_by_key(|timer| (timer.deadline, timer.timer));
    sources.sort_by_key(|source| source.source);
    let (queue, stale_events) = (event_loop.executor.queue(), event_loop.reactor.stale_events());
    Snapshot { queue, tasks: tasks(event_loop), timers, sources, stale_events }
}
