//! Models of what two or three threads may do to a channel at once, checked in every order by loom.
//!
//! What is modelled is the real code of this folder. A wake-up that is lost shows as a deadlock, which loom reports; a
//! value that is lost or doubled shows in the count of its drops. How to run them: see `task/loom_models.rs`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use loom::thread;

use super::{channel, oneshot};
use crate::sync::channel::TrySendError;

/// A value that counts its drops.
#[derive(Debug)]
struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn token() -> (Arc<AtomicUsize>, Token) {
    let drops = Arc::new(AtomicUsize::new(0));
    (drops.clone(), Token(drops))
}

/// A waker that counts its wakes, and by its references whether it is still held.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll<F: Future + Unpin>(future: &mut F, counting: &Arc<Counting>) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(&Waker::from(counting.clone())))
}

/// futures-rs#909: a `try_send` said Ok while the receiver closed, and nobody ever received or dropped the value.
#[test]
fn loom_a_value_sent_while_the_receiver_goes_is_received_or_dropped_or_comes_back() {
    for receives in [0, 1] {
        loom::model(move || {
            let (sender, receiver) = channel::bounded(1);
            let (drops, value) = token();
            let sending = thread::spawn(move || match sender.try_send(value) {
                Ok(()) => None,
                Err(TrySendError::Closed(value)) => Some(value),
                Err(TrySendError::Full(_)) => unreachable!("there is room"),
            });
            let received = (0..receives).find_map(|_| receiver.try_recv().ok());
            drop(receiver);
            let back = sending.join().unwrap();
            assert!(received.is_none() || back.is_none(), "it was sent and came back");
            let held = usize::from(received.is_some() || back.is_some());
            assert_eq!(drops.load(Ordering::SeqCst), 1 - held, "lost, or dropped too early");
            drop((received, back));
            assert_eq!(drops.load(Ordering::SeqCst), 1);
        });
    }
}

#[test]
fn loom_threads_that_block_at_both_ends_pass_every_value() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (sender, receiver) = channel::bounded(capacity);
            let sending = thread::spawn(move || (0..2).for_each(|n| sender.send_blocking(n).unwrap()));
            assert_eq!([receiver.recv_blocking(), receiver.recv_blocking()], [Some(0), Some(1)]);
            assert_eq!(receiver.recv_blocking(), None);
            sending.join().unwrap();
        });
    }
}

#[test]
fn loom_two_senders_and_a_receiver_that_blocks_lose_nothing() {
    loom::model(|| {
        let (sender, receiver) = channel::bounded(1);
        let other = sender.clone();
        let one = thread::spawn(move || sender.send_blocking(1).unwrap());
        let two = thread::spawn(move || other.send_blocking(2).unwrap());
        let sum: i32 = (0..2).map(|_| receiver.recv_blocking().unwrap()).sum();
        assert_eq!((sum, receiver.recv_blocking()), (3, None));
        one.join().unwrap();
        two.join().unwrap();
    });
}

/// What the receiver took over counts as in the channel, also for a sender that looks meanwhile.
#[test]
fn loom_a_channel_never_holds_more_than_its_capacity() {
    loom::model(|| {
        let (sender, receiver) = channel::bounded(2);
        (0..2).for_each(|n| sender.try_send(n).unwrap());
        let sending = thread::spawn(move || (2..4).filter(|n| sender.try_send(*n).is_ok()).count());
        let first = receiver.try_recv();
        assert_eq!(first, Ok(0));
        assert!(receiver.len() <= 2, "more than fit");
        let sent = sending.join().unwrap();
        assert!(sent <= 1, "{sent} went into the room of one");
        assert_eq!(receiver.len(), 1 + sent);
    });
}

/// Two receivers, of which one takes over what both were woken for: the other finds its value there.
#[test]
fn loom_a_value_that_another_took_over_is_still_received() {
    loom::model(|| {
        let (sender, receiver) = channel::bounded(2);
        let other = receiver.clone();
        let one = thread::spawn(move || receiver.recv_blocking());
        let two = thread::spawn(move || other.recv_blocking());
        (1..=2).for_each(|n| sender.try_send(n).unwrap());
        let got = (one.join().unwrap(), two.join().unwrap());
        assert!(got == (Some(1), Some(2)) || got == (Some(2), Some(1)), "{got:?}");
    });
}

