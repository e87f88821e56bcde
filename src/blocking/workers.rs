//! [`Workers`]: the threads of a pool, and the queue that they take jobs from.
//!
//! One lock holds plain numbers and two lists; closures run, and are dropped, outside of it. A thread is *idle* while
//! it waits for a job or is about to look for one, one that was just started included. A job finds a thread by one
//! rule: if more are queued than threads are idle, and there may be another thread, one is started; else an idle one is
//! told.
//!
//! After a fork the threads are the parent's, and one of them may hold the lock for ever in the child's copy. So every
//! way in asks first whether this is still the process that made the pool.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::sync::remote::{Condition, Guard, Lock};
use crate::sys::{self, JobUnderWay, World};
use crate::task::{keep, let_go, wake};
use crate::wait_list::{Left, WaitKey, WaitList};

/// A closure on the pool, whatever it returns. Dropped, it says that it was cancelled.
pub(super) trait Work: Send {
    /// Runs it, calls `ended` when the thread is free for another, then tells who waits. Never panics.
    fn run(self: Box<Self>, ended: &mut dyn FnMut());
    /// It cannot begin.
    fn refuse(self: Box<Self>, error: io::Error);
}

/// What a job is called.
pub(super) struct Label {
    pub(super) name: Option<Cow<'static, str>>,
    pub(super) at: &'static Location<'static>,
}

struct Queued {
    label: Label,
    work: Box<dyn Work>,
    /// Until the work is over, and whoever waits for it is woken.
    under_way: JobUnderWay,
}

pub(super) struct Running {
    pub(super) label: Arc<Label>,
    pub(super) since: Instant,
}

pub(super) struct Settings {
    pub(super) threads: usize,
    pub(super) name: String,
    pub(super) keep_idle: Duration,
}

pub(super) struct Workers {
    pub(super) world: World,
    /// [`sys::forks`] when the pool was made.
    born: usize,
    settings: Settings,
    state: Lock<State>,
    /// For idle threads: there is a job, or the pool ends.
    work: Condition,
    /// For those who wait in `Pool::shutdown`: the last thread is gone.
    end: Condition,
}

#[derive(Default)]
pub(super) struct State {
    /// By number: the first is the oldest, and any can be taken back.
    queued: VecDeque<(u64, Queued)>,
    pub(super) running: Vec<(u64, Running)>,
    next: u64,
    /// How many were ever started: their names.
    started: usize,
    pub(super) threads: usize,
    pub(super) idle: usize,
    /// No more jobs.
    closing: bool,
    /// Tasks that wait for the last thread to be gone.
    watchers: WaitList,
}

impl State {
    pub(super) fn queued(&self) -> usize {
        self.queued.len()
    }
}

impl Workers {
    pub(super) fn new(world: World, settings: Settings) -> Arc<Workers> {
        let (work, end) = (Condition::new(), Condition::new());
        Arc::new(Workers { world, born: sys::forks(), settings, state: Lock::new(State::default()), work, end })
    }

    /// Whether this process was forked off the one that made the pool.
    pub(super) fn are_in_a_parent(&self) -> bool {
        sys::forks() != self.born
    }

