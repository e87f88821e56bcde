//! The poller of a simulated host: edges, notifications, an alarm in virtual time, and the wait that moves the clock.
//!
//! An event tells what is so when it is told, as epoll's do; a socket of which nothing is so then is passed over.
//!
//! A wait of no length reports and nothing else. A longer one, of a runtime that nobody turns, lets virtual time pass to
//! what happens next, or to its own end. In real time it waits only for a job that a thread of a pool is at, and where
//! nothing at all is to come but a word from another thread.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::super::os::KernelPoller;
use super::super::{Event, Poller, Readiness, Token};
use super::net::{HostId, Net, State};
use super::socket::errno;
use super::table::Key;

/// How many events one wait takes in, as in `epoll.rs`.
const MOST_EVENTS: usize = 1024;

/// What the network keeps of a poller.
pub(super) struct Watcher {
    /// Sockets that have something to tell, with the number of the watch; in the order of the edges.
    pub(super) queue: VecDeque<(Key, u64)>,
    numbered: u64,
    notified: bool,
    alarm: Option<Duration>,
    /// The alarm rang.
    rang: bool,
    /// Once somebody has asked for a descriptor: one of the kernel's own, which is readable while it is notified.
    bell: Option<Arc<KernelPoller>>,
}

/// A poller's interest in a socket.
pub(super) struct Watch {
    pub(super) watcher: Key,
    pub(super) number: u64,
    pub(super) fd: RawFd,
    token: Token,
    pub(super) is_queued: bool,
}

impl Watch {
    fn is(&self, watcher: Key, number: u64) -> bool {
        (self.watcher, self.number) == (watcher, number)
    }
}

pub(super) struct SimulatedPoller {
    net: Net,
    host: HostId,
    key: Key,
    bell: OnceLock<Arc<KernelPoller>>,
}

impl SimulatedPoller {
    pub(super) fn new(net: Net, host: HostId) -> SimulatedPoller {
        let queue = VecDeque::new();
        let watcher = Watcher { queue, numbered: 0, notified: false, alarm: None, rang: false, bell: None };
        let state = &mut *net.lock();
        let key = state.watchers.insert(watcher);
        state.hosts[host.0].watchers.push(key);
        SimulatedPoller { net: net.clone(), host, key, bell: OnceLock::new() }
    }
}

impl Poller for SimulatedPoller {
    fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let state = &mut *self.net.lock();
        // What is not of this network is as good as a regular file, which no poller takes.
        let key = state.descriptors.get(&fd.as_raw_fd()).ok_or_else(|| errno(libc::EPERM))?.socket;
        let watcher = state.watchers.get_mut(self.key).ok_or_else(|| errno(libc::EBADF))?;
        let socket = state.sockets.get_mut(key).ok_or_else(|| errno(libc::EBADF))?;
        if socket.watches.iter().any(|watch| watch.watcher == self.key && watch.fd == fd.as_raw_fd()) {
            return Err(errno(libc::EEXIST));
        }
        watcher.numbered += 1;
        let number = watcher.numbered;
        socket.watches.push(Watch { watcher: self.key, number, fd: fd.as_raw_fd(), token, is_queued: true });
        watcher.queue.push_back((key, number));
        state.keep_bell_true(self.key);
        Ok(())
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let state = &mut *self.net.lock();
        let key = state.descriptors.get(&fd.as_raw_fd()).ok_or_else(|| errno(libc::EPERM))?.socket;
        let socket = state.sockets.get_mut(key).ok_or_else(|| errno(libc::ENOENT))?;
        let before = socket.watches.len();
        socket.watches.retain(|watch| watch.watcher != self.key || watch.fd != fd.as_raw_fd());
        let removed = socket.watches.len() < before;
        state.keep_bell_true(self.key);
        if removed { Ok(()) } else { Err(errno(libc::ENOENT)) }
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut state = self.net.lock();
        let end = timeout.map(|timeout| state.now.saturating_add(timeout));
        loop {
            if state.report(self.key, events) || end.is_some_and(|end| end <= state.now) {
                return Ok(());
            }
            let now = state.now;
            if state.next_event().is_some_and(|next| next <= now) {
                self.net.advance(&mut state, now);
                continue;
            }
            if state.jobs == 0 {
                // Whoever wants to know that nothing happens any more is woken outside of the lock.
                drop(state);
                if self.net.clock().wake_at_rest() {
                    return Ok(());
                }
                state = self.net.lock();
                if state.has_news(self.key) || state.jobs > 0 {
                    continue;
                }
                let next = [state.next_event(), end].into_iter().flatten().min();
                if let Some(next) = next.filter(|_| !self.net.clock().is_held()) {
                    self.net.advance(&mut state, next);
                    continue;
                }
            }
            state = self.net.sleep(state);
        }
    }

    fn notify(&self) -> io::Result<()> {
        let state = &mut *self.net.lock();
        if let Some(watcher) = state.watchers.get_mut(self.key) {
            watcher.notified = true;
        }
        state.keep_bell_true(self.key);
        if state.sleepers > 0 {
            self.net.tell();
        }
        Ok(())
    }

    fn alarm(&self, after: Option<Duration>) -> io::Result<()> {
        let state = &mut *self.net.lock();
        let time = after.map(|after| state.now.saturating_add(after));
        state.set_alarm(self.key, time);
        state.keep_bell_true(self.key);
        Ok(())
    }

    /// It costs a poller of the kernel, which is made when somebody asks.
    fn as_fd(&self) -> BorrowedFd<'_> {
        let bell = self.bell.get_or_init(|| {
            let bell = Arc::new(KernelPoller::new().expect("a poller of the kernel, for a descriptor to wait on"));
            let state = &mut *self.net.lock();
            if let Some(watcher) = state.watchers.get_mut(self.key) {
                watcher.bell = Some(bell.clone());
                state.bells.push(self.key);
            }
            state.keep_bell_true(self.key);
            bell
        });
        bell.as_fd()
    }
}

