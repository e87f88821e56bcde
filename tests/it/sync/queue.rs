//! Queues: orders, room, cancellation, comparisons that misbehave. Closing and answers are in `queue_done`.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::rc::Rc;
use std::task::Poll;

use coracle::sync::queue::{Order, Queue, Ranked, TryGetError, TryPutError, UNBOUNDED};
use coracle::task::yield_now;

use super::{Counted, both, foreign_block_on};
use crate::support::{self, CountingWaker, cut_at_every_poll, poll_once, poll_with};

/// What a producer of twenty items and a slow consumer write down: each item put and got, and each wait for room.
fn producer_and_consumer(capacity: usize) -> Vec<String> {
    let trace = Rc::new(RefCell::new(Vec::new()));
    let queue = Rc::new(Queue::fifo(capacity));
    coracle::block_on(async {
        let producer = coracle::spawn({
            let (trace, queue) = (trace.clone(), queue.clone());
            async move {
                for n in 0..20 {
                    if queue.is_full() {
                        trace.borrow_mut().push(format!("{n} waits at {}", queue.len()));
                    }
                    queue.put(n).await.unwrap();
                    trace.borrow_mut().push(format!("put {n}"));
                }
                queue.close();
                trace.borrow_mut().push("closed".to_owned());
            }
        });
        let consumer = coracle::spawn({
            let (trace, queue) = (trace.clone(), queue.clone());
            async move {
                // It is slow: between any two items the producer has several turns.
                while let Some(n) = queue.get().await {
                    trace.borrow_mut().push(format!("got {n}"));
                    for _ in 0..5 {
                        yield_now().await;
                    }
                }
                trace.borrow_mut().push("end".to_owned());
            }
        });
        producer.await.unwrap();
        consumer.await.unwrap();
    });
    trace.take()
}

#[test]
fn a_producer_waits_when_three_items_lie_there_and_nothing_is_lost() {
    let mut expected: Vec<String> = (0..3).map(|n| format!("put {n}")).collect();
    for n in 3..20 {
        expected.extend([format!("{n} waits at 3"), format!("got {}", n - 3), format!("put {n}")]);
    }
    expected.extend(["closed", "got 17", "got 18", "got 19", "end"].map(str::to_owned));
    assert_eq!(producer_and_consumer(3), expected);
}

#[test]
fn a_producer_never_waits_when_the_queue_has_no_bound() {
    let mut expected: Vec<String> = (0..20).map(|n| format!("put {n}")).collect();
    expected.push("closed".to_owned());
    expected.extend((0..20).map(|n| format!("got {n}")));
    expected.push("end".to_owned());
    assert_eq!(producer_and_consumer(UNBOUNDED), expected);
}

/// Puts some, gets one, puts the rest, closes, and gets what is left.
fn got_by_a_consumer<T: 'static, O: Order<T> + 'static>(queue: Queue<T, O>, first: Vec<T>, then: Vec<T>) -> Vec<T> {
    coracle::block_on(async {
        for value in first {
            queue.put(value).await.unwrap();
        }
        let mut got = vec![queue.get().await.unwrap()];
        for value in then {
            queue.put(value).await.unwrap();
        }
        queue.close();
        while let Some(value) = queue.get().await {
            got.push(value);
        }
        got
    })
}

#[test]
fn each_order_gives_its_own_first() {
    let (first, then) = (vec![30, 10, 50], vec![20, 40]);
    assert_eq!(got_by_a_consumer(Queue::fifo(9), first.clone(), then.clone()), [30, 10, 50, 20, 40]);
    assert_eq!(got_by_a_consumer(Queue::lifo(9), first.clone(), then.clone()), [50, 40, 20, 10, 30]);
    assert_eq!(got_by_a_consumer(Queue::priority(9), first, then), [10, 20, 30, 40, 50]);
}

