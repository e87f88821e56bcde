//! Tasks that borrow: a scope does not end before its children have.
//!
//! A [spawned](crate::spawn) task may outlive the function that spawned it, so it must own what it uses. The children
//! of a scope cannot: [`scope`] waits for them, or drops them with itself, whichever comes first. So they borrow what
//! was there before the scope: by shared reference, through cells, or exclusively by one.
//!
//! They live inside the scope's own future, and are polled by it, each when it was woken (see
//! [`FutureSet`](crate::task::FutureSet) for order and cost): one task runs them all. That is what makes a scope sound
//! without `unsafe`: a scope that is dropped, or forgotten, takes its children along. It is also what a scope costs:
//! its children run only while its future is polled, and `task::id` is that of the task around it.
//!
//! `children.rs` is the future that owns them, `child.rs` the handles, `error.rs` what a failed scope says.

mod child;
mod children;
mod error;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;
use std::panic::Location;
use std::rc::Rc;

use crate::group::child::FirstPanic;
use crate::task::{JoinError, Payload, contain};

use child::Slot;
pub use child::{CaughtChild, Child};
use children::{Children, Live, boxed};
pub use error::ScopeError;

/// Runs `body`, and the children that it spawns, until all of them have ended; gives what the body returned.
///
/// The body is polled first, then the children, in the order of their spawning; later each when it is woken. The body
/// may await the handles of children, or leave that to the scope.
///
/// # When a child fails
///
/// A child that panics ends its scope: the body and the other children are dropped, in the order of their spawning, and
/// then the panic goes on. In [`try_scope`] an error of a child, or of the body, does the same, and is returned. For a
/// child whose panic is nobody else's business there is [`spawn_catching`](Scope::spawn_catching). To keep all results
/// and errors, [`spawn`](Scope::spawn) futures that give a `Result` and await their handles, or say
/// [`collect_errors`](Scope::collect_errors).
///
/// # Lifetimes
///
/// - Write the body as an async closure, `async |s| { … }`; `|s| async { … }` cannot name the lifetimes.
/// - What children borrow must live outside of the scope. What is made in the body is moved in: `async move { … }`.
/// - A `&mut` goes to one child, by `async move`, or by being used in that child alone.
/// - Children may use `s` to spawn further ones.
///
/// **Cancel safety**: lossy; dropping it drops the body and the children, in this order, on the spot.
///
/// # Panics
/// With the first panic of the body or a child, when all others have been dropped. If there were more, the panic hook
/// has reported them.
///
/// ```
/// use coracle::scope::scope;
/// use std::cell::Cell;
///
/// coracle::block_on(async {
///     let numbers = vec![1, 2, 3];
///     let calls = Cell::new(0);
///     let sum = scope(async |s| {
///         let sum = s.spawn(async {
///             calls.set(calls.get() + 1);
///             numbers.iter().sum::<i32>()
///         });
///         s.spawn(async { calls.set(calls.get() + numbers.len()) });
///         sum.await
///     })
///     .await;
///     assert_eq!((sum, calls.get()), (6, 4));
/// });
/// ```
///
/// What is made inside of the scope, children cannot borrow:
///
/// ```compile_fail,E0597
/// coracle::block_on(coracle::scope::scope(async |s| {
///     let inside = String::from("gone before the child");
///     s.spawn(async { inside.len() });
/// }));
/// ```
///
/// Nor can what was borrowed be used, changed or dropped while the scope is:
///
/// ```compile_fail,E0505
/// let text = String::new();
/// let running = coracle::scope::scope(async |s| {
///     s.spawn(async { text.len() });
/// });
/// drop(text);
/// coracle::block_on(running);
/// ```
///
/// The scope and its handles do not leave it:
///
/// ```compile_fail
/// let handle = coracle::block_on(coracle::scope::scope(async |s| s.spawn(async {})));
/// ```
#[track_caller]
pub fn scope<'env, T, F>(body: F) -> impl Future<Output = T>
where
    F: for<'scope> AsyncFnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let at = Location::caller();
    async move {
        let (scope, output) = (Scope::new(), Cell::new(None));
        let ended = |returned| {
            output.set(Some(returned));
            ControlFlow::Continue(())
        };
        run(&scope, body, ended, at).await;
        output.take().expect("a scope whose body has not returned panics")
    }
}

