//! [`Script`]: a stream whose other end plays a script.
//!
//! For code that talks to a peer whose part is a fixed list of steps: a server's greeting, a command that must come, an
//! answer, a pause, an error in the middle. What is not as the script has it is reported with the line of the script. A
//! peer that must decide something is better played by a task, at the other end of [`duplex`](crate::io::duplex) or
//! [`lockstep`](super::lockstep()).
//!
//! The script is the peer's program: it *gives* without waiting for the reader, and what it *expects* it waits for.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::io::{AsyncRead, AsyncWrite};
use crate::observer::WaitReason;
use crate::task::{here, keep};
use crate::time::{Sleep, sleep};

/// A stream that plays a script. The methods add steps to its end; then it is read and written like any stream.
///
/// It checks each byte that is written when it is written. When it is dropped, everything must have been played: all
/// that it expects has come, and all that it gives was read. When the script is over, reads give the end.
///
/// # Panics
/// In a write that is not as the script expects it, with both, and the line of the script. In a close while it still
/// expects bytes. In its drop, if the script was not played to its end, unless the thread panics already.
///
/// ```
/// use coracle::{io::{AsyncReadExt, AsyncWriteExt}, testing::Script};
/// use std::time::Duration;
/// coracle::block_on(async {
///     let mut stream = Script::new()
///         .give("220 ready\r\n")
///         .expect("QUIT\r\n")
///         .wait(Duration::from_millis(1))
///         .give("221 bye\r\n")
///         .end();
///     assert_eq!(stream.read_array().await.unwrap(), *b"220 ready\r\n");
///     stream.write_all(b"QUIT\r\n").await.unwrap();
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer).await.unwrap();
///     assert_eq!(answer, "221 bye\r\n");
/// });
/// ```
#[derive(Default)]
pub struct Script {
    /// What is still to be played. The first may have begun.
    steps: VecDeque<Step>,
    /// Given, and not read yet. None is empty.
    inbox: VecDeque<Given>,
    /// The next operation fails with this. The script goes on when one has.
    fault: Option<(ErrorKind, At)>,
    /// What the reader and the writer sleep in, while a pause lasts.
    pause: Option<[Sleep; 2]>,
    /// The peer has said its last word.
    has_ended: bool,
    is_closed: bool,
    may_stay_unplayed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

type At = &'static Location<'static>;

struct Step {
    action: Action,
    at: At,
}

#[derive(Debug)]
enum Action {
    Give(Vec<u8>),
    /// The bytes, and how many of them have come.
    Expect(Vec<u8>, usize),
    ExpectEnd,
    Wait(Duration),
    Fail(ErrorKind),
    End,
}

struct Given {
    bytes: Vec<u8>,
    read: usize,
    at: At,
}

/// Who drives the script on.
#[derive(Clone, Copy)]
enum Side {
    Reader,
    Writer,
}

impl Script {
    /// With no steps: reads give the end, and whatever is written is wrong.
    ///
    /// ```
    /// use coracle::{io::AsyncReadExt, testing::Script};
    /// assert_eq!(coracle::block_on(async { Script::new().read(&mut [0; 8]).await.unwrap() }), 0);
    /// ```
    pub fn new() -> Script {
        Script::default()
    }

    /// The peer sends these bytes, and goes on at once. None are no step. No read gives bytes of two steps.
    ///
    /// ```
    /// use coracle::{io::AsyncReadExt, testing::Script};
    /// let mut script = Script::new().give("one").give("two");
    /// assert_eq!(coracle::block_on(async { script.read(&mut [0; 8]).await.unwrap() }), 3);
    /// # assert_eq!(coracle::block_on(async { script.read(&mut [0; 8]).await.unwrap() }), 3);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn give(self, bytes: impl AsRef<[u8]>) -> Script {
        self.step(Action::Give(bytes.as_ref().to_vec()))
    }

    /// The peer waits until these bytes have come; in how many writes does not matter.
    ///
    /// ```
    /// use coracle::{io::AsyncWriteExt, testing::Script};
    /// let mut script = Script::new().expect("hello");
    /// coracle::block_on(async { script.write_all(b"hello").await.unwrap() });
    /// ```
    #[track_caller]
    #[must_use]
    pub fn expect(self, bytes: impl AsRef<[u8]>) -> Script {
        self.step(Action::Expect(bytes.as_ref().to_vec(), 0))
    }

    /// The peer waits until the stream is closed. To drop it counts as that.
    ///
    /// ```
    /// use coracle::{io::AsyncWriteExt, testing::Script};
    /// let mut script = Script::new().expect_end();
    /// coracle::block_on(async { script.close().await.unwrap() });
    /// ```
    #[track_caller]
    #[must_use]
    pub fn expect_end(self) -> Script {
        self.step(Action::ExpectEnd)
    }