#[test]
fn equal_priorities_come_in_order_of_arrival() {
    let jobs = |jobs: &[(u8, char)]| jobs.iter().map(|&(rank, name)| Ranked(rank, name)).collect::<Vec<_>>();
    let (first, then) = (jobs(&[(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd')]), jobs(&[(2, 'e'), (1, 'f'), (0, 'g')]));
    let got = got_by_a_consumer(Queue::priority(UNBOUNDED), first, then);
    assert_eq!(got.into_iter().map(|Ranked(_, name)| name).collect::<String>(), "bgdface");
}

/// The greatest first, by std's own means.
#[test]
fn reversed_values_come_from_the_greatest_down() {
    use std::cmp::Reverse;
    let got = got_by_a_consumer(Queue::priority(9), vec![Reverse(1), Reverse(3)], vec![Reverse(2)]);
    assert_eq!(got, [Reverse(3), Reverse(2), Reverse(1)]);
}

#[test]
fn those_who_wait_for_room_are_served_in_order() {
    let queue = Queue::lifo(1);
    queue.try_put(0).unwrap();
    let wakers: Vec<_> = (0..3).map(|_| CountingWaker::new()).collect();
    let mut puts: Vec<_> = (1..=3).map(|n| queue.put(n)).collect();
    for (put, (_, waker)) in puts.iter_mut().zip(&wakers) {
        assert!(poll_with(put, waker).is_pending());
    }
    for (taken, put) in puts.iter_mut().enumerate() {
        assert_eq!(queue.try_get(), Ok(taken));
        let wakes: Vec<_> = wakers.iter().map(|(counting, _)| counting.wakes()).collect();
        assert_eq!(wakes, (0..3).map(|n| usize::from(n <= taken)).collect::<Vec<_>>());
        assert_eq!(poll_once(put), Poll::Ready(Ok(())));
    }
}

/// With capacity 0 a value is taken only while somebody waits for it.
#[test]
fn a_queue_without_room_is_a_rendezvous() {
    let queue = Queue::fifo(0);
    assert!(queue.is_full() && queue.is_empty());
    assert_eq!(queue.try_put(1), Err(TryPutError::Full(1)));
    let (counting, waker) = CountingWaker::new();
    let mut put = queue.put(2);
    assert!(poll_with(&mut put, &waker).is_pending());
    let mut get = queue.get();
    assert!(poll_once(&mut get).is_pending());
    assert_eq!((counting.wakes(), queue.is_full()), (1, false));
    assert_eq!(poll_with(&mut put, &waker), Poll::Ready(Ok(())));
    assert_eq!(queue.try_put(3), Err(TryPutError::Full(3)), "one who gets, one value");
    assert_eq!(poll_once(&mut get), Poll::Ready(Some(2)));
    let got = coracle::block_on(async {
        let (_, got) = both(async { while queue.put(4).await.is_ok() {} }, async {
            let got = (queue.get().await, queue.get().await);
            queue.close();
            got
        })
        .await;
        got
    });
    assert_eq!(got, (Some(4), Some(4)));
}

#[test]
fn the_largest_capacity_allocates_nothing_in_advance() {
    support::alone("sync::queue::the_largest_capacity_allocates_nothing_in_advance", || {
        let before = support::heap();
        let queues = (Queue::<[u8; 64]>::fifo(UNBOUNDED), Queue::<[u8; 64], _>::lifo(UNBOUNDED));
        let priority = Queue::<[u8; 64], _>::priority(UNBOUNDED);
        // The thread of the test harness allocates a little now and then.
        assert!(support::heap() - before < 4096);
        for _ in 0..1000 {
            queues.0.try_put([0; 64]).unwrap();
            queues.1.try_put([0; 64]).unwrap();
            priority.try_put([0; 64]).unwrap();
        }
        assert!(support::heap() - before >= 3 * 64_000);
        drop((queues, priority));
        assert!(support::heap() - before < 4096, "{} bytes are kept", support::heap() - before);
    });
}

/// As documented: a put that is dropped has put nothing, in every state it can be dropped in.
#[test]
fn a_cancelled_put_has_put_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let queue = Rc::new(Queue::fifo(1));
            queue.try_put(0).unwrap();
            let consumer = coracle::spawn({
                let queue = queue.clone();
                async move { queue.get().await }
            });
            let put = cut.at(queue.put(7)).await;
            assert_eq!(consumer.await.unwrap(), Some(0));
            assert_eq!(queue.try_get().is_ok(), put.is_some());
            assert_eq!(poll_once(&mut queue.put(8)), Poll::Ready(Ok(())), "the room was lost");
        });
    });
    assert!(dropped >= 2, "dropped {dropped} times");
}

