//! Closing a channel, in every state it can be in: whoever waits is woken, what is left is received or dropped once.

use std::task::Poll;

use coracle::sync::channel::{Receiver, SendError, Sender, TryRecvError, TrySendError, bounded, unbounded};

use super::Counted;
use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

/// For each way to drop the last sender, a receiver that waits gets `None` (tokio#8260, tokio#8075, tokio#8074).
#[test]
fn receivers_that_wait_are_told_when_the_last_sender_goes() {
    for capacity in [0, 1, usize::MAX] {
        let (sender, receiver) = bounded::<u8>(capacity);
        let other = sender.clone();
        let wakers: Vec<_> = (0..3).map(|_| CountingWaker::new()).collect();
        let mut recvs: Vec<_> = (0..3).map(|_| receiver.recv()).collect();
        for (recv, (_, waker)) in recvs.iter_mut().zip(&wakers) {
            assert!(poll_with(recv, waker).is_pending());
        }
        drop(sender);
        assert!(wakers.iter().all(|(counting, _)| counting.wakes() == 0), "one sender is left");
        drop(other);
        assert!(wakers.iter().all(|(counting, _)| counting.wakes() == 1), "capacity {capacity}");
        for recv in &mut recvs {
            assert_eq!(poll_once(recv), Poll::Ready(None));
        }
    }
}

#[test]
fn the_last_unbounded_sender_ends_the_channel_too() {
    let (sender, receiver) = unbounded::<u8>();
    let other = sender.clone();
    let (counting, waker) = CountingWaker::new();
    let mut recv = receiver.recv();
    assert!(poll_with(&mut recv, &waker).is_pending());
    drop(sender);
    assert_eq!(counting.wakes(), 0);
    drop(other);
    assert_eq!(counting.wakes(), 1);
    assert_eq!(poll_once(&mut recv), Poll::Ready(None));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

/// A sender that a task owns goes with the task, also when the task is aborted or panics.
#[test]
fn a_task_that_ends_in_any_way_drops_its_sender() {
    coracle::block_on(async {
        for way in 0..3 {
            let (sender, receiver) = bounded::<u8>(1);
            let task = coracle::spawn(async move {
                let _sender = sender;
                match way {
                    0 => {}
                    1 => std::panic::resume_unwind(Box::new("on purpose")),
                    _ => std::future::pending().await,
                }
            });
            coracle::task::yield_now().await;
            if way == 2 {
                task.abort();
            }
            assert_eq!(receiver.recv().await, None, "way {way}");
            assert_eq!(task.await.is_ok(), way == 0);
        }
    });
}

#[test]
fn what_is_left_is_received_before_the_end() {
    let (sender, receiver) = bounded(3);
    for n in 0..3 {
        sender.try_send(n).unwrap();
    }
    drop(sender);
    let got: Vec<_> = (0..5).map(|_| poll_once(&mut receiver.recv())).collect();
    let ready = Poll::Ready;
    assert_eq!(got, [ready(Some(0)), ready(Some(1)), ready(Some(2)), ready(None), ready(None)]);
}

/// Senders that wait get their values back, and so do those that come later.
#[test]
fn senders_that_wait_are_told_when_the_last_receiver_goes() {
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        let other = receiver.clone();
        if capacity == 1 {
            sender.try_send(0).unwrap();
        }
        let wakers: Vec<_> = (0..3).map(|_| CountingWaker::new()).collect();
        let mut sends: Vec<_> = (1..=3).map(|n| sender.send(n)).collect();
        for (send, (_, waker)) in sends.iter_mut().zip(&wakers) {
            assert!(poll_with(send, waker).is_pending());
        }
        drop(receiver);
        assert!(wakers.iter().all(|(counting, _)| counting.wakes() == 0) && !sender.is_closed());
        drop(other);
        assert!(wakers.iter().all(|(counting, _)| counting.wakes() == 1) && sender.is_closed());
        for (n, send) in sends.iter_mut().enumerate() {
            assert_eq!(poll_once(send), Poll::Ready(Err(SendError(n + 1))));
        }
        assert_eq!(sender.try_send(9), Err(TrySendError::Closed(9)));
        assert_eq!(poll_once(&mut sender.send(9)), Poll::Ready(Err(SendError(9))));
        assert!(sender.is_empty());
    }
}

#[test]
fn what_is_left_is_dropped_once_with_the_last_receiver() {
    for senders_go_first in [false, true] {
        let (drops, make) = Counted::new();
        let (sender, receiver) = bounded(5);
        for _ in 0..5 {
            sender.try_send(make()).unwrap();
        }
        drop(receiver.try_recv().unwrap());
        assert_eq!(drops.get(), 1);
        if senders_go_first {
            drop(sender);
            assert_eq!(drops.get(), 1, "what was sent can still be received");
            drop(receiver);
        } else {
            drop(receiver);
            assert_eq!(drops.get(), 5, "nobody can receive it any more");
            drop(sender);
        }
        assert_eq!(drops.get(), 5);
    }
}

