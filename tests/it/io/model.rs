//! Against naive models: what went in, as one vector. Random pieces, pauses, errors and cancellations.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use coracle::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, Exact, FrameReader,
    FrameWriter, LengthPrefix, PipeReader, PipeWriter, copy, copy_buf, pipe,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Say, Scripted};
use crate::support::{CountingWaker, poll_once, poll_with};

/// What a reader does; it says the end only at the end.
fn reads() -> impl Strategy<Value = Vec<Say>> {
    let say = prop_oneof![
        6 => (1..7_usize).prop_map(Say::AtMost),
        4 => Just(Say::Pending),
        1 => Just(Say::Error(io::ErrorKind::TimedOut)),
    ];
    vec(say, 0..60)
}

/// What a writer does; it may also take nothing.
fn writes() -> impl Strategy<Value = Vec<Say>> {
    let say = prop_oneof![
        6 => (1..7_usize).prop_map(Say::AtMost),
        4 => Just(Say::Pending),
        1 => Just(Say::AtMost(0)),
        1 => Just(Say::Error(io::ErrorKind::TimedOut)),
    ];
    vec(say, 0..60)
}

/// Polls so many times at most, then drops it.
fn poll_some<F: Future + Unpin>(mut future: F, polls: usize) -> Poll<F::Output> {
    for _ in 0..polls {
        if let Poll::Ready(output) = poll_once(&mut future) {
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

#[derive(Clone, Debug)]
enum Reading {
    Read(usize),
    Fill,
    Consume(usize),
    Until(u8),
    Line,
    Skip(u8),
    Peek(usize),
    Exact(usize),
}

fn reading() -> impl Strategy<Value = (Reading, usize)> {
    let delimiter = prop_oneof![Just(b'a'), Just(b'\n')];
    let reading = prop_oneof![
        (0..9_usize).prop_map(Reading::Read),
        Just(Reading::Fill),
        (0..5_usize).prop_map(Reading::Consume),
        delimiter.clone().prop_map(Reading::Until),
        Just(Reading::Line),
        delimiter.prop_map(Reading::Skip),
        (0..9_usize).prop_map(Reading::Peek),
        (0..9_usize).prop_map(Reading::Exact),
    ];
    (reading, 0..6_usize)
}

/// How much a step took, and what it showed of that.
fn read_one(reader: &mut BufReader<Scripted>, step: Reading, polls: usize, rest: &[u8]) -> usize {
    match step {
        Reading::Read(length) => {
            let mut buffer = vec![0; length];
            let Poll::Ready(Ok(count)) = poll_some(reader.read(&mut buffer), polls) else { return 0 };
            assert!(count > 0 || length == 0 || rest.is_empty(), "a false end");
            assert_eq!(buffer[..count], rest[..count]);
            count
        }
        Reading::Fill => {
            if let Poll::Ready(Ok(shown)) = poll_some(reader.fill_buf(), polls) {
                assert!(rest.starts_with(shown) && (!shown.is_empty() || rest.is_empty()));
            }
            0
        }
        Reading::Consume(count) => {
            let count = count.min(reader.buffer().len());
            reader.consume(count);
            count
        }
        Reading::Until(delimiter) => {
            let mut bytes = Vec::new();
            let polled = poll_some(reader.read_until(delimiter, &mut bytes), polls);
            ended_well(polled, &bytes, delimiter, rest);
            bytes.len()
        }
        Reading::Line => {
            let mut line = String::new();
            let polled = poll_some(reader.read_line(&mut line), polls);
            ended_well(polled, line.as_bytes(), b'\n', rest);
            line.len()
        }
        Reading::Skip(delimiter) => {
            let before = reader.buffer().len() + reader.get_ref().source.len();
            let polled = poll_some(reader.skip_until(delimiter), polls);
            let count = before - reader.buffer().len() - reader.get_ref().source.len();
            ended_well(polled, &rest[..count], delimiter, rest);
            count
        }
        Reading::Peek(count) => {
            if let Poll::Ready(Ok(shown)) = poll_some(reader.peek(count), polls) {
                assert!(rest.starts_with(shown) && shown.len() >= count.min(rest.len()));
            }
            0
        }
        Reading::Exact(length) => {
            let mut exact = Exact::new(length);
            if let Poll::Ready(Ok(bytes)) = poll_some(exact.read_from(reader), polls) {
                assert_eq!(bytes.len(), length);
            }
            assert!(rest.starts_with(exact.filled()));
            exact.filled().len()
        }
    }
}

/// What was taken is the beginning of what was left, and a delimiter is its last byte, if it is done and that was not
/// the end.
fn ended_well(polled: Poll<io::Result<usize>>, taken: &[u8], delimiter: u8, rest: &[u8]) {
    assert!(rest.starts_with(taken));
    let found = taken.iter().position(|byte| *byte == delimiter);
    match polled {
        Poll::Ready(Ok(count)) => {
            assert_eq!(count, taken.len());
            assert_eq!(
                found,
                if taken.len() == rest.len() && !rest.ends_with(&[delimiter]) {
                    None
                } else {
                    taken.len().checked_sub(1)
                }
            );
        }
        Poll::Ready(Err(_)) | Poll::Pending => assert_eq!(found, None),
    }
}

/// Some text: ASCII, line ends, letters of several bytes.
fn text() -> impl Strategy<Value = String> {
    vec(prop_oneof![Just("a"), Just("b"), Just("\n"), Just("\r\n"), Just("é"), Just("世"), Just("🛶")], 0..24)
        .prop_map(|pieces| pieces.concat())
}

/// A reader or writer that can be looked at while it is borrowed.
#[derive(Clone)]
struct Watched(Rc<RefCell<Scripted>>);

impl Watched {
    fn new(script: Vec<Say>, source: &[u8]) -> Watched {
        Watched(Rc::new(RefCell::new(Scripted::new(script, source))))
    }

    fn is_waiting(&self) -> bool {
        self.0.borrow().is_waiting
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_close(cx)
    }
}

/// Whenever a copy waits for its reader, nothing is left unflushed; unless it waits for that.
fn holds_nothing_back(reader: &Watched, writer: &Watched) {
    let writer_state = writer.0.borrow();
    let is_flushed = writer_state.flushed == writer_state.sink.len();
    assert!(is_flushed || writer_state.is_waiting || !reader.is_waiting(), "it waits, and something is not flushed");
}

fn bytes_of(pieces: &[Vec<u8>], prefix: LengthPrefix) -> Vec<u8> {
    let mut frames = FrameWriter::new(Vec::new(), prefix, usize::MAX);
    for piece in pieces {
        assert!(poll_once(&mut frames.send(piece)).is_ready());
    }
    frames.into_parts().0
}

#[derive(Clone, Debug)]
enum PipeStep {
    Read(usize),
    Write(usize),
    Close,
    DropReader,
    DropWriter,
}

fn pipe_step() -> impl Strategy<Value = PipeStep> {
    prop_oneof![
        20 => (0..6_usize).prop_map(PipeStep::Read),
        20 => (0..6_usize).prop_map(PipeStep::Write),
        1 => Just(PipeStep::Close),
        1 => Just(PipeStep::DropReader),
        1 => Just(PipeStep::DropWriter),
    ]
}

/// An end of a pipe, and whether it waits: how often it had been woken then, and for how much.
struct End<T> {
    end: Option<T>,
    counting: Arc<CountingWaker>,
    waits: Option<(usize, usize)>,
}

impl<T> End<T> {
    fn new(end: T) -> End<T> {
        End { end: Some(end), counting: CountingWaker::new().0, waits: None }
    }

    fn is_asleep(&self) -> bool {
        self.end.is_some() && self.waits.is_some_and(|(wakes, _)| self.counting.wakes() == wakes)
    }
}

/// The model: the bytes in between, and whether the writer is done.
struct PipeModel {
    capacity: usize,
    held: VecDeque<u8>,
    next: u8,
    is_closed: bool,
    reader: End<PipeReader>,
    writer: End<PipeWriter>,
}

impl PipeModel {
    fn new(capacity: usize) -> PipeModel {
        let (reader, writer) = pipe(capacity);
        let (reader, writer) = (End::new(reader), End::new(writer));
        PipeModel { capacity, held: VecDeque::new(), next: 0, is_closed: false, reader, writer }
    }

    /// How much is taken: with a capacity of 0, what the last read asked for that had to wait.
    fn room(&self) -> usize {
        let asked = self.reader.waits.map_or(0, |(_, asked)| asked);
        if self.capacity == 0 { asked.saturating_sub(self.held.len()) } else { self.capacity - self.held.len() }
    }

    fn read(&mut self, most: usize) {
        let Some(reader) = &mut self.reader.end else { return };
        let mut buffer = vec![0; most];
        let wakes = self.reader.counting.wakes();
        match poll_with(&mut reader.read(&mut buffer), &self.reader.counting.clone().into()) {
            Poll::Pending => {
                assert!(self.held.is_empty() && !self.is_closed && most > 0);
                self.reader.waits = Some((wakes, most));
            }
            Poll::Ready(count) => {
                let expected: Vec<_> = self.held.drain(..most.min(self.held.len())).collect();
                assert_eq!(buffer[..count.unwrap()], expected);
                assert!(!expected.is_empty() || self.is_closed || most == 0);
                if !expected.is_empty() {
                    self.reader.waits = None;
                }
            }
        }
    }

    fn write(&mut self, length: usize) {
        let room = self.room();
        let Some(writer) = &mut self.writer.end else { return };
        let payload: Vec<u8> = (0..length).map(|n| self.next.wrapping_add(n as u8)).collect();
        let wakes = self.writer.counting.wakes();
        match poll_with(&mut writer.write(&payload), &self.writer.counting.clone().into()) {
            Poll::Pending => {
                assert!(room == 0 && length > 0 && self.reader.end.is_some() && !self.is_closed);
                self.writer.waits = Some((wakes, length));
            }
            Poll::Ready(Err(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
                assert!(length > 0 && (self.is_closed || self.reader.end.is_none()));
            }
            Poll::Ready(Ok(count)) => {
                assert_eq!(count, room.min(length));
                self.held.extend(&payload[..count]);
                self.next = self.next.wrapping_add(count as u8);
                self.writer.waits = None;
            }
        }
    }

    fn step(&mut self, step: PipeStep) {
        match step {
            PipeStep::Read(most) => self.read(most),
            PipeStep::Write(length) => self.write(length),
            PipeStep::Close => {
                let Some(writer) = &mut self.writer.end else { return };
                assert!(poll_once(&mut writer.close()).is_ready());
                self.is_closed = true;
            }
            PipeStep::DropReader => {
                self.reader.end = None;
                self.held.clear();
            }
            PipeStep::DropWriter => {
                self.writer.end = None;
                self.is_closed = true;
            }
        }
        assert!(!self.reader.is_asleep() || (self.held.is_empty() && !self.is_closed), "the reader sleeps over it");
        let can_write = self.reader.end.is_none() || self.room() > 0;
        assert!(!self.writer.is_asleep() || !can_write || self.is_closed, "the writer sleeps over it");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_buffered_reader_is_its_source(
        capacity in prop_oneof![0..9_usize, Just(usize::MAX)],
        script in reads(),
        source in text(),
        steps in vec(reading(), 0..60),
    ) {
        let mut reader = BufReader::with_capacity(capacity, Scripted::new(script, source.as_bytes()));
        let mut at = 0;
        for (step, polls) in steps {
            // Half a letter cannot be a line; the model reads only whole ones as text.
            let is_whole = source.is_char_boundary(at);
            let step = if is_whole || !matches!(step, Reading::Line) { step } else { Reading::Read(1) };
            at += read_one(&mut reader, step, polls, &source.as_bytes()[at..]);
            let left = [reader.buffer(), reader.get_ref().source.clone().make_contiguous()].concat();
            prop_assert_eq!(left, &source.as_bytes()[at..]);
        }
    }

    #[test]
    fn lines_are_those_of_std(
        capacity in 0..9_usize,
        script in reads(),
        source in vec(prop::sample::select(Vec::from([&b"a"[..], b"\n", b"\r", "é".as_bytes(), b"\xFF"])), 0..30),
        limit in prop_oneof![0..6_usize, Just(usize::MAX)],
    ) {
        let source = source.concat();
        let mut lines = BufReader::with_capacity(capacity, Scripted::new(script, &source)).lines().at_most(limit);
        let mut seen = Vec::new();
        for _ in 0..1000 {
            // One poll each, so that every pause cancels.
            match poll_once(&mut lines.next()) {
                Poll::Pending => {}
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(error))) if error.kind() == io::ErrorKind::TimedOut => {}
                Poll::Ready(Some(line)) => seen.push(line.map_err(|error| error.kind())),
            }
        }
        let mut expected: Vec<_> = source.split_inclusive(|byte| *byte == b'\n').map(|line| {
            let (line, ended) = line.strip_suffix(b"\n").map_or((line, false), |line| (line, true));
            let is_long = line.len() > limit;
            let line = if ended { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
            let line = if is_long { None } else { String::from_utf8(line.to_vec()).ok() };
            line.ok_or(io::ErrorKind::InvalidData)
        }).collect();
        expected.truncate(1000);
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn a_buffered_writer_passes_on_what_it_took(
        capacity in prop_oneof![0..9_usize, Just(usize::MAX)],
        script in writes(),
        steps in vec((prop_oneof![3 => (0..12_usize).prop_map(Some), 1 => Just(None)], 0..4_usize), 0..60),
    ) {
        let mut writer = BufWriter::with_capacity(capacity, Scripted::new(script, b""));
        let mut accepted = Vec::new();
        for (length, polls) in steps {
            match length {
                Some(length) => {
                    let payload: Vec<u8> = (0..length).map(|n| (accepted.len() + n) as u8).collect();
                    if let Poll::Ready(Ok(count)) = poll_some(writer.write(&payload), polls) {
                        accepted.extend_from_slice(&payload[..count]);
                    }
                }
                None => {
                    if let Poll::Ready(Ok(())) = poll_some(writer.flush(), polls) {
                        prop_assert!(writer.buffer().is_empty());
                        prop_assert_eq!(writer.get_ref().flushed, accepted.len());
                    }
                }
            }
            prop_assert!(writer.buffer().len() <= capacity);
            prop_assert_eq!([&writer.get_ref().sink[..], writer.buffer()].concat(), &accepted[..]);
        }
    }

    #[test]
    fn frames_that_were_begun_arrive_and_no_others(
        prefix in prop_oneof![Just(LengthPrefix::U8), Just(LengthPrefix::U16Le), Just(LengthPrefix::U32Be)],
        script in writes(),
        payloads in vec((vec(any::<u8>(), 0..9), 0..4_usize), 0..20),
        back in reads(),
    ) {
        let mut frames = FrameWriter::new(Scripted::new(script, b""), prefix, 100);
        let mut begun = Vec::new();
        for (payload, polls) in payloads {
            let mut sending = frames.send(&payload);
            let polled = poll_some(&mut sending, polls);
            let is_begun = sending.is_begun();
            prop_assert!(is_begun || !matches!(polled, Poll::Ready(Ok(()))));
            if is_begun {
                begun.push(payload);
            }
            let out = [&frames.get_ref().sink[..], frames.unsent()].concat();
            prop_assert_eq!(out, bytes_of(&begun, prefix));
        }
        for _ in 0..1000 {
            if let Poll::Ready(Ok(())) = poll_once(&mut frames.flush()) {
                break;
            }
        }
        let mut reader = FrameReader::new(Scripted::new(back, &frames.get_ref().sink), prefix, 100);
        let mut seen = Vec::new();
        for _ in 0..1000 {
            match poll_once(&mut reader.next()) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(frame))) => seen.push(frame),
                Poll::Pending | Poll::Ready(Some(Err(_))) => {}
            }
        }
        prop_assert_eq!(seen, begun);
    }

    #[test]
    fn a_copy_moves_everything_and_holds_nothing_back(
        source in vec(any::<u8>(), 0..60),
        reads in reads(),
        writes in writes(),
    ) {
        let (reader, writer) = (Watched::new(reads, &source), Watched::new(writes, b""));
        let (mut from, mut to) = (reader.clone(), writer.clone());
        let mut copying = copy(&mut from, &mut to);
        for _ in 0..1000 {
            let polled = poll_once(&mut copying);
            let left: Vec<u8> = reader.0.borrow().source.iter().copied().collect();
            prop_assert_eq!([&writer.0.borrow().sink[..], copying.unwritten(), &left].concat(), &source[..]);
            prop_assert_eq!(copying.written() as usize, writer.0.borrow().sink.len());
            match polled {
                Poll::Pending => holds_nothing_back(&reader, &writer),
                // It may be awaited on after an error.
                Poll::Ready(Err(_)) => {}
                Poll::Ready(Ok(count)) => {
                    prop_assert_eq!(count as usize, source.len());
                    prop_assert_eq!(writer.0.borrow().flushed, source.len());
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "it never ends");
    }

    #[test]
    fn a_buffered_copy_that_is_given_up_again_and_again_loses_nothing(
        source in vec(any::<u8>(), 0..60),
        capacity in 1..9_usize,
        reads in reads(),
        writes in writes(),
        polls in 1..4_usize,
    ) {
        let (reader, writer) = (Watched::new(reads, &source), Watched::new(writes, b""));
        let (mut from, mut to) = (BufReader::with_capacity(capacity, reader.clone()), writer.clone());
        for _ in 0..1000 {
            let polled = poll_some(copy_buf(&mut from, &mut to), polls);
            let left: Vec<u8> = reader.0.borrow().source.iter().copied().collect();
            prop_assert_eq!([&writer.0.borrow().sink[..], from.buffer(), &left].concat(), &source[..]);
            match polled {
                Poll::Pending => holds_nothing_back(&reader, &writer),
                Poll::Ready(Err(_)) => {}
                Poll::Ready(Ok(_)) => {
                    prop_assert_eq!(writer.0.borrow().flushed, source.len());
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "it never ends");
    }

    #[test]
    fn a_pipe_is_a_queue_of_bytes(
        capacity in prop_oneof![0..6_usize, Just(usize::MAX)],
        steps in vec(pipe_step(), 0..80),
    ) {
        let mut model = PipeModel::new(capacity);
        for step in steps {
            model.step(step);
        }
    }
}
