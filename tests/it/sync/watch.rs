//! Watch: the latest value is seen by all, the last one too when its sender has gone, and nothing a reader does is in
//! the way of a sender.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use coracle::sync::watch::{Ended, Receiver, SendError, channel};
use coracle::task::yield_now;
use proptest::prelude::*;

use super::{Counted, both, foreign_block_on};
use crate::support::{self, CountingWaker, cut_at_every_poll, poll_once, poll_with};

#[test]
fn a_slow_receiver_sees_the_latest_value_only() {
    let got = coracle::block_on(async {
        let (sender, mut receiver) = channel(0);
        let task = coracle::spawn(async move {
            let mut got = Vec::new();
            while receiver.changed().await.is_ok() {
                got.push(*receiver.borrow_and_update());
            }
            got
        });
        yield_now().await;
        for n in 1..=9 {
            sender.send(n).unwrap();
            if n % 3 == 0 {
                yield_now().await;
            }
        }
        drop(sender);
        task.await.unwrap()
    });
    assert_eq!(got, [3, 6, 9]);
}

/// The states in which the last sender goes: whether there is a value that was not seen, whether somebody waits for
/// one.
#[test]
fn the_last_value_is_seen_before_the_end_in_every_state() {
    for (state, sent, waits) in
        [("nothing new", 0, false), ("waiting", 0, true), ("a new value", 1, false), ("two", 2, false)]
    {
        let (sender, mut receiver) = channel(0);
        let other = sender.clone();
        (1..=sent).for_each(|n| sender.send(n).unwrap());
        let (counting, waker) = CountingWaker::new();
        let mut changed = receiver.changed();
        if waits {
            assert!(poll_with(&mut changed, &waker).is_pending());
        }
        drop(sender);
        assert_eq!(counting.wakes(), 0, "{state}: one is left");
        drop(other);
        assert_eq!(counting.wakes(), usize::from(waits), "{state}");
        if sent > 0 {
            assert_eq!(poll_once(&mut changed), Poll::Ready(Ok(())), "{state}");
        }
        assert_eq!(poll_once(&mut changed), Poll::Ready(Err(Ended)), "{state}");
        drop(changed);
        assert_eq!((*receiver.borrow(), receiver.has_changed()), (sent, Err(Ended)), "{state}");
        // What was unseen by a clone is seen, too.
        receiver.mark_changed();
        let mut clone = receiver.clone();
        assert_eq!((clone.has_changed(), poll_once(&mut clone.changed())), (Ok(true), Poll::Ready(Ok(()))), "{state}");
        assert_eq!(poll_once(&mut clone.wait_for(|value| *value == sent)), Poll::Ready(Ok(Rc::new(sent))), "{state}");
        assert_eq!(poll_once(&mut clone.wait_for(|value| *value > sent)), Poll::Ready(Err(Ended)), "{state}");
    }
}

#[test]
fn senders_are_told_when_the_last_receiver_goes() {
    for how_many in [1, 3] {
        let (sender, receiver) = channel(0);
        let mut receivers: Vec<_> = (1..how_many).map(|_| receiver.clone()).collect();
        receivers.push(receiver);
        let (counting, waker) = CountingWaker::new();
        let mut closed = sender.closed();
        assert!(poll_with(&mut closed, &waker).is_pending());
        while let Some(receiver) = receivers.pop() {
            assert_eq!((counting.wakes(), sender.is_closed(), sender.receivers()), (0, false, receivers.len() + 1));
            drop(receiver);
        }
        assert_eq!((counting.wakes(), sender.is_closed(), sender.receivers()), (1, true, 0));
        assert_eq!(poll_once(&mut closed), Poll::Ready(()));
        assert_eq!((sender.send(1), *sender.borrow()), (Err(SendError(1)), 0), "nothing is changed for nobody");
        assert_eq!((*sender.send_replace(2), *sender.borrow()), (0, 2), "unless asked for");
        sender.send_modify(|value| *value += 1);
        let mut late = sender.subscribe();
        assert_eq!((*late.borrow(), late.has_changed()), (3, Ok(false)));
        assert!(!sender.is_closed() && poll_once(&mut sender.closed()).is_pending());
        sender.send(4).unwrap();
        assert_eq!(poll_once(&mut late.changed()), Poll::Ready(Ok(())));
    }
}

