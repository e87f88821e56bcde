//! [`Interval`]: ticks at equal distances.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::now;
use super::sleep::Sleep;

/// What becomes of ticks that nobody awaited in time.
///
/// With a period of 10, and a stall from 15 to 47:
///
/// | policy  | ticks at                     |
/// |---------|------------------------------|
/// | `Burst` | 10, 47, 47, 47, 50, 60 …     |
/// | `Delay` | 10, 47, 57, 67 …             |
/// | `Skip`  | 10, 47, 50, 60 …             |
///
/// ```
/// assert_eq!(coracle::time::MissedTicks::default(), coracle::time::MissedTicks::Burst);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTicks {
    /// They come at once, one after the other, until none is missing.
    #[default]
    Burst,
    /// The next one comes a full period after the late one.
    Delay,
    /// They are left out: the next one comes at a multiple of the period.
    Skip,
}

/// Ticks every `period`, the first at once.
///
/// # Panics
/// If `period` is zero. Outside of a runtime.
///
/// ```
/// use std::time::Duration;
/// coracle::block_on(async {
///     let mut interval = coracle::time::interval(Duration::from_millis(1));
///     let first = interval.tick().await;
///     assert_eq!(interval.tick().await, first + Duration::from_millis(1));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(now(), period)
}

/// Ticks every `period`, the first at `start`.
///
/// # Panics
/// As [`interval`].
///
/// ```
/// use std::time::Duration;
/// coracle::block_on(async {
///     let start = coracle::time::now() + Duration::from_millis(1);
///     let mut interval = coracle::time::interval_at(start, Duration::from_secs(1));
///     assert_eq!(interval.tick().await, start);
/// });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval's period must not be zero");
    Interval { sleep: Sleep::new(Some(start)), period, missed: MissedTicks::default() }
}

/// See [`interval`].
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTicks,
}

impl Interval {
    /// The same interval with another policy for missed ticks.
    ///
    /// ```
    /// use coracle::time::{MissedTicks, interval};
    /// coracle::block_on(async {
    ///     let mut ticks = interval(std::time::Duration::from_millis(1)).missed_ticks(MissedTicks::Skip);
    ///     ticks.tick().await;
    /// });
    /// ```
    #[must_use = "it is the same interval, changed"]
    pub fn missed_ticks(mut self, policy: MissedTicks) -> Interval {
        self.missed = policy;
        self
    }

    /// The distance of two ticks.
    ///
    /// ```
    /// use std::time::Duration;
    /// coracle::block_on(async {
    ///     assert_eq!(coracle::time::interval(Duration::from_secs(2)).period(), Duration::from_secs(2));
    /// });
    /// ```
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Waits for the next tick, and gives the time at which it was due.
    ///
    /// **Cancel safety**: cancel-safe; a tick that was not awaited to the end is still to come.
    ///
    /// ```
    /// coracle::block_on(async { coracle::time::interval(std::time::Duration::from_secs(1)).tick().await });
    /// ```
    #[track_caller]
    pub fn tick(&mut self) -> Tick<'_> {
        self.sleep.awaited_here();
        Tick { interval: self }
    }

    /// [`tick`](Interval::tick) for code that polls.
    ///
    /// ```
    /// # use std::future::poll_fn;
    /// coracle::block_on(async {
    ///     let mut interval = coracle::time::interval(std::time::Duration::from_secs(1));
    ///     poll_fn(|cx| interval.poll_tick(cx)).await;
    /// });
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(due) = self.sleep.deadline() else { return Poll::Pending };
        std::task::ready!(Pin::new(&mut self.sleep).poll(cx));
        self.sleep.set_deadline(self.next(due, now()));
        Poll::Ready(due)
    }

    fn next(&self, due: Instant, now: Instant) -> Option<Instant> {
        let late = now.saturating_duration_since(due);
        match self.missed {
            MissedTicks::Delay if late >= self.period => now.checked_add(self.period),
            MissedTicks::Skip if late >= self.period => {
                let into_the_period = late.as_nanos() % self.period.as_nanos();
                let rest = self.period.as_nanos() - into_the_period;
                now.checked_add(duration_of_nanos(rest))
            }
            _ => due.checked_add(self.period),
        }
    }
}

/// At most a period, so it fits.
fn duration_of_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}

/// See [`Interval::tick`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Tick<'a> {
    interval: &'a mut Interval,
}

impl Future for Tick<'_> {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        self.interval.poll_tick(cx)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The times, in units of a tenth of the period, at which ticks come when time stands still but for one stall.
    fn ticks(policy: MissedTicks) -> Vec<u64> {
        let runtime = crate::Runtime::new();
        let start = runtime.now();
        let at = |units: u64| start + Duration::from_secs(units);
        let interval = runtime.enter(|| interval_at(start, Duration::from_secs(10))).missed_ticks(policy);
        let (mut due, mut seen) = (at(10), vec![]);
        for _ in 0..6 {
            // The stall: nobody looks between 15 and 47.
            let now = if (at(15)..at(47)).contains(&due) { at(47) } else { due.max(*seen.last().unwrap_or(&due)) };
            seen.push(now);
            due = interval.next(due, now).unwrap();
        }
        seen.into_iter().map(|time| (time - start).as_secs()).collect()
    }

    #[test]
    fn missed_ticks_follow_the_policy() {
        assert_eq!(ticks(MissedTicks::Burst), [10, 47, 47, 47, 50, 60]);
        assert_eq!(ticks(MissedTicks::Delay), [10, 47, 57, 67, 77, 87]);
        assert_eq!(ticks(MissedTicks::Skip), [10, 47, 50, 60, 70, 80]);
    }

    #[test]
    fn ten_thousand_years_of_missed_ticks_are_skipped_at_once() {
        let runtime = crate::Runtime::new();
        let start = runtime.now();
        let ticks = runtime.enter(|| interval_at(start, Duration::from_nanos(1))).missed_ticks(MissedTicks::Skip);
        let now = start + Duration::from_secs(300_000_000_000);
        assert_eq!(ticks.next(start, now), Some(now + Duration::from_nanos(1)));
    }
}
