//! Ends of connections: half closes, resets, reading after the end, writing after the peer has gone.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use coracle::io::AsyncWriteExt;
use coracle::net::TcpStream;
use coracle::task::JoinHandle;
use coracle::{Budget, Runtime};

use super::{kind, pair, pair_with_std, pattern, settle, soon, waiting};
use crate::support::{self, poll_once};

const MEBIBYTE: usize = 1 << 20;

/// One side says that it is done and still gets the whole answer (libuv's `shutdown_eof`, trio's half-close checks).
async fn answer_after_half_close(asks: TcpStream, answers: TcpStream) {
    let answer = pattern(MEBIBYTE);
    let peer = coracle::spawn({
        let answer = answer.clone();
        async move {
            let mut question = Vec::new();
            loop {
                let mut buffer = [0; 64];
                match answers.read(&mut buffer).await.unwrap() {
                    0 => break,
                    n => question.extend_from_slice(&buffer[..n]),
                }
            }
            answers.write_all(&answer).await.unwrap();
            question
        }
    });
    asks.write_all(b"question").await.unwrap();
    asks.shutdown(Shutdown::Write).unwrap();
    let mut got = vec![0; MEBIBYTE];
    asks.read_exact(&mut got).await.unwrap();
    assert!(got == answer, "the answer was changed on its way");
    assert_eq!(peer.await.unwrap(), b"question");
    assert_eq!(asks.read(&mut [0; 8]).await.unwrap(), 0);
}

#[test]
fn a_half_close_of_the_client_lets_the_answer_through() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        answer_after_half_close(client, server).await;
    }));
}

#[test]
fn a_half_close_of_the_server_lets_the_answer_through() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        answer_after_half_close(server, client).await;
    }));
}

#[test]
fn shutting_down_again_or_after_the_peer_has_gone_is_no_error() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        for how in [Shutdown::Write, Shutdown::Write, Shutdown::Read, Shutdown::Both, Shutdown::Both] {
            client.shutdown(how).unwrap();
        }
        assert_eq!(kind(client.write(b"x").await), io::ErrorKind::BrokenPipe);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        drop(client);
        let _ = server.try_write(b"into the void");
        let _ = server.read(&mut [0; 8]).await;
        server.shutdown(Shutdown::Write).unwrap();
        poll_fn(|cx| server.poll_shutdown(cx)).await.unwrap();
    }));
}

/// Shutting down the reading direction ends a read that waits.
#[test]
fn shutting_down_reading_ends_a_parked_read() {
    coracle::block_on(soon(async {
        let (client, _server) = pair().await;
        let mut buffer = [0; 8];
        let mut read = client.read(&mut buffer);
        assert!(poll_once(&mut read).is_pending());
        client.shutdown(Shutdown::Read).unwrap();
        assert_eq!(read.await.unwrap(), 0);
    }));
}

