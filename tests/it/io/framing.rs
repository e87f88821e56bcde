//! `FrameReader` and `FrameWriter`: messages behind their length, whole or not at all.

use std::io::ErrorKind;
use std::task::Poll;

use coracle::io::{AsyncRead, BufReader, BufWriter, FrameReader, FrameWriter, LengthPrefix, TooLong, duplex, split};

use super::{Say, Scripted, all_cuts, bytes, drive, in_pieces, slow, with_a_new_future_each_poll};
use crate::support::{cut_at_every_poll, poll_once, poll_with};

const PREFIXES: [LengthPrefix; 7] = [
    LengthPrefix::U8,
    LengthPrefix::U16Be,
    LengthPrefix::U16Le,
    LengthPrefix::U32Be,
    LengthPrefix::U32Le,
    LengthPrefix::U64Be,
    LengthPrefix::U64Le,
];

/// The next frame, by a new future at each poll.
fn next<R: AsyncRead + Unpin>(frames: &mut FrameReader<R>) -> Option<Result<Vec<u8>, ErrorKind>> {
    let frame = with_a_new_future_each_poll(|waker| poll_with(&mut frames.next(), waker));
    frame.map(|frame| frame.map_err(|error| error.kind()))
}

#[test]
fn the_prefix_is_as_wide_and_in_the_order_that_it_says() {
    let expected: [&[u8]; 7] = [
        b"\x03abc",
        b"\0\x03abc",
        b"\x03\0abc",
        b"\0\0\0\x03abc",
        b"\x03\0\0\0abc",
        b"\0\0\0\0\0\0\0\x03abc",
        b"\x03\0\0\0\0\0\0\0abc",
    ];
    for (prefix, expected) in PREFIXES.into_iter().zip(expected) {
        let mut frames = FrameWriter::new(Vec::new(), prefix, 1000);
        drive(&mut frames.send(b"abc")).0.unwrap();
        assert_eq!(frames.get_ref(), expected);
        assert_eq!(prefix.width(), expected.len() - 3);
        // All bytes of the length count, not only the last.
        let length = if prefix == LengthPrefix::U8 { 0xAB } else { 0x02AB };
        let mut frames = FrameWriter::new(Vec::new(), prefix, usize::MAX);
        drive(&mut frames.send(&bytes(length))).0.unwrap();
        let stream = frames.into_parts().0;
        assert_eq!(next(&mut FrameReader::new(&stream[..], prefix, usize::MAX)), Some(Ok(bytes(length))));
    }
}

#[test]
fn frames_come_whole_whatever_the_pieces() {
    for pieces in all_cuts(12) {
        let source = Scripted::new(in_pieces(&pieces), b"\0\x03abc\0\0\0\x03def");
        let mut frames = FrameReader::new(source, LengthPrefix::U16Be, 3);
        for expected in [&b"abc"[..], b"", b"def"] {
            assert_eq!(next(&mut frames), Some(Ok(expected.to_vec())), "pieces {pieces:?}");
        }
        assert_eq!(next(&mut frames), None);
        assert_eq!(next(&mut frames), None, "the end stays the end");
    }
}

/// It reads not a byte more than the frame it is at: what follows may be something else.
#[test]
fn what_follows_a_frame_stays_with_the_reader() {
    let mut frames = FrameReader::new(Scripted::new([], b"\x02abrest"), LengthPrefix::U8, 8);
    assert_eq!(next(&mut frames), Some(Ok(b"ab".to_vec())));
    let (reader, taken) = frames.into_parts();
    assert_eq!((Vec::from(reader.source), taken), (b"rest".to_vec(), vec![]));
}

