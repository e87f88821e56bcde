//! [`check_stream`]: what every stream of bytes must do, whatever it is made of.
//!
//! A list of behaviours, each with a name and a check, run one after the other on fresh pairs of connected streams,
//! once from each end. It holds a stream of yours (a TLS layer, a multiplexer, a test double) against what code over
//! [`AsyncRead`] and [`AsyncWrite`] relies on; and it is how this library holds its sockets, its buffers and its
//! simulated network against each other.
//!
//! Each check is a task's worth of code over boxed streams: `pair.rs` has what they share, and `data.rs`, `ends.rs`,
//! `pressure.rs`, `wakers.rs` and `cancelling.rs` have them by subject. No check relies on when something happens, only
//! on that it does, or, where nothing may happen, on a while of patience in which it did not.

mod cancelling;
mod data;
mod ends;
mod pair;
mod pressure;
mod report;
mod wakers;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use crate::io::{AsyncRead, AsyncWrite};
use pair::{Check, Pair};
use report::run;
pub use report::{Broken, Checked};

/// One thing that a stream must do.
struct Behaviour {
    name: &'static str,
    check: fn(Pair) -> Checking,
}

type Checking = Pin<Box<dyn Future<Output = Check>>>;

macro_rules! behaviours {
    ($($name:literal: $check:path,)*) => {
        [$(Behaviour { name: $name, check: |pair| Box::pin($check(pair)) }),*]
    };
}

const BEHAVIOURS: [Behaviour; 36] = behaviours! {
    "bytes arrive in order": data::in_order,
    "one byte at a time": data::one_at_a_time,
    "a mebibyte": data::large,
    "many small writes": data::many_small,
    "both directions at once": data::both_directions,
    "question and answer": data::question_and_answer,
    "vectored writes": data::vectored_writes,
    "vectored reads": data::vectored_reads,
    "a flush passes on what was written": data::flush,
    "an empty read": data::empty_read,
    "an empty write": data::empty_write,
    "a close is the end for the reader": ends::close_is_the_end,
    "the end stays the end": ends::end_is_stable,
    "half close": ends::half_close,
    "a second close": ends::second_close,
    "a write after the close fails": ends::write_after_close,
    "both ends close": ends::both_close,
    "a close wakes a reader": ends::close_wakes_a_reader,
    "a dropped end is the end for the reader": ends::drop_is_the_end,
    "a drop wakes a reader": ends::drop_wakes_a_reader,
    "a drop wakes a writer": ends::drop_wakes_a_writer,
    "a write to a peer that is gone fails": ends::write_to_nobody,
    "the error says that the connection is broken": ends::kind_of_error,
    "a broken stream stays broken": ends::stays_broken,
    "back pressure": pressure::writer_waits,
    "a writer goes on when it is read": pressure::writer_goes_on,
    "a cancelled read loses nothing": cancelling::read,
    "a cancelled read that was woken loses nothing": cancelling::read_that_was_woken,
    "a cancelled write has written nothing": cancelling::write,
    "bytes wake a reader": wakers::bytes_wake_a_reader,
    "the last waker of a reader is woken": wakers::last_waker_of_a_reader,
    "the last waker of a writer is woken": wakers::last_waker_of_a_writer,
    "a reader and a writer wait at once": wakers::both_wait,
    "a waiting reader is quiet": wakers::quiet_reader,
    "a waiting writer is quiet": wakers::quiet_writer,
    "polls without need change nothing": wakers::needless_polls,
};

/// Checks that a stream does what every stream must do: [`Checks`] with nothing left out.
///
/// `make_pair` makes two connected ends, as often as it is called. Each behaviour gets fresh ones, twice: it is checked
/// from either end. On real sockets it takes about a second, since here and there it waits for nothing to happen; on a
/// paused clock, and in memory on one, a fraction of that.
///
/// **Cancel safety**: lossy; the rest is not checked.
///
/// # Panics
/// If the stream does something else, with the name of each such behaviour, and what happened. If `make_pair` fails.
/// Outside of a runtime.
///
/// ```
/// use coracle::{io::duplex, testing::check_stream};
/// coracle::block_on(async {
///     check_stream(async || Ok(duplex(4096))).await;
/// });
/// ```
pub async fn check_stream<A, B>(make_pair: impl AsyncFnMut() -> io::Result<(A, B)>) -> Checked
where
    A: AsyncRead + AsyncWrite + Unpin + 'static,
    B: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let checked = Checks::new().run(make_pair).await;
    checked.assert();
    checked
}

