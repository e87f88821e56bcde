//! Behaviours: what is written on one side is read on the other, once, in order, and nothing else.

use std::io::{IoSlice, IoSliceMut};

use super::pair::{CHUNK, Check, Pair};
use crate::io::{AsyncReadExt, AsyncWriteExt, split};
use crate::task::try_join;

pub(super) async fn in_order(mut pair: Pair) -> Check {
    pair.notes.doing.set("64 KiB passed in pieces of up to 3,000 bytes");
    let (sending, receiving) = (pair.near.send_pieces(0, CHUNK, 3_000), pair.far.receive_pieces(0, CHUNK, 2_000));
    try_join((sending, receiving)).await?;
    Ok(())
}

pub(super) async fn one_at_a_time(mut pair: Pair) -> Check {
    pair.notes.doing.set("300 bytes passed one at a time");
    try_join((pair.near.send_pieces(0, 300, 1), pair.far.receive_pieces(0, 300, 1))).await?;
    Ok(())
}

pub(super) async fn large(mut pair: Pair) -> Check {
    pair.notes.doing.set("a mebibyte passed");
    pair.pass(0, 1024 * 1024).await
}

pub(super) async fn many_small(mut pair: Pair) -> Check {
    pair.notes.doing.set("4,000 bytes passed in writes of up to 7");
    try_join((pair.near.send_pieces(0, 4_000, 7), pair.far.receive(0, 4_000))).await?;
    Ok(())
}

/// If both wrote first and read then, they would wait for each other. The halves belong to one task here, so that a
/// stream that keeps one waker for both directions gets away with it: `both_wait` looks at that.
pub(super) async fn both_directions(pair: Pair) -> Check {
    const COUNT: usize = 256 * 1024;
    pair.notes.doing.set("256 KiB passed in each direction at once");
    let ends = [pair.near, pair.far].map(|end| (end.notes.clone(), split(end)));
    let [(notes, (mut near_in, mut near_out)), (_, (mut far_in, mut far_out))] = ends;
    let send = async |out: &mut crate::io::WriteHalf<_>, from: usize| -> Check {
        let mut at = 0;
        while at < COUNT {
            let piece = notes.bytes(from + at, notes.size(CHUNK).min(COUNT - at));
            out.write_all(piece).await.map_err(|error| notes.error(error))?;
            at += piece.len();
        }
        out.flush().await.map_err(|error| notes.error(error))
    };
    let receive = async |input: &mut crate::io::ReadHalf<_>, from: usize| -> Check {
        let (mut buffer, mut at) = (vec![0; CHUNK], 0);
        while at < COUNT {
            let room = CHUNK.min(COUNT - at);
            let read = input.read(&mut buffer[..room]).await.map_err(|error| notes.error(error))?;
            if read == 0 || buffer[..read] != *notes.bytes(from + at, read) {
                return Err(format!("other bytes came than were sent, or the end, after {at}"));
            }
            at += read;
        }
        Ok(())
    };
    let there = (send(&mut near_out, 0), receive(&mut far_in, 0));
    let back = (send(&mut far_out, 7), receive(&mut near_in, 7));
    try_join((there.0, there.1, back.0, back.1)).await?;
    Ok(())
}

pub(super) async fn question_and_answer(mut pair: Pair) -> Check {
    pair.notes.doing.set("a hundred questions were answered");
    let asking = async {
        for n in 0..100 {
            pair.near.send(n, 5).await?;
            pair.near.receive(n + 50, 5).await?;
        }
        Check::Ok(())
    };
    let answering = async {
        for n in 0..100 {
            pair.far.receive(n, 5).await?;
            pair.far.send(n + 50, 5).await?;
        }
        Check::Ok(())
    };
    try_join((asking, answering)).await?;
    Ok(())
}

pub(super) async fn vectored_writes(mut pair: Pair) -> Check {
    const COUNT: usize = 4_000;
    pair.notes.doing.set("vectored writes, empty buffers among them, were read");
    let notes = pair.notes.clone();
    let near = &mut pair.near;
    let writing = async {
        let mut at = 0;
        while at < COUNT {
            let rest = notes.bytes(at, COUNT - at);
            let (one, other) = rest.split_at(rest.len().min(notes.size(5)));
            let (other, third) = other.split_at(other.len().min(notes.size(200)));
            let buffers =
                [IoSlice::new(&[]), IoSlice::new(one), IoSlice::new(&[]), IoSlice::new(other), IoSlice::new(third)];
            let written = near.write_vectored(&buffers).await.map_err(|error| notes.error(error))?;
            if written == 0 {
                return Err(format!("a vectored write of {} bytes took none", rest.len()));
            }
            at += written;
        }
        near.flush().await.map_err(|error| notes.error(error))
    };
    try_join((writing, pair.far.receive(0, COUNT))).await?;
    Ok(())
}

pub(super) async fn vectored_reads(mut pair: Pair) -> Check {
    const COUNT: usize = 4_000;
    pair.notes.doing.set("vectored reads, into empty buffers too, gave what was written");
    let notes = pair.notes.clone();
    let far = &mut pair.far;
    let reading = async {
        let mut at = 0;
        while at < COUNT {
            let (mut one, mut other) = (vec![0; notes.size(4)], vec![0; notes.size(300).min(COUNT - at)]);
            one.truncate(COUNT - at);
            other.truncate(COUNT - at - one.len());
            let buffers = &mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
            let read = std::future::poll_fn(|cx| {
                let far = std::pin::Pin::new(&mut *far);
                crate::io::AsyncRead::poll_read_vectored(far, cx, buffers)
            });
            let read = read.await.map_err(|error| notes.error(error))?;
            if read == 0 {
                return Err(format!("the end came after {at} of {COUNT} bytes"));
            }
            one.extend_from_slice(&other);
            far.compare(at, &one[..read])?;
            at += read;
        }
        Ok(())
    };
    try_join((pair.near.send(0, COUNT), reading)).await?;
    Ok(())
}

pub(super) async fn flush(mut pair: Pair) -> Check {
    pair.notes.doing.set("ten bytes were written and flushed, and then nothing else was done with that end");
    pair.pass(0, 10).await
}

/// Neither waits nor takes anything.
pub(super) async fn empty_read(mut pair: Pair) -> Check {
    pair.notes.doing.set("read into an empty buffer, with nothing there");
    read_nothing(&mut pair).await?;
    pair.pass(0, 5).await?;
    pair.notes.doing.set("read into an empty buffer, with something there");
    let far = &mut pair.far;
    let notes = pair.notes.clone();
    let receiving = async {
        far.receive(5, 1).await?;
        match far.read(&mut []).await.map_err(|error| notes.error(error))? {
            0 => far.receive(6, 4).await,
            more => Err(format!("a read into an empty buffer gave {more} bytes")),
        }
    };
    try_join((pair.near.send(5, 5), receiving)).await?;
    Ok(())
}

async fn read_nothing(pair: &mut Pair) -> Check {
    match pair.far.read(&mut []).await.map_err(|error| pair.notes.error(error))? {
        0 => Ok(()),
        more => Err(format!("a read into an empty buffer gave {more} bytes")),
    }
}

/// It is not the end, and nothing comes of it.
pub(super) async fn empty_write(mut pair: Pair) -> Check {
    pair.notes.doing.set("wrote nothing");
    for round in 0..3 {
        match pair.near.write(&[]).await.map_err(|error| pair.notes.error(error))? {
            0 => pair.pass(round * 5, 5).await?,
            more => return Err(format!("a write of nothing took {more} bytes")),
        }
    }
    try_join((pair.near.end(), pair.far.receive_end())).await?;
    Ok(())
}
