//! Faults that were met in other runtimes while measuring them, and that this one must not have.
//!
//! Each was seen in the version that the test names, with the programs in `bench/`. Named after what must happen, or
//! must not. What other modules hold already of the same is not repeated: `runtime/fairness.rs` (64 polls),
//! `reactor/idle.rs` (calls in states that were busy loops elsewhere), `task/wakes.rs` (the state of a task).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, pending, poll_fn, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use coracle::net::{TcpListener, TcpStream};
use coracle::observer::Observer;
use coracle::sync::Notify;
use coracle::sys::{Call, World};
use coracle::task::yield_now;
use coracle::time::{Sleep, now, sleep, sleep_until};
use coracle::{Budget, Runtime};

use crate::reactor::calls::Calls;
use crate::reactor::{settle, stream};
use crate::support::{alone, descriptors, poll_with};

/// More than sixteen bits count; and half of that, with one to spare.
const MANY: [usize; 2] = [(1 << 15) + 1, (1 << 16) + 1];

// ---- a task that wakes itself ---------------------------------------------------------------------------------------

/// monoio 0.2.4: a task that wakes itself while it runs went to the front of the queue, so a main task that yielded until
/// others had begun never ended.
#[test]
fn a_task_that_yields_until_all_others_have_begun_comes_to_an_end() {
    const TASKS: usize = 200_000;
    let begun = Rc::new(Cell::new(0));
    let mut yields = 0;
    coracle::block_on(async {
        for _ in 0..TASKS {
            let begun = begun.clone();
            drop(coracle::spawn(async move { begun.set(begun.get() + 1) }));
        }
        while begun.get() < TASKS {
            yields += 1;
            yield_now().await;
        }
    });
    assert_eq!((begun.get(), yields), (TASKS, 1), "whoever yields goes behind all that are ready");
}

/// The same fault, with a wake of its own in place of `yield_now`; and two that do it do not starve a third.
#[test]
fn tasks_that_wake_themselves_take_turns_with_the_others() {
    let trace = Rc::new(RefCell::new(String::new()));
    let noting = |name: char| {
        let trace = trace.clone();
        let mut polls = 0;
        poll_fn(move |cx: &mut Context<'_>| {
            trace.borrow_mut().push(name);
            cx.waker().wake_by_ref();
            polls += 1;
            if polls == 4 { Poll::Ready(()) } else { Poll::Pending }
        })
    };
    let runtime = Runtime::new();
    let tasks = ['a', 'b', 'c'].map(|name| runtime.spawn(noting(name)));
    settle(&runtime);
    assert_eq!(*trace.borrow(), "abcabcabcabc");
    assert!(tasks.iter().all(|task| task.is_finished()));
}

/// monoio 0.2.4 frees a task at once that awaits what keeps no waker. That is allowed, and surprises who counts on its
/// drop: here it lives until it is aborted, or its runtime ends.
#[test]
fn a_task_that_nobody_can_wake_lives_until_it_is_aborted() {
    let runtime = Runtime::new();
    let alive = Rc::new(());
    let task = runtime.spawn({
        let alive = alive.clone();
        async move {
            pending::<()>().await;
            drop(alive);
        }
    });
    settle(&runtime);
    assert_eq!(Rc::strong_count(&alive), 2);
    task.abort();
    settle(&runtime);
    assert_eq!(Rc::strong_count(&alive), 1);
    assert!(runtime.block_on(task).is_err());
}

// ---- counts of references -------------------------------------------------------------------------------------------

