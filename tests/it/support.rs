//! What the tests share: wakers that count, processes of their own, counts of descriptors and heap.

mod judged;
pub(crate) mod ordinary;
mod seeded;

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A waker that counts its wakes.
#[derive(Default)]
pub(crate) struct CountingWaker {
    wakes: AtomicUsize,
}

impl CountingWaker {
    pub(crate) fn new() -> (Arc<CountingWaker>, Waker) {
        let counting = Arc::new(CountingWaker::default());
        (counting.clone(), Waker::from(counting))
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

/// Polls once, with this waker.
pub(crate) fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Lives to the end of the process: what must outlive a test that drops things in any order. Its address
/// is kept, so that a leak checker sees that this is on purpose.
pub(crate) fn keep<T>(value: T) -> &'static mut T {
    static KEPT: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(Vec::new());
    let kept: &'static mut T = Box::leak(Box::new(value));
    KEPT.lock().unwrap().push(std::ptr::from_mut(kept).expose_provenance());
    kept
}

/// The variable that names the test to a process that is its own.
const ALONE: &str = "CORACLE_TEST_ALONE";

/// Runs a test body in a process of its own, so that it can count descriptors and heap, set limits, fork and be
/// signalled. `name` is the test's full name, such as `net::listener_survives`; the test consists of this call alone.
/// The process is killed, and the test fails, after a minute.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    if std::env::var(ALONE).is_ok_and(|marked| marked == name) {
        return body();
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, name)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let killer = Killer::after(Duration::from_secs(60), child.id());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
    let status = child.wait().unwrap();
    drop(killer);
    assert!(status.success(), "{name} failed in its own process ({status}):\n{said}");
    assert!(said.contains("1 passed"), "no test is called {name}:\n{said}");
}

/// Kills a process when its time is up, unless dropped before.
struct Killer {
    done: std::sync::mpsc::Sender<()>,
}

impl Killer {
    fn after(time: Duration, pid: u32) -> Killer {
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if is_done.recv_timeout(time) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                // SAFETY: no pointers; the process has not been waited for, so the number is still its own.
                unsafe { libc::kill(pid as i32, libc::SIGKILL) };
            }
        });
        Killer { done }
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        let _ = self.done.send(());
    }
}

/// How many descriptors this process has open. Only in a test that runs `alone`.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// How many bytes of heap are in use. Only in a test that runs `alone`.
pub(crate) fn heap() -> isize {
    HEAP.load(Ordering::SeqCst)
}

/// Holds that `round` leaves the heap as it was. The thread of the test harness allocates a little now and then, a leak
/// shows every time: so one round of several must come out even. Only in a test that runs `alone`.
pub(crate) fn leaves_the_heap_as_it_was(mut round: impl FnMut()) {
    round();
    let grown: Vec<isize> = (0..8)
        .map(|_| {
            let before = heap();
            round();
            heap() - before
        })
        .collect();
    assert!(grown.contains(&0), "the heap grew by so many bytes a round: {grown:?}");
}

static HEAP: AtomicIsize = AtomicIsize::new(0);

struct CountingAllocator;

// SAFETY: all calls go to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HEAP.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The library's own tool, by the name that its tests have for it.
pub(crate) use coracle::testing::{Cut, cancel_at_each_await as cut_at_every_poll};
