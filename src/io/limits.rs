//! [`TooLong`]: why a line or a frame was not read, or not sent.

use std::fmt;
use std::io::{Error, ErrorKind};

/// Something was longer than it may be; inside of an [`Error`] of the kind [`InvalidData`](ErrorKind::InvalidData) when
/// it was read, and [`InvalidInput`](ErrorKind::InvalidInput) when it was to be sent.
///
/// ```
/// use coracle::io::{AsyncBufReadExt, TooLong};
/// coracle::block_on(async {
///     let mut lines = (&b"much too long\nshort\n"[..]).lines().at_most(8);
///     let error = lines.next().await.unwrap().unwrap_err();
///     assert_eq!(error.to_string(), "a line is longer than the limit of 8 bytes");
///     assert_eq!(error.get_ref().unwrap().downcast_ref::<TooLong>().unwrap().limit, 8);
///     assert_eq!(lines.next().await.unwrap().unwrap(), "short");
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// What, in words.
    pub what: &'static str,
    /// The limit that was set, in bytes.
    pub limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is longer than the limit of {} bytes", self.what, self.limit)
    }
}

impl std::error::Error for TooLong {}

impl TooLong {
    pub(super) fn received(self) -> Error {
        Error::new(ErrorKind::InvalidData, self)
    }

    pub(super) fn to_be_sent(self) -> Error {
        Error::new(ErrorKind::InvalidInput, self)
    }
}
