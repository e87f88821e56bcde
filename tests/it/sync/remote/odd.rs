//! Wakers that panic, or use the very channel that holds them: no lock is held meanwhile, and none is poisoned.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, RawWaker, RawWakerVTable, Wake, Waker};

use coracle::sync::remote::channel::{Receiver, bounded};
use coracle::sync::remote::oneshot;

use crate::support::{CountingWaker, poll_once, poll_with};

/// Runs something when it is woken, and something when the last of it is dropped.
#[derive(Default)]
struct Odd {
    woken: OnceLock<Box<dyn Fn() + Send + Sync>>,
    dropped: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Odd {
    fn waker(woken: impl Fn() + Send + Sync + 'static, dropped: impl Fn() + Send + Sync + 'static) -> Waker {
        let odd = Odd::default();
        let _ = odd.woken.set(Box::new(woken));
        let _ = odd.dropped.set(Box::new(dropped));
        Arc::new(odd).into()
    }
}

impl Wake for Odd {
    fn wake(self: Arc<Self>) {
        self.woken.get().unwrap()();
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        self.dropped.get().unwrap()();
    }
}

fn panic_quietly() {
    resume_unwind(Box::new("odd"));
}

/// (tokio#4069 and its like.)
#[test]
fn a_waker_that_panics_keeps_nobody_asleep_and_poisons_nothing() {
    let (sender, receiver) = bounded::<u8>(1);
    let odd = Odd::waker(panic_quietly, || {});
    let (counting, waker) = CountingWaker::new();
    let (mut a, mut b) = (receiver.recv(), receiver.recv());
    assert!(poll_with(&mut a, &odd).is_pending());
    assert!(poll_with(&mut b, &waker).is_pending());
    sender.try_send(1).unwrap();
    drop(a);
    assert_eq!(counting.wakes(), 1, "the one whose waker panicked passed its wake on");
    drop(sender);
    assert_eq!(poll_once(&mut b), Poll::Ready(Some(1)));
    assert_eq!(receiver.recv_blocking(), None);
}

/// A waker whose wake and whose drop use the channel (tokio#5429, tokio#5578): it ends in no deadlock.
#[test]
fn a_waker_may_use_the_channel_that_holds_it() {
    let (sender, receiver) = bounded::<u8>(3);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = |name: &'static str| {
        let (receiver, seen): (Receiver<u8>, _) = (receiver.clone(), seen.clone());
        move || seen.lock().unwrap().push((name, receiver.try_recv().is_ok()))
    };
    let mut recv = receiver.recv();
    // The one takes the other's place: its drop finds the channel unlocked.
    assert!(poll_with(&mut recv, &Odd::waker(|| {}, look("replaced"))).is_pending());
    assert!(poll_with(&mut recv, &Odd::waker(look("woken"), look("dropped"))).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(*seen.lock().unwrap(), [("replaced", false), ("woken", true), ("dropped", false)]);
    assert!(poll_once(&mut recv).is_pending(), "the waker took the value");
    drop(recv);
}

/// The clone of a waker is code of somebody else's too: here it sends what the receiver is about to wait for.
#[test]
fn a_clone_that_sends_is_noticed() {
    static SENDER: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            let act = SENDER.lock().unwrap().take();
            if let Some(act) = act {
                act();
            }
            RawWaker::new(data, &TABLE)
        },
        |_| {},
        |_| {},
        |_| {},
    );
    // SAFETY: the table's functions do not look at the data.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) };

    let (sender, receiver) = bounded(1);
    *SENDER.lock().unwrap() = Some(Box::new(move || sender.try_send(5).unwrap()));
    assert_eq!(poll_with(&mut receiver.recv(), &waker), Poll::Ready(Some(5)));

    let (sender, mut receiver) = oneshot::channel();
    *SENDER.lock().unwrap() = Some(Box::new(move || sender.send(6).unwrap()));
    assert_eq!(poll_with(&mut receiver, &waker), Poll::Ready(Ok(6)));

    // One that panics leaves everything as it was.
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    *SENDER.lock().unwrap() = Some(Box::new(panic_quietly));
    let mut send = sender.send(2);
    assert!(catch_unwind(AssertUnwindSafe(|| poll_with(&mut send, &waker))).is_err());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(poll_with(&mut send, &waker), Poll::Ready(Ok(())), "it had kept its value");
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn a_oneshots_waker_may_drop_the_sender_that_it_waits_for() {
    let (sender, mut receiver) = oneshot::channel::<u8>();
    let sender = Mutex::new(Some(sender));
    let odd = Odd::waker(panic_quietly, move || drop(sender.lock().unwrap().take()));
    assert!(poll_with(&mut receiver, &odd).is_pending());
    drop(odd);
    let (counting, waker) = CountingWaker::new();
    assert!(poll_with(&mut receiver, &waker).is_pending());
    assert_eq!(counting.wakes(), 1, "the drop of the first waker dropped the sender");
    assert!(poll_with(&mut receiver, &waker).is_ready());
}
