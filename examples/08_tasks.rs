//! Three tasks, each with a name and a number. A task runs until it awaits something that is not ready: without such a
//! point they run one after another, with one in each round they interleave.
//!
//! ```text
//! $ cargo run --example 08_tasks
//! without a pause:
//! task 2 "one": 0 1 2 3 4
//! task 3 "two": 0 1 2 3 4
//! task 4 "three": 0 1 2 3 4
//! with a pause after each number:
//! one 0, two 0, three 0
//! one 1, two 1, three 1
//! one 2, two 2, three 2
//! one 3, two 3, three 3
//! one 4, two 4, three 4
//! the tasks were called task 5, task 6, task 7
//! ```
//!
//! Then read `src/task/header.rs`, what a task is in memory, and `src/executor/mod.rs`, what runs it.

use coracle::task::{self, yield_now};

const NAMES: [&str; 3] = ["one", "two", "three"];

/// Counts in one go: nobody else runs meanwhile.
async fn count() {
    let (id, name) = (task::id().expect("inside a task"), task::name().expect("it was given one"));
    print!("{id} {name:?}:");
    for n in 0..5 {
        print!(" {n}");
    }
    println!();
}

/// Lets the others run after each number.
async fn count_with_pauses() -> task::TaskId {
    let name = task::name().expect("it was given one");
    for n in 0..5 {
        print!("{name} {n}{}", if *name == *NAMES[2] { "\n" } else { ", " });
        yield_now().await;
    }
    task::id().expect("inside a task")
}

fn main() {
    coracle::block_on(async {
        println!("without a pause:");
        let handles = NAMES.map(|name| task::Builder::new().name(name).spawn(count()));
        for handle in handles {
            handle.await.expect("it does not panic");
        }

        println!("with a pause after each number:");
        let handles = NAMES.map(|name| task::Builder::new().name(name).spawn(count_with_pauses()));
        let mut ids = Vec::new();
        for handle in handles {
            ids.push(handle.await.expect("it does not panic").to_string());
        }
        println!("the tasks were called {}", ids.join(", "));
    });
}
