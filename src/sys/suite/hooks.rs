//! The one point that every call passes: what a hook sees, and what it can prevent.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::{Call, Family, Group, Hook, Kind, Signal, SocketOption, World, WorldPoller};
use super::{LONG, becomes, is_would_block, listener, loopback, pair, read};

const CALLS: [Call; 41] = [
    Call::Now,
    Call::Random,
    Call::Nap,
    Call::Thread,
    Call::Processors,
    Call::Pin,
    Call::Poller,
    Call::Add,
    Call::Remove,
    Call::Wait,
    Call::Notify,
    Call::Alarm,
    Call::Socket,
    Call::Bind,
    Call::Listen,
    Call::Accept,
    Call::Connect,
    Call::Receive,
    Call::Send,
    Call::Shutdown,
    Call::Address,
    Call::Option,
    Call::SetOption,
    Call::Close,
    Call::SocketPair,
    Call::ReceiveMessage,
    Call::SendMessage,
    Call::Credentials,
    Call::Membership,
    Call::Pipe,
    Call::Read,
    Call::Write,
    Call::Ready,
    Call::Watch,
    Call::Spawn,
    Call::ExitDescriptor,
    Call::AwaitExit,
    Call::Reap,
    Call::SendSignal,
    Call::Resolve,
    Call::Release,
];

/// The calls that cannot be made to fail.
const SURE: [Call; 5] = [Call::Now, Call::Random, Call::Nap, Call::Close, Call::Release];

/// The errno of the injected faults: no call here fails so by itself.
const FAULT: i32 = libc::EXDEV;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Before(Call, Option<RawFd>),
    /// With the errno.
    After(Call, Option<RawFd>, Option<i32>),
}

/// Notes what it sees, and prevents everything if told so.
#[derive(Default)]
struct Recorder {
    seen: Mutex<Vec<Seen>>,
    prevents: AtomicBool,
}

impl Recorder {
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Hook for Recorder {
    fn before(&self, call: Call, fd: Option<RawFd>) -> io::Result<()> {
        self.seen.lock().unwrap().push(Seen::Before(call, fd));
        if self.prevents.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(FAULT)) } else { Ok(()) }
    }

    fn after(&self, call: Call, fd: Option<RawFd>, error: Option<&io::Error>) {
        self.seen.lock().unwrap().push(Seen::After(call, fd, error.and_then(io::Error::raw_os_error)));
    }
}

fn recorded() -> (Arc<Recorder>, World) {
    let recorder = Arc::new(Recorder::default());
    (recorder.clone(), World::kernel().hooked(recorder))
}

/// What the calls are made with. Everything is in such a state that each call succeeds.
struct Stage {
    world: World,
    poller: WorldPoller,
    /// With one connection waiting.
    listener: OwnedFd,
    address: SocketAddr,
    /// Its far end sent a byte.
    connected: OwnedFd,
    watched: OwnedFd,
    fresh: OwnedFd,
    /// With a byte in it.
    pipe: (OwnedFd, OwnedFd),
    /// With a datagram in it.
    datagrams: (OwnedFd, OwnedFd),
    udp: OwnedFd,
    /// Lives until its standard input ends.
    child: RefCell<Child>,
    _far_ends: [OwnedFd; 2],
    _client: std::net::TcpStream,
}

impl Stage {
    fn new(world: World) -> Stage {
        let poller = world.poller().unwrap();
        let (listener, address) = listener(&world, Family::V4);
        let client = std::net::TcpStream::connect(address).unwrap();
        assert!(becomes(listener.as_fd(), libc::POLLIN, LONG));
        let ((connected, far), (watched, other_far)) = (pair(), pair());
        world.send(far.as_fd(), b"x").unwrap();
        poller.add(watched.as_fd(), 7).unwrap();
        let fresh = world.socket(Family::V4, Kind::Stream).unwrap();
        let pipe = world.pipe().unwrap();
        world.write(pipe.1.as_fd(), &[IoSlice::new(b"x")]).unwrap();
        let datagrams = world.socket_pair(Kind::Datagram).unwrap();
        world.send(datagrams.1.as_fd(), b"x").unwrap();
        let udp = world.socket(Family::V4, Kind::Datagram).unwrap();
        let child = RefCell::new(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap());
        let _far_ends = [far, other_far];
        Stage {
            world,
            poller,
            listener,
            address,
            connected,
            watched,
            fresh,
            pipe,
            datagrams,
            udp,
            child,
            _far_ends,
            _client: client,
        }
    }

