//! [`File`]: reading and writing piece by piece. The bytes travel to the pool and back in a buffer that the file owns.
//!
//! At most one read, write or seek of a file is *away*, on the pool; the next one waits for it. So they happen in
//! order, and what a read that was dropped brings home is given to the next read.

use std::fmt;
use std::fs::{Metadata, Permissions};
use std::future::Future;
use std::io::{self, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::operation::Operation;
use super::options::OpenOptions;
use crate::blocking::{Job, submit_as};
use crate::io::{AsyncRead, AsyncWrite};

/// At most so much is read or written in one trip to the pool. Arbitrary: the point from which the trip costs little in
/// comparison.
const MOST_A_TRIP: usize = 256 * 1024;

/// A file that is open.
///
/// It implements [`AsyncRead`] and [`AsyncWrite`], with which come `read`, `read_to_end`, `write_all` and so on. Each
/// read is a trip to a thread of the pool, for at most what the caller's buffer holds and 256 KiB. There is no reading
/// ahead: read in large pieces.
///
/// A write is *written behind*: it takes at most 256 KiB and is done when these have been handed to the pool, at once
/// if nothing else is under way. If that then fails, the next operation says so, whichever it is. So the last word is
/// that of `flush`, which waits until all is with the kernel, or of [`sync_all`](File::sync_all), which waits until it
/// is on the disk. Dropping a file without them waits for the last write, and so holds up the other tasks for that long,
/// and nobody hears of its error.
///
/// What is no regular file is read and written too, but a read from a pipe or a terminal keeps a thread of the pool
/// until something comes. The file belongs to no runtime: each operation uses the pool of the one in which it is
/// polled.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("coracle-doc-file-{}", std::process::id()));
/// use coracle::{fs::File, io::{AsyncReadExt, AsyncWriteExt}};
/// coracle::block_on(async {
///     let mut file = File::create(&path).await?;
///     file.write_all(b"some bytes").await?;
///     file.flush().await?;
///
///     let mut text = String::new();
///     File::open(&path).await?.read_to_string(&mut text).await?;
///     assert_eq!(text, "some bytes");
///     coracle::fs::remove_file(&path).await
/// }).unwrap();
/// ```
pub struct File {
    file: Arc<std::fs::File>,
    /// Where it was opened: a poll has no better line of the program to show.
    at: &'static Location<'static>,
    away: Option<Job<Back>>,
    /// What is away are bytes that were accepted, and are not written yet.
    writing: bool,
    /// The buffer, when nothing is away.
    bytes: Vec<u8>,
    /// What of it was read and not given out yet: by so much the kernel's position is ahead of ours.
    unread: Range<usize>,
}

/// What comes back from the pool.
struct Back {
    bytes: Vec<u8>,
    outcome: Outcome,
}

enum Outcome {
    Read(Result<usize>),
    Wrote(Result<()>),
    Sought(Result<u64>),
}

impl File {
    pub(super) fn new(file: std::fs::File, at: &'static Location<'static>) -> File {
        File { file: Arc::new(file), at, away: None, writing: false, bytes: Vec::new(), unread: 0..0 }
    }

    /// Opens a file for reading.
    ///
    /// **Cancel safety**: lossy, as [`Operation`] says.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) and the like; outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async { coracle::fs::File::open("Cargo.toml").await.unwrap() });
    /// ```
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Operation<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing: an empty one, in the place of one that there may be.
    ///
    /// **Cancel safety**: lossy, as [`Operation`] says.
    ///
    /// # Errors
    /// Those of the system; outside of a runtime.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("coracle-doc-create-{}", std::process::id()));
    /// coracle::block_on(async {
    ///     coracle::fs::File::create(&path).await.unwrap();
    ///     coracle::fs::remove_file(&path).await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> Operation<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// A file that std opened.
    ///
    /// ```
    /// let file = std::fs::File::open("Cargo.toml").unwrap();
    /// coracle::fs::File::from_std(file);
    /// ```
    #[track_caller]
    pub fn from_std(file: std::fs::File) -> File {
        File::new(file, Location::caller())
    }

    /// The file for std, at the position where this one is, when everything written behind is with the kernel.
    ///
    /// **Cancel safety**: lossy; the file is closed. What was written behind is written.
    ///
    /// # Errors
    /// If something written behind failed; outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let file = coracle::fs::File::open("Cargo.toml").await.unwrap();
    ///     let file: std::fs::File = file.into_std().await.unwrap();
    /// });
    /// ```
    pub async fn into_std(mut self) -> Result<std::fs::File> {
        if !self.unread.is_empty() || self.away.is_some() {
            self.seek(SeekFrom::Current(0)).await?;
        }
        let file = self.file.clone();
        drop(self);
        // An operation that was dropped may use the file still; then both have the same position.
        Arc::try_unwrap(file).or_else(|shared| shared.try_clone())
    }

    // ---- one thing away at a time --------------------------------------------------------------------------------

    /// Waits for what is away, and puts the buffer back. What came of it, if that was just now.
    fn poll_home(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Outcome>>> {
        let Some(job) = &mut self.away else { return Poll::Ready(Ok(None)) };
        let result = ready!(Pin::new(job).poll(cx));
        (self.away, self.writing) = (None, false);
        let back = result?;
        self.bytes = back.bytes;
        if let Outcome::Read(Ok(count)) = back.outcome {
            self.unread = 0..count;
        }
        Poll::Ready(Ok(Some(back.outcome)))
    }

    /// The same for an operation that goes on only if nothing has failed.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(match ready!(self.poll_home(cx))? {
            Some(Outcome::Read(Err(error)) | Outcome::Wrote(Err(error))) => Err(error),
            // A seek that failed and was dropped has moved nothing.
            Some(Outcome::Read(Ok(_)) | Outcome::Wrote(Ok(())) | Outcome::Sought(_)) | None => Ok(()),
        })
    }

    /// Sends the buffer away.
    fn send<F>(&mut self, name: &'static str, call: F)
    where
        F: FnOnce(&std::fs::File, &mut Vec<u8>) -> Outcome + Send + 'static,
    {
        let (file, mut bytes) = (self.file.clone(), std::mem::take(&mut self.bytes));
        self.unread = 0..0;
        self.away = Some(submit_as(Some(name), self.at, move || {
            let outcome = call(&file, &mut bytes);
            Back { bytes, outcome }
        }));
    }

    // ---- other operations ----------------------------------------------------------------------------------------

    /// Moves the position, and says where it is then, counted from the beginning.
    ///
    /// **Cancel safety**: lossy; it may have moved, and what comes next happens after that.
    ///
    /// # Errors
    /// If it would lie before the beginning. If something written behind failed; then it has not moved.
    ///
    /// ```
    /// use coracle::{fs::File, io::AsyncReadExt};
    /// use std::io::SeekFrom;
    /// coracle::block_on(async {
    ///     let mut file = File::open("Cargo.toml").await.unwrap();
    ///     assert_eq!(file.seek(SeekFrom::Start(1)).await.unwrap(), 1);
    ///     let mut seven = [0; 7];
    ///     file.read_exact(&mut seven).await.unwrap();
    ///     assert_eq!(&seven, b"package");
    /// });
    /// ```
    pub fn seek(&mut self, to: SeekFrom) -> Seek<'_> {
        Seek { file: self, to: Some(to) }
    }

    /// Waits until everything that was written, and the file's metadata, is on the disk.
    ///
    /// **Cancel safety**: cancel-safe; sync again.
    ///
    /// # Errors
    /// If something written behind failed, or the disk does.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("coracle-doc-sync-{}", std::process::id()));
    /// # use coracle::{fs::File, io::AsyncWriteExt};
    /// coracle::block_on(async {
    ///     let mut file = File::create(&path).await.unwrap();
    ///     file.write_all(b"to stay").await.unwrap();
    ///     file.sync_all().await.unwrap();
    /// #   coracle::fs::remove_file(&path).await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn sync_all(&mut self) -> AfterWrites<'_, ()> {
        self.after_writes("File::sync_all", std::fs::File::sync_all)
    }

    /// The same without metadata that are not needed to read it again, such as times.
    ///
    /// **Cancel safety**: cancel-safe; sync again.
    ///
    /// # Errors
    /// As [`sync_all`](File::sync_all).
    ///
    /// ```
    /// coracle::block_on(async {
    ///     coracle::fs::File::open("Cargo.toml").await.unwrap().sync_data().await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn sync_data(&mut self) -> AfterWrites<'_, ()> {
        self.after_writes("File::sync_data", std::fs::File::sync_data)
    }

    /// Cuts the file off, or lengthens it by zeroes. The position stays.
    ///
    /// **Cancel safety**: lossy; it may be done or not, also while the next operation is under way.
    ///
    /// # Errors
    /// Those of the system; if something written behind failed.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("coracle-doc-len-{}", std::process::id()));
    /// coracle::block_on(async {
    ///     let mut file = coracle::fs::File::create(&path).await.unwrap();
    ///     file.set_len(10).await.unwrap();
    ///     assert_eq!(file.metadata().await.unwrap().len(), 10);
    /// #   coracle::fs::remove_file(&path).await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn set_len(&mut self, length: u64) -> AfterWrites<'_, ()> {
        self.after_writes("File::set_len", move |file| file.set_len(length))
    }

    /// What the system knows of the file, when everything written behind is with the kernel.
    ///
    /// **Cancel safety**: cancel-safe; nothing is changed.
    ///
    /// # Errors
    /// Those of the system; if something written behind failed.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mut file = coracle::fs::File::open("Cargo.toml").await.unwrap();
    ///     assert!(file.metadata().await.unwrap().is_file());
    /// });
    /// ```
    #[track_caller]
    pub fn metadata(&mut self) -> AfterWrites<'_, Metadata> {
        self.after_writes("File::metadata", std::fs::File::metadata)
    }

    /// Sets the permissions of the file.
    ///
    /// **Cancel safety**: lossy; it may be done or not, also while the next operation is under way.
    ///
    /// # Errors
    /// Those of the system; if something written behind failed.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("coracle-doc-mode-{}", std::process::id()));
    /// coracle::block_on(async {
    ///     let mut file = coracle::fs::File::create(&path).await.unwrap();
    ///     let mut permissions = file.metadata().await.unwrap().permissions();
    ///     permissions.set_readonly(true);
    ///     file.set_permissions(permissions).await.unwrap();
    /// #   coracle::fs::remove_file(&path).await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn set_permissions(&mut self, permissions: Permissions) -> AfterWrites<'_, ()> {
        self.after_writes("File::set_permissions", move |file| file.set_permissions(permissions))
    }

    #[track_caller]
    fn after_writes<T, F>(&mut self, name: &'static str, call: F) -> AfterWrites<'_, T>
    where
        F: FnOnce(&std::fs::File) -> Result<T> + Send + 'static,
    {
        let file = self.file.clone();
        AfterWrites { file: Some(self), operation: Operation::new(name, move || call(&file)) }
    }
}

