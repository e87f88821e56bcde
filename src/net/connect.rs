//! [`Connect`]: a name becomes addresses, and the addresses a connection.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::addresses::ToSocketAddrs;
use super::race::{Race, interleaved};
use super::resolve::{Resolve, resolve};
use super::stream::TcpStream;

/// See [`TcpStream::connect`].
#[must_use = "a future does nothing unless awaited"]
pub struct Connect {
    stage: Stage,
    at: &'static Location<'static>,
}

enum Stage {
    /// There is no address: why, and then nothing.
    Refused(Option<io::Error>),
    Resolving(Resolve),
    Racing(Race),
}

impl Connect {
    #[track_caller]
    pub(super) fn new(addresses: impl ToSocketAddrs) -> Connect {
        let stage = match addresses.to_name() {
            Some((host, port)) => Stage::Resolving(resolve(&host, port)),
            None => match addresses.to_socket_addrs() {
                Ok(addresses) => Stage::Racing(Race::new(addresses)),
                Err(error) => Stage::Refused(Some(error)),
            },
        };
        Connect { stage, at: Location::caller() }
    }
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                Stage::Refused(why) => {
                    return Poll::Ready(Err(why.take().expect("a Connect was polled after it was done")));
                }
                Stage::Resolving(resolving) => {
                    let addresses = ready!(Pin::new(resolving).poll(cx))?;
                    this.stage = Stage::Racing(Race::new(interleaved(addresses)));
                }
                Stage::Racing(race) => return race.poll(cx, this.at),
            }
        }
    }
}

impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stage = match &self.stage {
            Stage::Refused(_) => "refused",
            Stage::Resolving(_) => "resolving",
            Stage::Racing(_) => "connecting",
        };
        f.debug_struct("Connect").field("stage", &stage).finish_non_exhaustive()
    }
}
