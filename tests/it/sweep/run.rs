//! One program, each of its calls failing in each way: who is told, what is left, and that it ends.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use coracle::sys::{Call, World};
use coracle::{Budget, Runtime, RuntimeBuilder};

use super::errnos::{endless, errnos, may_be_hidden, may_be_said_so, must_be_hidden};
use super::fault::{After, Fault, Injector, Listing, MAKE_DESCRIPTORS, Place};
use crate::support;

/// A program that ends by itself, and well.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) main: fn() -> io::Result<()>,
    /// What does not work in its world.
    pub(super) always: &'static [(Call, i32)],
}

/// How long a program may take that has to end. Far above what it takes.
const LONG: Duration = Duration::from_secs(5);
/// The same for one that need not end: it is given up then.
const SHORT: Duration = Duration::from_millis(4);
/// How long threads may linger that nobody waits for. Only what is asked again after that depends on it.
const LINGER: Duration = Duration::from_millis(5);
/// No run lasts so long, or the process ends.
const HANG: Duration = Duration::from_secs(10);

static LIMIT: AtomicU64 = AtomicU64::new(0);
static WORLD: Mutex<Option<World>> = Mutex::new(None);
/// All errors that any part of the program was told.
static TOLD: Mutex<Vec<io::Error>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every runtime of this process, on whatever thread, lives in the world of the present run.
pub(super) fn live_in_the_world_of_the_run() {
    fn settings(builder: RuntimeBuilder) -> RuntimeBuilder {
        builder.world(lock(&WORLD).clone().expect("a program runs in a world"))
    }
    coracle::testing::everywhere(settings).expect("these processes are for sweeps only");
}

// ---- for programs --------------------------------------------------------------------------------------------------

const GIVEN_UP: &str = "it was given up: it had not ended";

pub(super) fn limit() -> Duration {
    Duration::from_nanos(LIMIT.load(SeqCst))
}

/// What a program says that had not ended within its [`limit`].
pub(super) fn given_up<T>() -> io::Result<T> {
    Err(io::Error::other(GIVEN_UP))
}

/// Whether nothing has failed so far: after a failure less may arrive.
pub(super) fn is_well() -> bool {
    lock(&TOLD).is_empty()
}

/// Notes what was told, wherever: the program may then end by a consequence of it, such as a closed connection.
pub(super) fn note<T>(result: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &result {
        let again = match error.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::new(error.kind(), error.to_string()),
        };
        lock(&TOLD).push(again);
    }
    result
}

/// That nothing is there is what a program expects here; all other errors are its errors.
pub(super) fn is_empty<T: std::fmt::Debug>(tried: io::Result<T>) -> io::Result<()> {
    match tried {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other.map(|value| panic!("there was {value:?}")),
    }
}

/// Runs the whole of a program on a runtime of its own, of which nothing is left but children to be reaped.
pub(super) fn whole<F: Future<Output = io::Result<()>>>(main: F) -> io::Result<()> {
    let runtime = Runtime::new();
    let result = match runtime.block_on(async { coracle::time::timeout(limit(), main).await }) {
        Ok(result) => note(result),
        Err(_) if limit() == LONG => Err(io::Error::other(format!("{GIVEN_UP}: {:#?}", runtime.inspect().tasks))),
        Err(_) => Err(io::Error::other(GIVEN_UP)),
    };
    is_at_rest(&runtime);
    result
}

/// Whoever was to end has ended, within the limit.
pub(super) fn is_at_rest(runtime: &Runtime) {
    let begin = Instant::now();
    loop {
        let _ = runtime.turn(Budget { wait: Some(Duration::from_micros(100)), ..Budget::no_wait() });
        let left = runtime.inspect();
        let reapers = left.tasks.iter().filter(|task| task.name.as_deref() == Some("reaper")).count();
        let (tasks, timers, sources) = (left.tasks.len() - reapers, left.timers.len(), left.sources.len());
        if tasks == 0 && (reapers > 0 || timers == 0 && sources == 0) {
            return;
        }
        assert!(begin.elapsed() < LONG, "what is left of the program: {left:#?}");
    }
}

// ---- one run -------------------------------------------------------------------------------------------------------

enum Ended {
    Well,
    Told(io::Error),
    GivenUp(String),
    Panicked(String),
}

