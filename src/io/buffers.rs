//! [`Buffers`]: memory to read into, shared by many readers.
//!
//! A connection that waits needs no buffer, and most connections wait. So a buffer is taken when there is something to
//! read, and goes back when its bytes have been used: thousands of idle connections hold none, and the busy ones use the
//! same few, which stay in the processor's cache and can therefore be large.
//!
//! There is deliberately no limit on how many are taken at once: a reader that waited for another's buffer could wait
//! for a peer who does not read. Whoever wants one limits his connections.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Result;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::AsyncRead;

/// So many buffers are kept for later; more go back to the allocator. Arbitrary: one is enough as long as nobody has to
/// wait for a write.
const MOST_SPARE: usize = 16;

/// The largest buffer. Arbitrary: far more than any system hands out in one read.
const LARGEST: usize = 1 << 24;

/// Buffers of one size, each taken by whoever has something to read. Clones share them.
///
/// [`Stream::read_pooled`](crate::net::Stream::read_pooled), and for other readers
/// [`read_pooled`](super::AsyncReadExt::read_pooled), take a buffer when there is something to read, not while they
/// wait. What they give is a [`Buffer`], and dropping that gives the memory back. They serve the tasks of one thread.
///
/// A size of 64 to 256 KiB makes large messages several times quicker than 4 KiB does, since each read is a system call;
/// as few buffers are in use at a time, it costs next to nothing. Of a new buffer only those pages take memory that
/// have been read into.
///
/// ```
/// use coracle::io::Buffers;
/// use coracle::net::{TcpListener, TcpStream};
///
/// /// While it waits, this connection takes some 400 bytes.
/// async fn echo(stream: TcpStream, buffers: Buffers) -> std::io::Result<()> {
///     loop {
///         let bytes = stream.read_pooled(&buffers).await?;
///         if bytes.is_empty() {
///             return Ok(());
///         }
///         stream.write_all(&bytes).await?;
///     }
/// }
///
/// coracle::block_on(async {
///     let buffers = Buffers::new(256 * 1024);
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (stream, _) = listener.accept().await?;
///     drop(coracle::spawn(echo(stream, buffers.clone())));
///     client.write_all(b"ping").await?;
///     client.read_exact(&mut [0; 4]).await?;
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
pub struct Buffers {
    pool: Rc<Pool>,
}

struct Pool {
    size: usize,
    /// The one that came back last is taken first: it is the warmest.
    spare: RefCell<Vec<Box<[u8]>>>,
    in_use: Cell<usize>,
}

impl Buffers {
    /// Buffers of `size` bytes, at least one and at most 16 MiB. None is allocated before it is needed.
    ///
    /// ```
    /// let buffers = coracle::io::Buffers::new(64 * 1024);
    /// assert_eq!((buffers.size(), buffers.in_use(), buffers.spare()), (65_536, 0, 0));
    /// ```
    pub fn new(size: usize) -> Buffers {
        let size = size.clamp(1, LARGEST);
        Buffers { pool: Rc::new(Pool { size, spare: RefCell::default(), in_use: Cell::new(0) }) }
    }

    /// How many bytes one read gives at most.
    ///
    /// ```
    /// assert_eq!(coracle::io::Buffers::new(0).size(), 1, "a read into nothing would look like the end");
    /// ```
    pub fn size(&self) -> usize {
        self.pool.size
    }

    /// How many [`Buffer`]s with bytes there are now.
    ///
    /// ```
    /// use coracle::io::{AsyncReadExt, Buffers};
    /// coracle::block_on(async {
    ///     let buffers = Buffers::new(1024);
    ///     let bytes = (&b"abc"[..]).read_pooled(&buffers).await.unwrap();
    ///     assert_eq!(buffers.in_use(), 1);
    ///     drop(bytes);
    ///     assert_eq!(buffers.in_use(), 0);
    /// });
    /// ```
    pub fn in_use(&self) -> usize {
        self.pool.in_use.get()
    }

