//! Behaviours: an operation that is given up has done nothing.

use std::task::Poll;

use super::pair::{Check, Pair, Watch};
use crate::task::{try_join, yield_now};
use crate::time::sleep;

/// Every other read is polled once and dropped.
pub(super) async fn read(mut pair: Pair) -> Check {
    const COUNT: usize = 5_000;
    pair.notes.doing.set("5,000 bytes passed, and every other read was given up after one poll");
    let far = &mut pair.far;
    let notes = pair.notes.clone();
    let reading = async {
        let mut at = 0;
        while at < COUNT {
            let mut buffer = [0; 50];
            let room = notes.size(50).min(COUNT - at);
            match far.poll_read_with(&Watch::default(), &mut buffer[..room]) {
                Poll::Pending => yield_now().await,
                Poll::Ready(Ok(0)) => return Err(format!("the end came after {at} of {COUNT} bytes")),
                Poll::Ready(result) => {
                    let count = result.map_err(|error| notes.error(error))?;
                    far.compare(at, &buffer[..count])?;
                    at += count;
                }
            }
            if at < COUNT {
                far.receive(at, 1).await?;
                at += 1;
            }
        }
        Ok(())
    };
    try_join((pair.near.send_pieces(0, COUNT, 9), reading)).await?;
    Ok(())
}

/// The wake was its last sign of life: what it was woken for must be there for the next.
pub(super) async fn read_that_was_woken(mut pair: Pair) -> Check {
    for round in 0..5 {
        pair.notes.doing.set("left a reader waiting");
        pair.far.park(&Watch::default(), pair.patience).await?;
        pair.notes.doing.set("a reader was woken and given up, and another reads");
        let far = &mut pair.far;
        let later = async {
            sleep(pair.patience).await;
            far.receive(round * 20, 20).await
        };
        try_join((pair.near.send(round * 20, 20), later)).await?;
    }
    Ok(())
}

/// It is given up when it waits; then other bytes are written in its place.
pub(super) async fn write(mut pair: Pair) -> Check {
    let watch = Watch::default();
    pair.notes.doing.set("wrote without a reader");
    let taken = pair.near.fill(&watch, pair.patience).await?;
    let written = match pair.near.poll_write_with(&watch, &[0xEE; 100]) {
        Poll::Pending => 0,
        Poll::Ready(result) => result.map_err(|error| pair.notes.error(error))?,
    };
    if written > 0 {
        // There was room after all, on a slow link. Then there is nothing to be seen.
        return Ok(());
    }
    pair.notes.doing.set("a write that waited was given up, and another takes its place");
    let (near, far) = (&mut pair.near, &mut pair.far);
    // Other bytes than those that were given up, all of them.
    let other = taken + 100;
    let writing = async {
        near.send(other, 1_000).await?;
        near.end().await
    };
    let reading = async {
        far.receive(0, taken).await?;
        match far.receive_all(other).await? - other {
            1_000 => Ok(()),
            count => Err(format!("{count} bytes came after those that were taken, where 1,000 were written")),
        }
    };
    try_join((writing, reading)).await?;
    Ok(())
}