    /// The state; `None` where it must not be touched.
    pub(super) fn state(&self) -> Option<Guard<'_, State>> {
        if self.are_in_a_parent() { None } else { Some(self.state.lock()) }
    }

    // ---- jobs ----------------------------------------------------------------------------------------------------

    /// Queues a job, and sees to it that a thread takes it. Its number.
    pub(super) fn submit(self: &Arc<Workers>, label: Label, work: Box<dyn Work>) -> u64 {
        let under_way = self.world.job();
        let Some(mut state) = self.state() else {
            work.refuse(in_a_child());
            return u64::MAX;
        };
        if state.closing {
            drop(state);
            work.refuse(io::Error::new(io::ErrorKind::NotConnected, "the pool has been shut down"));
            return u64::MAX;
        }
        let number = state.next;
        state.next += 1;
        state.queued.push_back((number, Queued { label, work, under_way }));
        if state.queued.len() <= state.idle || state.threads >= self.settings.threads {
            drop(state);
            self.work.notify_one();
            return number;
        }
        state.threads += 1;
        state.idle += 1;
        state.started += 1;
        let name = format!("{}-{}", self.settings.name, state.started);
        drop(state);
        self.start_thread(&name);
        number
    }

    /// `false`: it has begun, or is over.
    pub(super) fn cancel(&self, number: u64) -> bool {
        let Some(mut state) = self.state() else { return false };
        let found = state.queued.binary_search_by_key(&number, |(number, _)| *number);
        let queued = found.ok().and_then(|at| state.queued.remove(at));
        drop(state);
        queued.is_some()
    }

    // ---- threads -------------------------------------------------------------------------------------------------

    /// Starts a thread that has been counted. If it cannot be had, jobs wait for those that there are; without any,
    /// they are told.
    fn start_thread(self: &Arc<Workers>, name: &str) {
        let workers = self.clone();
        let Err(error) = self.world.thread(name, Box::new(move || workers.serve())) else { return };
        let mut state = self.state.lock();
        state.idle -= 1;
        let stranded = if state.threads == 1 { std::mem::take(&mut state.queued) } else { VecDeque::new() };
        self.leave(state);
        stranded.into_iter().for_each(|(_, queued)| queued.work.refuse(copy(&error)));
    }

    /// The life of a thread: takes jobs until it has been idle for long, or the pool ends and nothing is left to do.
    fn serve(&self) {
        loop {
            // Read outside of the lock: a clock may be watched by a hook.
            let since = self.world.now();
            let mut state = self.state.lock();
            if let Some((number, queued)) = state.queued.pop_front() {
                state.idle -= 1;
                state.running.push((number, Running { label: Arc::new(queued.label), since }));
                drop(state);
                self.world.job_begins();
                queued.work.run(&mut || self.ended(number));
                drop(queued.under_way);
                continue;
            }
            let mut enough = state.closing;
            if !enough {
                (state, enough) = self.work.wait_at_most(state, self.settings.keep_idle);
            }
            if enough && state.queued.is_empty() {
                state.idle -= 1;
                return self.leave(state);
            }
        }
    }

    /// A job is over, and its thread is free for another.
    fn ended(&self, number: u64) {
        let mut state = self.state.lock();
        state.idle += 1;
        let found = state.running.iter().position(|(running, _)| *running == number);
        let running = found.map(|at| state.running.remove(at));
        drop(state);
        drop(running);
    }

    /// One thread less; the last one tells those who wait for that.
    fn leave(&self, mut state: Guard<'_, State>) {
        state.threads -= 1;
        if state.threads > 0 {
            return;
        }
        let watchers: Vec<Waker> = std::iter::from_fn(|| state.watchers.notify_with_all()).collect();
        drop(state);
        self.end.notify_all();
        watchers.into_iter().for_each(wake);
    }

    // ---- the end -------------------------------------------------------------------------------------------------

    /// Takes no more jobs. Those that there are go on.
    pub(super) fn close(&self) {
        let Some(mut state) = self.state() else { return };
        state.closing = true;
        drop(state);
        self.work.notify_all();
    }

    /// Drops what has not begun.
    pub(super) fn drop_queued(&self) {
        let Some(mut state) = self.state() else { return };
        let queued = std::mem::take(&mut state.queued);
        drop(state);
        queued.into_iter().for_each(|(_, queued)| let_go(queued));
    }

    /// Blocks until the last thread is gone, or for about `limit`.
    pub(super) fn wait_for_end(&self, limit: Duration) {
        let deadline = self.world.now().checked_add(limit);
        loop {
            let left = deadline.map_or(Duration::MAX, |it| it.saturating_duration_since(self.world.now()));
            let Some(state) = self.state() else { return };
            if state.threads == 0 || left.is_zero() {
                return;
            }
            drop(self.end.wait_at_most(state, left));
        }
    }

    /// Whether the last thread is gone; else the waker will be told.
    pub(super) fn poll_end(&self, place: &mut Option<WaitKey>, waker: &Waker) -> bool {
        let clone = keep(waker);
        let Some(mut state) = self.state() else { return true };
        if state.threads == 0 {
            drop(state);
            let_go(clone);
            self.unwatch(place);
            return true;
        }
        let old = match place {
            Some(place) => state.watchers.renew(place, clone),
            None => {
                *place = Some(state.watchers.push(clone));
                None
            }
        };
        drop(state);
        let_go(old);
        false
    }

    pub(super) fn unwatch(&self, place: &mut Option<WaitKey>) {
        let Some(key) = place.take() else { return };
        let Some(mut state) = self.state() else { return };
        let left = state.watchers.remove(key);
        drop(state);
        if let Left::Waiting(waker) = left {
            let_go(waker);
        }
    }
}

pub(super) fn in_a_child() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a pool was used in a child process after fork: make another there")
}

/// An error cannot be cloned; this one says the same.
fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}
