//! Many at once, re-exported as part of [`task`](crate::task): futures that share one task, and tasks in sets.
//!
//! `ready.rs` is the heart: which children of one task were woken. On it stand [`FutureSet`], [`join_all()`],
//! [`try_join_all()`] and the races of many, and the [`scope`](crate::scope). `child.rs` polls and drops a child so
//! that its panic is a value. Tuples ([`join()`], [`try_join()`], [`race()`], [`first_of()`]) need none of this: there are few, and all
//! are polled at each wake. [`JoinSet`] and [`Pool`] are sets of tasks; they alone know that there is a runtime, on
//! which they spawn.

pub(crate) mod child;
mod future_set;
mod join;
mod join_all;
mod join_set;
mod one_of;
mod pool;
mod race;
pub(crate) mod ready;
mod select;
mod try_join;

pub use future_set::{FutureSet, Next};
pub use join::{Join, join};
pub use join_all::{JoinAll, TryJoinAll, join_all, try_join_all};
pub use join_set::{JoinSet, NextTask, Shutdown};
pub use one_of::{FirstOf, OneOf, first_of};
pub use pool::{Pool, PoolFull, PoolJoin, PoolSpawn};
pub use race::{Race, race, race_ok};
pub use select::{Either, Select, select};
pub use try_join::{TryJoin, try_join};
