//! A million children: nothing recurses as deep as a program's data is, on a stack of 256 KiB, and nothing is
//! quadratic.

use std::future::pending;

use coracle::sync::oneshot;
use coracle::task::{FutureSet, JoinSet, Pool, join_all, yield_now};
use coracle::{Budget, Runtime};

use super::on_a_small_stack;

const MANY: usize = 1_000_000;

/// Each child waits for the one before: its end drops the sender.
fn chain(count: usize) -> (oneshot::Sender<()>, FutureSet<impl Future<Output = ()>>) {
    let (first, mut before) = oneshot::channel::<()>();
    let mut set = FutureSet::new();
    for _ in 0..count {
        let (sender, next) = oneshot::channel::<()>();
        let waits_for = std::mem::replace(&mut before, next);
        set.insert(async move {
            let _sender = sender;
            let _ = waits_for.await;
        });
    }
    (first, set)
}

#[test]
fn a_chain_of_wakes_within_one_task_does_not_nest() {
    on_a_small_stack(|| {
        let (first, mut set) = chain(MANY);
        drop(first);
        let ended = coracle::block_on(async {
            let mut ended = 0;
            while set.next().await.is_some() {
                ended += 1;
            }
            ended
        });
        assert_eq!(ended, MANY);
    });
}

#[test]
fn a_chain_of_drops_within_one_task_does_not_nest() {
    on_a_small_stack(|| {
        let (first, mut set) = chain(MANY);
        let runtime = Runtime::new();
        let task = runtime.spawn(async move { while set.next().await.is_some() {} });
        while runtime.turn(Budget::no_wait()).unwrap().more {}
        drop(runtime);
        assert!(task.is_finished());
        drop((first, task));
    });
}

#[test]
fn a_million_handles_are_joined_in_order() {
    on_a_small_stack(|| {
        coracle::block_on(async {
            let outputs = join_all((0..MANY).map(|n| coracle::spawn(async move { n }))).await;
            assert!(outputs.into_iter().map(Result::unwrap).eq(0..MANY));
        });
    });
}

#[test]
fn a_set_of_a_million_tasks_ends_and_is_dropped() {
    on_a_small_stack(|| {
        coracle::block_on(async {
            let mut set = JoinSet::new();
            for n in 0..MANY {
                set.spawn(async move {
                    if n % 2 == 0 {
                        pending::<()>().await;
                    }
                });
            }
            for _ in 0..MANY / 2 {
                set.next().await.unwrap().1.unwrap();
            }
            assert_eq!(set.len(), MANY / 2);
            set.shutdown().await;
        });
    });
}

/// Each task of a pool, ending, lets the next one in.
#[test]
fn a_line_of_many_before_a_pool_of_one_is_served() {
    on_a_small_stack(|| {
        coracle::block_on(async {
            let pool = Pool::new(1);
            for _ in 0..MANY / 10 {
                let pool = pool.clone();
                drop(coracle::spawn(async move { drop(pool.spawn(yield_now()).await) }));
            }
            yield_now().await;
            pool.join().await;
            assert_eq!((pool.live(), pool.free()), (0, 1));
        });
    });
}
