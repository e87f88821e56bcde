//! glommio and its local channels; from threads async-channel. A feature, since it takes longer to build than all
//! others together; needs io_uring.

use std::future::Future;
use std::time::Duration;

use glommio::channels::local_channel::{LocalReceiver, LocalSender, new_bounded, new_unbounded};
use glommio::timer::Timer;
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement, Task};

use super::rival::{Channel, Rival};
use super::row::{Row, Work};
use super::smol;

#[derive(Clone, Copy)]
pub struct Glommio;

impl Rival for Glommio {
    type Runtime = LocalExecutor;
    type Join = Task<u64>;
    type Bounded = Bounded;
    type Unbounded = Unbounded;
    type RemoteBounded = smol::Bounded;
    type RemoteUnbounded = smol::Unbounded;

    /// Its tasks count their wakers in 16 bits: more than 32,767 sleeps in one task, or wakes of it, panic. And while
    /// tasks are ready it looks for wakes from other threads only every 100 ms.
    fn offers(row: &Row) -> bool {
        match row.work {
            Work::TimersAlive => row.count() <= 10_000,
            Work::WakeStorm => false,
            _ => !row.keeps_awake(),
        }
    }

    fn make() -> LocalExecutor {
        LocalExecutorBuilder::new(Placement::Unbound).make().expect("an executor can be made")
    }

    fn block_on<F>(runtime: &mut LocalExecutor, main: impl FnOnce(Glommio) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        runtime.run(main(Glommio))
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> Task<u64> {
        glommio::spawn_local(task)
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(length: Duration) -> impl Future {
        Timer::new(length)
    }
}

pub struct Bounded;

impl Channel for Bounded {
    type Sender = LocalSender<u64>;
    type Receiver = LocalReceiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        new_bounded(capacity)
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }
}

pub struct Unbounded;

impl Channel for Unbounded {
    type Sender = LocalSender<u64>;
    type Receiver = LocalReceiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        new_unbounded()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.try_send(value).expect("the receiver is there");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }
}
