//! What a trace holds, and what it leaves out so that equal runs have equal traces.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use coracle::Runtime;
use coracle::net::{Async, TcpListener, UnixStream};
use coracle::sync::channel;
use coracle::sys::{Call, Hook, World};
use coracle::task::yield_now;
use coracle::testing::{Choices, Trace};
use coracle::time::sleep;

/// Without the places in the source.
fn plain(trace: &Trace) -> Vec<String> {
    let without = |line: &String| line.split_once(" at ").map_or(line.clone(), |(what, _)| what.to_owned());
    trace.lines().iter().map(without).collect()
}

#[test]
fn the_life_of_tasks_is_told_in_order() {
    let trace = Trace::new();
    trace.record(|| {
        coracle::block_on(async {
            let (sender, receiver) = channel::bounded(1);
            let named = coracle::task::Builder::new().name("receiver");
            let task = named.spawn(async move { receiver.recv().await });
            yield_now().await;
            sender.send(7).await.unwrap();
            assert_eq!(task.await.unwrap(), Some(7));
            let aborted = coracle::spawn(std::future::pending::<()>());
            aborted.abort();
            assert!(aborted.await.is_err());
        })
    });
    assert_eq!(
        plain(&trace),
        [
            "task 1 spawned",
            "task 1 queued",
            "task 1 polled",
            "task 2 spawned",
            "task 2 is named \"receiver\"",
            "task 2 queued",
            "task 1 waits for its turn",
            "task 1 queued",
            "task 2 polled",
            "task 2 waits for a value in a channel",
            "task 1 polled",
            "task 2 queued",
            "task 1 waits for the end of task 2",
            "task 2 polled",
            "task 2 finished",
            "task 1 queued",
            "task 1 polled",
            "task 3 spawned",
            "task 3 queued",
            "task 1 waits for the end of task 3",
            "task 3 polled",
            "task 3 cancelled",
            "task 1 queued",
            "task 1 polled",
            "task 1 finished",
        ]
    );
    let here = format!("{}:", file!());
    let placed = trace.lines().into_iter().filter(|line| line.contains(" at "));
    assert!(placed.inspect(|line| assert!(line.contains(&here), "{line}")).count() > 5);
}

/// Real time differs from run to run, so the deadline of a timer is not told.
#[test]
fn timers_are_told_without_real_time() {
    let trace = Trace::new();
    trace.record(|| {
        coracle::block_on(async {
            let dropped = coracle::time::timeout(Duration::from_secs(60), yield_now()).await;
            dropped.unwrap();
            sleep(Duration::from_nanos(1)).await;
        })
    });
    let lines: Vec<String> = plain(&trace).into_iter().filter(|line| line.contains("timer ")).collect();
    assert_eq!(lines, ["timer 0 set", "timer 0 taken back", "timer 0 set", "timer 0 fired"]);
    assert!(!trace.lines().iter().any(|line| line.starts_with("0.")), "{trace}");
}

#[test]
fn virtual_time_stands_before_the_lines_of_a_world_that_has_it() {
    let trace = Trace::new();
    let runtime = trace.settings(Runtime::builder().world(World::kernel().paused())).build();
    runtime.block_on(async { sleep(Duration::from_millis(1500)).await });
    trace.note("from outside");
    let lines: Vec<String> = plain(&trace).into_iter().filter(|line| !line.contains(" call ")).collect();
    assert_eq!(
        lines,
        [
            "0.000000000 task 1 spawned",
            "0.000000000 task 1 queued",
            "0.000000000 task 1 polled",
            "0.000000000 timer 0 set for 1.5s",
            "0.000000000 task 1 waits for a timer",
            "1.500000000 timer 0 fired",
            "1.500000000 task 1 queued",
            "1.500000000 task 1 polled",
            "1.500000000 task 1 finished",
            "1.500000000 from outside",
        ]
    );
    trace.settings(Runtime::builder().world(World::kernel())).build().block_on(async {});
    assert_eq!(trace.lines().last().unwrap(), "task 1 finished", "in real time");
}

