//! The end of a queue, in every state it can be in, and the answers that `join` waits for.

use std::rc::Rc;
use std::task::Poll;

use coracle::sync::Queue;
use coracle::sync::queue::{Order, PutError, TooManyDone, TryGetError, TryPutError};
use coracle::task::yield_now;

use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

/// The states in which a queue is closed: its capacity, what lies in it, how many wait to put and to get.
const STATES: [(&str, usize, &[u32], u32, usize); 8] = [
    ("empty", 3, &[], 0, 0),
    ("with items", 3, &[5, 4], 0, 0),
    ("full", 3, &[5, 4, 6], 0, 0),
    ("full, and some wait to put", 3, &[5, 4, 6], 2, 0),
    ("empty, and some wait to get", 3, &[], 0, 3),
    ("without room", 0, &[], 0, 0),
    ("without room, and some wait to put", 0, &[], 2, 0),
    ("without room, and both sides wait", 0, &[], 2, 1),
];

fn close_in_every_state<O: Order<u32>>(make: impl Fn(usize) -> Queue<u32, O>, in_order: impl Fn(&mut Vec<u32>)) {
    for now in [false, true] {
        for (state, capacity, items, putting, getting) in STATES {
            let queue = make(capacity);
            items.iter().for_each(|item| queue.try_put(*item).unwrap());
            let (counting, waker) = CountingWaker::new();
            // Those who come to a rendezvous are woken for each other; here they have not gone on when it is closed.
            let mut gets: Vec<_> = (0..getting).map(|_| queue.get()).collect();
            let mut puts: Vec<_> = (0..putting).map(|n| queue.put(n)).collect();
            if capacity == 0 {
                puts.iter_mut().for_each(|put| assert!(poll_with(put, &waker).is_pending()));
                gets.iter_mut().for_each(|get| assert!(poll_with(get, &waker).is_pending()));
            } else {
                gets.iter_mut().for_each(|get| assert!(poll_with(get, &waker).is_pending()));
                puts.iter_mut().for_each(|put| assert!(poll_with(put, &waker).is_pending()));
            }
            let mut left = items.to_vec();
            in_order(&mut left);
            if now {
                assert_eq!(queue.close_now(), left, "{state}");
                left.clear();
            } else {
                queue.close();
            }
            queue.close();
            let waiting = getting + putting as usize;
            assert_eq!(counting.wakes(), waiting, "{state}: all who wait are woken once");
            for (n, put) in puts.iter_mut().enumerate() {
                assert_eq!(poll_once(put), Poll::Ready(Err(PutError(n as u32))), "{state}");
            }
            assert_eq!(queue.try_put(9), Err(TryPutError::Closed(9)), "{state}");
            assert_eq!(poll_once(&mut queue.put(9)), Poll::Ready(Err(PutError(9))), "{state}");
            for get in &mut gets {
                assert_eq!(poll_once(get), Poll::Ready(None), "{state}");
            }
            assert_eq!(queue.unfinished(), left.len(), "{state}");
            for value in left {
                assert_eq!(poll_once(&mut queue.get()), Poll::Ready(Some(value)), "{state}");
            }
            assert_eq!(poll_once(&mut queue.get()), Poll::Ready(None), "{state}");
            assert_eq!(queue.try_get(), Err(TryGetError::Closed), "{state}");
            assert!(queue.is_closed() && queue.is_empty());
        }
    }
}

#[test]
fn closing_wakes_both_sides_in_every_state_and_loses_nothing() {
    close_in_every_state(Queue::fifo, |_| {});
    close_in_every_state(Queue::lifo, |left| left.reverse());
    close_in_every_state(Queue::priority, |left| left.sort_unstable());
}

/// What was handed to one who waits, and has not gone on, is got also after the end.
#[test]
fn a_value_that_was_handed_over_is_got_after_closing() {
    for capacity in [0, 1] {
        let queue = Queue::fifo(capacity);
        let (mut first, mut second) = (queue.get(), queue.get());
        assert!(poll_once(&mut first).is_pending() && poll_once(&mut second).is_pending());
        queue.try_put(1).unwrap();
        queue.close();
        assert_eq!(poll_once(&mut first), Poll::Ready(Some(1)), "capacity {capacity}");
        assert_eq!(poll_once(&mut second), Poll::Ready(None), "capacity {capacity}");
    }
}

#[test]
fn join_waits_until_every_value_is_answered() {
    let queue = Queue::fifo(3);
    assert_eq!(poll_once(&mut queue.join()), Poll::Ready(()), "nothing was put");
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    let (counting, waker) = CountingWaker::new();
    let (mut one, mut other) = (queue.join(), queue.join());
    assert!(poll_with(&mut one, &waker).is_pending() && poll_with(&mut other, &waker).is_pending());
    queue.try_get().unwrap();
    queue.try_get().unwrap();
    assert_eq!((queue.is_empty(), queue.unfinished(), counting.wakes()), (true, 2, 0), "got is not done");
    queue.task_done().unwrap();
    assert_eq!(counting.wakes(), 0);
    queue.task_done().unwrap();
    assert_eq!(counting.wakes(), 2);
    assert_eq!((poll_once(&mut one), poll_once(&mut other)), (Poll::Ready(()), Poll::Ready(())));
}

