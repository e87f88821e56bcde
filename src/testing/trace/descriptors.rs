//! Stable numbers for what the kernel numbers as it likes: descriptors, in the order in which they appear.
//!
//! The kernel gives a number again once it is free, and which ones are free depends on the whole process. So a number
//! counts until its descriptor is closed or handed out; what then has it is another descriptor.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use crate::observer::WaitReason;
use crate::sys::Call;

/// See the head of this file. A number is never used twice.
#[derive(Default)]
pub(super) struct Descriptors {
    numbered: usize,
    open: BTreeMap<RawFd, Known>,
    /// By host and token.
    sources: BTreeMap<(u16, u64), usize>,
}

struct Known {
    number: usize,
    /// It was taken out of its poller: unless it is closed next, the program has it, and who has the number after that
    /// is another.
    removed: bool,
}

impl Descriptors {
    pub(super) fn number(&mut self, fd: RawFd) -> usize {
        if let Some(known) = self.open.get(&fd) {
            if !known.removed {
                return known.number;
            }
        }
        self.numbered += 1;
        self.open.insert(fd, Known { number: self.numbered, removed: false });
        self.numbered
    }

    /// The number of what goes away, and may be known already to be going.
    fn leaving(&mut self, fd: RawFd, call: Call) -> usize {
        let number = match self.open.get(&fd) {
            Some(known) => known.number,
            None => self.number(fd),
        };
        match call {
            Call::Remove => drop(self.open.insert(fd, Known { number, removed: true })),
            _ => drop(self.open.remove(&fd)),
        }
        number
    }

    pub(super) fn of_call(&mut self, call: Call, fd: RawFd) -> usize {
        match call {
            Call::Remove | Call::Close | Call::Release => self.leaving(fd, call),
            Call::Shutdown => self.open.get(&fd).map(|known| known.number).unwrap_or_else(|| self.number(fd)),
            _ => self.number(fd),
        }
    }

    pub(super) fn source_added(&mut self, host: u16, source: u64, fd: RawFd) -> usize {
        let number = self.number(fd);
        self.sources.insert((host, source), number);
        number
    }

    /// 0 if nobody said that it was added.
    pub(super) fn of_source(&self, host: u16, source: u64) -> usize {
        self.sources.get(&(host, source)).copied().unwrap_or(0)
    }

    pub(super) fn source_removed(&mut self, host: u16, source: u64) -> usize {
        self.sources.remove(&(host, source)).unwrap_or(0)
    }

    pub(super) fn of_wait(&mut self, reason: WaitReason) -> WaitReason {
        match reason {
            WaitReason::Readable(fd) => WaitReason::Readable(self.number(fd) as RawFd),
            WaitReason::Writable(fd) => WaitReason::Writable(self.number(fd) as RawFd),
            other => other,
        }
    }
}
