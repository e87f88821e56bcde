//! What a task says that it waits for, and where: a line of the program, for every leaf operation there is.

use std::future::Future;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream};
use coracle::observer::{Wait, WaitReason};
use coracle::sync::channel::bounded;
use coracle::sync::{WaitQueue, oneshot};
use coracle::task::yield_now;
use coracle::time::{interval, sleep, sleep_until, timeout};
use coracle::{Budget, Runtime};

use crate::reactor::{settle, stream};

const HOUR: Duration = Duration::from_secs(3600);

/// Runs a task until it waits, and gives what it says.
fn wait<T: 'static>(runtime: &Runtime, future: impl Future<Output = T> + 'static) -> Wait {
    let task = runtime.spawn(future);
    runtime.turn(Budget::no_wait()).unwrap();
    let view = runtime.inspect().tasks.into_iter().find(|view| view.id == task.id()).expect("it waits");
    let text = format!("waits for {} at {}", view.wait.unwrap().reason, view.wait.unwrap().at);
    assert_eq!(view.wait.unwrap().to_string(), text);
    task.abort();
    settle(runtime);
    view.wait.unwrap()
}

/// The task says this reason and that it began to wait in that line of this file.
#[track_caller]
fn says(wait: Wait, reason: WaitReason, line: u32) {
    assert_eq!((wait.reason, wait.at.file(), wait.at.line()), (reason, file!(), line));
}

#[test]
fn timers_name_the_line_that_made_them() {
    let on = &Runtime::new();
    says(wait(on, async { sleep(HOUR).await }), WaitReason::Timer, line!());
    says(wait(on, async { sleep_until(coracle::time::now() + HOUR).await }), WaitReason::Timer, line!());
    says(wait(on, async { sleep(Duration::MAX).await }), WaitReason::Timer, line!());
    says(wait(on, async { timeout(HOUR, std::future::pending::<()>()).await }), WaitReason::Timer, line!());
    let mut ticking = on.enter(|| interval(HOUR));
    on.block_on(ticking.tick());
    says(wait(on, async move { ticking.tick().await }), WaitReason::Timer, line!());
}

#[test]
fn reads_and_writes_name_the_descriptor_and_the_line() {
    let on = &Runtime::new();
    let (ours, _theirs) = stream(on);
    let (readable, writable) = (WaitReason::Readable(ours.as_raw_fd()), WaitReason::Writable(ours.as_raw_fd()));
    let ours = Rc::new(ours);
    let a = || ours.clone();
    let s = a();
    says(wait(on, async move { s.read(&mut [0]).await }), readable, line!());
    let s = a();
    says(wait(on, async move { s.read_exact(&mut [0]).await }), readable, line!());
    let s = a();
    says(wait(on, async move { s.peek(&mut [0]).await }), readable, line!());
    let s = a();
    says(wait(on, async move { s.read_vectored(&mut [std::io::IoSliceMut::new(&mut [0])]).await }), readable, line!());
    let s = a();
    says(wait(on, async move { std::future::poll_fn(|cx| s.poll_read(cx, &mut [0])).await }), readable, line!());
    let s = a();
    says(wait(on, async move { s.write_all(&vec![0; 64 << 20]).await }), writable, line!());
    let (s, full) = (a(), async |s: &TcpStream| while s.write(&[0; 65536]).await.is_ok() {});
    let line = line!() - 1;
    says(wait(on, async move { full(&s).await }), writable, line);
}

#[test]
fn halves_name_the_line_too() {
    let on = &Runtime::new();
    let (ours, _theirs) = stream(on);
    let readable = WaitReason::Readable(ours.as_raw_fd());
    let (read, write) = ours.into_split();
    says(wait(on, async move { read.read(&mut [0]).await }), readable, line!());
    drop(write);
}

#[test]
fn accept_and_connect_name_the_descriptor_and_the_line() {
    let on = &Runtime::new();
    let listener = on.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let (readable, address) = (WaitReason::Readable(listener.as_raw_fd()), listener.local_addr().unwrap());
    says(wait(on, async move { listener.accept().await.map(drop) }), readable, line!());
    let listener = std::net::TcpListener::bind(address).unwrap();
    // The next free number is the one that the socket will get; another test may take it first, so only its kind counts.
    let connecting = wait(on, async move { TcpStream::connect(address).await.map(drop) });
    let (line, WaitReason::Writable(socket)) = (line!() - 1, connecting.reason) else { panic!("{connecting}") };
    says(connecting, WaitReason::Writable(socket), line);
    drop(listener);
}

#[test]
fn what_is_of_sync_names_itself_and_the_line() {
    let on = &Runtime::new();
    let (sender, receiver) = bounded::<u8>(1);
    says(wait(on, async move { receiver.recv().await }), WaitReason::Sync("a value in a channel"), line!());
    drop(sender);
    let (sender, receiver) = bounded::<u8>(1);
    sender.try_send(1).unwrap();
    says(wait(on, async move { sender.send(2).await }), WaitReason::Sync("room in a channel"), line!());
    drop(receiver);
    let queue = WaitQueue::new();
    says(wait(on, async move { queue.wait().await }), WaitReason::Sync("a wake"), line!());
    let ((sender, receiver), line) = (oneshot::channel::<u8>(), line!());
    says(wait(on, receiver), WaitReason::Sync("the value of a oneshot"), line);
    drop(sender);
}

/// A handle is awaited as it is: the line is the one that spawned the task that it is the handle of.
#[test]
fn a_join_names_the_task_and_the_line_that_spawned_it() {
    let on = &Runtime::new();
    let (other, line) = (on.spawn(std::future::pending::<()>()), line!());
    let joining = WaitReason::Join(other.id());
    says(wait(on, other), joining, line);
}

#[test]
fn a_yield_names_the_line() {
    let on = &Runtime::new();
    let task = on.spawn(async { yield_now().await });
    let line = line!() - 1;
    on.turn(Budget { polls: 1, ..Budget::no_wait() }).unwrap();
    says(on.inspect().tasks[0].wait.unwrap(), WaitReason::Yield, line);
    drop(task);
}

/// A task that waits for several things says the last; one that waits for what is not ours says nothing.
#[test]
fn what_is_awaited_besides_the_leaves_says_nothing() {
    let on = &Runtime::new();
    let _task = on.spawn(std::future::pending::<()>());
    on.turn(Budget::no_wait()).unwrap();
    assert!(on.inspect().tasks[0].wait.is_none());
}
