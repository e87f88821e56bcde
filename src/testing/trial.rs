//! A test's run: real sockets, a clock that need not be waited for, and the verdicts: stall, hang, leak, hog.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use super::leaks::{Accounts, Leaks};
use super::report::Running;
use crate::blocking;
use crate::choices::Choices;
use crate::observer::{Hogs, Observer};
use crate::runtime::{Budget, Runtime, Turn};
use crate::sys::World;

/// How long a trial may take, in real time. Long enough for a slow machine that does other things as well, short enough
/// to be waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// After the end of the main future, so many turns may have something to do. What still has is not coming to rest.
const TURNS_TO_SETTLE: usize = 1000;

/// So long a job on a thread is waited for that nobody awaits any more, in pieces.
const PIECES: usize = 100;
const PIECE: Duration = Duration::from_millis(1);

/// Runs a test: `Trial::new().run(..)` for one future.
///
/// The sockets are real. The clock is [paused](World::paused): a sleep takes no time where nothing else can happen. It
/// panics, and so fails the test, if
///
/// - it *stalls*: nothing can happen any more. The panic is a table of all tasks and what they wait for; see
///   [`Stall`](crate::Stall);
/// - it *hangs*: not done after a minute of real time;
/// - it *leaks*: a task, timer, socket or job is left when everything has come to rest.
///
/// ```
/// use coracle::{net::{TcpListener, TcpStream}, testing, time};
/// use std::time::Duration;
///
/// testing::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
///     let address = listener.local_addr().unwrap();
///     let server = coracle::spawn(async move {
///         let (stream, _) = listener.accept().await.unwrap();
///         time::sleep(Duration::from_secs(30)).await; // takes no time
///         stream.write_all(b"late").await.unwrap();
///     });
///     let client = TcpStream::connect(address).await.unwrap();
///     let mut answer = [0; 4];
///     client.read_exact(&mut answer).await.unwrap();
///     server.await.unwrap();
/// });
/// ```
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    Trial::new().run(|| future)
}

/// The settings of a test's run. [`run`] is one with none.
///
/// ```
/// use coracle::testing::{Leaks, Trial};
/// let answer = Trial::new().seed(7).allow(Leaks::TASKS).run(|| async {
///     drop(coracle::spawn(std::future::pending::<()>()));
///     42
/// });
/// assert_eq!(answer, 42);
/// ```
#[must_use = "a trial tries nothing until `run`"]
pub struct Trial {
    seed: u64,
    choices: Option<Choices>,
    real_time: bool,
    world: Option<World>,
    limit: Duration,
    allowed: Leaks,
    hog: Option<Duration>,
    observers: Vec<Rc<dyn Observer>>,
}

impl Trial {
    /// Nothing deviates, nothing may be left, a minute.
    ///
    /// ```
    /// assert_eq!(coracle::testing::Trial::new().run(|| async { 1 }), 1);
    /// ```
    #[allow(clippy::new_without_default, reason = "a trial is not a neutral element; write `new`")]
    pub fn new() -> Trial {
        Trial {
            seed: 0,
            choices: None,
            real_time: false,
            world: None,
            limit: LIMIT,
            allowed: Leaks::NONE,
            hog: None,
            observers: Vec::new(),
        }
    }

    /// What is free to decide is decided by this number: the order of tasks and events, short reads and writes, calls
    /// that would block or are interrupted; see [`World::hostile`]. 0: the ordinary run. To try many, see
    /// [`for_seeds`](super::for_seeds).
    ///
    /// ```
    /// # use coracle::testing::Trial;
    /// for seed in 0..5 {
    ///     Trial::new().seed(seed).run(|| async { coracle::task::yield_now().await });
    /// }
    /// ```
    pub fn seed(mut self, seed: u64) -> Trial {
        self.seed = seed;
        if seed != 0 {
            self.choices = Some(Choices::seeded(seed).recording());
        }
        self
    }

    /// The same by these choices.
    ///
    /// ```
    /// # use coracle::testing::{Choices, Trial};
    /// Trial::new().choices(Choices::replay([1, 0, 2])).run(|| async {});
    /// ```
    pub fn choices(mut self, choices: Choices) -> Trial {
        self.choices = Some(choices);
        self
    }

    /// The clock is the real one, and sleeps last as long as they say.
    ///
    /// ```
    /// # use coracle::testing::Trial;
    /// Trial::new().real_time().run(|| async { coracle::time::sleep(std::time::Duration::from_millis(1)).await });
    /// ```
    pub fn real_time(mut self) -> Trial {
        self.real_time = true;
        self
    }

    /// In this world, and with its clock, in place of the kernel's sockets and a paused clock.
    ///
    /// ```
    /// # use coracle::{sys::World, testing::Trial};
    /// Trial::new().world(World::kernel()).run(|| async {});
    /// ```
    pub fn world(mut self, world: World) -> Trial {
        self.world = Some(world);
        self
    }

    /// It hangs if it is not done after so much real time. Looked at between turns; see
    /// [`hang_after`](crate::RuntimeBuilder::hang_after).
    ///
    /// ```
    /// # use coracle::testing::Trial;
    /// Trial::new().limit(std::time::Duration::from_secs(5)).run(|| async {});
    /// ```
    pub fn limit(mut self, limit: Duration) -> Trial {
        self.limit = limit;
        self
    }

