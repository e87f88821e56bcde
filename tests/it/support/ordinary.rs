//! Which tests say something of the ordinary run, and so are run under a seed without the deviations that this is about.
//!
//! A test stands here for what it promises or for how it brings its case about, not because it failed. One that fails
//! under a seed and says nothing of this sort has found something.

use coracle::testing::Kinds;

/// The order of tasks is what it is about, or how it knows that another task has run: it yields, once or so often, or
/// counts polls.
const TURNS: &[Kinds] = &[Kinds::ORDER, Kinds::SPURIOUS, Kinds::YIELDS];

/// It tells what one poll, one try or one turn gives, when something is there or nothing is.
const ONE_POLL: &[Kinds] = &[Kinds::SPURIOUS, Kinds::YIELDS, Kinds::BLOCKED, Kinds::INTERRUPTED, Kinds::BATCHES];

/// It is about what comes in one batch of events, or in what order.
const BATCH: &[Kinds] = &[Kinds::EVENTS, Kinds::BATCHES];

/// It writes until that would block, and takes this for full.
const FULL: &[Kinds] = &[Kinds::YIELDS, Kinds::BLOCKED];

/// It takes a few bytes for a whole: they come in one read, or go in one write.
const WHOLE: &[Kinds] = &[Kinds::SHORT];

/// A million tasks: to choose one among them walks along all.
const HUGE: &[Kinds] = &[Kinds::SPURIOUS];

/// It measures heap or time to the byte or the turn.
const MEASURED: &[Kinds] = &[Kinds::ALL];

/// It is about choices and worlds, and brings its own.
const OWN: &[Kinds] = &[Kinds::ALL];

/// What is taken away, and from which tests: parts of their names, mostly the beginnings.
const TABLE: &[(&[Kinds], &[&str])] = &[
    (
        TURNS,
        &[
            "blocking::end::shutdown_in_a_task_lets_others_go_on",
            "blocking::runtime::a_sleeping_task_goes_on_while_three_calls_block",
            "cancel::net::a_read_exact",
            "cancel::task::a_dropped_yield_leaves_the_task_where_it_is",
            "group::cancel::a_dropped_shutdown",
            "group::future_set::a_child_that_yields",
            "group::join_set::",
            "group::pool::",
            "group::seeds::",
            "io::framing::dropped_anywhere",
            "io::pipes::a_task_says_that_it_waits",
            "net::cancel::",
            "net::connect::a_cancelled_connect",
            "net::connect::a_connection_that_never_begins_waits_and_does_not_spin",
            "net::custom::",
            "net::pipe::each_byte_goes_to_one_reader_in_order",
            "net::resolve::a_look_up_that_has_not_begun",
            "net::udp::each_datagram_goes_to_one_of_those_who_wait",
            "net::wait::",
            "observer::programs::the_fold_of_the_events_is_the_state",
            "reactor::accepting::",
            "rivals::",
            "runtime::fairness::",
            "runtime::nested::a_wake_of_the_outer_runtime",
            "runtime::order::",
            "runtime::spawner::spawns_of_one_thread_begin_in_order",
            "runtime::spin::a_program_with_long_gaps",
            "signal::watching::a_signal_goes_to_one_of_the_tasks_that_wait",
            "_in_a_loop_lets_others_run",
            "sync::barrier::a_wait_that_is_dropped",
            "sync::event::all_that_wait_go_on_in_order",
            "sync::mutex::a_panic_unlocks",
            "sync::mutex::futurelock_is_as_documented",
            "sync::mutex::one_task_at_a_time",
            "sync::once_cell::",
            "sync::queue::a_producer_",
            "sync::queue_done::an_item_is_answered",
            "sync::remote::channel::an_endless_channel_starves_nobody",
            "sync::rw_lock::a_read_or_write_that_is_dropped",
            "sync::wait_queue::wake_all_wakes_those_that_wait_now_in_order",
            "sync::watch::a_slow_receiver",
            "task::panics::of_two_unobserved_panics",
            "task::wakes::wakes_from_everywhere_between_two_polls",
            "time::promises::",
        ],
    ),
    (
        ONE_POLL,
        &[
            "cancel::net::a_read_exact",
            "cancel::net::a_send_to_a_name",
            "net::cancel::",
            "net::close::",
            "net::data::",
            "net::pipe::pollers_are_woken",
            "net::stdin::a_cancelled_read",
            "net::udp::",
            "net::unix::a_p",
            "net::unix_datagram::",
            "net::unix_fds::",
            "net::wait::",
            "reactor::",
            "runtime::fairness::a_readable_socket",
            "runtime::order::a_turn_sleeps_no_longer_than_asked",
            "signal::citizen::",
            "task::leaves::",
        ],
    ),
    (BATCH, &["reactor::identity::an_event_of_a_closed_descriptor"]),
    (
        FULL,
        &[
            "io::sockets::frames_that_were_given_up_when_the_socket_was_full",
            "net::pipe::a_cancelled_write",
            "net::pipe::a_reader_that_goes_is_an_error_for_the_writer",
        ],
    ),
    (
        WHOLE,
        &[
            "net::cancel::",
            "net::data::",
            "net::pipe::lines_of_a_terminal",
            "net::pipe::pollers_are_woken",
            "net::pipe::the_streams_of_a_child_are_pipes",
            "net::stdin::",
            "net::unix_fds::",
            "net::wait::",
            "reactor::descriptor::bytes_that_arrive",
            "reactor::edges::a_reader_and_a_writer_of_one_stream",
            "reactor::identity::a_descriptor_that_somebody_else_replaced",
            "reactor::process::a_child_",
        ],
    ),
    (HUGE, &["group::many::", "task::chains::"]),
    (OWN, &["hostile::deviations", "hostile::survival", "sim::", "sweep::", "testing::", "verdicts::"]),
    (MEASURED, &["blocking::runtime::a_loop_that_waits_for_a_job_sleeps", "task::memory::a_forgotten_waker"]),
];

/// The parts of names that stand in the table.
pub(crate) fn parts() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|(_, tests)| *tests).copied()
}

/// Which deviations this test stands.
pub(super) fn kinds_of(test: &str) -> Kinds {
    let lines = TABLE.iter().filter(|(_, tests)| tests.iter().any(|part| test.contains(part)));
    lines.flat_map(|(without, _)| *without).fold(Kinds::ALL, |kinds, without| kinds.without(*without))
}
