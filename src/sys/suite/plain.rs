//! Pipes, and other descriptors that are no sockets: reading, writing, and asking if one is ready.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};

use super::{alone, in_each_world, is_would_block, pair};

#[test]
fn a_pipe_carries_bytes_one_way_and_ends() {
    in_each_world(|world| {
        let (reader, writer) = world.pipe().unwrap();
        for end in [&reader, &writer] {
            // SAFETY: no pointers.
            let flags = unsafe { libc::fcntl(end.as_raw_fd(), libc::F_GETFD) };
            assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        }
        let mut buffer = [0; 16];
        assert!(is_would_block(world.read(reader.as_fd(), &mut buffer)));
        assert_eq!(world.write(writer.as_fd(), &[IoSlice::new(b"he"), IoSlice::new(b"llo")]).unwrap(), 5);
        assert_eq!(world.read(reader.as_fd(), &mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..5], b"hello");
        while world.write(writer.as_fd(), &[IoSlice::new(&[0; 4096])]).is_ok() {}
        assert!(is_would_block(world.write(writer.as_fd(), &[IoSlice::new(b"x")])));
        world.close(writer);
        while world.read(reader.as_fd(), &mut [0; 4096]).unwrap() > 0 {}
        assert_eq!(world.read(reader.as_fd(), &mut buffer).unwrap(), 0);
    });
}

#[test]
fn more_slices_than_a_call_takes_are_no_error() {
    in_each_world(|world| {
        let (_reader, writer) = world.pipe().unwrap();
        let slices = vec![IoSlice::new(b"x"); 5000];
        assert_eq!(world.write(writer.as_fd(), &slices).unwrap(), super::super::unix::MOST_SLICES);
    });
}

#[test]
fn readiness_is_asked_without_waiting() {
    in_each_world(|world| {
        let (reader, writer) = world.pipe().unwrap();
        let ready = || (world.is_ready(reader.as_fd(), false).unwrap(), world.is_ready(writer.as_fd(), true).unwrap());
        assert_eq!(ready(), (false, true));
        while world.write(writer.as_fd(), &[IoSlice::new(&[0; 4096])]).is_ok() {}
        assert_eq!(ready(), (true, false));
        world.close(reader);
        assert!(world.is_ready(writer.as_fd(), true).unwrap(), "what fails at once does not block");
        let (ours, theirs) = pair();
        assert!(!world.is_ready(ours.as_fd(), false).unwrap());
        world.close(theirs);
        assert!(world.is_ready(ours.as_fd(), false).unwrap(), "nor does the end");
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(world.is_ready(file.as_fd(), false).unwrap());
    });
}

fn set_disposition(disposition: libc::sighandler_t) {
    // SAFETY: no handler but one of the system's.
    unsafe { libc::signal(libc::SIGPIPE, disposition) };
}

/// Makes SIGPIPE one of the signals that this thread has blocked, or none.
fn block(how: libc::c_int) {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: S1: room for one set, which is written whole.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: S1: as above.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE) };
    // SAFETY: S1: the set lives to the end of the call.
    unsafe { libc::pthread_sigmask(how, set.as_ptr(), std::ptr::null_mut()) };
}

fn is_pending() -> bool {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: S1: room for one set, which is written whole.
    unsafe { libc::sigpending(set.as_mut_ptr()) };
    // SAFETY: S1: as above.
    unsafe { libc::sigismember(set.as_ptr(), libc::SIGPIPE) == 1 }
}

/// A process that does not ignore SIGPIPE is not killed by a write to a broken pipe (mio#577, mold#342), and keeps what
/// it has said about that signal.
#[test]
fn a_write_to_a_broken_pipe_is_an_error_and_no_signal() {
    alone("sys::suite::plain::a_write_to_a_broken_pipe_is_an_error_and_no_signal", || {
        in_each_world(|world| {
            let broken = || {
                let (reader, writer) = world.pipe().unwrap();
                world.close(reader);
                world.write(writer.as_fd(), &[IoSlice::new(b"x")]).unwrap_err().kind()
            };
            for disposition in [libc::SIG_DFL, libc::SIG_IGN] {
                set_disposition(disposition);
                for _ in 0..3 {
                    assert_eq!(broken(), io::ErrorKind::BrokenPipe);
                    assert!(!is_pending(), "the signal is left behind");
                }
            }
            // Who has blocked it, and has one pending that is his own, keeps both.
            set_disposition(libc::SIG_DFL);
            block(libc::SIG_BLOCK);
            assert_eq!(broken(), io::ErrorKind::BrokenPipe);
            assert!(!is_pending(), "ours was taken away");
            // SAFETY: no pointers; the signal is blocked.
            unsafe { libc::raise(libc::SIGPIPE) };
            assert_eq!(broken(), io::ErrorKind::BrokenPipe);
            assert!(is_pending(), "his was taken away");
            set_disposition(libc::SIG_IGN);
            block(libc::SIG_UNBLOCK);
        });
    });
}
