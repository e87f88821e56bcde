//! `OnceCell`: one makes the value, the others wait, and whoever fails lets the next one try.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use coracle::sync::{OnceCell, SetError, oneshot};
use coracle::task::{JoinError, yield_now};
use proptest::prelude::*;

use super::waiter::{
    Op, VERY_MANY, Waiter, caught, on_a_small_stack, said_to_wait_for, with_meddling_waker, with_panicking_waker, woken,
};
use super::{Counted, both, foreign_block_on, permutations};
use crate::support::{self, cut_at_every_poll, poll_once, poll_with};

#[test]
fn the_value_is_made_once_and_all_that_wait_go_on_together() {
    let (cell, made) = (Rc::new(OnceCell::new()), Rc::new(Cell::new(0)));
    coracle::block_on(async {
        let tasks: Vec<_> = (0..5)
            .map(|task| {
                let (cell, made) = (cell.clone(), made.clone());
                coracle::spawn(async move {
                    let make = async || {
                        made.set(made.get() + 1);
                        yield_now().await;
                        task
                    };
                    *cell.get_or_init(make).await
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 0);
        }
    });
    assert_eq!((made.get(), cell.get()), (1, Some(&0)));
    let cell = OnceCell::new();
    let mut maker = Waiter::standing(cell.get_or_init(pending));
    let waiters: Vec<_> = (0..3).map(|_| Waiter::standing(cell.get_or_init(pending))).collect();
    assert!(maker.poll().is_pending());
    drop(maker);
    assert_eq!(woken(&waiters), [true, false, false]);
    drop(waiters);
    assert_eq!(cell.set(1), Ok(()));
}

#[test]
fn what_is_there_is_given_without_calling_anything() {
    let cell = OnceCell::from(1);
    let never = || -> std::future::Ready<i32> { panic!("not needed") };
    assert_eq!(coracle::block_on(cell.get_or_init(never)), &1);
    assert_eq!(poll_once(&mut cell.get_or_try_init(|| ready(Err(())))), Poll::Ready(Ok(&1)));
}

/// An error stays with its caller; the one that has waited longest tries, with its own operation.
#[test]
fn a_failed_initialiser_lets_the_next_one_try() {
    let cell = Rc::new(OnceCell::new());
    coracle::block_on(async {
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let cell = cell.clone();
                coracle::spawn(async move {
                    let make = async || {
                        yield_now().await;
                        if task < 2 { Err(task) } else { Ok(task) }
                    };
                    cell.get_or_try_init(make).await.copied()
                })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        assert_eq!(results, [Err(0), Err(1), Ok(2), Ok(2)]);
    });
}

#[test]
fn a_panicking_initialiser_lets_the_next_one_try() {
    let cell = Rc::new(OnceCell::new());
    coracle::block_on(async {
        let panics = |when_called: bool| {
            let cell = cell.clone();
            coracle::spawn(async move {
                let make = || {
                    assert!(!when_called, "when called");
                    async { panic!("when polled") }
                };
                *cell.get_or_init(make).await
            })
        };
        let (one, two) = (panics(true), panics(false));
        yield_now().await;
        assert_eq!(*cell.get_or_init(|| ready(7)).await, 7);
        for task in [one, two] {
            assert!(matches!(task.await, Err(JoinError::Panicked(_))));
        }
    });
}

/// The initialiser and those that wait are dropped, in every order: the right goes to the first that is left, and is
/// free when nobody is.
#[test]
fn an_initialiser_that_is_dropped_lets_the_next_one_try_in_every_order() {
    for n in 1..=4 {
        for order in permutations(n) {
            let cell = OnceCell::new();
            let mut asking: Vec<_> = (0..n).map(|_| Some(Waiter::standing(cell.get_or_init(pending::<u8>)))).collect();
            for gone in &order {
                assert_eq!(cell.set(1), Err(SetError::Initializing(1)));
                let first = asking.iter().position(Option::is_some);
                drop(asking[*gone].take());
                let next = asking.iter().position(Option::is_some);
                for (number, waiter) in asking.iter().enumerate() {
                    let Some(waiter) = waiter else { continue };
                    let was_handed = next == Some(number) && number > 0;
                    assert_eq!(waiter.is_woken(), was_handed, "{order:?}, {gone} of {first:?}");
                }
            }
            assert_eq!((cell.set(1), cell.set(2)), (Ok(()), Err(SetError::AlreadySet(2))));
        }
    }
}

#[test]
fn set_gives_the_value_back_when_it_cannot() {
    let (drops, make) = Counted::new();
    let cell = OnceCell::new();
    let initialising = Waiter::standing(cell.get_or_init(pending));
    let Err(SetError::Initializing(back)) = cell.set(make()) else { panic!("somebody is at it") };
    assert_eq!(drops.get(), 0);
    drop(initialising);
    cell.set(back).unwrap();
    assert!(matches!(cell.set(make()), Err(SetError::AlreadySet(_))));
    assert_eq!(drops.get(), 1);
    assert!(cell.into_inner().is_some());
    assert_eq!(drops.get(), 2);
    let error: SetError<u8> = SetError::Initializing(1);
    assert_eq!(format!("{error:?}, {error}"), "Initializing(..), the cell is being initialised");
}

#[test]
fn a_value_that_was_taken_out_can_be_made_again() {
    let mut cell = OnceCell::from(1);
    assert_eq!((cell.take(), cell.get()), (Some(1), None));
    assert_eq!(coracle::block_on(cell.get_or_init(|| ready(2))), &2);
    *cell.get_mut().unwrap() += 1;
    assert_eq!(format!("{cell:?} {:?}", OnceCell::<u8>::default()), "OnceCell(3) OnceCell(<empty>)");
    assert_eq!(cell.into_inner(), Some(3));
}

/// As documented: dropped at any point, it drops its operation, and others can make the value.
#[test]
fn asking_that_is_dropped_at_any_point_lets_others_try() {
    for waits in [false, true] {
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(async {
                let cell = Rc::new(OnceCell::new());
                let (drops, make) = Counted::new();
                let other = waits.then(|| {
                    let cell = cell.clone();
                    coracle::spawn(async move {
                        let fails = async || {
                            yield_now().await;
                            Err::<u8, ()>(())
                        };
                        assert!(cell.get_or_try_init(fails).await.is_err());
                    })
                });
                yield_now().await;
                let counted = make();
                let operation = async move || {
                    let _counted = counted;
                    yield_now().await;
                    yield_now().await;
                    1
                };
                let got = cut.at(cell.get_or_init(operation)).await.copied();
                assert_eq!(drops.get(), 1, "what the operation held is there still");
                assert_eq!(cell.get_or_init(|| ready(2)).await, &got.unwrap_or(2));
                if let Some(other) = other {
                    other.await.unwrap();
                }
            });
        });
        assert!(dropped >= 3, "it was dropped {dropped} times");
    }
}

