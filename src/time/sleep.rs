//! [`Sleep`]: one deadline.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::observer::WaitReason;
use crate::runtime::{Loop, at_home, inside, on};
use crate::task::{HomeRef, here, keep};
use crate::timers::{Look, TimerKey};

/// Waits for `duration`, counted from this call. Zero is over at once.
///
/// **Cancel safety**: cancel-safe; a dropped sleep leaves nothing behind.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use std::time::{Duration, Instant};
/// coracle::block_on(async {
///     let start = Instant::now();
///     coracle::time::sleep(Duration::from_millis(2)).await;
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::after(duration)
}

/// Waits until `deadline`; one that has passed is over at once.
///
/// **Cancel safety**: cancel-safe.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// coracle::block_on(async { coracle::time::sleep_until(coracle::time::now()).await });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(Some(deadline))
}

/// A deadline to be awaited; made by [`sleep`] and [`sleep_until`].
///
/// It is `Unpin`, may be moved at any time, and can be [reset](Sleep::reset). It counts from its creation and is set at its
/// first poll; if its time has passed by then, it is over at the next look at the world, within 64 polls. It may be polled
/// again after it is over: it stays so until it is reset. Polled on another thread than its
/// runtime's, or after the runtime's end, it panics: there is no clock that it could go by.
///
/// Setting and dropping it cost the same however many there are.
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Sleep {
    /// `None`: never.
    deadline: Option<Instant>,
    home: HomeRef,
    set: Option<TimerKey>,
    /// The deadline was ahead when the clock was last read, so it need not be read again: if it has passed since, the
    /// timer is due at once.
    ahead: bool,
    at: &'static Location<'static>,
}

impl Sleep {
    #[track_caller]
    pub(super) fn new(deadline: Option<Instant>) -> Sleep {
        let at = Location::caller();
        inside(|event_loop| Sleep::made(event_loop, deadline, false, at)).unwrap_or_else(|| outside())
    }

    /// Counted from now.
    #[inline]
    #[track_caller]
    pub(super) fn after(duration: Duration) -> Sleep {
        let at = Location::caller();
        let made = inside(|event_loop| {
            let deadline = event_loop.now().checked_add(duration);
            Sleep::made(event_loop, deadline, !duration.is_zero(), at)
        });
        made.unwrap_or_else(|| outside())
    }

    #[inline]
    fn made(event_loop: &Loop, deadline: Option<Instant>, ahead: bool, at: &'static Location<'static>) -> Sleep {
        Sleep { deadline, home: event_loop.executor.home().home().clone(), set: None, ahead, at }
    }

    /// When it is over; `None`: never.
    ///
    /// ```
    /// use std::time::Duration;
    /// coracle::block_on(async {
    ///     assert!(coracle::time::sleep(Duration::from_secs(1)).deadline().is_some());
    ///     assert!(coracle::time::sleep(Duration::MAX).deadline().is_none());
    /// });
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Another deadline, earlier or later; whoever polled it is woken for the new one only if it polls again.
    ///
    /// ```
    /// use std::time::Duration;
    /// coracle::block_on(async {
    ///     let mut sleep = coracle::time::sleep(Duration::from_secs(3600));
    ///     sleep.reset(coracle::time::now());
    ///     sleep.await;
    /// });
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.set_deadline(Some(deadline));
    }

    /// From now on the caller is where this sleep is said to be awaited.
    #[track_caller]
    pub(super) fn awaited_here(&mut self) {
        self.at = Location::caller();
    }

    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.take_back();
        self.deadline = deadline;
        self.ahead = false;
    }

    /// Takes the timer back, on whatever thread: elsewhere the request travels home.
    #[inline]
    fn take_back(&mut self) {
        let Some(key) = self.set.take() else { return };
        at_home(&self.home, move |event_loop| {
            event_loop.timers.cancel(key);
            event_loop.keep_descriptor_true();
        });
    }
}

#[cold]
#[track_caller]
fn outside() -> ! {
    panic!("timers need a runtime on this thread: use them inside `block_on` or `Runtime::enter`")
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Sleep { deadline, ahead, ref mut set, ref home, at } = *self;
        let polled = on(home, |event_loop| {
            let polled = poll_on(event_loop, deadline, ahead, set, cx);
            if polled.is_pending() {
                // After its waker was kept: see `task::kept`.
                here::waits(WaitReason::Timer, at);
            }
            polled
        });
        polled.unwrap_or_else(|away| panic!("a sleep cannot go on: {}", std::io::Error::from(away)))
    }
}

/// Polls a sleep in its own runtime.
#[inline]
fn poll_on(
    event_loop: &Loop,
    deadline: Option<Instant>,
    ahead: bool,
    set: &mut Option<TimerKey>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(deadline) = deadline else { return Poll::Pending };
    match set {
        None => {
            // Without budget left it is set all the same, to be due at once: a loop of sleeps that are over lets others
            // go on, and yet a sleep beside a task's endless work is not kept from ending it.
            if !ahead && event_loop.now() >= deadline && here::may_go_on(cx) {
                here::spend();
                return Poll::Ready(());
            }
            let Some(tick) = event_loop.timers.tick(deadline) else { return Poll::Pending };
            *set = Some(event_loop.timers.set(tick, keep(cx.waker())));
            event_loop.keep_descriptor_true();
        }
        Some(key) => match event_loop.timers.look(key, cx.waker()) {
            Look::Fired => return Poll::Ready(()),
            Look::Waits => {}
            Look::WakesAnother => event_loop.timers.renew(key, keep(cx.waker())),
        },
    }
    Poll::Pending
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        self.take_back();
    }
}
