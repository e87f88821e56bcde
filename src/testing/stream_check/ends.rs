//! Behaviours: what is left of a stream when one side closes it, or is dropped.

use std::io::ErrorKind;

use super::pair::{Check, End, Pair, Watch};
use crate::io::{AsyncReadExt, AsyncWriteExt};
use crate::task::{try_join, yield_now};
use crate::time::sleep;

pub(super) async fn close_is_the_end(mut pair: Pair) -> Check {
    pair.notes.doing.set("100 bytes and a close were read");
    let near = &mut pair.near;
    let writing = async {
        near.send(0, 100).await?;
        near.end().await
    };
    let (_, count) = try_join((writing, pair.far.receive_all(0))).await?;
    all_of(count, 100)
}

fn all_of(count: usize, of: usize) -> Check {
    if count == of { Ok(()) } else { Err(format!("the end came after {count} of {of} bytes")) }
}

pub(super) async fn end_is_stable(mut pair: Pair) -> Check {
    pair.notes.doing.set("read again and again after the end");
    try_join((pair.near.end(), pair.far.receive_end())).await?;
    for _ in 0..10 {
        pair.far.receive_end().await?;
    }
    Ok(())
}

pub(super) async fn half_close(mut pair: Pair) -> Check {
    pair.notes.doing.set("closed one direction");
    try_join((pair.near.end(), pair.far.receive_end())).await?;
    pair.notes.doing.set("one direction is closed, 64 KiB passed in the other");
    try_join((pair.far.send(0, 64 * 1024), pair.near.receive(0, 64 * 1024))).await?;
    pair.notes.doing.set("closed the other direction too");
    try_join((pair.far.end(), pair.near.receive_end())).await?;
    Ok(())
}

pub(super) async fn second_close(mut pair: Pair) -> Check {
    pair.notes.doing.set("closed twice");
    let near = &mut pair.near;
    let closing = async {
        near.end().await?;
        near.end().await
    };
    try_join((closing, pair.far.receive_end())).await?;
    Ok(())
}

pub(super) async fn write_after_close(mut pair: Pair) -> Check {
    pair.notes.doing.set("wrote after its own close");
    pair.near.end().await?;
    match write_and_flush(&mut pair.near).await {
        Ok(()) => Err("a write after the stream's own close is an Ok".to_owned()),
        Err(_) => pair.far.receive_end().await,
    }
}

/// A write that is too small to have to wait.
async fn write_and_flush(end: &mut End) -> std::io::Result<()> {
    if end.write(b"a few bytes").await? == 0 {
        return Err(ErrorKind::WriteZero.into());
    }
    end.flush().await
}

pub(super) async fn both_close(mut pair: Pair) -> Check {
    pair.notes.doing.set("closed both ends at once");
    let close = async |end: &mut End| {
        end.end().await?;
        end.receive_end().await
    };
    try_join((close(&mut pair.near), close(&mut pair.far))).await?;
    Ok(())
}

pub(super) async fn close_wakes_a_reader(mut pair: Pair) -> Check {
    let watch = Watch::default();
    pair.far.park(&watch, pair.patience).await?;
    pair.notes.doing.set("a reader waits, and the peer has closed");
    pair.near.end().await?;
    watch.woken().await;
    pair.far.receive_end().await
}

pub(super) async fn drop_is_the_end(pair: Pair) -> Check {
    let Pair { mut near, mut far, notes, .. } = pair;
    notes.doing.set("100 bytes were read of a peer that was dropped after its flush");
    let writing = async move {
        near.send(0, 100).await?;
        drop(near);
        Ok(())
    };
    let (_, count) = try_join((writing, far.receive_all(0))).await?;
    all_of(count, 100)
}

pub(super) async fn drop_wakes_a_reader(pair: Pair) -> Check {
    let Pair { near, mut far, notes, patience } = pair;
    let watch = Watch::default();
    far.park(&watch, patience).await?;
    notes.doing.set("a reader waits, and the peer was dropped");
    drop(near);
    watch.woken().await;
    match far.read(&mut [0; 16]).await {
        Ok(0) | Err(_) => Ok(()),
        Ok(more) => Err(format!("{more} bytes came of a peer that wrote none")),
    }
}

pub(super) async fn drop_wakes_a_writer(pair: Pair) -> Check {
    let Pair { mut near, far, notes, patience } = pair;
    let watch = Watch::default();
    notes.doing.set("wrote until it had to wait");
    near.fill(&watch, patience).await?;
    notes.doing.set("a writer waits, and the peer was dropped");
    drop(far);
    watch.woken().await;
    until_it_fails(&mut near).await.map(|_| ())
}

/// How many writes to a peer that is gone may be taken before one fails. Arbitrary: a socket takes one or two.
const MOST_WRITES: usize = 1_000;

/// Writes until it fails: with what.
async fn until_it_fails(end: &mut End) -> Check<ErrorKind> {
    for round in 0..MOST_WRITES {
        if let Err(error) = write_and_flush(end).await {
            return Ok(error.kind());
        }
        // Over a network it takes a while until the news is here.
        if round > 2 {
            sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    Err(format!("{MOST_WRITES} writes to a peer that is gone went well"))
}

pub(super) async fn write_to_nobody(pair: Pair) -> Check {
    let Pair { mut near, far, notes, .. } = pair;
    notes.doing.set("wrote to a peer that was dropped");
    drop(far);
    until_it_fails(&mut near).await.map(|_| ())
}

pub(super) async fn kind_of_error(pair: Pair) -> Check {
    let Pair { mut near, far, notes, .. } = pair;
    notes.doing.set("wrote to a peer that was dropped");
    drop(far);
    match until_it_fails(&mut near).await? {
        ErrorKind::BrokenPipe
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::NotConnected
        | ErrorKind::WriteZero => Ok(()),
        other => Err(format!("a write to a peer that is gone fails with {other:?}")),
    }
}

/// Neither a panic, nor a wait, nor life after death.
pub(super) async fn stays_broken(pair: Pair) -> Check {
    let Pair { mut near, far, notes, .. } = pair;
    notes.doing.set("wrote to a peer that was dropped");
    drop(far);
    until_it_fails(&mut near).await?;
    for _ in 0..3 {
        notes.doing.set("wrote after a write had failed");
        if write_and_flush(&mut near).await.is_ok() {
            return Err("a write went well after one had failed for good".to_owned());
        }
        notes.doing.set("read after a write had failed");
        if let Ok(more @ 1..) = near.read(&mut [0; 16]).await {
            return Err(format!("{more} bytes came of a peer that wrote none"));
        }
    }
    notes.doing.set("closed after a write had failed");
    // It may say so, or not.
    let watch = Watch::default();
    for _ in 0..100 {
        let closing = watch.poll(|cx| crate::io::AsyncWrite::poll_close(std::pin::Pin::new(&mut near), cx));
        if closing.is_ready() {
            return Ok(());
        }
        watch.woken().await;
        yield_now().await;
    }
    Err("a close of a broken stream comes to no end".to_owned())
}