/// glommio 0.9.0 counts a task's references in sixteen bits, signed: with 32,767 timers that one task polled, "Waker
/// invariant broken".
#[test]
fn one_task_waits_for_more_timers_than_sixteen_bits_count() {
    for many in MANY {
        coracle::block_on(async {
            let soon = now() + Duration::from_millis(1);
            let mut timers: Vec<Sleep> = (0..many).map(|_| sleep_until(soon)).collect();
            poll_fn(|cx| {
                timers.retain_mut(|timer| poll_with(timer, cx.waker()).is_pending());
                if timers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
    }
}

/// The same count: 32,767 wakes by another thread between two polls.
#[test]
fn another_thread_wakes_a_task_more_often_than_sixteen_bits_count_between_two_polls() {
    for many in MANY {
        let polls = Cell::new(0);
        let mut thread = None;
        coracle::block_on(poll_fn(|cx| {
            polls.set(polls.get() + 1);
            if thread.is_some() {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            // It is over before this poll is: all these wakes fall into one interval.
            let waking = std::thread::spawn(move || (0..many).for_each(|_| waker.wake_by_ref()));
            waking.join().unwrap();
            thread = Some(());
            Poll::Pending
        }));
        assert_eq!(polls.get(), 2);
    }
}

/// The same count: as many clones of one waker, kept at once, at home and elsewhere; dropped or woken, half of each.
#[test]
fn more_clones_of_a_waker_are_kept_than_sixteen_bits_count() {
    let use_up = |mut clones: Vec<Waker>| {
        clones.split_off(clones.len() / 2).into_iter().for_each(Waker::wake);
        drop(clones);
    };
    for (many, elsewhere) in [(MANY[0], false), (MANY[1], false), (MANY[0], true), (MANY[1], true)] {
        let mut polls = 0;
        coracle::block_on(poll_fn(|cx| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            let clones = move || vec![waker; many];
            match elsewhere {
                true => std::thread::spawn(move || use_up(clones())).join().unwrap(),
                false => use_up(clones()),
            }
            Poll::Pending
        }));
        assert_eq!(polls, 2);
    }
}

// ---- calls to the system that need not be ---------------------------------------------------------------------------

/// A runtime costs tokio 1.54.1 some 8 to 17 µs and monoio 0.2.4 6.6, since each makes a poller and a notifier at once,
/// and glommio 0.9.0 655, for three rings. Here it opens nothing before somebody must be waited for.
#[test]
fn a_runtime_that_waits_for_nobody_opens_no_descriptor() {
    alone("rivals::a_runtime_that_waits_for_nobody_opens_no_descriptor", || {
        let before = descriptors();
        let runtime = Runtime::new();
        runtime.block_on(async {
            yield_now().await;
            coracle::spawn(async {}).await.unwrap();
        });
        assert_eq!(descriptors(), before);
        runtime.block_on(async { sleep_until(now()).await });
        assert_eq!(descriptors(), before, "a timer that is due is no reason to sleep");
    });
}

/// With something to look at: a listener that is registered, and nobody connects.
fn with_a_listener(calls: &Arc<Calls>) -> Runtime {
    let runtime = calls.runtime();
    let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    drop(runtime.spawn(async move { listener.accept().await.map(drop) }));
    settle(&runtime);
    calls.take();
    runtime
}

/// Runs `body`, which polls tasks so often or less, and holds that no call was made but one look each 64 polls, and the
/// last one.
fn makes_no_call_but_looks<T>(polls: usize, body: impl Future<Output = T>) {
    let calls = Calls::new();
    let runtime = with_a_listener(&calls);
    runtime.block_on(body);
    let made = calls.take();
    let most = HashMap::from([(Call::Wait, polls / 64 + 1)]);
    assert!(made.iter().all(|(call, times)| most.get(call).is_some_and(|most| times <= most)), "{made:?}");
}

const ROUNDS: usize = 10_000;

/// tokio 1.54.1: each `yield_now` of the only task is an `epoll_wait`.
#[test]
fn a_lone_yield_costs_no_call() {
    makes_no_call_but_looks(ROUNDS + 1, async {
        for _ in 0..ROUNDS {
            yield_now().await;
        }
    });
}

/// tokio 1.54.1: to spawn a task and await it is an `epoll_wait` (301,000 for 301,000); smol 2.0.2: five calls.
#[test]
fn a_lone_await_costs_no_call() {
    makes_no_call_but_looks(2 * ROUNDS + 1, async {
        for n in 0..ROUNDS {
            assert_eq!(coracle::spawn(ready(n)).await.unwrap(), n);
        }
    });
}

/// monoio 0.2.4: an `epoll_wait` for three hops of a ring (333,003 for a million).
#[test]
fn a_ring_of_two_tasks_costs_no_call() {
    makes_no_call_but_looks(2 * ROUNDS + 4, async {
        let (ping, pong) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let other = coracle::spawn({
            let (ping, pong) = (ping.clone(), pong.clone());
            async move {
                for _ in 0..ROUNDS {
                    ping.notified().await;
                    pong.notify_one();
                }
            }
        });
        for _ in 0..ROUNDS {
            ping.notify_one();
            pong.notified().await;
        }
        other.await.unwrap();
    });
}

/// tokio 1.54.1 wrote to its eventfd for each timer that was the earliest, on its own thread (1,000,007 writes for a
/// million); smol 2.0.2 sets a timerfd in each pass.
#[test]
fn setting_timers_costs_no_call_but_to_the_clock() {
    let calls = Calls::new();
    let runtime = with_a_listener(&calls);
    runtime.block_on(async {
        let far = now() + Duration::from_secs(3600);
        let mut timers: Vec<Sleep> =
            (0..ROUNDS as u32).map(|n| sleep_until(far - Duration::from_micros(n.into()))).collect();
        poll_fn(|cx| {
            timers.iter_mut().for_each(|timer| assert!(poll_with(timer, cx.waker()).is_pending()));
            Poll::Ready(())
        })
        .await;
        drop(timers);
    });
    let mut made = calls.take();
    made.remove(&Call::Now);
    assert_eq!(made, HashMap::new());
}

/// monoio 0.2.4, may 0.3.51 and Go 1.19 read once more to see that nothing is left; smol 2.0.2 re-arms the socket by
/// `epoll_ctl` each time; compio 0.19.2 does both, twice. One round trip is a receive, a send, and one wait.
#[test]
fn a_round_trip_costs_one_receive_one_send_and_one_wait() {
    let calls = Calls::new();
    let runtime = calls.runtime();
    let (ours, mut theirs) = stream(&runtime);
    let echo = runtime.spawn(async move { echo_until_the_end(ours).await });
    settle(&runtime);
    let round = |theirs: &mut std::net::TcpStream| {
        std::io::Write::write_all(theirs, b"sixty-four").unwrap();
        // One turn sleeps until the bytes are there, the next reads and answers, and looks again.
        runtime.turn(Budget::until_ready()).unwrap();
        runtime.turn(Budget::no_wait()).unwrap();
        std::io::Read::read_exact(theirs, &mut [0; 10]).unwrap();
    };
    (0..2).for_each(|_| round(&mut theirs));
    settle(&runtime);
    calls.take();
    (0..100).for_each(|_| round(&mut theirs));
    let made = calls.take();
    let counts = [Call::Receive, Call::Send, Call::Add].map(|call| made.get(&call).copied().unwrap_or(0));
    assert_eq!(counts, [100, 100, 0], "{made:?}");
    assert!(made[&Call::Wait] <= 200 && made.len() == 3, "{made:?}");
    drop(theirs);
    assert_eq!(runtime.block_on(echo).unwrap(), 102 * 10);
}

async fn echo_until_the_end(stream: TcpStream) -> usize {
    let (mut buffer, mut echoed) = ([0; 64], 0);
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return echoed,
            count => {
                stream.write_all(&buffer[..count]).await.unwrap();
                echoed += count;
            }
        }
    }
}

// ---- time -----------------------------------------------------------------------------------------------------------

/// glommio 0.9.0 ended a sleep of a millisecond up to fourteen late; tokio 1.54.1 and monoio 0.2.4 always more than one
/// late, since they count in milliseconds and begin with the next. The quickest and the middle one are looked at: the
/// slowest is the machine's.
#[test]
fn a_lone_sleep_is_not_a_millisecond_late() {
    let runtime = Runtime::builder().world(World::kernel()).build();
    let mut late: Vec<Duration> = runtime.block_on(async {
        let mut late = Vec::new();
        for _ in 0..101 {
            let deadline = Instant::now() + Duration::from_millis(1);
            sleep_until(deadline).await;
            late.push(Instant::now().checked_duration_since(deadline).expect("a timer was early"));
        }
        late
    });
    late.sort_unstable();
    assert!(late[0] < Duration::from_millis(1), "each was late: {late:?}");
    assert!(late[50] < Duration::from_millis(14), "{late:?}");
}

/// What the loop asks the kernel for, of which the lateness is made: never more than the time to the deadline, whatever
/// else waits.
#[test]
fn the_loop_never_sleeps_longer_than_to_the_first_deadline() {
    #[derive(Default)]
    struct Longest(Cell<Duration>);
    impl Observer for Longest {
        fn parking(&self, time: Option<Duration>) {
            self.0.set(self.0.get().max(time.expect("a timer is set")));
        }
    }
    let longest = Rc::new(Longest::default());
    let runtime = Runtime::builder().observer(longest.clone()).build();
    runtime.block_on(async {
        let far: Vec<_> = (1..100).map(|n| coracle::spawn(sleep(Duration::from_secs(n)))).collect();
        for _ in 0..20 {
            sleep(Duration::from_millis(1)).await;
        }
        far.iter().for_each(|task| task.abort());
    });
    assert!((Duration::from_nanos(1)..=Duration::from_millis(1)).contains(&longest.0.get()), "{:?}", longest.0);
}

// ---- rest -----------------------------------------------------------------------------------------------------------

/// glommio 0.9.0 burns a core at one connection, busy or idle. Here its thread takes next to no processor time.
#[test]
fn a_loop_with_one_idle_connection_takes_no_processor_time() {
    let runtime = Runtime::new();
    let (ours, theirs) = stream(&runtime);
    let echo = runtime.spawn(echo_until_the_end(ours));
    let before = processor_time();
    runtime.block_on(async { sleep(Duration::from_millis(300)).await });
    let taken = processor_time() - before;
    assert!(taken < Duration::from_millis(30), "{taken:?} of 300 ms");
    drop(theirs);
    assert_eq!(runtime.block_on(echo).unwrap(), 0);
}

/// What this thread has taken.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
