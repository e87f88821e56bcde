//! The same over connections of the kernel's: a few programs as they are written.

use std::io;
use std::time::Duration;

use coracle::io::{AsyncBufReadExt, AsyncReadExt, BufReader, BufWriter, Exact};
use coracle::io::{FrameReader, FrameWriter, LengthPrefix, copy, copy_bidirectional};
use coracle::net::{TcpListener, TcpStream};
use coracle::task::yield_now;
use coracle::time::timeout;

use super::{bytes, within_seconds};

/// Two ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// A reader that loses every race but the last: the peer writes byte by byte, and each read has no time at all.
#[test]
fn lines_frames_and_exact_reads_survive_a_time_limit_that_always_strikes() {
    within_seconds(async {
        let (client, server) = connection().await;
        let sending = coracle::spawn(async move {
            for byte in "zwölf 🛶\n\0\x05frameEXACT".as_bytes() {
                client.write_all(&[*byte]).await.unwrap();
                yield_now().await;
            }
            client
        });
        let mut server = BufReader::new(server);
        let mut line = String::new();
        while !line.ends_with('\n') {
            if let Ok(read) = timeout(Duration::ZERO, server.read_line(&mut line)).await {
                read.unwrap();
            }
            yield_now().await;
        }
        assert_eq!(line, "zwölf 🛶\n");
        let mut frames = FrameReader::new(server, LengthPrefix::U16Be, 64);
        let frame = loop {
            if let Ok(frame) = timeout(Duration::ZERO, frames.next()).await {
                break frame.unwrap().unwrap();
            }
            yield_now().await;
        };
        assert_eq!(frame, b"frame");
        let (mut server, taken) = frames.into_parts();
        assert!(taken.is_empty());
        let mut exact = Exact::new(5);
        while timeout(Duration::ZERO, exact.read_from(&mut server)).await.is_err() {
            yield_now().await;
        }
        assert_eq!(exact.filled(), b"EXACT");
        drop(sending.await.unwrap());
        assert!(server.lines().next().await.is_none());
    });
}

/// A proxy between two connections: requests and answers by turns, then half closes, one after the other.
#[test]
fn a_proxy_hands_on_everything_and_each_end() -> io::Result<()> {
    within_seconds(async {
        let ((mut client, mut inbound), (mut outbound, server)) = (connection().await, connection().await);
        let proxy = coracle::spawn(async move { copy_bidirectional(&mut inbound, &mut outbound).await });
        let serving = coracle::spawn(async move {
            let (mut reader, mut writer) = server.into_split();
            copy(&mut BufReader::new(&mut reader), &mut BufWriter::new(&mut writer)).await?;
            // It has read the end; only now it says its last.
            writer.write_all(b"bye").await?;
            io::Result::Ok(())
        });
        for round in 0..3 {
            let question = bytes(50_000 + round);
            // More than the way holds: the answer must be read while the question is written.
            let (reading, writing) = client.split();
            let mut answer = Vec::new();
            let (mut reading, length) = (reading.take(question.len() as u64), question.len());
            let mut sent = std::pin::pin!(writing.write_all(&question));
            let mut is_sent = false;
            let mut read = reading.read_to_end(&mut answer);
            let count = std::future::poll_fn(|cx| {
                is_sent = is_sent || sent.as_mut().poll(cx).is_ready();
                std::pin::Pin::new(&mut read).poll(cx)
            })
            .await?;
            assert_eq!((count, is_sent), (length, true));
            assert_eq!(answer, question);
        }
        client.shutdown(coracle::net::Shutdown::Write)?;
        let mut rest = Vec::new();
        (&client).read_to_end(&mut rest).await?;
        assert_eq!(rest, b"bye");
        serving.await.unwrap()?;
        assert_eq!(proxy.await.unwrap()?, (150_003, 150_006));
        Ok(())
    })
}

/// The writer stops when the socket's buffer is full: frames that were given up in the middle arrive whole all the
/// same.
#[test]
fn frames_that_were_given_up_when_the_socket_was_full_arrive_whole() {
    within_seconds(async {
        let (client, server) = connection().await;
        let mut frames = FrameWriter::new(client, LengthPrefix::U32Be, 1 << 20);
        let mut begun = Vec::new();
        for n in 0..200_u8 {
            let payload = vec![n; 100_000];
            let mut sending = frames.send(&payload);
            let is_sent = timeout(Duration::ZERO, &mut sending).await.is_ok();
            if sending.is_begun() {
                begun.push(n);
            }
            if !is_sent && begun.len() > 3 {
                break;
            }
        }
        assert!(!frames.unsent().is_empty(), "the socket never was full");
        let receiving = coracle::spawn(async move {
            let mut frames = FrameReader::new(BufReader::new(server), LengthPrefix::U32Be, 1 << 20);
            let mut seen = Vec::new();
            while let Some(frame) = frames.next().await {
                let frame = frame.unwrap();
                assert!(frame.len() == 100_000 && frame.iter().all(|byte| *byte == frame[0]));
                seen.push(frame[0]);
            }
            seen
        });
        frames.close().await.unwrap();
        assert_eq!(receiving.await.unwrap(), begun);
    });
}
