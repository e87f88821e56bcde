//! An event reaches the registration it was meant for, and no other, though the kernel gives numbers out again.

use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use coracle::net::TcpStream;
use coracle::sys::Call;
use coracle::{Budget, Runtime};

use super::calls::{Calls, errno};
use super::{connection, poll_read, register, settle, soon, stream, turn_until};
use crate::support::{CountingWaker, alone, descriptors};

/// A waker that does something, once.
struct Act(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Act {
    fn waker(act: impl FnOnce() + Send + 'static) -> Waker {
        Waker::from(Arc::new(Act(Mutex::new(Some(Box::new(act))))))
    }
}

impl Wake for Act {
    fn wake(self: Arc<Self>) {
        let act = self.0.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
    }
}

/// One batch brings two events. Whoever the first one wakes closes the second descriptor and registers a new one, which
/// gets the same number and the same slot. The second event is not the new one's (mio#172, golang/go#59545).
#[test]
fn an_event_of_a_closed_descriptor_does_not_reach_its_successor_in_the_same_batch() {
    alone("reactor::identity::an_event_of_a_closed_descriptor_does_not_reach_its_successor_in_the_same_batch", || {
        let runtime = Runtime::new();
        let (first, mut to_first) = stream(&runtime);
        let (second, mut to_second) = stream(&runtime);
        let (spare, mut to_third) = connection();
        spare.set_nonblocking(true).unwrap();
        register(&runtime, &second);
        let (number, old) = (second.as_raw_fd(), runtime.inspect().sources[0].source);
        let (woken, successor) = (CountingWaker::new(), Arc::new(Mutex::new(None)));
        let act = {
            let (successor, waker) = (successor.clone(), woken.1.clone());
            Act::waker(move || {
                drop(second);
                let third = TcpStream::try_from(spare.as_fd().try_clone_to_owned().unwrap()).unwrap();
                assert_eq!(poll_read(&third, &waker), None);
                *successor.lock().unwrap() = Some(third);
            })
        };
        runtime.enter(|| assert_eq!(poll_read(&first, &act), None));
        settle(&runtime);

        to_first.write_all(b"1").unwrap();
        to_second.write_all(b"2").unwrap();
        let turn = runtime.turn(Budget::no_wait()).unwrap();

        assert_eq!(turn.ready, 2, "both events came in one batch");
        let third = successor.lock().unwrap().take().expect("the first event woke its reader");
        let inside = runtime.inspect();
        let source = inside.sources.iter().find(|source| source.fd == third.as_raw_fd()).unwrap();
        assert_eq!(third.as_raw_fd(), number, "the number was given out again");
        assert_eq!(source.source & 0xffff_ffff, old & 0xffff_ffff, "the slot was used again");
        assert_ne!(source.source, old, "the token was not");
        assert_eq!((source.bits, inside.stale_events, woken.0.wakes()), (0, 1, 0));

        to_third.write_all(b"3").unwrap();
        turn_until(&runtime, || woken.0.wakes() == 1);
        runtime.enter(|| assert_eq!(poll_read(&third, &woken.1), Some(b"3".to_vec())));
    });
}

/// A simple generator of numbers: Marsaglia's xorshift, "Xorshift RNGs", 2003.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// A connection of the rounds below, with what it was sent and has not read.
struct Open {
    ours: TcpStream,
    theirs: std::net::TcpStream,
    sent: Vec<u8>,
    mark: u8,
}

/// Connections come and go in any order, and so do their events: each reads what was sent to it, all of it, and
/// nothing else (tokio-core#172, swift-nio#1799).
#[test]
fn whatever_is_opened_closed_and_registered_each_reads_its_own() {
    let runtime = Runtime::new();
    let (mut numbers, mut open, mut marks) = (Numbers(0x2545_f491_4f6c_dd1d), Vec::new(), 0u8);
    let begin = Instant::now();
    for round in 0..20_000 {
        if begin.elapsed() > Duration::from_secs(1) {
            assert!(round > 100, "too slow to say anything");
            break;
        }
        match numbers.below(8) {
            0 if open.len() < 12 => {
                let (ours, theirs) = stream(&runtime);
                marks = marks.wrapping_add(1);
                open.push(Open { ours, theirs, sent: Vec::new(), mark: marks });
            }
            1 if !open.is_empty() => drop(open.swap_remove(numbers.below(open.len()))),
            2 | 3 if !open.is_empty() => {
                let to = numbers.below(open.len());
                let to = &mut open[to];
                to.theirs.write_all(&[to.mark; 3]).unwrap();
                to.sent.extend([to.mark; 3]);
            }
            4 | 5 if !open.is_empty() => {
                let from = numbers.below(open.len());
                read_own(&runtime, &mut open[from]);
            }
            _ => drop(runtime.turn(Budget::no_wait()).unwrap()),
        }
    }
    for mut left in open {
        turn_until(&runtime, || {
            read_own(&runtime, &mut left);
            left.sent.is_empty()
        });
    }
    assert!(runtime.inspect().sources.is_empty());
}

fn read_own(runtime: &Runtime, open: &mut Open) {
    let read = runtime.enter(|| poll_read(&open.ours, Waker::noop()));
    if let Some(bytes) = read {
        assert!(!bytes.is_empty(), "the end of a stream that is open");
        assert_eq!(bytes, open.sent[..bytes.len()], "bytes of another connection");
        open.sent.drain(..bytes.len());
    }
}

/// A duplicate keeps the file open, and with epoll a registration would stay with the file (mio#361, uvloop#61).
#[test]
fn a_duplicate_of_a_dropped_descriptor_makes_neither_events_nor_turns() {
    let calls = Calls::new();
    let runtime = calls.runtime();
    let (ours, mut theirs) = stream(&runtime);
    register(&runtime, &ours);
    let duplicate = ours.as_fd().try_clone_to_owned().unwrap();
    drop(ours);
    theirs.write_all(b"for the duplicate").unwrap();
    calls.take();

    let turn = runtime.turn(Budget { wait: Some(Duration::from_millis(100)), ..Budget::no_wait() }).unwrap();

    assert_eq!((turn, runtime.inspect().stale_events), (coracle::Turn::default(), 0));
    assert_eq!(calls.of(Call::Wait), 1);
    let mut buffer = [0; 32];
    let duplicate = std::net::TcpStream::from(duplicate);
    duplicate.set_nonblocking(false).unwrap();
    assert_eq!((&duplicate).read(&mut buffer).unwrap(), 17, "it is open all the same");
}

/// A bug elsewhere in a program puts another file in our descriptor's place: what the runtime has of it goes all the
/// same, without a panic (mio#911, tokio#7563). (One that is closed, with nothing in its place, std itself takes for so
/// grave that it aborts when the owner closes it again.)
#[test]
fn a_descriptor_that_somebody_else_replaced_is_let_go_of() {
    alone("reactor::identity::a_descriptor_that_somebody_else_replaced_is_let_go_of", || {
        let runtime = Runtime::new();
        let (replaced, _peer) = stream(&runtime);
        register(&runtime, &replaced);
        let null = std::fs::File::open("/dev/null").unwrap();
        // SAFETY: both numbers are open; that nobody uses them for something else is what this test violates.
        assert_eq!(unsafe { libc::dup2(null.as_raw_fd(), replaced.as_raw_fd()) }, replaced.as_raw_fd());

        assert_eq!(replaced.try_read(&mut [0]).unwrap_err().raw_os_error(), Some(libc::ENOTSOCK));
        drop(replaced);
        assert!(runtime.inspect().sources.is_empty());
        settle(&runtime);
        let (fresh, mut peer) = stream(&runtime);
        register(&runtime, &fresh);
        peer.write_all(b"on").unwrap();
        assert_eq!(runtime.block_on(soon(fresh.read(&mut [0; 8]))).unwrap(), 2);
    });
}

/// The poller refuses a descriptor: the operation says so, and nothing is left of the attempt (mio#1031).
#[test]
fn a_registration_that_fails_leaves_nothing() {
    alone("reactor::identity::a_registration_that_fails_leaves_nothing", || {
        for number in [libc::ENOSPC, libc::ENOMEM, libc::EPERM] {
            let refuse = Arc::new(std::sync::atomic::AtomicBool::new(true));
            let refusing = refuse.clone();
            let calls = Calls::before(move |call| match call {
                Call::Add if refusing.load(std::sync::atomic::Ordering::SeqCst) => Err(errno(number)),
                _ => Ok(()),
            });
            let before = descriptors();
            let runtime = calls.runtime();
            let (ours, mut theirs) = stream(&runtime);
            for _ in 0..3 {
                let error = runtime.block_on(soon(ours.read(&mut [0]))).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(number));
                assert!(runtime.inspect().sources.is_empty());
            }
            refuse.store(false, std::sync::atomic::Ordering::SeqCst);
            register(&runtime, &ours);
            theirs.write_all(b"later").unwrap();
            assert_eq!(runtime.block_on(soon(ours.read(&mut [0; 8]))).unwrap(), 5, "it may succeed later");
            drop((ours, theirs, runtime));
            assert_eq!(descriptors(), before);
        }
    });
}

