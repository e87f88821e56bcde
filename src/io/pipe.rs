//! [`pipe`]: bytes from one task to another, through memory. No descriptor, no runtime.
//!
//! One reader, one writer. Each keeps one waker: that of the task which polled it last.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{AsyncRead, AsyncWrite};
use crate::observer::WaitReason;
use crate::task::{here, keep, let_go, wake};

/// A pipe that holds at most `capacity` bytes, allocated as they come; writing waits for room.
///
/// When the writer is closed or dropped, the reader reads what is left, then the end. When the reader is dropped, what
/// was left is dropped too, and writing fails with [`BrokenPipe`](ErrorKind::BrokenPipe), as it does after the writer's
/// own close. With a capacity of 0 a write takes as much as a read that waits has room for, so a writer waits for its
/// reader; if that read is given up, the bytes wait for the next.
///
/// ```
/// use coracle::io::{AsyncReadExt, AsyncWriteExt, pipe};
/// coracle::block_on(async {
///     let (mut reader, mut writer) = pipe(4);
///     let writing = coracle::spawn(async move { writer.write_all(b"more than it holds").await });
///     let mut text = String::new();
///     reader.read_to_string(&mut text).await.unwrap();
///     assert_eq!(text, "more than it holds");
///     writing.await.unwrap().unwrap();
/// });
/// ```
#[track_caller]
pub fn pipe(capacity: usize) -> (PipeReader, PipeWriter) {
    let pipe = Rc::new(Pipe {
        bytes: RefCell::default(),
        capacity,
        asked: Cell::new(0),
        is_closed: Cell::new(false),
        is_unread: Cell::new(false),
        reader: Cell::default(),
        writer: Cell::default(),
        at: Location::caller(),
    });
    (PipeReader { pipe: pipe.clone() }, PipeWriter { pipe })
}

struct Pipe {
    bytes: RefCell<VecDeque<u8>>,
    capacity: usize,
    /// How much the read that waits has room for; used if the capacity is 0.
    asked: Cell<usize>,
    /// Nothing more will be written.
    is_closed: Cell<bool>,
    /// Nothing more will be read.
    is_unread: Cell<bool>,
    /// Who waits.
    reader: Cell<Option<Waker>>,
    writer: Cell<Option<Waker>>,
    /// Where it was made: what waits in it says so.
    at: &'static Location<'static>,
}

impl Pipe {
    fn room(&self) -> usize {
        let limit = if self.capacity == 0 { self.asked.get() } else { self.capacity };
        limit.saturating_sub(self.bytes.borrow().len())
    }

    /// Reads what there is. `None`: nothing yet.
    fn try_read(&self, buffer: &mut [u8]) -> Option<usize> {
        let count = take(&mut self.bytes.borrow_mut(), buffer);
        if count > 0 {
            self.asked.set(0);
            wake_one(&self.writer);
        }
        (count > 0 || self.is_closed.get()).then_some(count)
    }

    /// Writes as much as there is room for. `None`: there is none yet.
    fn try_write(&self, bytes: &[u8]) -> Option<Result<usize>> {
        if self.is_unread.get() || self.is_closed.get() {
            return Some(Err(broken()));
        }
        let count = self.room().min(bytes.len());
        if count == 0 {
            return None;
        }
        self.bytes.borrow_mut().extend(&bytes[..count]);
        wake_one(&self.reader);
        Some(Ok(count))
    }

    /// The writer is done.
    fn close(&self) {
        if !self.is_closed.replace(true) {
            wake_one(&self.reader);
        }
    }
}

/// Takes bytes from the front. They lie in at most two pieces.
fn take(bytes: &mut VecDeque<u8>, buffer: &mut [u8]) -> usize {
    if bytes.is_empty() {
        return 0;
    }
    let (first, second) = bytes.as_slices();
    let mut count = first.len().min(buffer.len());
    buffer[..count].copy_from_slice(&first[..count]);
    if !second.is_empty() {
        let rest = &mut buffer[count..];
        let more = second.len().min(rest.len());
        rest[..more].copy_from_slice(&second[..more]);
        count += more;
    }
    if count == bytes.len() {
        // The commonest case: what comes next lies in one piece.
        bytes.clear();
    } else {
        bytes.drain(..count);
    }
    count
}

fn broken() -> Error {
    Error::new(ErrorKind::BrokenPipe, "nobody reads from the pipe any more, or it was closed")
}

/// Wakes who stands in this place, if somebody does.
pub(crate) fn wake_one(place: &Cell<Option<Waker>>) {
    if let Some(waker) = place.take() {
        wake(waker);
    }
}

/// Leaves the waker in its place. Cloning it may run code of others, so what was checked before must be checked again.
pub(crate) fn stand(place: &Cell<Option<Waker>>, cx: &Context<'_>) {
    let old = place.take();
    if old.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
        return place.set(old);
    }
    let meanwhile = place.replace(Some(keep(cx.waker())));
    if old.is_some() || meanwhile.is_some() {
        let_go((old, meanwhile));
    }
}

/// The reading end of a [`pipe`].
///
/// ```
/// let (reader, writer) = coracle::io::pipe(16);
/// assert!(format!("{reader:?}").contains("16"));
/// # drop(writer);
/// ```
pub struct PipeReader {
    pipe: Rc<Pipe>,
}

impl AsyncRead for PipeReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let pipe = &*self.pipe;
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if here::may_go_on(cx) {
            if let Some(count) = pipe.try_read(buffer) {
                here::spend();
                return Poll::Ready(Ok(count));
            }
            stand(&pipe.reader, cx);
            pipe.asked.set(buffer.len());
            if pipe.capacity == 0 {
                // To ask is what makes room.
                wake_one(&pipe.writer);
            }
            if pipe.is_closed.get() || !pipe.bytes.borrow().is_empty() {
                cx.waker().wake_by_ref();
            }
        }
        here::waits(WaitReason::Sync("bytes in a pipe"), pipe.at);
        Poll::Pending
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.pipe.is_unread.set(true);
        self.pipe.bytes.take();
        wake_one(&self.pipe.writer);
        let_go(self.pipe.reader.take());
    }
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pipe.show("PipeReader", f)
    }
}

/// The writing end of a [`pipe`]. What is written can be read at once, so there is nothing to flush.
///
/// ```
/// let (reader, writer) = coracle::io::pipe(16);
/// assert!(format!("{writer:?}").contains("16"));
/// # drop(reader);
/// ```
pub struct PipeWriter {
    pipe: Rc<Pipe>,
}

impl AsyncWrite for PipeWriter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let pipe = &*self.pipe;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if here::may_go_on(cx) {
            if let Some(written) = pipe.try_write(bytes) {
                here::spend();
                return Poll::Ready(written);
            }
            stand(&pipe.writer, cx);
            if pipe.is_unread.get() || pipe.room() > 0 {
                cx.waker().wake_by_ref();
            }
        }
        here::waits(WaitReason::Sync("room in a pipe"), pipe.at);
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.pipe.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.pipe.close();
        let_go(self.pipe.writer.take());
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pipe.show("PipeWriter", f)
    }
}

impl Pipe {
    fn show(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("len", &self.bytes.borrow().len())
            .field("capacity", &self.capacity)
            .field("closed", &self.is_closed.get())
            .finish()
    }
}