fn run(program: &Program, world: World, most: Duration) -> (Ended, Vec<io::Error>) {
    LIMIT.store(most.as_nanos() as u64, SeqCst);
    *lock(&WORLD) = Some(world);
    let ended = catch_unwind(AssertUnwindSafe(program.main));
    *lock(&WORLD) = None;
    let told = std::mem::take(&mut *lock(&TOLD));
    let ended = match ended {
        Ok(Ok(())) => Ended::Well,
        Ok(Err(error)) if error.to_string().starts_with(GIVEN_UP) => Ended::GivenUp(error.to_string()),
        Ok(Err(error)) => Ended::Told(error),
        Err(payload) => Ended::Panicked(
            payload
                .downcast_ref::<String>()
                .cloned()
                .or(payload.downcast_ref::<&str>().map(|s| s.to_string()))
                .unwrap_or_default(),
        ),
    };
    (ended, told)
}

/// The program as it is: its calls.
pub(super) fn list(program: &Program) -> Vec<Call> {
    let listing = Arc::new(Listing::new(program.always, false));
    let (ended, told) = run(program, World::kernel().hooked(listing.clone()), LONG);
    assert_well(program, ended, told);
    listing.calls()
}

/// The same, with the places where they are made.
pub(super) fn places(program: &Program) -> Vec<(Call, Place)> {
    let listing = Arc::new(Listing::new(program.always, true));
    let (ended, told) = run(program, World::kernel().hooked(listing.clone()), LONG);
    assert_well(program, ended, told);
    listing.places()
}

/// How the program ends, in words, with this fault or without one. For a process of its own.
pub(super) fn outcome(program: &Program, fault: Option<Fault>) -> String {
    live_in_the_world_of_the_run();
    let world = match fault {
        Some(fault) => World::kernel().hooked(Arc::new(Injector::new(fault, program.always))),
        None => World::kernel().hooked(no_fault(program)),
    };
    outcome_in(program, world)
}

/// The same in this world, whatever it is.
pub(super) fn outcome_in(program: &Program, world: World) -> String {
    let (ended, told) = run(program, world, LONG);
    let told: Vec<_> = told.iter().map(io::Error::to_string).collect();
    match ended {
        Ended::Well => "well".to_owned(),
        Ended::Told(error) => format!("told '{error}', after {told:?}"),
        Ended::GivenUp(_) => "given up".to_owned(),
        Ended::Panicked(message) => format!("panicked: {message}"),
    }
}

/// A hook without faults, for a world that has other ideas.
pub(super) fn no_fault(program: &Program) -> Arc<Listing> {
    Arc::new(Listing::new(program.always, false))
}

fn assert_well(program: &Program, ended: Ended, told: Vec<io::Error>) {
    match ended {
        Ended::Well => {}
        Ended::Told(error) => panic!("{} without a fault: {error}, after {told:?}", program.name),
        Ended::GivenUp(what) | Ended::Panicked(what) => panic!("{} without a fault: {what}", program.name),
    }
}

fn carries(error: &io::Error, errno: i32) -> bool {
    let injected = io::Error::from_raw_os_error(errno);
    error.raw_os_error() == Some(errno)
        || error.to_string().contains(&injected.to_string())
        || error.kind() == injected.kind() && error.kind() != io::ErrorKind::Other && error.raw_os_error().is_none()
}

/// What is wrong with the run, if anything is. `false`: the fault had no place in it.
fn judge(program: &Program, fault: &Fault) -> Result<bool, String> {
    let injector = Arc::new(Injector::new(*fault, program.always));
    let endless = endless(fault).is_some();
    let most = if endless { SHORT } else { LONG };
    let (ended, told) = run(program, World::kernel().hooked(injector.clone()), most);
    let was_told = told.iter().any(|error| carries(error, fault.errno));
    let said = |error: &io::Error| told.iter().chain([error]).any(|error| may_be_said_so(fault, &error.to_string()));
    let at =
        || injector.place().map_or(String::new(), |place| format!("{}: {}", place.line, place.functions.join(" < ")));
    match ended {
        Ended::Panicked(message) => Err(format!("panicked: {message}; at {}", at())),
        _ if injector.fired() == 0 => Ok(false),
        _ if was_told && must_be_hidden(fault, || injector.place()) => {
            Err(format!("it was told, and is nobody's business; at {}", at()))
        }
        _ if endless || was_told => Ok(true),
        Ended::GivenUp(what) => Err(format!("{what}; at {}", at())),
        Ended::Told(error) if carries(&error, fault.errno) || said(&error) => Ok(true),
        Ended::Told(error) => Err(format!("it became '{error}' ({:?}), after {told:?}; at {}", error.kind(), at())),
        Ended::Well if injector.place().is_some_and(|place| may_be_hidden(fault, &place)) => Ok(true),
        Ended::Well => Err(format!("nobody was told; at {}", at())),
    }
}

