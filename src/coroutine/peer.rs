//! What one of several [`Peers`](super::Peers) has in hand: itself, and ways to the others.
//!
//! A peer is a [`Generator`] whose yields are requests to the loop in `transfer.rs`, and whose answers come from there.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use super::exchange::Yielder;
use super::generator::Generator;
use super::transfer::NameTaken;

pub(super) type Coroutine<'a, V> = Generator<'a, Request<'a, V>, Answer<V>, V>;

/// What a peer asks of the loop.
pub(super) enum Request<'a, V> {
    /// Nothing yet: it has been made, and waits for its first value.
    Ready,
    Switch(Address, V),
    SwitchToRunner(V),
    /// In a box, since all requests have the size of the largest, and switches are to be cheap.
    Add(Box<(Cow<'static, str>, Coroutine<'a, V>)>),
}

/// What the loop answers.
pub(super) enum Answer<V> {
    /// To `Ready`: control came here for the first time.
    Begin(PeerId, V),
    /// To a switch: control came back.
    Value(V),
    /// To a switch: control never went.
    Refused(SwitchError<V>),
    Added(Result<PeerId, NameTaken>),
}

/// A peer that begins with the first value that it is given. Nothing of `body` has run.
pub(super) fn coroutine<'a, V, F>(body: F) -> Coroutine<'a, V>
where
    V: 'a,
    F: AsyncFnOnce(&Peer<'a, V>, V) -> V + 'a,
{
    let coroutine = Generator::new(async move |yielder: &Yielder<Request<'a, V>, Answer<V>>| {
        let Answer::Begin(id, value) = yielder.yield_(Request::Ready).await else {
            unreachable!("not begun, and asked")
        };
        body(&Peer { yielder: yielder.another(), id }, value).await
    });
    let ready = coroutine.start();
    debug_assert!(ready.is_ok());
    coroutine
}

/// A peer, as it sees itself: lent to its body. See [`Peers`](super::Peers).
///
/// ```
/// use coracle::coroutine::Peers;
/// let mut peers = Peers::new();
/// peers.add("even", async |me, n: u32| if n == 0 { 0 } else { me.switch_to("odd", n - 1).await.unwrap() }).unwrap();
/// peers.add("odd", async |me, n| if n == 0 { 1 } else { me.switch_to("even", n - 1).await.unwrap() }).unwrap();
/// assert_eq!(peers.run("even", 1), Ok(1));
/// ```
pub struct Peer<'a, V> {
    yielder: Yielder<Request<'a, V>, Answer<V>>,
    id: PeerId,
}

impl<'a, V> Peer<'a, V> {
    /// Passes control and `value` to another peer: where it last switched away this comes out, or, if it has not begun,
    /// it begins with this. Gives what somebody passes here later. Allocates nothing (but for a [`String`]'s name).
    ///
    /// **Cancel safety**: lossy. Once control has gone, the value that comes back is dropped with it.
    ///
    /// # Errors
    /// With the value, and control stays here: if there is no such peer, if it is finished, or if it is this one.
    ///
    /// ```
    /// use coracle::coroutine::{Peers, SwitchError};
    /// let mut peers = Peers::new();
    /// peers.add("alone", async |me, n: u32| {
    ///     assert_eq!(me.switch_to("nobody", 5).await, Err(SwitchError::Unknown(5)));
    ///     assert_eq!(me.switch_to("alone", 6).await, Err(SwitchError::Running(6)));
    ///     n
    /// }).unwrap();
    /// assert_eq!(peers.run("alone", 1), Ok(1));
    /// ```
    pub async fn switch_to(&self, to: impl Into<Address>, value: V) -> Result<V, SwitchError<V>> {
        match self.yielder.yield_(Request::Switch(to.into(), value)).await {
            Answer::Value(value) => Ok(value),
            Answer::Refused(error) => Err(error),
            Answer::Begin(..) | Answer::Added(_) => unreachable!("a switch has another answer"),
        }
    }

