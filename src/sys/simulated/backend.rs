//! The [`Backend`] of one host of the network: it finds the socket, and passes on what is not of this world.
//!
//! The kernel gets what is no matter of a network (threads, processors) and what concerns descriptors that are not of
//! this network: files, say, or the standard streams. Multicast, signals and programs are refused.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::super::unix::MOST_SLICES;
use super::super::{Address, Backend, Credentials, Family, Group, Kind, Poller, Received, Signal, SignalWatch};
use super::super::{SocketOption, Thread, VirtualClock, os::Kernel};
use super::datagram::Datagrams;
use super::net::{HostId, Net, State};
use super::poller::SimulatedPoller;
use super::socket::{Socket, What, errno};
use super::table::Key;
use super::transfer::{Take, fill};
use super::unix::UnixDatagrams;

/// The world on one host, from one of its crashes to the next.
pub(super) struct SimulatedHost {
    net: Net,
    host: HostId,
    life: u32,
}

impl SimulatedHost {
    pub(super) fn new(net: Net, host: HostId, life: u32) -> SimulatedHost {
        SimulatedHost { net, host, life }
    }

    /// Makes something. A program of before a crash makes no more.
    fn make<T>(&self, make: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let state = &mut *self.net.lock();
        let host = &state.hosts[self.host.0];
        if !host.up || host.life != self.life {
            return Err(errno(libc::ENETDOWN));
        }
        let made = make(state);
        self.settle(state);
        made
    }

    /// Does something to a socket, or leaves it to the kernel.
    fn on<T>(
        &self,
        fd: BorrowedFd<'_>,
        ours: impl FnOnce(&mut State, Key) -> io::Result<T>,
        theirs: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let Some((mut state, key)) = self.find(fd) else { return theirs() };
        let done = ours(&mut state, key);
        self.settle(&mut state);
        done
    }

    fn find(&self, fd: BorrowedFd<'_>) -> Option<(MutexGuard<'_, State>, Key)> {
        let state = self.net.lock();
        let key = state.descriptors.get(&fd.as_raw_fd())?.socket;
        Some((state, key))
    }

    fn settle(&self, state: &mut State) {
        state.settle();
        if state.sleepers > 0 {
            self.net.tell();
        }
    }
}

fn refused<T>(what: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("a simulated network has no {what}")))
}

/// Receives into several buffers, one after the other.
fn into_rooms<T>(buffers: &mut [IoSliceMut<'_>], receive: impl FnOnce(&mut Take<'_>) -> T) -> T {
    let mut rooms = buffers.iter_mut().take(MOST_SLICES);
    let mut room: &mut [u8] = &mut [];
    receive(&mut |mut bytes| {
        let asked = bytes.len();
        while !bytes.is_empty() {
            if room.is_empty() {
                match rooms.next() {
                    Some(next) => room = next,
                    None => break,
                }
            }
            let count = fill(room, bytes);
            bytes = &bytes[count..];
            room = &mut std::mem::take(&mut room)[count..];
        }
        asked - bytes.len()
    })
}

impl Backend for SimulatedHost {
    fn now(&self) -> Instant {
        self.net.clock().now()
    }

    fn random(&self) -> u64 {
        let state = &mut *self.net.lock();
        state.randoms += 1;
        // They differ in the ordinary run too, in which all bits are zero. The odd number is SplitMix64's.
        state.choices.bits() ^ state.randoms.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// In virtual time, as if nothing else was to be done meanwhile.
    fn nap(&self, time: Duration) {
        let state = &mut *self.net.lock();
        let end = state.now.saturating_add(time);
        self.net.advance(state, end);
    }

    fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<Thread> {
        Kernel.thread(name, body)
    }

    fn processors(&self) -> io::Result<Vec<usize>> {
        Kernel.processors()
    }

    fn pin(&self, processor: usize) -> io::Result<()> {
        Kernel.pin(processor)
    }

    fn poller(&self) -> io::Result<Arc<dyn Poller>> {
        self.make(|_| Ok(()))?;
        Ok(Arc::new(SimulatedPoller::new(self.net.clone(), self.host)))
    }

    fn socket(&self, family: Family, kind: Kind) -> io::Result<OwnedFd> {
        let what = match (family, kind) {
            (_, Kind::Stream) => What::Fresh,
            (Family::Unix, Kind::Datagram) => What::UnixDatagrams(UnixDatagrams::default()),
            (_, Kind::Datagram) => What::Datagrams(Datagrams::default()),
        };
        self.make(|state| Ok(state.open(Socket::new(self.host, family, kind, what))?.0))
    }

    fn socket_pair(&self, kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> {
        self.make(|state| state.socket_pair(self.host, kind))
    }

    fn bind(&self, fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
        self.on(fd, |state, key| state.bind(key, address), || Kernel.bind(fd, address))
    }

    fn listen(&self, fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
        self.on(fd, |state, key| state.listen(key, backlog), || Kernel.listen(fd, backlog))
    }

    fn accept(&self, fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
        self.on(fd, |state, key| state.accept(key), || Kernel.accept(fd))
    }

    fn connect(&self, fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
        self.on(fd, |state, key| state.connect(key, address), || Kernel.connect(fd, address))
    }

    fn receive(&self, fd: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>], peek: bool) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let Some((mut state, key)) = self.find(fd) else { return Kernel.receive(fd, buffer, peek) };
        let mut room = buffer.iter_mut();
        let done = state.receive(key, peek, &mut |bytes| {
            let count = bytes.len().min(room.len());
            room.by_ref().zip(&bytes[..count]).for_each(|(place, byte)| *place = MaybeUninit::new(*byte));
            count
        });
        self.settle(&mut state);
        done
    }

