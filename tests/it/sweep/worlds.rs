//! The programs of the sweep in the other worlds that have real sockets, without faults: they end well there too.

use coracle::sys::World;
use coracle::testing::Choices;

use super::run::{Program, live_in_the_world_of_the_run, no_fault, outcome_in};
use super::{PROGRAMS, has_a_seed};
use crate::support::alone;

/// They say how much one call moves, which a hostile kernel may shorten at will.
const COUNT_BYTES: [&str; 4] = ["ways_of_streams", "ways_of_datagrams", "pipes", "standard_streams"];

/// They wait for threads that std started, of which a paused clock does not know.
const HAVE_THREADS: [&str; 3] = ["spawner", "crew", "moved_away"];

fn all_end_well(except: &[&str], mut world: impl FnMut(&Program) -> Vec<(String, World)>) {
    live_in_the_world_of_the_run();
    let mut wrong = Vec::new();
    for program in PROGRAMS.iter().filter(|program| !except.contains(&program.name)) {
        for (which, world) in world(program) {
            let outcome = outcome_in(program, world.hooked(no_fault(program)));
            if outcome != "well" {
                wrong.push(format!("{}, {which}: {outcome}", program.name));
            }
        }
    }
    assert!(wrong.is_empty(), "these do not end well:\n  {}", wrong.join("\n  "));
}

#[test]
fn all_end_well_on_a_hostile_kernel() {
    if has_a_seed() {
        return;
    }
    alone("sweep::worlds::all_end_well_on_a_hostile_kernel", || {
        let hostile = |seed| (format!("seed {seed}"), World::kernel().hostile(&Choices::seeded(seed)));
        all_end_well(&COUNT_BYTES, |_| (1..=20).map(hostile).collect());
    });
}

#[test]
fn all_end_well_under_a_paused_clock() {
    if has_a_seed() {
        return;
    }
    alone("sweep::worlds::all_end_well_under_a_paused_clock", || {
        all_end_well(&HAVE_THREADS, |_| vec![("paused".to_owned(), World::kernel().paused()); 3]);
    });
}
