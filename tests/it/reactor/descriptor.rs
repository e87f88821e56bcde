//! `Runtime::descriptor`: readable if and only if a turn has something to do, for a loop that is not ours.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc;
use std::task::Waker;
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream};
use coracle::time::sleep;
use coracle::{Budget, Runtime};

use super::{poll_read, register, settle, stream};
use crate::support::poll_once;

/// Whether poll(2) calls it readable within this time.
pub(super) fn is_readable(descriptor: impl AsFd, within: Duration) -> bool {
    let mut poll = libc::pollfd { fd: descriptor.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd.
    let ready = unsafe { libc::poll(&mut poll, 1, within.as_millis() as libc::c_int) };
    assert!(ready >= 0);
    ready == 1
}

const NOW: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(5);

#[test]
fn it_is_silent_before_anything_was_done() {
    let runtime = Runtime::new();
    let descriptor = runtime.descriptor().unwrap();
    assert!(!is_readable(descriptor, NOW));
    settle(&runtime);
    assert!(!is_readable(descriptor, Duration::from_millis(20)));
}

#[test]
fn a_spawn_outside_of_a_turn_makes_it_readable_and_the_turn_silent() {
    let runtime = Runtime::new();
    drop(runtime.spawn(async {}));
    let descriptor = runtime.descriptor().unwrap();
    assert!(is_readable(descriptor, NOW), "work that was there before it was asked for");
    settle(&runtime);
    assert!(!is_readable(descriptor, NOW));
    drop(runtime.spawn(async {}));
    assert!(is_readable(descriptor, NOW));
    settle(&runtime);
    assert!(!is_readable(descriptor, NOW));
}

#[test]
fn it_stays_readable_while_a_turn_leaves_tasks_behind() {
    let runtime = Runtime::new();
    let descriptor = runtime.descriptor().unwrap();
    for _ in 0..3 {
        drop(runtime.spawn(async {}));
    }
    for left in (0..3).rev() {
        assert!(is_readable(descriptor, NOW));
        let turn = runtime.turn(Budget { polls: 1, ..Budget::no_wait() }).unwrap();
        assert_eq!(turn.more, left > 0);
    }
    assert!(!is_readable(descriptor, NOW));
}

#[test]
fn a_wake_an_abort_and_a_spawn_from_another_thread_make_it_readable() {
    let runtime = Runtime::new();
    let descriptor = runtime.descriptor().unwrap();
    let (tell, told) = mpsc::channel();
    let task = runtime.spawn(std::future::poll_fn(move |cx| {
        tell.send(cx.waker().clone()).unwrap();
        std::task::Poll::<()>::Pending
    }));
    settle(&runtime);
    let (waker, abort, spawner) = (told.recv().unwrap(), task.abort_handle(), runtime.spawner());
    let acts: [Box<dyn FnOnce() + Send>; 3] = [
        Box::new(move || waker.wake()),
        Box::new(move || abort.abort()),
        Box::new(move || drop(spawner.spawn(|| async {}).unwrap())),
    ];
    for act in acts {
        assert!(!is_readable(descriptor, NOW));
        std::thread::spawn(act).join().unwrap();
        assert!(is_readable(descriptor, NOW));
        settle(&runtime);
    }
    assert!(!is_readable(descriptor, NOW));
}

#[test]
fn a_wake_on_the_own_thread_outside_of_a_turn_makes_it_readable() {
    let runtime = Runtime::new();
    let descriptor = runtime.descriptor().unwrap();
    let (sender, receiver) = coracle::sync::oneshot::channel::<()>();
    let task = runtime.spawn(receiver);
    settle(&runtime);
    assert!(!is_readable(descriptor, NOW));
    sender.send(()).unwrap();
    assert!(is_readable(descriptor, NOW));
    settle(&runtime);
    assert!(task.is_finished() && !is_readable(descriptor, NOW));
}

#[test]
fn bytes_that_arrive_make_it_readable() {
    let runtime = Runtime::new();
    let descriptor = runtime.descriptor().unwrap();
    let (ours, mut theirs) = stream(&runtime);
    register(&runtime, &ours);
    settle(&runtime);
    for _ in 0..3 {
        assert!(!is_readable(descriptor, NOW));
        theirs.write_all(b"x").unwrap();
        assert!(is_readable(descriptor, SOON));
        settle(&runtime);
        runtime.enter(|| assert_eq!(poll_read(&ours, Waker::noop()), Some(b"x".to_vec())));
    }
}

#[test]
fn a_timer_that_is_due_makes_it_readable_and_not_before() {
    let runtime = Runtime::new();
    let descriptor = runtime.descriptor().unwrap();
    let task = runtime.spawn(async { sleep(Duration::from_millis(30)).await });
    let begin = std::time::Instant::now();
    settle(&runtime);
    assert!(is_readable(descriptor, SOON));
    assert!(begin.elapsed() >= Duration::from_millis(30));
    settle(&runtime);
    assert!(task.is_finished() && !is_readable(descriptor, NOW));
}

#[test]
fn a_timer_that_is_set_outside_of_a_turn_makes_it_readable() {
    let runtime = Runtime::new();
    let descriptor = runtime.descriptor().unwrap();
    settle(&runtime);
    let mut sleeping = runtime.enter(|| sleep(Duration::from_millis(30)));
    assert!(runtime.enter(|| poll_once(&mut sleeping)).is_pending());
    assert!(is_readable(descriptor, SOON));
    assert_eq!(runtime.turn(Budget::no_wait()).unwrap().expired, 1);
}

#[test]
fn a_timer_that_was_taken_back_leaves_it_silent() {
    let runtime = Runtime::new();
    let descriptor = runtime.descriptor().unwrap();
    let mut sleeping = runtime.enter(|| sleep(Duration::from_millis(50)));
    assert!(runtime.enter(|| poll_once(&mut sleeping)).is_pending());
    drop(sleeping);
    assert!(!is_readable(descriptor, Duration::from_millis(120)), "there is nothing to do");
}

/// A program runs to its end with nothing but poll(2) and turns that never sleep.
#[test]
fn poll_and_turns_alone_drive_an_echo_to_its_end() {
    let runtime = Runtime::new();
    let program = runtime.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = coracle::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            loop {
                match stream.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => stream.write_all(&buffer[..count]).await.unwrap(),
                }
            }
        });
        let client = TcpStream::connect(address).await.unwrap();
        for round in 0..200u8 {
            client.write_all(&[round; 100]).await.unwrap();
            let mut answer = [0; 100];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, [round; 100]);
            if round % 20 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        drop(client);
        server.await.unwrap();
    });
    let descriptor = runtime.descriptor().unwrap();
    while !program.is_finished() {
        assert!(is_readable(descriptor, SOON), "silent, and not done: {:#?}", runtime.inspect());
        runtime.turn(Budget::no_wait()).unwrap();
    }
    settle(&runtime);
    assert!(!is_readable(descriptor, NOW));
    runtime.block_on(program).unwrap();
}
