//! smol: a `LocalExecutor`, async-io's timers, and async-channel.
//!
//! Generic over the channel: `others.rs` puts channels that belong to no runtime on the same executor.

use std::future::Future;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use smol::{LocalExecutor, Task, Timer};

use super::rival::{Channel, Remote, Rival};
use super::row::Row;

/// Its channels: for two tasks (`B`, `U`), and from a thread (`RB`, `RU`).
pub struct Smol<B = Bounded, U = Unbounded, RB = B, RU = U> {
    executor: Rc<LocalExecutor<'static>>,
    channels: PhantomData<(B, U, RB, RU)>,
}

impl<B, U, RB, RU> Clone for Smol<B, U, RB, RU> {
    fn clone(&self) -> Self {
        Smol { executor: self.executor.clone(), channels: PhantomData }
    }
}

impl<B: Channel, U: Channel, RB: Remote, RU: Remote> Rival for Smol<B, U, RB, RU> {
    type Runtime = Rc<LocalExecutor<'static>>;
    type Join = Task<u64>;
    type Bounded = B;
    type Unbounded = U;
    type RemoteBounded = RB;
    type RemoteUnbounded = RU;

    fn offers(_row: &Row) -> bool {
        true
    }

    fn make() -> Self::Runtime {
        Rc::new(LocalExecutor::new())
    }

    fn block_on<F>(runtime: &mut Self::Runtime, main: impl FnOnce(Self) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let handle = Smol { executor: runtime.clone(), channels: PhantomData };
        smol::block_on(runtime.run(main(handle)))
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> Task<u64> {
        self.executor.spawn(task)
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(length: Duration) -> impl Future {
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

impl Remote for Bounded {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(capacity)
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.send_blocking(value).expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

impl Remote for Unbounded {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        async_channel::unbounded()
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.send_blocking(value).expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}
