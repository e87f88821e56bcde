//! The clock of a world that moves it by itself, from inside of a test: let everything come to rest, move the clock by
//! hand, keep it where it is.
//!
//! All of it asks the world for its [clock](crate::sys::World), which a paused and a simulated one have; no function
//! here knows which it is. How the clock moves is those worlds' business.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::observer::WaitReason;
use crate::runtime::{Loop, current};
use crate::sys::{JobUnderWay, VirtualClock};
use crate::task::{here, keep};

#[track_caller]
fn current_loop() -> Rc<Loop> {
    current().expect("the clock is a runtime's: use this inside `block_on` or `Runtime::enter`")
}

#[track_caller]
fn clock() -> Arc<VirtualClock> {
    const WHY: &str = "the clock of this runtime is the real one; give it a world with a clock that can be moved, such \
                       as `World::kernel().paused()`";
    current_loop().world().clock().expect(WHY)
}

/// Waits until all other tasks are blocked, and nothing is on its way to any of them: no task is ready, no timer due,
/// no descriptor ready, no blocking job under way. The clock has not moved by itself meanwhile.
///
/// What is foreign to this world (see [`World::paused`](crate::sys::World::paused)) is waited for as a jump of the
/// clock would wait for it. A task that never blocks is waited for as long. The runtime must be one that waits
/// ([`Runtime::block_on`](crate::Runtime::block_on)): if a loop outside only turns it, it is never known to rest.
///
/// **Cancel safety**: cancel-safe; it leaves nothing behind.
///
/// # Panics
/// Outside of a runtime, and in one whose clock is the real one.
///
/// ```
/// use coracle::{Runtime, sys::World, testing::settle};
/// use std::{cell::Cell, rc::Rc, time::Duration};
/// Runtime::builder().world(World::kernel().paused()).build().block_on(async {
///     let stage = Rc::new(Cell::new(0));
///     let setter = stage.clone();
///     let _task = coracle::spawn(async move {
///         for _ in 0..1000 {
///             coracle::task::yield_now().await;
///         }
///         setter.set(1);
///         coracle::time::sleep(Duration::from_secs(1)).await;
///         setter.set(2);
///     });
///     settle().await;
///     assert_eq!(stage.get(), 1);
/// });
/// ```
#[track_caller]
pub fn settle() -> Settle {
    Settle { clock: clock(), place: None, at: Location::caller() }
}

/// See [`settle`].
#[must_use = "a future does nothing unless awaited"]
pub struct Settle {
    clock: Arc<VirtualClock>,
    place: Option<u64>,
    at: &'static Location<'static>,
}

impl Future for Settle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.clock.poll_rest(&mut this.place, keep(cx.waker())) {
            return Poll::Ready(());
        }
        here::waits(WaitReason::Sync("everything to settle"), this.at);
        Poll::Pending
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        self.clock.leave_rest(&mut self.place);
    }
}

impl fmt::Debug for Settle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settle").finish_non_exhaustive()
    }
}

/// Moves the clock by `time`. First everything [settles](settle); then the clock goes from one timer of this runtime
/// that is due on the way to the next, in order, and everything settles at each: so a timer that is set by what another
/// one woke fires too, if it is due. At the end everything has settled again.
///
/// A [held](hold_clock) clock moves so too. Zero fires what is due by now.
///
/// **Cancel safety**: prefix-safe; a dropped one has moved the clock as far as it came.
///
/// # Panics
/// Outside of a runtime, and in one whose clock is the real one.
///
/// ```
/// use coracle::{Runtime, sys::World, testing::advance, time};
/// use std::time::Duration;
/// Runtime::builder().world(World::kernel().paused()).build().block_on(async {
///     let task = coracle::spawn(async {
///         time::sleep(Duration::from_secs(60)).await;
///         time::sleep(Duration::from_secs(60)).await;
///     });
///     advance(Duration::from_secs(119)).await;
///     assert!(!task.is_finished());
///     advance(Duration::from_secs(1)).await;
///     assert!(task.is_finished());
/// });
/// ```
#[track_caller]
pub fn advance(time: Duration) -> Advance {
    let settling = settle();
    let until = settling.clock.after(time);
    Advance { settling, until, arrived: false }
}

