//! [`Trace`]: what happened, line by line, so that two runs can be compared and a failing one can be read.
//!
//! It is an observer of runtimes and a hook of worlds over one store. Recording formats nothing: a line is a small value
//! until somebody asks for its text. What differs between two runs of the same program on the same choices does not come
//! in: addresses, real time, numbers of descriptors, what other threads do.

mod descriptors;
mod difference;
mod event;
mod recording;

use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use super::report;
use crate::RuntimeBuilder;
use crate::sys::VirtualClock;

use descriptors::Descriptors;
pub use difference::Difference;
use event::Event;

/// A record of what happened in runtimes: tasks, timers, descriptors, calls to the world. Clones are one and the same
/// record.
///
/// Of a task one sees where it was spawned, its name, that it was queued and polled, what it waits for and where, and
/// how it ended. Descriptors are numbered in the order in which they appear, and a number is never used twice. Lines
/// have a time if the world's clock is virtual. Calls are recorded if they are made on the thread that made the trace:
/// those of others have no order. Turns, and calls that only look (the clock, an empty wait), are left out.
///
/// ```
/// use coracle::testing::Trace;
/// let trace = Trace::new();
/// trace.record(|| coracle::block_on(async { coracle::task::yield_now().await }));
/// let lines = trace.lines();
/// assert!(lines[0].starts_with("task 1 spawned at "));
/// assert_eq!(lines[1..3], ["task 1 queued", "task 1 polled"]);
/// assert!(lines[3].starts_with("task 1 waits for its turn at "));
/// assert_eq!(lines.last().unwrap(), "task 1 finished");
/// ```
#[derive(Clone)]
pub struct Trace {
    store: Arc<Mutex<Store>>,
    /// Index into the store's names of hosts; 0 is no host.
    host: u16,
}

struct Store {
    records: VecDeque<Record>,
    /// So many lines are kept, the last ones.
    most: usize,
    /// Lines that were there before those that are kept.
    lost: usize,
    /// From 1.
    hosts: Vec<Arc<str>>,
    clock: Option<Arc<VirtualClock>>,
    descriptors: Descriptors,
    /// The thread whose calls are recorded.
    home: ThreadId,
}

struct Record {
    time: Option<Duration>,
    host: u16,
    event: Event,
}

impl Trace {
    /// Keeps every line. Memory grows with the run, by about eighty bytes a line.
    ///
    /// ```
    /// assert!(coracle::testing::Trace::new().is_empty());
    /// ```
    #[allow(clippy::new_without_default, reason = "a trace is not a neutral element; write `new`")]
    pub fn new() -> Trace {
        Trace::last(usize::MAX)
    }

    /// Keeps the last lines, at most so many, and counts the others. Of zero it only counts.
    ///
    /// ```
    /// use coracle::testing::Trace;
    /// let trace = Trace::last(2);
    /// ["a", "b", "c"].map(|text| trace.note(text));
    /// assert_eq!((trace.lines(), trace.len()), (vec!["b".to_owned(), "c".to_owned()], 3));
    /// ```
    pub fn last(most: usize) -> Trace {
        let store = Store {
            records: VecDeque::new(),
            most,
            lost: 0,
            hosts: Vec::new(),
            clock: None,
            descriptors: Descriptors::default(),
            home: std::thread::current().id(),
        };
        Trace { store: Arc::new(Mutex::new(store)), host: 0 }
    }

    /// The trace of the run that is under way on this thread: the one that [`for_seeds`](super::for_seeds),
    /// [`explore`](super::explore()) or [`twice`](super::twice()) shows if it fails. Elsewhere a new one, of the last
    /// thousand lines.
    ///
    /// ```
    /// use coracle::testing::{self, Trace};
    /// testing::twice(|trace| {
    ///     Trace::current().note("the same");
    ///     assert_eq!(trace.lines(), ["the same"]);
    /// });
    /// ```
    pub fn current() -> Trace {
        report::current_trace().unwrap_or_else(|| Trace::last(report::LINES_OF_ONE_RUN))
    }

    /// The settings of a runtime, and this trace as an observer and as a hook of its world, whatever world is said
    /// later. Lines have a time from now on if the world that was said before has a virtual clock.
    ///
    /// ```
    /// use coracle::{Runtime, testing::Trace};
    /// let trace = Trace::new();
    /// trace.settings(Runtime::builder()).build().block_on(async {});
    /// assert_eq!(trace.lines().last().unwrap(), "task 1 finished");
    /// ```
    pub fn settings(&self, builder: RuntimeBuilder) -> RuntimeBuilder {
        self.keep_time(builder.clock());
        builder.observer(Rc::new(self.clone())).hook(Arc::new(self.clone()))
    }

