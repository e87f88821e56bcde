//! What stays in this machine: Unix streams, descriptors that travel, pipes, descriptors of the user's, standard streams.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::net::{Async, PipeReader, Stderr, Stdin, UnixListener, UnixStream, pipe};
use coracle::task::try_join;

use super::run::{is_empty, is_well};
use super::task;

/// A name for a socket or a file, which is removed at the end.
pub(super) struct TempPath(PathBuf);

impl TempPath {
    /// The same each time in one process, where one program runs at a time.
    pub(super) fn new() -> TempPath {
        TempPath(TempPath::name())
    }

    pub(super) fn name() -> PathBuf {
        std::env::temp_dir().join(format!("coracle-sweep-{}", std::process::id()))
    }
}

impl AsRef<Path> for TempPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) async fn streams() -> io::Result<()> {
    let path = TempPath::new();
    let listener = UnixListener::bind(&path)?;
    let serving = task(async move {
        let (server, _) = listener.accept().await?;
        server.peer_credentials()?;
        server.read_exact(&mut [0; 4]).await?;
        server.write_all(b"pong").await
    });
    let client = UnixStream::connect(&path).await?;
    client.write_all(b"ping").await?;
    client.read_exact(&mut [0; 4]).await?;
    assert_eq!(client.read(&mut [0; 4]).await?, 0);
    serving.await?;
    let (one, other) = UnixStream::pair()?;
    drop(one.into_split());
    assert_eq!(other.read(&mut [0; 4]).await?, 0);
    Ok(())
}

/// An end of a pipe travels, and what comes out of it is what the other end wrote.
pub(super) async fn descriptors() -> io::Result<()> {
    let (one, other) = UnixStream::pair()?;
    let receiving = task(async move {
        let mut got = other.recv_with_fds(&mut [0; 8], 1).await?;
        assert_eq!((got.length, got.fds.len()), (1, 1));
        let mut all = Vec::new();
        PipeReader::try_from(got.fds.remove(0))?.read_to_end(&mut all).await?;
        assert!(all == b"bytes" || !is_well());
        Ok(())
    });
    let sending = async {
        let (reader, mut writer) = pipe()?;
        one.send_with_fds(b"x", &[reader.as_fd()]).await?;
        writer.write_all(b"bytes").await?;
        Ok(())
    };
    try_join((sending, receiving)).await.map(drop)
}

pub(super) async fn pipes() -> io::Result<()> {
    let (mut reader, mut writer) = pipe()?;
    is_empty(reader.try_read(&mut [0; 8]))?;
    let writing = task(async move {
        writer.write_all(b"a").await?;
        writer.write(b"b").await?;
        poll_fn(|cx| writer.poll_write_vectored(cx, &[IoSlice::new(b"c"), IoSlice::new(b"d")])).await?;
        writer.try_write(b"e").map(drop)
    });
    let reading = async {
        reader.read(&mut [0; 1]).await?;
        poll_fn(|cx| reader.poll_read(cx, &mut [0; 1])).await?;
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await?;
        assert!(all == b"cde" || !is_well());
        Ok(())
    };
    try_join((reading, writing)).await.map(drop)
}

/// What the user has from elsewhere. Its own calls are not calls to the world.
pub(super) async fn custom() -> io::Result<()> {
    let (one, other) = std::os::unix::net::UnixStream::pair()?;
    let (one, other) = (Async::new(one)?, Async::new(other)?);
    let reading = task(async move {
        let mut buffer = [0; 8];
        assert_eq!(one.read_with(|mut io| io.read(&mut buffer)).await?, 4);
        one.write_with(|mut io| io.write(&buffer[..4])).await.map(drop)
    });
    other.write_with(|mut io| io.write(b"ping")).await?;
    assert_eq!(other.read_with(|mut io| io.read(&mut [0; 8])).await?, 4);
    reading.await
}

/// The input of this process is a socket that says one line; its errors go where they go, which is nowhere.
pub(super) async fn standard() -> io::Result<()> {
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
    let _input = Replaced::with(&ours, 0)?;
    let stdin = Stdin::new()?;
    let reading = task(async move {
        is_empty(stdin.try_read(&mut [0; 8]))?;
        assert_eq!(poll_fn(|cx| stdin.poll_read(cx, &mut [0; 8])).await?, 5);
        assert_eq!(stdin.read(&mut [0; 8]).await?, 0);
        Ok(())
    });
    coracle::task::yield_now().await;
    theirs.write_all(b"line\n")?;
    drop(theirs);
    reading.await?;
    let null = std::fs::File::options().write(true).open("/dev/null")?;
    let _errors = Replaced::with(&null, 2)?;
    Stderr::new()?.write_all(b"to nobody").await
}

/// A standard stream is another for a while.
struct Replaced {
    number: i32,
    before: std::os::fd::OwnedFd,
}

impl Replaced {
    fn with(other: &impl AsFd, number: i32) -> io::Result<Replaced> {
        use std::os::fd::{AsRawFd, BorrowedFd};
        // SAFETY: standard streams are open as long as the process lives.
        let before = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()?;
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::dup2(other.as_fd().as_raw_fd(), number) }, number);
        Ok(Replaced { number, before })
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        use std::os::fd::AsRawFd;
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::dup2(self.before.as_raw_fd(), self.number) }, self.number);
    }
}
