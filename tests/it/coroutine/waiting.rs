//! Generators in async code: they wait where their body waits, and dropping a step leaves it there.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use coracle::coroutine::{Generator, ResumeError, StartError, Step};
use coracle::sync::{channel, oneshot};
use coracle::task::yield_now;
use coracle::time::{Duration, sleep, timeout};
use coracle::{block_on, spawn};

use super::{Trace, panic_of};
use crate::support::cut_at_every_poll;

#[test]
fn a_body_that_awaits_a_channel_is_a_stream() {
    block_on(async {
        let (sender, receiver) = channel::bounded(1);
        let producer = spawn(async move {
            for n in 1..=5 {
                sender.send(n).await.unwrap();
            }
        });
        let mut squares = Generator::new(async |co| {
            while let Some(n) = receiver.recv().await {
                co.yield_(n * n).await;
            }
            "closed"
        });
        let mut seen = Vec::new();
        while let Some(n) = squares.next_async().await {
            seen.push(n);
        }
        assert_eq!(seen, [1, 4, 9, 16, 25]);
        assert_eq!((squares.next_async().await, squares.take_returned()), (None, Some("closed")));
        producer.await.unwrap();
    });
}

#[test]
fn others_run_while_it_waits() {
    let trace = Trace::default();
    block_on(async {
        let (sender, receiver) = oneshot::channel();
        let says = trace.clone();
        let other = spawn(async move {
            says.say("other runs");
            sender.send(5).unwrap();
        });
        let mut generator = Generator::new(async |co| {
            let start: u32 = co.yield_("ready").await;
            start + receiver.await.unwrap()
        });
        assert_eq!(generator.start_async().await, Ok(Step::Yielded("ready")));
        trace.say("resumed");
        assert_eq!(generator.resume_async(10).await, Ok(Step::Returned(15)));
        trace.say("returned");
        other.await.unwrap();
    });
    assert_eq!(trace.lines(), ["resumed", "other runs", "returned"]);
}

#[test]
fn what_cannot_be_resumed_says_so_at_once() {
    block_on(async {
        let mut generator = Generator::new(async |co| assert_eq!(co.yield_(1).await, 3));
        assert_eq!(generator.resume_async(1).await, Err(ResumeError::NotStarted(1)));
        generator.start_async().await.unwrap();
        assert_eq!(generator.start_async().await, Err(StartError::Suspended));
        assert_eq!(generator.resume_async(2).into_answer(), Some(2));
        assert_eq!(generator.resume_async(3).await, Ok(Step::Returned(())));
        assert_eq!(generator.resume_async(4).await, Err(ResumeError::Finished(4)));
        assert_eq!(generator.start_async().await, Err(StartError::Finished));
    });
}

#[test]
fn a_panic_goes_to_who_awaits_the_step() {
    let panic = panic_of(|| {
        block_on(async {
            let mut generator = Generator::<u32>::new(async |_| {
                yield_now().await;
                panic!("in the body")
            });
            let _ = generator.start_async().await;
        })
    });
    assert_eq!(panic.unwrap(), "in the body");
}

/// The body of the next tests: it waits before its yield, and after.
fn slow(trace: &Trace) -> Generator<'static, u32, u32, u32> {
    let says = trace.clone();
    Generator::new(async move |co| {
        yield_now().await;
        says.say("begun");
        let answer = co.yield_(1).await;
        yield_now().await;
        yield_now().await;
        says.say(format!("answered {answer}"));
        answer + 1
    })
}

#[test]
fn a_dropped_start_leaves_the_body_where_it_waits() {
    let dropped = cut_at_every_poll(|cut| {
        let trace = Trace::default();
        block_on(async {
            let mut generator = slow(&trace);
            let step = match cut.at(generator.start_async()).await {
                Some(step) => step,
                None => generator.start_async().await,
            };
            assert_eq!(step, Ok(Step::Yielded(1)));
            assert_eq!(trace.lines(), ["begun"], "once");
        });
    });
    assert!(dropped >= 3);
}

#[test]
fn a_dropped_resume_has_not_given_its_answer_or_leaves_the_step_to_go_on_with() {
    let dropped = cut_at_every_poll(|cut| {
        let trace = Trace::default();
        block_on(async {
            let mut generator = slow(&trace);
            generator.start_async().await.unwrap();
            if cut.at(generator.resume_async(7)).await.is_none() {
                match generator.resume_async(8).await {
                    // The first was never polled: its answer went with it.
                    Ok(step) => assert_eq!(step, Step::Returned(9)),
                    Err(error) => {
                        assert_eq!(error, ResumeError::Interrupted(8));
                        assert_eq!(generator.start_async().await, Ok(Step::Returned(8)));
                    }
                }
            }
            assert!(generator.is_finished());
            assert_eq!(trace.lines().len(), 2);
        });
    });
    assert!(dropped >= 5);
}

