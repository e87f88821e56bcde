//! Nothing passes by the world: what the kernel was asked for (by strace) is what the hook has seen. And a fault of the
//! kernel's (by `strace -e inject`) becomes what the same fault of a hook becomes.
//!
//! Below the seam stay: what programs do with descriptors of their own, what std does to start a child or a thread, and
//! files, which threads of the pool read and write through std.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;

use coracle::Runtime;
use coracle::blocking::Pool;
use coracle::cores::Crew;
use coracle::sys::{Call, World};

use super::fault::{After, Fault, Listing};
use super::{PROGRAMS, run};
use Becomes::{Same, Says};

const MARK: &str = "CORACLE_TEST_TRACED";
const CASE: &str = "CORACLE_TEST_CASE";

/// Programs that call the kernel themselves for what is counted here.
const OWN_CALLS: [&str; 6] = ["custom", "standard_streams", "children", "children_by_threads", "signals", "files"];

/// Runs a test body in a process of its own under strace, with these options: what it printed, and the trace. `None`: in
/// that process the body has run now; or there is no strace, which is said.
fn traced(name: &str, case: &str, options: &[&str], body: impl FnOnce()) -> Option<(String, String)> {
    if std::env::var(MARK).is_ok_and(|marked| marked == name) {
        body();
        return None;
    }
    if super::has_a_seed() {
        return None;
    }
    if Command::new("strace").arg("-V").output().is_err() {
        println!("{name}: there is no strace here, so it was not checked that nothing passes by the world");
        return None;
    }
    let trace = std::env::temp_dir().join(format!("coracle-trace-{}-{case}", std::process::id()));
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&trace)
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, name)
        .env(CASE, case)
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    let _ = std::fs::remove_file(&trace);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed under strace ({}):\n{said}{errors}", output.status);
    assert!(said.contains("1 passed"), "no test is called {name}:\n{said}{errors}");
    Some((said.into_owned(), text))
}

/// A system call that does nothing, for whoever reads the trace.
fn say_in_the_trace(what: &str) {
    let path = std::ffi::CString::new(format!("/coracle-sweep/{what}")).unwrap();
    // SAFETY: a text that ends with a zero, and lives to the end of the call.
    unsafe { libc::access(path.as_ptr(), libc::F_OK) };
}

/// All programs, one after the other; prints how often each made each call.
fn run_all_and_count() {
    run::live_in_the_world_of_the_run();
    for program in PROGRAMS.iter().filter(|program| !OWN_CALLS.contains(&program.name)) {
        run::list(program); // what is made once in a process
        say_in_the_trace(program.name);
        let calls = run::list(program);
        say_in_the_trace("end");
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        calls.into_iter().for_each(|call| *counts.entry(format!("{call:?}")).or_default() += 1);
        println!("calls of {}: {counts:?}", program.name);
    }
}

