//! Local values of tasks: who has them, who inherits them, and when they are dropped.

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::rc::Rc;

use coracle::task::{Builder, JoinError, Local, NoTask, yield_now};
use coracle::{PanicPolicy, Runtime, block_on, spawn};

use super::{Drops, Token, panics, settle, turn};
use crate::support::{alone, leaves_the_heap_as_it_was};

static WORD: Local<&str> = Local::new();
static TRACE: Local<u64> = Local::inherited();
static OTHER: Local<u64> = Local::inherited();
static TOKEN: Local<Token> = Local::new();
static SHARED: Local<Token> = Local::inherited();
static AT_DROP: Local<AtDrop> = Local::new();

/// Runs this when it is dropped.
struct AtDrop(Option<Box<dyn FnOnce()>>);

impl AtDrop {
    fn new(act: impl FnOnce() + 'static) -> AtDrop {
        AtDrop(Some(Box::new(act)))
    }
}

impl Drop for AtDrop {
    fn drop(&mut self) {
        self.0.take().unwrap()();
    }
}

fn trace() -> Option<u64> {
    TRACE.get().as_deref().copied()
}

#[test]
fn outside_of_a_task_there_is_nothing_and_a_value_comes_back() {
    assert_eq!((WORD.get(), WORD.take()), (None, None));
    assert_eq!(WORD.set("x"), Err(NoTask("x")));
    let runtime = Runtime::new();
    runtime.enter(|| {
        assert_eq!(WORD.set("x"), Err(NoTask("x")), "inside of a runtime, but of no task");
        assert_eq!(WORD.get(), None);
    });
    assert!(NoTask(1).to_string().contains("no task is running here"));
}

#[test]
fn each_task_has_its_own_value() {
    block_on(async {
        let tasks = ["a", "b", "c"].map(|word| {
            spawn(async move {
                assert_eq!(WORD.get(), None, "it starts without");
                assert_eq!(WORD.set(word).unwrap(), None);
                yield_now().await;
                assert_eq!(*WORD.get().unwrap(), word, "the others set theirs meanwhile");
                assert_eq!(*WORD.set("other").unwrap().unwrap(), word);
                assert_eq!(*WORD.take().unwrap(), "other");
                (WORD.get(), WORD.take())
            })
        });
        for task in tasks {
            assert_eq!(task.await.unwrap(), (None, None));
        }
        assert_eq!(WORD.get(), None, "the main task is a task like any other");
    });
}

#[test]
fn two_keys_of_one_type_are_two_values() {
    block_on(async {
        TRACE.set(1).unwrap();
        OTHER.set(2).unwrap();
        assert_eq!((trace(), OTHER.get().as_deref()), (Some(1), Some(&2)));
        TRACE.take();
        assert_eq!((trace(), OTHER.get().as_deref()), (None, Some(&2)));
    });
}

#[test]
fn a_value_is_inherited_over_three_generations_and_shared() {
    block_on(async {
        SHARED.set(Drops::default().token()).unwrap();
        TRACE.set(7).unwrap();
        WORD.set("mine").unwrap();
        let own = SHARED.get().unwrap();
        let grandchild = spawn(async {
            // The generation between looks at nothing.
            let child = spawn(async { spawn(async { (SHARED.get().unwrap(), trace(), WORD.get()) }).await.unwrap() });
            child.await.unwrap()
        });
        let (theirs, trace, word) = grandchild.await.unwrap();
        assert!(Rc::ptr_eq(&own, &theirs), "the same value, and no copy");
        assert_eq!((trace, word), (Some(7), None));
    });
}

#[test]
fn what_is_set_after_the_spawn_does_not_reach_the_child() {
    block_on(async {
        TRACE.set(1).unwrap();
        let child = spawn(async { (trace(), OTHER.get()) });
        TRACE.set(2).unwrap();
        OTHER.set(3).unwrap();
        assert_eq!(child.await.unwrap(), (Some(1), None));
        let child = spawn(async { trace() });
        TRACE.take();
        assert_eq!(child.await.unwrap(), Some(2), "taken away later, and still the child's");
    });
}

