//! The few system calls that std does not offer, each behind a safe function.
//!
//! Everything `unsafe` of this crate is here, in the floor (`micro/floor.rs`, `micro/floor_channel.rs`) and in one wrapper
//! of `micro/tokio.rs`. Linux only, as are the figures.

pub mod cpu;
pub mod epoll;
pub mod process;
pub mod socket;

use std::io;

/// A C call that says failure with -1: its value, or what `errno` says.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
