//! Behaviours: whoever waits is woken when he can go on, with the waker that he left last, and is left alone until
//! then.

use std::task::Poll;

use super::pair::{Check, Pair, Watch};
use crate::io::{AsyncReadExt, split};
use crate::task::{try_join, yield_now};
use crate::time::sleep;

pub(super) async fn bytes_wake_a_reader(mut pair: Pair) -> Check {
    for round in 0..3 {
        let watch = Watch::default();
        pair.notes.doing.set("left a reader waiting");
        pair.far.park(&watch, pair.patience).await?;
        pair.notes.doing.set("a reader waits, and the peer has written");
        woken_by_bytes(&mut pair, &watch, round * 5).await?;
    }
    Ok(())
}

/// The far end's reader waits with this waker.
async fn woken_by_bytes(pair: &mut Pair, watch: &Watch, from: usize) -> Check {
    let far = &mut pair.far;
    let reading = async {
        watch.woken().await;
        far.receive(from, 5).await
    };
    try_join((pair.near.send(from, 5), reading)).await?;
    Ok(())
}

/// A task may be polled with another waker each time; the last one counts.
pub(super) async fn last_waker_of_a_reader(mut pair: Pair) -> Check {
    let (old, new) = (Watch::default(), Watch::default());
    pair.notes.doing.set("left a reader waiting");
    pair.far.park(&old, pair.patience).await?;
    pair.far.park(&new, pair.patience).await?;
    pair.notes.doing.set("a reader waits with its second waker, and the peer has written");
    woken_by_bytes(&mut pair, &new, 0).await
}

pub(super) async fn last_waker_of_a_writer(mut pair: Pair) -> Check {
    let (old, new) = (Watch::default(), Watch::default());
    pair.notes.doing.set("wrote without a reader");
    let taken = pair.near.fill(&old, pair.patience).await?;
    match pair.near.poll_write_with(&new, pair.notes.bytes(taken, 10)) {
        Poll::Pending => {}
        // There was room after all, on a slow link.
        Poll::Ready(result) => return result.map(|_| ()).map_err(|error| pair.notes.error(error)),
    }
    pair.notes.doing.set("a writer waits with its second waker, and the other end reads");
    let near = &mut pair.near;
    let writing = async {
        new.woken().await;
        near.send(taken, 10).await
    };
    try_join((writing, pair.far.receive(0, taken + 10))).await?;
    Ok(())
}

/// At one end a reader and a writer wait, with a waker each. Each is woken for what concerns it.
pub(super) async fn both_wait(mut pair: Pair) -> Check {
    let (reader, writer) = (Watch::default(), Watch::default());
    pair.notes.doing.set("a writer and a reader wait at one end");
    let taken = pair.near.fill(&writer, pair.patience).await?;
    pair.near.park(&reader, pair.patience).await?;
    pair.notes.doing.set("a writer and a reader wait at one end, and the peer has written");
    let Pair { near, mut far, notes, .. } = pair;
    let (mut near_in, mut near_out) = split(near);
    let mut buffer = [0; 5];
    let reading = async {
        reader.woken().await;
        near_in.read_exact(&mut buffer).await.map_err(|error| notes.error(error))
    };
    try_join((far.send(0, 5), reading)).await?;
    notes.doing.set("a writer waits beside a reader that has got its bytes, and the peer reads");
    let writing = async {
        writer.woken().await;
        let more = notes.bytes(taken, 10);
        crate::io::AsyncWriteExt::write_all(&mut near_out, more).await.map_err(|error| notes.error(error))?;
        crate::io::AsyncWriteExt::flush(&mut near_out).await.map_err(|error| notes.error(error))
    };
    try_join((writing, far.receive(0, taken + 10))).await?;
    Ok(())
}

pub(super) async fn quiet_reader(mut pair: Pair) -> Check {
    pair.notes.doing.set("a reader waits for nothing");
    pair.far.park(&Watch::default(), pair.patience).await?;
    sleep(pair.patience).await;
    Ok(())
}

pub(super) async fn quiet_writer(mut pair: Pair) -> Check {
    pair.notes.doing.set("a writer waits for nothing");
    pair.near.fill(&Watch::default(), pair.patience).await?;
    sleep(pair.patience).await;
    Ok(())
}

/// As when a task waits for several things, and another of them happens again and again.
pub(super) async fn needless_polls(mut pair: Pair) -> Check {
    let watch = Watch::default();
    pair.notes.doing.set("a reader that waits was polled a hundred times without need");
    pair.far.park(&watch, pair.patience).await?;
    for _ in 0..100 {
        if let Poll::Ready(result) = pair.far.poll_read_with(&watch, &mut [0; 16]) {
            return Err(format!("a read with nothing there gave {result:?}"));
        }
        yield_now().await;
    }
    woken_by_bytes(&mut pair, &watch, 0).await
}
