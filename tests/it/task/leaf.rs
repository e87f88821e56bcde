//! The table of all leaf futures, each with what ends its waiting, for the tests in `leaves.rs`.

use std::cell::RefCell;
use std::future::Future;
use std::io::{Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream};
use coracle::sync::{WaitQueue, channel, oneshot};
use coracle::time::{interval_at, now, sleep, timeout};
use coracle::{Budget, Runtime};

use super::settle;
use crate::support::{keep, poll_once};

/// A leaf future that waits, what ends its waiting, and something harmless that uses the same object.
pub(super) struct Leaf {
    pub(super) future: Pin<Box<dyn Future<Output = ()>>>,
    pub(super) event: Rc<dyn Fn()>,
    pub(super) touch: Rc<dyn Fn()>,
}

pub(super) type Make = fn(&Rc<Runtime>) -> Leaf;

/// Every leaf future that waits for something else than its own turn.
pub(super) const LEAVES: &[(&str, Make)] = &[
    ("JoinHandle", join_handle),
    ("AbortOnDrop", abort_on_drop),
    ("RemoteHandle", remote_handle),
    ("Recv", recv),
    ("Recv of capacity 0", recv_rendezvous),
    ("Send", send),
    ("oneshot::Receiver", oneshot_receiver),
    ("Waiting", waiting),
    ("Sleep", sleeping),
    ("Timeout", timing_out),
    ("Tick", ticking),
    ("Accept", accept),
    ("Read", read),
    ("Peek", peek),
    ("ReadExact", read_exact),
    ("Write", write),
];

/// The same future without its output, polled directly: unlike an `async` block it can be polled after its end.
struct Silent<F>(F);

impl<F: Future + Unpin> Future for Silent<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

fn leaf(future: impl Future + Unpin + 'static, event: impl Fn() + 'static, touch: impl Fn() + 'static) -> Leaf {
    Leaf { future: Box::pin(Silent(future)), event: Rc::new(event), touch: Rc::new(touch) }
}

/// A task that ends when the event comes.
fn task(runtime: &Rc<Runtime>) -> (coracle::task::JoinHandle<()>, impl Fn() + use<>) {
    let (sender, receiver) = oneshot::channel();
    let sender = RefCell::new(Some(sender));
    let task = runtime.spawn(async { receiver.await.unwrap() });
    settle(runtime);
    let runtime = runtime.clone();
    (task, move || {
        let sender = sender.borrow_mut().take();
        let _ = sender.map(|sender| sender.send(()));
        while runtime.turn(Budget::no_wait()).is_ok_and(|turn| turn.more) {}
    })
}

pub(super) fn join_handle(runtime: &Rc<Runtime>) -> Leaf {
    let (task, event) = task(runtime);
    let abort = task.abort_handle();
    leaf(task, event, move || drop(abort.clone()))
}

pub(super) fn abort_on_drop(runtime: &Rc<Runtime>) -> Leaf {
    let (task, event) = task(runtime);
    leaf(task.abort_on_drop(), event, || {})
}

pub(super) fn remote_handle(runtime: &Rc<Runtime>) -> Leaf {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let make = || async move {
        while receiver.try_recv().is_err() {
            coracle::task::yield_now().await;
        }
    };
    let handle = runtime.spawner().spawn(make).unwrap();
    let runtime = runtime.clone();
    let event = move || {
        let _ = sender.send(());
        for _ in 0..4 {
            let _ = runtime.turn(Budget::no_wait());
        }
    };
    leaf(handle, event, || {})
}

fn recv_of(capacity: usize) -> Leaf {
    let (sender, receiver) = channel::bounded::<u8>(capacity);
    let receiver: &'static _ = keep(receiver);
    let touch = move || {
        let mut other = receiver.recv();
        let _ = poll_once(&mut other);
        drop(other);
        let _ = (receiver.try_recv(), receiver.len());
    };
    leaf(
        receiver.recv(),
        move || {
            let _ = sender.try_send(1);
        },
        touch,
    )
}

fn recv(_: &Rc<Runtime>) -> Leaf {
    recv_of(3)
}

fn recv_rendezvous(_: &Rc<Runtime>) -> Leaf {
    recv_of(0)
}

fn send(_: &Rc<Runtime>) -> Leaf {
    let (sender, receiver) = channel::bounded::<u8>(1);
    let sender: &'static channel::Sender<u8> = keep(sender);
    sender.try_send(0).unwrap();
    let touch = move || {
        let mut other = sender.send(2);
        let _ = poll_once(&mut other);
        drop(other);
        drop(sender.clone());
    };
    leaf(
        sender.send(1),
        move || {
            let _ = receiver.try_recv();
        },
        touch,
    )
}

fn oneshot_receiver(_: &Rc<Runtime>) -> Leaf {
    let (sender, receiver) = oneshot::channel::<u8>();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let touch = {
        let sender = sender.clone();
        move || {
            let _ = sender.borrow().as_ref().map(oneshot::Sender::is_closed);
        }
    };
    let event = move || {
        let sender = sender.borrow_mut().take();
        let _ = sender.map(|sender| sender.send(1));
    };
    leaf(receiver, event, touch)
}

