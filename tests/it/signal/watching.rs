//! What a subscriber sees: every signal that came, of one kind at least one, whoever else watches.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::Duration;

use coracle::signal::{Signal, Signals, ctrl_c};
use coracle::sys::Call;
use coracle::{Runtime, block_on};

use super::{disposition, raise};
use crate::reactor::calls::{Calls, errno};
use crate::support::{self, alone, cut_at_every_poll, poll_once};

const USR1: Signal = Signal::USR1;
const USR2: Signal = Signal::USR2;

/// None is there now.
fn assert_none(signals: &Signals) {
    let polled = poll_once(&mut signals.recv());
    assert!(matches!(polled, Poll::Pending), "{polled:?} has come");
}

#[test]
fn a_watched_signal_is_received_and_does_not_end_the_process() {
    alone("signal::watching::a_watched_signal_is_received_and_does_not_end_the_process", || {
        block_on(async {
            let signals = Signals::new(&[Signal::TERM, Signal::HUP]).unwrap();
            for signal in [Signal::TERM, Signal::HUP, Signal::TERM] {
                let waiting = coracle::spawn(async move {
                    coracle::task::yield_now().await;
                    raise(signal)
                });
                assert_eq!(signals.recv().await.unwrap(), signal);
                waiting.await.unwrap();
            }
            assert_none(&signals);
        });
    });
}

#[test]
fn what_comes_before_the_first_recv_is_kept_and_the_lowest_is_first() {
    alone("signal::watching::what_comes_before_the_first_recv_is_kept_and_the_lowest_is_first", || {
        block_on(async {
            let signals = Signals::new(&[Signal::TERM, USR1, USR2, USR1]).unwrap();
            for signal in [Signal::TERM, USR2, USR1] {
                raise(signal);
            }
            let mut sorted = [Signal::TERM, USR1, USR2];
            sorted.sort();
            for expected in sorted {
                assert_eq!(signals.recv().await.unwrap(), expected);
            }
            assert_none(&signals);
        });
    });
}

/// libuv's test signal_multiple_loops. One runtime sleeps, one is about to look; all subscribers see it.
#[test]
fn two_runtimes_and_two_subscribers_get_the_same_signal() {
    alone("signal::watching::two_runtimes_and_two_subscribers_get_the_same_signal", || {
        let (watches, is_watching) = channel();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let watches = watches.clone();
                std::thread::spawn(move || {
                    block_on(async {
                        let both = Rc::new([Signals::new(&[USR1, USR2]).unwrap(), Signals::new(&[USR1]).unwrap()]);
                        let second = both.clone();
                        let second = coracle::spawn(async move { second[1].recv().await.unwrap() });
                        watches.send(()).unwrap();
                        let first = both[0].recv().await.unwrap();
                        let then = both[0].recv().await.unwrap();
                        (first, second.await.unwrap(), then)
                    })
                })
            })
            .collect();
        (0..3).for_each(|_| is_watching.recv().unwrap());
        raise(USR1);
        raise(USR2);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), (USR1, USR1, USR2));
        }
    });
}

/// More than any socket or pipe holds: nobody reads, and the handler neither waits nor loses the news (the self-pipe
/// that is full), nor changes `errno` under the code that it interrupts.
#[test]
fn a_burst_is_seen_as_one() {
    alone("signal::watching::a_burst_is_seen_as_one", || {
        block_on(async {
            let signals = Signals::new(&[USR1, USR2]).unwrap();
            (0..100_000).for_each(|_| raise(USR1));
            #[cfg(target_os = "linux")]
            {
                // SAFETY: no pointers go in.
                let errno = unsafe { libc::__errno_location() };
                // SAFETY: it is this thread's own.
                unsafe { errno.write(77) };
                raise(USR2);
                assert_eq!(io::Error::last_os_error().raw_os_error(), Some(77));
            }
            #[cfg(not(target_os = "linux"))]
            raise(USR2);
            let mut seen = [signals.recv().await.unwrap(), signals.recv().await.unwrap()];
            seen.sort();
            assert_eq!(seen, [USR1, USR2]);
            assert_none(&signals);
            raise(USR1);
            assert_eq!(signals.recv().await.unwrap(), USR1);
            assert_none(&signals);
        });
    });
}

#[test]
fn a_signal_goes_to_one_of_the_tasks_that_wait() {
    alone("signal::watching::a_signal_goes_to_one_of_the_tasks_that_wait", || {
        block_on(async {
            let signals = Rc::new(Signals::new(&[USR1]).unwrap());
            let (seen, look) = coracle::sync::channel::unbounded();
            for number in 0..3 {
                let (signals, seen) = (signals.clone(), seen.clone());
                drop(coracle::spawn(async move { seen.send((number, signals.recv().await.unwrap())).unwrap() }));
            }
            coracle::task::yield_now().await;
            for number in 0..3 {
                raise(USR1);
                assert_eq!(look.recv().await, Some((number, USR1)), "in the order of waiting");
                assert!(look.is_empty());
            }
        });
    });
}

