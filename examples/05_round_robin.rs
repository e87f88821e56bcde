//! Round robin without a scheduler: a loop resumes one generator after another.
//!
//! ```text
//! $ cargo run --example 05_round_robin
//! c1 got 0
//! c2 got 1
//! c1 got 2
//! c2 got 3
//! c1 got 4
//! c2 got 5
//! A B A B A B A B A B
//! ```
//!
//! Then read `src/task/run_queue.rs`: the same, when the loop does not know beforehand whose turn it is.

use coracle::coroutine::{Generator, Yielder};

async fn consume(name: &str, producer: &Yielder<(), u32>) {
    loop {
        let item = producer.yield_(()).await;
        println!("{name} got {item}");
    }
}

async fn repeat(word: &str, co: &Yielder<String>) {
    loop {
        co.yield_(word.to_owned()).await;
    }
}

fn main() {
    // One producer feeds two consumers by turns.
    let consumers = ["c1", "c2"].map(|name| Generator::new(async move |producer| consume(name, producer).await));
    for consumer in &consumers {
        consumer.start().expect("it is fresh");
    }
    for (item, consumer) in (0..6).zip(consumers.iter().cycle()) {
        consumer.resume(item).expect("it waits for one");
    }

    // Two that would print for ever, alternately; ten words are enough.
    let words = ["A", "B"].map(|word| Generator::new(async move |co| repeat(word, co).await));
    let mut printed = Vec::new();
    for word in words.iter().cycle().take(10) {
        let step = if printed.len() < 2 { word.start().ok() } else { word.resume(()).ok() };
        printed.extend(step.and_then(|step| step.yielded()));
    }
    println!("{}", printed.join(" "));
}
