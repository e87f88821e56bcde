//! What the checks share: [`Pair`], two ends that are watched; [`Watch`], a waker that can be awaited; and how known
//! bytes are sent and received.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::choices::Choices;
use crate::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use crate::task::{try_join, yield_now};
use crate::time::timeout;

/// How a check ends: well, or with what went wrong, in words.
pub(super) type Check<T = ()> = std::result::Result<T, String>;

/// How many polls in a row may come to nothing before the stream counts as one that spins. Arbitrary: a socket under
/// fault injection needs a few in a row.
const MOST_IN_VAIN: u32 = 10_000;

/// How often a waiting operation may wake its task with nothing there. Arbitrary, likewise.
const MOST_WAKES: u32 = 1_000;

/// The most that is moved at a time.
pub(super) const CHUNK: usize = 64 * 1024;

/// The bytes that are sent repeat after so many: a prime, so that no buffer size is a multiple.
const PERIOD: usize = 251;

/// Two connected ends.
pub(super) struct Pair {
    pub(super) near: End,
    pub(super) far: End,
    pub(super) notes: Rc<Notes>,
    pub(super) patience: Duration,
}

/// What is known of a run.
pub(super) struct Notes {
    /// What is being done, for messages.
    pub(super) doing: Cell<&'static str>,
    /// How many operations were ready.
    pub(super) done: Cell<u64>,
    /// How many were pending since one was ready.
    in_vain: Cell<u32>,
    /// A rule that holds for every call, and was broken.
    pub(super) broken: RefCell<Option<String>>,
    /// Sizes of pieces.
    choices: Choices,
    /// A chunk of the bytes that are sent, from any place in the period.
    bytes: Vec<u8>,
}

trait ByteStream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> ByteStream for S {}

/// One end: the stream, and an eye on each call.
pub(super) struct End {
    stream: Box<dyn ByteStream>,
    pub(super) notes: Rc<Notes>,
}

impl Pair {
    pub(super) fn new<A, B>(near: A, far: B, patience: Duration) -> Pair
    where
        A: AsyncRead + AsyncWrite + Unpin + 'static,
        B: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let notes = Rc::new(Notes {
            doing: Cell::new("nothing yet"),
            done: Cell::new(0),
            in_vain: Cell::new(0),
            broken: RefCell::default(),
            choices: Choices::seeded(1),
            bytes: (0..CHUNK + PERIOD).map(|i| (i % PERIOD) as u8).collect(),
        });
        let near = End { stream: Box::new(near), notes: notes.clone() };
        let far = End { stream: Box::new(far), notes: notes.clone() };
        Pair { near, far, notes, patience }
    }

    /// Sends known bytes from the near end to the far one.
    pub(super) async fn pass(&mut self, from: usize, count: usize) -> Check {
        try_join((self.near.send(from, count), self.far.receive(from, count))).await?;
        Ok(())
    }
}

impl Notes {
    /// A size between 1 and this.
    pub(super) fn size(&self, most: usize) -> usize {
        1 + self.choices.choose(most)
    }

    /// The bytes that are sent at this place.
    pub(super) fn bytes(&self, from: usize, count: usize) -> &[u8] {
        &self.bytes[from % PERIOD..][..count.min(CHUNK)]
    }

    pub(super) fn error(&self, error: Error) -> String {
        format!("it failed while {}: {error}", self.doing.get())
    }

    /// Looks at what a call of the stream gave.
    fn see<T>(&self, polled: &Poll<Result<T>>) {
        match polled {
            Poll::Pending => self.in_vain.set(self.in_vain.get() + 1),
            Poll::Ready(result) => {
                self.in_vain.set(0);
                self.done.set(self.done.get() + 1);
                if let Err(error) = result {
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
                        self.breaks(format!("{:?} is not for who polls: it must wait, or try again", error.kind()));
                    }
                }
            }
        }
        if self.in_vain.get() > MOST_IN_VAIN {
            let doing = self.doing.get();
            self.breaks(format!("it spins: {doing}, it was pending {MOST_IN_VAIN} times in a row, and woke its task"));
        }
    }

    fn see_count(&self, polled: &Poll<Result<usize>>, most: usize) {
        self.see(polled);
        if let Poll::Ready(Ok(count)) = polled {
            if *count > most {
                self.breaks(format!("it says that it moved {count} bytes, of {most}"));
            }
        }
    }

    fn breaks(&self, rule: String) {
        self.broken.borrow_mut().get_or_insert(rule);
    }
}

impl End {
    /// Sends known bytes, in pieces of all sizes, and flushes.
    pub(super) async fn send(&mut self, from: usize, count: usize) -> Check {
        self.send_pieces(from, count, CHUNK).await
    }

    /// Likewise, in pieces of at most this size.
    pub(super) async fn send_pieces(&mut self, from: usize, count: usize, most: usize) -> Check {
        let notes = self.notes.clone();
        let (mut at, end) = (from, from + count);
        while at < end {
            let piece = notes.bytes(at, notes.size(most).min(end - at));
            let written = self.write(piece).await.map_err(|error| notes.error(error))?;
            if written == 0 {
                return Err(format!("a write of {} bytes took none, while {}", piece.len(), notes.doing.get()));
            }
            at += written;
        }
        self.flush().await.map_err(|error| notes.error(error))
    }

    /// Receives known bytes, and no more.
    pub(super) async fn receive(&mut self, from: usize, count: usize) -> Check {
        self.receive_pieces(from, count, CHUNK).await
    }

