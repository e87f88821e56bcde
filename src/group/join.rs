//! [`join`]: several futures at once, until all have ended.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::join_all::join_all;

/// Runs several futures at once, within this task, and waits for all. The outputs come in the order in which the
/// futures were given, whatever the order in which they end.
///
/// `futures` is a tuple of up to eight, each of its own type; or an array or a `Vec` of one type, for which
/// [`join_all`] is used. To keep results *and errors*, join futures that give a `Result`; to end at the first error,
/// use [`try_join`](crate::task::try_join).
///
/// At each wake of the task all of a tuple that have not ended are polled, in order: there are few. It allocates
/// nothing, but holds each future twice over, since a future that was moved in is pinned in another place.
///
/// **Cancel safety**: lossy; dropping it drops the futures that have not ended, and the outputs of those that have.
///
/// ```
/// use coracle::task::join;
/// coracle::block_on(async {
///     assert_eq!(join((async { 1 }, async { "two" })).await, (1, "two"));
///     assert_eq!(join([async { 1 }]).await, [1]);
/// });
/// ```
pub fn join<J: Join>(futures: J) -> impl Future<Output = J::Output> {
    futures.join()
}

/// What [`join`] takes: tuples of up to eight futures, arrays and vectors.
///
/// ```
/// use coracle::task::Join;
/// assert_eq!(coracle::block_on((async { 1 }, async { 2 }).join()), (1, 2));
/// ```
pub trait Join {
    /// The outputs, in the same order: a tuple, an array or a vector.
    type Output;

    /// See [`join`].
    fn join(self) -> impl Future<Output = Self::Output>;
}

impl<F: Future> Join for Vec<F> {
    type Output = Vec<F::Output>;

    fn join(self) -> impl Future<Output = Self::Output> {
        join_all(self)
    }
}

impl<F: Future, const N: usize> Join for [F; N] {
    type Output = [F::Output; N];

    async fn join(self) -> Self::Output {
        let outputs = join_all(self).await;
        outputs.try_into().unwrap_or_else(|_| unreachable!("as many outputs as futures"))
    }
}

/// One of a tuple: a future until it has ended, then its output.
pub(super) struct Member<'a, F: Future> {
    future: Pin<&'a mut Option<F>>,
    output: Option<F::Output>,
}

impl<'a, F: Future> Member<'a, F> {
    pub(super) fn new(future: Pin<&'a mut Option<F>>) -> Member<'a, F> {
        Member { future, output: None }
    }

    /// Polls it unless it has ended; one that ends is dropped at once. Its output, if it ended just now or before.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<&F::Output> {
        if let Some(future) = self.future.as_mut().as_pin_mut() {
            if let Poll::Ready(output) = future.poll(cx) {
                self.future.set(None);
                self.output = Some(output);
            }
        }
        self.output.as_ref()
    }

    /// Drops the future, if it has not ended.
    pub(super) fn end(&mut self) {
        self.future.set(None);
    }

    pub(super) fn take(&mut self) -> Option<F::Output> {
        self.output.take()
    }
}

macro_rules! join_a_tuple {
    ($($F:ident $member:ident),+) => {
        impl<$($F: Future),+> Join for ($($F,)+) {
            type Output = ($($F::Output,)+);

            async fn join(self) -> Self::Output {
                let ($($member,)+) = self;
                $(let $member = pin!(Some($member));)+
                $(let mut $member = Member::new($member);)+
                poll_fn(|cx| {
                    let mut all = true;
                    $(all &= $member.poll(cx).is_some();)+
                    if all { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                ($($member.take().expect("all have ended"),)+)
            }
        }
    };
}

join_a_tuple!(A a);
join_a_tuple!(A a, B b);
join_a_tuple!(A a, B b, C c);
join_a_tuple!(A a, B b, C c, D d);
join_a_tuple!(A a, B b, C c, D d, E e);
join_a_tuple!(A a, B b, C c, D d, E e, F f);
join_a_tuple!(A a, B b, C c, D d, E e, F f, G g);
join_a_tuple!(A a, B b, C c, D d, E e, F f, G g, H h);