#[test]
fn a_cancelled_get_leaves_the_value_where_it_is() {
    for capacity in [0, 1, UNBOUNDED] {
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(async {
                let queue = Rc::new(Queue::fifo(capacity));
                let producer = coracle::spawn({
                    let queue = queue.clone();
                    async move { queue.put(7).await.is_ok() }
                });
                let got = cut.at(queue.get()).await.flatten();
                let got = if got.is_some() { got } else { queue.get().await };
                assert_eq!(got, Some(7), "dropped, it lost the value");
                assert!(producer.await.unwrap());
            });
        });
        assert!(dropped >= 2, "capacity {capacity}: dropped {dropped} times");
    }
}

/// One that was woken for room, or a value, and goes wakes the next (tokio#4618).
#[test]
fn one_that_was_woken_and_is_dropped_wakes_the_next() {
    let queue = Queue::fifo(1);
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let (mut chosen, mut next) = (queue.get(), queue.get());
    assert!(poll_with(&mut chosen, &one).is_pending() && poll_with(&mut next, &two).is_pending());
    queue.try_put(1).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    drop(chosen);
    assert_eq!(second.wakes(), 1);
    let (mut put_chosen, mut put_next) = (queue.put(2), queue.put(3));
    assert!(poll_with(&mut put_chosen, &one).is_pending() && poll_with(&mut put_next, &two).is_pending());
    assert_eq!(poll_once(&mut next), Poll::Ready(Some(1)));
    assert_eq!((first.wakes(), second.wakes()), (2, 1));
    assert_eq!(put_chosen.into_value(), Some(2));
    assert_eq!(second.wakes(), 2);
    assert_eq!(poll_once(&mut put_next), Poll::Ready(Ok(())));
}

#[test]
fn only_the_last_waker_is_woken() {
    let queue = Queue::fifo(1);
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let mut get = queue.get();
    assert!(poll_with(&mut get, &one).is_pending() && poll_with(&mut get, &two).is_pending());
    queue.try_put(1).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    let mut put = queue.put(2);
    assert!(poll_with(&mut put, &one).is_pending() && poll_with(&mut put, &two).is_pending());
    queue.try_get().unwrap();
    assert_eq!((first.wakes(), second.wakes()), (0, 2));
}

/// A task for which there is always a value, and always room, lets the others run.
#[test]
fn a_busy_queue_does_not_starve_other_tasks() {
    coracle::block_on(async {
        let stop = Rc::new(Cell::new(false));
        let busy = coracle::spawn({
            let stop = stop.clone();
            async move {
                let queue = Queue::fifo(1);
                for n in 0_u64.. {
                    queue.put(n).await.unwrap();
                    drop(queue.get_item().await);
                    queue.join().await;
                    if stop.get() {
                        return n;
                    }
                    assert!(n < 10_000, "nobody else has run");
                }
                unreachable!()
            }
        });
        yield_now().await;
        stop.set(true);
        busy.await.unwrap();
    });
}

/// What a comparison does once, when it is told to.
type Act = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

/// A value whose comparison does something.
struct Restless {
    value: u32,
    act: Act,
}

impl Ord for Restless {
    fn cmp(&self, other: &Self) -> Ordering {
        let act = self.act.take();
        if let Some(act) = act {
            act();
        }
        self.value.cmp(&other.value)
    }
}
impl PartialOrd for Restless {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Restless {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl Eq for Restless {}

/// A comparison that panics takes the panic to who puts, and its value with it; the queue stays as it was.
#[test]
fn a_comparison_that_panics_changes_nothing() {
    let act = Act::default();
    let make = |value| Restless { value, act: Rc::clone(&act) };
    let queue = Queue::priority(9);
    for n in [4, 2, 6] {
        queue.try_put(make(n)).unwrap();
    }
    *act.borrow_mut() = Some(Box::new(|| std::panic::resume_unwind(Box::new("on purpose"))));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| queue.try_put(make(1)))).is_err());
    assert_eq!((queue.len(), queue.unfinished()), (3, 3));
    queue.try_put(make(3)).unwrap();
    assert_eq!(queue.close_now().iter().map(|value| value.value).collect::<Vec<_>>(), [2, 3, 4, 6]);
    assert_eq!(queue.unfinished(), 0);
}

