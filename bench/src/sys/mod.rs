//! The few system calls that std does not offer, each behind a safe function.
//!
//! Everything `unsafe` of this crate is here, in the floor (`micro/floor*.rs`), in the allocator that counts
//! (`micro/heap.rs`), in one line of `micro/leaf.rs`, one wrapper of `micro/tokio.rs` and one line of `echo/glommio.rs`.
//! Linux only, as are the figures.

pub mod cpu;
pub mod epoll;
pub mod process;
pub mod socket;

use std::io;

/// A C call that says failure with -1: its value, or what `errno` says.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
