//! Sockets, threads, randomness and the clock: calls that are about nothing but themselves.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::super::{Family, Kind, SocketOption, is_out_of_descriptors, is_transient_accept_error};
use super::{LONG, alone, becomes, connect, connected, families, in_each_world, is_would_block, listener};
use super::{loopback, pair, read, read_exactly};

/// The flags of a descriptor, or `None` if there is none of that number.
fn flags(fd: i32, which: libc::c_int) -> Option<libc::c_int> {
    // SAFETY: no pointers.
    let flags = unsafe { libc::fcntl(fd, which) };
    (flags >= 0).then_some(flags)
}

fn open_descriptors() -> Vec<i32> {
    (0..256).filter(|&fd| flags(fd, libc::F_GETFD).is_some()).collect()
}

/// A child process inherits nothing (tokio#3809, mio#1491), and nothing blocks: the descriptors that a poller keeps to
/// itself included.
#[test]
fn every_descriptor_is_non_blocking_and_close_on_exec() {
    alone("sys::suite::sockets::every_descriptor_is_non_blocking_and_close_on_exec", || {
        in_each_world(|world| {
            let before = open_descriptors();
            let sockets: Vec<OwnedFd> = families()
                .into_iter()
                .flat_map(|family| {
                    let (listener, address) = listener(world, family);
                    let client = connect(world, address);
                    assert!(becomes(listener.as_fd(), libc::POLLIN, LONG));
                    let (server, _) = world.accept(listener.as_fd()).unwrap();
                    [listener, client, server]
                })
                .collect();
            let poller = world.poller().unwrap();
            poller.notifier().notify().unwrap();
            poller.alarm(Some(LONG)).unwrap();
            let _ = poller.as_fd();

            let made: Vec<i32> = open_descriptors().into_iter().filter(|fd| !before.contains(fd)).collect();
            assert!(made.len() > sockets.len(), "{made:?} lacks the poller");
            for &fd in &made {
                assert_eq!(flags(fd, libc::F_GETFD).unwrap() & libc::FD_CLOEXEC, libc::FD_CLOEXEC, "descriptor {fd}");
                if fd != poller.as_fd().as_raw_fd() {
                    let non_blocking = flags(fd, libc::F_GETFL).unwrap() & libc::O_NONBLOCK;
                    assert_eq!(non_blocking, libc::O_NONBLOCK, "descriptor {fd}");
                }
            }
        });
    });
}

#[test]
fn a_descriptor_from_elsewhere_becomes_non_blocking_and_keeps_its_other_flags() {
    in_each_world(|world| {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let before = flags(ours.as_raw_fd(), libc::F_GETFL).unwrap();
        assert_eq!(before & libc::O_NONBLOCK, 0);
        for _ in 0..2 {
            world.set_nonblocking(ours.as_fd()).unwrap();
            assert_eq!(flags(ours.as_raw_fd(), libc::F_GETFL), Some(before | libc::O_NONBLOCK));
        }
    });
}

#[test]
fn a_connection_carries_bytes_both_ways_and_ends_by_halves() {
    in_each_world(|world| {
        for family in families() {
            let (listener, address) = listener(world, family);
            assert_eq!(Family::of(address), family);
            assert!(is_would_block(world.accept(listener.as_fd())));
            let client = connect(world, address);
            assert!(becomes(listener.as_fd(), libc::POLLIN, LONG));
            let (server, peer) = world.accept(listener.as_fd()).unwrap();
            let peer = peer.to_ip().unwrap();

            let (local, far) = (|fd| world.local_address(fd), |fd| world.peer_address(fd));
            let ends = [local(client.as_fd()), far(client.as_fd()), local(server.as_fd()), far(server.as_fd())];
            assert_eq!(ends.map(|end| end.unwrap().to_ip().unwrap()), [peer, address, address, peer]);

            assert!(is_would_block(read(world, &server)));
            assert_eq!(world.send(client.as_fd(), b"hello").unwrap(), 5);
            assert!(becomes(server.as_fd(), libc::POLLIN, LONG));
            for _ in 0..2 {
                let mut peeked = [0; 4];
                assert_eq!(world.receive(server.as_fd(), &mut peeked, true).unwrap(), 4);
                assert_eq!(&peeked, b"hell", "peeking takes nothing away");
            }
            assert_eq!(read_exactly(world, &server, 5), b"hello");

            let slices = [IoSlice::new(b"scat"), IoSlice::new(b""), IoSlice::new(b"tered")];
            assert_eq!(world.send_vectored(server.as_fd(), &slices).unwrap(), 9);
            assert!(becomes(client.as_fd(), libc::POLLIN, LONG));
            let (mut head, mut tail) = ([0; 7], [0; 7]);
            let mut rooms = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
            assert_eq!(world.receive_vectored(client.as_fd(), &mut rooms).unwrap(), 9);
            assert_eq!((&head, &tail[..2]), (b"scatter", &b"ed"[..]));

            world.shutdown(client.as_fd(), Shutdown::Write).unwrap();
            assert!(becomes(server.as_fd(), libc::POLLIN, LONG));
            assert_eq!(read(world, &server).unwrap(), b"", "the end of what the client sends");
            assert_eq!(world.send(server.as_fd(), b"after").unwrap(), 5);
            assert_eq!(read_exactly(world, &client, 5), b"after", "the other half is open");
            world.close(server);
            assert!(becomes(client.as_fd(), libc::POLLIN, LONG));
            assert_eq!(read(world, &client).unwrap(), b"");
        }
    });
}

