//! `Async`: descriptors of the user's, with closures that are tried until they succeed.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::task::Context;

use coracle::Runtime;
use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::net::Async;
use coracle::task::yield_now;

use super::unix::TempPath;
use super::{kind, make_poller, settle, soon, waiting};
use crate::support::{self, CountingWaker, cut_at_every_poll};

fn pair() -> (Async<UnixStream>, Async<UnixStream>) {
    let (one, other) = UnixStream::pair().unwrap();
    (Async::new(one).unwrap(), Async::new(other).unwrap())
}

fn is_non_blocking(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK != 0 }
}

#[test]
fn a_closure_is_tried_again_when_the_descriptor_is_ready() {
    coracle::block_on(soon(async {
        let (one, other) = pair();
        let tries = Rc::new(Cell::new(0));
        let reading = coracle::spawn({
            let tries = tries.clone();
            async move {
                let mut buffer = [0; 8];
                let n = one
                    .read_with(|mut io| {
                        tries.set(tries.get() + 1);
                        io.read(&mut buffer)
                    })
                    .await;
                (n.unwrap(), buffer)
            }
        });
        yield_now().await;
        assert!(tries.get() >= 1 && !reading.is_finished());
        let before = tries.get();
        assert_eq!(other.write_with(|mut io| io.write(b"bytes")).await.unwrap(), 5);
        assert_eq!(reading.await.unwrap(), (5, *b"bytes\0\0\0"));
        assert_eq!(tries.get(), before + 1, "it is tried when there is something, and not before");
    }));
}

/// A listener of std's, and what comes out of it: nothing is known here of what the closure does.
#[test]
fn a_closure_may_accept() {
    coracle::block_on(soon(async {
        let path = TempPath::new();
        let listener = Async::new(UnixListener::bind(&path).unwrap()).unwrap();
        let accepting = coracle::spawn(async move { listener.read_with(UnixListener::accept).await.unwrap().0 });
        yield_now().await;
        let client = UnixStream::connect(&path).unwrap();
        let server = Async::new(accepting.await.unwrap()).unwrap();
        (&client).write_all(b"x").unwrap();
        assert_eq!(server.read_with(|mut io| io.read(&mut [0; 8])).await.unwrap(), 1);
    }));
}

#[test]
fn an_eventfd_counts() {
    coracle::block_on(soon(async {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        // SAFETY: made just now, and owned by nobody else.
        let event = Async::new(unsafe { File::from_raw_fd(fd) }).unwrap();
        let event = Rc::new(event);
        let waiting = coracle::spawn({
            let event = event.clone();
            async move {
                let mut count = [0; 8];
                event.read_with(|mut io| io.read_exact(&mut count)).await.unwrap();
                u64::from_ne_bytes(count)
            }
        });
        yield_now().await;
        for _ in 0..3 {
            event.write_with(|mut io| io.write_all(&1u64.to_ne_bytes())).await.unwrap();
        }
        assert_eq!(waiting.await.unwrap(), 3);
    }));
}

/// The poller refuses a regular file, so it is not asked: a file is always ready.
#[test]
fn a_regular_file_is_read_and_written_at_once_and_never_registered() {
    let runtime = Runtime::new();
    runtime.block_on(soon(async {
        let path = TempPath::new();
        let mut file = Async::new(File::create_new(&path).unwrap()).unwrap();
        file.write_all(b"contents").await.unwrap();
        file.flush().await.unwrap();
        let mut file = Async::new(File::open(&path).unwrap()).unwrap();
        let mut all = String::new();
        file.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "contents");
        assert_eq!(file.read(&mut [0; 8]).await.unwrap(), 0);
    }));
    assert!(runtime.inspect().sources.is_empty());
}

/// A closure that says `WouldBlock` of a descriptor that cannot be watched: the error comes, nothing hangs.
#[test]
fn what_cannot_be_watched_is_an_error() {
    let runtime = Runtime::new();
    let file = runtime.block_on(async { Async::new(File::open("/dev/null").unwrap()).unwrap() });
    let result: io::Result<()> =
        runtime.block_on(soon(file.read_with(|_| Err(io::Error::from(ErrorKind::WouldBlock)))));
    assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EPERM));
    assert!(runtime.inspect().sources.is_empty());
}

#[test]
fn what_reads_and_writes_by_reference_does_so_here() {
    coracle::block_on(soon(async {
        let (mut one, other) = pair();
        let bytes = super::pattern(1 << 20);
        let writing = coracle::spawn({
            let bytes = bytes.clone();
            async move {
                AsyncWriteExt::write_all(&mut &other, &bytes).await.unwrap();
                { other }.close().await.unwrap();
            }
        });
        let mut all = Vec::new();
        one.read_to_end(&mut all).await.unwrap();
        assert!(all == bytes);
        writing.await.unwrap();
        assert_eq!(kind(one.write_all(b"x").await), ErrorKind::BrokenPipe);
    }));
}

