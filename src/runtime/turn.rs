//! The turn: take in wakes, run tasks, wait for the world, hand out what it brought.
//!
//! This is the one loop of the runtime and the one place where its thread may block. What can end the wait:
//!
//! - a registered descriptor becomes ready (the kernel);
//! - another thread pushes onto the inbox and finds it parked (`HomeRef::push`, through the notifier);
//! - the first timer is due, or the caller's own limit is reached (the time that step 3 works out);
//! - a signal: the wait returns early with nothing, and the next turn works the time out anew.
//!
//! Nothing else touches the loop from outside, and an ordinary turn takes no lock (choices and verdicts have theirs).

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use super::builder::PanicPolicy;
use super::extensions::Extensions;
use super::spin::Spin;
use crate::executor::{Deviation, Executor};
use crate::observer::Observers;
use crate::reactor::Reactor;
use crate::sys::{Readiness, Token, World};
use crate::task::{self, HomeOwner, HomeRef, JoinHandle};
use crate::timers::Timers;

/// After so many polls the world is looked at, even if more tasks are ready: the bound of fairness between tasks on
/// one side, descriptors and timers on the other. A look costs about as much as twenty polls.
pub(super) const POLLS_BETWEEN_LOOKS: usize = 64;

/// How long a loop naps that cannot have a poller, or whose poller fails: until that has passed, it hears of nothing.
const NAP: Duration = Duration::from_millis(1);

/// How much one turn may do.
///
/// ```
/// use coracle::Budget;
/// use std::time::Duration;
/// let budget = Budget { wait: Some(Duration::from_millis(5)), ..Budget::no_wait() };
/// assert_eq!(budget.polls, 64);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// At most so many tasks are polled.
    pub polls: usize,
    /// At most so long it sleeps, if nothing is ready; `None`: until something happens.
    pub wait: Option<Duration>,
}

impl Budget {
    /// Sixty-four polls, and no sleep at all.
    ///
    /// ```
    /// assert_eq!(coracle::Budget::no_wait().wait, Some(std::time::Duration::ZERO));
    /// ```
    pub const fn no_wait() -> Budget {
        Budget { polls: POLLS_BETWEEN_LOOKS, wait: Some(Duration::ZERO) }
    }

    /// Sixty-four polls, and sleep until something happens.
    ///
    /// ```
    /// assert_eq!(coracle::Budget::until_ready().wait, None);
    /// ```
    pub const fn until_ready() -> Budget {
        Budget { polls: POLLS_BETWEEN_LOOKS, wait: None }
    }
}

/// What one turn did.
///
/// ```
/// let turn = coracle::Runtime::new().turn(coracle::Budget::no_wait()).unwrap();
/// assert_eq!(turn, coracle::Turn::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Tasks polled.
    pub polled: usize,
    /// Sources that became ready.
    pub ready: usize,
    /// Timers that fired.
    pub expired: usize,
    /// Whether tasks are ready: the next turn has something to run.
    pub more: bool,
}

/// The parts of a runtime, joined.
pub(crate) struct Loop {
    me: Weak<Loop>,
    world: World,
    pub(crate) executor: Executor,
    pub(crate) reactor: Reactor,
    pub(crate) timers: Timers,
    /// What the modules above keep one of for each runtime.
    pub(crate) extensions: Extensions,
    observers: Observers,
    panic_policy: PanicPolicy,
    /// After so much real time in `block_on`, if it is judged at all, it is given up.
    pub(super) hang_after: Option<Duration>,
    /// How long `block_on` spins at most before it sleeps.
    spin: Duration,
    /// How many polls there had been when the world was last looked at.
    looked_at: Cell<usize>,
    /// The main future of `block_on` is done.
    returned: Cell<bool>,
    /// Somebody outside waits on our descriptor, so it must tell the truth whenever no turn is under way.
    watched: Cell<bool>,
    /// The inbox knows the poller's notifier.
    notifying: Cell<bool>,
}

impl Loop {
    pub(super) fn new(
        world: World,
        observers: Observers,
        panic_policy: PanicPolicy,
        hang_after: Option<Duration>,
        spin: Duration,
        coalesce: Duration,
        deviation: Option<Deviation>,
    ) -> Rc<Loop> {
        let home = HomeOwner::new(world.clone(), observers.clone());
        Rc::new_cyclic(|me| Loop {
            me: me.clone(),
            executor: Executor::new(home, observers.clone(), deviation),
            reactor: Reactor::new(world.clone(), observers.clone()),
            timers: Timers::new(world.now(), coalesce, observers.clone()),
            extensions: Extensions::default(),
            world,
            observers,
            panic_policy,
            hang_after,
            spin,
            looked_at: Cell::new(0),
            returned: Cell::new(false),
            watched: Cell::new(false),
            notifying: Cell::new(false),
        })
    }

