//! [`try_join`]: several futures at once, until all have succeeded or one has failed.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::join::Member;
use super::join_all::try_join_all;

/// Like [`join`](crate::task::join) for futures that give a `Result`, but ends at the first error: the one that comes
/// first in time. The other futures are dropped then, in order, before it returns.
///
/// `futures` is a tuple of up to eight, whose errors are of one type; or an array or a `Vec`, for which
/// [`try_join_all`] is used. Of tasks it drops the handles, and a task whose handle is dropped goes on: use
/// [`abort_on_drop`](crate::task::JoinHandle::abort_on_drop) if it is not to.
///
/// **Cancel safety**: lossy; dropping it drops the futures that have not ended, and the outputs of those that have.
///
/// # Errors
/// With the first error.
///
/// ```
/// use coracle::task::try_join;
/// coracle::block_on(async {
///     let both = try_join((async { Ok::<_, &str>(1) }, async { Ok("two") })).await;
///     assert_eq!(both, Ok((1, "two")));
///     // The one that would never end is dropped.
///     let failed = try_join((std::future::pending::<Result<(), _>>(), async { Err::<(), _>("no") })).await;
///     assert_eq!(failed, Err("no"));
/// });
/// ```
pub fn try_join<J: TryJoin>(futures: J) -> impl Future<Output = Result<J::Output, J::Error>> {
    futures.try_join()
}

/// What [`try_join`] takes: tuples of up to eight futures, arrays and vectors.
///
/// ```
/// use coracle::task::TryJoin;
/// assert_eq!(coracle::block_on((async { Ok::<_, ()>(1) }, async { Ok(2) }).try_join()), Ok((1, 2)));
/// ```
pub trait TryJoin {
    /// The values, in the same order: a tuple, an array or a vector.
    type Output;
    /// The error of each.
    type Error;

    /// See [`try_join`].
    fn try_join(self) -> impl Future<Output = Result<Self::Output, Self::Error>>;
}

impl<F: Future<Output = Result<T, E>>, T, E> TryJoin for Vec<F> {
    type Output = Vec<T>;
    type Error = E;

    fn try_join(self) -> impl Future<Output = Result<Vec<T>, E>> {
        try_join_all(self)
    }
}

impl<F: Future<Output = Result<T, E>>, T, E, const N: usize> TryJoin for [F; N] {
    type Output = [T; N];
    type Error = E;

    async fn try_join(self) -> Result<[T; N], E> {
        let outputs = try_join_all(self).await?;
        Ok(outputs.try_into().unwrap_or_else(|_| unreachable!("as many outputs as futures")))
    }
}

macro_rules! try_join_a_tuple {
    ($($F:ident $T:ident $member:ident),+) => {
        impl<Failure, $($F: Future<Output = Result<$T, Failure>>, $T),+> TryJoin for ($($F,)+) {
            type Output = ($($T,)+);
            type Error = Failure;

            async fn try_join(self) -> Result<Self::Output, Failure> {
                let ($($member,)+) = self;
                $(let $member = pin!(Some($member));)+
                $(let mut $member = Member::new($member);)+
                let failed = poll_fn(|cx| {
                    let mut all = true;
                    $(match $member.poll(cx) {
                        Some(Ok(_)) => {}
                        Some(Err(_)) => return Poll::Ready(true),
                        None => all = false,
                    })+
                    if all { Poll::Ready(false) } else { Poll::Pending }
                })
                .await;
                if failed {
                    $($member.end();)+
                    $(if let Some(Err(error)) = $member.take() {
                        return Err(error);
                    })+
                }
                Ok(($($member.take().and_then(Result::ok).expect("all have succeeded"),)+))
            }
        }
    };
}

try_join_a_tuple!(A T a);
try_join_a_tuple!(A T a, B U b);
try_join_a_tuple!(A T a, B U b, C V c);
try_join_a_tuple!(A T a, B U b, C V c, D W d);
try_join_a_tuple!(A T a, B U b, C V c, D W d, E X e);
try_join_a_tuple!(A T a, B U b, C V c, D W d, E X e, F Y f);
try_join_a_tuple!(A T a, B U b, C V c, D W d, E X e, F Y f, G Z g);
try_join_a_tuple!(A T a, B U b, C V c, D W d, E X e, F Y f, G Z g, H Last h);
