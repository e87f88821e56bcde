//! Who could end a wait: the task that is joined, the one that has the lock. And whether that goes round in a circle.

use std::fmt;
use std::panic::Location;

use super::{TaskId, Wait, WaitReason};
use crate::task::holders;

/// Who has a lock that somebody waits for.
///
/// ```
/// use coracle::{sync::Mutex, testing};
/// let runtime = coracle::Runtime::new();
/// let mutex = Mutex::new(());
/// let stall = runtime.try_block_on(async { (mutex.lock().await, mutex.lock().await).0.deref_nothing() }).unwrap_err();
/// # trait Nothing { fn deref_nothing(&self) {} }
/// # impl<T> Nothing for T {}
/// let holder = stall.tasks()[0].waits[0].holder.unwrap();
/// assert_eq!(holder.task, Some(stall.tasks()[0].task));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LockHolder {
    /// The task whose poll took it; `None`: it was taken outside of a task.
    pub task: Option<TaskId>,
    /// The line that locked.
    pub at: &'static Location<'static>,
    /// It was handed to a future that stood in the line, and that has not been polled since: what is called a
    /// *futurelock*, if that is never polled again.
    pub was_handed: bool,
    /// How many readers have it; 1 for any other lock. The task is the one that came last.
    pub count: usize,
    is_shared: bool,
}

impl LockHolder {
    /// Who has what is waited for, if that is a lock of this thread.
    pub(crate) fn of(wait: &Wait) -> Option<LockHolder> {
        let WaitReason::Lock(_, lock) = wait.reason else { return None };
        let holders::Holder { task, at, was_handed, count, is_shared } = holders::holder(lock)?;
        Some(LockHolder { task, at, was_handed, count, is_shared })
    }

    /// Said after the wait, of the one that `waits`.
    pub(crate) fn describe(&self, waits: TaskId, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LockHolder { at, count, .. } = self;
        let Some(task) = self.task else { return write!(f, ", which was locked outside of a task at {at}") };
        if self.is_shared && *count == 1 {
            return write!(f, ", which one reader has; the last that came was {task}, at {at}");
        }
        match (*count, self.was_handed) {
            (0 | 1, true) => write!(f, ", which was handed to a future of {task} that is not polled, begun at {at}"),
            (0 | 1, false) if task == waits => write!(f, ", which it has itself since {at}"),
            (0 | 1, false) => write!(f, ", which {task} has since {at}"),
            (_, true) => write!(f, ", which {count} have; the last, a future of {task} that is not polled, from {at}"),
            (_, false) => write!(f, ", which {count} have; the last, {task}, since {at}"),
        }
    }
}

/// The task that must do something before this wait ends, if there is one.
pub(crate) fn leads_to(wait: &Wait) -> Option<TaskId> {
    match wait.reason {
        WaitReason::Join(task) => Some(task),
        _ => LockHolder::of(wait).filter(|holder| !holder.is_shared)?.task,
    }
}

/// The circles in which tasks wait for each other: each once, beginning with its smallest number. Of each task, in the
/// order of their numbers: whom it waits for.
pub(crate) fn cycles(edges: &[(TaskId, Vec<TaskId>)]) -> Vec<Vec<TaskId>> {
    let place = |task: TaskId| edges.binary_search_by_key(&task, |(task, _)| *task).ok();
    let mut found: Vec<Vec<TaskId>> = Vec::new();
    let mut done = vec![false; edges.len()];
    for start in 0..edges.len() {
        // Depth first, without recursion: the path, and how many edges of each on it were followed.
        let mut path = vec![(start, 0)];
        while let Some((task, followed)) = path.last_mut() {
            let Some(next) = edges[*task].1.get(*followed) else {
                done[*task] = true;
                path.pop();
                continue;
            };
            *followed += 1;
            // Who waits for nobody is in no circle.
            let Some(next) = place(*next) else { continue };
            if let Some(at) = path.iter().position(|(on_path, _)| *on_path == next) {
                let mut cycle: Vec<TaskId> = path[at..].iter().map(|(task, _)| edges[*task].0).collect();
                let smallest = (0..cycle.len()).min_by_key(|at| cycle[*at]).unwrap_or(0);
                cycle.rotate_left(smallest);
                if let Err(place) = found.binary_search(&cycle) {
                    found.insert(place, cycle);
                }
            } else if !done[next] {
                path.push((next, 0));
            }
        }
    }
    found
}

/// A circle in words.
pub(crate) fn describe_cycle(cycle: &[TaskId], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [first, rest @ ..] = cycle else { return Ok(()) };
    if rest.is_empty() {
        return write!(f, "cycle: {first} waits for itself");
    }
    write!(f, "cycle: {first} waits for ")?;
    for task in rest {
        write!(f, "{task}, which waits for ")?;
    }
    write!(f, "{first}")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn of(edges: &[(u64, &[u64])]) -> Vec<Vec<u64>> {
        let edges = edges.iter().map(|(from, to)| (TaskId(*from), to.iter().copied().map(TaskId).collect()));
        let found = cycles(&edges.collect::<Vec<_>>());
        found.into_iter().map(|cycle| cycle.into_iter().map(TaskId::number).collect()).collect()
    }

    #[test]
    fn each_circle_is_found_once_from_its_smallest() {
        assert_eq!(of(&[(1, &[1])]), [[1]]);
        assert_eq!(of(&[(1, &[3]), (2, &[1]), (3, &[2]), (4, &[2])]), [[1, 3, 2]]);
        assert_eq!(of(&[(1, &[2]), (2, &[3]), (3, &[])]), Vec::<Vec<u64>>::new());
        assert_eq!(of(&[(1, &[2, 3]), (2, &[1]), (3, &[1])]), [[1, 2], [1, 3]]);
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let chain: Vec<(u64, Vec<u64>)> = (1..=20_000).map(|n| (n, vec![n + 1])).collect();
        let edges = chain.iter().map(|(from, to)| (TaskId(*from), to.iter().copied().map(TaskId).collect()));
        assert!(cycles(&edges.collect::<Vec<_>>()).is_empty());
    }
}