/// The operation is dropped before the next one is woken: what it held exclusively is free by then.
#[test]
fn an_operation_is_dropped_before_the_next_one_is_woken() {
    struct Traced(Rc<RefCell<Vec<&'static str>>>);
    impl Drop for Traced {
        fn drop(&mut self) {
            self.0.borrow_mut().push("dropped");
        }
    }
    for fails in [false, true] {
        let (cell, trace) = (OnceCell::<u8>::new(), Rc::new(RefCell::new(Vec::new())));
        let (traced, woken) = (Traced(trace.clone()), trace.clone());
        let meddle = move |op| {
            if op == Op::Wake {
                woken.borrow_mut().push("woken");
            }
        };
        let (fail, failing) = oneshot::channel::<()>();
        let mut first = Box::pin(cell.get_or_try_init(move || async move {
            let _ = failing.await;
            // Held by the future until it is dropped, also when it is done.
            poll_fn(move |_| {
                let _held = &traced;
                Poll::Ready(Err::<u8, ()>(()))
            })
            .await
        }));
        with_meddling_waker(meddle, |waker| {
            assert!(poll_once(&mut first).is_pending());
            let mut second = cell.get_or_init(pending);
            assert!(poll_with(&mut second, waker).is_pending());
            if fails {
                drop(fail);
                assert!(poll_once(&mut first).is_ready());
            } else {
                drop(first);
            }
            assert_eq!(*trace.borrow(), ["dropped", "woken"]);
        });
    }
}

/// An operation that uses its own cell: `set` says that somebody is at it, and asking it would wait for itself.
#[test]
fn an_operation_that_uses_its_cell_finds_it_being_initialised() {
    let cell = OnceCell::new();
    let value = coracle::block_on(cell.get_or_init(async || {
        assert_eq!(cell.set(1), Err(SetError::Initializing(1)));
        assert!(cell.get().is_none() && poll_once(&mut cell.get_or_init(|| ready(2))).is_pending());
        3
    }));
    assert_eq!(value, &3);
}

#[test]
fn a_million_wait_for_one_value() {
    on_a_small_stack(|| {
        let cell = OnceCell::new();
        let mut maker = Some(Box::pin(cell.get_or_init(pending::<u8>)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(maker.as_mut().unwrap().as_mut().poll(&mut context).is_pending());
        let mut asking: Vec<_> = (0..VERY_MANY).map(|_| cell.get_or_init(|| ready(1))).collect();
        assert!(asking.iter_mut().all(|asking| poll_once(asking).is_pending()));
        maker = None;
        // Half of them give up when it is their turn; then one makes it.
        asking.drain(..VERY_MANY / 2).for_each(drop);
        assert!(asking.iter_mut().all(|asking| poll_once(asking) == Poll::Ready(&1)));
        assert!(maker.is_none());
    });
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_trying() {
    with_panicking_waker(|waker| {
        let cell = OnceCell::new();
        let mut hostile = Some(cell.get_or_init(pending));
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), waker));
        let mut second = Some(cell.get_or_init(pending));
        let _ = caught(|| poll_with(second.as_mut().unwrap(), waker));
        let mut last = Waiter::standing(cell.get_or_init(|| ready(1)));
        let _ = caught(|| hostile = None);
        let _ = caught(|| second = None);
        assert_eq!(last.poll(), Poll::Ready(&1));
    });
}

#[test]
fn an_inspection_says_what_is_waited_for() {
    let cell = Rc::new(OnceCell::<u8>::new());
    let maker = cell.clone();
    let mut maker = Box::pin(async move { *maker.get_or_init(pending).await });
    assert!(maker.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let waits = cell.clone();
    assert_eq!(said_to_wait_for(async move { *waits.get_or_init(pending).await }), "a cell to be initialised");
    assert_eq!(format!("{:?}", cell.get_or_init(pending)), "GetOrInit { initialises: false, .. }");
}

#[test]
fn a_value_that_is_there_is_given_without_allocating() {
    support::alone("sync::once_cell::a_value_that_is_there_is_given_without_allocating", || {
        let cell = OnceCell::new();
        support::leaves_the_heap_as_it_was(|| {
            let mut asking = cell.get_or_try_init(|| ready(Err::<u8, ()>(())));
            assert_eq!(poll_once(&mut asking), Poll::Ready(Err(())));
        });
        cell.set(1).unwrap();
        let mut grown = Vec::new();
        for _ in 0..8 {
            let before = support::heap();
            let mut asking = cell.get_or_init(|| ready(2));
            assert_eq!(poll_once(&mut asking), Poll::Ready(&1));
            grown.push(support::heap() - before);
        }
        assert!(grown.contains(&0), "{grown:?}");
    });
}

#[test]
fn it_works_on_a_foreign_executor() {
    let cell = OnceCell::new();
    let (sender, receiver) = oneshot::channel();
    let made = async { *cell.get_or_init(async || receiver.await.unwrap()).await };
    let other = async {
        let asking = cell.get_or_init(|| ready(2));
        sender.send(1).unwrap();
        *asking.await
    };
    assert_eq!(foreign_block_on(both(made, other)), (1, 1));
}

#[derive(Clone, Debug)]
enum Step {
    Ask,
    Poll(usize),
    Cancel(usize),
    /// The operation under way ends, well or with an error, at its next poll.
    End {
        well: bool,
    },
    Set,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => Just(Step::Ask),
        10 => any::<usize>().prop_map(Step::Poll),
        6 => any::<usize>().prop_map(Step::Cancel),
        3 => (0..4_u8).prop_map(|n| Step::End { well: n == 0 }),
        1 => Just(Step::Set),
    ]
}

/// What the operations of a run share: how the one under way is to end, and how many there are.
#[derive(Default)]
struct Operations {
    ending: Cell<Option<bool>>,
    alive: Cell<usize>,
}

struct Alive(Rc<Operations>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.set(self.0.alive.get() - 1);
    }
}