/// Which behaviours of a stream are checked, and how patiently.
///
/// ```
/// use coracle::{io::duplex, testing::Checks};
/// coracle::block_on(async {
///     let checked = Checks::new().without("half close", "our protocol has none").run(async || Ok(duplex(4096))).await;
///     checked.assert();
///     assert_eq!(checked.left_out(), [("half close", "our protocol has none")]);
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Checks {
    left_out: Vec<(&'static str, &'static str)>,
    limit: Duration,
    patience: Duration,
}

impl Default for Checks {
    fn default() -> Checks {
        Checks::new()
    }
}

impl Checks {
    /// All behaviours; ten seconds for each, and ten milliseconds of patience.
    ///
    /// ```
    /// # let _ =
    /// coracle::testing::Checks::new();
    /// ```
    pub fn new() -> Checks {
        Checks { left_out: Vec::new(), limit: Duration::from_secs(10), patience: Duration::from_millis(10) }
    }

    /// The names of all behaviours, in the order in which they are checked.
    ///
    /// ```
    /// assert!(coracle::testing::Checks::names().any(|name| name == "half close"));
    /// ```
    pub fn names() -> impl Iterator<Item = &'static str> {
        BEHAVIOURS.iter().map(|behaviour| behaviour.name)
    }

    /// Leaves a behaviour out, for a reason that stands in the report.
    ///
    /// # Panics
    /// If there is none of that name.
    ///
    /// ```
    /// # let _ =
    /// coracle::testing::Checks::new().without("vectored reads", "the device has no such call");
    /// ```
    #[track_caller]
    #[must_use]
    pub fn without(mut self, name: &'static str, reason: &'static str) -> Checks {
        let names: Vec<_> = Checks::names().collect();
        assert!(names.contains(&name), "there is no behaviour {name:?}; there are {names:#?}");
        self.left_out.push((name, reason));
        self
    }

    /// How long each behaviour may take before it counts as hanging.
    ///
    /// ```
    /// # let _ =
    /// coracle::testing::Checks::new().limit(std::time::Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn limit(mut self, time: Duration) -> Checks {
        self.limit = time;
        self
    }

    /// How long nothing must happen before an operation counts as one that waits. If it is too short, for a slow link
    /// say, a few behaviours are checked less sharply; none fails for it.
    ///
    /// ```
    /// # let _ =
    /// coracle::testing::Checks::new().patience(std::time::Duration::from_millis(50));
    /// ```
    #[must_use]
    pub fn patience(mut self, time: Duration) -> Checks {
        self.patience = time;
        self
    }

    /// Runs them all, also when some fail.
    ///
    /// **Cancel safety**: lossy; the rest is not checked.
    ///
    /// # Panics
    /// If `make_pair` fails. Outside of a runtime.
    ///
    /// ```
    /// use coracle::testing::{Checks, unix_pair};
    /// let checked = coracle::block_on(Checks::new().run(async || unix_pair()));
    /// assert_eq!(checked.broken().len(), 0);
    /// ```
    pub async fn run<A, B>(&self, mut make_pair: impl AsyncFnMut() -> io::Result<(A, B)>) -> Checked
    where
        A: AsyncRead + AsyncWrite + Unpin + 'static,
        B: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut checked = Checked::new(self.left_out.clone());
        for behaviour in &BEHAVIOURS {
            if self.left_out.iter().any(|(name, _)| *name == behaviour.name) {
                continue;
            }
            let mut broken = None;
            for end in ["first", "second"] {
                let (one, other) = make_pair().await.expect("a pair of streams to check");
                let pair = match end {
                    "first" => Pair::new(one, other, self.patience),
                    _ => Pair::new(other, one, self.patience),
                };
                if let Err(why) = run(behaviour, pair, self.limit).await {
                    broken = broken.or(Some(Broken { behaviour: behaviour.name, end, why }));
                }
            }
            checked.add(behaviour.name, broken);
        }
        checked
    }
}
