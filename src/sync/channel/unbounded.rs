//! [`UnboundedSender`]: a sender that never waits.

use std::fmt;

use super::{SendError, Sender, TrySendError};
use crate::sync::UntilClosed;

/// The sending side of an [`unbounded`](super::unbounded()) channel. Clone it for more senders.
///
/// ```
/// let (sender, receiver) = coracle::sync::channel::unbounded();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
pub struct UnboundedSender<T> {
    pub(super) sender: Sender<T>,
}

impl<T> UnboundedSender<T> {
    /// Sends a value, without waiting.
    ///
    /// # Errors
    /// If the channel is closed.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::unbounded();
    /// drop(receiver);
    /// assert!(sender.send(1).is_err());
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.sender.try_send(value).map_err(|error| match error {
            TrySendError::Closed(value) | TrySendError::Full(value) => SendError(value),
        })
    }

    /// Whether every receiver is gone, or one of them [closed](super::Receiver::close) the channel.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::unbounded::<()>();
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the channel is closed, as [`is_closed`](UnboundedSender::is_closed) says.
    ///
    /// **Cancel safety**: cancel-safe.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::unbounded::<()>();
    /// drop(receiver);
    /// coracle::block_on(sender.closed());
    /// ```
    #[track_caller]
    pub fn closed(&self) -> UntilClosed<'_> {
        self.sender.closed()
    }

    /// How many values wait in the channel.
    ///
    /// ```
    /// assert_eq!(coracle::sync::channel::unbounded::<()>().0.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.sender.len()
    }

    /// Whether no value waits in the channel.
    ///
    /// ```
    /// assert!(coracle::sync::channel::unbounded::<()>().0.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.sender.is_empty()
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> UnboundedSender<T> {
        UnboundedSender { sender: self.sender.clone() }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender").field("len", &self.len()).finish()
    }
}
