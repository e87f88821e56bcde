//! tokio, current_thread, everything enabled; `spawn` and `sync::mpsc`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::rival::{Channel, Remote, Rival};
use super::row::Row;

#[derive(Clone, Copy)]
pub struct Tokio;

impl Rival for Tokio {
    type Runtime = Runtime;
    type Join = JoinHandle<u64>;
    type Bounded = Bounded;
    type Unbounded = Unbounded;
    type RemoteBounded = Bounded;
    type RemoteUnbounded = Unbounded;

    fn offers(_row: &Row) -> bool {
        true
    }

    fn make() -> Runtime {
        Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
    }

    fn block_on<F>(runtime: &mut Runtime, main: impl FnOnce(Tokio) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        runtime.block_on(main(Tokio))
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> JoinHandle<u64> {
        tokio::spawn(OnOneThread(task))
    }

    fn value(joined: Result<u64, JoinError>) -> u64 {
        joined.expect("no task panics")
    }

    fn sleep(length: Duration) -> impl Future {
        tokio::time::sleep(length)
    }
}

/// `spawn` asks for a future that is `Send`, and is the quicker of tokio's two ways to spawn on a current_thread
/// runtime (`LocalSet` adds a queue of its own); the work here is the same as for the others, who do not ask.
struct OnOneThread<F>(F);

// SAFETY: a current_thread runtime polls and drops its tasks on the thread in `block_on`, and that is where it is
// dropped.
unsafe impl<F> Send for OnOneThread<F> {}

impl<F: Future> Future for OnOneThread<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context) -> Poll<F::Output> {
        // SAFETY: the field is pinned when the whole is: it is never moved out, and there is no Drop or Unpin of our
        // own.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(context)
    }
}

pub struct Bounded;

impl Channel for Bounded {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(capacity)
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
    type Sender = mpsc::UnboundedSender<u64>;
    type Receiver = mpsc::UnboundedReceiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::unbounded_channel()
    }

    async fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.recv()
    }
}

impl Remote for Bounded {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(capacity)
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.blocking_send(value).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.recv()
    }
}

impl Remote for Unbounded {
    type Sender = mpsc::UnboundedSender<u64>;
    type Receiver = mpsc::UnboundedReceiver<u64>;

    fn new(_capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::unbounded_channel()
    }

    fn send(sender: &mut Self::Sender, value: u64) {
        sender.send(value).expect("the receiver is there");
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> {
        receiver.recv()
    }
}
