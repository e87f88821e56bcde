//! The verdict on tasks that nothing can wake.

use std::time::Duration;

use coracle::net::UnixStream;
use coracle::sync::{Notify, channel, oneshot};
use coracle::sys::World;
use coracle::task::yield_now;
use coracle::time::sleep;
use coracle::{OnStall, Runtime};

use super::{lines, panic_of, table};

#[test]
fn a_task_that_nobody_wakes_is_named_with_its_line() {
    let runtime = Runtime::new();
    let line = line!() + 1;
    let stall = runtime.try_block_on(async { Notify::new().notified().await }).unwrap_err();
    let expected =
        [format!("task 1, spawned at stalls:{line}"), format!("    waits for a notification at stalls:{line}")];
    assert_eq!(table(&stall), expected);
    assert_eq!((stall.tasks()[0].polls, stall.cycles().len()), (1, 0));
}

#[test]
fn block_on_panics_if_it_is_told_to() {
    let runtime = Runtime::builder().on_stall(OnStall::Panic).build();
    let (_sender, receiver) = oneshot::channel::<()>();
    let text = panic_of(|| runtime.block_on(receiver));
    assert!(text.starts_with("stalled: nothing is ready"), "{text}");
    assert_eq!(runtime.block_on(async { 6 * 7 }), 42, "the runtime goes on");
}

#[test]
fn everything_that_a_select_waits_for_is_shown() {
    let runtime = Runtime::new();
    let line = line!() + 4;
    let stall = runtime.try_block_on(async {
        let (one, other) = (Notify::new(), oneshot::channel::<()>());
        let (_sender, receiver) = other;
        drop(coracle::task::select(one.notified(), receiver).await);
    });
    let expected = [
        format!("task 1, spawned at stalls:{}", line - 3),
        format!("    waits for a notification at stalls:{line}"),
        format!("    waits for the value of a oneshot at stalls:{}", line - 2),
    ];
    assert_eq!(table(&stall.unwrap_err()), expected);
}

#[test]
fn a_name_and_all_tasks_are_in_the_table() {
    let runtime = Runtime::new();
    let line = line!() + 1;
    let stall = runtime.try_block_on(async {
        let (sender, receiver) = channel::bounded::<u8>(1);
        let writer = coracle::task::Builder::new().name("writer").spawn(async move {
            sender.send(1).await.unwrap();
            sender.send(2).await.unwrap();
            sender.send(3).await.unwrap();
        });
        receiver.recv().await.unwrap();
        writer.await.unwrap();
    });
    let expected = [
        format!("task 1, spawned at stalls:{line}"),
        format!("    waits for the end of task 2 at stalls:{}", line + 2),
        format!("task 2 \"writer\", spawned at stalls:{}", line + 2),
        format!("    waits for room in a channel at stalls:{}", line + 5),
    ];
    assert_eq!(table(&stall.unwrap_err()), expected);
}

#[test]
fn a_receiver_that_holds_the_sender_itself_waits_for_ever() {
    let runtime = Runtime::new();
    let stall = runtime.try_block_on(async {
        let (sender, receiver) = channel::unbounded::<u8>();
        sender.send(1).unwrap();
        while receiver.recv().await.is_some() {}
        drop(sender);
    });
    let expected = [
        format!("task 1, spawned at stalls:{}", line!() - 7),
        format!("    waits for a value in a channel at stalls:{}", line!() - 5),
    ];
    assert_eq!(table(&stall.unwrap_err()), expected);
}

