//! Tests of `runtime`: order, turns, fairness, nesting, other threads, and how few calls to the system it makes.

mod calls;
mod fairness;
mod nested;
mod order;
mod policy;
mod spawner;
mod spin;