fn waiting(_: &Rc<Runtime>) -> Leaf {
    let queue: &'static WaitQueue = keep(WaitQueue::new());
    let touch = move || {
        let mut other = queue.wait();
        assert!(poll_once(&mut other).is_pending());
        drop(other);
        assert!(queue.len() <= 2);
    };
    leaf(
        queue.wait(),
        move || {
            let _ = queue.wake_all();
        },
        touch,
    )
}

/// Turns until a timer has fired. The deadlines are far enough for the polls before, and near enough to wait for.
fn time_passes(runtime: &Rc<Runtime>) -> impl Fn() + use<> {
    let runtime = runtime.clone();
    move || {
        while runtime.next_deadline().is_some() && runtime.turn(Budget::until_ready()).is_ok_and(|t| t.expired == 0) {}
    }
}

fn touch_timers(runtime: &Rc<Runtime>) -> impl Fn() + use<> {
    let runtime = runtime.clone();
    move || {
        let mut other = runtime.enter(|| sleep(Duration::from_secs(3600)));
        assert!(poll_once(&mut other).is_pending());
    }
}

const SOON: Duration = Duration::from_millis(20);

fn sleeping(runtime: &Rc<Runtime>) -> Leaf {
    leaf(runtime.enter(|| sleep(SOON)), time_passes(runtime), touch_timers(runtime))
}

fn timing_out(runtime: &Rc<Runtime>) -> Leaf {
    let future = runtime.enter(|| timeout(SOON, std::future::pending::<()>()));
    leaf(future, time_passes(runtime), touch_timers(runtime))
}

fn ticking(runtime: &Rc<Runtime>) -> Leaf {
    let interval = runtime.enter(|| interval_at(now() + SOON, Duration::from_secs(3600)));
    let tick = keep(interval).tick();
    // After the first tick there would be another timer.
    leaf(tick, time_passes(runtime), touch_timers(runtime))
}

/// Turns until something has become ready.
fn ready(runtime: &Rc<Runtime>) {
    while runtime.turn(Budget { wait: Some(Duration::from_secs(5)), ..Budget::no_wait() }).is_ok_and(|t| t.ready == 0) {
    }
}

fn accept(runtime: &Rc<Runtime>) -> Leaf {
    let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let listener: &'static TcpListener = keep(listener);
    let address = listener.local_addr().unwrap();
    let runtime = runtime.clone();
    let event = move || {
        keep(std::net::TcpStream::connect(address).unwrap());
        ready(&runtime);
    };
    leaf(listener.accept(), event, move || drop(listener.try_accept()))
}

/// Both ends of a connection: ours, and a plain one.
fn connection(runtime: &Rc<Runtime>) -> (&'static TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ours = runtime.enter(|| TcpStream::from_std(listener.accept().unwrap().0)).unwrap();
    (keep(ours), theirs)
}

fn bytes_come(runtime: &Rc<Runtime>, theirs: std::net::TcpStream) -> impl Fn() + use<> {
    let runtime = runtime.clone();
    move || {
        (&theirs).write_all(b"x").unwrap();
        ready(&runtime);
    }
}

fn touch_stream(ours: &'static TcpStream) -> impl Fn() {
    move || {
        let mut buffer = [0];
        assert!(ours.try_read(&mut buffer).is_err() || buffer != [0]);
    }
}

fn read(runtime: &Rc<Runtime>) -> Leaf {
    let (ours, theirs) = connection(runtime);
    leaf(ours.read(keep([0; 8])), bytes_come(runtime, theirs), touch_stream(ours))
}

fn peek(runtime: &Rc<Runtime>) -> Leaf {
    let (ours, theirs) = connection(runtime);
    leaf(ours.peek(keep([0; 8])), bytes_come(runtime, theirs), touch_stream(ours))
}

fn read_exact(runtime: &Rc<Runtime>) -> Leaf {
    let (ours, theirs) = connection(runtime);
    leaf(ours.read_exact(keep([0; 1])), bytes_come(runtime, theirs), touch_stream(ours))
}

fn write(runtime: &Rc<Runtime>) -> Leaf {
    let (ours, theirs) = connection(runtime);
    while ours.try_write(&[0; 65536]).is_ok() {}
    let runtime = runtime.clone();
    let event = move || {
        theirs.set_nonblocking(true).unwrap();
        let mut buffer = vec![0; 65536];
        // What they have read makes room, as soon as the kernel has said so.
        loop {
            while (&theirs).read(&mut buffer).is_ok_and(|n| n > 0) {}
            if runtime.turn(Budget { wait: Some(Duration::from_millis(10)), ..Budget::no_wait() }).unwrap().ready > 0 {
                return;
            }
        }
    };
    leaf(ours.write(&[0; 65536]), event, move || drop(ours.try_write(&[0])))
}
