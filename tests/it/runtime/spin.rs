//! Spinning before a sleep: what it saves, and that it neither loses a wake nor keeps a loop from its rest.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use coracle::observer::Observer;
use coracle::sys::{Call, World};
use coracle::time::{now, sleep, sleep_until};
use coracle::{Budget, Runtime, Turn};

use crate::reactor::calls::Calls;
use crate::reactor::stream;

/// Longer than any gap in these tests, on whatever machine.
const LONG: Duration = Duration::from_secs(60);

/// Counts turns, and those that slept.
#[derive(Default)]
struct Sleeps {
    turns: Cell<usize>,
    sleeps: Cell<usize>,
}

impl Observer for Sleeps {
    fn turn_began(&self) {
        self.turns.set(self.turns.get() + 1);
    }
    fn parking(&self, _: Option<Duration>) {
        self.sleeps.set(self.sleeps.get() + 1);
    }
}

/// A runtime that spins for so long, on the ordinary kernel.
fn spinning(most: Duration) -> (Rc<Sleeps>, Runtime) {
    let sleeps = Rc::new(Sleeps::default());
    let builder = Runtime::builder().world(World::kernel()).observer(sleeps.clone());
    (sleeps, builder.spin(most).build())
}

/// Echoes `rounds` times to a thread that asks again as soon as it is answered.
fn dialogue(runtime: &Runtime, rounds: usize) {
    let (ours, mut theirs) = stream(runtime);
    let asking = std::thread::spawn(move || {
        for _ in 0..rounds {
            theirs.write_all(b"ask").unwrap();
            theirs.read_exact(&mut [0; 3]).unwrap();
        }
    });
    runtime.block_on(async {
        let mut buffer = [0; 64];
        loop {
            match ours.read(&mut buffer).await.unwrap() {
                0 => return,
                count => ours.write_all(&buffer[..count]).await.unwrap(),
            }
        }
    });
    asking.join().unwrap();
}

#[test]
fn after_one_short_gap_a_dialogue_is_carried_on_without_a_sleep() {
    let (sleeps, runtime) = spinning(LONG);
    dialogue(&runtime, 200);
    assert!(sleeps.sleeps.get() <= 1, "it slept {} times", sleeps.sleeps.get());
}

#[test]
fn nothing_spins_unless_asked() {
    let (sleeps, runtime) = spinning(Duration::ZERO);
    runtime.block_on(async {
        for _ in 0..5 {
            sleep(Duration::from_millis(1)).await;
        }
    });
    // Each sleep is one turn, and what runs when it is over belongs to the next.
    assert!(sleeps.sleeps.get() >= 5 && sleeps.turns.get() <= sleeps.sleeps.get() + 1, "{} turns", sleeps.turns.get());
}

/// Wakes from another thread to a loop that spins write to no descriptor.
#[test]
fn a_thread_wakes_a_spinning_loop_without_a_call() {
    let calls = Calls::new();
    let runtime = Runtime::builder().world(World::kernel().hooked(calls.clone())).spin(LONG).build();
    pass_to_and_fro(&runtime, 1);
    let rounds = |n| {
        calls.take();
        pass_to_and_fro(&runtime, n);
        calls.take().get(&Call::Notify).copied().unwrap_or(0)
    };
    // Each `block_on` begins with one gap that it sleeps through.
    assert!(rounds(500) <= 1);
}

/// The task hands its waker to a thread and is woken by it, so many times.
fn pass_to_and_fro(runtime: &Runtime, rounds: usize) {
    let woken = Arc::new(AtomicUsize::new(0));
    let (to_thread, wakers) = mpsc::channel::<Waker>();
    let waking = std::thread::spawn({
        let woken = woken.clone();
        move || {
            for (round, waker) in wakers.into_iter().enumerate() {
                // Sometimes at once, sometimes when a window of twenty microseconds has just ended.
                let until = Instant::now() + Duration::from_micros(round as u64 % 40);
                while Instant::now() < until {}
                woken.store(round + 1, SeqCst);
                waker.wake();
            }
        }
    });
    runtime.block_on(async {
        for round in 0..rounds {
            let mut sent = false;
            poll_fn(|cx| {
                if woken.load(SeqCst) > round {
                    return Poll::Ready(());
                }
                if !std::mem::replace(&mut sent, true) {
                    to_thread.send(cx.waker().clone()).unwrap();
                }
                Poll::Pending
            })
            .await;
        }
        drop(to_thread);
    });
    waking.join().unwrap();
}

