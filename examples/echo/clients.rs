//! The clients: a task each, which sends random bytes and demands the same ones back.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use coracle::net::{Shutdown, TcpStream};

use super::during;

/// The largest block. It lies whole in the buffers of the sockets, so all of it may be sent before the answer is read.
const MAX_BLOCK: usize = 16 * 1024;

/// What clients have done.
#[derive(Default)]
pub(crate) struct Totals {
    clients: u32,
    round_trips: u64,
    bytes: u64,
    pub(crate) mismatches: u64,
    pub(crate) failed: u32,
    pub(crate) first_error: Option<io::Error>,
}

impl Totals {
    fn add(&mut self, client: &Client, outcome: io::Result<()>) {
        self.round_trips += client.round_trips;
        self.bytes += client.bytes;
        self.mismatches += client.mismatches;
        match outcome {
            Ok(()) => self.clients += 1,
            Err(error) => {
                self.failed += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { clients, round_trips, bytes, mismatches, .. } = self;
        write!(f, "{clients} clients, {round_trips} round trips, {bytes} bytes, {mismatches} mismatches")
    }
}

/// Runs so many clients at once.
pub(crate) async fn run(addresses: Vec<SocketAddr>, clients: u32, rounds: u32) -> Totals {
    let start = |number| {
        let addresses = addresses.clone();
        coracle::spawn(async move {
            let mut client = Client::new(number);
            let outcome = client.talk(addresses, rounds).await;
            (client, outcome)
        })
    };
    // All are started before the first is awaited.
    let tasks: Vec<_> = (0..clients).map(start).collect();
    let mut totals = Totals::default();
    for task in tasks {
        let (client, outcome) = task.await.expect("a client neither panics nor is aborted");
        totals.add(&client, outcome);
    }
    totals
}

struct Client {
    random: Random,
    round_trips: u64,
    bytes: u64,
    mismatches: u64,
}

impl Client {
    fn new(number: u32) -> Client {
        Client { random: Random::new(number), round_trips: 0, bytes: 0, mismatches: 0 }
    }

    async fn talk(&mut self, addresses: Vec<SocketAddr>, rounds: u32) -> io::Result<()> {
        let what = format!("cannot connect to {addresses:?}");
        let stream = TcpStream::connect(addresses).await.map_err(|error| during(&what, error))?;
        stream.set_nodelay(true)?;
        for _ in 0..rounds {
            self.round_trip(&stream).await?;
        }
        // We say that this was all; the server must then close, and must have nothing left to say.
        stream.shutdown(Shutdown::Write)?;
        if stream.read(&mut [0]).await? > 0 {
            self.mismatches += 1;
        }
        Ok(())
    }

    async fn round_trip(&mut self, stream: &TcpStream) -> io::Result<()> {
        let block = self.random.block();
        stream.write_all(&block).await?;
        let mut answer = vec![0; block.len()];
        stream.read_exact(&mut answer).await?;
        self.mismatches += u64::from(answer != block);
        self.bytes += block.len() as u64;
        self.round_trips += 1;
        Ok(())
    }
}

/// Random bits, the same in each run: Marsaglia's xorshift.
struct Random {
    state: u64,
}

impl Random {
    /// Multiplied by an odd number, different seeds stay different, and what is not 0 does not become 0.
    fn new(seed: u32) -> Random {
        Random { state: (u64::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) }
    }

    fn bits(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// From 0 to below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// Sizes of all magnitudes are equally likely, from one byte to [`MAX_BLOCK`].
    fn block(&mut self) -> Vec<u8> {
        let magnitude = MAX_BLOCK >> self.below(MAX_BLOCK.ilog2() as usize + 1);
        let size = 1 + self.below(magnitude);
        let mut block = Vec::with_capacity(size + 8);
        while block.len() < size {
            block.extend_from_slice(&self.bits().to_le_bytes());
        }
        block.truncate(size);
        block
    }
}
