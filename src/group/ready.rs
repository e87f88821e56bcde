//! [`ReadyList`]: which children of one task are to be polled.
//!
//! It knows keys and wakers, not futures: whoever owns the children keeps them beside it, by the same keys. Each child
//! has a waker of its own. A wake costs O(1): it puts the child's key at the end of a list, and wakes the parent if
//! that sleeps. So a parent of ten thousand polls those that were woken, in the order of their wakes, and no others.
//!
//! A poll of the parent takes what had been woken when it began, as a turn of the loop does with tasks: a child that
//! yields lets the other *tasks* go first, and a child that always wakes itself holds nobody up.
//!
//! Wakers may go to other threads, so the list is behind a lock. It is held for a push or a swap, and never while code
//! of somebody else's runs. Everything but wakers and that list belongs to the parent's thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use crate::task::{here, keep, kept, let_go, wake};

/// How many children one poll of the parent polls at the most: as many as tasks are polled between two looks at the
/// world, so that a parent of many costs the others no more than as many tasks would.
pub(crate) const CHILDREN_A_POLL: usize = 64;

/// See the head of this file.
pub(crate) struct ReadyList {
    woken: Arc<Woken>,
    places: Vec<Place>,
    /// Places without a child, whose keys stand nowhere.
    free: Vec<usize>,
    live: usize,
    /// How many children were ever inserted.
    born: u64,
    /// What this poll, or an earlier one that came to its bound, took out of the list.
    batch: VecDeque<usize>,
    /// The parent's waker from its last poll, if it was not used.
    kept: Option<Waker>,
}

/// What the wakers know.
struct Woken {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    keys: VecDeque<usize>,
    /// There only while the parent sleeps and no child is woken.
    parent: Option<Waker>,
    /// The parent is gone: a wake does nothing.
    closed: bool,
}

impl Woken {
    fn list(&self) -> MutexGuard<'_, List> {
        // Nothing between lock and unlock can panic half-way.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a key at the end. The parent's waker, if it must be woken.
    fn push(&self, key: usize) -> Option<Waker> {
        let mut list = self.list();
        if list.closed {
            return None;
        }
        list.keys.push_back(key);
        list.parent.take()
    }
}

/// Where a child lives. It stays when the child has ended, for the next.
struct Place {
    child: Arc<ChildWaker>,
    /// Of `child`: so a poll does not have to count.
    waker: Waker,
    /// The number of the child that lives here.
    lives: Option<u64>,
}

/// The references to a `ChildWaker` that its place has.
const OWN_REFERENCES: usize = 2;

struct ChildWaker {
    woken: Arc<Woken>,
    key: usize,
    /// It stands in the list, or there is no child any more: a wake has nothing to do.
    queued: AtomicBool,
}

impl Wake for ChildWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Read and write in one: it meets the exchange in `run`, so whatever was done before this wake is seen by the
        // poll that comes after.
        if !self.queued.swap(true, Ordering::AcqRel) {
            if let Some(parent) = self.woken.push(self.key) {
                parent.wake();
            }
        }
    }
}

impl Place {
    /// A place whose child has been woken once.
    fn new(woken: &Arc<Woken>, key: usize) -> Place {
        let child = Arc::new(ChildWaker { woken: woken.clone(), key, queued: AtomicBool::new(true) });
        Place { waker: child.clone().into(), child, lives: None }
    }
}

/// What became of a child that was polled.
pub(crate) enum Polled {
    /// It waits.
    Waits,
    /// It has ended: its place is free.
    Ended,
    /// The same, and the others are not to be polled now.
    EndedLast,
}

impl ReadyList {
    /// Without children. Allocates what it shares with the wakers.
    pub(crate) fn new() -> ReadyList {
        ReadyList {
            woken: Arc::new(Woken { list: Mutex::default() }),
            places: Vec::new(),
            free: Vec::new(),
            live: 0,
            born: 0,
            batch: VecDeque::new(),
            kept: None,
        }
    }

    /// How many children there are.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// A new child, woken once: so it is polled after those that were woken before, and the parent is woken. Its key:
    /// one that was given back, or the next number. Allocates only if no place is free, or if somebody still has a
    /// waker of the last one who lived there.
    pub(crate) fn insert(&mut self) -> usize {
        let key = self.settle();
        if let Some(parent) = self.woken.push(key) {
            wake(parent);
        }
        key
    }

