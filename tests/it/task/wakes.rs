//! Wakes: how often, from where, and when it is too late.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::Write;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use coracle::{Budget, Runtime};

use super::{settle, turn, wake_by_value};

/// A future that counts its polls, gives its waker away, and never ends.
fn counting(polls: &Rc<Cell<usize>>, wakers: &Rc<RefCell<Vec<Waker>>>) -> impl Future<Output = ()> + use<> {
    let (polls, wakers) = (polls.clone(), wakers.clone());
    poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        wakers.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    })
}

/// However often it wakes itself in a poll, it stands in the run queue once.
#[test]
fn self_wakes_in_one_poll_queue_the_task_once() {
    for times in [1, 2, 1000] {
        let runtime = Runtime::new();
        let polls = Rc::new(Cell::new(0));
        let task = runtime.spawn({
            let polls = polls.clone();
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                if polls.get() == 1 {
                    (0..times)
                        .for_each(|n| if n % 2 == 0 { cx.waker().wake_by_ref() } else { wake_by_value(cx.waker()) });
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
        });
        let first = turn(&runtime);
        assert_eq!((first.polled, first.more), (1, true));
        assert_eq!(runtime.inspect().queue, [task.id()]);
        let second = turn(&runtime);
        assert_eq!((second.polled, second.more, polls.get()), (1, false, 2));
        drop(task);
    }
}

/// Wakes from here, from a turn and from other threads, all between two polls: one poll.
#[test]
fn wakes_from_everywhere_between_two_polls_lead_to_one() {
    let runtime = Runtime::new();
    let (polls, wakers) = (Rc::default(), Rc::default());
    let task = runtime.spawn(counting(&polls, &wakers));
    settle(&runtime);
    let waker = wakers.borrow()[0].clone();
    waker.wake_by_ref();
    std::thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| (0..1000).for_each(|_| waker.wake_by_ref()))));
    });
    waker.wake_by_ref();
    drop(runtime.spawn({
        let waker = waker.clone();
        async move { waker.wake() }
    }));
    settle(&runtime);
    assert_eq!(polls.get(), 2);
    drop(task);
}

/// More wakes than sixteen bits count, and more clones, while the runtime does not turn: nothing overflows.
#[test]
fn a_hundred_thousand_wakes_and_clones_from_elsewhere_overflow_nothing() {
    let runtime = Runtime::new();
    let (polls, wakers) = (Rc::default(), Rc::default());
    let task = runtime.spawn(counting(&polls, &wakers));
    settle(&runtime);
    let waker = wakers.borrow_mut().pop().unwrap();
    let thread = std::thread::spawn(move || {
        (0..(1 << 16) + 5).for_each(|_| waker.wake_by_ref());
        let clones: Vec<_> = (0..(1 << 16) + 5).map(|_| waker.clone()).collect();
        clones.into_iter().for_each(Waker::wake);
    });
    thread.join().unwrap();
    settle(&runtime);
    assert_eq!(polls.get(), 2);
    drop(task);
}

/// A loop that sleeps is woken by another thread, each time: a wake that came just before the sleep included
/// (compio#948, tokio#7589).
#[test]
fn no_wake_from_another_thread_is_lost() {
    let (counter, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (to_thread, wakers) = mpsc::channel::<Waker>();
    let thread = std::thread::spawn({
        let (counter, seen) = (counter.clone(), seen.clone());
        move || {
            for (round, waker) in wakers.into_iter().enumerate() {
                counter.store(round + 1, SeqCst);
                waker.wake();
                // The task is behind by at most this round.
                assert!(seen.load(SeqCst) <= round + 1);
            }
        }
    });
    let main = async {
        for round in 0..20_000 {
            let mut sent = false;
            poll_fn(|cx| {
                if counter.load(SeqCst) > round {
                    return Poll::Ready(());
                }
                if !std::mem::replace(&mut sent, true) {
                    to_thread.send(cx.waker().clone()).unwrap();
                }
                Poll::Pending
            })
            .await;
            seen.store(round + 1, SeqCst);
        }
        drop(to_thread);
    };
    coracle::block_on(main);
    thread.join().unwrap();
    assert_eq!(seen.load(SeqCst), 20_000);
}

/// A wake that comes just before the loop would sleep saves it the sleep, and also the look at the world; but only so
/// often: a socket is served however fast another thread wakes.
#[test]
fn a_storm_of_wakes_from_elsewhere_keeps_no_socket_waiting() {
    const WRITTEN: usize = 1000;
    let (polls, done) = (Rc::new(Cell::new(0_usize)), Arc::new(AtomicBool::new(false)));
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let (to_thread, waker) = mpsc::channel::<Waker>();
    let storm = std::thread::spawn({
        let done = done.clone();
        move || {
            let waker = waker.recv().unwrap();
            while !done.load(SeqCst) {
                waker.wake_by_ref();
            }
            waker.wake();
        }
    });
    coracle::block_on(async {
        let stormy = coracle::spawn({
            let (polls, done) = (polls.clone(), done.clone());
            poll_fn(move |cx| {
                match polls.replace(polls.get() + 1) {
                    0 => to_thread.send(cx.waker().clone()).unwrap(),
                    WRITTEN => drop((&theirs).write_all(b"x")),
                    _ => {}
                }
                if done.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
            })
        });
        let ours = coracle::net::UnixStream::from_std(ours).unwrap();
        ours.read_exact(&mut [0]).await.unwrap();
        let late = polls.get() - WRITTEN;
        done.store(true, SeqCst);
        stormy.await.unwrap();
        assert!(late <= 128, "the socket was served {late} polls later");
    });
    storm.join().unwrap();
}

/// After the task's end and after the runtime's, from this thread and another, by value and by reference: nothing.
#[test]
fn a_wake_that_comes_too_late_does_nothing() {
    let runtime = Runtime::new();
    let kept = Rc::new(RefCell::new(None));
    let task = runtime.spawn({
        let kept = kept.clone();
        poll_fn(move |cx| {
            *kept.borrow_mut() = Some(cx.waker().clone());
            Poll::Ready(5)
        })
    });
    settle(&runtime);
    let waker: Waker = kept.borrow_mut().take().unwrap();
    let late = |waker: &Waker| {
        waker.wake_by_ref();
        wake_by_value(waker);
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake_by_ref());
            scope.spawn(|| wake_by_value(waker));
        });
    };
    late(&waker);
    assert_eq!(turn(&runtime), coracle::Turn::default());
    assert_eq!(runtime.block_on(task).unwrap(), 5);
    late(&waker);
    drop(runtime);
    late(&waker);
    std::thread::spawn(move || drop(waker)).join().unwrap();
}

