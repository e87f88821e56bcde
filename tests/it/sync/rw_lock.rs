//! `RwLock`: readers together, a writer alone, in order. The line that they stand in is tested in `semaphore`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;

use coracle::sync::{LockRead, LockWrite, RwLock, RwLockReadGuard, RwLockWriteGuard};
use coracle::task::{JoinError, yield_now};
use proptest::prelude::*;

use super::waiter::{
    Op, VERY_MANY, Waiter, lets_others_run, on_a_small_stack, said_to_wait_for, with_meddling_waker, woken,
};
use super::{both, foreign_block_on, permutations};
use crate::support::{self, cut_at_every_poll, poll_once, poll_with};

#[test]
fn readers_are_together_and_a_writer_is_alone() {
    let mut lock = RwLock::new(1);
    {
        let (one, two) = (lock.try_read().unwrap(), lock.try_read().unwrap());
        assert_eq!(*one + *two, 2);
        assert!(lock.try_write().is_none());
        drop(one);
        assert!(lock.try_write().is_none());
    }
    let mut writer = lock.try_write().unwrap();
    *writer = 2;
    assert!(lock.try_read().is_none() && lock.try_write().is_none());
    drop(writer);
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 3);
}

#[test]
fn a_waiting_writer_holds_back_the_readers_behind_it() {
    let lock = RwLock::new(());
    let first = lock.try_read().unwrap();
    let mut writer = Waiter::standing(lock.write());
    let mut readers: Vec<_> = (0..3).map(|_| Waiter::standing(lock.read())).collect();
    let _last = Waiter::standing(lock.write());
    assert!(lock.try_read().is_none(), "it overtakes the writer");
    drop(first);
    assert!(writer.is_woken());
    assert_eq!(woken(&readers), [false; 3]);
    let Poll::Ready(written) = writer.poll() else { panic!("it was handed the lock") };
    drop(written);
    assert_eq!(woken(&readers), [true; 3], "the readers at the head enter together");
    let guards: Vec<_> = readers.iter_mut().map(|reader| matches!(reader.poll(), Poll::Ready(_))).collect();
    assert_eq!(guards, [true; 3]);
}

/// The writer gives up: the readers that it held back must be woken.
#[test]
fn a_cancelled_writer_lets_the_readers_behind_it_enter() {
    let lock = RwLock::new(());
    let _reader = lock.try_read().unwrap();
    let writer = Waiter::standing(lock.write());
    let readers: Vec<_> = (0..2).map(|_| Waiter::standing(lock.read())).collect();
    drop(writer);
    assert_eq!(woken(&readers), [true; 2]);
    drop(readers);
    assert!(lock.try_write().is_none() && lock.try_read().is_some());
}

#[test]
fn downgrading_lets_readers_in_and_no_writer() {
    let lock = RwLock::new(1);
    let mut guard = lock.try_write().unwrap();
    *guard = 2;
    let mut readers: Vec<_> = (0..2).map(|_| Waiter::standing(lock.read())).collect();
    let mut writer = Waiter::standing(lock.write());
    let late = Waiter::standing(lock.read());
    let guard = RwLockWriteGuard::downgrade(guard);
    assert_eq!(woken(&readers), [true; 2]);
    assert!(!writer.is_woken() && !late.is_woken());
    for reader in &mut readers {
        assert!(matches!(reader.poll(), Poll::Ready(value) if *value == 2));
    }
    assert!(!writer.is_woken(), "a reader is there");
    drop(guard);
    assert!(writer.is_woken() && writer.poll().is_ready());
}

/// The holder and everybody who waits go, in every order and every mixture of readers and writers: those that are left
/// at the head of the line enter (tokio#4618, tokio#3652).
#[test]
fn whoever_is_dropped_lets_the_next_enter_in_every_order() {
    for n in 1..=4 {
        for mixture in 0..1_usize << n {
            let writes: Vec<bool> = (0..n).map(|bit| mixture >> bit & 1 == 1).collect();
            for order in permutations(n + 1) {
                drop_in(&writes, &order);
            }
        }
    }
}