/// See [`advance`].
#[must_use = "a future does nothing unless awaited"]
pub struct Advance {
    settling: Settle,
    /// On the clock.
    until: Duration,
    /// It stands there; what is left is to settle.
    arrived: bool,
}

impl Future for Advance {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(Pin::new(&mut self.settling).poll(cx));
            if self.arrived {
                return Poll::Ready(());
            }
            let clock = &self.settling.clock;
            let next = next_timer(clock).filter(|next| *next < self.until);
            let to = next.unwrap_or(self.until);
            clock.advance_to(to);
            self.arrived = next.is_none();
        }
    }
}

impl fmt::Debug for Advance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Advance").field("until", &self.until).finish_non_exhaustive()
    }
}

/// When the next timer of this runtime is due, on this clock; not before now.
fn next_timer(clock: &VirtualClock) -> Option<Duration> {
    let next: Instant = current_loop().timers.next()?;
    Some(clock.after(next.saturating_duration_since(clock.now())))
}

/// Settles, moves the clock to the next timer of this runtime, and settles again: by how much the clock moved. `None`:
/// no timer waits, and it did not move.
///
/// **Cancel safety**: prefix-safe; a dropped one may have moved the clock.
///
/// # Panics
/// Outside of a runtime, and in one whose clock is the real one.
///
/// ```
/// use coracle::{Runtime, sys::World, testing::advance_to_next, time};
/// use std::time::Duration;
/// Runtime::builder().world(World::kernel().paused()).build().block_on(async {
///     let task = coracle::spawn(async { time::sleep(Duration::from_secs(60)).await });
///     assert_eq!(advance_to_next().await, Some(Duration::from_secs(60)));
///     assert!(task.is_finished());
///     assert_eq!(advance_to_next().await, None);
/// });
/// ```
#[track_caller]
pub fn advance_to_next() -> AdvanceToNext {
    AdvanceToNext { settling: settle(), moved: None }
}

/// See [`advance_to_next`].
#[must_use = "a future does nothing unless awaited"]
pub struct AdvanceToNext {
    settling: Settle,
    /// By how much, when it has.
    moved: Option<Duration>,
}

impl Future for AdvanceToNext {
    type Output = Option<Duration>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Duration>> {
        loop {
            ready!(Pin::new(&mut self.settling).poll(cx));
            if self.moved.is_some() {
                return Poll::Ready(self.moved);
            }
            let clock = &self.settling.clock;
            let Some(next) = next_timer(clock) else { return Poll::Ready(None) };
            let moved = next.saturating_sub(clock.passed());
            clock.advance_to(next);
            self.moved = Some(moved);
        }
    }
}

impl fmt::Debug for AdvanceToNext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdvanceToNext").field("moved", &self.moved).finish_non_exhaustive()
    }
}

/// How much time has passed in this world since it was made, on its clock.
///
/// # Panics
/// Outside of a runtime, and in one whose clock is the real one.
///
/// ```
/// use coracle::{Runtime, sys::World, testing::elapsed, time::sleep};
/// use std::time::Duration;
/// Runtime::builder().world(World::kernel().paused()).build().block_on(async {
///     sleep(Duration::from_secs(3600)).await;
///     assert_eq!(elapsed(), Duration::from_secs(3600));
/// });
/// ```
#[track_caller]
pub fn elapsed() -> Duration {
    clock().passed()
}

