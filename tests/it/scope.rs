//! Tasks that borrow: what may be borrowed, in which order children run and are dropped, how a scope fails.

mod borrows;
mod cancel;
mod failing;
mod many;
mod order;