/// A value whose drop panics takes the panic to whoever drops the receiver, but the senders are told all the same.
#[test]
fn a_value_that_panics_when_dropped_does_not_keep_senders_asleep() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }
    let (sender, receiver) = bounded(1);
    sender.try_send(Some(Bomb)).ok().unwrap();
    let (counting, waker) = CountingWaker::new();
    let mut send = sender.send(None);
    assert!(poll_with(&mut send, &waker).is_pending());
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(receiver)));
    assert!(dropped.is_err());
    assert_eq!(counting.wakes(), 1);
    assert!(matches!(poll_once(&mut send), Poll::Ready(Err(SendError(None)))));
}

#[test]
fn errors_say_what_happened_without_showing_the_value() {
    assert_eq!(SendError(1).to_string(), "the channel is closed: nobody receives any more");
    assert_eq!(TrySendError::Full(1).to_string(), "the channel is full");
    assert_eq!(TryRecvError::Empty.to_string(), "the channel is empty");
    assert_eq!(TryRecvError::Closed.to_string(), "the channel is closed: nobody sends any more");
    assert_eq!(format!("{:?} {:?}", SendError(1), TrySendError::Closed(1)), "SendError(..) Closed(..)");
}

/// How a channel is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    LastSender,
    LastReceiver,
    Receiver,
}

/// The states in which it is closed: its capacity, how many values lie in it, how many wait to send and to receive, and
/// whether a permit is held.
const STATES: [(&str, usize, usize, usize, usize, bool); 10] = [
    ("empty", 2, 0, 0, 0, false),
    ("with a value", 2, 1, 0, 0, false),
    ("full", 2, 2, 0, 0, false),
    ("full, and some wait to send", 2, 2, 2, 0, false),
    ("empty, and some wait to receive", 2, 0, 0, 3, false),
    ("empty, with a permit", 2, 0, 0, 0, true),
    ("full by a permit, and some wait to send", 2, 1, 2, 0, true),
    ("without room", 0, 0, 0, 0, false),
    ("without room, and some wait to send", 0, 0, 2, 0, false),
    ("without room, and both sides wait", 0, 0, 2, 1, false),
];

/// Every way to close in every state: all who wait are woken once, values go back or stay or are dropped, and nobody is
/// told anything else later (tokio#8260, tokio#8075, tokio#8074).
#[test]
fn closing_wakes_both_sides_in_every_state_and_loses_nothing() {
    for way in [Way::LastSender, Way::LastReceiver, Way::Receiver] {
        for (state, capacity, values, sending, receiving, has_permit) in STATES {
            let say = format!("{state}, closed by {way:?}");
            // While somebody waits on a side, that side has a handle: it cannot be the one that goes.
            let can_be = match way {
                Way::LastSender => sending == 0 && !has_permit,
                Way::LastReceiver => receiving == 0,
                Way::Receiver => true,
            };
            if !can_be {
                continue;
            }
            let (sender, receiver) = bounded(capacity);
            let (mut sender, mut receiver) = (Some(sender), Some(receiver));
            // The handles that wait are clones, so that the first can go.
            let (sends_for, recvs_for) = (sender.clone(), receiver.clone());
            for n in 0..values {
                sends_for.as_ref().unwrap().try_send(n).unwrap();
            }
            let permit = has_permit.then(|| sends_for.as_ref().unwrap().try_reserve().unwrap());
            let (counting, waker) = CountingWaker::new();
            let mut sends: Vec<_> = (0..sending).map(|n| sends_for.as_ref().unwrap().send(10 + n)).collect();
            sends.iter_mut().for_each(|send| assert!(poll_with(send, &waker).is_pending()));
            let mut recvs: Vec<_> = (0..receiving).map(|_| recvs_for.as_ref().unwrap().recv()).collect();
            recvs.iter_mut().for_each(|recv| assert!(poll_with(recv, &waker).is_pending()));
            match way {
                Way::LastSender => {
                    drop((sends, permit, sender.take()));
                    drop(sends_for);
                    check_wakes(&counting, receiving, &say);
                    check_receivers(receiver.as_ref().unwrap(), recvs, values, &say);
                }
                Way::LastReceiver => {
                    drop((recvs, receiver.take()));
                    drop(recvs_for);
                    check_wakes(&counting, sending, &say);
                    assert!(permit.is_none_or(|permit| permit.send(1) == Err(SendError(1))), "{say}");
                    check_senders(sender.as_ref().unwrap(), sends, &say);
                    assert_eq!(sender.as_ref().unwrap().len(), 0, "{say}");
                }
                Way::Receiver => {
                    receiver.as_ref().unwrap().close();
                    receiver.as_ref().unwrap().close();
                    check_wakes(&counting, sending + receiving, &say);
                    assert!(permit.is_none_or(|permit| permit.send(1) == Err(SendError(1))), "{say}");
                    check_senders(sender.as_ref().unwrap(), sends, &say);
                    check_receivers(receiver.as_ref().unwrap(), recvs, values, &say);
                    assert_eq!(counting.wakes(), sending + receiving, "{say}: nobody is woken again");
                }
            }
        }
    }
}

