//! Sockets between hosts, over links that are as bad as the seed has it: no byte lost, doubled or out of order, whatever is
//! cut off, reset or given up on the way.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use coracle::io::{AsyncReadExt, AsyncWriteExt, BufWriter, copy};
use coracle::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use coracle::sim::{Fault, Link, Simulation};
use coracle::spawn;
use coracle::testing::Choices;
use coracle::time::{sleep, timeout};

use super::{Scenario, TURNS, perhaps, run, some_turns};

pub(super) const ALL: &[Scenario] = &[
    ("echo", echo),
    ("partition and retry", partition),
    ("broken connections", broken),
    ("refused, then there", refused),
    ("several who accept", acceptors),
    ("a proxy between", proxy),
    ("cancelled reads and writes", cancelled),
    ("many short connections", churn),
    ("several readers of one socket", readers),
    ("a read under another waker", polled),
    ("datagrams", datagrams),
    ("Unix sockets", unix),
    ("a crash", crash),
];

/// A link as bad as the seed has it.
fn link(choices: &Choices) -> Link {
    let mut link = Link::new().latency(Duration::from_millis(choices.choose(50) as u64));
    if choices.choose(2) == 1 {
        link = link.jitter(Duration::from_millis(choices.choose(30) as u64));
    }
    if choices.choose(3) == 1 {
        link = link.loss(0.1);
    }
    if choices.choose(3) == 1 {
        link = link.bandwidth(10_000 + choices.choose(1_000_000) as u64);
    }
    link
}

/// Bytes that show where they belong.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}

/// How many, of all the orders of magnitude.
fn count(choices: &Choices) -> usize {
    1 + choices.choose([2, 100, 5_000, 40_000][choices.choose(4)])
}

fn simulate(seed: u64, hosts: impl FnOnce(&mut Simulation, &Choices)) {
    let choices = Choices::seeded(seed);
    let mut simulation = Simulation::with_choices(choices.clone());
    simulation.network().links(link(&choices));
    simulation.limit_turns(TURNS);
    hosts(&mut simulation, &choices);
    if let Err(stopped) = simulation.run() {
        panic!("seed {seed}: {stopped}");
    }
}

/// To a server that is there, or will be in a moment: which host runs first is as the seed has it. A bad link can lose
/// each of seven packets in a row, once in many thousand seeds.
async fn connected(server: &str) -> io::Result<TcpStream> {
    loop {
        match TcpStream::connect(server).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !has_begun() => {
                sleep(Duration::from_millis(1)).await;
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            result => return result,
        }
    }
}

/// Whether every host has had time to begin.
fn has_begun() -> bool {
    coracle::testing::elapsed() > Duration::from_secs(30)
}

/// Sends back what comes, to the end.
async fn send_back(choices: Choices, stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 1 + choices.choose(3_000)];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return stream.shutdown(Shutdown::Write),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

async fn serve(choices: Choices) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7")?;
    loop {
        let (stream, _) = listener.accept().await?;
        drop(spawn(send_back(choices.clone(), stream)));
    }
}

/// Sends this, and takes in what comes back, at once, to the end.
async fn exchange(choices: &Choices, stream: &TcpStream, sent: &[u8]) -> io::Result<Vec<u8>> {
    let mut received = Vec::new();
    let ((), ()) = coracle::task::try_join((
        async {
            for part in sent.chunks(1 + choices.choose(5_000)) {
                stream.write_all(part).await?;
                some_turns(choices).await;
            }
            stream.shutdown(Shutdown::Write)
        },
        async {
            let mut buffer = vec![0; 1 + choices.choose(3_000)];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return io::Result::Ok(()),
                    count => received.extend_from_slice(&buffer[..count]),
                }
            }
        },
    ))
    .await?;
    Ok(received)
}

fn echo(seed: u64) {
    simulate(seed, |simulation, choices| {
        let serving = choices.clone();
        simulation.host("server", move || serve(serving.clone()));
        for name in ["one", "two"] {
            let choices = choices.clone();
            simulation.client(name, move || {
                let choices = choices.clone();
                async move {
                    let sent = bytes(count(&choices));
                    let stream = connected("server:7").await?;
                    assert_eq!(exchange(&choices, &stream, &sent).await?, sent, "not what was sent");
                    io::Result::Ok(())
                }
            });
        }
    });
}

