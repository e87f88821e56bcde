//! Models of what several threads may do to a task at once, checked in every order by loom.
//!
//! What is modelled is the real code of `inbox.rs`, `state.rs` and `count.rs`; the home around it (run queue, notifier)
//! is reduced to what the model needs. A wake-up that is lost shows as a deadlock, which loom reports; a missing
//! ordering shows as a stale value or as a race on one of loom's cells. Run them with
//!
//! ```text
//! RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --lib loom
//! ```

use std::ptr::{self, NonNull};

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::atomic::{AtomicPtr, AtomicUsize, Ordering};
use super::count::Count;
use super::inbox::{Inbox, Node, Pushed};
use super::state::{Released, Request, Requested, Shared, Tally};

/// A task, as far as other threads see it.
struct Item {
    shared: Shared,
    /// Touched by the model's main thread only.
    tally: Tally,
    next: AtomicPtr<Item>,
    /// Who pushed it, and as which of its pushes.
    name: (char, usize),
}

// SAFETY: T3: the link is a field, and an item lives to the end of its model.
unsafe impl Node for Item {
    fn next(&self) -> &AtomicPtr<Item> {
        &self.next
    }
}

/// An item that lives until [`Inventory`] is dropped: what is tested here is who *may* free, not the freeing.
#[derive(Clone, Copy)]
struct ItemRef(NonNull<Item>);

// SAFETY: an item is made of atomics, of what never changes, and of the main thread's tally.
unsafe impl Send for ItemRef {}
// SAFETY: as above.
unsafe impl Sync for ItemRef {}

impl std::ops::Deref for ItemRef {
    type Target = Item;

    fn deref(&self) -> &Item {
        // SAFETY: the model's inventory keeps it allocated.
        unsafe { self.0.as_ref() }
    }
}

/// Owns the items of a model; to be dropped after all threads were joined.
#[derive(Default)]
struct Inventory(Vec<Box<Item>>);

impl Inventory {
    fn item(&mut self, shared: Shared, name: (char, usize)) -> ItemRef {
        self.0.push(Box::new(Item { shared, tally: Tally::new(), next: AtomicPtr::new(ptr::null_mut()), name }));
        ItemRef(NonNull::from(&**self.0.last().unwrap()))
    }
}

/// A home: an inbox, and a bell that ends the sleep of its loop.
struct Loop {
    inbox: Inbox<Item>,
    bell: Mutex<bool>,
    rung: Condvar,
    rings: AtomicUsize,
}

impl Loop {
    /// Awake.
    fn new() -> Arc<Loop> {
        let inbox = Inbox::new();
        inbox.unpark();
        Arc::new(Loop { inbox, bell: Mutex::new(false), rung: Condvar::new(), rings: AtomicUsize::new(0) })
    }

    /// `false`: the inbox is closed.
    fn push(&self, item: ItemRef) -> bool {
        match self.inbox.push(item.0) {
            Pushed::Quiet => true,
            Pushed::Closed => false,
            Pushed::Notify => {
                let already = std::mem::replace(&mut *self.bell.lock().unwrap(), true);
                assert!(!already, "a loop that sleeps was notified twice");
                self.rings.fetch_add(1, Ordering::Relaxed);
                self.rung.notify_one();
                true
            }
        }
    }

    /// Sleeps until notified, unless something has come. Whether it slept.
    fn sleep(&self) -> bool {
        if !self.inbox.park() {
            return false;
        }
        let mut bell = self.bell.lock().unwrap();
        while !*bell {
            bell = self.rung.wait(bell).unwrap();
        }
        *bell = false;
        drop(bell);
        self.inbox.unpark();
        true
    }

    /// As `waker::request`.
    fn request(&self, item: ItemRef, request: Request) -> Requested {
        let requested = item.shared.request(request);
        if requested == Requested::PushToInbox {
            assert!(self.push(item));
            return Requested::PushToInbox;
        }
        Requested::Nothing
    }
}

fn sorted(mut names: Vec<(char, usize)>) -> Vec<(char, usize)> {
    names.sort_unstable();
    names
}

