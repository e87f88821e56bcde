//! monoio on both its drivers, with timers; local-sync's channels, which its authors wrote for it, and from threads
//! async-channel, as it has none.

use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use local_sync::mpsc::{bounded, unbounded};
use monoio::task::JoinHandle;
use monoio::time::TimeDriver;
use monoio::{Driver, IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder};

use super::rival::{Channel, Rival};
use super::row::Row;
use super::smol;

/// On the driver that `D` makes.
pub struct Monoio<D>(PhantomData<D>);

/// monoio's drivers have no trait for what makes them.
pub trait Drives: 'static {
    type Driver: Driver;

    /// Does it see wakes from other threads while tasks are ready? (That on io_uring never does.)
    const SEES_WAKES: bool;

    fn make() -> Runtime<Self::Driver>;
}

pub struct OnEpoll;

impl Drives for OnEpoll {
    type Driver = TimeDriver<LegacyDriver>;

    const SEES_WAKES: bool = true;

    fn make() -> Runtime<Self::Driver> {
        RuntimeBuilder::<LegacyDriver>::new().enable_timer().build().expect("a runtime can be made")
    }
}

pub struct OnUring;

impl Drives for OnUring {
    type Driver = TimeDriver<IoUringDriver>;

    const SEES_WAKES: bool = false;

    fn make() -> Runtime<Self::Driver> {
        RuntimeBuilder::<IoUringDriver>::new().enable_timer().build().expect("a runtime can be made")
    }
}

impl<D> Clone for Monoio<D> {
    fn clone(&self) -> Self {
        Monoio(PhantomData)
    }
}

impl<D: Drives> Rival for Monoio<D> {
    type Runtime = Runtime<D::Driver>;
    type Join = JoinHandle<u64>;
    type Bounded = Bounded;
    type Unbounded = Unbounded;
    type RemoteBounded = smol::Bounded;
    type RemoteUnbounded = smol::Unbounded;

    fn offers(row: &Row) -> bool {
        D::SEES_WAKES || !row.keeps_awake()
    }

    fn make() -> Self::Runtime {
        D::make()
    }

    fn block_on<F>(runtime: &mut Self::Runtime, main: impl FnOnce(Self) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        runtime.block_on(main(Monoio(PhantomData)))
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> JoinHandle<u64> {
        monoio::spawn(task)
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(length: Duration) -> impl Future {
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