/// A byte through a pair of sockets, twice, so that the kernel gives the same numbers again.
fn two_pairs() -> String {
    let trace = Trace::new();
    trace.record(|| {
        coracle::block_on(async {
            for _ in 0..2 {
                let (left, right) = UnixStream::pair().unwrap();
                let reading = coracle::spawn(async move { right.read(&mut [0]).await.unwrap() });
                yield_now().await;
                left.write_all(b"x").await.unwrap();
                assert_eq!(reading.await.unwrap(), 1);
            }
        })
    });
    trace.to_string()
}

#[test]
fn descriptors_are_numbered_as_they_appear_whatever_the_kernel_calls_them() {
    let first = two_pairs();
    let _taken: Vec<_> = (0..3).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    assert_eq!(first, two_pairs());
    for number in 1..=4 {
        assert!(first.contains(&format!("call Close on descriptor {number}\n")), "{first}");
    }
    assert!(!first.contains("descriptor 5"), "{first}");
    assert!(first.contains("waits for descriptor 1 to be readable at "), "{first}");
    assert!(first.contains("descriptor 1 ready: read"), "{first}");
}

/// Neither the library nor the world sees how long the program keeps it.
#[test]
fn a_descriptor_that_was_handed_out_is_another_one_when_its_number_comes_again() {
    let trace = Trace::new();
    trace.record(|| {
        coracle::block_on(async {
            for _ in 0..3 {
                drop(TcpListener::bind("127.0.0.1:0").unwrap().into_std());
            }
        })
    });
    let registered = Trace::new();
    registered.record(|| {
        coracle::block_on(async {
            for _ in 0..2 {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                assert!(coracle::time::timeout(Duration::ZERO, listener.accept()).await.is_err());
                drop(listener.into_std());
            }
        })
    });
    assert!(registered.lines().contains(&"descriptor 2 registered".to_owned()), "{registered}");
    let binds: Vec<String> = plain(&trace).into_iter().filter(|line| line.starts_with("call Bind")).collect();
    assert_eq!(binds, ["call Bind on descriptor 1", "call Bind on descriptor 2", "call Bind on descriptor 3"]);
}

/// A descriptor that the program owns is closed by the program, which no world sees.
#[test]
fn a_descriptor_of_the_program_is_another_one_when_it_is_registered_again() {
    let trace = Trace::new();
    trace.record(|| {
        coracle::block_on(async {
            for _ in 0..2 {
                let (left, _right) = std::os::unix::net::UnixStream::pair().unwrap();
                left.set_nonblocking(true).unwrap();
                let custom = Async::new(left).unwrap();
                let reading = custom.read_with(|mut stream| io::Read::read(&mut stream, &mut [0]));
                assert!(coracle::time::timeout(Duration::ZERO, reading).await.is_err());
                drop(custom.into_inner());
            }
        })
    });
    let lines = plain(&trace);
    let registered: Vec<&String> = lines.iter().filter(|line| line.ends_with("registered")).collect();
    assert_eq!(registered, ["descriptor 1 registered", "descriptor 2 registered"], "{trace}");
}

/// Refuses to bind.
struct Refuses;

impl Hook for Refuses {
    fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
        if call == Call::Bind { Err(io::Error::from_raw_os_error(libc::EADDRINUSE)) } else { Ok(()) }
    }
}

#[test]
fn a_call_that_fails_is_told_with_its_error_also_if_a_hook_of_the_world_made_it_fail() {
    let trace = Trace::new();
    trace.record(|| {
        let runtime = Runtime::builder().world(World::kernel().hooked(Arc::new(Refuses))).build();
        let error = runtime.block_on(async { TcpListener::bind("127.0.0.1:0").unwrap_err() });
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    });
    let error = format!("call Bind on descriptor 1: address in use (os error {})", libc::EADDRINUSE);
    assert!(trace.lines().contains(&error), "{trace}");
}

/// In what order threads come is not the program's to say.
#[test]
fn calls_of_other_threads_are_left_out() {
    let trace = Trace::new();
    let listener = trace.record(|| coracle::block_on(async { TcpListener::bind("127.0.0.1:0").unwrap() }));
    let before = trace.len();
    std::thread::spawn(move || drop(listener)).join().unwrap();
    assert_eq!(trace.len(), before, "{trace}");
}

