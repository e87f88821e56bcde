//! A panic stays in its task, wherever it happens: in a poll, in the future's drop, in the output's drop, or in the
//! drop of what an earlier panic carried (tokio#4412, rust#86027).

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use coracle::task::{JoinError, JoinHandle};
use coracle::{PanicPolicy, Runtime};

use super::{Drops, Token, defuse, panics, settle, turn, word};
use crate::support::{alone, poll_once};

/// A payload whose drop panics, with one like it but for the depth; depth 0 is harmless.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            resume_unwind(Box::new(Bomb(self.0 - 1)));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Finish,
    PanicInPoll,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Handle {
    Await,
    DropAtOnce,
    PollThenDrop,
    DropWhenIdle,
    DropAfterTheEnd,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Abort {
    Never,
    BeforeTheFirstPoll,
    Twice,
    WhenIdle,
    AfterTheEnd,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    end: End,
    future_drop_panics: bool,
    output_drop_panics: bool,
    /// How often the drop of a payload panics.
    bomb: u32,
    handle: Handle,
    abort: Abort,
}

impl Case {
    fn all() -> impl Iterator<Item = Case> {
        let ends = [End::Finish, End::PanicInPoll, End::Never];
        let handles =
            [Handle::Await, Handle::DropAtOnce, Handle::PollThenDrop, Handle::DropWhenIdle, Handle::DropAfterTheEnd];
        let aborts = [Abort::Never, Abort::BeforeTheFirstPoll, Abort::Twice, Abort::WhenIdle, Abort::AfterTheEnd];
        let number = ends.len() * 2 * 2 * 3 * handles.len() * aborts.len();
        (0..number).map(move |mut n| {
            let mut digit = |base: usize| {
                let digit = n % base;
                n /= base;
                digit
            };
            Case {
                end: ends[digit(3)],
                future_drop_panics: digit(2) == 1,
                output_drop_panics: digit(2) == 1,
                bomb: digit(3) as u32,
                handle: handles[digit(5)],
                abort: aborts[digit(5)],
            }
        })
    }

    fn cancelled(self) -> bool {
        matches!(self.abort, Abort::BeforeTheFirstPoll | Abort::Twice | Abort::WhenIdle) || self.end == End::Never
    }

    fn word(self) -> &'static str {
        match self.end {
            _ if self.future_drop_panics => "panicked",
            _ if self.cancelled() => "cancelled",
            End::PanicInPoll => "panicked",
            _ => "finished",
        }
    }

    /// It ends only with the runtime.
    fn outlasts(self) -> bool {
        self.end == End::Never && matches!(self.abort, Abort::Never | Abort::AfterTheEnd)
    }

    /// Whether a panic is left that nobody awaited.
    fn goes_unobserved(self) -> bool {
        let awaited = self.handle == Handle::Await && !self.outlasts();
        !awaited && (self.word() == "panicked" || self.word() == "finished" && self.output_drop_panics)
    }
}

/// Returns `Pending` once, then ends as its case says.
struct Acting {
    case: Case,
    polled: bool,
    outputs: Drops,
    made: Drops,
    _token: Token,
}

struct Output {
    panics: Option<u32>,
    _token: Token,
}

