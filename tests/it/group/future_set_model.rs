//! The set against a naive model: a queue of those that were woken. Random wakes, ends, insertions and polls.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use coracle::task::FutureSet;
use proptest::prelude::*;

use super::{ByHand, Hand, Trace, by_hand};
use crate::support::CountingWaker;

#[derive(Clone, Debug)]
enum Step {
    Insert,
    /// Wakes the child with this number, counted round.
    Wake(usize),
    /// Wakes it, and it will end when it is polled.
    End(usize),
    /// Polls the set.
    Poll,
    /// Polls it if its task was woken.
    Settle,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Insert),
        6 => any::<usize>().prop_map(Step::Wake),
        4 => any::<usize>().prop_map(Step::End),
        3 => Just(Step::Poll),
        3 => Just(Step::Settle),
        1 => Just(Step::Clear),
    ]
}

/// As many as one poll takes.
const BOUND: usize = 64;

#[derive(Default)]
struct Model {
    /// Number, hand, and whether it will end.
    children: Vec<(usize, Hand<usize>, bool)>,
    woken: VecDeque<usize>,
    born: usize,
}

impl Model {
    fn wake(&mut self, at: usize) -> &mut (usize, Hand<usize>, bool) {
        let number = self.children[at].0;
        if !self.woken.contains(&number) {
            self.woken.push_back(number);
        }
        &mut self.children[at]
    }

    /// Who is polled, and what comes of it.
    fn poll(&mut self) -> (Vec<String>, Poll<Option<usize>>) {
        let mut seen = Vec::new();
        for _ in 0..self.woken.len().min(BOUND) {
            let number = self.woken.pop_front().unwrap();
            let at = self.children.iter().position(|child| child.0 == number).unwrap();
            seen.push(format!("poll {number}"));
            if self.children[at].2 {
                self.children.remove(at);
                seen.push(format!("drop {number}"));
                return (seen, Poll::Ready(Some(number)));
            }
        }
        (seen, if self.children.is_empty() { Poll::Ready(None) } else { Poll::Pending })
    }
}

fn run(steps: Vec<Step>) {
    let trace = Trace::default();
    let (counting, waker) = CountingWaker::new();
    let mut set: FutureSet<ByHand<usize>> = FutureSet::new();
    let mut model = Model::default();
    // How many wakes of the task were followed by a poll; whether the last poll was to be followed by one.
    let (mut seen, mut waits) = (0, false);
    for step in steps {
        let must_poll = match step {
            Step::Insert => {
                let (hand, child) = by_hand(&trace, model.born);
                set.insert(child);
                model.woken.push_back(model.born);
                model.children.push((model.born, hand, false));
                model.born += 1;
                false
            }
            Step::Wake(at) if !model.children.is_empty() => {
                let at = at % model.children.len();
                model.wake(at).1.wake();
                false
            }
            Step::End(at) if !model.children.is_empty() => {
                let at = at % model.children.len();
                let child = model.wake(at);
                child.2 = true;
                child.1.end(child.0);
                false
            }
            Step::Poll => true,
            Step::Settle => counting.wakes() > seen,
            Step::Clear => {
                set.clear();
                let dropped: Vec<_> = model.children.drain(..).map(|child| format!("drop {}", child.0)).collect();
                assert_eq!(trace.take(), dropped, "in the order of insertion");
                model.woken.clear();
                false
            }
            Step::Wake(_) | Step::End(_) => false,
        };
        if must_poll {
            seen = counting.wakes();
            let polled = set.poll_next(&mut Context::from_waker(&waker));
            let expected = model.poll();
            assert_eq!((trace.take(), polled), expected);
            waits = polled.is_pending();
        }
        assert_eq!(set.len(), model.children.len());
        assert!(!waits || model.woken.is_empty() || counting.wakes() > seen, "a wake was lost");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_is_a_queue_of_those_that_were_woken(steps in proptest::collection::vec(step(), 0..250)) {
        run(steps);
    }
}
