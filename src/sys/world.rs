//! [`World`]: a backend, and the one point through which every call to it goes.
//!
//! The methods mirror the contract in `mod.rs` one by one and add nothing but that point.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hook::Over;
use super::{Address, Credentials, Group, Received};
use super::{
    Backend, Call, Event, Family, Hook, Kind, Poller, Signal, SignalWatch, SocketOption, Thread, Token, VirtualClock,
    os,
};

/// Everything around a program that is not the program: clock, poller, sockets, threads, randomness.
///
/// A runtime is built over one world and never asks which. Cloning is cheap and gives the same world.
///
/// ```
/// use coracle::{Runtime, sys::World};
/// let runtime = Runtime::builder().world(World::kernel()).build();
/// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// ```
#[derive(Clone)]
pub struct World {
    /// `None`: the kernel, which is called directly.
    backend: Option<Arc<dyn Backend>>,
    hook: Option<Arc<dyn Hook>>,
}

/// Calls the backend. The kernel is not called through a pointer, but inlined: every frame above a system call costs a
/// mispredicted return.
macro_rules! backend {
    ($world:ident . $($call:tt)*) => {
        match &$world.backend {
            None => os::Kernel.$($call)*,
            Some(backend) => backend.$($call)*,
        }
    };
}

impl World {
    /// The operating system's kernel: epoll on Linux, kqueue on the BSDs and macOS.
    ///
    /// ```
    /// # use coracle::{Runtime, sys::World};
    /// Runtime::builder().world(World::kernel()).build().block_on(async {});
    /// ```
    pub fn kernel() -> World {
        World { backend: None, hook: None }
    }

    /// A world of another kind.
    pub(crate) fn of(backend: Arc<dyn Backend>) -> World {
        World { backend: Some(backend), hook: None }
    }

    /// The same world with every call passing `hook`. An earlier hook is replaced.
    ///
    /// ```
    /// # use coracle::{Runtime, sys::{Hook, World}};
    /// struct Silent;
    /// impl Hook for Silent {}
    /// let world = World::kernel().hooked(std::sync::Arc::new(Silent));
    /// Runtime::builder().world(world).build().block_on(async {});
    /// ```
    pub fn hooked(self, hook: Arc<dyn Hook>) -> World {
        World { hook: Some(hook), ..self }
    }

    /// The same world with every call passing this hook, and after it the one that there is.
    pub(crate) fn also_hooked(self, upper: Arc<dyn Hook>) -> World {
        let hook: Arc<dyn Hook> = match self.hook {
            Some(lower) => Arc::new(Over { upper, lower }),
            None => upper,
        };
        World { hook: Some(hook), ..self }
    }

    /// The one point. Without a hook it is a branch.
    #[inline]
    fn pass<T>(&self, call: Call, fd: Option<RawFd>, made: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match &self.hook {
            None => made(),
            Some(hook) => watched(&**hook, call, fd, made),
        }
    }

    /// [`pass`](World::pass) for a call about a descriptor.
    #[inline]
    fn on<T>(&self, call: Call, fd: BorrowedFd<'_>, made: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.pass(call, Some(fd.as_raw_fd()), made)
    }

    /// [`pass`](World::pass) for a call that cannot fail: it is made whatever the hook says.
    #[inline]
    fn surely<T>(&self, call: Call, fd: Option<RawFd>, made: impl FnOnce() -> T) -> T {
        if let Some(hook) = &self.hook {
            let _ = hook.before(call, fd);
            let value = made();
            hook.after(call, fd, None);
            return value;
        }
        made()
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.surely(Call::Now, None, || backend!(self.now()))
    }

    #[allow(dead_code, reason = "part of the contract; nothing above is random yet")]
    pub(crate) fn random(&self) -> u64 {
        self.surely(Call::Random, None, || backend!(self.random()))
    }

    pub(crate) fn nap(&self, time: Duration) {
        self.surely(Call::Nap, None, || backend!(self.nap(time)));
    }

