//! The standard streams. Each test puts something else behind them, so each runs in a process of its own.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use coracle::Runtime;
use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::net::{Stderr, Stdin, Stdout};
use coracle::task::yield_now;

use super::pipe::blocking_pipe;
use super::{kind, pattern, soon};
use crate::support::{alone, cut_at_every_poll, descriptors};

/// Puts a descriptor in the place of a standard stream.
fn becomes(number: i32, fd: impl AsFd) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) }, number);
}

fn is_non_blocking(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK != 0 }
}

/// A terminal: the end of who types, and the end of the program. It does not echo.
pub(super) fn terminal() -> (File, OwnedFd) {
    // SAFETY: no pointers.
    let master = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    assert!(master >= 0);
    // SAFETY: made just now, and owned by nobody else.
    let master = unsafe { File::from_raw_fd(master) };
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::unlockpt(master.as_raw_fd()) }, 0);
    let mut name = [0; 64];
    // SAFETY: `name` has that length.
    assert_eq!(unsafe { libc::ptsname_r(master.as_raw_fd(), name.as_mut_ptr(), name.len()) }, 0);
    // SAFETY: the call has written a string into it.
    let slave = unsafe { libc::open(name.as_ptr(), libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    assert!(slave >= 0);
    // SAFETY: made just now, and owned by nobody else.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    // SAFETY: `termios` is integers only.
    let mut settings: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: `settings` lives to the end of the call.
    assert_eq!(unsafe { libc::tcgetattr(slave.as_raw_fd(), &mut settings) }, 0);
    settings.c_lflag &= !libc::ECHO;
    // SAFETY: `settings` lives to the end of the call.
    assert_eq!(unsafe { libc::tcsetattr(slave.as_raw_fd(), libc::TCSANOW, &settings) }, 0);
    (master, slave)
}

#[test]
fn input_from_a_pipe_comes_as_it_is_written_and_ends() {
    alone("net::stdin::input_from_a_pipe_comes_as_it_is_written_and_ends", || {
        let (reader, mut writer) = blocking_pipe();
        becomes(0, &reader);
        coracle::block_on(soon(async {
            let stdin = Stdin::new().unwrap();
            assert_eq!(kind(stdin.try_read(&mut [0; 8])), ErrorKind::WouldBlock);
            assert_eq!(stdin.read(&mut []).await.unwrap(), 0);
            let mut reading = coracle::spawn(async move {
                let mut buffer = [0; 8];
                let n = stdin.read(&mut buffer).await.unwrap();
                (stdin, buffer[..n].to_vec())
            });
            yield_now().await;
            assert!(!is_non_blocking(reader.as_fd()), "whoever shares it would find it non-blocking");
            assert!(!reading.is_finished());
            writer.write_all(b"one").unwrap();
            let (mut stdin, got) = (&mut reading).await.unwrap();
            assert_eq!(got, b"one");
            let bytes = pattern(1 << 20);
            let writing = std::thread::spawn({
                let bytes = bytes.clone();
                move || writer.write_all(&bytes).unwrap()
            });
            let mut all = Vec::new();
            stdin.read_to_end(&mut all).await.unwrap();
            assert!(all == bytes);
            writing.join().unwrap();
            for _ in 0..3 {
                assert_eq!(Stdin::read(&stdin, &mut [0; 8]).await.unwrap(), 0, "the end is stable");
            }
        }));
    });
}

/// No thread waits for input, and nothing else does that would hold up the end of the program: a task that waits ends
/// with its runtime.
#[test]
fn who_waits_for_input_keeps_nobody_alive() {
    alone("net::stdin::who_waits_for_input_keeps_nobody_alive", || {
        let (reader, _writer) = blocking_pipe();
        becomes(0, &reader);
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let (threads_before, before) = (threads(), descriptors());
        let runtime = Runtime::new();
        runtime.block_on(async {
            drop(coracle::spawn(async { Stdin::new().unwrap().read(&mut [0; 8]).await.map(drop) }));
            yield_now().await;
            assert_eq!(threads(), threads_before);
        });
        drop(runtime);
        assert_eq!(descriptors(), before);
    });
}

/// A regular file is always ready, and so are `/dev/null` and `/dev/zero`; the poller would refuse the first.
#[test]
fn files_and_null_are_always_ready_and_never_registered() {
    alone("net::stdin::files_and_null_are_always_ready_and_never_registered", || {
        let path = super::unix::TempPath::new();
        let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        file.write_all(b"contents").unwrap();
        file.rewind().unwrap();
        becomes(0, &file);
        let runtime = Runtime::new();
        runtime.block_on(soon(async {
            let mut all = String::new();
            Stdin::new().unwrap().read_to_string(&mut all).await.unwrap();
            assert_eq!(all, "contents");
            becomes(0, File::open("/dev/null").unwrap());
            assert_eq!(Stdin::new().unwrap().read(&mut [0; 8]).await.unwrap(), 0);
            becomes(0, File::open("/dev/zero").unwrap());
            assert_eq!(Stdin::new().unwrap().read(&mut [7; 8]).await.unwrap(), 8);
        }));
        assert!(runtime.inspect().sources.is_empty());
        runtime.block_on(soon(async {
            let output = std::io::stdout().as_fd().try_clone_to_owned().unwrap();
            becomes(1, &file);
            let written = Stdout::new().unwrap().write_all(b" and more").await;
            becomes(1, &output);
            written.unwrap();
        }));
        assert!(runtime.inspect().sources.is_empty());
        assert_eq!(std::fs::read(&path).unwrap(), b"contents and more");
    });
}

/// Another process has the same terminal, and expects it to block. It goes on reading after ours has waited; each line
/// goes to one of the two.
#[test]
fn two_processes_share_a_terminal() {
    alone("net::stdin::two_processes_share_a_terminal", || {
        let (mut keyboard, slave) = terminal();
        becomes(0, &slave);
        coracle::block_on(soon(async {
            let stdin = Stdin::new().unwrap();
            let reading = coracle::spawn(async move {
                let mut buffer = [0; 64];
                let n = stdin.read(&mut buffer).await.unwrap();
                (stdin, buffer[..n].to_vec())
            });
            yield_now().await;
            keyboard.write_all(b"for us\n").unwrap();
            let (stdin, line) = reading.await.unwrap();
            assert_eq!(line, b"for us\n");
            assert!(!is_non_blocking(slave.as_fd()));
            // A blocking read in another process; non-blocking, `read` would fail at once.
            let child = std::process::Command::new("sh")
                .args(["-c", "echo ready; read line; echo \"$line\""])
                .stdin(slave.try_clone().unwrap())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let (mut child, mut said) = (child, String::new());
            let mut output = coracle::net::PipeReader::try_from(child.stdout.take().unwrap()).unwrap();
            output.read_exact(&mut [0; 6]).await.unwrap();
            coracle::time::sleep(Duration::from_millis(5)).await;
            keyboard.write_all(b"for them\n").unwrap();
            output.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "for them\n");
            assert!(child.wait().unwrap().success());
            keyboard.write_all(b"one\ntwo\n").unwrap();
            let mut buffer = [0; 64];
            assert_eq!(stdin.read(&mut buffer).await.unwrap(), 4, "a line at a time");
            assert_eq!(stdin.read(&mut buffer).await.unwrap(), 4);
            // Ctrl-D is an end, after which more may come.
            keyboard.write_all(b"\x04").unwrap();
            assert_eq!(stdin.read(&mut buffer).await.unwrap(), 0);
            keyboard.write_all(b"more\n").unwrap();
            assert_eq!(stdin.read(&mut buffer).await.unwrap(), 5);
        }));
    });
}

