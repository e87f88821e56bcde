//! [`race`] and [`race_ok`]: several futures at once, until the first has ended, or succeeded.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::future_set::FutureSet;
use super::join::Member;
use super::join_all::try_join_all;

/// Runs several futures at once, within this task, until the first ends. Gives its output. The losers are *dropped*, in
/// order, before it returns: whatever they had half done is lost, as far as the docs of each under *Cancel safety* say.
/// To keep the loser, use [`select`](crate::task::select).
///
/// `futures` is a tuple of up to eight with outputs of one type, an array or a `Vec`. A race of none never ends.
///
/// They are polled in the order given, without any hidden randomness, so of those that can end in the same poll the
/// first wins. In a loop, a first future that is always ready hence starves the others: put that which must not wait
/// first (the end of the program, a deadline), or draw lots yourself by changing the order from round to round. In
/// arrays and vectors only those that were woken are polled, in the order of their wakes.
///
/// **Cancel safety**: lossy; dropping it drops all of the futures.
///
/// ```
/// use coracle::task::race;
/// coracle::block_on(async {
///     assert_eq!(race((std::future::pending(), async { "ready" })).await, "ready");
///     assert_eq!(race([1, 2].map(std::future::ready)).await, 1);
/// });
/// ```
pub fn race<R: Race>(futures: R) -> impl Future<Output = R::Output> {
    futures.race()
}

/// Runs futures at once, within this task, until the first *succeeds*: mirrors of a file, addresses of a host. The
/// others are dropped before it returns.
///
/// **Cancel safety**: lossy; dropping it drops the futures that have not ended, and the errors of those that have.
///
/// # Errors
/// If all have failed: with all errors, in the order in which the futures were given. At once if there are none.
///
/// ```
/// use coracle::task::race_ok;
/// coracle::block_on(async {
///     let even = |n: u32| async move { if n % 2 == 0 { Ok(n) } else { Err(n) } };
///     assert_eq!(race_ok([1, 2, 4].map(even)).await, Ok(2));
///     assert_eq!(race_ok([3, 1].map(even)).await, Err(vec![3, 1]));
/// });
/// ```
pub fn race_ok<I, T, E>(futures: I) -> impl Future<Output = Result<T, Vec<E>>>
where
    I: IntoIterator,
    I::Item: Future<Output = Result<T, E>>,
{
    // A race is a join that ends early, with success and failure exchanged.
    let exchanged = try_join_all(futures.into_iter().map(|future| async {
        match future.await {
            Ok(value) => Err(value),
            Err(error) => Ok(error),
        }
    }));
    async {
        match exchanged.await {
            Ok(errors) => Err(errors),
            Err(value) => Ok(value),
        }
    }
}

/// What [`race`] takes: tuples of up to eight futures, arrays and vectors.
///
/// ```
/// use coracle::task::Race;
/// assert_eq!(coracle::block_on((std::future::pending(), async { 2 }).race()), 2);
/// ```
pub trait Race {
    /// What each of them gives.
    type Output;

    /// See [`race`].
    fn race(self) -> impl Future<Output = Self::Output>;
}

async fn race_all<F: Future>(futures: impl IntoIterator<Item = F>) -> F::Output {
    let mut set: FutureSet<F> = futures.into_iter().collect();
    match set.next().await {
        Some(first) => first,
        None => pending().await,
    }
}

impl<F: Future> Race for Vec<F> {
    type Output = F::Output;

    fn race(self) -> impl Future<Output = F::Output> {
        race_all(self)
    }
}

impl<F: Future, const N: usize> Race for [F; N] {
    type Output = F::Output;

    fn race(self) -> impl Future<Output = F::Output> {
        race_all(self)
    }
}

macro_rules! race_a_tuple {
    ($($F:ident $member:ident),+) => {
        impl<Out, $($F: Future<Output = Out>),+> Race for ($($F,)+) {
            type Output = Out;

            async fn race(self) -> Out {
                let ($($member,)+) = self;
                $(let $member = pin!(Some($member));)+
                $(let mut $member = Member::new($member);)+
                let first = poll_fn(|cx| {
                    $(if $member.poll(cx).is_some() {
                        return Poll::Ready($member.take());
                    })+
                    Poll::Pending
                })
                .await;
                $($member.end();)+
                first.expect("it has just ended")
            }
        }
    };
}

race_a_tuple!(A a);
race_a_tuple!(A a, B b);
race_a_tuple!(A a, B b, C c);
race_a_tuple!(A a, B b, C c, D d);
race_a_tuple!(A a, B b, C c, D d, E e);
race_a_tuple!(A a, B b, C c, D d, E e, F f);
race_a_tuple!(A a, B b, C c, D d, E e, F f, G g);
race_a_tuple!(A a, B b, C c, D d, E e, F f, G g, H h);
