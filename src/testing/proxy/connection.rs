//! One connection through a [`FaultProxy`](super::FaultProxy): two directions, each a reader and a writer with a queue
//! of pieces in between, each of which has a time at which it arrives.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::pending;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use super::Direction;
use super::controls::Controls;
use super::way::{Arrivals, piece};
use crate::choices::Choices;
use crate::net::TcpStream;
use crate::sim::{Fault, Link};
use crate::sync::WaitQueue;
use crate::task::{race, try_join};
use crate::time::{now, sleep, sleep_until};

/// How many bytes are on their way in one direction, at most, but for the last read: who sends more must wait.
/// Arbitrary, near what a TCP window is.
const WINDOW: usize = 256 * 1024;

/// How much is read at a time.
const BUFFER: usize = 16 * 1024;

/// Both sides see the connection reset.
struct Reset;

/// Runs the connection of a client, to its end.
pub(super) async fn run(client: TcpStream, target: &[SocketAddr], controls: &Controls) {
    let _counted = controls.count();
    let before = controls.resets.get();
    let told = async || {
        controls.reset_since(before).await;
        Err(Reset)
    };
    let let_through = async {
        controls.open(Direction::ToServer).await;
        Ok(())
    };
    let mut ended = race((told(), let_through)).await;
    let mut server = None;
    if ended.is_ok() {
        // Not raced: what is half connected can only be dropped, and the target would not see that as a reset.
        server = TcpStream::connect(target).await.ok();
    }
    if let Some(server) = &server {
        ended = race((told(), through(&client, server, controls))).await;
    }
    if ended.is_err() || server.is_none() {
        // Dropped, a socket that lingers for no time is reset. One that is gone already has nothing to say.
        for stream in [Some(&client), server.as_ref()].into_iter().flatten() {
            let _ = stream.set_linger(Some(Duration::ZERO));
        }
    }
}

async fn through(client: &TcpStream, server: &TcpStream, controls: &Controls) -> Result<(), Reset> {
    let there = Flight::new(Direction::ToServer, controls);
    let back = Flight::new(Direction::ToClient, controls);
    try_join((there.take_in(client), there.deliver(server), back.take_in(server), back.deliver(client))).await?;
    Ok(())
}

/// What is on its way in one direction.
struct Flight<'a> {
    direction: Direction,
    controls: &'a Controls,
    /// What happens to this connection, after how many bytes.
    fault: Option<(u64, Fault)>,
    pieces: RefCell<VecDeque<Piece>>,
    /// How many bytes these are.
    len: Cell<usize>,
    /// Nothing arrives any more: what comes is taken in and forgotten.
    is_cut: Cell<bool>,
    room: WaitQueue,
    news: WaitQueue,
}

struct Piece {
    /// None: the end.
    bytes: Vec<u8>,
    arrival: Instant,
}

impl<'a> Flight<'a> {
    fn new(direction: Direction, controls: &'a Controls) -> Flight<'a> {
        Flight {
            direction,
            controls,
            fault: controls.to(direction).first_fault(),
            pieces: RefCell::default(),
            len: Cell::new(0),
            is_cut: Cell::new(false),
            room: WaitQueue::new(),
            news: WaitQueue::new(),
        }
    }

    /// Reads what is sent, and says when it arrives.
    async fn take_in(&self, input: &TcpStream) -> Result<(), Reset> {
        let (mut arrivals, mut buffer) = (Arrivals::default(), vec![0; BUFFER]);
        loop {
            while self.len.get() >= WINDOW && !self.is_cut.get() {
                self.room.wait().await;
            }
            let read = input.read(&mut buffer).await;
            let link = self.controls.to(self.direction).link.borrow().clone();
            let Ok(count) = read else {
                // A reset overtakes the bytes, and no partition.
                sleep_until(arrivals_of_a_reset(&link)).await;
                self.controls.open(self.direction).await;
                return Err(Reset);
            };
            if self.is_cut.get() && count > 0 {
                continue;
            }
            let mut send = |bytes: &[u8]| {
                let arrival = arrivals.next(now(), bytes.len(), &link, &self.controls.choices.borrow());
                self.pieces.borrow_mut().push_back(Piece { bytes: bytes.to_vec(), arrival });
            };
            if count == 0 {
                send(&[]);
            }
            buffer[..count].chunks(piece(&link)).for_each(send);
            self.len.set(self.len.get() + count);
            self.news.wake_all();
            if count == 0 {
                return Ok(());
            }
        }
    }

    /// Writes what has arrived, up to the end or the fault.
    async fn deliver(&self, output: &TcpStream) -> Result<(), Reset> {
        let mut left = self.fault.map_or(u64::MAX, |(after, _)| after);
        while left > 0 {
            let piece = self.next().await;
            if piece.bytes.is_empty() {
                // Who has left already need not be told.
                let _ = output.shutdown(Shutdown::Write);
                return Ok(());
            }
            let mut rest = &piece.bytes[..piece.bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            while !rest.is_empty() {
                self.opened().await;
                let count = output.write(rest).await.map_err(|_| Reset)?;
                rest = &rest[count..];
                left -= count as u64;
                self.controls.to(self.direction).count(count);
                self.controls.counted.wake_all();
            }
            self.len.set(self.len.get() - piece.bytes.len());
            self.room.wake_all();
        }
        match self.fault {
            Some((_, Fault::Reset)) => Err(Reset),
            Some((_, Fault::HalfClose)) => {
                let _ = output.shutdown(Shutdown::Write);
                self.is_cut.set(true);
                self.room.wake_all();
                Ok(())
            }
            _ => pending().await,
        }
    }

    /// The next piece, when it has arrived.
    async fn next(&self) -> Piece {
        loop {
            let piece = self.pieces.borrow_mut().pop_front();
            match piece {
                Some(piece) => {
                    if piece.arrival > now() {
                        sleep_until(piece.arrival).await;
                    }
                    self.opened().await;
                    return piece;
                }
                None => self.news.wait().await,
            }
        }
    }

    /// Waits until something can arrive. What was lost in a partition is sent again, and takes its time again.
    async fn opened(&self) {
        while self.controls.open(self.direction).await {
            let latency = self.controls.to(self.direction).link.borrow().latency;
            sleep(latency).await;
        }
    }
}

fn arrivals_of_a_reset(link: &Link) -> Instant {
    Arrivals::default().next(now(), 0, link, &Choices::ordinary())
}
