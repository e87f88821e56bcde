//! Each deviation happens, is what it is said to be, and none happens that was not asked for.

use std::cell::RefCell;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::rc::Rc;
use std::sync::Arc;

use coracle::net::{self, TcpListener, TcpStream, UdpSocket, UnixStream};
use coracle::sys::{Call, Hook, World};
use coracle::testing::{Choices, Kinds};
use coracle::{Budget, Runtime};

use super::{Log, runtime};

/// How many seeds are looked at for something that happens in one of a few.
const SEEDS: std::ops::Range<u64> = 1..200;

fn only(seed: u64, kinds: Kinds) -> Choices {
    Choices::seeded(seed).only(kinds)
}

/// A connection, some bytes each way, datagrams, a pipe.
async fn a_little_of_everything() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let echo = coracle::spawn(async move {
        let mut bytes = [0; 3];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(&bytes).await.unwrap();
    });
    client.write_all(b"abc").await.unwrap();
    client.read_exact(&mut [0; 3]).await.unwrap();
    echo.await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"abc", socket.local_addr().unwrap()).await.unwrap();
    socket.recv_from(&mut [0; 8]).await.unwrap();
    let (reader, writer) = net::pipe().unwrap();
    let reading = coracle::spawn(async move { reader.read(&mut [0; 8]).await.unwrap() });
    coracle::task::yield_now().await;
    writer.write(b"abc").await.unwrap();
    assert_eq!(reading.await.unwrap(), 3);
}

/// The calls that a program makes, but for reads of the clock, above and below of what is between.
fn calls(between: impl FnOnce(World) -> World) -> [Vec<(Call, Option<ErrorKind>)>; 2] {
    let (above, below) = (Log::new(), Log::new());
    let world = between(World::kernel().hooked(below.clone())).hooked(above.clone());
    Runtime::builder().world(world).build().block_on(a_little_of_everything());
    [above, below].map(|log| log.take().into_iter().filter(|(call, _)| *call != Call::Now).collect())
}

#[test]
fn with_ordinary_choices_the_calls_are_those_of_the_kernel() {
    // Of closes the kernel learns by itself; whoever lies over it keeps books, and is told each time.
    let all_but = |log: Vec<(Call, Option<ErrorKind>)>, rest: &[Call]| -> Vec<_> {
        log.into_iter().filter(|(call, _)| !rest.contains(call)).collect()
    };
    let plain = Log::new();
    let world = World::kernel().hooked(plain.clone());
    Runtime::builder().world(world).build().block_on(a_little_of_everything());
    let plain = all_but(plain.take(), &[Call::Now, Call::Remove]);
    assert!(plain.len() > 30 && plain.contains(&(Call::Wait, None)));
    for choices in [Choices::ordinary(), Choices::seeded(0), only(7, Kinds::NONE), Choices::replay([])] {
        let [above, below] = calls(|world| world.hostile(&choices));
        assert_eq!(all_but(above, &[Call::Remove]), plain, "{choices:?}");
        assert_eq!(all_but(below, &[Call::Remove]), plain, "{choices:?}");
    }
}

/// An error of this kind that the program sees, of a call that was not made.
fn errors_out_of_nowhere(kinds: Kinds, error: ErrorKind) -> Vec<Call> {
    let mut seen = Vec::new();
    for seed in SEEDS {
        let [above, below] = calls(|world| world.hostile(&only(seed, kinds)));
        let count = |log: &[(Call, Option<ErrorKind>)], wanted| {
            log.iter().filter(|(call, said)| *call == wanted && *said == Some(error)).count()
        };
        for (call, said) in &above {
            let injected = *said == Some(error) && count(&above, *call) > count(&below, *call);
            if injected && !seen.contains(call) {
                seen.push(*call);
            }
        }
    }
    seen.sort_by_key(|call| format!("{call:?}"));
    seen
}

