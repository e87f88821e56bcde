//! For tests of programs that wait, and talk over a network.
//!
//! # What to test with
//!
//! | what is tested | take |
//! |---|---|
//! | a server or a client, over real sockets | [`listener`], [`tcp_pair`], [`unix_pair`], [`udp_pair`] |
//! | code that reads a message and writes an answer: a parser, a handler | [`Memory`], its input cut into pieces |
//! | a client whose server's part is a list of steps, errors among them | [`Script`] |
//! | both sides, in memory, running ahead of each other | [`duplex`](crate::io::duplex) |
//! | both sides, in memory, one step at a time; and whether one relies on a buffer | [`lockstep()`] |
//! | a future between two of its steps | [`poll_once`], [`assert_pending`], [`assert_ready`], [`WakeCounter`] |
//! | what a dropped future leaves behind | [`cancel_at_each_await`] |
//! | a stream of your own: encryption, a multiplexer, a double | [`check_stream`] |
//! | a client of a server that is not yours, over a bad network | [`FaultProxy`] |
//! | clients and servers of yours, over a bad network, by a seed | [`sim`](crate::sim) |
//!
//! All are plain functions and values, for an ordinary `#[test]`.
//!
//! # Finding the order that fails
//!
//! Everything that a correct program leaves open is a choice, and a run is a function of its choices.
//! [`Choices::seeded`] makes them from a number, [`for_seeds`] tries many numbers, [`explore()`] tries all sequences of a
//! small program, and [`Choices::replay`] runs one again. [`Trace`] shows what happened, and [`twice()`] finds what
//! makes a run differ from itself.
//!
//! A run that fails says on standard error which seed it was and how to run it again (`CORACLE_SEEDS=17 cargo test …`),
//! shows its last events, and writes all of them to a file in the folder `traces` beside the test program.
//!
//! As a strategy of proptest a schedule is two lines; zero is the ordinary order, so shrinking leaves a deviation
//! from which it could take nothing away (where that is not the smallest, [`explore()`] finds the smallest first):
//!
//! ```
//! use coracle::testing::{Choices, Kinds};
//! use proptest::{collection::vec, prelude::*};
//!
//! fn schedules() -> impl Strategy<Value = Choices> {
//!     vec(0u32..8, 0..64).prop_map(|list| Choices::replay(list).only(Kinds::ORDER))
//! }
//!
//! proptest!(|(choices in schedules())| {
//!     let runtime = coracle::Runtime::builder().choices(choices).build();
//!     assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
//! });
//! ```

mod cancel;
mod clock;
mod explore;
mod fail;
mod leaks;
mod lockstep;
mod memory;
mod poll;
mod proxy;
pub(crate) mod report;
mod script;
mod seeds;
mod sockets;
mod stream_check;
mod trace;
mod trial;
mod twice;

#[doc = include_str!("../../docs/testing.md")]
pub mod guide {}

pub use crate::choices::{Choices, Kinds, Made};
pub use crate::runtime::{everywhere, within};
pub use cancel::{Cut, cancel_at_each_await};
pub use clock::{
    Advance, AdvanceToNext, Held, Settle, UnderWay, advance, advance_to_next, elapsed, foreign_sources, hold_clock,
    set_patience, settle, under_way,
};
pub use explore::{Explored, explore};
pub use fail::{Errno, Failing};
pub use leaks::Leaks;
pub use lockstep::{Lockstep, lockstep};
pub use memory::Memory;
pub use poll::{WakeCounter, assert_pending, assert_ready, poll_once};
pub use proxy::{Direction, FaultProxy};
pub use script::Script;
pub use seeds::{Passed, for_seeds, for_seeds_on};
pub use sockets::{listener, tcp_pair, udp_pair, unix_pair};
pub use stream_check::{Broken, Checked, Checks, check_stream};
pub use trace::{Difference, Trace};
pub use trial::{Trial, run};
pub use twice::twice;
