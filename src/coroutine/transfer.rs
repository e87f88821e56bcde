//! [`Peers`]: coroutines that pass control to one another by name (symmetric transfer, as greenlets do).
//!
//! Asymmetric coroutines and a loop are enough for it (de Moura and Ierusalimschy, "Revisiting Coroutines", 2004): a peer
//! that switches yields *to whom* and *what* to the loop below, which resumes that one next. So control goes from peer to
//! peer, but the stack is always the same two calls deep.
//!
//! ```text
//!    run("a", v) ──▶ loop ──▶ a   yields (b, x)
//!                    loop ──▶ b   given x, yields (a, y)
//!                    loop ──▶ a   given y, returns z:  z goes to a's parent, here the runner
//!    Ok(z)       ◀── loop
//! ```
//!
//! Control is always in one place. What it does not do: run two peers at once, or by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use super::peer::{Address, Answer, Coroutine, Peer, PeerId, Request, RunError, SwitchError, To, coroutine};
use super::step::Step;
use crate::task::here;

/// A set of named coroutines between which control and values of type `V` pass.
///
/// Each is an `async` closure that is given its [`Peer`] and the first value that is passed to it. When it returns, control
/// and what it returned go to its *parent* (to that one's parent, if that one is finished): the runner, or the peer that
/// [added](Peer::add) it. A finished peer keeps a record (some hundred bytes) until the set is dropped.
///
/// ```
/// use coracle::coroutine::Peers;
/// let said = std::cell::RefCell::new(vec![]);
/// let mut peers = Peers::new();
/// peers.add("f1", async |me, ()| {
///     said.borrow_mut().push(12);
///     me.switch_to("f2", ()).await.unwrap();
///     said.borrow_mut().push(34);
///     me.switch_to("f2", ()).await.unwrap();
/// }).unwrap();
/// peers.add("f2", async |me, ()| {
///     said.borrow_mut().push(56);
///     me.switch_to("f1", ()).await.unwrap();
///     said.borrow_mut().push(78);
/// }).unwrap();
/// peers.run("f1", ()).unwrap();
/// assert_eq!(*said.borrow(), [12, 56, 34, 78]);
/// ```
pub struct Peers<'a, V> {
    peers: Vec<Record<'a, V>>,
    names: BTreeMap<Cow<'static, str>, usize>,
    /// What the ids of this set have in common, and no others have.
    set: Rc<()>,
    /// Who is to run next, when a run is not over.
    control: Option<Control<V>>,
}

struct Record<'a, V> {
    coroutine: Coroutine<'a, V>,
    /// None: the runner.
    parent: Option<usize>,
    begun: bool,
}

/// Where control is, and what it brings; nothing, if that peer is in the middle of a step.
struct Control<V> {
    at: usize,
    answer: Option<Answer<V>>,
}

/// Where control goes after a step.
enum Next<V> {
    Peer(Control<V>),
    Runner(V),
}

/// A peer that is not finished has this name.
///
/// ```
/// use coracle::coroutine::{NameTaken, Peers};
/// let mut peers = Peers::new();
/// peers.add("a", async |_, ()| ()).unwrap();
/// assert_eq!(peers.add("a", async |_, ()| ()), Err(NameTaken));
/// peers.run("a", ()).unwrap();
/// assert!(peers.add("a", async |_, ()| ()).is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameTaken;

impl fmt::Display for NameTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another peer has this name")
    }
}

impl std::error::Error for NameTaken {}

