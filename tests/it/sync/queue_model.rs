//! Queues, in each order, against a model: a vector, and which of it is the next. Random operations and cancellations.
//!
//! After each step that lets the woken run, nobody waits for what is there: a value, room, or the end.

use std::sync::Arc;
use std::task::Poll;

use coracle::sync::Queue;
use coracle::sync::queue::{Get, Join, Order, Put, Ranked, TooManyDone, TryGetError, TryPutError};
use proptest::prelude::*;

use crate::support::{CountingWaker, poll_with};

/// A rank, and a number that no other has.
type Value = Ranked<u8, u32>;

#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    TryPut(u8),
    Get,
    TryGet,
    Join,
    TaskDone,
    /// Polls the future with this number, counted round, as if its task ran for some reason.
    PollPut(usize),
    PollGet(usize),
    CancelPut(usize),
    CancelGet(usize),
    CancelJoin(usize),
    /// Runs the tasks that were woken until none is, oldest first.
    Settle,
    Close,
    CloseNow,
}

/// The first as often as any other: it is the one that was chosen.
fn who() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), any::<usize>()]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_u8).prop_map(Step::Put),
        2 => (0..3_u8).prop_map(Step::TryPut),
        6 => Just(Step::Get),
        4 => Just(Step::TryGet),
        1 => Just(Step::Join),
        3 => Just(Step::TaskDone),
        2 => any::<usize>().prop_map(Step::PollPut),
        2 => any::<usize>().prop_map(Step::PollGet),
        4 => who().prop_map(Step::CancelPut),
        4 => who().prop_map(Step::CancelGet),
        1 => who().prop_map(Step::CancelJoin),
        4 => Just(Step::Settle),
        1 => prop_oneof![9 => Just(Step::Settle), 1 => Just(Step::Close), 1 => Just(Step::CloseNow)],
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

/// Which of the values is the next.
type Next = fn(&[(u8, u32)]) -> usize;

/// One that puts this value.
type Putting<'a, O> = ((u8, u32), Waiter<Put<'a, Value, O>>);

struct Model<'a, O: Order<Value>> {
    queue: &'a Queue<Value, O>,
    next: Next,
    values: Vec<(u8, u32)>,
    is_closed: bool,
    unfinished: usize,
    puts: Vec<Putting<'a, O>>,
    gets: Vec<Waiter<Get<'a, Value, O>>>,
    joins: Vec<Waiter<Join<'a>>>,
    made: u32,
}