#[test]
fn streams_and_datagrams_are_told_apart() {
    in_each_world(|world| {
        for family in [Family::V4, Family::Unix] {
            for (kind, number) in [(Kind::Stream, 1), (Kind::Datagram, 0)] {
                let fd = world.socket(family, kind).unwrap();
                assert_eq!(world.option(fd.as_fd(), SocketOption::Kind).unwrap(), number, "{family:?} {kind:?}");
            }
        }
    });
}

#[test]
fn options_give_back_what_was_set() {
    use SocketOption::*;
    in_each_world(|world| {
        for family in families() {
            let fd = world.socket(family, super::super::Kind::Stream).unwrap();
            let set = |option, value| world.set_option(fd.as_fd(), option, value).unwrap();
            let get = |option| world.option(fd.as_fd(), option).unwrap();
            for flag in [NoDelay, ReuseAddress, ReusePort, KeepAlive, V6Only] {
                if flag == V6Only && family == Family::V4 {
                    continue;
                }
                for value in [1, 0, 1] {
                    set(flag, value);
                    assert_eq!(get(flag), value, "{flag:?}");
                }
            }
            assert_eq!(get(Linger), -1);
            for seconds in [3, 0, -1] {
                set(Linger, seconds);
                assert_eq!(get(Linger), seconds);
            }
            if family == Family::V4 {
                set(Ttl, 77);
                assert_eq!(get(Ttl), 77);
            }
            for buffer in [ReceiveBuffer, SendBuffer] {
                set(buffer, 30_000);
                // Linux gives twice as much, for its own records.
                assert!((30_000..=60_000).contains(&get(buffer)), "{buffer:?}: {}", get(buffer));
            }
            assert_eq!(get(PendingError), 0);
        }
    });
}

/// The outcome of a connect is asked for, and asking takes it away (mio#197, mio#1523).
#[test]
fn a_refused_connect_shows_as_a_pending_error_once() {
    in_each_world(|world| {
        for family in families() {
            // The port is taken, so that nobody else gets it; but nobody listens.
            let taken = world.socket(family, Kind::Stream).unwrap();
            world.bind(taken.as_fd(), loopback(family)).unwrap();
            let address = world.local_address(taken.as_fd()).unwrap();

            let client = world.socket(family, Kind::Stream).unwrap();
            match world.connect(client.as_fd(), address) {
                // Some kernels know at once.
                Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => continue,
                result => assert!(is_would_block(result)),
            }
            assert!(becomes(client.as_fd(), libc::POLLOUT, LONG), "the refusal makes it writable");
            let pending = || world.option(client.as_fd(), SocketOption::PendingError).unwrap();
            assert_eq!([pending(), pending()], [libc::ECONNREFUSED, 0]);
        }
    });
}

/// Sends until the answer is EPIPE. A reset may be reported before, once.
fn send_into_the_void(mut send: impl FnMut() -> io::Result<usize>) {
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < LONG, "sending to nobody goes on and on");
        match send() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            Ok(_) => {}
        }
    }
}

