//! What a runtime must offer to be measured: the whole of what differs between rivals.
//!
//! The work (`work/`) is generic over this, compiled anew for each rival, so it is the same by construction; and
//! nothing here is boxed or called through a table.

use std::future::Future;
use std::time::Duration;

use super::row::Row;

/// A handle of a runtime, as a program on it would hold one: nothing for most.
pub trait Rival: Clone + 'static {
    type Runtime;
    /// A spawned task's handle; whatever comes of it goes through `value`.
    type Join: Future + 'static;
    type Bounded: Channel;
    type Unbounded: Channel;
    type RemoteBounded: Remote;
    type RemoteUnbounded: Remote;

    /// Can it do this row?
    fn offers(row: &Row) -> bool;

    /// A runtime that can do all that is offered, and has done nothing yet.
    fn make() -> Self::Runtime;

    /// One whose timers may be late by `slack`, where it can be told so.
    fn make_with_slack(_slack: Duration) -> Self::Runtime {
        Self::make()
    }

    /// Runs `main` to its end.
    fn block_on<F>(runtime: &mut Self::Runtime, main: impl FnOnce(Self) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static;

    /// Makes a runtime, runs `main` on it, and drops it.
    fn run<F>(main: impl FnOnce(Self) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        Self::block_on(&mut Self::make(), main)
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> Self::Join;

    fn value(joined: <Self::Join as Future>::Output) -> u64;

    fn sleep(length: Duration) -> impl Future + 'static;
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

/// A channel of numbers from a plain thread to a task.
pub trait Remote: 'static {
    type Sender: Send + 'static;
    type Receiver: 'static;

    /// An unbounded one ignores the capacity.
    fn new(capacity: usize) -> (Self::Sender, Self::Receiver);

    /// Blocks the thread while the channel is full. The receiver is there as long as anyone sends.
    fn send(sender: &mut Self::Sender, value: u64);

    /// None: the sender is gone, and all that it sent was received.
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>>;
}