/// A request is made again until it is answered; the way there is cut now and then.
fn partition(seed: u64) {
    simulate(seed, |simulation, choices| {
        let serving = choices.clone();
        simulation.host("server", move || serve(serving.clone()));
        for round in 0..3 {
            let begin = Duration::from_millis(round * 20_000 + choices.choose(3_000) as u64);
            let end = begin + Duration::from_millis(choices.choose(15_000) as u64);
            let one_way = choices.choose(2) == 1;
            simulation.at(begin, move |network| match one_way {
                true => network.partition_one_way("server", "client"),
                false => network.partition("server", "client"),
            });
            simulation.at(end, |network| network.heal("server", "client"));
        }
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                for number in 0..3u8 {
                    let sent = [number; 100];
                    let mut tries = 0;
                    loop {
                        tries += 1;
                        assert!(tries < 100, "it is never answered");
                        let answer = timeout(Duration::from_secs(5), async {
                            let stream = TcpStream::connect("server:7").await?;
                            exchange(&choices, &stream, &sent).await
                        });
                        if let Ok(Ok(answer)) = answer.await {
                            assert_eq!(answer, sent);
                            break;
                        }
                    }
                    sleep(Duration::from_secs(10)).await;
                }
                io::Result::Ok(())
            }
        });
    });
}

/// A connection ends somewhere: what has come until then is a beginning of what was sent.
fn broken(seed: u64) {
    simulate(seed, |simulation, choices| {
        let fault = [Fault::Reset, Fault::HalfClose, Fault::Stall][choices.choose(3)];
        let after = choices.choose(20_000) as u64;
        let serving = choices.clone();
        simulation.host("server", move || serve(serving.clone()));
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let sent = bytes(30_000);
                let stream = connected("server:7").await?;
                let mut received = Vec::new();
                let talk = async {
                    let write = async {
                        let _ = stream.write_all(&sent).await;
                        let _ = stream.shutdown(Shutdown::Write);
                    };
                    let read = async {
                        let mut buffer = vec![0; 1 + choices.choose(3_000)];
                        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                            received.extend_from_slice(&buffer[..count]);
                        }
                    };
                    coracle::task::join((write, read)).await
                };
                let ended = timeout(Duration::from_secs(100), talk).await.is_ok();
                assert!(ended || fault == Fault::Stall, "nobody said that the connection is broken");
                assert!(sent.starts_with(&received), "what came is not a beginning of what was sent");
                io::Result::Ok(())
            }
        });
        let [from, to] = [["server", "client"], ["client", "server"]][choices_direction(after)];
        simulation.network().fault(from, to, after, fault);
    });
}

fn choices_direction(after: u64) -> usize {
    (after % 2) as usize
}

/// Nobody listens at first: the client is told so, and not that it is connected.
fn refused(seed: u64) {
    simulate(seed, |simulation, choices| {
        let (late, serving) = (Duration::from_millis(choices.choose(2_000) as u64), choices.clone());
        simulation.host("server", move || {
            let serving = serving.clone();
            async move {
                sleep(late).await;
                serve(serving).await
            }
        });
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let stream = loop {
                    match TcpStream::connect("server:7").await {
                        Ok(stream) => break stream,
                        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
                    }
                    sleep(Duration::from_millis(100)).await;
                };
                assert_eq!(exchange(&choices, &stream, b"hello").await?, b"hello");
                io::Result::Ok(())
            }
        });
    });
}