#[test]
fn no_wake_is_lost_between_the_last_look_and_the_sleep() {
    for most in [1, 20, 50] {
        pass_to_and_fro(&spinning(Duration::from_micros(most)).1, 2_000);
    }
}

/// Gaps of five milliseconds are longer than what is spun: each is slept through, and after a few nothing is spun.
#[test]
fn a_program_with_long_gaps_comes_to_rest() {
    let (sleeps, runtime) = spinning(Duration::from_millis(1));
    runtime.block_on(async {
        for _ in 0..20 {
            sleep(Duration::from_micros(10)).await; // so that it spins
        }
        for _ in 0..15 {
            sleep(Duration::from_millis(5)).await;
        }
        sleeps.turns.set(0);
        sleeps.sleeps.set(0);
        for _ in 0..10 {
            sleep(Duration::from_millis(5)).await;
        }
    });
    // A gap is one look that finds nothing, and one sleep; what it brought is the third turn.
    let (turns, sleeps) = (sleeps.turns.get(), sleeps.sleeps.get());
    assert!((10..=20).contains(&sleeps) && turns <= 3 * sleeps + 3, "{turns} turns, {sleeps} sleeps");
}

/// It spins to the deadline, and not past it.
#[test]
fn timers_are_neither_early_nor_forgotten_while_it_spins() {
    let (sleeps, runtime) = spinning(LONG);
    runtime.block_on(async {
        for micros in 0..200 {
            let deadline = now() + Duration::from_micros(micros);
            sleep_until(deadline).await;
            assert!(now() >= deadline);
        }
    });
    assert!(sleeps.sleeps.get() <= 1, "it slept {} times", sleeps.sleeps.get());
}

/// The tasks of the program have their turn as always: a task that others wake, and one that ends the whole.
#[test]
fn tasks_that_never_wait_for_long_run_as_without_it() {
    let (_, runtime) = spinning(LONG);
    let sum = runtime.block_on(async {
        let (sender, receiver) = coracle::sync::channel::bounded(1);
        let producer = coracle::spawn(async move {
            for n in 0..1_000 {
                sender.send(n).await.unwrap();
            }
        });
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        producer.await.unwrap();
        sum
    });
    assert_eq!(sum, 1_000 * 999 / 2);
}

/// A look does not move a paused clock: to spin until it has moved would be for ever.
#[test]
fn a_world_whose_clock_programs_move_is_slept_in() {
    let runtime = Runtime::builder().world(World::kernel().paused()).spin(Duration::MAX).build();
    runtime.block_on(async {
        for _ in 0..100 {
            sleep(Duration::from_micros(10)).await;
        }
    });
}

/// A turn waits as long as it may, whatever `block_on` does.
#[test]
fn a_turn_does_not_spin() {
    let (sleeps, runtime) = spinning(LONG);
    pass_to_and_fro(&runtime, 10);
    sleeps.turns.set(0);
    let wait = Duration::from_millis(20);
    let begin = Instant::now();
    assert_eq!(runtime.turn(Budget { wait: Some(wait), ..Budget::no_wait() }).unwrap(), Turn::default());
    assert!(begin.elapsed() >= wait && sleeps.turns.get() == 1);
}

/// A poller that fails is borne as without it: the timer fires.
#[test]
fn a_poller_that_cannot_be_made_keeps_nobody_from_the_end() {
    let calls = Calls::before(|call| match call {
        Call::Poller => Err(std::io::ErrorKind::Other.into()),
        _ => Ok(()),
    });
    let runtime = Runtime::builder().world(World::kernel().hooked(calls)).spin(Duration::from_micros(50)).build();
    runtime.block_on(async {
        for _ in 0..5 {
            sleep(Duration::from_millis(2)).await;
        }
    });
}
