//! SIGINT and SIGTERM end the server in good order; the second one ends it at once.

use std::io;

use coracle::signal::{Signal, Signals};
use coracle::task::AbortHandle;

/// From now on they do not end the process.
pub(crate) fn watch() -> io::Result<Signals> {
    Signals::new(&[Signal::INT, Signal::TERM])
}

/// Ends a task when one of them comes.
pub(crate) fn abort_at_the_first(signals: Signals, task: AbortHandle) {
    let waiting = coracle::spawn(async move {
        if signals.recv().await.is_ok() {
            task.abort();
        }
        // With `signals` goes the last who watches: they do again what they did before.
    });
    drop(waiting); // it goes on by itself
}
