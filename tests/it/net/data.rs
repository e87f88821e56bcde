//! Bytes: none, too many slices, uninitialised memory, tiny buffers, urgent data. Whatever the sizes, all arrive, in order.

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, Waker};

use coracle::Runtime;
use coracle::net::TcpStream;

use super::{kind, pair, pair_with_std, pattern, settle, soon, waiting};
use crate::support::poll_once;

/// A read of nothing is done at once, whether bytes are there or not, and takes no readiness away from others (libuv#770).
#[test]
fn a_read_into_nothing_is_done_at_once() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        for bytes_are_there in [false, true] {
            if bytes_are_there {
                server.write_all(b"x").await.unwrap();
                client.peek(&mut [0; 1]).await.unwrap();
            }
            for _ in 0..3 {
                assert!(matches!(poll_once(&mut client.read(&mut [])), Poll::Ready(Ok(0))), "{bytes_are_there}");
                assert!(matches!(poll_once(&mut client.peek(&mut [])), Poll::Ready(Ok(0))), "{bytes_are_there}");
                assert!(matches!(poll_once(&mut client.read_exact(&mut [])), Poll::Ready(Ok(()))), "{bytes_are_there}");
                assert!(matches!(poll_once(&mut client.read_vectored(&mut [])), Poll::Ready(Ok(0))));
                let mut empty = [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [])];
                assert!(matches!(poll_once(&mut client.read_vectored(&mut empty)), Poll::Ready(Ok(0))));
                assert_eq!(client.try_read(&mut []).unwrap(), 0);
            }
        }
        let mut buffer = [0; 8];
        assert_eq!(client.read(&mut buffer).await.unwrap(), 1, "the byte is still there, and so is the readiness");
    }));
}

#[test]
fn a_write_of_nothing_is_done_at_once_also_when_there_is_no_room() {
    coracle::block_on(soon(async {
        let (client, _server) = pair().await;
        for full in [false, true] {
            if full {
                while client.try_write(&[1; 64 * 1024]).is_ok() {}
                assert!(poll_once(&mut client.write(b"x")).is_pending());
            }
            assert!(matches!(poll_once(&mut client.write(&[])), Poll::Ready(Ok(0))), "full: {full}");
            assert!(matches!(poll_once(&mut client.write_all(&[])), Poll::Ready(Ok(()))), "full: {full}");
            assert!(matches!(poll_once(&mut client.write_vectored(&[])), Poll::Ready(Ok(0))), "full: {full}");
            assert_eq!(client.try_write(&[]).unwrap(), 0);
        }
    }));
}

/// More slices than one call of the kernel takes (1,024): a part of them is moved, and no EINVAL comes (rust#68042).
#[test]
fn five_thousand_slices_are_written_and_read_in_parts() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let bytes = pattern(5_000);
        let slices: Vec<IoSlice<'_>> = bytes.chunks(1).map(IoSlice::new).collect();
        let mut written = 0;
        while written < slices.len() {
            let n = client.write_vectored(&slices[written..]).await.unwrap();
            assert!((1..=1024).contains(&n), "{n} slices of one byte in one call");
            written += n;
        }
        let mut got = vec![0; 5_000];
        let mut filled = 0;
        while filled < got.len() {
            let mut buffers: Vec<IoSliceMut<'_>> = got[filled..].chunks_mut(1).map(IoSliceMut::new).collect();
            let n = server.read_vectored(&mut buffers).await.unwrap();
            assert!((1..=1024).contains(&n), "{n} slices of one byte in one call");
            filled += n;
        }
        assert_eq!(got, bytes);
    }));
}

#[test]
fn vectored_reads_and_writes_keep_the_order_of_the_slices() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let slices = [IoSlice::new(b"he"), IoSlice::new(b""), IoSlice::new(b"ad"), IoSlice::new(b"body")];
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 8);
        let (mut first, mut none, mut second) = ([0; 3], [0; 0], [0; 5]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut none), IoSliceMut::new(&mut second)];
        assert_eq!(server.read_vectored(&mut buffers).await.unwrap(), 8);
        assert_eq!((&first, &second), (b"hea", b"dbody"));
        assert_eq!(poll_fn(|cx| client.poll_write_vectored(cx, &slices)).await.unwrap(), 8);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(poll_fn(|cx| server.poll_read_vectored(cx, &mut buffers)).await.unwrap(), 8);
        assert_eq!((&first, &second), (b"hea", b"dbody"));
    }));
}

#[test]
fn uninitialised_memory_is_filled_up_to_the_count_and_not_beyond() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let mut buffer = [MaybeUninit::new(0xEE_u8); 8];
        let mut cx = Context::from_waker(Waker::noop());
        assert!(server.poll_read_uninit(&mut cx, &mut buffer).is_pending());
        client.write_all(b"abc").await.unwrap();
        let n = poll_fn(|cx| server.poll_read_uninit(cx, &mut buffer)).await.unwrap();
        // SAFETY: the whole buffer was initialised above; the read can only have put other bytes there.
        let bytes = buffer.map(|byte| unsafe { byte.assume_init() });
        assert_eq!((n, &bytes), (3, b"abc\xEE\xEE\xEE\xEE\xEE"));
        assert_eq!(poll_fn(|cx| server.poll_read_uninit(cx, &mut [])).await.unwrap(), 0);
        drop(client);
        assert_eq!(poll_fn(|cx| server.poll_read_uninit(cx, &mut buffer)).await.unwrap(), 0);
    }));
}