/// Several wait for connections at one listener, and give up now and then: each connection is served.
fn acceptors(seed: u64) {
    simulate(seed, |simulation, choices| {
        let serving = choices.clone();
        simulation.host("server", move || {
            let choices = serving.clone();
            async move {
                let listener = Rc::new(TcpListener::bind("0.0.0.0:7")?);
                for _ in 0..3 {
                    let (choices, listener) = (choices.clone(), listener.clone());
                    drop(spawn(async move {
                        loop {
                            if let Some(accepted) = perhaps(&choices, listener.accept()).await {
                                send_back(choices.clone(), accepted.unwrap().0).await.unwrap();
                            }
                        }
                    }));
                }
                std::future::pending::<io::Result<()>>().await
            }
        });
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let asked: Vec<_> = (0..4u8)
                    .map(|number| {
                        let choices = choices.clone();
                        spawn(async move {
                            some_turns(&choices).await;
                            let stream = connected("server:7").await.unwrap();
                            let sent = [number; 10];
                            let answer = timeout(Duration::from_secs(60), exchange(&choices, &stream, &sent));
                            assert_eq!(answer.await.expect("nobody serves it").unwrap(), sent);
                        })
                    })
                    .collect();
                for task in asked {
                    task.await.unwrap();
                }
                io::Result::Ok(())
            }
        });
    });
}

/// A proxy with a buffered writer, requests and answers in turn: nothing stays in a buffer while both sides wait.
fn proxy(seed: u64) {
    simulate(seed, |simulation, choices| {
        let serving = choices.clone();
        simulation.host("server", move || serve(serving.clone()));
        simulation.host("proxy", async || -> io::Result<()> {
            let listener = TcpListener::bind("0.0.0.0:8")?;
            loop {
                let (client, _) = listener.accept().await?;
                let server = connected("server:7").await?;
                let (client, server) = (Rc::new(client), Rc::new(server));
                for (from, to) in [(client.clone(), server.clone()), (server, client)] {
                    drop(spawn(async move {
                        let mut writer = BufWriter::new(&*to);
                        copy(&mut &*from, &mut writer).await.unwrap();
                        writer.flush().await.unwrap();
                        to.shutdown(Shutdown::Write).unwrap();
                    }));
                }
            }
        });
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let stream = connected("proxy:8").await?;
                let mut answer = [0; 50];
                for number in 0..3 {
                    stream.write_all(&[number; 50]).await?;
                    timeout(Duration::from_secs(600), stream.read_exact(&mut answer)).await.expect("no answer")?;
                    assert_eq!(answer, [number; 50]);
                    some_turns(&choices).await;
                }
                stream.shutdown(Shutdown::Write)?;
                assert_eq!(stream.read(&mut answer).await?, 0);
                io::Result::Ok(())
            }
        });
    });
}

/// A read that is dropped has taken nothing; a write that is dropped has written what it says.
fn cancelled(seed: u64) {
    simulate(seed, |simulation, choices| {
        let serving = choices.clone();
        simulation.host("server", move || {
            let choices = serving.clone();
            async move {
                let listener = TcpListener::bind("0.0.0.0:7")?;
                let (stream, _) = listener.accept().await?;
                let (mut received, mut buffer) = (Vec::new(), vec![0; 1 + choices.choose(3_000)]);
                loop {
                    match perhaps(&choices, stream.read(&mut buffer)).await.transpose()? {
                        Some(0) => break,
                        Some(count) => received.extend_from_slice(&buffer[..count]),
                        // What comes meanwhile finds nobody.
                        None => sleep(Duration::from_millis(choices.choose(30) as u64)).await,
                    }
                }
                let written = received.len() as u32;
                assert_eq!(received, bytes(received.len()));
                stream.write_all(&written.to_be_bytes()).await?;
                stream.shutdown(Shutdown::Write)
            }
        });
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let stream = connected("server:7").await?;
                let (all, mut written) = (bytes(100_000), 0);
                for _ in 0..10 {
                    let end = (written + 10_000).min(all.len());
                    let mut write = Box::pin(stream.write_all(&all[written..end]));
                    let outcome = perhaps(&choices, write.as_mut()).await;
                    written += match outcome {
                        Some(result) => result.map(|()| end - written)?,
                        None => write.written(),
                    };
                }
                stream.shutdown(Shutdown::Write)?;
                let mut answer = [0; 4];
                stream.read_exact(&mut answer).await?;
                assert_eq!(u32::from_be_bytes(answer), written as u32, "as many as it says were written");
                io::Result::Ok(())
            }
        });
    });
}