#[test]
fn waiting_for_a_value_looks_at_the_one_that_is_there_first() {
    let (sender, mut receiver) = channel(5);
    let seen = RefCell::new(Vec::new());
    let mut wait = receiver.wait_for(|value| {
        seen.borrow_mut().push(*value);
        *value % 10 == 0
    });
    let (counting, waker) = CountingWaker::new();
    assert!(poll_with(&mut wait, &waker).is_pending());
    for n in [6, 7, 8] {
        sender.send(n).unwrap();
    }
    assert!(poll_with(&mut wait, &waker).is_pending());
    sender.send(20).unwrap();
    assert_eq!(counting.wakes(), 2);
    assert_eq!(poll_with(&mut wait, &waker), Poll::Ready(Ok(Rc::new(20))));
    drop(wait);
    assert_eq!(*seen.borrow(), [5, 8, 20]);
    assert_eq!(receiver.has_changed(), Ok(false));
    assert_eq!(poll_once(&mut receiver.wait_for(|value| *value == 20)), Poll::Ready(Ok(Rc::new(20))));
}

/// Readers may keep what they see as long as they want: it is in nobody's way, and does not change.
#[test]
fn a_value_that_is_looked_at_is_in_nobodys_way() {
    let (drops, make) = Counted::new();
    let (sender, mut receiver) = channel(make());
    let first = receiver.borrow();
    let also = sender.borrow();
    sender.send(make()).unwrap();
    let second = receiver.borrow_and_update();
    assert!(!Rc::ptr_eq(&first, &second) && Rc::ptr_eq(&first, &also));
    sender.send(make()).unwrap();
    assert_eq!(drops.get(), 0);
    drop((first, second));
    assert_eq!(drops.get(), 1);
    drop(also);
    assert_eq!(drops.get(), 2);
    drop((sender, receiver));
    assert_eq!(drops.get(), 3);
}

#[test]
fn what_modifies_in_vain_wakes_nobody() {
    let (sender, mut receiver) = channel(vec![1]);
    let (counting, waker) = CountingWaker::new();
    let mut changed = receiver.changed();
    assert!(poll_with(&mut changed, &waker).is_pending());
    assert!(!sender.send_if_modified(|list| {
        list.push(2);
        false
    }));
    let modify = std::panic::AssertUnwindSafe(|| {
        sender.send_modify(|list| {
            list.clear();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
    });
    assert!(std::panic::catch_unwind(modify).is_err());
    assert_eq!((counting.wakes(), &*sender.borrow()), (0, &vec![1]));
    sender.send_modify(|list| list.push(3));
    assert_eq!((counting.wakes(), &*sender.borrow()), (1, &vec![1, 3]));
    assert_eq!(poll_once(&mut changed), Poll::Ready(Ok(())));
}

/// A modification, a predicate, a clone and a drop that use the channel themselves find it in order.
#[test]
fn code_of_the_user_may_use_the_channel() {
    struct Uses(u32, Option<coracle::sync::watch::Sender<Uses>>);
    impl Clone for Uses {
        fn clone(&self) -> Uses {
            assert!(self.1.as_ref().is_none_or(|sender| sender.borrow().0 == self.0));
            Uses(self.0, self.1.clone())
        }
    }
    impl Drop for Uses {
        fn drop(&mut self) {
            if let Some(sender) = self.1.take() {
                drop(sender.send_replace(Uses(self.0 + 100, None)));
            }
        }
    }
    let (sender, mut receiver) = channel(Uses(1, None));
    sender.send_modify(|value| {
        value.0 = 2;
        assert_eq!(sender.borrow().0, 1);
        sender.send(Uses(9, None)).ok().unwrap();
        drop(sender.subscribe());
    });
    assert_eq!(receiver.borrow().0, 2, "what was sent meanwhile is replaced");
    let mut wait = receiver.wait_for(|value| {
        if value.0 == 2 {
            sender.send(Uses(3, None)).ok().unwrap();
        }
        value.0 == 3
    });
    assert!(matches!(poll_once(&mut wait), Poll::Ready(Ok(value)) if value.0 == 3));
    drop(wait);
    sender.send(Uses(4, Some(sender.clone()))).ok().unwrap();
    sender.send_modify(|value| value.0 = 5);
    assert_eq!(receiver.borrow().0, 105, "each value that went sent another; the last one has no sender");
    drop(sender);
    assert!(matches!(poll_once(&mut receiver.changed()), Poll::Ready(Ok(()))));
}

#[test]
fn cancelled_waits_see_what_they_would_have_seen() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, mut receiver) = channel(0);
            let task = coracle::spawn(async move {
                yield_now().await;
                sender.send(1).unwrap();
                sender.closed().await;
            });
            if cut.at(receiver.changed()).await.is_none() {
                receiver.changed().await.unwrap();
            }
            assert_eq!((*receiver.borrow(), receiver.has_changed()), (1, Ok(false)));
            drop(receiver);
            task.await.unwrap();
        });
    });
    assert!(dropped >= 2, "changed was dropped {dropped} times");
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, mut receiver) = channel(0);
            let task = coracle::spawn(async move {
                for n in 1..=3 {
                    yield_now().await;
                    sender.send(n).unwrap();
                }
            });
            let got = cut.at(receiver.wait_for(|value| *value == 3)).await;
            let got = if let Some(got) = got { got } else { receiver.wait_for(|value| *value == 3).await };
            assert_eq!(got, Ok(Rc::new(3)));
            task.await.unwrap();
        });
    });
    assert!(dropped >= 4, "wait_for was dropped {dropped} times");
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, receiver) = channel(0);
            let task = coracle::spawn(async move {
                yield_now().await;
                drop(receiver);
            });
            let closed = cut.at(sender.closed()).await;
            assert!(closed.is_none() || sender.is_closed());
            sender.closed().await;
            task.await.unwrap();
        });
    });
    assert!(dropped >= 2, "closed was dropped {dropped} times");
}