    /// Passes control and `value` to whoever called `run`, which returns it. Gives what the next `run` of this peer, or a
    /// switch to it, passes here.
    ///
    /// **Cancel safety**: lossy, as [`switch_to`](Peer::switch_to).
    ///
    /// ```
    /// use coracle::coroutine::Peers;
    /// let mut peers = Peers::new();
    /// peers.add("adder", async |me, n: u32| { let more = me.switch_to_runner(n).await; n + more }).unwrap();
    /// assert_eq!(peers.run("adder", 1), Ok(1));
    /// assert_eq!(peers.run("adder", 5), Ok(6));
    /// ```
    pub async fn switch_to_runner(&self, value: V) -> V {
        match self.yielder.yield_(Request::SwitchToRunner(value)).await {
            Answer::Value(value) => value,
            _ => unreachable!("a switch to the runner has another answer"),
        }
    }

    /// Adds a peer whose parent is this one: when it is finished, control and its value come back here. It does not
    /// begin before somebody switches to it.
    ///
    /// **Cancel safety**: prefix-safe; a dropped one that was polled may have added the peer.
    ///
    /// # Errors
    /// If a peer that is not finished has this name; `body` is dropped.
    ///
    /// ```
    /// use coracle::coroutine::Peers;
    /// let mut peers = Peers::new();
    /// peers.add("parent", async |me, n: u32| {
    ///     let child = me.add("child", async |_, n| n + 1).await.unwrap();
    ///     10 * me.switch_to(&child, n).await.unwrap()
    /// }).unwrap();
    /// assert_eq!(peers.run("parent", 4), Ok(50));
    /// ```
    pub async fn add<F>(&self, name: impl Into<Cow<'static, str>>, body: F) -> Result<PeerId, NameTaken>
    where
        V: 'a,
        F: AsyncFnOnce(&Peer<'a, V>, V) -> V + 'a,
    {
        match self.yielder.yield_(Request::Add(Box::new((name.into(), coroutine(body))))).await {
            Answer::Added(result) => result,
            _ => unreachable!("an addition has another answer"),
        }
    }

    /// Itself, to be given to others.
    ///
    /// ```
    /// use coracle::coroutine::Peers;
    /// let mut peers = Peers::new();
    /// let id = peers.add("one", async |me, ()| assert!(format!("{:?}", me.id()).starts_with("PeerId"))).unwrap();
    /// assert_eq!(peers.run(&id, ()), Ok(()));
    /// ```
    pub fn id(&self) -> &PeerId {
        &self.id
    }
}

impl<V> fmt::Debug for Peer<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A peer of one set, and of no other. Cloning it allocates nothing.
///
/// ```
/// use coracle::coroutine::{Peers, RunError};
/// let (mut ours, mut theirs) = (Peers::new(), Peers::new());
/// let (ours_id, theirs_id) = (ours.add("a", async |_, n: u8| n).unwrap(), theirs.add("a", async |_, n: u8| n).unwrap());
/// assert!(ours_id != theirs_id);
/// assert_eq!(ours.run(&theirs_id, 1), Err(RunError::Unknown(1)));
/// ```
#[derive(Clone)]
pub struct PeerId {
    /// Which set: the same allocation.
    pub(super) set: Rc<()>,
    pub(super) index: usize,
}

impl PartialEq for PeerId {
    fn eq(&self, other: &PeerId) -> bool {
        self.index == other.index && Rc::ptr_eq(&self.set, &other.set)
    }
}

impl Eq for PeerId {}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerId").field(&self.index).finish()
    }
}

/// To whom control is to go: a name, or a [`PeerId`].
///
/// ```
/// use coracle::coroutine::Address;
/// let _: [Address; 2] = ["producer".into(), format!("worker {}", 1).into()];
/// ```
#[derive(Clone, Debug)]
pub struct Address(pub(super) To);

