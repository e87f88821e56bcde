//! Pollers: what ends a wait, what does not, and what the poller's own descriptor says of it.
//!
//! | symptom, if it were otherwise                                  | seen in            |
//! |----------------------------------------------------------------|--------------------|
//! | a notification is lost between two threads                     | mio#1470           |
//! | a wait ends early, and the loop spins for the rest of the time  | smol#109, mio#1614 |
//! | a signal surfaces as an error                                  | mio#494, mio#742   |

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::super::{Event, Readiness, WorldPoller};
use super::{LONG, alone, becomes, in_each_kernel, in_each_world, is_silent, pair, settle, shows, wait};

const READ: Readiness = Readiness::READ;
const WRITE: Readiness = Readiness::WRITE;

/// Longer than a wait that is not to last at all could take, on a busy machine.
const MOMENT: Duration = Duration::from_secs(1);

/// Whether the poller's descriptor is readable now.
fn rings(poller: &WorldPoller) -> bool {
    becomes(poller.as_fd(), libc::POLLIN, Duration::ZERO)
}

// ---- how a wait ends ------------------------------------------------------------------------------------------------

#[test]
fn a_notification_from_another_thread_ends_a_wait() {
    in_each_world(|world| {
        let (poller, _job) = (world.poller().unwrap(), world.job());
        // Once it comes about when the wait begins, once most likely in its midst: it ends the wait in any case.
        for delay in [Duration::ZERO, Duration::from_millis(20)] {
            let notifier = poller.notifier();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    std::thread::sleep(delay);
                    notifier.notify().unwrap();
                });
                let begin = world.now();
                assert!(wait(&poller, LONG).is_empty(), "a notification is no event");
                assert!((world.now() - begin) < LONG);
            });
        }
    });
}

#[test]
fn many_notifications_before_a_wait_end_that_one_only() {
    in_each_world(|world| {
        let poller = world.poller().unwrap();
        for round in 0..3 {
            for _ in 0..=round * 500 {
                poller.notifier().notify().unwrap();
            }
            let begin = world.now();
            assert!(wait(&poller, LONG).is_empty());
            assert!((world.now() - begin) < MOMENT, "the notifications were lost");
            let begin = world.now();
            assert!(wait(&poller, Duration::from_millis(5)).is_empty());
            assert!((world.now() - begin) >= Duration::from_millis(5), "a notification counted twice");
        }
    });
}

/// The handshake of a sleeper and its wakers, many times: what is written before `notify` is seen after the wait.
#[test]
fn no_notification_is_lost_between_two_threads() {
    const ROUNDS: usize = 2000;
    in_each_world(|world| {
        let (poller, _job) = (world.poller().unwrap(), world.job());
        let (asked, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let notifier = poller.notifier();
            scope.spawn(|| {
                let notifier = notifier;
                for round in 1..=ROUNDS {
                    asked.store(round, Ordering::SeqCst);
                    notifier.notify().unwrap();
                    while seen.load(Ordering::SeqCst) < round {
                        std::thread::yield_now();
                    }
                }
            });
            // Every wait ends by a notification: there is nothing else, and there are never two at once.
            for round in 1..=ROUNDS {
                let begin = world.now();
                wait(&poller, LONG);
                // Set free whoever waits for us, before anything is asserted.
                let found = asked.load(Ordering::SeqCst);
                let good = found == round && (world.now() - begin) < LONG;
                seen.store(if good { round } else { ROUNDS }, Ordering::SeqCst);
                assert!(good, "round {round} of the notifier was seen as {found}, after {:?}", (world.now() - begin));
            }
        });
    });
}

#[test]
fn a_wait_is_never_shorter_than_asked() {
    in_each_world(|world| {
        let poller = world.poller().unwrap();
        for _ in 0..100 {
            let time = Duration::from_nanos(world.random() % 3_000_000);
            let begin = world.now();
            assert!(wait(&poller, time).is_empty());
            let waited = world.now() - begin;
            assert!(waited >= time, "{waited:?} instead of {time:?}");
        }
    });
}

#[test]
fn an_event_ends_a_wait_of_any_length() {
    in_each_world(|world| {
        for time in [None, Some(Duration::MAX), Some(Duration::from_secs(1 << 40)), Some(LONG)] {
            let (ours, theirs) = pair();
            let poller = world.poller().unwrap();
            poller.add(ours.as_fd(), 7).unwrap();
            settle(&poller);
            world.send(theirs.as_fd(), b"x").unwrap();
            let (mut events, begin) = (Vec::new(), world.now());
            poller.wait(&mut events, time).unwrap();
            assert!((world.now() - begin) < MOMENT);
            assert!(events.iter().any(|event| event.token == 7 && event.readiness.contains(READ)), "{events:?}");
        }
    });
}

