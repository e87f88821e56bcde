//! Reading and writing: the traits, their everyday methods, and what is built of them.
//!
//! [`AsyncRead`], [`AsyncWrite`] and [`AsyncBufRead`] have the shape of those of futures-io, so that an adapter is a
//! few lines. Programs use [`AsyncReadExt`], [`AsyncWriteExt`] and [`AsyncBufReadExt`].
//!
//! - Buffers: [`BufReader`], [`BufWriter`]; and [`Buffers`], for many connections of which few have something to read.
//!   Lines and pieces: [`AsyncBufReadExt`]. Messages: [`FrameReader`],
//!   [`FrameWriter`].
//! - From one to another: [`copy`](fn@copy), [`copy_buf`], [`copy_bidirectional`](fn@copy_bidirectional).
//! - In memory: [`pipe`](fn@pipe), [`duplex`], slices, vectors, [`Cursor`], [`empty`], [`sink`], [`repeat`].
//! - Halves: [`split`](fn@split), [`join`](fn@join).
//!
//! Reading exactly, a line or a frame keeps its progress when its future is dropped: losing a race loses no byte. It is
//! kept in the reader or in the caller's buffer, as each method says under *Cancel safety*: so that must live outside of
//! the future that may lose. Readers and writers that may not be moved are pinned first:
//! `Pin<&mut R>` is a reader too.
//!
//! Nothing here knows a runtime: it works with any executor.

mod buf_read;
mod buf_reader;
mod buf_writer;
mod buffers;
mod chain;
mod copy;
mod copy_bidirectional;
mod exact;
mod frames;
mod join;
mod limits;
mod lines;
mod memory;
mod pipe;
mod read;
mod read_line;
mod split;
mod take;
mod traits;
mod write;

pub use std::io::{Cursor, Empty, Error, ErrorKind, IoSlice, IoSliceMut, Repeat, Result, Sink, empty, repeat, sink};

pub use buf_read::{AsyncBufReadExt, FillBuf, ReadUntil, SkipUntil};
pub use buf_reader::{BufReader, Peek};
pub use buf_writer::BufWriter;
pub use buffers::{Buffer, Buffers};
pub use chain::Chain;
pub use copy::{Copy, CopyBuf, copy, copy_buf};
pub use copy_bidirectional::{CopyBidirectional, copy_bidirectional};
pub use exact::{Exact, ReadFrom};
pub use frames::{
    CloseFrames, FlushFrames, FrameReader, FrameWriter, LengthPrefix, NextFrame, NextFrameInto, SendFrame,
};
pub use join::{DuplexStream, Joined, duplex, join};
pub use limits::TooLong;
pub use lines::{Lines, NextLine, NextPiece, Split};
pub use pipe::{PipeReader, PipeWriter, pipe};
pub(crate) use pipe::{stand, wake_one};
pub(crate) use read::unexpected_end;
pub use read::{AsyncReadExt, Read, ReadArray, ReadExact, ReadPooled, ReadToEnd, ReadToString};
pub use read_line::ReadLine;
pub use split::{ReadHalf, ReuniteError, WriteHalf, split};
pub use take::Take;
pub use traits::{AsyncBufRead, AsyncRead, AsyncWrite};
pub(crate) use write::no_more_taken;
pub use write::{AsyncWriteExt, Close, Flush, Write, WriteAll, WriteVectored};
