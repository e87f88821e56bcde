//! [`for_seeds`]: one scenario, many seeds; and [`for_seeds_on`] several threads.
//!
//! They know nothing of what the scenario does with its seed. One that fails says which it was, and how to run it alone;
//! its last events are there if the scenario records in [`Trace::current`], as trials and simulations do.

use std::any::Any;
use std::fmt;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Trace;
use super::report::{Running, test_name};
use crate::sys::World;

/// Names the seeds that are run in place of those in the program: `17`, `3,5`, `0..5000`.
const VARIABLE: &str = "CORACLE_SEEDS";

/// So many lines are kept of each run. If more came of one that fails, it is run again, and all are kept.
const LINES: usize = 200;

type Payload = Box<dyn Any + Send>;

/// Runs `scenario` once for each seed, in order. Nothing is printed unless one fails.
///
/// The scenario makes of its seed what it likes: a [`Choices::seeded`](super::Choices::seeded) for a runtime, a
/// simulation, numbers. Seed 0 is the ordinary run everywhere. If the variable `CORACLE_SEEDS` is set (`17`, `3,5` or
/// `0..5000`), it says which seeds are run.
///
/// # Panics
/// With the first panic of the scenario; seeds after it are not run. Then standard error has the seed, the line to run
/// it again, its last events, and the name of a file with all of them, in the folder `traces` beside the program. If
/// not all events were kept, the scenario is run a second time with this seed to get them. If `CORACLE_SEEDS` cannot be
/// read.
///
/// ```
/// use coracle::{Runtime, testing::{self, Choices, Trace}};
/// let passed = testing::for_seeds(0..100, |seed| {
///     let runtime = Trace::current().settings(Runtime::builder().choices(Choices::seeded(seed))).build();
///     assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// });
/// println!("{passed}"); // 100 seeds in 1.2ms, 83333 a second
/// # assert_eq!(passed.seeds, 100);
/// ```
pub fn for_seeds(seeds: impl IntoIterator<Item = u64>, mut scenario: impl FnMut(u64)) -> Passed {
    let test = test_name();
    let (clock, mut passed) = (World::kernel(), Passed::default());
    let began = clock.now();
    let mut run = |seed| match run_one(seed, test.as_deref(), &mut scenario) {
        Ok(time) => passed.add(time),
        Err(payload) => resume_unwind(payload),
    };
    match said_outside() {
        None => seeds.into_iter().for_each(&mut run),
        Some(ranges) => ranges.into_iter().flatten().for_each(&mut run),
    }
    passed.time = clock.now().saturating_duration_since(began);
    passed
}

/// Like [`for_seeds`], on several threads at once: each takes the next seed that nobody has taken. Zero threads are one.
///
/// # Errors
/// If a thread cannot be started; those that were stop after their seed.
///
/// # Panics
/// As [`for_seeds`]; the other threads stop after the seeds that they have begun. Of several that fail at about the same
/// time, one is reported.
///
/// ```
/// use coracle::testing::{Choices, for_seeds_on};
/// let passed = for_seeds_on(2, 0..1000, |seed| assert!(Choices::seeded(seed).choose(6) < 6)).unwrap();
/// assert_eq!(passed.seeds, 1000);
/// ```
pub fn for_seeds_on(
    threads: usize,
    seeds: Range<u64>,
    scenario: impl Fn(u64) + Send + Sync + 'static,
) -> io::Result<Passed> {
    let (world, test) = (World::kernel(), test_name());
    let ranges = said_outside().unwrap_or_else(|| vec![seeds]);
    let queue = Arc::new(Queue { ranges, taken: AtomicU64::new(0), ended: Mutex::default() });
    let scenario = Arc::new(scenario);
    let began = world.now();
    let mut running = Vec::new();
    let mut result = Ok(());
    for number in 0..threads.max(1) {
        let (of_thread, scenario, test) = (queue.clone(), scenario.clone(), test.clone());
        let body = move || of_thread.work_off(test.as_deref(), &*scenario);
        match world.thread(&format!("coracle-seeds-{number}"), Box::new(body)) {
            Ok(thread) => running.push(thread),
            Err(error) => {
                queue.stop();
                result = Err(error);
                break;
            }
        }
    }
    for thread in running {
        // The panics of scenarios are caught: what comes here is a defect of this module.
        thread.join().unwrap_or_else(|payload| resume_unwind(payload));
    }
    let mut ended = std::mem::take(&mut *queue.ended());
    if let Some(payload) = ended.failed.take() {
        resume_unwind(payload);
    }
    ended.passed.time = world.now().saturating_duration_since(began);
    result.map(|()| ended.passed)
}

/// What several threads work off.
struct Queue {
    ranges: Vec<Range<u64>>,
    /// How many seeds were taken; from `u64::MAX / 2` on nobody takes one any more.
    taken: AtomicU64,
    ended: Mutex<End>,
}