#[test]
fn calls_say_that_they_would_block() {
    use Call::{Accept, Read, Receive, ReceiveMessage, Send, SendMessage};
    let seen = errors_out_of_nowhere(Kinds::BLOCKED, ErrorKind::WouldBlock);
    assert_eq!(seen, [Accept, Read, Receive, ReceiveMessage, Send, SendMessage]);
}

#[test]
fn calls_are_interrupted() {
    use Call::{Accept, Read, Receive, ReceiveMessage, Send, SendMessage, Write};
    let seen = errors_out_of_nowhere(Kinds::INTERRUPTED, ErrorKind::Interrupted);
    assert_eq!(seen, [Accept, Read, Receive, ReceiveMessage, Send, SendMessage, Write]);
}

/// How many bytes some attempts to move eight gave, each over many seeds.
fn counts(kinds: Kinds, mut tried: impl AsyncFnMut() -> usize) -> Vec<usize> {
    let mut counts: Vec<usize> = SEEDS
        .map(|seed| {
            let runtime = runtime(&only(seed, kinds));
            runtime.block_on(tried())
        })
        .collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

const EIGHT: &[u8; 8] = b"12345678";

#[test]
fn reads_and_writes_of_streams_are_cut_short() {
    let cut = [1, 4, 7, 8];
    let read = async || {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut &theirs, EIGHT).unwrap();
        UnixStream::from_std(ours).unwrap().read(&mut [0; 8]).await.unwrap()
    };
    assert_eq!(counts(Kinds::SHORT, read), cut);
    let read_vectored = async || {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut &theirs, EIGHT).unwrap();
        let [mut one, mut two] = [[0; 4]; 2];
        let mut buffers = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        let count = UnixStream::from_std(ours).unwrap().read_vectored(&mut buffers).await.unwrap();
        assert_eq!([one, two].concat()[..count], EIGHT[..count]);
        count
    };
    assert_eq!(counts(Kinds::SHORT, read_vectored), cut);
    let write = async || UnixStream::pair().unwrap().0.write(EIGHT).await.unwrap();
    assert_eq!(counts(Kinds::SHORT, write), [1, 4, 7, 8]);
    let write_vectored = async || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let slices = EIGHT.each_ref().map(|byte| IoSlice::new(std::slice::from_ref(byte)));
        let count = ours.write_vectored(&slices).await.unwrap();
        drop(ours);
        let mut all = Vec::new();
        coracle::io::AsyncReadExt::read_to_end(&mut &theirs, &mut all).await.unwrap();
        assert_eq!(all, EIGHT[..count]);
        count
    };
    assert_eq!(counts(Kinds::SHORT, write_vectored), cut);
    let pipe = async || {
        let (reader, writer) = net::pipe().unwrap();
        writer.write(EIGHT).await.unwrap();
        reader.read(&mut [0; 8]).await.unwrap()
    };
    assert_eq!(counts(Kinds::SHORT, pipe), cut);
}

#[test]
fn what_has_borders_is_never_cut_short() {
    let udp = async || {
        let [one, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        other.connect(one.local_addr().unwrap()).unwrap();
        one.connect(other.local_addr().unwrap()).unwrap();
        assert_eq!(one.send(EIGHT).await.unwrap(), 8);
        assert_eq!(one.send_to(EIGHT, other.local_addr().unwrap()).await.unwrap(), 8);
        assert_eq!(other.recv(&mut [0; 9]).await.unwrap(), 8);
        other.recv_from(&mut [0; 9]).await.unwrap().0
    };
    assert_eq!(counts(Kinds::ALL, udp), [8]);
    let unix = async || {
        let (one, other) = net::UnixDatagram::pair().unwrap();
        assert_eq!(one.send(EIGHT).await.unwrap(), 8);
        other.recv(&mut [0; 9]).await.unwrap()
    };
    assert_eq!(counts(Kinds::ALL, unix), [8]);
    let peek = async || {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut &theirs, EIGHT).unwrap();
        UnixStream::from_std(ours).unwrap().peek(&mut [0; 8]).await.unwrap()
    };
    assert_eq!(counts(Kinds::ALL, peek), [8]);
    let atomic = async || net::pipe().unwrap().1.write(&[0; libc::PIPE_BUF]).await.unwrap();
    assert_eq!(counts(Kinds::ALL, atomic), [libc::PIPE_BUF]);
}

