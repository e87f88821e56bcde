//! Programs that are right give the same results in a hostile world, on real sockets of the loopback interface. An event
//! that the world owes and does not give would be a hang here.

use std::future::Future;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::net::{self, Shutdown, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use coracle::sys::World;
use coracle::testing::Choices;
use coracle::{Budget, Runtime};

use super::runtime;

const SEEDS: std::ops::Range<u64> = 1..300;

/// Runs it for all seeds; one that hangs is a failure that names its seed.
fn survives<F: Future<Output = ()>>(seeds: std::ops::Range<u64>, program: impl Fn(Choices) -> F) {
    for seed in seeds {
        let choices = Choices::seeded(seed);
        let world = World::kernel().hostile(&choices);
        let runtime = Runtime::builder().world(world).choices(choices.clone()).build();
        let ended = runtime.block_on(async { coracle::time::timeout(Duration::from_secs(10), program(choices)).await });
        assert!(ended.is_ok(), "it hangs with seed {seed}");
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u8).collect()
}

/// Sends it all in pieces of odd sizes while it reads what comes back.
async fn exchanged<S>(ours: S, theirs: S, bytes: Vec<u8>, choices: &Choices) -> (Vec<u8>, Vec<u8>)
where
    for<'a> &'a S: coracle::io::AsyncRead + coracle::io::AsyncWrite + Unpin,
    S: 'static,
{
    let echo = coracle::spawn(async move {
        let mut buffer = vec![0; 4096];
        loop {
            let count = (&theirs).read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            (&theirs).write_all(&buffer[..count]).await.unwrap();
        }
        (&theirs).close().await.unwrap();
    });
    let ours = std::rc::Rc::new(ours);
    let sending = coracle::spawn({
        let (ours, bytes, choices) = (ours.clone(), bytes.clone(), choices.clone());
        async move {
            let mut left = &bytes[..];
            while !left.is_empty() {
                let (piece, rest) = left.split_at((1 + choices.choose(16 * 1024)).min(left.len()));
                (&*ours).write_all(piece).await.unwrap();
                left = rest;
            }
            (&*ours).close().await.unwrap();
        }
    });
    let mut got = Vec::new();
    (&*ours).read_to_end(&mut got).await.unwrap();
    sending.await.unwrap();
    echo.await.unwrap();
    (bytes, got)
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, server)
}

fn same((sent, got): (Vec<u8>, Vec<u8>)) {
    assert!(sent == got, "{} bytes were sent, {} came back", sent.len(), got.len());
}

#[test]
fn a_megabyte_over_tcp() {
    survives(1..9, async |choices| {
        let (ours, theirs) = tcp_pair().await;
        same(exchanged(ours, theirs, pattern(1 << 20), &choices).await);
    });
}

#[test]
fn a_little_over_tcp() {
    survives(SEEDS, async |choices| {
        let (ours, theirs) = tcp_pair().await;
        same(exchanged(ours, theirs, pattern(choices.choose(3_000)), &choices).await);
    });
}

#[test]
fn a_little_over_a_unix_stream() {
    survives(SEEDS, async |choices| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        same(exchanged(ours, theirs, pattern(choices.choose(3_000)), &choices).await);
    });
}

#[test]
fn vectored_and_peeked() {
    survives(SEEDS, async |choices| {
        let (ours, theirs) = tcp_pair().await;
        let bytes = pattern(1 + choices.choose(300));
        let sending = coracle::spawn({
            let bytes = bytes.clone();
            async move {
                let mut sent = 0;
                while sent < bytes.len() {
                    let (one, two) = bytes[sent..].split_at((bytes.len() - sent) / 3);
                    let slices = [one, two].map(std::io::IoSlice::new);
                    sent += ours.write_vectored(&slices).await.unwrap();
                }
                ours.shutdown(Shutdown::Write).unwrap();
                ours
            }
        });
        let mut got = Vec::new();
        loop {
            let (mut seen, mut one, mut two) = ([0; 8], [0; 3], [0; 40]);
            let peeked = theirs.peek(&mut seen).await.unwrap();
            let mut buffers = [std::io::IoSliceMut::new(&mut one), std::io::IoSliceMut::new(&mut two)];
            let count = theirs.read_vectored(&mut buffers).await.unwrap();
            let read = &[&one[..], &two[..]].concat()[..count];
            assert_eq!(seen[..peeked.min(count)], read[..peeked.min(count)]);
            if count == 0 {
                break;
            }
            got.extend_from_slice(read);
        }
        assert_eq!(got, bytes);
        drop(sending.await.unwrap());
    });
}

