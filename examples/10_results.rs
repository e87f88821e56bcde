//! `block_on` owns all: it runs the main future and every task that was spawned, on this thread, until the main one is
//! done. Each task has its own result, which is also where its error or its panic ends up.
//!
//! ```text
//! $ cargo run --example 10_results
//! task 2 gives Ok("10 / 2 = 5")
//! task 3 gives Err("10 / 0 is not a number")
//! task 4 ended early: the task panicked: 10 / 7 is left to the reader
//! task 5 ended early: the task was cancelled
//! block_on gives 4 results
//! ```
//!
//! Then read `src/task/handle.rs`: what others hold of a task.

use std::future::pending;

/// An error is a value; a panic is a broken rule.
async fn divide(a: i32, b: i32) -> Result<String, String> {
    match b {
        0 => Err(format!("{a} / {b} is not a number")),
        _ if a % b == 0 => Ok(format!("{a} / {b} = {}", a / b)),
        _ => panic!("{a} / {b} is left to the reader"),
    }
}

fn main() {
    // Here a panic is part of the show: no report on standard error.
    std::panic::set_hook(Box::new(|_| {}));
    let count = coracle::block_on(async {
        let mut tasks: Vec<_> = [2, 0, 7].map(|b| coracle::spawn(divide(10, b))).into();
        let never = coracle::spawn(pending());
        never.abort();
        tasks.push(never);

        let mut count = 0;
        for task in tasks {
            let id = task.id();
            match task.await {
                Ok(result) => println!("{id} gives {result:?}"),
                Err(error) => println!("{id} ended early: {error}"),
            }
            count += 1;
        }
        count
    });
    println!("block_on gives {count} results");
}
