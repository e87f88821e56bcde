//! Time: [`sleep()`], [`timeout()`], [`interval()`].
//!
//! Deadlines are [`Instant`]s of std, exact to the nanosecond and never early. Any [`Duration`] is valid: what is further
//! off than an `Instant` can say is never due. By how much a timer is late is up to the kernel and to the polls of other
//! tasks. Timers that are due within a few microseconds of each other share a wake-up, which is the only delay on purpose;
//! [`coalesce`](crate::RuntimeBuilder::coalesce) says within how many.

mod interval;
mod sleep;
mod timeout;

pub use std::time::{Duration, Instant};

pub use interval::{Interval, MissedTicks, Tick, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

use crate::runtime::Loop;

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
    crate::runtime::inside(Loop::now).unwrap_or_else(|| crate::sys::World::kernel().now())
}
