//! Channels and queues: every value arrives once, or comes back to its sender.

use std::cell::RefCell;
use std::rc::Rc;

use coracle::spawn;
use coracle::sync::{Queue, broadcast, channel, oneshot, watch};
use coracle::testing::Choices;

use super::{Scenario, perhaps, run, some_turns};

pub(super) const ALL: &[Scenario] = &[
    ("bounded", bounded),
    ("unbounded", unbounded),
    ("permits of a channel", reserved),
    ("oneshot", oneshots),
    ("queue", queues),
    ("broadcast", broadcasts),
    ("watch", watched),
];

/// What was taken in, and what came back.
type Book = Rc<RefCell<Vec<u32>>>;

fn bounded(seed: u64) {
    run(seed, |choices| async move {
        let (sender, receiver) = channel::bounded(1 + choices.choose(3));
        let receiver = Rc::new(receiver);
        let (sent, received) = (Book::default(), Book::default());
        let producers: Vec<_> = (0..1 + choices.choose(3) as u32)
            .map(|producer| spawn(produce(choices.clone(), sender.clone(), producer * 100, sent.clone())))
            .collect();
        drop(sender);
        // One of them has no patience: it gives up for good, and what it was woken for is the others'.
        let consumers: Vec<_> = (0..3)
            .map(|number| {
                let (choices, receiver, received) = (choices.clone(), receiver.clone(), received.clone());
                spawn(async move {
                    loop {
                        match perhaps(&choices, receiver.recv()).await {
                            Some(Some(value)) => received.borrow_mut().push(value),
                            Some(None) => return,
                            None if number == 0 => return,
                            None => some_turns(&choices).await,
                        }
                    }
                })
            })
            .collect();
        for task in producers.into_iter().chain(consumers) {
            task.await.unwrap();
        }
        let (mut sent, mut received) = (sent.take(), received.take());
        assert_each_producers_order(&received);
        sent.sort_unstable();
        received.sort_unstable();
        assert_eq!(sent, received, "a value was lost, or came twice");
    });
}

async fn produce(choices: Choices, sender: channel::Sender<u32>, first: u32, sent: Book) {
    for value in first..first + 5 {
        // The value is noted before it is sent; a send that is dropped half-way has not sent it.
        let mut send = Box::pin(perhaps(&choices, sender.send(value)));
        if let Some(result) = send.as_mut().await {
            result.unwrap();
            sent.borrow_mut().push(value);
        }
        some_turns(&choices).await;
    }
}

/// A consumer may be overtaken by another, a producer's own values may not: with one consumer they come in order.
fn assert_each_producers_order(received: &[u32]) {
    for producer in 0..3 {
        let own: Vec<u32> = received.iter().copied().filter(|value| value / 100 == producer).collect();
        let mut unique = own.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), own.len(), "a value came twice: {own:?}");
    }
}

fn unbounded(seed: u64) {
    run(seed, |choices| async move {
        let (sender, receiver) = channel::unbounded();
        let task = {
            let choices = choices.clone();
            spawn(async move {
                for value in 0..10 {
                    sender.send(value).unwrap();
                    some_turns(&choices).await;
                }
            })
        };
        let mut received = Vec::new();
        loop {
            match perhaps(&choices, receiver.recv()).await {
                Some(Some(value)) => received.push(value),
                Some(None) => break,
                None => {}
            }
        }
        assert_eq!(received, (0..10).collect::<Vec<_>>());
        task.await.unwrap();
    });
}