#[test]
fn the_end_in_a_frame_is_an_error_and_keeps_what_came() {
    const STREAM: &[u8] = b"\0\x01a\0\x04bcde";
    for length in 0..STREAM.len() {
        let mut frames = FrameReader::new(Scripted::new(slow(1), &STREAM[..length]), LengthPrefix::U16Be, 100);
        let first = if length >= 3 { next(&mut frames) } else { None };
        assert_eq!(first, (length >= 3).then(|| Ok(b"a".to_vec())));
        let whole = length == 0 || length == 3;
        for _ in 0..2 {
            assert_eq!(next(&mut frames), if whole { None } else { Some(Err(ErrorKind::UnexpectedEof)) });
        }
        let begun = if length >= 3 { 3 } else { 0 };
        assert_eq!(frames.into_parts().1, STREAM[begun..length], "cut at {length}");
    }
}

/// A peer that announces much must not make us allocate it, nor wait for it.
#[test]
fn a_frame_that_is_too_long_is_refused_before_it_comes() {
    for (prefix, stream) in [
        (LengthPrefix::U8, &b"\x05"[..]),
        (LengthPrefix::U32Be, b"\0\0\0\x05"),
        (LengthPrefix::U32Be, b"\xFF\xFF\xFF\xFF"),
        (LengthPrefix::U64Le, b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
    ] {
        let mut frames = FrameReader::new(Scripted::new([], stream), prefix, 4);
        for _ in 0..2 {
            let error = drive(&mut frames.next()).0.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let what = error.get_ref().unwrap().downcast_ref::<TooLong>().unwrap();
            assert_eq!(*what, TooLong { what: "a frame", limit: 4 });
        }
        assert_eq!(frames.into_parts().1, stream, "the prefix is not lost");
    }
    // Within the limit, but only announced.
    let mut frames = FrameReader::new(Scripted::new([], &[0xFE; 20]), LengthPrefix::U64Le, usize::MAX);
    assert_eq!(next(&mut frames), Some(Err(ErrorKind::UnexpectedEof)));
    assert!(frames.into_parts().1.capacity() < 10_000);
}

#[test]
fn a_limit_of_zero_allows_empty_frames() {
    let mut frames = FrameReader::new(&b"\0\0\x01x"[..], LengthPrefix::U8, 0);
    assert_eq!([next(&mut frames), next(&mut frames)], [Some(Ok(vec![])), Some(Ok(vec![]))]);
    assert_eq!(next(&mut frames), Some(Err(ErrorKind::InvalidData)));
    let mut frames = FrameWriter::new(Vec::new(), LengthPrefix::U8, 0);
    drive(&mut frames.send(b"")).0.unwrap();
    assert_eq!(drive(&mut frames.send(b"x")).0.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(frames.get_ref(), b"\0");
}

#[test]
fn an_error_of_the_reader_keeps_what_came() {
    for at in 1..=5 {
        let script = [Say::Pending, Say::AtMost(1)].repeat(at).into_iter().chain([Say::Error(ErrorKind::TimedOut)]);
        let mut frames = FrameReader::new(Scripted::new(script, b"\0\x04abcd"), LengthPrefix::U16Be, 100);
        assert_eq!(next(&mut frames), Some(Err(ErrorKind::TimedOut)));
        assert_eq!(next(&mut frames), Some(Ok(b"abcd".to_vec())));
    }
}

/// The two vectors, the reader's and the caller's, are used by turns.
#[test]
fn frames_into_the_callers_memory_allocate_nothing_in_the_long_run() {
    let stream = b"\x03abc\x02de\x03fgh\x00\x01i";
    let mut frames = FrameReader::new(Scripted::new(slow(2), stream), LengthPrefix::U8, 8);
    let (mut frame, mut seen, mut places) = (Vec::new(), Vec::new(), Vec::new());
    while with_a_new_future_each_poll(|waker| poll_with(&mut frames.next_into(&mut frame), waker)).unwrap() {
        seen.push(frame.clone());
        places.push(frame.as_ptr());
    }
    assert_eq!(seen, [&b"abc"[..], b"de", b"fgh", b"", b"i"]);
    assert_eq!((places[2], places[3], places[4]), (places[0], places[1], places[0]));
    assert_eq!(frame, b"i", "at the end it is as it was");
}

#[test]
fn a_frame_goes_out_in_one_vectored_call() {
    let mut frames = FrameWriter::new(BufWriter::with_capacity(64, Scripted::default()), LengthPrefix::U32Be, 100);
    drive(&mut frames.send(b"one")).0.unwrap();
    drive(&mut frames.send(b"two")).0.unwrap();
    assert_eq!(frames.get_ref().buffer(), b"\0\0\0\x03one\0\0\0\x03two");
    drive(&mut frames.flush()).0.unwrap();
    let writer = frames.get_ref().get_ref();
    assert_eq!((writer.sink.len(), writer.flushed), (14, 14));
}

/// All frames that were begun, whole and in order, and no others.
fn frames_of(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = FrameReader::new(stream, LengthPrefix::U16Be, usize::MAX);
    std::iter::from_fn(|| drive(&mut frames.next()).0).map(|frame| frame.expect("the stream is torn")).collect()
}

/// The stream is never torn: a send that was given up is finished before anything else, or was never begun.
#[test]
fn dropped_anywhere_a_send_is_whole_or_nothing() {
    for room in 1..=7 {
        let (mut begun_and_dropped, mut polls) = (0, 0);
        loop {
            let mut frames = FrameWriter::new(Scripted::new(slow(room).take(30), b""), LengthPrefix::U16Be, 100);
            let mut sending = frames.send(b"first");
            let is_done = (0..polls).any(|_| poll_once(&mut sending).is_ready());
            let is_begun = sending.is_begun();
            begun_and_dropped += usize::from(is_begun && !is_done);
            assert_eq!(frames.get_ref().sink.len() + frames.unsent().len(), if is_begun { 7 } else { 0 });
            drive(&mut frames.send(b"second")).0.unwrap();
            drive(&mut frames.close()).0.unwrap();
            assert!(frames.get_ref().closed && frames.unsent().is_empty());
            let expected: &[&[u8]] = if is_begun { &[b"first", b"second"] } else { &[b"second"] };
            assert_eq!(frames_of(&frames.get_ref().sink), expected, "room {room}, dropped after {polls} polls");
            if is_done {
                break;
            }
            polls += 1;
        }
        assert!(begun_and_dropped > 0 || room >= 7, "room {room}");
    }
}

#[test]
fn a_frame_that_an_error_cut_is_finished_by_the_next_call() {
    for say in [Say::Error(ErrorKind::TimedOut), Say::AtMost(0)] {
        for room in 1..=6 {
            let script = [Say::AtMost(room), say];
            let mut frames = FrameWriter::new(Scripted::new(script, b""), LengthPrefix::U16Be, 100);
            // The default of a vectored write takes the prefix, then the payload: room for it may take two calls.
            let sent = drive(&mut frames.send(b"first")).0;
            assert!(sent.is_err());
            let (writer, rest) = (frames.get_ref().sink.clone(), frames.unsent().to_vec());
            assert_eq!([writer, rest].concat(), b"\0\x05first");
            drive(&mut frames.flush()).0.unwrap();
            assert_eq!((frames_of(&frames.get_ref().sink), frames.unsent().len()), (vec![b"first".to_vec()], 0));
            assert_eq!(frames.get_ref().flushed, 7);
        }
    }
}

#[test]
fn what_is_too_long_to_send_is_refused_before_a_byte_is_written() {
    let mut frames = FrameWriter::new(Scripted::default(), LengthPrefix::U16Be, 4);
    let error = drive(&mut frames.send(b"12345")).0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(frames.get_ref().calls, 0);
    drive(&mut frames.send(b"1234")).0.unwrap();
    let mut frames = FrameWriter::new(Vec::new(), LengthPrefix::U8, usize::MAX);
    assert!(drive(&mut frames.send(&[0; 256])).0.is_err(), "no length that the prefix cannot say");
}

#[test]
fn dropped_anywhere_next_flush_and_close_go_on_the_next_time() {
    let reader = || FrameReader::new(Scripted::new(slow(1), b"\0\x03abc\0\x01d"), LengthPrefix::U16Be, 9);
    let next = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut frames = reader();
            let frame = match cut.at(frames.next()).await {
                Some(frame) => frame,
                None => frames.next().await,
            };
            assert_eq!(frame.unwrap().unwrap(), b"abc");
            assert_eq!(frames.next().await.unwrap().unwrap(), b"d");
        });
    });
    let next_into = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut frames, mut frame) = (reader(), b"as it was".to_vec());
            if cut.at(frames.next_into(&mut frame)).await.is_none() {
                assert_eq!(frame, b"as it was");
                frames.next_into(&mut frame).await.unwrap();
            }
            assert_eq!(frame, b"abc");
        });
    });
    // A send that was begun and dropped leaves something to flush.
    let writer = || {
        let mut frames = FrameWriter::new(Scripted::new(slow(1).skip(1).take(12), b""), LengthPrefix::U16Be, 9);
        assert!(poll_once(&mut frames.send(b"abc")).is_pending());
        frames
    };
    let flush = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut frames = writer();
            cut.at(frames.flush()).await;
            frames.flush().await.unwrap();
            assert_eq!((&frames.get_ref().sink[..], frames.get_ref().flushed), (&b"\0\x03abc"[..], 5));
        });
    });
    let close = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut frames = writer();
            cut.at(frames.close()).await;
            frames.close().await.unwrap();
            assert_eq!((&frames.get_ref().sink[..], frames.get_ref().closed), (&b"\0\x03abc"[..], true));
        });
    });
    let send = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut frames = FrameWriter::new(Scripted::new(slow(1).take(12), b""), LengthPrefix::U16Be, 9);
            let is_sent = cut.at(frames.send(b"abc")).await.is_some();
            let is_begun = !frames.get_ref().sink.is_empty();
            assert!(is_begun || !is_sent);
            frames.flush().await.unwrap();
            assert_eq!(frames_of(&frames.get_ref().sink).len(), usize::from(is_begun));
        });
    });
    assert!(
        [next, next_into, flush, close, send].iter().all(|cuts| *cuts >= 8),
        "{next} {next_into} {flush} {close} {send}"
    );
}

