//! Signals as a stream: [`Signals`], and [`ctrl_c`].
//!
//! What a signal does is a property of the process. While somebody watches it, it does nothing but to be noted,
//! whatever the thread that it interrupts; when the last one stops watching, it does again what it did before. So a
//! program that never comes here has no signal handler of ours. Any number of subscribers, in any number of runtimes,
//! get the same signal, each of them once.
//!
//! The kernel does not count: of signals of one kind that come faster than they are taken, one is seen. To wait for a
//! child, use [`process`](crate::process); it works without SIGCHLD. The handler itself is in `sys/signal.rs`.
//!
//! A child process after `fork` begins as if nobody had ever watched anything.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::net::{Done, Interest, Operation, Place, Source};
use crate::runtime::current_or_error;
use crate::sys::{SignalWatch, World};

pub use crate::sys::Signal;

/// How many bytes one read takes out of the pair of sockets: one for each signal that came.
const BYTES_AT_A_TIME: usize = 64;

/// Some signals, watched until this is dropped.
///
/// It belongs to the runtime in which it was made; see [`net`](crate::net) for what that means.
///
/// ```
/// use coracle::signal::{Signal, Signals};
/// coracle::block_on(async {
///     let signals = Signals::new(&[Signal::INT, Signal::TERM])?;
///     # std::process::Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status()?;
///     // … until somebody calls `kill`
///     assert_eq!(signals.recv().await?, Signal::TERM);
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub struct Signals {
    watch: SignalWatch,
    source: Source,
}

impl Signals {
    /// Watches these signals from now on: what comes before the first [`recv`](Signals::recv) is kept. An empty list is
    /// no error: nothing ever comes.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for signals that cannot be watched: KILL and STOP, which no
    /// handler gets; ABRT, BUS, FPE, ILL, SEGV, SYS and TRAP, which a handler must not return from; numbers that the
    /// system does not have, or above 64. If there is no descriptor left. Outside of a runtime. Then nothing is
    /// watched.
    ///
    /// ```
    /// use coracle::signal::{Signal, Signals};
    /// coracle::block_on(async {
    ///     assert!(Signals::new(&[Signal::HUP]).is_ok());
    ///     assert_eq!(
    ///         Signals::new(&[Signal::KILL]).unwrap_err().to_string(),
    ///         "SIGKILL cannot be watched: no handler gets it, or may return from it"
    ///     );
    /// });
    /// ```
    pub fn new(signals: &[Signal]) -> io::Result<Signals> {
        let event_loop = current_or_error()?;
        let (watch, fd) = event_loop.world().watch(signals)?;
        Ok(Signals { watch, source: Source::in_loop(&event_loop, fd) })
    }

    /// Waits for a signal, and gives it. Of several that have come, the one with the lowest number. Many tasks may
    /// wait: each signal goes to one of them.
    ///
    /// **Cancel safety**: cancel-safe; no signal is lost.
    ///
    /// # Errors
    /// If the runtime cannot watch the descriptor, for lack of memory for instance; on another thread than the
    /// runtime's, or after its end. Never because of a signal.
    ///
    /// ```
    /// use coracle::signal::{Signal, Signals};
    /// coracle::block_on(async {
    ///     let signals = Signals::new(&[Signal::HUP])?;
    ///     # std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status()?;
    ///     assert_eq!(signals.recv().await?, Signal::HUP);
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn recv(&self) -> Recv<'_> {
        Recv { operation: Operation::new(&self.source, Interest::Read), signals: self }
    }

    /// [`recv`](Signals::recv) for code that polls: the last task that polled is woken.
    ///
    /// ```
    /// use coracle::signal::{Signal, Signals};
    /// # use std::task::{Context, Poll, Waker};
    /// coracle::block_on(async {
    ///     let signals = Signals::new(&[Signal::HUP]).unwrap();
    ///     let polled = signals.poll_recv(&mut Context::from_waker(Waker::noop()));
    ///     assert!(polled.is_pending(), "none has come");
    /// });
    /// ```
    #[track_caller]
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Signal>> {
        let at = Location::caller();
        self.source.poll_io(cx, Interest::Read, Place::Polled, at, |world, fd| self.take(world, fd))
    }

    /// First the bytes, then what they announced: a signal that comes in between has its byte still to be read.
    fn take(&self, world: &World, fd: BorrowedFd<'_>) -> io::Result<Done<Signal>> {
        if let Some(signal) = self.watch.take() {
            return Ok(Done::with(signal));
        }
        while world.receive(fd, &mut [0; BYTES_AT_A_TIME], false)? > 0 {
            if let Some(signal) = self.watch.take() {
                return Ok(Done::with(signal));
            }
        }
        unreachable!("the other end is open as long as `watch` lives")
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signals").field(&self.watch).finish()
    }
}

/// See [`Signals::recv`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Recv<'a> {
    operation: Operation<'a>,
    signals: &'a Signals,
}

impl Future for Recv<'_> {
    type Output = io::Result<Signal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Signal>> {
        let this = &mut *self;
        this.operation.poll(cx, |world, fd| this.signals.take(world, fd))
    }
}

/// Waits for Ctrl-C, that is SIGINT, which from this call on, until the future is dropped, does not end the process.
/// A further one, after it was awaited, does so again, unless another future waits for it.
///
/// **Cancel safety**: cancel-safe; but nobody takes note of a SIGINT between two futures. To miss none, keep a
/// [`Signals`].
///
/// # Errors
/// As [`Signals::new`] and [`Signals::recv`].
///
/// ```
/// coracle::block_on(async {
///     let stopped = coracle::signal::ctrl_c();
///     # std::process::Command::new("kill").args(["-INT", &std::process::id().to_string()]).status()?;
///     stopped.await
/// }).unwrap();
/// ```
#[track_caller]
pub fn ctrl_c() -> CtrlC {
    CtrlC { signals: Some(Signals::new(&[Signal::INT])), at: Location::caller() }
}

/// See [`ctrl_c`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct CtrlC {
    /// `None`: over.
    signals: Option<io::Result<Signals>>,
    at: &'static Location<'static>,
}

impl Future for CtrlC {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match this.signals.take().expect("a CtrlC was polled after it was done") {
            Ok(signals) => {
                let polled = signals
                    .source
                    .poll_io(cx, Interest::Read, Place::Polled, this.at, |world, fd| signals.take(world, fd));
                if polled.is_pending() {
                    this.signals = Some(Ok(signals));
                }
                polled.map_ok(drop)
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}
