//! [`Signal`]: the number of a signal, with its name; and sets of them.

use std::fmt;
use std::io;

/// A signal: a number with a name, as this system counts them.
///
/// ```
/// use coracle::signal::Signal;
/// assert_eq!(Signal::TERM.to_string(), "SIGTERM");
/// assert_eq!(Signal::from_number(Signal::TERM.number()), Signal::TERM);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(libc::c_int);

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident = $number:ident;)*) => {
        impl Signal {
            $($(#[$doc])* pub const $name: Signal = Signal(libc::$number);)*

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$number => Some(stringify!($number)),)*
                    _ => None,
                }
            }
        }
    };
}

signals! {
    /// The process is to end at once, and says so in a core file. Cannot be watched.
    ABRT = SIGABRT;
    /// An alarm clock.
    ALRM = SIGALRM;
    /// An access to memory that is not there. Cannot be watched.
    BUS = SIGBUS;
    /// A child stopped, went on or ended. To wait for a child, use [`process`](crate::process), which needs no signal.
    CHLD = SIGCHLD;
    /// A stopped process goes on.
    CONT = SIGCONT;
    /// An error of arithmetic. Cannot be watched.
    FPE = SIGFPE;
    /// The terminal is gone. To daemons by custom: read your configuration again.
    HUP = SIGHUP;
    /// An instruction that is none. Cannot be watched.
    ILL = SIGILL;
    /// Ctrl-C.
    INT = SIGINT;
    /// A descriptor is ready, for those who asked to be told so.
    IO = SIGIO;
    /// The end, without appeal. Cannot be watched.
    KILL = SIGKILL;
    /// A write to a pipe that nobody reads. Rust programs ignore it: the write fails.
    PIPE = SIGPIPE;
    /// A profiling timer.
    PROF = SIGPROF;
    /// Ctrl-\.
    QUIT = SIGQUIT;
    /// An access to memory that is not ours. Cannot be watched.
    SEGV = SIGSEGV;
    /// Stopped, without appeal. Cannot be watched.
    STOP = SIGSTOP;
    /// A system call that is none. Cannot be watched.
    SYS = SIGSYS;
    /// A polite request to end.
    TERM = SIGTERM;
    /// A breakpoint. Cannot be watched.
    TRAP = SIGTRAP;
    /// Ctrl-Z. While it is watched, it does not stop the process.
    TSTP = SIGTSTP;
    /// A read from the terminal, in the background.
    TTIN = SIGTTIN;
    /// A write to the terminal, in the background.
    TTOU = SIGTTOU;
    /// Urgent data on a socket.
    URG = SIGURG;
    /// For programs to give a meaning to.
    USR1 = SIGUSR1;
    /// For programs to give a meaning to.
    USR2 = SIGUSR2;
    /// A timer of processor time.
    VTALRM = SIGVTALRM;
    /// The size of the terminal has changed.
    WINCH = SIGWINCH;
    /// Too much processor time.
    XCPU = SIGXCPU;
    /// Too large a file.
    XFSZ = SIGXFSZ;
}

/// Those that no handler can get, or that a handler must not return from: the fault would be there again.
const NOT_TO_BE_WATCHED: [Signal; 9] = [
    Signal::ABRT,
    Signal::BUS,
    Signal::FPE,
    Signal::ILL,
    Signal::KILL,
    Signal::SEGV,
    Signal::STOP,
    Signal::SYS,
    Signal::TRAP,
];

impl Signal {
    /// The signal with this number, for those that have no name here. Whether the system has it shows when it is used.
    ///
    /// ```
    /// assert_eq!(coracle::signal::Signal::from_number(40).to_string(), "signal 40");
    /// ```
    pub const fn from_number(number: i32) -> Signal {
        Signal(number)
    }

    /// Its number, which other systems may count otherwise.
    ///
    /// ```
    /// assert_eq!(coracle::signal::Signal::KILL.number(), 9);
    /// ```
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The highest number that fits into a set. Linux ends there; FreeBSD's real-time signals go on to 126.
pub(super) const HIGHEST: i32 = u64::BITS as i32;

/// A set of signals, as bits: signal 1 is the lowest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SignalSet(pub(super) u64);

impl SignalSet {
    /// All of these, if each may be watched.
    pub(super) fn of(signals: &[Signal]) -> io::Result<SignalSet> {
        let mut set = 0;
        for &signal in signals {
            if NOT_TO_BE_WATCHED.contains(&signal) {
                let what = format!("{signal} cannot be watched: no handler gets it, or may return from it");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
            if !(1..=HIGHEST).contains(&signal.0) {
                let what = format!("{signal} cannot be watched: only 1 to {HIGHEST} can");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
            set |= bit(signal.0);
        }
        Ok(SignalSet(set))
    }

    /// The lowest of them.
    pub(super) fn first(self) -> Option<Signal> {
        (self.0 != 0).then(|| Signal(self.0.trailing_zeros() as i32 + 1))
    }

    pub(super) fn with(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 | bit(signal.0))
    }

    fn without(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 & !bit(signal.0))
    }
}

/// The lowest first.
impl Iterator for SignalSet {
    type Item = Signal;

    fn next(&mut self) -> Option<Signal> {
        let first = self.first()?;
        *self = self.without(first);
        Some(first)
    }
}

/// The bit of a signal that is one. The handler calls it too: it neither allocates nor panics.
pub(super) fn bit(number: i32) -> u64 {
    1_u64.checked_shl((number as u32).wrapping_sub(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_back_what_was_put_in_the_lowest_first() {
        let set = SignalSet::of(&[Signal::TERM, Signal(HIGHEST), Signal::HUP, Signal::TERM]).unwrap();
        assert_eq!(set.collect::<Vec<_>>(), [Signal::HUP, Signal::TERM, Signal(HIGHEST)]);
        assert_eq!(SignalSet::of(&[]).unwrap().first(), None);
    }

    #[test]
    fn what_cannot_be_watched_is_refused_by_name() {
        for signal in
            NOT_TO_BE_WATCHED.into_iter().chain([Signal(0), Signal(-1), Signal(HIGHEST + 1), Signal(i32::MIN)])
        {
            let error = SignalSet::of(&[Signal::INT, signal]).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().starts_with(&format!("{signal} cannot be watched")), "{error}");
        }
        assert_eq!((bit(0), bit(-1), bit(HIGHEST + 1)), (0, 0, 0));
    }
}