    pub(crate) fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<Thread> {
        self.pass(Call::Thread, None, || backend!(self.thread(name, body)))
    }

    pub(crate) fn processors(&self) -> io::Result<Vec<usize>> {
        self.pass(Call::Processors, None, || backend!(self.processors()))
    }

    pub(crate) fn pin(&self, processor: usize) -> io::Result<()> {
        self.pass(Call::Pin, None, || backend!(self.pin(processor)))
    }

    pub(crate) fn poller(&self) -> io::Result<WorldPoller> {
        let poller = self.pass(Call::Poller, None, || backend!(self.poller()))?;
        Ok(WorldPoller { world: self.clone(), poller, born: os::forks() })
    }

    pub(crate) fn socket(&self, family: Family, kind: Kind) -> io::Result<OwnedFd> {
        self.pass(Call::Socket, None, || backend!(self.socket(family, kind)))
    }

    pub(crate) fn socket_pair(&self, kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> {
        self.pass(Call::SocketPair, None, || backend!(self.socket_pair(kind)))
    }

    pub(crate) fn bind(&self, fd: BorrowedFd<'_>, address: impl Into<Address>) -> io::Result<()> {
        let address = address.into();
        self.on(Call::Bind, fd, || backend!(self.bind(fd, &address)))
    }

    pub(crate) fn listen(&self, fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
        self.on(Call::Listen, fd, || backend!(self.listen(fd, backlog)))
    }

    #[inline]
    pub(crate) fn accept(&self, fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
        self.on(Call::Accept, fd, || backend!(self.accept(fd)))
    }

    pub(crate) fn connect(&self, fd: BorrowedFd<'_>, address: impl Into<Address>) -> io::Result<()> {
        let address = address.into();
        self.on(Call::Connect, fd, || backend!(self.connect(fd, &address)))
    }

    #[inline]
    pub(crate) fn receive(&self, fd: BorrowedFd<'_>, buffer: &mut [u8], peek: bool) -> io::Result<usize> {
        let uninit = std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>];
        // SAFETY: S1: the same bytes, which a backend overwrites with bytes only: they stay initialised.
        self.receive_uninit(fd, unsafe { &mut *uninit }, peek)
    }

    #[inline]
    pub(crate) fn receive_uninit(
        &self,
        fd: BorrowedFd<'_>,
        buffer: &mut [MaybeUninit<u8>],
        peek: bool,
    ) -> io::Result<usize> {
        self.on(Call::Receive, fd, || backend!(self.receive(fd, buffer, peek)))
    }

    pub(crate) fn receive_vectored(&self, fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.on(Call::Receive, fd, || backend!(self.receive_vectored(fd, buffers)))
    }

    #[inline]
    pub(crate) fn send(&self, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        self.on(Call::Send, fd, || backend!(self.send(fd, bytes)))
    }

    pub(crate) fn send_vectored(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.on(Call::Send, fd, || backend!(self.send_vectored(fd, buffers)))
    }

    pub(crate) fn receive_message(
        &self,
        fd: BorrowedFd<'_>,
        buffer: &mut [u8],
        most: usize,
        peek: bool,
    ) -> io::Result<Received> {
        self.on(Call::ReceiveMessage, fd, || backend!(self.receive_message(fd, buffer, most, peek)))
    }

    pub(crate) fn send_message(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        to: Option<&Address>,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        self.on(Call::SendMessage, fd, || backend!(self.send_message(fd, bytes, to, descriptors)))
    }

