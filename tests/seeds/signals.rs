//! What is waited for without a value: notifications, events, barriers, the wait queue below them all.

use std::cell::Cell;
use std::rc::Rc;

use coracle::spawn;
use coracle::sync::{Barrier, Event, Notify, WaitQueue};

use super::{Scenario, perhaps, run, some_turns};

pub(super) const ALL: &[Scenario] = &[
    ("notify one", notify_one),
    ("notify all", notify_all),
    ("event", event),
    ("barrier", barrier),
    ("wait queue", wait_queue),
];

/// As many go on as were notified; one that is given up is passed on.
fn notify_one(seed: u64) {
    run(seed, |choices| async move {
        let (notify, seen) = (Rc::new(Notify::new()), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (choices, notify, seen) = (choices.clone(), notify.clone(), seen.clone());
                spawn(async move {
                    // Until it got one: who gives up tries again.
                    while perhaps(&choices, notify.notified()).await.is_none() {}
                    seen.set(seen.get() + 1);
                })
            })
            .collect();
        while seen.get() < 4 {
            let before = seen.get();
            notify.notify_one();
            // Each notification lets one go on, before the next is given.
            while seen.get() == before {
                coracle::task::yield_now().await;
            }
            assert_eq!(seen.get(), before + 1, "one notification, two that go on");
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// As many waits end as one call says that it woke: none is let through twice, and none is kept for later.
fn notify_all(seed: u64) {
    run(seed, |choices| async move {
        let (notify, ended) = (Rc::new(Notify::new()), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (choices, notify, ended) = (choices.clone(), notify.clone(), ended.clone());
                spawn(async move {
                    for _ in 0..3 {
                        notify.notified().await;
                        ended.set(ended.get() + 1);
                        some_turns(&choices).await;
                    }
                })
            })
            .collect();
        let mut told = 0;
        while !tasks.iter().all(|task| task.is_finished()) {
            some_turns(&choices).await;
            told += notify.notify_all();
            while ended.get() < told {
                coracle::task::yield_now().await;
            }
            for _ in 0..4 {
                coracle::task::yield_now().await;
            }
            assert_eq!(ended.get(), told, "more waits ended than were told to");
        }
    });
}

fn event(seed: u64) {
    run(seed, |choices| async move {
        let event = Rc::new(Event::new());
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (choices, event) = (choices.clone(), event.clone());
                spawn(async move {
                    some_turns(&choices).await;
                    while perhaps(&choices, event.wait()).await.is_none() {}
                    assert!(event.is_set());
                })
            })
            .collect();
        some_turns(&choices).await;
        event.set();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn barrier(seed: u64) {
    run(seed, |choices| async move {
        let (barrier, arrived, leaders) = (Rc::new(Barrier::new(3)), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (choices, barrier) = (choices.clone(), barrier.clone());
                let (arrived, leaders) = (arrived.clone(), leaders.clone());
                spawn(async move {
                    for round in 1..=3 {
                        some_turns(&choices).await;
                        arrived.set(arrived.get() + 1);
                        let result = barrier.wait().await;
                        assert!(arrived.get() >= 3 * round, "let through before all had come");
                        leaders.set(leaders.get() + usize::from(result.is_leader()));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((arrived.get(), leaders.get()), (9, 3), "one leader a round");
    });
}

fn wait_queue(seed: u64) {
    run(seed, |choices| async move {
        let (queue, woken) = (Rc::new(WaitQueue::new()), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (choices, queue, woken) = (choices.clone(), queue.clone(), woken.clone());
                spawn(async move {
                    let went_on = perhaps(&choices, queue.wait()).await.is_some();
                    woken.set(woken.get() + usize::from(went_on));
                    went_on
                })
            })
            .collect();
        let mut given = 0;
        while !tasks.iter().all(|task| task.is_finished()) {
            if choices.choose(2) == 0 && queue.wake_one() {
                given += 1;
            }
            coracle::task::yield_now().await;
        }
        assert!(woken.get() <= given, "{} went on, {given} were woken", woken.get());
        assert!(queue.is_empty());
    });
}
