//! What may yet be woken from outside is no stall, however long it takes.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use coracle::net::UnixStream;
use coracle::signal::{Signal, Signals};
use coracle::sync::{Notify, oneshot, remote};
use coracle::sys::World;
use coracle::{Budget, OnStall, Runtime};

/// Long enough that a verdict would have been given.
const WHILE: Duration = Duration::from_millis(20);

fn judged() -> Runtime {
    Runtime::builder().on_stall(OnStall::Panic).build()
}

fn later(code: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        std::thread::sleep(WHILE);
        code();
    })
}

#[test]
fn a_channel_between_threads() {
    let (sender, receiver) = remote::channel::unbounded();
    let thread = later(move || sender.send(7).unwrap());
    assert_eq!(judged().block_on(async { receiver.recv().await }), Some(7));
    thread.join().unwrap();
}

#[test]
fn a_oneshot_between_threads_in_a_child_of_a_join() {
    let (sender, receiver) = remote::oneshot::channel();
    let thread = later(move || sender.send(7).unwrap());
    let notify = Rc::new(Notify::new());
    let told = notify.clone();
    judged().block_on(coracle::scope::scope(async |s| {
        s.spawn(async { notify.notified().await });
        s.spawn(async move {
            assert_eq!(receiver.await, Ok(7));
            told.notify_one();
        });
    }));
    thread.join().unwrap();
}

#[test]
fn a_job_on_the_pool() {
    let sum = judged().block_on(async {
        let (sender, receiver) = oneshot::channel();
        drop(coracle::spawn(async move {
            coracle::blocking::submit(|| std::thread::sleep(WHILE)).await.unwrap();
            sender.send(7).unwrap();
        }));
        receiver.await.unwrap()
    });
    assert_eq!(sum, 7);
}

#[test]
fn a_spawner_that_lives() {
    let runtime = judged();
    let spawner = runtime.spawner();
    let notify = Rc::new(Notify::new());
    let (told, inside) = (notify.clone(), coracle::task::Builder::new());
    thread_local!(static NOTIFY: std::cell::RefCell<Option<Rc<Notify>>> = const { std::cell::RefCell::new(None) });
    NOTIFY.set(Some(told));
    let thread = later(move || {
        drop(spawner.spawn(|| async { NOTIFY.with_borrow(|notify| notify.as_ref().unwrap().notify_one()) }).unwrap());
    });
    runtime.block_on(async { notify.notified().await });
    thread.join().unwrap();
    drop(inside);
}

#[test]
fn a_descriptor_of_the_kernel() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let thread = later(move || drop(theirs));
    let ended = judged().block_on(async { UnixStream::from_std(ours).unwrap().read(&mut [0]).await });
    assert_eq!(ended.unwrap(), 0);
    thread.join().unwrap();
}

#[test]
fn a_signal_that_is_watched() {
    // Nobody else in this program watches for this one.
    let runtime = Runtime::builder().world(World::kernel().paused()).on_stall(OnStall::Panic).build();
    runtime.block_on(async {
        let signals = Signals::new(&[Signal::USR2]).unwrap();
        let thread = later(|| {
            assert!(std::process::Command::new("kill").args(["-USR2", &own_number()]).status().unwrap().success())
        });
        assert_eq!(signals.recv().await.unwrap(), Signal::USR2);
        thread.join().unwrap();
    });
}

fn own_number() -> String {
    std::process::id().to_string()
}

#[test]
fn a_descriptor_from_elsewhere_in_a_paused_world() {
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let runtime = Runtime::builder().world(World::kernel().paused()).on_stall(OnStall::Panic).build();
    let thread = later(move || std::io::Write::write_all(&mut theirs, b"x").unwrap());
    let read = runtime.block_on(async { UnixStream::from_std(ours).unwrap().read(&mut [0]).await });
    assert_eq!(read.unwrap(), 1);
    thread.join().unwrap();
}

/// Gives its waker to a thread, which wakes it a while later.
async fn woken_by_a_thread() {
    let woken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut begun = false;
    poll_fn(move |cx| {
        if woken.load(std::sync::atomic::Ordering::SeqCst) {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut begun, true) {
            let (waker, woken) = (cx.waker().clone(), woken.clone());
            drop(later(move || {
                woken.store(true, std::sync::atomic::Ordering::SeqCst);
                waker.wake();
            }));
        }
        Poll::Pending
    })
    .await;
}

#[test]
fn a_waker_that_a_future_of_the_users_gave_to_a_thread() {
    judged().block_on(woken_by_a_thread());
}

