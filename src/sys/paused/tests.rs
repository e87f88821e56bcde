//! What programs cannot see: when the world says that it is still, and pollers without a runtime.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Family, Kind, World, WorldPoller};

const SECOND: Duration = Duration::from_secs(1);

fn wait(poller: &WorldPoller, time: Option<Duration>) -> usize {
    let mut events = Vec::new();
    poller.wait(&mut events, time).unwrap();
    events.len()
}

fn passed(world: &World) -> Duration {
    world.clock().unwrap().passed()
}

#[test]
fn it_is_still_when_nothing_can_become_ready() {
    let world = World::kernel().paused();
    assert!(world.is_still());
    let poller = world.poller().unwrap();
    let (one, other) = world.socket_pair(Kind::Stream).unwrap();
    poller.add(one.as_fd(), 1).unwrap();
    assert!(!world.is_still(), "it is writable, which nobody has heard yet");
    wait(&poller, Some(Duration::ZERO));
    assert!(world.is_still());
    world.send(other.as_fd(), b"x").unwrap();
    assert!(!world.is_still());
    assert!(!world.is_still(), "to be asked took nothing away");
    assert_eq!(wait(&poller, Some(Duration::ZERO)), 1);
    let job = world.job();
    assert!(!world.is_still());
    drop(job);
    poller.notify().unwrap();
    assert!(!world.is_still());
    wait(&poller, Some(Duration::ZERO));
    assert!(world.is_still());
    let (adopted, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    world.set_nonblocking(adopted.as_fd()).unwrap();
    poller.add(adopted.as_fd(), 2).unwrap();
    wait(&poller, Some(Duration::ZERO));
    assert!(!world.is_still(), "nobody knows what its peer will do");
    poller.remove(adopted.as_fd()).unwrap();
    assert!(world.is_still());
    world.release(other.as_fd());
    assert!(!world.is_still());
}

#[test]
fn a_poller_that_is_gone_takes_its_descriptors_along() {
    let world = World::kernel().paused();
    let socket = world.socket(Family::V4, Kind::Datagram).unwrap();
    let poller = world.poller().unwrap();
    poller.add(socket.as_fd(), 1).unwrap();
    wait(&poller, Some(Duration::ZERO));
    assert!(!world.is_still(), "it is bound to nothing: anybody may send to it");
    drop(poller);
    assert!(world.is_still());
}

#[test]
fn a_wait_moves_the_clock_by_what_it_may_last() {
    let world = World::kernel().paused();
    let poller = world.poller().unwrap();
    let begin = Instant::now();
    for round in 1..=100 {
        assert_eq!(wait(&poller, Some(SECOND)), 0);
        assert_eq!(passed(&world), SECOND * round);
    }
    poller.notify().unwrap();
    wait(&poller, Some(SECOND));
    assert_eq!(passed(&world), SECOND * 100, "a notification ends a wait, and no time has passed");
    wait(&poller, Some(SECOND));
    assert_eq!(passed(&world), SECOND * 101, "it counted twice");
    wait(&poller, Some(Duration::from_nanos(1)));
    wait(&poller, Some(Duration::MAX));
    wait(&poller, Some(Duration::MAX));
    assert!(begin.elapsed() < SECOND * 5);
}

/// Many threads, each with a poller and periods of its own: no wait ends early, and none late.
#[test]
fn pollers_of_many_threads_wake_at_their_times() {
    let world = World::kernel().paused();
    world.clock().unwrap().set_patience(SECOND);
    let begin = Instant::now();
    // All are there before the first one waits: else it would not wait for the others.
    let all = Arc::new(std::sync::Barrier::new(4));
    let threads: Vec<_> = [2, 3, 5, 7]
        .map(|period| {
            let (world, all) = (world.clone(), all.clone());
            std::thread::spawn(move || {
                let poller = world.poller().unwrap();
                all.wait();
                for round in 1..=50 {
                    wait(&poller, Some(SECOND * period));
                    assert_eq!(passed(&world), SECOND * period * round, "with a period of {period} s");
                }
            })
        })
        .into_iter()
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(passed(&world), SECOND * 350);
    assert!(begin.elapsed() < SECOND * 5, "{:?}", begin.elapsed());
}

/// A thread that has a poller and does something else keeps the others for a while, not for ever.
#[test]
fn a_thread_that_never_waits_does_not_stop_the_clock() {
    let world = World::kernel().paused();
    let poller = world.poller().unwrap();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let poller = world.poller().unwrap();
            wait(&poller, Some(SECOND));
            assert!(begin.elapsed() >= Duration::from_millis(500), "it could have come back");
        });
    });
    assert!(passed(&world) == SECOND && begin.elapsed() < SECOND * 5);
    drop(poller);
}

