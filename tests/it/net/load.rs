//! Many connections at once, on one thread.

use std::rc::Rc;

use coracle::net::{TcpListener, TcpStream};

use super::{soon, waiting};

/// Bytes that look random and depend on the seed: xorshift64*.
fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

async fn echo(stream: TcpStream) {
    let mut buffer = [0; 1000];
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return,
            n => stream.write_all(&buffer[..n]).await.unwrap(),
        }
    }
}

/// Sends `bytes` in uneven pieces, and holds every answer against what was sent.
async fn ask(stream: TcpStream, bytes: Vec<u8>) {
    let mut rest = &bytes[..];
    while let Some(first) = rest.first() {
        let (piece, after) = rest.split_at((1 + usize::from(*first) * 16).min(rest.len()));
        stream.write_all(piece).await.unwrap();
        let mut answer = vec![0; piece.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert!(answer == piece, "an answer is not what was asked");
        rest = after;
    }
}

/// Servers and clients, a thousand tasks on one thread. Every byte is checked, and nothing is left at the end.
#[test]
fn five_hundred_echo_clients_get_their_own_bytes_back() {
    let runtime = coracle::Runtime::new();
    runtime.block_on(soon(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = coracle::spawn(async move {
            let mut served = Vec::new();
            for _ in 0..500 {
                let (stream, _) = listener.accept().await.unwrap();
                served.push(coracle::spawn(echo(stream)));
            }
            for task in served {
                task.await.unwrap();
            }
        });
        let clients: Vec<_> = (0..500)
            .map(|seed| {
                coracle::spawn(async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    ask(stream, random_bytes(seed, 20_000)).await;
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        server.await.unwrap();
    }));
    let left = runtime.inspect();
    assert!(left.tasks.is_empty() && left.sources.is_empty() && left.timers.is_empty(), "{left:?}");
}

/// A proxy in the middle passes each direction on by itself, and each end by itself: no request waits for a flush that the
/// other direction would have to cause (tokio#4001, tokio#3876).
#[test]
fn a_proxy_passes_questions_answers_and_each_end_on() {
    async fn pass_on(from: Rc<TcpStream>, to: Rc<TcpStream>) {
        let mut buffer = [0; 512];
        loop {
            match from.read(&mut buffer).await.unwrap() {
                0 => return to.shutdown(std::net::Shutdown::Write).unwrap(),
                n => to.write_all(&buffer[..n]).await.unwrap(),
            }
        }
    }
    let runtime = coracle::Runtime::new();
    runtime.block_on(soon(async {
        let (client, near) = super::pair().await;
        let (far, server) = super::pair().await;
        let (near, far) = (Rc::new(near), Rc::new(far));
        let there = coracle::spawn(pass_on(near.clone(), far.clone()));
        let back = coracle::spawn(pass_on(far, near));
        for round in 0..100_u8 {
            client.write_all(&[round; 3]).await.unwrap();
            let mut three = [0; 3];
            server.read_exact(&mut three).await.unwrap();
            server.write_all(&three).await.unwrap();
            client.read_exact(&mut three).await.unwrap();
            assert_eq!(three, [round; 3]);
        }
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        there.await.unwrap();
        assert!(!back.is_finished(), "one direction has ended, the other has not");
        server.write_all(b"bye").await.unwrap();
        drop(server);
        let mut bye = [0; 3];
        client.read_exact(&mut bye).await.unwrap();
        assert_eq!((client.read(&mut [0; 8]).await.unwrap(), &bye), (0, b"bye"));
        back.await.unwrap();
    }));
    assert_eq!(waiting(&runtime), (0, 0));
}
