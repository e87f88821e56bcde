//! [`Net`]: a network of hosts, its clock and the list of what will happen on it.
//!
//! All state is in one place under one lock: the hosts, their sockets, the ways between them. What will happen is kept
//! by its time and, of the same time, in the order in which it was caused; nothing here depends on addresses in memory,
//! numbers of descriptors or hashes. Within a host a packet arrives before the call that sent it returns, as on Linux;
//! from host to host never before time is [advanced](Net::advance_to), even if none has to pass.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::fs::OpenOptions;
use std::net::IpAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::{VirtualClock, World};
use super::backend::SimulatedHost;
use super::half::{Connection, End};
use super::host::Host;
use super::poller::Watcher;
use super::socket::{Descriptor, Socket};
use super::table::{Key, Table};
use super::tube::Tube;
use super::way::{Packet, Way};
use super::{Fault, Link};
use crate::choices::Choices;

/// A host, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostId(pub(super) usize);

/// See the head of this file. Clones are one and the same network.
#[derive(Clone)]
pub(crate) struct Net {
    sea: Arc<Sea>,
}

struct Sea {
    state: Mutex<State>,
    /// Somebody was notified, or a job is over.
    changed: Condvar,
    clock: Arc<VirtualClock>,
}

/// What happens at a time.
pub(super) enum Happening {
    Arrives(Packet),
    /// It is time to send again what was lost.
    Retries(End),
    /// Nobody has answered that there is such an address.
    Unreachable(End),
}

struct Due {
    time: Duration,
    number: u64,
    happening: Happening,
}

pub(super) struct State {
    pub(super) now: Duration,
    due: BinaryHeap<Due>,
    numbered: u64,
    /// Packets within a host, which arrive before the call returns that is under way.
    pub(super) at_once: VecDeque<Packet>,
    pub(super) hosts: Vec<Host>,
    pub(super) names: BTreeMap<String, HostId>,
    pub(super) addresses: BTreeMap<IpAddr, HostId>,
    pub(super) ways: BTreeMap<(HostId, HostId), Way>,
    pub(super) default_link: Link,
    pub(super) faults: BTreeMap<(HostId, HostId), Vec<(u64, Fault)>>,
    pub(super) sockets: Table<Socket>,
    pub(super) connections: Table<Connection>,
    pub(super) tubes: Table<Tube>,
    pub(super) watchers: Table<Watcher>,
    /// When the alarms of pollers are due.
    pub(super) alarms: BTreeSet<(Duration, Key)>,
    /// Pollers whose descriptor somebody has.
    pub(super) bells: Vec<Key>,
    pub(super) descriptors: BTreeMap<RawFd, Descriptor>,
    /// Of which every descriptor is a duplicate.
    pub(super) placeholder: OwnedFd,
    pub(super) choices: Choices,
    /// How many random numbers were asked for.
    pub(super) randoms: u64,
    /// Jobs that threads of a pool are at.
    pub(super) jobs: usize,
    /// Threads that wait for `changed`.
    pub(super) sleepers: usize,
    /// References to sockets that are to be given back, and whether somebody is at it.
    pub(super) to_release: Vec<Key>,
    pub(super) releases: bool,
    log: Option<Vec<(Duration, String)>>,
}

impl Net {
    pub(crate) fn new(choices: Choices) -> Net {
        let placeholder = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/null");
        let placeholder = placeholder.expect("every system has a /dev/null").into();
        let state = State {
            now: Duration::ZERO,
            due: BinaryHeap::new(),
            numbered: 0,
            at_once: VecDeque::new(),
            hosts: Vec::new(),
            names: BTreeMap::new(),
            addresses: BTreeMap::new(),
            ways: BTreeMap::new(),
            default_link: Link::new(),
            faults: BTreeMap::new(),
            sockets: Table::new(),
            connections: Table::new(),
            tubes: Table::new(),
            watchers: Table::new(),
            alarms: BTreeSet::new(),
            bells: Vec::new(),
            descriptors: BTreeMap::new(),
            placeholder,
            choices,
            randoms: 0,
            to_release: Vec::new(),
            releases: false,
            jobs: 0,
            sleepers: 0,
            log: None,
        };
        let clock = Arc::new(VirtualClock::beginning_at(Instant::now()));
        Net { sea: Arc::new(Sea { state: Mutex::new(state), changed: Condvar::new(), clock }) }
    }

    /// A host that is up, with these addresses and those that every host has for itself.
    pub(crate) fn add_host(&self, name: &str, addresses: &[IpAddr]) -> HostId {
        let state = &mut *self.lock();
        let host = HostId(state.hosts.len());
        state.hosts.push(Host::new(name, addresses));
        state.names.insert(name.to_ascii_lowercase(), host);
        state.addresses.extend(addresses.iter().map(|address| (*address, host)));
        host
    }

    /// A new world on this host. After a [`crash`](Net::crash) it is of no more use, and a new one is to be made.
    pub(crate) fn world(&self, host: HostId) -> World {
        let life = self.lock().hosts[host.0].life;
        World::of(Arc::new(SimulatedHost::new(self.clone(), host, life)))
    }

    pub(crate) fn clock(&self) -> Arc<VirtualClock> {
        self.sea.clock.clone()
    }

    // ---- time ----------------------------------------------------------------------------------------------------

    /// When the network does something next by itself.
    pub(crate) fn next_event(&self) -> Option<Duration> {
        self.lock().next_event()
    }

    /// Everything that is due until then happens, in order; then the clock stands there. Time never goes back.
    pub(crate) fn advance_to(&self, time: Duration) {
        self.advance(&mut self.lock(), time);
        self.tell();
    }

