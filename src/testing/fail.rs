//! [`Failing`]: a [`Hook`] that makes one call to the world fail, and can say how often that call was made.
//!
//! For tests of what a program does when the system says no. It knows calls, and nothing of what they are about.

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sys::{Call, Hook};

/// Makes the n-th call of one kind fail, counted from 1 and over all runtimes of the worlds that it is given to. The call
/// is not made; who calls is told the error as if the system had said it.
///
/// ```
/// use coracle::{Runtime, net, sys::{Call, World}, testing::Failing};
/// use std::{io, sync::Arc};
/// let no_room = Arc::new(Failing::nth(Call::Pipe, 2, io::ErrorKind::OutOfMemory));
/// let runtime = Runtime::builder().world(World::kernel().hooked(no_room.clone())).build();
/// runtime.block_on(async {
///     assert!(net::pipe().is_ok());
///     assert_eq!(net::pipe().unwrap_err().kind(), io::ErrorKind::OutOfMemory);
///     assert!(net::pipe().is_ok());
/// });
/// assert_eq!(no_room.count(), 3);
/// ```
pub struct Failing {
    call: Call,
    nth: usize,
    /// Also all that come after.
    persists: bool,
    errno: Errno,
    count: AtomicUsize,
    /// Sees the calls too, those that fail here excepted.
    next: Option<Arc<dyn Hook>>,
}

impl Failing {
    /// The `n`-th such call fails, and those before and after it do not. With 0 none does: that counts.
    /// [`Now`](Call::Now), [`Close`](Call::Close) and others that cannot fail are counted only.
    ///
    /// ```
    /// use coracle::{sys::Call, testing::Failing};
    /// let too_many_open_files = 24;
    /// Failing::nth(Call::Accept, 1, too_many_open_files);
    /// ```
    pub fn nth(call: Call, n: usize, error: impl Into<Errno>) -> Failing {
        Failing { call, nth: n, persists: false, errno: error.into(), count: AtomicUsize::new(0), next: None }
    }

    /// All calls of that kind from the n-th on fail.
    ///
    /// ```
    /// use coracle::{sys::Call, testing::Failing};
    /// use std::io::ErrorKind;
    /// let from_the_third_on = Failing::nth(Call::Send, 3, ErrorKind::ConnectionReset).from_then_on();
    /// # let _ = from_the_third_on;
    /// ```
    #[must_use]
    pub fn from_then_on(self) -> Failing {
        Failing { persists: true, ..self }
    }

    /// `hook` sees all calls too, but for those that fail here; and can make others fail.
    ///
    /// ```
    /// use coracle::{sys::Call, testing::Failing};
    /// use std::io::ErrorKind::ConnectionReset;
    /// let first = Failing::nth(Call::Send, 1, ConnectionReset);
    /// let both = Failing::nth(Call::Receive, 1, ConnectionReset).and(std::sync::Arc::new(first));
    /// # let _ = both;
    /// ```
    #[must_use]
    pub fn and(self, hook: Arc<dyn Hook>) -> Failing {
        Failing { next: Some(hook), ..self }
    }

    /// How many calls of that kind there were, those that failed included.
    ///
    /// ```
    /// use coracle::{sys::Call, testing::Failing};
    /// assert_eq!(Failing::nth(Call::Send, 0, 0).count(), 0);
    /// ```
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Hook for Failing {
    fn before(&self, call: Call, fd: Option<RawFd>) -> io::Result<()> {
        if call == self.call {
            let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
            if self.nth != 0 && (number == self.nth || self.persists && number > self.nth) {
                return Err(self.errno.to_error());
            }
        }
        self.next.as_ref().map_or(Ok(()), |next| next.before(call, fd))
    }

    fn after(&self, call: Call, fd: Option<RawFd>, error: Option<&io::Error>) {
        self.next.iter().for_each(|next| next.after(call, fd, error));
    }

    fn resolve(&self, host: &str, port: u16) -> Option<io::Result<Vec<std::net::SocketAddr>>> {
        self.next.as_ref()?.resolve(host, port)
    }
}

impl fmt::Debug for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failing")
            .field("call", &self.call)
            .field("nth", &self.nth)
            .field("persists", &self.persists)
            .field("errno", &self.errno)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

/// What a call fails with: a number of the system's, or a kind of error. A number is nearer to what happens; some, like
/// that for too many open files, have no kind.
///
/// ```
/// use coracle::testing::Errno;
/// use std::io::ErrorKind;
/// assert_ne!(Errno::from(13), Errno::from(ErrorKind::PermissionDenied));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// The number.
    Raw(i32),
    /// The kind, without a number.
    Kind(io::ErrorKind),
}

impl Errno {
    fn to_error(self) -> io::Error {
        match self {
            Errno::Raw(number) => io::Error::from_raw_os_error(number),
            Errno::Kind(kind) => kind.into(),
        }
    }
}

impl From<i32> for Errno {
    fn from(number: i32) -> Errno {
        Errno::Raw(number)
    }
}

impl From<io::ErrorKind> for Errno {
    fn from(kind: io::ErrorKind) -> Errno {
        Errno::Kind(kind)
    }
}
