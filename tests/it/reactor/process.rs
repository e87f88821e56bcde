//! A good citizen of its process: signals interrupt nothing, children inherit nothing, a fork is noticed.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coracle::net::{TcpListener, TcpStream};
use coracle::time::sleep;
use coracle::{Budget, Runtime};

use super::{register, settle, soon, stream};
use crate::support::alone;

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Interrupts this thread about a thousand times a second until the guard is dropped; its calls are not restarted.
fn storm() -> impl Drop {
    struct Storm(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);
    impl Drop for Storm {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
            self.1.take().unwrap().join().unwrap();
        }
    }
    // SAFETY: all zeroes is an action without flags, mask and handler.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
    // SAFETY: `count` does only what a handler may.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) }, 0);
    // SAFETY: no pointers.
    let thread = unsafe { libc::pthread_self() };
    let over = Arc::new(AtomicBool::new(false));
    let is_over = over.clone();
    let stormer = std::thread::spawn(move || {
        while !is_over.load(Ordering::SeqCst) {
            // SAFETY: the guard joins us before its thread ends.
            assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    Storm(over, Some(stormer))
}

/// Connects, accepts, writes and reads, one round after the other, until the time is up. How many rounds.
async fn connect_and_echo(until: Instant) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rounds = 0;
    while Instant::now() < until {
        let client = coracle::spawn(TcpStream::connect(listener.local_addr().unwrap()));
        let (server, _) = listener.accept().await.unwrap();
        let client = client.await.unwrap().unwrap();
        let echo = coracle::spawn(async move {
            let mut buffer = vec![0; 300_000];
            server.read_exact(&mut buffer).await.unwrap();
            server.write_all(&buffer).await.unwrap();
        });
        let (read, write) = client.into_split();
        let writer = coracle::spawn(async move { write.write_all(&vec![rounds as u8; 300_000]).await.map(|()| write) });
        let mut buffer = vec![0; 300_000];
        read.read_exact(&mut buffer).await.unwrap();
        assert!(buffer.iter().all(|byte| *byte == rounds as u8));
        drop(writer.await.unwrap().unwrap());
        echo.await.unwrap();
        rounds += 1;
    }
    rounds
}

/// A thousand signals a second: no call shows it, and a timer still ends when it should, since the time that is left is
/// worked out anew (mio#494, bun#34780).
#[test]
fn a_storm_of_signals_shows_in_no_error_and_in_no_timer() {
    alone("reactor::process::a_storm_of_signals_shows_in_no_error_and_in_no_timer", || {
        let storm = storm();
        let until = Instant::now() + Duration::from_millis(500);
        let rounds = Runtime::new().block_on(async {
            let ticks = coracle::spawn(async move {
                while Instant::now() < until {
                    on_time(Duration::from_millis(20)).await;
                }
            });
            let rounds = connect_and_echo(until).await;
            ticks.await.unwrap();
            rounds
        });
        // And with nothing to do but to sleep.
        let before = SIGNALS.load(Ordering::Relaxed);
        Runtime::new().block_on(on_time(Duration::from_millis(100)));
        let signals = SIGNALS.load(Ordering::Relaxed) - before;
        drop(storm);
        assert!(signals > 10 && rounds > 0, "{signals} signals, {rounds} rounds");
    });
}

async fn on_time(time: Duration) {
    let begin = Instant::now();
    sleep(time).await;
    let elapsed = begin.elapsed();
    assert!(time <= elapsed && elapsed < 10 * time, "{elapsed:?} instead of {time:?}");
}

/// A child that is executed has none of our descriptors (tokio#3809, mio#1491).
#[test]
fn a_child_inherits_no_descriptor() {
    alone("reactor::process::a_child_inherits_no_descriptor", || {
        let runtime = Runtime::new();
        let _watched = runtime.descriptor().unwrap();
        let far = runtime.spawn(async { sleep(Duration::from_secs(3600)).await });
        let (listener, client, server) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = coracle::spawn(TcpStream::connect(listener.local_addr().unwrap()));
            let (server, _) = listener.accept().await.unwrap();
            (listener, client.await.unwrap().unwrap(), server)
        });
        register(&runtime, &client);
        let sockets: Vec<String> = [listener.as_raw_fd(), client.as_raw_fd(), server.as_raw_fd()]
            .iter()
            .map(|fd| std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().display().to_string())
            .collect();
        assert!(sockets.iter().all(|link| link.starts_with("socket:")), "{sockets:?}");

        let output = std::process::Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        assert!(listed.contains("/proc/"), "ls has at least the directory open:\n{listed}");
        for ours in sockets.iter().map(String::as_str).chain(["[eventpoll]", "[eventfd]", "[timerfd]"]) {
            assert!(!listed.contains(ours), "{ours} was inherited:\n{listed}");
        }
        drop(far);
    });
}

