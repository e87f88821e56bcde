//! Broadcast: each receiver sees each value once, in order, or is told how many it missed; and values go when all have
//! seen them.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use coracle::sync::broadcast::{Receiver, RecvError, SendError, Sender, TryRecvError, channel};
use coracle::task::yield_now;
use proptest::prelude::*;

use super::{both, foreign_block_on};
use crate::support::{self, CountingWaker, cut_at_every_poll, poll_once, poll_with};

#[test]
fn every_receiver_gets_every_value_in_order() {
    let got = coracle::block_on(async {
        let (sender, first) = channel(usize::MAX);
        let receivers = [sender.subscribe(), sender.subscribe(), first];
        let tasks = receivers.map(|mut receiver| {
            coracle::spawn(async move {
                let mut got = Vec::new();
                while let Ok(value) = receiver.recv().await {
                    got.push(value);
                }
                got
            })
        });
        for n in 0..100 {
            assert_eq!(sender.send(n), Ok(3));
            if n % 7 == 0 {
                yield_now().await;
            }
        }
        drop(sender);
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap());
        }
        all
    });
    assert_eq!(got, vec![(0..100).collect::<Vec<_>>(); 3]);
}

#[test]
fn a_slow_receiver_is_told_how_many_it_missed_and_goes_on() {
    let (sender, mut slow) = channel(3);
    let mut quick = sender.subscribe();
    for n in 0..10 {
        sender.send(n).unwrap();
        assert_eq!(quick.try_recv(), Ok(n));
    }
    assert_eq!(slow.len(), 3);
    let got: Vec<_> = (0..5).map(|_| slow.try_recv()).collect();
    assert_eq!(got, [Err(TryRecvError::Lagged(7)), Ok(7), Ok(8), Ok(9), Err(TryRecvError::Empty)]);
    sender.send(10).unwrap();
    assert_eq!((slow.try_recv(), quick.try_recv()), (Ok(10), Ok(10)));
}

#[test]
fn a_receiver_that_was_cancelled_sees_what_it_would_have_seen() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, mut receiver) = channel(4);
            let task = coracle::spawn(async move {
                yield_now().await;
                sender.send(1).unwrap();
                yield_now().await;
                sender.send(2).unwrap();
            });
            let got = cut.at(receiver.recv()).await;
            let got = if let Some(got) = got { got } else { receiver.recv().await };
            assert_eq!((got, receiver.recv().await), (Ok(1), Ok(2)), "dropped, it lost the value");
            assert_eq!(receiver.recv().await, Err(RecvError::Closed));
            task.await.unwrap();
        });
    });
    assert!(dropped >= 2, "dropped {dropped} times");
}

#[test]
fn who_waits_for_the_receivers_to_go_can_give_up() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, receiver) = channel::<u8>(1);
            let task = coracle::spawn(async move {
                yield_now().await;
                drop(receiver);
            });
            let closed = cut.at(sender.closed()).await;
            assert!(closed.is_none() || sender.receivers() == 0);
            sender.closed().await;
            task.await.unwrap();
        });
    });
    assert!(dropped >= 2, "dropped {dropped} times");
}

