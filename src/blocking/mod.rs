//! A bounded pool of threads for calls that block: files, name resolution, other people's libraries, long computations.
//!
//! A task that blocks holds up all others of its thread. So it [`submit`]s the call as a closure, to be run by a thread
//! of a pool, and awaits the [`Job`]: the other tasks go on meanwhile, and the result comes as any wake from another
//! thread comes. Each runtime has a pool, made when it is first used; a [`Pool`] can also stand alone, like Python's
//! `ThreadPoolExecutor`, whose capabilities this has: submit, result, callback when done, cancel, orderly shutdown.
//!
//! What has begun cannot be stopped: no system has a way to end a thread that blocks and leave the process sound. It is
//! for calls that end by themselves; one that never does keeps one thread of the pool.

mod job;
mod pool;
mod shutdown;
mod workers;

use std::io;
use std::panic::Location;
use std::time::Duration;

use crate::runtime::current_or_error;

pub use job::{Job, JobError};
pub use pool::{Pool, PoolBuilder, PoolView};
pub use shutdown::{RunningJob, Shutdown, Stuck};

/// The pool of a runtime, among its extensions.
struct RuntimePool(Pool);

/// Runs `closure` on a thread of this runtime's pool; awaiting the [`Job`] gives what it returns.
///
/// Never blocks: while all threads are busy, it waits in a queue without a bound, first in, first out. To bound it,
/// hold a permit of a semaphore until the job is done. The pool's first use makes it, with at most
/// [`Pool::DEFAULT_THREADS`] threads; none is started before there is a job for it. It ends with the runtime, without
/// waiting: jobs that have not begun are dropped, those that run are finished by threads that nobody waits for.
///
/// Outside of a runtime the job is [`NotStarted`](JobError::NotStarted).
///
/// ```
/// coracle::block_on(async {
///     let sum = coracle::blocking::submit(|| (1..=1_000_u64).sum::<u64>());
///     assert_eq!(sum.await.unwrap(), 500_500);
/// });
/// ```
#[track_caller]
pub fn submit<F, T>(closure: F) -> Job<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    submit_as(None, Location::caller(), closure)
}

/// [`submit`] for other modules: under a name, for a line of the user's source.
pub(crate) fn submit_as<F, T>(name: Option<&'static str>, at: &'static Location<'static>, closure: F) -> Job<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match pool() {
        Ok(pool) => pool.submit_as(name.map(Into::into), at, closure),
        Err(error) => Job::refused(error, at),
    }
}

/// The threads of a runtime beside its pool.
struct RuntimeThreads(Pool);

/// The same on a thread of the closure's own: for what may last as long as it likes, and must not take one from the pool.
pub(crate) fn submit_apart_as<F, T>(name: &'static str, at: &'static Location<'static>, closure: F) -> Job<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let event_loop = match current_or_error() {
        Ok(event_loop) => event_loop,
        Err(error) => return Job::refused(error, at),
    };
    let threads = Pool::builder().threads(usize::MAX).name("coracle-apart").keep_idle(Duration::ZERO);
    let own = event_loop.extensions.get_or_insert_with(|| RuntimeThreads(threads.build_in(event_loop.world())));
    own.0.submit_as(Some(name.into()), at, closure)
}

/// The pool of this thread's runtime, made now if there is none: to look into, or to share with another runtime.
///
/// # Errors
/// Outside of a runtime.
///
/// ```
/// coracle::block_on(async {
///     let pool = coracle::blocking::pool().unwrap();
///     assert_eq!(pool.inspect().threads, 0);
/// });
/// ```
pub fn pool() -> io::Result<Pool> {
    let event_loop = current_or_error()?;
    let own = event_loop.extensions.get_or_insert_with(|| RuntimePool(Pool::builder().build_in(event_loop.world())));
    Ok(own.0.clone())
}

/// What is inside that pool, if there is one.
pub(crate) fn own_pool() -> Option<PoolView> {
    let own = current_or_error().ok()?.extensions.get::<RuntimePool>()?;
    Some(own.0.inspect())
}

/// Makes `pool` that of this thread's runtime, from now on. Inside of `block_on`, or of
/// [`Runtime::enter`](crate::Runtime::enter) before it. One pool may serve several runtimes.
///
/// # Errors
/// Outside of a runtime.
///
/// ```
/// use coracle::blocking::{self, Pool};
/// let runtime = coracle::Runtime::new();
/// runtime.enter(|| blocking::set_pool(Pool::builder().threads(1).build())).unwrap();
/// runtime.block_on(async {
///     let (first, second) = (blocking::submit(|| 1), blocking::submit(|| 2));
///     assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
///     assert_eq!(blocking::pool().unwrap().inspect().threads, 1);
/// });
/// ```
pub fn set_pool(pool: Pool) -> io::Result<()> {
    current_or_error()?.extensions.set(RuntimePool(pool));
    Ok(())
}
