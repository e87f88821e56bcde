//! [`Pool`]: the handle that programs hold.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::job::Job;
use super::shutdown::RunningJob;
use super::workers::{Label, Settings, Workers};
use crate::runtime::world_here;
use crate::sys::World;

/// A bounded number of threads, and a queue of closures for them.
///
/// There is no thread before the first job. Another is started when a job comes and none is free, up to the limit; one
/// that has been idle for a while ends. Jobs begin in the order in which they were submitted. A pool belongs to no
/// runtime and to no thread: its jobs can be awaited in any task and waited for by any thread.
///
/// A clone is the same pool. Dropping the last does not block: jobs that have not begun are dropped, and say
/// [`Cancelled`](super::JobError::Cancelled); those that run are finished by threads that nobody waits for. For an
/// orderly end there is [`shutdown`](Pool::shutdown).
///
/// ```
/// use coracle::blocking::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::builder().threads(4).build();
/// let squares: Vec<_> = (1..=3).map(|n: u32| pool.submit(move || n * n)).collect();
/// let squares: Vec<_> = squares.into_iter().map(|job| job.wait().unwrap()).collect();
/// assert_eq!(squares, [1, 4, 9]);
/// pool.shutdown(Duration::from_secs(5)).unwrap();
/// ```
#[derive(Clone)]
pub struct Pool {
    pub(super) owner: Arc<Owner>,
}

/// The clones of a pool, as against its threads.
pub(super) struct Owner {
    pub(super) workers: Arc<Workers>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.workers.close();
        self.workers.drop_queued();
    }
}

impl Pool {
    /// How many threads a pool has at most, if nobody says otherwise. They wait for disks and servers, not for a
    /// processor, so it is more than there are processors: enough to keep a disk's queue full and to bear a few calls
    /// that hang. Each costs a stack, of which only what is used takes memory.
    pub const DEFAULT_THREADS: usize = 64;

    /// How long a thread stays idle before it ends, if nobody says otherwise. Starting one costs some ten microseconds,
    /// so it need not be long; it is, so that a program that now and then reads a file does not do it each time.
    pub const DEFAULT_KEEP_IDLE: Duration = Duration::from_secs(10);

    /// A pool with default settings. Starts no thread.
    ///
    /// ```
    /// assert_eq!(coracle::blocking::Pool::new().inspect().threads, 0);
    /// ```
    #[allow(clippy::new_without_default, reason = "a pool is not a neutral element; write `new`")]
    pub fn new() -> Pool {
        Pool::builder().build()
    }

    /// Settings, then a pool.
    ///
    /// ```
    /// let pool = coracle::blocking::Pool::builder().threads(2).build();
    /// assert_eq!(pool.submit(|| 1).wait().unwrap(), 1);
    /// ```
    pub fn builder() -> PoolBuilder {
        let name = "coracle-pool".to_owned();
        PoolBuilder { settings: Settings { threads: Pool::DEFAULT_THREADS, name, keep_idle: Pool::DEFAULT_KEEP_IDLE } }
    }

