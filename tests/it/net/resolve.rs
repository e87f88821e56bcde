//! Names: who is asked, who waits, and what becomes of an answer that nobody wants any more.
//!
//! The resolver of these tests is a hook, so that nobody outside is asked.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use coracle::blocking::Pool;
use coracle::net::{TcpListener, TcpStream, ToSocketAddrs, resolve};
use coracle::sys::{Call, Hook, World};
use coracle::{Runtime, block_on};

use super::{kind, soon};
use crate::reactor::calls::{Calls, errno};
use crate::support::{self, alone, cut_at_every_poll};

type Answers = dyn Fn(&str, u16) -> Option<io::Result<Vec<SocketAddr>>> + Send + Sync;
type Faults = dyn Fn(Call) -> io::Result<()> + Send + Sync;

/// Answers in place of the system's resolver, and may make calls fail.
pub(super) struct Names {
    answers: Box<Answers>,
    faults: Box<Faults>,
    pub(super) asked: Mutex<Vec<String>>,
    connects: Mutex<usize>,
}

impl Names {
    pub(super) fn new(
        answers: impl Fn(&str, u16) -> Option<io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
    ) -> Arc<Names> {
        Names::with_faults(answers, |_| Ok(()))
    }

    pub(super) fn with_faults(
        answers: impl Fn(&str, u16) -> Option<io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
        faults: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static,
    ) -> Arc<Names> {
        let (asked, connects) = (Mutex::default(), Mutex::default());
        Arc::new(Names { answers: Box::new(answers), faults: Box::new(faults), asked, connects })
    }

    /// Every name has these addresses.
    pub(super) fn always(addresses: Vec<SocketAddr>) -> Arc<Names> {
        Names::new(move |_, _| Some(Ok(addresses.clone())))
    }

    pub(super) fn runtime(self: &Arc<Names>) -> Runtime {
        Runtime::builder().world(World::kernel().hooked(self.clone())).build()
    }

    /// How many connections were begun, or tried.
    pub(super) fn connects(&self) -> usize {
        *self.connects.lock().unwrap()
    }
}

impl Hook for Names {
    fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
        *self.connects.lock().unwrap() += usize::from(call == Call::Connect);
        (self.faults)(call)
    }

    fn resolve(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        self.asked.lock().unwrap().push(format!("{host}:{port}"));
        (self.answers)(host, port)
    }
}

/// A thread of a pool that nobody waits for may be about to wake a runtime that has just ended, and so hold its
/// notifier for a moment.
pub(super) fn descriptors_return_to(before: usize) {
    let begin = Instant::now();
    while support::descriptors() != before {
        assert!(begin.elapsed() < Duration::from_secs(5), "{} descriptors, {before} before", support::descriptors());
        std::thread::yield_now();
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn literals_and_localhost_need_nobody() {
    let calls = Calls::new();
    calls.runtime().block_on(async {
        assert_eq!(resolve("127.0.0.1", 80).await.unwrap(), [address("127.0.0.1:80")]);
        assert_eq!(resolve("::1", 443).await.unwrap(), [address("[::1]:443")]);
        for host in ["localhost", "LocalHost"] {
            assert_eq!(resolve(host, 1).await.unwrap(), [address("127.0.0.1:1"), address("[::1]:1")]);
        }
    });
    assert_eq!((calls.of(Call::Resolve), calls.of(Call::Thread)), (0, 0));
}

#[test]
fn a_name_is_asked_for_once_and_gives_its_addresses_in_order() {
    let names = Names::new(|_, port| Some(Ok(vec![SocketAddr::from(([127, 0, 0, 9], port)), address("[::1]:7")])));
    let found = names.runtime().block_on(soon(resolve("some.name", 80))).unwrap();
    assert_eq!(found, [address("127.0.0.9:80"), address("[::1]:7")]);
    assert_eq!(*names.asked.lock().unwrap(), ["some.name:80"]);
}

/// The system's own resolver, with a name that is none, so that it asks nobody.
#[test]
fn what_is_not_found_says_so() {
    block_on(soon(async {
        let error = resolve("", 80).await.unwrap_err();
        assert!(error.to_string().contains("cannot look up ''"), "{error}");
        assert_eq!(kind(resolve("zero\0byte", 80).await), io::ErrorKind::InvalidInput);
    }));
    let nothing = Names::always(Vec::new());
    assert_eq!(kind(nothing.runtime().block_on(soon(resolve("empty.name", 80)))), io::ErrorKind::NotFound);
    let error = Names::new(|_, _| Some(Err(io::Error::other("the resolver is out of order"))));
    let error = error.runtime().block_on(soon(TcpStream::connect("some.name:80"))).unwrap_err();
    assert_eq!(error.to_string(), "the resolver is out of order");
}

#[test]
fn a_fault_on_the_way_is_returned() {
    for call in [Call::Resolve, Call::Thread] {
        let fault = move |now| if now == call { Err(errno(libc::ENOMEM)) } else { Ok(()) };
        let names = Names::with_faults(|_, _| panic!("nobody is asked"), fault);
        let error = names.runtime().block_on(soon(resolve("some.name", 80))).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM), "{call:?}");
    }
    let error = block_on(async { std::thread::spawn(|| support::poll_once(&mut resolve("name", 1))).join().unwrap() });
    let std::task::Poll::Ready(Err(error)) = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("no runtime on this thread"), "{error}");
}

