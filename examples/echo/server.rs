//! The server: a task that accepts, and a task for each connection.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream};
use coracle::sync::WaitQueue;
use coracle::time::timeout;

use super::say;

/// How much is read at a time.
const BUFFER: usize = 16 * 1024;

/// How long connections may go on when the server is to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What came.
    Same,
    /// What came, with ASCII letters in upper case.
    Upper,
}

/// What has been done so far. All tasks are on one thread, so plain cells will do.
#[derive(Default)]
pub(crate) struct Tally {
    connections: Cell<u64>,
    open: Cell<u64>,
    most_open: Cell<u64>,
    bytes: Cell<u64>,
    errors: Cell<u64>,
    /// Where one waits for `open` to become 0.
    none_open: WaitQueue,
}

impl Tally {
    fn came(&self) {
        self.connections.set(self.connections.get() + 1);
        self.open.set(self.open.get() + 1);
        self.most_open.set(self.most_open.get().max(self.open.get()));
    }

    fn went(&self, result: io::Result<()>) {
        // A reset is the peer's right, and concerns nobody but this connection.
        self.errors.set(self.errors.get() + u64::from(result.is_err()));
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0 {
            self.none_open.wake_all();
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { connections, most_open, bytes, errors, .. } = self;
        let (connections, most_open, bytes, errors) = (connections.get(), most_open.get(), bytes.get(), errors.get());
        write!(f, "served {connections} connections, {most_open} at once, {bytes} bytes, {errors} errors")
    }
}

/// Accepts for ever. The loop may end at the first error: `accept` itself deals with connections that broke too early,
/// and with a lack of descriptors.
pub(crate) async fn accept(listener: TcpListener, answer: Answer, tally: Rc<Tally>) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        tally.came();
        if answer == Answer::Upper {
            say(format_args!("{peer} is here"))?;
        }
        let tally = tally.clone();
        let connection = coracle::spawn(async move {
            let result = echo(stream, answer, &tally).await;
            tally.went(result);
        });
        drop(connection); // nobody waits for it: it runs on by itself
    }
}

/// Answers until the peer has said its last; then closes. A peer that closed its own half only gets all of its answer.
async fn echo(stream: TcpStream, answer: Answer, tally: &Tally) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        if answer == Answer::Upper {
            buffer[..n].make_ascii_uppercase();
        }
        stream.write_all(&buffer[..n]).await?;
        tally.bytes.set(tally.bytes.get() + n as u64);
    }
}

/// Waits until no connection is left, but for a moment only.
pub(crate) async fn last_connections(tally: &Tally) {
    let all_gone = async {
        while tally.open.get() > 0 {
            tally.none_open.wait().await;
        }
    };
    // Those that are not done by then are dropped with the runtime.
    let _ = timeout(GRACE, all_gone).await;
}
