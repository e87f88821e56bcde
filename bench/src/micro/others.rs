//! The two quickest channels that belong to no runtime, kanal and async-unsync, on smol's executor: only the channel rows.

use std::future::Future;
use std::time::Duration;

use async_unsync::{bounded, unbounded};
use kanal::{AsyncReceiver, AsyncSender};

use super::rival::{Channel, Rival};
use super::row::{Kind, Row};
use super::smol::Smol;

/// A rival with its channel rows only.
#[derive(Clone, Copy)]
pub struct OnlyChannels<R>(R);

pub type Kanal = OnlyChannels<Smol<KanalBounded, KanalUnbounded>>;
pub type AsyncUnsync = OnlyChannels<Smol<UnsyncBounded, UnsyncUnbounded>>;

impl<R: Rival> Rival for OnlyChannels<R> {
    type Join = R::Join;
    type Bounded = R::Bounded;
    type Unbounded = R::Unbounded;
    type Sleep = R::Sleep;

    fn offers(row: Row) -> bool {
        row.kind() == Kind::Channels
    }

    fn run<F>(main: impl FnOnce(Self) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        R::run(|runtime| main(OnlyChannels(runtime)))
    }

    fn spawn(self, task: impl Future<Output = u64> + 'static) -> R::Join {
        self.0.spawn(task)
    }

    fn value(joined: <R::Join as Future>::Output) -> u64 {
        R::value(joined)
    }

    fn sleep(length: Duration) -> R::Sleep {
        R::sleep(length)
    }
}

pub struct KanalBounded;

impl Channel for KanalBounded {
    type Sender = AsyncSender<u64>;
    type Receiver = AsyncReceiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        kanal::bounded_async(capacity)
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

pub struct KanalUnbounded;

impl Channel for KanalUnbounded {
    type Sender = AsyncSender<u64>;
    type Receiver = AsyncReceiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        kanal::unbounded_async()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

pub struct UnsyncBounded;

impl Channel for UnsyncBounded {
    type Sender = bounded::Sender<u64>;
    type Receiver = bounded::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        bounded::channel(capacity).into_split()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }
}

pub struct UnsyncUnbounded;

impl Channel for UnsyncUnbounded {
    type Sender = unbounded::UnboundedSender<u64>;
    type Receiver = unbounded::UnboundedReceiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        unbounded::channel().into_split()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }
}