impl Drop for SimulatedPoller {
    fn drop(&mut self) {
        let state = &mut *self.net.lock();
        state.forget_watches(self.key);
        state.hosts[self.host.0].watchers.retain(|key| *key != self.key);
    }
}

impl State {
    /// A poller is gone.
    pub(super) fn forget_watches(&mut self, watcher: Key) {
        self.set_alarm(watcher, None);
        self.bells.retain(|key| *key != watcher);
        self.watchers.remove(watcher);
        for key in self.sockets.keys(|socket| socket.watches.iter().any(|watch| watch.watcher == watcher)) {
            let socket = self.sockets.get_mut(key).expect("it was there a moment ago");
            socket.watches.retain(|watch| watch.watcher != watcher);
        }
    }

    /// Whether a wait would say something, or was to end at once.
    pub(super) fn has_news(&self, key: Key) -> bool {
        let Some(watcher) = self.watchers.get(key) else { return false };
        watcher.notified || watcher.rang || watcher.queue.iter().any(|watched| self.tells(key, *watched).is_some())
    }

    /// What a watch in the queue has to tell.
    fn tells(&self, watcher: Key, (key, number): (Key, u64)) -> Option<Event> {
        let socket = self.sockets.get(key)?;
        let watch = socket.watches.iter().find(|watch| watch.is(watcher, number))?;
        let readiness = self.readiness(key);
        (readiness != Readiness::NONE).then_some(Event { token: watch.token, readiness })
    }

    /// Appends what the poller has to tell. Says whether that ends a wait.
    fn report(&mut self, key: Key, events: &mut Vec<Event>) -> bool {
        let Some(watcher) = self.watchers.get_mut(key) else { return true };
        let ends = std::mem::take(&mut watcher.notified) | std::mem::take(&mut watcher.rang);
        let before = events.len();
        while events.len() - before < MOST_EVENTS {
            let Some(watched) = self.watchers.get_mut(key).and_then(|watcher| watcher.queue.pop_front()) else { break };
            if let Some(event) = self.tells(key, watched) {
                events.push(event);
            }
            let socket = self.sockets.get_mut(watched.0);
            let watches = socket.into_iter().flat_map(|socket| &mut socket.watches);
            watches.filter(|watch| watch.is(key, watched.1)).for_each(|watch| watch.is_queued = false);
        }
        self.keep_bell_true(key);
        ends || events.len() > before
    }

    pub(super) fn set_alarm(&mut self, key: Key, time: Option<Duration>) {
        let Some(watcher) = self.watchers.get_mut(key) else { return };
        watcher.rang = false;
        if let Some(before) = std::mem::replace(&mut watcher.alarm, time) {
            self.alarms.remove(&(before, key));
        }
        self.alarms.extend(time.map(|time| (time, key)));
    }

    /// Its alarm is due.
    pub(super) fn ring(&mut self, key: Key) {
        self.set_alarm(key, None);
        if let Some(watcher) = self.watchers.get_mut(key) {
            watcher.rang = true;
        }
    }

    pub(super) fn keep_bells_true(&mut self) {
        for place in 0..self.bells.len() {
            self.keep_bell_true(self.bells[place]);
        }
    }

    /// If somebody has the descriptor: it is readable iff there is something to report.
    fn keep_bell_true(&self, key: Key) {
        let Some(bell) = self.watchers.get(key).and_then(|watcher| watcher.bell.as_ref()) else { return };
        // Silent first: a notification that nobody takes would be one too many. No error of these can be helped.
        let _ = bell.wait(&mut Vec::new(), Some(Duration::ZERO));
        if self.has_news(key) {
            let _ = bell.notify();
        }
    }
}