/// Keeps the clock where it is until the guard is dropped: it does not move by itself, only by [`advance`] and
/// [`advance_to_next`]. Several guards may live; the last one counts. A wait for a timer then lasts until somebody
/// advances: if nobody does, for ever.
///
/// # Panics
/// Outside of a runtime, and in one whose clock is the real one.
///
/// ```
/// use coracle::{Runtime, sys::World, testing, time::sleep};
/// use std::time::Duration;
/// Runtime::builder().world(World::kernel().paused()).build().block_on(async {
///     let held = testing::hold_clock();
///     let task = coracle::spawn(async { sleep(Duration::from_secs(1)).await });
///     testing::advance(Duration::from_millis(999)).await;
///     assert!(!task.is_finished());
///     drop(held);
///     task.await.unwrap();
///     assert_eq!(testing::elapsed(), Duration::from_secs(1));
/// });
/// ```
#[track_caller]
pub fn hold_clock() -> Held {
    let clock = clock();
    clock.hold();
    Held { clock, _here: PhantomData }
}

/// Keeps a clock where it is; see [`hold_clock`]. It stays on its thread, whose loop looks at the clock when it waits.
#[must_use = "the clock is held as long as this lives"]
pub struct Held {
    clock: Arc<VirtualClock>,
    _here: PhantomData<*const ()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clock.let_go();
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// Says that something is under way that this world cannot see: work on a thread of your own that will wake a task.
/// Until the guard is dropped, on whatever thread, the clock does not move by itself and nothing [settles](settle).
/// Drop it when the task *has been* woken. What [`blocking`](crate::blocking) runs says this by itself.
///
/// On a world with a real clock it does nothing, so a program may use it in any.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use coracle::{Runtime, sync::remote, sys::World, testing, time};
/// use std::time::Duration;
/// Runtime::builder().world(World::kernel().paused()).build().block_on(async {
///     let (sender, receiver) = remote::oneshot::channel();
///     let under_way = testing::under_way();
///     std::thread::spawn(move || {
///         std::thread::sleep(Duration::from_millis(20));
///         sender.send("done").unwrap();
///         drop(under_way);
///     });
///     let answer = time::timeout(Duration::from_secs(1), receiver).await;
///     assert_eq!(answer.unwrap(), Ok("done"));
/// });
/// ```
#[track_caller]
pub fn under_way() -> UnderWay {
    UnderWay { _job: current_loop().world().job() }
}

/// Something is under way; see [`under_way`].
#[must_use = "something is under way as long as this lives"]
pub struct UnderWay {
    _job: JobUnderWay,
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderWay").finish_non_exhaustive()
    }
}

/// What has made this world's clock wait in real time so far, each once, in words: sockets whose peer is elsewhere,
/// descriptors that this world has not made, child processes. A test that is slower than it should be may print it.
///
/// # Panics
/// Outside of a runtime, and in one whose clock is the real one.
///
/// ```
/// use coracle::{Runtime, net::TcpListener, sys::World, testing, time};
/// use std::time::Duration;
/// Runtime::builder().world(World::kernel().paused()).build().block_on(async {
///     let listener = TcpListener::bind("0.0.0.0:0").unwrap();
///     assert!(time::timeout(Duration::from_secs(1), listener.accept()).await.is_err());
///     assert!(testing::foreign_sources()[0].starts_with("the listener on 0.0.0.0:"));
/// });
/// ```
#[track_caller]
pub fn foreign_sources() -> Vec<String> {
    clock().foreign()
}

/// How long nothing must have happened in real time before the clock moves by itself although something foreign could
/// happen: 50 milliseconds, unless it is said. More is safer on a machine that is busy; zero never waits. A thread whose
/// runtime shares this world is given ten times as long.
///
/// # Panics
/// Outside of a runtime, and in one whose clock is the real one.
///
/// ```
/// use coracle::{Runtime, sys::World, testing};
/// use std::time::Duration;
/// Runtime::builder().world(World::kernel().paused()).build().block_on(async {
///     testing::set_patience(Duration::from_millis(500));
/// });
/// ```
#[track_caller]
pub fn set_patience(time: Duration) {
    clock().set_patience(time);
}
