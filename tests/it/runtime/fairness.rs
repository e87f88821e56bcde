//! Whatever is ready is served within 64 polls of other tasks (smol#159, tokio#5712), and an operation that is always
//! ready yields to others (tokio#2542). Counted in polls, not in time.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::Write;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use coracle::net::TcpStream;
use coracle::sync::channel;
use coracle::time::sleep_until;
use coracle::{Budget, Runtime};

use super::calls::Calls;
use coracle::sys::Call;

/// Counts the polls of the tasks that keep the loop busy.
type Polls = Rc<Cell<usize>>;

/// A task that wakes itself for ever, and a pair that pass a value to and fro for ever.
fn busy(runtime: &Runtime) -> Polls {
    let polls = Polls::default();
    let count = {
        let polls = polls.clone();
        move || polls.set(polls.get() + 1)
    };
    drop(runtime.spawn({
        let count = count.clone();
        poll_fn(move |cx| {
            count();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    }));
    let ((to, there), (back, here)) = (channel::bounded(1), channel::bounded(1));
    to.try_send(()).unwrap();
    for (sender, receiver) in [(back, there), (to, here)] {
        let count = count.clone();
        drop(runtime.spawn(async move {
            while let Some(()) = receiver.recv().await {
                count();
                sender.send(()).await.unwrap();
            }
        }));
    }
    polls
}

/// The most that may be polled before: up to the next look at the world, then those that stand in the queue already.
const BOUND: usize = 64 + 3;

#[test]
fn an_overdue_timer_is_served_within_64_polls() {
    let runtime = Runtime::new();
    let polls = busy(&runtime);
    for _ in 0..20 {
        let deadline = runtime.now() + Duration::from_millis(10);
        let done = Rc::new(Cell::new(None));
        drop(runtime.spawn({
            let (done, polls) = (done.clone(), polls.clone());
            async move {
                sleep_until(deadline).await;
                done.set(Some(polls.get()));
            }
        }));
        // Polled once, so that the timer is set; then time passes without a turn.
        while runtime.next_deadline().is_none() {
            runtime.turn(Budget { polls: 1, ..Budget::no_wait() }).unwrap();
        }
        while runtime.now() < deadline {
            std::thread::sleep(deadline - runtime.now());
        }
        let overdue = polls.get();
        while done.get().is_none() {
            runtime.turn(Budget { polls: 1, ..Budget::no_wait() }).unwrap();
            assert!(polls.get() <= overdue + BOUND, "still not served after {} polls", polls.get() - overdue);
        }
        assert!(done.get().unwrap() - overdue <= BOUND);
    }
}

#[test]
fn a_readable_socket_is_served_within_64_polls() {
    let runtime = Runtime::new();
    let polls = busy(&runtime);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    theirs.set_nodelay(true).unwrap();
    let accepted = listener.accept().unwrap().0;
    let probe = accepted.try_clone().unwrap();
    let ours = runtime.enter(|| TcpStream::from_std(accepted)).unwrap();
    let read = Rc::new(Cell::new((0, 0)));
    drop(runtime.spawn({
        let (read, polls) = (read.clone(), polls.clone());
        async move {
            let mut buffer = [0; 1];
            while ours.read(&mut buffer).await.unwrap() == 1 {
                read.set((read.get().0 + 1, polls.get()));
            }
        }
    }));
    for round in 1..=20 {
        (0..200).for_each(|_| {
            let _ = runtime.turn(Budget::no_wait()).unwrap();
        });
        theirs.write_all(b"x").unwrap();
        // Not before the byte has arrived on our side does the count begin.
        while probe.peek(&mut [0]).is_err() {
            std::thread::yield_now();
        }
        let readable = polls.get();
        while read.get().0 < round {
            runtime.turn(Budget { polls: 1, ..Budget::no_wait() }).unwrap();
            assert!(polls.get() <= readable + BOUND, "still not served after {} polls", polls.get() - readable);
        }
    }
}

/// The world is looked at after 64 polls exactly, however they are spread over turns.
#[test]
fn the_world_is_looked_at_after_every_64th_poll() {
    let (calls, runtime) = Calls::runtime();
    let polls = busy(&runtime);
    let listener = runtime.enter(|| coracle::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    drop(runtime.spawn(async move { listener.accept().await.map(drop) }));
    runtime.turn(Budget::no_wait()).unwrap();
    for budget in [1, 2, 7, 63, 64] {
        // From one look to the next.
        let mut seen = vec![];
        let mut polled = 0;
        while seen.len() < 5 {
            polled += runtime.turn(Budget { polls: budget, ..Budget::no_wait() }).unwrap().polled;
            if calls.take().contains(&Call::Wait) {
                seen.push(std::mem::take(&mut polled));
            }
        }
        assert_eq!(seen[1..], [64; 4], "with a budget of {budget}");
    }
    assert!(polls.get() > 0);
}

/// Values that are always there: the receiver yields after 128, and so does the sender with room without end.
#[test]
fn a_channel_that_is_always_ready_yields_within_128_operations() {
    let runtime = Runtime::new();
    let (sender, receiver) = channel::bounded(1 << 20);
    (0..10_000).for_each(|n| sender.try_send(n).unwrap());
    let (received, sent) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    drop(runtime.spawn({
        let received = received.clone();
        async move {
            while receiver.recv().await.is_some() {
                received.set(received.get() + 1);
            }
        }
    }));
    drop(runtime.spawn({
        let sent = sent.clone();
        async move {
            while sender.send(0).await.is_ok() {
                sent.set(sent.get() + 1);
            }
        }
    }));
    let (mut before, mut yields) = ((0, 0), 0);
    for _ in 0..20 {
        runtime.turn(Budget { polls: 1, ..Budget::no_wait() }).unwrap();
        let (r, s) = (received.get(), sent.get());
        assert!(r - before.0 <= 128 && s - before.1 <= 128, "{r}, {s} after {before:?}");
        yields += usize::from(r > before.0 || s > before.1);
        before = (r, s);
    }
    assert_eq!((yields, before), (20, (1280, 1280)));
}

/// An endless stream of bytes, read in one task: others go on, and a timeout ends it.
#[test]
fn a_firehose_in_one_task_does_not_starve_the_others() {
    let runtime = Runtime::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ours = runtime.enter(|| TcpStream::from_std(listener.accept().unwrap().0)).unwrap();
    let thread = std::thread::spawn(move || while theirs.write_all(&[0; 65536]).is_ok() {});
    let others = Rc::new(Cell::new(0));
    let start = Instant::now();
    runtime.block_on(async {
        drop(coracle::spawn({
            let others = others.clone();
            async move {
                loop {
                    others.set(others.get() + 1);
                    coracle::task::yield_now().await;
                }
            }
        }));
        let firehose = async {
            let mut reads = 0_usize;
            let mut buffer = [0; 16];
            while ours.read(&mut buffer).await.unwrap() > 0 {
                reads += 1;
                assert!(reads / 128 <= others.get() + 2, "{reads} reads, and the others ran {} times", others.get());
            }
        };
        coracle::time::timeout(Duration::from_millis(100), firehose).await.unwrap_err();
    });
    assert!(start.elapsed() < Duration::from_secs(3));
    drop(ours);
    thread.join().unwrap();
}
