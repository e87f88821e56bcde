//! Locks: at most one is inside, and whoever gives up lets the next one in.

use std::cell::Cell;
use std::rc::Rc;

use coracle::spawn;
use coracle::sync::{Event, Mutex, RwLock, Semaphore};

use super::{Scenario, perhaps, run, some_turns};

pub(super) const ALL: &[Scenario] = &[
    ("mutex", mutex),
    ("read-write lock", rw_lock),
    ("semaphore", semaphore),
    ("many permits", many_permits),
    ("a large claim given up", given_up),
];

fn mutex(seed: u64) {
    run(seed, |choices| async move {
        let (mutex, inside, entered) = (Rc::new(Mutex::new(0)), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (choices, mutex) = (choices.clone(), mutex.clone());
                let (inside, entered) = (inside.clone(), entered.clone());
                spawn(async move {
                    for _ in 0..3 {
                        let Some(mut guard) = perhaps(&choices, mutex.lock()).await else { continue };
                        assert_eq!(inside.replace(1), 0, "two are inside");
                        *guard += 1;
                        entered.set(entered.get() + 1);
                        some_turns(&choices).await;
                        inside.set(0);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*mutex.lock().await, entered.get());
    });
}

fn rw_lock(seed: u64) {
    run(seed, |choices| async move {
        let (lock, inside) = (Rc::new(RwLock::new(0)), Rc::new(Cell::new((0, 0))));
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let (choices, lock, inside) = (choices.clone(), lock.clone(), inside.clone());
                spawn(async move {
                    for _ in 0..2 {
                        if choices.choose(2) == 0 {
                            let Some(guard) = perhaps(&choices, lock.read()).await else { continue };
                            let (readers, writers) = inside.get();
                            assert_eq!(writers, 0, "a reader beside a writer");
                            inside.set((readers + 1, 0));
                            some_turns(&choices).await;
                            let (readers, writers) = inside.get();
                            inside.set((readers - 1, writers));
                            drop(guard);
                        } else {
                            let Some(mut guard) = perhaps(&choices, lock.write()).await else { continue };
                            assert_eq!(inside.replace((0, 1)), (0, 0), "a writer is not alone");
                            *guard += 1;
                            some_turns(&choices).await;
                            assert_eq!(inside.replace((0, 0)), (0, 1), "somebody came in beside a writer");
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        drop(lock.write().await);
    });
}

fn semaphore(seed: u64) {
    run(seed, |choices| async move {
        let permits = 1 + choices.choose(2);
        let (semaphore, inside) = (Rc::new(Semaphore::new(permits)), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let (choices, semaphore, inside) = (choices.clone(), semaphore.clone(), inside.clone());
                spawn(async move {
                    for _ in 0..2 {
                        let Some(permit) = perhaps(&choices, semaphore.acquire()).await else { continue };
                        let _permit = permit.unwrap();
                        inside.set(inside.get() + 1);
                        assert!(inside.get() <= permits, "more inside than there are permits");
                        some_turns(&choices).await;
                        inside.set(inside.get() - 1);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(semaphore.available_permits(), permits, "a permit was lost, or made");
        drop(semaphore.acquire_many(permits).await.unwrap());
    });
}

fn many_permits(seed: u64) {
    run(seed, |choices| async move {
        let semaphore = Rc::new(Semaphore::new(3));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (choices, semaphore) = (choices.clone(), semaphore.clone());
                spawn(async move {
                    for _ in 0..2 {
                        let count = 1 + choices.choose(3);
                        let Some(permit) = perhaps(&choices, semaphore.acquire_many(count)).await else { continue };
                        assert_eq!(permit.unwrap().count(), count);
                        some_turns(&choices).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(semaphore.available_permits(), 3);
    });
}

/// One that wants more than there is stands before one that wants less, and gives up.
fn given_up(seed: u64) {
    run(seed, |choices| async move {
        let (semaphore, served) = (Rc::new(Semaphore::new(3)), Rc::new(Event::new()));
        let holder = semaphore.acquire_many(2).await.unwrap();
        let large = {
            let semaphore = semaphore.clone();
            spawn(async move { semaphore.acquire_many(3).await.map(drop) })
        };
        some_turns(&choices).await;
        let small = {
            let (semaphore, served) = (semaphore.clone(), served.clone());
            spawn(async move {
                let _permit = semaphore.acquire().await.unwrap();
                served.set();
            })
        };
        some_turns(&choices).await;
        large.abort();
        // Only now, and the two that are held stay held: what is free is enough for the small one.
        served.wait().await;
        drop(holder);
        small.await.unwrap();
        assert!(large.await.is_err());
    });
}
