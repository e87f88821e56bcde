//! What is counted: each as often as the second argument says. `check` runs this under callgrind, with two lengths, and
//! takes the difference, so that the beginning and the end of a program are on nobody's bill.
//!
//! The system calls are counted as what leads to them: what the kernel does is not seen.

use std::cell::RefCell;
use std::future::poll_fn;
use std::hint::black_box;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use coracle::Runtime;
use coracle::net::UnixStream;
use coracle::sync::{Mutex, channel};
use coracle::task::yield_now;
use coracle::time::sleep;

/// A name, and what does it so often.
type Counted = (&'static str, fn(usize));

/// In the order of the table.
const COUNTED: [Counted; 9] = [
    ("wake", wake),
    ("yield", yields),
    ("spawn", spawn),
    ("channel", channel),
    ("echo", echo),
    ("runtime", runtime),
    ("block_on", block_on),
    ("timer", timer),
    ("lock", lock),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (name, times) = (arguments.next(), arguments.next().and_then(|times| times.parse().ok()));
    let counted = COUNTED.iter().find(|(counted, _)| Some(*counted) == name.as_deref());
    match (counted, times) {
        (Some((_, run)), Some(times)) => {
            run(times);
            ExitCode::SUCCESS
        }
        _ => {
            COUNTED.iter().for_each(|(counted, _)| println!("{counted}"));
            if name.is_none() { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
    }
}

/// Two tasks wake each other, by wakers alone: one wake, and the poll that follows.
fn wake(times: usize) {
    /// Where each of them leaves its waker.
    type Wakers = Rc<RefCell<[Option<Waker>; 2]>>;

    async fn turns(wakers: Wakers, me: usize, times: usize) {
        for _ in 0..times {
            let mut woken = false;
            poll_fn(|cx| {
                if woken {
                    return Poll::Ready(());
                }
                woken = true;
                let mut wakers = wakers.borrow_mut();
                wakers[me].get_or_insert_with(|| cx.waker().clone());
                if let Some(other) = &wakers[1 - me] {
                    other.wake_by_ref();
                }
                Poll::Pending
            })
            .await;
        }
        // The other one is in its last round, or was.
        if let Some(other) = &wakers.borrow()[1 - me] {
            other.wake_by_ref();
        }
    }

    coracle::block_on(async {
        let wakers = Wakers::default();
        let one = coracle::spawn(turns(wakers.clone(), 0, times / 2));
        let other = coracle::spawn(turns(wakers.clone(), 1, times / 2));
        one.await.unwrap();
        other.await.unwrap();
    });
}

/// A lone task yields.
fn yields(times: usize) {
    coracle::block_on(async {
        for _ in 0..times {
            yield_now().await;
        }
    });
}

/// A task is spawned, runs, and is awaited.
fn spawn(times: usize) {
    coracle::block_on(async {
        for number in 0..times {
            black_box(coracle::spawn(async move { black_box(number) }).await.unwrap());
        }
    });
}

/// A value goes from a task to another by a channel that has room for one.
fn channel(times: usize) {
    coracle::block_on(async {
        let (sender, receiver) = channel::bounded(1);
        let receives = coracle::spawn(async move {
            while let Some(value) = receiver.recv().await {
                black_box(value);
            }
        });
        for value in 0..times {
            sender.send(value).await.unwrap();
        }
        drop(sender);
        receives.await.unwrap();
    });
}

/// A round trip: what the client does, and what the server does.
fn echo(times: usize) {
    coracle::block_on(async {
        let (client, server) = UnixStream::pair().unwrap();
        let serves = coracle::spawn(async move {
            let mut buffer = [0; 64];
            loop {
                match server.read(&mut buffer).await.unwrap() {
                    0 => return,
                    count => server.write_all(&buffer[..count]).await.unwrap(),
                }
            }
        });
        let mut answer = [0; 64];
        for _ in 0..times {
            client.write_all(b"sixteen bytes ..").await.unwrap();
            assert_eq!(client.read(&mut answer).await.unwrap(), 16);
        }
        drop(client);
        serves.await.unwrap();
    });
}

/// A runtime is made, and dropped.
fn runtime(times: usize) {
    for _ in 0..times {
        drop(black_box(Runtime::new()));
    }
}

/// A future that is ready at once.
fn block_on(times: usize) {
    let runtime = Runtime::new();
    for number in 0..times {
        black_box(runtime.block_on(async { black_box(number) }));
    }
}

/// A timer is set, and cancelled.
fn timer(times: usize) {
    coracle::block_on(async {
        for _ in 0..times {
            let mut sleep = std::pin::pin!(sleep(Duration::from_secs(60)));
            poll_fn(|cx| {
                assert!(sleep.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
    });
}

/// A mutex that nobody else wants is locked, and unlocked.
fn lock(times: usize) {
    coracle::block_on(async {
        let mutex = Mutex::new(0);
        for _ in 0..times {
            *mutex.lock().await += 1;
        }
        black_box(mutex);
    });
}