/// A resolver that says nothing until it is told to.
fn slow() -> (std::sync::mpsc::Sender<()>, Receiver<()>, Arc<Names>) {
    let ((tell, told), (begins, has_begun)) = (channel::<()>(), channel());
    let told = Mutex::new(told);
    let names = Names::new(move |_, port| {
        // An error: nobody asks, and nobody will tell.
        let _ = begins.send(());
        let _ = told.lock().unwrap().recv();
        Some(Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]))
    });
    (tell, has_begun, names)
}

#[test]
fn a_slow_resolver_stops_nobody() {
    let (tell, _, names) = slow();
    names.runtime().block_on(soon(async {
        let looking = coracle::spawn(resolve("slow.name", 5));
        for _ in 0..3 {
            coracle::time::sleep(Duration::from_millis(1)).await;
            assert!(!looking.is_finished());
        }
        tell.send(()).unwrap();
        assert_eq!(looking.await.unwrap().unwrap(), [address("127.0.0.1:5")]);
    }));
}

/// The thread finishes alone: neither the drop of the future nor the end of the runtime waits for it.
#[test]
fn nobody_waits_for_a_look_up_that_nobody_wants() {
    let (tell, has_begun, names) = slow();
    let runtime = names.runtime();
    runtime.block_on(soon(async {
        let mut looking = Box::pin(resolve("slow.name", 5));
        assert!(support::poll_once(&mut looking).is_pending());
        has_begun.recv().unwrap();
        drop(looking);
        drop(coracle::spawn(TcpStream::connect("slow.name:5")));
        coracle::task::yield_now().await;
        coracle::task::yield_now().await;
    }));
    let begin = Instant::now();
    drop(runtime);
    assert!(begin.elapsed() < Duration::from_secs(5));
    drop(tell); // only now do its threads end
}

#[test]
fn a_look_up_that_has_not_begun_when_it_is_dropped_never_begins() {
    let (tell, has_begun, names) = slow();
    names.runtime().block_on(soon(async {
        coracle::blocking::set_pool(Pool::builder().threads(1).build()).unwrap();
        let first = coracle::spawn(resolve("first.name", 1));
        coracle::task::yield_now().await;
        has_begun.recv().unwrap();
        let mut second = Box::pin(resolve("second.name", 2));
        assert!(support::poll_once(&mut second).is_pending());
        drop(second);
        drop(tell);
        first.await.unwrap().unwrap();
        resolve("third.name", 3).await.unwrap();
    }));
    assert_eq!(*names.asked.lock().unwrap(), ["first.name:1", "third.name:3"]);
}

#[test]
fn a_look_up_can_be_dropped_anywhere() {
    alone("net::resolve::a_look_up_can_be_dropped_anywhere", || {
        let names = Names::always(vec![address("127.0.0.1:1")]);
        let before = support::descriptors();
        let dropped = cut_at_every_poll(|cut| {
            names.runtime().block_on(soon(async {
                if let Some(found) = cut.at(resolve("some.name", 1)).await {
                    assert_eq!(found.unwrap(), [address("127.0.0.1:1")]);
                }
                assert_eq!(resolve("some.name", 1).await.unwrap(), [address("127.0.0.1:1")], "and asked for again");
            }));
        });
        assert!(dropped >= 2, "{dropped}");
        descriptors_return_to(before);
    });
}

#[test]
fn text_is_an_address_a_name_or_nothing() {
    let name = |text: &str| text.to_name();
    assert_eq!(name("some.name:80"), Some(("some.name".into(), 80)));
    assert_eq!(("some.name", 80).to_name(), Some(("some.name".into(), 80)));
    assert_eq!(("some.name".to_owned(), 80).to_name(), Some(("some.name".into(), 80)));
    assert_eq!(String::from("some.name:80").to_name(), Some(("some.name".into(), 80)));
    for known in ["127.0.0.1:80", "[::1]:80", "localhost:80"] {
        assert_eq!(name(known), None);
        assert_eq!(known.to_socket_addrs().unwrap()[0].port(), 80, "{known}");
    }
    assert_eq!(("::1", 80).to_socket_addrs().unwrap(), [address("[::1]:80")]);
    for nonsense in ["", ":", ":80", "name", "name:", "name:65536", "name:-1", "::1:80", "[::1]", "a:b:80", "[name]:80"]
    {
        assert_eq!(name(nonsense), None, "{nonsense}");
        assert_eq!(kind(nonsense.to_socket_addrs()), io::ErrorKind::InvalidInput, "{nonsense}");
        let error = block_on(soon(TcpStream::connect(nonsense))).unwrap_err();
        assert!(error.to_string().contains("is not an address and port"), "{error}");
    }
}

/// What cannot wait cannot look up; it says what to do.
#[test]
fn a_listener_is_bound_to_a_name_in_two_steps() {
    let names = Names::new(|_, port| Some(Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])));
    names.runtime().block_on(soon(async {
        let error = TcpListener::bind("this.machine:0").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("look it up with `net::resolve`"), "{error}");
        let listener = TcpListener::bind(resolve("this.machine", 0).await.unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = TcpStream::connect(("this.machine", port)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        TcpStream::connect(format!("this.machine:{port}")).await.unwrap();
    }));
}
