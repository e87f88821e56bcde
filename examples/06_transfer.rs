//! Symmetric transfer: a coroutine passes control, with a value, to another one by name, as greenlets do.
//!
//! ```text
//! $ cargo run --example 06_transfer
//! 12 56 34 78
//! consumer: ready
//! producer: sends 1
//! consumer: got 1
//! producer: heard "thanks for 1"
//! producer: sends 2
//! consumer: got 2
//! producer: heard "thanks for 2"
//! to one that has returned: that peer is finished
//! to oneself: a peer cannot switch to itself
//! ```
//!
//! Then read `src/coroutine/transfer.rs`: a loop passes control on, so that a chain of switches is no recursion.

use std::cell::RefCell;

use coracle::coroutine::{Peer, Peers};

/// Two that switch to each other in the middle.
fn back_and_forth() {
    let said = RefCell::new(Vec::new());
    let say = |n: u32| said.borrow_mut().push(n.to_string());
    let mut peers = Peers::new();
    let f1 = async |me: &Peer<'_, ()>, ()| {
        say(12);
        me.switch_to("f2", ()).await.expect("f2 has not run yet");
        say(34);
        me.switch_to("f2", ()).await.expect("f2 is in the middle");
    };
    peers.add("f1", f1).expect("a new name");
    let f2 = async |me: &Peer<'_, ()>, ()| {
        say(56);
        me.switch_to("f1", ()).await.expect("f1 is in the middle");
        say(78);
    };
    peers.add("f2", f2).expect("a new name");
    peers.run("f1", ()).expect("neither waits for anything else");
    println!("{}", said.borrow().join(" "));
}

/// A consumer that is primed first, and a producer that hears an answer to each item.
fn with_values() {
    let mut peers = Peers::new();
    let consumer = async |me: &Peer<'_, String>, _| {
        println!("consumer: ready");
        let mut item = me.switch_to_runner(String::new()).await;
        loop {
            println!("consumer: got {item}");
            item = me.switch_to("producer", format!("thanks for {item}")).await.expect("it waits for an answer");
        }
    };
    peers.add("consumer", consumer).expect("a new name");
    let producer = async |me: &Peer<'_, String>, _| {
        for item in ["1", "2"] {
            println!("producer: sends {item}");
            let answer = me.switch_to("consumer", item.to_owned()).await.expect("it is primed");
            println!("producer: heard {answer:?}");
        }
        String::from("sold out")
    };
    peers.add("producer", producer).expect("a new name");
    peers.run("consumer", String::new()).expect("it runs to its first switch");
    peers.run("producer", String::new()).expect("it runs to its end");

    let finished = peers.run("producer", String::new()).expect_err("it has returned");
    println!("to one that has returned: {finished}");
    let narcissus = async |me: &Peer<'_, String>, _| {
        me.switch_to("narcissus", String::new()).await.expect_err("it is the one that runs").to_string()
    };
    peers.add("narcissus", narcissus).expect("a new name");
    println!("to oneself: {}", peers.run("narcissus", String::new()).expect("it returns what it was told"));
}

fn main() {
    back_and_forth();
    with_values();
}
