//! Descriptors that travel through Unix sockets: they arrive, close-on-exec, or are closed; none leaks.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use coracle::net::{UnixDatagram, UnixStream};
use coracle::task::yield_now;

use super::pipe::blocking_pipe;
use super::{kind, soon};
use crate::support::{self, cut_at_every_poll};

fn null() -> File {
    File::open("/dev/null").unwrap()
}

#[test]
fn a_descriptor_arrives_and_is_the_same_file() {
    coracle::block_on(soon(async {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut reader, writer) = blocking_pipe();
        assert_eq!(one.send_with_fds(b"take it", &[writer.as_fd()]).await.unwrap(), 7);
        drop(writer);
        let mut buffer = [0; 64];
        let mut got = other.recv_with_fds(&mut buffer, 4).await.unwrap();
        assert_eq!((&buffer[..got.length], got.fds.len(), got.fds_lost), (&b"take it"[..], 1, false));
        let theirs = got.fds.pop().unwrap();
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::fcntl(theirs.as_raw_fd(), libc::F_GETFD) }, libc::FD_CLOEXEC);
        std::io::Write::write_all(&mut File::from(theirs), b"through").unwrap();
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "through");
    }));
}

/// A read ends where descriptors came with the bytes, though more bytes are behind. That is no sign that nothing is left:
/// who took it for one would wait for ever.
#[test]
fn bytes_behind_descriptors_are_read_without_another_event() {
    coracle::block_on(soon(async {
        let (one, other) = UnixStream::pair().unwrap();
        let null = null();
        let reading = coracle::spawn(async move {
            let mut buffer = [0; 1024];
            let mut all = Vec::new();
            while all.len() < 12 {
                // A plain read: the descriptors are closed.
                let n = other.read(&mut buffer).await.unwrap();
                assert!(n > 0);
                all.extend_from_slice(&buffer[..n]);
            }
            all
        });
        // So that it waits, and has registered.
        yield_now().await;
        for bytes in [b"one", b"two"] {
            one.send_with_fds(bytes, &[null.as_fd()]).await.unwrap();
            one.write_all(b"end").await.unwrap();
        }
        assert_eq!(reading.await.unwrap(), b"oneendtwoend");
    }));
}

#[test]
fn as_many_as_the_system_allows() {
    support::alone("net::unix_fds::as_many_as_the_system_allows", || {
        let before = support::descriptors();
        coracle::block_on(soon(async {
            let (one, other) = UnixStream::pair().unwrap();
            let null = null();
            one.send_with_fds(b"x", &[null.as_fd(); 253]).await.unwrap();
            let got = other.recv_with_fds(&mut [0; 8], usize::MAX).await.unwrap();
            assert_eq!((got.fds.len(), got.fds_lost), (253, false));
            let error = one.send_with_fds(b"x", &[null.as_fd(); 254]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("253"), "{error}");
        }));
        assert_eq!(support::descriptors(), before);
    });
}

/// More come than were asked for: none is kept, none stays open, the bytes are there, and the next message is whole.
#[test]
fn what_is_not_wanted_is_closed_and_told() {
    support::alone("net::unix_fds::what_is_not_wanted_is_closed_and_told", || {
        let before = support::descriptors();
        coracle::block_on(soon(async {
            let (one, other) = UnixStream::pair().unwrap();
            let null = null();
            let open = support::descriptors();
            for (sent, most) in [(1, 0), (2, 1), (3, 2), (253, 252), (253, 0)] {
                one.send_with_fds(b"bytes", &vec![null.as_fd(); sent]).await.unwrap();
                let got = other.recv_with_fds(&mut [0; 8], most).await.unwrap();
                assert_eq!((got.length, got.fds.len(), got.fds_lost), (5, 0, true), "{sent} sent, {most} wanted");
                assert_eq!(support::descriptors(), open, "{sent} sent, {most} wanted");
                one.send_with_fds(b"x", &[null.as_fd()]).await.unwrap();
                let got = other.recv_with_fds(&mut [0; 8], 1).await.unwrap();
                assert_eq!((got.fds.len(), got.fds_lost), (1, false));
            }
        }));
        assert_eq!(support::descriptors(), before);
    });
}

/// This process may not open that many: as above.
#[test]
fn what_this_process_has_no_room_for_is_told() {
    support::alone("net::unix_fds::what_this_process_has_no_room_for_is_told", || {
        coracle::block_on(soon(async {
            let (one, other) = UnixStream::pair().unwrap();
            let null = null();
            let open = support::descriptors();
            one.send_with_fds(b"bytes", &[null.as_fd(); 10]).await.unwrap();
            let limit = libc::rlimit { rlim_cur: (open + 3) as libc::rlim_t, rlim_max: libc::RLIM_INFINITY };
            let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: `old` lives to the end of the call.
            assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut old) }, 0);
            let limit = libc::rlimit { rlim_max: old.rlim_max, ..limit };
            // SAFETY: `limit` lives to the end of the call.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
            let got = other.recv_with_fds(&mut [0; 8], 16).await.unwrap();
            // SAFETY: `old` lives to the end of the call.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &old) }, 0);
            assert_eq!((got.length, got.fds.len(), got.fds_lost), (5, 0, true));
            assert_eq!(support::descriptors(), open);
        }));
    });
}

