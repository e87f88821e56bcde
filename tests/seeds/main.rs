//! The seeds: small programs whose every free decision comes from a seed, run on simulated hosts for thousands of seeds.
//!
//! Each scenario checks what must hold whatever was chosen: no value lost or doubled, no permit lost, no timer early, no
//! wake lost (the simulation sees that nothing can happen any more), no byte wrong. `tests/gallery` plants bugs in the
//! library, one at a time, and demands that these seeds find each.
//!
//! ```sh
//! cargo test --release --test seeds                                    # a few thousand
//! CORACLE_SEEDS=0..1000000 cargo test --release --test seeds -- --nocapture
//! SCENARIO=echo cargo test --release --test seeds                      # those with this in their names
//! ```

mod channels;
mod groups;
mod locks;
mod signals;
mod sockets;
mod tasks;
mod timers;

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use coracle::sim::Simulation;
use coracle::testing::{self, Choices};

/// A scenario with its name: one run of it for a seed.
type Scenario = (&'static str, fn(u64));

const ALL: &[&[Scenario]] =
    &[channels::ALL, groups::ALL, locks::ALL, signals::ALL, sockets::ALL, tasks::ALL, timers::ALL];

fn all() -> Vec<Scenario> {
    let word = std::env::var("SCENARIO").unwrap_or_default();
    ALL.iter().flat_map(|some| some.iter().copied()).filter(|(name, _)| name.contains(&word)).collect()
}

/// How many seeds there are if nobody says: without optimisation, a few.
const SEEDS: u64 = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

/// Seed after seed, each given to the next scenario, on all processors.
#[test]
fn mix() {
    let all = all();
    let explored = testing::for_seeds_on(2, 0..SEEDS, move |seed| {
        let (_, run) = all[seed as usize % all.len()];
        run(seed);
    });
    println!("{}", explored.unwrap());
}

/// Without any time passing; far above what any program here needs.
const TURNS: u64 = 200_000;

/// Longer than any timer here.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Runs `program` on a simulated host, where everything that is free is as the seed has it. Nothing may be left that
/// can never go on.
fn run<F: Future<Output = ()> + 'static>(seed: u64, program: impl Fn(Choices) -> F + 'static) {
    let choices = Choices::seeded(seed);
    let mut simulation = Simulation::with_choices(choices.clone());
    simulation.limit(CENTURY);
    simulation.limit_turns(TURNS);
    simulation.client("program", move || program(choices.clone()));
    if let Err(stopped) = simulation.run() {
        panic!("seed {seed}: {stopped}");
    }
}

/// Lets a future run to its end, or drops it somewhere on the way there.
async fn perhaps<F: Future>(choices: &Choices, future: F) -> Option<F::Output> {
    let mut polls = if choices.choose(3) == 1 { 1 + choices.choose(3) } else { usize::MAX };
    // Dropped when it has been woken for what it waits for, and not when it began to wait: the harder case.
    let once_woken = choices.choose(2) == 1;
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == 0 && !once_woken => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Lets others run, some number of times.
async fn some_turns(choices: &Choices) {
    for _ in 0..choices.choose(4) {
        coracle::task::yield_now().await;
    }
}