#[test]
fn two_tasks_that_each_wait_to_read_from_the_other_stall_in_a_still_world() {
    let runtime = Runtime::builder().world(World::kernel().paused()).build();
    let stall = runtime.try_block_on(async {
        let (one, other) = UnixStream::pair().unwrap();
        let server = coracle::spawn(async move { other.read(&mut [0; 8]).await });
        one.read(&mut [0; 8]).await.unwrap();
        server.await.unwrap().unwrap();
    });
    let stall = stall.unwrap_err();
    let found: Vec<String> = table(&stall).into_iter().map(|line| line.replace(char::is_numeric, "")).collect();
    let expected = [
        "task , spawned at stalls:",
        "    waits for descriptor  to be readable at stalls:",
        "task , spawned at stalls:",
        "    waits for descriptor  to be readable at stalls:",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_joined_futures_and_children_of_a_scope_wait_for_is_known() {
    let runtime = Runtime::new();
    let (one, other) = (Notify::new(), Notify::new());
    let stall = runtime.try_block_on(coracle::task::join_all([one.notified(), other.notified()])).unwrap_err();
    let line = line!() - 1;
    let expected = [
        format!("task 1, spawned at stalls:{line}"),
        format!("    waits for a notification at stalls:{line}"),
        format!("    waits for a notification at stalls:{line}"),
        format!("    waits for the futures of a join at stalls:{line}"),
    ];
    assert_eq!(table(&stall), expected);

    let scoped = runtime.try_block_on(coracle::scope::scope(async |s| {
        let child = s.spawn(async { one.notified().await });
        child.await;
    }));
    let said: Vec<String> = table(&scoped.unwrap_err()).into_iter().skip(1).collect();
    let expected = [
        format!("    waits for a child of a scope at stalls:{}", line!() - 5),
        format!("    waits for a notification at stalls:{}", line!() - 6),
        format!("    waits for a child of a scope at stalls:{}", line!() - 8),
    ];
    assert_eq!(said, expected);
}

#[test]
fn there_is_no_stall_while_another_task_sleeps() {
    let runtime = Runtime::builder().world(World::kernel().paused()).build();
    let began = runtime.now();
    let stall = runtime.try_block_on(async {
        drop(coracle::spawn(async { sleep(Duration::from_secs(3600)).await }));
        Notify::new().notified().await;
    });
    assert_eq!(stall.unwrap_err().tasks().len(), 1, "the sleeper has ended");
    assert_eq!(runtime.now() - began, Duration::from_secs(3600));
}

#[test]
fn it_says_how_long_by_the_clock_of_the_world() {
    let runtime = Runtime::builder().world(World::kernel().paused()).build();
    let stall = runtime.try_block_on(async {
        drop(coracle::spawn(async { sleep(Duration::from_secs(90)).await }));
        // Polled now and then, and waits for one and the same all the time.
        let notify = Notify::new();
        let mut waiting = std::pin::pin!(notify.notified());
        std::future::poll_fn(move |cx| waiting.as_mut().poll(cx)).await;
    });
    let stall = stall.unwrap_err();
    assert_eq!(stall.tasks()[0].waits[0].time, Duration::from_secs(90));
    assert!(stall.to_string().ends_with(", for 90s"), "{stall}");
}

#[test]
fn the_panic_that_nobody_awaited_is_in_the_table() {
    let runtime = Runtime::builder().panic_policy(coracle::PanicPolicy::Log).build();
    let stall = runtime.try_block_on(async {
        let (sender, receiver) = oneshot::channel::<u8>();
        let (never, kept) = (Notify::new(), sender);
        drop(coracle::spawn(async { panic!("out of luck") }));
        yield_now().await;
        never.notified().await;
        drop((kept, receiver));
    });
    let text = stall.unwrap_err().to_string();
    assert!(text.ends_with("\ntask 2 panicked, and nobody has awaited it: out of luck"), "{text}");
}

#[test]
fn tasks_that_waited_before_it_was_asked_are_judged_as_well() {
    let runtime = Runtime::new();
    let task = runtime.spawn(async { Notify::new().notified().await });
    runtime.block_on(async { yield_now().await });
    let stall = runtime.try_block_on(task).unwrap_err();
    assert_eq!(stall.tasks().len(), 2);
    assert_eq!(lines(&stall.to_string()).len(), 5);
}

#[test]
fn after_a_stall_the_runtime_goes_on() {
    let runtime = Runtime::new();
    let (sender, receiver) = oneshot::channel::<u8>();
    let task = runtime.spawn(receiver);
    assert!(runtime.try_block_on(std::future::pending::<()>()).is_err());
    sender.send(7).unwrap();
    assert_eq!(runtime.try_block_on(task).unwrap().unwrap(), Ok(7));
}

#[test]
fn a_stall_is_found_under_every_order_of_tasks() {
    for seed in 1..30 {
        let choices = coracle::testing::Choices::seeded(seed);
        let world = World::kernel().paused().hostile(&choices);
        let runtime = Runtime::builder().world(world).choices(choices).build();
        let stall = runtime.try_block_on(async {
            let (one, other) = UnixStream::pair().unwrap();
            let task = coracle::spawn(async move {
                other.write_all(b"once").await.unwrap();
                other.read(&mut [0; 8]).await
            });
            one.read_exact(&mut [0; 4]).await.unwrap();
            one.read(&mut [0; 8]).await.unwrap();
            drop(task);
        });
        assert_eq!(stall.unwrap_err().tasks().len(), 2, "seed {seed}");
    }
}
