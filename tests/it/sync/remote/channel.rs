//! Channels: order, room, closing and cancellation, across threads.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use coracle::sync::remote::channel::{Receiver, Sender, TryRecvError, TrySendError, bounded, unbounded};

use crate::support::{CountingWaker, alone, cut_at_every_poll, leaves_the_heap_as_it_was, poll_once, poll_with};
use crate::sync::foreign_block_on;

async fn all(receiver: Receiver<u32>) -> Vec<u32> {
    let mut got = Vec::new();
    while let Some(n) = receiver.recv().await {
        got.push(n);
    }
    got
}

#[test]
fn values_come_in_order_from_a_plain_thread() {
    for capacity in [0, 1, 7, usize::MAX] {
        let (sender, receiver) = bounded(capacity);
        let thread = thread::spawn(move || (0..1000).for_each(|n| sender.send_blocking(n).unwrap()));
        assert_eq!(coracle::block_on(all(receiver)), (0..1000).collect::<Vec<_>>(), "capacity {capacity}");
        thread.join().unwrap();
    }
}

#[test]
fn values_come_in_order_to_a_plain_thread() {
    for capacity in [0, 1, 7, usize::MAX] {
        let (sender, receiver) = bounded(capacity);
        let thread = thread::spawn(move || std::iter::from_fn(|| receiver.recv_blocking()).collect::<Vec<u32>>());
        coracle::block_on(async move {
            for n in 0..1000 {
                sender.send(n).await.unwrap();
            }
        });
        assert_eq!(thread.join().unwrap(), (0..1000).collect::<Vec<_>>(), "capacity {capacity}");
    }
}

/// Two runtimes, each on its thread, pass a number to and fro.
#[test]
fn two_runtimes_talk() {
    async fn play(receiver: Receiver<u32>, sender: Sender<u32>) -> u32 {
        let mut last = 0;
        while let Some(n) = receiver.recv().await {
            last = n;
            if n == 1000 || sender.send(n + 1).await.is_err() {
                break;
            }
        }
        last
    }
    let ((to_one, at_one), (to_two, at_two)) = (bounded(1), bounded(1));
    to_one.try_send(0).unwrap();
    let one = thread::spawn(move || coracle::block_on(play(at_one, to_two)));
    let two = coracle::block_on(play(at_two, to_one));
    let one = one.join().unwrap();
    assert_eq!((one.max(two), one.min(two)), (1000, 999));
}

/// Senders and receivers of all kinds at one channel: each value is received once.
#[test]
fn tasks_threads_and_foreign_executors_share_a_channel() {
    for capacity in [0, 1, 3, usize::MAX] {
        let (sender, receiver) = bounded::<u32>(capacity);
        let (count, sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut threads = Vec::new();
        for kind in 0..3 {
            let sender = sender.clone();
            threads.push(thread::spawn(move || {
                let all = async {
                    for n in 0..200 {
                        sender.send(n).await.unwrap();
                    }
                };
                match kind {
                    0 => coracle::block_on(all),
                    1 => foreign_block_on(all),
                    _ => (0..200).for_each(|n| sender.send_blocking(n).unwrap()),
                }
            }));
            let (receiver, count, sum) = (receiver.clone(), count.clone(), sum.clone());
            let take = move |n: u32| {
                count.fetch_add(1, Ordering::SeqCst);
                sum.fetch_add(n as usize, Ordering::SeqCst);
            };
            threads.push(thread::spawn(move || {
                let all = async {
                    while let Some(n) = receiver.recv().await {
                        take(n);
                    }
                };
                match kind {
                    0 => coracle::block_on(all),
                    1 => foreign_block_on(all),
                    _ => std::iter::from_fn(|| receiver.recv_blocking()).for_each(&take),
                }
            }));
        }
        drop((sender, receiver));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(count.load(Ordering::SeqCst), 600, "capacity {capacity}");
        assert_eq!(sum.load(Ordering::SeqCst), 3 * 199 * 100, "capacity {capacity}");
    }
}

#[test]
fn a_full_channel_makes_senders_wait_in_order() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let wakers: Vec<_> = (0..3).map(|_| CountingWaker::new()).collect();
    let mut sends: Vec<_> = (1..=3).map(|n| sender.send(n)).collect();
    for (send, (_, waker)) in sends.iter_mut().zip(&wakers) {
        assert!(poll_with(send, waker).is_pending());
    }
    for (taken, send) in sends.iter_mut().enumerate() {
        assert_eq!(receiver.try_recv(), Ok(taken));
        let wakes: Vec<_> = wakers.iter().map(|(counting, _)| counting.wakes()).collect();
        assert_eq!(wakes, (0..3).map(|n| usize::from(n <= taken)).collect::<Vec<_>>());
        assert_eq!(poll_once(send), Poll::Ready(Ok(())));
    }
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_channel_without_room_is_a_rendezvous() {
    let (sender, receiver) = bounded(0);
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)), "nobody waits");
    let (counting, waker) = CountingWaker::new();
    let mut send = sender.send(2);
    assert!(poll_with(&mut send, &waker).is_pending());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "the sender has not been told of anybody");
    let mut recv = receiver.recv();
    assert!(poll_once(&mut recv).is_pending());
    assert_eq!(counting.wakes(), 1);
    assert_eq!(poll_with(&mut send, &waker), Poll::Ready(Ok(())));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)), "one receiver, one value");
    assert_eq!(poll_once(&mut recv), Poll::Ready(Some(2)));
    assert_eq!(sender.try_send(4), Err(TrySendError::Full(4)), "the receiver has gone on");
}

