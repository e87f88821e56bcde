//! The verdicts on a loop that does not come to its end: *stalled*, which is certain, and *hung*, which is a limit.
//!
//! A loop is stalled if no task is ready, no timer is set, and each task can be woken by nothing but what tasks of this
//! runtime do. That is known from the wakers that exist (`task::kept`): of each, what it is kept for. What counts as
//! *outside*, so that it is waited on:
//!
//! - a waker that is kept by code that is not ours, or of which nothing is known; an abort handle;
//! - what other threads bring about: `sync::remote`, jobs, a [`Spawner`](crate::Spawner) that lives;
//! - a descriptor, unless the world is still: no registered one can become ready any more if no task does anything;
//! - a timer.
//!
//! A thread that has a `JoinHandle` or a socket of this runtime, and will abort the one or drop the other, leaves no
//! trace here: that is the way to be judged wrongly. Nothing of this runs unless verdicts are asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::table::Stall;
use super::turn::{Budget, Loop, Turn};
use crate::executor::Evidence;
use crate::observer::{Wait, WaitReason};
use crate::sys::World;
use crate::task::kept::Book;

/// What [`Runtime::block_on`](crate::Runtime::block_on) does when nothing can happen any more.
///
/// ```
/// use coracle::{OnStall, Runtime};
/// let runtime = Runtime::builder().on_stall(OnStall::Panic).build();
/// let forever = || runtime.block_on(std::future::pending::<()>());
/// assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(forever)).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnStall {
    /// It waits for ever, at no cost. The default.
    #[default]
    Wait,
    /// It panics with the table of all tasks: see [`Stall`]. To know when, each waker that is kept costs an allocation.
    Panic,
}

/// What a runtime does that is to come to verdicts. [`JUDGE`] is the only one; it is reached by way of the methods that
/// ask for verdicts alone, so that a program that does not is not linked with a fifth of a megabyte that it never runs.
pub(super) struct Judge {
    pub(super) begin: fn(&Loop),
    pub(super) run: fn(&Loop) -> Result<(), Stall>,
    pub(super) table: fn(&Stall) -> String,
}

pub(super) static JUDGE: Judge =
    Judge { begin: Loop::keep_book, run: Loop::run_until_judged, table: ToString::to_string };

/// How many turns in a row must have found nothing to do. A world that holds back events for a while lets go of them in
/// one of the next; a wake that was on its way from another thread has arrived.
const QUIET_TURNS: usize = 3;

impl Loop {
    /// Turns until the main future is gone, or there is a verdict.
    fn run_until_judged(&self) -> Result<(), Stall> {
        self.keep_book();
        let limit = self.hang_after.map(|limit| (limit, Watch::begin(self, limit)));
        let mut quiet = 0;
        while !self.has_returned() {
            if let Some((limit, _)) = limit.as_ref().filter(|(_, watch)| watch.is_over()) {
                return Err(Stall::of(self, Some(*limit)));
            }
            let budget = if quiet <= QUIET_TURNS { Budget::no_wait() } else { Budget::until_ready() };
            let turn = match self.turn(budget) {
                Ok(turn) => turn,
                Err(error) => {
                    self.bear(&error);
                    continue;
                }
            };
            quiet = match quiet {
                _ if turn != Turn::default() => 0,
                0 if !self.is_stalled() => QUIET_TURNS + 1, // the next may sleep
                QUIET_TURNS if self.is_stalled() && !self.has_returned() => return Err(Stall::of(self, None)),
                turns if turns <= QUIET_TURNS => turns + 1,
                _ => 0,
            };
        }
        Ok(())
    }

    /// Notes from now on which wakers are kept.
    fn keep_book(&self) {
        self.executor.keep_book(|| Book::new(self.world().clone()));
    }

    /// Whether only this runtime's tasks could wake its tasks, none of which is ready.
    fn is_stalled(&self) -> bool {
        // Asked first: whoever is gone has sent all that he had.
        let home = self.executor.home().home();
        if home.spawners().load(Ordering::Acquire) > 0 || !self.timers.is_empty() || !self.executor.is_idle() {
            return false;
        }
        // Somebody waits until nothing happens any more, and will be told.
        if self.world().clock().is_some_and(|clock| clock.is_rest_awaited()) {
            return false;
        }
        let is_still = self.world().is_still();
        self.executor.all_evidence(|evidence| is_left_to_us(evidence, is_still))
    }
}

fn is_left_to_us(evidence: &Evidence, is_still: bool) -> bool {
    let is_ours = |wait: Option<Wait>| match wait.map(|wait| wait.reason) {
        Some(WaitReason::Join(_) | WaitReason::Sync(_) | WaitReason::Lock(..)) => true,
        Some(WaitReason::Readable(_) | WaitReason::Writable(_)) => is_still,
        // A timer is set, or its task has been woken; and who yields is ready. Should it be otherwise: not certain.
        Some(WaitReason::Outside(_) | WaitReason::Timer | WaitReason::Yield) | None => false,
    };
    !evidence.more && evidence.kept.iter().all(|kept| is_ours(kept.said))
}

/// How much longer than the limit a poll may last before a line on standard error says so: it cannot be interrupted.
const GRACE: Duration = Duration::from_secs(1);

/// A thread that ends the loop's sleep when a time has passed; until it is dropped.
struct Watch {
    is_over: Arc<AtomicBool>,
    done: Arc<Done>,
}

/// Whether a [`Watch`] was dropped.
#[derive(Default)]
struct Done {
    is: Mutex<bool>,
    changed: Condvar,
}

impl Done {
    /// Whether it is so before that time has passed.
    fn within(&self, limit: Duration) -> bool {
        let is = self.is.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(is, limit, |is| !*is);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.done.is.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.done.changed.notify_one();
    }
}

impl Watch {
    /// In real time, whatever the runtime's clock is. If there can be no thread, the limit is not kept.
    fn begin(event_loop: &Loop, limit: Duration) -> Watch {
        let done = Arc::<Done>::default();
        let is_done = done.clone();
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, home) = (is_over.clone(), event_loop.executor.home().home().clone());
        let polled = event_loop.executor.polled();
        let body = move || {
            if is_done.within(limit) {
                return;
            }
            over.store(true, Ordering::Release);
            home.notify();
            if !is_done.within(GRACE) {
                let who = polled().map_or_else(String::new, |(task, at)| format!(" {task}, spawned at {at},"));
                eprintln!(
                    "coracle: hung: after {limit:.0?} a poll of{who} has not returned, and cannot be interrupted"
                );
            }
        };
        let _ = World::kernel().thread("coracle-limit", Box::new(body));
        Watch { is_over, done }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}
