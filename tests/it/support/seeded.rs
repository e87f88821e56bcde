//! The whole suite in a hostile world: `CORACLE_SEED=7 cargo test --test it`.
//!
//! Each runtime of which its test says nothing gets choices by that seed and the test's name, and a hostile kernel; one
//! that is given a world or choices of its own keeps them. So a test fails under a seed whether it runs alone or among
//! others. What a test promises of the ordinary run only is listed in `ordinary.rs`. Seed 0 is the ordinary run.

use coracle::RuntimeBuilder;
use coracle::sys::World;
use coracle::testing::{Choices, Kinds, everywhere};

use super::ordinary;

/// Nothing of ours runs before the tests do: the harness has the `main`. But what stands in this section does.
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
// SAFETY: the section is a list of functions of this type, which the loader calls one by one before `main`.
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    if seed() != 0 {
        assert!(everywhere(hostile).is_ok(), "nobody was here before");
    }
}

fn seed() -> u64 {
    std::env::var("CORACLE_SEED").map_or(0, |seed| seed.parse().expect("CORACLE_SEED is a number"))
}

fn hostile(builder: RuntimeBuilder) -> RuntimeBuilder {
    let test = test();
    let kinds = ordinary::kinds_of(&test);
    if kinds == Kinds::NONE {
        return builder;
    }
    let choices = Choices::seeded(mixed(seed(), &test)).only(kinds);
    builder.world(World::kernel().hostile(&choices)).choices(choices)
}

/// The harness names a thread after the test that it runs; in a process of its own, a test runs on the main thread.
/// A thread that a test starts has no name, and no more has its runtime.
fn test() -> String {
    let alone = std::env::var(super::ALONE).ok();
    alone.or_else(|| std::thread::current().name().map(str::to_owned)).unwrap_or_default()
}

/// FNV-1a, which is the same everywhere: <http://www.isthe.com/chongo/tech/comp/fnv/>. Never 0, which is ordinary.
fn mixed(seed: u64, name: &str) -> u64 {
    let bytes = seed.to_le_bytes();
    let all = bytes.iter().copied().chain(name.bytes());
    all.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)).max(1)
}
