//! Pipes: bytes, ends, and descriptors that others made.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::task::Context;

use coracle::Runtime;
use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::net::{PipeReader, PipeWriter, pipe};
use coracle::task::yield_now;

use super::{kind, make_poller, pattern, settle, soon};
use crate::support::{self, CountingWaker, cut_at_every_poll};

/// A pipe as other programs make it: its ends block. The end that reads, and the end that writes.
pub(super) fn blocking_pipe() -> (File, File) {
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: made just now, and owned by nobody else.
    ends.map(|fd| unsafe { File::from_raw_fd(fd) }).into()
}

#[test]
fn a_mebibyte_goes_through_whole_and_then_the_end() {
    coracle::block_on(soon(async {
        let (mut reader, mut writer) = pipe().unwrap();
        let bytes = pattern(1 << 20);
        let writing = coracle::spawn({
            let bytes = bytes.clone();
            async move {
                writer.write_all(&bytes).await.unwrap();
                writer.close().await.unwrap();
            }
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        writing.await.unwrap();
        assert!(all == bytes);
        for _ in 0..10 {
            assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0, "the end is stable");
        }
    }));
}

/// The poller reports the writer's end as a hang-up, and not as something to read (tokio-core#117).
#[test]
fn a_writer_that_goes_wakes_a_waiting_reader() {
    coracle::block_on(soon(async {
        for bytes in [&b""[..], b"last words"] {
            let (reader, writer) = pipe().unwrap();
            let reading = coracle::spawn(async move {
                let mut all = Vec::new();
                { reader }.read_to_end(&mut all).await.unwrap();
                all
            });
            yield_now().await;
            writer.write(bytes).await.unwrap();
            yield_now().await;
            drop(writer);
            assert_eq!(reading.await.unwrap(), bytes);
        }
    }));
}

#[test]
fn a_reader_that_goes_is_an_error_for_the_writer() {
    coracle::block_on(soon(async {
        let (reader, writer) = pipe().unwrap();
        while writer.try_write(&[0; 4096]).is_ok() {}
        let writing = coracle::spawn(async move {
            let first = kind(writer.write(b"x").await);
            (first, kind(writer.write(b"x").await), kind(writer.try_write(b"x")))
        });
        yield_now().await;
        drop(reader);
        assert_eq!(writing.await.unwrap(), (ErrorKind::BrokenPipe, ErrorKind::BrokenPipe, ErrorKind::BrokenPipe));
    }));
}

/// Also in a process that SIGPIPE would kill (mio#577, otel#4293), such as one whose `main` is not Rust's.
#[test]
fn a_broken_pipe_kills_nobody() {
    support::alone("net::pipe::a_broken_pipe_kills_nobody", || {
        // SAFETY: no handler but the system's.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        coracle::block_on(soon(async {
            let (reader, mut writer) = pipe().unwrap();
            drop(reader);
            assert_eq!(kind(writer.write(b"x").await), ErrorKind::BrokenPipe);
            assert_eq!(kind(writer.write_all(b"x").await), ErrorKind::BrokenPipe);
            let (one, other) = coracle::net::UnixStream::pair().unwrap();
            drop(other);
            assert_eq!(kind(one.write(b"x").await), ErrorKind::BrokenPipe);
            assert_eq!(kind(one.send_with_fds(b"x", &[]).await), ErrorKind::BrokenPipe);
        }));
        // It is as it was: this would have killed us.
        // SAFETY: no handler but the system's.
        assert_eq!(unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) }, libc::SIG_DFL);
    });
}

#[test]
fn nothing_is_read_and_written_without_waiting() {
    coracle::block_on(soon(async {
        let (reader, writer) = pipe().unwrap();
        assert_eq!(reader.read(&mut []).await.unwrap(), 0);
        while writer.try_write(&[0; 4096]).is_ok() {}
        assert_eq!(writer.write(&[]).await.unwrap(), 0);
        let slices = vec![std::io::IoSlice::new(b"x"); 5000];
        let (_reader, writer) = pipe().unwrap();
        let n = std::future::poll_fn(|cx| writer.poll_write_vectored(cx, &slices)).await.unwrap();
        assert!((1..=5000).contains(&n));
    }));
}

#[test]
fn the_streams_of_a_child_are_pipes() {
    coracle::block_on(soon(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut writer = PipeWriter::try_from(child.stdin.take().unwrap()).unwrap();
        let mut reader = PipeReader::try_from(child.stdout.take().unwrap()).unwrap();
        let bytes = pattern(300_000);
        let writing = coracle::spawn({
            let bytes = bytes.clone();
            async move { writer.write_all(&bytes).await.unwrap() }
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        writing.await.unwrap();
        assert!(all == bytes);
        assert!(child.wait().unwrap().success());
        let mut child = Command::new("sh").args(["-c", "echo oh >&2"]).stderr(Stdio::piped()).spawn().unwrap();
        let reader = PipeReader::try_from(child.stderr.take().unwrap()).unwrap();
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 3);
        child.wait().unwrap();
    }));
}