    /// The peer does nothing for so long; what is written meanwhile waits. Needs a runtime; on a paused clock it takes
    /// no time.
    ///
    /// ```
    /// use coracle::{io::AsyncReadExt, testing::Script};
    /// let mut script = Script::new().wait(std::time::Duration::from_millis(1)).give("late");
    /// coracle::block_on(async { assert_eq!(script.read_array().await.unwrap(), *b"late") });
    /// ```
    #[track_caller]
    #[must_use]
    pub fn wait(self, time: Duration) -> Script {
        self.step(Action::Wait(time))
    }

    /// The next write, or the next read after all that was given has been read, fails with an error of this kind: once.
    /// The peer goes on when one has.
    ///
    /// ```
    /// use coracle::{io::{AsyncReadExt, ErrorKind}, testing::Script};
    /// let mut script = Script::new().fail(ErrorKind::ConnectionReset);
    /// let error = coracle::block_on(async { script.read(&mut [0; 8]).await.unwrap_err() });
    /// assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn fail(self, kind: ErrorKind) -> Script {
        self.step(Action::Fail(kind))
    }

    /// The peer closes its direction: when all was read, reads give the end. It can still expect something.
    ///
    /// # Panics
    /// If it is to give something after that.
    ///
    /// ```
    /// use coracle::{io::{AsyncReadExt, AsyncWriteExt}, testing::Script};
    /// let mut script = Script::new().end().expect("good bye");
    /// coracle::block_on(async {
    ///     assert_eq!(script.read(&mut [0; 8]).await.unwrap(), 0);
    ///     script.write_all(b"good bye").await.unwrap();
    /// });
    /// ```
    #[track_caller]
    #[must_use]
    pub fn end(self) -> Script {
        self.step(Action::End)
    }

    /// It may be dropped before all was played: for a program that is stopped somewhere. A wrong byte is still wrong.
    ///
    /// ```
    /// drop(coracle::testing::Script::new().expect("never written").may_stay_unplayed());
    /// ```
    #[must_use]
    pub fn may_stay_unplayed(mut self) -> Script {
        self.may_stay_unplayed = true;
        self
    }

    /// Holds that all was played, without waiting for the drop.
    ///
    /// # Panics
    /// If something was not, with the line of the script.
    ///
    /// ```
    /// coracle::testing::Script::new().assert_played();
    /// ```
    #[track_caller]
    pub fn assert_played(&self) {
        if let Some(rest) = self.unplayed() {
            panic!("{rest}");
        }
    }

    #[track_caller]
    fn step(mut self, action: Action) -> Script {
        let at = Location::caller();
        let ends = |step: &Step| matches!(step.action, Action::End);
        if matches!(action, Action::Give(_) | Action::End) && self.steps.iter().any(ends) {
            self.may_stay_unplayed = true;
            panic!("the script has said its end already, and goes on to {action} at {at}");
        }
        let is_nothing = |bytes: &Vec<u8>| bytes.is_empty();
        if !matches!(&action, Action::Give(bytes) | Action::Expect(bytes, _) if is_nothing(bytes)) {
            self.steps.push_back(Step { action, at });
        }
        self
    }

    /// Plays all that the peer does by itself, up to a step for which it waits.
    fn play(&mut self, side: Side, cx: &mut Context<'_>) {
        while self.fault.is_none() && self.front_is_over(side, cx) {
            let step = self.steps.pop_front().expect("the step that is over");
            match step.action {
                Action::Give(bytes) => self.inbox.push_back(Given { bytes, read: 0, at: step.at }),
                Action::Fail(kind) => self.fault = Some((kind, step.at)),
                Action::End => self.has_ended = true,
                Action::Wait(_) | Action::Expect(..) | Action::ExpectEnd => {}
            }
            self.wake_all();
        }
    }

    /// Whether the script can go on behind its first step.
    fn front_is_over(&mut self, side: Side, cx: &mut Context<'_>) -> bool {
        let Some(step) = self.steps.front() else { return false };
        match &step.action {
            Action::Give(_) | Action::Fail(_) | Action::End => true,
            Action::Expect(bytes, come) if *come == bytes.len() => true,
            Action::Expect(bytes, come) if self.is_closed => {
                let (rest, at) = (shown(&bytes[*come..]), step.at);
                self.wrong(format!("the script expects {rest} at {at}, and the stream was closed"))
            }
            Action::Expect(..) => false,
            Action::ExpectEnd => self.is_closed,
            Action::Wait(time) => {
                let time = *time;
                let sleeps = self.pause.get_or_insert_with(|| [sleep(time), sleep(time)]);
                let is_over = Pin::new(&mut sleeps[side as usize]).poll(cx).is_ready();
                if is_over {
                    self.pause = None;
                }
                is_over
            }
        }
    }

    fn wake_all(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Takes bytes that the script expects. `None`: the peer does something else first.
    fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        let written = shown(bytes);
        let Some(step) = self.steps.front_mut() else {
            self.wrong(format!("the script is over, and {written} was written"))
        };
        let at = step.at;
        match &mut step.action {
            Action::Expect(expected, come) => {
                let rest = &expected[*come..];
                let count = rest.len().min(bytes.len());
                if let Some(wrong) = (0..count).find(|i| rest[*i] != bytes[*i]) {
                    let rest = shown(rest);
                    self.wrong(format!(
                        "the script expects {rest} at {at}, and {written} was written: byte {wrong} is another"
                    ))
                }
                *come += count;
                Some(count)
            }
            Action::ExpectEnd => {
                self.wrong(format!("the script expects the end of the stream at {at}, and {written} was written"))
            }
            _ => None,
        }
    }

    /// Ends the test. The rest of the script is not asked for any more.
    fn wrong(&mut self, why: String) -> ! {
        self.may_stay_unplayed = true;
        panic!("{why}");
    }

    /// The first thing that was not played, in words.
    fn unplayed(&self) -> Option<String> {
        if let Some(given) = self.inbox.front() {
            let rest = shown(&given.bytes[given.read..]);
            return Some(format!("the script gave {rest} at {}, and nobody read it", given.at));
        }
        if let Some((kind, at)) = &self.fault {
            return Some(format!("the script fails with {kind:?} at {at}, and nobody met it"));
        }
        // The stream ends here, which is what these two wait for or do.
        let rest = self.steps.iter().find(|step| !matches!(step.action, Action::ExpectEnd | Action::End))?;
        Some(format!("the script was not played to its end: next it would {} at {}", rest.action, rest.at))
    }

    /// What a side waits for, for who asks why a task hangs.
    fn stand(&mut self, side: Side, cx: &mut Context<'_>) {
        let own = if matches!(side, Side::Reader) { &mut self.reader } else { &mut self.writer };
        match own {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *own = Some(keep(cx.waker())),
        }
        if let Some(step) = self.steps.front() {
            here::waits(WaitReason::Sync("the next step of a script"), step.at);
        }
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let this = &mut *self;
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.play(Side::Reader, cx);
        if let Some(given) = this.inbox.front_mut() {
            let rest = &given.bytes[given.read..];
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            given.read += count;
            if given.read == given.bytes.len() {
                this.inbox.pop_front();
            }
            return Poll::Ready(Ok(count));
        }
        if let Some((kind, _)) = this.fault.take() {
            this.wake_all();
            return Poll::Ready(Err(scripted(kind)));
        }
        if this.has_ended || this.steps.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.stand(Side::Reader, cx);
        Poll::Pending
    }
}

