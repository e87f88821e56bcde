//! Pollers: which edges come, and what a registration is.
//!
//! | symptom, if it were otherwise                                 | seen in                       |
//! |---------------------------------------------------------------|-------------------------------|
//! | what came before the registration is never read               | mio#172                       |
//! | after a short read the rest, or the end, is never read        | tokio#5881, tokio#5866        |
//! | a hang-up alone does not end a pending read                   | tokio-core#117                |
//! | a fresh socket, or an error nobody reads, makes the loop spin | tokio#4549, mio#1523, h2o#603 |
//! | a duplicate of a closed descriptor keeps reporting            | mio#361, uvloop#61            |
//! | a failed registration leaves something behind                 | mio#1031                      |
//! | descriptors beyond the room for events starve                 | miri#3812                     |

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::super::{Family, Kind, Readiness, World};
use super::{
    LONG, alone, becomes, connected, duplicate, in_each_world, is_silent, is_would_block, pair, read, read_exactly,
};
use super::{settle, shows, streams, wait};

const READ: Readiness = Readiness::READ;
const WRITE: Readiness = Readiness::WRITE;

// ---- edges ----------------------------------------------------------------------------------------------------------

#[test]
fn what_is_ready_already_shows_after_add() {
    in_each_world(|world| {
        for (ours, theirs) in streams(world) {
            let poller = world.poller().unwrap();
            assert!(is_would_block(read(world, &ours)));
            world.send(theirs.as_fd(), b"between").unwrap();
            assert!(becomes(ours.as_fd(), libc::POLLIN, LONG));
            poller.add(ours.as_fd(), 7).unwrap();
            let shown = shows(&poller, 7, READ.with(WRITE));
            assert_eq!(shown, READ.with(WRITE), "and nothing else");
        }
    });
}

#[test]
fn each_arrival_is_an_edge_even_if_earlier_bytes_are_unread() {
    in_each_world(|world| {
        for (ours, theirs) in streams(world) {
            let poller = world.poller().unwrap();
            poller.add(ours.as_fd(), 7).unwrap();
            settle(&poller);
            for _ in 0..3 {
                world.send(theirs.as_fd(), b"x").unwrap();
                shows(&poller, 7, READ);
                assert!(is_silent(&poller), "an edge came twice");
            }
            assert_eq!(read_exactly(world, &ours, 3), b"xxx");
        }
    });
}

#[test]
fn bytes_after_a_short_read_are_a_new_edge() {
    in_each_world(|world| {
        for (ours, theirs) in streams(world) {
            let poller = world.poller().unwrap();
            poller.add(ours.as_fd(), 7).unwrap();
            settle(&poller);
            for round in 0..3 {
                world.send(theirs.as_fd(), &[round]).unwrap();
                shows(&poller, 7, READ);
                // Shorter than there was room for; that nothing is left is not asked.
                assert_eq!(read(world, &ours).unwrap(), [round]);
            }
        }
    });
}

#[test]
fn two_arrivals_between_waits_are_one_event() {
    in_each_world(|world| {
        let (ours, theirs) = pair();
        let poller = world.poller().unwrap();
        poller.add(ours.as_fd(), 7).unwrap();
        settle(&poller);
        for bytes in [b"one", b"two"] {
            world.send(theirs.as_fd(), bytes).unwrap();
        }
        let reading = wait(&poller, LONG).iter().filter(|event| event.readiness.contains(READ)).count();
        assert_eq!(reading, 1);
        assert!(is_silent(&poller));
        assert_eq!(read(world, &ours).unwrap(), b"onetwo");
    });
}

#[test]
fn a_full_socket_says_when_there_is_room() {
    in_each_world(|world| {
        for (ours, theirs) in streams(world) {
            let poller = world.poller().unwrap();
            poller.add(ours.as_fd(), 7).unwrap();
            // Ends with a write that took a part, or with a refusal: either way there is no room.
            let (chunk, mut sent) = ([0; 100_000], 0);
            loop {
                let count = world.send(ours.as_fd(), &chunk).unwrap_or(0);
                sent += count;
                if count < chunk.len() {
                    break;
                }
            }
            settle(&poller);
            let mut left = sent;
            while left > 0 {
                left -= read_exactly(world, &theirs, left.min(4096)).len();
            }
            shows(&poller, 7, WRITE);
            assert!(world.send(ours.as_fd(), b"x").is_ok());
        }
    });
}

