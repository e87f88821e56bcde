//! Values that belong to a task: [`Local`], a key to one.
//!
//! The values lie with the task's details (`task/extras.rs`). Here is what a key is: the address of a
//! `static`. Nothing is looked up by type or by name, and a task that has no values pays nothing.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::task::{LocalKey, here};

/// A value that each task has for itself, found by a `static` key: a request's number, a span of a trace.
///
/// A task begins without it ([`new`](Local::new)), or with that of the task that spawned it
/// ([`inherited`](Local::inherited)), and changes only its own. A task that is spawned from another thread, or by a task of
/// another runtime, inherits nothing.
///
/// A task's values are dropped when it ends: on its own thread, in the order in which they were first set, after its
/// future, before its join completes. By then no task is running, and so in the destructors of an *aborted* task's future:
/// they find no values. A panic in such a drop is reported like that of a task which nobody awaited.
///
/// ```
/// use coracle::task::Local;
/// static REQUEST: Local<String> = Local::new();
/// static TRACE: Local<u64> = Local::inherited();
///
/// coracle::block_on(async {
///     REQUEST.set("GET /".into()).unwrap();
///     TRACE.set(7).unwrap();
///     let child = coracle::spawn(async { (REQUEST.get(), TRACE.get()) });
///     let (request, trace) = child.await.unwrap();
///     assert_eq!((request, trace.as_deref()), (None, Some(&7)));
/// });
/// ```
///
/// A key must be a `static`, which is one place; a `const` would be another one at each use:
///
/// ```compile_fail
/// const KEY: coracle::task::Local<u32> = coracle::task::Local::new();
/// KEY.get();
/// ```
pub struct Local<T> {
    /// An atomic not for its changes (there are none), but because what can change has an address of its own: the
    /// compiler neither merges two such keys, nor makes a `&'static` one of a `const`.
    inherited: AtomicBool,
    value: PhantomData<fn() -> T>,
}

/// No task is running here. Here is the value back.
///
/// ```
/// use coracle::task::Local;
/// static NUMBER: Local<u32> = Local::new();
/// assert_eq!(NUMBER.set(5).unwrap_err().0, 5);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NoTask<T>(pub T);

impl<T> fmt::Display for NoTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no task is running here: a task-local value can only be set inside of one")
    }
}

impl<T> std::error::Error for NoTask<T> {}

impl<T> fmt::Debug for NoTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoTask(..)")
    }
}

impl<T: 'static> Local<T> {
    /// A key without inheritance: each task starts without a value.
    ///
    /// ```
    /// static USER: coracle::task::Local<&str> = coracle::task::Local::new();
    /// coracle::block_on(async { assert_eq!(USER.get(), None) });
    /// ```
    pub const fn new() -> Local<T> {
        Local { inherited: AtomicBool::new(false), value: PhantomData }
    }

    /// A key with inheritance: a task starts with the value that the task which spawned it has at that moment. Both have
    /// the same value, not a copy of it. What either sets later, the other does not see.
    ///
    /// A spawn then costs a search in the values of the spawning task, and two allocations if there are such values.
    ///
    /// ```
    /// static USER: coracle::task::Local<&str> = coracle::task::Local::inherited();
    /// coracle::block_on(async {
    ///     USER.set("ann").unwrap();
    ///     let child = coracle::spawn(async { USER.set("bob").unwrap().as_deref().copied() });
    ///     assert_eq!(child.await.unwrap(), Some("ann"));
    ///     assert_eq!(*USER.get().unwrap(), "ann");
    /// });
    /// ```
    pub const fn inherited() -> Local<T> {
        Local { inherited: AtomicBool::new(true), value: PhantomData }
    }

    /// The running task's value. `None` if it has none, and outside of any task.
    ///
    /// ```
    /// static DEPTH: coracle::task::Local<u32> = coracle::task::Local::new();
    /// assert_eq!(DEPTH.get(), None);
    /// coracle::block_on(async {
    ///     DEPTH.set(1).unwrap();
    ///     assert_eq!(*DEPTH.get().unwrap(), 1);
    /// });
    /// ```
    pub fn get(&'static self) -> Option<Rc<T>> {
        self.typed(here::with_task(|task| task.extras(|extras| extras.local(self.key())))???)
    }

    /// Gives the running task a value. The one that it had, if any.
    ///
    /// # Errors
    /// Outside of any task, with the value.
    ///
    /// ```
    /// static STATE: coracle::task::Local<&str> = coracle::task::Local::new();
    /// coracle::block_on(async {
    ///     assert_eq!(STATE.set("first").unwrap(), None);
    ///     assert_eq!(*STATE.set("second").unwrap().unwrap(), "first");
    /// });
    /// ```
    pub fn set(&'static self, value: T) -> Result<Option<Rc<T>>, NoTask<T>> {
        let mut value = Some(value);
        let old = here::with_task(|task| {
            let value = Rc::new(value.take()?);
            task.set_local(self.key(), value)
        });
        match value {
            Some(value) => Err(NoTask(value)),
            None => Ok(old.flatten().and_then(|old| self.typed(old))),
        }
    }

    /// Takes the running task's value away. `None` if it has none, and outside of any task.
    ///
    /// ```
    /// static ONCE: coracle::task::Local<u8> = coracle::task::Local::new();
    /// coracle::block_on(async {
    ///     ONCE.set(1).unwrap();
    ///     assert_eq!((ONCE.take().as_deref(), ONCE.take()), (Some(&1), None));
    /// });
    /// ```
    pub fn take(&'static self) -> Option<Rc<T>> {
        self.typed(here::with_task(|task| task.extras(|extras| extras.take_local(self.key())))???)
    }

    fn key(&'static self) -> LocalKey {
        LocalKey { address: ptr::from_ref(self).addr(), inherited: self.inherited.load(Ordering::Relaxed) }
    }

    fn typed(&self, value: Rc<dyn Any>) -> Option<Rc<T>> {
        // A key that was leaked and freed again might have had this address: then it is none of ours.
        value.downcast().ok()
    }
}

impl<T: 'static> Default for Local<T> {
    fn default() -> Self {
        Local::new()
    }
}

impl<T> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("inherited", &self.inherited).finish_non_exhaustive()
    }
}