/// The real deadline of a job: its end alone ends the wait, which is then as long as it was to be.
#[test]
fn the_end_of_a_job_is_heard_by_whoever_waits() {
    let world = World::kernel().paused();
    let poller = world.poller().unwrap();
    for _ in 0..200 {
        let job = world.job();
        let thread = std::thread::spawn(move || drop(job));
        let before = passed(&world);
        wait(&poller, Some(SECOND));
        assert_eq!(passed(&world) - before, SECOND);
        thread.join().unwrap();
    }
}

/// A failure of the wait below comes through, and does no harm.
#[test]
fn an_error_of_the_wait_below_is_passed_on() {
    use super::super::{Call, Hook};
    use std::sync::atomic::{AtomicBool, Ordering};
    #[derive(Default)]
    struct Failing(AtomicBool);
    impl Hook for Failing {
        fn before(&self, call: Call, _: Option<i32>) -> io::Result<()> {
            let fails = call == Call::Wait && self.0.load(Ordering::SeqCst);
            if fails { Err(io::Error::from_raw_os_error(libc::ENOMEM)) } else { Ok(()) }
        }
    }
    let failing = Arc::new(Failing::default());
    let world = World::kernel().hooked(failing.clone()).paused();
    let poller = world.poller().unwrap();
    failing.0.store(true, Ordering::SeqCst);
    let error = poller.wait(&mut Vec::new(), Some(SECOND)).unwrap_err();
    assert_eq!((error.raw_os_error(), passed(&world)), (Some(libc::ENOMEM), Duration::ZERO));
    failing.0.store(false, Ordering::SeqCst);
    wait(&poller, Some(SECOND));
    assert_eq!(passed(&world), SECOND);
}

/// On other systems `transit.rs` knows nothing.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_tcp_keeps_back_is_not_still() {
    let world = World::kernel().paused();
    let listener = world.socket(Family::V4, Kind::Stream).unwrap();
    world.bind(listener.as_fd(), std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    world.listen(listener.as_fd(), 16).unwrap();
    let address = world.local_address(listener.as_fd()).unwrap();
    let client = world.socket(Family::V4, Kind::Stream).unwrap();
    let _ = world.connect(client.as_fd(), address);
    let (server, _) = world.accept(listener.as_fd()).unwrap();
    assert!(world.is_still());
    // Until the peer no longer acknowledges at once, so that a second piece has to wait for that.
    let (mut buffer, mut kept) = ([0; 64], 0);
    for _ in 0..100 {
        world.send(client.as_fd(), b"one").unwrap();
        world.send(client.as_fd(), b"two").unwrap();
        let mut count = world.receive(server.as_fd(), &mut buffer, false).unwrap();
        if count < 6 {
            kept += 1;
            assert!(!world.is_still(), "the second piece is on its way");
            let begin = Instant::now();
            while !world.is_still() {
                assert!(begin.elapsed() < SECOND * 5);
                std::thread::yield_now();
            }
            count += world.receive(server.as_fd(), &mut buffer, false).unwrap_or(0);
        }
        assert_eq!(count, 6);
        world.send(server.as_fd(), b"answer").unwrap();
        world.receive(client.as_fd(), &mut buffer, false).unwrap();
        if kept == 3 {
            return;
        }
    }
    panic!("the kernel kept nothing back");
}
