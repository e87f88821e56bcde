//! Oneshot: whatever the order of sending, polling and dropping, the receiver learns what became of the value, and the
//! value is dropped once (tokio#4225, oneshot#87).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use coracle::sync::channel::TryRecvError;
use coracle::sync::oneshot::{Dropped, Receiver, Sender, channel};

use super::{Counted, both, foreign_block_on, permutations};
use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

/// What one side may do, in which order with the other is for the test to enumerate. Two polls; then the receiver goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Poll,
    PollAgain,
    DropReceiver,
    EndOfSender,
}

/// Runs one order of steps and holds each answer against what must be so.
fn run(order: &[Step], sends: bool) {
    let (drops, make) = Counted::new();
    let (sender, receiver) = channel();
    let (mut sender, mut receiver) = (Some(sender), Some(receiver));
    let (counting, waker) = CountingWaker::new();
    let (mut sent, mut waiting, mut taken) = (None, false, false);
    for step in order {
        match step {
            Step::Poll | Step::PollAgain => {
                let Some(receiver) = &mut receiver else { continue };
                let polled: Poll<Result<Counted, Dropped>> = poll_with(receiver, &waker);
                match (sent, taken) {
                    (None, _) => assert!(polled.is_pending(), "{order:?}"),
                    (Some(true), false) => assert!(matches!(polled, Poll::Ready(Ok(_))), "{order:?}"),
                    _ => assert!(matches!(polled, Poll::Ready(Err(Dropped))), "{order:?}"),
                }
                waiting |= polled.is_pending();
                taken |= matches!(polled, Poll::Ready(Ok(_)));
            }
            Step::DropReceiver => {
                drop(receiver.take());
                assert_eq!(Arc::strong_count(&counting), 2, "{order:?}: the waker is kept for nobody");
            }
            Step::EndOfSender => {
                let sender = sender.take().unwrap();
                assert_eq!(sender.is_closed(), receiver.is_none());
                if sends {
                    assert_eq!(sender.send(make()).is_err(), receiver.is_none(), "{order:?}");
                } else {
                    drop(sender);
                }
                sent = Some(sends && receiver.is_some());
                let woken = usize::from(waiting && receiver.is_some());
                assert_eq!(counting.wakes(), woken, "{order:?}");
            }
        }
    }
    drop((sender, receiver));
    assert_eq!(drops.get(), usize::from(sends), "{order:?}: the value is dropped once");
}

#[test]
fn every_order_of_sending_polling_and_dropping_ends_well() {
    const STEPS: [Step; 4] = [Step::Poll, Step::PollAgain, Step::DropReceiver, Step::EndOfSender];
    let orders: Vec<Vec<Step>> =
        permutations(4).into_iter().map(|order| order.into_iter().map(|step| STEPS[step]).collect()).collect();
    assert_eq!(orders.len(), 24);
    for order in &orders {
        run(order, true);
        run(order, false);
    }
}

#[test]
fn trying_says_empty_then_gives_the_value_then_closed() {
    let (sender, mut receiver) = channel();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    sender.send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(poll_once(&mut receiver), Poll::Ready(Err(Dropped)));
}

#[test]
fn the_last_waker_is_woken() {
    let (sender, mut receiver) = channel();
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    assert!(poll_with(&mut receiver, &one).is_pending());
    assert!(poll_with(&mut receiver, &two).is_pending());
    sender.send(1).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert_eq!(poll_once(&mut receiver), Poll::Ready(Ok(1)));
}

/// As documented: a value that was not taken stays when an await of `&mut receiver` is given up.
#[test]
fn an_await_by_reference_that_is_given_up_loses_nothing() {
    let (sender, mut receiver) = channel();
    {
        let mut awaiting = &mut receiver;
        assert!(poll_once(&mut awaiting).is_pending());
    }
    sender.send(1).unwrap();
    assert_eq!(coracle::block_on(&mut receiver), Ok(1));
}

/// A value whose drop ends the other side of the same channel, or is that other side, must not find it borrowed.
#[test]
fn a_value_whose_drop_uses_the_channel_does_no_harm() {
    type Cell = Rc<RefCell<Option<Receiver<Uses>>>>;
    struct Uses(Cell);
    impl Drop for Uses {
        fn drop(&mut self) {
            if let Ok(mut other) = self.0.try_borrow_mut() {
                let _ = other.as_mut().map(|receiver| receiver.try_recv().is_ok());
            }
        }
    }
    let (sender, receiver): (Sender<Uses>, _) = channel();
    let cell = Cell::default();
    sender.send(Uses(cell.clone())).ok().unwrap();
    *cell.borrow_mut() = Some(receiver);
    let receiver = cell.take();
    drop(receiver);
}

#[test]
fn it_works_on_a_foreign_executor() {
    let (sender, receiver) = channel();
    let (got, ()) = foreign_block_on(both(receiver, async move { sender.send("x").unwrap() }));
    assert_eq!(got, Ok("x"));
    let (sender, receiver) = channel::<()>();
    std::mem::drop(sender);
    assert_eq!(foreign_block_on(receiver), Err(Dropped));
}

/// Closing in every state: before and after the value was sent, with and without somebody waiting on each side.
#[test]
fn closing_keeps_what_was_sent_and_refuses_what_was_not() {
    for (waits_to_receive, waits_for_the_end) in [(false, false), (false, true), (true, false), (true, true)] {
        let (mut sender, mut receiver) = channel();
        let ((receives, one), (ends, two)) = (CountingWaker::new(), CountingWaker::new());
        if waits_to_receive {
            assert!(poll_with(&mut receiver, &one).is_pending());
        }
        let mut closed = sender.closed();
        if waits_for_the_end {
            assert!(poll_with(&mut closed, &two).is_pending());
        }
        receiver.close();
        receiver.close();
        assert_eq!((receives.wakes(), ends.wakes()), (0, usize::from(waits_for_the_end)));
        assert_eq!(poll_once(&mut closed), Poll::Ready(()));
        drop(closed);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed), "though the sender lives");
        assert_eq!(poll_once(&mut receiver), Poll::Ready(Err(Dropped)));
        assert!(sender.is_closed());
        assert_eq!(sender.send(1), Err(1));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    }
    let (sender, mut receiver) = channel();
    sender.send(1).unwrap();
    receiver.close();
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Err(TryRecvError::Closed)));
}

#[test]
fn a_sender_that_waits_for_the_end_is_told_when_the_receiver_goes() {
    let (mut sender, receiver) = channel::<u8>();
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let mut closed = sender.closed();
    assert!(poll_with(&mut closed, &one).is_pending() && poll_with(&mut closed, &two).is_pending());
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (2, 3), "only the last waker is kept");
    drop(receiver);
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert_eq!(poll_once(&mut closed), Poll::Ready(()));
}

#[test]
fn a_cancelled_wait_for_the_end_leaves_nothing_behind() {
    let (mut sender, receiver) = channel::<u8>();
    let (counting, waker) = CountingWaker::new();
    assert!(poll_with(&mut sender.closed(), &waker).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&counting), 1);
    drop(receiver);
    assert_eq!(counting.wakes(), 0);
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut sender, receiver) = channel::<u8>();
            let task = coracle::spawn(async move {
                coracle::task::yield_now().await;
                drop(receiver);
            });
            let closed = cut.at(sender.closed()).await;
            assert!(closed.is_none() || sender.is_closed());
            sender.closed().await;
            task.await.unwrap();
        });
    });
    assert!(dropped >= 2, "dropped {dropped} times");
}
