//! Channels between threads against a model: a `VecDeque`, and who waits. Random operations, random cancellations, one
//! thread: each operation holds the lock from its beginning to its end, so what threads do is one of these orders.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;

use coracle::sync::remote::channel::{Recv, Send, SendError, TryRecvError, TrySendError, bounded};
use proptest::prelude::*;

use crate::support::{CountingWaker, poll_with};

#[derive(Clone, Debug)]
enum Step {
    Send,
    TrySend,
    Recv,
    TryRecv,
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

/// The values in the channel, in order, and those who wait at its ends.
#[derive(Default)]
struct Model<'s, 'r> {
    queue: VecDeque<u32>,
    last: u32,
    sends: Vec<(u32, Waiter<Send<'s, u32>>)>,
    recvs: Vec<Waiter<Recv<'r, u32>>>,
}

impl Model<'_, '_> {
    fn value(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    fn received(&mut self, value: u32) {
        assert_eq!(self.queue.pop_front(), Some(value), "a value was lost, doubled or overtaken");
    }

    fn poll_send(&mut self, at: usize) {
        if self.sends[at].1.poll() == Poll::Ready(Ok(())) {
            self.queue.push_back(self.sends.remove(at).0);
        }
    }

    fn poll_recv(&mut self, at: usize) {
        if let Poll::Ready(value) = self.recvs[at].poll() {
            self.received(value.expect("a sender lives"));
            self.recvs.remove(at);
        }
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            if let Some(at) = self.recvs.iter().position(Waiter::is_woken) {
                self.poll_recv(at);
            } else if let Some(at) = self.sends.iter().position(|(_, send)| send.is_woken()) {
                self.poll_send(at);
            } else {
                return;
            }
        }
        panic!("the waiters wake each other for ever");
    }
}

fn run(capacity: usize, steps: Vec<Step>) {
    let (sender, receiver) = bounded(capacity);
    let mut model = Model::default();
    for step in steps {
        let (sends, recvs) = (model.sends.len(), model.recvs.len());
        match step {
            Step::Send => {
                let value = model.value();
                model.sends.push((value, Waiter::new(sender.send(value))));
                model.poll_send(sends);
            }
            Step::TrySend => {
                let value = model.value();
                match sender.try_send(value) {
                    Ok(()) => model.queue.push_back(value),
                    Err(error) => assert_eq!(error, TrySendError::Full(value)),
                }
            }
            Step::Recv => {
                model.recvs.push(Waiter::new(receiver.recv()));
                model.poll_recv(recvs);
            }
            Step::TryRecv => match receiver.try_recv() {
                Ok(value) => model.received(value),
                Err(error) => assert!(error == TryRecvError::Empty && model.queue.is_empty()),
            },
            Step::PollSend(at) if sends > 0 => model.poll_send(at % sends),
            Step::PollRecv(at) if recvs > 0 => model.poll_recv(at % recvs),
            Step::CancelSend(at) if sends > 0 => {
                let (value, send) = model.sends.remove(at % sends);
                assert_eq!(send.future.into_value(), Some(value), "a send that was not done has sent nothing");
            }
            Step::CancelRecv(at) if recvs > 0 => drop(model.recvs.remove(at % recvs)),
            Step::Settle => {
                model.settle();
                assert!(model.recvs.is_empty() || model.queue.is_empty(), "values wait, and so do receivers");
                let limit = if capacity == 0 { model.recvs.len() } else { capacity };
                let room = limit.saturating_sub(model.queue.len());
                assert!(model.sends.is_empty() || room == 0, "there is room for {room}, and senders wait");
            }
            _ => {}
        }
        assert_eq!(sender.len(), model.queue.len());
        assert!(capacity == 0 || model.queue.len() <= capacity);
    }
    // The end: the receivers take what is left, then everybody who waits is told.
    model.settle();
    while let Ok(value) = receiver.try_recv() {
        model.received(value);
    }
    model.settle();
    model.recvs.clear();
    let sends = std::mem::take(&mut model.sends);
    drop(model);
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