/// A moment with nothing to do is enough, as in asyncio: else a busy queue would never let anybody go.
#[test]
fn what_is_put_before_the_one_who_joins_has_run_does_not_hold_him() {
    let queue = Queue::fifo(3);
    queue.try_put(1).unwrap();
    let mut join = queue.join();
    assert!(poll_once(&mut join).is_pending());
    queue.task_done().unwrap();
    queue.try_put(2).unwrap();
    assert_eq!(poll_once(&mut join), Poll::Ready(()));
    assert!(poll_once(&mut queue.join()).is_pending());
}

#[test]
fn one_answer_too_many_is_an_error_and_changes_nothing() {
    let queue = Queue::fifo(3);
    assert_eq!(queue.task_done(), Err(TooManyDone));
    queue.try_put(1).unwrap();
    assert_eq!((queue.task_done(), queue.task_done()), (Ok(()), Err(TooManyDone)));
    // It was answered before it was got: taking it out counts it no second time.
    assert_eq!((queue.close_now(), queue.unfinished()), (vec![1], 0));
    assert_eq!(TooManyDone.to_string(), "task_done() was called more often than values were put into the queue");
}

/// Workers that are done, that panic and that are aborted: an item is answered for in each case.
#[test]
fn an_item_is_answered_however_its_worker_ends() {
    coracle::block_on(async {
        let queue = Rc::new(Queue::fifo(3));
        for way in 0..3 {
            queue.try_put(way).unwrap();
        }
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                coracle::spawn(async move {
                    let mut item = queue.get_item().await.unwrap();
                    *item += 10;
                    match *item {
                        10 => {}
                        11 => std::panic::resume_unwind(Box::new("on purpose")),
                        _ => std::future::pending().await,
                    }
                })
            })
            .collect();
        yield_now().await;
        assert_eq!(queue.unfinished(), 1);
        workers[2].abort();
        queue.join().await;
        let ended: Vec<_> = futures(workers).await;
        assert_eq!(ended, [true, false, false]);
    });
}

async fn futures(tasks: Vec<coracle::task::JoinHandle<()>>) -> Vec<bool> {
    let mut ended = Vec::new();
    for task in tasks {
        ended.push(task.await.is_ok());
    }
    ended
}

#[test]
fn a_value_that_leaves_its_item_is_answered_by_hand() {
    let queue = Queue::fifo(1);
    queue.try_put(7).unwrap();
    let Poll::Ready(Some(item)) = poll_once(&mut queue.get_item()) else { panic!("it is there") };
    assert_eq!((item.into_value(), queue.unfinished()), (7, 1));
    assert_eq!((queue.task_done(), queue.unfinished()), (Ok(()), 0));
    queue.close();
    assert!(matches!(poll_once(&mut queue.get_item()), Poll::Ready(None)));
}

#[test]
fn closing_at_once_ends_the_wait_for_what_nobody_will_do() {
    let queue = Queue::fifo(3);
    (0..3).for_each(|n| queue.try_put(n).unwrap());
    queue.try_get().unwrap();
    let (counting, waker) = CountingWaker::new();
    let mut join = queue.join();
    assert!(poll_with(&mut join, &waker).is_pending());
    assert_eq!(queue.close_now(), [1, 2]);
    assert_eq!((queue.unfinished(), counting.wakes()), (1, 0), "one is being worked on");
    queue.task_done().unwrap();
    assert_eq!((counting.wakes(), poll_once(&mut join)), (1, Poll::Ready(())));
}

#[test]
fn a_cancelled_join_or_item_leaves_everything_as_it_was() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let queue = Rc::new(Queue::fifo(1));
            queue.try_put(1).unwrap();
            let worker = coracle::spawn({
                let queue = queue.clone();
                async move { drop(queue.get_item().await) }
            });
            let joined = cut.at(queue.join()).await;
            assert!(joined.is_none() || queue.unfinished() == 0);
            queue.join().await;
            worker.await.unwrap();
        });
    });
    assert!(dropped >= 2, "join was dropped {dropped} times");
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let queue = Rc::new(Queue::fifo(1));
            let producer = coracle::spawn({
                let queue = queue.clone();
                async move { queue.put(1).await.is_ok() }
            });
            let item = cut.at(queue.get_item()).await.flatten();
            let item = if item.is_some() { item } else { queue.get_item().await };
            assert_eq!((item.as_deref(), queue.unfinished()), (Some(&1), 1));
            drop(item);
            assert!(producer.await.unwrap() && queue.unfinished() == 0);
        });
    });
    assert!(dropped >= 2, "get_item was dropped {dropped} times");
}

#[test]
fn errors_say_what_happened_without_showing_the_value() {
    assert_eq!(PutError(1).to_string(), "the queue is closed");
    assert_eq!(TryPutError::Full(1).to_string(), "the queue is full");
    assert_eq!(TryGetError::Empty.to_string(), "the queue is empty");
    assert_eq!(format!("{:?} {:?}", PutError(1), TryPutError::Closed(1)), "PutError(..) Closed(..)");
    let queue = Queue::fifo(2);
    queue.try_put('x').unwrap();
    assert_eq!(format!("{queue:?}"), "Queue { len: 1, capacity: 2, closed: false, unfinished: 1 }");
}