impl Future for Acting {
    type Output = Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        if !std::mem::replace(&mut self.polled, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.case.end {
            End::Never => Poll::Pending,
            End::PanicInPoll => resume_unwind(Box::new(Bomb(self.case.bomb))),
            End::Finish => {
                drop(self.made.token());
                let panics = self.case.output_drop_panics.then_some(self.case.bomb);
                Poll::Ready(Output { panics, _token: self.outputs.token() })
            }
        }
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        if self.case.future_drop_panics {
            resume_unwind(Box::new(Bomb(self.case.bomb)));
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(bomb) = self.panics {
            resume_unwind(Box::new(Bomb(bomb)));
        }
    }
}

fn play(case: Case) {
    let (futures, outputs, made) = (Drops::default(), Drops::default(), Drops::default());
    let runtime = Runtime::new();
    let neighbour = runtime.spawn(async {
        for _ in 0..5 {
            coracle::task::yield_now().await;
        }
    });
    let acting = Acting { case, polled: false, outputs: outputs.clone(), made: made.clone(), _token: futures.token() };
    let mut handle = Some(runtime.spawn(acting));
    let abort = handle.as_ref().unwrap().abort_handle();

    if case.handle == Handle::PollThenDrop {
        assert!(poll_once(handle.as_mut().unwrap()).is_pending());
    }
    if matches!(case.handle, Handle::DropAtOnce | Handle::PollThenDrop) {
        handle = None;
    }
    if matches!(case.abort, Abort::BeforeTheFirstPoll | Abort::Twice) {
        abort.abort();
    }
    if case.abort == Abort::Twice {
        abort.abort();
    }
    turn(&runtime);
    if case.abort == Abort::WhenIdle {
        abort.abort();
    }
    if case.handle == Handle::DropWhenIdle {
        handle = None;
    }
    settle(&runtime);
    assert_eq!(futures.count(), usize::from(!case.outlasts()), "the future goes when the task ends");
    if case.abort == Abort::AfterTheEnd && case.end != End::Never {
        abort.abort();
    }
    match handle {
        Some(mut handle) if case.handle == Handle::Await && !case.outlasts() => {
            let Poll::Ready(result) = poll_once(&mut handle) else { panic!("it has ended") };
            assert_eq!(word(result), case.word());
        }
        handle => drop(handle),
    }

    assert!(neighbour.is_finished(), "the others go on");
    drop(neighbour);
    let mut reported = panics(|| runtime.block_on(async { coracle::spawn(async {}).await.unwrap() }));
    reported |= panics(|| drop(runtime));
    drop(abort);
    assert_eq!(futures.count(), 1, "the future is dropped once");
    assert_eq!(outputs.count(), made.count(), "the output is dropped once, if there was one");
    assert_eq!(reported, case.goes_unobserved(), "a panic that nobody awaited is reported");
}

/// 900 ways for a task to end, each with the same demands: no abort of the process, nothing dropped twice or never, and
/// the others go on.
#[test]
fn every_combination_of_panic_handle_and_abort_leaves_the_runtime_whole() {
    alone("task::panics::every_combination_of_panic_handle_and_abort_leaves_the_runtime_whole", || {
        let mut number = 0;
        for case in Case::all() {
            let failed = std::panic::catch_unwind(|| play(case)).is_err();
            assert!(!failed, "{case:?}");
            number += 1;
        }
        assert_eq!(number, 900);
    });
}

/// The payload comes through the handle; others, and the runtime, go on.
#[test]
fn a_panic_in_a_poll_is_the_result_of_its_task_alone() {
    let runtime = Runtime::new();
    let words = runtime.block_on(async {
        let panicking = coracle::spawn(async {
            coracle::task::yield_now().await;
            resume_unwind(Box::new("thrown"));
            #[allow(unreachable_code)]
            ()
        });
        let other = coracle::spawn(async {
            coracle::task::yield_now().await;
            coracle::task::yield_now().await;
            "other"
        });
        let Err(JoinError::Panicked(payload)) = panicking.await else { panic!("it panicked") };
        (*payload.downcast_ref::<&str>().unwrap(), other.await.unwrap())
    });
    assert_eq!(words, ("thrown", "other"));
    assert_eq!(runtime.block_on(async { coracle::spawn(async { 7 }).await.unwrap() }), 7);
}

/// Two panics that nobody awaits, the second with a payload that panics when dropped: the first goes on, and the second
/// must not be dropped by its unwinding, which would end the process.
#[test]
fn of_two_unobserved_panics_the_first_goes_on_and_the_second_does_no_harm() {
    alone("task::panics::of_two_unobserved_panics_the_first_goes_on_and_the_second_does_no_harm", || {
        let runtime = Runtime::new();
        drop(runtime.spawn(async { resume_unwind(Box::new("first")) }));
        drop(runtime.spawn(async { resume_unwind(Box::new(Bomb(2))) }));
        drop(runtime.spawn(async { resume_unwind(Box::new(Bomb(1))) }));
        settle(&runtime);
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(runtime))).unwrap_err();
        assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "first");
    });
}

/// The main future panics too, with a payload that panics when dropped.
#[test]
fn a_panic_of_the_main_future_beside_an_unobserved_one_does_not_end_the_process() {
    alone("task::panics::a_panic_of_the_main_future_beside_an_unobserved_one_does_not_end_the_process", || {
        let runtime = Runtime::new();
        drop(runtime.spawn(async { resume_unwind(Box::new("of a task")) }));
        let main = async {
            coracle::task::yield_now().await;
            resume_unwind(Box::new(Bomb(1)))
        };
        assert!(panics(|| runtime.block_on(main)));
        assert_eq!(runtime.block_on(async { 1 }), 1, "the runtime is whole");
    });
}

