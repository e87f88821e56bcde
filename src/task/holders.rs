//! Who has the locks that tasks of this thread wait for.
//!
//! A lock that nobody waits for notes its holder in cells of its own, and is not known here. While somebody waits, the
//! note stands in a [`Contended`], which this thread can find by its number. It keeps nothing alive, and nothing is
//! looked up here but for a report.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::{Rc, Weak};

use slab::Slab;

use crate::observer::{LockId, TaskId};

/// Who has a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The task whose poll took it; `None`: it was no task.
    pub(crate) task: Option<TaskId>,
    /// Where it was locked.
    pub(crate) at: &'static Location<'static>,
    /// It was handed to a future that stood in the line, and has not been polled since.
    pub(crate) was_handed: bool,
    /// How many have it: one, or readers; or all there could be, which is a writer.
    pub(crate) count: usize,
    /// They are readers: the one that came last may be gone, and another has it.
    pub(crate) is_shared: bool,
}

/// What is noted of a lock while somebody waits for it.
#[derive(Debug)]
pub(crate) struct Contended {
    id: LockId,
    pub(crate) holder: Cell<Option<Holder>>,
}

/// The number of a lock is its key here, below a count that makes it another's when the key is.
struct Known {
    made: u64,
    locks: Slab<Weak<Contended>>,
}

/// The bits of a number that are the key.
const KEY: u64 = u32::MAX as u64;

thread_local! {
    static KNOWN: RefCell<Known> = const { RefCell::new(Known { made: 0, locks: Slab::new() }) };
}

impl Contended {
    /// Findable as long as the result lives.
    pub(crate) fn new() -> Rc<Contended> {
        let made = |id| Rc::new(Contended { id: LockId(id), holder: Cell::new(None) });
        let known = KNOWN.try_with(|known| {
            let known = &mut *known.borrow_mut();
            known.made += 1;
            let place = known.locks.vacant_entry();
            let lock = made(known.made << 32 | place.key() as u64 & KEY);
            place.insert(Rc::downgrade(&lock));
            lock
        });
        // While the thread ends there is no list any more.
        known.unwrap_or_else(|_| made(0))
    }

    pub(crate) fn id(&self) -> LockId {
        self.id
    }
}

impl Drop for Contended {
    fn drop(&mut self) {
        // While the thread ends there is no list any more.
        let _ = KNOWN.try_with(|known| known.borrow_mut().locks.try_remove((self.id.0 & KEY) as usize));
    }
}

/// Who has this lock of this thread.
pub(crate) fn holder(lock: LockId) -> Option<Holder> {
    let find = |known: &RefCell<Known>| {
        let known = known.borrow();
        known.locks.get((lock.0 & KEY) as usize)?.upgrade().filter(|found| found.id == lock)?.holder.get()
    };
    KNOWN.try_with(find).ok().flatten()
}
