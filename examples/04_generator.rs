//! A generator keeps its place and its variables between calls, and values pass both ways: the producer sends items, the
//! consumer answers each.
//!
//! ```text
//! $ cargo run --example 04_generator
//! producer: sends 1
//! consumer: got 1
//! producer: was answered "200 OK"
//! producer: sends 2
//! consumer: got 2
//! producer: was answered "200 OK"
//! …
//! producer: was answered "200 OK"
//! consumer: closed after 5
//! producer: sends 6, and is told: the generator is finished
//! squares, by iteration: 1 4 9 16
//! and what the iteration returned: "no more below 20"
//! ```
//!
//! Then read `src/coroutine/generator.rs`: an async body, polled once for each resume.

use coracle::coroutine::{Generator, Step};

/// Its drop shows that closing a generator ends it like leaving a function.
struct Count(u32);

impl Drop for Count {
    fn drop(&mut self) {
        println!("consumer: closed after {}", self.0);
    }
}

fn main() {
    // What it yields are answers, what it is resumed with are items.
    let consumer = Generator::<&str, u32>::new(async |producer| {
        let mut count = Count(0);
        let mut answer = "";
        loop {
            let item = producer.yield_(answer).await;
            println!("consumer: got {item}");
            count.0 += 1;
            answer = "200 OK";
        }
    });

    // It runs to its first yield, where it can be given something.
    consumer.start().expect("it is fresh");
    for item in 1..=5 {
        println!("producer: sends {item}");
        match consumer.resume(item).expect("it waits for one") {
            Step::Yielded(answer) => println!("producer: was answered {answer:?}"),
            Step::Returned(()) => unreachable!("it never returns"),
        }
    }
    consumer.close().expect("it does not run");
    let error = consumer.resume(6).expect_err("it is closed");
    println!("producer: sends 6, and is told: {error}");

    // One that takes no answers is an iterator.
    let mut squares = Generator::new(async |co| {
        for n in (1..).take_while(|n| n * n < 20) {
            co.yield_(n * n).await;
        }
        "no more below 20"
    });
    print!("squares, by iteration:");
    for square in &mut squares {
        print!(" {square}");
    }
    println!("\nand what the iteration returned: {:?}", squares.take_returned().expect("it is over"));
}
