//! Channels: order, room, cancellation, values that misbehave, and other executors. What closing does is in `closing`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use coracle::sync::channel::{Sender, TryRecvError, TrySendError, bounded, unbounded};
use coracle::task::yield_now;

use super::{Counted, both, foreign_block_on};
use crate::support::{self, CountingWaker, poll_once, poll_with};

#[test]
fn values_come_in_the_order_in_which_they_were_sent() {
    for capacity in [0, 1, 2, 7, usize::MAX] {
        let got = coracle::block_on(async {
            let (sender, receiver) = bounded(capacity);
            let producer = coracle::spawn(async move {
                for n in 0..1000 {
                    sender.send(n).await.unwrap();
                }
            });
            let mut got = Vec::new();
            while let Some(n) = receiver.recv().await {
                got.push(n);
            }
            producer.await.unwrap();
            got
        });
        assert_eq!(got, (0..1000).collect::<Vec<_>>(), "capacity {capacity}");
    }
}

/// Each value goes to one receiver, each sender's values keep their order, and everybody who waits is served.
#[test]
fn several_senders_and_receivers_share_the_values() {
    for capacity in [0, 1, 3, usize::MAX] {
        let all = coracle::block_on(async {
            let (sender, receiver) = bounded(capacity);
            let senders: Vec<_> = (0..4)
                .map(|who| {
                    let sender = sender.clone();
                    coracle::spawn(async move {
                        for n in 0..250 {
                            sender.send((who, n)).await.unwrap();
                        }
                    })
                })
                .collect();
            drop(sender);
            let receivers: Vec<_> = (0..3)
                .map(|_| {
                    let receiver = receiver.clone();
                    coracle::spawn(async move {
                        let mut got = Vec::new();
                        while let Some(value) = receiver.recv().await {
                            got.push(value);
                        }
                        got
                    })
                })
                .collect();
            for task in senders {
                task.await.unwrap();
            }
            let mut all = Vec::new();
            for task in receivers {
                let got = task.await.unwrap();
                for who in 0..4 {
                    let own: Vec<_> = got.iter().filter(|(from, _)| *from == who).collect();
                    assert!(own.is_sorted(), "capacity {capacity}: {own:?}");
                }
                all.extend(got);
            }
            all
        });
        let mut sorted = all.clone();
        sorted.sort_unstable();
        let expected: Vec<_> = (0..4).flat_map(|who| (0..250).map(move |n| (who, n))).collect();
        assert_eq!(sorted, expected, "capacity {capacity}");
    }
}

#[test]
fn a_full_channel_makes_senders_wait_in_order() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let wakers: Vec<_> = (0..3).map(|_| CountingWaker::new()).collect();
    let mut sends: Vec<_> = (1..=3).map(|n| sender.send(n)).collect();
    for (send, (_, waker)) in sends.iter_mut().zip(&wakers) {
        assert!(poll_with(send, waker).is_pending());
    }
    for (taken, send) in sends.iter_mut().enumerate() {
        assert_eq!(receiver.try_recv(), Ok(taken));
        let wakes: Vec<_> = wakers.iter().map(|(counting, _)| counting.wakes()).collect();
        assert_eq!(wakes, (0..3).map(|n| usize::from(n <= taken)).collect::<Vec<_>>());
        assert_eq!(poll_once(send), Poll::Ready(Ok(())));
    }
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

/// With capacity 0 a value is taken only while a receiver waits.
#[test]
fn a_channel_without_room_is_a_rendezvous() {
    let (sender, receiver) = bounded(0);
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)), "nobody waits");
    let (counting, waker) = CountingWaker::new();
    let mut send = sender.send(2);
    assert!(poll_with(&mut send, &waker).is_pending());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "the sender has not been told of anybody");
    let mut recv = receiver.recv();
    assert!(poll_once(&mut recv).is_pending());
    assert_eq!(counting.wakes(), 1);
    assert_eq!(poll_with(&mut send, &waker), Poll::Ready(Ok(())));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)), "one receiver, one value");
    assert_eq!(poll_once(&mut recv), Poll::Ready(Some(2)));
    assert_eq!(sender.try_send(4), Err(TrySendError::Full(4)), "the receiver has gone on");
}

/// A receiver that gives up after a value was handed over: the next receiver gets it.
#[test]
fn a_rendezvous_whose_receiver_gives_up_loses_nothing() {
    let (sender, receiver) = bounded(0);
    let mut recv = receiver.recv();
    assert!(poll_once(&mut recv).is_pending());
    sender.try_send(1).unwrap();
    drop(recv);
    assert_eq!(poll_once(&mut receiver.recv()), Poll::Ready(Some(1)));
    let mut recv = receiver.recv();
    assert!(poll_once(&mut recv).is_pending());
    let mut send = sender.send(2);
    drop(recv);
    assert!(poll_once(&mut send).is_pending(), "the receiver gave up before");
    assert_eq!(send.into_value(), Some(2));
}

