//! Up to a delimiter, line by line: whatever the pieces and the buffers, and however often it is given up, no byte is
//! lost.

use std::io::ErrorKind;
use std::task::Poll;

use coracle::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader, Cursor, TooLong, pipe};

use super::{Say, Scripted, all_cuts, drive, in_pieces, slow, some_cuts, with_a_new_future_each_poll};
use crate::support::{cut_at_every_poll, poll_once, poll_with};

fn chopped(source: &[u8], pieces: &[usize], capacity: usize) -> BufReader<Scripted> {
    BufReader::with_capacity(capacity, Scripted::new(in_pieces(pieces), source))
}

#[test]
fn read_until_goes_on_in_the_same_vector() {
    for capacity in [1, 2, 5, 9] {
        for pieces in all_cuts(9) {
            let mut reader = chopped(b"ab,,cd,ef", &pieces, capacity);
            for expected in [&b"ab,"[..], b",", b"cd,", b"ef", b""] {
                let mut bytes = b">".to_vec();
                with_a_new_future_each_poll(|waker| poll_with(&mut reader.read_until(b',', &mut bytes), waker))
                    .unwrap();
                assert_eq!(bytes[1..], *expected, "capacity {capacity}, pieces {pieces:?}");
            }
        }
    }
    let mut source: &[u8] = b"key=value";
    assert_eq!(drive(&mut source.read_until(b'=', &mut b"12".to_vec())).0.unwrap(), 4, "only what is appended counts");
}

#[test]
fn skip_until_goes_past_the_delimiter_or_to_the_end() {
    for pieces in all_cuts(7) {
        let mut reader = chopped(b"abc\ndef", &pieces, 2);
        with_a_new_future_each_poll(|waker| poll_with(&mut reader.skip_until(b'\n'), waker)).unwrap();
        let mut rest = Vec::new();
        drive(&mut reader.read_to_end(&mut rest)).0.unwrap();
        assert_eq!(rest, b"def");
    }
    let mut source: &[u8] = b"ab\nc";
    let counts = [0; 3].map(|_| drive(&mut source.skip_until(b'\n')).0.unwrap());
    assert_eq!(counts, [3, 1, 0]);
}

/// The text has letters of one, two, three and four bytes: buffers and pieces end in the middle of them.
#[test]
fn a_line_is_read_on_in_the_same_string_though_its_letters_come_in_halves() {
    const TEXT: &str = "é世🛶\nx";
    for capacity in 0..=11 {
        for pieces in all_cuts(TEXT.len()) {
            let mut reader = chopped(TEXT.as_bytes(), &pieces, capacity);
            for expected in ["é世🛶\n", "x", ""] {
                let mut line = String::from(">");
                with_a_new_future_each_poll(|waker| {
                    let polled = poll_with(&mut reader.read_line(&mut line), waker);
                    assert!(line[1..].len() <= expected.len() && expected.starts_with(&line[1..]));
                    polled
                })
                .unwrap();
                assert_eq!(&line[1..], expected, "capacity {capacity}, pieces {pieces:?}");
            }
        }
    }
}

/// What is not text is not taken: it can be read as bytes, or skipped.
#[test]
fn read_line_stops_before_what_is_not_utf_8() {
    for (source, good) in [
        (&b"ok\xFF\nnext\n"[..], "ok"),
        (b"\xE4\xB8\nnext\n", ""),
        (b"a\xC3(\nnext\n", "a"),
        (b"\xF0\x9F\x9B\nnext\n", ""),
        (b"\xED\xA0\x80\nnext\n", ""),
    ] {
        for capacity in 1..=4 {
            for pieces in some_cuts(source.len(), 7) {
                let mut reader = chopped(source, &pieces, capacity);
                for _ in 0..2 {
                    let mut line = String::new();
                    let error = with_a_new_future_each_poll(|waker| poll_with(&mut reader.read_line(&mut line), waker))
                        .unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::InvalidData);
                    assert!(
                        line == good || line.is_empty(),
                        "{line:?}: the second time there is nothing good before it"
                    );
                }
                let mut rest = Vec::new();
                drive(&mut reader.read_until(b'\n', &mut rest)).0.unwrap();
                assert_eq!([good.as_bytes(), &rest, b"next\n"].concat(), source, "nothing was lost");
                let mut line = String::new();
                drive(&mut reader.read_line(&mut line)).0.unwrap();
                assert_eq!(line, "next\n");
            }
        }
    }
}

