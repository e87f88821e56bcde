//! A hook that counts the calls to the world, and acts on them: before one, where it may fail it, or after one.

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};

use coracle::Runtime;
use coracle::sys::{Call, Hook, World};

type Before = Box<dyn Fn(Call) -> io::Result<()> + Send + Sync>;
type After = Box<dyn Fn(Call, Option<&io::Error>) + Send + Sync>;

/// See the head of this file.
pub(crate) struct Calls {
    counts: Mutex<HashMap<Call, usize>>,
    before: Before,
    after: After,
}

impl Calls {
    pub(crate) fn new() -> Arc<Calls> {
        Calls::with(|_| Ok(()), |_, _| {})
    }

    pub(crate) fn before(act: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static) -> Arc<Calls> {
        Calls::with(act, |_, _| {})
    }

    pub(crate) fn after(act: impl Fn(Call, Option<&io::Error>) + Send + Sync + 'static) -> Arc<Calls> {
        Calls::with(|_| Ok(()), act)
    }

    pub(crate) fn with(
        before: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static,
        after: impl Fn(Call, Option<&io::Error>) + Send + Sync + 'static,
    ) -> Arc<Calls> {
        Arc::new(Calls { counts: Mutex::default(), before: Box::new(before), after: Box::new(after) })
    }

    /// A runtime that is watched.
    pub(crate) fn runtime(self: &Arc<Calls>) -> Runtime {
        Runtime::builder().world(World::kernel().hooked(self.clone())).build()
    }

    /// How many calls of this kind were tried.
    pub(crate) fn of(&self, call: Call) -> usize {
        self.counts.lock().unwrap().get(&call).copied().unwrap_or(0)
    }

    /// All that were tried since the last time, and forgets them.
    pub(crate) fn take(&self) -> HashMap<Call, usize> {
        std::mem::take(&mut self.counts.lock().unwrap())
    }
}

impl Hook for Calls {
    fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
        *self.counts.lock().unwrap().entry(call).or_default() += 1;
        (self.before)(call)
    }

    fn after(&self, call: Call, _: Option<RawFd>, error: Option<&io::Error>) {
        (self.after)(call, error);
    }
}

/// An error of the system, by its number.
pub(crate) fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}