impl AsyncRead for File {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            match ready!(this.poll_home(cx))? {
                Some(Outcome::Read(Ok(0))) => return Poll::Ready(Ok(0)),
                Some(Outcome::Read(Err(error)) | Outcome::Wrote(Err(error))) => return Poll::Ready(Err(error)),
                _ => {}
            }
            if !this.unread.is_empty() {
                let count = buffer.len().min(this.unread.len());
                buffer[..count].copy_from_slice(&this.bytes[this.unread.start..][..count]);
                this.unread.start += count;
                return Poll::Ready(Ok(count));
            }
            let most = buffer.len().min(MOST_A_TRIP);
            this.send("File::read", move |mut file, bytes| {
                if bytes.len() < most {
                    bytes.resize(most, 0);
                }
                Outcome::Read(uninterrupted(|| file.read(&mut bytes[..most])))
            });
        }
    }
}

impl AsyncWrite for File {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(this.poll_ready(cx))?;
        let ahead = this.unread.len() as i64;
        let taken = &bytes[..bytes.len().min(MOST_A_TRIP)];
        this.bytes.clear();
        this.bytes.extend_from_slice(taken);
        this.send("File::write", move |mut file, bytes| {
            let back = if ahead == 0 { Ok(0) } else { file.seek(SeekFrom::Current(-ahead)) };
            Outcome::Wrote(back.and_then(|_| file.write_all(bytes)))
        });
        this.writing = true;
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_ready(cx)
    }

    /// As flushing; the descriptor is closed when the file is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_ready(cx)
    }
}