#[test]
fn half_a_letter_at_the_end_is_an_error_and_stays() {
    for pieces in all_cuts(4) {
        let mut reader = chopped(b"ab\xE4\xB8", &pieces, 3);
        let mut line = String::new();
        let error =
            with_a_new_future_each_poll(|waker| poll_with(&mut reader.read_line(&mut line), waker)).unwrap_err();
        assert_eq!((error.kind(), &line[..], reader.buffer()), (ErrorKind::InvalidData, "ab", &b"\xE4\xB8"[..]));
    }
    let mut cursor = Cursor::new(b"ab\xE4\xB8");
    drive(&mut cursor.read_line(&mut String::new())).0.unwrap_err();
    assert_eq!(cursor.position(), 2);
}

#[test]
fn an_error_in_the_middle_of_a_letter_loses_no_half() {
    let script = [Say::AtMost(2), Say::Error(ErrorKind::TimedOut), Say::Pending];
    let mut reader = BufReader::new(Scripted::new(script, "世\n".as_bytes()));
    let mut line = String::new();
    assert_eq!(drive(&mut reader.read_line(&mut line)).0.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(reader.buffer().len(), 2);
    assert_eq!(drive(&mut reader.read_line(&mut line)).0.unwrap(), 4);
    assert_eq!(line, "世\n");
}

/// Through the adapters too: a half is put back where it will be read next.
#[test]
fn halves_of_letters_survive_limits_chains_and_pointers() {
    const TEXT: &str = "é世\n🛶\n";
    for at in 0..=TEXT.len() {
        for pieces in some_cuts(TEXT.len() - at, 5) {
            let first = BufReader::with_capacity(1, Scripted::new(slow(1).take(40), &TEXT.as_bytes()[..at]));
            let second = chopped(&TEXT.as_bytes()[at..], &pieces, 2);
            let chain = first.chain(second).take(TEXT.len() as u64);
            let mut reader: Box<dyn AsyncBufRead + Unpin> = Box::new(coracle::io::join(chain, Vec::<u8>::new()));
            for expected in ["é世\n", "🛶\n", ""] {
                let mut line = String::new();
                with_a_new_future_each_poll(|waker| poll_with(&mut reader.read_line(&mut line), waker)).unwrap();
                assert_eq!(line, expected, "cut at {at}, pieces {pieces:?}");
            }
        }
    }
}

fn next_line<R: AsyncBufRead + Unpin>(lines: &mut coracle::io::Lines<R>) -> Option<Result<String, ErrorKind>> {
    let line = with_a_new_future_each_poll(|waker| poll_with(&mut lines.next(), waker));
    line.map(|line| line.map_err(|error| error.kind()))
}

#[test]
fn lines_end_with_a_newline_or_a_return_and_a_newline_or_the_end() {
    let expected =
        |text: &str| -> Vec<String> { std::io::BufRead::lines(text.as_bytes()).map(Result::unwrap).collect() };
    for text in ["", "\n", "a", "a\n", "a\r\nb", "\r\n\n", "a\r", "a\r\r\nb\r", "é\n\r\nb\n"] {
        for capacity in 1..=3 {
            for pieces in all_cuts(text.len()) {
                let mut lines = chopped(text.as_bytes(), &pieces, capacity).lines();
                let seen: Vec<_> = std::iter::from_fn(|| next_line(&mut lines)).map(Result::unwrap).collect();
                assert_eq!(seen, expected(text), "{text:?}, pieces {pieces:?}");
                assert!(next_line(&mut lines).is_none(), "the end stays the end");
            }
        }
    }
}

#[test]
fn pieces_are_what_lies_between_delimiters() {
    for text in [&b""[..], b",", b"a,,b", b"a,b,", b",a"] {
        for pieces in all_cuts(text.len()) {
            let mut split = AsyncBufReadExt::split(chopped(text, &pieces, 2), b',');
            let seen: Vec<_> = std::iter::from_fn(|| {
                with_a_new_future_each_poll(|waker| poll_with(&mut split.next(), waker)).map(Result::unwrap)
            })
            .collect();
            let expected: Vec<_> = std::io::BufRead::split(text, b',').map(Result::unwrap).collect();
            assert_eq!(seen, expected);
        }
    }
}

#[test]
fn a_line_that_is_not_utf_8_gives_its_bytes_back_and_the_next_can_be_read() {
    let mut lines = (&b"a\xFFb\r\ngood\n"[..]).lines();
    let error = drive(&mut lines.next()).0.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let error = error.into_inner().unwrap().downcast::<std::string::FromUtf8Error>().unwrap();
    assert_eq!(error.into_bytes(), b"a\xFFb");
    assert_eq!(next_line(&mut lines), Some(Ok("good".into())));
    assert_eq!(next_line(&mut lines), None);
}

#[test]
fn an_error_of_the_reader_keeps_the_line_so_far() {
    let script = [Say::AtMost(3), Say::Error(ErrorKind::TimedOut)];
    let mut lines = BufReader::new(Scripted::new(script, b"abcdef\n")).lines();
    assert_eq!(next_line(&mut lines), Some(Err(ErrorKind::TimedOut)));
    assert_eq!(lines.partial(), b"abc");
    assert_eq!(next_line(&mut lines), Some(Ok("abcdef".into())));
}

/// A peer that sends no newline takes up no memory beyond the limit.
#[test]
fn a_line_that_is_too_long_is_an_error_and_is_skipped() {
    const TEXT: &[u8] = b"12345\n123456\n\n1234567\n5";
    for capacity in [1, 3, 100] {
        for pieces in some_cuts(TEXT.len(), 8191) {
            let mut lines = chopped(TEXT, &pieces, capacity).lines().at_most(5);
            let seen: Vec<_> = std::iter::from_fn(|| next_line(&mut lines)).collect();
            let too_long = || Err(ErrorKind::InvalidData);
            assert_eq!(seen, [Ok("12345".into()), too_long(), Ok("".into()), too_long(), Ok("5".into())]);
        }
    }
    let mut endless = BufReader::new(Scripted::new([], &[b'x'; 100_000])).lines().at_most(1000);
    let error = drive(&mut endless.next()).0.unwrap().unwrap_err();
    let what = error.get_ref().unwrap().downcast_ref::<TooLong>().unwrap();
    assert_eq!(*what, TooLong { what: "a line", limit: 1000 });
    assert!(endless.partial().is_empty());
    assert!(drive(&mut endless.next()).0.is_none(), "the rest of it is skipped, to the end");
    let mut empty = (&b"\n\nx"[..]).lines().at_most(0);
    assert_eq!(
        [(); 4].map(|()| next_line(&mut empty)),
        [Some(Ok("".into())), Some(Ok("".into())), Some(Err(ErrorKind::InvalidData)), None]
    );
}

#[test]
fn a_body_after_the_lines_is_not_lost() {
    let mut lines = BufReader::new(Scripted::new([], b"head\r\n\r\nbody")).lines();
    assert_eq!([next_line(&mut lines), next_line(&mut lines)], [Some(Ok("head".into())), Some(Ok("".into()))]);
    let (reader, partial) = lines.into_parts();
    assert_eq!((reader.buffer(), partial.len()), (&b"body"[..], 0));
}

/// A limit for what collects in the caller's own memory: `take`.
#[test]
fn take_limits_a_line() {
    let mut reader = BufReader::new(Scripted::new([], &[b'x'; 1000]));
    let mut line = String::new();
    assert_eq!(drive(&mut (&mut reader).take(10).read_line(&mut line)).0.unwrap(), 10);
    assert_eq!(line, "x".repeat(10));
}

#[test]
fn dropped_anywhere_it_goes_on_the_next_time() {
    let source = || BufReader::with_capacity(2, Scripted::new(slow(1), "é世a\nrest".as_bytes()));
    let whole = "é世a\n";
    let mut cuts = Vec::new();
    cuts.push(cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut reader, mut line) = (source(), String::new());
            if cut.at(reader.read_line(&mut line)).await.is_none() {
                reader.read_line(&mut line).await.unwrap();
            }
            assert_eq!(line, whole);
            assert_eq!(reader.read_array().await.unwrap(), *b"rest");
        });
    }));
    cuts.push(cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut reader, mut line) = (source(), Vec::new());
            if cut.at(reader.read_until(b'\n', &mut line)).await.is_none() {
                reader.read_until(b'\n', &mut line).await.unwrap();
            }
            assert_eq!(line, whole.as_bytes());
            assert_eq!(reader.read_array().await.unwrap(), *b"rest");
        });
    }));
    cuts.push(cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut reader = source();
            if cut.at(reader.skip_until(b'\n')).await.is_none() {
                reader.skip_until(b'\n').await.unwrap();
            }
            assert_eq!(reader.read_array().await.unwrap(), *b"rest");
        });
    }));
    cuts.push(cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut lines = source().lines();
            let line = match cut.at(lines.next()).await {
                Some(line) => line,
                None => lines.next().await,
            };
            assert_eq!(line.unwrap().unwrap(), "é世a");
            assert_eq!(lines.next().await.unwrap().unwrap(), "rest");
        });
    }));
    cuts.push(cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut split = AsyncBufReadExt::split(source(), b'a');
            let piece = match cut.at(split.next()).await {
                Some(piece) => piece,
                None => split.next().await,
            };
            assert_eq!(piece.unwrap().unwrap(), "é世".as_bytes());
            assert_eq!(split.next().await.unwrap().unwrap(), b"\nrest");
        });
    }));
    assert!(cuts.iter().all(|cuts| *cuts >= 12), "{cuts:?}");
}

