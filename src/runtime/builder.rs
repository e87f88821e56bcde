//! Settings: of a runtime, and of a task.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::stall::{JUDGE, Judge, OnStall};
use super::turn::Loop;
use super::{Runtime, current_or_error, surroundings};
use crate::choices::Choices;
use crate::executor::Deviation;
use crate::observer::{Observer, Observers};
use crate::sys::{Hook, VirtualClock, World};
use crate::task::{JoinHandle, here};
use crate::timers::SHARED_WITHIN;

/// What becomes of the panic of a task that nobody awaited. (The panic hook has reported it when it happened.)
///
/// ```
/// use coracle::{PanicPolicy, Runtime};
/// let result = std::panic::catch_unwind(|| {
///     let runtime = Runtime::new();
///     runtime.block_on(async {
///         drop(coracle::spawn(async { panic!("unnoticed") }));
///         coracle::task::yield_now().await;
///     });
/// });
/// assert!(result.is_err(), "the default is to propagate");
/// let runtime = Runtime::builder().panic_policy(PanicPolicy::Log).build();
/// runtime.block_on(async { drop(coracle::spawn(async { panic!("logged") })); coracle::task::yield_now().await });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicPolicy {
    /// The first one goes on in [`Runtime::block_on`] when the main future is done, or in the runtime's drop: a test
    /// fails, a program exits with an error. The default.
    #[default]
    Propagate,
    /// A line on standard error.
    Log,
    /// A line on standard error, and the process aborts.
    Abort,
}

/// Settings of a runtime; made by [`Runtime::builder`].
///
/// ```
/// use coracle::{PanicPolicy, Runtime, sys::World};
/// let runtime = Runtime::builder().world(World::kernel()).panic_policy(PanicPolicy::Log).build();
/// runtime.block_on(async {});
/// ```
#[derive(Default)]
#[must_use = "a builder builds nothing until `build`"]
pub struct RuntimeBuilder {
    world: Option<World>,
    observers: Observers,
    panic_policy: PanicPolicy,
    deviation: Option<Deviation>,
    on_stall: OnStall,
    hang_after: Option<Duration>,
    /// Said by whoever asks for verdicts.
    judge: Option<&'static Judge>,
    spin: Duration,
    coalesce: Option<Duration>,
    hook: Option<Arc<dyn Hook>>,
}

impl RuntimeBuilder {
    /// The settings of a runtime of which nothing is said, here.
    pub(super) fn new() -> RuntimeBuilder {
        // Made in either branch, so that it is built in its place: to move it is a good part of what a runtime costs.
        match surroundings::settings() {
            None => RuntimeBuilder::default(),
            Some(settings) => settings(RuntimeBuilder::default()),
        }
    }

    /// The world in which the runtime lives. Default: [`World::kernel`].
    ///
    /// ```
    /// # use coracle::{Runtime, sys::World};
    /// Runtime::builder().world(World::kernel()).build();
    /// ```
    pub fn world(mut self, world: World) -> RuntimeBuilder {
        self.world = Some(world);
        self
    }

    /// Sees every call to the world, whichever world that is, and may make it fail; over a hook that the world has
    /// itself. The last one counts.
    ///
    /// ```
    /// # use coracle::{Runtime, sys::Hook};
    /// struct Silent;
    /// impl Hook for Silent {}
    /// Runtime::builder().hook(std::sync::Arc::new(Silent)).build().block_on(async {});
    /// ```
    pub fn hook(mut self, hook: Arc<dyn Hook>) -> RuntimeBuilder {
        self.hook = Some(hook);
        self
    }

    /// The clock of the world that was said, if it is a virtual one.
    pub(crate) fn clock(&self) -> Option<Arc<VirtualClock>> {
        self.world.as_ref()?.clock()
    }

    /// Who is told what happens, beside those of earlier calls. Default: nobody.
    ///
    /// ```
    /// struct Silent;
    /// impl coracle::observer::Observer for Silent {}
    /// coracle::Runtime::builder().observer(std::rc::Rc::new(Silent)).build();
    /// ```
    pub fn observer(mut self, observer: Rc<dyn Observer>) -> RuntimeBuilder {
        self.observers = self.observers.and(observer);
        self
    }