#[test]
fn peeking_takes_nothing() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let mut buffer = [0; 4];
        assert!(poll_once(&mut server.peek(&mut buffer)).is_pending());
        client.write_all(b"abcdef").await.unwrap();
        for _ in 0..3 {
            assert_eq!(server.peek(&mut buffer).await.unwrap(), 4);
            assert_eq!(poll_fn(|cx| server.poll_peek(cx, &mut buffer)).await.unwrap(), 4);
            assert_eq!(&buffer, b"abcd");
        }
        let mut all = [0; 6];
        server.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"abcdef");
        assert!(poll_once(&mut server.peek(&mut buffer)).is_pending(), "a peek after a full read waits again");
        drop(client);
        assert_eq!(server.peek(&mut buffer).await.unwrap(), 0);
    }));
}

#[test]
fn trying_never_waits() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let mut buffer = [0; 8];
        assert_eq!(kind(server.try_read(&mut buffer)), io::ErrorKind::WouldBlock);
        assert_eq!(client.try_write(b"abc").unwrap(), 3);
        server.peek(&mut [0; 1]).await.unwrap();
        assert_eq!(server.try_read(&mut buffer).unwrap(), 3);
        assert_eq!(kind(server.try_read(&mut buffer)), io::ErrorKind::WouldBlock);
        let mut written = 0;
        let full = loop {
            match client.try_write(&[1; 4096]) {
                Ok(n) => written += n,
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(full, io::ErrorKind::WouldBlock);
        let mut rest = vec![0; written];
        server.read_exact(&mut rest).await.unwrap();
        assert!(rest.iter().all(|byte| *byte == 1));
    }));
}

/// Trying beside futures, which know of readiness: what a try takes away under a parked read does no harm to it.
#[test]
fn a_try_that_takes_the_bytes_leaves_a_parked_read_waiting() {
    let runtime = Runtime::new();
    let (client, server) = runtime.block_on(pair());
    let (mut buffer, mut other) = ([0; 8], [0; 8]);
    let mut read = server.read(&mut buffer);
    assert!(poll_once(&mut read).is_pending());
    client.try_write(b"first").unwrap();
    settle(&runtime);
    assert_eq!(server.try_read(&mut other).unwrap(), 5);
    assert!(poll_once(&mut read).is_pending());
    client.try_write(b"second").unwrap();
    assert_eq!(runtime.block_on(soon(read)).unwrap(), 6);
    assert_eq!(&buffer[..6], b"second");
}

async fn send_and_receive(stream: &TcpStream, seed: usize) -> Vec<u8> {
    let (sent, mut got) = (pattern(FOUR_MEBIBYTES + seed), vec![0; FOUR_MEBIBYTES + (1 - seed)]);
    let send = async {
        stream.write_all(&sent[seed..]).await.unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    };
    let receive = stream.read_exact(&mut got[1 - seed..]);
    both(send, async { receive.await.unwrap() }).await;
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    got.split_off(1 - seed)
}

const FOUR_MEBIBYTES: usize = 4 << 20;

/// Awaits two futures in one task.
async fn both(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    let (mut one_done, mut other_done) = (false, false);
    poll_fn(|cx| {
        one_done = one_done || one.as_mut().poll(cx).is_ready();
        other_done = other_done || other.as_mut().poll(cx).is_ready();
        if one_done && other_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// The smallest buffers that the kernel gives: every read and write is short, both directions are full all the time, and
/// reading and writing wait in one task.
#[test]
fn four_mebibytes_go_both_ways_at_once_through_tiny_buffers() {
    coracle::block_on(soon(async {
        let listener = coracle::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            stream.set_send_buffer_size(4096).unwrap();
            stream.set_recv_buffer_size(16 * 1024).unwrap();
        }
        let peer = coracle::spawn(async move { send_and_receive(&server, 1).await });
        let got = send_and_receive(&client, 0).await;
        assert!(got == pattern(FOUR_MEBIBYTES + 1)[1..], "what the server sent was changed");
        assert!(peer.await.unwrap() == pattern(FOUR_MEBIBYTES), "what the client sent was changed");
    }));
}

/// Sends one byte out of band.
fn send_urgent(stream: &std::net::TcpStream) {
    let byte = b"!";
    // SAFETY: the pointer is to one byte, and that is the length.
    let sent = unsafe { libc::send(stream.as_raw_fd(), byte.as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
}

/// A read ends at the mark of urgent data although more is behind it: such a short read must not be thought to have
/// drained the socket. The bytes before and after arrive; the urgent byte is no part of the stream.
#[test]
fn urgent_data_in_the_middle_does_not_stall_the_reader() {
    for parked in [false, true] {
        let runtime = Runtime::new();
        let (ours, mut theirs) = runtime.block_on(pair_with_std());
        let task = runtime.spawn(async move {
            let mut got = Vec::new();
            while got.len() < 12 {
                let mut buffer = [0; 64];
                let n = ours.read(&mut buffer).await.unwrap();
                assert!(n > 0);
                got.extend_from_slice(&buffer[..n]);
            }
            (ours, got)
        });
        if parked {
            settle(&runtime);
            assert_eq!(waiting(&runtime), (1, 0));
        }
        theirs.write_all(b"before").unwrap();
        send_urgent(&theirs);
        theirs.write_all(b"behind").unwrap();
        let (ours, got) = runtime.block_on(soon(task)).unwrap();
        assert_eq!(got, b"beforebehind", "parked: {parked}");
        // Once more on the same stream, which has seen urgent data already; now each part comes by itself.
        let task = runtime.spawn(async move {
            let mut got = [0; 6];
            ours.read_exact(&mut got).await.unwrap();
            got
        });
        for part in [b"abc", b"def"] {
            settle(&runtime);
            theirs.write_all(part).unwrap();
            settle(&runtime);
            send_urgent(&theirs);
        }
        assert_eq!(&runtime.block_on(soon(task)).unwrap(), b"abcdef");
    }
}
