//! [`ReadLine`]: a line into a `String`, by characters that come in halves.
//!
//! A buffer may end in the middle of a character, a `String` may not. The half (at most three bytes) must be taken out
//! of the buffer to see what follows it; if that has to wait, it is put back, so that nothing is kept in the future.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::str::from_utf8;
use std::task::{Context, Poll};

use super::AsyncBufRead;
use super::buf_read::through;
use crate::task::here;

/// See [`AsyncBufReadExt::read_line`](super::AsyncBufReadExt::read_line).
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct ReadLine<'a, R: ?Sized> {
    reader: &'a mut R,
    text: &'a mut String,
    before: usize,
    /// The beginning of a character; between polls only if the reader would not have it back.
    half: Vec<u8>,
}

/// What a look at the buffer has led to.
enum Seen {
    /// Everything that was shown is taken: look again.
    More,
    /// The end of the line, or of everything.
    End,
    NotUtf8,
}

impl<'a, R: ?Sized> ReadLine<'a, R> {
    pub(super) fn new(reader: &'a mut R, text: &'a mut String) -> ReadLine<'a, R> {
        ReadLine { reader, before: text.len(), text, half: Vec::new() }
    }
}

impl<R: AsyncBufRead + Unpin + ?Sized> ReadLine<'_, R> {
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            let shown = match Pin::new(&mut *self.reader).poll_fill_buf(cx) {
                Poll::Ready(Ok(shown)) => shown,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            };
            let piece = through(b'\n', shown);
            let (taken, seen) = if self.half.is_empty() {
                take(piece, self.text, &mut self.half)
            } else {
                complete(piece, self.text, &mut self.half)
            };
            Pin::new(&mut *self.reader).consume(taken);
            match seen {
                Seen::More => {}
                Seen::End => return Poll::Ready(Ok(())),
                Seen::NotUtf8 => return Poll::Ready(Err(not_utf8())),
            }
        }
    }
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadLine<'_, R> {
    type Output = Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let this = &mut *self;
        if !here::may_go_on(cx) {
            return Poll::Pending;
        }
        let polled = this.poll_line(cx);
        if !this.half.is_empty() && Pin::new(&mut *this.reader).put_back(&this.half) {
            this.half.clear();
        }
        if polled.is_ready() {
            here::spend();
        }
        polled.map_ok(|()| this.text.len() - this.before)
    }
}

/// Appends what is text. How much of `piece` is done with; an unfinished character at its end is now `half`.
fn take(piece: &[u8], text: &mut String, half: &mut Vec<u8>) -> (usize, Seen) {
    let error = match from_utf8(piece) {
        Ok(line) => {
            text.push_str(line);
            let is_end = line.is_empty() || line.ends_with('\n');
            return (piece.len(), if is_end { Seen::End } else { Seen::More });
        }
        Err(error) => error,
    };
    let (good, rest) = piece.split_at(error.valid_up_to());
    text.push_str(from_utf8(good).expect("it was found to be valid"));
    if error.error_len().is_some() {
        return (good.len(), Seen::NotUtf8);
    }
    half.extend_from_slice(rest);
    (piece.len(), Seen::More)
}

/// Adds to `half`, byte by byte, until it is a character and goes to the text, or cannot become one any more.
fn complete(piece: &[u8], text: &mut String, half: &mut Vec<u8>) -> (usize, Seen) {
    for (taken, byte) in piece.iter().enumerate() {
        half.push(*byte);
        match from_utf8(half) {
            Ok(character) => {
                text.push_str(character);
                half.clear();
                return (taken + 1, Seen::More);
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                half.pop();
                return (taken, Seen::NotUtf8);
            }
        }
    }
    // The end, in the middle of a character?
    (piece.len(), if piece.is_empty() { Seen::NotUtf8 } else { Seen::More })
}

fn not_utf8() -> Error {
    Error::new(ErrorKind::InvalidData, "the line is not UTF-8")
}
