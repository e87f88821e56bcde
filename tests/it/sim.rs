//! `sim`: what programs see of a simulated network, through their sockets, and what the simulator promises: exact
//! virtual times, verdicts that name the host, runs that are a function of their seed.

mod crowd;
mod datagrams;
mod hosts;
mod ladder;
mod parted;
mod seeds;
mod streams;
mod verdicts;

use std::io;
use std::time::Duration;

use coracle::net::TcpListener;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Answers whatever comes, on port 7000.
async fn echo_server() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7000")?;
    loop {
        let (stream, _peer) = listener.accept().await?;
        drop(coracle::spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return io::Result::Ok(()),
                    n => stream.write_all(&buffer[..n]).await?,
                }
            }
        }));
    }
}

#[track_caller]
fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.unwrap_err().kind()
}

/// A simulated descriptor is a real one, that means nothing. Only in a test that runs `alone`.
fn allow_descriptors(most: libc::rlim_t) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a whole `rlimit`, which the call fills.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    limit.rlim_cur = limit.rlim_cur.max(most).min(limit.rlim_max);
    // SAFETY: the pointer is to a whole `rlimit`, which the call only reads.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
}