fn drop_in(writes: &[bool], order: &[usize]) {
    let lock = RwLock::new(());
    let mut holder = lock.try_write();
    let mut model = Model { writing: true, ..Model::default() };
    let mut waiters = Vec::new();
    for (id, is_writer) in writes.iter().enumerate() {
        waiters.push(Some(Waiting::new(&lock, *is_writer)));
        assert!(waiters[id].as_mut().unwrap().poll().is_none());
        model.line.push((id, *is_writer));
    }
    for gone in order {
        match waiters.get_mut(*gone) {
            Some(waiter) => {
                drop(waiter.take());
                model.cancel(*gone);
            }
            None => {
                drop(holder.take());
                model.writing = false;
                model.serve();
            }
        }
        for (id, waiter) in waiters.iter().enumerate() {
            let Some(waiter) = waiter else { continue };
            assert_eq!(waiter.is_woken(), model.is_served(id), "writers {writes:?}, dropped {order:?}");
        }
    }
    assert!(lock.try_write().is_some(), "all are gone, and it is locked: {writes:?} {order:?}");
}

/// As documented: dropped at any point, a reader or a writer leaves the lock to the others.
#[test]
fn a_read_or_write_that_is_dropped_at_any_point_is_not_lost() {
    for writes in [false, true] {
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(async {
                let lock = Rc::new(RwLock::new(0));
                let holder = coracle::spawn({
                    let lock = lock.clone();
                    async move {
                        let mut guard = lock.write().await;
                        yield_now().await;
                        *guard = 1;
                    }
                });
                yield_now().await;
                if writes {
                    drop(cut.at(lock.write()).await);
                } else {
                    drop(cut.at(lock.read()).await);
                }
                assert_eq!(*lock.read().await, 1);
                assert_eq!(*lock.write().await, 1);
                holder.await.unwrap();
            });
        });
        assert!(dropped >= 2, "it was dropped {dropped} times");
    }
}

#[test]
fn a_panic_of_a_writer_unlocks() {
    let lock = Rc::new(RwLock::new(0));
    coracle::block_on(async {
        let panics = coracle::spawn({
            let lock = lock.clone();
            async move {
                *lock.write().await = 1;
                let _guard = lock.write().await;
                panic!("with the lock");
            }
        });
        assert!(matches!(panics.await, Err(JoinError::Panicked(_))));
        assert_eq!(*lock.read().await, 1);
    });
}

#[test]
fn a_million_readers_enter_and_leave() {
    on_a_small_stack(|| {
        let lock = RwLock::new(());
        let writer = lock.try_write().unwrap();
        let mut readers: Vec<_> = (0..VERY_MANY).map(|_| lock.read()).collect();
        assert!(readers.iter_mut().all(|reader| poll_once(reader).is_pending()));
        let mut last = Waiter::standing(lock.write());
        drop(writer);
        drop(readers.split_off(VERY_MANY / 2));
        let guards: Vec<_> = readers.iter_mut().map(poll_once).collect();
        assert!(guards.iter().all(Poll::is_ready));
        assert!(!last.is_woken());
        drop(guards);
        assert!(last.is_woken() && last.poll().is_ready());
    });
}

#[test]
fn wakers_that_lock_do_no_harm() {
    for moment in [Op::Clone, Op::Wake, Op::Drop] {
        let lock = Rc::new(RwLock::new(()));
        let used = lock.clone();
        let meddle = move |op| {
            if op == moment {
                drop((used.try_write(), used.try_read()));
                let _ = (poll_once(&mut used.read()), poll_once(&mut used.write()));
            }
        };
        with_meddling_waker(meddle, |waker| {
            let guard = lock.try_write().unwrap();
            let (mut read, mut write) = (lock.read(), lock.write());
            assert!(poll_with(&mut read, waker).is_pending() && poll_with(&mut write, waker).is_pending());
            drop(guard);
            drop(poll_with(&mut read, waker));
            assert!(poll_with(&mut write, waker).is_ready());
        });
        assert!(lock.try_write().is_some());
    }
}

/// A waker that polls at once, from within the drop or the downgrade of a guard: the value must be free by then.
#[test]
fn a_waker_that_polls_at_once_finds_the_value_free() {
    for downgrades in [false, true] {
        let lock: &'static RwLock<()> = support::keep(RwLock::new(()));
        let next: Rc<RefCell<Vec<LockRead<'static, ()>>>> = Rc::default();
        let (polled, entered) = (next.clone(), Rc::new(Cell::new(0)));
        let enters = entered.clone();
        let meddle = move |op| {
            if op == Op::Wake {
                let mut read = polled.borrow_mut().pop().unwrap();
                enters.set(enters.get() + usize::from(poll_once(&mut read).is_ready()));
            }
        };
        with_meddling_waker(meddle, |waker| {
            let guard = lock.try_write().unwrap();
            let mut read = lock.read();
            assert!(poll_with(&mut read, waker).is_pending());
            next.borrow_mut().push(read);
            if downgrades {
                drop(RwLockWriteGuard::downgrade(guard));
            } else {
                drop(guard);
            }
        });
        assert_eq!(entered.get(), 1);
    }
}

