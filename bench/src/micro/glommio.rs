//! glommio and its local channels. A feature, since it takes longer to build than all others together; needs io_uring.

use std::future::Future;
use std::time::Duration;

use glommio::channels::local_channel::{LocalReceiver, LocalSender, new_bounded, new_unbounded};
use glommio::timer::Timer;
use glommio::{LocalExecutorBuilder, Placement, Task};

use super::rival::{Channel, Rival};
use super::row::Row;

#[derive(Clone, Copy)]
pub struct Glommio;

impl Rival for Glommio {
    type Join = Task<u64>;
    type Bounded = Bounded;
    type Unbounded = Unbounded;
    type Sleep = Timer;

    fn offers(_row: Row) -> bool {
        true
    }

    fn run<F>(main: impl FnOnce(Glommio) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make().expect("an executor can be made");
        executor.run(main(Glommio))
    }

    fn spawn(self, task: impl Future<Output = u64> + 'static) -> Task<u64> {
        glommio::spawn_local(task)
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(length: Duration) -> Timer {
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