/// Like [`scope`](scope()) for bodies and children that can fail: those made by [`try_spawn`](Scope::try_spawn). The
/// first error ends the scope: everybody else is dropped, in the order of spawning, and it is returned.
///
/// **Cancel safety**: lossy; dropping it drops the body and the children, in this order, on the spot.
///
/// # Errors
/// With the first error of the body or of a child, in order of time, and those that came after it while the scope
/// ended.
///
/// # Panics
/// As [`scope`](scope()) does. Errors are lost then.
///
/// ```
/// use coracle::scope::try_scope;
/// coracle::block_on(async {
///     let words = ["1", "2", "three"];
///     let sum = std::cell::Cell::new(0);
///     let failed = try_scope(async |s| {
///         for word in words {
///             let sum = &sum;
///             s.try_spawn(async move {
///                 sum.set(sum.get() + word.parse::<i32>()?);
///                 Ok(())
///             });
///         }
///         Ok(())
///     })
///     .await;
///     let first: std::num::ParseIntError = failed.unwrap_err().first;
///     assert_eq!((first.to_string().as_str(), sum.get()), ("invalid digit found in string", 3));
/// });
/// ```
#[track_caller]
pub fn try_scope<'env, T, E, F>(body: F) -> impl Future<Output = Result<T, ScopeError<E>>>
where
    F: for<'scope> AsyncFnOnce(&'scope Scope<'scope, 'env, E>) -> Result<T, E>,
{
    let at = Location::caller();
    async move {
        let (scope, output) = (Scope::new(), Cell::new(None));
        let ended = |returned| match returned {
            Ok(value) => {
                output.set(Some(value));
                ControlFlow::Continue(())
            }
            Err(error) => scope.fails_with(error),
        };
        run(&scope, body, ended, at).await;
        match ScopeError::of(scope.errors.take()) {
            Some(error) => Err(error),
            None => Ok(output.take().expect("a scope whose body has not returned has failed")),
        }
    }
}

/// Runs the body as the first child, until all children have ended or one has failed. Panics go on.
async fn run<'scope, 'env, T, E, F>(
    scope: &'scope Scope<'scope, 'env, E>,
    body: F,
    ended: impl FnOnce(T) -> ControlFlow<()> + 'scope,
    at: &'static Location<'static>,
) where
    F: AsyncFnOnce(&'scope Scope<'scope, 'env, E>) -> T,
    F: 'scope,
{
    // Before the body: what that spawns is dropped by this, whatever happens.
    let mut children = Children::new(scope, at);
    let body = boxed(body(scope), move |outcome| match outcome {
        Ok(returned) => ended(returned),
        Err(payload) => scope.panics_with(payload),
    });
    children.insert(Live { future: body, seat: None });
    std::future::poll_fn(|cx| children.poll(cx)).await;
    drop(children);
    scope.notes.panics.resume();
}

/// What a body gets, to spawn children with; made by [`scope`](scope()) and [`try_scope`].
///
/// `'scope` is the life of the scope, `'env` that of what is outside of it.
///
/// ```
/// use coracle::scope::{Scope, scope};
/// fn spawn_both<'scope>(s: &'scope Scope<'scope, '_>, name: &'scope str) {
///     s.spawn(async move { assert_eq!(name, "both") });
///     s.spawn(async move { assert_eq!(name.len(), 4) });
/// }
/// let name = String::from("both");
/// coracle::block_on(scope(async |s| spawn_both(s, &name)));
/// ```
pub struct Scope<'scope, 'env: 'scope, E = Infallible> {
    /// Spawned, and not yet taken in by [`Children`]. Emptied by those before this goes: that a scope is borrowed by
    /// its own children is allowed because dropping it does nothing with them.
    new: RefCell<ManuallyDrop<Vec<Live<'scope>>>>,
    notes: Notes,
    errors: RefCell<Vec<E>>,
    /// An error does not end the scope.
    collects: Cell<bool>,
    env: PhantomData<Cell<&'env ()>>,
}

/// What the handles of children leave for the scope.
#[derive(Default)]
struct Notes {
    /// Keys of children that are to be dropped.
    aborted: RefCell<Vec<usize>>,
    abort_all: Cell<bool>,
    /// Somebody awaits what a failed child was to give, and can never go on.
    stuck: Cell<bool>,
    panics: FirstPanic,
}

impl<'scope, 'env, E> Scope<'scope, 'env, E> {
    fn new() -> Scope<'scope, 'env, E> {
        let (errors, collects) = (RefCell::default(), Cell::new(false));
        Scope { new: RefCell::default(), notes: Notes::default(), errors, collects, env: PhantomData }
    }