    /// These may be left at the end, too.
    ///
    /// ```
    /// # use coracle::testing::{Leaks, Trial};
    /// Trial::new().allow(Leaks::TASKS).run(|| async { coracle::spawn(std::future::pending::<()>()).detach() });
    /// ```
    pub fn allow(mut self, leaks: Leaks) -> Trial {
        self.allowed = self.allowed | leaks;
        self
    }

    /// It fails if one poll took longer than this, in real time.
    ///
    /// ```should_panic
    /// # use coracle::testing::Trial;
    /// # use std::time::Duration;
    /// Trial::new().hogs_above(Duration::from_millis(1)).run(|| async { std::thread::sleep(Duration::from_millis(5)) });
    /// ```
    pub fn hogs_above(mut self, limit: Duration) -> Trial {
        self.hog = Some(limit);
        self
    }

    /// Who is told what happens, beside those of earlier calls.
    ///
    /// ```
    /// # use coracle::testing::{Trace, Trial};
    /// let trace = Trace::new();
    /// Trial::new().observer(std::rc::Rc::new(trace.clone())).run(|| async {});
    /// assert_eq!(trace.lines().last().unwrap(), "task 1 finished");
    /// ```
    pub fn observer(mut self, observer: Rc<dyn Observer>) -> Trial {
        self.observers.push(observer);
        self
    }

    /// Runs the future that `make` returns, on a runtime of its own, and gives what it gives. `make` is called inside
    /// of that runtime.
    ///
    /// # Panics
    /// By a verdict, or with the panic of the future or of a task that nobody awaited.
    ///
    /// ```
    /// # use coracle::testing::Trial;
    /// assert_eq!(Trial::new().run(|| async { 6 * 7 }), 42);
    /// ```
    #[track_caller]
    pub fn run<F: Future>(self, make: impl FnOnce() -> F) -> F::Output {
        let running = self.running();
        let hogs = Rc::new(RefCell::new(Vec::new()));
        let (runtime, accounts) = self.build(&running, &hogs);
        // `block_on` and not a block around it, so that the line that is shown as the main task's is the caller's.
        let output = match runtime.try_block_on(runtime.enter(make)) {
            Ok(output) => output,
            Err(stall) => panic!("{stall}"),
        };
        settle(&runtime);
        let left = accounts.left(&runtime, self.allowed);
        if !left.is_empty() {
            let lines: String = left.iter().map(|leak| format!("\n{leak}")).collect();
            let hint = "end it in the test (`abort_on_drop` for a task), or allow it: `Trial::new().allow(Leaks::…)`";
            panic!("leaked: this is left when the main future is done{lines}\n{hint}");
        }
        let hogs = hogs.take();
        if !hogs.is_empty() {
            panic!("hogged: polls that took too long\n{}", hogs.join("\n"));
        }
        output
    }

    /// So that a failure says which run it was.
    fn running(&self) -> Running {
        let running = match (self.seed, &self.choices) {
            (0, None) => Running::new("a trial"),
            (0, Some(_)) => Running::new("a trial by choices"),
            (seed, _) => Running::new(format!("a trial with seed {seed}")),
        };
        if let Some(choices) = &self.choices {
            running.choices(choices);
        }
        running
    }

    fn build(&self, running: &Running, hogs: &Rc<RefCell<Vec<String>>>) -> (Runtime, Accounts) {
        let world = match &self.world {
            Some(world) => world.clone(),
            None if self.real_time => World::kernel(),
            None => World::kernel().paused(),
        };
        let (accounts, mut world) = Accounts::in_world(world);
        let mut builder = Runtime::builder();
        if let Some(choices) = &self.choices {
            world = world.hostile(choices);
            builder = builder.choices(choices.clone());
        }
        builder = running.trace().settings(builder.world(world)).hang_after(self.limit);
        builder = builder.observer(accounts.ledger.clone()).observer(accounts.origins.clone());
        if let Some(limit) = self.hog {
            let hogs = hogs.clone();
            builder = builder.observer(Rc::new(Hogs::new(limit, move |hog| hogs.borrow_mut().push(hog.to_string()))));
        }
        let builder = self.observers.iter().cloned().fold(builder, crate::RuntimeBuilder::observer);
        (builder.build(), accounts)
    }
}

/// Lets everything come to rest that does so by itself, without letting time pass: what is ready runs, and jobs on
/// threads have a little time to end.
fn settle(runtime: &Runtime) {
    let turn = |budget| runtime.turn(budget).unwrap_or_default();
    let rest = || (0..TURNS_TO_SETTLE).any(|_| turn(Budget::no_wait()) == Turn::default());
    let works = || runtime.enter(blocking::own_pool).is_some_and(|pool| pool.queued + pool.running.len() > 0);
    let mut pieces = PIECES;
    // Twice: a world may keep an event back for a while.
    while rest() && rest() && works() && pieces > 0 {
        World::kernel().nap(PIECE);
        pieces -= 1;
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Trial");
        shown.field("seed", &self.seed).field("limit", &self.limit).field("allowed", &self.allowed);
        shown.finish_non_exhaustive()
    }
}
