//! [`VirtualClock`]: time that passes when somebody says so. It begins at the real time at which it is made.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct VirtualClock {
    origin: Instant,
    /// Nanoseconds since then: room for 584 years.
    passed: AtomicU64,
}

impl VirtualClock {
    pub(crate) fn beginning_at(origin: Instant) -> VirtualClock {
        VirtualClock { origin, passed: AtomicU64::new(0) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.origin + self.passed()
    }

    pub(crate) fn passed(&self) -> Duration {
        Duration::from_nanos(self.passed.load(Ordering::Relaxed))
    }

    /// At the end of its years it stands still.
    pub(crate) fn advance(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let passed = self.passed.load(Ordering::Relaxed);
        self.passed.store(passed.saturating_add(time), Ordering::Relaxed);
    }
}