/// A handle that outlives its runtime: there is nobody to report to, and the payload must not hide in memory that
/// another thread frees.
#[test]
fn a_panic_dropped_unseen_after_the_runtimes_end_is_forgotten_on_the_spot() {
    alone("task::panics::a_panic_dropped_unseen_after_the_runtimes_end_is_forgotten_on_the_spot", || {
        for bomb in 0..3 {
            let payloads = std::sync::Arc::new(());
            let runtime = Runtime::new();
            let spawner = runtime.spawner();
            let handle = runtime.spawn({
                let payload = (Bomb(bomb), payloads.clone());
                async move { resume_unwind(Box::new(payload)) }
            });
            settle(&runtime);
            drop(runtime);
            assert!(!panics(|| drop::<JoinHandle<()>>(handle)));
            assert_eq!(std::sync::Arc::strong_count(&payloads), 1, "the payload is gone with its handle");
            let thread = std::thread::spawn(move || drop(spawner));
            assert!(thread.join().is_ok(), "freeing the home runs no code of the user's");
        }
    });
}

/// The closure of a spawn that comes too late is given back, and its drop is the caller's business.
#[test]
fn a_closure_given_back_may_panic_when_it_is_dropped() {
    let runtime = Runtime::new();
    let spawner = runtime.spawner();
    let make = {
        let bomb = Bomb(2);
        move || {
            let _bomb = bomb;
            async {}
        }
    };
    drop(runtime);
    let Err(error) = spawner.spawn(make) else { panic!("it has ended") };
    assert!(panics(|| drop(error)));
}

/// By policy: a line on standard error instead of a panic.
#[test]
fn with_the_policy_log_nothing_goes_on() {
    let runtime = Runtime::builder().panic_policy(PanicPolicy::Log).build();
    drop(runtime.spawn(async { resume_unwind(Box::new(Bomb(2))) }));
    runtime.block_on(async { coracle::task::yield_now().await });
    drop(runtime.spawn(async { resume_unwind(Box::new("logged")) }));
    settle(&runtime);
    assert!(!panics(|| drop(runtime)));
}

/// A panic of a waker is not one of the task that it was to wake, and not one of the runtime: the handle gives its
/// result, and the panic is reported in the end.
#[test]
fn a_panic_of_the_waker_of_whoever_joins_leaves_the_result() {
    struct Panicking;
    impl std::task::Wake for Panicking {
        fn wake(self: std::sync::Arc<Self>) {
            resume_unwind(Box::new("woken"));
        }
    }
    let runtime = Runtime::builder().panic_policy(PanicPolicy::Log).build();
    let mut task = runtime.spawn(async { 7 });
    let waker = Waker::from(std::sync::Arc::new(Panicking));
    assert!(pin!(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
    settle(&runtime);
    let Poll::Ready(Ok(7)) = poll_once(&mut task) else { panic!("the result is lost") };
}

/// Its future was dropped, on its own thread, before the handle says how it ended (tokio#7825): finished, panicked and
/// aborted, polled inside of the runtime and outside.
#[test]
fn the_future_is_gone_before_its_handle_completes() {
    let runtime = Runtime::new();
    for end in [End::Finish, End::PanicInPoll, End::Never] {
        let drops = Drops::default();
        let token = drops.token();
        let task = runtime.spawn(async move {
            let _token = token;
            coracle::task::yield_now().await;
            match end {
                End::Finish => {}
                End::PanicInPoll => resume_unwind(Box::new("thrown")),
                End::Never => std::future::pending().await,
            }
        });
        if end == End::Never {
            task.abort();
        }
        let (word, count) = runtime.block_on(async {
            let result = task.await;
            (word(result), drops.count())
        });
        let expected = match end {
            End::Finish => "finished",
            End::PanicInPoll => "panicked",
            End::Never => "cancelled",
        };
        assert_eq!((word, count), (expected, 1));
    }
}

/// What a `RemoteHandle` says of a panic: in the closure, in the future's poll and in its drop.
#[test]
fn a_remote_handle_tells_of_a_panic_in_the_closure_and_in_the_poll() {
    let runtime = Runtime::new();
    let spawner = runtime.spawner();
    let in_closure = spawner.spawn(|| -> std::future::Ready<()> { resume_unwind(Box::new("closure")) }).unwrap();
    let in_poll = spawner.spawn(|| async { resume_unwind(Box::new("poll")) }).unwrap();
    let fine = spawner.spawn(|| async { *Rc::new(7) }).unwrap();
    for (handle, says) in [(in_closure, "closure"), (in_poll, "poll")] {
        let Err(JoinError::Panicked(payload)) = runtime.block_on(handle) else { panic!("{says} panicked") };
        assert_eq!(*payload.downcast_ref::<&str>().unwrap(), says);
        defuse(payload);
    }
    assert_eq!(runtime.block_on(fine).unwrap(), 7);
}
