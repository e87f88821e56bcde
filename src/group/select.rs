//! [`select`]: two futures, until one has ended; the other is given back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// One of two.
///
/// ```
/// use coracle::task::Either;
/// let either: Either<u8, &str> = Either::Right("text");
/// assert!(matches!(either, Either::Right(_)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<L, R> {
    /// The first.
    Left(L),
    /// The second.
    Right(R),
}

/// Runs two futures at once, within this task, until the first ends, and gives the other *back*, unfinished: nothing is
/// lost. `first` is polled first, always; of two that can end in the same poll it wins. For more than two, use a
/// [`FutureSet`](crate::task::FutureSet).
///
/// The futures are given by value if they are `Unpin`; others by reference: `select(pin!(a), pin!(b))`, or in a loop
/// `select(a.as_mut(), b.as_mut())`.
///
/// # Futurelock
///
/// A future that is kept but not polled stands still *in the middle of what it was doing*. It may hold a lock, a place
/// in the queue for one, or a slot in a channel, and nobody else gets that until it is polled again, or dropped. A task
/// that keeps such a loser and then waits for something that needs the same lock waits for ever, and no runtime can
/// help. (Oxide RFD 609 gave this deadlock its name.) So, when a future has lost:
///
/// - go on polling it: by the next round of the loop, without awaiting anything else between;
/// - or drop it, before anything else is awaited, if its docs say under *Cancel safety* that nothing is lost: that is
///   [`race`](crate::task::race);
/// - or let it be a task of its own from the start: [`spawn`](crate::spawn) it and select over its handle. A task runs
///   on, whoever looks at its handle.
///
/// The same holds for a [`FutureSet`](crate::task::FutureSet) between two calls of `next`: do not await there what its
/// futures hold.
///
/// **Cancel safety**: cancel-safe for futures given by reference, which stay as they are; those given by value are
/// dropped with it.
///
/// ```
/// use coracle::task::{Either, select};
/// use std::pin::pin;
///
/// coracle::block_on(async {
///     let (sender, receiver) = coracle::sync::channel::bounded(1);
///     let (tick, value) = (pin!(coracle::task::yield_now()), pin!(receiver.recv()));
///     let Either::Left(((), value)) = select(tick, value).await else { panic!("nothing was sent") };
///     sender.send(5).await.unwrap();
///     assert_eq!(value.await, Some(5), "it goes on where it stood");
/// });
/// ```
pub fn select<A: Future + Unpin, B: Future + Unpin>(first: A, second: B) -> Select<A, B> {
    Select { futures: Some((first, second)) }
}

/// See [`select`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Select<A, B> {
    futures: Option<(A, B)>,
}

impl<A: Future + Unpin, B: Future + Unpin> Future for Select<A, B> {
    type Output = Either<(A::Output, B), (B::Output, A)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let both = "a Select was polled after its end";
        let (first, second) = self.futures.as_mut().expect(both);
        if let Poll::Ready(output) = Pin::new(first).poll(cx) {
            let (_, loser) = self.futures.take().expect(both);
            return Poll::Ready(Either::Left((output, loser)));
        }
        if let Poll::Ready(output) = Pin::new(second).poll(cx) {
            let (loser, _) = self.futures.take().expect(both);
            return Poll::Ready(Either::Right((output, loser)));
        }
        Poll::Pending
    }
}