/// Room is allocated as it is needed.
#[test]
fn the_largest_capacity_allocates_nothing_in_advance() {
    support::alone("sync::channel::the_largest_capacity_allocates_nothing_in_advance", || {
        let before = support::heap();
        let (sender, receiver) = bounded::<[u8; 64]>(usize::MAX);
        assert!(support::heap() - before < 1024);
        for _ in 0..1000 {
            sender.try_send([0; 64]).unwrap();
        }
        assert!(support::heap() - before >= 64_000);
        drop((sender, receiver));
        assert!(support::heap() - before < 1024, "{} bytes are kept", support::heap() - before);
    });
}

/// A send that is given up has sent nothing; its value comes back, or is dropped once.
#[test]
fn a_cancelled_send_gives_its_value_back() {
    let (drops, make) = Counted::new();
    let (sender, receiver) = bounded(1);
    sender.try_send(make()).unwrap();
    let never_polled = sender.send(make()).into_value();
    assert!(never_polled.is_some() && drops.get() == 0);
    let mut send = sender.send(make());
    assert!(poll_once(&mut send).is_pending());
    assert!(send.into_value().is_some());
    assert_eq!(drops.get(), 1, "the value that came back was dropped by this test, and only it");
    let mut send = sender.send(make());
    assert!(poll_once(&mut send).is_pending());
    drop(send);
    assert_eq!(drops.get(), 2);
    assert_eq!(receiver.len(), 1);
    drop(receiver.try_recv().unwrap());
    let mut send = sender.send(make());
    assert!(poll_once(&mut send).is_ready());
    assert!(send.into_value().is_none(), "it has been sent");
    drop((never_polled, sender, receiver));
    assert_eq!(drops.get(), 5);
}

/// A sender that was woken for room and goes wakes the next (tokio#4618).
#[test]
fn a_woken_sender_that_is_dropped_wakes_the_next() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let (mut chosen, mut next) = (sender.send(1), sender.send(2));
    assert!(poll_with(&mut chosen, &one).is_pending() && poll_with(&mut next, &two).is_pending());
    receiver.try_recv().unwrap();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    drop(chosen);
    assert_eq!(second.wakes(), 1);
    assert_eq!(poll_once(&mut next), Poll::Ready(Ok(())));
}

#[test]
fn a_woken_receiver_that_is_dropped_wakes_the_next() {
    for capacity in [0, 1, usize::MAX] {
        let (sender, receiver) = bounded(capacity);
        let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
        let (mut chosen, mut next) = (receiver.recv(), receiver.recv());
        assert!(poll_with(&mut chosen, &one).is_pending() && poll_with(&mut next, &two).is_pending());
        sender.try_send(1).unwrap();
        assert_eq!((first.wakes(), second.wakes()), (1, 0));
        drop(chosen);
        assert_eq!(second.wakes(), 1, "capacity {capacity}");
        assert_eq!(poll_once(&mut next), Poll::Ready(Some(1)));
    }
}

/// One that comes just then takes the value; the receiver that was woken for it waits on, and before those behind it.
#[test]
fn a_receiver_whose_value_was_taken_is_the_first_again() {
    let (sender, receiver) = bounded(2);
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let (mut robbed, mut behind) = (receiver.recv(), receiver.recv());
    assert!(poll_with(&mut robbed, &one).is_pending() && poll_with(&mut behind, &two).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(poll_with(&mut robbed, &one).is_pending());
    sender.try_send(2).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (2, 0));
    assert_eq!(poll_with(&mut robbed, &one), Poll::Ready(Some(2)));
}

/// Uses up what one poll may do, by operations that succeed at once.
fn use_up_the_budget() {
    let (sender, receiver) = bounded(1);
    for n in 0..10_000 {
        match poll_once(&mut sender.send(n)) {
            Poll::Ready(sent) => sent.unwrap(),
            Poll::Pending => return,
        }
        receiver.try_recv().unwrap();
    }
    panic!("a task has no budget");
}

