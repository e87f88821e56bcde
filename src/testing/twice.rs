//! [`twice`]: whether a run is a function of its seed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Trace;
use super::report::Running;

/// Runs `scenario` two times and compares what happened.
///
/// What makes a run differ from itself: the order of a `HashMap`, real time, addresses, other threads. Two maps of one
/// process have two orders already, so it shows here. The scenario is given the trace of its run, which is
/// [`Trace::current`] too: runtimes record there by [`Trace::settings`], trials and simulations by themselves, and
/// [`Trace::note`] adds what the program knows. Seeds and choices are the scenario's own: the same in both runs.
///
/// # Panics
/// With the first line that differs and what is around it. With a panic of the scenario.
///
/// ```
/// use coracle::{Runtime, testing::{self, Choices}};
/// testing::twice(|trace| {
///     let runtime = trace.settings(Runtime::builder().choices(Choices::seeded(7))).build();
///     runtime.block_on(async {
///         for task in [coracle::spawn(async {}), coracle::spawn(async {})] {
///             task.await.unwrap();
///         }
///     });
/// });
/// ```
#[track_caller]
pub fn twice(mut scenario: impl FnMut(&Trace)) {
    let traces = [Trace::new(), Trace::new()];
    {
        let _running = Running::recorded("the first of two equal runs", traces[0].clone());
        scenario(&traces[0]);
    }
    let running = Running::recorded("the second of two equal runs", traces[1].clone());
    let second = catch_unwind(AssertUnwindSafe(|| scenario(&traces[1])));
    let difference = traces[0].first_difference(&traces[1]);
    if let Err(payload) = second {
        running.add("the first one did not fail");
        if let Some(difference) = difference {
            difference.to_string().lines().for_each(|line| running.add(line));
        }
        running.failed();
        resume_unwind(payload);
    }
    drop(running);
    if let Some(difference) = difference {
        panic!("two runs that should be equal are not: {difference}");
    }
}
