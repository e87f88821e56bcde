//! Programs as children: started, talked to, waited for.
//!
//! [`Command`] is std's with an `await`: [`output`](Command::output) and [`status`](Command::status) run a program to
//! its end, [`spawn`](Command::spawn) gives a [`Child`] whose pipes are read and written like sockets.
//!
//! Waiting needs no SIGCHLD: on Linux a *pidfd* becomes readable, on the BSDs and macOS a kqueue of the child's own.
//! So it disturbs nobody who handles that signal, and any number of children may end at once. Where the kernel has
//! neither, a thread waits for each child that is waited for. A program that *ignores* SIGCHLD has its children
//! reaped by the kernel, and so has one where somebody waits for whatever child there is: then the end is seen, but
//! the status is lost, which is a [`StatusLost`].
//!
//! Every child is reaped. One that is dropped while it runs goes on (unless
//! [`kill_on_drop`](Command::kill_on_drop)), and a task of the runtime reaps it when it ends. A runtime that ends asks
//! those children once more. One that runs on after that becomes a zombie when it ends, until this process ends.

mod child;
mod command;
mod output;
mod running;

pub use std::process::{ExitStatus, Output, Stdio};

pub use child::{Child, Wait};
pub use command::Command;
pub use output::{CommandOutput, CommandStatus, WaitWithOutput};
pub use running::StatusLost;
