//! [`FrameReader`]: frames out of a stream.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::super::{AsyncRead, Exact};
use super::{LengthPrefix, too_long};
use crate::task::here;

/// Reads frames, one after another. It reads not a byte more than the frame it is at.
///
/// ```
/// use coracle::io::{FrameReader, FrameWriter, LengthPrefix, pipe};
/// coracle::block_on(async {
///     let (reader, writer) = pipe(1024);
///     let mut sender = FrameWriter::new(writer, LengthPrefix::U32Be, 1024);
///     let mut receiver = FrameReader::new(reader, LengthPrefix::U32Be, 1024);
///     sender.send(b"hello").await.unwrap();
///     assert_eq!(receiver.next().await.unwrap().unwrap(), b"hello");
///     drop(sender);
///     assert!(receiver.next().await.is_none());
/// });
/// ```
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    prefix: LengthPrefix,
    limit: usize,
    /// The prefix of the frame, or its payload, as far as it has come.
    part: Exact,
    is_payload: bool,
}

impl<R> FrameReader<R> {
    /// For frames of at most `limit` bytes, not counting the prefix. Memory is allocated as a frame comes, never for
    /// what a prefix only announces.
    ///
    /// ```
    /// use coracle::io::{FrameReader, LengthPrefix};
    /// let frames = FrameReader::new(&b""[..], LengthPrefix::U64Le, usize::MAX);
    /// # drop(frames);
    /// ```
    pub fn new(reader: R, prefix: LengthPrefix, limit: usize) -> FrameReader<R> {
        FrameReader { reader, prefix, limit, part: Exact::new(prefix.width()), is_payload: false }
    }

    /// The next frame. `None`: the end, and no frame was begun.
    ///
    /// **Cancel safety**: cancel-safe; what was read of a frame is kept, and the next call goes on.
    ///
    /// # Errors
    /// [`InvalidData`](ErrorKind::InvalidData) with a [`TooLong`](crate::io::TooLong) if a frame is announced that is
    /// longer than the limit; where the next one begins is then not known, and every call says the same.
    /// [`UnexpectedEof`](ErrorKind::UnexpectedEof) at the end in the middle of a frame. Else those of the reader; what
    /// was read before is kept.
    ///
    /// ```
    /// use coracle::io::{ErrorKind, FrameReader, LengthPrefix};
    /// coracle::block_on(async {
    ///     let mut frames = FrameReader::new(&b"\x09much more"[..], LengthPrefix::U8, 8);
    ///     assert_eq!(frames.next().await.unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
    /// });
    /// ```
    #[allow(clippy::should_implement_trait, reason = "it is not Iterator's, as its answer has to be awaited")]
    pub fn next(&mut self) -> NextFrame<'_, R>
    where
        R: AsyncRead + Unpin,
    {
        NextFrame { frames: self }
    }

    /// The next frame, in place of what is in `frame`, whose memory is used for a later one: nothing is allocated once
    /// both are large enough. `false`: the end.
    ///
    /// **Cancel safety**: cancel-safe; `frame` is as it was until there is one.
    ///
    /// # Errors
    /// As [`next`](FrameReader::next).
    ///
    /// ```
    /// use coracle::io::{FrameReader, LengthPrefix};
    /// coracle::block_on(async {
    ///     let mut frames = FrameReader::new(&b"\x01a\x01b"[..], LengthPrefix::U8, 8);
    ///     let (mut frame, mut all) = (Vec::new(), Vec::new());
    ///     while frames.next_into(&mut frame).await.unwrap() {
    ///         all.push(frame[0]);
    ///     }
    ///     assert_eq!(all, b"ab");
    /// });
    /// ```
    pub fn next_into<'a>(&'a mut self, frame: &'a mut Vec<u8>) -> NextFrameInto<'a, R>
    where
        R: AsyncRead + Unpin,
    {
        NextFrameInto { frames: self, frame }
    }

    /// [`next_into`](FrameReader::next_into), for implementors of futures. One waker is kept, as the reader keeps it.
    ///
    /// ```
    /// use coracle::io::{FrameReader, LengthPrefix};
    /// coracle::block_on(async {
    ///     let mut frames = FrameReader::new(&b"\x01a"[..], LengthPrefix::U8, 8);
    ///     let mut frame = Vec::new();
    ///     assert!(std::future::poll_fn(|cx| frames.poll_next_into(cx, &mut frame)).await.unwrap());
    /// });
    /// ```
    pub fn poll_next_into(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<bool>>
    where
        R: AsyncRead + Unpin,
    {
        if !here::may_go_on(cx) {
            return Poll::Pending;
        }
        if !self.is_payload {
            if !ready!(self.part.poll_complete(&mut self.reader, cx))? {
                let nothing_came = self.part.filled().is_empty();
                return Poll::Ready(if nothing_came { Ok(false) } else { Err(torn()) });
            }
            // An error leaves the prefix as it is: the next call comes to the same.
            let length = self.announced()?;
            self.part.restart(length);
            self.is_payload = true;
        }
        if !ready!(self.part.poll_complete(&mut self.reader, cx))? {
            return Poll::Ready(Err(torn()));
        }
        here::spend();
        self.part.swap(frame);
        self.part.restart(self.prefix.width());
        self.is_payload = false;
        Poll::Ready(Ok(true))
    }

    /// The length that the prefix says, if it is within the limit.
    fn announced(&self) -> Result<usize> {
        let length = self.prefix.decode(self.part.filled());
        let length = usize::try_from(length).ok().filter(|length| *length <= self.limit);
        length.ok_or_else(|| too_long(self.limit).received())
    }

    /// The reader. Reading from it here takes bytes out of the frames.
    ///
    /// ```
    /// use coracle::io::{FrameReader, LengthPrefix};
    /// assert_eq!(*FrameReader::new(&b"x"[..], LengthPrefix::U8, 8).get_mut(), b"x");
    /// ```
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader, and what has been taken from it of a frame that is not complete, with its prefix.
    ///
    /// ```
    /// use coracle::io::{FrameReader, LengthPrefix};
    /// coracle::block_on(async {
    ///     let mut frames = FrameReader::new(&b"\x05hel"[..], LengthPrefix::U8, 8);
    ///     frames.next().await.unwrap().unwrap_err();
    ///     assert_eq!(frames.into_parts(), (&b""[..], b"\x05hel".to_vec()));
    /// });
    /// ```
    pub fn into_parts(self) -> (R, Vec<u8>) {
        let mut taken = Vec::new();
        if self.is_payload {
            let length = self.part.filled().len() + self.part.missing();
            taken.extend_from_slice(&self.prefix.encode(length)[..self.prefix.width()]);
        }
        taken.extend_from_slice(self.part.filled());
        (self.reader, taken)
    }
}

fn torn() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the end came in the middle of a frame")
}

/// See [`FrameReader::next`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct NextFrame<'a, R> {
    frames: &'a mut FrameReader<R>,
}

impl<R: AsyncRead + Unpin> Future for NextFrame<'_, R> {
    type Output = Option<Result<Vec<u8>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut frame = Vec::new();
        let is_one = ready!(self.frames.poll_next_into(cx, &mut frame))?;
        Poll::Ready(is_one.then_some(Ok(frame)))
    }
}

/// See [`FrameReader::next_into`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct NextFrameInto<'a, R> {
    frames: &'a mut FrameReader<R>,
    frame: &'a mut Vec<u8>,
}

impl<R: AsyncRead + Unpin> Future for NextFrameInto<'_, R> {
    type Output = Result<bool>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        let this = &mut *self;
        this.frames.poll_next_into(cx, this.frame)
    }
}
