//! Closing a channel, in every state it can be in: whoever waits is woken, what is left is received or dropped once.

use std::task::Poll;

use coracle::sync::channel::{SendError, TryRecvError, TrySendError, bounded, unbounded};

use super::Counted;
use crate::support::{CountingWaker, poll_once, poll_with};

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