    /// Runs `code` and records what happens in each runtime that it builds on this thread. Inside of
    /// [`within`](super::within), that one does not count: call [`settings`](Trace::settings) there.
    ///
    /// ```
    /// # use coracle::testing::Trace;
    /// let trace = Trace::new();
    /// assert_eq!(trace.record(|| coracle::block_on(async { 6 * 7 })), 42);
    /// assert_eq!(trace.len(), 4);
    /// ```
    pub fn record<T>(&self, code: impl FnOnce() -> T) -> T {
        let trace = self.clone();
        super::within(move |builder| trace.settings(builder), code)
    }

    /// The same record, each line that comes through here with this name before it.
    ///
    /// ```
    /// # use coracle::testing::Trace;
    /// let trace = Trace::new();
    /// trace.of("server").note("is up");
    /// assert_eq!(trace.lines(), ["server: is up"]);
    /// ```
    #[must_use]
    pub fn of(&self, host: &str) -> Trace {
        let mut store = self.store();
        let known = store.hosts.iter().position(|known| &**known == host);
        let index = known.unwrap_or_else(|| {
            store.hosts.push(host.into());
            store.hosts.len() - 1
        });
        drop(store);
        Trace { store: self.store.clone(), host: u16::try_from(index + 1).unwrap_or(0) }
    }

    /// A line of the program's own.
    ///
    /// ```
    /// # use coracle::testing::Trace;
    /// let trace = Trace::new();
    /// trace.note("the server is told to stop");
    /// assert_eq!(trace.to_string(), "the server is told to stop\n");
    /// ```
    pub fn note(&self, text: impl Into<String>) {
        self.add(Event::Note(text.into().into()));
    }

    /// A line about what happened at a time that may be over.
    pub(crate) fn note_at(&self, time: Duration, text: impl Into<String>) {
        self.store().push(Record { time: Some(time), host: self.host, event: Event::Note(text.into().into()) });
    }

    /// From now on lines have the time of this clock, or none. Only for a clock that is virtual.
    pub(crate) fn keep_time(&self, clock: Option<Arc<VirtualClock>>) {
        self.store().clock = clock;
    }

    /// How many lines came, those that are not kept too.
    ///
    /// ```
    /// assert_eq!(coracle::testing::Trace::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        let store = self.store();
        store.lost + store.records.len()
    }

    /// Whether no line came.
    ///
    /// ```
    /// assert!(coracle::testing::Trace::last(10).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lines that are kept.
    ///
    /// ```
    /// assert!(coracle::testing::Trace::new().lines().is_empty());
    /// ```
    pub fn lines(&self) -> Vec<String> {
        let store = self.store();
        store.records.iter().map(|record| store.text(record)).collect()
    }

    /// Lines that came and are not kept.
    pub(super) fn lost(&self) -> usize {
        self.store().lost
    }

    /// The first line that is not the same in the other trace, or that one of the two does not have. Of traces that
    /// keep only the last lines, as far as both are kept.
    ///
    /// ```
    /// # use coracle::testing::Trace;
    /// let (one, other) = (Trace::new(), Trace::new());
    /// ["a", "b"].map(|text| one.note(text));
    /// ["a", "c"].map(|text| other.note(text));
    /// let difference = one.first_difference(&other).unwrap();
    /// assert_eq!((difference.line, difference.left.as_deref(), difference.right.as_deref()), (2, Some("b"), Some("c")));
    /// assert!(one.first_difference(&one).is_none());
    /// ```
    pub fn first_difference(&self, other: &Trace) -> Option<Difference> {
        if Arc::ptr_eq(&self.store, &other.store) {
            return None;
        }
        difference::first(&self.store(), &other.store())
    }

    fn add(&self, event: Event) {
        self.store().add(self.host, event);
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn add(&mut self, host: u16, event: Event) {
        let time = self.clock.as_ref().map(|clock| clock.passed());
        self.push(Record { time, host, event });
    }

    fn push(&mut self, record: Record) {
        if self.records.len() >= self.most {
            self.lost += 1;
            if self.records.pop_front().is_none() {
                return;
            }
        }
        self.records.push_back(record);
    }

    fn host(&self, record: &Record) -> Option<&str> {
        let index = usize::from(record.host).checked_sub(1)?;
        self.hosts.get(index).map(|name| &**name)
    }

    /// `1.500000000 server: task 2 queued`.
    fn text(&self, record: &Record) -> String {
        let time = record.time.map(|time| format!("{}.{:09} ", time.as_secs(), time.subsec_nanos()));
        let host = self.host(record).map(|name| format!("{name}: "));
        format!("{}{}{}", time.unwrap_or_default(), host.unwrap_or_default(), record.event)
    }
}

/// All lines that are kept, each with its end.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.store();
        if store.lost > 0 {
            writeln!(f, "({} lines before these are not kept)", store.lost)?;
        }
        store.records.iter().try_for_each(|record| writeln!(f, "{}", store.text(record)))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.store();
        f.debug_struct("Trace").field("kept", &store.records.len()).field("lost", &store.lost).finish_non_exhaustive()
    }
}