/// Closes with SO_LINGER 0, which sends a reset.
fn reset(stream: TcpStream) {
    stream.set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Fills everything between two ends, so that the next write has to wait.
fn fill(stream: &TcpStream) {
    let bytes = vec![7; 64 * 1024];
    while stream.try_write(&bytes).is_ok() {}
}

type Outcome = JoinHandle<io::Result<usize>>;

/// Parks what `park` spawns, resets the connection from the other end, and gives the outcomes. The reset is handed out in
/// one turn, and nothing is ready any more afterwards.
fn after_reset(parked: (usize, usize), park: impl FnOnce(TcpStream) -> Vec<Outcome>) -> Vec<io::Result<usize>> {
    let runtime = Runtime::new();
    let (ours, theirs) = runtime.block_on(pair());
    fill(&ours);
    let tasks = runtime.enter(|| park(ours));
    settle(&runtime);
    assert_eq!(waiting(&runtime), parked);
    runtime.enter(|| reset(theirs));
    settle(&runtime);
    let outcomes = tasks.into_iter().map(|task| runtime.block_on(soon(task)).unwrap()).collect();
    settle(&runtime);
    assert_eq!(runtime.turn(Budget::no_wait()).unwrap(), coracle::Turn::default());
    outcomes
}

/// libuv's `tcp_rst`: a read that waits is told.
#[test]
fn a_reset_ends_a_parked_read() {
    let outcomes = after_reset((1, 0), |ours| vec![coracle::spawn(async move { ours.read(&mut [0; 8]).await })]);
    let kinds: Vec<_> = outcomes.into_iter().map(kind).collect();
    assert_eq!(kinds, [io::ErrorKind::ConnectionReset]);
}

#[test]
fn a_reset_ends_a_parked_write() {
    let outcomes = after_reset((0, 1), |ours| vec![coracle::spawn(async move { ours.write(&[1; 64]).await })]);
    let kinds: Vec<_> = outcomes.into_iter().map(kind).collect();
    assert_eq!(kinds, [io::ErrorKind::ConnectionReset]);
}

/// The kernel tells the error once: one of the two gets it; then reading is at its end and writing is broken.
#[test]
fn a_reset_ends_a_parked_read_and_a_parked_write() {
    let outcomes = after_reset((1, 1), |ours| {
        let ours = std::rc::Rc::new(ours);
        let reader = coracle::spawn({
            let ours = ours.clone();
            async move { ours.read(&mut [0; 8]).await }
        });
        vec![reader, coracle::spawn(async move { ours.write(&[1; 64]).await })]
    });
    check_both(outcomes);
}

#[test]
fn a_reset_ends_both_owned_halves() {
    let outcomes = after_reset((1, 1), |ours| {
        let (reader, writer) = ours.into_split();
        let reading = coracle::spawn(async move { reader.read(&mut [0; 8]).await });
        vec![reading, coracle::spawn(async move { writer.write(&[1; 64]).await })]
    });
    check_both(outcomes);
}

fn check_both(outcomes: Vec<io::Result<usize>>) {
    let [read, write] = <[_; 2]>::try_from(outcomes).unwrap();
    let reset = usize::from(read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset))
        + usize::from(write.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
    assert_eq!(reset, 1, "read: {read:?}, write: {write:?}");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert!(matches!(kind(write), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe));
}

/// A reset wakes all who wait in one direction, not just the first.
#[test]
fn a_reset_ends_every_parked_read() {
    let outcomes = after_reset((5, 0), |ours| {
        let ours = std::rc::Rc::new(ours);
        let read = |ours: std::rc::Rc<TcpStream>| coracle::spawn(async move { ours.read(&mut [0; 8]).await });
        (0..5).map(|_| read(ours.clone())).collect()
    });
    let (errors, ends): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_err);
    assert_eq!((errors.len(), ends.len()), (1, 4), "the kernel tells a reset once, then the stream is at its end");
    assert!(ends.into_iter().all(|end| end.unwrap() == 0));
}

/// Closing with bytes unread is a reset too, without any option.
#[test]
fn closing_with_unread_bytes_resets_the_peer() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        client.write_all(b"never read").await.unwrap();
        server.peek(&mut [0; 1]).await.unwrap();
        drop(server);
        assert_eq!(kind(client.read(&mut [0; 8]).await), io::ErrorKind::ConnectionReset);
    }));
}

#[test]
fn after_the_end_every_read_says_so_at_once() {
    coracle::block_on(soon(async {
        for registered in [false, true] {
            let (client, server) = pair().await;
            let mut buffer = [0; 8];
            if registered {
                assert!(poll_once(&mut client.read(&mut buffer)).is_pending());
            }
            drop(server);
            assert_eq!(client.read(&mut buffer).await.unwrap(), 0);
            for _ in 0..10 {
                let std::task::Poll::Ready(Ok(0)) = poll_once(&mut client.read(&mut buffer)) else {
                    panic!("a read after the end did not say so at once")
                };
                assert_eq!(client.try_read(&mut buffer).unwrap(), 0);
            }
            assert_eq!(kind(client.read_exact(&mut buffer).await), io::ErrorKind::UnexpectedEof);
        }
    }));
}

/// As documented at `TcpStream::read`: after an error it does not wait either. On Linux the error comes once.
#[test]
fn after_a_reset_no_read_waits() {
    coracle::block_on(soon(async {
        for registered in [false, true] {
            let (client, server) = pair().await;
            let mut buffer = [0; 8];
            if registered {
                assert!(poll_once(&mut client.read(&mut buffer)).is_pending());
            }
            reset(server);
            assert_eq!(kind(client.read(&mut buffer).await), io::ErrorKind::ConnectionReset);
            for _ in 0..10 {
                assert!(poll_once(&mut client.read(&mut buffer)).is_ready(), "a read after a reset waits");
            }
        }
    }));
}

/// The last bytes and the end come in one segment: the read that takes the bytes must not be thought to have drained a
/// stream whose end is still to be told (tokio#5881, tokio#5866).
#[test]
fn the_end_right_behind_the_last_bytes_is_seen() {
    coracle::block_on(soon(async {
        for size in [1, 2, 63, 64, 65, 4096] {
            let (client, server) = pair().await;
            let mut buffer = [0; 64];
            assert!(poll_once(&mut client.read(&mut buffer)).is_pending());
            server.write_all(&pattern(size)).await.unwrap();
            drop(server);
            let mut got = Vec::new();
            loop {
                match client.read(&mut buffer).await.unwrap() {
                    0 => break,
                    n => got.extend_from_slice(&buffer[..n]),
                }
            }
            assert_eq!(got, pattern(size));
        }
    }));
}