#[test]
fn the_end_of_the_stream_shows_together_with_the_bytes_before_it() {
    in_each_world(|world| {
        for (ours, theirs) in streams(world) {
            let poller = world.poller().unwrap();
            poller.add(ours.as_fd(), 7).unwrap();
            settle(&poller);
            world.send(theirs.as_fd(), b"last").unwrap();
            world.shutdown(theirs.as_fd(), Shutdown::Write).unwrap();
            let shown = shows(&poller, 7, READ.with(Readiness::READ_ENDED));
            assert!(!shown.contains(Readiness::FAILED), "{shown:?}: the other half is open");
            assert_eq!(read(world, &ours).unwrap(), b"last", "short, but not the end");
            assert_eq!(read(world, &ours).unwrap(), b"");
            assert!(is_silent(&poller), "the end came twice");
        }
    });
}

#[test]
fn a_peer_that_closes_shows_in_both_directions() {
    in_each_world(|world| {
        let (ours, theirs) = pair();
        let poller = world.poller().unwrap();
        poller.add(ours.as_fd(), 7).unwrap();
        settle(&poller);
        world.close(theirs);
        shows(&poller, 7, READ.with(WRITE).with(Readiness::READ_ENDED).with(Readiness::FAILED));
        assert!(is_silent(&poller), "a hang-up that nobody reads makes the poller spin");
    });
}

#[test]
fn a_reset_shows_in_both_directions() {
    in_each_world(|world| {
        let (ours, theirs) = connected(world, Family::V4);
        let poller = world.poller().unwrap();
        poller.add(ours.as_fd(), 7).unwrap();
        settle(&poller);
        world.set_option(theirs.as_fd(), super::super::SocketOption::Linger, 0).unwrap();
        world.close(theirs);
        shows(&poller, 7, READ.with(WRITE).with(Readiness::FAILED));
        assert!(is_silent(&poller), "an error that nobody reads makes the poller spin");
        assert_eq!(read(world, &ours).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}

/// Such a hang-up comes without readability on Linux. In a process of its own, since a child that another test starts
/// meanwhile would inherit the pipe.
#[test]
fn a_pipe_whose_writer_closes_is_readable() {
    alone("sys::suite::polling::a_pipe_whose_writer_closes_is_readable", || {
        in_each_world(|world| {
            let (ours, theirs) = world.pipe().unwrap();
            let poller = world.poller().unwrap();
            poller.add(ours.as_fd(), 7).unwrap();
            settle(&poller);
            world.close(theirs);
            shows(&poller, 7, READ);
            assert!(is_silent(&poller));
        });
    });
}

#[test]
fn a_fresh_socket_does_not_make_the_poller_spin() {
    in_each_world(|world| {
        let poller = world.poller().unwrap();
        let fresh = world.socket(Family::V4, Kind::Stream).unwrap();
        poller.add(fresh.as_fd(), 7).unwrap();
        // One event for each direction at most.
        assert!(wait(&poller, Duration::from_millis(10)).len() <= 2);
        for _ in 0..3 {
            assert!(is_silent(&poller));
        }
    });
}

#[test]
fn a_connect_that_ends_shows_as_writable() {
    in_each_world(|world| {
        let (listener, address) = super::listener(world, Family::V4);
        let poller = world.poller().unwrap();
        let client = world.socket(Family::V4, Kind::Stream).unwrap();
        poller.add(client.as_fd(), 7).unwrap();
        settle(&poller);
        let _ = world.connect(client.as_fd(), address);
        let shown = shows(&poller, 7, WRITE);
        assert!(!shown.contains(Readiness::FAILED), "{shown:?}");
        drop(listener);
    });
}

#[test]
fn a_connection_that_arrives_makes_the_listener_readable() {
    in_each_world(|world| {
        let (listener, address) = super::listener(world, Family::V4);
        let poller = world.poller().unwrap();
        poller.add(listener.as_fd(), 7).unwrap();
        settle(&poller);
        for _ in 0..2 {
            let _client = super::connect(world, address);
            shows(&poller, 7, READ);
        }
        assert!(world.accept(listener.as_fd()).is_ok() && world.accept(listener.as_fd()).is_ok());
    });
}

/// Nothing that a poller does depends on how the bytes came.
#[test]
fn vectored_bytes_make_the_same_edge() {
    fn send(world: &World, fd: &OwnedFd) {
        world.send_vectored(fd.as_fd(), &[IoSlice::new(b"two "), IoSlice::new(b"slices")]).unwrap();
    }
    in_each_world(|world| {
        let (ours, theirs) = pair();
        let poller = world.poller().unwrap();
        poller.add(ours.as_fd(), 7).unwrap();
        settle(&poller);
        send(world, &theirs);
        shows(&poller, 7, READ);
        assert_eq!(read(world, &ours).unwrap(), b"two slices");
    });
}

// ---- registrations --------------------------------------------------------------------------------------------------

#[test]
fn after_remove_there_are_no_events_until_the_next_add() {
    in_each_world(|world| {
        for (ours, theirs) in streams(world) {
            let poller = world.poller().unwrap();
            poller.add(ours.as_fd(), 7).unwrap();
            world.send(theirs.as_fd(), b"x").unwrap();
            shows(&poller, 7, READ);
            world.send(theirs.as_fd(), b"y").unwrap();
            poller.remove(ours.as_fd()).unwrap();
            world.send(theirs.as_fd(), b"z").unwrap();
            assert!(is_silent(&poller));
            let missing = poller.remove(ours.as_fd()).unwrap_err();
            assert_eq!(missing.raw_os_error(), Some(libc::ENOENT), "it was there no more");
            poller.add(ours.as_fd(), 8).unwrap();
            shows(&poller, 8, READ.with(WRITE));
        }
    });
}

#[test]
fn a_duplicate_stays_silent_after_remove_and_close() {
    in_each_world(|world| {
        let (ours, theirs) = pair();
        let poller = world.poller().unwrap();
        poller.add(ours.as_fd(), 7).unwrap();
        settle(&poller);
        let duplicate = duplicate(&ours);
        poller.remove(ours.as_fd()).unwrap();
        world.close(ours);
        world.send(theirs.as_fd(), b"x").unwrap();
        assert!(is_silent(&poller));
        assert_eq!(read(world, &duplicate).unwrap(), b"x");
    });
}

/// epoll refuses regular files, kqueue finds them readable; neither may do a thing between.
#[test]
fn a_regular_file_is_refused_without_a_trace_or_counts_as_readable() {
    in_each_world(|world| {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let poller = world.poller().unwrap();
        match poller.add(file.as_fd(), 7) {
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EPERM));
                assert!(is_silent(&poller));
                assert_eq!(poller.remove(file.as_fd()).unwrap_err().raw_os_error(), Some(libc::EPERM));
            }
            Ok(()) => {
                shows(&poller, 7, READ);
                poller.remove(file.as_fd()).unwrap();
            }
        }
    });
}

