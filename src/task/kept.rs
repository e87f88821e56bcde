//! Which wakers of a runtime's tasks are kept, and by whom: the evidence for a verdict.
//!
//! A runtime that is to say "nobody can wake these tasks" must know every waker that exists. So, where verdicts are
//! asked for, each poll gets a waker whose clones are written down in a [`Book`], until they are used or dropped. What
//! keeps a clone says right after what it waits for (`here::waits`), as each of our own futures does; a clone of which
//! nothing is said was kept by code that is not ours, and may be woken from anywhere. Elsewhere none of this runs.
//!
//! - **K1**: the data pointer of these wakers is a `Box<Mark>`, and each waker is the only owner of its box.
//! - **K2**: [`NOW`] is null, or points to the root of a poll under way on this thread, whose [`Poll`] holds it.
//!
//! Who says what it waits for *without* having kept a waker in this poll wakes its task before (it yields): what is said
//! after that is not said of a clone that was made before it.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::Location;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{RawWaker, RawWakerVTable, Waker};
use std::time::Instant;

use super::header::TaskRef;
use super::here::{self, Who};
use crate::observer::{TaskId, Wait};
use crate::sys::World;

/// See the head of this file. Clones are one and the same book.
#[derive(Clone)]
pub(crate) struct Book {
    pages: Arc<Mutex<Pages>>,
    world: World,
}

#[derive(Default)]
struct Pages {
    next: u64,
    /// By the second half of their numbers.
    kept: HashMap<u64, Kept>,
    /// The last clone, if nothing was said since.
    open: Option<Number>,
    tasks: HashMap<TaskId, Page>,
    /// The poll under way, and where its task was spawned.
    polled: Option<(TaskId, &'static Location<'static>)>,
}

/// Of a clone: whose waker it is, and how many there were before.
type Number = (TaskId, u64);

/// What is known of a task.
#[derive(Default)]
struct Page {
    polls: u64,
    /// How many of its ordinary wakers are behind ours.
    roots: usize,
    /// Its clones, in the order in which they were made. Some may be gone: see [`Pages::write`].
    clones: Vec<u64>,
    /// How many are not.
    kept: usize,
    /// What its last poll waits for, and since when. Not what children wait for that were not polled in it.
    waits: Vec<(Wait, Instant)>,
}

/// A waker that somebody keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// In which of the task's polls it was cloned, counted from 1.
    pub(crate) poll: u64,
    /// It is not the task's, but that of one of several children in it, which is not polled whenever the task is.
    pub(crate) is_childs: bool,
    /// What whoever keeps it waits for; `None`: it is not ours.
    pub(crate) said: Option<Wait>,
    pub(crate) since: Instant,
}

/// Of all clones of a poll's waker.
struct Root {
    book: Book,
    who: Who,
    is_childs: bool,
    poll: u64,
    /// The waker that does the work.
    behind: Waker,
    /// [`mark_child`].
    mark_child: fn(&Root, &Waker) -> Waker,
}

thread_local! {
    /// The clone under way is one of ours, who says next what it is kept for.
    static OURS: Cell<bool> = const { Cell::new(false) };
    /// The root of the poll under way (K2).
    static NOW: Cell<*const Root> = const { Cell::new(ptr::null()) };
    /// [`VTABLE`], once there was a poll by the book on this thread. What every program calls, [`keep`] and [`childs`],
    /// finds the rest of this file by what a poll has put here, so that a program without a book is not linked with it.
    static MARKS: Cell<*const RawWakerVTable> = const { Cell::new(ptr::null()) };
}