impl AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = &mut *self;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if this.is_closed {
            return Poll::Ready(Err(Error::new(ErrorKind::BrokenPipe, "the stream of a script was closed")));
        }
        this.play(Side::Writer, cx);
        if let Some((kind, _)) = this.fault.take() {
            this.wake_all();
            return Poll::Ready(Err(scripted(kind)));
        }
        let Some(count) = this.take(bytes) else {
            this.stand(Side::Writer, cx);
            return Poll::Pending;
        };
        // What follows may be for a reader that waits.
        this.play(Side::Writer, cx);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.is_closed = true;
        self.play(Side::Writer, cx);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.may_stay_unplayed || std::thread::panicking() {
            return;
        }
        if let Some(rest) = self.unplayed() {
            panic!("{rest}");
        }
    }
}

fn scripted(kind: ErrorKind) -> Error {
    Error::new(kind, "the script has it so")
}

/// How much of a long text is shown.
const MOST_SHOWN: usize = 120;

/// Bytes as a literal, as far as they are of use in a message.
fn shown(bytes: &[u8]) -> String {
    match bytes.get(..MOST_SHOWN) {
        Some(begin) => format!("b\"{}\".. ({} bytes)", begin.escape_ascii(), bytes.len()),
        None => format!("b\"{}\"", bytes.escape_ascii()),
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Give(bytes) => write!(f, "give {}", shown(bytes)),
            Action::Expect(bytes, come) => write!(f, "expect {}", shown(&bytes[*come..])),
            Action::ExpectEnd => f.write_str("expect the end"),
            Action::Wait(time) => write!(f, "wait for {time:?}"),
            Action::Fail(kind) => write!(f, "fail with {kind:?}"),
            Action::End => f.write_str("end"),
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<_> = self.steps.iter().map(|step| step.action.to_string()).collect();
        f.debug_struct("Script").field("steps", &steps).field("unread", &self.inbox.len()).finish_non_exhaustive()
    }
}
