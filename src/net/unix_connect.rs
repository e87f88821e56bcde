//! [`UnixConnect`]: a Unix socket connects at once, or not yet, because the listener's queue is full.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::SocketAddr as UnixName;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::retry::Retry;
use super::stream::Stream;
use super::unix::{UnixStream, bound};
use crate::sys::Kind;

/// See [`UnixStream::connect`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct UnixConnect {
    /// Where to, or why not.
    name: io::Result<UnixName>,
    retry: Retry,
}

impl UnixConnect {
    #[track_caller]
    pub(super) fn new(name: io::Result<UnixName>) -> UnixConnect {
        UnixConnect { name, retry: Retry::new() }
    }
}

impl Future for UnixConnect {
    type Output = io::Result<UnixStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        let this = &mut *self;
        let name = match &mut this.name {
            Ok(name) => &*name,
            Err(error) => return Poll::Ready(Err(std::mem::replace(error, io::ErrorKind::InvalidInput.into()))),
        };
        // Each attempt has a socket of its own: none is kept through the pause, when many may wait.
        this.retry.poll(cx, || {
            let source = bound(Kind::Stream, None)?;
            source.world().connect(source.as_fd(), name)?;
            Ok(Stream::from_source(source))
        })
    }
}