#[derive(Clone, Debug)]
pub(super) enum To {
    Name(Cow<'static, str>),
    Id(PeerId),
}

impl From<&'static str> for Address {
    fn from(name: &'static str) -> Address {
        Address(To::Name(Cow::Borrowed(name)))
    }
}

impl From<String> for Address {
    fn from(name: String) -> Address {
        Address(To::Name(Cow::Owned(name)))
    }
}

impl From<PeerId> for Address {
    fn from(id: PeerId) -> Address {
        Address(To::Id(id))
    }
}

impl From<&PeerId> for Address {
    fn from(id: &PeerId) -> Address {
        Address(To::Id(id.clone()))
    }
}

/// Why control did not go to another peer. Here is the value back.
///
/// ```
/// use coracle::coroutine::SwitchError;
/// assert_eq!(SwitchError::Finished(1).into_value(), 1);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SwitchError<V> {
    /// No peer of this set is called so, or is that one.
    Unknown(V),
    /// It has returned or panicked.
    Finished(V),
    /// It is the one that asks.
    Running(V),
}

impl<V> fmt::Display for SwitchError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SwitchError::Unknown(_) => "there is no such peer",
            SwitchError::Finished(_) => "that peer is finished",
            SwitchError::Running(_) => "a peer cannot switch to itself",
        })
    }
}

impl<V> std::error::Error for SwitchError<V> {}

impl<V> SwitchError<V> {
    /// The value that was not passed.
    ///
    /// ```
    /// # use coracle::coroutine::SwitchError;
    /// assert_eq!(SwitchError::Unknown(1).into_value(), 1);
    /// ```
    pub fn into_value(self) -> V {
        match self {
            SwitchError::Unknown(value) | SwitchError::Finished(value) | SwitchError::Running(value) => value,
        }
    }
}

impl<V> fmt::Debug for SwitchError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SwitchError::Unknown(_) => "Unknown(..)",
            SwitchError::Finished(_) => "Finished(..)",
            SwitchError::Running(_) => "Running(..)",
        })
    }
}

/// Why peers did not run until control came back. The value is here, but for `Awaiting`.
///
/// ```
/// use coracle::coroutine::{Peers, RunError};
/// assert_eq!(Peers::new().run("nobody", 7), Err(RunError::Unknown(7)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RunError<V> {
    /// No peer of this set is called so, or is that one.
    Unknown(V),
    /// It has returned or panicked.
    Finished(V),
    /// An earlier run is not over: see [`Peers::go_on_async`](super::Peers::go_on_async).
    Unfinished(V),
    /// A peer awaits something that is not a switch, be it only for a moment. It stays there, and has control:
    /// [`Peers::go_on_async`](super::Peers::go_on_async) goes on.
    Awaiting,
}

impl<V> fmt::Display for RunError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunError::Unknown(_) => "there is no such peer",
            RunError::Finished(_) => "that peer is finished",
            RunError::Unfinished(_) => "an earlier run of these peers is not over",
            RunError::Awaiting => "a peer awaits something that is not a switch: run it from async code",
        })
    }
}

impl<V> std::error::Error for RunError<V> {}

impl<V> RunError<V> {
    /// The value that was not passed.
    ///
    /// ```
    /// # use coracle::coroutine::RunError;
    /// assert_eq!(RunError::Unknown(1).into_value(), Some(1));
    /// ```
    pub fn into_value(self) -> Option<V> {
        match self {
            RunError::Unknown(value) | RunError::Finished(value) | RunError::Unfinished(value) => Some(value),
            RunError::Awaiting => None,
        }
    }
}

impl<V> fmt::Debug for RunError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunError::Unknown(_) => "Unknown(..)",
            RunError::Finished(_) => "Finished(..)",
            RunError::Unfinished(_) => "Unfinished(..)",
            RunError::Awaiting => "Awaiting",
        })
    }
}
