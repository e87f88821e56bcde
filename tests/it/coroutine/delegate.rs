//! One generator in the place of another: `yield from`.

use std::cell::Cell;

use coracle::coroutine::{Generator, ResumeError, StartError, Step, Yielder};

use super::{Trace, panic_of, until};

#[test]
fn answers_and_yields_go_through_and_the_return_value_comes_out() {
    let inner = Generator::new(async |co| {
        let a: u32 = co.yield_("inner 1").await;
        let b = co.yield_("inner 2").await;
        a + b
    });
    let outer = Generator::new(async move |co| {
        let before = co.yield_("outer 1").await;
        let sum = co.delegate(inner).await.unwrap();
        let after = co.yield_("outer 2").await;
        [before, sum, after]
    });
    assert_eq!(outer.start(), Ok(Step::Yielded("outer 1")));
    assert_eq!(outer.resume(1), Ok(Step::Yielded("inner 1")));
    assert_eq!(outer.resume(20), Ok(Step::Yielded("inner 2")));
    assert_eq!(outer.resume(300), Ok(Step::Yielded("outer 2")));
    assert_eq!(outer.resume(4), Ok(Step::Returned([1, 320, 4])));
}

struct Tree(u32, Vec<Tree>);

fn walk(tree: &Tree) -> Generator<'_, u32> {
    Generator::new(async |co| {
        co.yield_(tree.0).await;
        for child in &tree.1 {
            co.delegate(walk(child)).await.unwrap();
        }
    })
}

#[test]
fn a_tree_is_walked_by_generators_of_its_branches() {
    let tree = Tree(1, vec![Tree(2, vec![Tree(3, vec![])]), Tree(4, vec![])]);
    assert_eq!(walk(&tree).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

/// The other way: functions that share the handle. They may recurse as any async function may.
#[test]
fn a_function_may_yield_for_the_body() {
    async fn hanoi(co: &Yielder<(char, char)>, n: u32, from: char, to: char, over: char) -> usize {
        if n == 0 {
            return 0;
        }
        let before = Box::pin(hanoi(co, n - 1, from, over, to)).await;
        co.yield_((from, to)).await;
        before + 1 + Box::pin(hanoi(co, n - 1, over, to, from)).await
    }
    let moves = Generator::new(async |co| hanoi(co, 3, 'a', 'c', 'b').await);
    let made: Vec<_> = (&moves).map(|(from, to)| format!("{from}{to}")).collect();
    assert_eq!(made, ["ac", "ab", "cb", "ac", "ba", "bc", "ac"]);
    assert_eq!(moves.take_returned(), Some(7));
}

#[test]
fn to_one_that_cannot_be_started_is_an_error() {
    let started = Generator::<u32>::new(async |co| co.yield_(1).await);
    started.start().unwrap();
    let finished = Generator::<u32>::new(async |_| ());
    finished.start().unwrap();
    let outer = Generator::<u32, (), _>::new(async move |co| (co.delegate(started).await, co.delegate(finished).await));
    assert_eq!(outer.start(), Ok(Step::Returned((Err(StartError::Suspended), Err(StartError::Finished)))));
}

#[test]
fn closing_the_outer_closes_the_inner_first() {
    let trace = Trace::default();
    let outer = Generator::<u32>::new(async |co| {
        let _held = trace.at_drop("outer");
        let inner = Generator::<u32>::new(async |co| {
            let _held = trace.at_drop("inner");
            co.yield_(1).await;
        });
        co.delegate(inner).await.unwrap();
    });
    outer.start().unwrap();
    outer.close().unwrap();
    assert_eq!(trace.lines(), ["inner", "outer"]);
}

#[test]
fn a_panic_of_the_inner_goes_through_the_outer() {
    let trace = Trace::default();
    let outer = Generator::<u32>::new(async |co| {
        let _held = trace.at_drop("outer");
        let inner = Generator::<u32>::new(async |co| {
            co.yield_(1).await;
            panic!("inner");
        });
        co.delegate(inner).await.unwrap();
    });
    outer.start().unwrap();
    assert_eq!(panic_of(|| outer.resume(())).unwrap(), "inner");
    assert_eq!((trace.lines(), outer.is_finished()), (vec!["outer".to_owned()], true));
}

#[test]
fn an_inner_that_awaits_interrupts_the_outer() {
    let ready = Cell::new(false);
    let outer = Generator::new(async |co| {
        let inner = Generator::new(async |co| {
            let answer: u32 = co.yield_('a').await;
            until(&ready).await;
            answer
        });
        co.delegate(inner).await.unwrap() + 1
    });
    outer.start().unwrap();
    assert_eq!(outer.resume(4), Err(ResumeError::Awaiting));
    ready.set(true);
    assert_eq!(outer.start(), Ok(Step::Returned(5)));
}