    pub(crate) fn shutdown(&self, fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> {
        self.on(Call::Shutdown, fd, || backend!(self.shutdown(fd, how)))
    }

    pub(crate) fn local_address(&self, fd: BorrowedFd<'_>) -> io::Result<Address> {
        self.on(Call::Address, fd, || backend!(self.local_address(fd)))
    }

    pub(crate) fn peer_address(&self, fd: BorrowedFd<'_>) -> io::Result<Address> {
        self.on(Call::Address, fd, || backend!(self.peer_address(fd)))
    }

    pub(crate) fn peer_credentials(&self, fd: BorrowedFd<'_>) -> io::Result<Credentials> {
        self.on(Call::Credentials, fd, || backend!(self.peer_credentials(fd)))
    }

    pub(crate) fn option(&self, fd: BorrowedFd<'_>, option: SocketOption) -> io::Result<i32> {
        self.on(Call::Option, fd, || backend!(self.option(fd, option)))
    }

    pub(crate) fn set_option(&self, fd: BorrowedFd<'_>, option: SocketOption, value: i32) -> io::Result<()> {
        self.on(Call::SetOption, fd, || backend!(self.set_option(fd, option, value)))
    }

    pub(crate) fn set_member(&self, fd: BorrowedFd<'_>, group: Group, member: bool) -> io::Result<()> {
        self.on(Call::Membership, fd, || backend!(self.set_member(fd, group, member)))
    }

    pub(crate) fn set_multicast_interface(&self, fd: BorrowedFd<'_>, interface: Ipv4Addr) -> io::Result<()> {
        self.on(Call::SetOption, fd, || backend!(self.set_multicast_interface(fd, interface)))
    }

    pub(crate) fn set_nonblocking(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.on(Call::SetOption, fd, || backend!(self.set_nonblocking(fd)))
    }

    pub(crate) fn pipe(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        self.pass(Call::Pipe, None, || backend!(self.pipe()))
    }

    pub(crate) fn read(&self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        self.on(Call::Read, fd, || backend!(self.read(fd, buffer)))
    }

    pub(crate) fn write(&self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.on(Call::Write, fd, || backend!(self.write(fd, buffers)))
    }

    pub(crate) fn is_ready(&self, fd: BorrowedFd<'_>, to_write: bool) -> io::Result<bool> {
        self.on(Call::Ready, fd, || backend!(self.is_ready(fd, to_write)))
    }

    pub(crate) fn close(&self, fd: OwnedFd) {
        self.surely(Call::Close, Some(fd.as_raw_fd()), || backend!(self.close(fd)));
    }

    pub(crate) fn watch(&self, signals: &[Signal]) -> io::Result<(SignalWatch, OwnedFd)> {
        self.pass(Call::Watch, None, || backend!(self.watch(signals)))
    }

    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        self.pass(Call::Spawn, None, || backend!(self.spawn(command)))
    }

    pub(crate) fn exit_descriptor(&self, number: u32) -> io::Result<OwnedFd> {
        self.pass(Call::ExitDescriptor, None, || backend!(self.exit_descriptor(number)))
    }

    pub(crate) fn await_exit(&self, number: u32) -> io::Result<()> {
        self.pass(Call::AwaitExit, None, || backend!(self.await_exit(number)))
    }

    pub(crate) fn reap(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        self.pass(Call::Reap, None, || backend!(self.reap(child)))
    }

    pub(crate) fn send_signal(&self, child: &Child, signal: Signal) -> io::Result<()> {
        self.pass(Call::SendSignal, None, || backend!(self.send_signal(child, signal)))
    }

