//! All integration tests, as one program: a module a concept, named like the module of the library that it tests.
//!
//! `support` holds what they share. A test that looks at the whole process (its descriptors, its heap, its limits) runs
//! in a process of its own: see `support::alone`.

mod support;

mod absences;
mod blocking;
mod cancel;
mod cores;
mod coroutine;
mod examples;
mod fs;
mod group;
mod hostile;
mod io;
mod net;
mod observer;
mod process;
mod reactor;
mod rivals;
mod runtime;
mod scope;
mod signal;
mod sim;
mod sweep;
mod sync;
mod task;
mod testing;
mod time;
mod verdicts;
