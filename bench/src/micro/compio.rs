//! compio on both its drivers; local-sync's channels, as it has none, and from threads async-channel.

use std::future::Future;
use std::time::Duration;

use compio::driver::{DriverType, ProactorBuilder};
use compio::runtime::{JoinError, JoinHandle, Runtime, RuntimeBuilder};

use super::rival::Rival;
use super::row::{Row, Work};
use super::{monoio, smol};

#[derive(Clone)]
pub struct Compio<const URING: bool>;

impl<const URING: bool> Rival for Compio<URING> {
    type Runtime = Runtime;
    type Join = JoinHandle<u64>;
    type Bounded = monoio::Bounded;
    type Unbounded = monoio::Unbounded;
    type RemoteBounded = smol::Bounded;
    type RemoteUnbounded = smol::Unbounded;

    /// Ten million sleeps in its tree would take longer than all other rows.
    fn offers(row: &Row) -> bool {
        row.work != Work::TimersAlive || row.count() <= 1_000_000
    }

    fn make() -> Runtime {
        let mut proactor = ProactorBuilder::new();
        proactor.driver_type(if URING { DriverType::IoUring } else { DriverType::Poll });
        RuntimeBuilder::new().with_proactor(proactor).build().expect("a runtime can be made")
    }

    fn block_on<F>(runtime: &mut Runtime, main: impl FnOnce(Self) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        runtime.block_on(main(Compio))
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> JoinHandle<u64> {
        compio::runtime::spawn(task)
    }

    fn value(joined: Result<u64, JoinError>) -> u64 {
        joined.expect("no task panics")
    }

    fn sleep(length: Duration) -> impl Future {
        compio::time::sleep(length)
    }
}