/// Signals are none of a reader's business.
fn uninterrupted(mut call: impl FnMut() -> Result<usize>) -> Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Drop for File {
    /// Whoever was told that bytes were written may count on it: so what is still away is waited for, as a write of std's
    /// would have been. Only a regular file, which always takes them: a pipe may never.
    fn drop(&mut self) {
        let Some(job) = self.away.take().filter(|_| self.writing) else { return };
        if self.file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            drop(job.wait());
        }
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("file", &self.file).field("away", &self.away.is_some()).finish_non_exhaustive()
    }
}

/// See [`File::seek`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Seek<'a> {
    file: &'a mut File,
    /// `None` when it has been sent away.
    to: Option<SeekFrom>,
}

impl Future for Seek<'_> {
    type Output = Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let this = &mut *self;
        if let Some(to) = this.to {
            ready!(this.file.poll_ready(cx))?;
            let ahead = this.file.unread.len() as i64;
            let to = match to {
                SeekFrom::Current(by) => SeekFrom::Current(by.checked_sub(ahead).ok_or(io::ErrorKind::InvalidInput)?),
                absolute => absolute,
            };
            this.to = None;
            this.file.send("File::seek", move |mut file, _| {
                let sought = file.seek(to);
                if sought.is_err() && ahead > 0 {
                    // What was read ahead is to be read again.
                    let _ = file.seek(SeekFrom::Current(-ahead));
                }
                Outcome::Sought(sought)
            });
        }
        match ready!(this.file.poll_home(cx))? {
            Some(Outcome::Sought(result)) => Poll::Ready(result),
            _ => unreachable!("a seek was polled after it was done"),
        }
    }
}

/// See [`File::sync_all`], [`File::set_len`], [`File::metadata`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct AfterWrites<'a, T> {
    /// `None` when everything written behind has been seen to.
    file: Option<&'a mut File>,
    operation: Operation<T>,
}

impl<T: Send + 'static> Future for AfterWrites<'_, T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        if let Some(file) = &mut self.file {
            ready!(file.poll_ready(cx))?;
            self.file = None;
        }
        Pin::new(&mut self.operation).poll(cx)
    }
}