#[test]
fn what_a_child_changes_reaches_neither_its_parent_nor_its_siblings() {
    block_on(async {
        TRACE.set(1).unwrap();
        let (first, second) = (
            spawn(async {
                assert_eq!(TRACE.set(10).unwrap().as_deref(), Some(&1));
                OTHER.set(10).unwrap();
                yield_now().await;
                trace()
            }),
            spawn(async {
                let taken = TRACE.take().as_deref().copied();
                yield_now().await;
                (taken, trace(), OTHER.get())
            }),
        );
        assert_eq!(first.await.unwrap(), Some(10));
        assert_eq!(second.await.unwrap(), (Some(1), None, None));
        assert_eq!((trace(), OTHER.get()), (Some(1), None));
    });
}

#[test]
fn who_spawns_by_the_handle_of_the_runtime_inside_of_a_task_is_a_parent_too() {
    let runtime = Rc::new(Runtime::new());
    let own = runtime.clone();
    runtime.block_on(async move {
        TRACE.set(5).unwrap();
        assert_eq!(own.spawn(async { trace() }).await.unwrap(), Some(5));
        let named = Builder::new().name("child").spawn(async { (trace(), coracle::task::name()) });
        assert_eq!(named.await.unwrap(), (Some(5), Some("child".into())));
    });
    assert_eq!(runtime.block_on(async { trace() }), None, "spawned outside of any task");
}

#[test]
fn a_task_from_another_thread_inherits_nothing() {
    let runtime = Runtime::new();
    let spawner = runtime.spawner();
    runtime.block_on(async move {
        TRACE.set(5).unwrap();
        // By this very thread, inside of a task: it travels through the inbox all the same.
        assert_eq!(spawner.spawn(|| async { trace() }).unwrap().await.unwrap(), None);
        let remote = std::thread::spawn(move || {
            assert_eq!(TRACE.get(), None, "no task runs on this thread");
            spawner.spawn(|| async { trace() }).unwrap()
        });
        assert_eq!(remote.join().unwrap().await.unwrap(), None);
        assert_eq!(trace(), Some(5));
    });
}

/// The numbers of tasks and the keys of executors begin anew in each runtime: a value must not be found by those.
#[test]
fn tasks_of_two_runtimes_do_not_see_the_values_of_each_other() {
    let (outer, inner) = (Runtime::new(), Runtime::new());
    // Has the same number, and the same key, as the task of the other runtime.
    drop(inner.spawn(async {
        TRACE.set(7).unwrap();
        std::future::pending::<()>().await;
    }));
    settle(&inner);
    outer.block_on(async {
        TRACE.set(1).unwrap();
        inner.block_on(async {
            assert_eq!(trace(), None);
            TRACE.set(2).unwrap();
            assert_eq!(spawn(async { trace() }).await.unwrap(), Some(2));
        });
        let other = inner.spawn(async { trace() });
        assert_eq!(inner.block_on(other).unwrap(), None, "a task of another runtime is no parent");
        assert_eq!(trace(), Some(1));
        inner.enter(|| {
            assert_eq!(trace(), Some(1), "inside of another runtime it is still this task that runs");
            TRACE.set(3).unwrap();
        });
        assert_eq!(trace(), Some(3));
    });
}

#[test]
fn a_value_replaced_or_taken_is_handed_out_and_not_dropped() {
    let drops = Drops::default();
    let kept = block_on(async {
        TOKEN.set(drops.token()).unwrap();
        let first = TOKEN.set(drops.token()).unwrap().unwrap();
        let second = TOKEN.take().unwrap();
        assert_eq!(drops.count(), 0);
        TOKEN.set(drops.token()).unwrap();
        (first, second, TOKEN.get().unwrap())
    });
    assert_eq!(drops.count(), 0, "whoever has a value keeps it beyond the task's end");
    drop(kept);
    assert_eq!(drops.count(), 3);
}