    /// Likewise, in reads of at most this size.
    pub(super) async fn receive_pieces(&mut self, from: usize, count: usize, most: usize) -> Check {
        let notes = self.notes.clone();
        let mut buffer = vec![0; most.min(CHUNK)];
        let (mut at, end) = (from, from + count);
        while at < end {
            let room = notes.size(most).min(end - at).min(buffer.len());
            let read = self.read(&mut buffer[..room]).await.map_err(|error| notes.error(error))?;
            if read == 0 {
                return Err(format!("the end came after {} of {count} bytes", at - from));
            }
            self.compare(at, &buffer[..read])?;
            at += read;
        }
        Ok(())
    }

    /// Receives known bytes up to the end. Up to where.
    pub(super) async fn receive_all(&mut self, from: usize) -> Check<usize> {
        let notes = self.notes.clone();
        let mut buffer = vec![0; CHUNK];
        let mut at = from;
        loop {
            let read = self.read(&mut buffer).await.map_err(|error| notes.error(error))?;
            if read == 0 {
                return Ok(at);
            }
            self.compare(at, &buffer[..read])?;
            at += read;
        }
    }

    pub(super) fn compare(&self, from: usize, read: &[u8]) -> Check {
        let sent = self.notes.bytes(from, read.len());
        if read == sent {
            return Ok(());
        }
        match (0..read.len()).find(|i| read[*i] != sent[*i]) {
            None => Ok(()),
            Some(i) => Err(format!("byte {} was sent as {}, and read as {}", from + i, sent[i], read[i])),
        }
    }

    /// Closes its direction.
    pub(super) async fn end(&mut self) -> Check {
        let notes = self.notes.clone();
        self.close().await.map_err(|error| notes.error(error))
    }

    /// Reads, and there is nothing but the end.
    pub(super) async fn receive_end(&mut self) -> Check {
        let notes = self.notes.clone();
        match self.read(&mut [0; 16]).await.map_err(|error| notes.error(error))? {
            0 => Ok(()),
            more => Err(format!("{more} bytes came where the end was to come, while {}", notes.doing.get())),
        }
    }

    /// Polls one write with this waker.
    pub(super) fn poll_write_with(&mut self, watch: &Watch, bytes: &[u8]) -> Poll<Result<usize>> {
        watch.poll(|cx| Pin::new(&mut *self).poll_write(cx, bytes))
    }

    /// Polls one read with this waker.
    pub(super) fn poll_read_with(&mut self, watch: &Watch, buffer: &mut [u8]) -> Poll<Result<usize>> {
        watch.poll(|cx| Pin::new(&mut *self).poll_read(cx, buffer))
    }

    /// Leaves a reader waiting, where nothing is to be read.
    pub(super) async fn park(&mut self, watch: &Watch, patience: Duration) -> Check {
        for _ in 0..MOST_WAKES {
            match self.poll_read_with(watch, &mut [0; 16]) {
                Poll::Ready(result) => return Err(format!("a read with nothing there gave {result:?}")),
                Poll::Pending if timeout(patience, watch.woken()).await.is_err() => return Ok(()),
                // What yields because its task has done enough for one poll is woken at once, and needs another poll.
                Poll::Pending => yield_now().await,
            }
        }
        Err(format!("a waiting reader was woken {MOST_WAKES} times with nothing there"))
    }

    /// Writes, with no reader, until a writer waits. How many bytes were taken.
    pub(super) async fn fill(&mut self, watch: &Watch, patience: Duration) -> Check<usize> {
        let notes = self.notes.clone();
        let (mut taken, mut wakes) = (0, 0);
        while taken < MOST_TAKEN {
            match self.poll_write_with(watch, notes.bytes(taken, CHUNK)) {
                Poll::Ready(Ok(0)) => return Err("a write without a reader took nothing, and did not wait".to_owned()),
                Poll::Ready(result) => {
                    taken += result.map_err(|error| notes.error(error))?;
                    wakes = 0;
                }
                Poll::Pending if timeout(patience, watch.woken()).await.is_err() => return Ok(taken),
                Poll::Pending => {
                    wakes += 1;
                    yield_now().await;
                }
            }
            if wakes == MOST_WAKES {
                return Err(format!("a waiting writer was woken {MOST_WAKES} times with nobody reading"));
            }
        }
        Err(format!("{taken} bytes were taken, and nobody has read one"))
    }
}

/// A stream that takes so much without a reader has no back pressure. Arbitrary: a multiple of what sockets hold.
const MOST_TAKEN: usize = 64 * 1024 * 1024;

impl AsyncRead for End {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.notes.see_count(&polled, buffer.len());
        polled
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_read_vectored(cx, buffers);
        self.notes.see_count(&polled, buffers.iter().map(|buffer| buffer.len()).sum());
        polled
    }
}

impl AsyncWrite for End {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.notes.see_count(&polled, bytes.len());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.notes.see_count(&polled, buffers.iter().map(|buffer| buffer.len()).sum());
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.notes.see(&polled);
        polled
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_close(cx);
        self.notes.see(&polled);
        polled
    }
}

/// A waker of its own for an operation that is polled by hand. Whether it was woken since can be awaited.
#[derive(Clone, Default)]
pub(super) struct Watch {
    wake: Arc<WatchedWake>,
}

#[derive(Default)]
struct WatchedWake {
    is_woken: AtomicBool,
    /// Who awaits it. Wakers may be woken on other threads.
    task: Mutex<Option<Waker>>,
}

impl Wake for WatchedWake {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Watch {
    /// Polls with this waker; what it was woken for before does not count any more.
    pub(super) fn poll<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.wake.is_woken.store(false, Ordering::SeqCst);
        poll(&mut Context::from_waker(&Waker::from(self.wake.clone())))
    }

    /// Waits until it was woken since the last poll.
    pub(super) fn woken(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            *self.wake.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            if self.wake.is_woken.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}
