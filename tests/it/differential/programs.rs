//! Random programs over sockets, and what they give.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use coracle::Runtime;
use coracle::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use coracle::testing::Choices;
use coracle::time::{sleep, timeout};

/// One operation. Numbers name sockets in the order in which they were made, modulo how many there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Listen {
        v6: bool,
    },
    CloseListener(usize),
    Connect(usize),
    /// To an address where nobody listens any more.
    ConnectToNobody,
    Accept(usize),
    Write(usize, usize),
    Read(usize, usize),
    Peek(usize, usize),
    ShutdownWrite(usize),
    ShutdownRead(usize),
    ShutdownBoth(usize),
    Close(usize),
    /// A reset.
    CloseHard(usize),
    Names(usize),
    TakeError(usize),
    UnixPair,
    UnixWrite(usize, usize),
    UnixRead(usize, usize),
    UnixShutdown(usize),
    UnixClose(usize),
    Bind,
    CloseUdp(usize),
    SendTo(usize, usize, usize),
    Receive(usize, usize),
    PeekFrom(usize, usize),
    ConnectUdp(usize, usize),
    Send(usize, usize),
    UdpError(usize),
    DatagramPair,
    DatagramSend(usize, usize),
    DatagramReceive(usize, usize),
    DatagramClose(usize),
}

/// See [`Op`].
#[derive(Clone)]
pub(super) struct Program(Vec<Op>);

impl Program {
    pub(super) fn random(number: u64) -> Program {
        let choices = Choices::seeded(number + 1);
        let kind = choices.choose(4);
        let length = 4 + choices.choose(24);
        let mut ops = match kind {
            0 | 1 => vec![Op::Listen { v6: false }, Op::Connect(0), Op::Accept(0)],
            2 => vec![Op::Bind, Op::Bind],
            _ => vec![Op::UnixPair, Op::DatagramPair],
        };
        ops.extend((0..length).map(|_| match kind {
            0 | 1 => stream_op(&choices),
            2 => datagram_op(&choices),
            _ => unix_op(&choices),
        }));
        Program(ops)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn without(&self, at: usize) -> Program {
        let mut rest = self.0.clone();
        rest.remove(at);
        Program(rest)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(line, op)| writeln!(f, "{line:>4}  {op:?}"))
    }
}

/// Sizes that fit into any buffer, with the odd ones among them.
fn size(choices: &Choices) -> usize {
    [0, 1, 2, 7, 64, 500, 1400, 1500, 4096][choices.choose(9)]
}

fn stream_op(choices: &Choices) -> Op {
    let which = choices.choose(6);
    match choices.choose(24) {
        0 => Op::Listen { v6: choices.choose(2) == 1 },
        1 => Op::CloseListener(which),
        2 | 3 => Op::Connect(which),
        4 => Op::ConnectToNobody,
        5 | 6 => Op::Accept(which),
        7..=11 => Op::Write(which, size(choices)),
        12..=15 => Op::Read(which, size(choices)),
        16 => Op::Peek(which, size(choices)),
        17 => Op::ShutdownWrite(which),
        18 => Op::ShutdownRead(which),
        19 => Op::ShutdownBoth(which),
        20 => Op::Close(which),
        21 => Op::CloseHard(which),
        22 => Op::Names(which),
        _ => Op::TakeError(which),
    }
}

fn datagram_op(choices: &Choices) -> Op {
    let (which, other) = (choices.choose(4), choices.choose(4));
    match choices.choose(16) {
        0 => Op::Bind,
        1 => Op::CloseUdp(which),
        2..=5 => Op::SendTo(which, other, size(choices)),
        6..=9 => Op::Receive(which, size(choices)),
        10 => Op::PeekFrom(which, size(choices)),
        11 => Op::ConnectUdp(which, other),
        12..=14 => Op::Send(which, size(choices)),
        _ => Op::UdpError(which),
    }
}

fn unix_op(choices: &Choices) -> Op {
    let which = choices.choose(4);
    match choices.choose(14) {
        0 => Op::UnixPair,
        1..=3 => Op::UnixWrite(which, size(choices)),
        4..=6 => Op::UnixRead(which, size(choices)),
        7 => Op::UnixShutdown(which),
        8 => Op::UnixClose(which),
        9 => Op::DatagramPair,
        10 | 11 => Op::DatagramSend(which, size(choices)),
        12 => Op::DatagramReceive(which, size(choices)),
        _ => Op::DatagramClose(which),
    }
}

/// A line for each operation.
pub(super) fn results(runtime: &Runtime, program: &Program) -> Vec<String> {
    runtime.block_on(async {
        let mut sockets = Sockets::default();
        let mut lines = Vec::new();
        for op in &program.0 {
            let line = sockets.run(*op).await;
            lines.push(match line {
                Ok(line) => line,
                Err(error) => format!("{:?}", error.kind()),
            });
            sleep(Duration::from_millis(1)).await;
        }
        lines
    })
}

