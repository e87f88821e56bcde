//! A million who wait, are woken, give up or are dropped, on a small stack: nothing here calls itself, however many
//! there are (P11).

use std::sync::Arc;
use std::task::{Poll, Waker};

use coracle::sync::queue::{Queue, UNBOUNDED};
use coracle::sync::{broadcast, channel, watch};

use crate::support::{CountingWaker, poll_with};

const MANY: usize = 1_000_000;

fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 * 1024).spawn(body).unwrap().join().unwrap();
}

/// Lets all of them wait; the first half gives up, every other one first; then `end` ends the wait of the others, which
/// all were woken once.
fn let_many_wait<F: Future + Unpin>(make: impl Fn() -> F, end: impl FnOnce(), is_answer: impl Fn(F::Output) -> bool) {
    let (counting, waker): (Arc<CountingWaker>, Waker) = CountingWaker::new();
    let mut waiting: Vec<Option<F>> = (0..MANY).map(|_| Some(make())).collect();
    for future in waiting.iter_mut().flatten() {
        assert!(poll_with(future, &waker).is_pending());
    }
    let (gone, left) = waiting.split_at_mut(MANY / 2);
    gone.iter_mut().step_by(2).for_each(|future| *future = None);
    gone.fill_with(|| None);
    assert_eq!(counting.wakes(), 0);
    end();
    assert_eq!(counting.wakes(), MANY / 2);
    for future in left.iter_mut().flatten() {
        assert!(poll_with(future, &waker).map(&is_answer) == Poll::Ready(true));
    }
}

#[test]
fn a_million_wait_to_receive_and_the_last_sender_goes() {
    on_a_small_stack(|| {
        let (sender, receiver) = channel::bounded::<u32>(1);
        let_many_wait(|| receiver.recv(), || drop(sender), |got| got.is_none());
    });
}

#[test]
fn a_million_wait_to_get_and_the_queue_is_closed() {
    on_a_small_stack(|| {
        let queue = Queue::<u32>::fifo(1);
        let_many_wait(|| queue.get(), || queue.close(), |got| got.is_none());
    });
}

#[test]
fn a_million_wait_for_room_and_each_that_gives_up_passes_it_on() {
    on_a_small_stack(|| {
        let queue = Queue::fifo(1);
        queue.try_put(0).unwrap();
        let (counting, waker) = CountingWaker::new();
        let mut puts: Vec<_> = (0..MANY).map(|n| queue.put(n)).collect();
        puts.iter_mut().for_each(|put| assert!(poll_with(put, &waker).is_pending()));
        queue.try_get().unwrap();
        assert_eq!(counting.wakes(), 1);
        // Each is woken, and goes.
        let last = puts.pop().unwrap();
        drop(puts);
        assert_eq!(counting.wakes(), MANY);
        let mut last = last;
        assert_eq!(poll_with(&mut last, &waker), Poll::Ready(Ok(())));
    });
}

#[test]
fn a_million_values_lie_in_a_queue_of_each_order_and_are_dropped() {
    on_a_small_stack(|| {
        let (fifo, lifo, priority) = (Queue::fifo(UNBOUNDED), Queue::lifo(UNBOUNDED), Queue::priority(UNBOUNDED));
        for n in 0..MANY {
            fifo.try_put(Box::new(n)).unwrap();
            lifo.try_put(Box::new(n)).unwrap();
        }
        // A tree is not deep, and slow without optimisation.
        for n in 0..MANY / 20 {
            priority.try_put(n % 100).unwrap();
        }
        assert_eq!((fifo.close_now().len(), lifo.len(), priority.len()), (MANY, MANY, MANY / 20));
    });
}

#[test]
fn a_million_watch_one_value() {
    on_a_small_stack(|| {
        let (sender, receiver) = watch::channel(0);
        let (counting, waker) = CountingWaker::new();
        let mut receivers: Vec<_> = (0..MANY).map(|_| receiver.clone()).collect();
        let mut waiting: Vec<_> = receivers.iter_mut().map(|receiver| receiver.changed()).collect();
        waiting.iter_mut().for_each(|changed| assert!(poll_with(changed, &waker).is_pending()));
        sender.send(1).unwrap();
        assert_eq!(counting.wakes(), MANY);
        waiting.iter_mut().for_each(|changed| assert_eq!(poll_with(changed, &waker), Poll::Ready(Ok(()))));
        drop(waiting);
        drop((receivers, receiver));
        assert!(sender.is_closed());
    });
}

#[test]
fn a_million_values_are_broadcast_to_one_who_does_not_look() {
    on_a_small_stack(|| {
        let (sender, mut slow) = broadcast::channel(MANY / 2);
        let idle = sender.subscribe();
        for n in 0..MANY {
            sender.send(Box::new(n)).unwrap();
        }
        assert_eq!(slow.try_recv(), Err(broadcast::TryRecvError::Lagged(MANY as u64 / 2)));
        assert_eq!(slow.try_recv(), Ok(Box::new(MANY / 2)));
        drop(slow);
        assert_eq!(sender.len(), MANY / 2);
        drop(idle);
        assert_eq!(sender.len(), 0);
    });
}
