//! The hostile world: what deviates in it, and what survives that. (That everything else does, the whole suite shows when
//! it is run with `CORACLE_SEED`: see `support/seeded.rs`.)

mod deviations;
mod failing;
mod seeded;
mod survival;

use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};

use coracle::Runtime;
use coracle::sys::{Call, Hook, World};
use coracle::testing::Choices;

/// A runtime in a hostile world, whose tasks run in order.
fn runtime(choices: &Choices) -> Runtime {
    Runtime::builder().world(World::kernel().hostile(choices)).build()
}

/// The calls that were made, in order, each with the kind of its error.
#[derive(Default)]
struct Log(Mutex<Vec<(Call, Option<io::ErrorKind>)>>);

impl Log {
    fn new() -> Arc<Log> {
        Arc::default()
    }

    fn take(&self) -> Vec<(Call, Option<io::ErrorKind>)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Hook for Log {
    fn after(&self, call: Call, _: Option<RawFd>, error: Option<&io::Error>) {
        self.0.lock().unwrap().push((call, error.map(io::Error::kind)));
    }
}
