//! Time: [`sleep()`], [`timeout()`], [`interval()`].
//!
//! Deadlines are [`Instant`]s of std, exact to the nanosecond and never early. Any [`Duration`] is valid: what is further
//! off than an `Instant` can say is never due. By how much a timer is late is up to the kernel and to the polls of other
//! tasks; nothing is added on purpose.

mod interval;
mod sleep;
mod timeout;

pub use std::time::{Duration, Instant};

pub use interval::{Interval, MissedTicks, Tick, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

/// The time, by the clock of this thread's runtime; outside of one, by the system's.
///
/// ```
/// coracle::block_on(async {
///     let before = coracle::time::now();
///     coracle::time::sleep(std::time::Duration::from_millis(2)).await;
///     assert!(coracle::time::now() >= before + std::time::Duration::from_millis(2));
/// });
/// ```
pub fn now() -> Instant {
    match crate::runtime::current() {
        Some(event_loop) => event_loop.now(),
        None => crate::sys::World::kernel().now(),
    }
}
