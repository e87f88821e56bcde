//! Readers and writers of the standard library that never wait: slices, vectors, [`Cursor`], [`empty`], [`sink`],
//! [`repeat`].
//!
//! They are std's own types, and read and write here as they do there.
//!
//! ```
//! use coracle::io::{self, AsyncReadExt, AsyncWriteExt};
//! coracle::block_on(async {
//!     let mut cursor = io::Cursor::new(Vec::new());
//!     cursor.write_all(b"bytes").await.unwrap();
//!     cursor.set_position(1);
//!     let mut text = String::new();
//!     cursor.read_to_string(&mut text).await.unwrap();
//!     assert_eq!(text, "ytes");
//!
//!     assert_eq!(io::copy(&mut io::empty(), &mut io::sink()).await.unwrap(), 0);
//!     assert_eq!(io::repeat(7).read_array().await.unwrap(), [7; 3]);
//! });
//! ```
//!
//! [`empty`]: std::io::empty
//! [`sink`]: std::io::sink
//! [`repeat`]: std::io::repeat

use std::io::{BufRead, Cursor, Empty, IoSlice, Read, Repeat, Result, Sink, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{AsyncBufRead, AsyncRead, AsyncWrite};
use crate::task::here;

macro_rules! reads_as_in_std {
    () => {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
            Poll::Ready(Read::read(self.get_mut(), buffer))
        }
    };
}

macro_rules! writes_as_in_std {
    () => {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
            Poll::Ready(Write::write(self.get_mut(), bytes))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffers: &[IoSlice<'_>],
        ) -> Poll<Result<usize>> {
            Poll::Ready(Write::write_vectored(self.get_mut(), buffers))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Ok(()))
        }
    };
}

impl AsyncRead for &[u8] {
    reads_as_in_std!();
}

impl AsyncBufRead for &[u8] {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        Poll::Ready(Ok(*self.get_mut()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        *this = &this[amount.min(this.len())..];
    }
}

impl AsyncWrite for Vec<u8> {
    writes_as_in_std!();
}

/// It takes what fits, then no more: the slice becomes what is left of it.
impl AsyncWrite for &mut [u8] {
    writes_as_in_std!();
}

impl<T: AsRef<[u8]> + Unpin> AsyncRead for Cursor<T> {
    reads_as_in_std!();
}

impl<T: AsRef<[u8]> + Unpin> AsyncBufRead for Cursor<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        Poll::Ready(BufRead::fill_buf(self.get_mut()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        let most = (this.get_ref().as_ref().len() as u64).saturating_sub(this.position());
        this.set_position(this.position() + (amount as u64).min(most));
    }

    fn put_back(self: Pin<&mut Self>, bytes: &[u8]) -> bool {
        let this = self.get_mut();
        this.set_position(this.position().saturating_sub(bytes.len() as u64));
        true
    }
}

impl<T: Unpin> AsyncWrite for Cursor<T>
where
    Cursor<T>: Write,
{
    writes_as_in_std!();
}

impl AsyncRead for Empty {
    reads_as_in_std!();
}

impl AsyncBufRead for Empty {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        Poll::Ready(Ok(&[]))
    }

    fn consume(self: Pin<&mut Self>, _: usize) {}
}

impl AsyncWrite for Sink {
    writes_as_in_std!();
}

/// The one reader in memory that has no end: it lets others go first now and then.
impl AsyncRead for Repeat {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        if !here::may_go_on(cx) {
            return Poll::Pending;
        }
        here::spend();
        Poll::Ready(Read::read(self.get_mut(), buffer))
    }
}
