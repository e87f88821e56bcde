//! Moving the clock by hand: `settle`, `advance`, `advance_to_next`, `hold_clock`.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use coracle::net::{TcpListener, TcpStream, UnixStream};
use coracle::testing::{advance, advance_to_next, elapsed, hold_clock, settle, under_way};
use coracle::time::{interval, now, sleep, sleep_until, timeout};
use coracle::{Runtime, blocking, task::yield_now};

use super::clock_jumps::paused;
use crate::support::cut_at_every_poll;

const SECOND: Duration = Duration::from_secs(1);

// ---- settle ---------------------------------------------------------------------------------------------------------

/// What settle must not miss: wakes, yields, spawns, bytes over several sockets, jobs, timers that are due.
#[test]
fn settle_sees_everything_that_is_under_way() {
    paused().block_on(async {
        let stage = Rc::new(Cell::new(0));
        let last = stage.clone();
        // Every hop is a socket and a task; between them a job, many yields, and a timer that is due at once.
        let mut hop = coracle::spawn(async { 0 });
        for number in 1..=20 {
            let (one, other) = UnixStream::pair().unwrap();
            let before = hop;
            drop(coracle::spawn(async move {
                let value: u8 = before.await.unwrap();
                match number % 3 {
                    0 => blocking::submit(|| std::thread::sleep(Duration::from_millis(3))).await.unwrap(),
                    1 => sleep_until(now()).await,
                    _ => {
                        for _ in 0..200 {
                            yield_now().await
                        }
                    }
                }
                one.write_all(&[value]).await.unwrap();
            }));
            hop = coracle::spawn(async move {
                let mut byte = [0];
                other.read_exact(&mut byte).await.unwrap();
                byte[0] + 1
            });
        }
        drop(coracle::spawn(async move { last.set(hop.await.unwrap()) }));
        settle().await;
        assert_eq!((stage.get(), elapsed()), (20, Duration::ZERO));
    });
}

#[test]
fn settle_waits_for_what_the_kernel_keeps_back() {
    paused().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let received = Rc::new(Cell::new(0));
        let count = received.clone();
        let _reader = coracle::spawn(async move {
            let mut buffer = [0; 64];
            while let Ok(read @ 1..) = server.read(&mut buffer).await {
                count.set(count.get() + read);
            }
        });
        for round in 1..=20 {
            for _ in 0..5 {
                stream.write_all(b"piece").await.unwrap();
            }
            settle().await;
            assert_eq!(received.get(), round * 25);
        }
    });
}

#[test]
fn settle_does_not_move_the_clock_and_fires_what_is_due() {
    paused().block_on(async {
        let fired = Rc::new(Cell::new(0));
        for late in [0, 1] {
            let fired = fired.clone();
            drop(coracle::spawn(async move {
                sleep(Duration::from_nanos(late)).await;
                fired.set(fired.get() + 1);
            }));
        }
        settle().await;
        settle().await;
        assert_eq!((fired.get(), elapsed()), (1, Duration::ZERO));
    });
}

/// Two that settle at once wake at once; neither keeps the other from it.
#[test]
fn many_may_settle_at_the_same_time() {
    paused().block_on(async {
        let tasks: Vec<_> = (0..10).map(|_| coracle::spawn(async { settle().await })).collect();
        settle().await;
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(elapsed(), Duration::ZERO);
    });
}

#[test]
fn settle_waits_for_a_thread_that_says_it_is_under_way() {
    paused().block_on(async {
        let (sender, receiver) = coracle::sync::remote::oneshot::channel();
        let guard = under_way();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            sender.send(7).unwrap();
            drop(guard);
        });
        let task = coracle::spawn(receiver);
        settle().await;
        assert!(task.is_finished());
        assert_eq!(task.await.unwrap(), Ok(7));
        thread.join().unwrap();
    });
}

// ---- advance --------------------------------------------------------------------------------------------------------

#[test]
fn advance_fires_timers_in_order_also_those_that_are_set_on_the_way() {
    paused().block_on(async {
        let _held = hold_clock();
        let seen = Rc::new(RefCell::new(Vec::new()));
        for (name, period) in [("three", 3), ("two", 2)] {
            let seen = seen.clone();
            drop(coracle::spawn(async move {
                loop {
                    sleep(SECOND * period).await;
                    seen.borrow_mut().push((name, elapsed().as_secs()));
                }
            }));
        }
        advance(SECOND * 6).await;
        let expected = [("two", 2), ("three", 3), ("two", 4), ("three", 6), ("two", 6)];
        assert_eq!(seen.take(), expected);
        assert_eq!(elapsed(), SECOND * 6);
        advance(Duration::from_millis(1999)).await;
        assert_eq!(seen.take(), []);
        advance(Duration::from_millis(1)).await;
        assert_eq!(seen.take(), [("two", 8)]);
        advance(Duration::ZERO).await;
        assert_eq!((seen.take().len(), elapsed()), (0, SECOND * 8));
    });
}

/// The clock stands at each step as long as the answer to it is on its way.
#[test]
fn what_a_timer_sends_arrives_before_the_next_one_fires() {
    paused().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let times = Rc::new(RefCell::new(Vec::new()));
        let seen = times.clone();
        let _server = coracle::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).await.is_ok() {
                seen.borrow_mut().push((byte[0], elapsed().as_secs()));
            }
        });
        let _client = coracle::spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let mut ticks = interval(SECOND);
            for number in 0..5 {
                ticks.tick().await;
                stream.write_all(&[number]).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        advance(SECOND * 60).await;
        assert_eq!(times.take(), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
        assert_eq!(elapsed(), SECOND * 60);
    });
}

