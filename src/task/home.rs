//! The home of tasks and sockets: the part of a runtime that other threads may know.
//!
//! A [`Home`] has two doors. The run queue is for the runtime's own thread; the inbox for all others. A waker, a
//! socket, a timer, a spawner hold a [`HomeRef`]: it outlives the runtime, and knows whether the runtime still lives.
//! What it does not know is the executor, the reactor or the loop.
//!
//! This file holds the rule by which `Send` types reach what is not thread-safe:
//!
//! - **H1**: [`Local`] is touched only on the home thread. It is reached through [`HomeRef::local`], which compares
//!   threads, through [`HomeRef::turning`], which sees that this thread is in a turn of this home, or through
//!   [`HomeOwner`], which never leaves the thread.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use super::blocks::Blocks;
use super::count::Count;
use super::details::Details;
use super::handle::{Unobserved, forget_payload};
use super::header::Header;
use super::here;
use super::inbox::{Inbox, Pushed, Taken};
use super::live::Live;
use super::run_queue::RunQueue;
use super::site::Sites;
use super::state::Released;
use crate::observer::Observers;
use crate::sys::{Notifier, World, thread_id};

/// See the head of this file. Lives on the heap, behind [`HomeRef`]s.
pub(crate) struct Home {
    count: Count,
    thread: u64,
    world: World,
    inbox: Inbox<Header>,
    /// `None` before the first poller and after the end. The lock is taken only to wake a loop that sleeps, and held only
    /// to copy the pointer.
    notifier: Mutex<Option<Arc<Notifier>>>,
    /// How many spawners there are: as long as there is one, tasks may come.
    spawners: AtomicUsize,
    local: Local,
}

/// What belongs to the home thread.
pub(crate) struct Local {
    pub(crate) run_queue: RunQueue,
    pub(crate) live: Live,
    pub(super) details: Details,
    pub(super) sites: Sites,
    pub(super) blocks: Blocks,
    /// Some task has, or had, a local value that is inherited: a spawn must look.
    pub(crate) inherits: Cell<bool>,
    /// Panics of tasks that nobody awaited.
    pub(crate) unobserved: RefCell<Vec<Unobserved>>,
    observed: Cell<bool>,
    observers: RefCell<Observers>,
    /// The runtime is gone: there is nobody to report to.
    ended: Cell<bool>,
}

impl Local {
    /// Puts a woken task at the end of the run queue.
    #[inline]
    pub(crate) fn enqueue(&self, task: NonNull<Header>) {
        self.run_queue.push(task);
        if self.observed.get() {
            self.tell_of(task);
        }
    }

    #[cold]
    fn tell_of(&self, task: NonNull<Header>) {
        // SAFETY: T4: a task that has just been queued is held by the executor.
        let id = unsafe { task.as_ref() }.id();
        let observers = self.observers.borrow().clone();
        observers.tell(|observer| observer.task_queued(id));
    }

    /// Keeps a panic that nobody will await, for the runtime to report.
    pub(crate) fn unobserved(&self, panic: Unobserved) {
        if self.ended.get() {
            // Kept here it would be dropped by whichever thread frees the home.
            return forget_payload(panic.payload);
        }
        self.unobserved.borrow_mut().push(panic);
    }
}

/// A counted reference to a home, for any thread.
#[repr(transparent)]
pub(crate) struct HomeRef(NonNull<Home>);

// SAFETY: H1: what of a `Home` is not thread-safe is in `Local`, and `Count` chooses by the thread.
unsafe impl Send for HomeRef {}
// SAFETY: H1: as above.
unsafe impl Sync for HomeRef {}

impl HomeRef {
    #[inline]
    fn home(&self) -> &Home {
        // SAFETY: the count keeps it allocated.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn as_non_null(&self) -> NonNull<Home> {
        self.0
    }

