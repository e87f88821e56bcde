//! The runtime of this thread.
//!
//! A thread has any number of runtimes, and is inside of at most one at a time, but for nesting. Sockets and timers find
//! theirs here, by their home: on any other thread it is not to be found, which is the whole rule by which they can be
//! `Send` without being usable elsewhere.

use std::cell::RefCell;
use std::future::ready;
use std::io;
use std::panic::Location;
use std::rc::{Rc, Weak};

use super::turn::Loop;
use crate::task::{HomeRef, send};

#[derive(Default)]
struct Loops {
    /// Those that this thread is inside of, the innermost last.
    entered: Vec<Rc<Loop>>,
    /// All that were made on this thread and live.
    all: Vec<Weak<Loop>>,
}

thread_local!(static LOOPS: RefCell<Loops> = RefCell::default());

/// Why a runtime could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    /// It has ended.
    Ended,
    /// It lives on another thread.
    Elsewhere,
}

impl From<Away> for io::Error {
    fn from(away: Away) -> io::Error {
        match away {
            Away::Ended => io::Error::new(io::ErrorKind::NotConnected, "its runtime has ended"),
            Away::Elsewhere => io::Error::other("used on another thread than its runtime's"),
        }
    }
}

pub(super) fn register(event_loop: &Rc<Loop>) {
    // While the thread ends there is no list any more: such a runtime works, but its sockets do not.
    let _ = LOOPS.try_with(|loops| loops.borrow_mut().all.push(Rc::downgrade(event_loop)));
}

pub(super) fn forget(event_loop: &Rc<Loop>) {
    let _ = LOOPS.try_with(|loops| {
        let gone = Rc::downgrade(event_loop);
        loops.borrow_mut().all.retain(|other| !other.ptr_eq(&gone));
    });
}

/// Makes `event_loop` the current one until the guard is dropped.
pub(super) fn enter(event_loop: &Rc<Loop>) -> Entered {
    let _ = LOOPS.try_with(|loops| loops.borrow_mut().entered.push(event_loop.clone()));
    Entered
}

/// See [`enter`].
pub(super) struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        let left = LOOPS.try_with(|loops| loops.borrow_mut().entered.pop());
        drop(left);
    }
}

/// The innermost runtime that this thread is inside of.
pub(crate) fn current() -> Option<Rc<Loop>> {
    LOOPS.try_with(|loops| loops.borrow().entered.last().cloned()).ok().flatten()
}

/// The same, with an error that says what to do.
pub(crate) fn current_or_error() -> io::Result<Rc<Loop>> {
    current().ok_or_else(|| {
        io::Error::other("no runtime on this thread: call it inside `block_on`, or inside `Runtime::enter`")
    })
}

/// The runtime of this home, if it lives on this thread.
#[inline]
pub(crate) fn on(home: &HomeRef) -> Result<Rc<Loop>, Away> {
    let found = LOOPS.try_with(|loops| {
        let loops = loops.borrow();
        let is_it = |event_loop: &Rc<Loop>| event_loop.executor.home().home().is(home);
        match loops.entered.last() {
            Some(current) if is_it(current) => Some(current.clone()),
            _ => loops.all.iter().filter_map(Weak::upgrade).find(is_it),
        }
    });
    match found {
        _ if home.is_closed() => Err(Away::Ended),
        Ok(Some(event_loop)) => Ok(event_loop),
        _ => Err(Away::Elsewhere),
    }
}

/// Runs `errand` on the thread of `home`, at its next turn; drops it if that runtime has ended. What is dropped
/// elsewhere gives back so what it has at home.
pub(crate) fn send_home(home: &HomeRef, errand: impl FnOnce(&Loop) + Send + 'static) {
    let sent = send(home, Location::caller(), move || {
        if let Some(event_loop) = current() {
            errand(&event_loop);
        }
        ready(())
    });
    drop(sent);
}
