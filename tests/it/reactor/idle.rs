//! In no state does a loop spin that has nothing to do: while it waits, it makes the calls for one wait and no more
//! (P8; each state below was a busy loop in some runtime).

use std::net::{Shutdown, TcpStream as StdStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use coracle::net::TcpListener;
use coracle::sys::Call;
use coracle::time::sleep;
use coracle::{Budget, Runtime};

use super::calls::{Calls, errno};
use super::edges::reset;
use super::{register, settle, stream};
use crate::support::poll_once;

/// Brings a runtime into a state, waits until it is at rest, and counts every call to the world while it waits on.
fn rests<T>(calls: &std::sync::Arc<Calls>, enter: impl FnOnce(&Runtime) -> T) {
    const WAIT: Duration = Duration::from_millis(150);
    let runtime = calls.runtime();
    let state = enter(&runtime);
    // What the kernel is still busy with, such as moving bytes or answering a FIN, comes to its end.
    settle(&runtime);
    runtime.turn(Budget { wait: Some(Duration::from_millis(20)), ..Budget::no_wait() }).unwrap();
    settle(&runtime);
    calls.take();
    let begin = Instant::now();
    let turn = runtime.turn(Budget { wait: Some(WAIT), ..Budget::no_wait() }).unwrap();
    let made = calls.take();
    assert_eq!(turn, coracle::Turn::default());
    assert!(begin.elapsed() >= WAIT, "it did not wait as long as it was allowed to");
    assert_eq!(made.get(&Call::Wait), Some(&1), "{made:?}");
    assert!(made.values().sum::<usize>() <= 3, "{made:?}");
    drop(state);
}

#[test]
fn with_nothing_at_all() {
    rests(&Calls::new(), |_| ());
}

#[test]
fn with_a_listener_to_which_nobody_connects() {
    rests(&Calls::new(), |runtime| {
        let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        runtime.spawn(async move { listener.accept().await.map(drop) })
    });
}

#[test]
fn with_a_half_closed_connection() {
    rests(&Calls::new(), |runtime| {
        let (ours, theirs) = stream(runtime);
        register(runtime, &ours);
        theirs.shutdown(Shutdown::Write).unwrap();
        (ours, theirs)
    });
}

#[test]
fn with_a_connection_that_the_peer_has_reset() {
    rests(&Calls::new(), |runtime| {
        let (ours, theirs) = stream(runtime);
        register(runtime, &ours);
        reset(theirs);
        ours
    });
}

#[test]
fn with_a_timer_that_is_far_off() {
    rests(&Calls::new(), |runtime| runtime.spawn(async { sleep(Duration::from_secs(3600)).await }));
}

#[test]
fn with_timers_that_were_taken_back() {
    rests(&Calls::new(), |runtime| {
        runtime.enter(|| {
            for millis in 0..100 {
                assert!(poll_once(&mut sleep(Duration::from_millis(40 + millis))).is_pending());
            }
        });
    });
}

#[test]
fn with_connections_that_wait_while_no_descriptor_is_left() {
    let calls = Calls::before(|call| if call == Call::Accept { Err(errno(libc::EMFILE)) } else { Ok(()) });
    rests(&calls, |runtime| {
        let listener = Rc::new(runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap());
        let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, runtime.spawn(async move { listener.accept().await.map(drop) }))
    });
}

#[test]
fn with_a_full_send_buffer() {
    rests(&Calls::new(), |runtime| {
        let (ours, theirs) = stream(runtime);
        (theirs, runtime.spawn(async move { ours.write_all(&vec![0; 64 << 20]).await }))
    });
}

/// Parked until something happens: not even a time limit of its own wakes it.
#[test]
fn without_a_limit_it_asks_once_and_sleeps_until_it_is_woken() {
    let calls = Calls::new();
    let runtime = calls.runtime();
    let spawner = runtime.spawner();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        drop(spawner.spawn(|| async {}).unwrap());
    });
    runtime.turn(Budget::until_ready()).unwrap();
    thread.join().unwrap();
    let made = calls.take();
    assert_eq!((made.get(&Call::Wait), made.get(&Call::Notify)), (Some(&1), Some(&1)), "{made:?}");
}
