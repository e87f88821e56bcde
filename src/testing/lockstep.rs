//! [`lockstep`]: two ends of which one writes only when the other reads.
//!
//! Between two ordinary ends lies a buffer, so a writer runs ahead of its reader, and how far is up to the schedule.
//! Here there is none: nothing moves unless both sides want it, and what a read gives is from one write. So a run has
//! one order of steps, whatever the executor does, and code that relies on a buffer (both sides write first) hangs
//! always, and not under load. The idea is that of trio's `lockstep_stream_pair`.
//!
//! It knows no runtime. One task a direction may wait at each end.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::io::{AsyncRead, AsyncWrite, AsyncWriteExt, stand, wake_one};
use crate::observer::WaitReason;
use crate::task::{here, let_go};

/// Two connected streams without a buffer in between.
///
/// - A write waits for a read at the other end, and hands over as much as that has room for.
/// - The next write, a flush and a close wait until the other end has gone on with what was handed over. So when
///   [`flush`](AsyncWriteExt::flush) is done, the peer *has read* everything; [`hand_over`](Lockstep::hand_over) is
///   `write_all` and `flush`.
/// - A read gives bytes of one write.
///
/// Closing is a half close: the peer reads the end, and can still answer. Dropping an end ends both directions: the
/// peer reads what was handed over, then the end, and its writes fail with [`BrokenPipe`](ErrorKind::BrokenPipe). If a
/// read is given up after bytes were handed over, they wait for the next.
///
/// ```
/// use coracle::{io::AsyncReadExt, testing::lockstep};
/// coracle::block_on(async {
///     let (mut client, mut server) = lockstep();
///     let serving = coracle::spawn(async move {
///         let mut buffer = [0; 16];
///         let count = server.read(&mut buffer).await.unwrap();
///         buffer[..count].to_vec()
///     });
///     client.hand_over(b"ping").await.unwrap();
///     assert!(serving.is_finished() || serving.await.unwrap() == b"ping");
/// });
/// ```
#[track_caller]
pub fn lockstep() -> (Lockstep, Lockstep) {
    let at = Location::caller();
    let (there, back) = (Rc::new(Way::new(at)), Rc::new(Way::new(at)));
    (Lockstep { input: back.clone(), output: there.clone() }, Lockstep { input: there, output: back })
}

/// One of two streams that go in lockstep; made by [`lockstep`].
pub struct Lockstep {
    input: Rc<Way>,
    output: Rc<Way>,
}

impl Lockstep {
    /// Writes all, and waits until the other end has read it.
    ///
    /// **Cancel safety**: prefix-safe; some of it may have been handed over, and nobody says how much.
    ///
    /// # Errors
    /// [`BrokenPipe`](ErrorKind::BrokenPipe) if the other end is gone before it has read all.
    ///
    /// ```
    /// use coracle::{io::AsyncReadExt, testing::lockstep};
    /// coracle::block_on(async {
    ///     let (mut one, mut other) = lockstep();
    ///     let reading = coracle::spawn(async move { other.read_array().await.unwrap() });
    ///     one.hand_over(b"ping").await.unwrap();
    ///     assert_eq!(reading.await.unwrap(), *b"ping");
    /// });
    /// ```
    pub async fn hand_over(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }
}

/// One direction.
struct Way {
    /// What was handed over, and is not read yet.
    bytes: RefCell<Vec<u8>>,
    /// How much the read that waits has room for.
    asked: Cell<usize>,
    /// Nothing more will be written.
    is_closed: Cell<bool>,
    /// Nothing more will be read.
    is_unread: Cell<bool>,
    reader: Cell<Option<Waker>>,
    writer: Cell<Option<Waker>>,
    /// Where it was made: what waits in it says so.
    at: &'static Location<'static>,
}