/// Sockets come and go, so that their numbers and places are used again.
fn churn(seed: u64) {
    simulate(seed, |simulation, choices| {
        let serving = choices.clone();
        simulation.host("server", move || serve(serving.clone()));
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let rounds: Vec<_> = (0..3u8)
                    .map(|number| {
                        let choices = choices.clone();
                        spawn(async move {
                            for round in 0..4 {
                                let stream = connected("server:7").await.unwrap();
                                let sent = [number * 16 + round; 20];
                                stream.write_all(&sent).await.unwrap();
                                if choices.choose(3) == 1 {
                                    continue; // closed before the answer
                                }
                                let mut answer = [0; 20];
                                stream.read_exact(&mut answer).await.unwrap();
                                assert_eq!(answer, sent, "the answer to another connection");
                                // Nothing more is to come: who is told of readiness here is told of another's.
                                let more = timeout(Duration::from_millis(1), stream.read(&mut answer)).await;
                                assert!(more.is_err(), "{more:?}");
                            }
                        })
                    })
                    .collect();
                for task in rounds {
                    task.await.unwrap();
                }
                io::Result::Ok(())
            }
        });
    });
}

/// Several tasks read from one socket: all go on, and each byte comes once.
fn readers(seed: u64) {
    simulate(seed, |simulation, choices| {
        let serving = choices.clone();
        simulation.host("server", async move || -> io::Result<()> {
            let listener = TcpListener::bind("0.0.0.0:7")?;
            loop {
                let (stream, _) = listener.accept().await?;
                for _ in 0..6 {
                    sleep(Duration::from_millis(serving.choose(3) as u64)).await;
                    stream.write_all(&[1; 100]).await?;
                }
                stream.shutdown(Shutdown::Write)?;
                let _ = stream.read(&mut [0; 1]).await;
            }
        });
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let stream = Rc::new(connected("server:7").await?);
                let total = Rc::new(Cell::new(0));
                // The last one has no patience: it gives up for good, and what it was woken for is the others'.
                let tasks: Vec<_> = (0..3)
                    .map(|number| {
                        let (choices, stream, total) = (choices.clone(), stream.clone(), total.clone());
                        spawn(async move {
                            let mut buffer = [0; 40];
                            loop {
                                let read = stream.read(&mut buffer);
                                let read = if number == 0 { Some(read.await) } else { perhaps(&choices, read).await };
                                match read {
                                    Some(Ok(0)) => return,
                                    Some(count) => total.set(total.get() + count.unwrap()),
                                    None if number == 2 => return,
                                    None => some_turns(&choices).await,
                                }
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    timeout(Duration::from_secs(600), task).await.expect("a reader is never woken").unwrap();
                }
                assert_eq!(total.get(), 600);
                io::Result::Ok(())
            }
        });
    });
}

/// A read that begins in one task goes on in another, and is woken there; beside it somebody polls by hand.
fn polled(seed: u64) {
    simulate(seed, |simulation, choices| {
        let serving = choices.clone();
        simulation.host("server", move || serve(serving.clone()));
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let stream = connected("server:7").await?;
                let (mut first, mut second) = ([0; 10], [0; 10]);
                let mut read = Box::pin(stream.read_exact(&mut first));
                for _ in 0..choices.choose(3) {
                    // By nobody who could be woken.
                    assert!(coracle::testing::poll_once(read.as_mut()).is_pending());
                }
                let write = async {
                    coracle::task::yield_now().await;
                    stream.write_all(&[5; 10]).await
                };
                let reading = timeout(Duration::from_secs(600), read);
                let (read, written) = coracle::task::join((reading, write)).await;
                read.expect("woken for a waker of the past")?;
                written?;

                stream.write_all(&[6; 10]).await?;
                let by_hand = std::future::poll_fn(|cx| stream.poll_read(cx, &mut second));
                let count = timeout(Duration::from_secs(600), by_hand).await.expect("who polls is never woken")?;
                assert!(count > 0);
                stream.shutdown(Shutdown::Both)?;
                io::Result::Ok(())
            }
        });
    });
}

