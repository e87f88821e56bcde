//! Coroutines by hand: generators that pass values both ways, and transfer of control to a named peer.
//!
//! A coroutine keeps its place and its variables while others run. Here it is an ordinary `async` body without a stack of
//! its own, and whoever resumes it polls that body once, from the outside: no executor, no allocation, no system call.
//!
//! ```text
//!       resume(answer)                                          the body
//!   ───────────────┐     ┌──── exchange ────┐     ┌─────────────────────────────────────┐
//!                1 └────▶│ answer ──────────│─ 2 ▶│ let answer = co.yield_(value).await │
//!                4 ┌─────│ yielded ◀────────│─ 3 ─│ (Pending)                           │
//!   ◀──────────────┘     └──────────────────┘     └─────────────────────────────────────┘
//!       Step::Yielded(value)
//! ```
//!
//! 1. The resumer puts its answer into the exchange and polls the body.
//! 2. The `yield_` that waits there finds it, and the body goes on.
//! 3. It comes to its next `yield_`, which puts a value into the exchange and is `Pending`; so is the whole body.
//! 4. The resumer takes the value out. A body that is `Pending` and has left no value awaits something else: a sync
//!    resumer says so ([`ResumeError::Awaiting`]), an async one waits.
//!
//! [`Generator`] is that (`generator.rs`, and its async side in `waiting.rs`); its body speaks through a [`Yielder`]
//! (`exchange.rs`). [`Peers`] (`transfer.rs`) are generators that say, with each value, to whom it goes: a loop passes
//! control on, so that a chain of switches is never a recursion. What all of them have is state, not a thread: nothing
//! here runs by itself, and nothing here knows a runtime.

mod exchange;
mod generator;
mod peer;
mod step;
mod transfer;
mod waiting;

pub use exchange::{Yield, Yielder};
pub use generator::Generator;
pub use peer::{Address, Peer, PeerId, RunError, SwitchError};
pub use step::{CloseError, ResumeError, StartError, Step};
pub use transfer::{GoingOn, NameTaken, Peers, Running};
pub use waiting::{NextItem, Resuming, Starting};