fn check_wakes(counting: &CountingWaker, expected: usize, say: &str) {
    assert_eq!(counting.wakes(), expected, "{say}: all who wait are woken once");
}

fn check_senders(sender: &Sender<usize>, sends: Vec<coracle::sync::channel::Send<'_, usize>>, say: &str) {
    for (n, mut send) in sends.into_iter().enumerate() {
        assert_eq!(poll_once(&mut send), Poll::Ready(Err(SendError(10 + n))), "{say}");
    }
    assert!(sender.is_closed(), "{say}");
    assert_eq!(sender.try_send(9), Err(TrySendError::Closed(9)), "{say}");
    assert!(matches!(sender.try_reserve(), Err(TrySendError::Closed(()))), "{say}");
    assert!(matches!(poll_once(&mut sender.reserve()), Poll::Ready(Err(SendError(())))), "{say}");
    assert_eq!(poll_once(&mut sender.closed()), Poll::Ready(()), "{say}");
}

fn check_receivers(
    receiver: &Receiver<usize>,
    recvs: Vec<coracle::sync::channel::Recv<'_, usize>>,
    values: usize,
    say: &str,
) {
    for mut recv in recvs {
        assert_eq!(poll_once(&mut recv), Poll::Ready(None), "{say}");
    }
    for n in 0..values {
        assert_eq!(poll_once(&mut receiver.recv()), Poll::Ready(Some(n)), "{say}");
    }
    assert_eq!(poll_once(&mut receiver.recv()), Poll::Ready(None), "{say}");
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed), "{say}");
    assert!(receiver.is_closed(), "{say}");
}

/// One who waits for the end of the other side learns it from each way to close.
#[test]
fn senders_that_wait_for_the_end_are_told() {
    for (close, unbounded_too) in [(true, false), (false, false), (true, true), (false, true)] {
        let (counting, waker) = CountingWaker::new();
        let (bounded_pair, unbounded_pair) = (bounded::<u8>(1), unbounded::<u8>());
        let (sender, unbounded_sender) = (&bounded_pair.0, &unbounded_pair.0);
        let receiver = if unbounded_too { unbounded_pair.1 } else { bounded_pair.1 };
        let make = || if unbounded_too { unbounded_sender.closed() } else { sender.closed() };
        let other = receiver.clone();
        let mut waiting = [make(), make(), make()];
        waiting.iter_mut().for_each(|closed| assert!(poll_with(closed, &waker).is_pending()));
        drop(other);
        assert_eq!(counting.wakes(), 0, "a receiver is left");
        if close {
            receiver.close();
        } else {
            drop(receiver);
        }
        assert_eq!(counting.wakes(), 3, "all of them");
        waiting.iter_mut().for_each(|closed| assert_eq!(poll_once(closed), Poll::Ready(())));
    }
}

#[test]
fn a_cancelled_wait_for_the_end_leaves_the_others_waiting() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, receiver) = bounded::<u8>(1);
            let task = coracle::spawn(async move {
                coracle::task::yield_now().await;
                receiver.close();
                receiver
            });
            let closed = cut.at(sender.closed()).await;
            assert!(closed.is_none() || sender.is_closed());
            sender.closed().await;
            drop(task.await.unwrap());
        });
    });
    assert!(dropped >= 2, "dropped {dropped} times");
}

/// A sender made from a weak one counts, a weak one does not.
#[test]
fn weak_senders_do_not_keep_a_channel_open() {
    let (sender, receiver) = bounded(2);
    let weak = sender.downgrade().clone();
    let strong = weak.upgrade().unwrap();
    drop(sender);
    assert!(!receiver.is_closed(), "the one that was made from it lives");
    strong.try_send(1).unwrap();
    let (counting, waker) = CountingWaker::new();
    assert_eq!(receiver.try_recv(), Ok(1));
    let mut recv = receiver.recv();
    assert!(poll_with(&mut recv, &waker).is_pending());
    drop(strong);
    assert_eq!((counting.wakes(), poll_once(&mut recv)), (1, Poll::Ready(None)));
    assert!(weak.upgrade().is_none());
    drop(recv);
    drop(receiver);
    assert!(weak.upgrade().is_none());
    let (sender, receiver) = bounded::<u8>(2);
    let weak = sender.downgrade();
    drop(receiver);
    assert!(weak.upgrade().is_some_and(|sender| sender.is_closed()));
}