/// The states in which a side goes: the capacity, how many values are there to see, how many receivers wait.
#[test]
fn the_end_of_a_side_is_told_in_every_state() {
    for (state, capacity, sent, receivers) in [
        ("empty", 2, 0, 1),
        ("empty, several wait", 2, 0, 3),
        ("with a value", 2, 1, 2),
        ("full", 2, 2, 2),
        ("0", 0, 0, 2),
    ] {
        // The last sender goes.
        let (sender, first) = channel(capacity);
        let mut all = vec![first];
        all.extend((1..receivers).map(|_| sender.subscribe()));
        for n in 0..sent {
            sender.send(n).unwrap();
        }
        let (counting, waker) = CountingWaker::new();
        let other = sender.clone();
        let mut recvs: Vec<_> = all.iter_mut().map(|receiver| receiver.recv()).collect();
        let answers: Vec<_> = recvs.iter_mut().map(|recv| poll_with(recv, &waker)).collect();
        let first_answer = if sent > 0 { Poll::Ready(Ok(0)) } else { Poll::Pending };
        assert_eq!(answers, vec![first_answer; receivers], "{state}");
        drop(sender);
        assert_eq!(counting.wakes(), 0, "{state}: one is left");
        drop(other);
        assert_eq!(counting.wakes(), if sent == 0 { receivers } else { 0 }, "{state}");
        drop(recvs);
        for receiver in &mut all {
            for n in 1..sent {
                assert_eq!(receiver.try_recv(), Ok(n), "{state}");
            }
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed), "{state}");
            assert_eq!(poll_once(&mut receiver.recv()), Poll::Ready(Err(RecvError::Closed)), "{state}");
        }
        let mut late = all[0].resubscribe();
        assert_eq!(late.try_recv(), Err(TryRecvError::Closed), "{state}");
        // The last receiver goes.
        let (sender, first) = channel(capacity);
        let mut all = vec![first];
        all.extend((1..receivers).map(|_| sender.subscribe()));
        for n in 0..sent {
            sender.send(n).unwrap();
        }
        let (counting, waker) = CountingWaker::new();
        let mut closed = sender.closed();
        assert!(poll_with(&mut closed, &waker).is_pending());
        while let Some(receiver) = all.pop() {
            assert_eq!((counting.wakes(), sender.receivers()), (0, all.len() + 1), "{state}");
            drop(receiver);
        }
        assert_eq!((counting.wakes(), sender.receivers(), sender.len()), (1, 0, 0), "{state}");
        assert_eq!(poll_once(&mut closed), Poll::Ready(()), "{state}");
        assert_eq!(sender.send(9), Err(SendError(9)), "{state}");
        // And another comes.
        let mut again = sender.subscribe();
        assert!(poll_once(&mut sender.closed()).is_pending());
        assert_eq!((sender.send(9), sender.len()), (Ok(1), capacity.min(1)));
        let seen = if capacity == 0 { Err(TryRecvError::Lagged(1)) } else { Ok(9) };
        assert_eq!(again.try_recv(), seen, "{state}");
    }
}

/// With capacity 0 nothing is kept: who waits learns that there was something.
#[test]
fn without_capacity_receivers_only_count() {
    let (drops, make) = super::Counted::new();
    let make = || Rc::new(make());
    let (sender, mut receiver) = channel(0);
    let (counting, waker) = CountingWaker::new();
    let mut recv = receiver.recv();
    assert!(matches!(poll_with(&mut recv, &waker), Poll::Pending));
    sender.send(make()).unwrap();
    sender.send(make()).unwrap();
    assert_eq!((drops.get(), counting.wakes()), (2, 1));
    assert!(matches!(poll_once(&mut recv), Poll::Ready(Err(RecvError::Lagged(2)))));
    drop(recv);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
}

#[test]
fn the_largest_capacity_allocates_nothing_in_advance() {
    support::alone("sync::broadcast::the_largest_capacity_allocates_nothing_in_advance", || {
        let before = support::heap();
        let (sender, receiver) = channel::<[u8; 64]>(usize::MAX);
        assert!(support::heap() - before < 4096);
        for _ in 0..1000 {
            sender.send([0; 64]).unwrap();
        }
        assert!(support::heap() - before >= 64_000);
        drop((sender, receiver));
        // The thread of the test harness allocates a little now and then.
        assert!(support::heap() - before < 4096, "{} bytes are kept", support::heap() - before);
    });
}

