//! coracle: `Runtime`, `spawn`, `sync::channel`, `sync::remote::channel`, `time::sleep`.

use std::future::Future;
use std::time::Duration;

use coracle::Runtime;
use coracle::sync::channel::{self, Receiver, Sender, UnboundedSender};
use coracle::sync::remote;
use coracle::task::{JoinError, JoinHandle};

use super::rival::{Channel, Remote, Rival};
use super::row::Row;

#[derive(Clone, Copy)]
pub struct Coracle;

impl Rival for Coracle {
    type Runtime = Runtime;
    type Join = JoinHandle<u64>;
    type Bounded = Bounded;
    type Unbounded = Unbounded;
    type RemoteBounded = RemoteBounded;
    type RemoteUnbounded = RemoteUnbounded;

    fn offers(_row: &Row) -> bool {
        true
    }

    fn make() -> Runtime {
        Runtime::new()
    }

    fn make_with_slack(slack: Duration) -> Runtime {
        Runtime::builder().coalesce(slack).build()
    }

    fn block_on<F>(runtime: &mut Runtime, main: impl FnOnce(Coracle) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        runtime.block_on(main(Coracle))
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> JoinHandle<u64> {
        coracle::spawn(task)
    }

    fn value(joined: Result<u64, JoinError>) -> u64 {
        joined.expect("no task panics")
    }

    fn sleep(length: Duration) -> impl Future {
        coracle::time::sleep(length)
    }
}

pub struct Bounded;

impl Channel for Bounded {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        channel::bounded(capacity)
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.recv()
    }
}

pub struct Unbounded;

impl Channel for Unbounded {
    type Sender = UnboundedSender<u64>;
    type Receiver = Receiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        channel::unbounded()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.recv()
    }
}

pub struct RemoteBounded;

impl Remote for RemoteBounded {
    type Sender = remote::channel::Sender<u64>;
    type Receiver = remote::channel::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        remote::channel::bounded(capacity)
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.send_blocking(value).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.recv()
    }
}

pub struct RemoteUnbounded;

impl Remote for RemoteUnbounded {
    type Sender = remote::channel::UnboundedSender<u64>;
    type Receiver = remote::channel::Receiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        remote::channel::unbounded()
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.recv()
    }
}
