//! The servers of the ladder in every world: the kernel, a hostile one, one whose clock is paused, a simulated one.
//! They are the examples as they are, not copies.

#[path = "../../../examples/15_download.rs"]
mod download;
#[path = "../../../examples/12_echo.rs"]
mod echo;
#[path = "../../../examples/14_clients.rs"]
mod five_hundred;
#[path = "../../../examples/13_upper.rs"]
#[allow(dead_code, reason = "not all of it is used here: it is a program of its own")]
mod upper;

use std::io;
use std::ops::Range;

use coracle::sim::Simulation;
use coracle::sys::World;
use coracle::testing::{Choices, within};

use crate::support::alone;

/// Runs it in each world, those that choose with each of these seeds.
fn in_all_worlds(seeds: Range<u64>, main: impl Fn() -> io::Result<()>) {
    in_world("the kernel", &Choices::ordinary(), World::kernel(), &main);
    in_world("paused", &Choices::ordinary(), World::kernel().paused(), &main);
    for seed in seeds {
        let choices = Choices::seeded(seed);
        in_world(&format!("hostile, seed {seed}"), &choices, World::kernel().hostile(&choices), &main);
        let choices = Choices::seeded(seed);
        in_world(&format!("paused, seed {seed}"), &choices, World::kernel().paused().hostile(&choices), &main);
        for hostile in [false, true] {
            let choices = Choices::seeded(seed);
            let mut simulation = Simulation::with_choices(choices.clone());
            let simulated = simulation.world("alone");
            let world = if hostile { simulated.hostile(&choices) } else { simulated };
            in_world(&format!("simulated, seed {seed}, hostile: {hostile}"), &choices, world, &main);
        }
    }
}

fn in_world(name: &str, choices: &Choices, world: World, main: impl Fn() -> io::Result<()>) {
    let choices = choices.clone();
    within(move |builder| builder.world(world.clone()).choices(choices.clone()), main)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn echo_runs_in_all_worlds() {
    in_all_worlds(0..6, echo::main);
}

#[test]
fn upper_runs_in_all_worlds() {
    in_all_worlds(0..6, || coracle::block_on(upper::demonstrate()));
}

#[test]
fn downloads_run_in_all_worlds() {
    in_all_worlds(0..6, download::main);
}

/// A thousand descriptors: in a process of its own.
#[test]
fn five_hundred_clients_run_in_all_worlds() {
    alone("sim::ladder::five_hundred_clients_run_in_all_worlds", || {
        super::allow_descriptors(4096);
        in_all_worlds(1..2, five_hundred::main);
    });
}