/// Another who shares the input took what was there: that is waited for anew, and blocks nobody.
#[test]
fn what_another_took_is_waited_for_anew() {
    alone("net::stdin::what_another_took_is_waited_for_anew", || {
        let (mut reader, mut writer) = blocking_pipe();
        becomes(0, &reader);
        coracle::block_on(soon(async {
            let reading = coracle::spawn(async {
                let mut buffer = [0; 8];
                let n = Stdin::new().unwrap().read(&mut buffer).await.unwrap();
                buffer[..n].to_vec()
            });
            yield_now().await;
            writer.write_all(b"taken").unwrap();
            reader.read_exact(&mut [0; 5]).unwrap();
            // Long enough for the event to come.
            coracle::time::sleep(Duration::from_millis(2)).await;
            assert!(!reading.is_finished());
            writer.write_all(b"left").unwrap();
            assert_eq!(reading.await.unwrap(), b"left");
        }));
    });
}

#[test]
fn a_cancelled_read_loses_no_byte() {
    alone("net::stdin::a_cancelled_read_loses_no_byte", || {
        let before = descriptors();
        let dropped = cut_at_every_poll(|cut| {
            let (reader, mut writer) = blocking_pipe();
            becomes(0, &reader);
            coracle::block_on(soon(async {
                let stdin = Stdin::new().unwrap();
                let writing = coracle::spawn(async move {
                    yield_now().await;
                    writer.write_all(b"x").unwrap();
                    writer
                });
                let got = cut.at(stdin.read(&mut [0; 8])).await.map(Result::unwrap);
                let _writer = writing.await.unwrap();
                assert_eq!(got.or_else(|| stdin.try_read(&mut [0; 8]).ok()), Some(1));
            }));
        });
        assert!(dropped >= 3, "{dropped}");
        assert_eq!(descriptors(), before);
    });
}

/// The reader of our output is slow. That holds up who writes, and nobody else; and all of it arrives.
#[test]
fn output_to_a_slow_reader_holds_nobody_else_up() {
    alone("net::stdin::output_to_a_slow_reader_holds_nobody_else_up", || {
        let (mut reader, writer) = blocking_pipe();
        let streams = [1, 2].map(|number| {
            // SAFETY: no pointers.
            let fd = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
            // SAFETY: made just now, and owned by nobody else.
            unsafe { OwnedFd::from_raw_fd(fd) }
        });
        becomes(1, &writer);
        becomes(2, &writer);
        let bytes = pattern(300_000);
        let result = std::panic::catch_unwind(|| {
            coracle::block_on(soon(async {
                let writing = coracle::spawn({
                    let bytes = bytes.clone();
                    async move {
                        let (first, second) = bytes.split_at(150_000);
                        Stdout::new().unwrap().write_all(first).await.unwrap();
                        Stderr::new().unwrap().write_all(second).await.unwrap();
                    }
                });
                for _ in 0..1000 {
                    yield_now().await;
                }
                assert!(!writing.is_finished(), "the pipe takes less than that");
                assert!(!is_non_blocking(writer.as_fd()));
                let reading = std::thread::spawn(move || {
                    let mut all = vec![0; 300_000];
                    reader.read_exact(&mut all).unwrap();
                    all
                });
                writing.await.unwrap();
                reading.join().unwrap()
            }))
        });
        let [out, err] = streams;
        becomes(1, &out);
        becomes(2, &err);
        assert!(result.unwrap() == bytes);
    });
}
