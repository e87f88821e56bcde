//! A second thread, on the other CPU: it sends items to a task, or wakes it.
//!
//! These have two modes, which differ by factors: the loop sleeps when the next item or wake comes, or it does not.
//! Which one a rival falls into depends on its speed and on chance; so the sleeps are counted, and `awake` forces one
//! of the two.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::spin_loop;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{each, percentile};
use crate::micro::leaf::Ring;
use crate::micro::rival::{Remote, Rival};
use crate::sys::cpu;

/// An unbounded sender is so many items ahead at most; the receiver says every `SAYS` items how far it is.
const AHEAD: u64 = 8192;
const SAYS: u64 = 256;

/// Items through a bounded channel, which blocks the thread when it is full. ns each; sleeps of the loop per 1000.
pub fn queue<R: Rival, C: Remote>(items: u64, awake: bool, other_cpu: usize) -> Vec<f64> {
    let (mut sender, mut receiver) = C::new(1024);
    let thread = Waiting::start(other_cpu, move || {
        for value in 0..items {
            C::send(&mut sender, value);
        }
    });
    timed::<R, _>(items, awake, thread, async move {
        let mut sum = 0;
        while let Some(value) = C::receive(&mut receiver).await {
            sum += value;
        }
        assert_eq!(sum, items * (items - 1) / 2);
    })
}

/// Items through an unbounded channel. ns each; sleeps of the loop per 1000.
pub fn bursts<R: Rival, C: Remote>(items: u64, awake: bool, other_cpu: usize) -> Vec<f64> {
    let (mut sender, mut receiver) = C::new(usize::MAX);
    let received = Arc::new(AtomicU64::new(0));
    let seen = received.clone();
    let thread = Waiting::start(other_cpu, move || {
        for value in 0..items {
            spin_until(|| value <= seen.load(SeqCst) + AHEAD);
            C::send(&mut sender, value);
        }
    });
    timed::<R, _>(items, awake, thread, async move {
        let (mut sum, mut count) = (0, 0);
        while let Some(value) = C::receive(&mut receiver).await {
            sum += value;
            count += 1;
            if count % SAYS == 0 {
                received.store(count, SeqCst);
            }
        }
        assert_eq!(sum, items * (items - 1) / 2);
    })
}

/// The thread wakes the task and spins until it was polled. ns a round; sleeps of the loop per 1000.
pub fn ping_pong<R: Rival>(rounds: u64, awake: bool, other_cpu: usize) -> Vec<f64> {
    let turns = Arc::new(Turns::default());
    let (hand_over, handed) = mpsc::channel::<Waker>();
    let asking = turns.clone();
    let thread = Waiting::start(other_cpu, move || {
        let waker = handed.recv().expect("the task is polled once");
        for round in 1..=rounds {
            asking.asked.store(round, SeqCst);
            waker.wake_by_ref();
            asking.await_answer(round);
        }
    });
    timed::<R, _>(rounds, awake, thread, async move {
        answer(&turns, rounds, hand_over, |_| ()).await;
    })
}

/// The thread wakes the task after the loop has gone to sleep. µs until it is polled: half of them, 99 of 100, at
/// most.
pub fn latency<R: Rival>(rounds: u64, other_cpu: usize) -> Vec<f64> {
    const PAUSE: Duration = Duration::from_micros(200);
    let turns = Arc::new(Turns::default());
    let (hand_over, handed) = mpsc::channel::<Waker>();
    let asking = turns.clone();
    let begun = Instant::now();
    let now = move || begun.elapsed().as_nanos() as u64;
    let thread = Waiting::start(other_cpu, move || {
        let waker = handed.recv().expect("the task is polled once");
        for _ in 0..rounds {
            let paused = Instant::now();
            while paused.elapsed() < PAUSE {
                spin_loop();
            }
            let asked = now();
            asking.asked.store(asked, SeqCst);
            waker.wake_by_ref();
            asking.await_answer(asked);
        }
        asking.asked.store(u64::MAX, SeqCst);
        waker.wake_by_ref();
    });
    let mut late = R::run(|runtime| async move {
        let late = Rc::new(Cell::new(Vec::with_capacity(rounds as usize)));
        let taken = late.clone();
        thread.go();
        let task = runtime.spawn(async move {
            let take = move |asked| {
                let mut all = taken.take();
                all.push((now() - asked) as f64 / 1000.0);
                taken.set(all);
            };
            answer(&turns, u64::MAX, hand_over, take).await;
            0
        });
        R::value(task.await);
        thread.join();
        late.take()
    });
    assert_eq!(late.len(), rounds as usize);
    vec![percentile(&mut late, 0.5), percentile(&mut late, 0.99)]
}