/// A receiver takes all over that was sent; what it has not given out yet still counts, and has no second room.
#[test]
fn what_was_taken_over_counts_as_in_the_channel() {
    let (sender, receiver) = bounded(3);
    (0..3).for_each(|n| sender.try_send(n).unwrap());
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!((sender.len(), receiver.len()), (2, 2));
    assert_eq!((sender.try_send(3), sender.try_send(4)), (Ok(()), Err(TrySendError::Full(4))));
    assert_eq!((receiver.try_recv(), sender.len()), (Ok(1), 2));
    assert_eq!((sender.try_send(4), sender.try_send(5)), (Ok(()), Err(TrySendError::Full(5))));
    let other = receiver.clone();
    assert_eq!((2..5).map(|_| other.try_recv().unwrap()).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!((receiver.try_recv(), sender.len()), (Err(TryRecvError::Empty), 0));
}

/// A thread that blocks tries for a few microseconds; then it sleeps, at either end.
#[test]
fn a_thread_that_waits_long_burns_no_core() {
    let ((sender, receiver), (full, taker)) = (bounded::<u8>(1), bounded(1));
    full.try_send(0).unwrap();
    let at_ends: [Box<dyn FnOnce() + std::marker::Send>; 2] = [
        Box::new(move || assert_eq!(receiver.recv_blocking(), Some(1))),
        Box::new(move || full.send_blocking(1).unwrap()),
    ];
    let threads = at_ends.map(|wait| {
        thread::spawn(move || {
            let before = thread_cpu_time();
            wait();
            thread_cpu_time() - before
        })
    });
    thread::sleep(Duration::from_millis(200));
    sender.try_send(1).unwrap();
    assert_eq!(taker.try_recv(), Ok(0));
    for thread in threads {
        let burnt = thread.join().unwrap();
        assert!(burnt < Duration::from_millis(20), "{burnt:?} of 200 ms");
    }
}

fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes into a value of ours.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

#[test]
fn what_is_left_is_received_after_the_last_sender_is_gone() {
    let (sender, receiver) = unbounded();
    let other = sender.clone();
    sender.send(1).unwrap();
    drop(sender);
    other.send(2).unwrap();
    drop(other);
    assert_eq!([receiver.recv_blocking(), receiver.recv_blocking()], [Some(1), Some(2)]);
    assert_eq!((receiver.recv_blocking(), receiver.try_recv()), (None, Err(TryRecvError::Closed)));
    assert_eq!(coracle::block_on(receiver.recv()), None);
}

/// All who wait at the other end hear of the end, tasks and threads (tokio#8260).
#[test]
fn closing_wakes_everybody_at_the_other_end() {
    let (sender, receiver) = bounded::<u32>(1);
    let thread = thread::spawn({
        let receiver = receiver.clone();
        move || receiver.recv_blocking()
    });
    let (counting, waker) = CountingWaker::new();
    let mut recvs = [receiver.recv(), receiver.recv()];
    assert!(recvs.iter_mut().all(|recv| poll_with(recv, &waker).is_pending()));
    drop(sender);
    assert_eq!(counting.wakes(), 2);
    assert!(recvs.iter_mut().all(|recv| poll_once(recv) == Poll::Ready(None)));
    assert_eq!(thread.join().unwrap(), None);

    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let thread = thread::spawn({
        let sender = sender.clone();
        move || sender.send_blocking(1)
    });
    let mut send = sender.send(2);
    assert!(poll_with(&mut send, &waker).is_pending());
    drop(receiver);
    assert_eq!(counting.wakes(), 3);
    assert_eq!(poll_once(&mut send).map_err(|error| error.0), Poll::Ready(Err(2)));
    assert_eq!(thread.join().unwrap().unwrap_err().0, 1);
    assert!(sender.is_closed());
}

/// A value whose drop uses the channel that it was left in.
#[test]
fn what_nobody_will_receive_is_dropped_outside_of_the_lock() {
    struct Uses(Option<Sender<Uses>>, Arc<AtomicUsize>);
    impl Drop for Uses {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
            if let Some(sender) = self.0.take() {
                assert!(sender.is_closed() && sender.is_empty());
                let error = sender.try_send(Uses(None, self.1.clone())).unwrap_err();
                assert!(matches!(error, TrySendError::Closed(Uses(None, _))));
            }
        }
    }
    let (sender, receiver) = bounded(3);
    let drops = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        sender.try_send(Uses(Some(sender.clone()), drops.clone())).ok().unwrap();
    }
    drop(receiver);
    assert_eq!(drops.load(Ordering::SeqCst), 6);
}