    /// Makes one call of this kind.
    fn make(&self, call: Call) -> io::Result<()> {
        let (world, poller, connected) = (&self.world, &self.poller, self.connected.as_fd());
        match call {
            Call::Now => drop(world.now()),
            Call::Random => drop(world.random()),
            Call::Nap => world.nap(Duration::from_nanos(1)),
            Call::Thread => world.thread("hooked", Box::new(|| {}))?.join().unwrap(),
            Call::Processors => drop(world.processors()?),
            Call::Pin => world.pin(World::kernel().processors()?[0])?,
            Call::Poller => drop(world.poller()?),
            Call::Add => poller.add(connected, 8)?,
            Call::Remove => poller.remove(self.watched.as_fd())?,
            Call::Wait => poller.wait(&mut Vec::new(), Some(Duration::ZERO))?,
            Call::Notify => poller.notifier().notify()?,
            Call::Alarm => poller.alarm(Some(LONG))?,
            Call::Socket => drop(world.socket(Family::V4, Kind::Stream)?),
            Call::Bind => world.bind(self.fresh.as_fd(), loopback(Family::V4))?,
            Call::Listen => world.listen(self.listener.as_fd(), 4)?,
            Call::Accept => drop(world.accept(self.listener.as_fd())?),
            Call::Connect => match world.connect(self.fresh.as_fd(), self.address) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => result?,
            },
            Call::Receive => drop(world.receive(connected, &mut [0], false)?),
            Call::Send => drop(world.send(connected, b"x")?),
            Call::Shutdown => world.shutdown(connected, Shutdown::Write)?,
            Call::Address => drop(world.local_address(self.listener.as_fd())?),
            Call::Option => drop(world.option(connected, SocketOption::SendBuffer)?),
            Call::SetOption => world.set_nonblocking(connected)?,
            Call::Close => world.close(self.connected.try_clone()?),
            _ => self.make_another(call)?,
        }
        Ok(())
    }

    fn make_another(&self, call: Call) -> io::Result<()> {
        let (world, mut child) = (&self.world, self.child.borrow_mut());
        match call {
            Call::SocketPair => drop(world.socket_pair(Kind::Stream)?),
            Call::ReceiveMessage => drop(world.receive_message(self.datagrams.0.as_fd(), &mut [0], 0, false)?),
            Call::SendMessage => drop(world.send_message(self.datagrams.1.as_fd(), b"x", None, &[])?),
            Call::Credentials => drop(world.peer_credentials(self.connected.as_fd())?),
            Call::Membership => {
                world.set_member(
                    self.udp.as_fd(),
                    Group::V4(Ipv4Addr::new(239, 255, 0, 1), Ipv4Addr::LOCALHOST),
                    true,
                )?;
            }
            Call::Pipe => drop(world.pipe()?),
            Call::Read => drop(world.read(self.pipe.0.as_fd(), &mut [0])?),
            Call::Write => drop(world.write(self.pipe.1.as_fd(), &[IoSlice::new(b"x")])?),
            Call::Ready => drop(world.is_ready(self.pipe.0.as_fd(), false)?),
            Call::Watch => drop(world.watch(&[Signal::WINCH])?),
            Call::Spawn => drop(world.spawn(&mut Command::new("true"))?.wait()?),
            Call::ExitDescriptor => drop(world.exit_descriptor(child.id())?),
            Call::AwaitExit => {
                let mut ended = Command::new("true").spawn()?;
                let awaited = world.await_exit(ended.id());
                ended.wait()?;
                awaited?;
            }
            Call::Reap => assert!(world.reap(&mut child)?.is_none()),
            Call::SendSignal => world.send_signal(&child, Signal::CONT)?,
            Call::Resolve => drop(world.resolve("localhost", 80)?),
            Call::Release => world.release(self.connected.as_fd()),
            _ => panic!("{call:?} is made elsewhere"),
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Waiting closes its standard input first.
        let _ = self.child.get_mut().wait();
    }
}

#[test]
fn the_list_of_calls_is_complete() {
    for (place, call) in CALLS.into_iter().enumerate() {
        assert_eq!(call as usize, place, "{call:?}");
    }
}

#[test]
fn every_call_passes_the_hook_before_and_after() {
    let (recorder, world) = recorded();
    let stage = Stage::new(world);
    for call in CALLS {
        recorder.take();
        stage.make(call).unwrap();
        match recorder.take()[..] {
            // An unfinished connect is no failure either: its `WouldBlock` carries no errno.
            [Seen::Before(before, fd), Seen::After(after, same, None)] => {
                assert_eq!((before, after, fd), (call, call, same));
            }
            ref seen => panic!("{call:?} passed as {seen:?}"),
        }
    }
}

