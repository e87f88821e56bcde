//! A paused clock does not jump while anything is on its way, and jumps at once, exactly to the deadline, when nothing
//! is.
//!
//! The symptom, elsewhere: with a paused clock a timeout around a request fires although the reply is on its way,
//! because the clock jumps whenever no task is ready (tokio#4522, tokio#8232).

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use coracle::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use coracle::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe};
use coracle::sys::World;
use coracle::testing::elapsed;
use coracle::time::{interval, sleep, timeout};
use coracle::{Runtime, blocking, sync};

/// Longer than any test takes in real time.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn paused() -> Runtime {
    Runtime::builder().world(World::kernel().paused()).build()
}

/// Runs it in a paused world. Nothing in it may cost time: its waits for each other never do.
fn without_time(main: impl Future<Output = io::Result<()>>) {
    paused().block_on(async {
        main.await.unwrap();
        assert_eq!(elapsed(), Duration::ZERO, "the clock moved while something was on its way");
    });
}

async fn in_time<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(TIMEOUT, future).await.expect("timed out although the answer was on its way")
}

/// Answers each byte after a while: three tasks, one after the other, have to be asked.
async fn serve(stream: TcpStream) -> io::Result<()> {
    let mut byte = [0];
    while stream.read(&mut byte).await? > 0 {
        let mut asked = coracle::spawn(async move { byte });
        for _ in 0..2 {
            asked = coracle::spawn(async move { asked.await.unwrap() });
        }
        stream.write_all(&asked.await.unwrap()).await?;
    }
    Ok(())
}

#[test]
fn thousands_of_answers_over_tcp_are_in_time() {
    without_time(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let _server = coracle::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(coracle::spawn(serve(stream)));
            }
        });
        for _ in 0..200 {
            let stream = in_time(TcpStream::connect(address)).await?;
            for round in 0..20 {
                in_time(stream.write_all(&[round])).await?;
                let mut answer = [0];
                in_time(stream.read_exact(&mut answer)).await?;
                assert_eq!(answer, [round]);
            }
        }
        Ok(())
    });
}

/// Sends a header and a body by calls of their own, which is what Nagle's algorithm and delayed acknowledgements make
/// slow: the kernel keeps the body back for up to 40 ms.
#[test]
fn what_the_kernel_keeps_back_is_in_time() {
    without_time(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let _server = coracle::spawn(async move {
            let (stream, _) = listener.accept().await?;
            let mut request = [0; 110];
            while stream.read_exact(&mut request).await.is_ok() {
                stream.write_all(&request[..10]).await?;
                stream.write_all(&request[10..]).await?;
            }
            io::Result::Ok(())
        });
        let stream = in_time(TcpStream::connect(address)).await?;
        for round in 0..12 {
            in_time(stream.write_all(&[round; 10])).await?;
            in_time(stream.write_all(&[round; 50])).await?;
            in_time(stream.write_all(&[round; 50])).await?;
            let mut answer = [0; 110];
            in_time(stream.read_exact(&mut answer)).await?;
            assert_eq!(answer, [round; 110]);
        }
        Ok(())
    });
}

/// There and back again, each way closed at its end; with the system's buffers, and with the smallest.
async fn bodies(sizes: &[usize], small_buffers: bool) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let squeeze = move |stream: &TcpStream| -> io::Result<()> {
        if small_buffers {
            stream.set_send_buffer_size(1)?;
            stream.set_recv_buffer_size(1)?;
        }
        Ok(())
    };
    let server = coracle::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            squeeze(&stream)?;
            let mut body = Vec::new();
            in_time((&stream).read_to_end(&mut body)).await?;
            in_time(stream.write_all(&body)).await?;
            // And it goes, with what is not sent yet.
        }
        io::Result::Ok(())
    });
    for size in sizes {
        let stream = in_time(TcpStream::connect(address)).await?;
        squeeze(&stream)?;
        let body: Vec<u8> = (0..*size).map(|at| at as u8).collect();
        in_time(stream.write_all(&body)).await?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = Vec::new();
        in_time((&stream).read_to_end(&mut answer)).await?;
        assert!(answer == body, "{} of {size} bytes came back", answer.len());
    }
    server.abort();
    Ok(())
}