/// A clone for all but the last, who gets the value that was sent.
#[test]
fn the_last_receiver_gets_the_value_itself() {
    struct Cloned(Rc<Cell<usize>>);
    impl Clone for Cloned {
        fn clone(&self) -> Cloned {
            self.0.set(self.0.get() + 1);
            Cloned(self.0.clone())
        }
    }
    let clones = Rc::new(Cell::new(0));
    let (sender, mut receiver) = channel(4);
    let mut others = [sender.subscribe(), sender.subscribe()];
    sender.send(Cloned(clones.clone())).unwrap();
    drop(receiver.try_recv());
    others.iter_mut().for_each(|other| drop(other.try_recv()));
    assert_eq!((clones.get(), sender.len()), (2, 0));
}

/// What a value does once, when it is told to.
type Act = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

/// A value whose clone does something.
struct Restless(u32, Act);

impl Restless {
    fn act(&self) {
        let act = self.1.take();
        if let Some(act) = act {
            act();
        }
    }
}

impl Clone for Restless {
    fn clone(&self) -> Restless {
        self.act();
        Restless(self.0, self.1.clone())
    }
}

/// RUSTSEC-2025-0023 was about values cloned by several threads at once. Here the worst that a clone can do is to use
/// its own channel, which it finds in order.
#[test]
fn a_clone_that_uses_the_channel_does_no_harm() {
    let act = Act::default();
    let make = |n| Restless(n, Rc::clone(&act));
    let (sender, mut receiver) = channel(2);
    let (other, mut another) = (sender.subscribe(), sender.subscribe());
    sender.send(make(0)).ok().unwrap();
    *act.borrow_mut() = Some(Box::new({
        let (sender, values) = (sender.clone(), [make(1), make(2), make(3)]);
        move || {
            // The ring runs over while its first value is being cloned, and another receiver goes.
            for value in values {
                sender.send(value).ok().unwrap();
            }
            drop(other);
            drop(sender.subscribe());
        }
    }));
    let numbers = |receiver: &mut Receiver<Restless>| {
        let next = || receiver.try_recv().map(|value| value.0);
        std::iter::repeat_with(next).take(4).collect::<Vec<_>>()
    };
    use TryRecvError::{Empty, Lagged};
    assert_eq!(numbers(&mut receiver), [Ok(0), Err(Lagged(1)), Ok(2), Ok(3)]);
    assert_eq!(numbers(&mut another), [Err(Lagged(2)), Ok(2), Ok(3), Err(Empty)]);
    assert_eq!((sender.len(), sender.receivers()), (0, 2));
}

/// A clone that panics takes the panic to the one that receives. The value counts as seen; the others see it too.
#[test]
fn a_clone_that_panics_costs_nobody_else_anything() {
    let act = Act::default();
    let (sender, mut receiver) = channel(2);
    let mut other = sender.subscribe();
    for n in 0..2 {
        sender.send(Restless(n, Rc::clone(&act))).ok().unwrap();
    }
    *act.borrow_mut() = Some(Box::new(|| std::panic::resume_unwind(Box::new("on purpose"))));
    let received =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll_once(&mut receiver.recv()).is_ready()));
    assert!(received.is_err());
    assert_eq!(receiver.try_recv().map(|value| value.0), Ok(1));
    assert_eq!(other.try_recv().map(|value| value.0), Ok(0));
    assert_eq!(other.try_recv().map(|value| value.0), Ok(1));
    assert!(sender.is_empty());
}

/// The drop of a value that falls out of the ring, or that only a receiver that goes had not seen, uses the channel.
#[test]
fn a_drop_that_uses_the_channel_does_no_harm() {
    #[derive(Clone)]
    struct Uses(#[allow(dead_code, reason = "it is dropped")] Rc<Sends>);
    struct Sends(Sender<Option<Uses>>, Rc<Cell<usize>>);
    impl Drop for Sends {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            assert_eq!(self.0.send(None).is_err(), self.0.receivers() == 0);
        }
    }
    let drops = Rc::new(Cell::new(0));
    let make = |sender: &Sender<_>| Some(Uses(Rc::new(Sends(sender.clone(), drops.clone()))));
    let (sender, mut receiver) = channel(2);
    for _ in 0..3 {
        sender.send(make(&sender)).ok().unwrap();
    }
    assert_eq!((drops.get(), sender.len()), (3, 2), "each pushes the next one out");
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(4))));
    let (sender, receiver) = channel(4);
    let other = sender.subscribe();
    for _ in 0..2 {
        sender.send(make(&sender)).ok().unwrap();
    }
    drop(other);
    assert_eq!((drops.get(), sender.len()), (3, 2), "one has still to see them");
    drop(receiver);
    assert_eq!((drops.get(), sender.len()), (5, 0));
}