/// With SIGPIPE as the system has it (Rust's start-up code ignores it, programs with a C `main` do not), each way to write
/// to a peer that has gone says `BrokenPipe` and the process lives (mio#577).
#[test]
fn writing_after_the_peer_has_gone_is_a_broken_pipe_and_no_signal() {
    support::alone("net::close::writing_after_the_peer_has_gone_is_a_broken_pipe_and_no_signal", || {
        // SAFETY: no handler is installed; the process is this test's own.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        coracle::block_on(soon(async {
            let slices = [IoSlice::new(b"a"), IoSlice::new(b"b")];
            for way in 0..7 {
                let (mut client, server) = pair().await;
                drop(server);
                // The first write is answered with a reset.
                client.write_all(b"x").await.unwrap();
                let result = match way {
                    0 => client.write(b"y").await.map(drop),
                    1 => client.write_vectored(&slices).await.map(drop),
                    2 => client.write_all(b"y").await,
                    3 => client.try_write(b"y").map(drop),
                    4 => poll_fn(|cx| client.poll_write(cx, b"y")).await.map(drop),
                    5 => poll_fn(|cx| client.poll_write_vectored(cx, &slices)).await.map(drop),
                    _ => AsyncWriteExt::write_all(&mut client, b"y").await,
                };
                assert_eq!(kind(result), io::ErrorKind::BrokenPipe, "way {way}");
            }
        }));
    });
}

/// A half that is dropped ends its direction, also on another thread, also when the runtime has ended: the peer must not
/// wait for ever while the reading half lives on.
#[test]
fn a_writing_half_that_is_dropped_anywhere_ends_its_direction() {
    let read_end = |theirs: &mut std::net::TcpStream| {
        theirs.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        theirs.read(&mut [0; 8])
    };
    let runtime = Runtime::new();
    let (ours, mut theirs) = runtime.block_on(pair_with_std());
    let (_reader, writer) = ours.into_split();
    std::thread::spawn(move || drop(writer)).join().unwrap();
    settle(&runtime);
    assert_eq!(read_end(&mut theirs).expect("dropped on another thread"), 0);

    let (ours, mut theirs) = runtime.block_on(pair_with_std());
    let (_reader, writer) = ours.into_split();
    drop(runtime);
    drop(writer);
    assert_eq!(read_end(&mut theirs).expect("dropped after the runtime"), 0);
}

/// Our half is closed, the peer reads slowly: the loop is woken in proportion to the bytes, it does not spin (mio#933,
/// tokio-rustls#33).
#[test]
fn a_half_closed_peer_that_reads_slowly_does_not_make_the_loop_spin() {
    const TOTAL: usize = 16 * MEBIBYTE;
    let runtime = Runtime::new();
    let (ours, mut theirs) = runtime.block_on(pair_with_std());
    theirs.shutdown(Shutdown::Write).unwrap();
    let reader = std::thread::spawn(move || {
        let (mut buffer, mut total) = (vec![0; 256 * 1024], 0);
        loop {
            match theirs.read(&mut buffer).unwrap() {
                0 => return total,
                n => total += n,
            }
        }
    });
    let writer = runtime.spawn(async move {
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
        ours.write_all(&vec![3; TOTAL]).await.unwrap();
    });
    let (mut ready, budget) = (0, Budget { wait: Some(Duration::from_millis(50)), ..Budget::no_wait() });
    while !writer.is_finished() {
        ready += runtime.turn(budget).unwrap().ready;
    }
    assert!(ready <= TOTAL / MEBIBYTE * 100, "{ready} events for {TOTAL} bytes");
    assert_eq!(reader.join().unwrap(), TOTAL);
}

/// Pipes and sockets alike: bytes that came before the end are not lost with it.
#[test]
fn bytes_that_came_before_a_close_are_read() {
    coracle::block_on(soon(async {
        let (ours, mut theirs) = pair_with_std().await;
        theirs.write_all(&pattern(100_000)).unwrap();
        drop(theirs);
        let mut got = Vec::new();
        coracle::io::AsyncReadExt::read_to_end(&mut &ours, &mut got).await.unwrap();
        assert_eq!(got, pattern(100_000));
    }));
}
