//! `pipe` and `duplex`: streams in memory.

use std::cell::Cell;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use coracle::io::{AsyncReadExt, AsyncWriteExt, PipeReader, PipeWriter, duplex, pipe};

use super::{bytes, drive};
use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

fn write(writer: &mut PipeWriter, bytes: &[u8]) -> Option<Result<usize, ErrorKind>> {
    match poll_once(&mut writer.write(bytes)) {
        Poll::Ready(written) => Some(written.map_err(|error| error.kind())),
        Poll::Pending => None,
    }
}

/// What there is to read, at most so much. `None`: it waits.
fn read(reader: &mut PipeReader, most: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; most];
    match poll_once(&mut reader.read(&mut buffer)) {
        Poll::Ready(count) => {
            buffer.truncate(count.unwrap());
            Some(buffer)
        }
        Poll::Pending => None,
    }
}

#[test]
fn a_pipe_holds_its_capacity_and_no_more() {
    let (mut reader, mut writer) = pipe(4);
    assert_eq!(read(&mut reader, 8), None);
    assert_eq!(write(&mut writer, b"abc"), Some(Ok(3)));
    assert_eq!(write(&mut writer, b"def"), Some(Ok(1)));
    assert_eq!(write(&mut writer, b"ef"), None);
    assert_eq!(read(&mut reader, 2), Some(b"ab".to_vec()));
    assert_eq!(write(&mut writer, b"ef"), Some(Ok(2)));
    assert_eq!(read(&mut reader, 8), Some(b"cdef".to_vec()));
    assert_eq!(read(&mut reader, 8), None);
}

#[test]
fn nothing_moves_at_once_and_without_waiting() {
    for capacity in [0, 1] {
        let (mut reader, mut writer) = pipe(capacity);
        assert_eq!((read(&mut reader, 0), write(&mut writer, b"")), (Some(vec![]), Some(Ok(0))));
        drop(reader);
        assert_eq!(write(&mut writer, b""), Some(Ok(0)));
    }
}

#[test]
fn the_reader_reads_what_is_left_then_the_end() {
    let (mut reader, mut writer) = pipe(8);
    write(&mut writer, b"left");
    drop(writer);
    assert_eq!(read(&mut reader, 3), Some(b"lef".to_vec()));
    assert_eq!(read(&mut reader, 3), Some(b"t".to_vec()));
    assert_eq!(read(&mut reader, 3), Some(vec![]));
    assert_eq!(read(&mut reader, 3), Some(vec![]), "the end stays the end");
}

#[test]
fn closing_is_the_end_too_and_closing_twice_is_no_error() {
    let (mut reader, mut writer) = pipe(8);
    write(&mut writer, b"x");
    drive(&mut writer.close()).0.unwrap();
    drive(&mut writer.close()).0.unwrap();
    drive(&mut writer.flush()).0.unwrap();
    assert_eq!(write(&mut writer, b"y"), Some(Err(ErrorKind::BrokenPipe)));
    assert_eq!((read(&mut reader, 8), read(&mut reader, 8)), (Some(b"x".to_vec()), Some(vec![])));
}

#[test]
fn without_a_reader_writing_is_an_error() {
    let (reader, mut writer) = pipe(8);
    write(&mut writer, b"gone");
    drop(reader);
    assert_eq!(write(&mut writer, b"x"), Some(Err(ErrorKind::BrokenPipe)));
}

/// Each event wakes the one who waits for it, once.
#[test]
fn the_one_who_waits_is_woken() {
    let waits_to_read = |then: &dyn Fn(PipeWriter), expected: &[u8]| {
        let (mut reader, writer) = pipe(2);
        let (counting, waker) = CountingWaker::new();
        let mut buffer = [0; 8];
        assert!(poll_with(&mut reader.read(&mut buffer), &waker).is_pending());
        then(writer);
        assert_eq!(counting.wakes(), 1);
        assert_eq!(read(&mut reader, 8).unwrap(), expected);
    };
    waits_to_read(&|mut writer| assert_eq!(write(&mut writer, b"xyz"), Some(Ok(2))), b"xy");
    waits_to_read(&|mut writer| drive(&mut writer.close()).0.unwrap(), b"");
    waits_to_read(&drop, b"");

    let waits_to_write = |then: &dyn Fn(PipeReader) -> Option<PipeReader>, expected| {
        let (reader, mut writer) = pipe(2);
        write(&mut writer, b"ab");
        let (counting, waker) = CountingWaker::new();
        assert!(poll_with(&mut writer.write(b"c"), &waker).is_pending());
        let _reader = then(reader);
        assert_eq!(counting.wakes(), 1);
        assert_eq!(write(&mut writer, b"c"), Some(expected));
    };
    let reads = |mut reader| {
        assert_eq!(read(&mut reader, 1), Some(b"a".to_vec()));
        Some(reader)
    };
    waits_to_write(&reads, Ok(1));
    waits_to_write(&|_| None, Err(ErrorKind::BrokenPipe));
}

