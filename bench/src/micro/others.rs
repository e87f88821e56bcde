//! Channels that belong to no runtime, on smol's executor: only the rows that are about channels.

use std::any::TypeId;
use std::future::Future;
use std::time::Duration;

use async_unsync::{bounded, unbounded};
use kanal::{AsyncReceiver, AsyncSender};

use super::floor::NoRemote;
use super::monoio;
use super::rival::{Channel, Remote, Rival};
use super::row::{Kind, Row, Work};
use super::smol::Smol;

/// Smol with other channels, and only the rows that are about them. `RB` and `RU` may be `NoRemote`.
pub struct OnSmol<B, U, RB = B, RU = U>(Smol<B, U, RB, RU>);

pub type Kanal = OnSmol<KanalBounded, KanalUnbounded>;
pub type Flume = OnSmol<FlumeBounded, FlumeUnbounded>;
pub type AsyncUnsync = OnSmol<UnsyncBounded, UnsyncUnbounded, NoRemote, NoRemote>;
pub type LocalSync = OnSmol<monoio::Bounded, monoio::Unbounded, NoRemote, NoRemote>;

impl<B, U, RB, RU> Clone for OnSmol<B, U, RB, RU> {
    fn clone(&self) -> Self {
        OnSmol(self.0.clone())
    }
}

impl<B: Channel, U: Channel, RB: Remote, RU: Remote> Rival for OnSmol<B, U, RB, RU> {
    type Runtime = <Smol<B, U, RB, RU> as Rival>::Runtime;
    type Join = <Smol<B, U, RB, RU> as Rival>::Join;
    type Bounded = B;
    type Unbounded = U;
    type RemoteBounded = RB;
    type RemoteUnbounded = RU;

    fn offers(row: &Row) -> bool {
        match row.work {
            Work::Remote { .. } => TypeId::of::<RB>() != TypeId::of::<NoRemote>(),
            _ => row.kind == Kind::Channels,
        }
    }

    fn make() -> Self::Runtime {
        Smol::<B, U, RB, RU>::make()
    }

    fn block_on<F>(runtime: &mut Self::Runtime, main: impl FnOnce(Self) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        Smol::<B, U, RB, RU>::block_on(runtime, |smol| main(OnSmol(smol)))
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> Self::Join {
        self.0.spawn(task)
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(length: Duration) -> impl Future {
        Smol::<B, U, RB, RU>::sleep(length)
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

pub struct FlumeBounded;

impl Channel for FlumeBounded {
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        flume::bounded(capacity)
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send_async(value).await.expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv_async().await.ok()
    }
}

pub struct FlumeUnbounded;

impl Channel for FlumeUnbounded {
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        flume::unbounded()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv_async().await.ok()
    }
}

impl Remote for KanalBounded {
    type Sender = kanal::Sender<u64>;
    type Receiver = AsyncReceiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let (sender, receiver) = kanal::bounded(capacity);
        (sender, receiver.to_async())
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

impl Remote for KanalUnbounded {
    type Sender = kanal::Sender<u64>;
    type Receiver = AsyncReceiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        let (sender, receiver) = kanal::unbounded();
        (sender, receiver.to_async())
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

impl Remote for FlumeBounded {
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        flume::bounded(capacity)
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv_async().await.ok()
    }
}

impl Remote for FlumeUnbounded {
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        flume::unbounded()
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv_async().await.ok()
    }
}
