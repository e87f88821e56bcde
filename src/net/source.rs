//! [`Source`]: a descriptor that is owned, and its registration; and [`Operation`], a try that waits if it must.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::registration::{Done, Interest, Place, Registration};
use crate::runtime::Loop;
use crate::sys::{SocketOption, World};
use crate::wait_list::WaitKey;

/// How often a try that does not wait is made anew when it was interrupted. Arbitrary: twice is unheard of.
const MOST_INTERRUPTED: usize = 16;

/// See the head of this file.
pub(crate) struct Source {
    /// `None` only while it is being taken apart.
    fd: Option<OwnedFd>,
    pub(crate) registration: Registration,
}

impl Source {
    /// A descriptor from elsewhere, non-blocking as far as that can be asked of it, becomes one of the current runtime's.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Source> {
        let registration = Registration::here()?;
        registration.set_lent();
        Ok(Source { fd: Some(fd), registration })
    }

    /// The same, and it is made non-blocking.
    pub(super) fn adopt(fd: OwnedFd) -> io::Result<Source> {
        let source = Source::new(fd)?;
        source.world().set_nonblocking(source.as_fd())?;
        Ok(source)
    }

    /// A descriptor that was made for this, so that nobody else knows it.
    pub(crate) fn in_loop(event_loop: &Rc<Loop>, fd: OwnedFd) -> Source {
        Source { fd: Some(fd), registration: Registration::in_loop(event_loop) }
    }

    /// The same, for the runtime of this one.
    pub(super) fn sibling(&self, fd: OwnedFd) -> Source {
        Source { fd: Some(fd), registration: self.registration.sibling() }
    }

    /// See [`Registration::set_in_pieces`].
    pub(super) fn in_pieces(mut self) -> Source {
        self.registration.set_in_pieces();
        self
    }

    /// Shows the descriptor to the program, which may make duplicates of it.
    #[inline]
    pub(super) fn lend(&self) -> BorrowedFd<'_> {
        self.registration.set_lent();
        self.as_fd()
    }

    pub(crate) fn world(&self) -> &World {
        self.registration.world()
    }

    /// What the current thread must be for [`world`](Source::world) to be asked to move bytes: see `check_home`.
    pub(crate) fn check_home(&self) -> io::Result<()> {
        self.registration.check_home()
    }

    #[inline]
    pub(crate) fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        place: Place<'_>,
        at: &'static Location<'static>,
        attempt: impl FnMut(&World, BorrowedFd<'_>) -> io::Result<Done<T>>,
    ) -> Poll<io::Result<T>> {
        self.registration.poll_io(self.as_fd(), cx, interest, place, at, attempt)
    }

    /// Tries once, and anew when that was interrupted, which is no answer; but not for ever.
    pub(super) fn try_io<T>(&self, mut attempt: impl FnMut(&World, BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        self.check_home()?;
        for _ in 1..MOST_INTERRUPTED {
            match attempt(self.world(), self.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
        attempt(self.world(), self.as_fd())
    }

    pub(super) fn option(&self, option: SocketOption) -> io::Result<i32> {
        self.world().option(self.as_fd(), option)
    }

    pub(super) fn set_option(&self, option: SocketOption, value: i32) -> io::Result<()> {
        self.world().set_option(self.as_fd(), option, value)
    }

    /// An option that counts something; more than the system can express is as much as it can.
    pub(super) fn set_count(&self, option: SocketOption, count: impl TryInto<i32>) -> io::Result<()> {
        self.set_option(option, count.try_into().unwrap_or(i32::MAX))
    }

    /// Takes the error that waits on the socket.
    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(match self.option(SocketOption::PendingError)? {
            0 => None,
            errno => Some(io::Error::from_raw_os_error(errno)),
        })
    }

    /// Takes the descriptor out of the poller and hands it over.
    pub(crate) fn into_fd(mut self) -> OwnedFd {
        let fd = self.fd.take().expect("a source is taken apart once");
        self.registration.end(fd.as_fd());
        self.world().release(fd.as_fd());
        fd
    }
}

impl AsFd for Source {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("a source has its descriptor until it is taken apart").as_fd()
    }
}

impl AsRawFd for Source {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let Some(fd) = self.fd.take() else { return };
        self.registration.end_with_close(fd.as_fd());
        self.world().close(fd);
        self.registration.closed();
    }
}

/// Lets a type with a `source` lend its descriptor (`lends`), and hand it over too (`owns`).
macro_rules! descriptor {
    (lends: [$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.source.lend()
            }
        }

        impl<$($generics)*> std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(&self.source.lend())
            }
        }
    };
    (owns: [$($generics:tt)*] $type:ty) => {
        crate::net::source::descriptor!(lends: [$($generics)*] $type);

        /// The descriptor stays non-blocking.
        impl<$($generics)*> From<$type> for std::os::fd::OwnedFd {
            fn from(owner: $type) -> std::os::fd::OwnedFd {
                owner.source.into_fd()
            }
        }
    };
}

pub(super) use descriptor;

/// An operation in progress: the part that is common to all futures on descriptors. Dropped before its end, it leaves
/// the queue and passes its wake on.
pub(crate) struct Operation<'a> {
    registration: &'a Registration,
    fd: BorrowedFd<'a>,
    interest: Interest,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl<'a> Operation<'a> {
    #[track_caller]
    #[inline]
    pub(crate) fn new(source: &'a Source, interest: Interest) -> Operation<'a> {
        Operation::on(&source.registration, source.as_fd(), interest)
    }

    #[track_caller]
    #[inline]
    pub(super) fn on(registration: &'a Registration, fd: BorrowedFd<'a>, interest: Interest) -> Operation<'a> {
        Operation { registration, fd, interest, place: None, at: Location::caller() }
    }

    #[inline]
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&World, BorrowedFd<'_>) -> io::Result<Done<T>>,
    ) -> Poll<io::Result<T>> {
        let place = Place::Queued(&mut self.place);
        self.registration.poll_io(self.fd, cx, self.interest, place, self.at, attempt)
    }
}

impl Drop for Operation<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.registration.leave(self.interest.direction(), place);
        }
    }
}

impl std::fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("fd", &self.fd.as_raw_fd()).field("interest", &self.interest).finish()
    }
}
