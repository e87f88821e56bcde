//! Timers that share a wake-up: how late that makes them, and whom it does not concern. In virtual time, where each moment
//! is exact.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use coracle::sys::World;
use coracle::time::{now, sleep, sleep_until};
use coracle::{Runtime, RuntimeBuilder, blocking};

const MILLI: Duration = Duration::from_millis(1);

fn paused() -> RuntimeBuilder {
    Runtime::builder().world(World::kernel().paused())
}

/// Sleeps as many microseconds as each of these says, and gives which ended after how many, in order of time.
fn ends(builder: RuntimeBuilder, micros: &[u64]) -> Vec<(usize, u64)> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    builder.build().block_on(async {
        let begin = now();
        let mut tasks = Vec::new();
        for (index, micros) in micros.iter().copied().enumerate() {
            let seen = seen.clone();
            tasks.push(coracle::spawn(async move {
                sleep_until(begin + Duration::from_micros(micros)).await;
                seen.borrow_mut().push((index, (now() - begin).as_micros() as u64));
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    let mut ends = seen.take();
    // Of those that end at once any may run first, if choices decide it.
    ends.sort_by_key(|(index, end)| (*end, micros[*index]));
    ends
}

#[test]
fn timers_that_are_due_close_together_fire_together() {
    let ends = ends(paused().coalesce(MILLI), &[10_000, 10_400, 10_900, 30_000]);
    assert_eq!(ends, [(0, 11_000), (1, 11_000), (2, 11_000), (3, 30_000)], "and one that is alone at its time");
}

/// The time that they wait counts from the first of them: none is later than that because of a chain of others.
#[test]
fn a_chain_of_timers_does_not_make_the_first_later() {
    let ends = ends(paused().coalesce(MILLI), &[10_000, 10_900, 11_800, 12_700]);
    assert_eq!(ends, [(0, 11_000), (1, 11_000), (2, 12_800), (3, 12_800)]);
}

/// Whoever moves the clock counts on each moment, so nothing is shared there unless it was asked for.
#[test]
fn in_virtual_time_each_timer_has_its_own_moment() {
    let each = [(0, 10_000), (1, 10_001), (2, 10_002)];
    assert_eq!(ends(paused(), &[10_000, 10_001, 10_002]), each);
    assert_eq!(ends(paused().coalesce(Duration::ZERO), &[10_000, 10_001, 10_002]), each);
}

/// Never early, at most so much late, and none before one that is due earlier.
#[test]
fn timers_that_share_keep_their_order_and_are_not_early() {
    let micros: Vec<u64> = (0..2_000u64).map(|index| 1_000 + index * 7_919 % 50_021).collect();
    let ends = ends(paused().coalesce(MILLI / 2), &micros);
    let deadlines: Vec<u64> = ends.iter().map(|(index, _)| micros[*index]).collect();
    assert!(deadlines.is_sorted());
    for ((_, end), deadline) in ends.iter().zip(deadlines) {
        assert!((deadline..=deadline + 500).contains(end), "{deadline} at {end}");
    }
    let mut moments: Vec<u64> = ends.iter().map(|(_, end)| *end).collect();
    moments.dedup();
    assert!(moments.len() <= 102, "{} wake-ups in fifty milliseconds", moments.len());
}

/// Without a limit, those that are not alone wait for whatever wakes the runtime; then they are over.
#[test]
fn timers_that_wait_for_each_other_without_a_limit_are_over_at_the_next_event() {
    let runtime = Runtime::builder().coalesce(Duration::MAX).build();
    runtime.block_on(async {
        sleep(MILLI).await;
        let both = coracle::spawn(async { coracle::task::join((sleep(MILLI), sleep(MILLI * 2))).await });
        blocking::submit(|| std::thread::sleep(MILLI * 20)).await.unwrap();
        both.await.unwrap();
    });
}