/// A receiver that was woken, is polled in a task whose budget is used up, and is dropped then, has not used its wake: it
/// must still pass it on, or the value lies there while the next receiver sleeps.
#[test]
fn a_woken_receiver_without_budget_that_is_dropped_wakes_the_next() {
    let (sender, receiver) = bounded(1);
    coracle::block_on(async {
        let mut chosen = receiver.recv();
        assert!(poll_once(&mut chosen).is_pending());
        let next = coracle::spawn({
            let receiver = receiver.clone();
            async move { receiver.recv().await }
        });
        yield_now().await;
        sender.try_send(1).unwrap();
        use_up_the_budget();
        assert!(poll_once(&mut chosen).is_pending(), "the budget is used up");
        drop(chosen);
        yield_now().await;
        yield_now().await;
        assert!(next.is_finished(), "the value waits, and the receiver sleeps");
        assert_eq!(next.await.unwrap(), Some(1));
    });
}

#[test]
fn a_woken_sender_without_budget_that_is_dropped_wakes_the_next() {
    let (sender, receiver) = bounded(1);
    coracle::block_on(async {
        sender.try_send(0).unwrap();
        let mut chosen = sender.send(1);
        assert!(poll_once(&mut chosen).is_pending());
        let next = coracle::spawn({
            let sender = sender.clone();
            async move { sender.send(2).await }
        });
        yield_now().await;
        receiver.try_recv().unwrap();
        use_up_the_budget();
        assert!(poll_once(&mut chosen).is_pending(), "the budget is used up");
        drop(chosen);
        yield_now().await;
        yield_now().await;
        assert!(next.is_finished(), "there is room, and the sender sleeps");
        assert_eq!(receiver.try_recv(), Ok(2));
    });
}

#[test]
fn only_the_last_waker_is_kept_and_woken() {
    let (sender, receiver) = bounded(1);
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let mut recv = receiver.recv();
    assert!(poll_with(&mut recv, &one).is_pending());
    assert!(poll_with(&mut recv, &two).is_pending());
    drop((one, two));
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 2));
    sender.try_send(1).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert_eq!(poll_once(&mut recv), Poll::Ready(Some(1)));
}

/// Receivers that are polled once and dropped leave nothing (moq#353).
#[test]
fn abandoned_operations_leave_nothing_behind() {
    support::alone("sync::channel::abandoned_operations_leave_nothing_behind", || {
        let (sender, receiver) = bounded(1);
        let before = support::heap();
        for _ in 0..50_000 {
            assert!(poll_once(&mut receiver.recv()).is_pending());
        }
        sender.try_send(0).unwrap();
        for n in 0..50_000 {
            assert!(poll_once(&mut sender.send(n)).is_pending());
        }
        assert!(support::heap() - before < 4096, "the channel has grown by {}", support::heap() - before);
    });
}

/// A value that uses its own channel when it is dropped finds it in order, and not borrowed.
#[test]
fn a_value_whose_drop_uses_the_channel_does_no_harm() {
    struct Uses(Rc<RefCell<Option<Sender<Uses>>>>, Rc<Cell<usize>>);
    impl Drop for Uses {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            let Some(sender) = self.0.take() else { return };
            assert!(sender.is_empty(), "the channel is emptied before what was in it is dropped");
            let sent = sender.try_send(Uses(Rc::default(), self.1.clone()));
            assert_eq!(matches!(sent, Err(TrySendError::Closed(_))), sender.is_closed());
        }
    }
    for receiver_goes_first in [false, true] {
        let (cell, drops) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
        let (sender, receiver) = bounded(4);
        for _ in 0..2 {
            sender.try_send(Uses(cell.clone(), drops.clone())).ok().unwrap();
        }
        if receiver_goes_first {
            *cell.borrow_mut() = Some(sender.clone());
            drop(receiver);
            drop(sender);
        } else {
            drop(receiver.try_recv());
            assert_eq!(drops.get(), 1);
            *cell.borrow_mut() = Some(sender);
            drop(receiver.try_recv());
            assert_eq!(receiver.len(), 1, "what the drop sent");
            drop(receiver);
        }
        assert_eq!(drops.get(), 3);
    }
}

#[test]
fn it_works_on_a_foreign_executor() {
    for capacity in [0, 1, usize::MAX] {
        let (sender, receiver) = bounded(capacity);
        let send = async move {
            for n in 0..300 {
                sender.send(n).await.unwrap();
            }
        };
        let receive = async move {
            let mut got = Vec::new();
            while let Some(n) = receiver.recv().await {
                got.push(n);
            }
            got
        };
        let (got, ()) = foreign_block_on(both(receive, send));
        assert_eq!(got, (0..300).collect::<Vec<_>>(), "capacity {capacity}");
    }
    let (sender, receiver) = unbounded();
    let (got, ()) = foreign_block_on(both(async { receiver.recv().await }, async { sender.send(7).unwrap() }));
    assert_eq!(got, Some(7));
}