#[test]
fn two_pollers_do_not_know_of_each_other() {
    in_each_world(|world| {
        let (ours, theirs) = pair();
        let (first, second) = (world.poller().unwrap(), world.poller().unwrap());
        first.add(ours.as_fd(), 1).unwrap();
        second.add(ours.as_fd(), 2).unwrap();
        settle(&first);
        settle(&second);
        first.remove(ours.as_fd()).unwrap();
        world.send(theirs.as_fd(), b"x").unwrap();
        first.notifier().notify().unwrap();
        shows(&second, 2, READ);
        assert!(wait(&first, LONG).is_empty(), "only the notification");
    });
}

/// One readable socket under 3,100 numbers: three times as many as there is room for in one wait, and some.
#[test]
fn more_ready_descriptors_than_room_are_all_served_in_turn() {
    alone("sys::suite::polling::more_ready_descriptors_than_room_are_all_served_in_turn", || {
        const ROOM: usize = 1024;
        const COUNT: usize = 3 * ROOM + 28;
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: S1: one limit.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
        let wanted = (COUNT + 100) as libc::rlim_t;
        if limit.rlim_cur < wanted {
            limit.rlim_cur = wanted;
            // SAFETY: S1: one limit. Refused where the hard limit is lower: then there is nothing to test here.
            if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
                return println!("not run: this process may not have {wanted} descriptors");
            }
        }
        in_each_world(|world| {
            let (ours, theirs) = pair();
            world.send(theirs.as_fd(), b"x").unwrap();
            let poller = world.poller().unwrap();
            let duplicates: Vec<OwnedFd> = (0..COUNT).map(|_| duplicate(&ours)).collect();
            for (token, duplicate) in (0..).zip(&duplicates) {
                poller.add(duplicate.as_fd(), token).unwrap();
            }
            let (mut served, mut events, mut waits) = (vec![Readiness::NONE; COUNT], 0, 0);
            while !served.iter().all(|bits| bits.contains(READ.with(WRITE))) {
                let batch = wait(&poller, Duration::ZERO);
                assert!(!batch.is_empty(), "descriptors were left out after {waits} waits");
                for event in &batch {
                    served[event.token as usize] = served[event.token as usize].with(event.readiness);
                }
                waits += 1;
                events += batch.len();
            }
            // One event for each descriptor, or one for each of its directions.
            assert!(events == COUNT || events == 2 * COUNT, "{events} events");
            assert!(waits <= events.div_ceil(ROOM) + 1, "{waits} waits for {events} events");
            assert!(is_silent(&poller));
        });
    });
}