    /// A counted reference to this loop.
    pub(super) fn handle(&self) -> Rc<Loop> {
        self.me.upgrade().expect("a loop that is referred to is alive")
    }

    /// Whether this is the runtime of that home.
    #[inline]
    pub(super) fn is_of(&self, home: &HomeRef) -> bool {
        self.executor.home().home().is(home)
    }

    /// One turn. See the head of this file.
    pub(super) fn turn(&self, budget: Budget) -> io::Result<Turn> {
        let _turning = self.executor.home().turn();
        self.observers.tell(|observer| observer.turn_began());

        // 1. Take in wakes from other threads.
        self.executor.take_in();

        // 2. Run the tasks that were ready when the turn began, within the budget.
        let polled = self.executor.run(budget.polls.min(self.polls_left()));
        if !self.look_is_due() {
            return Ok(Turn { polled, more: !self.executor.is_idle(), ..Turn::default() });
        }

        let (ready, expired) = self.look(budget.wait)?;
        Ok(Turn { polled, ready, expired, more: !self.executor.is_idle() })
    }

    /// The half of a turn that looks at the world.
    fn look(&self, most: Option<Duration>) -> io::Result<(usize, usize)> {
        // 3. How long may we sleep?
        let time = self.time_to_sleep(most);

        // 4. Wait for the world.
        let waited = self.wait(time);

        // 5. Hand readiness to the sources.
        let ready = self.reactor.dispatch();

        // 6. Expire timers.
        let expired = if self.timers.is_empty() { 0 } else { self.timers.expire(self.now()) };

        waited.map(|()| (ready, expired))
    }

    /// The turns of `block_on` up to one that looks at the world: those before it need not leave the runtime between.
    fn turns(&self) -> io::Result<()> {
        let _turning = self.executor.home().turn();
        loop {
            self.observers.tell(|observer| observer.turn_began());
            self.executor.take_in();
            self.executor.run_on(self.polls_left(), &self.returned);
            if self.returned.get() || self.look_is_due() {
                break;
            }
        }
        if self.returned.get() { Ok(()) } else { self.look(None).map(|_| ()) }
    }

    /// Whether this turn looks at the world: if there is nothing to run, or it has run enough without looking, or if
    /// somebody watches our descriptor, which only a look brings up to date.
    #[inline]
    fn look_is_due(&self) -> bool {
        if self.returned.get() {
            return false;
        }
        self.executor.is_idle() || self.polls_left() == 0 || self.watched.get()
    }

    /// How many polls there may be before the world is looked at.
    #[inline]
    fn polls_left(&self) -> usize {
        POLLS_BETWEEN_LOOKS.saturating_sub(self.executor.polls().wrapping_sub(self.looked_at.get()))
    }

    fn time_to_sleep(&self, most: Option<Duration>) -> Option<Duration> {
        if !self.executor.is_idle() {
            return Some(Duration::ZERO);
        }
        // The clock is read only if a timer exists and we may sleep.
        let timer = match most {
            Some(Duration::ZERO) => None,
            _ => self.timers.alarm().map(|deadline| deadline.saturating_duration_since(self.now())),
        };
        match (timer, most) {
            (Some(timer), Some(most)) => Some(timer.min(most)),
            (timer, most) => timer.or(most),
        }
    }

    /// Sleeps, if it may, and collects events.
    fn wait(&self, time: Option<Duration>) -> io::Result<()> {
        let seen = self.looked_at.replace(self.executor.polls());
        if time == Some(Duration::ZERO) {
            // If nothing is registered there is nothing to see; but what made a watched descriptor readable is taken.
            let blind = self.reactor.is_empty() && !self.watched.get();
            return if blind { Ok(()) } else { self.reactor.wait(time) };
        }
        if let Err(error) = self.make_poller() {
            self.nap(time);
            return Err(error);
        }
        if !self.executor.home().park_after_a_moment() {
            // Something has come instead of the sleep: for that alone the world need not be looked at before its time.
            // (It counts as a poll, since it need not lead to one.)
            self.looked_at.set(seen.wrapping_sub(1));
            if self.polls_left() > 0 && !self.watched.get() {
                return Ok(());
            }
            self.looked_at.set(self.executor.polls());
            return self.reactor.wait(Some(Duration::ZERO));
        }
        self.observers.tell(|observer| observer.parking(time));
        let result = self.reactor.wait(time);
        self.executor.home().unpark();
        self.observers.tell(|observer| observer.parked(self.reactor.pending_events()));
        result
    }