impl<'a, V> Peers<'a, V> {
    /// None yet.
    ///
    /// ```
    /// assert!(coracle::coroutine::Peers::new().run("nobody", ()).is_err());
    /// ```
    pub fn new() -> Peers<'a, V> {
        Peers { peers: Vec::new(), names: BTreeMap::new(), set: Rc::new(()), control: None }
    }

    /// Adds a peer, whose parent is the runner. It does not begin before somebody switches to it.
    ///
    /// # Errors
    /// If a peer that is not finished has this name; `body` is dropped.
    ///
    /// ```
    /// let mut peers = coracle::coroutine::Peers::new();
    /// let echo = peers.add("echo", async |_, n: u32| n).unwrap();
    /// assert_eq!(peers.run(&echo, 5), Ok(5));
    /// ```
    pub fn add<F>(&mut self, name: impl Into<Cow<'static, str>>, body: F) -> Result<PeerId, NameTaken>
    where
        V: 'a,
        F: AsyncFnOnce(&Peer<'a, V>, V) -> V + 'a,
    {
        self.insert(name.into(), coroutine(body), None)
    }

    /// Passes control and `value` to a peer: where it last switched away this comes out, or, if it has not begun, it
    /// begins with this. Returns what comes back, when a peer switches to the runner, or one whose parent is the runner
    /// returns. Those that stand in a switch then stay there, for another run.
    ///
    /// # Errors
    /// If there is no such peer, or it is finished; if an earlier run is not over; if a peer awaits something that is not
    /// a switch.
    ///
    /// # Panics
    /// With the panic of a peer, which is finished then; the others stay where they are.
    ///
    /// ```
    /// let mut peers = coracle::coroutine::Peers::new();
    /// peers.add("sum", async |me, mut sum: u32| loop { sum += me.switch_to_runner(sum).await }).unwrap();
    /// assert_eq!([1, 2, 3].map(|n| peers.run("sum", n).unwrap()), [1, 3, 6]);
    /// ```
    pub fn run(&mut self, to: impl Into<Address>, value: V) -> Result<V, RunError<V>> {
        self.begin(&to.into(), value)?;
        match self.poll_control(&mut Context::from_waker(Waker::noop()), false) {
            Poll::Ready(value) => Ok(value),
            Poll::Pending => Err(RunError::Awaiting),
        }
    }

    /// Like [`run`](Peers::run), and waits where a peer waits: nobody else runs meanwhile. Peers that switch without end
    /// let other tasks have their turn now and then.
    ///
    /// **Cancel safety**: cancel-safe. Dropped before its first poll, it drops the value. Later control stays where it
    /// is, with what it brings, and [`go_on_async`](Peers::go_on_async) goes on.
    ///
    /// # Errors
    /// As `run`, but never [`RunError::Awaiting`].
    ///
    /// ```
    /// use coracle::{coroutine::Peers, task::yield_now};
    /// coracle::block_on(async {
    ///     let mut peers = Peers::new();
    ///     peers.add("slow", async |_, n: u32| { yield_now().await; n + 1 }).unwrap();
    ///     assert_eq!(peers.run_async("slow", 1).await, Ok(2));
    /// });
    /// ```
    pub fn run_async(&mut self, to: impl Into<Address>, value: V) -> Running<'_, 'a, V> {
        Running { peers: self, begin: Some((to.into(), value)) }
    }

    /// Goes on with a run that is not over: that was dropped, or gave up with [`RunError::Awaiting`]. `None`: there is
    /// none.
    ///
    /// **Cancel safety**: cancel-safe, as [`run_async`](Peers::run_async).
    ///
    /// ```
    /// use coracle::{coroutine::Peers, coroutine::RunError, task::yield_now};
    /// coracle::block_on(async {
    ///     let mut peers = Peers::new();
    ///     peers.add("slow", async |_, n: u32| { yield_now().await; n + 1 }).unwrap();
    ///     assert_eq!(peers.run("slow", 1), Err(RunError::Awaiting));
    ///     assert_eq!(peers.go_on_async().await, Some(2));
    /// });
    /// ```
    pub fn go_on_async(&mut self) -> GoingOn<'_, 'a, V> {
        GoingOn { peers: self }
    }

    fn insert(
        &mut self,
        name: Cow<'static, str>,
        coroutine: Coroutine<'a, V>,
        parent: Option<usize>,
    ) -> Result<PeerId, NameTaken> {
        if self.names.get(&name).is_some_and(|&index| !self.is_finished(index)) {
            return Err(NameTaken);
        }
        let index = self.peers.len();
        self.peers.push(Record { coroutine, parent, begun: false });
        self.names.insert(name, index);
        Ok(self.id(index))
    }

    fn id(&self, index: usize) -> PeerId {
        PeerId { set: self.set.clone(), index }
    }

    fn is_finished(&self, index: usize) -> bool {
        self.peers[index].coroutine.is_finished()
    }

    fn find(&self, address: &Address) -> Option<usize> {
        match &address.0 {
            To::Id(id) => Rc::ptr_eq(&id.set, &self.set).then_some(id.index),
            To::Name(name) => self.names.get(name).copied(),
        }
    }

    /// Control for a peer that is not finished.
    fn pass(&mut self, at: usize, value: V) -> Control<V> {
        let begun = std::mem::replace(&mut self.peers[at].begun, true);
        let answer = if begun { Answer::Value(value) } else { Answer::Begin(self.id(at), value) };
        Control { at, answer: Some(answer) }
    }

    /// The runner's switch.
    fn begin(&mut self, to: &Address, value: V) -> Result<(), RunError<V>> {
        if self.control.is_some() {
            return Err(RunError::Unfinished(value));
        }
        match self.find(to) {
            None => return Err(RunError::Unknown(value)),
            Some(at) if self.is_finished(at) => return Err(RunError::Finished(value)),
            Some(at) => self.control = Some(self.pass(at, value)),
        }
        Ok(())
    }

    /// The loop: runs whoever has control, until it is the runner. Pending: a peer awaits something; or, if this is to be
    /// fair to other tasks, it is their turn.
    fn poll_control(&mut self, cx: &mut Context<'_>, fair: bool) -> Poll<V> {
        // If a peer panics, control is nowhere.
        let mut control = self.control.take().expect("a run was polled after it was done");
        loop {
            if fair && !here::may_go_on(cx) {
                self.control = Some(control);
                return Poll::Pending;
            }
            let Poll::Ready(step) = self.peers[control.at].coroutine.poll_resume(cx, &mut control.answer) else {
                self.control = Some(control);
                return Poll::Pending;
            };
            if fair {
                here::spend();
            }
            let next = match step {
                Ok(Step::Yielded(request)) => self.serve(control.at, request),
                Ok(Step::Returned(value)) => self.leave(control.at, value),
                Err(_) => unreachable!("control is with a peer that waits for it"),
            };
            match next {
                Next::Peer(passed) => control = passed,
                Next::Runner(value) => return Poll::Ready(value),
            }
        }
    }

    fn serve(&mut self, from: usize, request: Request<'a, V>) -> Next<V> {
        let (to, value) = match request {
            Request::Switch(to, value) => (to, value),
            Request::SwitchToRunner(value) => return Next::Runner(value),
            Request::Add(new) => {
                let (name, coroutine) = *new;
                let added = self.insert(name, coroutine, Some(from));
                return Next::Peer(Control { at: from, answer: Some(Answer::Added(added)) });
            }
            Request::Ready => unreachable!("a peer is made ready before it is added"),
        };
        let refused = match self.find(&to) {
            None => SwitchError::Unknown(value),
            Some(at) if at == from => SwitchError::Running(value),
            Some(at) if self.is_finished(at) => SwitchError::Finished(value),
            Some(at) => return Next::Peer(self.pass(at, value)),
        };
        Next::Peer(Control { at: from, answer: Some(Answer::Refused(refused)) })
    }

    /// A peer has returned: to the nearest of its ancestors that is not finished.
    fn leave(&mut self, from: usize, value: V) -> Next<V> {
        let mut at = from;
        while let Some(parent) = self.peers[at].parent {
            if !self.is_finished(parent) {
                return Next::Peer(self.pass(parent, value));
            }
            at = parent;
        }
        Next::Runner(value)
    }
}

impl<V> Default for Peers<'_, V> {
    fn default() -> Self {
        Peers::new()
    }
}

