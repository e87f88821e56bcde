//! The two rungs before, joined: a run queue of tasks and one poller make a runtime. It has all the parts that the real
//! one has, and none of its speed, its promises or its care.
//!
//! ```text
//! $ cargo run --example 03_runtime
//! pong: got 1
//! ping: got 2
//! pong: got 3
//! ping: got 4
//! pong: got 5, enough
//! ping: the other has gone
//! nothing is left to run: slept 5 times, polled 7 times
//! ```
//!
//! Then read `src/runtime/turn.rs`: the loop below, in six numbered steps.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = io::Result<()>>>>;

thread_local! {
    /// The reactor: who waits for which descriptor.
    static WAITING: RefCell<Vec<(RawFd, Waker)>> = const { RefCell::new(Vec::new()) };
}

/// The waker of a task puts its number into the run queue.
struct Enqueue(usize, Arc<Mutex<VecDeque<usize>>>);

impl Wake for Enqueue {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push_back(self.0);
    }
}

/// A leaf future: try, and if it would block, tell the reactor who waits.
async fn read(mut socket: &UnixStream) -> io::Result<u8> {
    let mut byte = [0];
    poll_fn(|cx| match socket.read(&mut byte) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            WAITING.with_borrow_mut(|waiting| waiting.push((socket.as_raw_fd(), cx.waker().clone())));
            Poll::Pending
        }
        result => Poll::Ready(result),
    })
    .await?;
    Ok(byte[0])
}

/// Sends each ball back, one higher, until it is high enough or the other has gone.
async fn play(name: &str, mut socket: UnixStream) -> io::Result<()> {
    loop {
        match read(&socket).await? {
            0 => break println!("{name}: the other has gone"),
            5 => break println!("{name}: got 5, enough"),
            ball => {
                println!("{name}: got {ball}");
                socket.write_all(&[ball + 1])?;
            }
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let (left, right) = UnixStream::pair()?;
    left.set_nonblocking(true)?;
    right.set_nonblocking(true)?;
    (&left).write_all(&[1])?;
    let mut tasks: Vec<Option<Task>> = vec![Some(Box::pin(play("ping", left))), Some(Box::pin(play("pong", right)))];
    let queue = Arc::new(Mutex::new(VecDeque::from([0, 1])));
    let (mut polls, mut sleeps) = (0, 0);
    loop {
        // The executor: polls what is in the run queue.
        while let Some(number) = { queue.lock().unwrap().pop_front() } {
            let Some(task) = &mut tasks[number] else { continue };
            let waker = Arc::new(Enqueue(number, queue.clone())).into();
            polls += 1;
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                tasks[number] = None;
            }
        }
        // The poller: sleeps until a descriptor is ready; its waiter goes into the run queue.
        let waiting = WAITING.take();
        if waiting.is_empty() {
            println!("nothing is left to run: slept {sleeps} times, polled {polls} times");
            return Ok(());
        }
        let mut fds: Vec<_> =
            waiting.iter().map(|(fd, _)| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 }).collect();
        sleeps += 1;
        // SAFETY: as many entries as said, which live until the call returns.
        unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, -1) };
        for ((fd, waker), answer) in waiting.into_iter().zip(fds) {
            if answer.revents == 0 {
                WAITING.with_borrow_mut(|waiting| waiting.push((fd, waker)));
            } else {
                waker.wake();
            }
        }
    }
}