/// Sent and never received: they go with the socket.
#[test]
fn descriptors_in_flight_are_closed_with_the_socket() {
    coracle::block_on(soon(async {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut reader, writer) = blocking_pipe();
        one.send_with_fds(b"x", &[writer.as_fd()]).await.unwrap();
        drop((writer, one, other));
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
    }));
}

/// In a stream, descriptors need a byte to travel with; the system would drop them without a word.
#[test]
fn a_stream_carries_no_descriptors_without_bytes() {
    coracle::block_on(soon(async {
        let (one, other) = UnixStream::pair().unwrap();
        let null = null();
        assert_eq!(kind(one.send_with_fds(b"", &[null.as_fd()]).await), ErrorKind::InvalidInput);
        assert_eq!(kind(other.recv_with_fds(&mut [], 1).await), ErrorKind::InvalidInput);
        one.send_with_fds(b"none", &[]).await.unwrap();
        let got = other.recv_with_fds(&mut [0; 8], 1).await.unwrap();
        assert_eq!((got.length, got.fds.len(), got.fds_lost), (4, 0, false));
        drop(one);
        assert_eq!(other.recv_with_fds(&mut [0; 8], 1).await.unwrap().length, 0);
    }));
}

/// What is sent together arrives together, also where reads could take more.
#[test]
fn descriptors_stay_with_their_bytes() {
    coracle::block_on(soon(async {
        let (one, other) = UnixStream::pair().unwrap();
        let null = null();
        one.write_all(b"before").await.unwrap();
        one.send_with_fds(b"one", &[null.as_fd()]).await.unwrap();
        one.send_with_fds(b"two", &[null.as_fd(), null.as_fd()]).await.unwrap();
        one.write_all(b"after").await.unwrap();
        let (mut buffer, mut seen) = ([0; 64], Vec::new());
        while seen.iter().map(|(n, _)| n).sum::<usize>() < 17 {
            let got = other.recv_with_fds(&mut buffer, 8).await.unwrap();
            seen.push((got.length, got.fds.len()));
        }
        let with_fds: Vec<_> = seen.iter().map(|(_, fds)| *fds).filter(|fds| *fds > 0).collect();
        assert_eq!(with_fds, [1, 2], "{seen:?}");
    }));
}

#[test]
fn a_datagram_carries_descriptors_also_if_it_is_empty_or_cut() {
    coracle::block_on(soon(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let null = null();
        one.send_with_fds(b"", &[null.as_fd()]).await.unwrap();
        one.send_with_fds(b"12345", &[null.as_fd(); 3]).await.unwrap();
        let got = other.recv_with_fds(&mut [], 1).await.unwrap();
        assert_eq!((got.length, got.fds.len(), got.truncated), (0, 1, false));
        let got = other.recv_with_fds(&mut [0; 4], 3).await.unwrap();
        assert_eq!((got.length, got.fds.len(), got.truncated, got.fds_lost), (4, 3, true, false));
    }));
}

/// A receive that is given up has taken nothing: neither bytes nor descriptors.
#[test]
fn a_cancelled_receive_loses_no_descriptor() {
    support::alone("net::unix_fds::a_cancelled_receive_loses_no_descriptor", || {
        let before = support::descriptors();
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(soon(async {
                let (one, other) = UnixStream::pair().unwrap();
                let sending = coracle::spawn(async move {
                    yield_now().await;
                    one.send_with_fds(b"x", &[null().as_fd()]).await.unwrap();
                    one
                });
                let mut buffer = [0; 8];
                let got = cut.at(other.recv_with_fds(&mut buffer, 1)).await.map(Result::unwrap);
                let _one = sending.await.unwrap();
                let got = match got {
                    Some(got) => got,
                    None => other.recv_with_fds(&mut buffer, 1).await.unwrap(),
                };
                let fds: [OwnedFd; 1] = got.fds.try_into().unwrap();
                assert_eq!(File::from(fds.into_iter().next().unwrap()).read(&mut [0; 8]).unwrap(), 0);
            }));
        });
        assert!(dropped >= 3, "{dropped}");
        assert_eq!(support::descriptors(), before);
    });
}

/// A send that is given up has sent nothing, and keeps nothing.
#[test]
fn a_cancelled_send_has_sent_no_descriptor() {
    support::alone("net::unix_fds::a_cancelled_send_has_sent_no_descriptor", || {
        let before = support::descriptors();
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(soon(async {
                let (one, other) = UnixStream::pair().unwrap();
                let mut full = 0;
                while let Ok(n) = one.try_write(&[0; 4096]) {
                    full += n;
                }
                let reading = coracle::spawn(async move {
                    yield_now().await;
                    let (mut buffer, mut bytes, mut fds) = ([0; 65_536], 0, 0);
                    loop {
                        let got = other.recv_with_fds(&mut buffer, 1).await.unwrap();
                        (bytes, fds) = (bytes + got.length, fds + got.fds.len());
                        if got.length == 0 {
                            return (bytes, fds);
                        }
                    }
                });
                let null = null();
                let sent = cut.at(one.send_with_fds(b"x", &[null.as_fd()])).await.map(Result::unwrap);
                drop(one);
                assert_eq!(reading.await.unwrap(), (full + sent.unwrap_or(0), sent.unwrap_or(0)));
            }));
        });
        assert!(dropped >= 3, "{dropped}");
        assert_eq!(support::descriptors(), before);
    });
}
