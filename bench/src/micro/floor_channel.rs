//! The floor's channel: a `VecDeque` and two wakers that two tasks share. One sender, one receiver, one thread.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::rival::Channel;

struct State {
    items: VecDeque<u64>,
    capacity: usize,
    closed: bool,
    waiting_sender: Option<Waker>,
    waiting_receiver: Option<Waker>,
}

/// No `RefCell`: its flag is a store and a load more for each item.
#[derive(Clone)]
struct Shared(Rc<UnsafeCell<State>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        // SAFETY: on one thread (rule 1 of `floor.rs`), and no `look` here leads to another: to wake only queues a
        // task, and a waker dropped here is never the last hold on one (the queue or the poll under way has another).
        look(unsafe { &mut *self.0.get() })
    }
}

pub struct Sender(Shared);

pub struct Receiver(Shared);

pub struct Bounded;

pub struct Unbounded;

impl Channel for Bounded {
    type Sender = Sender;
    type Receiver = Receiver;

    fn new(capacity: usize) -> (Sender, Receiver) {
        channel(VecDeque::with_capacity(capacity), capacity)
    }

    fn send(sender: &mut Sender, value: u64) -> impl Future<Output = ()> {
        sender.send(value)
    }

    fn receive(receiver: &mut Receiver) -> impl Future<Output = Option<u64>> {
        receiver.receive()
    }
}

impl Channel for Unbounded {
    type Sender = Sender;
    type Receiver = Receiver;

    fn new(_capacity: usize) -> (Sender, Receiver) {
        channel(VecDeque::new(), usize::MAX)
    }

    fn send(sender: &mut Sender, value: u64) -> impl Future<Output = ()> {
        sender.send(value)
    }

    fn receive(receiver: &mut Receiver) -> impl Future<Output = Option<u64>> {
        receiver.receive()
    }
}

fn channel(items: VecDeque<u64>, capacity: usize) -> (Sender, Receiver) {
    let state = State { items, capacity, closed: false, waiting_sender: None, waiting_receiver: None };
    let shared = Shared(Rc::new(UnsafeCell::new(state)));
    (Sender(shared.clone()), Receiver(shared))
}

impl Sender {
    fn send(&self, value: u64) -> impl Future<Output = ()> {
        poll_fn(move |context| {
            self.0.with(|state| {
                if state.items.len() == state.capacity {
                    state.waiting_sender = Some(context.waker().clone());
                    return Poll::Pending;
                }
                state.items.push_back(value);
                wake(&mut state.waiting_receiver);
                Poll::Ready(())
            })
        })
    }
}

impl Receiver {
    fn receive(&self) -> impl Future<Output = Option<u64>> {
        poll_fn(move |context| {
            self.0.with(|state| {
                if let Some(value) = state.items.pop_front() {
                    wake(&mut state.waiting_sender);
                    return Poll::Ready(Some(value));
                }
                if state.closed {
                    return Poll::Ready(None);
                }
                state.waiting_receiver = Some(context.waker().clone());
                Poll::Pending
            })
        })
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.closed = true;
            wake(&mut state.waiting_receiver);
        });
    }
}

/// Looks before it takes: most of the time no one waits, and then nothing is written.
fn wake(waiting: &mut Option<Waker>) {
    if waiting.is_some() {
        waiting.take().expect("it is some").wake();
    }
}
