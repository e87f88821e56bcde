//! The hostile world: another world, its events and calls deviating as [`Choices`] have it, within what that world
//! could have done by itself.
//!
//! | what deviates                                                    | chosen by            |
//! |------------------------------------------------------------------|----------------------|
//! | the order of the events of a wait                                | `Kinds::EVENTS`      |
//! | events come a wait later, or several                             | `Kinds::BATCHES`     |
//! | a read or a write moves fewer bytes than it could                | `Kinds::SHORT`       |
//! | a call says that it would block                                  | `Kinds::BLOCKED`     |
//! | a call says that it was interrupted; a wait ends, and for nothing | `Kinds::INTERRUPTED` |
//!
//! Rules, which make this a world that may be:
//!
//! 1. Whoever is told "no more" is told of more later. The loop is edge-triggered, and takes a short read or a
//!    `WouldBlock` as the end of what is there; no edge of the kernel follows, since nothing happened there. So the
//!    *poller owes an event* for that direction, as if the rest had arrived a moment later (`hostile/poller.rs`). A
//!    descriptor that is not registered needs none: `add` reports what is ready.
//! 2. What keeps the borders of messages is never shortened: the rest would be lost. Nor is a peek: the bytes were seen.
//!    Nor a write to a pipe that POSIX calls atomic.
//! 3. What no poller watches, and no socket is, never says that it would block: it may be a file, which cannot be
//!    waited for.
//! 4. Only calls are interrupted that may take their time, and whose callers try again.
//! 5. Zeroes change nothing: no call more, none less, none otherwise.

mod poller;

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use self::poller::HostilePoller;
use super::layer::Layer;
use super::{ATOMIC_WRITE, Address, Poller, Readiness, Received, SocketOption, World};
use crate::choices::{Choices, Kinds};

// About every so manieth call deviates. Arbitrary: often enough that a few hundred calls meet everything, and so rare
// that what is tried again succeeds soon.
const CALLS_BETWEEN_SHORT: u32 = 4;
const CALLS_BETWEEN_BLOCKED: u32 = 8;
const CALLS_BETWEEN_INTERRUPTED: u32 = 16;

impl World {
    /// This world, but that it deviates wherever it may: in the order of events, in how much a read gives, in calls that
    /// have to be tried again. A program that is right gives the same results in it, in other steps, so it finds those
    /// that are right only as long as nothing is late. All else stays real: sockets, time, other processes.
    ///
    /// What happens is chosen by `choices`, of the kinds `EVENTS`, `BATCHES`, `SHORT`, `BLOCKED` and `INTERRUPTED`; with
    /// [ordinary](Choices::ordinary) ones this is the world as it was. A hook that this world has already sees the
    /// calls that are really made; one that is given to the hostile world sees what the program sees. What a program does
    /// with a descriptor past coracle is as ever.
    ///
    /// The order of tasks is not the world's: see [`RuntimeBuilder::choices`](crate::RuntimeBuilder::choices).
    ///
    /// ```
    /// use coracle::{Runtime, net, sys::World, testing::Choices};
    /// for seed in 0..10 {
    ///     let choices = Choices::seeded(seed);
    ///     let world = World::kernel().hostile(&choices);
    ///     Runtime::builder().world(world).choices(choices).build().block_on(async {
    ///         let (reader, writer) = net::pipe().unwrap();
    ///         writer.write(b"x").await.unwrap();
    ///         assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 1);
    ///     });
    /// }
    /// ```
    #[must_use]
    pub fn hostile(self, choices: &Choices) -> World {
        World::of(Arc::new(Hostile { below: self, choices: choices.clone(), pollers: Mutex::default() }))
    }
}

/// See the head of this file.
struct Hostile {
    below: World,
    choices: Choices,
    /// Those that may owe events.
    pollers: Mutex<Vec<Weak<HostilePoller>>>,
}

/// What a stretch of bytes is read from, or written to: what may be cut short, and what may block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    Socket,
    /// Anything else.
    Plain,
}

impl Hostile {
    fn pollers(&self) -> Vec<Arc<HostilePoller>> {
        let mut pollers = self.pollers.lock().unwrap_or_else(PoisonError::into_inner);
        pollers.retain(|poller| poller.strong_count() > 0);
        pollers.iter().filter_map(Weak::upgrade).collect()
    }

    /// Rule 1.
    fn owe(&self, fd: BorrowedFd<'_>, readiness: Readiness) {
        self.pollers().iter().for_each(|poller| poller.owe(fd.as_raw_fd(), readiness));
    }

    /// Before its number may be another descriptor's.
    fn forget(&self, fd: BorrowedFd<'_>) {
        self.pollers().iter().for_each(|poller| poller.forget(fd.as_raw_fd()));
    }

    fn is_watched(&self, fd: BorrowedFd<'_>) -> bool {
        self.pollers().iter().any(|poller| poller.watches(fd.as_raw_fd()))
    }