impl Way {
    fn new(at: &'static Location<'static>) -> Way {
        Way {
            bytes: RefCell::default(),
            asked: Cell::new(0),
            is_closed: Cell::new(false),
            is_unread: Cell::new(false),
            reader: Cell::default(),
            writer: Cell::default(),
            at,
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes.borrow().is_empty()
    }

    /// Reads what was handed over. `None`: nothing yet.
    fn try_read(&self, buffer: &mut [u8]) -> Option<usize> {
        let count = {
            let mut bytes = self.bytes.borrow_mut();
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            bytes.drain(..count);
            count
        };
        if count > 0 {
            self.asked.set(0);
            wake_one(&self.writer);
        }
        (count > 0 || self.is_closed.get()).then_some(count)
    }

    /// Hands over what a read that waits has room for. `None`: none waits.
    fn try_write(&self, bytes: &[u8]) -> Option<Result<usize>> {
        if self.is_unread.get() || self.is_closed.get() {
            return Some(Err(broken()));
        }
        let count = if self.is_empty() { self.asked.get().min(bytes.len()) } else { 0 };
        if count == 0 {
            return None;
        }
        self.bytes.borrow_mut().extend_from_slice(&bytes[..count]);
        wake_one(&self.reader);
        Some(Ok(count))
    }

    /// Whether everything was read. `None`: not yet.
    fn try_flush(&self) -> Option<Result<()>> {
        if self.is_empty() {
            return Some(Ok(()));
        }
        self.is_unread.get().then(|| Err(broken()))
    }

    fn close(&self) {
        if !self.is_closed.replace(true) {
            wake_one(&self.reader);
        }
    }

    /// Whether a writer that waits could go on: a clone of a waker is code of others, which may have changed that.
    fn is_open_for(&self, for_a_write: bool) -> bool {
        self.is_unread.get() || (self.is_empty() && (!for_a_write || self.asked.get() > 0))
    }

    fn poll_writer<T>(
        &self,
        cx: &mut Context<'_>,
        for_a_write: bool,
        mut attempt: impl FnMut() -> Option<Result<T>>,
    ) -> Poll<Result<T>> {
        if here::may_go_on(cx) {
            if let Some(result) = attempt() {
                here::spend();
                return Poll::Ready(result);
            }
            stand(&self.writer, cx);
            if self.is_open_for(for_a_write) {
                cx.waker().wake_by_ref();
            }
        }
        here::waits(WaitReason::Sync("a read in lockstep"), self.at);
        Poll::Pending
    }
}

fn broken() -> Error {
    Error::new(ErrorKind::BrokenPipe, "nobody reads at the other end any more, or this one was closed")
}

impl AsyncRead for Lockstep {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let way = &*self.input;
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if here::may_go_on(cx) {
            if let Some(count) = way.try_read(buffer) {
                here::spend();
                return Poll::Ready(Ok(count));
            }
            stand(&way.reader, cx);
            way.asked.set(buffer.len());
            wake_one(&way.writer);
            if way.is_closed.get() || !way.is_empty() {
                cx.waker().wake_by_ref();
            }
        }
        here::waits(WaitReason::Sync("a write in lockstep"), way.at);
        Poll::Pending
    }
}

impl AsyncWrite for Lockstep {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.output.poll_writer(cx, true, || self.output.try_write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.output.poll_writer(cx, false, || self.output.try_flush())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.output.poll_writer(cx, false, || {
            let flushed = self.output.try_flush()?;
            self.output.close();
            // That a peer has left who did not read all, its writer has been told, or will be by its next write.
            Some(flushed.or(Ok(())))
        })
    }
}

impl Drop for Lockstep {
    fn drop(&mut self) {
        self.output.close();
        let_go(self.output.writer.take());
        self.input.is_unread.set(true);
        self.input.asked.set(0);
        wake_one(&self.input.writer);
        let_go(self.input.reader.take());
    }
}

impl fmt::Debug for Lockstep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lockstep")
            .field("to_read", &self.input.bytes.borrow().len())
            .field("handed_over", &self.output.bytes.borrow().len())
            .field("closed", &self.output.is_closed.get())
            .finish()
    }
}
