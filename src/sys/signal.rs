//! Signals: the one handler of this process, and whom it tells.
//!
//! What a signal does is a property of the process, so here is one of the few tables that are global. A subscriber has
//! a *slot*: what it wants, what has come, and the sending end of a socket pair that makes its runtime look. The
//! handler walks all slots; several runtimes, and several subscribers of one, get the same signal.
//!
//! 1. The handler takes no lock, allocates nothing and leaves `errno` as it was. It notes the signal as a bit, then
//!    sends one byte. If there is no room, the other end is readable already. So signals of one kind that come faster
//!    than they are taken are seen as one, as the kernel itself does it.
//! 2. Slots are never freed, so the handler may walk them at any time. Those that were given up are used again.
//! 3. A slot's descriptor is closed only when nobody can be sending to it: it is taken out of the slot, then one waits
//!    until no handler is inside. A number that was given to somebody else is never written to.
//! 4. A slot belongs to the process that made it. After a fork the child has the handler, and copies of the parent's
//!    sockets: it leaves those slots alone, and its dispositions are put back by the fork itself.
//! 5. With the last subscriber of a signal goes our handler: what was there before is there again, unless somebody else
//!    has put a handler of his own in its place meanwhile.

mod number;

use std::cell::Cell;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};

use super::os;
use super::unix::check;
pub use number::Signal;
use number::{HIGHEST, SignalSet, bit};

/// No descriptor.
const NONE: RawFd = -1;

/// The first of all slots; each knows the next.
static FIRST: OnceLock<&'static Slot> = OnceLock::new();

/// What each signal did before we handled it; `None`: we do not. Never locked by the handler.
static TABLE: Mutex<Table> = Mutex::new([const { None }; HIGHEST as usize + 1]);

type Table = [Option<Handled>; HIGHEST as usize + 1];

struct Handled {
    subscribers: usize,
    before: libc::sigaction,
}

/// Where the handler finds a subscriber.
struct Slot {
    process: libc::pid_t,
    next: OnceLock<&'static Slot>,
    /// Under the lock of the table only.
    taken: AtomicBool,
    wanted: AtomicU64,
    come: AtomicU64,
    sending_end: AtomicI32,
    /// How many handlers are inside.
    inside: AtomicUsize,
}

impl Slot {
    /// A signal has come. Called by the handler, on any thread, at any moment: see rules 1 and 3.
    fn tell(&self, bit: u64) {
        self.inside.fetch_add(1, SeqCst);
        let sending_end = self.sending_end.load(SeqCst);
        if sending_end != NONE && self.wanted.load(SeqCst) & bit != 0 {
            self.come.fetch_or(bit, SeqCst);
            // SAFETY: S1: one byte, which lives to the end of the call. Rule 3: the descriptor is open.
            unsafe { libc::send(sending_end, [0_u8].as_ptr().cast(), 1, os::SEND_FLAGS) };
        }
        self.inside.fetch_sub(1, SeqCst);
    }

    fn open(&self, wanted: SignalSet, sending_end: RawFd) {
        self.come.store(0, SeqCst);
        self.wanted.store(wanted.0, SeqCst);
        self.sending_end.store(sending_end, SeqCst);
    }

    /// From now on no handler sends. It waits for those that do, which cannot take long: sending never blocks.
    fn close(&self) {
        self.sending_end.store(NONE, SeqCst);
        self.wanted.store(0, SeqCst);
        while self.inside.load(SeqCst) != 0 {
            std::thread::yield_now();
        }
    }
}

/// A free slot of this process.
fn claim(_locked: &Table) -> &'static Slot {
    let process = process();
    let mut place = &FIRST;
    while let Some(&slot) = place.get() {
        if slot.process == process && !slot.taken.swap(true, SeqCst) {
            return slot;
        }
        place = &slot.next;
    }
    place.get_or_init(|| {
        Box::leak(Box::new(Slot {
            process,
            next: OnceLock::new(),
            taken: AtomicBool::new(true),
            wanted: AtomicU64::new(0),
            come: AtomicU64::new(0),
            sending_end: AtomicI32::new(NONE),
            inside: AtomicUsize::new(0),
        }))
    })
}

/// The handler of all signals that anybody watches.
extern "C" fn handle(number: libc::c_int) {
    let errno = os::errno();
    // SAFETY: S4: it is this thread's own.
    let before = unsafe { errno.read() };
    let process = process();
    let mut place = &FIRST;
    while let Some(&slot) = place.get() {
        if slot.process == process {
            slot.tell(bit(number));
        }
        place = &slot.next;
    }
    // SAFETY: S4: as above.
    unsafe { errno.write(before) };
}

fn process() -> libc::pid_t {
    // SAFETY: no pointers.
    unsafe { libc::getpid() }
}

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A subscriber: signals that are noted, instead of doing what they did before, until it is dropped.
pub(crate) struct SignalWatch {
    slot: &'static Slot,
    watched: SignalSet,
    /// The slot has its number.
    _sending_end: OwnedFd,
}

