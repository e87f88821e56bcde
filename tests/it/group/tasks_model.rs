//! Sets and pools of tasks against naive models: random spawns, ends, panics, aborts and cancellations.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use coracle::sync::oneshot;
use coracle::task::{AbortHandle, JoinError, JoinSet, Pool, PoolSpawn, TaskId};
use coracle::{Budget, PanicPolicy, Runtime};
use proptest::prelude::*;

use crate::support::{CountingWaker, poll_with};

/// How a task ends that was told to.
#[derive(Clone, Copy, Debug)]
enum End {
    Return,
    Panic,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![3 => Just(End::Return), 1 => Just(End::Panic)]
}

fn runtime() -> Runtime {
    // What nobody asks for any more is not what is tested.
    Runtime::builder().panic_policy(PanicPolicy::Log).build()
}

fn settle(runtime: &Runtime) {
    while runtime.turn(Budget::no_wait()).unwrap().more {}
}

/// Notes its number when it is dropped.
struct OnDrop(usize, Rc<RefCell<VecDeque<usize>>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.1.borrow_mut().push_back(self.0);
    }
}

/// A future that waits to be told, and notes its number when it is dropped, also if it was never polled.
fn told(
    number: usize,
    order: oneshot::Receiver<End>,
    ends: Rc<RefCell<VecDeque<usize>>>,
) -> impl Future<Output = usize> + 'static {
    let on_drop = OnDrop(number, ends);
    async move {
        let _on_drop = on_drop;
        match order.await {
            // No message: a thousand panics are not to be read.
            Ok(End::Panic) => std::panic::resume_unwind(Box::new(number)),
            Ok(End::Return) | Err(_) => number,
        }
    }
}

#[derive(Clone, Debug)]
enum SetStep {
    Spawn,
    /// Tells the task with this number, counted round, to end.
    Tell(usize, End),
    Abort(usize),
    AbortAll,
    Turn,
    /// Asks for a result, with a future that is then dropped.
    Next,
    Detach,
    Shutdown,
}

fn set_step() -> impl Strategy<Value = SetStep> {
    prop_oneof![
        8 => Just(SetStep::Spawn),
        6 => (any::<usize>(), end()).prop_map(|(at, end)| SetStep::Tell(at, end)),
        3 => any::<usize>().prop_map(SetStep::Abort),
        1 => Just(SetStep::AbortAll),
        6 => Just(SetStep::Turn),
        8 => Just(SetStep::Next),
        1 => Just(SetStep::Detach),
        1 => Just(SetStep::Shutdown),
    ]
}

/// A task as the model has it: its number, and how it was told to end.
struct Task {
    number: usize,
    id: TaskId,
    order: Option<oneshot::Sender<End>>,
}

fn run_set(steps: Vec<SetStep>) {
    let runtime = runtime();
    let ends: Rc<RefCell<VecDeque<usize>>> = Rc::default();
    let mut set = JoinSet::new();
    let mut tasks: Vec<Task> = Vec::new();
    let (counting, waker) = CountingWaker::new();
    let mut born = 0;
    // The wakes that there had been when it was last found that nothing has ended.
    let mut waits: Option<usize> = None;
    for step in steps {
        match step {
            SetStep::Spawn => {
                let (order, receiver) = oneshot::channel();
                let id = runtime.enter(|| set.spawn(told(born, receiver, ends.clone())));
                tasks.push(Task { number: born, id, order: Some(order) });
                born += 1;
            }
            SetStep::Tell(at, end) if !tasks.is_empty() => {
                let at = at % tasks.len();
                if let Some(order) = tasks[at].order.take() {
                    let _ = order.send(end);
                }
            }
            SetStep::Abort(at) if !tasks.is_empty() => set.abort(tasks[at % tasks.len()].id),
            SetStep::AbortAll => set.abort_all(),
            SetStep::Turn => drop(runtime.turn(Budget::no_wait()).unwrap()),
            SetStep::Next => {
                let polled = poll_with(&mut set.next(), &waker);
                let first = ends.borrow_mut().pop_front();
                match (polled, first) {
                    (Poll::Ready(Some((id, result))), Some(first)) => {
                        let at = tasks.iter().position(|task| task.number == first).expect("ended twice");
                        assert_eq!(tasks.remove(at).id, id, "not in the order of their ends");
                        match result {
                            Ok(number) => assert_eq!(number, first),
                            Err(JoinError::Panicked(payload)) => assert_eq!(payload.downcast_ref(), Some(&first)),
                            Err(error) => assert!(matches!(error, JoinError::Cancelled)),
                        }
                        waits = None;
                    }
                    (Poll::Ready(None), None) => assert!(tasks.is_empty()),
                    (Poll::Pending, None) => waits = Some(counting.wakes()),
                    (polled, first) => panic!("{polled:?}, but the first to end was {first:?}"),
                }
            }
            SetStep::Detach => {
                set.detach_all();
                tasks.clear();
                settle(&runtime);
                ends.take();
                waits = None;
            }
            SetStep::Shutdown => {
                runtime.block_on(set.shutdown());
                tasks.clear();
                ends.take();
                waits = None;
            }
            SetStep::Tell(..) | SetStep::Abort(_) => {}
        }
        assert_eq!(set.len(), tasks.len());
        if let Some(wakes) = waits {
            assert_eq!(counting.wakes() > wakes, !ends.borrow().is_empty(), "woken for nothing, or not woken");
        }
    }
    drop(set);
    settle(&runtime);
    assert!(runtime.inspect().tasks.is_empty(), "dropping the set ends its tasks");
}

