//! The limit in real time.

use std::time::Duration;

use coracle::Runtime;
use coracle::sync::remote;
use coracle::sys::World;
use coracle::testing::Trial;

use super::{lines, panic_of};

const LIMIT: Duration = Duration::from_millis(20);

#[test]
fn what_may_yet_be_woken_is_given_up_after_the_limit() {
    let (_sender, receiver) = remote::channel::unbounded::<u8>();
    let line = line!() + 1;
    let text = panic_of(|| Trial::new().limit(LIMIT).run(|| async { receiver.recv().await }));
    let expected = [
        "hung: not done after 20ms; this is what the tasks wait for".to_owned(),
        format!("task 1, spawned at hangs:{line}"),
        format!("    waits for a value in a channel between threads at hangs:{line}"),
    ];
    assert_eq!(lines(&text), expected);
}

#[test]
fn a_program_that_never_rests_is_given_up_too() {
    let runtime = Runtime::builder().hang_after(LIMIT).build();
    let stall = runtime.try_block_on(async {
        loop {
            coracle::task::yield_now().await;
        }
    });
    let stall = stall.map(|()| unreachable!()).unwrap_err();
    assert_eq!(stall.hung(), Some(LIMIT));
    assert!(stall.tasks()[0].ready && stall.tasks()[0].polls > 1);
    assert!(stall.to_string().ends_with("\n    is ready"), "{stall}");
}

#[test]
fn the_limit_is_real_time_whatever_the_clock_of_the_world_is() {
    for world in [World::kernel(), World::kernel().paused()] {
        let runtime = Runtime::builder().world(world).hang_after(LIMIT).build();
        let began = std::time::Instant::now();
        let spawner = runtime.spawner();
        let stall = runtime.try_block_on(std::future::pending::<()>()).unwrap_err();
        assert_eq!(stall.hung(), Some(LIMIT));
        assert!(began.elapsed() >= LIMIT);
        drop(spawner);
    }
}

#[test]
fn within_the_limit_nothing_is_said() {
    let runtime = Runtime::builder().hang_after(Duration::from_secs(60)).build();
    for _ in 0..10 {
        assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
    }
}