#[test]
fn large_bodies_are_in_time() {
    without_time(async {
        bodies(&[64 << 10; 10], false).await?;
        bodies(&[256 << 10, 1 << 20, 4 << 20], false).await
    });
}

#[test]
fn bodies_through_the_smallest_buffers_are_in_time() {
    without_time(bodies(&[1, 5_000, 40_000], true));
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    let mut buffer = [0; 256];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

async fn is_echoed<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, rounds: usize) -> io::Result<()> {
    for round in 0..rounds {
        in_time(stream.write_all(&round.to_le_bytes())).await?;
        let mut answer = [0; 8];
        in_time(stream.read_exact(&mut answer)).await?;
        assert_eq!(answer, round.to_le_bytes());
    }
    Ok(())
}

#[test]
fn unix_streams_are_in_time() {
    without_time(async {
        let path = std::env::temp_dir().join(format!("coracle-clock-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        let _server = coracle::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(coracle::spawn(echo(stream)));
            }
        });
        for _ in 0..50 {
            let mut stream = in_time(UnixStream::connect(&path)).await?;
            is_echoed(&mut stream, 20).await?;
        }
        std::fs::remove_file(&path)?;
        let (mut one, other) = UnixStream::pair()?;
        let _server = coracle::spawn(echo(other));
        is_echoed(&mut one, 1000).await
    });
}

#[test]
fn datagrams_are_in_time() {
    without_time(async {
        let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        let (here, there) = (one.local_addr()?, other.local_addr()?);
        let server = coracle::spawn(async move {
            let mut buffer = [0; 64];
            loop {
                let (count, from) = other.recv_from(&mut buffer).await?;
                other.send_to(&buffer[..count], from).await?;
                if count == 0 {
                    return io::Result::Ok(other);
                }
            }
        });
        for round in 1..=1000usize {
            in_time(one.send_to(&round.to_le_bytes(), there)).await?;
            let mut answer = [0; 8];
            in_time(one.recv_from(&mut answer)).await?;
            assert_eq!(answer, round.to_le_bytes());
        }
        one.send_to(&[], there).await?;
        let other = server.await.unwrap()?;
        // Connected to each other.
        one.connect(there)?;
        other.connect(here)?;
        let _server = coracle::spawn(async move {
            let mut buffer = [0; 8];
            while let Ok(count) = other.recv(&mut buffer).await {
                other.send(&buffer[..count]).await.unwrap();
            }
        });
        in_time(one.recv_from(&mut [0; 8])).await?;
        for _ in 0..200 {
            in_time(one.send(b"bytes")).await?;
            in_time(one.recv(&mut [0; 8])).await?;
        }
        let (one, other) = UnixDatagram::pair()?;
        let _server = coracle::spawn(async move {
            let mut buffer = [0; 8];
            while let Ok(count) = other.recv(&mut buffer).await {
                other.send(&buffer[..count]).await.unwrap();
            }
        });
        for _ in 0..200 {
            in_time(one.send(b"bytes")).await?;
            in_time(one.recv(&mut [0; 8])).await?;
        }
        Ok(())
    });
}

#[test]
fn pipes_are_in_time() {
    without_time(async {
        let (asked, ask) = pipe()?;
        let (answered, answer) = pipe()?;
        let _server = coracle::spawn(async move {
            let mut buffer = [0; 8];
            while let Ok(1..) = asked.read(&mut buffer).await {
                answer.write(&buffer).await.unwrap();
            }
        });
        for round in 0..1000usize {
            in_time(ask.write(&round.to_le_bytes())).await?;
            let mut buffer = [0; 8];
            in_time(answered.read(&mut buffer)).await?;
            assert_eq!(buffer, round.to_le_bytes());
        }
        Ok(())
    });
}

