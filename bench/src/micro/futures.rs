//! The futures crate's `LocalPool` and its `mpsc`. It has no timers.

use std::future::{Future, pending};
use std::time::Duration;

use futures::channel::mpsc;
use futures::executor::{self, LocalPool, LocalSpawner};
use futures::future::RemoteHandle;
use futures::task::LocalSpawnExt;
use futures::{SinkExt, StreamExt};

use super::rival::{Channel, Remote, Rival};
use super::row::Row;

#[derive(Clone)]
pub struct Futures {
    spawner: LocalSpawner,
}

impl Rival for Futures {
    type Runtime = LocalPool;
    type Join = RemoteHandle<u64>;
    type Bounded = Bounded;
    type Unbounded = Unbounded;
    type RemoteBounded = Bounded;
    type RemoteUnbounded = Unbounded;

    fn offers(row: &Row) -> bool {
        !row.sleeps()
    }

    fn make() -> LocalPool {
        LocalPool::new()
    }

    fn block_on<F>(runtime: &mut LocalPool, main: impl FnOnce(Futures) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let spawner = runtime.spawner();
        runtime.run_until(main(Futures { spawner }))
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> RemoteHandle<u64> {
        self.spawner.spawn_local_with_handle(task).expect("the pool is there")
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(_length: Duration) -> impl Future {
        pending::<()>()
    }
}

pub struct Bounded;

impl Channel for Bounded {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;

    /// It has room for one more than its buffer for each sender: there is one.
    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(capacity - 1)
    }

    /// `feed`, for `send` flushes: it would wait until the receiver has taken the value.
    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.feed(value).await.expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.next()
    }
}

pub struct Unbounded;

impl Channel for Unbounded {
    type Sender = mpsc::UnboundedSender<u64>;
    type Receiver = mpsc::UnboundedReceiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::unbounded()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.unbounded_send(value).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.next()
    }
}

impl Remote for Bounded {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(capacity - 1)
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        executor::block_on(sender.feed(value)).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.next()
    }
}

impl Remote for Unbounded {
    type Sender = mpsc::UnboundedSender<u64>;
    type Receiver = mpsc::UnboundedReceiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::unbounded()
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.unbounded_send(value).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.next()
    }
}
