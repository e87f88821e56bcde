//! A stream whose other end plays a script.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use coracle::Runtime;
use coracle::io::{AsyncReadExt, AsyncWriteExt, ErrorKind, split};
use coracle::sys::World;
use coracle::task::join;
use coracle::testing::{Script, assert_pending, assert_ready};
use coracle::time::now;

fn paused() -> Runtime {
    Runtime::builder().world(World::kernel().paused()).build()
}

/// The message of a test that fails, and the line in this file that it names.
fn failure(code: impl FnOnce()) -> (String, u32) {
    let payload = catch_unwind(AssertUnwindSafe(code)).expect_err("it was to fail");
    let message = payload.downcast::<String>().map(|message| *message);
    let message = message.unwrap_or_else(|payload| (*payload.downcast::<&str>().unwrap()).to_owned());
    let place = message.split("script.rs:").nth(1).unwrap_or_else(|| panic!("no line is named in: {message}"));
    let line = place.split(':').next().unwrap().parse().unwrap();
    (message.replace(&format!(" at {}:{}", file!(), &place[..place.find([',', ' ']).unwrap_or(place.len())]), ""), line)
}

#[test]
fn a_conversation_goes_as_the_script_has_it() {
    let runtime = paused();
    let start = runtime.now();
    runtime.block_on(async {
        let mut stream = Script::new()
            .give("ready ")
            .give("when you are")
            .expect("go")
            .wait(Duration::from_secs(3600))
            .wait(Duration::from_secs(60))
            .give("gone")
            .end()
            .expect("bye")
            .expect_end();
        let mut buffer = [0; 64];
        for piece in ["ready ", "when you are"] {
            let count = stream.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..count], piece.as_bytes());
        }
        stream.write_all(b"g").await.unwrap();
        stream.write_all(b"o").await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "gone");
        stream.write_all(b"bye").await.unwrap();
        stream.close().await.unwrap();
        stream.assert_played();
    });
    assert_eq!(runtime.now() - start, Duration::from_secs(3660));
}

#[test]
fn one_write_may_be_several_steps() {
    coracle::block_on(async {
        let mut stream = Script::new().expect("one").give("1").expect("two").give("2");
        stream.write_all(b"onetwo").await.unwrap();
        assert_eq!(stream.read_array().await.unwrap(), *b"12");
    });
}

#[test]
fn a_reader_that_waits_is_woken_by_the_write_that_was_expected() {
    coracle::block_on(async {
        let (mut reader, mut writer) = split(Script::new().expect("question").give("answer").end());
        let reading = coracle::spawn(async move { reader.read_array::<6>().await });
        coracle::task::yield_now().await;
        writer.write_all(b"question").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), *b"answer");
    });
}

#[test]
fn a_reader_and_a_writer_wait_for_the_end_of_one_pause() {
    paused().block_on(async {
        let second = Duration::from_secs(1);
        let (mut reader, mut writer) = split(Script::new().wait(second).give("late").expect("too"));
        let start = now();
        let (read, written) = join((reader.read_array::<4>(), writer.write_all(b"too"))).await;
        assert_eq!(read.unwrap(), *b"late");
        written.unwrap();
        assert_eq!(now() - start, second);
        drop(reader);
    });
    paused().block_on(async {
        // The writer gives up; the reader's pause is still over in time.
        let (mut reader, mut writer) = split(Script::new().wait(Duration::from_secs(1)).give("late"));
        let mut buffer = [0; 4];
        let mut reading = reader.read_exact(&mut buffer);
        assert_pending(&mut reading);
        assert_pending(&mut writer.write(b"never"));
        reading.await.unwrap();
    });
}

#[test]
fn a_failure_comes_after_what_was_given_and_once() {
    coracle::block_on(async {
        let mut stream = Script::new().give("par").fail(ErrorKind::ConnectionReset).end();
        let mut bytes = Vec::new();
        assert_eq!(stream.read_to_end(&mut bytes).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!((&bytes[..], stream.read(&mut [0; 4]).await.unwrap()), (&b"par"[..], 0));

        let mut stream = Script::new().expect("some").fail(ErrorKind::BrokenPipe).expect("more");
        assert_eq!(stream.write_all(b"somemore").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        stream.write_all(b"more").await.unwrap();
    });
}

#[test]
fn a_wrong_byte_is_reported_with_the_line_of_the_script() {
    let expected = line!() + 2;
    let (message, line) = failure(|| {
        let mut stream = Script::new().give("hi").expect("HELO me\r\n");
        let _ = assert_ready(&mut stream.write(b"HELP"));
    });
    assert_eq!(line, expected);
    assert_eq!(message, "the script expects b\"HELO me\\r\\n\", and b\"HELP\" was written: byte 3 is another");
}

#[test]
fn what_comes_too_much_or_too_early_is_reported() {
    let mut stream = Script::new();
    let result = catch_unwind(AssertUnwindSafe(|| drop(assert_ready(&mut stream.write(b"more")))));
    assert_eq!(*result.unwrap_err().downcast::<String>().unwrap(), "the script is over, and b\"more\" was written");
    drop(stream);
    let (message, _) = failure(|| drop(assert_ready(&mut Script::new().expect_end().write(b"more"))));
    assert_eq!(message, "the script expects the end of the stream, and b\"more\" was written");
    let (message, _) = failure(|| drop(assert_ready(&mut Script::new().expect("more").close())));
    assert_eq!(message, "the script expects b\"more\", and the stream was closed");
    let (message, _) = failure(|| drop(Script::new().end().give("more")));
    assert_eq!(message, "the script has said its end already, and goes on to give b\"more\"");
}

#[test]
fn an_unplayed_rest_is_reported_with_the_line_of_the_script() {
    let here = line!();
    let (message, line) = failure(|| drop(Script::new().expect("never")));
    assert_eq!(
        (message.as_str(), line),
        ("the script was not played to its end: next it would expect b\"never\"", here + 1)
    );
    let (message, _) = failure(|| {
        let mut stream = Script::new().expect("half of it");
        let _ = assert_ready(&mut stream.write(b"half"));
    });
    assert_eq!(message, "the script was not played to its end: next it would expect b\" of it\"");
    let (message, _) = failure(|| {
        let mut stream = Script::new().give("two").end();
        let _ = assert_ready(&mut stream.read(&mut [0; 1]));
        stream.assert_played();
    });
    assert_eq!(message, "the script gave b\"wo\", and nobody read it");
    let (message, _) = failure(|| {
        let mut stream = Script::new().fail(ErrorKind::TimedOut).expect("x");
        assert_pending(&mut std::pin::pin!(async {
            stream.close().await.unwrap();
            std::future::pending::<()>().await
        }));
    });
    assert!(message.contains("fails with TimedOut"), "{message}");
    drop(Script::new().expect("never").may_stay_unplayed());
    drop(Script::new().end().expect_end());
    drop(Script::new().give("").end());
}

#[test]
fn in_a_task_a_wrong_byte_is_that_task_s_panic() {
    coracle::block_on(async {
        let task = coracle::spawn(async {
            let mut stream = Script::new().expect("right");
            stream.write_all(b"wrong").await
        });
        assert!(matches!(task.await.unwrap_err(), coracle::task::JoinError::Panicked(_)));
    });
}

#[test]
fn long_bytes_are_cut_in_messages() {
    let (message, _) = failure(|| drop(Script::new().expect([b'x'; 1000])));
    assert!(message.len() < 300 && message.contains("(1000 bytes)"), "{message}");
}
