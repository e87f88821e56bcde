//! Tests of `time` and `timers`, through the public API and a real clock.
//!
//! `promises.rs`: never early, no spin, any duration, order. `sleeping.rs`: a sleep that is reset, moved, dropped, polled
//! again. `limits.rs`: timeouts and intervals, and what they leave behind. `sharing.rs`: wake-ups that several timers share.

mod limits;
mod promises;
mod sharing;
mod sleeping;

use std::time::Duration;

use coracle::{Budget, Runtime};

const HOUR: Duration = Duration::from_secs(3600);

/// Turns until a timer has fired, for at most five seconds.
fn fire(runtime: &Runtime) {
    let begin = std::time::Instant::now();
    while runtime.turn(Budget { wait: Some(Duration::from_secs(1)), ..Budget::no_wait() }).unwrap().expired == 0 {
        assert!(begin.elapsed() < Duration::from_secs(5), "no timer fires: {:#?}", runtime.inspect().timers);
    }
}