/// How often each system call was made between the marks, by program. A write to an eventfd counts as `notify`, and what
/// only asks for the flags of a descriptor as `fcntl-get`.
fn system_calls(trace: &str) -> BTreeMap<String, BTreeMap<String, usize>> {
    let (mut counts, mut program) = (BTreeMap::<_, BTreeMap<_, _>>::new(), None);
    let mut notifiers = BTreeSet::new();
    for line in trace.lines() {
        let Some((_, line)) = line.split_once(' ') else { continue };
        let line = line.trim_start();
        if line.starts_with("<... eventfd2 resumed>") {
            notifiers.insert(result_of(line));
        }
        let Some((name, rest)) = line.split_once('(').filter(|_| !line.starts_with('<')) else { continue };
        if let Some((_, mark)) = rest.split_once("/coracle-sweep/") {
            let mark = mark.split('"').next().unwrap();
            program = (mark != "end").then(|| mark.to_owned());
            continue;
        }
        let first = rest.split([',', ')', ' ']).next().unwrap().to_owned();
        let mut name = name;
        match name {
            "eventfd2" => drop(notifiers.insert(result_of(rest))),
            "close" => drop(notifiers.remove(&first)),
            "write" if notifiers.contains(&first) => name = "notify",
            "fcntl" if rest.contains("F_GETFL") => name = "fcntl-get",
            _ => {}
        }
        if let Some(program) = &program {
            *counts.entry(program.clone()).or_default().entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// What stands at the end of the line of a call that is over.
fn result_of(line: &str) -> String {
    line.rsplit_once(" = ").map_or("?", |(_, result)| result).to_owned()
}

/// What is the same: so many calls of these kinds, and so many of these system calls.
const SAME: &[(&[&str], &[&str])] = &[
    (&["Socket"], &["socket"]),
    (&["SocketPair"], &["socketpair"]),
    (&["Bind"], &["bind"]),
    (&["Listen"], &["listen"]),
    (&["Accept"], &["accept", "accept4"]),
    (&["Connect"], &["connect"]),
    (&["Receive", "ReceiveMessage"], &["recvfrom", "recvmsg", "readv"]),
    (&["Send", "SendMessage"], &["sendto", "sendmsg"]),
    (&["Shutdown"], &["shutdown"]),
    (&["Address"], &["getsockname", "getpeername"]),
    (&["Option", "Credentials"], &["getsockopt"]),
    (&["SetOption", "Membership"], &["setsockopt", "fcntl-get"]),
    (&["Pipe"], &["pipe", "pipe2"]),
    (&["Read"], &["read"]),
    (&["Write"], &["writev"]),
    (&["Poller"], &["epoll_create1"]),
    (&["Poller"], &["eventfd2"]),
    (&["Wait"], &["epoll_wait", "epoll_pwait2"]),
    (&["Notify"], &["notify"]),
    // A poller has a notifier of its own, and an alarm if it was ever set.
    (&["Add", "Remove", "Poller", "timerfd_create"], &["epoll_ctl"]),
    // What was released, the programs close.
    (&["Close", "Release", "Poller", "Poller", "timerfd_create"], &["close"]),
];

#[test]
fn the_kernel_is_asked_for_nothing_that_the_hook_has_not_seen() {
    let name = "sweep::seam::the_kernel_is_asked_for_nothing_that_the_hook_has_not_seen";
    let Some((said, trace)) = traced(name, "all", &["-e", "trace=network,desc,access,faccessat"], run_all_and_count)
    else {
        return;
    };
    let made = system_calls(&trace);
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (program, made) in &made {
        let line = format!("calls of {program}: {{");
        let seen = said.split_once(&line).expect("each program is counted").1.split_once('}').unwrap().0;
        let seen: BTreeMap<&str, usize> = seen
            .split(", ")
            .filter_map(|entry| entry.split_once(": "))
            .map(|(call, count)| (call.trim_matches('"'), count.parse().unwrap()))
            .collect();
        for (calls, system_calls) in SAME {
            let of_system = |name: &&str| made.get(*name).copied().unwrap_or(0);
            let by_hook: usize = calls.iter().map(|call| seen.get(call).copied().unwrap_or(0) + of_system(call)).sum();
            let by_kernel: usize = system_calls.iter().map(of_system).sum();
            compared += by_kernel;
            if by_hook != by_kernel {
                wrong.push(format!(
                    "{program}: {by_hook} {calls:?} by the hook, {by_kernel} {system_calls:?} by strace"
                ));
            }
        }
    }
    assert!(made.len() > 15 && compared > 500, "{} programs, {compared} system calls", made.len());
    assert!(wrong.is_empty(), "something passes by the world:\n  {}", wrong.join("\n  "));
}

/// What becomes of a program, in a process of its own: what it says at its end.
fn outcome(test: &str, case: &str, options: &[&str], body: impl FnOnce() -> String) -> Option<String> {
    let (said, _) = traced(test, case, options, || println!("outcome: {}.", body()))?;
    Some(said.split_once("outcome: ").expect("it says what became of it").1.split_once(".\n").unwrap().0.to_owned())
}

/// What becomes of a program.
#[derive(Debug)]
enum Becomes {
    /// The same as of this fault, by a hook.
    Same(Fault),
    /// What begins so.
    Says(&'static str),
}

/// A fault of the kernel's, by strace; the program; what becomes of it.
const INJECTIONS: &[(&str, &str, Becomes)] = &[
    ("accept4:error=EMFILE:when=2", "echo", Same(fault(Call::Accept, 1, libc::EMFILE))),
    ("accept4:error=EBADF:when=1", "echo", Same(fault(Call::Accept, 0, libc::EBADF))),
    ("accept4:error=ECONNABORTED:when=1", "server_shutdown", Same(fault(Call::Accept, 0, libc::ECONNABORTED))),
    ("recvfrom:error=EINTR:when=1", "echo", Same(fault(Call::Receive, 0, libc::EINTR))),
    ("recvfrom:error=EINTR:when=1+3", "echo", Says("well")),
    ("recvfrom:error=ETIMEDOUT:when=2", "half_close", Same(fault(Call::Receive, 1, libc::ETIMEDOUT))),
    ("sendto:error=ENOBUFS:when=1", "udp", Same(fault(Call::SendMessage, 0, libc::ENOBUFS))),
    // The first is the poller's own, of its notifier.
    ("epoll_ctl:error=ENOSPC:when=2", "half_close", Same(fault(Call::Add, 0, libc::ENOSPC))),
    ("epoll_create1:error=EMFILE:when=1", "echo", Same(fault(Call::Poller, 0, libc::EMFILE))),
    ("eventfd2:error=EMFILE:when=1", "echo", Same(fault(Call::Poller, 0, libc::EMFILE))),
    ("connect:error=ENETUNREACH:when=1", "race_of_families", Same(fault(Call::Connect, 0, libc::ENETUNREACH))),
    ("getsockopt:error=ENOBUFS:when=1", "refused", Same(fault(Call::Option, 0, libc::ENOBUFS))),
    // Below the seam: the poller makes do with the older call.
    ("epoll_pwait2:error=ENOSYS", "timeouts", Says("well")),
    ("epoll_pwait2:error=EINTR:when=1+2", "timeouts", Says("well")),
    ("pidfd_open:error=ENOSYS", "children", Says("well")),
    // A world that says so has begun to connect, but a kernel that says so has not.
    ("connect:error=EAGAIN:when=1", "half_close", Says("told 'Resource temporarily unavailable")),
];

const fn fault(call: Call, number: usize, errno: i32) -> Fault {
    Fault { call, number, errno, after: After::Well }
}

#[test]
fn a_fault_of_the_kernels_becomes_what_that_of_a_hook_becomes() {
    let test = "sweep::seam::a_fault_of_the_kernels_becomes_what_that_of_a_hook_becomes";
    let case = std::env::var(CASE).unwrap_or_default();
    let mut checked = 0;
    for (number, (injected, name, becomes)) in INJECTIONS.iter().enumerate() {
        let (kernel, hook, inject) =
            (format!("kernel-{number}"), format!("hook-{number}"), format!("inject={injected}"));
        if !case.is_empty() && case != kernel && case != hook {
            continue; // in a process that is there for another
        }
        let program = PROGRAMS.iter().find(|program| program.name == *name).unwrap();
        let fault = match becomes {
            Same(fault) if case == hook => Some(*fault),
            _ => None,
        };
        let body = || run::outcome(program, fault);
        let Some(by_kernel) = outcome(test, &kernel, &["-e", "trace=all", "-e", &inject], body) else { return };
        let right = match becomes {
            Same(_) => by_kernel == outcome(test, &hook, &["-e", "trace=none"], body).unwrap(),
            Says(begin) => by_kernel.starts_with(begin),
        };
        assert!(right, "{name} with {injected}: {by_kernel}; it should be {becomes:?}");
        checked += 1;
    }
    assert_eq!(checked, INJECTIONS.len());
}

/// What is made inside of a runtime, and belongs to none, is of the runtime's world all the same.
#[test]
fn a_pool_and_a_crew_are_of_the_world_in_which_they_are_made() {
    let listing = Arc::new(Listing::new(&[], false));
    let runtime = Runtime::builder().world(World::kernel().hooked(listing.clone())).build();
    runtime.block_on(async {
        Pool::new().submit(|| ()).await.unwrap();
        let crew = Crew::start(1, |_| async { coracle::cores::available().is_ok() }).unwrap();
        assert!(crew.join().into_iter().all(|ended| ended.unwrap()));
        coracle::cores::available().unwrap();
    });
    let seen = listing.calls();
    let count = |call| seen.iter().filter(|other| **other == call).count();
    assert_eq!((count(Call::Thread), count(Call::Processors)), (2, 1), "{seen:?}");
}
