//! The programs of the tutorials from which this library grew, line for line: `yield` and `send`, greenlet's `switch`.

use coracle::coroutine::{Generator, Peers, Step};

use super::Trace;

/// `next` primes the consumer, `send` gives it an item and returns its answer, `close` ends it.
#[test]
fn a_consumer_answers_each_of_five_items() {
    let trace = Trace::default();
    let says = trace.clone();
    let consumer = Generator::<_, u32>::new(async move |co| {
        let _at_end = says.at_drop("consumer closed");
        let mut answer = "";
        loop {
            let item = co.yield_(answer).await;
            says.say(format!("consuming {item}"));
            answer = "200 OK";
        }
    });
    let _: Step<_, ()> = consumer.start().unwrap();
    for item in 1..=5 {
        trace.say(format!("producing {item}"));
        let answer = consumer.resume(item).unwrap().yielded().unwrap();
        trace.say(format!("answer {answer}"));
    }
    consumer.close().unwrap();
    assert!(consumer.resume(6).is_err());
    let mut expected: Vec<_> = (1..=5)
        .flat_map(|item| [format!("producing {item}"), format!("consuming {item}"), "answer 200 OK".into()])
        .collect();
    expected.push("consumer closed".into());
    assert_eq!(trace.lines(), expected);
}

#[test]
fn one_producer_feeds_two_consumers_by_turns() {
    let trace = Trace::default();
    let consumer = |name: &'static str| {
        let says = trace.clone();
        let consumer = Generator::<(), u32>::new(async move |co| {
            loop {
                let item = co.yield_(()).await;
                says.say(format!("{name} eats {item}"));
            }
        });
        let _: Step<_, ()> = consumer.start().unwrap();
        consumer
    };
    let (c1, c2) = (consumer("c1"), consumer("c2"));
    for (item, eater) in (0..4).zip([&c1, &c2].into_iter().cycle()) {
        trace.say(format!("made {item}"));
        eater.resume(item).unwrap();
    }
    let lines = ["made 0", "c1 eats 0", "made 1", "c2 eats 1", "made 2", "c1 eats 2", "made 3", "c2 eats 3"];
    assert_eq!(trace.lines(), lines);
}

/// A round robin without a scheduler: the queue is a vector.
#[test]
fn a_and_b_alternate_for_ever() {
    let repeat = |word: &'static str| {
        Generator::<&str>::new(async move |co| {
            loop {
                co.yield_(word).await
            }
        })
    };
    let mut round = [repeat("A"), repeat("B")];
    let mut said = String::new();
    for _ in 0..1000 {
        for generator in &mut round {
            said += generator.next().unwrap();
        }
    }
    assert_eq!(said, "AB".repeat(1000));
}

#[test]
fn f1_and_f2_print_12_56_34_78() {
    let trace = Trace::default();
    let mut peers = Peers::new();
    peers
        .add("f1", async |me, ()| {
            trace.say("12");
            me.switch_to("f2", ()).await.unwrap();
            trace.say("34");
            me.switch_to("f2", ()).await.unwrap();
        })
        .unwrap();
    peers
        .add("f2", async |me, ()| {
            trace.say("56");
            me.switch_to("f1", ()).await.unwrap();
            trace.say("78");
        })
        .unwrap();
    peers.run("f1", ()).unwrap();
    assert_eq!(trace.lines(), ["12", "56", "34", "78"]);
}

/// The consumer runs first, up to where it waits for an item; then control goes to and fro with a value each way.
#[test]
fn consumer_and_producer_switch_with_a_value() {
    let trace = Trace::default();
    let mut peers = Peers::new();
    peers
        .add("consumer", async |me, _| {
            trace.say("consumer ready");
            let mut item = me.switch_to("producer", 0).await.unwrap();
            while item != 0 {
                trace.say(format!("consumed {item}"));
                item = me.switch_to("producer", 200).await.unwrap();
            }
            trace.say("consumer done");
            0
        })
        .unwrap();
    peers
        .add("producer", async |me, _| {
            for item in 1..=3 {
                trace.say(format!("produced {item}"));
                let answer = me.switch_to("consumer", item).await.unwrap();
                trace.say(format!("answer {answer}"));
            }
            me.switch_to("consumer", 0).await.unwrap()
        })
        .unwrap();
    assert_eq!(peers.run("consumer", 0), Ok(0));
    let mut expected = vec!["consumer ready".to_owned()];
    expected.extend(
        (1..=3).flat_map(|item| [format!("produced {item}"), format!("consumed {item}"), "answer 200".to_owned()]),
    );
    expected.push("consumer done".into());
    assert_eq!(trace.lines(), expected);
}

/// Additions in a row, against one resume and yield an addition: the same sum. (What a switch costs is measured
/// elsewhere: here the loop is only to be the one that is measured.)
#[test]
fn a_million_additions_with_a_switch_each_give_the_same_sum() {
    const N: u64 = 1_000_000;
    let serial: u64 = (0..N).sum();
    let adder = Generator::new(async |co| {
        let mut sum = 0;
        for _ in 0..N {
            sum += co.yield_(()).await;
        }
        sum
    });
    adder.start().unwrap();
    let switched = (0..N).find_map(|n| adder.resume(n).unwrap().returned());
    assert_eq!(switched, Some(serial));
}
