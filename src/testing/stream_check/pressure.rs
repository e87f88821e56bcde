//! Behaviours: a writer that is faster than its reader waits, and goes on.

use super::pair::{Check, Pair, Watch};
use crate::task::try_join;

pub(super) async fn writer_waits(mut pair: Pair) -> Check {
    pair.notes.doing.set("wrote without a reader");
    let taken = pair.near.fill(&Watch::default(), pair.patience).await?;
    pair.notes.doing.set("what was written without a reader was read");
    // What lies in a buffer of its own is passed on while it is read.
    try_join((pair.near.send(taken, 0), pair.far.receive(0, taken))).await?;
    Ok(())
}

pub(super) async fn writer_goes_on(mut pair: Pair) -> Check {
    pair.notes.doing.set("wrote without a reader");
    let watch = Watch::default();
    let taken = pair.near.fill(&watch, pair.patience).await?;
    pair.notes.doing.set("a writer waits, and the other end reads");
    let near = &mut pair.near;
    let writing = async {
        watch.woken().await;
        near.send(taken, 1_000).await?;
        near.end().await
    };
    let (_, count) = try_join((writing, pair.far.receive_all(0))).await?;
    if count == taken + 1_000 {
        return Ok(());
    }
    Err(format!("{count} bytes came, of {taken} that were taken before the writer waited, and 1,000 after that"))
}