/// tokio#4618 and its like: a wake that a dropped waiter had is not lost with it.
#[test]
fn loom_a_receiver_that_is_dropped_passes_its_wake_on() {
    loom::model(|| {
        let (sender, receiver) = channel::bounded(1);
        let other = receiver.clone();
        let waiting = thread::spawn(move || other.recv_blocking());
        let counting = Arc::new(Counting::default());
        let mut recv = receiver.recv();
        assert!(poll(&mut recv, &counting).is_pending());
        let sending = thread::spawn(move || {
            sender.try_send(7).unwrap();
            sender
        });
        drop(recv);
        assert_eq!(waiting.join().unwrap(), Some(7));
        drop(sending.join().unwrap());
        assert_eq!(Arc::strong_count(&counting), 1, "its waker is kept");
    });
}

/// tokio#8260 and its like: whoever waits when the last one at the other end goes must hear of it.
#[test]
fn loom_the_last_one_at_an_end_wakes_the_other() {
    loom::model(|| {
        let (sender, receiver) = channel::bounded::<u8>(1);
        let other = sender.clone();
        let one = thread::spawn(move || drop(sender));
        let two = thread::spawn(move || drop(other));
        assert_eq!(receiver.recv_blocking(), None);
        one.join().unwrap();
        two.join().unwrap();
    });
    loom::model(|| {
        let (sender, receiver) = channel::bounded(1);
        sender.try_send(1).unwrap();
        let gone = thread::spawn(move || drop(receiver));
        assert_eq!(sender.send_blocking(2).unwrap_err().0, 2);
        gone.join().unwrap();
    });
}

/// What the receiver of a oneshot does, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Poll,
    Close,
    TryRecv,
}

fn sequences() -> Vec<Vec<Step>> {
    let steps = [Step::Poll, Step::Close, Step::TryRecv];
    let one = steps.iter().map(|first| vec![*first]);
    let two = steps.iter().flat_map(|first| steps.iter().map(|second| vec![*first, *second]));
    std::iter::once(vec![]).chain(one).chain(two).collect()
}

/// One thread sends or drops the sender, while the other goes through the steps and then drops the receiver, or
/// receives. (tokio#4225, which is RUSTSEC-2021-0124; oneshot#87; futures-rs#1554: a value was read twice, or never
/// dropped, or a waker was used after it was freed.)
fn oneshot_model(sends: bool, steps: &[Step], receives: bool) {
    let (sender, mut receiver) = oneshot::channel();
    let (drops, value) = token();
    let other = thread::spawn(move || {
        if sends {
            return sender.send(value).err();
        }
        drop(sender);
        Some(value)
    });
    let counting = Arc::new(Counting::default());
    let mut received = None;
    for step in steps {
        match step {
            Step::Poll => {
                if let Poll::Ready(Ok(value)) = poll(&mut receiver, &counting) {
                    assert!(received.replace(value).is_none(), "it was received twice");
                }
            }
            Step::Close => receiver.close(),
            Step::TryRecv => {
                if let Ok(value) = receiver.try_recv() {
                    assert!(received.replace(value).is_none(), "it was received twice");
                }
            }
        }
    }
    if receives {
        if let Ok(value) = receiver.recv_blocking() {
            assert!(received.replace(value).is_none(), "it was received twice");
        }
    } else {
        drop(receiver);
    }
    let back = other.join().unwrap();
    let (got, came_back) = (received.is_some(), back.is_some());
    assert!(!(got && came_back), "it was received and came back");
    assert!(got || came_back || !receives, "it was sent, and the receiver did not get it");
    drop((received, back));
    assert_eq!(drops.load(Ordering::SeqCst), 1, "dropped once");
    assert_eq!(Arc::strong_count(&counting), 1, "its waker is kept");
}

#[test]
fn loom_a_oneshot_gives_its_value_to_one_whatever_its_ends_do() {
    for sends in [true, false] {
        for steps in sequences() {
            for receives in [true, false] {
                let steps = steps.clone();
                loom::model(move || oneshot_model(sends, &steps, receives));
            }
        }
    }
}

/// A poll that says Pending is followed by a wake, unless nothing is left to wait for.
#[test]
fn loom_who_polled_a_oneshot_is_woken() {
    for sends in [true, false] {
        loom::model(move || {
            let (sender, mut receiver) = oneshot::channel();
            let other = thread::spawn(move || if sends { sender.send(1).unwrap() } else { drop(sender) });
            let counting = Arc::new(Counting::default());
            let first = poll(&mut receiver, &counting);
            other.join().unwrap();
            assert_eq!(counting.0.load(Ordering::SeqCst), usize::from(first.is_pending()));
            if first.is_pending() {
                assert_eq!(poll(&mut receiver, &counting).map(|result| result.is_ok()), Poll::Ready(sends));
            }
        });
    }
}
