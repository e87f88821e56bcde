//! What a runtime is like of which nothing is said: [`within`] some code, or [`everywhere`].
//!
//! This is how a program that calls [`block_on`](crate::block_on) is run, unchanged, in another world. It is for tests;
//! a library has no business here.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

use super::{RuntimeBuilder, current};
use crate::sys::World;

pub(super) type Settings = Rc<dyn Fn(RuntimeBuilder) -> RuntimeBuilder>;

thread_local! {
    static HERE: RefCell<Option<Settings>> = const { RefCell::new(None) };
}

/// The one thing that is set for the whole process, at most once, by its tests.
static EVERYWHERE: OnceLock<fn(RuntimeBuilder) -> RuntimeBuilder> = OnceLock::new();

/// Runs `code`; each runtime that it builds on this thread begins with these settings. What it says itself of a runtime
/// comes on top of them. Inside of another `within`, that one does not count.
///
/// ```
/// use coracle::testing::{self, Choices};
/// let answer = testing::within(|builder| builder.choices(Choices::seeded(7)), || coracle::block_on(async { 6 * 7 }));
/// assert_eq!(answer, 42);
/// ```
pub fn within<T>(settings: impl Fn(RuntimeBuilder) -> RuntimeBuilder + 'static, code: impl FnOnce() -> T) -> T {
    /// Also if `code` unwinds.
    struct Before(Option<Settings>);
    impl Drop for Before {
        fn drop(&mut self) {
            HERE.set(self.0.take());
        }
    }
    let _before = Before(HERE.replace(Some(Rc::new(settings))));
    code()
}

/// From now on each runtime of this process begins with these settings, but for code that runs [`within`] others. For
/// the first lines of a test program that is to run as a whole in another world.
///
/// # Errors
/// With the settings, if it was called before: they stay as they are.
///
/// ```
/// use coracle::{RuntimeBuilder, testing::{self, Choices}};
/// fn shuffled(builder: RuntimeBuilder) -> RuntimeBuilder {
///     builder.choices(Choices::seeded(7))
/// }
/// assert!(testing::everywhere(shuffled).is_ok());
/// assert!(testing::everywhere(shuffled).is_err());
/// ```
pub fn everywhere(settings: fn(RuntimeBuilder) -> RuntimeBuilder) -> Result<(), fn(RuntimeBuilder) -> RuntimeBuilder> {
    EVERYWHERE.set(settings)
}

/// What this place does to the settings that a runtime begins with, if anything.
pub(super) fn settings() -> Option<Settings> {
    // While the thread ends there are none of its own any more.
    let here = HERE.try_with(|here| here.borrow().clone()).ok().flatten();
    here.or_else(|| EVERYWHERE.get().map(|everywhere| Rc::new(*everywhere) as Settings))
}

/// The world of the runtime that this thread is inside of, for what is made there and belongs to no runtime; outside of
/// all, that of a runtime of which nothing is said.
pub(crate) fn world_here() -> World {
    current().map_or_else(|| RuntimeBuilder::new().its_world(), |event_loop| event_loop.world().clone())
}