#[test]
fn loom_a_sleeping_loop_is_notified_once_and_loses_nothing() {
    loom::model(|| {
        let (home, mut inventory) = (Loop::new(), Inventory::default());
        let mut pushers = vec![];
        for (pusher, pushes) in [('a', 2), ('b', 1)] {
            let items: Vec<_> = (0..pushes).map(|n| inventory.item(Shared::new(), (pusher, n))).collect();
            let home = home.clone();
            pushers.push(thread::spawn(move || items.into_iter().for_each(|item| assert!(home.push(item)))));
        }

        let (mut taken, mut sleeps) = (vec![], 0);
        loop {
            // SAFETY: the inventory keeps the items.
            taken.extend(home.inbox.take().map(|item| unsafe { item.as_ref() }.name));
            if taken.len() == 3 {
                break;
            }
            sleeps += usize::from(home.sleep());
        }
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());

        assert_eq!(sorted(taken.clone()), [('a', 0), ('a', 1), ('b', 0)], "each is taken once");
        let of_a: Vec<_> = taken.into_iter().filter(|name| name.0 == 'a').collect();
        assert_eq!(of_a, [('a', 0), ('a', 1)], "those of one thread in their order");
        assert_eq!(home.rings.load(Ordering::Relaxed), sleeps, "one notification a sleep");
    });
}

#[test]
fn loom_a_push_at_the_end_is_taken_or_told_closed() {
    loom::model(|| {
        let (home, mut inventory) = (Loop::new(), Inventory::default());
        // What the home thread did before the end: whoever hears of the end sees it.
        let ended = Arc::new(UnsafeCell::new(false));
        let mut pushers = vec![];
        for pusher in ['a', 'b'] {
            let (item, home, ended) = (inventory.item(Shared::new(), (pusher, 0)), home.clone(), ended.clone());
            pushers.push(thread::spawn(move || {
                let taken = home.push(item);
                if !taken {
                    assert!(home.inbox.is_closed());
                    // SAFETY: loom checks that the write happened before.
                    assert!(ended.with(|ended| unsafe { *ended }));
                }
                taken
            }));
        }
        // SAFETY: loom checks that nobody reads meanwhile.
        ended.with_mut(|ended| unsafe { *ended = true });
        // SAFETY: the inventory keeps the items.
        let taken: Vec<_> = home.inbox.close().map(|item| unsafe { item.as_ref() }.name).collect();
        let told: usize = pushers.into_iter().map(|pusher| usize::from(pusher.join().unwrap())).sum();
        assert_eq!(taken.len(), told, "what a push said and what the home took are the same");
        assert_eq!(home.inbox.push(inventory.item(Shared::new(), ('c', 0)).0), Pushed::Closed);
    });
}

#[test]
fn loom_what_was_written_before_a_wake_is_seen_by_a_poll_after_it() {
    loom::model(|| {
        let (home, mut inventory) = (Loop::new(), Inventory::default());
        let task = inventory.item(Shared::new(), ('t', 0));
        let written = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let mut wakers = vec![];
        for n in 0..2 {
            let (home, written) = (home.clone(), written.clone());
            wakers.push(thread::spawn(move || {
                written[n].store(1, Ordering::Relaxed);
                home.request(task, Request::Wake)
            }));
        }

        // A poll reads what was written, and waits for another wake if that is not all.
        let (mut polls, mut seen) = (0, 0);
        while seen < 2 {
            for _ in home.inbox.take() {
                assert_eq!(task.tally.references(&task.shared), 2, "the home's and the inbox's, however many wake");
                let arrival = task.shared.take_in();
                assert!(!arrival.abort && !arrival.detach);
                polls += 1;
                seen = written.iter().map(|value| value.load(Ordering::Relaxed)).sum();
                assert!(task.tally.release(&task.shared));
            }
            if seen < 2 {
                home.sleep();
            }
        }
        let pushes = wakers.into_iter().map(|waker| waker.join().unwrap());
        let pushes = pushes.filter(|requested| *requested == Requested::PushToInbox).count();
        let rest = home.inbox.take().map(|_| drop(task.shared.take_in())).count();
        assert_eq!(pushes, polls + rest, "each push is taken in once");
        assert_eq!(task.tally.references(&task.shared), 1 + rest);
    });
}

#[test]
fn loom_a_task_that_went_deaf_is_pushed_no_more_and_freed_once() {
    loom::model(|| {
        let (home, mut inventory) = (Loop::new(), Inventory::default());
        let task = inventory.item(Shared::new(), ('t', 0));
        assert!(task.tally.acquire(&task.shared));
        let waker = thread::spawn({
            let home = home.clone();
            move || {
                let pushes = [home.request(task, Request::Wake), home.request(task, Request::Abort)];
                (pushes.iter().filter(|said| **said == Requested::PushToInbox).count(), task.shared.release())
            }
        });
        // The task is complete: what comes in only makes it deaf.
        task.shared.deafen();
        let take_in = || {
            home.inbox
                .take()
                .map(|_| {
                    drop(task.shared.take_in());
                    assert!(task.tally.release(&task.shared));
                })
                .count()
        };
        let early = take_in();
        let (pushes, released) = waker.join().unwrap();
        assert_eq!(early + take_in(), pushes);
        assert_eq!(task.shared.request(Request::Wake), Requested::Nothing, "it is deaf");
        assert_eq!(released, Released::Kept, "the home still has its reference");
        assert_eq!(task.tally.settle(&task.shared), Released::Free);
    });
}

