//! Running a program to its end: the futures that wait for a child and read what it says.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll, ready};

use super::child::Child;
use crate::net::PipeReader;

/// How much of a child's output is read at a time.
const AT_A_TIME: usize = 8 * 1024;

/// Reads a pipe to its end.
#[derive(Debug)]
struct Reading {
    /// `None`: there was none, or the end is reached.
    pipe: Option<PipeReader>,
    bytes: Vec<u8>,
}

impl Reading {
    fn new(pipe: Option<PipeReader>) -> Reading {
        Reading { pipe, bytes: Vec::new() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(pipe) = &self.pipe else { return Poll::Ready(Ok(())) };
        let mut buffer = [0; AT_A_TIME];
        loop {
            match ready!(pipe.poll_read(cx, &mut buffer))? {
                0 => break,
                count => self.bytes.extend_from_slice(&buffer[..count]),
            }
        }
        self.pipe = None;
        Poll::Ready(Ok(()))
    }
}

/// See [`Child::wait_with_output`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct WaitWithOutput {
    child: Child,
    output: Reading,
    errors: Reading,
    at: &'static Location<'static>,
}

impl WaitWithOutput {
    pub(super) fn new(mut child: Child, at: &'static Location<'static>) -> WaitWithOutput {
        child.stdin = None;
        let (output, errors) = (Reading::new(child.stdout.take()), Reading::new(child.stderr.take()));
        WaitWithOutput { child, output, errors, at }
    }
}

impl Future for WaitWithOutput {
    type Output = io::Result<Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Output>> {
        let this = &mut *self;
        // All three are asked each time, so that none waits for another.
        let (output, errors) = (this.output.poll(cx)?, this.errors.poll(cx)?);
        let status = ready!(this.child.poll_end(cx, this.at))?;
        ready!(output);
        ready!(errors);
        let (stdout, stderr) = (std::mem::take(&mut this.output.bytes), std::mem::take(&mut this.errors.bytes));
        Poll::Ready(Ok(Output { status, stdout, stderr }))
    }
}

/// See [`Command::status`](super::Command::status).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct CommandStatus {
    pub(super) child: io::Result<Child>,
    pub(super) at: &'static Location<'static>,
}

impl Future for CommandStatus {
    type Output = io::Result<ExitStatus>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let this = &mut *self;
        match &mut this.child {
            Ok(child) => child.poll_end(cx, this.at),
            Err(error) => Poll::Ready(Err(take(error))),
        }
    }
}

/// See [`Command::output`](super::Command::output).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct CommandOutput {
    pub(super) waiting: io::Result<WaitWithOutput>,
}

impl Future for CommandOutput {
    type Output = io::Result<Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Output>> {
        match &mut self.waiting {
            Ok(waiting) => Pin::new(waiting).poll(cx),
            Err(error) => Poll::Ready(Err(take(error))),
        }
    }
}

/// The error why it did not start, once.
fn take(error: &mut io::Error) -> io::Error {
    std::mem::replace(error, io::Error::other("polled after it was done"))
}
