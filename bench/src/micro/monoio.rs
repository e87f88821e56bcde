//! monoio on its epoll driver with timers; local-sync's channels, which its authors wrote for it.

use std::future::Future;
use std::time::Duration;

use local_sync::mpsc::{bounded, unbounded};
use monoio::task::JoinHandle;
use monoio::{LegacyDriver, RuntimeBuilder};

use super::rival::{Channel, Rival};
use super::row::Row;

#[derive(Clone, Copy)]
pub struct Monoio;

impl Rival for Monoio {
    type Join = JoinHandle<u64>;
    type Bounded = Bounded;
    type Unbounded = Unbounded;
    type Sleep = monoio::time::Sleep;

    fn offers(_row: Row) -> bool {
        true
    }

    fn run<F>(main: impl FnOnce(Monoio) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let mut runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build().expect("a runtime can be made");
        runtime.block_on(main(Monoio))
    }

    fn spawn(self, task: impl Future<Output = u64> + 'static) -> JoinHandle<u64> {
        monoio::spawn(task)
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(length: Duration) -> monoio::time::Sleep {
        monoio::time::sleep(length)
    }
}

pub struct Bounded;

impl Channel for Bounded {
    type Sender = bounded::Tx<u64>;
    type Receiver = bounded::Rx<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        bounded::channel(capacity)
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
    type Sender = unbounded::Tx<u64>;
    type Receiver = unbounded::Rx<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        unbounded::channel()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.recv()
    }
}
