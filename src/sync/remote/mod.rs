//! Between threads: a [`channel`] and a [`oneshot`] whose ends are `Send`.
//!
//! Each end may live on any thread: in tasks of different runtimes, of other executors, or on a plain thread, which
//! uses the operations named `…_blocking`. This is the only part of [`sync`](crate::sync) with locks. The state of a
//! channel is plain data inside of them, held for a few instructions: under them nothing is woken, cloned or dropped
//! that could run a user's code, so neither a slow waker nor one that panics holds anybody up. A wake travels as any
//! wake from another thread does. A thread that blocks first tries again for some ten microseconds.
//!
//! Between tasks of one runtime the types of [`sync`](crate::sync) do the same for a third of the cost.

pub mod channel;
mod lock;
#[cfg(all(test, loom))]
mod loom_models;
pub mod oneshot;
mod queue;
mod thread;

pub(crate) use lock::{Condition, Guard, Lock};
pub(crate) use thread::{block_until, wake_if_any};