/// A task that is polled with another waker is woken by that one (the last to poll counts).
#[test]
fn the_waker_of_the_last_poll_is_woken() {
    let (mut reader, mut writer) = pipe(2);
    let ((first, first_waker), (second, second_waker)) = (CountingWaker::new(), CountingWaker::new());
    for waker in [&first_waker, &second_waker, &second_waker] {
        assert!(poll_with(&mut reader.read(&mut [0; 1]), waker).is_pending());
    }
    write(&mut writer, b"x");
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    // Many reads that were given up leave nothing behind but the last waker.
    for _ in 0..1000 {
        let _ = poll_with(&mut reader.read(&mut [0; 1]), &second_waker);
    }
    drop((reader, writer));
    drop(second_waker);
    assert_eq!(std::sync::Arc::strong_count(&second), 1);
}

/// A capacity of 0: a write takes what the read that waits has room for, and no byte before one waits.
#[test]
fn without_capacity_the_writer_waits_for_its_reader() {
    let (mut reader, mut writer) = pipe(0);
    let (counting, waker) = CountingWaker::new();
    assert!(poll_with(&mut writer.write(b"abc"), &waker).is_pending());
    assert_eq!(read(&mut reader, 2), None);
    assert_eq!(counting.wakes(), 1, "asking makes room");
    assert_eq!(write(&mut writer, b"abc"), Some(Ok(2)));
    assert_eq!(write(&mut writer, b"c"), None, "nobody waits now");
    // The read that asked was given up; the bytes wait for the next one.
    assert_eq!(read(&mut reader, 8), Some(b"ab".to_vec()));
    assert_eq!(write(&mut writer, b"c"), None);
    drop(writer);
    assert_eq!(read(&mut reader, 8), Some(vec![]));
    coracle::block_on(async {
        let (mut reader, mut writer) = pipe(0);
        let writing = coracle::spawn(async move { writer.write_all(&bytes(1000)).await });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        writing.await.unwrap().unwrap();
        assert_eq!(all, bytes(1000));
    });
}

#[test]
fn without_a_bound_writing_never_waits_and_allocates_as_it_goes() {
    let (mut reader, mut writer) = pipe(usize::MAX);
    for _ in 0..10 {
        assert_eq!(write(&mut writer, &bytes(10_000)), Some(Ok(10_000)));
    }
    assert_eq!(read(&mut reader, 200_000).unwrap().len(), 100_000);
}

/// Cancel-safe: a read or write that is dropped has moved nothing.
#[test]
fn dropped_anywhere_no_byte_is_lost_or_doubled() {
    for capacity in [0, 1, 3] {
        let reads = cut_at_every_poll(|cut| {
            coracle::block_on(async {
                let (mut reader, mut writer) = pipe(capacity);
                let writing = coracle::spawn(async move { writer.write_all(b"abcdef").await });
                let (mut buffer, mut all) = ([0; 4], Vec::new());
                let count = cut.at(reader.read(&mut buffer)).await.map_or(0, Result::unwrap);
                all.extend_from_slice(&buffer[..count]);
                reader.read_to_end(&mut all).await.unwrap();
                assert_eq!(all, b"abcdef");
                writing.await.unwrap().unwrap();
            });
        });
        let writes = cut_at_every_poll(|cut| {
            coracle::block_on(async {
                let (mut reader, mut writer) = pipe(capacity);
                let reading = coracle::spawn(async move {
                    let mut all = Vec::new();
                    reader.read_to_end(&mut all).await.unwrap();
                    all
                });
                let count = cut.at(writer.write(b"abcdef")).await.map_or(0, Result::unwrap);
                writer.write_all(&b"abcdef"[count..]).await.unwrap();
                drop(writer);
                assert_eq!(reading.await.unwrap(), b"abcdef");
            });
        });
        assert!(reads >= 2 && (writes >= 2 || capacity > 0), "capacity {capacity}: {reads} {writes}");
    }
}

/// One that always finds something lets others go first.
#[test]
fn a_busy_pipe_lets_others_go_first() {
    coracle::block_on(async {
        let (mut reader, mut writer) = pipe(usize::MAX);
        writer.write_all(&[1; 1000]).await.unwrap();
        let reading = coracle::spawn(async move {
            for _ in 0..1000 {
                reader.read_array::<1>().await.unwrap();
            }
        });
        let mut turns = 0;
        while !reading.is_finished() {
            coracle::task::yield_now().await;
            turns += 1;
        }
        assert!((5..50).contains(&turns), "{turns}");
    });
}

#[test]
fn a_task_says_that_it_waits_in_a_pipe_and_where_that_was_made() {
    let runtime = coracle::Runtime::new();
    let (mut reader, mut writer) = duplex(1);
    let reading = runtime.spawn(async move { reader.read(&mut [0; 1]).await });
    let writing = runtime.spawn(async move { writer.write_all(b"ab").await });
    runtime.turn(coracle::Budget::no_wait()).unwrap();
    runtime.turn(coracle::Budget::no_wait()).unwrap();
    let snapshot = runtime.inspect();
    let waits: Vec<_> = snapshot.tasks.iter().filter_map(|task| task.wait).collect();
    assert!(waits.iter().all(|wait| wait.at.file().ends_with("pipes.rs")), "{waits:?}");
    let reasons: Vec<_> = waits.iter().map(|wait| wait.reason.to_string()).collect();
    assert_eq!(reasons, ["room in a pipe"], "the reader has its byte and is done");
    drop((reading, writing));
}

