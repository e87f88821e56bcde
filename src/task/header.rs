//! The memory of a task: the header that everybody knows, and how a task is made and freed.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::atomic::AtomicPtr;
use super::blocks;
use super::contain::Payload;
use super::details::{Detail, NONE};
use super::extras::{Extras, LocalKey};
use super::handle::JoinError;
use super::here;
use super::home::{HomeRef, Local};
use super::inbox::Node;
use super::site::SpawnSite;
use super::stage::Typed;
use super::state::{Arrival, Owner, Released, Shared, Tally};
use crate::observer::{Ending, TaskId, Wait};

/// The part of a task whose type does not depend on its future. See the picture in `mod.rs`.
#[repr(C)]
pub(crate) struct Header {
    pub(super) shared: Shared,
    pub(super) tally: Tally,
    inbox_next: AtomicPtr<Header>,
    site: NonNull<SpawnSite>,

    pub(crate) owner: Owner,
    pub(super) queue_next: Cell<*const Header>,
    /// Where it stands among the live tasks, once it has arrived.
    place: Cell<u32>,
    /// Its key among the details, if it has any.
    details: Cell<u32>,
}

// An idle task costs this, its place among the live ones, and its future.
#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<Header>() == 48);

// SAFETY: T3: the link is a field of the header, and whoever pushes it holds the inbox's reference.
unsafe impl Node for Header {
    fn next(&self) -> &AtomicPtr<Header> {
        &self.inbox_next
    }
}

impl Header {
    #[inline]
    fn new(shared: Shared, tally: Tally, owner: Owner, site: NonNull<SpawnSite>) -> Header {
        Header {
            shared,
            tally,
            inbox_next: AtomicPtr::new(ptr::null_mut()),
            site,
            owner,
            queue_next: Cell::new(ptr::null()),
            place: Cell::new(0),
            details: Cell::new(NONE),
        }
    }

    #[inline]
    fn site(&self) -> &SpawnSite {
        // SAFETY: T8: the site is there as long as the header.
        unsafe { self.site.as_ref() }
    }

    #[inline]
    pub(crate) fn id(&self) -> TaskId {
        self.owner.id()
    }

    /// Whether another thread made it, and it has not arrived. (Such a task has no handle, so the owner's word may be read.)
    pub(crate) fn is_on_its_way(&self) -> bool {
        self.site().is_own && self.id() == TaskId(0)
    }

    /// Its place among the live tasks.
    pub(crate) fn place(&self) -> usize {
        self.place.get() as usize
    }

    /// The line that spawned it.
    pub(crate) fn at(&self) -> &'static Location<'static> {
        self.site().at
    }

    #[inline]
    pub(crate) fn home(&self) -> &HomeRef {
        self.site().home()
    }

    /// What the home thread owns, for a caller who is on it, or to whom the home belongs after its end (T2).
    #[inline]
    fn local(&self) -> &Local {
        // SAFETY: H1, by T2: the callers are those who may touch the owner's fields.
        unsafe { self.home().local_unchecked() }
    }

    /// See [`Shared::take_in`].
    pub(crate) fn take_in(&self) -> Arrival {
        self.shared.take_in()
    }

    /// See [`Shared::deafen`].
    pub(crate) fn deafen(&self) {
        self.shared.deafen();
    }

    /// One more reference, by one who has one.
    #[inline]
    pub(super) fn acquire(&self) {
        if self.home().turning().is_none() || !self.tally.acquire(&self.shared) {
            self.shared.acquire();
        }
    }

    /// How many wakers and abort handles there are, and links of the inbox.
    pub(crate) fn references(&self) -> usize {
        self.tally.references(&self.shared) - 1
    }

    // ---- details -------------------------------------------------------------------------------------------------

    #[inline]
    pub(crate) fn has_details(&self) -> bool {
        self.details.get() != NONE
    }

    /// Looks at its details, if it has any.
    fn with_details<T>(&self, look: impl FnOnce(&mut Detail) -> T) -> Option<T> {
        if self.has_details() { self.local().details.with(self.details.get(), look) } else { None }
    }

    #[inline]
    fn detail<T>(&self, change: impl FnOnce(&mut Detail) -> T) -> T {
        let details = &self.local().details;
        if !self.has_details() {
            self.details.set(details.add(Detail::default()));
        }
        details.with(self.details.get(), change).expect("a task's key is that of its details")
    }

