//! What holds for every leaf future of the library, whatever wakes it: polled with another waker each time
//! (futures-intrusive#19), abandoned (moq#353), polled after its end, and with a waker that panics or that comes back
//! in one of its operations (tokio#4069, tokio#5429).

use std::cell::RefCell;
use std::future::Future;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream};
use coracle::sync::{WaitQueue, channel, oneshot};
use coracle::time::{interval_at, now, sleep, timeout};
use coracle::{Budget, Runtime};

use super::spy::{OPS, Op, Spy};
use super::{panics, settle};
use crate::support::{CountingWaker, alone, heap, poll_once, poll_with};

/// A leaf future that waits, what ends its waiting, and something harmless that uses the same object.
struct Leaf {
    future: Pin<Box<dyn Future<Output = ()>>>,
    event: Rc<dyn Fn()>,
    touch: Rc<dyn Fn()>,
}

type Make = fn(&Rc<Runtime>) -> Leaf;

/// Every leaf future that waits for something else than its own turn.
const LEAVES: &[(&str, Make)] = &[
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

/// Lives to the end of the process: what a leaf borrows must outlive a test that drops things in any order.
fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

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

fn join_handle(runtime: &Rc<Runtime>) -> Leaf {
    let (task, event) = task(runtime);
    let abort = task.abort_handle();
    leaf(task, event, move || drop(abort.clone()))
}

fn abort_on_drop(runtime: &Rc<Runtime>) -> Leaf {
    let (task, event) = task(runtime);
    leaf(task.abort_on_drop(), event, || {})
}

fn remote_handle(runtime: &Rc<Runtime>) -> Leaf {
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
    leaf(receiver.recv(), move || drop(sender.try_send(1)), touch)
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
    leaf(sender.send(1), move || drop(receiver.try_recv()), touch)
}

fn oneshot_receiver(_: &Rc<Runtime>) -> Leaf {
    let (sender, receiver) = oneshot::channel::<u8>();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let touch = {
        let sender = sender.clone();
        move || drop(sender.borrow().as_ref().map(oneshot::Sender::is_closed))
    };
    let event = move || {
        let sender = sender.borrow_mut().take();
        drop(sender.map(|sender| sender.send(1)));
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
    leaf(queue.wait(), move || drop(queue.wake_all()), touch)
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
    let tick = Box::leak(Box::new(interval)).tick();
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
    leaf(ours.read(Box::leak(Box::new([0; 8]))), bytes_come(runtime, theirs), touch_stream(ours))
}

fn peek(runtime: &Rc<Runtime>) -> Leaf {
    let (ours, theirs) = connection(runtime);
    leaf(ours.peek(Box::leak(Box::new([0; 8]))), bytes_come(runtime, theirs), touch_stream(ours))
}

fn read_exact(runtime: &Rc<Runtime>) -> Leaf {
    let (ours, theirs) = connection(runtime);
    leaf(ours.read_exact(Box::leak(Box::new([0; 1]))), bytes_come(runtime, theirs), touch_stream(ours))
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

/// A poll whose waker may panic.
fn try_poll(leaf: &mut Leaf, waker: &std::task::Waker) {
    panics(|| {
        let _ = poll_with(&mut leaf.future, waker);
    });
}

/// A new leaf that waits. One that is done at once (a timer, when this thread stood still) is made again.
fn waiting_leaf(make: Make, runtime: &Rc<Runtime>, waker: &std::task::Waker) -> Leaf {
    for _ in 0..100 {
        let mut leaf = make(runtime);
        if leaf.future.as_mut().poll(&mut Context::from_waker(waker)).is_pending() {
            return leaf;
        }
    }
    panic!("it never waits");
}

#[test]
fn a_leaf_wakes_the_waker_of_its_last_poll_whoever_polled_before() {
    alone("task::leaves::a_leaf_wakes_the_waker_of_its_last_poll_whoever_polled_before", || {
        for (name, make) in LEAVES {
            let runtime = Rc::new(Runtime::new());
            let ((_, first), (second_wakes, second)) = (CountingWaker::new(), CountingWaker::new());
            let mut leaf = waiting_leaf(*make, &runtime, &first);
            if poll_with(&mut leaf.future, &second).is_ready() {
                continue; // Only a timer on a machine that stands still.
            }
            (leaf.event)();
            assert!(second_wakes.wakes() > 0, "{name}: the waker of the last poll was not woken");
            assert!(poll_with(&mut leaf.future, &second).is_ready(), "{name}");
        }
    });
}

/// A clear panic, or an answer: but nothing worse.
#[test]
fn a_leaf_polled_after_its_end_answers_or_panics_in_words() {
    alone("task::leaves::a_leaf_polled_after_its_end_answers_or_panics_in_words", || {
        let promised = ["JoinHandle", "AbortOnDrop", "RemoteHandle", "Send"];
        for (name, make) in LEAVES {
            let runtime = Rc::new(Runtime::new());
            let (_, waker) = CountingWaker::new();
            let mut leaf = waiting_leaf(*make, &runtime, &waker);
            (leaf.event)();
            assert!(poll_with(&mut leaf.future, &waker).is_ready(), "{name}");
            for _ in 0..3 {
                let polled = catch_unwind(AssertUnwindSafe(|| poll_with(&mut leaf.future, &waker)));
                if let Err(payload) = &polled {
                    let words = payload.downcast_ref::<String>().map(String::as_str);
                    let words = words.or(payload.downcast_ref::<&str>().copied()).unwrap();
                    assert!(words.contains("polled after"), "{name}: {words}");
                }
                assert_eq!(polled.is_err(), promised.contains(name), "{name}: its documentation says otherwise");
            }
            drop(leaf);
            settle(&runtime);
        }
    });
}

/// Whatever operation of the waker panics, the first, second or third time: the leaf can be polled again, dropped, and
/// others of its kind work.
#[test]
fn a_waker_that_panics_in_any_operation_spoils_no_leaf() {
    alone("task::leaves::a_waker_that_panics_in_any_operation_spoils_no_leaf", || {
        std::panic::set_hook(Box::new(|_| {}));
        for (name, make) in LEAVES {
            for (op, nth) in OPS.into_iter().flat_map(|op| (0..3).map(move |nth| (op, nth))) {
                let runtime = Rc::new(Runtime::builder().panic_policy(coracle::PanicPolicy::Log).build());
                let (spy, (_, other)) = (Spy::new(), CountingWaker::new());
                spy.acts_once(op, nth, || resume_unwind(Box::new("the waker")));
                let mut leaf = make(&runtime);
                // Whose panic it is does not matter here, only that it goes no further.
                try_poll(&mut leaf, &spy.waker());
                try_poll(&mut leaf, &other);
                try_poll(&mut leaf, &spy.waker());
                panics(|| (leaf.event)());
                panics(|| drop(leaf));
                spy.acts_no_more();

                let (wakes, waker) = CountingWaker::new();
                let mut next = waiting_leaf(*make, &runtime, &waker);
                (next.event)();
                assert!(wakes.wakes() > 0, "{name}: after a panic in {op:?} {nth} the next one is not woken");
                assert!(poll_with(&mut next.future, &waker).is_ready(), "{name}");
                drop(next);
                settle(&runtime);
            }
        }
    });
}

/// A waker that in its clone, wake or drop uses what holds it: no borrow is held then, so nothing panics.
#[test]
fn a_waker_may_use_what_holds_it_in_any_operation() {
    alone("task::leaves::a_waker_may_use_what_holds_it_in_any_operation", || {
        for (name, make) in LEAVES {
            let runtime = Rc::new(Runtime::new());
            let ((one, another), mut used) = ((Spy::new(), Spy::new()), vec![]);
            let mut leaf = make(&runtime);
            let seen = Rc::new(RefCell::new(vec![]));
            for spy in [&one, &another] {
                let (touch, seen) = (leaf.touch.clone(), seen.clone());
                spy.acts(move |op| {
                    seen.borrow_mut().push((op, panics(|| touch())));
                });
            }
            for spy in [&one, &another, &one] {
                let _ = poll_with(&mut leaf.future, &spy.waker());
            }
            (leaf.event)();
            drop(leaf);
            used.append(&mut seen.borrow_mut());
            assert!(used.iter().all(|(_, panicked)| !panicked), "{name}: {used:?}");
            assert!(OPS.iter().all(|op| used.contains(&(*op, false))), "{name}: not all were tried: {used:?}");
            settle(&runtime);
        }
    });
}

/// The same with the event itself: if the clone of a waker turns the runtime, and the task ends in that turn, then the
/// handle is ready, or its waker is woken.
#[test]
fn a_task_that_ends_in_the_clone_of_its_joiners_waker_is_noticed() {
    let handles: [Make; 3] = [join_handle, abort_on_drop, remote_handle];
    for make in handles {
        let runtime = Rc::new(Runtime::new());
        let spy = Spy::new();
        let mut leaf = make(&runtime);
        let event = leaf.event.clone();
        spy.acts_once(Op::Clone, 0, move || event());
        let polled = poll_with(&mut leaf.future, &spy.waker());
        spy.acts_no_more();
        assert!(polled.is_ready() || spy.wakes() > 0, "it became ready, and nobody is woken");
    }
}

/// Polled once and dropped, again and again: nothing is left in any list.
#[test]
fn abandoned_leaves_leave_nothing_behind() {
    alone("task::leaves::abandoned_leaves_leave_nothing_behind", || {
        let runtime = Runtime::new();
        let (queue, (_full, full_receiver), (_sender, receiver)) =
            (WaitQueue::new(), channel::bounded::<u8>(1), channel::bounded::<u8>(1));
        _full.try_send(0).unwrap();
        let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        let mut task = runtime.spawn(std::future::pending::<()>());
        let mut before = 0;
        for round in 0..100_000 {
            assert!(poll_once(&mut queue.wait()).is_pending());
            assert!(poll_once(&mut receiver.recv()).is_pending());
            assert!(poll_once(&mut _full.send(1)).is_pending());
            assert!(poll_once(&mut task).is_pending());
            assert!(poll_once(&mut listener.accept()).is_pending());
            assert!(poll_once(&mut runtime.enter(|| sleep(Duration::from_secs(3600)))).is_pending());
            if round == 1000 {
                before = heap();
            }
        }
        let inside = runtime.inspect();
        assert!(queue.is_empty() && inside.timers.is_empty() && inside.sources[0].reading == 0, "{inside:?}");
        assert!(heap() - before < 4096, "the heap grew by {} bytes", heap() - before);
        drop(full_receiver);
    });
}
