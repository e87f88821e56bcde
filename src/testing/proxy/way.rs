//! When the bytes of a stream arrive over a [`Link`]. It draws lots and computes; it moves nothing and does not wait.

use std::time::{Duration, Instant};

use crate::choices::{Choices, Kinds};
use crate::sim::Link;

/// After how long what was lost is sent again, at first: the least that Linux waits (`TCP_RTO_MIN`). It doubles.
const AGAIN: Duration = Duration::from_millis(200);

/// How often one packet is lost at most. Arbitrary: the last of these comes after a minute.
const MOST_LOST: u32 = 8;

/// Far away. An `Instant` of std has no last one.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// One direction of one connection, as far as the link is concerned.
#[derive(Default)]
pub(super) struct Arrivals {
    /// Until when the link is busy with what was sent before.
    busy: Option<Instant>,
    /// When the last of what was sent before arrives: the bytes of a stream do not overtake each other.
    last: Option<Instant>,
}

impl Arrivals {
    /// When a packet of so many bytes arrives that is sent now.
    pub(super) fn next(&mut self, now: Instant, bytes: usize, link: &Link, choices: &Choices) -> Instant {
        let begin = self.busy.map_or(now, |busy| busy.max(now));
        let sent = later(begin, time_for(bytes, link.bandwidth), now);
        self.busy = Some(sent);
        let arrival = later(later(sent, link.latency, now), delay(link, choices), now);
        let arrival = self.last.map_or(arrival, |last| last.max(arrival));
        self.last = Some(arrival);
        arrival
    }
}

/// How many bytes of a read go in one piece: on a link that treats all alike, it need not be cut.
pub(super) fn piece(link: &Link) -> usize {
    let cut = link.bandwidth.is_some() || link.loss > 0.0 || link.jitter > Duration::ZERO;
    if cut { link.mtu } else { usize::MAX }
}

fn time_for(bytes: usize, bandwidth: Option<u64>) -> Duration {
    let Some(bandwidth) = bandwidth else { return Duration::ZERO };
    Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / bandwidth.max(1))
}

/// Jitter, and how long it takes until it is not lost.
fn delay(link: &Link, choices: &Choices) -> Duration {
    const STEPS: u32 = 1 << 20;
    let draw = || choices.of_kind(Kinds::NETWORK, STEPS as usize) as u32;
    let mut delay = Duration::ZERO;
    if link.jitter > Duration::ZERO {
        delay = (link.jitter / STEPS).saturating_mul(draw());
    }
    // Zero is not lost, unless all is.
    let arrive = ((1.0 - link.loss) * f64::from(STEPS)) as u32;
    let lost = (0..MOST_LOST).take_while(|_| link.loss > 0.0 && draw() >= arrive).count();
    delay.saturating_add(AGAIN * ((1 << lost) - 1))
}

fn later(time: Instant, by: Duration, now: Instant) -> Instant {
    time.checked_add(by.min(NEVER)).unwrap_or(now + NEVER)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn arrivals(link: &Link, sizes: &[usize]) -> Vec<u128> {
        let (mut way, start, choices) = (Arrivals::default(), Instant::now(), Choices::seeded(3));
        sizes.iter().map(|size| (way.next(start, *size, link, &choices) - start).as_millis()).collect()
    }

    #[test]
    fn a_perfect_link_takes_no_time() {
        assert_eq!(arrivals(&Link::new(), &[1, 1_000_000]), [0, 0]);
    }

    #[test]
    fn a_narrow_link_is_busy_with_one_after_the_other() {
        let link = Link::new().latency(Duration::from_millis(50)).bandwidth(1_000);
        assert_eq!(arrivals(&link, &[100, 100, 1]), [150, 250, 251]);
    }

    #[test]
    fn jitter_and_loss_delay_and_do_not_reorder() {
        let link = Link::new().jitter(Duration::from_millis(100)).loss(0.2);
        let times = arrivals(&link, &[1; 200]);
        assert!(times.is_sorted(), "{times:?}");
        assert!(times.iter().any(|time| (1..100).contains(time)), "some jitter, and nothing was lost: {times:?}");
        assert!(times[199] >= 200, "nothing was lost: {times:?}");
    }

    #[test]
    fn the_ordinary_run_has_neither() {
        let link = Link::new().jitter(Duration::from_secs(1)).loss(0.5);
        let now = Instant::now();
        assert_eq!(Arrivals::default().next(now, 1, &link, &Choices::ordinary()), now);
    }

    #[test]
    fn an_endless_latency_is_no_overflow() {
        let link = Link::new().latency(Duration::MAX).jitter(Duration::MAX).bandwidth(1);
        let (mut way, now) = (Arrivals::default(), Instant::now());
        assert!(way.next(now, usize::MAX, &link, &Choices::seeded(1)) > now + NEVER / 2);
        assert!(way.next(now, usize::MAX, &link, &Choices::seeded(1)) > now + NEVER / 2);
    }
}
