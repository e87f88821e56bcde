//! Simulated hosts and a simulated network between them.

pub use crate::sys::{Fault, Link};