#[test]
fn both_ways_over_one_stream() {
    coracle::block_on(async {
        let (client, server) = duplex(5);
        let serving = coracle::spawn(async move {
            let (reader, writer) = split(server);
            let mut requests = FrameReader::new(BufReader::new(reader), LengthPrefix::U32Le, 1000);
            let mut answers = FrameWriter::new(BufWriter::new(writer), LengthPrefix::U32Le, 1000);
            while let Some(request) = requests.next().await {
                answers.send(&request.unwrap().repeat(2)).await.unwrap();
                answers.flush().await.unwrap();
            }
            answers.close().await.unwrap();
        });
        let (reader, writer) = client.into_parts();
        let mut answers = FrameReader::new(reader, LengthPrefix::U32Le, 1000);
        let mut requests = FrameWriter::new(writer, LengthPrefix::U32Le, 1000);
        for length in [0, 1, 5, 400] {
            requests.send(&bytes(length)).await.unwrap();
            assert_eq!(answers.next().await.unwrap().unwrap(), bytes(length).repeat(2));
        }
        requests.close().await.unwrap();
        assert!(answers.next().await.is_none());
        serving.await.unwrap();
    });
}

#[test]
fn a_frame_is_pending_until_its_end_is_there() {
    let mut frames = FrameReader::new(Scripted::new(slow(3), b"\x04abcd"), LengthPrefix::U8, 8);
    let polls = (0..).take_while(|_| poll_once(&mut frames.next()).is_pending()).count();
    assert_eq!(polls, 3, "the prefix by itself, then two pieces");
    assert!(matches!(poll_once(&mut frames.next()), Poll::Pending | Poll::Ready(None)));
}
