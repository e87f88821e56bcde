//! What waiting must not cost: no allocation for one who waits alone, none for a few who wait again, no clone of a waker
//! that stands there already, few words in each future.

use std::cell::Cell;
use std::mem::size_of;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use coracle::io::{self, AsyncRead};
use coracle::sync::channel::{Recv, Reserve, bounded, unbounded};
use coracle::sync::{Event, EventWait, Lock, Mutex, Notified, Notify, WaitQueue, Waiting, oneshot};

use crate::support::{self, poll_once};

/// How much the heap has grown at most, over several tries: what is lazy elsewhere is made in the first.
fn least_growth(mut what: impl FnMut()) -> isize {
    let growth = (0..8).map(|_| {
        let before = support::heap();
        what();
        support::heap() - before
    });
    growth.min().unwrap()
}

#[test]
fn who_waits_alone_allocates_nothing() {
    support::alone("sync::cost::who_waits_alone_allocates_nothing", || {
        let (queue, notify, event) = (WaitQueue::new(), Notify::new(), Event::new());
        let (_sender, receiver) = bounded::<u8>(1);
        let mut waiting = Vec::with_capacity(100);
        let grown = least_growth(|| {
            waiting.push((queue.wait(), notify.notified(), event.wait(), receiver.recv()));
            let (one, two, three, four) = waiting.last_mut().unwrap();
            assert!(poll_once(one).is_pending() && poll_once(two).is_pending());
            assert!(poll_once(three).is_pending() && poll_once(four).is_pending());
            waiting.clear();
            assert!(queue.is_empty());
        });
        assert_eq!(grown, 0);
    });
}

/// While they stand there: what the second takes is kept when all have gone.
#[test]
fn a_few_who_wait_again_and_again_allocate_once() {
    support::alone("sync::cost::a_few_who_wait_again_and_again_allocate_once", || {
        let queue = WaitQueue::new();
        let grown = least_growth(|| {
            let (mut one, mut two, mut three) = (queue.wait(), queue.wait(), queue.wait());
            assert!(poll_once(&mut one).is_pending() && poll_once(&mut two).is_pending());
            let before = support::heap();
            queue.wake_one();
            drop(one);
            assert_eq!(poll_once(&mut two), Poll::Ready(()), "it got the wake of the one that was dropped");
            assert!(queue.is_empty(), "nobody stands there");
            assert_eq!(support::heap(), before, "their places are kept");
            assert!(poll_once(&mut three).is_pending());
            let mut four = queue.wait();
            assert!(poll_once(&mut four).is_pending());
            assert_eq!(support::heap(), before, "others wait in the place of those who have gone");
        });
        assert_eq!(grown, 0);
    });
}

#[test]
fn a_future_that_can_wait_is_three_words() {
    let words = |bytes: usize| bytes / size_of::<usize>();
    assert_eq!(words(size_of::<Waiting<'_>>()), 3);
    assert_eq!(words(size_of::<Notified<'_>>()), 3);
    assert_eq!(words(size_of::<EventWait<'_>>()), 3);
    assert_eq!(words(size_of::<Recv<'_, u64>>()), 3);
    assert_eq!(words(size_of::<Reserve<'_, u64>>()), 3);
    // And how many permits it wants.
    assert_eq!(words(size_of::<Lock<'_, u64>>()), 4);
}

/// A waker that counts its clones.
fn counts_clones() -> (Rc<Cell<usize>>, Waker) {
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, release, |_| {}, release);
    unsafe fn clone(clones: *const ()) -> RawWaker {
        // SAFETY: the data of a living waker of this table is an `Rc` that is counted for it.
        unsafe { Rc::increment_strong_count(clones.cast::<Cell<usize>>()) };
        // SAFETY: as above.
        let count = unsafe { &*clones.cast::<Cell<usize>>() };
        count.set(count.get() + 1);
        RawWaker::new(clones, &TABLE)
    }
    unsafe fn release(clones: *const ()) {
        // SAFETY: as above; the waker ends here. Nothing in these tests leaves the thread.
        drop(unsafe { Rc::from_raw(clones.cast::<Cell<usize>>()) });
    }
    let clones = Rc::new(Cell::new(0));
    let data = Rc::into_raw(clones.clone()).cast();
    // SAFETY: the `Rc` is counted for this waker.
    (clones, unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) })
}

/// Polls it three times by one waker; how often that was cloned.
fn clones_in_three_polls<F: Future>(mut future: Pin<&mut F>) -> usize {
    let (clones, waker) = counts_clones();
    for _ in 0..3 {
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    clones.get()
}

#[test]
fn a_waker_that_stands_there_is_not_cloned_again() {
    let (queue, notify, event, mutex) = (WaitQueue::new(), Notify::new(), Event::new(), Mutex::new(0));
    let _guard = mutex.try_lock().unwrap();
    let (sender, receiver) = bounded(1);
    let (_unbounded, empty) = unbounded::<u8>();
    sender.try_send(0).unwrap();
    assert_eq!(clones_in_three_polls(pin!(queue.wait())), 1);
    assert_eq!(clones_in_three_polls(pin!(notify.notified())), 1);
    assert_eq!(clones_in_three_polls(pin!(event.wait())), 1);
    assert_eq!(clones_in_three_polls(pin!(mutex.lock())), 1);
    assert_eq!(clones_in_three_polls(pin!(sender.send(1))), 1);
    assert_eq!(clones_in_three_polls(pin!(empty.recv())), 1);
    let (mut sender, mut oneshot) = oneshot::channel::<u8>();
    assert_eq!(clones_in_three_polls(pin!(&mut oneshot)), 1);
    assert_eq!(clones_in_three_polls(pin!(sender.closed())), 1);
    let (mut reader, _writer) = io::pipe(8);
    let mut byte = [0];
    let read = std::future::poll_fn(|cx| Pin::new(&mut reader).poll_read(cx, &mut byte));
    assert_eq!(clones_in_three_polls(pin!(read)), 1);
    drop(receiver);
}

/// The budget is a runtime's: elsewhere one poll may do whatever it can.
#[test]
fn outside_of_a_runtime_a_poll_never_yields() {
    let (sender, receiver) = bounded(1);
    let mut all = pin!(async {
        for n in 0..10_000 {
            sender.send(n).await.unwrap();
            assert_eq!(receiver.recv().await, Some(n));
        }
    });
    assert!(all.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}
