//! smol: a `LocalExecutor`, async-io's timers, and async-channel.
//!
//! Generic over the channel: `others.rs` puts channels that belong to no runtime on the same executor.

use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use smol::{LocalExecutor, Task, Timer};

use super::rival::{Channel, Rival};
use super::row::Row;

pub struct Smol<B = Bounded, U = Unbounded> {
    executor: &'static LocalExecutor<'static>,
    channels: PhantomData<(B, U)>,
}

impl<B, U> Clone for Smol<B, U> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B, U> Copy for Smol<B, U> {}

impl<B: Channel, U: Channel> Rival for Smol<B, U> {
    type Join = Task<u64>;
    type Bounded = B;
    type Unbounded = U;
    type Sleep = Timer;

    fn offers(_row: Row) -> bool {
        true
    }

    /// The executor is leaked, as in the usual smol program, where it is a static.
    fn run<F>(main: impl FnOnce(Self) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let executor: &LocalExecutor = Box::leak(Box::new(LocalExecutor::new()));
        smol::block_on(executor.run(main(Smol { executor, channels: PhantomData })))
    }

    fn spawn(self, task: impl Future<Output = u64> + 'static) -> Task<u64> {
        self.executor.spawn(task)
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(length: Duration) -> Timer {
        Timer::after(length)
    }
}

pub struct Bounded;

impl Channel for Bounded {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(capacity)
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

pub struct Unbounded;

impl Channel for Unbounded {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        async_channel::unbounded()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}
