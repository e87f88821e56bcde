//! What a paused world cannot know: other processes, other threads, other loops. It waits for them in real time, and
//! then jumps.

use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use coracle::net::{Async, TcpListener, TcpStream, UnixListener, UnixStream};
use coracle::sys::World;
use coracle::testing::{advance, elapsed, foreign_sources, set_patience, settle};
use coracle::time::{sleep, timeout};
use coracle::{Budget, Runtime, process};

use super::clock_jumps::paused;

const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a jump waits at least while something foreign is registered.
const PATIENCE: Duration = Duration::from_millis(50);

/// Whoever is to be heard is heard within that time, however busy the machine is.
const LONG: Duration = Duration::from_secs(5);

/// Not at once.
const SOON: Duration = Duration::from_millis(5);

#[test]
fn a_client_of_another_thread_is_waited_for() {
    paused().block_on(async {
        set_patience(LONG);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            for number in 0..10 {
                std::thread::sleep(SOON);
                stream.write_all(&[number]).unwrap();
                stream.read_exact(&mut [0]).unwrap();
            }
        });
        // The listener counts as known to this world only, so the client has to be there.
        let (stream, _) = listener.accept().await.unwrap();
        for number in 0..10 {
            let mut byte = [0];
            timeout(TIMEOUT, stream.read_exact(&mut byte)).await.expect("it was about to send").unwrap();
            stream.write_all(&byte).await.unwrap();
            assert_eq!(byte, [number]);
        }
        thread.join().unwrap();
        assert_eq!(elapsed(), Duration::ZERO);
        let sources = foreign_sources();
        assert!(sources.len() == 1 && sources[0].contains("the connection from 127.0.0.1:"), "{sources:?}");
    });
}