/// The same for a poller that cannot be made at all: nothing is registered, timers go on.
#[test]
fn without_a_poller_operations_that_wait_fail_and_timers_go_on() {
    let calls = Calls::before(|call| if call == Call::Poller { Err(errno(libc::EMFILE)) } else { Ok(()) });
    let runtime = calls.runtime();
    let (ours, mut theirs) = stream(&runtime);
    runtime.block_on(async {
        let error = ours.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        coracle::time::sleep(Duration::from_millis(5)).await;
        theirs.write_all(b"now").unwrap();
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 3, "what is there already needs no poller");
    });
    assert!(runtime.inspect().sources.is_empty());
}

/// Whoever waits for a stream that is dropped on the way is not woken by its successor's events: the waker goes with it.
#[test]
fn the_waker_of_a_dropped_stream_is_dropped() {
    let runtime = Runtime::new();
    let (ours, mut theirs) = stream(&runtime);
    let (counter, waker) = CountingWaker::new();
    runtime.enter(|| assert_eq!(poll_read(&ours, &waker), None));
    assert_eq!(Arc::strong_count(&counter), 3, "one here, one in `waker`, one in the reactor");
    drop(ours);
    let _ = theirs.write_all(b"too late");
    settle(&runtime);
    assert_eq!((Arc::strong_count(&counter), counter.wakes()), (2, 0));
}