#[test]
fn two_streams_are_each_others_peers() {
    let (mut first, mut second) = duplex(4);
    drive(&mut first.write_all(b"ping")).0.unwrap();
    drive(&mut second.write_all(b"pong")).0.unwrap();
    assert_eq!(drive(&mut second.read_array()).0.unwrap(), *b"ping");
    assert_eq!(drive(&mut first.read_array()).0.unwrap(), *b"pong");
    // A half close: the other direction goes on.
    drive(&mut first.close()).0.unwrap();
    assert_eq!(drive(&mut second.read(&mut [0; 4])).0.unwrap(), 0);
    drive(&mut second.write_all(b"last")).0.unwrap();
    drop(second);
    assert_eq!(drive(&mut first.read_array()).0.unwrap(), *b"last");
    assert_eq!(drive(&mut first.read(&mut [0; 4])).0.unwrap(), 0);
    let (mut first, second) = duplex(4);
    drop(second);
    assert_eq!(drive(&mut first.write(b"x")).0.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(drive(&mut first.read(&mut [0; 4])).0.unwrap(), 0);
}

/// A waker whose clone runs code of somebody else's; it counts its wakes.
struct OddWaker {
    on_clone: Box<dyn Fn()>,
    wakes: Cell<usize>,
}

impl OddWaker {
    fn waker(self: Rc<OddWaker>) -> Waker {
        // SAFETY: the table does as `RawWaker` demands, but for threads; this one never leaves its own.
        unsafe { Waker::from_raw(OddWaker::raw(self)) }
    }

    fn raw(self: Rc<OddWaker>) -> RawWaker {
        static TABLE: RawWakerVTable = RawWakerVTable::new(
            |data| {
                let odd = OddWaker::of(data);
                (odd.on_clone)();
                OddWaker::raw(odd)
            },
            |data| {
                let odd = OddWaker::of(data);
                odd.wakes.set(odd.wakes.get() + 1);
                OddWaker::drop(data);
            },
            |data| {
                let odd = OddWaker::of(data);
                odd.wakes.set(odd.wakes.get() + 1);
            },
            OddWaker::drop,
        );
        RawWaker::new(Rc::into_raw(self).cast(), &TABLE)
    }

    fn of(data: *const ()) -> Rc<OddWaker> {
        // SAFETY: it came from `Rc::into_raw` of this type, and stays alive: it is not dropped here.
        let odd = std::mem::ManuallyDrop::new(unsafe { Rc::from_raw(data.cast::<OddWaker>()) });
        Rc::clone(&odd)
    }

    fn drop(data: *const ()) {
        // SAFETY: it came from `Rc::into_raw` of this type, and this is its owner's end.
        drop(unsafe { Rc::from_raw(data.cast::<OddWaker>()) });
    }
}

/// Code that runs while a waker is cloned may fill the pipe, empty it, or end it: that must not be overlooked.
#[test]
fn what_happens_while_the_waker_is_cloned_is_not_overlooked() {
    let polls_until_woken = |on_clone: Box<dyn Fn()>, poll: &mut dyn FnMut(&mut Context<'_>) -> bool| {
        let odd = Rc::new(OddWaker { on_clone, wakes: Cell::new(0) });
        let waker = odd.clone().waker();
        assert!(!poll(&mut Context::from_waker(&waker)));
        assert_eq!(odd.wakes.get(), 1, "it is to look again");
        assert!(poll(&mut Context::from_waker(&waker)));
    };
    let ends: [fn(PipeWriter) -> Option<PipeWriter>; 2] = [
        |_| None,
        |mut writer| {
            write(&mut writer, b"x");
            Some(writer)
        },
    ];
    for end in ends {
        let (mut reader, writer) = pipe(2);
        let writer = Rc::new(Cell::new(Some(writer)));
        let on_clone = Box::new(move || writer.set(writer.take().and_then(end)));
        polls_until_woken(on_clone, &mut |cx| Pin::new(&mut reader.read(&mut [0; 2])).poll(cx).is_ready());
    }
    let ends: [fn(PipeReader) -> Option<PipeReader>; 2] = [
        |_| None,
        |mut reader| {
            read(&mut reader, 1);
            Some(reader)
        },
    ];
    for end in ends {
        let (reader, mut writer) = pipe(2);
        write(&mut writer, b"ab");
        let reader = Rc::new(Cell::new(Some(reader)));
        let on_clone = Box::new(move || reader.set(reader.take().and_then(end)));
        polls_until_woken(on_clone, &mut |cx| Pin::new(&mut writer.write(b"c")).poll(cx).is_ready());
    }
}