    /// It has said in this poll that it waits for this.
    #[inline]
    pub(super) fn set_wait(&self, wait: Wait) {
        self.owner.says();
        self.detail(|detail| detail.wait = Some(wait));
    }

    /// What it said in its last poll that it waits for.
    pub(crate) fn wait(&self) -> Option<Wait> {
        if !self.owner.has_said() {
            return None;
        }
        self.with_details(|detail| detail.wait).flatten()
    }

    /// Takes that back.
    pub(super) fn take_wait(&self) -> Option<Wait> {
        let wait = self.wait();
        self.owner.unsays();
        wait
    }

    #[inline]
    pub(super) fn set_joiner(&self, waker: &Waker) {
        let stands = |detail: &mut Detail| detail.joiner.as_ref().is_some_and(|old| old.will_wake(waker));
        if self.with_details(stands) == Some(true) {
            return;
        }
        // Cloning it is user code (T6), and so is dropping the old one.
        let joiner = super::keep(waker);
        // It may have turned the runtime, and ended this very task: then nobody is to be woken any more.
        if self.owner.is_complete() {
            return drop(joiner);
        }
        drop(self.detail(|detail| detail.joiner.replace(joiner)));
    }

    #[inline]
    pub(crate) fn take_joiner(&self) -> Option<Waker> {
        self.with_details(|detail| detail.joiner.take()).flatten()
    }

    /// Gives it a local value, and returns the one it had.
    pub(crate) fn set_local(&self, key: LocalKey, value: Rc<dyn Any>) -> Option<Rc<dyn Any>> {
        if key.inherited {
            self.local().inherits.set(true);
        }
        self.owner.gets_extras();
        self.detail(|detail| detail.extras.get_or_insert_default().set_local(key, value))
    }

    pub(crate) fn take_extras(&self) -> Option<Box<Extras>> {
        self.with_details(|detail| detail.extras.take()).flatten()
    }

    pub(crate) fn set_extras(&self, extras: Option<Box<Extras>>) {
        if extras.is_some() {
            self.owner.gets_extras();
            self.detail(|detail| detail.extras = extras);
        }
    }

    /// Looks at its name and local values, if it has any.
    pub(crate) fn extras<T>(&self, look: impl FnOnce(&mut Extras) -> T) -> Option<T> {
        self.with_details(|detail| detail.extras.as_deref_mut().map(look)).flatten()
    }

    pub(crate) fn name(&self) -> Option<Rc<str>> {
        self.extras(|extras| extras.name.clone()).flatten()
    }
}

/// A task, not counted: for as long as T4 says. The methods are those of the executor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskRef(pub(crate) NonNull<Header>);

impl TaskRef {
    /// A new task, queued and with a handle; the caller is to be its executor, and is on the home thread.
    #[inline]
    pub(crate) fn new<F: Future>(home: &HomeRef, id: TaskId, at: &'static Location<'static>, future: F) -> TaskRef {
        // SAFETY: H1: the caller is on the home thread.
        let local = unsafe { home.local_unchecked() };
        let site = local.sites.of(home, &Typed::<F>::VTABLE, at);
        let block = local.blocks.take(Typed::<F>::VTABLE.layout);
        // The task counts its home; `free` gives that back.
        let _counted = ManuallyDrop::new(home.clone());
        let header = Header::new(Shared::new(), Tally::new(), Owner::new(id), site);
        // SAFETY: the block has the layout of this type, and is nobody else's.
        let task = TaskRef(unsafe { Typed::write(block, header, future) });
        task.header().place.set(local.live.insert(task.0));
        task
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: T4: the executor and the handle have a `TaskRef` only while they hold the home's reference.
        unsafe { self.0.as_ref() }
    }

    /// A task that was made elsewhere becomes one of its home's, under this number.
    pub(crate) fn arrive(&self, id: TaskId) {
        self.header().owner.set_id(id);
        self.header().place.set(self.header().local().live.insert(self.0));
    }

    /// It lives no longer.
    #[inline]
    pub(crate) fn leave(&self) {
        self.header().local().live.remove(self.header().place.get());
    }

    /// It is complete, and has no details any more. Who awaited it.
    pub(crate) fn take_details(&self) -> Option<Waker> {
        let key = self.header().details.replace(NONE);
        if key == NONE { None } else { self.header().local().details.remove(key).joiner }
    }