/// Likewise for a writer, from within the drop of the last reader.
#[test]
fn a_writer_that_is_polled_at_once_finds_the_value_free() {
    let lock: &'static RwLock<i32> = support::keep(RwLock::new(0));
    let next: Rc<RefCell<Option<LockWrite<'static, i32>>>> = Rc::default();
    let polled = next.clone();
    let meddle = move |op| {
        if op == Op::Wake {
            let mut write = polled.borrow_mut().take().unwrap();
            let Poll::Ready(mut guard) = poll_once(&mut write) else { panic!("it is handed over") };
            *guard += 1;
        }
    };
    with_meddling_waker(meddle, |waker| {
        let guard = lock.try_read().unwrap();
        let mut write = lock.write();
        assert!(poll_with(&mut write, waker).is_pending());
        *next.borrow_mut() = Some(write);
        drop(guard);
    });
    assert_eq!(*lock.try_read().unwrap(), 1);
}

#[test]
fn locking_in_a_loop_lets_others_run() {
    let lock = RwLock::new(());
    lets_others_run(async || drop(lock.read().await));
    lets_others_run(async || drop(lock.write().await));
}

#[test]
fn an_inspection_and_a_print_say_who_waits() {
    let lock = Rc::new(RwLock::new(5));
    let reader = lock.try_read().unwrap();
    assert_eq!(format!("{lock:?} {reader:?}"), "RwLock { value: 5, waiting: 0 } 5");
    let waits = lock.clone();
    assert_eq!(said_to_wait_for(async move { drop(waits.write().await) }), "a lock, to write");
    drop(reader);
    let _writer = lock.try_write().unwrap();
    assert_eq!(format!("{lock:?}"), "RwLock { value: <locked>, waiting: 0 }");
    let waits = lock.clone();
    assert_eq!(said_to_wait_for(async move { drop(waits.read().await) }), "a lock, to read");
}

#[test]
fn it_works_on_a_foreign_executor() {
    let lock = RwLock::new(1);
    let writer = lock.try_write().unwrap();
    let (read, ()) = foreign_block_on(both(lock.read(), async { drop(writer) }));
    assert_eq!(*read, 1);
}

