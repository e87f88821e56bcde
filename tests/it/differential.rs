//! The simulated network against Linux: the same random programs on both, and the same results.
//!
//! A program is a list of operations on a few sockets, one after the other. Each gives a line: how much, or which error,
//! or that it would have to wait. After each, time passes, so that what is on its way arrives. What differs on purpose is
//! listed in the documentation of `coracle::sim`; the programs here keep away from it, and from nothing else.

mod programs;

use coracle::Runtime;
use coracle::sim::Simulation;
use coracle::sys::World;

use programs::{Program, results};

/// How many programs. They take a few seconds of real time, and hardly any memory.
const PROGRAMS: u64 = 10_000;

#[test]
fn ten_thousand_random_programs_have_the_same_results_on_linux_and_simulated() {
    crate::support::alone(
        "differential::ten_thousand_random_programs_have_the_same_results_on_linux_and_simulated",
        || {
            for number in 0..PROGRAMS {
                let program = Program::random(number);
                if difference(&program).is_some() {
                    let smallest = shrunk(program);
                    let (line, linux, simulated) = difference(&smallest).unwrap();
                    panic!(
                        "program {number}, made as small as it gets:\n{smallest}\
                         line {line} gives\n  {linux}\non Linux, and\n  {simulated}\nsimulated"
                    );
                }
            }
        },
    );
}

/// The first line that differs, and what it is in both worlds.
fn difference(program: &Program) -> Option<(usize, String, String)> {
    let linux = results(&Runtime::builder().world(World::kernel().paused()).build(), program);
    let mut simulation = Simulation::new(0);
    let simulated = results(&Runtime::builder().world(simulation.world("host")).build(), program);
    assert_eq!(linux.len(), simulated.len());
    let mut both = linux.into_iter().zip(simulated).enumerate();
    both.find(|(_, (linux, simulated))| linux != simulated).map(|(line, (linux, simulated))| (line, linux, simulated))
}

/// Takes out operations as long as some difference is left.
fn shrunk(mut program: Program) -> Program {
    let mut at = 0;
    while at < program.len() {
        let smaller = program.without(at);
        if difference(&smaller).is_some() {
            program = smaller;
        } else {
            at += 1;
        }
    }
    program
}
