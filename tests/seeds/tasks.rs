//! Tasks: each is polled until it is done, ends once, and tells who waits for it.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use coracle::spawn;
use coracle::sync::Event;
use coracle::task::{JoinError, yield_now};

use super::{Scenario, perhaps, run, some_turns};

pub(super) const ALL: &[Scenario] = &[
    ("joins", joins),
    ("aborts", aborts),
    ("wakes by hand", wakes),
    ("dropped before joined", dropped_first),
    ("a busy task", busy),
    ("chains", chain),
];

fn joins(seed: u64) {
    run(seed, |choices| async move {
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let choices = choices.clone();
                spawn(async move {
                    some_turns(&choices).await;
                    number
                })
            })
            .collect();
        for (number, mut task) in tasks.into_iter().enumerate() {
            some_turns(&choices).await;
            let value = loop {
                if let Some(value) = perhaps(&choices, &mut task).await {
                    break value;
                }
            };
            assert_eq!(value.unwrap(), number);
        }
    });
}

fn aborts(seed: u64) {
    run(seed, |choices| async move {
        let gate = Rc::new(Event::new());
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (choices, gate) = (choices.clone(), gate.clone());
                spawn(async move {
                    some_turns(&choices).await;
                    gate.wait().await;
                })
            })
            .collect();
        some_turns(&choices).await;
        let aborted: Vec<bool> = tasks.iter().map(|_| choices.choose(2) == 1).collect();
        for (task, aborted) in tasks.iter().zip(&aborted) {
            if *aborted {
                task.abort();
            }
            some_turns(&choices).await;
        }
        gate.set();
        for (task, aborted) in tasks.into_iter().zip(aborted) {
            let result = task.await;
            assert_eq!(matches!(result, Err(JoinError::Cancelled)), aborted, "{result:?}");
        }
        let never = spawn(pending::<()>());
        some_turns(&choices).await;
        never.abort();
        assert!(matches!(never.await, Err(JoinError::Cancelled)));
    });
}

/// A value behind a waker that is kept by hand: a wake at any moment, also during the poll, leads to a poll.
fn wakes(seed: u64) {
    run(seed, |choices| async move {
        let (level, waker) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None::<Waker>)));
        let waiting = {
            let (level, waker, choices) = (level.clone(), waker.clone(), choices.clone());
            spawn(async move {
                for step in 1..=6 {
                    poll_fn(|cx| {
                        if level.get() >= step {
                            return Poll::Ready(());
                        }
                        *waker.borrow_mut() = Some(cx.waker().clone());
                        // The value may come while this is being polled.
                        if choices.choose(4) == 1 {
                            level.set(level.get() + 1);
                            let woken = waker.borrow_mut().take();
                            woken.unwrap().wake();
                        }
                        Poll::Pending
                    })
                    .await;
                }
            })
        };
        while level.get() < 6 {
            some_turns(&choices).await;
            level.set(level.get() + 1);
            let woken = waker.borrow_mut().take();
            if let Some(waker) = woken {
                if choices.choose(2) == 1 {
                    waker.wake_by_ref();
                }
                waker.wake();
            }
        }
        waiting.await.unwrap();
    });
}

/// Whoever learns that a task has ended finds nothing of it alive.
fn dropped_first(seed: u64) {
    struct Alive(Rc<Cell<bool>>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.set(false);
        }
    }
    run(seed, |choices| async move {
        let alive = Rc::new(Cell::new(true));
        let task = {
            let (alive, choices) = (Alive(alive.clone()), choices.clone());
            spawn(async move {
                some_turns(&choices).await;
                let _alive = alive;
            })
        };
        if choices.choose(2) == 1 {
            some_turns(&choices).await;
            task.abort();
        }
        let _ = task.await;
        assert!(!alive.get(), "the task has ended and its future lives");
    });
}

/// One that never waits does not keep the others from their turn, nor timers from theirs.
fn busy(seed: u64) {
    run(seed, |choices| async move {
        let rounds = Rc::new(Cell::new(0u32));
        let hog = {
            let rounds = rounds.clone();
            spawn(async move {
                loop {
                    rounds.set(rounds.get() + 1);
                    assert!(rounds.get() < 2_000, "the others never came to their turn");
                    yield_now().await;
                }
            })
        };
        let quiet = {
            let choices = choices.clone();
            spawn(async move {
                for _ in 0..10 {
                    some_turns(&choices).await;
                    yield_now().await;
                }
                coracle::time::sleep(std::time::Duration::ZERO).await;
            })
        };
        quiet.await.unwrap();
        hog.abort();
        let ended = hog.await;
        assert!(matches!(ended, Err(coracle::task::JoinError::Cancelled)), "{ended:?}");
    });
}

fn chain(seed: u64) {
    run(seed, |choices| async move {
        let first = Rc::new(Event::new());
        let mut last = {
            let first = first.clone();
            spawn(async move {
                first.wait().await;
                0
            })
        };
        for _ in 0..8 {
            let before = last;
            last = spawn(async move { before.await.unwrap() + 1 });
            some_turns(&choices).await;
        }
        first.set();
        assert_eq!(last.await.unwrap(), 8);
    });
}