#[test]
fn both_directions_wait_apart_and_pollers_are_woken() {
    let runtime = Runtime::new();
    let (one, other) = runtime.block_on(async { pair() });
    while one.get_ref().write(&[0; 4096]).is_ok() {}
    let ((reads, reading), (writes, writing)) = (CountingWaker::new(), CountingWaker::new());
    let poll_read = |waker| one.poll_read_with(&mut Context::from_waker(waker), |mut io| io.read(&mut [0; 8]));
    let poll_write = |waker| one.poll_write_with(&mut Context::from_waker(waker), |mut io| io.write(b"x"));
    assert!(poll_read(&reading).is_pending() && poll_write(&writing).is_pending());
    settle(&runtime);
    other.get_ref().write_all(b"x").unwrap();
    settle(&runtime);
    assert_eq!((reads.wakes(), writes.wakes()), (1, 0));
    assert!(poll_read(&reading).is_ready());
    while other.get_ref().read(&mut [0; 65_536]).is_ok() {}
    settle(&runtime);
    assert_eq!((reads.wakes(), writes.wakes()), (1, 1));
    assert!(poll_write(&writing).is_ready());
}

/// An attempt may use the same descriptor by another operation of its own; it is registered once all the same.
#[test]
fn an_attempt_within_an_attempt_registers_once() {
    let runtime = Runtime::new();
    let (one, other) = runtime.block_on(async { pair() });
    let poll = |waker: &std::task::Waker| {
        let mut cx = Context::from_waker(waker);
        one.poll_read_with(&mut cx, |mut io| {
            let mut nested = Context::from_waker(waker);
            let polled = one.poll_read_with(&mut nested, |mut io| io.read(&mut [0; 1]));
            if polled.is_pending() { Err(ErrorKind::WouldBlock.into()) } else { io.read(&mut [0; 8]) }
        })
    };
    let (woken, waker) = CountingWaker::new();
    assert!(poll(&waker).is_pending());
    assert_eq!(runtime.inspect().sources.len(), 1);
    other.get_ref().write_all(b"xy").unwrap();
    settle(&runtime);
    assert_eq!(woken.wakes(), 1);
    assert!(poll(&waker).is_ready());
}

/// An attempt that panics leaves everything usable.
#[test]
fn a_panic_in_an_attempt_stays_in_its_task() {
    let runtime = Runtime::new();
    runtime.block_on(soon(async {
        let (one, other) = pair();
        let (one, panics) = (Rc::new(one), Rc::new(Cell::new(false)));
        let reading = |panics: Rc<Cell<bool>>| {
            let one = one.clone();
            coracle::spawn(async move {
                one.read_with(|mut io| {
                    assert!(!panics.get(), "on purpose");
                    io.read(&mut [0; 1])
                })
                .await
            })
        };
        let (first, second) = (reading(panics.clone()), reading(Rc::default()));
        yield_now().await;
        panics.set(true);
        other.get_ref().write_all(b"x").unwrap();
        assert!(matches!(first.await, Err(coracle::task::JoinError::Panicked(_))));
        assert_eq!(second.await.unwrap().unwrap(), 1, "the wake went on to the next");
    }));
}

#[test]
fn what_it_holds_comes_back_unregistered_and_non_blocking() {
    let runtime = Runtime::new();
    let (one, other) = UnixStream::pair().unwrap();
    assert!(!is_non_blocking(one.as_fd()));
    let one = runtime.block_on(async {
        let one = Async::new(one).unwrap();
        assert!(
            one.poll_read_with(&mut Context::from_waker(std::task::Waker::noop()), |mut io| io.read(&mut [0; 8]))
                .is_pending()
        );
        one
    });
    assert_eq!(runtime.inspect().sources.len(), 1);
    let one = one.into_inner();
    assert!(runtime.inspect().sources.is_empty() && is_non_blocking(one.as_fd()));
    // Events of it no longer reach this runtime; another may have it.
    (&other).write_all(b"x").unwrap();
    settle(&runtime);
    assert_eq!(runtime.inspect().stale_events, 0);
    coracle::block_on(soon(async {
        assert_eq!(Async::new(one).unwrap().read(&mut [0; 8]).await.unwrap(), 1);
    }));
}

