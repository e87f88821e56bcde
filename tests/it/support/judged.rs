//! The whole suite with verdicts: `CORACLE_JUDGED=1 cargo test --test it`.
//!
//! Each runtime of which its test says nothing panics when it is certain that nothing can happen any more. No test may
//! fail by that: none waits for what cannot come.

use coracle::testing::everywhere;
use coracle::{OnStall, RuntimeBuilder};

/// As in `seeded.rs`.
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
// SAFETY: the section is a list of functions of this type, which the loader calls one by one before `main`.
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    if std::env::var_os("CORACLE_JUDGED").is_some() {
        assert!(everywhere(judged).is_ok(), "either a seed or verdicts");
    }
}

/// They count what verdicts cost: a reading of the clock for each waker that is kept, memory, turns that only look; and
/// spinning is not where verdicts are.
const COUNT: &[&str] = &[
    "runtime::calls::",
    "runtime::spin::",
    "rivals::a_lone_await_costs_no_call",
    "rivals::a_ring_of_two_tasks_costs_no_call",
    "rivals::a_round_trip_costs_one_receive_one_send_and_one_wait",
    "net::pooled::an_idle_connection_takes_at_most_six_hundred_bytes",
];

fn judged(builder: RuntimeBuilder) -> RuntimeBuilder {
    let thread = std::thread::current();
    if thread.name().is_some_and(|name| COUNT.iter().any(|counts| name.starts_with(counts))) {
        return builder;
    }
    builder.on_stall(OnStall::Panic)
}