    fn receive_vectored(&self, fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let Some((mut state, key)) = self.find(fd) else { return Kernel.receive_vectored(fd, buffers) };
        let done = into_rooms(buffers, |take| state.receive(key, false, take));
        self.settle(&mut state);
        done
    }

    fn send(&self, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        self.on(fd, |state, key| state.send(key, &[bytes]), || Kernel.send(fd, bytes))
    }

    fn send_vectored(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let pieces: Vec<&[u8]> = buffers.iter().take(MOST_SLICES).map(|buffer| &**buffer).collect();
        self.on(fd, |state, key| state.send(key, &pieces), || Kernel.send_vectored(fd, buffers))
    }

    fn receive_message(&self, fd: BorrowedFd<'_>, buffer: &mut [u8], most: usize, peek: bool) -> io::Result<Received> {
        let Some((mut state, key)) = self.find(fd) else { return Kernel.receive_message(fd, buffer, most, peek) };
        let done = state.receive_message(key, buffer, most, peek);
        self.settle(&mut state);
        done
    }

    fn send_message(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        to: Option<&Address>,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        let theirs = || Kernel.send_message(fd, bytes, to, descriptors);
        self.on(fd, |state, key| state.send_message(key, &[bytes], to, descriptors), theirs)
    }

    fn shutdown(&self, fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> {
        self.on(fd, |state, key| state.shutdown(key, how), || Kernel.shutdown(fd, how))
    }

    fn local_address(&self, fd: BorrowedFd<'_>) -> io::Result<Address> {
        self.on(fd, |state, key| state.local_address(key), || Kernel.local_address(fd))
    }

    fn peer_address(&self, fd: BorrowedFd<'_>) -> io::Result<Address> {
        self.on(fd, |state, key| state.peer_address(key), || Kernel.peer_address(fd))
    }

    fn peer_credentials(&self, fd: BorrowedFd<'_>) -> io::Result<Credentials> {
        let ours = |state: &mut State, key| match state.is_paired(key) {
            // The peer is this process, as it is of any pair of sockets.
            true => Kernel.peer_credentials(UnixStream::pair()?.0.as_fd()),
            false => Err(errno(libc::ENOTCONN)),
        };
        self.on(fd, ours, || Kernel.peer_credentials(fd))
    }

    fn option(&self, fd: BorrowedFd<'_>, option: SocketOption) -> io::Result<i32> {
        self.on(fd, |state, key| state.option(key, option), || Kernel.option(fd, option))
    }

    fn set_option(&self, fd: BorrowedFd<'_>, option: SocketOption, value: i32) -> io::Result<()> {
        self.on(fd, |state, key| state.set_option(key, option, value), || Kernel.set_option(fd, option, value))
    }

    fn set_member(&self, _: BorrowedFd<'_>, _: Group, _: bool) -> io::Result<()> {
        refused("multicast")
    }

    fn set_multicast_interface(&self, _: BorrowedFd<'_>, _: Ipv4Addr) -> io::Result<()> {
        refused("multicast")
    }

    fn set_nonblocking(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.on(fd, |_, _| Ok(()), || Kernel.set_nonblocking(fd))
    }

    fn pipe(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        self.make(|state| state.pipe(self.host))
    }

    fn read(&self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((mut state, key)) = self.find(fd) else { return Kernel.read(fd, buffer) };
        let done = into_rooms(&mut [IoSliceMut::new(buffer)], |take| state.read(key, take));
        self.settle(&mut state);
        done
    }

    fn write(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let pieces: Vec<&[u8]> = buffers.iter().take(MOST_SLICES).map(|buffer| &**buffer).collect();
        self.on(fd, |state, key| state.write(key, &pieces), || Kernel.write(fd, buffers))
    }

    fn is_ready(&self, fd: BorrowedFd<'_>, to_write: bool) -> io::Result<bool> {
        let bit = if to_write { super::super::Readiness::WRITE } else { super::super::Readiness::READ };
        self.on(fd, |state, key| Ok(state.readiness(key).contains(bit)), || Kernel.is_ready(fd, to_write))
    }

    fn close(&self, fd: OwnedFd) {
        let state = &mut *self.net.lock();
        state.close(fd.as_fd().as_raw_fd());
        self.settle(state);
    }

    fn watch(&self, _: &[Signal]) -> io::Result<(SignalWatch, OwnedFd)> {
        refused("signals")
    }

    fn spawn(&self, _: &mut Command) -> io::Result<Child> {
        refused("programs")
    }

    fn exit_descriptor(&self, _: u32) -> io::Result<OwnedFd> {
        refused("programs")
    }

    fn await_exit(&self, _: u32) -> io::Result<()> {
        refused("programs")
    }

    fn reap(&self, _: &mut Child) -> io::Result<Option<ExitStatus>> {
        refused("programs")
    }

    fn send_signal(&self, _: &Child, _: Signal) -> io::Result<()> {
        refused("programs")
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.net.lock().known_host(host, port)
    }

    fn known_host(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        Some(self.net.lock().known_host(host, port))
    }

    fn job_began(&self) {
        self.net.lock().jobs += 1;
    }

    fn job_ended(&self) {
        self.net.lock().jobs -= 1;
        self.net.tell();
    }

    fn is_still(&self) -> bool {
        let state = &*self.net.lock();
        let others = state.hosts.iter().enumerate().filter(|(number, _)| *number != self.host.0);
        state.next_event().is_none() && others.map(|(_, host)| host.watchers.len()).sum::<usize>() == 0
    }

    fn clock(&self) -> Option<Arc<VirtualClock>> {
        Some(self.net.clock())
    }
}
