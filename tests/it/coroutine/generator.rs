//! A generator without any executor: values both ways, its end in every way, and every misuse.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use coracle::coroutine::{CloseError, Generator, ResumeError, StartError, Step};
use coracle::task::yield_now;

use super::{Trace, panic_of, until};

/// Yields what it was given last, and returns at 0.
fn echo() -> Generator<'static, u32, u32, &'static str> {
    Generator::new(async |co| {
        let mut last = 1;
        while last != 0 {
            last = co.yield_(last).await;
        }
        "returned"
    })
}

#[test]
fn values_pass_both_ways_until_it_returns() {
    let echo = echo();
    assert_eq!(echo.start(), Ok(Step::Yielded(1)));
    assert_eq!(echo.resume(7), Ok(Step::Yielded(7)));
    assert_eq!(echo.resume(8), Ok(Step::Yielded(8)));
    assert_eq!(echo.resume(0), Ok(Step::Returned("returned")));
    assert!(echo.is_finished());
    assert_eq!(echo.take_returned(), None, "whoever resumed it has it");
}

#[test]
fn nothing_runs_before_the_start() {
    let trace = Trace::default();
    let generator = Generator::<()>::new(async |_| trace.say("runs"));
    assert_eq!((trace.lines().len(), generator.is_finished()), (0, false));
    drop(generator);
    assert!(trace.lines().is_empty(), "and nothing at all if it is dropped");
}

#[test]
fn an_answer_that_nothing_waits_for_comes_back() {
    let echo = echo();
    assert_eq!(echo.resume(5), Err(ResumeError::NotStarted(5)));
    echo.start().unwrap();
    assert_eq!(echo.start(), Err(StartError::Suspended));
    assert_eq!(echo.resume(0), Ok(Step::Returned("returned")));
    assert_eq!(echo.resume(6), Err(ResumeError::Finished(6)));
    assert_eq!(echo.start(), Err(StartError::Finished));
    let back = [
        ResumeError::NotStarted(1),
        ResumeError::Interrupted(1),
        ResumeError::Running(1),
        ResumeError::Finished(1),
        ResumeError::Awaiting,
    ];
    assert_eq!(back.map(ResumeError::into_answer), [Some(1), Some(1), Some(1), Some(1), None]);
}

/// A place in which a body finds its own generator.
type Own<R> = Rc<RefCell<Option<Rc<Generator<'static, u32, R>>>>>;

/// All ways to run oneself, from inside.
#[test]
fn a_body_that_runs_itself_gets_an_error() {
    let own = Own::<()>::default();
    let (inside, trace) = (own.clone(), Trace::default());
    let says = trace.clone();
    let generator = Rc::new(Generator::new(async move |co| {
        let me = inside.borrow().clone().unwrap();
        assert_eq!(me.resume(()), Err(ResumeError::Running(())));
        assert_eq!(me.start(), Err(StartError::Running));
        assert_eq!(me.close(), Err(CloseError));
        assert!(!me.is_finished());
        says.say(panic_of(|| (&*me).next()).unwrap());
        co.yield_(1).await;
    }));
    *own.borrow_mut() = Some(generator.clone());
    assert_eq!(generator.start(), Ok(Step::Yielded(1)));
    assert_eq!(generator.resume(()), Ok(Step::Returned(())), "none of that has done any harm");
    assert_eq!(trace.lines(), ["a generator was iterated over by its own body"]);
    own.take();
}

#[test]
fn close_drops_what_the_body_holds_at_once() {
    let trace = Trace::default();
    let generator = Generator::<u32>::new(async |co| {
        let _outer = trace.at_drop("outer");
        let _inner = trace.at_drop("inner");
        co.yield_(1).await;
        trace.say("went on");
    });
    generator.start().unwrap();
    assert!(trace.lines().is_empty());
    generator.close().unwrap();
    assert_eq!(trace.lines(), ["inner", "outer"]);
    assert_eq!((generator.resume(()), generator.close()), (Err(ResumeError::Finished(())), Ok(())));
    let fresh = echo();
    fresh.close().unwrap();
    assert_eq!((fresh.start(), fresh.resume(1)), (Err(StartError::Finished), Err(ResumeError::Finished(1))));
}

#[test]
fn dropping_it_drops_what_the_body_holds() {
    let trace = Trace::default();
    let generator = Generator::<u32>::new(async |co| {
        let _held = trace.at_drop("held");
        co.yield_(1).await;
    });
    generator.start().unwrap();
    drop(generator);
    assert_eq!(trace.lines(), ["held"]);
}

/// What runs while it is closed, or has returned, finds a finished generator.
#[test]
fn a_destructor_that_resumes_its_own_generator_gets_an_error() {
    struct Resumes(Own<u32>, Trace);
    impl Drop for Resumes {
        fn drop(&mut self) {
            let me = self.0.take().unwrap();
            self.1.say(format!("{:?} {:?} {:?}", me.resume(7), me.start(), me.close()));
        }
    }
    let trace = Trace::default();
    for end in ["close", "return", "panic"] {
        let own = Rc::new(RefCell::new(None));
        let resumes = Resumes(own.clone(), trace.clone());
        let generator = Rc::new(Generator::new(async move |co| {
            let _held = resumes;
            match co.yield_(1).await {
                0 => {}
                _ => std::panic::resume_unwind(Box::new("on purpose")),
            }
        }));
        *own.borrow_mut() = Some(generator.clone());
        generator.start().unwrap();
        match end {
            "close" => generator.close().unwrap(),
            "return" => assert_eq!(generator.resume(0), Ok(Step::Returned(()))),
            _ => assert_eq!(panic_of(|| generator.resume(1)).unwrap(), "on purpose"),
        }
        assert!(generator.is_finished());
    }
    let finished = "Err(Finished(..)) Err(Finished) Ok(())";
    let running = "Err(Running(..)) Err(Running) Err(CloseError)";
    assert_eq!(trace.lines(), [finished, running, running], "at a return or a panic its variables go while it runs");
}

