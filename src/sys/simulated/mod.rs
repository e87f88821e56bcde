//! The simulated world.

mod link;

pub use link::{Fault, Link};