/// A reader or a writer in the line, and the guards that they become.
enum Waiting<'a> {
    Reads(Waiter<LockRead<'a, ()>>),
    Writes(Waiter<LockWrite<'a, ()>>),
}

enum Guard<'a> {
    Reads { _guard: RwLockReadGuard<'a, ()> },
    Writes { guard: RwLockWriteGuard<'a, ()> },
}

impl<'a> Waiting<'a> {
    fn new(lock: &'a RwLock<()>, writes: bool) -> Waiting<'a> {
        if writes { Waiting::Writes(Waiter::new(lock.write())) } else { Waiting::Reads(Waiter::new(lock.read())) }
    }

    fn poll(&mut self) -> Option<Guard<'a>> {
        match self {
            Waiting::Reads(waiter) => super::ready(waiter.poll()).map(|guard| Guard::Reads { _guard: guard }),
            Waiting::Writes(waiter) => super::ready(waiter.poll()).map(|guard| Guard::Writes { guard }),
        }
    }

    fn is_woken(&self) -> bool {
        match self {
            Waiting::Reads(waiter) => waiter.is_woken(),
            Waiting::Writes(waiter) => waiter.is_woken(),
        }
    }
}

/// The model: how many read, whether one writes, who waits; those that were handed the lock count as having it.
#[derive(Debug, Default)]
struct Model {
    reading: usize,
    writing: bool,
    line: Vec<(usize, bool)>,
    served: Vec<(usize, bool)>,
}

impl Model {
    fn admits(&self, writes: bool) -> bool {
        !self.writing && (!writes || self.reading == 0)
    }

    fn enter(&mut self, writes: bool) {
        if writes { self.writing = true } else { self.reading += 1 }
    }

    fn exit(&mut self, writes: bool) {
        if writes {
            self.writing = false
        } else {
            self.reading -= 1
        }
        self.serve();
    }

    fn try_enter(&mut self, writes: bool) -> bool {
        let enters = self.line.is_empty() && self.admits(writes);
        if enters {
            self.enter(writes);
        }
        enters
    }

    fn serve(&mut self) {
        while self.line.first().is_some_and(|(_, writes)| self.admits(*writes)) {
            let (id, writes) = self.line.remove(0);
            self.enter(writes);
            self.served.push((id, writes));
        }
    }

    fn cancel(&mut self, id: usize) {
        self.line.retain(|(other, _)| *other != id);
        match self.served.iter().position(|(other, _)| *other == id) {
            Some(at) => {
                let (_, writes) = self.served.remove(at);
                self.exit(writes);
            }
            None => self.serve(),
        }
    }

    fn is_served(&self, id: usize) -> bool {
        self.served.iter().any(|(other, _)| *other == id)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter { writes: bool },
    TryEnter { writes: bool },
    Poll(usize),
    Cancel(usize),
    Exit(usize),
    Downgrade,
}

fn step() -> impl Strategy<Value = Step> {
    let writes = || prop_oneof![3 => Just(false), 2 => Just(true)];
    prop_oneof![
        5 => writes().prop_map(|writes| Step::Enter { writes }),
        2 => writes().prop_map(|writes| Step::TryEnter { writes }),
        4 => any::<usize>().prop_map(Step::Poll),
        3 => any::<usize>().prop_map(Step::Cancel),
        5 => any::<usize>().prop_map(Step::Exit),
        1 => Just(Step::Downgrade),
    ]
}

struct Run<'a> {
    lock: &'a RwLock<()>,
    model: Model,
    waiting: Vec<(usize, Waiting<'a>)>,
    guards: Vec<Guard<'a>>,
    next: usize,
}

impl Run<'_> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Enter { writes } => {
                let mut waiting = Waiting::new(self.lock, writes);
                let guard = waiting.poll();
                assert_eq!(guard.is_some(), self.model.try_enter(writes), "{:?}", self.model);
                if guard.is_none() {
                    self.model.line.push((self.next, writes));
                    self.waiting.push((self.next, waiting));
                    self.next += 1;
                }
                self.guards.extend(guard);
            }
            Step::TryEnter { writes } => {
                let guard = if writes {
                    self.lock.try_write().map(|guard| Guard::Writes { guard })
                } else {
                    self.lock.try_read().map(|guard| Guard::Reads { _guard: guard })
                };
                assert_eq!(guard.is_some(), self.model.try_enter(writes), "{:?}", self.model);
                self.guards.extend(guard);
            }
            Step::Poll(at) if !self.waiting.is_empty() => {
                let at = at % self.waiting.len();
                let (id, waiting) = &mut self.waiting[at];
                let guard = waiting.poll();
                assert_eq!(guard.is_some(), self.model.is_served(*id), "{:?}", self.model);
                if guard.is_some() {
                    self.model.served.retain(|(other, _)| other != id);
                    drop(self.waiting.remove(at));
                }
                self.guards.extend(guard);
            }
            Step::Cancel(at) if !self.waiting.is_empty() => {
                let (id, waiting) = self.waiting.remove(at % self.waiting.len());
                drop(waiting);
                self.model.cancel(id);
            }
            Step::Exit(at) if !self.guards.is_empty() => {
                let guard = self.guards.remove(at % self.guards.len());
                let writes = matches!(guard, Guard::Writes { .. });
                drop(guard);
                self.model.exit(writes);
            }
            Step::Downgrade => {
                if let Some(Guard::Writes { .. }) = self.guards.last() {
                    let Some(Guard::Writes { guard }) = self.guards.pop() else { unreachable!() };
                    self.guards.push(Guard::Reads { _guard: RwLockWriteGuard::downgrade(guard) });
                    self.model.writing = false;
                    self.model.reading = 1;
                    self.model.serve();
                }
            }
            _ => {}
        }
        for (id, waiting) in &self.waiting {
            assert_eq!(waiting.is_woken(), self.model.is_served(*id), "{id} of {:?}", self.model);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_lock_is_two_counters_and_a_queue_whoever_gives_up(steps in proptest::collection::vec(step(), 0..120)) {
        let lock = RwLock::new(());
        let model = Model::default();
        let mut run = Run { lock: &lock, model, waiting: Vec::new(), guards: Vec::new(), next: 0 };
        for step in steps {
            run.take(step);
            let writers = run.guards.iter().filter(|guard| matches!(guard, Guard::Writes { .. })).count();
            assert!(writers == 0 || run.guards.len() == 1, "a writer is not alone");
        }
        drop(run.waiting);
        drop(run.guards);
        assert!(lock.try_write().is_some());
    }
}
