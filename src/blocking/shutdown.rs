//! The orderly end of a pool, and what is said of jobs that will not end.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::pool::Pool;
use super::workers::{Label, Running, Workers};
use crate::observer::WaitReason;
use crate::task::here;
use crate::time::{self, Sleep};
use crate::wait_list::WaitKey;

impl Pool {
    /// Ends the pool in order: takes no more jobs, runs those that were submitted, and waits for them and for its
    /// threads to be done, for at most `limit`, blocking this thread. Then what has not begun is dropped.
    ///
    /// It may be called again, to wait on. For plain threads; in a task there is
    /// [`shutdown_async`](Pool::shutdown_async).
    ///
    /// # Errors
    /// With the jobs that still run when the time is up. They go on, and the pool takes no more.
    ///
    /// ```
    /// use coracle::blocking::Pool;
    /// use std::time::Duration;
    /// let pool = Pool::new();
    /// let job = pool.submit(|| "finished");
    /// pool.shutdown(Duration::from_secs(5)).unwrap();
    /// assert_eq!(job.wait().unwrap(), "finished");
    /// assert!(pool.submit(|| "too late").wait().is_err());
    /// ```
    pub fn shutdown(&self, limit: Duration) -> Result<(), Stuck> {
        self.owner.workers.close();
        self.owner.workers.wait_for_end(limit);
        self.end()
    }

    /// The same in a task.
    ///
    /// **Cancel safety**: cancel-safe, if called again: from the first poll on the pool takes no more jobs; those that
    /// it has go on, also if this is dropped.
    ///
    /// # Errors
    /// As [`shutdown`](Pool::shutdown).
    ///
    /// # Panics
    /// Outside of a runtime, whose timers it needs.
    ///
    /// ```
    /// use coracle::blocking::Pool;
    /// use std::time::Duration;
    /// coracle::block_on(async {
    ///     let pool = Pool::new();
    ///     let job = pool.submit(|| "finished");
    ///     pool.shutdown_async(Duration::from_secs(5)).await.unwrap();
    ///     assert!(job.is_finished());
    /// #   drop(job);
    /// });
    /// ```
    #[track_caller]
    pub fn shutdown_async(&self, limit: Duration) -> Shutdown<'_> {
        Shutdown { pool: self, limit, time: None, place: None, at: Location::caller() }
    }

    /// Drops what has not begun, and says what still runs.
    fn end(&self) -> Result<(), Stuck> {
        self.owner.workers.drop_queued();
        let jobs = self.inspect().running;
        if jobs.is_empty() { Ok(()) } else { Err(Stuck { jobs }) }
    }

    fn workers(&self) -> &Workers {
        &self.owner.workers
    }
}

/// See [`Pool::shutdown_async`].
#[must_use = "a future does nothing unless awaited"]
pub struct Shutdown<'a> {
    pool: &'a Pool,
    limit: Duration,
    /// Set at the first poll.
    time: Option<Sleep>,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl Future for Shutdown<'_> {
    type Output = Result<(), Stuck>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let limit = this.limit;
        let time = this.time.get_or_insert_with(|| {
            this.pool.workers().close();
            time::sleep(limit)
        });
        let ended = this.pool.workers().poll_end(&mut this.place, cx.waker());
        if ended || Pin::new(time).poll(cx).is_ready() {
            this.pool.workers().unwatch(&mut this.place);
            return Poll::Ready(this.pool.end());
        }
        here::waits(WaitReason::Outside("the end of a pool of threads"), this.at);
        Poll::Pending
    }
}

impl Drop for Shutdown<'_> {
    fn drop(&mut self) {
        self.pool.workers().unwatch(&mut self.place);
    }
}

impl fmt::Debug for Shutdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The jobs that did not end within the limit of a [`shutdown`](Pool::shutdown), the oldest first.
///
/// ```
/// use coracle::blocking::Pool;
/// let pool = Pool::new();
/// let (release, released) = coracle::sync::remote::oneshot::channel::<()>();
/// let (begun, has_begun) = coracle::sync::remote::oneshot::channel();
/// let job = pool.submit(|| { begun.send(()).unwrap(); released.recv_blocking() });
/// has_begun.recv_blocking().unwrap();
/// let stuck = pool.shutdown(std::time::Duration::from_millis(5)).unwrap_err();
/// assert_eq!(stuck.jobs.len(), 1);
/// assert!(stuck.to_string().starts_with("1 job still runs: "));
/// drop((release, job));
/// ```
#[derive(Clone, Debug)]
pub struct Stuck {
    /// What still ran.
    pub jobs: Vec<RunningJob>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.jobs.len() {
            1 => f.write_str("1 job still runs: ")?,
            n => write!(f, "{n} jobs still run: ")?,
        }
        for (n, job) in self.jobs.iter().enumerate() {
            write!(f, "{}{job}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Stuck {}

/// A job that runs; made by [`Pool::inspect`] and [`Pool::shutdown`].
///
/// ```
/// let pool = coracle::blocking::Pool::new();
/// let (release, released) = coracle::sync::remote::oneshot::channel::<()>();
/// let (begun, has_begun) = coracle::sync::remote::oneshot::channel();
/// let job = pool.submit_named("resolve", || { begun.send(()).unwrap(); released.recv_blocking() });
/// has_begun.recv_blocking().unwrap();
/// let running = &pool.inspect().running[0];
/// assert_eq!(running.name(), Some("resolve"));
/// assert!(running.to_string().starts_with("\"resolve\", submitted at "));
/// drop((release, job));
/// ```
#[derive(Clone)]
pub struct RunningJob {
    label: Arc<Label>,
    running_for: Duration,
}

impl RunningJob {
    pub(super) fn new(running: &Running, now: Instant) -> RunningJob {
        RunningJob { label: running.label.clone(), running_for: now.saturating_duration_since(running.since) }
    }

    /// Its name, if it was given one by [`Pool::submit_named`].
    ///
    /// ```
    /// # let running: Vec<coracle::blocking::RunningJob> = Vec::new();
    /// let names: Vec<_> = running.iter().filter_map(|job| job.name()).collect();
    /// # assert!(names.is_empty());
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.label.name.as_deref()
    }

    /// Where it was submitted: a line of the program.
    ///
    /// ```
    /// # let running: Vec<coracle::blocking::RunningJob> = Vec::new();
    /// let lines: Vec<_> = running.iter().map(|job| job.at().line()).collect();
    /// # assert!(lines.is_empty());
    /// ```
    pub fn at(&self) -> &'static Location<'static> {
        self.label.at
    }

    /// For how long it had been running when this was made.
    ///
    /// ```
    /// # let running: Vec<coracle::blocking::RunningJob> = Vec::new();
    /// let longest = running.iter().map(|job| job.running_for()).max();
    /// # assert_eq!(longest, None);
    /// ```
    pub fn running_for(&self) -> Duration {
        self.running_for
    }
}

impl fmt::Display for RunningJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name:?}")?,
            None => f.write_str("a job")?,
        }
        write!(f, ", submitted at {}, for {:?}", self.at(), self.running_for)
    }
}

impl fmt::Debug for RunningJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