    /// Runs `closure` on a thread of the pool. Never blocks: the queue has no bound.
    ///
    /// What could not begin, because no thread can be had or the pool was shut down, is known from the job:
    /// [`NotStarted`](super::JobError::NotStarted). If no thread can be started but others live, it waits for those.
    ///
    /// ```
    /// let pool = coracle::blocking::Pool::new();
    /// assert_eq!(pool.submit(|| "done").wait().unwrap(), "done");
    /// ```
    #[track_caller]
    pub fn submit<F, T>(&self, closure: F) -> Job<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit_as(None, Location::caller(), closure)
    }

    /// The same under a name, for people: [`Stuck`](super::Stuck) and [`inspect`](Pool::inspect) show it.
    ///
    /// ```
    /// let pool = coracle::blocking::Pool::new();
    /// let named = pool.submit_named("name", || 1);
    /// # assert_eq!(named.wait().unwrap(), 1);
    /// ```
    #[track_caller]
    pub fn submit_named<F, T>(&self, name: impl Into<Cow<'static, str>>, closure: F) -> Job<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit_as(Some(name.into()), Location::caller(), closure)
    }

    pub(super) fn submit_as<F, T>(
        &self,
        name: Option<Cow<'static, str>>,
        at: &'static Location<'static>,
        closure: F,
    ) -> Job<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Job::new(&self.owner.workers, Label { name, at }, closure)
    }

    /// What is inside, at this moment. In a child process after `fork`: nothing.
    ///
    /// ```
    /// let pool = coracle::blocking::Pool::new();
    /// pool.submit(|| ()).wait().unwrap();
    /// let view = pool.inspect();
    /// assert_eq!((view.threads, view.idle, view.queued, view.running.len()), (1, 1, 0, 0));
    /// ```
    pub fn inspect(&self) -> PoolView {
        let workers = &self.owner.workers;
        let now = workers.world.now();
        let Some(state) = workers.state() else { return PoolView::default() };
        let (threads, idle, queued) = (state.threads, state.idle, state.queued());
        let running = state.running.iter().map(|(_, running)| RunningJob::new(running, now)).collect();
        PoolView { threads, idle, queued, running }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("inside", &self.inspect()).finish()
    }
}

/// The state of a pool; made by [`Pool::inspect`].
///
/// ```
/// assert_eq!(coracle::blocking::Pool::new().inspect().queued, 0);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PoolView {
    /// How many threads there are.
    pub threads: usize,
    /// How many of them have nothing to do.
    pub idle: usize,
    /// How many jobs have not begun.
    pub queued: usize,
    /// The jobs that run, the oldest first.
    pub running: Vec<RunningJob>,
}

/// Settings of a pool; made by [`Pool::builder`].
///
/// ```
/// let pool = coracle::blocking::Pool::builder().threads(2).name("disk").build();
/// let name = pool.submit(|| std::thread::current().name().map(str::to_owned)).wait().unwrap();
/// assert_eq!(name.as_deref(), Some("disk-1"));
/// ```
#[must_use = "a builder builds nothing until `build`"]
pub struct PoolBuilder {
    settings: Settings,
}

impl PoolBuilder {
    /// At most so many threads; 0 counts as 1. Default: [`Pool::DEFAULT_THREADS`].
    ///
    /// ```
    /// coracle::blocking::Pool::builder().threads(8).build();
    /// ```
    pub fn threads(mut self, most: usize) -> PoolBuilder {
        self.settings.threads = most.max(1);
        self
    }

    /// The name of the threads, before their number. Systems show the first 15 bytes. Default: `coracle-pool`.
    ///
    /// ```
    /// coracle::blocking::Pool::builder().name("resolver").build();
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> PoolBuilder {
        // A thread's name has no zero byte.
        self.settings.name = name.into().replace('\0', "");
        self
    }

    /// How long a thread stays idle before it ends. That costs the one wake-up of a pool that has nothing to do.
    /// Default: [`Pool::DEFAULT_KEEP_IDLE`].
    ///
    /// ```
    /// coracle::blocking::Pool::builder().keep_idle(std::time::Duration::from_secs(1)).build();
    /// ```
    pub fn keep_idle(mut self, time: Duration) -> PoolBuilder {
        self.settings.keep_idle = time;
        self
    }

    /// The pool. Starts no thread.
    ///
    /// ```
    /// coracle::blocking::Pool::builder().build();
    /// ```
    pub fn build(self) -> Pool {
        self.build_in(&world_here())
    }

    pub(super) fn build_in(self, world: &World) -> Pool {
        Pool { owner: Arc::new(Owner { workers: Workers::new(world.clone(), self.settings) }) }
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { threads, name, keep_idle } = &self.settings;
        let mut shown = f.debug_struct("PoolBuilder");
        shown.field("threads", threads).field("name", name).field("keep_idle", keep_idle).finish()
    }
}
