//! Frames: messages in a stream of bytes, each behind its length.
//!
//! ```text
//!   ┌─ length ─┬──── payload ────┬─ length ─┬─ payload ─┬ ..
//!   │ 1, 2, 4  │ so many bytes   │          │           │
//!   │ or 8     │                 │          │           │
//! ```
//!
//! [`FrameReader`] and [`FrameWriter`] keep what is half done in themselves: a future that is dropped loses no byte,
//! and the stream is never torn. Neither spawns, buffers in advance or flushes: put them over a
//! [`BufReader`](super::BufReader) and a [`BufWriter`](super::BufWriter) if frames are small.

mod reader;
mod writer;

pub use reader::{FrameReader, NextFrame, NextFrameInto};
pub use writer::{CloseFrames, FlushFrames, FrameWriter, SendFrame};

use super::TooLong;

/// How the length of a frame is written: its width in bits, and the order of its bytes.
///
/// ```
/// use coracle::io::{FrameReader, LengthPrefix};
/// coracle::block_on(async {
///     let mut frames = FrameReader::new(&b"\0\x05hello\0\0"[..], LengthPrefix::U16Be, 1024);
///     assert_eq!(frames.next().await.unwrap().unwrap(), b"hello");
///     assert_eq!(frames.next().await.unwrap().unwrap(), b"");
///     assert!(frames.next().await.is_none());
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthPrefix {
    /// One byte.
    U8,
    /// Two bytes, the most significant first.
    U16Be,
    /// Two bytes, the least significant first.
    U16Le,
    /// Four bytes, the most significant first. The usual one.
    U32Be,
    /// Four bytes, the least significant first.
    U32Le,
    /// Eight bytes, the most significant first.
    U64Be,
    /// Eight bytes, the least significant first.
    U64Le,
}

impl LengthPrefix {
    /// How many bytes it takes.
    ///
    /// ```
    /// assert_eq!(coracle::io::LengthPrefix::U32Be.width(), 4);
    /// ```
    pub fn width(self) -> usize {
        match self {
            LengthPrefix::U8 => 1,
            LengthPrefix::U16Be | LengthPrefix::U16Le => 2,
            LengthPrefix::U32Be | LengthPrefix::U32Le => 4,
            LengthPrefix::U64Be | LengthPrefix::U64Le => 8,
        }
    }

    fn is_little_endian(self) -> bool {
        matches!(self, LengthPrefix::U16Le | LengthPrefix::U32Le | LengthPrefix::U64Le)
    }

    /// The length that these bytes say; there must be `width` of them.
    fn decode(self, bytes: &[u8]) -> u64 {
        let join = |length: u64, byte: &u8| length << 8 | u64::from(*byte);
        if self.is_little_endian() { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
    }

    /// The bytes that say this length: the first `width` of them. It must fit.
    fn encode(self, length: usize) -> [u8; 8] {
        let length = length as u64;
        if self.is_little_endian() { length.to_le_bytes() } else { (length << (64 - 8 * self.width())).to_be_bytes() }
    }

    /// The longest frame whose length can be said, if `limit` is to hold too.
    fn longest(self, limit: usize) -> usize {
        let most = u64::MAX >> (64 - 8 * self.width());
        usize::try_from(most).map_or(limit, |most| most.min(limit))
    }
}

fn too_long(limit: usize) -> TooLong {
    TooLong { what: "a frame", limit }
}
