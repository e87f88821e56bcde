//! [`Hogs`]: names the tasks that keep the thread for too long.
//!
//! On one thread, a poll that does not return holds up everybody. Nothing can interrupt it, but it can be measured: two
//! readings of the clock a poll, and only while this observer is there.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Ending, Observer, TaskId, Wait};
use crate::sys::World;

/// An observer that reports each poll that took longer than a limit, when it ends.
///
/// What a task did in that poll is between the point where it last waited and [`Hog::then`]. The cures: await
/// [`yield_now`](crate::task::yield_now) now and then, or give the work to [`blocking`](crate::blocking).
///
/// ```
/// use coracle::observer::Hogs;
/// use std::{cell::RefCell, rc::Rc, time::{Duration, Instant}};
///
/// let found = Rc::new(RefCell::new(Vec::new()));
/// let report = found.clone();
/// let hogs = Hogs::new(Duration::from_millis(5), move |hog| report.borrow_mut().push(hog.to_string()));
/// let runtime = coracle::Runtime::builder().observer(Rc::new(hogs)).build();
/// runtime.block_on(async {
///     let work = async {
///         let began = Instant::now();
///         while began.elapsed() < Duration::from_millis(10) {}
///     };
///     coracle::task::Builder::new().name("digger").spawn(work).await.unwrap();
/// });
/// assert!(found.borrow().iter().any(|hog| hog.starts_with("task 2 \"digger\", spawned at ")));
/// ```
pub struct Hogs {
    limit: Duration,
    report: Box<dyn Fn(&Hog)>,
    /// Real time, also where a runtime's own clock is another: it is the thread that is held up.
    clock: World,
    live: RefCell<HashMap<TaskId, Origin>>,
    /// The poll under way and when it began; polls nest if a task turns a runtime.
    polls: RefCell<Vec<(TaskId, Instant)>>,
    reported: Cell<usize>,
}

struct Origin {
    name: Option<Rc<str>>,
    spawned_at: &'static Location<'static>,
}

impl Hogs {
    /// Calls `report` after each poll that took longer than `limit`.
    ///
    /// ```
    /// use coracle::observer::Hogs;
    /// # let _ =
    /// Hogs::new(std::time::Duration::from_millis(10), |hog| eprintln!("{hog}"));
    /// ```
    pub fn new(limit: Duration, report: impl Fn(&Hog) + 'static) -> Hogs {
        Hogs {
            limit,
            report: Box::new(report),
            clock: World::kernel(),
            live: RefCell::default(),
            polls: RefCell::default(),
            reported: Cell::new(0),
        }
    }

    /// How many polls were reported.
    ///
    /// ```
    /// # use coracle::observer::Hogs;
    /// assert_eq!(Hogs::new(std::time::Duration::ZERO, |_| ()).reported(), 0);
    /// ```
    pub fn reported(&self) -> usize {
        self.reported.get()
    }

    fn ended(&self, task: TaskId, then: Option<Wait>) {
        let Some(&(polled, began)) = self.polls.borrow().last() else { return };
        if polled != task {
            return; // it was ended without a poll, from inside of another
        }
        self.polls.borrow_mut().pop();
        let time = self.clock.now().saturating_duration_since(began);
        if time <= self.limit {
            return;
        }
        let origin = self.live.borrow().get(&task).map(|origin| (origin.name.clone(), origin.spawned_at));
        let Some((name, spawned_at)) = origin else { return };
        self.reported.set(self.reported.get() + 1);
        (self.report)(&Hog { task, name, spawned_at, time, then });
    }
}

impl Observer for Hogs {
    fn task_spawned(&self, task: TaskId, at: &'static Location<'static>) {
        self.live.borrow_mut().insert(task, Origin { name: None, spawned_at: at });
    }

    fn task_named(&self, task: TaskId, name: &Rc<str>) {
        if let Some(origin) = self.live.borrow_mut().get_mut(&task) {
            origin.name = Some(name.clone());
        }
    }

    fn poll_began(&self, task: TaskId) {
        self.polls.borrow_mut().push((task, self.clock.now()));
    }

    fn poll_ended(&self, task: TaskId, wait: Option<Wait>) {
        self.ended(task, wait);
    }

    fn task_ended(&self, task: TaskId, _: Ending) {
        self.ended(task, None);
        self.live.borrow_mut().remove(&task);
    }
}

impl fmt::Debug for Hogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reported = self.reported.get();
        f.debug_struct("Hogs").field("limit", &self.limit).field("reported", &reported).finish_non_exhaustive()
    }
}

/// A poll that took too long; made by [`Hogs`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hog {
    /// The task that was polled.
    pub task: TaskId,
    /// Its name, if it was given one.
    pub name: Option<Rc<str>>,
    /// The line that spawned it.
    pub spawned_at: &'static Location<'static>,
    /// How long the poll took.
    pub time: Duration,
    /// What it waits for since then; `None` if it has ended, or did not say.
    pub then: Option<Wait>,
}

impl fmt::Display for Hog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.task)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, ", spawned at {}, kept the thread for {:.0?}", self.spawned_at, self.time)?;
        match &self.then {
            Some(wait) => write!(f, "; now it {wait}"),
            None => Ok(()),
        }
    }
}
