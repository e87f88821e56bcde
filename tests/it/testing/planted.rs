//! The test of the test: for each behaviour a stream that lacks it, and the check must name it.
//!
//! A planted pair is a pair in memory, each end of which does one thing wrong. The clock is paused, so that what hangs
//! takes no time.

use std::cell::RefCell;
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use coracle::Runtime;
use coracle::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use coracle::sys::World;
use coracle::testing::Checks;

/// What each call of a planted stream does.
#[derive(Clone, Copy)]
struct Plant {
    read: fn(&mut End, &mut Context<'_>, &mut [u8]) -> Poll<Result<usize>>,
    read_vectored: fn(&mut End, &mut Context<'_>, &mut [IoSliceMut<'_>]) -> Poll<Result<usize>>,
    write: fn(&mut End, &mut Context<'_>, &[u8]) -> Poll<Result<usize>>,
    write_vectored: fn(&mut End, &mut Context<'_>, &[IoSlice<'_>]) -> Poll<Result<usize>>,
    flush: fn(&mut End, &mut Context<'_>) -> Poll<Result<()>>,
    close: fn(&mut End, &mut Context<'_>) -> Poll<Result<()>>,
    stays_when_dropped: bool,
}

/// Nothing wrong.
const HONEST: Plant = Plant {
    read: |end, cx, buffer| end.read(cx, buffer),
    read_vectored: |end, cx, buffers| {
        let first = buffers.iter_mut().find(|buffer| !buffer.is_empty());
        (end.plant.read)(end, cx, first.map_or(&mut [], |buffer| &mut **buffer))
    },
    write: |end, cx, bytes| end.write(cx, bytes),
    write_vectored: |end, cx, buffers| {
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        (end.plant.write)(end, cx, first.map_or(&[], |buffer| &**buffer))
    },
    flush: |end, cx| Pin::new(end.stream()).poll_flush(cx),
    close: |end, cx| Pin::new(end.stream()).poll_close(cx),
    stays_when_dropped: false,
};

struct End {
    stream: Option<DuplexStream>,
    plant: Plant,
    /// For the plants to use as they like.
    count: usize,
    flag: bool,
    kept: Vec<u8>,
    waker: Option<Waker>,
    place: Arc<Place>,
    /// Where a dropped stream lives on.
    beyond: Rc<RefCell<Vec<DuplexStream>>>,
}

/// One place for the wakers of both directions.
#[derive(Default)]
struct Place(Mutex<Option<Waker>>);

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        let waker = self.0.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl End {
    fn stream(&mut self) -> &mut DuplexStream {
        self.stream.as_mut().unwrap()
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        Pin::new(self.stream()).poll_read(cx, buffer)
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(self.stream()).poll_write(cx, bytes)
    }

    /// Reads, and spoils the byte at this place of the stream.
    fn read_spoiling(&mut self, cx: &mut Context<'_>, buffer: &mut [u8], at: usize) -> Poll<Result<usize>> {
        let polled = self.read(cx, buffer);
        if let Poll::Ready(Ok(count)) = polled {
            if (self.count..self.count + count).contains(&at) {
                buffer[at - self.count] ^= 1;
            }
            self.count += count;
        }
        polled
    }

    /// Passes on what was kept, as far as there is room for it.
    fn pass_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.kept.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            let polled = self.write(cx, &kept);
            self.kept = kept;
            match polled {
                Poll::Ready(Ok(count)) => drop(self.kept.drain(..count)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// A waker that wakes whoever took the only place last.
    fn in_the_only_place(&self, cx: &Context<'_>) -> Waker {
        *self.place.0.lock().unwrap() = Some(cx.waker().clone());
        Waker::from(self.place.clone())
    }
}

impl AsyncRead for End {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        (self.plant.read)(&mut self, cx, buffer)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<Result<usize>> {
        (self.plant.read_vectored)(&mut self, cx, buffers)
    }
}

impl AsyncWrite for End {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        (self.plant.write)(&mut self, cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        (self.plant.write_vectored)(&mut self, cx, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        (self.plant.flush)(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        (self.plant.close)(&mut self, cx)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let stream = self.stream.take().unwrap();
        if self.plant.stays_when_dropped {
            self.beyond.borrow_mut().push(stream);
        }
    }
}

fn pair(plant: Plant) -> (End, End) {
    let beyond = Rc::default();
    let end = |stream, beyond: &Rc<_>| End {
        stream: Some(stream),
        plant,
        count: 0,
        flag: false,
        kept: Vec::new(),
        waker: None,
        place: Arc::default(),
        beyond: Rc::clone(beyond),
    };
    let (one, other) = duplex(1024);
    (end(one, &beyond), end(other, &beyond))
}

/// Checks one behaviour of a planted stream; why it fails.
#[track_caller]
fn caught(behaviour: &str, plant: Plant) -> String {
    let others = Checks::names().filter(|name| *name != behaviour);
    let checks = others.fold(Checks::new(), |checks, name| checks.without(name, "another is looked at"));
    let runtime = Runtime::builder().world(World::kernel().paused()).build();
    let checked = runtime.block_on(checks.run(async || Ok(pair(plant))));
    let [broken] = checked.broken() else { panic!("not seen: a stream without {behaviour:?}") };
    assert_eq!(broken.behaviour, behaviour);
    broken.why.clone()
}

#[test]
fn an_honest_one_is_a_stream() {
    let runtime = Runtime::builder().world(World::kernel().paused()).build();
    let checked = runtime.block_on(Checks::new().run(async || Ok(pair(HONEST))));
    checked.assert();
    assert_eq!(checked.passed(), Checks::names().collect::<Vec<_>>());
}

#[test]
fn wrong_data_is_seen() {
    let spoils = Plant { read: |end, cx, buffer| end.read_spoiling(cx, buffer, 5_000), ..HONEST };
    let why = caught("bytes arrive in order", spoils);
    assert_eq!(why, "byte 5000 was sent as 231, and read as 230");
    caught("a mebibyte", Plant { read: |end, cx, buffer| end.read_spoiling(cx, buffer, 600_000), ..HONEST });
    let spoils_single_bytes: Plant = Plant {
        read: |end, cx, buffer| {
            if buffer.len() == 1 { end.read_spoiling(cx, buffer, 200) } else { end.read(cx, buffer) }
        },
        ..HONEST
    };
    caught("one byte at a time", spoils_single_bytes);
    let loses_small_writes = Plant {
        write: |end, cx, bytes| {
            end.count += 1;
            if bytes.len() < 8 && end.count % 50 == 0 { Poll::Ready(Ok(bytes.len())) } else { end.write(cx, bytes) }
        },
        ..HONEST
    };
    let why = caught("many small writes", loses_small_writes);
    assert!(why.contains("was sent as"), "{why}");
}

#[test]
fn wrong_vectors_are_seen() {
    let skips_a_buffer = Plant {
        write_vectored: |end, cx, buffers| {
            let bytes: Vec<u8> = buffers.iter().skip(1).take(1).flat_map(|buffer| buffer.to_vec()).collect();
            let all = buffers.iter().map(|buffer| buffer.len()).sum();
            end.write(cx, &bytes).map_ok(|_| all)
        },
        ..HONEST
    };
    caught("vectored writes", skips_a_buffer);
    let fills_the_last =
        Plant { read_vectored: |end, cx, buffers| end.read(cx, buffers.last_mut().unwrap()), ..HONEST };
    caught("vectored reads", fills_the_last);
}

#[test]
fn directions_that_block_each_other_are_seen() {
    let one_thing_at_a_time = Plant {
        write: |end, cx, bytes| {
            let polled = end.write(cx, bytes);
            end.flag = polled.is_pending();
            if !end.flag {
                end.waker.take().into_iter().for_each(Waker::wake);
            }
            polled
        },
        read: |end, cx, buffer| {
            if end.flag {
                end.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            end.read(cx, buffer)
        },
        ..HONEST
    };
    let why = caught("both directions at once", one_thing_at_a_time);
    assert_eq!(why, "not done within 10s: 256 KiB passed in each direction at once");
}

#[test]
fn a_flush_that_does_nothing_is_seen() {
    let gathers = Plant {
        write: |end, cx, bytes| {
            end.kept.extend_from_slice(bytes);
            if end.kept.len() >= 100 {
                let _ = end.pass_on(cx);
            }
            Poll::Ready(Ok(bytes.len()))
        },
        close: |end, cx| match end.pass_on(cx) {
            Poll::Ready(_) => Pin::new(end.stream()).poll_close(cx),
            Poll::Pending => Poll::Pending,
        },
        ..HONEST
    };
    caught("a flush passes on what was written", gathers);
    caught("question and answer", gathers);
}

#[test]
fn wrong_empty_operations_are_seen() {
    let waits = Plant {
        read: |end, cx, buffer| if buffer.is_empty() { Poll::Pending } else { end.read(cx, buffer) },
        ..HONEST
    };
    let why = caught("an empty read", waits);
    assert!(why.starts_with("not done"), "{why}");
    let ends = Plant {
        write: |end, cx, bytes| match bytes {
            [] => Pin::new(end.stream()).poll_close(cx).map_ok(|()| 0),
            _ => end.write(cx, bytes),
        },
        ..HONEST
    };
    caught("an empty write", ends);
}

#[test]
fn wrong_ends_are_seen() {
    let ignores_the_close = Plant { close: |_, _| Poll::Ready(Ok(())), ..HONEST };
    caught("a close is the end for the reader", ignores_the_close);
    caught("a close wakes a reader", ignores_the_close);
    let fails_after_the_end = Plant {
        read: |end, cx, buffer| {
            if end.flag {
                return Poll::Ready(Err(Error::other("read after the end")));
            }
            let polled = end.read(cx, buffer);
            end.flag = matches!(polled, Poll::Ready(Ok(0)));
            polled
        },
        ..HONEST
    };
    let why = caught("the end stays the end", fails_after_the_end);
    assert_eq!(why, "it failed while read again and again after the end: read after the end");
    let closes_both = Plant {
        close: |end, cx| {
            end.flag = true;
            Pin::new(end.stream()).poll_close(cx)
        },
        read: |end, cx, buffer| if end.flag { Poll::Ready(Ok(0)) } else { end.read(cx, buffer) },
        ..HONEST
    };
    caught("half close", closes_both);
    let closes_once = Plant {
        close: |end, cx| {
            if std::mem::replace(&mut end.flag, true) {
                return Poll::Ready(Err(ErrorKind::NotConnected.into()));
            }
            Pin::new(end.stream()).poll_close(cx)
        },
        ..HONEST
    };
    caught("a second close", closes_once);
    let writes_on = Plant {
        write: |end, cx, bytes| end.write(cx, bytes).map(|result| Ok(result.unwrap_or(bytes.len()))),
        ..HONEST
    };
    caught("a write after the close fails", writes_on);
    let waits_for_the_other = Plant {
        close: |end, cx| {
            if end.flag { Pin::new(end.stream()).poll_close(cx) } else { Poll::Pending }
        },
        read: |end, cx, buffer| {
            let polled = end.read(cx, buffer);
            end.flag |= matches!(polled, Poll::Ready(Ok(0)));
            polled
        },
        ..HONEST
    };
    caught("both ends close", waits_for_the_other);
}

#[test]
fn wrong_drops_are_seen() {
    let stays = Plant { stays_when_dropped: true, ..HONEST };
    caught("a dropped end is the end for the reader", stays);
    caught("a drop wakes a reader", stays);
    caught("a drop wakes a writer", stays);
    let takes_all = Plant {
        write: |end, cx, bytes| end.write(cx, bytes).map(|result| Ok(result.unwrap_or(bytes.len()))),
        ..HONEST
    };
    caught("a write to a peer that is gone fails", takes_all);
    let panics = Plant { write: |end, cx, bytes| end.write(cx, bytes).map(|result| Ok(result.unwrap())), ..HONEST };
    let why = caught("a write to a peer that is gone fails", panics);
    assert!(why.starts_with("it panicked while wrote to a peer that was dropped: "), "{why}");
    let says_other =
        Plant { write: |end, cx, bytes| end.write(cx, bytes).map_err(|_| Error::other("something")), ..HONEST };
    caught("the error says that the connection is broken", says_other);
    let comes_back = Plant {
        write: |end, cx, bytes| {
            let polled = end.write(cx, bytes);
            match polled {
                Poll::Ready(Err(_)) if std::mem::replace(&mut end.flag, true) => Poll::Ready(Ok(bytes.len())),
                polled => polled,
            }
        },
        ..HONEST
    };
    caught("a broken stream stays broken", comes_back);
}

#[test]
fn a_writer_that_is_not_held_back_or_not_woken_is_seen() {
    let takes_all = Plant {
        write: |end, cx, bytes| match end.write(cx, bytes) {
            Poll::Pending => Poll::Ready(Ok(bytes.len())),
            polled => polled,
        },
        ..HONEST
    };
    caught("back pressure", takes_all);
    let forgets = Plant { write: |end, _, bytes| end.write(&mut Context::from_waker(Waker::noop()), bytes), ..HONEST };
    let why = caught("a writer goes on when it is read", forgets);
    assert!(why.contains("a writer waits, and the other end reads"), "{why}");
    caught("a drop wakes a writer", forgets);
}

#[test]
fn wrong_cancellations_are_seen() {
    let takes_in_and_waits = Plant {
        read: |end, cx, buffer| {
            let is_the_same = end.waker.take().is_some_and(|waker| waker.will_wake(cx.waker()));
            let kept = std::mem::take(&mut end.kept);
            if is_the_same && !kept.is_empty() {
                buffer[..kept.len()].copy_from_slice(&kept);
                return Poll::Ready(Ok(kept.len()));
            }
            let polled = end.read(cx, buffer);
            end.count += 1;
            match polled {
                Poll::Ready(Ok(count @ 1..)) if end.count % 7 == 0 => {
                    end.kept = buffer[..count].to_vec();
                    end.waker = Some(cx.waker().clone());
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                polled => polled,
            }
        },
        ..HONEST
    };
    caught("a cancelled read loses nothing", takes_in_and_waits);
    let loses_what_was_meant_for_another = Plant {
        read: |end, cx, buffer| {
            let polled = end.read(cx, buffer);
            match polled {
                Poll::Pending => end.waker = Some(cx.waker().clone()),
                Poll::Ready(_) if end.waker.take().is_some_and(|waker| !waker.will_wake(cx.waker())) => {
                    return (end.plant.read)(end, cx, buffer);
                }
                Poll::Ready(_) => {}
            }
            polled
        },
        ..HONEST
    };
    caught("a cancelled read that was woken loses nothing", loses_what_was_meant_for_another);
    let writes_what_waited = Plant {
        write: |end, cx, bytes| {
            if !end.kept.is_empty() {
                let count = end.kept.len();
                return end.pass_on(cx).map_ok(|()| count.min(bytes.len()));
            }
            let polled = end.write(cx, bytes);
            if polled.is_pending() {
                end.kept = bytes[..bytes.len().min(100)].to_vec();
            }
            polled
        },
        ..HONEST
    };
    caught("a cancelled write has written nothing", writes_what_waited);
}

#[test]
fn wrong_wakers_are_seen() {
    let forgets = Plant { read: |end, _, buffer| end.read(&mut Context::from_waker(Waker::noop()), buffer), ..HONEST };
    let why = caught("bytes wake a reader", forgets);
    assert!(why.contains("a reader waits, and the peer has written"), "{why}");
    caught("a close wakes a reader", forgets);
    caught("a drop wakes a reader", forgets);
    let why = caught("question and answer", forgets);
    assert!(why.starts_with("a wake-up was lost"), "{why}");

    let keeps_the_first = Plant {
        read: |end, cx, buffer| {
            let first = end.waker.take().unwrap_or_else(|| cx.waker().clone());
            let polled = end.read(&mut Context::from_waker(&first), buffer);
            end.waker = polled.is_pending().then_some(first);
            polled
        },
        ..HONEST
    };
    caught("the last waker of a reader is woken", keeps_the_first);
    let keeps_the_first_writer = Plant {
        write: |end, cx, bytes| {
            let first = end.waker.take().unwrap_or_else(|| cx.waker().clone());
            let polled = end.write(&mut Context::from_waker(&first), bytes);
            end.waker = polled.is_pending().then_some(first);
            polled
        },
        ..HONEST
    };
    caught("the last waker of a writer is woken", keeps_the_first_writer);
    let has_one_place = Plant {
        read: |end, cx, buffer| {
            let waker = end.in_the_only_place(cx);
            end.read(&mut Context::from_waker(&waker), buffer)
        },
        write: |end, cx, bytes| {
            let waker = end.in_the_only_place(cx);
            end.write(&mut Context::from_waker(&waker), bytes)
        },
        ..HONEST
    };
    caught("a reader and a writer wait at once", has_one_place);
}

#[test]
fn a_stream_that_spins_is_seen() {
    let spins = Plant {
        read: |end, cx, buffer| {
            let polled = end.read(cx, buffer);
            if polled.is_pending() {
                cx.waker().wake_by_ref();
            }
            polled
        },
        write: |end, cx, bytes| {
            let polled = end.write(cx, bytes);
            if polled.is_pending() {
                cx.waker().wake_by_ref();
            }
            polled
        },
        ..HONEST
    };
    let why = caught("a waiting reader is quiet", spins);
    assert_eq!(why, "a waiting reader was woken 1000 times with nothing there");
    caught("a waiting writer is quiet", spins);
    let ends_when_polled_often = Plant {
        read: |end, cx, buffer| {
            let polled = end.read(cx, buffer);
            end.count = if polled.is_pending() { end.count + 1 } else { 0 };
            if end.count > 50 { Poll::Ready(Ok(0)) } else { polled }
        },
        ..HONEST
    };
    caught("polls without need change nothing", ends_when_polled_often);
}

#[test]
fn what_no_call_may_do_is_seen_wherever_it_is_done() {
    let says_too_much =
        Plant { read: |end, cx, buffer| end.read(cx, buffer).map_ok(|count| count + 100_000), ..HONEST };
    let why = caught("one byte at a time", says_too_much);
    assert_eq!(why, "it says that it moved 100001 bytes, of 1");
    let would_block = Plant {
        read: |end, cx, buffer| match end.read(cx, buffer) {
            Poll::Pending => Poll::Ready(Err(ErrorKind::WouldBlock.into())),
            polled => polled,
        },
        ..HONEST
    };
    let why = caught("bytes wake a reader", would_block);
    assert_eq!(why, "WouldBlock is not for who polls: it must wait, or try again");
    let never_ready = Plant {
        flush: |_, cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        },
        ..HONEST
    };
    let why = caught("a flush passes on what was written", never_ready);
    assert!(why.starts_with("it spins: ten bytes were written and flushed"), "{why}");
}

/// So that no behaviour is added without a stream that lacks it.
#[test]
fn each_behaviour_has_a_planted_stream() {
    let text = include_str!("planted.rs");
    let without: Vec<_> = Checks::names().filter(|name| !text.contains(&format!("caught(\"{name}\""))).collect();
    assert!(without.is_empty(), "{without:?}");
}