impl Book {
    pub(crate) fn new(world: World) -> Book {
        Book { pages: Arc::default(), world }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Nothing between lock and unlock can panic half-way.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poll of `task` begins.
    pub(crate) fn begin(&self, task: &TaskRef, waker: &Waker) -> Poll {
        let who = Who::of(task.header());
        let (poll, first) = {
            let mut pages = self.pages();
            let first = pages.next;
            pages.open = None;
            pages.polled = Some((who.task(), task.header().at()));
            let page = pages.tasks.entry(who.task()).or_default();
            page.polls += 1;
            (page.polls, first)
        };
        let root = Root::new(self.clone(), who, false, poll, waker.clone());
        MARKS.with(|marks| marks.set(&VTABLE));
        let outer = NOW.with(|now| now.replace(Arc::as_ptr(&root)));
        Poll { waker: mark(&root, None), root, first, outer }
    }

    /// How many of its ordinary wakers are known: one behind each poll of which clones are kept.
    pub(crate) fn known_wakers(&self, task: TaskId) -> usize {
        self.pages().tasks.get(&task).map_or(0, |page| page.roots)
    }

    /// Which task is being polled, and where it was spawned.
    pub(crate) fn polled(&self) -> Option<(TaskId, &'static Location<'static>)> {
        self.pages().polled
    }

    /// How often it was polled.
    pub(crate) fn polls(&self, task: TaskId) -> u64 {
        self.pages().tasks.get(&task).map_or(0, |page| page.polls)
    }

    /// The wakers of a task that somebody keeps, in the order in which they were cloned.
    pub(crate) fn kept(&self, task: TaskId) -> Vec<Kept> {
        self.pages().of(task).copied().collect()
    }

    /// A clone was made, in a poll under way (`inside`) or anywhere. Its number.
    fn cloned(&self, root: &Root, inside: bool) -> Number {
        let (since, ours) = (self.world.now(), OURS.take());
        let said = if inside { here::take_wait() } else { None };
        let mut pages = self.pages();
        if inside {
            pages.close(said);
        }
        let kept = Kept { poll: root.poll, is_childs: root.is_childs, said: None, since };
        let number = pages.write(root.who.task(), kept);
        if inside && ours {
            pages.open = Some(number);
        }
        number
    }

    /// A task in its own poll: what it says next does not count for a clone that was made before.
    fn woke_itself(&self) {
        let said = here::take_wait();
        self.pages().close(said);
    }
}

impl Pages {
    fn of(&self, task: TaskId) -> impl Iterator<Item = &Kept> {
        self.since(task, 0)
    }

    /// Those that were not made before the clone of this number.
    fn since(&self, task: TaskId, first: u64) -> impl Iterator<Item = &Kept> {
        let clones = self.tasks.get(&task).map_or(&[][..], |page| &page.clones[..]);
        let first = clones.partition_point(|clone| *clone < first);
        clones[first..].iter().filter_map(|clone| self.kept.get(clone))
    }

    fn write(&mut self, task: TaskId, kept: Kept) -> Number {
        let number = self.next;
        self.next += 1;
        self.kept.insert(number, kept);
        if let Some(page) = self.tasks.get_mut(&task) {
            page.kept += 1;
            page.clones.push(number);
            // Those that are gone are struck out when they are the most of the list.
            if page.clones.len() > 2 * page.kept + 8 {
                page.clones.retain(|clone| self.kept.contains_key(clone));
            }
        }
        (task, number)
    }

    fn erase(&mut self, (task, number): Number) {
        self.kept.remove(&number);
        if let Some(page) = self.tasks.get_mut(&task) {
            page.kept = page.kept.saturating_sub(1);
        }
    }

    /// What was said since the last clone is what that one is kept for.
    fn close(&mut self, said: Option<Wait>) {
        let Some(open) = self.open.take() else { return };
        let (Some(kept), Some(said)) = (self.kept.get_mut(&open.1), said) else { return };
        kept.said = Some(said);
        // It goes on waiting for what it waited for before.
        let waits = self.tasks.get(&open.0).map_or(&[][..], |page| &page.waits[..]);
        if let Some((_, since)) = waits.iter().find(|(wait, _)| wait.is_same(&said)) {
            kept.since = *since;
        }
    }
}

/// A poll under way, until [`end`](Poll::end).
pub(crate) struct Poll {
    pub(crate) waker: Waker,
    root: Arc<Root>,
    /// How many clones there had been when it began.
    first: u64,
    outer: *const Root,
}

impl Poll {
    /// It is over. `said`: what the task said last; `None` if there is no task any more. Whether no waker of the task is
    /// kept by anybody.
    pub(crate) fn end(self, said: Option<Option<Wait>>) -> bool {
        let task = self.root.who.task();
        let mut pages = self.root.book.pages();
        pages.polled = None;
        let Some(said) = said else {
            pages.open = None;
            pages.tasks.remove(&task);
            return false;
        };
        pages.close(said);
        let waits: Vec<_> = pages.since(task, self.first).filter_map(|kept| Some((kept.said?, kept.since))).collect();
        let nobody = pages.of(task).next().is_none();
        if let Some(page) = pages.tasks.get_mut(&task) {
            page.waits = waits;
        }
        nobody
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        NOW.with(|now| now.set(self.outer));
    }
}

impl Root {
    fn new(book: Book, who: Who, is_childs: bool, poll: u64, behind: Waker) -> Arc<Root> {
        if !is_childs {
            book.pages().tasks.entry(who.task()).or_default().roots += 1;
        }
        Arc::new(Root { book, who, is_childs, poll, behind, mark_child })
    }