    /// The poller, known to the inbox: from now on another thread can end our sleep.
    fn make_poller(&self) -> io::Result<()> {
        let poller = self.reactor.poller()?;
        if !self.notifying.replace(true) {
            self.executor.home().set_notifier(Some(poller.notifier()));
        }
        Ok(())
    }

    fn nap(&self, time: Option<Duration>) {
        self.world.nap(time.unwrap_or(NAP).min(NAP));
    }

    // ---- block_on ------------------------------------------------------------------------------------------------

    /// Turns until the main future is gone.
    pub(super) fn run_until_main_returns(&self) {
        if let Some(spin) = Spin::new(self.spin) {
            return self.run_spinning(spin);
        }
        while !self.returned.get() {
            if let Err(error) = self.turns() {
                self.bear(&error);
            }
        }
    }

    /// A poller that cannot be made, or fails, leaves timers, tasks and operations that do not block: those go on, at
    /// the pace of the nap, and with luck the poller comes back.
    pub(super) fn bear(&self, error: &io::Error) {
        assert!(error.kind() != io::ErrorKind::Unsupported, "{error}");
        self.nap(None);
    }

    pub(super) fn has_returned(&self) -> bool {
        self.returned.get()
    }

    pub(super) fn main_returned(&self) {
        self.returned.set(true);
    }

    /// `block_on` is over.
    pub(super) fn main_is_gone(&self) {
        self.returned.set(false);
    }

    // ---- for a loop outside --------------------------------------------------------------------------------------

    pub(super) fn is_turning(&self) -> bool {
        self.executor.home().is_turning()
    }

    pub(super) fn watch(&self) -> io::Result<()> {
        self.make_poller()?;
        if !self.watched.replace(true) {
            self.keep_descriptor_true();
        }
        Ok(())
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.reactor.poller().expect("a descriptor was handed out after the poller was made").as_fd()
    }

    /// After a turn, and after anything outside of one that gives it work: the descriptor is readable iff there is
    /// something to do. Wakes do this by themselves, since the inbox is parked.
    #[inline]
    pub(crate) fn keep_descriptor_true(&self) {
        if self.watched.get() && !self.is_turning() {
            self.make_descriptor_true();
        }
    }

    #[cold]
    fn make_descriptor_true(&self) {
        let Ok(poller) = self.reactor.poller() else { return };
        let arrived = !self.executor.home().park();
        if arrived || !self.executor.is_idle() {
            self.executor.home().home().notify();
        }
        // A failure can only be injected: the timer is then late until the next turn, not lost.
        let _ = poller.alarm(self.timers.alarm().map(|deadline| deadline.saturating_duration_since(self.now())));
    }

    // ---- for programs --------------------------------------------------------------------------------------------

    pub(crate) fn spawn<F: Future + 'static>(
        &self,
        future: F,
        name: Option<Rc<str>>,
        at: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        let handle = self.executor.spawn(future, name, at);
        self.keep_descriptor_true();
        handle
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Registers a descriptor; see [`Reactor::add`].
    pub(crate) fn register(&self, fd: BorrowedFd<'_>, always: Readiness) -> io::Result<Token> {
        self.make_poller()?;
        self.reactor.add(fd, always)
    }

    pub(crate) fn now(&self) -> Instant {
        self.world.now()
    }

    // ---- the end -------------------------------------------------------------------------------------------------

    /// Tasks first: what they own gives back its timers and descriptors in the ordinary way; so do the extensions. Then
    /// what is left of those, which belongs to values that outlive the runtime.
    pub(super) fn shutdown(&self) {
        self.executor.shutdown();
        self.extensions.clear();
        self.timers.shutdown();
        self.reactor.shutdown();
        if self.notifying.get() {
            self.executor.home().set_notifier(None);
        }
    }

    /// The panics of tasks that nobody awaited, by the policy. `own` is that of the main future, which always goes on.
    #[inline]
    pub(super) fn report_unobserved(&self, own: Option<task::Payload>) {
        if own.is_some() || self.executor.has_unobserved() {
            self.report_all_unobserved(own);
        }
    }

    #[cold]
    fn report_all_unobserved(&self, own: Option<task::Payload>) {
        let mut first = own;
        for panic in self.executor.take_unobserved() {
            if self.panic_policy != PanicPolicy::Propagate {
                eprintln!("coracle: {} panicked and was not awaited{}", panic.task, task::message(&panic.payload));
            }
            if self.panic_policy == PanicPolicy::Abort {
                std::process::abort();
            }
            if self.panic_policy == PanicPolicy::Propagate && first.is_none() && !std::thread::panicking() {
                first = Some(panic.payload);
            } else {
                task::forget_payload(panic.payload);
            }
        }
        if let Some(payload) = first {
            std::panic::resume_unwind(payload);
        }
    }
}