    /// Whether the call is made at all: if not, it says why.
    fn may_begin(&self, fd: BorrowedFd<'_>, on: On, direction: Readiness) -> io::Result<()> {
        if self.choices.happens(Kinds::INTERRUPTED, CALLS_BETWEEN_INTERRUPTED) {
            return Err(io::Error::from_raw_os_error(libc::EINTR));
        }
        let blocked = self.choices.happens(Kinds::BLOCKED, CALLS_BETWEEN_BLOCKED);
        if blocked && (on == On::Socket || self.is_watched(fd)) {
            self.owe(fd, direction);
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        Ok(())
    }

    /// How many of `asked` bytes are to be moved.
    fn length(&self, fd: BorrowedFd<'_>, on: On, asked: usize) -> usize {
        if asked < 2 || !self.choices.happens(Kinds::SHORT, CALLS_BETWEEN_SHORT) {
            return asked;
        }
        let is_stream = on == On::Plain || self.below.option(fd, SocketOption::Kind).is_ok_and(|kind| kind == 1);
        if !is_stream {
            return asked;
        }
        // The smallest last: buffers are long, what is there is often short, and one byte cuts both.
        let shorter = [asked / 2, 7, 1][self.choices.of_kind(Kinds::SHORT, 3)];
        shorter.min(asked - 1)
    }

    /// Makes a call that moves bytes, perhaps fewer than asked for.
    fn moves(
        &self,
        fd: BorrowedFd<'_>,
        (on, direction): (On, Readiness),
        asked: usize,
        made: impl FnOnce(usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.may_begin(fd, on, direction)?;
        let length = self.length(fd, on, asked);
        let moved = made(length)?;
        if length < asked && moved == length {
            self.owe(fd, direction);
        }
        Ok(moved)
    }
}

const RECEIVING: (On, Readiness) = (On::Socket, Readiness::READ);
const SENDING: (On, Readiness) = (On::Socket, Readiness::WRITE);
const READING: (On, Readiness) = (On::Plain, Readiness::READ);
const WRITING: (On, Readiness) = (On::Plain, Readiness::WRITE);

impl Layer for Hostile {
    fn below(&self) -> &World {
        &self.below
    }

    fn poller(&self) -> io::Result<Arc<dyn Poller>> {
        let poller = Arc::new(HostilePoller::new(self.below.poller()?, self.choices.clone()));
        self.pollers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&poller));
        Ok(poller)
    }

    fn accept(&self, fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
        self.may_begin(fd, On::Socket, Readiness::READ)?;
        self.below.accept(fd)
    }

    fn receive(&self, fd: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>], peek: bool) -> io::Result<usize> {
        if buffer.is_empty() {
            return self.below.receive_uninit(fd, buffer, peek);
        }
        if peek {
            self.may_begin(fd, On::Socket, Readiness::READ)?;
            return self.below.receive_uninit(fd, buffer, true);
        }
        self.moves(fd, RECEIVING, buffer.len(), |length| self.below.receive_uninit(fd, &mut buffer[..length], false))
    }

    fn receive_vectored(&self, fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let asked = buffers.iter().map(|buffer| buffer.len()).sum();
        self.moves(fd, RECEIVING, asked, |length| {
            if length == asked {
                return self.below.receive_vectored(fd, buffers);
            }
            self.below.receive_vectored(fd, &mut shortened_mut(buffers, length))
        })
    }

    fn send(&self, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        self.moves(fd, SENDING, bytes.len(), |length| self.below.send(fd, &bytes[..length]))
    }

    fn send_vectored(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let asked = buffers.iter().map(|buffer| buffer.len()).sum();
        self.moves(fd, SENDING, asked, |length| {
            if length == asked {
                return self.below.send_vectored(fd, buffers);
            }
            self.below.send_vectored(fd, &shortened(buffers, length))
        })
    }

    fn receive_message(&self, fd: BorrowedFd<'_>, buffer: &mut [u8], most: usize, peek: bool) -> io::Result<Received> {
        self.may_begin(fd, On::Socket, Readiness::READ)?;
        let asked = buffer.len();
        let length = if peek { asked } else { self.length(fd, On::Socket, asked) };
        let received = self.below.receive_message(fd, &mut buffer[..length], most, peek)?;
        if length < asked && received.count == length {
            self.owe(fd, Readiness::READ);
        }
        Ok(received)
    }

    fn send_message(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        to: Option<&Address>,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        // Descriptors travel with the first byte.
        self.moves(fd, SENDING, bytes.len(), |length| self.below.send_message(fd, &bytes[..length], to, descriptors))
    }

    fn read(&self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        self.moves(fd, READING, buffer.len(), |length| self.below.read(fd, &mut buffer[..length]))
    }

    fn write(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let asked: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if asked <= ATOMIC_WRITE {
            self.may_begin(fd, On::Plain, Readiness::WRITE)?;
            return self.below.write(fd, buffers);
        }
        self.moves(fd, WRITING, asked, |length| {
            if length == asked {
                return self.below.write(fd, buffers);
            }
            self.below.write(fd, &shortened(buffers, length))
        })
    }

    fn close(&self, fd: OwnedFd) {
        self.forget(fd.as_fd());
        self.below.close(fd);
    }

    fn release(&self, fd: BorrowedFd<'_>) {
        self.forget(fd);
        self.below.release(fd);
    }

    fn is_still(&self) -> bool {
        !self.pollers().iter().any(|poller| poller.owes()) && self.below.is_still()
    }
}

/// The first `length` bytes of several buffers.
fn shortened<'a>(buffers: &'a [IoSlice<'_>], mut length: usize) -> Vec<IoSlice<'a>> {
    let mut taken = Vec::new();
    for buffer in buffers {
        let here = buffer.len().min(length);
        taken.push(IoSlice::new(&buffer[..here]));
        length -= here;
    }
    taken
}

/// [`shortened`], of buffers to read into.
fn shortened_mut<'a>(buffers: &'a mut [IoSliceMut<'_>], mut length: usize) -> Vec<IoSliceMut<'a>> {
    let mut taken = Vec::new();
    for buffer in buffers {
        let here = buffer.len().min(length);
        taken.push(IoSliceMut::new(&mut buffer[..here]));
        length -= here;
    }
    taken
}