    /// Ready: the future has been dropped, and the output stored. A panic of the future's unwinds through. It counts as
    /// polled until the caller says `here::end_poll`, or polls another: before any code of the user's that is none of the
    /// task's.
    #[inline]
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Ending> {
        debug_assert!(self.header().owner.is_running());
        here::begin_poll(self.0);
        // SAFETY: T2: the executor is on the home thread. T5: a running task's stage is a future.
        unsafe { (self.header().site().vtable.poll)(self.0, cx) }
    }

    /// Drops the future, and stores why there is no output of its own.
    pub(crate) fn end(&self, error: JoinError) -> Ending {
        // SAFETY: T2 as above; T5: the task is not complete.
        unsafe { (self.header().site().vtable.end)(self.0, error) }
    }

    /// Drops the output, if it is there.
    ///
    /// # Safety
    /// T2: on the home thread, or as the sole holder of a complete task.
    #[inline]
    pub(crate) unsafe fn discard(&self) -> Option<Payload> {
        if !self.header().owner.take_output() {
            return None;
        }
        // SAFETY: the caller's promise.
        unsafe { (self.header().site().vtable.discard)(self.0) }
    }

    /// Moves the output out, if it is there.
    ///
    /// # Safety
    /// T2 as in `discard`; `T` is the output of the task's future.
    #[inline]
    pub(super) unsafe fn take_output<T>(&self) -> Option<Result<T, JoinError>> {
        if !self.header().owner.take_output() {
            return None;
        }
        // SAFETY: the vtable says where in the allocation the output stands.
        let output = unsafe { self.0.cast::<u8>().add(self.header().site().vtable.output) };
        // SAFETY: T5: it is an output, of this type by the caller's promise, and from here on nobody's but the caller's.
        Some(unsafe { output.cast::<Result<T, JoinError>>().read() })
    }

    /// Gives up a reference of a waker, an abort handle or the inbox, and frees the task if it was the last.
    ///
    /// # Safety
    /// T4: the caller has a reference to give up.
    #[inline]
    pub(crate) unsafe fn release(self) {
        let header = self.header();
        if header.home().turning().is_some() && header.tally.release(&header.shared) {
            return;
        }
        if header.shared.release() == Released::Free {
            self.free();
        }
    }

    /// Gives up the home's reference.
    ///
    /// # Safety
    /// T2 as in `discard`; T4: the task is complete, without an output, and without a handle.
    #[inline]
    pub(crate) unsafe fn release_home(self) {
        if self.header().tally.settle(&self.header().shared) == Released::Free {
            self.free();
        }
    }

    /// T4: nobody references it any more. The stage is empty (T5), so no code of the user's runs.
    fn free(self) {
        let (site, block) = (self.header().site, self.0.cast::<u8>());
        let (layout, is_own) = (self.header().site().vtable.layout, self.header().site().is_own);
        // SAFETY: `new` counted the home for this task.
        let home = unsafe { self.header().home().take_over() };
        match home.turning() {
            // SAFETY: T4: the block is nobody's any more, and was allocated with this layout.
            Some(local) => unsafe { local.blocks.give(block, layout) },
            // SAFETY: T4: as above.
            None => unsafe { blocks::free(block, layout) },
        }
        if is_own {
            // SAFETY: T8: it was made by a box for this task alone.
            drop(unsafe { Box::from_raw(site.as_ptr()) });
        }
    }
}

/// A task made on any thread, to be pushed into its home's inbox: it holds the inbox's reference. Its number and place
/// come when it arrives.
///
/// # Safety
/// The future must be safe to send and to drop on another thread as long as it has not been polled.
pub(crate) unsafe fn new_remote<F: Future>(home: &HomeRef, at: &'static Location<'static>, future: F) -> TaskRef {
    let _counted = ManuallyDrop::new(home.clone());
    let site = SpawnSite::own(home, &Typed::<F>::VTABLE, at);
    let header = Header::new(Shared::new_in_inbox(), Tally::new_remote(), Owner::new_remote(), site);
    // SAFETY: the block has the layout of this type, and is nobody else's.
    TaskRef(unsafe { Typed::write(blocks::allocate(Typed::<F>::VTABLE.layout), header, future) })
}