#[test]
fn one_that_stays_silent_is_waited_for_a_while_and_named_once() {
    let (begin, runtime) = (Instant::now(), paused());
    runtime.block_on(async {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        for round in 1..=3 {
            assert!(timeout(TIMEOUT, stream.read(&mut [0])).await.is_err());
            assert_eq!(elapsed(), TIMEOUT * round);
        }
        assert_eq!(foreign_sources().len(), 1, "{:?}", foreign_sources());
        // With it, what was foreign goes.
        drop(stream);
        let begin = Instant::now();
        for _ in 0..1000 {
            sleep(TIMEOUT).await;
        }
        assert!(begin.elapsed() < PATIENCE * 100);
    });
    assert!(PATIENCE * 3 <= begin.elapsed() && begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

/// What `make` makes is waited for in real time, whatever the deadline, and is called so.
fn is_foreign(called: &str, make: impl FnOnce() -> Waiting) {
    paused().block_on(async {
        let begin = Instant::now();
        assert!(timeout(TIMEOUT, make()).await.is_err(), "{called}");
        assert!(begin.elapsed() >= PATIENCE, "{called}: nobody waited for it");
        assert!(foreign_sources()[0].contains(called), "{:?}", foreign_sources());
    });
}

#[test]
fn what_this_world_has_not_made_is_foreign() {
    is_foreign("which this world has not made", || {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let one = Async::new(one).unwrap();
        Box::pin(async move {
            let _ = one.read_with(|mut one| one.read(&mut [0])).await;
            drop(other);
        })
    });
    is_foreign("whose other end is elsewhere", || {
        let (one, other) = UnixStream::pair().unwrap();
        let other = other.into_std();
        Box::pin(async move {
            let _ = one.read(&mut [0]).await;
            drop(other);
        })
    });
    is_foreign("the listener on 0.0.0.0", || {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        Box::pin(async move { drop(listener.accept().await) })
    });
    is_foreign("which this world has not made", || {
        let mut child = process::Command::new("sleep").arg("20").kill_on_drop(true).spawn().unwrap();
        Box::pin(async move { drop(child.wait().await) })
    });
}

#[test]
fn a_unix_client_of_another_thread_is_foreign_and_one_of_ours_is_not() {
    let path = std::env::temp_dir().join(format!("coracle-foreign-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    paused().block_on(async {
        let listener = UnixListener::bind(&path).unwrap();
        let ours = UnixStream::connect(&path).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let begin = Instant::now();
        for _ in 0..1000 {
            assert!(timeout(TIMEOUT, server.read(&mut [0])).await.is_err());
            assert!(timeout(TIMEOUT, ours.read(&mut [0])).await.is_err());
        }
        assert!(begin.elapsed() < PATIENCE * 100);
        let _theirs = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let begin = Instant::now();
        assert!(timeout(TIMEOUT, server.read(&mut [0])).await.is_err());
        assert!(begin.elapsed() >= PATIENCE);
        assert_eq!(foreign_sources(), ["a connection that somebody else made"]);
    });
    std::fs::remove_file(&path).unwrap();
}

/// A descriptor that was sent away has a duplicate somewhere, which nobody here sees.
#[test]
fn the_peer_of_a_descriptor_that_was_sent_away_is_foreign() {
    paused().block_on(async {
        let (one, other) = UnixStream::pair().unwrap();
        let (courier, receiver) = UnixStream::pair().unwrap();
        courier.send_with_fds(b"x", &[other.as_fd()]).await.unwrap();
        drop(other);
        let begin = Instant::now();
        assert!(timeout(TIMEOUT, one.read(&mut [0])).await.is_err());
        assert!(begin.elapsed() >= PATIENCE, "its duplicate could have sent something");
        drop(receiver);
    });
}

#[test]
fn a_child_process_ends_in_time() {
    paused().block_on(async {
        set_patience(LONG);
        let mut child = process::Command::new("true").spawn().unwrap();
        assert!(timeout(TIMEOUT, child.wait()).await.expect("it ends at once").unwrap().success());
        assert_eq!(elapsed(), Duration::ZERO);
    });
}

// ---- other threads --------------------------------------------------------------------------------------------------

/// With nothing to jump to, and with a job under way, a wake from another thread is heard at once.
#[test]
fn a_spawner_on_another_thread_is_heard() {
    paused().block_on(async {
        let (sender, receiver) = coracle::sync::remote::oneshot::channel();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(SOON);
            sender.send(7).unwrap();
        });
        assert_eq!(receiver.await, Ok(7), "without a deadline it waits for ever");
        thread.join().unwrap();
        assert_eq!(elapsed(), Duration::ZERO);
    });
    let runtime = paused();
    let spawner = runtime.spawner();
    let thread = std::thread::spawn(move || {
        let handles: Vec<_> = (0..100).map(|number| spawner.spawn(move || async move { number }).unwrap()).collect();
        handles.into_iter().map(|handle| coracle::block_on(handle).unwrap()).sum::<i32>()
    });
    runtime.block_on(async {
        while !thread.is_finished() {
            sleep(Duration::from_nanos(1)).await;
        }
    });
    assert_eq!(thread.join().unwrap(), 4950);
}

/// What a thread has sent is not overtaken: if the clock shows that it has moved after the wake was sent, the task that
/// was woken runs first.
#[test]
fn no_wake_is_lost_or_overtaken_between_jumps() {
    let runtime = paused();
    let (asked, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let spawner = runtime.spawner();
    let (ask, answer) = (asked.clone(), answered.clone());
    let thread = std::thread::spawn(move || {
        for _ in 0..200 {
            let answer = answer.clone();
            // It has returned: it was sent.
            let handle = spawner.spawn(move || async move { answer.store(true, Ordering::SeqCst) }).unwrap();
            ask.store(true, Ordering::SeqCst);
            coracle::block_on(handle).unwrap();
            while ask.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        }
    });
    runtime.block_on(async {
        while !thread.is_finished() {
            let sent = asked.load(Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            if sent {
                assert!(answered.swap(false, Ordering::SeqCst), "the clock has overtaken a wake");
                asked.store(false, Ordering::SeqCst);
            }
        }
    });
    thread.join().unwrap();
}

/// Two runtimes over one world, on two threads: the clock moves when both wait, to the first deadline of both.
#[test]
fn two_runtimes_on_two_threads_share_a_clock() {
    let world = World::kernel().paused();
    let (send_address, address) = std::sync::mpsc::channel();
    let begin = Instant::now();
    let server_world = world.clone();
    let server = std::thread::spawn(move || {
        Runtime::builder().world(server_world).build().block_on(async {
            set_patience(LONG);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            send_address.send(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).await.is_ok() {
                // It thinks for a second.
                sleep(Duration::from_secs(1)).await;
                stream.write_all(&byte).await.unwrap();
            }
            elapsed()
        })
    });
    let address = address.recv().unwrap();
    let asked = Runtime::builder().world(world).build().block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        for round in 0..200u8 {
            stream.write_all(&[round]).await.unwrap();
            let mut byte = [0];
            timeout(Duration::from_millis(1001), stream.read_exact(&mut byte)).await.expect("in time").unwrap();
        }
        assert_eq!(elapsed(), Duration::from_secs(200));
        elapsed()
    });
    assert_eq!(server.join().unwrap(), asked);
    assert!(begin.elapsed() < Duration::from_secs(5), "they waited for each other: {:?}", begin.elapsed());
}