    pub(crate) fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let told = || self.hook.as_ref().and_then(|hook| hook.resolve(host, port));
        self.pass(Call::Resolve, None, || told().unwrap_or_else(|| backend!(self.resolve(host, port))))
    }

    // ---- no calls: what some worlds are told, and asked ----------------------------------------------------------

    pub(crate) fn known_host(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        self.backend.as_ref()?.known_host(host, port)
    }

    /// Something is under way on a thread of a pool, until the guard is dropped.
    pub(crate) fn job(&self) -> JobUnderWay {
        self.job_began();
        JobUnderWay(self.clone())
    }

    pub(super) fn job_began(&self) {
        self.backend.iter().for_each(|backend| backend.job_began());
    }

    /// Returns when the job that this thread has taken may be done.
    pub(crate) fn job_begins(&self) {
        self.backend.iter().for_each(|backend| backend.job_begins());
    }

    pub(super) fn job_ended(&self) {
        self.backend.iter().for_each(|backend| backend.job_ended());
    }

    pub(crate) fn release(&self, fd: BorrowedFd<'_>) {
        self.surely(Call::Release, Some(fd.as_raw_fd()), || {
            self.backend.iter().for_each(|backend| backend.release(fd));
        });
    }

    /// Whether the close of a descriptor takes it out of its poller, if no duplicate is open. The kernel's does; what lies
    /// over it keeps books, and wants to be told.
    #[inline]
    pub(crate) fn deregisters_at_close(&self) -> bool {
        self.backend.is_none()
    }

    pub(crate) fn is_still(&self) -> bool {
        self.backend.as_ref().is_some_and(|backend| backend.is_still())
    }

    pub(crate) fn clock(&self) -> Option<Arc<VirtualClock>> {
        self.backend.as_ref()?.clock()
    }
}

/// See [`World::job`].
pub(crate) struct JobUnderWay(World);

impl Drop for JobUnderWay {
    fn drop(&mut self) {
        self.0.job_ended();
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("hooked", &self.hook.is_some()).finish_non_exhaustive()
    }
}

#[cold]
fn watched<T>(hook: &dyn Hook, call: Call, fd: Option<RawFd>, made: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    hook.before(call, fd)?;
    let result = made();
    hook.after(call, fd, result.as_ref().err());
    result
}

/// A poller of some world, each of its calls passing the world's one point.
///
/// In a child process after `fork` it refuses: with epoll, parent and child would change one and the same set.
pub(crate) struct WorldPoller {
    world: World,
    poller: Arc<dyn Poller>,
    /// [`os::forks`] when it was made.
    born: usize,
}

impl WorldPoller {
    fn refuse_in_a_child(&self) -> io::Result<()> {
        refuse_in_a_child(self.born)
    }

    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.refuse_in_a_child()?;
        self.world.on(Call::Add, fd, || self.poller.add(fd, token))
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.refuse_in_a_child()?;
        self.world.on(Call::Remove, fd, || self.poller.remove(fd))
    }

    pub(crate) fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.refuse_in_a_child()?;
        self.world.pass(Call::Wait, None, || self.poller.wait(events, timeout))
    }

    pub(crate) fn alarm(&self, after: Option<Duration>) -> io::Result<()> {
        self.refuse_in_a_child()?;
        self.world.pass(Call::Alarm, None, || self.poller.alarm(after))
    }

    pub(crate) fn notify(&self) -> io::Result<()> {
        self.refuse_in_a_child()?;
        self.world.pass(Call::Notify, None, || self.poller.notify())
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    /// The part of the poller that other threads may hold.
    pub(crate) fn notifier(&self) -> Notifier {
        Notifier { world: self.world.clone(), poller: self.poller.clone(), born: self.born }
    }
}

/// What other threads may do to a poller: end its wait, and take a descriptor out that they are about to close.
///
/// In a child process it refuses too: what it would wake, or take out, is the parent's.
pub(crate) struct Notifier {
    world: World,
    poller: Arc<dyn Poller>,
    born: usize,
}

impl Notifier {
    pub(crate) fn notify(&self) -> io::Result<()> {
        refuse_in_a_child(self.born)?;
        self.world.pass(Call::Notify, None, || self.poller.notify())
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        refuse_in_a_child(self.born)?;
        self.world.on(Call::Remove, fd, || self.poller.remove(fd))
    }
}

/// `born` is what [`os::forks`] said when the poller was made.
fn refuse_in_a_child(born: usize) -> io::Result<()> {
    if os::forks() == born {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::Unsupported, "a runtime was used in a child process after fork"))
}