/// A comparison that uses its own queue finds it full and empty, and nobody it makes wait sleeps for ever.
#[test]
fn a_comparison_that_uses_its_queue_finds_it_busy() {
    let act = Act::default();
    let make = |value| Restless { value, act: Rc::clone(&act) };
    let queue: &'static Queue<Restless, _> = support::keep(Queue::priority(9));
    queue.try_put(make(4)).unwrap();
    let ((puts, put_waker), (gets, get_waker)) = (CountingWaker::new(), CountingWaker::new());
    let waiting = Rc::new(RefCell::new(None));
    *act.borrow_mut() = Some(Box::new({
        let (waiting, value, other) = (waiting.clone(), make(1), make(2));
        move || {
            assert_eq!((queue.len(), queue.is_empty(), queue.is_full()), (0, true, true));
            assert!(matches!(queue.try_put(value), Err(TryPutError::Full(_))));
            assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
            let (mut put, mut get) = (queue.put(other), queue.get());
            assert!(poll_with(&mut put, &put_waker).is_pending() && poll_with(&mut get, &get_waker).is_pending());
            *waiting.borrow_mut() = Some((put, get));
        }
    }));
    queue.try_put(make(3)).unwrap();
    let (mut put, mut get) = waiting.take().unwrap();
    assert!(puts.wakes() > 0 && gets.wakes() > 0, "somebody sleeps, and nobody will wake him");
    assert!(poll_once(&mut put).is_ready());
    assert!(matches!(poll_once(&mut get), Poll::Ready(Some(Restless { value: 2, .. }))));
    assert_eq!(queue.close_now().iter().map(|value| value.value).collect::<Vec<_>>(), [3, 4]);
}

/// A value that uses its own queue when it is dropped finds it in order, and not borrowed.
#[test]
fn a_value_whose_drop_uses_the_queue_does_no_harm() {
    struct Uses(std::rc::Weak<Queue<Uses>>, Rc<Cell<usize>>);
    impl Drop for Uses {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            let Some(queue) = self.0.upgrade() else { return };
            let put = queue.try_put(Uses(std::rc::Weak::new(), self.1.clone()));
            assert_eq!(matches!(put, Err(TryPutError::Closed(_))), queue.is_closed());
        }
    }
    let (queue, drops) = (Rc::new(Queue::fifo(4)), Rc::new(Cell::new(0)));
    for _ in 0..3 {
        queue.try_put(Uses(Rc::downgrade(&queue), drops.clone())).ok().unwrap();
    }
    drop(queue.try_get());
    assert_eq!((drops.get(), queue.len()), (1, 3), "its drop has put another one in");
    drop(queue.close_now());
    assert_eq!((drops.get(), queue.len()), (6, 0), "three that were in it, and two that could not be put");
    drop(queue);
    assert_eq!(drops.get(), 6);
}

#[test]
fn what_is_left_is_dropped_once_with_the_queue() {
    let (drops, make) = Counted::new();
    let queue = Queue::lifo(5);
    for _ in 0..5 {
        queue.try_put(make()).unwrap();
    }
    drop(queue.try_get().unwrap());
    drop(queue.put(make()));
    assert_eq!(drops.get(), 2);
    drop(queue);
    assert_eq!(drops.get(), 6);
}

/// Operations that are polled once and dropped leave nothing (moq#353).
#[test]
fn abandoned_operations_leave_nothing_behind() {
    support::alone("sync::queue::abandoned_operations_leave_nothing_behind", || {
        let queue = Queue::fifo(1);
        let before = support::heap();
        for _ in 0..30_000 {
            assert!(poll_once(&mut queue.get()).is_pending());
        }
        queue.try_put(0).unwrap();
        for n in 0..30_000 {
            assert!(poll_once(&mut queue.put(n)).is_pending());
            assert!(poll_once(&mut queue.join()).is_pending());
        }
        assert!(support::heap() - before < 4096, "the queue has grown by {}", support::heap() - before);
    });
}

#[test]
fn it_works_on_a_foreign_executor() {
    for capacity in [0, 1, UNBOUNDED] {
        let queue = Queue::fifo(capacity);
        let put = async {
            for n in 0..300 {
                queue.put(n).await.unwrap();
            }
            queue.join().await;
            queue.close();
        };
        let get = async {
            let mut got = Vec::new();
            while let Some(item) = queue.get_item().await {
                got.push(*item);
            }
            got
        };
        let (got, ()) = foreign_block_on(both(get, put));
        assert_eq!(got, (0..300).collect::<Vec<_>>(), "capacity {capacity}");
    }
}