/// A runtime inside of a task of another one, on one thread: the outer one cannot do anything meanwhile.
#[test]
fn a_nested_runtime_does_not_wait_for_the_outer_one() {
    let begin = Instant::now();
    let world = World::kernel().paused();
    let inner = world.clone();
    Runtime::builder().world(world).build().block_on(async move {
        sleep(Duration::from_secs(1)).await;
        let runtime = Runtime::builder().world(inner).build();
        runtime.block_on(async {
            for _ in 0..1000 {
                sleep(Duration::from_secs(1)).await;
            }
        });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(elapsed(), Duration::from_secs(1002));
    });
    assert!(begin.elapsed() < Duration::from_secs(5));
}

// ---- loops outside --------------------------------------------------------------------------------------------------

/// Whether it is readable within that time.
fn is_readable(runtime: &Runtime, within: Duration) -> bool {
    let descriptor = runtime.descriptor().unwrap();
    let mut poll = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which lives to the end of the call.
    unsafe { libc::poll(&mut poll, 1, within.as_millis() as libc::c_int) == 1 }
}

#[test]
fn a_loop_outside_is_told_after_a_while_and_the_clock_has_jumped() {
    let runtime = paused();
    let begin = (Instant::now(), runtime.now());
    let task = runtime.spawn(async {
        sleep(Duration::from_secs(3600)).await;
        sleep(Duration::from_secs(3600)).await;
    });
    let mut turns = 0;
    while !task.is_finished() {
        assert!(is_readable(&runtime, Duration::from_secs(10)), "the descriptor was silent");
        runtime.turn(Budget::no_wait()).unwrap();
        turns += 1;
    }
    assert_eq!(runtime.now() - begin.1, Duration::from_secs(7200));
    assert!(begin.0.elapsed() >= PATIENCE * 2 && turns < 50, "{turns} turns in {:?}", begin.0.elapsed());
}

/// A turn that may wait moves the clock by what it may wait, and no further.
#[test]
fn a_turn_that_may_wait_moves_the_clock_so_far() {
    let runtime = paused();
    let task = runtime.spawn(async { sleep(Duration::from_millis(25)).await });
    let begin = runtime.now();
    let may_wait = Budget { wait: Some(Duration::from_millis(10)), ..Budget::no_wait() };
    for passed in [10, 20, 25] {
        assert!(!task.is_finished());
        runtime.turn(may_wait).unwrap();
        assert_eq!(runtime.now() - begin, Duration::from_millis(passed));
    }
    runtime.turn(Budget::no_wait()).unwrap();
    assert!(task.is_finished());
    assert_eq!(runtime.now() - begin, Duration::from_millis(25), "without a wait no time passes");
}

/// Foreign sources are waited for by settle and advance too.
#[test]
fn settle_waits_for_what_is_foreign() {
    paused().block_on(async {
        set_patience(LONG);
        let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
        let one = UnixStream::from_std(one).unwrap();
        let task = coracle::spawn(async move { one.read(&mut [0]).await });
        coracle::task::yield_now().await;
        let thread = std::thread::spawn(move || {
            std::thread::sleep(SOON);
            other.write_all(b"x").unwrap();
            other
        });
        settle().await;
        assert!(task.is_finished());
        let _other = thread.join().unwrap();
        set_patience(Duration::ZERO);
        advance(TIMEOUT).await;
        assert_eq!(elapsed(), TIMEOUT);
    });
}