#[test]
fn a_call_about_a_descriptor_names_it() {
    use std::os::fd::AsRawFd;
    let (recorder, world) = recorded();
    let stage = Stage::new(world);
    let (listener, connected) = (Some(stage.listener.as_raw_fd()), Some(stage.connected.as_raw_fd()));
    for (call, fd) in [
        (Call::Now, None),
        (Call::Poller, None),
        (Call::Socket, None),
        (Call::Wait, None),
        (Call::Accept, listener),
        (Call::Address, listener),
        (Call::Add, connected),
        (Call::Receive, connected),
        (Call::Send, connected),
    ] {
        recorder.take();
        stage.make(call).unwrap();
        assert_eq!(recorder.take(), [Seen::Before(call, fd), Seen::After(call, fd, None)]);
    }
}

#[test]
fn a_fault_is_returned_and_the_call_is_not_made() {
    let (recorder, world) = recorded();
    let stage = Stage::new(world);
    recorder.prevents.store(true, Ordering::SeqCst);
    for call in CALLS {
        recorder.take();
        let result = stage.make(call);
        match (SURE.contains(&call), &recorder.take()[..]) {
            (true, &[Seen::Before(before, fd), Seen::After(after, same, None)]) => {
                result.unwrap();
                assert_eq!((before, after, fd), (call, call, same));
            }
            (false, &[Seen::Before(before, _)]) => {
                assert_eq!(result.unwrap_err().raw_os_error(), Some(FAULT), "{call:?}");
                assert_eq!(before, call);
            }
            (_, seen) => panic!("{call:?} was prevented and passed as {seen:?}"),
        }
    }
    // Nothing has happened: what the calls would have taken, changed or made is as it was.
    recorder.prevents.store(false, Ordering::SeqCst);
    let [far, _] = &stage._far_ends;
    assert!(is_would_block(read(&stage.world, far)), "nothing was sent, nor was the direction shut down");
    assert_eq!(read(&stage.world, &stage.connected).unwrap(), b"x", "nothing was received");
    assert_eq!(stage.world.local_address(stage.fresh.as_fd()).unwrap().to_ip().unwrap().port(), 0, "nothing was bound");
    assert!(stage.world.accept(stage.listener.as_fd()).is_ok(), "nothing was accepted");
    assert!(stage.poller.remove(stage.connected.as_fd()).is_err(), "nothing was added");
    stage.poller.remove(stage.watched.as_fd()).unwrap();
    assert_eq!(stage.world.read(stage.pipe.0.as_fd(), &mut [0; 8]).unwrap(), 1, "nothing was read or written");
    assert_eq!(read(&stage.world, &stage.datagrams.0).unwrap(), b"x", "nothing was received");
    assert!(is_would_block(read(&stage.world, &stage.datagrams.0)), "nothing was sent");
}

#[test]
fn after_a_call_the_hook_sees_its_errno() {
    let (recorder, world) = recorded();
    let (ours, _theirs) = pair();
    let (empty, _) = listener(&world, Family::V4);
    let poller = world.poller().unwrap();
    let last = || match recorder.take().last() {
        Some(&Seen::After(call, _, errno)) => (call, errno),
        seen => panic!("{seen:?} instead of the end of a call"),
    };
    assert!(read(&world, &ours).is_err());
    assert_eq!(last(), (Call::Receive, Some(libc::EAGAIN)));
    assert!(world.accept(empty.as_fd()).is_err());
    assert_eq!(last(), (Call::Accept, Some(libc::EAGAIN)));
    assert!(world.peer_address(empty.as_fd()).is_err());
    assert_eq!(last(), (Call::Address, Some(libc::ENOTCONN)));
    assert!(poller.remove(ours.as_fd()).is_err());
    assert_eq!(last(), (Call::Remove, Some(libc::ENOENT)));
    world.close(ours);
    assert_eq!(last(), (Call::Close, None));
}

#[test]
fn a_second_hook_takes_the_place_of_the_first() {
    let (first, world) = recorded();
    let second = Arc::new(Recorder::default());
    let world = world.hooked(second.clone());
    world.random();
    assert_eq!(first.take(), []);
    assert_eq!(second.take(), [Seen::Before(Call::Random, None), Seen::After(Call::Random, None, None)]);
}