/// Ten sockets become readable at once. In what order their tasks run, and in how many turns.
fn ten_at_once(choices: &Choices) -> (Vec<usize>, usize) {
    let runtime = runtime(choices);
    let order = Rc::new(RefCell::new(Vec::new()));
    let theirs = runtime.block_on(async {
        let pairs = (0..10).map(|_| std::os::unix::net::UnixStream::pair().unwrap());
        let (ours, theirs): (Vec<_>, Vec<_>) = pairs.unzip();
        for (number, ours) in ours.into_iter().enumerate() {
            let order = order.clone();
            drop(coracle::spawn(async move {
                assert_eq!(UnixStream::from_std(ours).unwrap().read(&mut [0; 8]).await.unwrap(), 1);
                order.borrow_mut().push(number);
            }));
        }
        theirs
    });
    for _ in 0..100 {
        runtime.turn(Budget::no_wait()).unwrap();
    }
    theirs.iter().for_each(|mut theirs| std::io::Write::write_all(&mut theirs, b"x").unwrap());
    let mut turns = 0;
    while order.borrow().len() < 10 {
        runtime.turn(Budget::no_wait()).unwrap();
        turns += 1;
        assert!(turns < 1_000);
    }
    (order.take(), turns)
}

#[test]
fn events_come_in_another_order_and_some_come_later() {
    let in_order: Vec<usize> = (0..10).collect();
    let (order, turns) = ten_at_once(&Choices::ordinary());
    assert_eq!(order, in_order);
    let mut firsts = [false; 10];
    let mut most_turns = turns;
    for seed in SEEDS {
        let shuffled = ten_at_once(&only(seed, Kinds::EVENTS));
        firsts[shuffled.0[0]] = true;
        assert_eq!(shuffled.1, turns, "no event came later");
        let late = ten_at_once(&only(seed, Kinds::BATCHES));
        most_turns = most_turns.max(late.1);
        let mut sorted = late.0;
        sorted.sort_unstable();
        assert_eq!(sorted, in_order);
    }
    assert_eq!(firsts, [true; 10], "each is first at some time");
    assert!(most_turns >= turns + 2, "none came much later");
}

/// The wait ends, although nothing happened and the time has not passed.
#[test]
fn waits_are_interrupted() {
    let waits = |choices: &Choices| {
        let log = Log::new();
        let world = World::kernel().hostile(choices).hooked(log.clone());
        let runtime = Runtime::builder().world(world).build();
        let begin = std::time::Instant::now();
        runtime.block_on(async { coracle::time::sleep(std::time::Duration::from_millis(1)).await });
        assert!(begin.elapsed().as_millis() >= 1);
        log.take().iter().filter(|(call, _)| *call == Call::Wait).count()
    };
    let interrupted = SEEDS.filter(|seed| waits(&only(*seed, Kinds::INTERRUPTED)) > 1).count();
    assert!(interrupted > 0);
}

/// A hook below sees the calls that are made, one above those that the program makes; and it can make them fail.
#[test]
fn hooks_on_both_sides_are_heard() {
    struct NoPipes;
    impl Hook for NoPipes {
        fn before(&self, call: Call, _: Option<i32>) -> std::io::Result<()> {
            if call == Call::Pipe { Err(ErrorKind::OutOfMemory.into()) } else { Ok(()) }
        }
    }
    let choices = Choices::seeded(1);
    let below = World::kernel().hooked(Arc::new(NoPipes)).hostile(&choices);
    let above = World::kernel().hostile(&choices).hooked(Arc::new(NoPipes));
    for world in [below, above] {
        let runtime = Runtime::builder().world(world).build();
        let error = runtime.block_on(async { net::pipe().unwrap_err() });
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }
}
