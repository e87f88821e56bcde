//! Two ends of which one writes only when the other reads.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use coracle::io::{AsyncReadExt, AsyncWriteExt, ErrorKind, split};
use coracle::task::{join, yield_now};
use coracle::testing::{WakeCounter, assert_pending, assert_ready, lockstep, poll_once};

#[test]
fn a_write_waits_for_a_read_and_a_flush_until_it_was_read() {
    let ((mut one, mut other), writer, reader) = (lockstep(), WakeCounter::new(), WakeCounter::new());
    assert!(writer.poll(&mut one.write(b"hello")).is_pending());
    let mut buffer = [0; 3];
    assert!(reader.poll(&mut other.read(&mut buffer)).is_pending());
    assert_eq!((writer.take(), reader.take()), (1, 0), "the read makes room");
    assert_eq!(assert_ready(&mut one.write(b"hello")).unwrap(), 3);
    assert_eq!((writer.take(), reader.take()), (0, 1));
    assert!(writer.poll(&mut one.write(b"lo")).is_pending(), "one at a time");
    assert!(writer.poll(&mut one.flush()).is_pending());
    assert_eq!(assert_ready(&mut other.read(&mut buffer)).unwrap(), 3);
    assert_eq!(writer.take(), 1);
    assert_ready(&mut one.flush()).unwrap();
    assert_pending(&mut one.write(b"lo"));
}

/// In a pipe, what one read gives depends on how often the writer ran before it.
#[test]
fn a_read_gives_the_bytes_of_one_write() {
    coracle::block_on(async {
        let (mut one, mut other) = lockstep();
        let writing = coracle::spawn(async move {
            for word in ["one", "two", "three"] {
                assert_eq!(one.write(word.as_bytes()).await.unwrap(), word.len());
            }
            one.flush().await.unwrap();
        });
        for word in ["one", "two", "three"] {
            let mut buffer = [0; 16];
            let count = other.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..count], word.as_bytes());
            yield_now().await;
        }
        writing.await.unwrap();
    });
}

#[test]
fn what_was_handed_over_was_read() {
    coracle::block_on(async {
        let (mut one, mut other) = lockstep();
        let trace = Rc::new(RefCell::new(Vec::new()));
        let writing = async {
            for word in ["one", "two"] {
                one.hand_over(word.as_bytes()).await.unwrap();
                trace.borrow_mut().push(format!("handed over {word}"));
            }
            drop(one);
        };
        let reading = async {
            let mut buffer = [0; 16];
            while let count @ 1.. = other.read(&mut buffer).await.unwrap() {
                trace.borrow_mut().push(format!("read {}", String::from_utf8_lossy(&buffer[..count])));
            }
        };
        join((writing, reading)).await;
        assert_eq!(*trace.borrow(), ["read one", "handed over one", "read two", "handed over two"]);
    });
}

/// Code that needs a buffer in between hangs always, not under load.
#[test]
fn two_ends_that_write_first_wait_for_each_other() {
    let (mut one, mut other) = lockstep();
    let (mut first, mut second) = (one.write(b"you first"), other.write(b"no, you"));
    for _ in 0..3 {
        assert_pending(&mut first);
        assert_pending(&mut second);
    }
}

#[test]
fn a_dropped_reader_breaks_what_was_handed_over_and_not_read() {
    let (mut one, mut other) = lockstep();
    let mut buffer = [0; 16];
    assert!(poll_once(other.read(&mut buffer)).is_pending());
    assert_eq!(assert_ready(&mut one.write(b"lost")).unwrap(), 4);
    let counter = WakeCounter::new();
    assert!(counter.poll(&mut one.flush()).is_pending());
    drop(other);
    assert_eq!(counter.wakes(), 1);
    assert_eq!(assert_ready(&mut one.flush()).unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(assert_ready(&mut one.write(b"more")).unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_ready(&mut one.close()).unwrap();
}

#[test]
fn a_read_that_was_given_up_leaves_its_bytes_to_the_next() {
    let (mut one, mut other) = lockstep();
    assert!(poll_once(other.read(&mut [0; 16])).is_pending());
    assert_eq!(assert_ready(&mut one.write(b"kept")).unwrap(), 4);
    drop(one);
    let mut buffer = [0; 16];
    assert!(matches!(poll_once(other.read(&mut buffer)), Poll::Ready(Ok(4))));
    assert_eq!(&buffer[..4], b"kept");
    assert!(matches!(poll_once(other.read(&mut buffer)), Poll::Ready(Ok(0))));
}

#[test]
fn it_can_be_split() {
    coracle::block_on(async {
        let (one, other) = lockstep();
        let ((mut one_in, mut one_out), (mut other_in, mut other_out)) = (split(one), split(other));
        let (there, back) = (async { one_out.write_all(b"there").await }, async { other_out.write_all(b"back").await });
        let (there_in, back_in) = (other_in.read_array::<5>(), one_in.read_array::<4>());
        let (there, back, there_in, back_in) = join((there, back, there_in, back_in)).await;
        there.unwrap();
        back.unwrap();
        assert_eq!((there_in.unwrap(), back_in.unwrap()), (*b"there", *b"back"));
    });
}