/// The thread wakes a task that it has woken already: the task is being polled all the while. ns a wake.
pub fn storm<R: Rival>(wakes: u64, other_cpu: usize) -> Vec<f64> {
    let over = Arc::new(AtomicBool::new(false));
    let (hand_over, handed) = mpsc::channel::<Waker>();
    let (report, reported) = mpsc::channel::<Duration>();
    let done = over.clone();
    let thread = Waiting::start(other_cpu, move || {
        let waker = handed.recv().expect("the task is polled");
        waker.wake_by_ref();
        let begun = Instant::now();
        for _ in 0..wakes {
            waker.wake_by_ref();
        }
        let _ = report.send(begun.elapsed());
        drop(waker);
        done.store(true, SeqCst);
    });
    R::run(|runtime| async move {
        thread.go();
        let task = runtime.spawn(poll_fn(move |context| {
            // The first poll lasts until the storm is over. Its wakes ask for a second one.
            if hand_over.send(context.waker().clone()).is_err() {
                return Poll::Ready(0);
            }
            spin_until(|| over.load(SeqCst));
            Poll::Ready(0)
        }));
        R::value(task.await);
        thread.join();
    });
    let elapsed = reported.recv().expect("the thread has reported");
    each(elapsed, wakes)
}

/// Looks again and again without sleeping. Only if that lasts is the CPU offered to others, who may need it to go on.
fn spin_until(is_so: impl Fn() -> bool) {
    let mut looks = 0;
    while !is_so() {
        looks += 1;
        if looks % 1000 == 0 {
            thread::yield_now();
        }
        spin_loop();
    }
}

/// Who asked last, and what was answered.
#[derive(Default)]
struct Turns {
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Turns {
    fn await_answer(&self, asked: u64) {
        spin_until(|| self.answered.load(SeqCst) == asked);
    }
}

/// Hands its waker over once, and answers whatever is asked, until `last` is.
fn answer(
    turns: &Turns,
    last: u64,
    hand_over: mpsc::Sender<Waker>,
    mut take: impl FnMut(u64),
) -> impl Future<Output = ()> {
    let mut hand_over = Some(hand_over);
    poll_fn(move |context| {
        if let Some(hand_over) = hand_over.take() {
            let _ = hand_over.send(context.waker().clone());
        }
        let asked = turns.asked.load(SeqCst);
        if asked == u64::MAX {
            return Poll::Ready(());
        }
        if asked != turns.answered.load(SeqCst) {
            take(asked);
            turns.answered.store(asked, SeqCst);
        }
        if asked == last { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// Lets `thread` go and runs `work` as a task, until it is done. ns for each of `operations`; sleeps of the loop per
/// 1000.
fn timed<R: Rival, F>(operations: u64, awake: bool, thread: Waiting, work: F) -> Vec<f64>
where
    F: Future<Output = ()> + 'static,
{
    let (elapsed, sleeps) = R::run(|runtime| async move {
        let done = Rc::new(Cell::new(false));
        let restless = if awake { keep_awake(&runtime, &done) } else { Vec::new() };
        let (slept, begun) = (sleeps_of_this_thread(), Instant::now());
        thread.go();
        let task = runtime.spawn(async move {
            work.await;
            done.set(true);
            0
        });
        R::value(task.await);
        let figures = (begun.elapsed(), sleeps_of_this_thread() - slept);
        thread.join();
        for task in restless {
            R::value(task.await);
        }
        figures
    });
    let operations = operations as f64;
    vec![elapsed.as_nanos() as f64 / operations, sleeps as f64 * 1000.0 / operations]
}

/// How often the calling thread has slept so far: given its CPU away of itself.
fn sleeps_of_this_thread() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/status").expect("a thread has a status");
    let count = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.and_then(|count| count.trim().parse().ok()).expect("the kernel counts sleeps")
}

/// Two tasks that wake each other until `done`. (One that wakes itself would starve all others on monoio.)
fn keep_awake<R: Rival>(runtime: &R, done: &Rc<Cell<bool>>) -> Vec<R::Join> {
    let ring = Ring::new(2);
    let member = |number| {
        let (ring, done) = (ring.clone(), done.clone());
        runtime.spawn(async move {
            loop {
                ring.turn(number).await;
                let last = done.get();
                ring.pass();
                if last {
                    return 0;
                }
            }
        })
    };
    (0..2).map(member).collect()
}

/// A thread on the other CPU that spins until it is told to go: its start is not measured.
struct Waiting {
    may_go: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Waiting {
    fn start(cpu: usize, work: impl FnOnce() + Send + 'static) -> Waiting {
        let may_go = Arc::new(AtomicBool::new(false));
        let (going, is_there) = (may_go.clone(), Arc::new(AtomicBool::new(false)));
        let there = is_there.clone();
        let thread = thread::spawn(move || {
            cpu::pin(cpu).expect("the CPU of the load exists");
            there.store(true, SeqCst);
            spin_until(|| going.load(SeqCst));
            work();
        });
        while !is_there.load(SeqCst) {
            thread::yield_now();
        }
        Waiting { may_go, thread }
    }

    fn go(&self) {
        self.may_go.store(true, SeqCst);
    }

    fn join(self) {
        self.thread.join().expect("the other thread does not panic");
    }
}
