//! [`copy_bidirectional`]: two streams, joined to one pipe. What a proxy does.
//!
//! Each direction ends by itself, and hands its end on by a half close: a client that has asked everything still gets
//! its answer.

use std::future::Future;
use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::copy::Transfer;
use super::{AsyncRead, AsyncWrite};

/// Copies from `a` to `b` and from `b` to `a`, at the same time, until both have ended. How many bytes, each way.
///
/// When one side ends, the other is closed ([`poll_close`](AsyncWrite::poll_close): a half close, it can still be read
/// from), and the other direction goes on. Each direction has a buffer of 16 KiB, and flushes when there is nothing to
/// read.
///
/// **Cancel safety**: lossy, unless it is awaited by `&mut`: what was read and not yet written is lost when it is
/// dropped. [`CopyBidirectional::unwritten`] shows it.
///
/// # Errors
/// The first error of reading, writing, flushing or closing, on either side, ends both directions at once; nothing is
/// closed then. [`CopyBidirectional::written`] says how far each was.
///
/// ```
/// use coracle::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional, duplex};
/// coracle::block_on(async {
///     let ((mut client, mut inbound), (mut outbound, mut server)) = (duplex(64), duplex(64));
///     let proxy = coracle::spawn(async move { copy_bidirectional(&mut inbound, &mut outbound).await });
///
///     client.write_all(b"question").await.unwrap();
///     client.close().await.unwrap();
///     let mut question = String::new();
///     server.read_to_string(&mut question).await.unwrap();
///     server.write_all(b"answer").await.unwrap();
///     drop(server);
///     let mut answer = String::new();
///     client.read_to_string(&mut answer).await.unwrap();
///     assert_eq!((&question[..], &answer[..]), ("question", "answer"));
///     assert_eq!(proxy.await.unwrap().unwrap(), (8, 6));
/// });
/// ```
pub fn copy_bidirectional<'a, A, B>(a: &'a mut A, b: &'a mut B) -> CopyBidirectional<'a, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    CopyBidirectional { a, b, a_to_b: Direction::default(), b_to_a: Direction::default(), is_b_first: true }
}

/// One way through.
#[derive(Debug, Default)]
struct Direction {
    transfer: Transfer,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Copying,
    Closing,
    Ended,
}

impl Direction {
    fn poll<R, W>(&mut self, reader: &mut R, writer: &mut W, cx: &mut Context<'_>) -> Poll<Result<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        if matches!(self.state, State::Copying) {
            ready!(self.transfer.poll(reader, writer, cx))?;
            self.state = State::Closing;
        }
        if matches!(self.state, State::Closing) {
            ready!(Pin::new(writer).poll_close(cx))?;
            self.state = State::Ended;
        }
        Poll::Ready(Ok(()))
    }
}

/// See [`copy_bidirectional`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct CopyBidirectional<'a, A: ?Sized, B: ?Sized> {
    a: &'a mut A,
    b: &'a mut B,
    a_to_b: Direction,
    b_to_a: Direction,
    /// The directions take turns in being the first: it alone has the whole budget of a poll.
    is_b_first: bool,
}

impl<A: ?Sized, B: ?Sized> CopyBidirectional<'_, A, B> {
    /// How many bytes have been written: to `b`, and to `a`.
    pub fn written(&self) -> (u64, u64) {
        (self.a_to_b.transfer.written(), self.b_to_a.transfer.written())
    }

    /// What has been read and not been written yet: to `b`, and to `a`.
    pub fn unwritten(&self) -> (&[u8], &[u8]) {
        (self.a_to_b.transfer.unwritten(), self.b_to_a.transfer.unwritten())
    }
}

impl<A, B> Future for CopyBidirectional<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    type Output = Result<(u64, u64)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.is_b_first = !this.is_b_first;
        let mut are_done = true;
        for is_b in [this.is_b_first, !this.is_b_first] {
            let polled = if is_b {
                this.b_to_a.poll(&mut *this.b, &mut *this.a, cx)?
            } else {
                this.a_to_b.poll(&mut *this.a, &mut *this.b, cx)?
            };
            are_done &= polled.is_ready();
        }
        if are_done { Poll::Ready(Ok(this.written())) } else { Poll::Pending }
    }
}