    pub(super) fn advance(&self, state: &mut State, time: Duration) {
        while let Some(next) = state.next_event().filter(|next| *next <= time.max(state.now)) {
            self.set_clock(state, next);
            state.happen_next();
        }
        self.set_clock(state, time);
    }

    /// Time never goes back: what a program has done to the clock stays done.
    fn set_clock(&self, state: &mut State, time: Duration) {
        self.sea.clock.advance_to(time);
        state.now = self.sea.clock.passed();
    }

    /// Whether a wait of no length by a poller of this host would report something, or was notified.
    pub(crate) fn has_news(&self, host: HostId) -> bool {
        let state = self.lock();
        state.hosts[host.0].watchers.iter().any(|key| state.has_news(*key))
    }

    /// Returns when no blocking job is under way: in real time.
    pub(crate) fn wait_for_jobs(&self) {
        let mut state = self.lock();
        while state.jobs > 0 {
            state = self.sleep(state);
        }
    }

    // ---- the ways ------------------------------------------------------------------------------------------------

    /// The link between all hosts for which none was set.
    pub(crate) fn set_default_link(&self, link: Link) {
        self.lock().default_link = link;
    }

    pub(crate) fn set_link(&self, from: HostId, to: HostId, link: Link) {
        self.lock().way(from, to).link = Some(link);
    }

    /// From now on nothing arrives; what is on its way does. Streams try again, later and later.
    pub(crate) fn partition(&self, from: HostId, to: HostId) {
        self.lock().way(from, to).parted = true;
    }

    pub(crate) fn heal(&self, from: HostId, to: HostId) {
        self.lock().way(from, to).parted = false;
    }

    /// From now on everything is kept, until it is let go.
    pub(crate) fn hold(&self, from: HostId, to: HostId) {
        self.lock().way(from, to).holding = true;
    }

    /// What was kept goes on its way, in order.
    pub(crate) fn let_go(&self, from: HostId, to: HostId) {
        self.lock().let_go(from, to);
    }

    /// What becomes of each connection that is made from now on, when so many bytes have passed from one to the other.
    pub(crate) fn fault(&self, from: HostId, to: HostId, after: u64, fault: Fault) {
        let state = &mut *self.lock();
        let faults = state.faults.entry((from, to)).or_default();
        faults.push((after, fault));
        faults.sort_by_key(|(after, _)| *after);
    }

    // ---- the hosts -----------------------------------------------------------------------------------------------

    /// The host is gone, and its sockets with it: nobody is told, and what is sent to it is lost.
    pub(crate) fn crash(&self, host: HostId) {
        self.lock().crash(host);
    }

    /// The host is there again, with nothing on it: what is sent to sockets of before is answered with a reset.
    pub(crate) fn restart(&self, host: HostId) {
        self.lock().hosts[host.0].up = true;
    }

    /// How many descriptors the programs of a host may have.
    pub(crate) fn limit_descriptors(&self, host: HostId, most: Option<usize>) {
        self.lock().hosts[host.0].most_descriptors = most;
    }

    pub(crate) fn open_descriptors(&self, host: HostId) -> usize {
        self.lock().hosts[host.0].descriptors
    }

    // ---- the log -------------------------------------------------------------------------------------------------

    /// Whether what the network does is written down. Off at first, and free then.
    pub(crate) fn record(&self, on: bool) {
        self.lock().log = on.then(Vec::new);
    }

    /// What was written down since the last time.
    pub(crate) fn take_log(&self) -> Vec<(Duration, String)> {
        self.lock().log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    // ---- the lock ------------------------------------------------------------------------------------------------

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.sea.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A program may move the clock as well.
        state.now = self.sea.clock.passed();
        state
    }

    /// Until something changes that another thread does.
    pub(super) fn sleep<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.sleepers += 1;
        let mut state = self.sea.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.sleepers -= 1;
        state
    }

    /// Wakes the threads that wait for other threads.
    pub(super) fn tell(&self) {
        self.sea.changed.notify_all();
    }
}

impl State {
    pub(super) fn next_event(&self) -> Option<Duration> {
        let (due, alarm) = (self.due.peek().map(|due| due.time), self.alarms.first().map(|(time, _)| *time));
        due.into_iter().chain(alarm).min()
    }

    pub(super) fn schedule(&mut self, time: Duration, happening: Happening) {
        self.numbered += 1;
        self.due.push(Due { time: time.max(self.now), number: self.numbered, happening });
    }

    /// What is due by now, or one thing of it.
    fn happen_next(&mut self) {
        if self.due.peek().is_some_and(|due| due.time <= self.now) {
            let due = self.due.pop().expect("it was there a moment ago");
            self.happen(due.happening);
            self.settle();
        } else if let Some((_, watcher)) = self.alarms.first().copied() {
            self.ring(watcher);
            self.keep_bells_true();
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives(packet) => self.arrive(packet),
            Happening::Retries(end) => self.retry(end),
            Happening::Unreachable(end) => self.fail(end, libc::EHOSTUNREACH),
        }
    }

    /// Lets everything arrive that goes from a host to itself. To be called at the end of each call.
    pub(super) fn settle(&mut self) {
        while let Some(packet) = self.at_once.pop_front() {
            self.arrive(packet);
        }
        self.keep_bells_true();
    }

    /// Writes down what the network does.
    pub(super) fn note(&mut self, write: impl FnOnce(&State) -> String) {
        if self.log.is_some() {
            let line = (self.now, write(self));
            self.log.iter_mut().for_each(|log| log.push(line.clone()));
        }
    }
}

// ---- in a `BinaryHeap`, whose greatest is first: the earliest ------------------------------------------------------

impl Ord for Due {
    fn cmp(&self, other: &Due) -> Ordering {
        (other.time, other.number).cmp(&(self.time, self.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}
