//! [`Event`]: a flag that tasks can wait for.
//!
//! A cell and a `WaitQueue`; it keeps no count of how often it was set. For wakes that must not get lost, and are for
//! one task each, there is `notify`.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::WaitQueue;
use crate::observer::WaitReason;
use crate::task::here;
use crate::wait_list::WaitKey;

/// A flag that tasks can wait for, as asyncio and gevent have it: set, it lets everybody through until it is cleared.
///
/// Take an `Event` for a *state* that many ask for: "connected", "shutting down". Take a [`Notify`](super::Notify) for
/// *something that happened* and that one task is to deal with: "there is work".
///
/// All that wait when it is set go on, also if it is cleared before they run; so whoever needs the flag to be set *now*
/// asks [`is_set`](Event::is_set) again. Those that come after the clearing wait.
///
/// ```
/// use std::rc::Rc;
/// let ready = Rc::new(coracle::sync::Event::new());
/// coracle::block_on(async {
///     let tasks: Vec<_> = (0..3)
///         .map(|n| {
///             let ready = ready.clone();
///             coracle::spawn(async move { ready.wait().await; n })
///         })
///         .collect();
///     coracle::task::yield_now().await;
///     ready.set();
///     for (n, task) in tasks.into_iter().enumerate() {
///         assert_eq!(task.await.unwrap(), n);
///     }
/// });
/// ```
#[derive(Default)]
pub struct Event {
    set: Cell<bool>,
    queue: WaitQueue,
}

impl Event {
    /// An event that is not set.
    ///
    /// ```
    /// assert!(!coracle::sync::Event::new().is_set());
    /// ```
    pub fn new() -> Event {
        Event::default()
    }

    /// Sets it, and wakes all that wait, in order. How many. If it was set before, nobody waits.
    ///
    /// ```
    /// let event = coracle::sync::Event::new();
    /// assert_eq!(event.set(), 0);
    /// assert!(event.is_set());
    /// ```
    pub fn set(&self) -> usize {
        self.set.set(true);
        self.queue.wake_all()
    }

    /// Clears it: whoever comes now waits.
    ///
    /// ```
    /// let event = coracle::sync::Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    pub fn clear(&self) {
        self.set.set(false);
    }

    /// Whether it is set.
    ///
    /// ```
    /// assert!(!coracle::sync::Event::new().is_set());
    /// ```
    pub fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Waits until it is set; not at all, if it is.
    ///
    /// **Cancel safety**: cancel-safe; a dropped one changes nothing for anybody.
    ///
    /// ```
    /// let event = coracle::sync::Event::new();
    /// event.set();
    /// coracle::block_on(event.wait());
    /// ```
    #[track_caller]
    pub fn wait(&self) -> EventWait<'_> {
        EventWait { event: self, place: None, at: Location::caller() }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).field("waiting", &self.queue.len()).finish()
    }
}

/// See [`Event::wait`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct EventWait<'a> {
    event: &'a Event,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl Future for EventWait<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.place.is_none() && self.event.is_set() && here::has_budget() {
            here::spend();
            return Poll::Ready(());
        }
        self.wait(cx)
    }
}

impl EventWait<'_> {
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let this = self;
        let event = this.event;
        let chosen = this.place.as_ref().is_some_and(|place| event.queue.is_chosen(place));
        if (chosen || event.is_set()) && here::may_go_on(cx) {
            here::spend();
            event.queue.leave(&mut this.place, true);
            return Poll::Ready(());
        }
        if !chosen && !event.is_set() {
            event.queue.stand(&mut this.place, cx, || event.is_set());
        }
        here::waits(WaitReason::Sync("an event"), this.at);
        Poll::Pending
    }
}

impl Drop for EventWait<'_> {
    #[inline]
    fn drop(&mut self) {
        self.event.queue.leave(&mut self.place, false);
    }
}
