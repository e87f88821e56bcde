//! For tests of programs that wait, and talk over a network.

pub use crate::choices::{Choices, Kinds, Made};
pub use crate::runtime::{everywhere, within};