#[derive(Clone, Debug)]
enum PoolStep {
    /// Asks for a slot.
    Spawn,
    TrySpawn,
    /// The one who waits with this number, counted round, gives up.
    Cancel(usize),
    /// Polls him as if his task ran for some reason.
    Poll(usize),
    Tell(usize, End),
    Abort(usize),
    Turn,
    /// Runs everybody who was woken, until nobody is.
    Settle,
}

fn pool_step() -> impl Strategy<Value = PoolStep> {
    prop_oneof![
        8 => Just(PoolStep::Spawn),
        3 => Just(PoolStep::TrySpawn),
        3 => any::<usize>().prop_map(PoolStep::Cancel),
        3 => any::<usize>().prop_map(PoolStep::Poll),
        5 => (any::<usize>(), end()).prop_map(|(at, end)| PoolStep::Tell(at, end)),
        3 => any::<usize>().prop_map(PoolStep::Abort),
        4 => Just(PoolStep::Turn),
        4 => Just(PoolStep::Settle),
    ]
}

struct Waiter<'a, F> {
    number: usize,
    spawn: PoolSpawn<'a, F>,
    order: oneshot::Sender<End>,
    counting: Arc<CountingWaker>,
    seen: usize,
}

struct Live {
    number: usize,
    order: Option<oneshot::Sender<End>>,
    abort: AbortHandle,
}

/// Polls a waiter; if he has his slot, his task lives. `room`: how many slots no task has; they belong to the first who
/// wait, in whatever order those are polled.
fn poll_waiter<F>(room: usize, waiters: &mut Vec<Waiter<'_, F>>, live: &mut Vec<Live>, at: usize)
where
    F: Future<Output = usize> + 'static,
{
    let waiter = &mut waiters[at];
    waiter.seen = waiter.counting.wakes();
    let waker = waiter.counting.clone().into();
    let polled = std::pin::Pin::new(&mut waiter.spawn).poll(&mut Context::from_waker(&waker));
    assert_eq!(polled.is_ready(), at < room, "the slots are not those of the first");
    if let Poll::Ready(task) = polled {
        let waiter = waiters.remove(at);
        live.push(Live { number: waiter.number, order: Some(waiter.order), abort: task.abort_handle() });
        drop(task);
    }
}

fn run_pool(bound: usize, steps: Vec<PoolStep>) {
    let runtime = runtime();
    let pool = Pool::new(bound);
    let ends: Rc<RefCell<VecDeque<usize>>> = Rc::default();
    let (mut waiters, mut live): (Vec<Waiter<'_, _>>, Vec<Live>) = (Vec::new(), Vec::new());
    let mut born = 0;
    for step in steps {
        match step {
            PoolStep::Spawn => {
                let ((order, receiver), (counting, _)) = (oneshot::channel(), CountingWaker::new());
                let spawn = pool.spawn(told(born, receiver, ends.clone()));
                waiters.push(Waiter { number: born, spawn, order, counting, seen: 0 });
                born += 1;
                let last = waiters.len() - 1;
                runtime.enter(|| poll_waiter(bound - pool.live(), &mut waiters, &mut live, last));
            }
            PoolStep::TrySpawn => {
                let (order, receiver) = oneshot::channel();
                // Each who waits has a right to a slot before.
                let may = bound - live.len() > waiters.len();
                let spawned = runtime.enter(|| pool.try_spawn(told(born, receiver, Rc::clone(&ends))));
                assert_eq!(spawned.is_ok(), may);
                if let Ok(task) = spawned {
                    live.push(Live { number: born, order: Some(order), abort: task.abort_handle() });
                    drop(task);
                }
                born += 1;
            }
            PoolStep::Cancel(at) if !waiters.is_empty() => {
                let waiter = waiters.remove(at % waiters.len());
                assert!(waiter.spawn.into_future().is_some(), "he has spawned nothing");
            }
            PoolStep::Poll(at) if !waiters.is_empty() => {
                let at = at % waiters.len();
                runtime.enter(|| poll_waiter(bound - pool.live(), &mut waiters, &mut live, at));
            }
            PoolStep::Tell(at, end) if !live.is_empty() => {
                let at = at % live.len();
                if let Some(order) = live[at].order.take() {
                    let _ = order.send(end);
                }
            }
            PoolStep::Abort(at) if !live.is_empty() => live[at % live.len()].abort.abort(),
            PoolStep::Turn => drop(runtime.turn(Budget::no_wait()).unwrap()),
            PoolStep::Settle => loop {
                settle(&runtime);
                let woken = waiters.iter().position(|waiter| waiter.counting.wakes() > waiter.seen);
                let Some(at) = woken else { break };
                runtime.enter(|| poll_waiter(bound - pool.live(), &mut waiters, &mut live, at));
            },
            _ => {}
        }
        let ended = ends.take();
        live.retain(|task| !ended.contains(&task.number));
        assert!(pool.live() <= bound);
        if matches!(step, PoolStep::Settle) {
            assert!(waiters.is_empty() || pool.live() == bound, "there is room, and somebody waits");
        }
        assert_eq!(pool.live(), live.len());
        assert_eq!(pool.live(), runtime.inspect().tasks.len());
    }
    drop(waiters);
    drop(live);
    settle(&runtime);
    // Their orders are gone: they have returned.
    assert_eq!((pool.live(), pool.free()), (0, bound));
    runtime.block_on(pool.join());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_gives_each_end_once_in_order(steps in proptest::collection::vec(set_step(), 0..150)) {
        run_set(steps);
    }

    #[test]
    fn a_pool_keeps_its_bound_and_its_line(
        bound in prop_oneof![0..4_usize, Just(usize::MAX)],
        steps in proptest::collection::vec(pool_step(), 0..150),
    ) {
        run_pool(bound, steps);
    }
}