/// A poll with another waker takes the place of the last: only that one is woken (futures-intrusive#19).
#[test]
fn the_last_waker_of_a_read_is_the_one_that_is_woken() {
    let runtime = Runtime::new();
    let (ours, mut theirs) = stream(&runtime);
    let (wakers, mut buffer) = ([CountingWaker::new(), CountingWaker::new()], [0; 8]);
    let mut read = ours.read(&mut buffer);
    for (_, waker) in &wakers {
        let polled = runtime.enter(|| std::pin::Pin::new(&mut read).poll(&mut Context::from_waker(waker)));
        assert!(polled.is_pending());
    }
    theirs.write_all(b"x").unwrap();
    turn_until(&runtime, || wakers[1].0.wakes() > 0);
    assert_eq!(wakers.each_ref().map(|(counter, _)| counter.wakes()), [0, 1]);
}

/// Reads that are begun and given up ten thousand times leave no waiters behind (moq#353, msquic#81).
#[test]
fn reads_that_are_given_up_leave_no_waiters() {
    let runtime = Runtime::new();
    let (ours, _theirs) = stream(&runtime);
    for _ in 0..10_000 {
        register(&runtime, &ours);
    }
    let source = runtime.inspect().sources[0];
    assert_eq!((source.reading, source.writing), (0, 0));
}
