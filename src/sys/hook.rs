//! The one point that every call to the world passes: here a fault can be injected and an observer can see it.
//!
//! A [`Hook`] is given to a [`World`](super::World); without one, a call costs a branch. It is what fault sweeps, call
//! counts and traces are made of. It knows calls and descriptors, not tasks.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;

/// One kind of call to the world.
///
/// ```
/// assert_eq!(format!("{:?}", coracle::sys::Call::Accept), "Accept");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// The monotonic clock is read. Cannot be made to fail.
    Now,
    /// Random bits are fetched. Cannot be made to fail.
    Random,
    /// The thread sleeps for lack of a poller. Cannot be made to fail.
    Nap,
    /// A thread is started.
    Thread,
    /// The processors are asked for.
    Processors,
    /// A thread is kept on one processor.
    Pin,
    /// A poller is made.
    Poller,
    /// A descriptor is registered with a poller.
    Add,
    /// A descriptor is taken out of a poller.
    Remove,
    /// A poller waits.
    Wait,
    /// A poller's wait is ended from elsewhere. May happen on any thread.
    Notify,
    /// The time is set at which a runtime's descriptor becomes readable.
    Alarm,
    /// A socket is made.
    Socket,
    /// A socket is bound.
    Bind,
    /// A socket begins to listen.
    Listen,
    /// A connection is accepted.
    Accept,
    /// A connection is begun.
    Connect,
    /// Bytes are read, or peeked at.
    Receive,
    /// Bytes are written.
    Send,
    /// One or both directions of a connection are shut down.
    Shutdown,
    /// An address of a socket is asked for.
    Address,
    /// An option is read.
    Option,
    /// An option is set.
    SetOption,
    /// A descriptor is closed. Cannot be made to fail.
    Close,
    /// A pair of Unix sockets is made.
    SocketPair,
    /// A message is received: a datagram with its address, or bytes with descriptors.
    ReceiveMessage,
    /// A message is sent.
    SendMessage,
    /// The credentials of a peer are asked for.
    Credentials,
    /// A multicast group is joined or left.
    Membership,
    /// A pipe is made.
    Pipe,
    /// Bytes are read from what is no socket.
    Read,
    /// Bytes are written to what is no socket.
    Write,
    /// The system is asked whether a descriptor is ready now.
    Ready,
    /// Signals are taken note of from now on.
    Watch,
    /// A program is started.
    Spawn,
    /// A descriptor is made that shows the end of a child.
    ExitDescriptor,
    /// A thread waits for the end of a child.
    AwaitExit,
    /// A child is asked how it has ended.
    Reap,
    /// A signal is sent to a child.
    SendSignal,
    /// A name is looked up, on a thread of the blocking pool.
    Resolve,
    /// A descriptor is handed to the program, which does with it what it likes. Cannot be made to fail.
    Release,
}

/// Sees every call to the world, and may make it fail.
///
/// Called on the runtime's thread, but for [`Call::Notify`], what dropping a socket takes ([`Call::Shutdown`],
/// [`Call::Remove`], [`Call::Close`]), and what a pool of threads takes ([`Call::Thread`], [`Call::Now`]), which can come
/// from any. A hook must not call the runtime that it watches.
///
/// ```
/// use coracle::sys::{Call, Hook, World};
/// use coracle::{Runtime, net::TcpListener};
/// use std::{io, os::fd::RawFd, sync::Arc};
///
/// struct NoMoreSockets;
/// impl Hook for NoMoreSockets {
///     fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
///         if call == Call::Socket { Err(io::ErrorKind::OutOfMemory.into()) } else { Ok(()) }
///     }
/// }
///
/// let runtime = Runtime::builder().world(World::kernel().hooked(Arc::new(NoMoreSockets))).build();
/// let error = runtime.block_on(async { TcpListener::bind("127.0.0.1:0").unwrap_err() });
/// assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
/// ```
pub trait Hook: Send + Sync {
    /// Before a call. An error is returned to the caller as if the call had failed so; the call is then not made.
    fn before(&self, call: Call, fd: Option<RawFd>) -> io::Result<()> {
        let _ = (call, fd);
        Ok(())
    }

    /// After a call that was made, with its error if it failed.
    fn after(&self, call: Call, fd: Option<RawFd>, error: Option<&io::Error>) {
        let _ = (call, fd, error);
    }

    /// Answers in place of the system's resolver, if it likes, when a name is looked up. It may block: this is called
    /// on a thread of the blocking pool.
    fn resolve(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        let _ = (host, port);
        None
    }
}

/// A hook over another: it sees what the other one lets happen, as the program does.
pub(super) struct Over {
    pub(super) upper: Arc<dyn Hook>,
    pub(super) lower: Arc<dyn Hook>,
}

impl Hook for Over {
    fn before(&self, call: Call, fd: Option<RawFd>) -> io::Result<()> {
        self.upper.before(call, fd)?;
        self.lower.before(call, fd).inspect_err(|error| self.upper.after(call, fd, Some(error)))
    }

    fn after(&self, call: Call, fd: Option<RawFd>, error: Option<&io::Error>) {
        self.lower.after(call, fd, error);
        self.upper.after(call, fd, error);
    }

    fn resolve(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        self.upper.resolve(host, port).or_else(|| self.lower.resolve(host, port))
    }
}
