//! One future made schedulable.
//!
//! A task is one allocation: a header that wakers, queues and handles know, then the future, in whose place the output
//! is put when it is done. Who runs it, and where, this layer does not know: a wake ends in a queue of its home.
//!
//! ```text
//!   ┌────────────────────────────────── Header, 48 bytes ───────────────────────────────────┐┌── Stage<F> ──┐
//!   │ shared │ inbox link │ site: home, vtable, line ││ tally │ owner │ queue │ place, details ││ future or    │
//!   │ atomic │            │                read-only ││       │       │ link  │                ││ output       │
//!   └───────────────────────────────────────────────────────────────────────────────────────┘└──────────────┘
//!    any thread                                        home thread only  (the owner rule)
//! ```
//!
//! Rules, cited by every `unsafe` in this folder:
//!
//! - **T1 (shared word)**: any thread, by the methods of `state::Shared` alone.
//! - **T2 (owner rule)**: everything but the shared word, the inbox link and the read-only fields is touched on the home
//!   thread only; or, when the home is closed and the task complete, by the one who has its JoinHandle,
//!   or who found its detach in the shared word. From the closing on, the home thread counts as any other.
//! - **T3 (inbox link)**: belongs to the inbox, which holds a reference, from the `request` that set IN_INBOX until
//!   `take_in` clears it.
//! - **T4 (allocation)**: the header is allocated while it is referenced. One reference is the *home's*, held by the
//!   executor until the task completes and by the JoinHandle until it is dropped; whoever is later releases it. Each
//!   waker, abort handle and inbox link has one of its own. A run queue link needs none: the task is not complete.
//! - **T5 (stage)**: the stage is a future until the task completes, then an output until somebody takes it, as the owner's
//!   word says. It is empty before the home's reference is released, so freeing the memory, on whatever thread, runs no code
//!   of the user's.
//! - **T7, T8**: `blocks.rs` and `site.rs`.
//! - **T6 (no guests)**: no user code (poll, drop, waker) runs while a `&mut` to a stage exists but the one that it got.

mod atomic;
mod blocks;
mod contain;
mod count;
mod details;
mod extras;
mod handle;
mod header;
pub(crate) mod here;
pub(crate) mod holders;
mod home;
mod inbox;
pub(crate) mod kept;
mod live;
#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom)))]
mod model;
mod remote;
mod run_queue;
mod site;
mod stage;
mod state;
mod waker;
mod yield_now;

pub(crate) use contain::{Payload, contain, let_go, wake};
pub(crate) use extras::{Extras, LocalKey};
pub use handle::{AbortHandle, AbortOnDrop, JoinError, JoinHandle};
pub(crate) use handle::{Unobserved, forget_payload, message, report};
pub(crate) use header::{Header, TaskRef};
pub(crate) use home::{HomeOwner, HomeRef};
pub(crate) use kept::keep;
pub(crate) use live::Live;
pub(crate) use remote::send;
pub(crate) use state::{Begin, Ended, Outcome, Woken};
pub(crate) use waker::{borrowed_waker, is_ours};
pub use yield_now::{YieldNow, yield_now};

#[cfg(feature = "structured")]
pub use crate::group::{
    Either, FirstOf, FutureSet, Join, JoinAll, JoinSet, Next, NextTask, OneOf, Pool, PoolFull, PoolJoin, PoolSpawn,
    Race, Select, Shutdown, TryJoin, TryJoinAll, first_of, join, join_all, race, race_ok, select, try_join,
    try_join_all,
};
pub use crate::observer::TaskId;
pub use crate::runtime::{Local, NoTask, TaskBuilder as Builder, name, spawn};

/// The task that is being polled on this thread, if any.
///
/// ```
/// assert_eq!(coracle::task::id(), None);
/// coracle::block_on(async { assert!(coracle::task::id().is_some()) });
/// ```
pub fn id() -> Option<TaskId> {
    here::task()
}
