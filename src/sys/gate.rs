//! [`Gate`]: a layer under which the jobs of a pool are done only while the loop has nothing else to do, all that there
//! are at once.
//!
//! A thread is as fast as it likes, so whether a job is over when its task asks for the first time differs from run to
//! run, and all that follows. Behind a gate it never is: a job begins when the runtime is about to sleep, or when
//! whoever turns it says so ([`Gate::run_jobs`]), and time goes on when all are over. So the loop sees the ends of jobs
//! between its turns, together, in the order of their tasks.
//!
//! What it is not for: a task that blocks its thread until a job is over. That job begins [late](LATEST).

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::layer::Layer;
use super::{Event, Poller, Token, World, WorldPoller};

/// When a job begins of which nobody has said that it may: the one that waits for it may hold up the loop. Arbitrary,
/// and longer than any turn that does not.
const LATEST: Duration = Duration::from_secs(5);

/// See the head of this file.
#[derive(Default)]
pub(crate) struct Gate {
    jobs: Mutex<Jobs>,
    /// It was opened; or no job is under way any more.
    changed: Condvar,
}

#[derive(Default)]
struct Jobs {
    under_way: usize,
    /// Those who wait for all jobs to be over.
    waiting: usize,
    /// Nobody will any more.
    left_open: bool,
}

impl Gate {
    pub(crate) fn new() -> Arc<Gate> {
        Arc::default()
    }

    /// Lets the jobs begin and waits, in real time, until none is under way. `false`: some still are, after so long that
    /// they may wait for what a task is to do.
    pub(crate) fn run_jobs(&self) -> bool {
        let mut jobs = self.jobs();
        if jobs.under_way == 0 {
            return true;
        }
        jobs.waiting += 1;
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(jobs, LATEST, |jobs| jobs.under_way > 0);
        let (mut jobs, late) = waited.unwrap_or_else(PoisonError::into_inner);
        jobs.waiting -= 1;
        !late.timed_out()
    }

    /// From now on each job begins as soon as a thread has it.
    pub(crate) fn leave_open(&self) {
        self.jobs().left_open = true;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let shut = |jobs: &mut Jobs| jobs.waiting == 0 && !jobs.left_open;
        drop(self.changed.wait_timeout_while(self.jobs(), LATEST, shut));
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// This world, its jobs behind a gate.
    pub(crate) fn gated(self, gate: &Arc<Gate>) -> World {
        World::of(Arc::new(Gated { below: self, gate: gate.clone() }))
    }
}

struct Gated {
    below: World,
    gate: Arc<Gate>,
}

impl Layer for Gated {
    fn below(&self) -> &World {
        &self.below
    }

    fn poller(&self) -> io::Result<Arc<dyn Poller>> {
        Ok(Arc::new(GatedPoller { below: self.below.poller()?, gate: self.gate.clone() }))
    }

    fn job_began(&self) {
        self.below.job_began();
        self.gate.jobs().under_way += 1;
    }

    fn job_begins(&self) {
        self.gate.pass();
        self.below.job_begins();
    }

    fn job_ended(&self) {
        self.below.job_ended();
        let mut jobs = self.gate.jobs();
        jobs.under_way -= 1;
        if jobs.under_way == 0 {
            self.gate.changed.notify_all();
        }
    }
}

struct GatedPoller {
    below: WorldPoller,
    gate: Arc<Gate>,
}

impl Poller for GatedPoller {
    fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.below.add(fd, token)
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.below.remove(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        if timeout != Some(Duration::ZERO) {
            self.gate.run_jobs();
        }
        self.below.wait(events, timeout)
    }

    fn notify(&self) -> io::Result<()> {
        self.below.notify()
    }

    fn alarm(&self, after: Option<Duration>) -> io::Result<()> {
        self.below.alarm(after)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.below.as_fd()
    }
}