/// The events of a wait are added to those that are there.
#[test]
fn a_wait_appends() {
    in_each_world(|world| {
        let (ours, _theirs) = pair();
        let poller = world.poller().unwrap();
        poller.add(ours.as_fd(), 7).unwrap();
        let earlier = Event { token: 1, readiness: READ };
        let mut events = vec![earlier];
        poller.wait(&mut events, Some(LONG)).unwrap();
        assert_eq!(events, [earlier, Event { token: 7, readiness: WRITE }]);
    });
}

#[test]
fn a_signal_ends_a_wait_without_an_error() {
    extern "C" fn ignore(_: libc::c_int) {}
    alone("sys::suite::waits::a_signal_ends_a_wait_without_an_error", || {
        let handler: extern "C" fn(libc::c_int) = ignore;
        // SAFETY: S3: `sigaction` is integers, for which zeroes are values: no flags, so no restart.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        // SAFETY: S1: one action, whose handler does nothing.
        assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) }, 0);
        in_each_kernel(|world| {
            let poller = world.poller().unwrap();
            // SAFETY: no pointers.
            let (waiting, done) = (unsafe { libc::pthread_self() } as usize, AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        // SAFETY: the thread waits for this one to end.
                        unsafe { libc::pthread_kill(waiting as libc::pthread_t, libc::SIGUSR1) };
                        std::thread::sleep(Duration::from_millis(1));
                    }
                });
                for _ in 0..20 {
                    let (mut events, begin) = (Vec::new(), Instant::now());
                    let result = poller.wait(&mut events, Some(LONG));
                    let waited = begin.elapsed();
                    if result.is_err() || waited >= LONG {
                        done.store(true, Ordering::SeqCst);
                    }
                    result.unwrap();
                    assert!(events.is_empty() && waited < LONG);
                }
                done.store(true, Ordering::SeqCst);
            });
        });
    });
}

// ---- the poller's own descriptor ------------------------------------------------------------------------------------

#[test]
fn the_descriptor_is_readable_while_a_wait_would_report() {
    in_each_world(|world| {
        let (ours, theirs) = pair();
        let poller = world.poller().unwrap();
        assert!(!rings(&poller), "nothing is there");
        poller.add(ours.as_fd(), 7).unwrap();
        assert!(rings(&poller), "a socket is writable");
        settle(&poller);
        assert!(!rings(&poller), "everything was reported");
        world.send(theirs.as_fd(), b"x").unwrap();
        assert!(rings(&poller), "bytes came");
        shows(&poller, 7, READ);
        assert!(!rings(&poller), "the edge was reported, though nobody read");
        poller.notifier().notify().unwrap();
        assert!(rings(&poller), "a notification");
        assert!(wait(&poller, LONG).is_empty());
        assert!(!rings(&poller));
    });
}

#[test]
fn an_alarm_makes_the_descriptor_readable_once_and_not_early() {
    in_each_world(|world| {
        let poller = world.poller().unwrap();
        for time in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(3)] {
            let begin = world.now();
            poller.alarm(Some(time)).unwrap();
            assert!(becomes(poller.as_fd(), libc::POLLIN, LONG), "the alarm did not ring");
            assert!((world.now() - begin) >= time);
            assert!(wait(&poller, Duration::ZERO).is_empty(), "an alarm is no event");
            assert!(!rings(&poller), "it rings until the next wait");
            assert!(is_silent(&poller));
        }
    });
}

#[test]
fn an_alarm_ends_a_wait() {
    in_each_world(|world| {
        let poller = world.poller().unwrap();
        poller.alarm(Some(Duration::from_millis(3))).unwrap();
        let begin = world.now();
        assert!(wait(&poller, LONG).is_empty());
        assert!((world.now() - begin) < LONG);
    });
}

#[test]
fn an_alarm_that_was_taken_back_or_put_off_does_not_ring() {
    in_each_world(|world| {
        let poller = world.poller().unwrap();
        let soon = Duration::from_millis(5);
        poller.alarm(None).unwrap();
        for instead in [None, Some(Duration::from_secs(3600)), Some(Duration::MAX)] {
            poller.alarm(Some(soon)).unwrap();
            // On a busy machine it may have rung in between.
            poller.alarm(instead).unwrap();
            settle(&poller);
            assert!(!becomes(poller.as_fd(), libc::POLLIN, 6 * soon), "it rang all the same, {instead:?}");
        }
        poller.alarm(Some(Duration::ZERO)).unwrap();
        assert!(becomes(poller.as_fd(), libc::POLLIN, LONG), "and now it does");
        poller.alarm(None).unwrap();
        settle(&poller);
        assert!(!rings(&poller));
    });
}