impl<O: Order<Value>> Model<'_, O> {
    fn make(&mut self, rank: u8) -> (u8, u32) {
        self.made += 1;
        (rank, self.made)
    }

    fn was_put(&mut self, value: (u8, u32)) {
        assert!(!self.is_closed);
        self.values.push(value);
        self.unfinished += 1;
    }

    fn was_got(&mut self, Ranked(rank, number): Value) {
        assert!(!self.values.is_empty(), "a value was doubled");
        assert_eq!(self.values.remove((self.next)(&self.values)), (rank, number), "a value was lost or overtaken");
    }

    fn poll_put(&mut self, at: usize) {
        let at = at % self.puts.len();
        match self.puts[at].1.poll() {
            Poll::Pending => assert!(!self.is_closed),
            Poll::Ready(Ok(())) => {
                let (value, _) = self.puts.remove(at);
                self.was_put(value);
            }
            Poll::Ready(Err(back)) => {
                assert!(self.is_closed);
                assert_eq!(self.puts.remove(at).0.1, back.0.1);
            }
        }
    }

    fn poll_get(&mut self, at: usize) {
        let at = at % self.gets.len();
        match self.gets[at].poll() {
            Poll::Pending => return assert!(!self.is_closed),
            Poll::Ready(Some(value)) => self.was_got(value),
            Poll::Ready(None) => assert!(self.is_closed && self.values.is_empty()),
        }
        self.gets.remove(at);
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            if let Some(at) = self.gets.iter().position(Waiter::is_woken) {
                self.poll_get(at);
            } else if let Some(at) = self.puts.iter().position(|(_, put)| put.is_woken()) {
                self.poll_put(at);
            } else if let Some(at) = self.joins.iter().position(Waiter::is_woken) {
                assert_eq!(self.joins.remove(at).poll(), Poll::Ready(()), "woken, though not all was done");
            } else {
                return self.check_that_nobody_waits_in_vain();
            }
        }
        panic!("the waiters wake each other for ever");
    }

    fn check_that_nobody_waits_in_vain(&self) {
        let capacity = self.queue.capacity();
        assert!(self.gets.is_empty() || (self.values.is_empty() && !self.is_closed), "a value waits, and who gets too");
        let limit = if capacity == 0 { self.gets.len() } else { capacity };
        let is_full = self.values.len() >= limit;
        assert!(self.puts.is_empty() || (is_full && !self.is_closed), "there is room, and somebody waits for it");
    }

    /// A join is over as soon as nothing is left to do, also if more comes before it has run.
    fn answered(&self) {
        assert!(self.unfinished > 0 || self.joins.iter().all(Waiter::is_woken), "somebody joins what is done");
    }

    fn close_now(&mut self) {
        let rest = self.queue.close_now();
        self.is_closed = true;
        self.unfinished = self.unfinished.saturating_sub(rest.len());
        rest.into_iter().for_each(|value| self.was_got(value));
        assert!(self.values.is_empty());
        self.answered();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put(rank) => {
                let value = self.make(rank);
                self.puts.push((value, Waiter::new(self.queue.put(Ranked(value.0, value.1)))));
                self.poll_put(self.puts.len() - 1);
            }
            Step::TryPut(rank) => {
                let value = self.make(rank);
                match self.queue.try_put(Ranked(value.0, value.1)) {
                    Ok(()) => self.was_put(value),
                    Err(TryPutError::Full(back)) => assert!(!self.is_closed && back.1 == value.1),
                    Err(TryPutError::Closed(back)) => assert!(self.is_closed && back.1 == value.1),
                }
            }
            Step::Get => {
                self.gets.push(Waiter::new(self.queue.get()));
                self.poll_get(self.gets.len() - 1);
            }
            Step::TryGet => match self.queue.try_get() {
                Ok(value) => self.was_got(value),
                Err(error) => {
                    assert!(self.values.is_empty());
                    assert_eq!(error == TryGetError::Closed, self.is_closed);
                }
            },
            Step::Join => {
                let mut join = Waiter::new(self.queue.join());
                match join.poll() {
                    Poll::Ready(()) => assert_eq!(self.unfinished, 0),
                    Poll::Pending => self.joins.push(join),
                }
            }
            Step::TaskDone if self.unfinished == 0 => assert_eq!(self.queue.task_done(), Err(TooManyDone)),
            Step::TaskDone => {
                self.unfinished -= 1;
                assert_eq!(self.queue.task_done(), Ok(()));
                self.answered();
            }
            Step::PollPut(at) if !self.puts.is_empty() => self.poll_put(at),
            Step::PollGet(at) if !self.gets.is_empty() => self.poll_get(at),
            Step::CancelPut(at) if !self.puts.is_empty() => {
                let (value, put) = self.puts.remove(at % self.puts.len());
                assert_eq!(put.future.into_value().map(|back| back.1), Some(value.1), "not done, it has put nothing");
            }
            Step::CancelGet(at) if !self.gets.is_empty() => drop(self.gets.remove(at % self.gets.len())),
            Step::CancelJoin(at) if !self.joins.is_empty() => drop(self.joins.remove(at % self.joins.len())),
            Step::Settle => self.settle(),
            Step::Close => {
                self.queue.close();
                self.is_closed = true;
            }
            Step::CloseNow => self.close_now(),
            _ => {}
        }
        assert_eq!((self.queue.len(), self.queue.unfinished()), (self.values.len(), self.unfinished));
        assert_eq!(self.queue.is_closed(), self.is_closed);
        assert!(self.queue.capacity() == 0 || self.values.len() <= self.queue.capacity());
    }
}

fn run<O: Order<Value>>(queue: Queue<Value, O>, next: Next, steps: Vec<Step>) {
    let (values, puts, gets, joins) = Default::default();
    let mut model = Model { queue: &queue, next, values, puts, gets, joins, is_closed: false, unfinished: 0, made: 0 };
    steps.into_iter().for_each(|step| model.step(step));
    // The end: whoever still waits learns it.
    model.close_now();
    model.settle();
    assert!(model.puts.is_empty() && model.gets.is_empty());
    while model.unfinished > 0 {
        model.step(Step::TaskDone);
    }
    model.settle();
    assert!(model.joins.is_empty());
}

/// The smallest rank; `min_by_key` gives the first of equal ones.
fn smallest(values: &[(u8, u32)]) -> usize {
    (0..values.len()).min_by_key(|at| values[*at].0).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_keeps_its_order_whoever_gives_up(
        capacity in prop_oneof![4 => 0..4_usize, 1 => Just(usize::MAX)],
        steps in proptest::collection::vec(step(), 0..100),
    ) {
        run(Queue::fifo(capacity), |_| 0, steps.clone());
        run(Queue::lifo(capacity), |values| values.len() - 1, steps.clone());
        run(Queue::priority(capacity), smallest, steps);
    }
}