    /// The pointer as a reference that is counted elsewhere.
    ///
    /// # Safety
    /// The home is counted for as long as the pointer is borrowed.
    #[inline]
    pub(super) unsafe fn by_ref(home: &NonNull<Home>) -> &HomeRef {
        // SAFETY: a `HomeRef` is such a pointer (`repr(transparent)`).
        unsafe { &*ptr::from_ref(home).cast::<HomeRef>() }
    }

    /// A reference that was counted and forgotten, as a value again.
    ///
    /// # Safety
    /// Once for each such reference.
    #[inline]
    pub(super) unsafe fn take_over(&self) -> HomeRef {
        HomeRef(self.0)
    }

    /// What the home thread owns.
    ///
    /// # Safety
    /// H1: the caller is on the home thread; or touches nothing in it that the end of the home left there.
    #[inline]
    pub(super) unsafe fn local_unchecked(&self) -> &Local {
        &self.home().local
    }

    /// Whether both mean the same runtime.
    #[inline]
    pub(crate) fn is(&self, other: &HomeRef) -> bool {
        self.0 == other.0
    }

    /// A number that no other home has while this one is there.
    pub(super) fn address(&self) -> usize {
        self.0.as_ptr().addr()
    }

    /// What the home thread owns, if this is the home thread and the loop is in a turn. The path of every local wake.
    #[inline]
    pub(crate) fn turning(&self) -> Option<&Local> {
        if here::is_turning(self.0.as_ptr()) {
            // SAFETY: H1: only the home thread turns it.
            return Some(unsafe { &(*self.0.as_ptr()).local });
        }
        None
    }

    /// What the home thread owns, if this is the home thread.
    pub(crate) fn local(&self) -> Option<&Local> {
        self.is_mine().then(|| &self.home().local)
    }

    /// Whether this is the home thread.
    #[inline]
    pub(crate) fn is_mine(&self) -> bool {
        self.home().thread == thread_id()
    }

    /// Whether the runtime has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.home().inbox.is_closed()
    }

    pub(crate) fn world(&self) -> &World {
        &self.home().world
    }

    /// How many spawners there are.
    pub(crate) fn spawners(&self) -> &AtomicUsize {
        &self.home().spawners
    }

    /// Puts a task into the inbox and wakes the loop if it sleeps. `false`: the runtime has ended, the task was not
    /// taken.
    pub(crate) fn push(&self, task: NonNull<Header>) -> bool {
        match self.home().inbox.push(task) {
            Pushed::Quiet => true,
            Pushed::Closed => false,
            Pushed::Notify => {
                self.notify();
                true
            }
        }
    }

    fn notifier(&self) -> Option<Arc<Notifier>> {
        self.home().notifier.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a descriptor out of the poller, from any thread. That it is not in there is no matter.
    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) {
        if let Some(notifier) = self.notifier() {
            let _ = notifier.remove(fd);
        }
    }

    /// Ends the poller's wait, if there is a poller: without one nobody sleeps in it.
    pub(crate) fn notify(&self) {
        if let Some(notifier) = self.notifier() {
            // An eventfd or a kqueue that exists can always be written to; only an injected fault gets here, and it
            // is tried again, or else a wake would be lost.
            for _ in 0..MOST_NOTIFY_TRIES {
                if notifier.notify().is_ok() {
                    return;
                }
            }
        }
    }
}

impl std::fmt::Debug for HomeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HomeRef").field("ended", &self.is_closed()).finish_non_exhaustive()
    }
}

/// How often a failing notification is tried again. Arbitrary; one retry serves every transient error there is.
const MOST_NOTIFY_TRIES: usize = 8;

impl Clone for HomeRef {
    #[inline]
    fn clone(&self) -> HomeRef {
        if here::is_turning(self.0.as_ptr()) {
            self.home().count.acquire_local();
        } else {
            self.home().count.acquire_remote();
        }
        HomeRef(self.0)
    }
}

