//! [`Running`]: a child up to its end, whoever waits for it; and the task that reaps what was dropped.
//!
//! While it runs there is a descriptor of its own, made when it was started, that becomes readable when it ends; or,
//! where the kernel has none to give, a thread that waits. Only when one of them has said that the child has ended is
//! it reaped here, so its number is its own all the while.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::process::ExitStatus;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::blocking::{Job, submit_apart_as};
use crate::net::{Done, Interest, Place, Source};
use crate::runtime::{Loop, at_home};
use crate::sys::{Signal, forks, is_no_child};
use crate::task::HomeRef;
use crate::time::{Sleep, sleep};

/// A child has ended, but nobody knows how: this process ignores SIGCHLD, so that the kernel reaped the child, or
/// somebody else in this process waited for it. It is inside of the [`io::Error`] that waiting gives.
///
/// ```
/// # use coracle::process::StatusLost;
/// fn is_it(error: &std::io::Error) -> bool {
///     error.get_ref().is_some_and(|error| error.is::<StatusLost>())
/// }
/// # assert!(!is_it(&std::io::ErrorKind::Other.into()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLost(());

impl std::fmt::Display for StatusLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the child has ended, but its status is lost: SIGCHLD is ignored, or somebody else waited for the child",
        )
    }
}

impl std::error::Error for StatusLost {}

/// See the head of this file.
pub(super) struct Running {
    child: std::process::Child,
    stage: Stage,
    home: HomeRef,
    /// [`forks`] when it was started: to a child process after a fork it is no child.
    born: usize,
    /// Where it was started.
    at: &'static Location<'static>,
}

enum Stage {
    /// Nobody waits, and there is no descriptor.
    Unwatched,
    /// This is readable when it has ended.
    Watched(Source),
    /// A thread waits.
    Awaited(Job<io::Result<()>>),
    Ended(ExitStatus),
    Lost,
}

impl Running {
    /// A child that was started just now.
    pub(super) fn new(event_loop: &Rc<Loop>, child: std::process::Child, at: &'static Location<'static>) -> Running {
        // Whatever the reason why there is none: a thread needs no descriptor.
        let stage = match event_loop.world().exit_descriptor(child.id()) {
            Ok(fd) => Stage::Watched(Source::in_loop(event_loop, fd)),
            Err(_) => Stage::Unwatched,
        };
        Running { child, stage, home: event_loop.executor.home().home().clone(), born: forks(), at }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it has ended, if it has.
    pub(super) fn try_end(&mut self) -> io::Result<Option<ExitStatus>> {
        match self.stage {
            Stage::Ended(status) => Ok(Some(status)),
            Stage::Lost => Err(lost()),
            _ => {
                let reaped = self.home.world().reap(&mut self.child);
                self.note(reaped)
            }
        }
    }

    /// Waits for its end. After an error it can be asked again.
    pub(super) fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<io::Result<ExitStatus>> {
        loop {
            let reaped = match &mut self.stage {
                Stage::Ended(status) => return Poll::Ready(Ok(*status)),
                Stage::Lost => return Poll::Ready(Err(lost())),
                Stage::Unwatched => {
                    let (world, number) = (self.home.world().clone(), self.child.id());
                    let end = submit_apart_as("wait for a child", self.at, move || world.await_exit(number));
                    self.stage = Stage::Awaited(end);
                    continue;
                }
                Stage::Watched(source) => ready!(poll_watched(source, &mut self.child, cx, at)),
                Stage::Awaited(end) => {
                    let ended = ready!(Pin::new(end).poll(cx)).unwrap_or_else(|error| Err(error.into()));
                    self.stage = Stage::Unwatched;
                    match self.home.world().reap(&mut self.child) {
                        Ok(None) => ended.map(|()| None),
                        reaped => reaped,
                    }
                }
            };
            match self.note(reaped) {
                Ok(Some(status)) => return Poll::Ready(Ok(status)),
                // It has ended, and cannot be reaped yet. A kqueue says so a moment too early; on Linux, somebody
                // traces it. A thread waits for that.
                Ok(None) => self.stage = Stage::Unwatched,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Whatever was found out stays known, and what was needed to find it out is given back.
    fn note(&mut self, reaped: io::Result<Option<ExitStatus>>) -> io::Result<Option<ExitStatus>> {
        match &reaped {
            Ok(Some(status)) => self.stage = Stage::Ended(*status),
            Err(error) if is_no_child(error) => {
                self.stage = Stage::Lost;
                return Err(lost());
            }
            _ => {}
        }
        reaped
    }

    /// Sends a signal, if it has not ended: before it is reaped, its number is nobody else's. Whether somebody else has
    /// reaped it is asked first: then the number may be that of a process which is no business of ours.
    pub(super) fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.is_over() {
            return Ok(());
        }
        // If that cannot be found out, the signal is worth more.
        let _ = self.try_end();
        if self.is_over() {
            return Ok(());
        }
        self.home.world().send_signal(&self.child, signal)
    }

    /// Whether there is nothing to reap. In a child process after a fork there never is: it is the parent's child.
    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended(_) | Stage::Lost) || self.born != forks()
    }

    /// Nobody is interested any more: if it still runs, a task of its runtime waits and reaps it.
    pub(super) fn leave(mut self) {
        if self.is_over() || !matches!(self.try_end(), Ok(None)) {
            return;
        }
        let (home, at) = (self.home.clone(), self.at);
        at_home(&home, move |event_loop| {
            let reaper = event_loop.spawn(Reaper { running: self, pause: None }, Some("reaper".into()), at);
            drop(reaper); // it goes on by itself
        });
    }
}

/// The last moment at which it can be reaped, if it has ended. If it runs on, it will be a zombie.
impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over() {
            let _ = self.try_end();
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ended = match &self.stage {
            Stage::Ended(status) => Some(status.to_string()),
            Stage::Lost => Some(lost().to_string()),
            _ => None,
        };
        f.debug_struct("Running").field("id", &self.id()).field("ended", &ended).finish_non_exhaustive()
    }
}