#[test]
fn only_the_last_waker_is_woken() {
    let (sender, mut receiver) = channel(1);
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let mut recv = receiver.recv();
    assert!(poll_with(&mut recv, &one).is_pending() && poll_with(&mut recv, &two).is_pending());
    sender.send(1).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert_eq!(poll_once(&mut recv), Poll::Ready(Ok(1)));
}

/// moq#353
#[test]
fn abandoned_receives_leave_nothing_behind() {
    support::alone("sync::broadcast::abandoned_receives_leave_nothing_behind", || {
        let (sender, mut receiver) = channel::<u8>(1);
        let before = support::heap();
        for _ in 0..50_000 {
            assert!(poll_once(&mut receiver.recv()).is_pending());
            assert!(poll_once(&mut sender.closed()).is_pending());
            drop(sender.subscribe());
        }
        assert!(support::heap() - before < 4096, "the channel has grown by {}", support::heap() - before);
    });
}

#[test]
fn it_works_on_a_foreign_executor() {
    let (sender, mut receiver) = channel(300);
    let receive = async {
        let mut got = Vec::new();
        while let Ok(n) = receiver.recv().await {
            got.push(n);
        }
        got
    };
    let send = async move {
        for n in 0..300 {
            sender.send(n).unwrap();
        }
    };
    let (got, ()) = foreign_block_on(both(receive, send));
    assert_eq!(got, (0..300).collect::<Vec<_>>());
    assert_eq!(RecvError::Lagged(3).to_string(), "the receiver was too slow and missed 3 values");
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Subscribe,
    /// The receiver with this number, counted round: sees what is there; waits, if it does not yet; gives up waiting;
    /// goes.
    TryRecv(usize),
    Wait(usize),
    Cancel(usize),
    Leave(usize),
    /// Lets those run that were woken.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Send),
        1 => Just(Step::Subscribe),
        3 => any::<usize>().prop_map(Step::TryRecv),
        3 => any::<usize>().prop_map(Step::Wait),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => Just(Step::Settle),
    ]
}

type Value = Rc<u64>;
/// Gives the receiver back, and the answer, unless it was cancelled.
type Waiting = Pin<Box<dyn Future<Output = (Receiver<Value>, Option<Result<Value, RecvError>>)>>>;

/// A receiver, and by the model the number of the value that it sees next.
struct Modelled {
    receiver: Option<Receiver<Value>>,
    waiting: Option<Waiting>,
    is_cancelled: Rc<Cell<bool>>,
    counting: Arc<CountingWaker>,
    seen: usize,
    next: u64,
}

impl Modelled {
    fn new(receiver: Receiver<Value>, next: u64) -> Modelled {
        let (is_cancelled, counting) = (Rc::default(), CountingWaker::new().0);
        Modelled { receiver: Some(receiver), waiting: None, is_cancelled, counting, seen: 0, next }
    }

    fn wait(&mut self) {
        let Some(mut receiver) = self.receiver.take() else { return };
        let is_cancelled = self.is_cancelled.clone();
        self.waiting = Some(Box::pin(async move {
            let mut recv = receiver.recv();
            let answer = std::future::poll_fn(|cx| match is_cancelled.take() {
                true => Poll::Ready(None),
                false => Pin::new(&mut recv).poll(cx).map(Some),
            })
            .await;
            drop(recv);
            (receiver, answer)
        }));
    }

