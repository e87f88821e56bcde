//! Handles of tasks, here and on other threads; giving way; the wait for the stop of a crew.

use std::cell::Cell;
use std::rc::Rc;

use coracle::cores::Crew;
use coracle::sync::remote::oneshot;
use coracle::task::yield_now;

use crate::group::{Noted, Trace};
use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

/// Notes its drop, after some turns or before.
async fn turns(noted: Noted) -> u8 {
    for _ in 0..3 {
        yield_now().await;
    }
    drop(noted);
    7
}

/// A handle that is dropped detaches its task, which runs to its end.
#[test]
fn a_handle_that_is_dropped_anywhere_leaves_its_task_alone() {
    let dropped = cut_at_every_poll(|cut| {
        let ended = Rc::new(Cell::new(false));
        let has_ended = ended.clone();
        coracle::block_on(async {
            let task = async move {
                yield_now().await;
                yield_now().await;
                ended.set(true);
            };
            cut.at(coracle::spawn(task)).await.into_iter().for_each(|result| result.unwrap());
            for _ in 0..8 {
                yield_now().await;
            }
        });
        assert!(has_ended.get());
    });
    assert!(dropped >= 2, "{dropped}");
}

/// Awaited by reference it is cancel-safe: the result stays for whoever asks next.
#[test]
fn a_wait_for_a_task_that_is_dropped_leaves_its_result_there() {
    let trace = Trace::default();
    let local = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut handle = coracle::spawn(turns(Noted(trace.clone(), String::from("task"))));
            let result = match cut.at(&mut handle).await {
                Some(result) => result,
                None => handle.await,
            };
            assert_eq!(result.unwrap(), 7);
        });
        assert_eq!(trace.take(), ["drop task"]);
    });
    let remote = cut_at_every_poll(|cut| {
        let runtime = coracle::Runtime::new();
        let mut handle = runtime
            .spawner()
            .spawn(|| async {
                yield_now().await;
                7
            })
            .unwrap();
        runtime.block_on(async {
            let result = match cut.at(&mut handle).await {
                Some(result) => result,
                None => handle.await,
            };
            assert_eq!(result.unwrap(), 7);
        });
    });
    assert!(local >= 2 && remote >= 2, "{local} {remote}");
}

/// Lossy, on purpose: the task is cancelled with its handle. By reference it is as safe as the handle in it.
#[test]
fn a_task_is_cancelled_with_the_handle_that_says_so() {
    let trace = Trace::default();
    let by_value = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let ended = Rc::new(Cell::new(false));
            let (noted, has_ended) = (Noted(trace.clone(), String::from("task")), ended.clone());
            let task = coracle::spawn(async move {
                turns(noted).await;
                // Not reached once it is cancelled, however long one waits.
                yield_now().await;
                ended.set(true);
            });
            let done = cut.at(task.abort_on_drop()).await;
            let had_ended = has_ended.get();
            for _ in 0..8 {
                yield_now().await;
            }
            assert_eq!(trace.take(), ["drop task"]);
            assert!(has_ended.get() == had_ended && (had_ended || done.is_none()), "it goes no further");
        });
    });
    let by_reference = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut task = coracle::spawn(turns(Noted(trace.clone(), String::new()))).abort_on_drop();
            let result = match cut.at(&mut task).await {
                Some(result) => result,
                None => task.await,
            };
            assert_eq!(result.unwrap(), 7);
        });
    });
    assert!(by_value >= 2 && by_reference >= 2);
}

/// Giving way leaves nothing: not even one turn more that it would take.
#[test]
fn a_dropped_yield_leaves_the_task_where_it_is() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let other = coracle::spawn(async {});
            cut.at(yield_now()).await;
            yield_now().await;
            assert!(other.is_finished(), "one turn is enough, dropped or not");
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

/// Cancel-safe: dropped before its first poll, after it, or when it is woken, it changes nothing for others, and for
/// whoever asks again. The other thread is stopped once, so this one is not in a `cut.at`.
#[test]
fn a_wait_for_the_stop_of_a_crew_that_is_dropped_anywhere_changes_nothing() {
    let (stands, all_stand) = oneshot::channel();
    let stands = std::sync::Mutex::new(Some(stands));
    let crew = Crew::start(1, move |member| {
        let stands = stands.lock().unwrap().take().unwrap();
        async move {
            drop(member.stopped());
            let mut after = Box::pin(member.stopped());
            assert!(poll_once(&mut after).is_pending());
            let ((counting, waker), mut woken) = (CountingWaker::new(), Box::pin(member.stopped()));
            assert!(poll_with(&mut woken, &waker).is_pending());
            drop(after);
            stands.send(()).unwrap();
            member.stopped().await;
            assert_eq!(counting.wakes(), 1);
            drop(woken);
            member.stopped().await;
        }
    })
    .unwrap();
    all_stand.recv_blocking().unwrap();
    crew.stop();
    assert!(crew.join()[0].is_ok());
}