impl<V> fmt::Debug for Peers<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers")
            .field("names", &self.names.keys())
            .field("control", &self.control.as_ref().map(|control| control.at))
            .finish_non_exhaustive()
    }
}

/// See [`Peers::run_async`].
#[must_use = "a future does nothing unless awaited"]
pub struct Running<'p, 'a, V> {
    peers: &'p mut Peers<'a, V>,
    begin: Option<(Address, V)>,
}

impl<V> Unpin for Running<'_, '_, V> {}

impl<V> Future for Running<'_, '_, V> {
    type Output = Result<V, RunError<V>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some((to, value)) = this.begin.take() {
            if let Err(error) = this.peers.begin(&to, value) {
                return Poll::Ready(Err(error));
            }
        }
        this.peers.poll_control(cx, true).map(Ok)
    }
}

impl<V> fmt::Debug for Running<'_, '_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("peers", self.peers).finish_non_exhaustive()
    }
}

/// See [`Peers::go_on_async`].
#[must_use = "a future does nothing unless awaited"]
pub struct GoingOn<'p, 'a, V> {
    peers: &'p mut Peers<'a, V>,
}

impl<V> Future for GoingOn<'_, '_, V> {
    type Output = Option<V>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<V>> {
        if self.peers.control.is_none() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(ready!(self.peers.poll_control(cx, true))))
    }
}

impl<V> fmt::Debug for GoingOn<'_, '_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoingOn").field("peers", self.peers).finish()
    }
}