impl Drop for HomeRef {
    #[inline]
    fn drop(&mut self) {
        if here::is_turning(self.0.as_ptr()) {
            self.home().count.release_local();
        } else if self.home().count.release_remote() == Released::Free {
            // SAFETY: the count is zero: nobody else has a reference, and it was made by a box.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

/// A home in the hands of its own thread: made where the runtime is made, and `!Send`.
pub(crate) struct HomeOwner {
    home: HomeRef,
    /// Another thread has woken something here since the loop last slept: it may do so again soon.
    woken_from_afar: Cell<bool>,
    stays_here: PhantomData<*const ()>,
}

impl HomeOwner {
    pub(crate) fn new(world: World, observers: Observers) -> HomeOwner {
        let local = Local {
            run_queue: RunQueue::new(),
            live: Live::new(),
            details: Details::default(),
            sites: Sites::new(),
            blocks: Blocks::new(),
            inherits: Cell::new(false),
            unobserved: RefCell::default(),
            observed: Cell::new(observers.0.is_some()),
            observers: RefCell::new(observers),
            ended: Cell::new(false),
        };
        let home = Box::new(Home {
            count: Count::new(),
            thread: thread_id(),
            world,
            inbox: Inbox::new(),
            notifier: Mutex::new(None),
            spawners: AtomicUsize::new(0),
            local,
        });
        let home = HomeRef(NonNull::from(Box::leak(home)));
        HomeOwner { home, woken_from_afar: Cell::new(false), stays_here: PhantomData }
    }

    pub(crate) fn home(&self) -> &HomeRef {
        &self.home
    }

    #[inline]
    pub(crate) fn local(&self) -> &Local {
        // H1: `self` was made on the home thread and cannot have left it.
        &self.home.home().local
    }

    /// Marks this thread as inside a turn of this home, until the guard is dropped.
    #[inline]
    pub(crate) fn turn(&self) -> here::Turning {
        here::enter(self.home.0.as_ptr())
    }

    /// This thread counts as any other, until the guard is dropped: what is complete is no longer the home's.
    pub(crate) fn outside(&self) -> here::Turning {
        here::enter(ptr::null())
    }

    pub(crate) fn is_turning(&self) -> bool {
        here::is_turning(self.home.0.as_ptr())
    }

    /// From now on the inbox notifies by this poller; or by none, when the runtime ends.
    pub(crate) fn set_notifier(&self, notifier: Option<Notifier>) {
        let notifier = notifier.map(Arc::new);
        *self.home.home().notifier.lock().unwrap_or_else(PoisonError::into_inner) = notifier;
    }

    /// Whether [`take_in`](HomeOwner::take_in) has something to take.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.home.home().inbox.has_mail()
    }

    #[inline]
    pub(crate) fn take_in(&self) -> Taken<Header> {
        let taken = self.home.home().inbox.take();
        if !taken.is_empty() {
            self.woken_from_afar.set(true);
        }
        taken
    }

    /// See [`Inbox::park`]. If another thread has woken something since we last slept, it first gets a moment in which
    /// to do so again: two threads that answer each other then need no system call, and a twentieth of the time. Where
    /// nothing comes, it has cost a tenth of what the sleep does that follows.
    pub(crate) fn park_after_a_moment(&self) -> bool {
        if self.woken_from_afar.replace(false) {
            self.home.home().inbox.watch();
        }
        self.park()
    }

    /// See [`Inbox::park`].
    pub(crate) fn park(&self) -> bool {
        self.home.home().inbox.park()
    }

    /// See [`Inbox::unpark`].
    pub(crate) fn unpark(&self) {
        self.home.home().inbox.unpark();
    }

    /// See [`Inbox::close`].
    pub(crate) fn close(&self) -> Taken<Header> {
        self.home.home().inbox.close()
    }
}

impl Drop for HomeOwner {
    fn drop(&mut self) {
        assert!(!self.is_turning(), "a runtime was dropped inside of its own turn");
        // What is not `Send` must not be left to the thread that frees the home.
        self.local().observed.set(false);
        drop(self.local().observers.take());
        self.local().ended.set(true);
        self.local().blocks.close();
        self.local().unobserved.take().into_iter().for_each(|panic| forget_payload(panic.payload));
        self.home.home().count.settle();
    }
}
