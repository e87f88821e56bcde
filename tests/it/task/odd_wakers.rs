//! Wakers that panic, or use the very object that wakes or drops them, among others that wait there too.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::rc::Rc;

use coracle::sync::{WaitQueue, channel, oneshot};
use coracle::{PanicPolicy, Runtime};

use super::spy::{Op, Spy};
use super::{Drops, panics, settle};
use crate::support::{CountingWaker, poll_once, poll_with};

/// The first waiter's waker panics in its wake: the others in the queue are woken all the same.
#[test]
fn a_waker_that_panics_keeps_no_other_waiter_asleep() {
    let queue = WaitQueue::new();
    let spy = Spy::new();
    spy.acts_once(Op::Wake, 0, || resume_unwind(Box::new("wake")));
    let ((one, first), (two, second)) = (CountingWaker::new(), CountingWaker::new());
    let (mut a, mut b, mut c) = (queue.wait(), queue.wait(), queue.wait());
    assert!(poll_with(&mut a, &first).is_pending());
    assert!(poll_with(&mut b, &spy.waker()).is_pending());
    assert!(poll_with(&mut c, &second).is_pending());
    assert!(!panics(|| assert_eq!(queue.wake_all(), 3)), "the panic ends in the queue");
    assert_eq!((one.wakes(), spy.wakes(), two.wakes()), (1, 1, 1));
    assert!(poll_with(&mut a, &first).is_ready() && poll_once(&mut b).is_ready() && poll_once(&mut c).is_ready());
}

/// The same for the receivers of a channel whose last sender goes.
#[test]
fn a_receivers_waker_that_panics_keeps_no_other_receiver_asleep() {
    let (sender, receiver) = channel::bounded::<u8>(1);
    let spy = Spy::new();
    spy.acts_once(Op::Wake, 0, || resume_unwind(Box::new("wake")));
    let (wakes, waker) = CountingWaker::new();
    let (mut a, mut b) = (receiver.recv(), receiver.recv());
    assert!(poll_with(&mut a, &spy.waker()).is_pending());
    assert!(poll_with(&mut b, &waker).is_pending());
    assert!(!panics(|| drop(sender)));
    assert_eq!((spy.wakes(), wakes.wakes()), (1, 1));
    assert_eq!(poll_once(&mut b), std::task::Poll::Ready(None));
}

/// A waker whose drop wakes the same queue, when another takes its place (tokio#5429).
#[test]
fn a_waker_whose_drop_wakes_the_same_queue_ends_in_no_deadlock() {
    let queue: &'static WaitQueue = crate::support::keep(WaitQueue::new());
    let spy = Spy::new();
    spy.acts(move |op| {
        if op == Op::Drop {
            queue.wake_one();
        }
    });
    let (wakes, waker) = CountingWaker::new();
    let mut waiting = queue.wait();
    assert!(poll_with(&mut waiting, &spy.waker()).is_pending());
    assert!(poll_with(&mut waiting, &waker).is_pending());
    assert_eq!(wakes.wakes(), 1, "its drop woke the one that took its place");
    assert!(poll_with(&mut waiting, &waker).is_ready());
    let mut other = queue.wait();
    assert!(poll_with(&mut other, &spy.waker()).is_pending());
    drop(other);
    assert!(queue.is_empty());
}

/// A waker whose wake drops the sender that wakes it, the receiver, and what they hold.
#[test]
fn a_wake_that_drops_the_rest_of_its_channel_is_harmless() {
    let (sender, receiver) = channel::bounded::<u8>(4);
    let (sender, receiver) = (Rc::new(Cell::new(Some(sender))), crate::support::keep(receiver));
    let spy = Spy::new();
    let theirs = sender.clone();
    spy.acts(move |op| {
        if op == Op::Wake {
            drop(theirs.take());
        }
    });
    let mut recv = receiver.recv();
    assert!(poll_with(&mut recv, &spy.waker()).is_pending());
    let ours = sender.take().unwrap();
    sender.set(Some(ours.clone()));
    ours.try_send(1).unwrap();
    assert_eq!(poll_once(&mut recv), std::task::Poll::Ready(Some(1)));
    drop(ours);
    assert_eq!(poll_once(&mut receiver.recv()), std::task::Poll::Ready(None));
}

/// The waker of whoever awaits a task panics when it is dropped with the handle: the output is dropped all the same,
/// and the task is freed.
#[test]
fn a_joiners_waker_that_panics_when_dropped_leaks_no_output() {
    let (outputs, futures) = (Drops::default(), Drops::default());
    let runtime = Runtime::builder().panic_policy(PanicPolicy::Log).build();
    let mut task = runtime.spawn({
        let (output, future) = (outputs.token(), futures.token());
        async move {
            let _future = future;
            output
        }
    });
    let spy = Spy::new();
    assert!(poll_with(&mut task, &spy.waker()).is_pending());
    spy.acts_once(Op::Drop, 0, || resume_unwind(Box::new("drop")));
    panics(|| drop(task));
    settle(&runtime);
    assert_eq!((futures.count(), outputs.count()), (1, 1));
    assert_eq!(runtime.inspect().tasks.len(), 0);
    assert_eq!(Rc::strong_count(&spy), 1, "the waker itself is gone");
}

/// A oneshot's waker, woken by the sender's drop, drops the receiver's future that is being woken.
#[test]
fn a_wake_that_drops_its_own_receiver_is_harmless() {
    let (sender, receiver) = oneshot::channel::<Box<u8>>();
    let receiver = Rc::new(Cell::new(Some(receiver)));
    let spy = Spy::new();
    let theirs = receiver.clone();
    spy.acts(move |op| {
        if op == Op::Wake {
            drop(theirs.take());
        }
    });
    let mut ours = receiver.take().unwrap();
    assert!(poll_with(&mut ours, &spy.waker()).is_pending());
    receiver.set(Some(ours));
    assert_eq!(sender.send(Box::new(1)), Ok(()));
    assert_eq!(spy.wakes(), 1);
    assert!(receiver.take().is_none());
}

/// The wake that the reactor gives drops the future that waits, with the socket that it waits for: it is taken out of the
/// poller in the middle of the events, and the turn goes on.
#[test]
fn a_wake_of_the_reactor_that_drops_the_waiting_socket_is_harmless() {
    let runtime = Runtime::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = runtime.enter(|| coracle::net::TcpStream::from_std(listener.accept().unwrap().0)).unwrap();
    let mut reading = Box::pin(async move { stream.read(&mut [0; 8]).await.map(drop) });
    let (spy, slot) = (Spy::new(), Rc::new(Cell::new(None)));
    assert!(poll_with(&mut reading, &spy.waker()).is_pending());
    assert_eq!(runtime.inspect().sources.len(), 1);
    slot.set(Some(reading));
    let theirs_slot = slot.clone();
    spy.acts(move |op| {
        if op == Op::Wake {
            drop(theirs_slot.take());
        }
    });
    std::io::Write::write_all(&mut &theirs, b"x").unwrap();
    while spy.wakes() == 0 {
        runtime.turn(coracle::Budget::until_ready()).unwrap();
    }
    assert!(slot.take().is_none() && runtime.inspect().sources.is_empty());
    assert_eq!(runtime.block_on(async { 1 }), 1);
}