    /// Decides what is free to decide: the order of ready tasks above all. For tests; a runtime without it is faster.
    /// The world has choices of its own: see [`World::hostile`].
    ///
    /// ```
    /// use coracle::{Runtime, testing::Choices};
    /// Runtime::builder().choices(Choices::seeded(7)).build().block_on(async {});
    /// ```
    #[cfg(feature = "testing")]
    pub fn choices(mut self, choices: Choices) -> RuntimeBuilder {
        self.deviation = Some(Deviation::new(choices));
        self
    }

    /// What becomes of panics that nobody awaited. Default: [`PanicPolicy::Propagate`].
    ///
    /// ```
    /// # use coracle::{PanicPolicy, Runtime};
    /// Runtime::builder().panic_policy(PanicPolicy::Abort).build();
    /// ```
    pub fn panic_policy(mut self, policy: PanicPolicy) -> RuntimeBuilder {
        self.panic_policy = policy;
        self
    }

    /// The world that the runtime will live in.
    pub(super) fn its_world(&self) -> World {
        let world = self.world.clone().unwrap_or_else(World::kernel);
        match &self.hook {
            Some(hook) => world.also_hooked(hook.clone()),
            None => world,
        }
    }

    /// What `block_on` does when nothing can happen any more: no task is ready, no timer is set, and nothing outside of
    /// the runtime could wake a task. Default: [`OnStall::Wait`]. It is never said by mistake, but for what threads do
    /// that were given a `JoinHandle` or a socket; if it is not certain, `block_on` waits.
    ///
    /// ```should_panic
    /// # use coracle::{OnStall, Runtime};
    /// let runtime = Runtime::builder().on_stall(OnStall::Panic).build();
    /// runtime.block_on(async { coracle::sync::Notify::new().notified().await });
    /// ```
    pub fn on_stall(mut self, on_stall: OnStall) -> RuntimeBuilder {
        self.on_stall = on_stall;
        self.judge = Some(&JUDGE);
        self
    }

    /// `block_on` panics with the same table, and [`try_block_on`](Runtime::try_block_on) returns it, when it has taken
    /// so long, in real time. It is looked at between turns and ends a sleep; a poll that does not return cannot be
    /// interrupted, and a line on standard error says which it is. Costs a thread while `block_on` runs. Default: never.
    ///
    /// ```
    /// # use coracle::Runtime;
    /// # use std::time::Duration;
    /// let runtime = Runtime::builder().hang_after(Duration::from_millis(10)).build();
    /// let (_sender, receiver) = coracle::sync::remote::channel::unbounded::<()>();
    /// let stall = runtime.try_block_on(async { receiver.recv().await }).unwrap_err();
    /// assert_eq!(stall.hung(), Some(Duration::from_millis(10)));
    /// ```
    pub fn hang_after(mut self, limit: Duration) -> RuntimeBuilder {
        self.hang_after = Some(limit);
        self.judge = Some(&JUDGE);
        self
    }

    /// [`block_on`](Runtime::block_on) looks at the world again and again before it sleeps, for at most so long, if what
    /// it waits for has lately come within that time. Default: zero, never.
    ///
    /// A thread needs some ten or twenty microseconds to fall asleep and to wake up, which is most of the time of a
    /// dialogue with one peer on the same machine, or with another thread. That is saved, for a processor that works
    /// meanwhile: it does harm where the other side needs the same processor, which is noticed, and costs little then. Fifty
    /// microseconds is a good value; less than twenty is as good as zero, since the first gaps are slept through and
    /// waking up counts.
    ///
    /// A call begins without, until a gap was short. What was spun in vain is tried again after two short gaps, then after
    /// four, up to a thousand. A program whose gaps are all longer never spins, but for one look more at the world before
    /// each sleep. With [`Duration::MAX`] it never sleeps, once it has been woken.
    ///
    /// There is no spinning in [`turn`](Runtime::turn), in a world whose clock programs move, nor in a `block_on` that
    /// [gives up](Runtime::try_block_on).
    ///
    /// ```
    /// # use coracle::Runtime;
    /// # use std::time::Duration;
    /// let runtime = Runtime::builder().spin(Duration::from_micros(50)).build();
    /// assert_eq!(runtime.block_on(async { coracle::task::yield_now().await; 6 * 7 }), 42);
    /// ```
    pub fn spin(mut self, most: Duration) -> RuntimeBuilder {
        self.spin = most;
        self
    }

