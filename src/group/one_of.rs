//! [`first_of`]: a race of futures that give different things.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// What came first of several; made by [`first_of`].
///
/// For two or three futures the last variants cannot occur, and a `match` need not name them.
///
/// ```
/// use coracle::task::OneOf;
/// let two: OneOf<u8, &str> = OneOf::Second("words");
/// match two {
///     OneOf::First(number) => panic!("{number}"),
///     OneOf::Second(words) => assert_eq!(words, "words"),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneOf<A, B, C = Infallible, D = Infallible> {
    /// The output of the first future.
    First(A),
    /// That of the second.
    Second(B),
    /// That of the third.
    Third(C),
    /// That of the fourth.
    Fourth(D),
}

/// Runs two, three or four futures at once, within this task, until one of them ends; says which, and gives its output.
/// Like [`race`](crate::task::race), but each may give something else: a line, a tick, the end of the program.
///
/// The losers are dropped before it returns. They are polled in the order given: of those that can end in the same poll
/// the first wins.
///
/// **Cancel safety**: lossy; dropping it drops all of the futures. What a dropped one leaves behind is said by itself.
///
/// ```
/// use coracle::task::{OneOf, first_of};
/// use coracle::{sync::channel, time::sleep};
/// use std::time::Duration;
///
/// coracle::block_on(async {
///     let (sender, receiver) = channel::unbounded();
///     sender.send("a line").unwrap();
///     loop {
///         match first_of((receiver.recv(), sleep(Duration::from_millis(1)))).await {
///             OneOf::First(line) => assert_eq!(line, Some("a line")),
///             OneOf::Second(()) => break, // nothing came for a millisecond
///         }
///     }
/// });
/// ```
pub fn first_of<F: FirstOf>(futures: F) -> impl Future<Output = F::Output> {
    futures.first_of()
}

/// What [`first_of`] takes: tuples of two to four futures.
///
/// ```
/// use coracle::task::{FirstOf, OneOf};
/// let first = coracle::block_on((std::future::pending::<u8>(), async { "b" }).first_of());
/// assert_eq!(first, OneOf::Second("b"));
/// ```
pub trait FirstOf {
    /// Which of them, with its output.
    type Output;

    /// See [`first_of`].
    fn first_of(self) -> impl Future<Output = Self::Output>;
}

macro_rules! first_of_a_tuple {
    ($one_of:ty; $($F:ident $member:ident $Variant:ident),+) => {
        impl<$($F: Future),+> FirstOf for ($($F,)+) {
            type Output = $one_of;

            async fn first_of(self) -> $one_of {
                let ($($member,)+) = self;
                $(let mut $member = pin!(Some($member));)+
                let first = poll_fn(|cx| {
                    $(if let Some(Poll::Ready(output)) = $member.as_mut().as_pin_mut().map(|future| future.poll(cx)) {
                        return Poll::Ready(OneOf::$Variant(output));
                    })+
                    Poll::Pending
                })
                .await;
                $($member.set(None);)+ // in order
                first
            }
        }
    };
}

first_of_a_tuple!(OneOf<A::Output, B::Output>; A a First, B b Second);
first_of_a_tuple!(OneOf<A::Output, B::Output, C::Output>; A a First, B b Second, C c Third);
first_of_a_tuple!(OneOf<A::Output, B::Output, C::Output, D::Output>; A a First, B b Second, C c Third, D d Fourth);
