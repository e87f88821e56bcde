//! [`Layer`]: a world that lies over another one and changes a little of what passes through.
//!
//! Each call goes to the world below unless the layer says otherwise, so that a layer's file shows what it changes and
//! nothing else. A layer has to wrap the poller too, which is below it like everything.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Address, Backend, Credentials, Family, Group, Kind, Poller, Received, Signal, SignalWatch, SocketOption};
use super::{Thread, VirtualClock, World};

/// From one list of the contract's calls: the trait, in which each passes to the world below, and the backend that each
/// layer is.
macro_rules! layer {
    ($(fn $call:ident($($name:ident: $type:ty),*) $(-> $result:ty)? { $below:ident })*) => {
        /// See the head of this file. The calls are those of [`Backend`].
        pub(super) trait Layer: Send + Sync {
            fn below(&self) -> &World;
            /// A poller over one of the world below.
            fn poller(&self) -> io::Result<Arc<dyn Poller>>;
            fn job_began(&self) {
                self.below().job_began();
            }
            fn job_begins(&self) {
                self.below().job_begins();
            }
            fn job_ended(&self) {
                self.below().job_ended();
            }
            $(fn $call(&self, $($name: $type),*) $(-> $result)? { self.below().$below($($name),*) })*
        }

        impl<L: Layer> Backend for L {
            fn poller(&self) -> io::Result<Arc<dyn Poller>> {
                Layer::poller(self)
            }
            fn job_began(&self) {
                Layer::job_began(self);
            }
            fn job_begins(&self) {
                Layer::job_begins(self);
            }
            fn job_ended(&self) {
                Layer::job_ended(self);
            }
            $(fn $call(&self, $($name: $type),*) $(-> $result)? { Layer::$call(self, $($name),*) })*
        }
    };
}

layer! {
    fn now() -> Instant { now }
    fn random() -> u64 { random }
    fn nap(time: Duration) { nap }
    fn thread(name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<Thread> { thread }
    fn processors() -> io::Result<Vec<usize>> { processors }
    fn pin(processor: usize) -> io::Result<()> { pin }
    fn socket(family: Family, kind: Kind) -> io::Result<OwnedFd> { socket }
    fn socket_pair(kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> { socket_pair }
    fn bind(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> { bind }
    fn listen(fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> { listen }
    fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> { accept }
    fn connect(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> { connect }
    fn receive(fd: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>], peek: bool) -> io::Result<usize> { receive_uninit }
    fn receive_vectored(fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> { receive_vectored }
    fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> { send }
    fn send_vectored(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> { send_vectored }
    fn receive_message(fd: BorrowedFd<'_>, buffer: &mut [u8], most: usize, peek: bool) -> io::Result<Received> {
        receive_message
    }
    fn send_message(
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        to: Option<&Address>,
        descriptors: &[BorrowedFd<'_>]
    ) -> io::Result<usize> {
        send_message
    }
    fn shutdown(fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> { shutdown }
    fn local_address(fd: BorrowedFd<'_>) -> io::Result<Address> { local_address }
    fn peer_address(fd: BorrowedFd<'_>) -> io::Result<Address> { peer_address }
    fn peer_credentials(fd: BorrowedFd<'_>) -> io::Result<Credentials> { peer_credentials }
    fn option(fd: BorrowedFd<'_>, option: SocketOption) -> io::Result<i32> { option }
    fn set_option(fd: BorrowedFd<'_>, option: SocketOption, value: i32) -> io::Result<()> { set_option }
    fn set_member(fd: BorrowedFd<'_>, group: Group, member: bool) -> io::Result<()> { set_member }
    fn set_multicast_interface(fd: BorrowedFd<'_>, interface: Ipv4Addr) -> io::Result<()> { set_multicast_interface }
    fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> { set_nonblocking }
    fn pipe() -> io::Result<(OwnedFd, OwnedFd)> { pipe }
    fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> { read }
    fn write(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> { write }
    fn is_ready(fd: BorrowedFd<'_>, to_write: bool) -> io::Result<bool> { is_ready }
    fn close(fd: OwnedFd) { close }
    fn watch(signals: &[Signal]) -> io::Result<(SignalWatch, OwnedFd)> { watch }
    fn spawn(command: &mut Command) -> io::Result<Child> { spawn }
    fn exit_descriptor(number: u32) -> io::Result<OwnedFd> { exit_descriptor }
    fn await_exit(number: u32) -> io::Result<()> { await_exit }
    fn reap(child: &mut Child) -> io::Result<Option<ExitStatus>> { reap }
    fn send_signal(child: &Child, signal: Signal) -> io::Result<()> { send_signal }
    fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> { resolve }
    fn known_host(host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> { known_host }
    fn release(fd: BorrowedFd<'_>) { release }
    fn is_still() -> bool { is_still }
    fn clock() -> Option<Arc<VirtualClock>> { clock }
}
