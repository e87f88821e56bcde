//! A whole async runtime for one thread, written from nothing: a future executor with a waker-driven run queue on a raw
//! epoll or kqueue reactor, with sockets, timers and channels built directly on it.
//!
//! ```
//! use coracle::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! coracle::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!
//!     let server = coracle::spawn(async move {
//!         let (stream, _peer) = listener.accept().await?;
//!         let mut buffer = [0; 1024];
//!         let n = stream.read(&mut buffer).await?;
//!         stream.write_all(&buffer[..n]).await
//!     });
//!
//!     let stream = TcpStream::connect(address).await?;
//!     stream.write_all(b"hello").await?;
//!     let mut answer = [0; 5];
//!     stream.read_exact(&mut answer).await?;
//!     assert_eq!(&answer, b"hello");
//!     server.await.unwrap()
//! })
//! # }
//! ```
//!
//! # Where to begin
//!
//! - Run something: [`block_on`], [`spawn`], [`Runtime`].
//! - Talk: [`net`], and the traits in [`io`].
//! - Wait: [`time`]; the channels, queues and locks in [`sync`].
//! - Run several at once: [`task`], [`scope`], [`coroutine`].
//! - Reach what is next door: [`blocking`], [`fs`], [`process`], [`signal`], [`cores`].
//! - Drive it from a loop of your own: [`Runtime::turn`], [`Runtime::descriptor`].
//! - Look inside: [`Runtime::inspect`], [`observer`], [`sys::Hook`].
//!
//! # Features
//!
//! All are on by default. None changes what the rest does; each that is left out (`default-features = false`) saves the
//! time to build it.
//!
//! - `testing`: `testing`, `sim`, and the worlds that they put in the place of the kernel (`World::hostile`, `World::paused`,
//!   `RuntimeBuilder::choices`): half of the whole. Needs `structured`.
//! - `structured`: join, race, select, sets and pools of tasks in [`task`]; `scope`; `coroutine`.
//! - `system`: `fs`, `process`, `signal`, `cores`.
//!
//! What is left are the runtime, sockets, streams, timers, channels and locks.
//!
//! # Promises
//!
//! One thread: futures and their outputs need not be `Send`. No global runtime, no hidden threads; a pool of threads or a signal
//! handler only if asked for. Every descriptor is close-on-exec, no write raises SIGPIPE, timers are never early, and
//! whatever is ready is served within 64 polls of other tasks. `ARCHITECTURE.md` has the list, and a test for each.

#![warn(missing_debug_implementations)]
#![cfg_attr(
    not(all(feature = "testing", feature = "structured", feature = "system")),
    allow(dead_code, unused_imports, unreachable_pub, reason = "what only the modules use that are left out")
)]

/// The README's programs, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod blocking;
mod choices;
#[cfg(feature = "system")]
pub mod cores;
#[cfg(feature = "structured")]
pub mod coroutine;
mod executor;
#[cfg(feature = "system")]
pub mod fs;
#[cfg(feature = "structured")]
mod group;
pub mod io;
pub mod net;
pub mod observer;
#[cfg(feature = "system")]
pub mod process;
mod projection;
mod reactor;
mod runtime;
#[cfg(feature = "structured")]
pub mod scope;
#[cfg(feature = "system")]
pub mod signal;
#[cfg(feature = "testing")]
pub mod sim;
pub mod sync;
pub mod sys;
pub mod task;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
mod timers;
mod wait_list;

pub use executor::TaskView;
pub use runtime::{
    Budget, Descriptor, OnStall, PanicPolicy, RemoteHandle, Runtime, RuntimeBuilder, Snapshot, SourceView, SpawnError,
    Spawner, Stall, Stuck, StuckOn, TimerView, Turn, block_on, spawn,
};