/// A terminal gives a line at a time. A read of one that is shorter than its buffer is no sign that there is no other.
#[test]
fn lines_of_a_terminal_come_one_after_the_other() {
    coracle::block_on(soon(async {
        let (mut theirs, ours) = super::stdin::terminal();
        let reader = PipeReader::try_from(ours).unwrap();
        let reading = coracle::spawn(async move {
            let (mut buffer, mut lines) = ([0; 64], Vec::new());
            while lines.len() < 3 {
                let n = reader.read(&mut buffer).await.unwrap();
                lines.push(buffer[..n].to_vec());
            }
            lines
        });
        yield_now().await;
        theirs.write_all(b"one\ntwo\nthree\n").unwrap();
        assert_eq!(reading.await.unwrap(), [&b"one\n"[..], b"two\n", b"three\n"]);
    }));
}

/// Our end is non-blocking; the other end of the same pipe is another open file, and stays as it was.
#[test]
fn only_our_end_becomes_non_blocking() {
    coracle::block_on(soon(async {
        let (reader, mut writer) = blocking_pipe();
        let reader = PipeReader::try_from(OwnedFd::from(reader)).unwrap();
        let flags = |fd: std::os::fd::BorrowedFd<'_>| {
            // SAFETY: no pointers.
            unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK }
        };
        assert!(flags(reader.as_fd()) != 0 && flags(writer.as_fd()) == 0);
        assert_eq!(kind(reader.try_read(&mut [0; 8])), ErrorKind::WouldBlock);
        writer.write_all(b"x").unwrap();
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 1);
        let back = OwnedFd::from(reader);
        drop(writer);
        assert_eq!(File::from(back).read(&mut [0; 8]).unwrap(), 0);
    }));
}

#[test]
fn each_byte_goes_to_one_reader_in_order() {
    coracle::block_on(soon(async {
        let (reader, writer) = pipe().unwrap();
        let reader = Rc::new(reader);
        let reading: Vec<_> = (0..10)
            .map(|_| {
                let reader = reader.clone();
                coracle::spawn(async move {
                    let mut byte = [0];
                    reader.read(&mut byte).await.unwrap();
                    byte[0]
                })
            })
            .collect();
        yield_now().await;
        writer.write(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await.unwrap();
        for (number, reading) in reading.into_iter().enumerate() {
            assert_eq!(reading.await.unwrap() as usize, number);
        }
    }));
}

#[test]
fn pollers_are_woken_and_an_idle_pipe_wakes_nobody() {
    let runtime = Runtime::new();
    let (reader, writer) = runtime.block_on(async { pipe().unwrap() });
    for _ in 0..3 {
        let (woken, waker) = CountingWaker::new();
        let mut cx = Context::from_waker(&waker);
        assert!(reader.poll_read(&mut cx, &mut [0; 8]).is_pending());
        settle(&runtime);
        assert_eq!(woken.wakes(), 0);
        writer.try_write(b"x").unwrap();
        settle(&runtime);
        assert_eq!(woken.wakes(), 1);
        assert!(reader.poll_read(&mut cx, &mut [0; 8]).is_ready());
    }
    drop(runtime);
    assert_eq!(kind(reader.try_read(&mut [0; 8])), ErrorKind::NotConnected);
    assert_eq!(kind(writer.try_write(b"x")), ErrorKind::NotConnected);
    assert_eq!(kind(pipe()), ErrorKind::Other, "outside of a runtime");
}

// ---- dropped -------------------------------------------------------------------------------------------------------

#[test]
fn a_cancelled_read_loses_no_byte() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (mut reader, writer) = pipe().unwrap();
            let writing = coracle::spawn(async move {
                for byte in b"ab" {
                    yield_now().await;
                    writer.write(&[*byte]).await.unwrap();
                }
            });
            let mut buffer = [0; 8];
            let n = cut.at(PipeReader::read(&reader, &mut buffer)).await.map_or(0, Result::unwrap);
            let mut got = buffer[..n].to_vec();
            reader.read_to_end(&mut got).await.unwrap();
            writing.await.unwrap();
            assert_eq!(got, b"ab");
        }));
    });
    assert!(dropped >= 3, "{dropped}");
}

#[test]
fn a_cancelled_write_has_written_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (mut reader, writer) = pipe().unwrap();
            let mut full = 0;
            while let Ok(n) = writer.try_write(&[0; 4096]) {
                full += n;
            }
            let reading = coracle::spawn(async move {
                yield_now().await;
                let mut all = Vec::new();
                reader.read_to_end(&mut all).await.unwrap();
                all.len()
            });
            let written = cut.at(writer.write(b"x")).await.map_or(0, Result::unwrap);
            drop(writer);
            assert_eq!(reading.await.unwrap(), full + written);
        }));
    });
    assert!(dropped >= 3, "{dropped}");
}

#[test]
fn pipes_give_their_descriptors_back() {
    support::alone("net::pipe::pipes_give_their_descriptors_back", || {
        let runtime = Runtime::new();
        make_poller(&runtime);
        let before = support::descriptors();
        runtime.block_on(soon(async {
            for _ in 0..100 {
                let (reader, writer) = pipe().unwrap();
                let waiting = coracle::spawn(async move { reader.read(&mut [0; 8]).await.unwrap() });
                yield_now().await;
                drop(writer);
                assert_eq!(waiting.await.unwrap(), 0);
            }
        }));
        assert_eq!(support::descriptors(), before);
        assert!(runtime.inspect().sources.is_empty());
    });
}
