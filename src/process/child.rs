//! [`Child`]: a program that was started, and its end.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::process::ExitStatus;
use std::task::{Context, Poll};

use super::output::WaitWithOutput;
use super::running::Running;
use crate::net::{PipeReader, PipeWriter};
use crate::signal::Signal;

/// A child process; made by [`Command::spawn`](super::Command::spawn).
///
/// Dropped while it runs, it goes on, and is reaped when it ends; or it is killed, if
/// [`kill_on_drop`](super::Command::kill_on_drop) was set.
///
/// It belongs to the runtime in which it was made, which waits for it; see [`net`](crate::net) for what that means.
/// [`try_wait`](Child::try_wait), [`kill`](Child::kill) and dropping it work everywhere, also after the runtime's end.
///
/// ```
/// use coracle::{io::AsyncWriteExt, process::{Command, Stdio}};
/// coracle::block_on(async {
///     let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
///     child.stdin.take().unwrap().write_all(b"meow").await?; // and dropped: that is the end of its input
///     let output = child.wait_with_output().await?;
///     assert!(output.status.success() && output.stdout == b"meow");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct Child {
    /// Writes to its standard input, if that was [piped](std::process::Stdio::piped).
    pub stdin: Option<PipeWriter>,
    /// Reads its standard output, if that was piped.
    pub stdout: Option<PipeReader>,
    /// Reads its standard error, if that was piped.
    pub stderr: Option<PipeReader>,
    /// `None` only while it is being dropped.
    running: Option<Running>,
    kill_on_drop: bool,
}

impl Child {
    pub(super) fn new(running: Running, kill_on_drop: bool) -> Child {
        Child { stdin: None, stdout: None, stderr: None, running: Some(running), kill_on_drop }
    }

    pub(super) fn set_kill_on_drop(&mut self, kill: bool) {
        self.kill_on_drop = kill;
    }

    fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("a child has its process until it is dropped")
    }

    /// The number of the process. When the child has ended and was waited for, the system may give it to another one.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mut child = coracle::process::Command::new("true").spawn().unwrap();
    ///     assert!(child.id() > 1);
    ///     child.wait().await.unwrap();
    /// });
    /// ```
    pub fn id(&self) -> u32 {
        self.running.as_ref().expect("a child has its process until it is dropped").id()
    }

    /// Waits for its end. First it drops [`stdin`](Child::stdin), if that is still there, so that a child that reads
    /// its input to the end does not wait for us. Afterwards it gives the same again.
    ///
    /// **Cancel safety**: cancel-safe; wait again. `stdin` is dropped at the first poll.
    ///
    /// # Errors
    /// [`StatusLost`](super::StatusLost), if it has ended and nobody knows how; then always. If the runtime cannot
    /// watch the child, for lack of memory for instance; on another thread than the runtime's, or after its end.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mut child = coracle::process::Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
    ///     assert_eq!(child.wait().await.unwrap().code(), Some(3));
    ///     assert_eq!(child.wait().await.unwrap().code(), Some(3));
    /// });
    /// ```
    #[track_caller]
    pub fn wait(&mut self) -> Wait<'_> {
        Wait { child: self, at: Location::caller() }
    }

    /// [`wait`](Child::wait) for code that polls.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mut child = coracle::process::Command::new("true").spawn().unwrap();
    ///     assert!(std::future::poll_fn(|cx| child.poll_wait(cx)).await.unwrap().success());
    /// });
    /// ```
    #[track_caller]
    pub fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        self.poll_end(cx, Location::caller())
    }

    pub(super) fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<io::Result<ExitStatus>> {
        self.stdin = None;
        self.running().poll_end(cx, at)
    }

    /// How it has ended, if it has. Never waits, and leaves `stdin` alone.
    ///
    /// # Errors
    /// [`StatusLost`](super::StatusLost), and whatever else the system says.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mut child = coracle::process::Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap();
    ///     assert!(child.try_wait().unwrap().is_none());
    /// });
    /// ```
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.running().try_end()
    }

    /// Kills it, with SIGKILL. It has not ended when this returns: [wait](Child::wait) for that. No effect on a child
    /// that was seen to have ended.
    ///
    /// # Errors
    /// Whatever the system says: the child may run as another user, for instance.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mut child = coracle::process::Command::new("sleep").arg("60").spawn().unwrap();
    ///     child.kill().unwrap();
    ///     assert!(!child.wait().await.unwrap().success());
    /// });
    /// ```
    pub fn kill(&mut self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Sends it a signal: TERM, to ask it to end. No effect on a child that was seen to have ended.
    ///
    /// # Errors
    /// As [`kill`](Child::kill).
    ///
    /// ```
    /// use coracle::{process::Command, signal::Signal};
    /// use std::os::unix::process::ExitStatusExt;
    /// coracle::block_on(async {
    ///     let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    ///     child.signal(Signal::TERM).unwrap();
    ///     assert_eq!(child.wait().await.unwrap().signal(), Some(Signal::TERM.number()));
    /// });
    /// ```
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        self.running().signal(signal)
    }

    /// Waits for its end, and meanwhile reads its output and its errors, as far as they are piped, both at once, so
    /// that it need not wait for us. It ends when the child has ended *and* nobody has the other ends of the pipes
    /// open: a grandchild may. Drops `stdin`, as [`wait`](Child::wait) does.
    ///
    /// **Cancel safety**: lossy; the child is dropped with the future, and what was read of its output is lost.
    ///
    /// # Errors
    /// As [`wait`](Child::wait), and what reading the pipes says.
    ///
    /// ```
    /// use coracle::process::{Command, Stdio};
    /// coracle::block_on(async {
    ///     let child = Command::new("sh").args(["-c", "echo out; echo err >&2"])
    ///         .stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    ///     let output = child.wait_with_output().await.unwrap();
    ///     assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    /// });
    /// ```
    #[track_caller]
    pub fn wait_with_output(self) -> WaitWithOutput {
        WaitWithOutput::new(self, Location::caller())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        if self.kill_on_drop {
            // If it cannot be killed, it is reaped whenever it ends.
            let _ = running.signal(Signal::KILL);
        }
        running.leave();
    }
}

/// See [`Child::wait`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Wait<'a> {
    child: &'a mut Child,
    at: &'static Location<'static>,
}

impl Future for Wait<'_> {
    type Output = io::Result<ExitStatus>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let this = &mut *self;
        this.child.poll_end(cx, this.at)
    }
}
