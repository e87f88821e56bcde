//! [`Sleepers`]: the pollers of one paused world, when several threads share it.
//!
//! A poller that finds nothing *votes*: nothing can happen, until that deadline. A vote holds as long as nobody has
//! done anything since, which is an *epoch*: one ends whenever a wait is over, for its program goes on and may send to
//! anyone. When all have voted in one epoch, whoever voted last moves the clock, to the first deadline of all. A poller
//! of the same thread that does not wait cannot do anything either, while this one does: it is not asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::{WorldPoller, thread_id};

/// What other threads need of a poller: to end the wait that it is in, below.
pub(super) struct Bell(pub(super) WorldPoller);

impl Bell {
    /// It looks again, and goes on to wait if there is nothing.
    pub(super) fn nudge(&self) {
        // A failure can only be injected. The wait is then as long as it was to be in real time.
        let _ = self.0.notify();
    }
}

struct Sleeper {
    bell: Arc<Bell>,
    thread: u64,
    /// It has been told to return.
    notified: bool,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Awake,
    /// It waits, and has not looked yet, or what it saw is old.
    Asleep,
    /// In this epoch it has seen nothing, and waits until then; `None`: for ever.
    Voted {
        epoch: u64,
        until: Option<Duration>,
    },
}

/// See the head of this file.
#[derive(Default)]
pub(super) struct Sleepers {
    all: BTreeMap<u64, Sleeper>,
    next: u64,
    epoch: u64,
}

/// What a vote came to.
pub(super) enum Count {
    /// These have not voted, or not lately, and are to look again; or they do something else, if there is none.
    Wait(Vec<Arc<Bell>>),
    /// The clock may move there; `None`: nobody waits for anything but the world.
    Until(Option<Duration>),
}

impl Sleepers {
    pub(super) fn add(&mut self, bell: Arc<Bell>) -> u64 {
        self.next += 1;
        let sleeper = Sleeper { bell, thread: thread_id(), notified: false, state: State::Awake };
        self.all.insert(self.next, sleeper);
        self.next
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.all.remove(&number);
        self.epoch += 1;
    }

    fn get(&mut self, number: u64) -> &mut Sleeper {
        self.all.get_mut(&number).expect("a poller is known until it is dropped")
    }

    /// A wait begins.
    pub(super) fn falls_asleep(&mut self, number: u64) {
        let sleeper = self.get(number);
        (sleeper.thread, sleeper.state) = (thread_id(), State::Asleep);
    }

    /// It is over.
    pub(super) fn wakes(&mut self, number: u64) {
        self.get(number).state = State::Awake;
        self.epoch += 1;
    }

    /// Its wait is to end, the present or the next one.
    pub(super) fn notify(&mut self, number: u64) {
        let sleeper = self.get(number);
        (sleeper.notified, sleeper.state) = (true, State::Awake);
    }

    /// Whether that was so: it is answered.
    pub(super) fn take_notice(&mut self, number: u64) -> bool {
        std::mem::take(&mut self.get(number).notified)
    }

    pub(super) fn is_any_notified(&self) -> bool {
        self.all.values().any(|sleeper| sleeper.notified)
    }

    /// Whether another thread takes part in this world: it does something, or will when its time has come.
    pub(super) fn is_anybody_else_here(&self) -> bool {
        let here = thread_id();
        self.all.values().any(|sleeper| sleeper.thread != here)
    }

    /// All that wait.
    pub(super) fn asleep(&self) -> Vec<Arc<Bell>> {
        let asleep = self.all.values().filter(|sleeper| !matches!(sleeper.state, State::Awake));
        asleep.map(|sleeper| sleeper.bell.clone()).collect()
    }

    pub(super) fn bells(&self) -> impl Iterator<Item = &Arc<Bell>> {
        self.all.values().map(|sleeper| &sleeper.bell)
    }

    /// This one votes. `alone`: whatever the others do.
    pub(super) fn vote(&mut self, number: u64, until: Option<Duration>, alone: bool) -> Count {
        let epoch = self.epoch;
        self.get(number).state = State::Voted { epoch, until };
        let here = self.get(number).thread;
        let (mut missing, mut old, mut first) = (false, Vec::new(), until);
        for sleeper in self.all.values().filter(|sleeper| sleeper.thread != here) {
            match sleeper.state {
                State::Voted { epoch: voted, until } if voted == epoch || alone => {
                    first = first.into_iter().chain(until).min();
                }
                State::Voted { .. } | State::Asleep => old.push(sleeper.bell.clone()),
                State::Awake => missing = true,
            }
        }
        if alone || !missing && old.is_empty() { Count::Until(first) } else { Count::Wait(old) }
    }

    /// The clock stands there now: those who have waited for that are awake, and to be told, but for this one.
    pub(super) fn rouse(&mut self, number: u64, now: Duration) -> Vec<Arc<Bell>> {
        let mut roused = Vec::new();
        for (other, sleeper) in &mut self.all {
            let is_due = matches!(sleeper.state, State::Voted { until: Some(until), .. } if until <= now);
            if is_due && *other != number {
                sleeper.state = State::Awake;
                roused.push(sleeper.bell.clone());
            }
        }
        roused
    }
}