    /// Whether this thread is in the poll that this root is of, or in one of a child.
    fn is_under_way(&self) -> bool {
        let now = NOW.with(Cell::get);
        // SAFETY: K2.
        let now = unsafe { now.as_ref() };
        now.is_some_and(|now| now.who == self.who && now.poll == self.poll) && here::who() == Some(self.who)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if self.is_childs {
            return;
        }
        if let Some(page) = self.book.pages().tasks.get_mut(&self.who.task()) {
            page.roots = page.roots.saturating_sub(1);
        }
    }
}

/// The waker of a child that is one of several in the task that is being polled, so that its clones are written down as
/// the task's are. `None` if nobody keeps a book.
pub(crate) fn childs(waker: &Waker) -> Option<Waker> {
    let now = NOW.with(Cell::get);
    // SAFETY: K2.
    let now = unsafe { now.as_ref() }?;
    Some((now.mark_child)(now, waker))
}

fn mark_child(now: &Root, waker: &Waker) -> Waker {
    mark(&Root::new(now.book.clone(), now.who, true, now.poll, waker.clone()), None)
}

// ---- the waker ---------------------------------------------------------------------------------------------------

/// A clone for a future of this library, which says next what it waits for. That counts only if it is the task's own
/// waker that it keeps, and not one that somebody else's future has put before it.
#[inline]
pub(crate) fn keep(waker: &Waker) -> Waker {
    if ptr::eq(waker.vtable(), MARKS.with(Cell::get)) {
        OURS.set(true);
    }
    waker.clone()
}

/// What a waker points to.
struct Mark {
    root: Arc<Root>,
    /// `None`: the one that is lent to the poll.
    number: Option<Number>,
}

impl Drop for Mark {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut pages = self.root.book.pages();
        pages.erase(number);
        // What was cloned and dropped again is no evidence of anything, and what is said next is not said of another.
        if pages.open == Some(number) {
            pages.open = None;
        }
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

fn mark(root: &Arc<Root>, number: Option<Number>) -> Waker {
    let data = Box::into_raw(Box::new(Mark { root: root.clone(), number }));
    // SAFETY: K1: a new box.
    unsafe { Waker::from_raw(RawWaker::new(data.cast_const().cast(), &VTABLE)) }
}

/// # Safety
/// The data of one of our wakers that lives as long as the result.
unsafe fn look<'a>(data: *const ()) -> &'a Mark {
    // SAFETY: K1.
    unsafe { &*data.cast::<Mark>() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned lives.
    let root = unsafe { &look(data).root };
    let number = root.book.cloned(root, root.is_under_way());
    let clone = Box::new(Mark { root: root.clone(), number: Some(number) });
    RawWaker::new(Box::into_raw(clone).cast_const().cast(), &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: K1: the waker ends here.
    let mark = unsafe { Box::from_raw(data.cast::<Mark>().cast_mut()) };
    mark.root.behind.wake_by_ref();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker lives.
    let root = unsafe { &look(data).root };
    if root.is_under_way() {
        root.book.woke_itself();
    }
    root.behind.wake_by_ref();
}

unsafe fn release(data: *const ()) {
    // SAFETY: K1: the waker ends here.
    drop(unsafe { Box::from_raw(data.cast::<Mark>().cast_mut()) });
}