#[test]
fn the_last_lines_are_kept_and_the_others_counted() {
    let (all, last, none) = (Trace::new(), Trace::last(3), Trace::last(0));
    for number in 0..10 {
        [&all, &last, &none].iter().for_each(|trace| trace.note(format!("line {number}")));
    }
    assert_eq!((all.len(), last.len(), none.len()), (10, 10, 10));
    assert_eq!((all.lines().len(), last.lines().len(), none.lines().len()), (10, 3, 0));
    assert_eq!(last.to_string(), "(7 lines before these are not kept)\nline 7\nline 8\nline 9\n");
    assert!(!none.is_empty());
    assert!(all.first_difference(&last).is_none() && last.first_difference(&none).is_none());
}

fn of_notes(notes: &[&str]) -> Trace {
    let trace = Trace::new();
    notes.iter().for_each(|note| trace.note(*note));
    trace
}

#[test]
fn the_first_difference_is_found_with_its_surroundings() {
    let (left, right) = (of_notes(&["a", "b", "c", "d"]), of_notes(&["a", "b", "x", "d"]));
    let difference = left.first_difference(&right).unwrap();
    assert_eq!(
        (difference.line, &*difference.left.clone().unwrap(), &*difference.right.clone().unwrap()),
        (3, "c", "x")
    );
    assert_eq!(difference.to_string(), "line 3 differs\n    a\n    b\n  - c\n  - d\n  + x\n  + d\n");
}

#[test]
fn a_trace_that_ends_early_differs_where_it_ends() {
    let (short, long) = (of_notes(&["a"]), of_notes(&["a", "b"]));
    for (left, right) in [(&short, &long), (&long, &short)] {
        let difference = left.first_difference(right).unwrap();
        assert_eq!((difference.line, difference.left.is_some()), (2, left.len() == 2));
        assert!(difference.to_string().contains("(the end)"));
    }
    assert!(short.first_difference(&short.clone()).is_none());
    assert!(short.first_difference(&of_notes(&["a"])).is_none());
}

/// The names count, not in what order hosts were made.
#[test]
fn lines_of_hosts_have_their_names() {
    let (one, other) = (Trace::new(), Trace::new());
    let _ = other.of("nobody");
    for trace in [&one, &other] {
        let (server, client) = (trace.of("server"), trace.of("client"));
        server.settings(Runtime::builder().choices(Choices::ordinary())).build().block_on(async {});
        client.note("done");
        assert_eq!(server.of("client").of("server").lines(), trace.lines());
    }
    assert_eq!(
        plain(&one)[1..],
        ["server: task 1 queued", "server: task 1 polled", "server: task 1 finished", "client: done"]
    );
    assert!(one.first_difference(&other).is_none());
    other.of("server").note("done");
    one.of("client").note("done");
    assert_eq!(one.first_difference(&other).unwrap().line, 6);
}

/// An error of an outer hook comes first, and the inner one is then not asked; both see a call that is made.
#[test]
fn a_hook_of_the_builder_stands_over_that_of_the_world() {
    use std::sync::Mutex;
    struct Named(&'static str, Arc<Mutex<Vec<String>>>, Option<Call>);
    impl Hook for Named {
        fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
            self.1.lock().unwrap().push(format!("{} before {call:?}", self.0));
            if self.2 == Some(call) { Err(io::ErrorKind::OutOfMemory.into()) } else { Ok(()) }
        }
        fn after(&self, call: Call, _: Option<RawFd>, error: Option<&io::Error>) {
            self.1.lock().unwrap().push(format!("{} after {call:?} {}", self.0, error.is_some()));
        }
    }
    let seen = |outer: Option<Call>, inner: Option<Call>| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let world = World::kernel().hooked(Arc::new(Named("inner", log.clone(), inner)));
        let runtime = Runtime::builder().hook(Arc::new(Named("outer", log.clone(), outer))).world(world).build();
        log.lock().unwrap().clear();
        runtime.block_on(async { drop(TcpListener::bind("127.0.0.1:0")) });
        let seen = log.lock().unwrap().clone();
        seen.into_iter().filter(|line| line.contains("Socket")).collect::<Vec<_>>()
    };
    assert_eq!(
        seen(None, None),
        ["outer before Socket", "inner before Socket", "inner after Socket false", "outer after Socket false"]
    );
    assert_eq!(seen(Some(Call::Socket), None), ["outer before Socket"]);
    assert_eq!(
        seen(None, Some(Call::Socket)),
        ["outer before Socket", "inner before Socket", "outer after Socket true"]
    );
}
