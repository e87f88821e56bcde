//! Permits: a place that is held is nobody else's, and comes back whatever becomes of the permit.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use coracle::sync::channel::{Permit, Reserve, Send, TrySendError, bounded};
use coracle::task::yield_now;
use proptest::prelude::*;

use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

#[test]
fn a_permit_takes_a_place_until_it_is_used_or_dropped() {
    let (sender, receiver) = bounded(2);
    assert_eq!((sender.capacity(), receiver.capacity(), sender.is_full()), (2, 2, false));
    let (one, two) = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
    assert_eq!((sender.len(), sender.is_full(), sender.capacity()), (0, true, 2));
    assert!(matches!(sender.try_reserve(), Err(TrySendError::Full(()))));
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    one.send(2).unwrap();
    assert_eq!((sender.len(), sender.is_full()), (1, true));
    drop(two);
    sender.try_send(3).unwrap();
    assert_eq!((sender.len(), sender.is_full()), (2, true));
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(2), Ok(3)));
}

/// A closed channel stays closed when the places come back that permits held.
#[test]
fn a_permit_that_goes_after_the_close_opens_nothing() {
    for capacity in [1, 2, usize::MAX] {
        let (sender, receiver) = bounded(capacity);
        let (one, two) = (sender.try_reserve().unwrap(), sender.try_reserve().ok());
        let (counting, waker) = CountingWaker::new();
        let mut send = sender.send(1);
        let waits = capacity <= 2;
        assert_eq!(poll_with(&mut send, &waker).is_pending(), waits);
        receiver.close();
        assert_eq!(counting.wakes(), usize::from(waits));
        drop((one, two));
        assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
        assert!(matches!(sender.try_reserve(), Err(TrySendError::Closed(()))));
        assert!(matches!(poll_once(&mut sender.send(3)), Poll::Ready(Err(_))));
        if waits {
            assert!(matches!(poll_with(&mut send, &waker), Poll::Ready(Err(_))));
        }
    }
}

/// Values come in the order of sending, not of reserving.
#[test]
fn a_permit_is_a_place_and_not_a_turn() {
    let (sender, receiver) = bounded(2);
    let permit = sender.try_reserve().unwrap();
    sender.try_send("first").unwrap();
    permit.send("second").unwrap();
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok("first"), Ok("second")));
}

#[test]
fn a_permit_that_is_dropped_wakes_the_next_and_one_that_is_used_does_not() {
    let (sender, receiver) = bounded(1);
    let permit = sender.try_reserve().unwrap();
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let (mut reserve, mut send) = (sender.reserve(), sender.send(7));
    assert!(poll_with(&mut reserve, &one).is_pending() && poll_with(&mut send, &two).is_pending());
    drop(permit);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    let Poll::Ready(Ok(permit)) = poll_once(&mut reserve) else { panic!("it was woken for room") };
    permit.send(6).unwrap();
    assert_eq!(second.wakes(), 0, "the value has the permit's place");
    assert_eq!((receiver.try_recv(), second.wakes()), (Ok(6), 1));
    assert_eq!(poll_once(&mut send), Poll::Ready(Ok(())));
}

#[test]
fn a_value_sent_by_permit_wakes_the_receiver() {
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        let (counting, waker) = CountingWaker::new();
        let mut recv = receiver.recv();
        assert!(poll_with(&mut recv, &waker).is_pending());
        let permit = sender.try_reserve().unwrap();
        assert_eq!((counting.wakes(), sender.is_full()), (0, true), "capacity {capacity}");
        permit.send(1).unwrap();
        assert_eq!((counting.wakes(), poll_once(&mut recv)), (1, Poll::Ready(Some(1))));
    }
}

/// Without capacity the room is a receiver that waits; if it has given up, the value waits for the next.
#[test]
fn a_permit_for_a_receiver_that_gave_up_loses_nothing() {
    let (sender, receiver) = bounded(0);
    assert!(matches!(sender.try_reserve(), Err(TrySendError::Full(()))));
    let mut recv = receiver.recv();
    assert!(poll_once(&mut recv).is_pending());
    let permit = sender.try_reserve().unwrap();
    drop(recv);
    permit.send(1).unwrap();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn a_cancelled_reserve_leaves_the_place_to_others() {
    for capacity in [0, 1] {
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(async {
                let (sender, receiver) = bounded(capacity);
                if capacity > 0 {
                    sender.try_send(0).unwrap();
                }
                let task = coracle::spawn(async move {
                    yield_now().await;
                    let mut got = Vec::new();
                    while let Some(value) = receiver.recv().await {
                        got.push(value);
                    }
                    got
                });
                if let Some(permit) = cut.at(sender.reserve()).await {
                    permit.unwrap().send(1).unwrap();
                }
                sender.send(2).await.unwrap();
                drop(sender);
                let got = task.await.unwrap();
                assert_eq!(got.last(), Some(&2), "capacity {capacity}");
            });
        });
        assert!(dropped >= 2, "capacity {capacity}: dropped {dropped} times");
    }
}

