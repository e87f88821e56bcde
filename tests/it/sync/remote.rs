//! `sync::remote`: channels between threads, tasks and runtimes. Every order of two or three threads is for the models
//! in `src/sync/remote/loom_models.rs`; here is what must hold whatever the order, and what one thread can see.

mod channel;
mod model;
mod odd;
mod oneshot;