    /// How many are kept for later: 16 at most.
    ///
    /// ```
    /// use coracle::io::{AsyncReadExt, Buffers};
    /// coracle::block_on(async {
    ///     let buffers = Buffers::new(1024);
    ///     drop((&b"abc"[..]).read_pooled(&buffers).await.unwrap());
    ///     assert_eq!(buffers.spare(), 1);
    /// });
    /// ```
    pub fn spare(&self) -> usize {
        self.pool.spare.borrow().len()
    }

    /// Reads once into a buffer, for code that polls. An empty one is the end. If `reader` says `Pending`, nothing is
    /// held.
    ///
    /// # Errors
    /// Those of `reader`.
    ///
    /// ```
    /// use std::pin::Pin;
    /// coracle::block_on(async {
    ///     let (buffers, mut source) = (coracle::io::Buffers::new(2), &b"abc"[..]);
    ///     let bytes = std::future::poll_fn(|cx| buffers.poll_read(Pin::new(&mut source), cx)).await.unwrap();
    ///     assert_eq!(&bytes[..], b"ab");
    /// });
    /// ```
    pub fn poll_read<R>(&self, reader: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<Result<Buffer>>
    where
        R: AsyncRead + ?Sized,
    {
        let mut buffer = self.take();
        let count = ready!(reader.poll_read(cx, &mut buffer.memory))?;
        Poll::Ready(Ok(buffer.with(count)))
    }

    /// Reads once by `read`, which says how many bytes there are. If it fails, nothing is held.
    #[inline]
    pub(crate) fn fill(&self, read: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<Buffer> {
        let mut buffer = self.take();
        let count = read(&mut buffer.memory)?;
        Ok(buffer.with(count))
    }

    #[inline]
    fn take(&self) -> Buffer {
        let spare = self.pool.spare.borrow_mut().pop();
        let memory = spare.unwrap_or_else(|| vec![0; self.pool.size].into_boxed_slice());
        self.pool.in_use.set(self.pool.in_use.get() + 1);
        Buffer { memory, filled: 0, pool: self.pool.clone() }
    }
}

impl Pool {
    #[inline]
    fn give_back(&self, memory: Box<[u8]>) {
        if memory.is_empty() {
            return;
        }
        self.in_use.set(self.in_use.get() - 1);
        let mut spare = self.spare.borrow_mut();
        if spare.len() < MOST_SPARE {
            spare.push(memory);
        }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("size", &self.size())
            .field("in_use", &self.in_use())
            .field("spare", &self.spare())
            .finish()
    }
}

/// The bytes of one read, in memory that is borrowed from [`Buffers`] and goes back when this is dropped. As a slice it
/// is just these bytes. None at all are the end of what was read, and hold no memory.
///
/// Dropped on the way of a panic or a cancelled future, it goes back too. What outlives the last clone of its `Buffers`
/// stays valid.
///
/// ```
/// use coracle::io::{AsyncReadExt, Buffers};
/// coracle::block_on(async {
///     let mut source = &b"abc"[..];
///     let mut bytes = source.read_pooled(&Buffers::new(1024)).await.unwrap();
///     bytes.make_ascii_uppercase();
///     assert_eq!(&bytes[..], b"ABC");
/// });
/// ```
pub struct Buffer {
    /// Empty if there is none; else all of it has been initialised, with zeroes or by earlier reads.
    memory: Box<[u8]>,
    filled: usize,
    pool: Rc<Pool>,
}

impl Buffer {
    #[inline]
    fn with(mut self, count: usize) -> Buffer {
        self.filled = count.min(self.memory.len());
        if self.filled == 0 {
            self.give_back();
        }
        self
    }

    #[inline]
    fn give_back(&mut self) {
        self.pool.give_back(mem::take(&mut self.memory));
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.memory[..self.filled]
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.filled]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        self.give_back();
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("bytes", &&**self).finish()
    }
}
