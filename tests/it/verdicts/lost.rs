//! A poll that returns `Pending` and keeps no waker.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use coracle::observer::{Observer, TaskId};
use coracle::sync::Notify;
use coracle::testing::Choices;
use coracle::{Budget, Runtime};

use super::table;

/// Keeps its waker in its first poll, is woken, and forgets to keep one in its second.
async fn forgetful(kept: Rc<RefCell<Option<Waker>>>) {
    let mut polls = 0;
    poll_fn(move |cx| -> Poll<()> {
        polls += 1;
        if polls == 1 {
            *kept.borrow_mut() = Some(cx.waker().clone());
        }
        Poll::Pending
    })
    .await;
}

#[derive(Default)]
struct Lost(RefCell<Vec<(u64, u64)>>, RefCell<std::collections::BTreeMap<TaskId, u64>>);

impl Observer for Lost {
    fn poll_began(&self, task: TaskId) {
        *self.1.borrow_mut().entry(task).or_default() += 1;
    }

    fn waker_lost(&self, task: TaskId) {
        self.0.borrow_mut().push((task.number(), self.1.borrow()[&task]));
    }
}

#[test]
fn the_poll_that_lost_the_wake_up_is_named() {
    let runtime = Runtime::new();
    let kept = Rc::new(RefCell::new(None::<Waker>));
    let line = line!() + 1;
    let stall = runtime.try_block_on(async {
        let task = coracle::spawn(forgetful(kept.clone()));
        coracle::task::yield_now().await;
        kept.take().unwrap().wake();
        task.await.unwrap();
    });
    let expected = [
        format!("task 1, spawned at lost:{line}"),
        format!("    waits for the end of task 2 at lost:{}", line + 1),
        format!("task 2, spawned at lost:{}", line + 1),
        "    nobody can wake it: its poll 2 kept no waker".to_owned(),
    ];
    assert_eq!(table(&stall.unwrap_err()), expected);
}

#[test]
fn observers_are_told_at_that_poll_whether_judged_or_not() {
    for judged in [false, true] {
        let lost = Rc::new(Lost::default());
        let builder = Runtime::builder().observer(lost.clone());
        let builder = if judged { builder.on_stall(coracle::OnStall::Panic) } else { builder };
        let runtime = builder.build();
        let kept = Rc::new(RefCell::new(None::<Waker>));
        let task = runtime.spawn(forgetful(kept.clone()));
        let other = runtime.spawn(async { Notify::new().notified().await });
        runtime.turn(Budget::no_wait()).unwrap();
        assert!(lost.0.borrow().is_empty());
        kept.take().unwrap().wake();
        while runtime.turn(Budget::no_wait()).unwrap().polled > 0 {}
        assert_eq!(*lost.0.borrow(), [(1, 2)], "judged: {judged}");
        let views: Vec<bool> = runtime.inspect().tasks.iter().map(|task| task.is_lost).collect();
        assert_eq!(views, [true, false], "judged: {judged}");
        drop((task, other));
    }
}

#[test]
fn a_waker_that_is_never_the_same_is_not_lost() {
    for judged in [false, true] {
        let lost = Rc::new(Lost::default());
        let builder = Runtime::builder().observer(lost.clone()).choices(Choices::seeded(7));
        let builder = if judged { builder.on_stall(coracle::OnStall::Panic) } else { builder };
        let runtime = builder.build();
        runtime.block_on(async {
            let (sender, receiver) = coracle::sync::channel::bounded::<u8>(1);
            let task = coracle::spawn(async move {
                for n in 0..100 {
                    sender.send(n).await.unwrap();
                }
            });
            for n in 0..100 {
                assert_eq!(receiver.recv().await, Some(n));
            }
            task.await.unwrap();
        });
        assert!(lost.0.borrow().is_empty());
    }
}