    /// A new child, by the parent itself, before it sleeps: it is polled before those that have been woken since the
    /// parent's poll began.
    pub(crate) fn insert_inside(&mut self) -> usize {
        let key = self.settle();
        self.batch.push_back(key);
        key
    }

    /// A place for a new child.
    fn settle(&mut self) -> usize {
        let key = self.free.pop().unwrap_or(self.places.len());
        if key == self.places.len() {
            self.places.push(Place::new(&self.woken, key));
        } else if Arc::strong_count(&self.places[key].child) != OWN_REFERENCES {
            self.places[key] = Place::new(&self.woken, key);
        }
        self.places[key].lives = Some(self.born);
        self.born += 1;
        self.live += 1;
        key
    }

    /// Polls the children that have been woken, in order, up to the bound. Then, unless it is done, the parent must
    /// [`sleep`](ReadyList::sleep). `true`: it ended with [`EndedLast`](Polled::EndedLast).
    pub(crate) fn run(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(usize, &mut Context<'_>) -> Polled,
    ) -> bool {
        self.take_batch();
        let mut polls = 0;
        while polls < CHILDREN_A_POLL {
            let Some(&key) = self.batch.front() else { break };
            let place = &self.places[key];
            // Asked while the key and its mark still stand: put back, they could hide a wake that came between.
            if place.lives.is_some() && !here::may_go_on(cx) {
                break;
            }
            self.batch.pop_front();
            if place.lives.is_none() {
                self.free.push(key);
                continue;
            }
            place.child.queued.swap(false, Ordering::AcqRel);
            polls += 1;
            let marked = kept::childs(&place.waker);
            match poll(key, &mut Context::from_waker(marked.as_ref().unwrap_or(&place.waker))) {
                Polled::Waits => {}
                Polled::Ended => self.retire(key),
                Polled::EndedLast => {
                    self.retire(key);
                    return true;
                }
            }
        }
        false
    }

    /// Takes what has been woken, behind what a poll before left. A woken parent has left no waker there; one that is
    /// polled for another reason takes its own back.
    fn take_batch(&mut self) {
        let mut list = self.woken.list();
        if self.batch.is_empty() {
            std::mem::swap(&mut self.batch, &mut list.keys);
        } else {
            self.batch.append(&mut list.keys);
        }
        let parent = list.parent.take();
        drop(list);
        if parent.is_some() {
            let_go(std::mem::replace(&mut self.kept, parent));
        }
    }

    /// The end of a poll that returns `Pending`: leaves the parent's waker for the next child that is woken, or wakes
    /// it if there is more to do already.
    pub(crate) fn sleep(&mut self, cx: &mut Context<'_>) {
        if self.batch.is_empty() {
            if !self.kept.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
                let waker = keep(cx.waker());
                let_go(self.kept.replace(waker));
            }
            let mut list = self.woken.list();
            if list.keys.is_empty() {
                list.parent = self.kept.take();
                return;
            }
        }
        cx.waker().wake_by_ref();
    }

    /// The child at `key` is gone. A waker of it that somebody keeps does nothing from now on. If its key stands in the
    /// list, then the place stays empty until that has come up: nobody else is to be polled for its wakes.
    pub(crate) fn retire(&mut self, key: usize) {
        let place = &mut self.places[key];
        place.lives = None;
        self.live -= 1;
        if !place.child.queued.swap(true, Ordering::AcqRel) {
            self.free.push(key);
        }
    }

    /// All children are gone, and so are their wakes. The parent, if it sleeps: there is something to tell it.
    pub(crate) fn forget_wakes(&mut self) -> Option<Waker> {
        let mut list = self.woken.list();
        self.batch.append(&mut list.keys);
        let parent = list.parent.take();
        drop(list);
        self.free.extend(self.batch.drain(..));
        parent
    }

    /// The keys of all children, in the order in which they were inserted.
    pub(crate) fn by_age(&self) -> Vec<usize> {
        let lives = self.places.iter().enumerate().filter_map(|(key, place)| Some((place.lives?, key)));
        let mut all: Vec<(u64, usize)> = lives.collect();
        all.sort_unstable();
        all.into_iter().map(|(_, key)| key).collect()
    }
}

impl Drop for ReadyList {
    fn drop(&mut self) {
        let mut list = self.woken.list();
        list.closed = true;
        let left = (std::mem::take(&mut list.keys), list.parent.take());
        drop(list);
        let_go((left, self.kept.take()));
    }
}
