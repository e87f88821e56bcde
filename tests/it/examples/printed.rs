//! What the examples print, held against what stands at the head of their sources.

use super::{example, run};

#[test]
fn echo_prints_what_its_head_says() {
    let said = said_in_the_head(include_str!("../../../examples/echo/main.rs"));
    let ended = run(&mut example("echo"));
    ended.assert_good();
    // The port is the system's choice. The bytes are drawn from fixed seeds.
    let (ours, head) = (ended.lines[0].rsplit_once(':').unwrap(), said[0].rsplit_once(':').unwrap());
    assert_eq!(ours.0, head.0);
    assert!(ours.1.parse::<u16>().unwrap() > 0);
    assert_eq!(ended.lines[1..], said[1..]);
    assert!(ended.lines.last().unwrap().starts_with("echo: 500 clients, 10000 round trips, "));
}

#[test]
fn producer_consumer_prints_what_its_head_says() {
    let said = said_in_the_head(include_str!("../../../examples/producer_consumer.rs"));
    let ended = run(&mut example("producer_consumer"));
    ended.assert_good();
    let gap = said.iter().position(|line| *line == "…").expect("the head leaves out the middle");
    let rest = &said[gap + 1..];
    assert_eq!(ended.lines[..gap], said[..gap]);
    assert_eq!(ended.lines[ended.lines.len() - rest.len()..], *rest);
    assert_eq!(rest.last().unwrap(), &"producer_consumer: 20 produced, 20 consumed, most waiting 3");
}

/// The lines that the first example of a run prints, by the `//!` at the head of the source.
fn said_in_the_head(source: &str) -> Vec<&str> {
    let head = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let said: Vec<_> =
        head.skip_while(|line| !line.starts_with("$ cargo run")).skip(1).take_while(|l| *l != "```").collect();
    assert!(said.len() > 3, "no run at the head: {said:#?}");
    said
}

/// Back-pressure, step by step: the producer is ahead by the capacity, and then by one for each that is taken.
#[test]
fn a_full_queue_makes_the_producer_wait_for_each_that_is_taken() {
    let ended = run(example("producer_consumer").args(["--items", "5", "--capacity", "2", "--delay-ms", "1"]));
    ended.assert_good();
    let expected = [
        "producer: puts 1, 1 waiting",
        "producer: puts 2, 2 waiting",
        "producer: has 3, but the queue is full, and waits",
        "consumer: takes 1, 1 waiting",
        "producer: puts 3, 2 waiting",
        "producer: has 4, but the queue is full, and waits",
        "consumer: takes 2, 1 waiting",
        "producer: puts 4, 2 waiting",
        "producer: has 5, but the queue is full, and waits",
        "consumer: takes 3, 1 waiting",
        "producer: puts 5, 2 waiting",
        "consumer: takes 4, 1 waiting",
        "consumer: takes 5, 0 waiting",
        "consumer: the queue is empty and the producer gone",
        "producer_consumer: 5 produced, 5 consumed, most waiting 2",
    ];
    assert_eq!(ended.lines, expected);
}

#[test]
fn a_queue_with_room_for_all_never_makes_the_producer_wait() {
    let ended = run(example("producer_consumer").args(["--items", "9", "--capacity", "100", "--delay-ms", "0"]));
    ended.assert_good();
    assert_eq!(ended.lines.last().unwrap(), "producer_consumer: 9 produced, 9 consumed, most waiting 9");
    assert!(!ended.lines.iter().any(|line| line.contains("full")), "{:#?}", ended.lines);
}

#[test]
fn a_producer_without_items_closes_the_queue_at_once() {
    let ended = run(example("producer_consumer").args(["--items", "0"]));
    ended.assert_good();
    let expected = [
        "consumer: the queue is empty and the producer gone",
        "producer_consumer: 0 produced, 0 consumed, most waiting 0",
    ];
    assert_eq!(ended.lines, expected);
}
