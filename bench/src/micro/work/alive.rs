//! Many tasks that are alive at once and wait: what each holds of memory, and what it costs.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::each;
use super::tasks::join_all;
use crate::micro::heap;
use crate::micro::leaf::Arrivals;
use crate::micro::rival::Rival;
use crate::sys::process;

/// What all the tasks wait for. Their wakers lie here, in memory that was there before.
struct Gate {
    open: Cell<bool>,
    polled: Arrivals,
    waiting: Vec<Cell<Option<Waker>>>,
}

/// A task's future: 40 bytes, of which 24 are its own.
struct Waits {
    state: [u64; 3],
    number: usize,
    gate: Rc<Gate>,
}

impl Future for Waits {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, context: &mut Context) -> Poll<u64> {
        if self.gate.open.get() {
            return Poll::Ready(self.state.iter().sum());
        }
        self.gate.waiting[self.number].set(Some(context.waker().clone()));
        self.gate.polled.arrive();
        Poll::Pending
    }
}

impl Gate {
    fn new(tasks: u64) -> Rc<Gate> {
        let waiting = (0..tasks).map(|_| Cell::new(None)).collect();
        Rc::new(Gate { open: Cell::new(false), polled: Arrivals::of(tasks), waiting })
    }

    fn open(&self) {
        self.open.set(true);
        self.waiting.iter().filter_map(Cell::take).for_each(Waker::wake);
    }
}

/// The memory that each of `count` waiting tasks takes: bytes of heap asked for, bytes resident, allocations.
pub fn idle<R: Rival>(count: u64) -> Vec<f64> {
    const { assert!(size_of::<Waits>() == 40) };
    R::run(|runtime| async move {
        let gate = Gate::new(count);
        // Written, so that its pages are resident before.
        let mut tasks: Vec<Option<R::Join>> = (0..count).map(|_| None).collect();
        let memory = || process::anonymous_memory_of(std::process::id()).expect("/proc tells it");
        let resident = memory();
        heap::start_counting();
        for (number, place) in tasks.iter_mut().enumerate() {
            *place = Some(runtime.spawn(Waits { state: [1, 0, 0], number, gate: gate.clone() }));
        }
        gate.polled.all().await;
        let taken = heap::stop_counting();
        let resident = memory() as f64 - resident as f64;
        gate.open();
        let mut tasks: Vec<R::Join> = tasks.into_iter().flatten().collect();
        assert_eq!(join_all::<R>(&mut tasks).await, count);
        vec![taken.bytes as f64 / count as f64, resident / count as f64, taken.allocations as f64 / count as f64]
    })
}

/// The whole life of each of `count` tasks that are all alive at once: spawned, polled, woken, finished, joined.
pub fn cost<R: Rival>(count: u64) -> Vec<f64> {
    // As often as the clock needs.
    let repeats = (100_000 / count).max(1);
    let elapsed = R::run(|runtime| async move {
        let mut tasks: Vec<R::Join> = Vec::with_capacity(count as usize);
        let mut elapsed = Duration::ZERO;
        for _ in 0..repeats {
            let gate = Gate::new(count);
            let begun = Instant::now();
            for number in 0..count as usize {
                tasks.push(runtime.spawn(Waits { state: [1, 0, 0], number, gate: gate.clone() }));
            }
            gate.polled.all().await;
            gate.open();
            assert_eq!(join_all::<R>(&mut tasks).await, count);
            elapsed += begun.elapsed();
        }
        elapsed
    });
    each(elapsed, count * repeats)
}