#[test]
fn through_a_pipe() {
    survives(SEEDS, async |choices| {
        let (reader, writer) = net::pipe().unwrap();
        let bytes = pattern(choices.choose(200_000));
        let sending = coracle::spawn({
            let bytes = bytes.clone();
            async move { (&writer).write_all(&bytes).await.unwrap() }
        });
        let mut got = Vec::new();
        (&reader).read_to_end(&mut got).await.unwrap();
        sending.await.unwrap();
        assert!(got == bytes);
    });
}

#[test]
fn connections_are_all_accepted() {
    survives(SEEDS, async |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..8)
            .map(|number| {
                coracle::spawn(async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    stream.write_all(&[number]).await.unwrap();
                    let mut answer = [0];
                    stream.read_exact(&mut answer).await.unwrap();
                    assert_eq!(answer, [number]);
                })
            })
            .collect();
        for _ in 0..8 {
            let (stream, _) = listener.accept().await.unwrap();
            drop(coracle::spawn(async move {
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                stream.write_all(&byte).await.unwrap();
            }));
        }
        for client in clients {
            client.await.unwrap();
        }
    });
}

#[test]
fn datagrams_come_one_for_one_and_whole() {
    survives(SEEDS, async |choices| {
        let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (unix, other_unix) = UnixDatagram::pair().unwrap();
        let to = other.local_addr().unwrap();
        let lengths: Vec<usize> = (0..10).map(|_| choices.choose(1_000)).collect();
        let sending = coracle::spawn({
            let lengths = lengths.clone();
            async move {
                for length in lengths {
                    assert_eq!(one.send_to(&pattern(length), to).await.unwrap(), length);
                    assert_eq!(unix.send(&pattern(length)).await.unwrap(), length);
                }
            }
        });
        let mut buffer = [0; 2_000];
        for length in lengths {
            let (count, _) = other.recv_from(&mut buffer).await.unwrap();
            assert_eq!(buffer[..count], pattern(length));
            let count = other_unix.recv(&mut buffer).await.unwrap();
            assert_eq!(buffer[..count], pattern(length));
        }
        sending.await.unwrap();
    });
}

/// What is owed or kept back makes the runtime's descriptor readable: a loop that turns only then must come to the end.
#[test]
fn a_loop_outside_is_told_of_all_that_is_owed() {
    for seed in SEEDS {
        let runtime = runtime(&Choices::seeded(seed));
        let task = runtime.spawn(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let choices = Choices::ordinary();
            same(exchanged(ours, theirs, pattern(500), &choices).await);
        });
        let descriptor = runtime.descriptor().unwrap();
        while !task.is_finished() {
            let mut poll = libc::pollfd { fd: descriptor.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one pollfd, which lives to the end of the call.
            let ready = unsafe { libc::poll(&mut poll, 1, 5_000) };
            assert_eq!(ready, 1, "seed {seed}: there is something to do, and nobody is told");
            runtime.turn(Budget::no_wait()).unwrap();
        }
    }
}

/// A descriptor that is closed takes with it what was owed to it: its number's next one is not told.
#[test]
fn numbers_that_are_used_again_are_no_trouble() {
    survives(1..40, async |choices| {
        for _ in 0..50 {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let reading = coracle::spawn(async move { ours.read(&mut [0; 4]).await.unwrap() });
            coracle::task::yield_now().await;
            match choices.choose(3) {
                0 => assert!(theirs.write(b"12345678").await.unwrap() > 0),
                1 => drop(theirs.into_std()),
                _ => drop(theirs),
            }
            assert!(reading.await.unwrap() <= 4);
        }
    });
}