#[test]
fn advance_to_next_goes_from_timer_to_timer() {
    paused().block_on(async {
        let _task = coracle::spawn(async {
            sleep(SECOND).await;
            sleep(SECOND * 2).await;
        });
        let mut steps = Vec::new();
        while let Some(step) = advance_to_next().await {
            steps.push(step.as_secs());
        }
        assert_eq!((steps, elapsed()), (vec![1, 2], SECOND * 3));
    });
}

/// A timeout around a settle does not fire: the clock stands. One around what never comes does.
#[test]
fn timeouts_and_settling_mix() {
    paused().block_on(async {
        assert!(timeout(SECOND, settle()).await.is_ok());
        assert!(timeout(SECOND, advance(SECOND * 2)).await.is_err());
        assert_eq!(elapsed(), SECOND, "it fired at its time, and then nobody advanced any more");
        assert!(timeout(SECOND, std::future::pending::<()>()).await.is_err());
        assert_eq!(elapsed(), SECOND * 2);
    });
}

#[test]
fn time_without_end_is_no_overflow() {
    paused().block_on(async {
        let never = coracle::spawn(sleep(Duration::MAX));
        let late = coracle::spawn(sleep(Duration::from_secs(3600 * 24 * 365 * 100)));
        advance(Duration::from_secs(3600 * 24 * 365 * 200)).await;
        assert!(late.is_finished() && !never.is_finished());
        advance(Duration::MAX).await;
        advance(Duration::MAX).await;
        assert!(!never.is_finished());
        never.abort();
        assert!(never.await.is_err());
    });
}

// ---- hold -----------------------------------------------------------------------------------------------------------

#[test]
fn a_held_clock_moves_by_hand_only() {
    let begin = Instant::now();
    paused().block_on(async {
        let held = hold_clock();
        let also = hold_clock();
        let task = coracle::spawn(sleep(SECOND));
        drop(held);
        // Real time passes, and a wake from elsewhere is heard.
        timeout(SECOND, blocking::submit(|| std::thread::sleep(Duration::from_millis(20)))).await.unwrap().unwrap();
        settle().await;
        assert_eq!((task.is_finished(), elapsed()), (false, Duration::ZERO));
        drop(also);
        task.await.unwrap();
        assert_eq!(elapsed(), SECOND);
    });
    assert!(begin.elapsed() < Duration::from_secs(5));
}

// ---- cancelling -----------------------------------------------------------------------------------------------------

/// Runs it in a paused world, with a task that still has some to do, three times.
fn cut(mut check: impl AsyncFnMut(&crate::support::Cut)) -> usize {
    cut_at_every_poll(|cut| {
        paused().block_on(async {
            let _busy = coracle::spawn(async {
                for _ in 0..3 {
                    yield_now().await;
                    sleep(SECOND).await;
                }
            });
            check(cut).await;
            // Whatever was left behind, the clock still settles and still jumps.
            settle().await;
            let before = elapsed();
            sleep(SECOND * 10).await;
            assert_eq!(elapsed() - before, SECOND * 10);
        });
    })
}

#[test]
fn a_dropped_settle_leaves_nothing() {
    let dropped = cut(async |cut| {
        cut.at(settle()).await;
        assert_eq!(elapsed(), Duration::ZERO);
    });
    assert!(dropped >= 2, "{dropped}");
}

#[test]
fn a_dropped_advance_has_moved_the_clock_as_far_as_it_came() {
    let mut places = Vec::new();
    let dropped = cut(async |cut| {
        let done = cut.at(advance(Duration::from_millis(2500))).await;
        let place = elapsed().as_millis();
        assert!(done.is_none() || place == 2500);
        places.push(place);
    });
    assert!(dropped >= 4 && places.is_sorted(), "{dropped}: {places:?}");
    places.dedup();
    assert_eq!(places, [0, 1000, 2000, 2500]);
}

#[test]
fn a_dropped_advance_to_next_has_moved_it_or_not() {
    let mut places = Vec::new();
    let dropped = cut(async |cut| {
        cut.at(advance_to_next()).await;
        places.push(elapsed().as_secs());
    });
    places.dedup();
    assert!(dropped >= 4 && places == [0, 1], "{dropped}: {places:?}");
}

// ---- elsewhere ------------------------------------------------------------------------------------------------------

#[test]
fn a_real_clock_cannot_be_moved_and_says_so() {
    let message = |code: &dyn Fn()| {
        let payload = catch_unwind(AssertUnwindSafe(code)).expect_err("it should have panicked");
        payload
            .downcast_ref::<String>()
            .cloned()
            .or(payload.downcast_ref::<&str>().map(|text| text.to_string()))
            .unwrap()
    };
    let runtime = Runtime::builder().world(coracle::sys::World::kernel()).build();
    runtime.block_on(async {
        let all: [&dyn Fn(); 5] = [
            &|| drop(settle()),
            &|| drop(advance(SECOND)),
            &|| drop(advance_to_next()),
            &|| drop(hold_clock()),
            &|| assert_eq!(elapsed(), Duration::ZERO),
        ];
        for code in all {
            let message = message(code);
            assert!(message.starts_with("the clock of this runtime is the real one"), "{message}");
        }
        drop(under_way());
    });
    assert!(message(&|| drop(settle())).contains("inside `block_on`"));
}

#[test]
fn a_world_is_paused_once() {
    let world = coracle::sys::World::kernel().paused();
    let runtime = Runtime::builder().world(world.clone().paused()).build();
    runtime.block_on(async { sleep(SECOND).await });
    Runtime::builder().world(world).build().block_on(async { assert_eq!(elapsed(), SECOND) });
}
