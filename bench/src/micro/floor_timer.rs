//! The floor's timer: an entry within the sleep, linked into a hierarchical wheel and out of it again.
//!
//! No clock is read and nothing ever fires: only the rows that drop their sleeps before can use it. What it does is
//! what no timer can do without, since it has to be found when it is due.
//!
//! # Access rules, beside those of `floor.rs`
//!
//! 5. A linked `Sleep` is pinned, and unlinks itself before it ends: every pointer in a list is to a live entry or
//!    slot.
//! 6. Slots are thread-locals without a destructor: they live as long as the thread, and sleeps stay on theirs (they
//!    are not `Send`, as they hold pointers).

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// A place that leads to the next entry: a slot, or the entry before.
type Link = Cell<*const Entry>;

struct Entry {
    next: Link,
    /// The place that leads to this one; null while it is not linked.
    from: Cell<*const Link>,
    waker: Cell<Option<Waker>>,
    _pinned: PhantomPinned,
}

pub struct Sleep {
    length: Duration,
    entry: Entry,
}

/// Six bits of the deadline choose a slot of a level; each level is 64 times as coarse as the one below.
const SLOTS: usize = 64;
const LEVELS: usize = 11;

thread_local! {
    static WHEEL: [[Link; SLOTS]; LEVELS] = const { [const { [const { Cell::new(ptr::null()) }; SLOTS] }; LEVELS] };
}

/// Below this it is the kernel's own sleep, for the rows of one task: nothing can be more exact.
const SHORT: Duration = Duration::from_millis(500);

impl Sleep {
    pub fn new(length: Duration) -> Sleep {
        let (next, from) = (Cell::new(ptr::null()), Cell::new(ptr::null()));
        Sleep { length, entry: Entry { next, from, waker: Cell::new(None), _pinned: PhantomPinned } }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context) -> Poll<()> {
        if self.length < SHORT {
            thread::sleep(self.length);
            return Poll::Ready(());
        }
        let this = self.into_ref().get_ref();
        this.entry.waker.set(Some(context.waker().clone()));
        if this.entry.from.get().is_null() {
            let deadline = this.length.as_nanos() as u64;
            let level = (63 - (deadline | 1).leading_zeros() as usize) / 6;
            let slot = (deadline >> (6 * level)) as usize % SLOTS;
            WHEEL.with(|wheel| this.entry.link(&wheel[level][slot]));
        }
        Poll::Pending
    }
}

impl Entry {
    fn link(&self, slot: &Link) {
        let next = slot.replace(self);
        self.next.set(next);
        self.from.set(slot);
        if !next.is_null() {
            // SAFETY: rule 5.
            unsafe { &*next }.from.set(&self.next);
        }
    }

    fn unlink(&self) {
        let (from, next) = (self.from.get(), self.next.get());
        // SAFETY: rules 5 and 6; it is linked.
        unsafe { &*from }.set(next);
        if !next.is_null() {
            // SAFETY: rule 5.
            unsafe { &*next }.from.set(from);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.from.get().is_null() {
            self.unlink();
        }
    }
}