    fn fails_with(&self, error: E) -> ControlFlow<()> {
        self.errors.borrow_mut().push(error);
        if self.collects.get() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn panics_with(&self, payload: Payload) -> ControlFlow<()> {
        self.notes.panics.keep(payload);
        ControlFlow::Break(())
    }

    fn deliver<T>(&self, slot: &Slot<T>, output: T) -> ControlFlow<()> {
        let panic = slot.put(output).and_then(|unwanted| contain(|| drop(unwanted)));
        panic.map_or(ControlFlow::Continue(()), |payload| self.panics_with(payload))
    }

    fn add<F: Future + 'scope, T: 'scope>(
        &'scope self,
        future: F,
        slot: &Rc<Slot<T>>,
        ended: impl FnOnce(&Slot<T>, Result<F::Output, Payload>) -> ControlFlow<()> + 'scope,
    ) {
        let own = slot.clone();
        let future = boxed(future, move |outcome| ended(&own, outcome));
        self.new.borrow_mut().push(Live { future, seat: Some(slot.clone()) });
    }

    /// Makes a child of `future`. It is polled first after those that were spawned before it; the scope waits for its
    /// end. The handle may be awaited, for the output, or dropped. A panic of the child ends the scope.
    ///
    /// **Cancel safety**: cancel-safe; see [`Child`].
    ///
    /// It costs three allocations. While the scope ends early, what is spawned by the drops of its children is dropped,
    /// too.
    ///
    /// ```
    /// use coracle::scope::scope;
    /// let word = String::from("borrowed");
    /// let length = coracle::block_on(scope(async |s| {
    ///     let child = s.spawn(async { s.spawn(async { word.len() }).await });
    ///     child.await
    /// }));
    /// assert_eq!(length, 8);
    /// ```
    #[track_caller]
    pub fn spawn<F: Future + 'scope>(&'scope self, future: F) -> Child<'scope, F::Output> {
        let slot = Slot::new();
        self.add(future, &slot, |slot, outcome| match outcome {
            Ok(output) => self.deliver(slot, output),
            Err(payload) => self.panics_with(payload),
        });
        Child::new(slot, &self.notes)
    }

    /// Makes a child of a future that can fail: an error ends the scope, which returns it; the handle gives the value.
    /// Of use in a [`try_scope`].
    ///
    /// **Cancel safety**: cancel-safe; see [`Child`].
    ///
    /// ```
    /// use coracle::scope::try_scope;
    /// async fn number(word: &str) -> Result<i32, std::num::ParseIntError> {
    ///     word.parse()
    /// }
    /// let sum = coracle::block_on(try_scope(async |s| {
    ///     let (one, two) = (s.try_spawn(number("1")), s.try_spawn(number("2")));
    ///     Ok(one.await + two.await)
    /// }));
    /// assert_eq!(sum.unwrap(), 3);
    /// ```
    #[track_caller]
    pub fn try_spawn<F, T>(&'scope self, future: F) -> Child<'scope, T>
    where
        F: Future<Output = Result<T, E>> + 'scope,
        T: 'scope,
    {
        let slot = Slot::new();
        self.add(future, &slot, |slot, outcome| match outcome {
            Ok(Ok(output)) => self.deliver(slot, output),
            Ok(Err(error)) => {
                slot.fail();
                self.fails_with(error)
            }
            Err(payload) => self.panics_with(payload),
        });
        Child::new(slot, &self.notes)
    }

    /// Makes a child whose panic does not end the scope: the handle gives it as an error, as that of a task does. A
    /// panic that nobody awaited goes on when all children have ended.
    ///
    /// **Cancel safety**: cancel-safe; see [`CaughtChild`].
    ///
    /// ```
    /// use coracle::{scope::scope, task::JoinError};
    /// coracle::block_on(scope(async |s| {
    ///     let child = s.spawn_catching(async { panic!("boom") });
    ///     assert!(matches!(child.await, Err::<(), _>(JoinError::Panicked(_))));
    /// }));
    /// ```
    #[track_caller]
    pub fn spawn_catching<F: Future + 'scope>(&'scope self, future: F) -> CaughtChild<'scope, F::Output> {
        let slot = Slot::new();
        self.add(future, &slot, |slot, outcome| match outcome {
            Err(payload) if slot.is_abandoned() => {
                self.notes.panics.keep(payload);
                ControlFlow::Continue(())
            }
            outcome => self.deliver(slot, outcome.map_err(JoinError::Panicked)),
        });
        CaughtChild::new(Child::new(slot, &self.notes))
    }

    /// From now on an error does not end the scope: the others run on, and all errors are returned. Only if somebody
    /// awaits the handle of a child that failed, and so can never go on, everybody else is dropped at that.
    ///
    /// ```
    /// use coracle::scope::try_scope;
    /// let failed = coracle::block_on(try_scope(async |s| {
    ///     s.collect_errors();
    ///     for n in 1..=3 {
    ///         s.try_spawn(async move { if n == 2 { Ok(()) } else { Err(n) } });
    ///     }
    ///     Ok(())
    /// }));
    /// assert!(failed.unwrap_err().into_all().eq([1, 3]));
    /// ```
    pub fn collect_errors(&self) {
        self.collects.set(true);
    }

    /// Ends all children that have been spawned so far, but not the body: they are polled no more, and dropped at the
    /// end of the scope's poll, in which this is called, in the order of their spawning. Whoever awaits their handles
    /// finds them aborted.
    ///
    /// ```
    /// use coracle::scope::scope;
    /// coracle::block_on(scope(async |s| {
    ///     s.spawn(std::future::pending::<()>());
    ///     s.abort_all(); // else the scope would never end
    /// }));
    /// ```
    pub fn abort_all(&self) {
        self.notes.abort_all.set(true);
        let seats: Vec<_> = self.new.borrow().iter().filter_map(|child| child.seat.clone()).collect();
        seats.iter().for_each(|seat| seat.mark_aborted());
    }
}

impl<E> fmt::Debug for Scope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("new", &self.new.borrow().len()).finish_non_exhaustive()
    }
}
