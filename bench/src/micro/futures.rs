//! The futures crate's `LocalPool` and its `mpsc`. It has no timers.

use std::future::{Future, Pending};
use std::time::Duration;

use futures::channel::mpsc;
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::RemoteHandle;
use futures::task::LocalSpawnExt;
use futures::{SinkExt, StreamExt};

use super::rival::{Channel, Rival};
use super::row::{Kind, Row};

#[derive(Clone, Copy)]
pub struct Futures {
    spawner: &'static LocalSpawner,
}

impl Rival for Futures {
    type Join = RemoteHandle<u64>;
    type Bounded = Bounded;
    type Unbounded = Unbounded;
    type Sleep = Pending<()>;

    fn offers(row: Row) -> bool {
        row.kind() != Kind::Timers
    }

    /// The spawner is leaked, so that it is a plain reference in each task and not counted there; the pool is not.
    fn run<F>(main: impl FnOnce(Futures) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let mut pool = LocalPool::new();
        let spawner = Box::leak(Box::new(pool.spawner()));
        pool.run_until(main(Futures { spawner }))
    }

    fn spawn(self, task: impl Future<Output = u64> + 'static) -> RemoteHandle<u64> {
        self.spawner.spawn_local_with_handle(task).expect("the pool is there")
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(_length: Duration) -> Pending<()> {
        unreachable!("no timer is offered")
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
