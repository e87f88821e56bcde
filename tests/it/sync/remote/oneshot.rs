//! Oneshots between threads.

use std::task::Poll;
use std::thread;

use coracle::sync::channel::TryRecvError;
use coracle::sync::remote::oneshot::{Dropped, channel};

use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

#[test]
fn a_value_crosses_from_a_thread_to_a_task_and_back() {
    let ((there, at_thread), (back, at_task)) = (channel(), channel());
    let thread = thread::spawn(move || back.send(at_thread.recv_blocking().unwrap() + 1).unwrap());
    let answer = coracle::block_on(async {
        there.send(41).unwrap();
        at_task.await
    });
    assert_eq!(answer, Ok(42));
    thread.join().unwrap();
}

#[test]
fn a_sender_that_is_dropped_wakes_the_receiver() {
    let (sender, mut receiver) = channel::<u8>();
    let (counting, waker) = CountingWaker::new();
    assert!(poll_with(&mut receiver, &waker).is_pending());
    drop(sender);
    assert_eq!(counting.wakes(), 1);
    assert_eq!(poll_once(&mut receiver), Poll::Ready(Err(Dropped)));
    assert_eq!(receiver.recv_blocking(), Err(Dropped));
}

#[test]
fn the_last_waker_is_woken() {
    let (sender, mut receiver) = channel();
    let ((one, first), (two, second)) = (CountingWaker::new(), CountingWaker::new());
    assert!(poll_with(&mut receiver, &first).is_pending());
    assert!(poll_with(&mut receiver, &second).is_pending());
    sender.send(1).unwrap();
    assert_eq!((one.wakes(), two.wakes()), (0, 1));
    assert_eq!(poll_once(&mut receiver), Poll::Ready(Ok(1)));
    assert_eq!(poll_once(&mut receiver), Poll::Ready(Err(Dropped)), "there was one value");
}

/// After `close` nothing can be sent; what was sent before can be had.
#[test]
fn closing_leaves_what_was_sent() {
    let (sender, mut receiver) = channel();
    sender.send(1).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));

    let (sender, mut receiver) = channel();
    receiver.close();
    assert!(sender.is_closed());
    assert_eq!(poll_once(&mut receiver), Poll::Ready(Err(Dropped)));
    assert_eq!(sender.send(2), Err(2));
}

#[test]
fn a_receiver_that_is_cut_leaves_the_value() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, mut receiver) = channel();
            let sending = coracle::spawn(async move { sender.send(7) });
            let received = match cut.at(&mut receiver).await {
                Some(received) => received,
                None => receiver.await,
            };
            assert_eq!(received, Ok(7));
            sending.await.unwrap().unwrap();
        });
    });
    assert!(dropped >= 2, "{dropped}");
}