/// A thread wakes without a pause while the runtime is dropped on another, and drops its waker last (async-task#11,
/// async-executor#163).
#[test]
fn a_runtime_dropped_under_a_storm_of_wakes_is_gone_for_good() {
    for round in 0..300 {
        let runtime = Runtime::new();
        let wakers = Rc::default();
        let task = runtime.spawn(counting(&Rc::default(), &wakers));
        settle(&runtime);
        let waker = wakers.borrow_mut().pop().unwrap();
        let (stop, started) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (stop, started) = (stop.clone(), started.clone());
            move || {
                while !stop.load(SeqCst) {
                    waker.wake_by_ref();
                    wake_by_value(&waker);
                    started.store(true, SeqCst);
                }
                (0..100).for_each(|_| waker.wake_by_ref());
            }
        });
        while !started.load(SeqCst) {
            turn(&runtime);
        }
        (0..round % 7).for_each(|_| {
            let _ = turn(&runtime);
        });
        if round % 2 == 0 {
            drop(task);
            drop(runtime);
        } else {
            drop(runtime);
            drop(task);
        }
        stop.store(true, SeqCst);
        thread.join().unwrap();
    }
}

/// The handle is dropped on one thread, its task is woken on another, and the runtime ends on a third: the output goes
/// exactly once.
#[test]
fn a_handle_dropped_elsewhere_while_the_runtime_ends_drops_the_output_once() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    for _ in 0..300 {
        let drops = Arc::new(AtomicUsize::new(0));
        let runtime = Runtime::new();
        let kept = Rc::new(RefCell::new(None));
        let task = runtime.spawn({
            let (kept, value) = (kept.clone(), Counted(drops.clone()));
            let mut value = Some(value);
            poll_fn(move |cx| {
                *kept.borrow_mut() = Some(cx.waker().clone());
                Poll::Ready(value.take().unwrap())
            })
        });
        settle(&runtime);
        let waker: Waker = kept.borrow_mut().take().unwrap();
        let barrier = Arc::new(std::sync::Barrier::new(3));
        let threads = [
            std::thread::spawn({
                let barrier = barrier.clone();
                move || {
                    barrier.wait();
                    waker.wake();
                }
            }),
            std::thread::spawn({
                let barrier = barrier.clone();
                move || {
                    barrier.wait();
                    drop(task);
                }
            }),
        ];
        barrier.wait();
        drop(runtime);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(drops.load(SeqCst), 1);
    }
}

/// Tells another thread that the loop is about to sleep: from then on a push must end the sleep.
struct Parking(mpsc::Sender<()>);

impl coracle::observer::Observer for Parking {
    fn parking(&self, _: Option<Duration>) {
        let _ = self.0.send(());
    }
}

/// A turn that sleeps is ended by a wake from elsewhere; the next one runs the task.
#[test]
fn a_wake_from_elsewhere_ends_the_sleep_of_a_turn() {
    let (parking, parked) = mpsc::channel();
    let runtime = Runtime::builder().observer(Rc::new(Parking(parking))).build();
    let (polls, wakers) = (Rc::default(), Rc::default());
    let task = runtime.spawn(counting(&polls, &wakers));
    settle(&runtime);
    let waker = wakers.borrow_mut().pop().unwrap();
    let thread = std::thread::spawn(move || {
        parked.recv().unwrap();
        waker.wake();
    });
    let start = std::time::Instant::now();
    let slept = runtime.turn(Budget { wait: Some(Duration::from_secs(60)), ..Budget::no_wait() }).unwrap();
    assert!(start.elapsed() < Duration::from_secs(30));
    thread.join().unwrap();
    assert_eq!((slept.polled, turn(&runtime).polled, polls.get()), (0, 1, 2));
    drop(task);
}
