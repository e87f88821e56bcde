//! Channels against a model: a `VecDeque`, and who waits. Random operations, random cancellations.
//!
//! After each step nothing may be lost: if a value is there, or room, or the other side has gone, then nobody who waits is
//! without a wake, as far as there is something for him.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;

use coracle::sync::channel::{Recv, Send, SendError, TryRecvError, TrySendError, bounded};
use proptest::prelude::*;

use crate::support::{CountingWaker, poll_with};

#[derive(Clone, Debug)]
enum Step {
    Send,
    TrySend,
    Recv,
    TryRecv,
    /// Polls the future with this number, counted round, as if its task ran for some reason.
    PollSend(usize),
    PollRecv(usize),
    CancelSend(usize),
    CancelRecv(usize),
    /// Runs the tasks that were woken until none is, oldest first.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Send),
        2 => Just(Step::TrySend),
        3 => Just(Step::Recv),
        2 => Just(Step::TryRecv),
        1 => any::<usize>().prop_map(Step::PollSend),
        1 => any::<usize>().prop_map(Step::PollRecv),
        2 => any::<usize>().prop_map(Step::CancelSend),
        2 => any::<usize>().prop_map(Step::CancelRecv),
        2 => Just(Step::Settle),
    ]
}

/// A future and how many of its wakes were followed by a poll.
struct Waiter<F> {
    future: F,
    counting: Arc<CountingWaker>,
    seen: usize,
}

impl<F: Future + Unpin> Waiter<F> {
    fn new(future: F) -> Waiter<F> {
        Waiter { future, counting: CountingWaker::new().0, seen: 0 }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        self.seen = self.counting.wakes();
        poll_with(&mut self.future, &self.counting.clone().into())
    }

    fn is_woken(&self) -> bool {
        self.counting.wakes() > self.seen
    }
}

/// The model: the values in the channel, in order, and everything that was ever accepted and received.
#[derive(Default)]
struct Model {
    queue: VecDeque<u32>,
    next: u32,
}

impl Model {
    fn value(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn received(&mut self, value: u32) {
        assert_eq!(self.queue.pop_front(), Some(value), "a value was lost, doubled or overtaken");
    }
}

/// Polls a send; if it is done, the model has its value.
fn poll_send(model: &mut Model, sends: &mut Vec<(u32, Waiter<Send<'_, u32>>)>, at: usize) {
    if sends[at].1.poll() == Poll::Ready(Ok(())) {
        model.queue.push_back(sends.remove(at).0);
    }
}

fn poll_recv(model: &mut Model, recvs: &mut Vec<Waiter<Recv<'_, u32>>>, at: usize) {
    if let Poll::Ready(value) = recvs[at].poll() {
        model.received(value.expect("a sender lives"));
        recvs.remove(at);
    }
}

fn settle(model: &mut Model, sends: &mut Vec<(u32, Waiter<Send<'_, u32>>)>, recvs: &mut Vec<Waiter<Recv<'_, u32>>>) {
    for _ in 0..10_000 {
        if let Some(at) = recvs.iter().position(Waiter::is_woken) {
            poll_recv(model, recvs, at);
        } else if let Some(at) = sends.iter().position(|(_, send)| send.is_woken()) {
            poll_send(model, sends, at);
        } else {
            return;
        }
    }
    panic!("the waiters wake each other for ever");
}

fn run(capacity: usize, steps: Vec<Step>) {
    let (sender, receiver) = bounded(capacity);
    let mut model = Model::default();
    let (mut sends, mut recvs) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Send => {
                let value = model.value();
                sends.push((value, Waiter::new(sender.send(value))));
                let last = sends.len() - 1;
                poll_send(&mut model, &mut sends, last);
            }
            Step::TrySend => {
                let value = model.value();
                match sender.try_send(value) {
                    Ok(()) => model.queue.push_back(value),
                    Err(TrySendError::Full(back)) => assert_eq!(back, value),
                    Err(TrySendError::Closed(_)) => panic!("a receiver lives"),
                }
            }
            Step::Recv => {
                recvs.push(Waiter::new(receiver.recv()));
                let last = recvs.len() - 1;
                poll_recv(&mut model, &mut recvs, last);
            }
            Step::TryRecv => match receiver.try_recv() {
                Ok(value) => model.received(value),
                Err(TryRecvError::Empty) => assert!(model.queue.is_empty()),
                Err(TryRecvError::Closed) => panic!("a sender lives"),
            },
            Step::PollSend(at) if !sends.is_empty() => {
                let at = at % sends.len();
                poll_send(&mut model, &mut sends, at);
            }
            Step::PollRecv(at) if !recvs.is_empty() => {
                let at = at % recvs.len();
                poll_recv(&mut model, &mut recvs, at);
            }
            Step::CancelSend(at) if !sends.is_empty() => {
                let (value, send) = sends.remove(at % sends.len());
                assert_eq!(send.future.into_value(), Some(value), "a send that was not done has sent nothing");
            }
            Step::CancelRecv(at) if !recvs.is_empty() => drop(recvs.remove(at % recvs.len())),
            Step::Settle => {
                settle(&mut model, &mut sends, &mut recvs);
                assert!(recvs.is_empty() || model.queue.is_empty(), "values wait, and so do receivers");
                let room = if capacity == 0 { recvs.len() } else { capacity - model.queue.len().min(capacity) };
                assert!(sends.is_empty() || room == 0, "there is room for {room}, and senders wait");
            }
            _ => {}
        }
        assert_eq!(sender.len(), model.queue.len());
        assert!(capacity == 0 || model.queue.len() <= capacity);
    }
    // The end: the receivers take what is left, then everybody who waits is told.
    settle(&mut model, &mut sends, &mut recvs);
    while let Ok(value) = receiver.try_recv() {
        model.received(value);
    }
    settle(&mut model, &mut sends, &mut recvs);
    drop(recvs);
    drop(receiver);
    for (value, mut send) in sends {
        assert!(send.is_woken(), "a sender waits for ever on a closed channel");
        assert_eq!(send.poll(), Poll::Ready(Err(SendError(value))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_channel_is_a_queue_whoever_gives_up(
        capacity in prop_oneof![0..4_usize, Just(usize::MAX)],
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        run(capacity, steps);
    }
}
