//! A waker and a future by hand, on std alone. No runtime is needed to understand what one does: it polls, and it
//! sleeps until the waker that it handed out is called.
//!
//! ```text
//! $ cargo run --example 01_waker
//! poll 1: Pending, so the thread sleeps
//! poll 2: Ready("a parcel")
//! the waker was called 1 time
//! ```
//!
//! Then read `src/task/waker.rs`: the waker of a task, which does not wake a thread but puts the task into a queue.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// What the future and the thread that brings the parcel both know.
#[derive(Default)]
struct Porch {
    parcel: Option<&'static str>,
    waiting: Option<Waker>,
}

/// A future: it looks, and if there is nothing yet, it leaves a waker where the other side finds it.
struct Delivery(Arc<Mutex<Porch>>);

impl Future for Delivery {
    type Output = &'static str;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'static str> {
        let mut porch = self.0.lock().unwrap();
        match porch.parcel.take() {
            Some(parcel) => Poll::Ready(parcel),
            None => {
                porch.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A waker: here it counts, and wakes the thread that polls.
struct Bell {
    thread: Thread,
    rung: AtomicUsize,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::Release);
        self.thread.unpark();
    }
}

fn main() {
    let porch = Arc::new(Mutex::new(Porch::default()));
    let bell = Arc::new(Bell { thread: thread::current(), rung: AtomicUsize::new(0) });
    let waker = Waker::from(bell.clone());
    let mut delivery = pin!(Delivery(porch.clone()));

    for poll in 1.. {
        let rung = bell.rung.load(Ordering::Acquire);
        match delivery.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(parcel) => {
                println!("poll {poll}: Ready({parcel:?})");
                break;
            }
            Poll::Pending => println!("poll {poll}: Pending, so the thread sleeps"),
        }
        let porch = porch.clone();
        thread::spawn(move || {
            let mut porch = porch.lock().unwrap();
            porch.parcel = Some("a parcel");
            porch.waiting.take().expect("the future left its waker").wake();
        });
        // A thread may be unparked for no reason: what counts is whether the bell has rung.
        while bell.rung.load(Ordering::Acquire) == rung {
            thread::park();
        }
    }
    println!("the waker was called {} time", bell.rung.load(Ordering::Acquire));
}
