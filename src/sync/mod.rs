//! Between the tasks of one thread: [`WaitQueue`], and on it the channels, and what keeps tasks in order: locks,
//! semaphores, events, barriers.
//!
//! Nothing here holds a lock or an atomic, but in [`remote`], which has what crosses threads; and nothing knows the
//! runtime: these types work on any executor of one thread. What a cancelled operation leaves behind is said at each:
//! nothing is ever lost by it.

mod barrier;
pub mod broadcast;
pub mod channel;
mod closed;
mod event;
mod mutex;
mod noted;
mod notify;
mod once_cell;
pub mod oneshot;
mod permits;
pub mod queue;
mod reentrant_mutex;
pub mod remote;
mod rw_lock;
mod semaphore;
mod wait_queue;
pub mod watch;

pub use barrier::{Barrier, BarrierWait, BarrierWaitResult};
pub use closed::UntilClosed;
pub use event::{Event, EventWait};
pub use mutex::{Lock, LockOwned, Mutex, MutexGuard, OwnedMutexGuard};
pub use notify::{Notified, Notify};
pub use once_cell::{GetOrInit, GetOrTryInit, OnceCell, SetError};
pub use queue::Queue;
pub use reentrant_mutex::{LockReentrant, ReentrantMutex, ReentrantMutexGuard};
pub use rw_lock::{LockRead, LockWrite, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Acquire, AcquireError, Permit, Semaphore, TryAcquireError};
pub use wait_queue::{WaitQueue, Waiting};