/// How long a reaper waits after an error: nobody is told of it, and nobody else would try again.
const REAPER_PAUSE: Duration = Duration::from_millis(100);

/// The future of the task that reaps what was dropped.
struct Reaper {
    running: Running,
    pause: Option<Sleep>,
}

impl Future for Reaper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.running.at;
        let this = &mut *self;
        loop {
            if let Some(pause) = &mut this.pause {
                ready!(Pin::new(pause).poll(cx));
                this.pause = None;
            }
            let ended = ready!(this.running.poll_end(cx, at));
            if ended.is_ok() || this.running.is_over() {
                return Poll::Ready(());
            }
            this.pause = Some(sleep(REAPER_PAUSE));
        }
    }
}

fn lost() -> io::Error {
    io::Error::other(StatusLost(()))
}

/// What became of it when the source is readable; `None`: it can not be reaped yet.
fn poll_watched(
    source: &Source,
    child: &mut std::process::Child,
    cx: &mut Context<'_>,
    at: &'static Location<'static>,
) -> Poll<io::Result<Option<ExitStatus>>> {
    // The first try is made without knowing anything. Once it is registered, it is tried only if it is readable.
    let mut readable = source.registration.is_registered();
    source.poll_io(cx, Interest::Read, Place::Polled, at, |world, _| match world.reap(child)? {
        None if !std::mem::replace(&mut readable, true) => Err(io::ErrorKind::WouldBlock.into()),
        reaped => Ok(Done::with(reaped)),
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use super::*;
    use crate::runtime::current_or_error;

    /// A kqueue reports the end of a process a moment before it can be reaped (rift#465: every four hundredth was a
    /// zombie for good). Here a pipe stands for it that is readable while the child still runs: a thread goes on
    /// waiting.
    #[test]
    fn a_descriptor_that_is_readable_too_early_ends_no_wait() {
        crate::block_on(async {
            let event_loop = current_or_error().unwrap();
            let (early, mut sender) = std::os::unix::net::UnixStream::pair().unwrap();
            let mut command = std::process::Command::new("sh");
            let mut child =
                command.args(["-c", "read line; exit 8"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
            let input = child.stdin.take();
            let at = Location::caller();
            let mut running = Running::new(&event_loop, child, at);
            running.stage = Stage::Watched(Source::in_loop(&event_loop, early.into()));
            let waiting = crate::spawn(async move { poll_fn(|cx| running.poll_end(cx, at)).await });
            crate::task::yield_now().await;
            sender.write_all(b"early").unwrap();
            crate::time::sleep(std::time::Duration::from_millis(20)).await;
            assert!(!waiting.is_finished());
            drop(input);
            assert_eq!(waiting.await.unwrap().unwrap().code(), Some(8));
        });
    }
}