#[test]
fn only_the_last_waker_is_woken() {
    let (sender, mut receiver) = channel(0);
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let mut changed = receiver.changed();
    assert!(poll_with(&mut changed, &one).is_pending() && poll_with(&mut changed, &two).is_pending());
    sender.send(1).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

/// A task for which there is always something new lets the others run.
#[test]
fn a_value_that_always_changes_does_not_starve_other_tasks() {
    for waits_for_a_value in [false, true] {
        let_others_run(waits_for_a_value);
    }
}

fn let_others_run(waits_for_a_value: bool) {
    coracle::block_on(async {
        let stop = Rc::new(Cell::new(false));
        let busy = coracle::spawn({
            let stop = stop.clone();
            async move {
                let (sender, mut receiver) = channel(0);
                for n in 1.. {
                    if waits_for_a_value {
                        receiver.wait_for(|_| true).await.unwrap();
                    } else {
                        sender.send(n).unwrap();
                        receiver.changed().await.unwrap();
                    }
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

/// moq#353
#[test]
fn abandoned_waits_leave_nothing_behind() {
    support::alone("sync::watch::abandoned_waits_leave_nothing_behind", || {
        let (sender, mut receiver) = channel(0);
        let before = support::heap();
        for n in 0..30_000 {
            assert!(poll_once(&mut receiver.changed()).is_pending());
            assert!(poll_once(&mut receiver.wait_for(|value| *value < 0)).is_pending());
            assert!(poll_once(&mut sender.closed()).is_pending());
            sender.send(n).unwrap();
            receiver.borrow_and_update();
        }
        assert!(support::heap() - before < 4096, "the channel has grown by {}", support::heap() - before);
    });
}

#[test]
fn it_works_on_a_foreign_executor() {
    let (sender, mut receiver) = channel(0);
    let watch = async move { receiver.wait_for(|value| *value == 9).await.map(|value| *value) };
    let send = async move {
        (1..10).for_each(|n| sender.send(n).unwrap());
        sender.closed().await;
    };
    let (got, ()) = foreign_block_on(both(watch, send));
    assert_eq!(got, Ok(9));
    assert_eq!(SendError(1).to_string(), "nobody watches");
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    /// The receiver with this number, counted round.
    Wait(usize),
    Cancel(usize),
    Look(usize),
    Mark(usize),
    Clone(usize),
    Leave(usize),
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Send),
        4 => any::<usize>().prop_map(Step::Wait),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Look),
        1 => any::<usize>().prop_map(Step::Mark),
        1 => any::<usize>().prop_map(Step::Clone),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => Just(Step::Settle),
    ]
}

/// Gives the receiver back, and the answer, unless it was cancelled.
type Waiting = Pin<Box<dyn Future<Output = (Receiver<u32>, Option<Result<(), Ended>>)>>>;

/// A receiver, and by the model whether the value is new to it.
struct Modelled {
    receiver: Option<Receiver<u32>>,
    waiting: Option<Waiting>,
    is_cancelled: Rc<Cell<bool>>,
    counting: Arc<CountingWaker>,
    polled: usize,
    is_new: bool,
}

impl Modelled {
    fn new(receiver: Receiver<u32>, is_new: bool) -> Modelled {
        let (is_cancelled, counting) = (Rc::default(), CountingWaker::new().0);
        Modelled { receiver: Some(receiver), waiting: None, is_cancelled, counting, polled: 0, is_new }
    }

    fn wait(&mut self) {
        let Some(mut receiver) = self.receiver.take() else { return };
        let is_cancelled = self.is_cancelled.clone();
        self.waiting = Some(Box::pin(async move {
            let mut changed = receiver.changed();
            let answer = std::future::poll_fn(|cx| match is_cancelled.take() {
                true => Poll::Ready(None),
                false => Pin::new(&mut changed).poll(cx).map(Some),
            })
            .await;
            drop(changed);
            (receiver, answer)
        }));
    }

    /// Lets its task run, if it waits; checks the answer against whether there is something new, or the end.
    fn poll(&mut self, latest: u32, has_ended: bool) {
        self.polled = self.counting.wakes();
        let Some(waiting) = &mut self.waiting else { return };
        let is_cancelled = self.is_cancelled.get();
        let Poll::Ready((receiver, answer)) = poll_with(waiting, &self.counting.clone().into()) else {
            return assert!(!self.is_new && !has_ended && !is_cancelled, "it waits for what is there");
        };
        let expected = if self.is_new { Ok(()) } else { Err(Ended) };
        assert_eq!(answer, (!is_cancelled).then_some(expected));
        assert_eq!(*receiver.borrow(), latest);
        self.is_new &= is_cancelled;
        (self.receiver, self.waiting) = (Some(receiver), None);
    }
}

fn run(steps: Vec<Step>) {
    let (sender, receiver) = channel(0);
    let mut all = vec![Modelled::new(receiver, false)];
    let mut latest = 0;
    for step in steps {
        let count = all.len();
        match step {
            Step::Send => {
                assert_eq!(sender.send(latest + 1).is_ok(), count > 0);
                latest += u32::from(count > 0);
                all.iter_mut().for_each(|modelled| modelled.is_new = true);
            }
            Step::Wait(at) | Step::Cancel(at) if count > 0 => {
                let modelled = &mut all[at % count];
                modelled.is_cancelled.set(matches!(step, Step::Cancel(_)) && modelled.waiting.is_some());
                modelled.wait();
                modelled.poll(latest, false);
            }
            Step::Look(at) | Step::Mark(at) | Step::Clone(at) if count > 0 => {
                let modelled = &mut all[at % count];
                let Some(receiver) = &mut modelled.receiver else { continue };
                assert_eq!(receiver.has_changed(), Ok(modelled.is_new));
                match step {
                    Step::Look(_) => {
                        assert_eq!(*receiver.borrow_and_update(), latest);
                        modelled.is_new = false;
                    }
                    Step::Mark(_) => {
                        receiver.mark_changed();
                        modelled.is_new = true;
                    }
                    _ => {
                        let clone = Modelled::new(receiver.clone(), modelled.is_new);
                        all.push(clone);
                    }
                }
            }
            Step::Leave(at) if count > 0 => drop(all.remove(at % count)),
            Step::Settle => {
                for modelled in &mut all {
                    let is_woken = modelled.counting.wakes() > modelled.polled;
                    assert!(is_woken || modelled.waiting.is_none() || !modelled.is_new, "it sleeps over a change");
                    modelled.poll(latest, false);
                }
            }
            _ => {}
        }
        assert_eq!((*sender.borrow(), sender.receivers()), (latest, all.len()));
        assert_eq!(sender.is_closed(), all.is_empty());
    }
    drop(sender);
    for modelled in &mut all {
        assert!(modelled.waiting.is_none() || modelled.counting.wakes() > modelled.polled, "it sleeps over the end");
        modelled.poll(latest, true);
        modelled.wait();
        modelled.poll(latest, true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_watch_is_a_value_and_for_each_receiver_whether_it_is_new(steps in proptest::collection::vec(step(), 0..100)) {
        run(steps);
    }
}