impl SignalWatch {
    /// Takes note of these from now on. Gives beside it the descriptor that becomes readable when one has come.
    pub(super) fn new(signals: &[Signal]) -> io::Result<(SignalWatch, OwnedFd)> {
        let wanted = SignalSet::of(signals)?;
        let (receiving_end, sending_end) = socket_pair()?;
        put_back_in_children();
        let slot = claim(&table());
        slot.open(wanted, sending_end.as_raw_fd());
        let mut watch = SignalWatch { slot, watched: SignalSet(0), _sending_end: sending_end };
        for signal in wanted {
            let added = add(&mut table(), signal);
            added?;
            watch.watched = watch.watched.with(signal);
        }
        Ok((watch, receiving_end))
    }

    /// One of those that have come, the lowest first. It is noted before the descriptor says so: whoever finds none, and
    /// then nothing to read either, will be told of the next.
    pub(crate) fn take(&self) -> Option<Signal> {
        let signal = SignalSet(self.slot.come.load(SeqCst)).first()?;
        self.slot.come.fetch_and(!bit(signal.number()), SeqCst);
        Some(signal)
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        // A child after a fork has only a copy: rule 4.
        if self.slot.process != process() {
            return;
        }
        for signal in self.watched {
            remove(&mut table(), signal);
        }
        self.slot.close();
        self.slot.taken.store(false, SeqCst);
    }
}

impl std::fmt::Debug for SignalWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.watched).finish()
    }
}

/// Both ends non-blocking and close-on-exec.
fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let (ours, theirs) = (OwnedFd::from(ours), OwnedFd::from(theirs));
    os::finish_socket(&theirs)?;
    Ok((ours, theirs))
}

/// One more subscriber of this signal.
fn add(table: &mut Table, signal: Signal) -> io::Result<()> {
    let place = &mut table[signal.number() as usize];
    if let Some(handled) = place {
        handled.subscribers += 1;
        return Ok(());
    }
    let mut action = no_action();
    action.sa_sigaction = handle as extern "C" fn(libc::c_int) as usize;
    // A call that the handler interrupts goes on by itself; and a thread may have a stack of its own for handlers.
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: S1: the set lives to the end of the call.
    unsafe { libc::sigfillset(&mut action.sa_mask) };
    let before = change(signal, Some(&action))?;
    *place = Some(Handled { subscribers: 1, before });
    Ok(())
}

/// One subscriber less.
fn remove(table: &mut Table, signal: Signal) {
    let place = &mut table[signal.number() as usize];
    let Some(handled) = place else { return };
    handled.subscribers -= 1;
    if handled.subscribers == 0 {
        put_back(signal, handled);
        *place = None;
    }
}

fn put_back(signal: Signal, handled: &Handled) {
    let is_ours = |action: &libc::sigaction| action.sa_sigaction == handle as extern "C" fn(libc::c_int) as usize;
    if change(signal, None).is_ok_and(|now| is_ours(&now)) {
        // It was there before, so it cannot be refused.
        let _ = change(signal, Some(&handled.before));
    }
}

/// Sets what a signal does, if told so. What it did before.
fn change(signal: Signal, action: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut before = no_action();
    let action = action.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: S1: both live to the end of the call. S4: what is set is `handle`, or what somebody else had set.
    check(unsafe { libc::sigaction(signal.number(), action, &mut before) })?;
    Ok(before)
}

fn no_action() -> libc::sigaction {
    // SAFETY: S3: integers, and on some systems a function, for which zeroes say that there is none.
    unsafe { mem::zeroed() }
}

/// From the first subscriber on, every fork puts back in the child what was there before. The table is locked across the
/// fork: so no other thread is in the middle of a change, which the child would see half done and locked for ever.
fn put_back_in_children() {
    static ARRANGED: Once = Once::new();
    thread_local! {
        /// The thread that forks has the table meanwhile, in the parent and in the child. Without a destructor.
        static HELD: Cell<Option<ManuallyDrop<MutexGuard<'static, Table>>>> = const { Cell::new(None) };
    }
    extern "C" fn before() {
        HELD.set(Some(ManuallyDrop::new(table())));
    }
    extern "C" fn in_parent() {
        drop(HELD.take().map(ManuallyDrop::into_inner));
    }
    extern "C" fn in_child() {
        let Some(mut table) = HELD.take().map(ManuallyDrop::into_inner) else { return };
        for (number, place) in table.iter_mut().enumerate() {
            if let Some(handled) = place.take() {
                put_back(Signal::from_number(number as i32), &handled);
            }
        }
    }
    ARRANGED.call_once(|| {
        // SAFETY: S4. Without memory for it, children keep the handler, which does nothing there.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule 3. Here the test is the handler: it has read the descriptor and not sent yet.
    #[test]
    fn nothing_is_closed_while_a_handler_is_inside() {
        let slot = claim(&table());
        let (_receiving_end, sending_end) = socket_pair().unwrap();
        slot.open(SignalSet::of(&[Signal::USR1]).unwrap(), sending_end.as_raw_fd());
        slot.inside.fetch_add(1, SeqCst);
        let closing = std::thread::spawn(|| slot.close());
        while slot.sending_end.load(SeqCst) != NONE {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!closing.is_finished(), "the descriptor would be closed, and its number given to somebody else");
        slot.inside.fetch_sub(1, SeqCst);
        closing.join().unwrap();
        slot.taken.store(false, SeqCst);
    }
}