#[test]
fn blocking_jobs_and_names_are_in_time() {
    without_time(async {
        for _ in 0..5 {
            let job = blocking::submit(|| std::thread::sleep(Duration::from_millis(15)));
            timeout(TIMEOUT, job).await.unwrap().unwrap();
        }
        in_time(coracle::net::resolve("localhost", 80)).await?;
        Ok(())
    });
}

/// Nobody is woken by its end: that alone has to end the wait.
#[test]
fn a_job_that_nobody_waits_for_holds_the_clock_until_it_ends() {
    paused().block_on(async {
        let ended = Rc::new(Instant::now() + Duration::from_millis(60));
        drop(blocking::submit(|| std::thread::sleep(Duration::from_millis(60))));
        // It has begun: one that has not is taken back by the drop.
        sleep(Duration::from_secs(1)).await;
        assert!(elapsed() == Duration::from_secs(1) && Instant::now() < *ended + Duration::from_secs(5));
        let begin = Instant::now();
        let job = blocking::submit(|| std::thread::sleep(Duration::from_millis(60)));
        coracle::spawn(async move { drop(timeout(Duration::ZERO, job).await) }).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert!(begin.elapsed() < Duration::from_secs(5), "the wait did not end with the job");
    });
}

#[test]
fn silence_times_out_at_once_and_at_exactly_that_time() {
    let begin = Instant::now();
    paused().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_silent, _) = listener.accept().await.unwrap();
        for round in 1..=100 {
            assert!(timeout(TIMEOUT, stream.read(&mut [0])).await.is_err());
            assert_eq!(elapsed(), TIMEOUT * round);
        }
    });
    assert!(begin.elapsed() < Duration::from_secs(5), "100 timeouts took {:?}", begin.elapsed());
}

#[test]
fn timers_fire_in_order_at_exactly_their_times() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = |what: &'static str| {
        let seen = seen.clone();
        move || seen.borrow_mut().push((what, elapsed().as_millis()))
    };
    paused().block_on(async {
        for (name, time) in [("third", 300), ("first", 100), ("second", 200), ("also second", 200)] {
            let note = note(name);
            drop(coracle::spawn(async move {
                sleep(Duration::from_millis(time)).await;
                note();
            }));
        }
        let ticked = note("tick");
        let mut ticks = interval(Duration::from_millis(150));
        for _ in 0..3 {
            ticks.tick().await;
            ticked();
        }
        // The inner one is due first, then the outer one, whatever is inside.
        let inner = timeout(Duration::from_millis(10), std::future::pending::<()>());
        assert!(timeout(Duration::from_millis(20), inner).await.unwrap().is_err());
        let inner = timeout(Duration::from_millis(20), std::future::pending::<()>());
        assert!(timeout(Duration::from_millis(10), inner).await.is_err());
        note("nested")();
    });
    let mut seen = seen.take();
    // Equal times: the order in which they were set, not that of the tasks.
    seen.sort_by_key(|(_, time)| *time);
    let expected = [
        ("tick", 0),
        ("first", 100),
        ("tick", 150),
        ("second", 200),
        ("also second", 200),
        ("third", 300),
        ("tick", 300),
        ("nested", 320),
    ];
    assert_eq!(seen, expected);
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// The sender waits for a reader that sleeps: the kernel has something to send, but it is the program that does not go
/// on.
#[test]
fn a_full_connection_does_not_hold_the_clock() {
    let begin = Instant::now();
    paused().block_on(async {
        let (client, server) = connected().await;
        let body = vec![7; 16 << 20];
        let length = body.len();
        let sent = coracle::spawn(async move {
            client.write_all(&body).await.unwrap();
            elapsed()
        });
        sleep(Duration::from_secs(10)).await;
        assert!(!sent.is_finished(), "it was not full");
        let mut received = vec![0; length];
        timeout(TIMEOUT, server.read_exact(&mut received)).await.unwrap().unwrap();
        assert_eq!((elapsed(), sent.await.unwrap()), (Duration::from_secs(10), Duration::from_secs(10)));
        // With the least that it may send at once, it needs acknowledgements for room, and the kernel delays those.
        let (client, server) = connected().await;
        client.set_send_buffer_size(1).unwrap();
        let (body, mut all) = (vec![7; 2 << 20], vec![0; 2 << 20]);
        let sent = coracle::spawn(async move { client.write_all(&body).await.is_ok() });
        sleep(Duration::from_secs(10)).await;
        assert!(!sent.is_finished());
        timeout(TIMEOUT, server.read_exact(&mut all)).await.unwrap().unwrap();
        assert_eq!((sent.await.unwrap(), elapsed()), (true, Duration::from_secs(20)));
        // The same with pairs, whose buffers are the other's.
        let (one, other) = UnixStream::pair().unwrap();
        let sent = coracle::spawn(async move { one.write_all(&vec![7; length]).await });
        sleep(Duration::from_secs(10)).await;
        assert!(!sent.is_finished());
        timeout(TIMEOUT, other.read_exact(&mut received)).await.unwrap().unwrap();
        sent.await.unwrap().unwrap();
        assert_eq!(elapsed(), Duration::from_secs(30));
    });
    assert!(begin.elapsed() < Duration::from_secs(5), "it waited for the kernel, for {:?}", begin.elapsed());
}

