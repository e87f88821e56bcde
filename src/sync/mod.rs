//! Between the tasks of one thread: [`WaitQueue`], and on it the channels.
//!
//! Nothing here holds a lock or an atomic, and nothing knows the runtime: these types work on any executor of one thread.
//! What a cancelled operation leaves behind is said at each: nothing is ever lost by it.

pub mod channel;
pub mod oneshot;
mod wait_queue;

pub use wait_queue::{WaitQueue, Waiting};
