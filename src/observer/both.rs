//! [`Both`]: two observers in the place of one.

use std::os::fd::RawFd;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::{Ending, Observer, TaskId, Wait};

/// Tells the first, then the second.
pub(super) struct Both(pub(super) Rc<dyn Observer>, pub(super) Rc<dyn Observer>);

/// From the list of events, the methods that pass each to both.
macro_rules! pass_on {
    ($(fn $event:ident($($name:ident: $type:ty),*);)*) => {
        impl Observer for Both {
            $(fn $event(&self, $($name: $type),*) {
                self.0.$event($($name),*);
                self.1.$event($($name),*);
            })*
        }
    };
}

pass_on! {
    fn turn_began();
    fn parking(time: Option<Duration>);
    fn parked(events: usize);
    fn task_spawned(task: TaskId, at: &'static Location<'static>);
    fn task_named(task: TaskId, name: &Rc<str>);
    fn task_queued(task: TaskId);
    fn poll_began(task: TaskId);
    fn poll_ended(task: TaskId, wait: Option<Wait>);
    fn waker_lost(task: TaskId);
    fn task_ended(task: TaskId, ending: Ending);
    fn source_added(source: u64, fd: RawFd);
    fn source_ready(source: u64, bits: u8);
    fn source_drained(source: u64, bits: u8);
    fn source_removed(source: u64);
    fn source_stale(source: u64);
    fn timer_set(timer: usize, deadline: Duration);
    fn timer_fired(timer: usize);
    fn timer_cancelled(timer: usize);
}
