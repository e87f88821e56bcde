//! Reading and writing: the traits, and their everyday methods.
//!
//! [`AsyncRead`], [`AsyncWrite`] and [`AsyncBufRead`] have the shape of those of futures-io, so that an adapter is a few
//! lines. Programs use [`AsyncReadExt`] and [`AsyncWriteExt`]. Nothing here knows a runtime: it works with any executor.

mod read;
mod traits;
mod write;

pub(crate) use read::unexpected_end;
pub use read::{AsyncReadExt, Read, ReadExact, ReadToEnd, ReadToString};
pub use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
pub use traits::{AsyncBufRead, AsyncRead, AsyncWrite};
pub(crate) use write::no_more_taken;
pub use write::{AsyncWriteExt, Close, Flush, Write, WriteAll};
