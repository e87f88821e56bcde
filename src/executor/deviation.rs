//! The ways in which an executor may deviate from the ordinary one and still be right: which of the ready tasks runs
//! next, how soon a task yields, polls without a wake, wakers that are never the same. Chosen by
//! [`Choices`], for tests; without them none of this runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Wake, Waker};

use super::{Executor, Run};
use crate::choices::{Choices, Kinds};
use crate::task::{TaskRef, Woken, borrowed_waker, here};

/// About so many turns pass between polls of tasks that nobody woke.
const TURNS_BETWEEN_SPURIOUS_WAKES: u32 = 16;

/// About every so manieth poll yields early.
const POLLS_BETWEEN_YIELDS: u32 = 8;

/// About every so manieth poll gets a waker of its own.
const POLLS_BETWEEN_WAKERS: u32 = 4;

/// Where choices come from, and what is done with them.
pub(crate) struct Deviation {
    pub(super) choices: Choices,
    pub(super) run: Run,
    pub(super) take_in: fn(&Executor, Vec<TaskRef>),
}

impl Deviation {
    pub(crate) fn new(choices: Choices) -> Deviation {
        Deviation { choices, run: Executor::run_otherwise, take_in: Executor::take_in_by_number }
    }
}

impl Executor {
    /// What other threads sent at once comes in the order of its tasks, not in the order of those threads.
    #[cold]
    pub(super) fn take_in_by_number(&self, mut arrived: Vec<TaskRef>) {
        arrived.sort_by_key(|task| task.header().id());
        arrived.into_iter().for_each(|task| self.arrive(task));
    }

    /// [`run`](Executor::run), as the choices have it. Those that were ready at the beginning run in this turn, in
    /// whatever order, so the bound of fairness holds.
    #[cold]
    pub(super) fn run_as_chosen(&self, choices: &Choices, most: usize) -> usize {
        if choices.happens(Kinds::SPURIOUS, TURNS_BETWEEN_SPURIOUS_WAKES) {
            self.wake_somebody(choices);
        }
        let ready = self.home.local().run_queue.len().min(most);
        for polled in 0..ready {
            let before = choices.of_kind(Kinds::ORDER, ready - polled);
            let Some(task) = self.home.local().run_queue.take(before) else { return polled };
            self.run_as_chosen_once(choices, TaskRef(task));
        }
        ready
    }

    #[inline(never)]
    pub(super) fn run_task_apart(&self, task: TaskRef, waker: &Waker) {
        let run = AssertUnwindSafe(|| self.run_task(task, waker));
        if let Err(payload) = catch_unwind(run) {
            self.unwound(payload);
        }
        here::end_poll();
    }

    fn run_as_chosen_once(&self, choices: &Choices, task: TaskRef) {
        let own = borrowed_waker(&task);
        let other;
        let waker = if choices.happens(Kinds::WAKERS, POLLS_BETWEEN_WAKERS) {
            other = Waker::from(Arc::new(Other(Waker::clone(&own))));
            &other
        } else {
            &*own
        };
        if choices.happens(Kinds::YIELDS, POLLS_BETWEEN_YIELDS) {
            here::with_budget(choices.of_kind(Kinds::YIELDS, 3) as u32, || self.run_kept(task, waker));
        } else {
            self.run_kept(task, waker);
        }
    }

    fn wake_somebody(&self, choices: &Choices) {
        // Not each place is a task's; then nobody is woken.
        let task = self.live().get(choices.of_kind(Kinds::SPURIOUS, self.live().len()));
        let Some(task) = task else { return };
        if task.header().owner.wake() == Woken::Enqueue {
            self.home.local().enqueue(task.0);
        }
    }
}

/// A waker that wakes as another one does, and is not the same.
struct Other(Waker);

impl Wake for Other {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
    }
}
