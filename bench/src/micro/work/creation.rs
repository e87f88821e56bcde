//! Runtimes made and dropped, and entered.

use std::future::ready;
use std::hint::black_box;
use std::time::Instant;

use super::each;
use crate::micro::rival::Rival;

/// A runtime that can do all it offers (I/O, timers), used once and dropped.
pub fn create<R: Rival>(operations: u64) -> Vec<f64> {
    let begun = Instant::now();
    for number in 0..operations {
        let mut runtime = R::make();
        assert_eq!(R::block_on(&mut runtime, |_| ready(black_box(number))), number);
    }
    each(begun.elapsed(), operations)
}

/// `block_on` by a runtime that is there.
pub fn block_on<R: Rival>(operations: u64) -> Vec<f64> {
    let mut runtime = R::make();
    let begun = Instant::now();
    for number in 0..operations {
        assert_eq!(R::block_on(&mut runtime, |_| ready(black_box(number))), number);
    }
    each(begun.elapsed(), operations)
}