#[derive(Default)]
struct End {
    passed: Passed,
    failed: Option<Payload>,
}

impl Queue {
    fn work_off(&self, test: Option<&str>, scenario: &dyn Fn(u64)) {
        while let Some(seed) = self.next() {
            let end = run_one(seed, test, &mut |seed| scenario(seed));
            let mut ended = self.ended();
            match end {
                Ok(time) => ended.passed.add(time),
                Err(payload) => {
                    self.stop();
                    ended.failed.get_or_insert(payload);
                    return;
                }
            }
        }
    }

    fn next(&self) -> Option<u64> {
        let mut place = self.taken.fetch_add(1, Ordering::Relaxed);
        for range in &self.ranges {
            let length = range.end.saturating_sub(range.start);
            if place < length {
                return Some(range.start + place);
            }
            place -= length;
        }
        None
    }

    fn stop(&self) {
        self.taken.store(u64::MAX / 2, Ordering::Relaxed);
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, End> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The virtual time that passed in it, or its panic, which is reported.
fn run_one(seed: u64, test: Option<&str>, scenario: &mut dyn FnMut(u64)) -> Result<Duration, Payload> {
    let running = Running::recorded(format!("seed {seed}"), Trace::last(LINES));
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| scenario(seed))) else { return Ok(running.time()) };
    if running.trace().lost() > 0 {
        eprintln!("coracle: failed: seed {seed}; it is run once more, with all of its events");
        let last = running.trace();
        running.record_in(Trace::new());
        if catch_unwind(AssertUnwindSafe(|| scenario(seed))).is_ok() {
            running.add("it did not fail a second time: the run is not a function of its seed; see `testing::twice`");
            running.record_in(last);
        }
    }
    let test = test.map(|name| format!(" {name} -- --exact")).unwrap_or_default();
    running.replay(format!("{VARIABLE}={seed} cargo test{test}"));
    running.failed();
    Err(payload)
}

/// What the variable says, if it is set.
fn said_outside() -> Option<Vec<Range<u64>>> {
    let text = std::env::var(VARIABLE).ok()?;
    let parts: Option<Vec<_>> = text.split(',').map(|part| range_of(part.trim())).collect();
    Some(parts.unwrap_or_else(|| panic!("{VARIABLE}={text}: write seeds and ranges, such as `17`, `3,5` or `0..5000`")))
}

fn range_of(text: &str) -> Option<Range<u64>> {
    let seed = |text: &str| text.trim().parse::<u64>().ok();
    match text.split_once("..") {
        Some((from, to)) => Some(seed(from)?..seed(to)?),
        None => seed(text).and_then(|seed| Some(seed..seed.checked_add(1)?)),
    }
}

/// What ran and did not fail; made by [`for_seeds`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// How many seeds.
    pub seeds: u64,
    /// How long it took, all together.
    pub time: Duration,
    /// How much virtual time passed in trials and simulations.
    pub virtual_time: Duration,
}

impl Passed {
    fn add(&mut self, time: Duration) {
        self.seeds += 1;
        self.virtual_time = self.virtual_time.saturating_add(time);
    }

    /// Seeds a second of real time.
    ///
    /// ```
    /// assert!(coracle::testing::for_seeds(0..10, |_| ()).per_second() > 0.0);
    /// ```
    pub fn per_second(&self) -> f64 {
        self.seeds as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

/// `1000 seeds in 2.1s, 476 a second; 8300s of virtual time, 3952 for one of real time`.
impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} seeds in {:.1?}, {:.0} a second", self.seeds, self.time, self.per_second())?;
        if self.virtual_time.is_zero() {
            return Ok(());
        }
        let times = self.virtual_time.as_secs_f64() / self.time.as_secs_f64().max(1e-9);
        write!(f, "; {:.0?} of virtual time, {times:.0} for one of real time", self.virtual_time)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_and_ranges() {
        assert_eq!(range_of("17"), Some(17..18));
        assert_eq!(range_of(" 0 .. 5000 "), Some(0..5000));
        // No range of this kind ends behind it.
        for text in ["18446744073709551615", "", "x", "-1", "1..", "..3", "1-3"] {
            assert_eq!(range_of(text), None, "{text:?}");
        }
    }

    #[test]
    fn several_ranges_are_worked_off_one_after_the_other() {
        let queue = Queue { ranges: vec![3..5, 9..9, 7..8], taken: AtomicU64::new(0), ended: Mutex::default() };
        assert_eq!(std::iter::from_fn(|| queue.next()).collect::<Vec<_>>(), [3, 4, 7]);
        assert_eq!(queue.next(), None);
        let queue = Queue { ranges: vec![0..9, 20..u64::MAX / 2], taken: AtomicU64::new(0), ended: Mutex::default() };
        queue.stop();
        assert_eq!(queue.next(), None);
    }
}