#[test]
fn a_recv_that_is_dropped_anywhere_loses_no_signal() {
    alone("signal::watching::a_recv_that_is_dropped_anywhere_loses_no_signal", || {
        let dropped = cut_at_every_poll(|cut| {
            block_on(async {
                let signals = Signals::new(&[USR1]).unwrap();
                let raising = coracle::spawn(async { raise(USR1) });
                let received = cut.at(signals.recv()).await;
                raising.await.unwrap();
                match received {
                    Some(signal) => assert_eq!(signal.unwrap(), USR1),
                    None => assert_eq!(signals.recv().await.unwrap(), USR1),
                }
                assert_none(&signals);
            });
        });
        assert!(dropped >= 3, "it waited: {dropped}");
    });
}

#[test]
fn ctrl_c_is_watched_from_the_call_to_the_end_of_the_future() {
    alone("signal::watching::ctrl_c_is_watched_from_the_call_to_the_end_of_the_future", || {
        block_on(async {
            let stopped = ctrl_c();
            raise(Signal::INT);
            stopped.await.unwrap();
            assert_eq!(disposition(Signal::INT), libc::SIG_DFL);
            let dropped = cut_at_every_poll(|cut| {
                Runtime::new().block_on(async {
                    let stopped = ctrl_c();
                    let raising = coracle::spawn(async { raise(Signal::INT) });
                    let ended = cut.at(async { stopped.await.unwrap() }).await;
                    let _still_watched = Signals::new(&[Signal::INT]).unwrap();
                    raising.await.unwrap();
                    ended.into_iter().for_each(drop);
                });
                assert_eq!(disposition(Signal::INT), libc::SIG_DFL);
            });
            assert!(dropped >= 2);
        });
    });
}

#[test]
fn nobody_who_watches_nothing_is_ever_told() {
    alone("signal::watching::nobody_who_watches_nothing_is_ever_told", || {
        block_on(async {
            let nothing = Signals::new(&[]).unwrap();
            let other = Signals::new(&[USR1]).unwrap();
            raise(USR1);
            assert_eq!(other.recv().await.unwrap(), USR1);
            assert_none(&nothing);
        });
    });
}

/// Each refusal by its name, and none leaves anything behind: no disposition is changed, no descriptor stays.
#[test]
fn what_cannot_be_watched_is_refused_and_leaves_nothing() {
    alone("signal::watching::what_cannot_be_watched_is_refused_and_leaves_nothing", || {
        block_on(async {
            let before = support::descriptors();
            let never = [Signal::KILL, Signal::STOP, Signal::ILL, Signal::FPE, Signal::SEGV, Signal::BUS];
            let none = [0, -1, 65, i32::MAX, i32::MIN].map(Signal::from_number);
            for signal in never.into_iter().chain(none) {
                let error = Signals::new(&[USR1, signal]).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                assert!(error.to_string().contains(&signal.to_string()), "{error}");
                assert_eq!(disposition(USR1), libc::SIG_DFL);
            }
            // Numbers that the C library keeps for itself: the system refuses, when USR1 is watched already.
            #[cfg(target_os = "linux")]
            assert_eq!(Signals::new(&[USR1, Signal::from_number(33)]).unwrap_err().raw_os_error(), Some(libc::EINVAL));
            assert_eq!((disposition(USR1), support::descriptors()), (libc::SIG_DFL, before));
        });
    });
}

#[test]
fn a_fault_in_any_call_is_returned_and_leaves_nothing() {
    alone("signal::watching::a_fault_in_any_call_is_returned_and_leaves_nothing", || {
        for call in [Call::Watch, Call::Poller, Call::Add, Call::Receive] {
            let before = support::descriptors();
            let fault = move |now: Call| if now == call { Err(errno(libc::ENOMEM)) } else { Ok(()) };
            let runtime = Calls::before(fault).runtime();
            let error = runtime.block_on(async {
                let signals = Signals::new(&[USR1])?;
                raise(USR1);
                // What has come needs no call, so what comes next is waited for.
                assert_eq!(signals.recv().await?, USR1);
                coracle::time::timeout(Duration::from_secs(5), signals.recv()).await.unwrap().map(drop)
            });
            assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::ENOMEM), "{call:?}");
            drop(runtime);
            assert_eq!((disposition(USR1), support::descriptors()), (libc::SIG_DFL, before), "{call:?}");
        }
    });
}

#[test]
fn away_from_its_runtime_and_after_its_end_it_is_an_error() {
    alone("signal::watching::away_from_its_runtime_and_after_its_end_it_is_an_error", || {
        assert!(Signals::new(&[USR1]).unwrap_err().to_string().contains("no runtime on this thread"));
        let runtime = Runtime::new();
        let signals = Arc::new(runtime.enter(|| Signals::new(&[USR1])).unwrap());
        let there = signals.clone();
        let error = std::thread::spawn(move || block_on(there.recv()).unwrap_err()).join().unwrap();
        assert!(error.to_string().contains("another thread"), "{error}");
        drop(runtime);
        assert_eq!(block_on(signals.recv()).unwrap_err().kind(), io::ErrorKind::NotConnected);
        raise(USR1); // still watched: it does not end us
        drop(signals);
        assert_eq!(disposition(USR1), libc::SIG_DFL);
    });
}