/// Completed, panicked, aborted before and after its first poll, and dropped with the runtime: each value is dropped once.
#[test]
fn values_are_dropped_once_however_the_task_ends() {
    let drops = Drops::default();
    let runtime = Runtime::builder().panic_policy(PanicPolicy::Log).build();
    let mark = |drops: &Drops| {
        TOKEN.set(drops.token()).unwrap();
        SHARED.set(drops.token()).unwrap();
    };
    let task = |drops: &Drops, end: fn(u32) -> bool| {
        let drops = drops.clone();
        runtime.spawn(async move {
            mark(&drops);
            for polls in 0.. {
                if end(polls) {
                    break;
                }
                yield_now().await;
            }
        })
    };
    let finished = task(&drops, |polls| polls == 1);
    let panicked = task(&drops, |_| resume_unwind(Box::new(0)));
    let (never, aborted) = (task(&drops, |_| false), task(&drops, |_| false));
    never.abort();
    turn(&runtime);
    aborted.abort();
    assert_eq!(drops.count(), 2, "of the one that panicked");
    turn(&runtime);
    assert_eq!(drops.count(), 6, "of those that finished and were aborted; the other never set any");
    let left = task(&drops, |_| false);
    turn(&runtime);
    assert_eq!(drops.count(), 6);
    drop(runtime);
    assert_eq!(drops.count(), 8);
    drop((finished, panicked, never, aborted, left));
    assert_eq!(drops.count(), 8);
}

#[test]
fn values_are_dropped_in_order_after_the_future_and_before_the_join() {
    static FIRST: Local<AtDrop> = Local::inherited();
    let said = Rc::new(RefCell::new(Vec::new()));
    let says = |word: &'static str| {
        let said = said.clone();
        AtDrop::new(move || said.borrow_mut().push(word))
    };
    block_on(async {
        let (in_future, first, second) = (says("future"), says("first value"), says("second value"));
        let task = spawn(async move {
            let _in_future = in_future;
            FIRST.set(first).unwrap();
            AT_DROP.set(second).unwrap();
        });
        task.await.unwrap();
        said.borrow_mut().push("joined");
    });
    assert_eq!(*said.borrow(), ["future", "first value", "second value", "joined"]);
}

/// An inherited value lives as long as the last of its tasks.
#[test]
fn an_inherited_value_is_dropped_with_its_last_task() {
    let (runtime, drops) = (Runtime::new(), Drops::default());
    let token = drops.token();
    let parent = runtime.spawn(async move {
        SHARED.set(token).unwrap();
        drop(spawn(async {
            yield_now().await;
            assert!(SHARED.get().is_some());
        }));
    });
    runtime.block_on(parent).unwrap();
    assert_eq!(drops.count(), 0, "the parent has ended");
    settle(&runtime);
    assert_eq!(drops.count(), 1);
}

/// A destructor in the future of a task that ends by itself finds the values; in that of an aborted one no task runs.
#[test]
fn what_a_future_drops_at_its_end_finds_the_values() {
    let seen = Rc::new(Cell::new(None));
    let look = |seen: &Rc<Cell<_>>| {
        let seen = seen.clone();
        AtDrop::new(move || seen.set(Some(WORD.get().as_deref().copied())))
    };
    block_on(async {
        let at_end = look(&seen);
        spawn(async move {
            let _at_end = at_end;
            WORD.set("still here").unwrap();
        })
        .await
        .unwrap();
        assert_eq!(seen.take(), Some(Some("still here")));
        let at_end = look(&seen);
        let task = spawn(async move {
            let _at_end = at_end;
            WORD.set("no task").unwrap();
            std::future::pending::<()>().await;
        });
        yield_now().await;
        task.abort();
        assert!(matches!(task.await, Err(JoinError::Cancelled)));
        assert_eq!(seen.take(), Some(None));
    });
}