// ---- all runs ------------------------------------------------------------------------------------------------------

/// Aborts the process when a run lasts for too long, and says which.
struct Watchdog(Mutex<Option<(Instant, String)>>);

impl Watchdog {
    fn start() -> Arc<Watchdog> {
        let watchdog = Arc::new(Watchdog(Mutex::default()));
        let weak = Arc::downgrade(&watchdog);
        std::thread::spawn(move || {
            while let Some(watchdog) = weak.upgrade() {
                if let Some((begin, what)) = &*lock(&watchdog.0) {
                    if begin.elapsed() > HANG {
                        eprintln!("it hangs: {what}");
                        std::process::abort();
                    }
                }
                drop(watchdog);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        watchdog
    }

    fn watch(&self, what: String) {
        *lock(&self.0) = Some((Instant::now(), what));
    }
}

/// Waits a little for threads that nobody waits for: of a pool whose runtime has ended.
fn soon(within: Duration, done: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !done() {
        if begin.elapsed() > within {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// The run, and what it leaves. A leak shows every time; what is allocated once, for ever, does not.
fn run_and_measure(program: &Program, fault: &Fault, descriptors: usize) -> Result<bool, String> {
    let mut grown = Vec::new();
    for _ in 0..5 {
        let heap = support::heap();
        let hit = judge(program, fault)?;
        if !soon(LONG, || support::descriptors() == descriptors) {
            return Err(format!("{} descriptors, {descriptors} before", support::descriptors()));
        }
        if support::heap() <= heap || soon(LINGER, || support::heap() <= heap) {
            return Ok(hit);
        }
        grown.push(support::heap() - heap);
    }
    Err(format!("the heap grew by so many bytes a run: {grown:?}"))
}

/// See the head of this file. For a process of its own.
pub(super) fn sweep(program: &Program) {
    live_in_the_world_of_the_run();
    let begin = Instant::now();
    let watchdog = Watchdog::start();
    watchdog.watch(program.name.to_owned());
    list(program); // what is made once in a process
    soon(LINGER, || false);
    let descriptors = support::descriptors();
    let calls = list(program);
    let mut kinds: BTreeMap<String, Vec<Fault>> = BTreeMap::new();
    for call in &calls {
        let count = calls.iter().filter(|other| *other == call).count();
        kinds.entry(format!("{call:?}")).or_insert_with(|| faults(*call, count).collect());
    }
    let makers = calls.iter().filter(|call| MAKE_DESCRIPTORS.contains(call)).copied().enumerate();
    let after = After::Descriptors;
    kinds.insert(
        "descriptors".to_owned(),
        makers.map(|(number, call)| Fault { call, number, errno: libc::EMFILE, after }).collect(),
    );
    let (mut runs, mut wrong) = (0, Vec::new());
    for (kind, faults) in kinds {
        let mut hit = faults.is_empty();
        for fault in faults {
            let what = show(&fault);
            watchdog.watch(format!("{}: {what}", program.name));
            match run_and_measure(program, &fault, descriptors) {
                Ok(was_hit) => hit |= was_hit,
                Err(why) => wrong.push(format!("{what}: {why}")),
            }
            runs += 1;
        }
        // Threads come as they like: not every run makes as many calls. But the first.
        assert!(hit || !wrong.is_empty(), "{}: no call of {kind} has failed", program.name);
    }
    println!("{}: {runs} runs in {:?}", program.name, begin.elapsed());
    assert!(wrong.is_empty(), "{}: {} of {runs} runs went wrong:\n  {}", program.name, wrong.len(), wrong.join("\n  "));
}

/// All ways in which a call of a kind may fail that is made so often.
fn faults(call: Call, count: usize) -> impl Iterator<Item = Fault> {
    let numbers_and_errnos = (0..count).flat_map(move |number| errnos(call).iter().map(move |errno| (number, *errno)));
    numbers_and_errnos.flat_map(move |(number, errno)| {
        [After::Well, After::SameKind].map(|after| Fault { call, number, errno, after })
    })
}

fn show(fault: &Fault) -> String {
    let from = match fault.after {
        After::Well => "once",
        After::SameKind => "from then on",
        After::Descriptors => "from then on, like all that makes a descriptor,",
    };
    let error = io::Error::from_raw_os_error(fault.errno);
    format!("{:?} number {} fails {from} with {error}", fault.call, fault.number)
}
