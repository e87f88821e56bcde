//! What a runtime must offer to be measured: the whole of what differs between rivals.
//!
//! The work (`work.rs`) is generic over this, compiled anew for each rival, so it is the same by construction; and nothing
//! here is boxed or called through a table.

use std::future::Future;
use std::time::Duration;

use super::row::Row;

/// A runtime, as a handle that a program on it would hold: nothing for most.
pub trait Rival: Copy + 'static {
    /// A spawned task's handle; whatever comes of it goes through `value`.
    type Join: Future + 'static;
    type Bounded: Channel;
    type Unbounded: Channel;
    type Sleep: Future + 'static;

    /// Can it do this row?
    fn offers(row: Row) -> bool;

    /// Makes a runtime, runs `main` on it, and drops it.
    fn run<F>(main: impl FnOnce(Self) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static;

    fn spawn(self, task: impl Future<Output = u64> + 'static) -> Self::Join;

    fn value(joined: <Self::Join as Future>::Output) -> u64;

    fn sleep(length: Duration) -> Self::Sleep;
}

/// A channel of numbers with one sender and one receiver.
pub trait Channel: 'static {
    type Sender: 'static;
    type Receiver: 'static;

    /// An unbounded one ignores the capacity.
    fn new(capacity: usize) -> (Self::Sender, Self::Receiver);

    /// The receiver is there as long as anyone sends.
    fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = ()>;

    /// None: the sender is gone, and all that it sent was received.
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>>;
}
