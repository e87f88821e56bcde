//! What is beside the network: files and the pool of threads, children, signals.

use std::io;
use std::time::Duration;

use coracle::blocking::{self, Pool};
use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::process::{Command, Stdio};
use coracle::signal::{Signal, Signals};

use super::local::TempPath;
use super::run::is_well;
use super::task;

/// Files are read and written by threads of the pool; of that only the threads are calls to the world.
pub(super) async fn files() -> io::Result<()> {
    let path = TempPath::new();
    coracle::fs::write(&path, "contents").await?;
    let reading = task(async {
        assert_eq!(coracle::fs::read(TempPath::name()).await?, b"contents");
        Ok(())
    });
    reading.await?;
    assert_eq!(blocking::submit(|| 6 * 7).await?, 42);
    let pool = Pool::builder().threads(1).build();
    pool.submit(|| ()).await?;
    pool.shutdown_async(Duration::from_secs(5)).await.map_err(io::Error::other)?;
    blocking::pool()?.shutdown(Duration::from_secs(5)).map_err(io::Error::other)
}

/// One that answers and ends by itself, one that is killed, one that is only dropped.
pub(super) async fn children() -> io::Result<()> {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    input.write_all(b"echo").await?;
    drop(input);
    let mut all = Vec::new();
    output.read_to_end(&mut all).await?;
    assert!(all == b"echo" || !is_well());
    assert!(child.wait().await?.success());

    let mut child = Command::new("cat").stdin(Stdio::piped()).kill_on_drop(true).spawn()?;
    child.try_wait()?;
    child.signal(Signal::TERM)?;
    let _input = child.stdin.take();
    assert!(!child.wait().await?.success());
    drop(Command::new("true").spawn()?);
    Ok(())
}

pub(super) async fn signals() -> io::Result<()> {
    let (signals, others) = (Signals::new(&[Signal::USR1])?, Signals::new(&[Signal::USR1, Signal::USR2])?);
    let waiting = task(async move {
        assert_eq!(signals.recv().await?, Signal::USR1);
        Ok(())
    });
    coracle::task::yield_now().await;
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
    waiting.await?;
    assert_eq!(others.recv().await?, Signal::USR1);
    Ok(())
}
