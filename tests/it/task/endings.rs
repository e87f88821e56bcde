//! What ends while something else goes wrong: an observer that panics, a runtime that ends while other threads hold handles.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use coracle::observer::{Observer, TaskId};
use coracle::task::yield_now;
use coracle::{Runtime, Spawner};

/// Panics once, at the event that it was told.
#[derive(Default)]
struct Panics {
    at: Cell<&'static str>,
}

impl Panics {
    fn panic_at(&self, event: &'static str) {
        if self.at.get() == event {
            self.at.set("");
            panic!("{event}");
        }
    }
}

impl Observer for Panics {
    fn task_spawned(&self, _: TaskId, _: &'static Location<'static>) {
        self.panic_at("spawned");
    }
    fn task_queued(&self, _: TaskId) {
        self.panic_at("queued");
    }
    fn poll_began(&self, _: TaskId) {
        self.panic_at("began");
    }
}

/// Notes that it was dropped.
struct Note<'a>(&'a Cell<bool>);

impl Drop for Note<'_> {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// The main future may borrow from the frame of `block_on`'s caller: it must not outlive that, whatever panics.
#[test]
fn an_observer_that_panics_does_not_let_the_main_future_outlive_block_on() {
    for event in ["spawned", "queued", "began"] {
        let observer = Rc::new(Panics::default());
        let runtime = Runtime::builder().observer(observer.clone()).build();
        let dropped = Cell::new(false);
        let note = Note(&dropped);
        observer.at.set(event);
        let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { drop(note) })));
        assert!(result.is_err() && dropped.get(), "{event}");
    }
}

#[test]
fn an_observer_that_panics_when_a_stalled_future_is_given_up_does_not_either() {
    let observer = Rc::new(Panics::default());
    let runtime = Runtime::builder().observer(observer.clone()).build();
    let dropped = Cell::new(false);
    let note = Note(&dropped);
    let stalls = async {
        let _note = note;
        observer.at.set("began");
        pending::<()>().await
    };
    let result = catch_unwind(AssertUnwindSafe(|| runtime.try_block_on(stalls)));
    assert!(result.is_err() && dropped.get());
}

/// In the drop of a task that was sent at the last moment: wakers of complete tasks are cloned and dropped, while another
/// thread drops the handles of these tasks.
struct Late {
    wakers: Vec<Waker>,
    stage: Arc<AtomicUsize>,
}

impl Drop for Late {
    fn drop(&mut self) {
        self.stage.store(1, Ordering::SeqCst);
        for waker in self.wakers.drain(..) {
            drop(waker.clone());
        }
        while self.stage.load(Ordering::SeqCst) < 2 {
            std::thread::yield_now();
        }
    }
}

/// Sends that task when it is dropped itself, which is at the end of the runtime.
struct SendsLate {
    spawner: Spawner,
    late: Option<Late>,
}

impl Drop for SendsLate {
    fn drop(&mut self) {
        let late = self.late.take().unwrap();
        let sent = self.spawner.spawn(move || {
            let _late = &late;
            pending::<()>()
        });
        drop(sent.unwrap());
    }
}

#[test]
fn handles_dropped_elsewhere_while_the_last_task_drops_their_wakers_free_each_task_once() {
    for _ in 0..20 {
        let runtime = Runtime::new();
        let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
        let ready = |_| {
            let wakers = wakers.clone();
            runtime.spawn(poll_fn(move |cx| {
                wakers.borrow_mut().push(cx.waker().clone());
                Poll::Ready(())
            }))
        };
        let handles: Vec<_> = (0..64).map(ready).collect();
        runtime.block_on(yield_now());
        let stage = Arc::new(AtomicUsize::new(0));
        let late = Late { wakers: wakers.take(), stage: stage.clone() };
        let sends = SendsLate { spawner: runtime.spawner(), late: Some(late) };
        runtime
            .spawn(async move {
                let _sends = sends;
                pending::<()>().await
            })
            .detach();
        runtime.block_on(yield_now());
        let dropping = std::thread::spawn(move || {
            while stage.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            drop(handles);
            stage.store(2, Ordering::SeqCst);
        });
        drop(runtime);
        dropping.join().unwrap();
    }
}
