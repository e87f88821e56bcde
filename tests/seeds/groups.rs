//! Several futures in one task: each is polled when it was woken, and none is forgotten.

use std::rc::Rc;
use std::time::Duration;

use coracle::sync::{Event, channel};
use coracle::task::{FutureSet, JoinSet, Pool, join, race, select};
use coracle::time::sleep;
use coracle::{scope, spawn};

use super::{Scenario, perhaps, run, some_turns};

pub(super) const ALL: &[Scenario] = &[
    ("future set", future_set),
    ("join set", join_set),
    ("pool", pool),
    ("join", joined),
    ("race of a timer and a channel", raced),
    ("scope", scoped),
];

fn future_set(seed: u64) {
    run(seed, |choices| async move {
        let events: Vec<_> = (0..5).map(|_| Rc::new(Event::new())).collect();
        let mut set = FutureSet::new();
        for (number, event) in events.iter().enumerate() {
            let (event, choices) = (event.clone(), choices.clone());
            set.insert(async move {
                some_turns(&choices).await;
                event.wait().await;
                some_turns(&choices).await;
                number
            });
        }
        let setter = {
            let choices = choices.clone();
            spawn(async move {
                for event in events {
                    some_turns(&choices).await;
                    event.set();
                }
            })
        };
        let mut ended = Vec::new();
        while ended.len() < 5 {
            if let Some(number) = perhaps(&choices, set.next()).await {
                ended.push(number.expect("some are left"));
            }
        }
        assert!(set.is_empty());
        ended.sort_unstable();
        assert_eq!(ended, [0, 1, 2, 3, 4]);
        setter.await.unwrap();
    });
}

fn join_set(seed: u64) {
    run(seed, |choices| async move {
        let mut set = JoinSet::new();
        for number in 0..5 {
            let choices = choices.clone();
            set.spawn(async move {
                some_turns(&choices).await;
                number
            });
        }
        let mut ended = Vec::new();
        loop {
            match perhaps(&choices, set.next()).await {
                Some(Some((_, result))) => ended.push(result.unwrap()),
                Some(None) => break,
                None => {}
            }
        }
        ended.sort_unstable();
        assert_eq!(ended, [0, 1, 2, 3, 4]);
    });
}

fn pool(seed: u64) {
    run(seed, |choices| async move {
        let pool = Pool::new(2);
        let mut handles = Vec::new();
        for number in 0..6 {
            let task = {
                let choices = choices.clone();
                async move {
                    some_turns(&choices).await;
                    number
                }
            };
            handles.push(pool.spawn(task).await);
            assert!(pool.live() <= 2, "more than the pool may have");
        }
        pool.join().await;
        assert_eq!(pool.free(), 2);
        for (number, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.await.unwrap(), number);
        }
    });
}

fn joined(seed: u64) {
    run(seed, |choices| async move {
        let (sender, receiver) = channel::bounded(1);
        let (sent, sum) = join((
            async {
                for value in 0..5u32 {
                    some_turns(&choices).await;
                    sender.send(value).await.unwrap();
                }
                drop(sender);
                5
            },
            async {
                let mut sum = 0;
                while let Some(value) = receiver.recv().await {
                    sum += value;
                }
                sum
            },
        ))
        .await;
        assert_eq!((sent, sum), (5, 10));
    });
}

/// The loser of a race is dropped; what it would have taken is there for the next.
fn raced(seed: u64) {
    run(seed, |choices| async move {
        let (sender, receiver) = channel::bounded(1);
        let task = {
            let choices = choices.clone();
            spawn(async move {
                for value in 0..6 {
                    sleep(Duration::from_millis(choices.choose(3) as u64)).await;
                    sender.send(value).await.unwrap();
                }
            })
        };
        let mut next = 0;
        while next < 6 {
            let limit = Duration::from_millis(choices.choose(3) as u64);
            let value = race((async { receiver.recv().await }, async {
                sleep(limit).await;
                None
            }));
            if let Some(value) = value.await {
                assert_eq!(value, next, "a value was lost with the loser of a race");
                next += 1;
            }
        }
        task.await.unwrap();
        let _ = select(std::pin::pin!(sleep(limit(&choices))), std::pin::pin!(sleep(Duration::from_secs(1)))).await;
    });
}

fn limit(choices: &coracle::testing::Choices) -> Duration {
    Duration::from_millis(choices.choose(5) as u64)
}

fn scoped(seed: u64) {
    run(seed, |choices| async move {
        let numbers = [1u32, 2, 3, 4];
        let total = scope::scope(async |children| {
            let handles: Vec<_> = numbers
                .iter()
                .map(|number| {
                    let choices = &choices;
                    children.spawn(async move {
                        some_turns(choices).await;
                        number * 10
                    })
                })
                .collect();
            let mut total = 0;
            for handle in handles {
                total += handle.await;
            }
            total
        })
        .await;
        assert_eq!(total, 100);
    });
}