/// With the default action of SIGPIPE, which kills the process (mio#577): it must not be raised.
#[test]
fn a_write_to_a_closed_peer_is_epipe_and_raises_no_signal() {
    alone("sys::suite::sockets::a_write_to_a_closed_peer_is_epipe_and_raises_no_signal", || {
        // SAFETY: the default action is no function of ours.
        assert_ne!(unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) }, libc::SIG_ERR);
        in_each_world(|world| {
            let (ours, theirs) = connected(world, Family::V4);
            world.close(theirs);
            send_into_the_void(|| world.send(ours.as_fd(), b"anybody?"));
            send_into_the_void(|| world.send_vectored(ours.as_fd(), &[IoSlice::new(b"any"), IoSlice::new(b"body?")]));
            let (ours, _theirs) = connected(world, Family::V4);
            world.shutdown(ours.as_fd(), Shutdown::Write).unwrap();
            assert_eq!(world.send(ours.as_fd(), b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
    });
}

/// More slices than a call takes are no error (rust#68042): some are transferred.
#[test]
fn more_slices_than_the_kernel_takes_make_a_short_transfer() {
    in_each_world(|world| {
        let (ours, theirs) = pair();
        let sent = world.send_vectored(ours.as_fd(), &vec![IoSlice::new(b"x"); 5000]).unwrap();
        assert!((1..=5000).contains(&sent), "{sent}");
        let mut bytes = vec![0; 5000];
        let mut rooms: Vec<IoSliceMut<'_>> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
        let received = world.receive_vectored(theirs.as_fd(), &mut rooms).unwrap();
        assert!((1..=sent).contains(&received), "{received} of {sent}");
        assert!(bytes[..received].iter().all(|&byte| byte == b'x'));
    });
}

#[test]
fn nothing_to_transfer_is_a_success() {
    in_each_world(|world| {
        let (ours, theirs) = pair();
        assert_eq!(world.send(ours.as_fd(), b"").unwrap(), 0);
        assert!(is_would_block(read(world, &theirs)), "and nothing was sent");
        for peek in [true, false] {
            assert_eq!(world.receive(theirs.as_fd(), &mut [], peek).unwrap(), 0, "also where there is nothing to read");
        }
        world.send(ours.as_fd(), b"x").unwrap();
        assert_eq!(world.receive(theirs.as_fd(), &mut [], false).unwrap(), 0);
        assert_eq!(read(world, &theirs).unwrap(), b"x", "and nothing was taken");
    });
}

#[test]
fn close_closes() {
    in_each_world(|world| {
        let (ours, theirs) = pair();
        world.close(ours);
        // A process that is just being started elsewhere may hold the end for a moment longer.
        assert!(becomes(theirs.as_fd(), libc::POLLIN, LONG));
        assert_eq!(read(world, &theirs).unwrap(), b"");
    });
}

#[test]
fn an_errno_comes_back_as_it_is() {
    in_each_world(|world| {
        let errno = |result: io::Result<()>| result.unwrap_err().raw_os_error();
        let not_a_socket = std::fs::File::open("/dev/null").unwrap();
        let fd: BorrowedFd<'_> = not_a_socket.as_fd();
        assert_eq!(errno(world.listen(fd, 1)), Some(libc::ENOTSOCK));
        assert_eq!(errno(world.accept(fd).map(drop)), Some(libc::ENOTSOCK));
        assert_eq!(errno(world.local_address(fd).map(drop)), Some(libc::ENOTSOCK));
        assert_eq!(errno(world.set_option(fd, SocketOption::NoDelay, 1)), Some(libc::ENOTSOCK));
        let fresh = world.socket(Family::V4, Kind::Stream).unwrap();
        assert_eq!(errno(world.peer_address(fresh.as_fd()).map(drop)), Some(libc::ENOTCONN));
        assert_eq!(errno(world.shutdown(fresh.as_fd(), Shutdown::Both)), Some(libc::ENOTCONN));
    });
}

#[test]
fn random_numbers_differ() {
    in_each_world(|world| {
        let mut numbers: Vec<u64> = (0..64).map(|_| world.random()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 64);
    });
}

#[test]
fn a_thread_runs_its_body_under_its_name() {
    in_each_world(|world| {
        let (send, receive) = mpsc::channel();
        let body = move || send.send(std::thread::current().name().map(str::to_owned)).unwrap();
        let thread = world.thread("oarsman", Box::new(body)).unwrap();
        assert_eq!(receive.recv_timeout(LONG).unwrap().as_deref(), Some("oarsman"));
        thread.join().unwrap();
    });
}

#[test]
fn a_nap_lasts_by_the_clock_of_the_same_world() {
    in_each_world(|world| {
        let begin = world.now();
        world.nap(Duration::from_millis(2));
        assert!(world.now().duration_since(begin) >= Duration::from_millis(2));
    });
}

/// What ends one connection must not end the listener (hickory#3725, tiny-http#284), and what ends the listener, or
/// comes back at once, must not be taken for that.
#[test]
fn which_errors_of_accept_are_transient() {
    let of = |errno| {
        let error = io::Error::from_raw_os_error(errno);
        (is_transient_accept_error(&error), is_out_of_descriptors(&error))
    };
    for errno in [
        libc::ECONNABORTED,
        libc::ECONNRESET,
        libc::EINTR,
        libc::EPROTO,
        libc::EPERM,
        libc::ENETDOWN,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
        libc::ETIMEDOUT,
    ] {
        assert_eq!(of(errno), (true, false), "{}", io::Error::from_raw_os_error(errno));
    }
    for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        assert_eq!(of(errno), (false, true), "{}", io::Error::from_raw_os_error(errno));
    }
    for errno in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK, libc::EFAULT, libc::EAGAIN, libc::EOPNOTSUPP] {
        assert_eq!(of(errno), (false, false), "{}", io::Error::from_raw_os_error(errno));
    }
    let ours = io::Error::other("not from the system");
    assert!(!is_transient_accept_error(&ours) && !is_out_of_descriptors(&ours));
}