/// User code in the drop of a value: it spawns, sets, looks at the runtime; no borrow is held, and the new task runs.
#[test]
fn a_value_whose_drop_spawns_and_sets_finds_the_runtime_whole() {
    let runtime = Rc::new(Runtime::new());
    let (own, said) = (Rc::downgrade(&runtime), Rc::new(RefCell::new(Vec::new())));
    let says = said.clone();
    let task = runtime.spawn(async move {
        TRACE.set(9).unwrap();
        let value = AtDrop::new(move || {
            let refused = TRACE.set(1).is_err() && AT_DROP.set(AtDrop::new(|| {})).is_err();
            let others = own.upgrade().map(|runtime| runtime.inspect().tasks.len());
            says.borrow_mut().push(format!("set refused: {refused}, others: {others:?}"));
            let says = says.clone();
            drop(spawn(async move { says.borrow_mut().push(format!("spawned with {:?}", trace())) }));
        });
        AT_DROP.set(value).unwrap();
    });
    runtime.block_on(task).unwrap();
    settle(&runtime);
    assert_eq!(*said.borrow(), ["set refused: true, others: Some(1)", "spawned with None"]);
}

/// The same at the end of the runtime: what such a drop spawns is ended too.
#[test]
fn a_value_whose_drop_spawns_at_the_end_of_the_runtime_leaves_nothing() {
    let (drops, runtime) = (Drops::default(), Runtime::new());
    for _ in 0..3 {
        let (own, inner) = (drops.token(), drops.token());
        drop(runtime.spawn(async move {
            let value = AtDrop::new(move || {
                let _own = own;
                drop(spawn(async move {
                    let _inner = inner;
                    std::future::pending::<()>().await;
                }));
            });
            AT_DROP.set(value).unwrap();
            std::future::pending::<()>().await;
        }));
    }
    settle(&runtime);
    drop(runtime);
    assert_eq!(drops.count(), 6);
}

#[test]
fn a_value_that_holds_its_own_tasks_handle_ends_with_it() {
    let (drops, runtime) = (Drops::default(), Runtime::new());
    let slot = Rc::new(RefCell::new(None));
    let (own, token) = (slot.clone(), drops.token());
    let handle = runtime.spawn(async move {
        let (handle, token) = (own.borrow_mut().take(), token);
        AT_DROP.set(AtDrop::new(move || drop((handle, token)))).unwrap();
    });
    *slot.borrow_mut() = Some(handle);
    settle(&runtime);
    assert_eq!((drops.count(), runtime.inspect().tasks.len()), (1, 0));
}

/// Each panic by itself: the others are dropped, the task's result stands, and the runtime reports the panic.
#[test]
fn a_value_whose_drop_panics_is_reported_and_keeps_no_other_from_its_drop() {
    static ANOTHER: Local<AtDrop> = Local::new();
    let drops = Drops::default();
    let token = drops.token();
    let runtime = Runtime::new();
    let task = runtime.spawn(async move {
        AT_DROP.set(AtDrop::new(|| resume_unwind(Box::new("first")))).unwrap();
        ANOTHER.set(AtDrop::new(|| resume_unwind(Box::new("second")))).unwrap();
        TOKEN.set(token).unwrap();
        "result"
    });
    settle(&runtime);
    assert_eq!(drops.count(), 1);
    assert!(panics(|| runtime.block_on(async {})), "the panic was swallowed");
    assert_eq!(runtime.block_on(task).unwrap(), "result");
}

#[test]
fn tasks_with_values_and_names_leave_the_heap_as_it_was() {
    alone("task::locals::tasks_with_values_and_names_leave_the_heap_as_it_was", || {
        leaves_the_heap_as_it_was(|| {
            let runtime = Runtime::builder().panic_policy(PanicPolicy::Log).build();
            runtime.block_on(async {
                TRACE.set(1).unwrap();
                for n in 0..100 {
                    let task = Builder::new().name(format!("task {n}")).spawn(async move {
                        OTHER.set(n).unwrap();
                        WORD.set("word").unwrap();
                        drop(spawn(std::future::pending::<()>()));
                        yield_now().await;
                        if n % 3 == 0 {
                            resume_unwind(Box::new(n));
                        }
                    });
                    if n % 5 == 0 {
                        task.abort();
                    }
                    if n % 2 == 0 { drop(task) } else { drop(task.await) }
                }
            });
        });
    });
}