#[test]
fn elsewhere_and_outside_it_is_an_error() {
    let (one, _other) = UnixStream::pair().unwrap();
    assert_eq!(kind(Async::new(one)), ErrorKind::Other, "outside of a runtime");
    let runtime = Runtime::new();
    let (one, _other) = runtime.block_on(async { pair() });
    let mut cx = Context::from_waker(std::task::Waker::noop());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let polled = one.poll_write_with(&mut cx, |_| -> io::Result<()> { panic!("it was tried elsewhere") });
            assert!(matches!(polled, std::task::Poll::Ready(Err(error)) if error.kind() == ErrorKind::Other));
        });
    });
    drop(runtime);
    let polled = one.poll_write_with(&mut cx, |_| -> io::Result<()> { panic!("it was tried after the end") });
    assert!(matches!(polled, std::task::Poll::Ready(Err(error)) if error.kind() == ErrorKind::NotConnected));
}

/// The user's value is dropped once, its descriptor is out of the poller by then, and a panic of that drop is no harm.
#[test]
fn what_it_holds_is_dropped_once_and_last() {
    struct Noisy {
        fd: OwnedFd,
        log: Rc<RefCell<Vec<usize>>>,
        runtime: Rc<Runtime>,
    }
    impl AsFd for Noisy {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.fd.as_fd()
        }
    }
    impl Drop for Noisy {
        fn drop(&mut self) {
            self.log.borrow_mut().push(self.runtime.inspect().sources.len());
            panic!("on purpose");
        }
    }
    let (runtime, log) = (Rc::new(Runtime::new()), Rc::new(RefCell::new(Vec::new())));
    let (one, _other) = UnixStream::pair().unwrap();
    let noisy = Noisy { fd: one.into(), log: log.clone(), runtime: runtime.clone() };
    let noisy = runtime.block_on(async { Async::new(noisy).unwrap() });
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let blocked = noisy.poll_read_with(&mut cx, |_| -> io::Result<()> { Err(ErrorKind::WouldBlock.into()) });
    assert!(blocked.is_pending());
    assert_eq!(runtime.inspect().sources.len(), 1);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(noisy)));
    assert!(panicked.is_err());
    assert_eq!(*log.borrow(), [0]);
    runtime.block_on(soon(async { coracle::time::sleep(std::time::Duration::from_nanos(1)).await }));
}

// ---- dropped -------------------------------------------------------------------------------------------------------

#[test]
fn a_cancelled_read_with_loses_nothing_and_passes_its_wake_on() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (one, other) = pair();
            let one = Rc::new(one);
            let second = coracle::spawn({
                let one = one.clone();
                async move {
                    yield_now().await;
                    one.read_with(|mut io| io.read(&mut [0; 1])).await.unwrap()
                }
            });
            let writing = coracle::spawn(async move {
                for _ in 0..5 {
                    yield_now().await;
                }
                other.get_ref().write_all(b"ab").unwrap();
                other
            });
            let first = cut.at(one.read_with(|mut io| io.read(&mut [0; 1]))).await.map(Result::unwrap);
            assert_eq!(second.await.unwrap(), 1);
            let _other = writing.await.unwrap();
            let left = one.get_ref().read(&mut [0; 8]).ok();
            assert_eq!(first.or(left), Some(1));
        }));
    });
    assert!(dropped >= 3, "{dropped}");
}

#[test]
fn a_cancelled_write_with_has_written_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (one, other) = pair();
            let mut full = 0;
            while let Ok(n) = one.get_ref().write(&[0; 4096]) {
                full += n;
            }
            let reading = coracle::spawn(async move {
                yield_now().await;
                let mut all = Vec::new();
                { other }.read_to_end(&mut all).await.unwrap();
                all.len()
            });
            let written = cut.at(one.write_with(|mut io| io.write(b"x"))).await.map_or(0, Result::unwrap);
            drop(one);
            assert_eq!(reading.await.unwrap(), full + written);
        }));
    });
    assert!(dropped >= 3, "{dropped}");
}

#[test]
fn given_up_it_leaves_the_runtime_empty() {
    support::alone("net::custom::given_up_it_leaves_the_runtime_empty", || {
        let runtime = Runtime::new();
        make_poller(&runtime);
        let before = support::descriptors();
        for _ in 0..50 {
            let (one, other) = runtime.block_on(async { pair() });
            let mut read = Box::pin(one.read_with(|mut io| io.read(&mut [0; 8])));
            assert!(support::poll_once(&mut read).is_pending());
            assert_eq!(waiting(&runtime), (1, 0));
            drop(read);
            assert_eq!(waiting(&runtime), (0, 0));
            drop((one, other));
        }
        assert!(runtime.inspect().sources.is_empty());
        assert_eq!(support::descriptors(), before);
    });
}
