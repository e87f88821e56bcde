//! Tests of `testing`, the module for the user's tests. A file a concept; `child` runs a test in a process of its own.

mod cancel;
mod child;
mod clock;
mod clock_foreign;
mod clock_jumps;
mod clock_loopback;
mod explore;
mod identical;
mod lockstep;
mod memory;
mod planted;
mod poll;
mod proxy;
mod schedules;
mod script;
mod seeds;
mod sockets;
mod stream_check;
mod stream_check_simulated;
mod trace;
mod twice;
