//! Tests of `observer`: the events are complete, and what tasks say they wait for is true.
//!
//! `fold.rs` is the state of a runtime as one gets it from the events alone, `programs.rs` holds it against the real
//! state over random programs, `reasons.rs` goes through all the things that a task can wait for.

mod fold;
mod programs;
mod reasons;
