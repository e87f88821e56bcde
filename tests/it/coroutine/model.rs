//! A generator against the naive model of one: a script, a place in it, and what was answered.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Poll;

use coracle::coroutine::{Generator, ResumeError, StartError, Step};
use proptest::prelude::*;

/// What the body does, one after the other; then it returns the sum of its answers.
#[derive(Clone, Copy, Debug)]
enum Do {
    Yield(u64),
    /// Awaits something that is ready at the n-th poll.
    Await(u8),
    Panic,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Start,
    Resume(u64),
    Close,
}

fn script() -> impl Strategy<Value = Vec<Do>> {
    let step = prop_oneof![
        6 => any::<u64>().prop_map(Do::Yield),
        2 => (0..3u8).prop_map(Do::Await),
        1 => Just(Do::Panic),
    ];
    proptest::collection::vec(step, 0..8)
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![4 => Just(Op::Start), 8 => any::<u64>().prop_map(Op::Resume), 1 => Just(Op::Close)];
    proptest::collection::vec(op, 1..24)
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Started(Result<Step<u64, u64>, StartError>),
    Resumed(Result<Step<u64, u64>, ResumeError<u64>>),
    Closed,
    Panicked,
}

struct Model {
    script: Vec<Do>,
    /// Where in the script it stands, and how often it was polled there.
    at: usize,
    polls: u8,
    sum: u64,
    stage: Stage,
}

#[derive(PartialEq)]
enum Stage {
    Fresh,
    Waits,
    Interrupted,
    Finished,
}

impl Model {
    /// Runs on. `None`: it awaits something; `Err`: it panics.
    fn run(&mut self) -> Result<Option<Step<u64, u64>>, ()> {
        loop {
            match self.script.get(self.at) {
                None => {
                    self.stage = Stage::Finished;
                    return Ok(Some(Step::Returned(self.sum)));
                }
                Some(Do::Yield(value)) => {
                    self.stage = Stage::Waits;
                    return Ok(Some(Step::Yielded(*value)));
                }
                Some(Do::Await(polls)) if self.polls < *polls => {
                    self.polls += 1;
                    self.stage = Stage::Interrupted;
                    return Ok(None);
                }
                Some(Do::Await(_)) => {
                    self.polls = 0;
                    self.at += 1;
                }
                Some(Do::Panic) => {
                    self.stage = Stage::Finished;
                    return Err(());
                }
            }
        }
    }

    fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Close => {
                self.stage = Stage::Finished;
                Outcome::Closed
            }
            Op::Start => match self.stage {
                Stage::Waits => Outcome::Started(Err(StartError::Suspended)),
                Stage::Finished => Outcome::Started(Err(StartError::Finished)),
                Stage::Fresh | Stage::Interrupted => match self.run() {
                    Ok(step) => Outcome::Started(step.ok_or(StartError::Awaiting)),
                    Err(()) => Outcome::Panicked,
                },
            },
            Op::Resume(answer) => match self.stage {
                Stage::Fresh => Outcome::Resumed(Err(ResumeError::NotStarted(answer))),
                Stage::Interrupted => Outcome::Resumed(Err(ResumeError::Interrupted(answer))),
                Stage::Finished => Outcome::Resumed(Err(ResumeError::Finished(answer))),
                Stage::Waits => {
                    self.sum = self.sum.wrapping_add(answer);
                    self.at += 1;
                    match self.run() {
                        Ok(step) => Outcome::Resumed(step.ok_or(ResumeError::Awaiting)),
                        Err(()) => Outcome::Panicked,
                    }
                }
            },
        }
    }
}

fn generator(script: &[Do]) -> Generator<'_, u64, u64, u64> {
    Generator::new(async move |co| {
        let mut sum = 0u64;
        for step in script {
            match *step {
                Do::Yield(value) => sum = sum.wrapping_add(co.yield_(value).await),
                Do::Await(polls) => {
                    let left = Cell::new(polls);
                    let tick = |_: &mut std::task::Context<'_>| match left.get() {
                        0 => Poll::Ready(()),
                        n => {
                            left.set(n - 1);
                            Poll::Pending
                        }
                    };
                    poll_fn(tick).await;
                }
                Do::Panic => resume_unwind(Box::new(())),
            }
        }
        sum
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_generator_behaves_like_a_script_with_a_place_in_it(script in script(), ops in ops()) {
        let real = generator(&script);
        let mut model = Model { script: script.clone(), at: 0, polls: 0, sum: 0, stage: Stage::Fresh };
        for op in ops {
            let outcome = catch_unwind(AssertUnwindSafe(|| match op {
                Op::Start => Outcome::Started(real.start()),
                Op::Resume(answer) => Outcome::Resumed(real.resume(answer)),
                Op::Close => {
                    real.close().unwrap();
                    Outcome::Closed
                }
            }));
            assert_eq!(outcome.unwrap_or(Outcome::Panicked), model.apply(op), "after {op:?}");
            assert_eq!(real.is_finished(), model.stage == Stage::Finished);
        }
    }
}