#[derive(Default)]
struct Sockets {
    listeners: Vec<Option<(TcpListener, SocketAddr)>>,
    streams: Vec<Option<TcpStream>>,
    unix: Vec<Option<UnixStream>>,
    udp: Vec<Option<(UdpSocket, SocketAddr)>>,
    datagrams: Vec<Option<UnixDatagram>>,
    /// What is written next: so that a byte that is lost or doubled shows.
    next: u8,
}

/// The socket of this number, if there is one and it is open.
fn pick<T>(sockets: &[Option<T>], which: usize) -> io::Result<&T> {
    let none = || io::Error::from(io::ErrorKind::InvalidInput);
    sockets.get(which % sockets.len().max(1)).and_then(Option::as_ref).ok_or_else(none)
}

fn take<T>(sockets: &mut [Option<T>], which: usize) -> io::Result<T> {
    let count = sockets.len().max(1);
    let found = sockets.get_mut(which % count).and_then(Option::take);
    found.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// The result of an operation that may have to wait: for a moment, in which everything that is on its way arrives.
async fn at_once<T>(operation: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(Duration::from_millis(1), operation).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn read(count: usize, buffer: &[u8]) -> String {
    format!("read {count}: {:?}", buffer[..count].iter().fold(0u32, |sum, byte| sum * 31 % 65_521 + u32::from(*byte)))
}

impl Sockets {
    fn bytes(&mut self, size: usize) -> Vec<u8> {
        (0..size)
            .map(|_| {
                self.next = self.next.wrapping_add(1);
                self.next
            })
            .collect()
    }

    async fn run(&mut self, op: Op) -> io::Result<String> {
        match op {
            Op::Listen { .. } | Op::CloseListener(_) | Op::Connect(_) | Op::ConnectToNobody | Op::Accept(_) => {
                self.run_listener(op).await
            }
            Op::Bind | Op::CloseUdp(_) | Op::SendTo(..) | Op::Receive(..) | Op::PeekFrom(..) => {
                self.run_datagram(op).await
            }
            Op::ConnectUdp(..) | Op::Send(..) | Op::UdpError(_) => self.run_datagram(op).await,
            Op::UnixPair | Op::UnixWrite(..) | Op::UnixRead(..) | Op::UnixShutdown(_) | Op::UnixClose(_) => {
                self.run_unix(op).await
            }
            Op::DatagramPair | Op::DatagramSend(..) | Op::DatagramReceive(..) | Op::DatagramClose(_) => {
                self.run_unix(op).await
            }
            _ => self.run_stream(op).await,
        }
    }

    async fn run_listener(&mut self, op: Op) -> io::Result<String> {
        match op {
            Op::Listen { v6 } => {
                let listener = TcpListener::bind(if v6 { "[::1]:0" } else { "127.0.0.1:0" })?;
                let address = listener.local_addr()?;
                self.listeners.push(Some((listener, address)));
            }
            Op::CloseListener(which) => drop(take(&mut self.listeners, which)?),
            Op::Connect(which) => {
                let address = pick(&self.listeners, which)?.1;
                let stream = at_once(TcpStream::connect(address)).await?;
                assert_eq!(stream.peer_addr()?, address);
                // Or a byte waits for the acknowledgement of another: the simulation has no Nagle.
                stream.set_nodelay(true)?;
                self.streams.push(Some(stream));
            }
            Op::ConnectToNobody => {
                let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
                at_once(TcpStream::connect(nobody)).await?;
            }
            Op::Accept(which) => {
                let (stream, peer) = at_once(pick(&self.listeners, which)?.0.accept()).await?;
                let known = stream.peer_addr().map(|address| address == peer);
                stream.set_nodelay(true)?;
                self.streams.push(Some(stream));
                return Ok(format!("accepted, known: {known:?}").replace(|c: char| c.is_ascii_digit(), ""));
            }
            _ => unreachable!("not of a listener"),
        }
        Ok("done".to_owned())
    }

    async fn run_stream(&mut self, op: Op) -> io::Result<String> {
        match op {
            Op::Write(which, size) => {
                let bytes = self.bytes(size);
                let count = at_once(pick(&self.streams, which)?.write(&bytes)).await?;
                return Ok(format!("wrote {count}"));
            }
            Op::Read(which, size) => {
                let mut buffer = vec![0; size];
                let count = at_once(pick(&self.streams, which)?.read(&mut buffer)).await?;
                return Ok(read(count, &buffer));
            }
            Op::Peek(which, size) => {
                let mut buffer = vec![0; size];
                let count = at_once(pick(&self.streams, which)?.peek(&mut buffer)).await?;
                return Ok(read(count, &buffer));
            }
            Op::ShutdownWrite(which) => pick(&self.streams, which)?.shutdown(Shutdown::Write)?,
            Op::ShutdownRead(which) => pick(&self.streams, which)?.shutdown(Shutdown::Read)?,
            Op::ShutdownBoth(which) => pick(&self.streams, which)?.shutdown(Shutdown::Both)?,
            Op::Close(which) => drop(take(&mut self.streams, which)?),
            Op::CloseHard(which) => {
                let stream = take(&mut self.streams, which)?;
                stream.set_linger(Some(Duration::ZERO))?;
            }
            Op::Names(which) => {
                let stream = pick(&self.streams, which)?;
                let local = stream.local_addr()?;
                let peer = stream.peer_addr().map(|peer| peer.ip() == local.ip()).map_err(|error| error.kind());
                return Ok(format!("local loopback: {}, peer: {peer:?}", local.ip().is_loopback()));
            }
            Op::TakeError(which) => {
                let error = pick(&self.streams, which)?.take_error()?;
                return Ok(format!("{:?}", error.map(|error| error.kind())));
            }
            _ => unreachable!("not of a stream"),
        }
        Ok("done".to_owned())
    }

    async fn run_datagram(&mut self, op: Op) -> io::Result<String> {
        match op {
            Op::Bind => {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                let address = socket.local_addr()?;
                self.udp.push(Some((socket, address)));
            }
            Op::CloseUdp(which) => drop(take(&mut self.udp, which)?),
            Op::SendTo(which, other, size) => {
                let (bytes, to) = (self.bytes(size), pick(&self.udp, other)?.1);
                let count = at_once(pick(&self.udp, which)?.0.send_to(&bytes, to)).await?;
                return Ok(format!("sent {count}"));
            }
            Op::Receive(which, size) | Op::PeekFrom(which, size) => {
                let mut buffer = vec![0; size];
                let socket = &pick(&self.udp, which)?.0;
                let (count, from) = match op {
                    Op::Receive(..) => at_once(socket.recv_from(&mut buffer)).await?,
                    _ => at_once(socket.peek_from(&mut buffer)).await?,
                };
                let sender = self.udp.iter().position(|socket| socket.as_ref().is_some_and(|(_, own)| *own == from));
                return Ok(format!("{} from {sender:?}", read(count, &buffer)));
            }
            Op::ConnectUdp(which, other) => {
                let to = pick(&self.udp, other)?.1;
                pick(&self.udp, which)?.0.connect(to)?;
            }
            Op::Send(which, size) => {
                let bytes = self.bytes(size);
                let count = at_once(pick(&self.udp, which)?.0.send(&bytes)).await?;
                return Ok(format!("sent {count}"));
            }
            Op::UdpError(which) => {
                let error = pick(&self.udp, which)?.0.take_error()?;
                return Ok(format!("{:?}", error.map(|error| error.kind())));
            }
            _ => unreachable!("not of a datagram socket"),
        }
        Ok("done".to_owned())
    }

    async fn run_unix(&mut self, op: Op) -> io::Result<String> {
        match op {
            Op::UnixPair => {
                let (one, other) = UnixStream::pair()?;
                self.unix.extend([Some(one), Some(other)]);
            }
            Op::UnixWrite(which, size) => {
                let bytes = self.bytes(size);
                let count = at_once(pick(&self.unix, which)?.write(&bytes)).await?;
                return Ok(format!("wrote {count}"));
            }
            Op::UnixRead(which, size) => {
                let mut buffer = vec![0; size];
                let count = at_once(pick(&self.unix, which)?.read(&mut buffer)).await?;
                return Ok(read(count, &buffer));
            }
            Op::UnixShutdown(which) => pick(&self.unix, which)?.shutdown(Shutdown::Write)?,
            Op::UnixClose(which) => drop(take(&mut self.unix, which)?),
            Op::DatagramPair => {
                let (one, other) = UnixDatagram::pair()?;
                self.datagrams.extend([Some(one), Some(other)]);
            }
            Op::DatagramSend(which, size) => {
                let bytes = self.bytes(size);
                let count = at_once(pick(&self.datagrams, which)?.send(&bytes)).await?;
                return Ok(format!("sent {count}"));
            }
            Op::DatagramReceive(which, size) => {
                let mut buffer = vec![0; size];
                let count = at_once(pick(&self.datagrams, which)?.recv(&mut buffer)).await?;
                return Ok(read(count, &buffer));
            }
            Op::DatagramClose(which) => drop(take(&mut self.datagrams, which)?),
            _ => unreachable!("not of a Unix socket"),
        }
        Ok("done".to_owned())
    }
}