impl Operations {
    async fn run(self: Rc<Operations>, value: usize) -> Result<usize, ()> {
        self.alive.set(self.alive.get() + 1);
        let alive = Alive(self.clone());
        let well = poll_fn(|_| self.ending.take().map_or(Poll::Pending, Poll::Ready)).await;
        drop(alive);
        if well { Ok(value) } else { Err(()) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model: those that ask, in order; the first has the right. There is never more than one operation.
    #[test]
    fn a_cell_is_a_queue_for_one_value_whoever_gives_up(steps in proptest::collection::vec(step(), 0..120)) {
        type Asking<'a> = Pin<Box<dyn Future<Output = Result<&'a usize, ()>> + 'a>>;
        let operations = Rc::new(Operations::default());
        let cell = OnceCell::new();
        let mut asking: Vec<(Waiter<Asking<'_>>, bool)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            // Whom to poll in this step, if anybody.
            let mut polled = None;
            match step {
                Step::Ask => {
                    let run = operations.clone();
                    let future: Asking<'_> = Box::pin(cell.get_or_try_init(move || run.run(number)));
                    asking.push((Waiter::new(future), false));
                    polled = Some(asking.len() - 1);
                }
                Step::Poll(at) if !asking.is_empty() => polled = Some(at % asking.len()),
                Step::Cancel(at) if !asking.is_empty() => drop(asking.remove(at % asking.len())),
                Step::End { well } => operations.ending.set((operations.alive.get() > 0).then_some(well)),
                Step::Set => {
                    let expected = if cell.get().is_some() {
                        Err(SetError::AlreadySet(number))
                    } else if asking.is_empty() {
                        Ok(())
                    } else {
                        Err(SetError::Initializing(number))
                    };
                    assert_eq!(cell.set(number), expected);
                }
                Step::Poll(_) | Step::Cancel(_) => {}
            }
            if let Some(at) = polled {
                let (there, is_its) = (cell.get().is_some(), at == 0);
                let ends = operations.ending.get().filter(|_| operations.alive.get() > 0 && is_its && !there);
                asking[at].1 = true;
                match asking[at].0.poll() {
                    Poll::Ready(Ok(value)) => assert!((there || ends == Some(true)) && cell.get() == Some(value)),
                    Poll::Ready(Err(())) => assert_eq!(ends, Some(false)),
                    Poll::Pending => {
                        assert!(!there && ends.is_none());
                        continue;
                    }
                }
                drop(asking.remove(at));
            }
            assert!(operations.alive.get() <= 1, "two make the value");
            if cell.get().is_some() {
                // The one that made it is gone; those that waited were woken.
                assert!(asking.iter().all(|(waiter, _)| waiter.is_woken()));
            } else if let Some((first, _)) = asking.first() {
                assert!(operations.alive.get() == 1 || first.is_woken(), "nobody makes it, and nobody is woken");
            }
            if operations.alive.get() == 0 {
                operations.ending.set(None);
            }
        }
        drop(asking);
        assert!(cell.get().is_some() || cell.set(0).is_ok());
        assert_eq!(operations.alive.get(), 0);
    }
}