    /// What it got from waiting, if it has ended.
    fn poll(&mut self) -> Option<Result<Value, RecvError>> {
        self.seen = self.counting.wakes();
        let polled = poll_with(self.waiting.as_mut()?, &self.counting.clone().into());
        let Poll::Ready((receiver, answer)) = polled else { return None };
        (self.receiver, self.waiting) = (Some(receiver), None);
        answer
    }

    /// Holds an answer against what it must see: what was sent, of which all before `first` is lost to the slow.
    fn check(&mut self, answer: Result<u64, u64>, first: u64) {
        match answer {
            Ok(number) => {
                assert!(self.next >= first);
                assert_eq!(number, self.next);
                self.next += 1;
            }
            Err(missed) => {
                assert_eq!(missed, first - self.next);
                self.next = first;
            }
        }
    }
}

fn run(capacity: usize, steps: Vec<Step>) {
    let (sender, receiver) = channel(capacity);
    let mut all = vec![Modelled::new(receiver, 0)];
    let (mut sent, mut values): (u64, Vec<std::rc::Weak<u64>>) = (0, Vec::new());
    let oldest = |sent: u64| sent - sent.min(capacity as u64);
    for step in steps {
        let count = all.len();
        match step {
            Step::Send => {
                let value = Rc::new(sent);
                values.push(Rc::downgrade(&value));
                match sender.send(value) {
                    Ok(receivers) => assert_eq!(receivers, count),
                    // Nobody was there to see it: it was not sent.
                    Err(SendError(back)) => {
                        assert_eq!((count, *back), (0, sent));
                        values.pop();
                        continue;
                    }
                }
                sent += 1;
            }
            Step::Subscribe => all.push(Modelled::new(sender.subscribe(), sent)),
            Step::TryRecv(at) if count > 0 => {
                let modelled = &mut all[at % count];
                let Some(receiver) = &mut modelled.receiver else { continue };
                match receiver.try_recv() {
                    Ok(value) => modelled.check(Ok(*value), oldest(sent)),
                    Err(TryRecvError::Lagged(missed)) => modelled.check(Err(missed), oldest(sent)),
                    Err(TryRecvError::Empty) => assert_eq!(modelled.next, sent),
                    Err(TryRecvError::Closed) => panic!("a sender lives"),
                }
            }
            Step::Wait(at) | Step::Cancel(at) if count > 0 => {
                let modelled = &mut all[at % count];
                modelled.is_cancelled.set(matches!(step, Step::Cancel(_)) && modelled.waiting.is_some());
                modelled.wait();
                if let Some(answer) = modelled.poll() {
                    modelled.check(lag(answer), oldest(sent));
                }
            }
            Step::Leave(at) if count > 0 => drop(all.remove(at % count)),
            Step::Settle => {
                for modelled in &mut all {
                    let is_woken = modelled.counting.wakes() > modelled.seen;
                    if modelled.waiting.is_some() && modelled.next < sent {
                        assert!(is_woken, "a receiver sleeps, and there is something to see");
                        let answer = modelled.poll().expect("there is something to see");
                        modelled.check(lag(answer), oldest(sent));
                    }
                }
            }
            _ => {}
        }
        // What is kept is what somebody who lives has still to see, and no more than the capacity.
        let kept = |number: u64| number >= oldest(sent) && all.iter().any(|modelled| modelled.next <= number);
        for (number, value) in values.iter().enumerate() {
            assert_eq!(value.strong_count() > 0, kept(number as u64), "value {number} of {sent}");
        }
    }
}

fn lag(answer: Result<Value, RecvError>) -> Result<u64, u64> {
    answer.map(|value| *value).map_err(|error| match error {
        RecvError::Lagged(missed) => missed,
        RecvError::Closed => panic!("a sender lives"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_broadcast_is_a_list_and_a_place_in_it_for_each_receiver(
        capacity in prop_oneof![0..5_usize, Just(usize::MAX)],
        steps in proptest::collection::vec(step(), 0..100),
    ) {
        run(capacity, steps);
    }
}
