//! Faults turned on ourselves: some twenty small programs, and each call to the world that they make fails in each way in
//! which it may fail, once and for good.
//!
//! | file                                            | what is there                                         |
//! |-------------------------------------------------|-------------------------------------------------------|
//! | `errnos.rs`                                     | how each call may fail, and what is right to come of it |
//! | `fault.rs`, `run.rs`                            | the hooks; a run, its verdict, and all of them        |
//! | `tcp.rs`, `datagrams.rs`, `local.rs`, `beside.rs`, `loops.rs` | the programs                            |
//! | `sites.rs`                                      | that no line of `src` that calls the world is left out |
//! | `worlds.rs`                                     | the programs in other worlds, without faults          |
//! | `seam.rs`                                       | that nothing passes by the world: by strace           |
//!
//! What holds of every run: it ends, without a panic; the program ends well or is told the errno that was injected; no
//! task, timer, source, descriptor or heap is left.

mod beside;
mod datagrams;
mod errnos;
mod fault;
mod local;
mod loops;
mod run;
mod seam;
mod sites;
mod tcp;
mod worlds;

use std::io;

use coracle::sys::Call;
use run::Program;

/// A test a program, in a process of its own; and all programs, for `sites.rs`.
macro_rules! programs {
    ($($name:ident: $main:expr $(, without $always:expr)?;)*) => {
        const PROGRAMS: &[Program] = &[$(Program {
            name: stringify!($name),
            main: $main,
            always: programs!(@always $($always)?),
        }),*];

        $(
            #[test]
            fn $name() {
                if has_a_seed() {
                    return;
                }
                crate::support::alone(concat!("sweep::", stringify!($name)), || {
                    run::sweep(PROGRAMS.iter().find(|program| program.name == stringify!($name)).unwrap());
                });
            }
        )*
    };
    (@always) => { &[] };
    (@always $always:expr) => { $always };
}

programs! {
    echo: || run::whole(tcp::echo());
    half_close: || run::whole(tcp::half_close());
    ways_of_streams: || run::whole(tcp::ways());
    refused: || run::whole(tcp::refused());
    race_of_families: || run::whole(tcp::race());
    proxy: || run::whole(tcp::proxy());
    timeouts: || run::whole(tcp::timeouts());
    server_shutdown: || run::whole(tcp::server_shutdown());
    udp: || run::whole(datagrams::udp());
    ways_of_datagrams: || run::whole(datagrams::ways());
    unix_datagrams: || run::whole(datagrams::unix());
    unix_streams: || run::whole(local::streams());
    descriptors_passed: || run::whole(local::descriptors());
    pipes: || run::whole(local::pipes());
    custom: || run::whole(local::custom());
    standard_streams: || run::whole(local::standard());
    files: || run::whole(beside::files());
    children: || run::whole(beside::children());
    children_by_threads: || run::whole(beside::children()), without &[(Call::ExitDescriptor, libc::ENOSYS)];
    signals: || run::whole(beside::signals());
    spawner: loops::spawner;
    crew: loops::crew;
    foreign_loop: loops::foreign;
    dropped_with_all_pending: loops::dropped;
    moved_away: || run::whole(loops::moved_away());
}

/// Whether the whole suite runs in a hostile world, or is judged: then what `everywhere` says is said already, and the
/// sweep, whose faults come from hooks of its own, is done in a run without.
fn has_a_seed() -> bool {
    std::env::var("CORACLE_SEED").is_ok_and(|seed| seed != "0") || std::env::var_os("CORACLE_JUDGED").is_some()
}

/// A task that is aborted when nobody waits for it any more; its error is noted.
fn task(future: impl Future<Output = io::Result<()>> + 'static) -> impl Future<Output = io::Result<()>> {
    let task = coracle::spawn(async move { run::note(future.await) }).abort_on_drop();
    async { task.await.unwrap() }
}