/// A thousand lines in one buffer are work, though they come with one read: others get their turn in between.
#[test]
fn many_lines_in_one_buffer_let_others_go_first() {
    coracle::block_on(async {
        let text = "x\n".repeat(1000);
        let reading = coracle::spawn(async move {
            let mut lines = text.as_bytes().lines();
            let mut count = 0;
            while let Some(line) = lines.next().await {
                line.unwrap();
                count += 1;
            }
            count
        });
        let mut turns = 0;
        while !reading.is_finished() {
            coracle::task::yield_now().await;
            turns += 1;
        }
        assert_eq!(reading.await.unwrap(), 1000);
        assert!((5..100).contains(&turns), "{turns} turns of others for a thousand lines");
    });
}

#[test]
fn a_line_is_pending_until_its_end_is_there() {
    let (reader, mut writer) = pipe(64);
    let mut lines = BufReader::new(reader).lines();
    for part in [&b"he"[..], b"ll", b"o"] {
        drive(&mut coracle::io::AsyncWriteExt::write_all(&mut writer, part)).0.unwrap();
        assert!(poll_once(&mut lines.next()).is_pending());
    }
    assert_eq!(lines.partial(), b"hello");
    drop(writer);
    assert!(matches!(poll_once(&mut lines.next()), Poll::Ready(Some(Ok(line))) if line == "hello"));
}