/// What a forked child does in its few moments; its exit status is the number of the first thing that went wrong.
fn in_child(body: impl FnOnce() -> i32) -> libc::pid_t {
    // SAFETY: the child runs on a copy of this thread alone. No other thread of this process holds a lock that it
    // needs: the test runs in a process of its own.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        std::panic::set_hook(Box::new(|_| {}));
        let status = catch_unwind(AssertUnwindSafe(body)).unwrap_or(99);
        // SAFETY: no pointers; nothing of the parent's is unwound or flushed.
        unsafe { libc::_exit(status) };
    }
    pid
}

fn exit_status(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: the kernel writes to `status`.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "the child did not exit: {status}");
    libc::WEXITSTATUS(status)
}

/// Parent and child would share one set of descriptors: the child is refused, in clear words, and whatever it does, the
/// parent's events and timers go on (tokio#4301, daemonize-me#15).
#[test]
fn a_child_after_fork_is_refused_and_does_its_parent_no_harm() {
    alone("reactor::process::a_child_after_fork_is_refused_and_does_its_parent_no_harm", || {
        let runtime = Runtime::new();
        let (ours, mut theirs) = stream(&runtime);
        register(&runtime, &ours);
        let ours = RefCell::new(Some(ours));
        settle(&runtime);

        let child = in_child(|| {
            let refused = runtime.turn(Budget { wait: Some(Duration::from_millis(10)), ..Budget::no_wait() });
            if !refused.is_err_and(|error| error.to_string().contains("fork")) {
                return 1;
            }
            let panic =
                catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { sleep(Duration::from_millis(1)).await })));
            let message = panic.unwrap_err().downcast::<String>().map(|message| *message).unwrap_or_default();
            if !message.contains("fork") {
                return 2;
            }
            // Dropping what was inherited takes nothing away from the parent.
            drop(ours.take());
            // A runtime of its own works.
            Runtime::new().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let client = coracle::spawn(TcpStream::connect(listener.local_addr().unwrap()));
                soon(listener.accept()).await.unwrap();
                client.await.unwrap().unwrap();
            });
            0
        });
        assert_eq!(exit_status(child), 0);

        let ours = ours.take().unwrap();
        theirs.write_all(b"still here").unwrap();
        let count = runtime.block_on(soon(ours.read(&mut [0; 32]))).unwrap();
        assert_eq!(count, 10);
        runtime.block_on(async { sleep(Duration::from_millis(2)).await });
    });
}

/// The alarm of a watched runtime is one object for parent and child: the child does not set it.
#[test]
fn a_child_after_fork_does_not_move_its_parents_alarm() {
    alone("reactor::process::a_child_after_fork_does_not_move_its_parents_alarm", || {
        let runtime = Runtime::new();
        let fired = Rc::new(Cell::new(false));
        let seen = fired.clone();
        let task = runtime.spawn(async move {
            sleep(Duration::from_millis(100)).await;
            seen.set(true);
        });
        let descriptor = runtime.descriptor().unwrap();
        settle(&runtime);
        let child = in_child(|| {
            task.abort();
            let _far = runtime.enter(|| crate::support::poll_once(&mut sleep(Duration::from_secs(3600))));
            let _ = runtime.turn(Budget::no_wait());
            i32::from(!task.is_finished())
        });
        assert_eq!(exit_status(child), 0);
        assert!(super::descriptor::is_readable(descriptor, Duration::from_secs(5)), "the alarm was taken away");
        settle(&runtime);
        assert!(fired.get());
    });
}

/// A fork on another thread than the runtime's: there the runtime's sockets are strangers, and their drop asks the poller
/// to let go at once, which in a child would take the parent's registration away.
#[test]
fn a_child_forked_off_another_thread_does_not_deregister_its_parents_sockets() {
    alone("reactor::process::a_child_forked_off_another_thread_does_not_deregister_its_parents_sockets", || {
        let runtime = Runtime::new();
        let (ours, mut theirs) = stream(&runtime);
        register(&runtime, &ours);
        let ours = std::thread::spawn(move || {
            let mut ours = Some(ours);
            let child = in_child(|| {
                drop(ours.take());
                0
            });
            assert_eq!(exit_status(child), 0);
            ours.take().unwrap()
        });
        let ours = ours.join().unwrap();
        theirs.write_all(b"still here").unwrap();
        let count = runtime.block_on(soon(ours.read(&mut [0; 32]))).unwrap();
        assert_eq!(count, 10);
    });
}