#[test]
fn a_dropped_recv_takes_no_value() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, receiver) = bounded(1);
            let sending = coracle::spawn(async move { sender.send(7).await.is_ok() });
            let received = cut.at(receiver.recv()).await.flatten();
            assert_eq!(received.or(receiver.recv().await), Some(7), "dropped, it lost the value");
            assert!(sending.await.unwrap());
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

#[test]
fn a_dropped_send_has_sent_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, receiver) = bounded(1);
            sender.try_send(1).unwrap();
            let taking = coracle::spawn({
                let receiver = receiver.clone();
                async move { receiver.recv().await }
            });
            let sent = cut.at(sender.send(2)).await.is_some();
            drop(sender);
            assert_eq!(taking.await.unwrap(), Some(1));
            assert_eq!(receiver.recv().await, sent.then_some(2));
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

/// All orders in which four waiting receivers can be dropped around one value: somebody gets it, or it stays.
#[test]
fn a_dropped_receiver_passes_its_wake_on() {
    for order in crate::sync::permutations(4) {
        for dropped in 0..4 {
            let (sender, receiver) = bounded(1);
            let wakers: Vec<_> = (0..4).map(|_| CountingWaker::new()).collect();
            let mut recvs: Vec<_> = (0..4).map(|_| Some(receiver.recv())).collect();
            for (recv, (_, waker)) in recvs.iter_mut().zip(&wakers) {
                assert!(poll_with(recv.as_mut().unwrap(), waker).is_pending());
            }
            sender.try_send(7).unwrap();
            for at in &order[..dropped] {
                recvs[*at] = None;
            }
            let woken = (0..4).filter(|at| recvs[*at].is_some() && wakers[*at].0.wakes() > 0);
            let got: Vec<_> = woken.collect();
            assert_eq!(got.len(), 1, "{order:?}, {dropped} dropped: one who is left must know");
            assert_eq!(poll_once(recvs[got[0]].as_mut().unwrap()), Poll::Ready(Some(7)));
        }
    }
}

#[test]
fn a_send_shows_where_it_waits() {
    let runtime = coracle::Runtime::new();
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    let line = line!() + 1;
    let task = runtime.spawn(async move { sender.send(2).await.is_ok() });
    runtime.turn(coracle::Budget::no_wait()).unwrap();
    let wait = runtime.inspect().tasks[0].wait.unwrap();
    assert_eq!(wait.reason.to_string(), "room in a channel between threads");
    assert_eq!((wait.at.file(), wait.at.line()), (file!(), line));
    drop(receiver);
    assert!(!runtime.block_on(task).unwrap());
}

/// A task that finds a value each time lets others go on all the same.
#[test]
fn an_endless_channel_starves_nobody() {
    coracle::block_on(async {
        let (sender, receiver) = unbounded();
        (0..1000).for_each(|n| sender.send(n).unwrap());
        let seen = std::rc::Rc::new(Cell::new(0));
        let other = coracle::spawn({
            let seen = seen.clone();
            async move { seen.get() }
        });
        for _ in 0..1000 {
            receiver.recv().await;
            seen.set(seen.get() + 1);
        }
        let when = other.await.unwrap();
        assert!(when > 0 && when < 200, "the other task ran after {when} values");
    });
}

#[test]
fn nothing_is_left_on_the_heap() {
    alone("sync::remote::channel::nothing_is_left_on_the_heap", || {
        leaves_the_heap_as_it_was(|| {
            let (sender, receiver) = bounded(2);
            let mut recvs: Vec<_> = (0..10).map(|_| receiver.recv()).collect();
            recvs.iter_mut().for_each(|recv| assert!(poll_once(recv).is_pending()));
            drop(recvs);
            sender.try_send(Box::new(1)).unwrap();
            sender.try_send(Box::new(2)).unwrap();
            let mut send = sender.send(Box::new(3));
            assert!(poll_once(&mut send).is_pending());
            drop(send);
            drop(sender);
            assert_eq!(receiver.recv_blocking(), Some(Box::new(1)));
        });
    });
}