/// A task that always gets a permit lets the others run.
#[test]
fn reserving_without_end_does_not_starve_other_tasks() {
    coracle::block_on(async {
        let stop = Rc::new(std::cell::Cell::new(false));
        let busy = coracle::spawn({
            let stop = stop.clone();
            async move {
                let (sender, _receiver) = bounded::<u8>(1);
                for n in 0.. {
                    drop(sender.reserve().await.unwrap());
                    if stop.get() {
                        return;
                    }
                    assert!(n < 10_000, "nobody else has run");
                }
            }
        });
        yield_now().await;
        stop.set(true);
        busy.await.unwrap();
    });
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Reserve,
    /// The permit with this number, counted round.
    Use(usize),
    DropPermit(usize),
    CancelSend(usize),
    CancelReserve(usize),
    Recv,
    Settle,
}

/// The first as often as any other: it is the one that was chosen.
fn who() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), any::<usize>()]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Send),
        2 => Just(Step::Reserve),
        2 => any::<usize>().prop_map(Step::Use),
        1 => any::<usize>().prop_map(Step::DropPermit),
        1 => who().prop_map(Step::CancelSend),
        1 => who().prop_map(Step::CancelReserve),
        2 => Just(Step::Recv),
        2 => Just(Step::Settle),
    ]
}

struct Waiter<F> {
    future: F,
    counting: Arc<CountingWaker>,
    seen: usize,
}

impl<F: Future + Unpin> Waiter<F> {
    fn new(future: F) -> Waiter<F> {
        Waiter { future, counting: CountingWaker::new().0, seen: 0 }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        self.seen = self.counting.wakes();
        poll_with(&mut self.future, &self.counting.clone().into())
    }

    fn is_woken(&self) -> bool {
        self.counting.wakes() > self.seen
    }
}

/// The model: how many values and permits there are. A place is lost, or given twice, if that does not add up.
#[derive(Default)]
struct Model<'a> {
    values: usize,
    permits: Vec<Permit<'a, ()>>,
    sends: Vec<Waiter<Send<'a, ()>>>,
    reserves: Vec<Waiter<Reserve<'a, ()>>>,
}

impl Model<'_> {
    /// Lets those run that were woken, until none is.
    fn settle(&mut self) {
        while self.sends.iter().any(Waiter::is_woken) || self.reserves.iter().any(Waiter::is_woken) {
            for mut send in std::mem::take(&mut self.sends) {
                match if send.is_woken() { send.poll() } else { Poll::Pending } {
                    Poll::Ready(sent) => self.values += usize::from(sent.is_ok()),
                    Poll::Pending => self.sends.push(send),
                }
            }
            for mut reserve in std::mem::take(&mut self.reserves) {
                match if reserve.is_woken() { reserve.poll() } else { Poll::Pending } {
                    Poll::Ready(permit) => self.permits.push(permit.unwrap()),
                    Poll::Pending => self.reserves.push(reserve),
                }
            }
        }
    }
}

fn run(capacity: usize, steps: Vec<Step>) {
    let (sender, receiver) = bounded(capacity);
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Send => {
                let mut send = Waiter::new(sender.send(()));
                match send.poll() {
                    Poll::Ready(sent) => model.values += usize::from(sent.is_ok()),
                    Poll::Pending => model.sends.push(send),
                }
            }
            Step::Reserve => {
                let mut reserve = Waiter::new(sender.reserve());
                match reserve.poll() {
                    Poll::Ready(permit) => model.permits.push(permit.unwrap()),
                    Poll::Pending => model.reserves.push(reserve),
                }
            }
            Step::Use(at) if !model.permits.is_empty() => {
                model.permits.remove(at % model.permits.len()).send(()).unwrap();
                model.values += 1;
            }
            Step::DropPermit(at) if !model.permits.is_empty() => drop(model.permits.remove(at % model.permits.len())),
            Step::CancelSend(at) if !model.sends.is_empty() => drop(model.sends.remove(at % model.sends.len())),
            Step::CancelReserve(at) if !model.reserves.is_empty() => {
                drop(model.reserves.remove(at % model.reserves.len()));
            }
            Step::Recv => {
                assert_eq!(receiver.try_recv().is_ok(), model.values > 0);
                model.values = model.values.saturating_sub(1);
            }
            Step::Settle => {
                model.settle();
                let taken = model.values + model.permits.len();
                assert!(
                    taken == capacity || (model.sends.is_empty() && model.reserves.is_empty()),
                    "room, and one waits"
                );
            }
            _ => {}
        }
        let taken = model.values + model.permits.len();
        assert!(taken <= capacity && sender.len() == model.values);
        assert_eq!(sender.is_full(), taken == capacity);
    }
    model.permits.clear();
    model.settle();
    receiver.close();
    assert!(model.sends.iter().all(Waiter::is_woken) && model.reserves.iter().all(Waiter::is_woken));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn places_add_up_whoever_gives_up(capacity in 1..4_usize, steps in proptest::collection::vec(step(), 0..100)) {
        run(capacity, steps);
    }
}