/// In one task with something of ours, before it, after it, and after it was dropped.
#[test]
fn such_a_waker_beside_things_of_this_library() {
    let runtime = judged();
    let notify = Notify::new();
    runtime.block_on(async {
        drop(coracle::task::select(notify.notified(), Box::pin(woken_by_a_thread())).await);
        drop(coracle::task::select(Box::pin(woken_by_a_thread()), notify.notified()).await);
        {
            let mut waiting = pin!(notify.notified());
            poll_fn(|cx| {
                assert!(waiting.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            woken_by_a_thread().await;
        }
        poll_fn(|cx| {
            assert!(pin!(notify.notified()).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        woken_by_a_thread().await;
        coracle::task::join((woken_by_a_thread(), coracle::task::yield_now())).await;
        coracle::task::join_all([woken_by_a_thread(), woken_by_a_thread()]).await;
    });
}

/// The waker goes away, and something of ours is polled last and yields: what it says is not said of the waker.
#[test]
fn what_a_yield_says_is_not_said_of_somebody_elses_waker() {
    let runtime = judged();
    let (sender, receiver) = coracle::sync::channel::unbounded::<u8>();
    (0..200).for_each(|n| sender.send(n).unwrap());
    let mut theirs = Box::pin(woken_by_a_thread());
    let count = Cell::new(0);
    runtime.block_on(async {
        let ours = async {
            while receiver.recv().await.is_some() {
                count.set(count.get() + 1);
            }
        };
        let mut ours = pin!(ours);
        let mut polled = false;
        poll_fn(|cx| {
            // Only once: the clone that it keeps is of the first poll, which ends because the budget does.
            if !std::mem::replace(&mut polled, true) {
                assert!(theirs.as_mut().poll(cx).is_pending());
            }
            assert!(ours.as_mut().poll(cx).is_pending());
            if count.get() == 200 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        theirs.await;
    });
}

#[test]
fn an_abort_handle_on_another_thread() {
    let runtime = judged();
    let task = runtime.spawn(std::future::pending::<()>());
    let handle = task.abort_handle();
    let thread = later(move || handle.abort());
    assert!(runtime.block_on(task).is_err());
    thread.join().unwrap();
}

#[test]
fn a_task_of_a_runtime_that_another_thread_runs() {
    let (give, take) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = Runtime::new();
        give.send(runtime.spawner()).unwrap();
        runtime.block_on(async { coracle::time::sleep(5 * WHILE).await });
    });
    let handle = take.recv().unwrap().spawn(|| async { coracle::time::sleep(WHILE).await }).unwrap();
    judged().block_on(handle).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_turn_by_hand_is_not_judged() {
    let runtime = judged();
    drop(runtime.spawn(Notify::new_forever()));
    for _ in 0..10 {
        runtime.turn(Budget::no_wait()).unwrap();
    }
    assert_eq!(runtime.inspect().tasks.len(), 1);
}

trait Forever {
    fn new_forever() -> impl Future<Output = ()> + 'static;
}

impl Forever for Notify {
    async fn new_forever() {
        Notify::new().notified().await;
    }
}

#[test]
fn settling_is_awaited_and_no_stall() {
    coracle::testing::run(async {
        let task = coracle::spawn(async { Notify::new().notified().await });
        coracle::testing::settle().await;
        task.abort();
        assert!(task.await.is_err());
    });
}

/// Somebody outside may know the address of a listener, or of a datagram socket: a thread, a child process.
#[test]
fn a_listener_may_have_a_visitor() {
    coracle::testing::run(async {
        let (listener, address) = coracle::testing::listener().unwrap();
        let visitor = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            std::net::TcpStream::connect(address).unwrap()
        });
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
        visitor.join().unwrap();
    });
    coracle::testing::run(async {
        let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let visitor = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"hello", address).unwrap()
        });
        assert_eq!(socket.recv_from(&mut [0; 8]).await.unwrap().0, 5);
        visitor.join().unwrap();
    });
}

/// A server goes on listening beside those who wait for each other: that is said too, after a while without visitors.
#[test]
fn beside_a_listener_a_stall_is_said_later() {
    let stalled = std::panic::catch_unwind(|| {
        coracle::testing::run(async {
            let (listener, _) = coracle::testing::listener().unwrap();
            let _server = coracle::spawn(async move { listener.accept().await.map(drop) });
            let (_sender, receiver) = coracle::sync::channel::bounded::<u8>(1);
            receiver.recv().await
        })
    });
    let said = *stalled.unwrap_err().downcast::<String>().unwrap();
    assert!(said.starts_with("stalled") && said.contains("a value in a channel"), "{said}");
}

/// What was sent to somebody outside may be answered, however long that takes a moment.
#[test]
fn a_datagram_to_a_stranger_is_waited_for() {
    use std::time::Duration;
    coracle::testing::run(async {
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = stranger.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let mut buffer = [0; 8];
            let (count, from) = stranger.recv_from(&mut buffer).unwrap();
            std::thread::sleep(Duration::from_millis(5));
            stranger.send_to(&buffer[..count], from).unwrap();
        });
        coracle::testing::set_patience(Duration::from_secs(5));
        let socket = coracle::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"ping", to).await.unwrap();
        let mut buffer = [0; 8];
        let answer = coracle::time::timeout(Duration::from_secs(30), socket.recv_from(&mut buffer)).await;
        assert_eq!(answer.expect("the clock overtook the answer").unwrap().0, 4);
        answering.join().unwrap();
    });
}
