//! A delegation to another generator.

use std::cell::{Cell, RefCell};

use coracle::coroutine::{Generator, Step};

use crate::support::cut_at_every_poll;

/// Counts itself out.
struct Inside<'a>(&'a Cell<usize>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Lossy: with it the inner generator is closed. A value that the resumer has not seen was not yielded; the answer to
/// one that it has seen goes to nobody.
#[test]
fn a_dropped_delegation_closes_the_inner_and_takes_one_answer_with_it() {
    let (mut all_seen, inside) = (Vec::new(), Cell::new(0));
    let dropped = cut_at_every_poll(|cut| {
        let answers = RefCell::new(Vec::new());
        inside.set(1);
        let held = Inside(&inside);
        let inner = Generator::new(async |co| {
            let _held = held;
            for n in [1, 2] {
                let answer: u32 = co.yield_(n).await;
                answers.borrow_mut().push(answer);
            }
            "inner"
        });
        let outer = Generator::new(async |co| {
            let returned = cut.at(co.delegate(inner)).await;
            assert_eq!(inside.get(), 0, "the inner is gone, and what it held");
            assert!(returned.is_none_or(|returned| returned == Ok("inner")));
            assert_eq!(co.yield_(9).await, 90, "no answer went astray");
        });
        let mut seen = Vec::new();
        let mut step = outer.start().unwrap();
        while let Step::Yielded(n) = step {
            seen.push(n);
            step = outer.resume(n * 10).unwrap();
        }
        drop(outer);
        assert_eq!(seen.pop(), Some(9));
        let answers = answers.into_inner();
        assert!([1, 2].starts_with(&seen) && [10, 20].starts_with(&answers), "{seen:?} {answers:?}");
        assert!(seen.len() - answers.len() <= 1, "{seen:?} {answers:?}");
        all_seen.push(seen.len());
    });
    assert!(dropped >= 4, "{dropped}");
    assert!((0..=2).all(|count| all_seen.contains(&count)), "it was dropped before, between and after: {all_seen:?}");
}