/// One thread has a waker, clones it and drops both; the home counts by its tally, and settles it at some moment.
#[test]
fn loom_the_last_of_home_and_thread_frees_once_and_sees_all_that_was_written() {
    loom::model(|| {
        let mut inventory = Inventory::default();
        let task = inventory.item(Shared::new(), ('t', 0));
        // The thread's waker, and one of this thread's.
        assert!(task.tally.acquire(&task.shared) && task.tally.acquire(&task.shared));
        let cells = Arc::new([UnsafeCell::new(0), UnsafeCell::new(0)]);
        let mark = |cells: &[UnsafeCell<i32>; 2], mine: usize| {
            // SAFETY: its own cell; loom checks that it is.
            cells[mine].with_mut(|cell| unsafe { *cell += 1 });
        };
        let frees = |cells: &[UnsafeCell<i32>; 2], released: &[Released]| {
            let frees = released.iter().filter(|released| **released == Released::Free).count();
            if frees > 0 {
                // SAFETY: whoever frees has everything; loom checks that nothing is concurrent.
                cells.iter().for_each(|cell| cell.with_mut(|cell| unsafe { *cell += 1 }));
            }
            frees
        };
        let other = thread::spawn({
            let cells = cells.clone();
            move || {
                task.shared.acquire();
                mark(&cells, 1);
                frees(&cells, &[task.shared.release(), task.shared.release()])
            }
        });
        assert!(
            task.tally.acquire(&task.shared) && task.tally.release(&task.shared) && task.tally.release(&task.shared)
        );
        mark(&cells, 0);
        let here = frees(&cells, &[task.tally.settle(&task.shared)]);
        assert_eq!(here + other.join().unwrap(), 1, "freed exactly once");
    });
}

/// A home's count, with what tells of a use after its end.
struct Counted {
    count: Count,
    frees: AtomicUsize,
}

// SAFETY: `Count`'s plain half is touched by the model's main thread only.
unsafe impl Send for Counted {}
// SAFETY: as above.
unsafe impl Sync for Counted {}

impl Counted {
    fn check(&self) {
        assert_eq!(self.frees.load(Ordering::SeqCst), 0, "freed while a reference exists");
    }

    fn release(&self) {
        self.check();
        if self.count.release_remote() == Released::Free {
            assert_eq!(self.frees.fetch_add(1, Ordering::SeqCst), 0, "freed twice");
        }
    }

    fn acquire(&self) {
        self.check();
        self.count.acquire_remote();
    }
}

#[test]
fn loom_a_biased_count_frees_once_and_never_early() {
    loom::model(|| {
        let home = Arc::new(Counted { count: Count::new(), frees: AtomicUsize::new(0) });
        // One reference for each thread, counted at home and released elsewhere.
        home.count.acquire_local();
        home.count.acquire_local();
        let one = thread::spawn({
            let home = home.clone();
            move || {
                home.acquire();
                home.release();
                home.release();
            }
        });
        let two = thread::spawn({
            let home = home.clone();
            move || home.release()
        });
        // A reference that was counted elsewhere ends at home: the plain half goes below what it began with.
        home.acquire();
        home.count.release_local();
        home.count.settle();
        home.check();
        home.release();
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(home.frees.load(Ordering::SeqCst), 1, "freed exactly once");
    });
}

/// The JoinHandle is dropped on one thread and a waker is used on another, while the runtime ends. The one who finds
/// the task linked already trusts the other to carry its request; if that one is told that the inbox is closed, it must
/// carry it out.
#[test]
fn loom_a_handle_dropped_while_another_thread_wakes_at_the_end_is_not_forgotten() {
    loom::model(|| {
        let (home, mut inventory) = (Loop::new(), Inventory::default());
        let task = inventory.item(Shared::new(), ('t', 0));
        let mut threads = vec![];
        for request in [Request::Wake, Request::Detach] {
            let home = home.clone();
            threads.push(thread::spawn(move || {
                if task.shared.request(request) == Requested::PushToInbox && !home.push(task) {
                    // As `waker::give_up`.
                    let detach = task.shared.take_in().detach;
                    assert_eq!(task.shared.release(), Released::Kept);
                    return usize::from(detach);
                }
                0
            }));
        }
        let mut detached = 0;
        for _ in home.inbox.close() {
            detached += usize::from(task.shared.take_in().detach);
            assert!(task.tally.release(&task.shared));
        }
        detached += threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>();
        assert_eq!(detached, 1, "the handle's part of the home's reference ends exactly once");
        assert_eq!(task.tally.settle(&task.shared), Released::Free);
    });
}