#[test]
fn a_dropped_next_loses_no_item() {
    let dropped = cut_at_every_poll(|cut| {
        block_on(async {
            let mut items = Generator::new(async |co| {
                for n in 0..3 {
                    yield_now().await;
                    co.yield_(n).await;
                }
            });
            let mut seen: Vec<u32> = cut.at(items.next_async()).await.flatten().into_iter().collect();
            while let Some(n) = items.next_async().await {
                seen.push(n);
            }
            assert_eq!(seen, [0, 1, 2]);
        });
    });
    assert!(dropped >= 3);
}

/// A step that was given up by a timeout goes on, and registers the waker of whoever awaits it then.
#[test]
fn a_step_goes_on_after_a_timeout() {
    block_on(async {
        let (sender, receiver) = oneshot::channel();
        let mut generator = Generator::<u32>::new(async move |co| co.yield_(receiver.await.unwrap()).await);
        assert!(timeout(Duration::from_millis(1), generator.next_async()).await.is_err());
        spawn(async move {
            sleep(Duration::from_millis(1)).await;
            sender.send(5).unwrap();
        })
        .await
        .unwrap();
        assert_eq!(generator.next_async().await, Some(5));
    });
}

/// Interrupted without an executor, gone on with inside of one.
#[test]
fn a_generator_may_go_from_sync_to_async_and_back() {
    let mut generator = slow(&Trace::default());
    assert_eq!(generator.start(), Err(StartError::Awaiting));
    block_on(async { assert_eq!(generator.start_async().await, Ok(Step::Yielded(1))) });
    assert_eq!(generator.resume(4), Err(ResumeError::Awaiting));
    block_on(async { assert_eq!(generator.start_async().await, Ok(Step::Returned(5))) });
}

/// An endless stream that never waits: the tasks beside it have their turn all the same.
#[test]
fn an_endless_generator_lets_others_run() {
    let stop = Rc::new(Cell::new(false));
    block_on(async {
        let set = stop.clone();
        let other = spawn(async move { set.set(true) });
        let mut endless = Generator::<u32>::new(async |co| {
            loop {
                co.yield_(1).await
            }
        });
        let mut taken = 0;
        while !stop.get() {
            taken += endless.next_async().await.unwrap();
            assert!(taken < 10_000, "the other task never ran");
        }
        other.await.unwrap();
        stop.set(false);
        let set = stop.clone();
        let other = spawn(async move { set.set(true) });
        let mut endless = Generator::<u32, u32, ()>::new(async |co| {
            loop {
                co.yield_(1).await;
            }
        });
        endless.start_async().await.unwrap();
        let mut resumed = 0;
        while !stop.get() {
            resumed += endless.resume_async(1).await.unwrap().yielded().unwrap();
            assert!(resumed < 10_000, "the other task never ran");
        }
        other.await.unwrap();
    });
}

/// Driven without waiting inside of a task whose budget is spent: a body that only yields does not notice.
#[test]
fn a_budget_that_is_spent_does_not_interrupt_a_sync_generator() {
    block_on(async {
        let (sender, receiver) = channel::unbounded();
        let outer = Generator::<u32>::new(async |co| {
            let inner = Generator::<u32>::new(async |co| {
                for n in 0..10 {
                    co.yield_(n).await
                }
            });
            co.delegate(inner).await.unwrap();
        });
        for n in 0..1000 {
            sender.send(n).unwrap();
        }
        std::future::poll_fn(|cx| {
            // Takes what the budget of one poll allows.
            while std::pin::pin!(receiver.recv()).poll(cx).is_ready() {}
            assert!(!receiver.is_empty());
            assert_eq!((&outer).sum::<u32>(), 45);
            std::task::Poll::Ready(())
        })
        .await;
    });
}

#[test]
fn the_state_of_the_futures_is_shown() {
    let mut generator = Generator::<u32, u32, u32>::new(async |co| co.yield_(1).await);
    assert!(format!("{:?}", generator.start_async()).contains("Fresh"));
    assert!(format!("{:?}", generator.resume_async(1)).contains("given: false"));
    let said = RefCell::new(String::new());
    let asks = Generator::<u32>::new(async |co| {
        let asked = co.yield_(1);
        *said.borrow_mut() = format!("{co:?} {asked:?}");
        asked.await;
    });
    asks.start().unwrap();
    assert_eq!(*said.borrow(), "Yielder Yield { out: false, .. }");
}
