//! The runtime of this thread.
//!
//! A thread has any number of runtimes, and is inside of at most one at a time, but for nesting. Sockets and timers find
//! theirs here, by their home: on any other thread it is not to be found, which is the whole rule by which they can be
//! `Send` without being usable elsewhere.

use std::cell::{Cell, RefCell};
use std::future::ready;
use std::io;
use std::panic::Location;
use std::ptr;
use std::rc::{Rc, Weak};

use super::turn::Loop;
use crate::task::{HomeRef, send};

thread_local! {
    /// The innermost loop that this thread is inside of; null outside. An `Entered` on this thread's stack holds it.
    static CURRENT: Cell<*const Loop> = const { Cell::new(ptr::null()) };
    /// All that were made on this thread and live.
    static ALL: RefCell<Vec<Weak<Loop>>> = const { RefCell::new(Vec::new()) };
}

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
    // While the thread ends there is no list any more: such a runtime works, but its sockets only inside of it.
    let _ = ALL.try_with(|all| all.borrow_mut().push(Rc::downgrade(event_loop)));
}

pub(super) fn forget(event_loop: &Rc<Loop>) {
    let gone = Rc::downgrade(event_loop);
    let _ = ALL.try_with(|all| all.borrow_mut().retain(|other| !other.ptr_eq(&gone)));
}

/// Makes `event_loop` the current one until the guard is dropped. Guards are dropped in reverse order: they stay on the
/// stack of their function.
pub(super) fn enter(event_loop: &Rc<Loop>) -> Entered {
    let outer = CURRENT.with(|current| current.replace(Rc::as_ptr(event_loop)));
    Entered { outer, _held: event_loop.clone() }
}

/// See [`enter`].
pub(super) struct Entered {
    outer: *const Loop,
    _held: Rc<Loop>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.outer));
    }
}

/// Looks at the innermost runtime that this thread is inside of. The frame of its `Entered` lies below this one.
#[inline]
pub(super) fn with_current<T>(look: impl FnOnce(Option<&Loop>) -> T) -> T {
    // SAFETY: an `Entered` further down on this stack holds the loop until this has returned.
    look(unsafe { CURRENT.with(Cell::get).as_ref() })
}

/// The same, for a look that needs a runtime. `None`: there is none.
#[inline]
pub(crate) fn inside<T>(look: impl FnOnce(&Loop) -> T) -> Option<T> {
    with_current(|current| current.map(look))
}

/// The innermost runtime that this thread is inside of.
pub(crate) fn current() -> Option<Rc<Loop>> {
    with_current(|current| current.map(Loop::handle))
}

/// The same, with an error that says what to do.
pub(crate) fn current_or_error() -> io::Result<Rc<Loop>> {
    current().ok_or_else(|| {
        io::Error::other("no runtime on this thread: call it inside `block_on`, or inside `Runtime::enter`")
    })
}

/// Uses the runtime of this home, if it lives on this thread.
#[inline]
pub(crate) fn on<T>(home: &HomeRef, use_it: impl FnOnce(&Loop) -> T) -> Result<T, Away> {
    if home.is_closed() {
        return Err(Away::Ended);
    }
    with_current(|current| {
        let found;
        let event_loop = match current {
            Some(current) if current.is_of(home) => current,
            _ => {
                found = find(home)?;
                &*found
            }
        };
        // One call, so that it is inlined: every frame above a system call costs a mispredicted return.
        Ok(use_it(event_loop))
    })
}

/// The same for a runtime that this thread is not inside of, or not innermost.
#[cold]
fn find(home: &HomeRef) -> Result<Rc<Loop>, Away> {
    let found = ALL.try_with(|all| all.borrow().iter().filter_map(Weak::upgrade).find(|other| other.is_of(home)));
    found.ok().flatten().ok_or(Away::Elsewhere)
}

/// Runs `errand` in the runtime of `home`: now, if that is this thread's; from elsewhere it travels home through the
/// inbox and runs at the next turn; not at all if that runtime has ended. What is dropped gives back so what it has at
/// home.
#[inline]
pub(crate) fn at_home(home: &HomeRef, errand: impl FnOnce(&Loop) + Send + 'static) {
    let mut errand = Some(errand);
    let mut run = |event_loop: &Loop| errand.take().map(|errand| errand(event_loop));
    if !matches!(on(home, &mut run), Err(Away::Elsewhere)) {
        return;
    }
    let sent = send(home, Location::caller(), move || {
        with_current(|current| errand.zip(current).map(|(errand, current)| errand(current)));
        ready(())
    });
    drop(sent);
}