/// A reserved place that is given up is there for the next.
fn reserved(seed: u64) {
    run(seed, |choices| async move {
        let (sender, receiver) = channel::bounded(1);
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let (choices, sender) = (choices.clone(), sender.clone());
                spawn(async move {
                    let mut sent = 0;
                    while sent < 3 {
                        let Some(permit) = perhaps(&choices, sender.reserve()).await else { continue };
                        let permit = permit.unwrap();
                        some_turns(&choices).await;
                        if choices.choose(3) == 1 {
                            drop(permit);
                        } else {
                            permit.send(number).unwrap();
                            sent += 1;
                        }
                    }
                })
            })
            .collect();
        let given_up = {
            let choices = choices.clone();
            spawn(async move {
                let permit = sender.reserve().await.unwrap();
                some_turns(&choices).await;
                drop(permit); // and that is all it does
            })
        };
        let mut received = Vec::new();
        while let Some(value) = receiver.recv().await {
            received.push(value);
        }
        received.sort_unstable();
        assert_eq!(received, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
        given_up.await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn oneshots(seed: u64) {
    run(seed, |choices| async move {
        let (sender, mut receiver) = oneshot::channel();
        let sends = choices.choose(3) != 1;
        let task = {
            let choices = choices.clone();
            spawn(async move {
                some_turns(&choices).await;
                if sends { sender.send(7).is_ok() } else { false }
            })
        };
        if choices.choose(3) == 1 {
            some_turns(&choices).await;
            receiver.close();
        }
        let received = loop {
            if let Some(result) = perhaps(&choices, &mut receiver).await {
                break result.ok();
            }
        };
        let sent = task.await.unwrap();
        assert_eq!(received.is_some(), sent, "sent is received, and nothing else is");
    });
}

fn queues(seed: u64) {
    run(seed, |choices| async move {
        let queue = Rc::new(Queue::fifo(1 + choices.choose(3)));
        let done = Book::default();
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (choices, queue, done) = (choices.clone(), queue.clone(), done.clone());
                spawn(async move {
                    loop {
                        match perhaps(&choices, queue.get()).await {
                            Some(Some(value)) => {
                                some_turns(&choices).await;
                                done.borrow_mut().push(value);
                                queue.task_done().unwrap();
                            }
                            Some(None) => return,
                            None => {}
                        }
                    }
                })
            })
            .collect();
        let mut put = 0;
        while put < 8 {
            if let Some(result) = perhaps(&choices, queue.put(put)).await {
                result.unwrap();
                put += 1;
            }
        }
        queue.join().await;
        let mut seen = done.take();
        seen.sort_unstable();
        assert_eq!(seen, (0..8).collect::<Vec<_>>(), "`join` returned before all was done, or a value was lost");
        queue.close();
        for worker in workers {
            worker.await.unwrap();
        }
    });
}

fn broadcasts(seed: u64) {
    run(seed, |choices| async move {
        let (sender, first) = broadcast::channel(4);
        let second = sender.subscribe();
        let tasks: Vec<_> = [first, second]
            .into_iter()
            .map(|mut receiver| {
                let choices = choices.clone();
                spawn(async move {
                    let mut next = 0;
                    loop {
                        match perhaps(&choices, receiver.recv()).await {
                            Some(Ok(value)) => {
                                assert_eq!(value, next, "out of order, or lost without a word");
                                next += 1;
                            }
                            Some(Err(broadcast::RecvError::Lagged(missed))) => next += missed as u32,
                            Some(Err(_)) => break,
                            None => some_turns(&choices).await,
                        }
                    }
                    assert_eq!(next, 12);
                })
            })
            .collect();
        for value in 0..12u32 {
            sender.send(value).unwrap();
            some_turns(&choices).await;
        }
        drop(sender);
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn watched(seed: u64) {
    run(seed, |choices| async move {
        let (sender, mut receiver) = watch::channel(0);
        let task = {
            let choices = choices.clone();
            spawn(async move {
                let mut last = 0;
                loop {
                    match perhaps(&choices, receiver.changed()).await {
                        Some(Ok(_)) => {
                            let seen = *receiver.borrow_and_update();
                            assert!(seen > last, "{seen} after {last}: not a change");
                            last = seen;
                        }
                        Some(Err(_)) => break,
                        None => some_turns(&choices).await,
                    }
                }
                assert_eq!(*receiver.borrow(), 6, "the last value was missed");
            })
        };
        for value in 1..=6 {
            sender.send(value).unwrap();
            some_turns(&choices).await;
        }
        drop(sender);
        task.await.unwrap();
    });
}
