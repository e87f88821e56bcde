//! What a trace is told: the events of a runtime, as its observer, and the calls to a world, as its hook.

use std::io;
use std::os::fd::RawFd;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::Trace;
use super::event::{Event, Failure};
use crate::observer::{Ending, Observer, TaskId, Wait};
use crate::sys::{Call, Hook};

impl Observer for Trace {
    fn task_spawned(&self, task: TaskId, at: &'static Location<'static>) {
        self.add(Event::Spawned(task, at));
    }

    fn task_named(&self, task: TaskId, name: &Rc<str>) {
        self.add(Event::Named(task, (&**name).into()));
    }

    fn task_queued(&self, task: TaskId) {
        self.add(Event::Queued(task));
    }

    fn poll_began(&self, task: TaskId) {
        self.add(Event::Polled(task));
    }

    fn poll_ended(&self, task: TaskId, wait: Option<Wait>) {
        let mut store = self.store();
        let wait = wait.map(|wait| (store.descriptors.of_wait(wait.reason), wait.at));
        store.add(self.host, Event::Waits(task, wait));
    }

    fn task_ended(&self, task: TaskId, ending: Ending) {
        self.add(Event::Ended(task, ending));
    }

    fn source_added(&self, source: u64, fd: RawFd) {
        let mut store = self.store();
        let number = store.descriptors.source_added(self.host, source, fd);
        store.add(self.host, Event::Added(number));
    }

    fn source_ready(&self, source: u64, bits: u8) {
        let mut store = self.store();
        let number = store.descriptors.of_source(self.host, source);
        store.add(self.host, Event::Ready(number, bits));
    }

    fn source_drained(&self, source: u64, bits: u8) {
        let mut store = self.store();
        let number = store.descriptors.of_source(self.host, source);
        store.add(self.host, Event::Drained(number, bits));
    }

    fn source_removed(&self, source: u64) {
        let mut store = self.store();
        let number = store.descriptors.source_removed(self.host, source);
        store.add(self.host, Event::Removed(number));
    }

    fn source_stale(&self, _: u64) {
        self.add(Event::Stale);
    }

    fn timer_set(&self, timer: usize, deadline: Duration) {
        let mut store = self.store();
        let deadline = store.clock.is_some().then_some(deadline);
        store.add(self.host, Event::TimerSet(timer, deadline));
    }

    fn timer_fired(&self, timer: usize) {
        self.add(Event::TimerFired(timer));
    }

    fn timer_cancelled(&self, timer: usize) {
        self.add(Event::TimerCancelled(timer));
    }
}

impl Hook for Trace {
    fn after(&self, call: Call, fd: Option<RawFd>, error: Option<&io::Error>) {
        let mut store = self.store();
        let here = store.home == std::thread::current().id();
        // What another thread closes is forgotten, but not told.
        let goes = matches!(call, Call::Remove | Call::Close | Call::Release);
        let number = fd.filter(|_| here || goes).map(|fd| store.descriptors.of_call(call, fd));
        if here && (error.is_some() || !only_looks(call)) {
            store.add(self.host, Event::Called(call, number, error.map(Failure::of)));
        }
    }
}

/// How often these are made is no matter of the program: they depend on real time, and on other threads.
fn only_looks(call: Call) -> bool {
    use Call::*;
    matches!(call, Now | Random | Nap | Thread | Processors | Pin | Wait | Notify | Alarm | AwaitExit | Resolve)
}
