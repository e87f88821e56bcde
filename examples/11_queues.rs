//! Queues between tasks: unbounded, bounded, last in first out, by priority. A bounded one makes the producer wait: that
//! is the back-pressure.
//!
//! ```text
//! $ cargo run --example 11_queues
//! unbounded: the producer puts all 20 before the consumer has got 1
//! bounded to 3: the producer is never more than 3 ahead, and waited 17 times
//! last in, first out: e d c b a
//! by priority: 1 urgent, 2 soon, 2 soon too, 9 some day
//! joined: all 4 were not only taken, but done
//! closed: what is left can be got: Some(7), then None; put 8 again: the queue is closed
//! ```
//!
//! Then read `src/sync/queue/mod.rs`. The example `producer_consumer` shows the waiting step by step.

use std::cell::Cell;
use std::rc::Rc;

use coracle::sync::queue::{Queue, TryPutError, UNBOUNDED};
use coracle::task::yield_now;

const ITEMS: u32 = 20;

/// A quick producer and a slow consumer. How far the producer was ahead, and how often it had to wait.
async fn race(capacity: usize) -> (usize, u32) {
    let queue = Rc::new(Queue::fifo(capacity));
    let (ahead, waits) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let producer = coracle::spawn({
        let (queue, ahead, waits) = (queue.clone(), ahead.clone(), waits.clone());
        async move {
            for item in 0..ITEMS {
                if let Err(TryPutError::Full(item)) = queue.try_put(item) {
                    waits.set(waits.get() + 1);
                    queue.put(item).await.expect("it is open");
                }
                ahead.set(ahead.get().max(queue.len()));
            }
            queue.close();
        }
    });
    yield_now().await;
    for expected in 0..ITEMS {
        assert_eq!(queue.get().await, Some(expected), "nothing is lost, nothing out of order");
        yield_now().await; // it needs a while for each
    }
    producer.await.expect("it does not panic");
    (ahead.get(), waits.get())
}

fn main() {
    coracle::block_on(async {
        let (ahead, _) = race(UNBOUNDED).await;
        println!("unbounded: the producer puts all {ahead} before the consumer has got 1");
        let (ahead, waits) = race(3).await;
        println!("bounded to 3: the producer is never more than {ahead} ahead, and waited {waits} times");

        let stack = Queue::lifo(UNBOUNDED);
        for letter in ["a", "b", "c", "d", "e"] {
            stack.try_put(letter).expect("there is room");
        }
        println!("last in, first out: {}", stack.close_now().join(" "));

        let plan = Rc::new(Queue::priority(UNBOUNDED));
        for task in [(2, "soon"), (9, "some day"), (1, "urgent"), (2, "soon too")] {
            plan.try_put(task).expect("there is room");
        }
        let worker = plan.clone();
        drop(coracle::spawn(async move {
            let mut tasks = Vec::new();
            while let Some((priority, name)) = worker.get().await {
                tasks.push(format!("{priority} {name}"));
                if tasks.len() == 4 {
                    println!("by priority: {}", tasks.join(", "));
                }
                worker.task_done().expect("it took one");
            }
        }));
        plan.join().await;
        println!("joined: all 4 were not only taken, but done");

        let queue = Queue::fifo(1);
        queue.put(7).await.expect("it is open");
        queue.close();
        let (left, none, error) = (queue.get().await, queue.get().await, queue.put(8).await.expect_err("closed"));
        println!("closed: what is left can be got: {left:?}, then {none:?}; put {} again: {error}", error.0);
    });
}