/// Each datagram is answered at last; none is ever changed.
fn datagrams(seed: u64) {
    simulate(seed, |simulation, choices| {
        simulation.network().links(link(choices).loss(0.2).duplicates(0.2));
        simulation.host("server", async || -> io::Result<()> {
            let socket = UdpSocket::bind("0.0.0.0:7")?;
            let mut buffer = [0; 2_000];
            loop {
                let (count, from) = socket.recv_from(&mut buffer).await?;
                socket.send_to(&buffer[..count], from).await?;
            }
        });
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let socket = UdpSocket::bind("0.0.0.0:0")?;
                let server = coracle::net::resolve("server", 7).await?[0];
                for number in 0..4u8 {
                    let sent = vec![number; choices.choose(1_400)];
                    let mut tries = 0;
                    'asked: loop {
                        tries += 1;
                        assert!(tries < 100, "it is never answered");
                        socket.send_to(&sent, server).await?;
                        let mut buffer = [0; 2_000];
                        while let Ok(received) =
                            timeout(Duration::from_millis(500), socket.recv_from(&mut buffer)).await
                        {
                            let answer = &buffer[..received?.0];
                            assert!(answer.iter().all(|byte| *byte <= number && *byte == answer[0]));
                            if answer == sent {
                                break 'asked;
                            }
                        }
                    }
                }
                io::Result::Ok(())
            }
        });
    });
}

fn unix(seed: u64) {
    run(seed, |choices| async move {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let sent = bytes(count(&choices));
        let length = sent.len();
        let writing = {
            let choices = choices.clone();
            spawn(async move {
                for part in sent.chunks(1 + choices.choose(5_000)) {
                    ours.write_all(part).await.unwrap();
                    some_turns(&choices).await;
                }
                ours.shutdown(Shutdown::Write).unwrap();
                let mut rest = Vec::new();
                AsyncReadExt::read_to_end(&mut ours, &mut rest).await.unwrap();
                assert_eq!(rest, b"thanks");
            })
        };
        let received = RefCell::new(Vec::new());
        let mut buffer = vec![0; 1 + choices.choose(3_000)];
        loop {
            match perhaps(&choices, theirs.read(&mut buffer)).await {
                Some(Ok(0)) => break,
                Some(count) => received.borrow_mut().extend_from_slice(&buffer[..count.unwrap()]),
                None => {}
            }
        }
        assert_eq!(received.take(), bytes(length));
        AsyncWriteExt::write_all(&mut theirs, b"thanks").await.unwrap();
        drop(theirs);
        writing.await.unwrap();
    });
}

/// A server that crashes and comes back: whoever asks again is answered.
fn crash(seed: u64) {
    simulate(seed, |simulation, choices| {
        let serving = choices.clone();
        simulation.host("server", move || serve(serving.clone()));
        let (down, up) = (choices.choose(3_000) as u64, 3_000 + choices.choose(10_000) as u64);
        simulation.at(Duration::from_millis(down), |network| network.crash("server"));
        simulation.at(Duration::from_millis(up), |network| network.restart("server"));
        let choices = choices.clone();
        simulation.client("client", move || {
            let choices = choices.clone();
            async move {
                let (sent, mut answered) = (bytes(2_000), 0);
                for _ in 0..200 {
                    let answer = timeout(Duration::from_secs(2), async {
                        let stream = TcpStream::connect("server:7").await?;
                        exchange(&choices, &stream, &sent).await
                    });
                    match answer.await {
                        Ok(Ok(answer)) if answer == sent => answered += 1,
                        Ok(Ok(answer)) => assert!(sent.starts_with(&answer)),
                        Ok(Err(_)) | Err(_) => sleep(Duration::from_millis(500)).await,
                    }
                    if answered == 3 {
                        return io::Result::Ok(());
                    }
                }
                panic!("the server never came back");
            }
        });
    });
}