    /// Timers that are due within this time after the next one wait for each other, so that one wake-up serves them all:
    /// it comes when that time is over. They fire in order, none is early, and none is later than this for it; one that is
    /// alone in that time is not kept back. (The sleep inside of a [`timeout`](crate::time::timeout) has that for company.)
    /// Default: five microseconds, less than a wake-up costs; zero in a world whose clock programs move.
    ///
    /// Where time-outs need not be exact, a millisecond makes many of them several times cheaper. With [`Duration::MAX`]
    /// timers that are not alone fire only when something else wakes the runtime.
    ///
    /// ```
    /// # use coracle::Runtime;
    /// # use std::time::Duration;
    /// let runtime = Runtime::builder().coalesce(Duration::from_millis(1)).build();
    /// runtime.block_on(async { coracle::time::sleep(Duration::from_millis(2)).await });
    /// ```
    pub fn coalesce(mut self, within: Duration) -> RuntimeBuilder {
        self.coalesce = Some(within);
        self
    }

    /// The runtime. Makes no system call.
    ///
    /// ```
    /// coracle::Runtime::builder().build().block_on(async {});
    /// ```
    pub fn build(self) -> Runtime {
        let world = self.its_world();
        // A look at the world moves no clock that programs move: a loop would spin there for ever.
        let spin = if world.clock().is_none() { self.spin } else { Duration::ZERO };
        // There, too, nothing is won by a wake-up less, and programs count on the very moment.
        let coalesce = self.coalesce.unwrap_or(if world.clock().is_none() { SHARED_WITHIN } else { Duration::ZERO });
        let event_loop =
            Loop::new(world, self.observers, self.panic_policy, self.hang_after, spin, coalesce, self.deviation);
        let judged = self.on_stall == OnStall::Panic || self.hang_after.is_some();
        let judge = self.judge.filter(|_| judged);
        if let Some(judge) = judge {
            (judge.begin)(&event_loop);
        }
        Runtime::from_loop(event_loop, judge)
    }
}

impl fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeBuilder").field("panic_policy", &self.panic_policy).finish_non_exhaustive()
    }
}

/// Settings of a task.
///
/// ```
/// coracle::block_on(async {
///     let task = coracle::task::Builder::new().name("listener").spawn(async { coracle::task::name() });
///     assert_eq!(task.await.unwrap().as_deref(), Some("listener"));
/// });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder builds nothing until `spawn`"]
pub struct Builder {
    name: Option<Rc<str>>,
}

impl Builder {
    /// No name.
    ///
    /// ```
    /// coracle::block_on(async { coracle::task::Builder::new().spawn(async {}).await.unwrap() });
    /// ```
    pub fn new() -> Builder {
        Builder::default()
    }

    /// A name, for people: shown wherever the task is, and not looked up by anything.
    ///
    /// ```
    /// # let _ =
    /// coracle::task::Builder::new().name("heartbeat");
    /// ```
    pub fn name(mut self, name: impl Into<Rc<str>>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// Like [`spawn`](crate::spawn), with these settings.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// coracle::block_on(async { coracle::task::Builder::new().name("a").spawn(async {}).await.unwrap() });
    /// ```
    #[track_caller]
    pub fn spawn<F: Future + 'static>(self, future: F) -> JoinHandle<F::Output> {
        match current_or_error() {
            Ok(event_loop) => event_loop.spawn(future, self.name, Location::caller()),
            Err(error) => panic!("spawn: {error}"),
        }
    }
}

/// The name of the task that is being polled on this thread, if it has one.
///
/// ```
/// assert_eq!(coracle::task::name(), None);
/// ```
pub fn name() -> Option<Rc<str>> {
    here::with_task(|task| task.name()).flatten()
}
