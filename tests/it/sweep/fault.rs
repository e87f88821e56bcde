//! Hooks: one that lists the calls of a run with the places that they come from, and one that makes some fail.

use std::backtrace::Backtrace;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use coracle::sys::{Call, Hook};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one name that the programs look up: this machine, by both families.
fn both_families(host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
    let addresses = vec![(Ipv6Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port).into()];
    (host == "both.test").then_some(Ok(addresses))
}

/// Which calls are to fail, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) call: Call,
    /// How many of its kind go well before.
    pub(super) number: usize,
    pub(super) errno: i32,
    pub(super) after: After,
}

/// What becomes of the calls after the one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// They go well.
    Well,
    /// All of its kind fail too.
    SameKind,
    /// All fail that make a descriptor, whatever their kind; and the number counts those together.
    Descriptors,
}

/// Calls that make a descriptor.
pub(super) const MAKE_DESCRIPTORS: [Call; 9] = [
    Call::Accept,
    Call::ExitDescriptor,
    Call::Pipe,
    Call::Poller,
    Call::ReceiveMessage,
    Call::Socket,
    Call::SocketPair,
    Call::Spawn,
    Call::Watch,
];

impl Fault {
    pub(super) fn lasts(&self) -> bool {
        self.after != After::Well
    }

    fn is_about(&self, call: Call) -> bool {
        match self.after {
            After::Descriptors => MAKE_DESCRIPTORS.contains(&call),
            _ => call == self.call,
        }
    }
}

/// Makes calls fail.
pub(super) struct Injector {
    fault: Fault,
    always: &'static [(Call, i32)],
    seen: AtomicUsize,
    fired: AtomicUsize,
    /// Where the first of them was made: not resolved, which takes long, unless somebody wants to know.
    place: Mutex<Option<Backtrace>>,
}

impl Injector {
    pub(super) fn new(fault: Fault, always: &'static [(Call, i32)]) -> Injector {
        Injector { fault, always, seen: AtomicUsize::new(0), fired: AtomicUsize::new(0), place: Mutex::default() }
    }

    pub(super) fn fired(&self) -> usize {
        self.fired.load(SeqCst)
    }

    pub(super) fn place(&self) -> Option<Place> {
        lock(&self.place).as_ref().map(Place::of)
    }
}

impl Hook for Injector {
    fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
        if self.fault.is_about(call) {
            let number = self.seen.fetch_add(1, SeqCst);
            if number == self.fault.number || number > self.fault.number && self.fault.lasts() {
                if self.fired.fetch_add(1, SeqCst) == 0 {
                    *lock(&self.place) = Some(Backtrace::force_capture());
                }
                return Err(io::Error::from_raw_os_error(self.fault.errno));
            }
        }
        always_fails(self.always, call)
    }

    fn resolve(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        both_families(host, port)
    }
}

fn always_fails(always: &[(Call, i32)], call: Call) -> io::Result<()> {
    match always.iter().find(|(other, _)| *other == call) {
        Some((_, errno)) => Err(io::Error::from_raw_os_error(*errno)),
        None => Ok(()),
    }
}

/// Lists the calls, in order.
pub(super) struct Listing {
    always: &'static [(Call, i32)],
    calls: Mutex<Vec<(Call, Option<Backtrace>)>>,
    with_places: bool,
}

impl Listing {
    pub(super) fn new(always: &'static [(Call, i32)], with_places: bool) -> Listing {
        Listing { always, calls: Mutex::default(), with_places }
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).iter().map(|(call, _)| *call).collect()
    }

    /// If they were wanted.
    pub(super) fn places(&self) -> Vec<(Call, Place)> {
        lock(&self.calls).iter().flat_map(|(call, place)| Some((*call, Place::of(place.as_ref()?)))).collect()
    }
}

impl Hook for Listing {
    fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
        let place = self.with_places.then(Backtrace::force_capture);
        lock(&self.calls).push((call, place));
        always_fails(self.always, call)
    }

    fn resolve(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        both_families(host, port)
    }
}

/// Where a call to the world was made: what a debugger would say, as far as it is of `src`, outside of `src/sys`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The innermost place, such as `net/listener.rs:201`.
    pub(super) line: String,
    /// The functions that led there, the innermost first.
    pub(super) functions: Vec<String>,
}

impl Place {
    fn of(trace: &Backtrace) -> Place {
        let text = trace.to_string();
        let mut place = Place { line: String::new(), functions: Vec::new() };
        let mut function = "";
        for line in text.lines().map(str::trim_start) {
            let Some(at) = line.strip_prefix("at ") else {
                function = line;
                continue;
            };
            let at = at.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(at);
            let Some(at) = at.strip_prefix("./src/").or_else(|| at.strip_prefix("/src/")) else { continue };
            if at.starts_with("sys/") {
                continue;
            }
            if place.line.is_empty() {
                place.line = at.splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
            }
            place.functions.push(function.split_once(": ").map_or(function, |(_, name)| name).to_owned());
        }
        place
    }

    pub(super) fn is_in(&self, function: &str) -> bool {
        self.functions.iter().any(|other| other.contains(function))
    }
}