/// The end of a connection that was dropped with much in it comes behind all that.
#[test]
fn what_a_dropped_connection_had_sent_is_in_time() {
    without_time(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        for _ in 0..5 {
            let stream = in_time(TcpStream::connect(address)).await?;
            let (server, _) = in_time(listener.accept()).await?;
            // As much as the kernel takes.
            let mut sent = 0;
            while let Ok(count) = server.try_write(&[7; 60_000]) {
                sent += count;
            }
            drop(server);
            let mut received = Vec::new();
            in_time((&stream).read_to_end(&mut received)).await?;
            assert_eq!(received.len(), sent);
        }
        Ok(())
    });
}

#[test]
fn a_listener_whose_connections_wait_is_inside() {
    let begin = Instant::now();
    paused().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        // Written to, closed, not accepted yet.
        stream.write_all(b"bytes").await.unwrap();
        for _ in 0..100 {
            assert!(timeout(TIMEOUT, stream.read(&mut [0])).await.is_err());
        }
        drop(stream);
        let (server, _) = timeout(TIMEOUT, listener.accept()).await.unwrap().unwrap();
        let mut received = Vec::new();
        timeout(TIMEOUT, (&server).read_to_end(&mut received)).await.unwrap().unwrap();
        assert_eq!(received, b"bytes");
        for _ in 0..100 {
            assert!(timeout(TIMEOUT, listener.accept()).await.is_err());
        }
        assert_eq!((elapsed(), coracle::testing::foreign_sources()), (TIMEOUT * 200, Vec::new()));
    });
    assert!(begin.elapsed() < Duration::from_secs(5));
}

/// Without any descriptor at all, and with channels between the tasks.
#[test]
fn an_hour_of_sleeps_takes_no_time() {
    let begin = Instant::now();
    paused().block_on(async {
        let (sender, receiver) = sync::channel::bounded(1);
        let sending = coracle::spawn(async move {
            for second in 0..3600 {
                sleep(Duration::from_secs(1)).await;
                sender.send(second).await.unwrap();
            }
        });
        for second in 0..3600 {
            assert_eq!(timeout(Duration::from_secs(2), receiver.recv()).await.unwrap(), Some(second));
        }
        sending.await.unwrap();
        assert_eq!(elapsed(), Duration::from_secs(3600));
    });
    assert!(begin.elapsed() < Duration::from_secs(5));
}