#[test]
fn a_panic_goes_to_the_resumer_and_finishes_it() {
    let trace = Trace::default();
    let generator = Generator::<u32, u32>::new(async |co| {
        let _held = trace.at_drop("held");
        let n = co.yield_(1).await;
        panic!("the answer was {n}");
    });
    let _: Step<u32, ()> = generator.start().unwrap();
    assert_eq!(panic_of(|| generator.resume(5)).unwrap(), "the answer was 5");
    assert_eq!(trace.lines(), ["held"]);
    assert!(generator.is_finished());
    assert_eq!(generator.resume(6), Err(ResumeError::Finished(6)));
}

#[test]
fn a_panic_in_a_drop_goes_to_who_closes_it() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let generator = Generator::<u32>::new(async |co| {
        let _held = Panics;
        co.yield_(1).await;
    });
    generator.start().unwrap();
    assert_eq!(panic_of(|| generator.close()).unwrap(), "dropped");
    assert_eq!((generator.is_finished(), generator.close()), (true, Ok(())));
}

#[test]
fn iterating_yields_until_the_return_which_is_kept() {
    let squares = Generator::new(async |co| {
        for n in 1..=3 {
            co.yield_(n * n).await;
        }
        "done"
    });
    assert_eq!((&squares).next(), Some(1));
    assert_eq!(squares.resume(()), Ok(Step::Yielded(4)), "an iteration is nothing but resumes");
    assert_eq!((&squares).collect::<Vec<_>>(), [9]);
    assert_eq!(((&squares).next(), (&squares).next()), (None, None), "fused");
    assert_eq!((squares.take_returned(), squares.take_returned()), (Some("done"), None));
    let mut closed = Generator::<u32>::new(async |co| co.yield_(1).await);
    closed.close().unwrap();
    assert_eq!((closed.next(), closed.take_returned()), (None, None));
}

#[test]
fn it_borrows_from_its_surroundings() {
    let words = vec![String::from("a"), String::from("b")];
    let mut seen = Vec::new();
    let longer = Generator::new(async |co| {
        for word in &words {
            let suffix: &str = co.yield_(word.as_str()).await;
            seen.push(format!("{word}{suffix}"));
        }
    });
    assert_eq!(longer.start(), Ok(Step::Yielded("a")));
    assert_eq!(longer.resume("1"), Ok(Step::Yielded("b")));
    assert_eq!(longer.resume("2"), Ok(Step::Returned(())));
    drop(longer);
    assert_eq!(seen, ["a1", "b2"]);
}

/// A body that awaits more than its yields, without an executor: an error, not a hang; and then a way on.
#[test]
fn awaiting_something_else_is_an_error_and_can_be_gone_on_with() {
    let (first, second) = (Cell::new(false), Cell::new(false));
    let generator = Generator::new(async |co| {
        until(&first).await;
        let answer = co.yield_("a").await;
        until(&second).await;
        answer
    });
    assert_eq!(generator.start(), Err(StartError::Awaiting));
    assert_eq!(generator.resume(1), Err(ResumeError::Interrupted(1)), "no yield waits for it");
    assert_eq!(generator.start(), Err(StartError::Awaiting), "not ready yet");
    first.set(true);
    assert_eq!(generator.start(), Ok(Step::Yielded("a")));
    assert_eq!(generator.resume(2), Err(ResumeError::Awaiting), "this one it took");
    assert_eq!(generator.resume(3), Err(ResumeError::Interrupted(3)));
    second.set(true);
    assert_eq!(generator.start(), Ok(Step::Returned(2)));
}

/// Also an await that would be over in a moment: a resumer that polled again and again could spin for ever.
#[test]
fn a_yield_to_other_tasks_is_something_else_too() {
    let generator = Generator::<u32>::new(async |co| {
        yield_now().await;
        co.yield_(1).await;
    });
    assert_eq!(generator.start(), Err(StartError::Awaiting));
    assert_eq!(generator.start(), Ok(Step::Yielded(1)));
}

#[test]
fn iterating_over_one_that_awaits_says_what_to_do() {
    let mut generator = Generator::<u32>::new(async |co| {
        std::future::pending::<()>().await;
        co.yield_(1).await;
    });
    assert!(panic_of(|| generator.next()).unwrap().contains("use `next_async`"));
    assert!(!generator.is_finished(), "it waits where it was");
    generator.close().unwrap();
}

/// The depth of a tree is that of its delegations; the stack does not grow with the number of yields.
#[test]
fn a_million_yields_need_no_more_stack_than_one() {
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let sum = small.spawn(|| {
        let numbers = Generator::new(async |co| {
            for n in 0..1_000_000u64 {
                co.yield_(n).await;
            }
        });
        numbers.sum::<u64>()
    });
    assert_eq!(sum.unwrap().join().unwrap(), 499_999_500_000);
}

#[test]
fn what_it_is_doing_is_shown() {
    let generator = echo();
    assert_eq!(format!("{generator:?}"), "Generator { phase: Fresh, .. }");
    generator.start().unwrap();
    assert_eq!(format!("{generator:?}"), "Generator { phase: Suspended, .. }");
    assert_eq!(format!("{:?}", generator.resume(0)), "Ok(Returned(\"returned\"))");
    assert_eq!(
        format!("{:?} {generator:?}", generator.resume(0)),
        "Err(Finished(..)) Generator { phase: Finished, .. }"
    );
}
