//! What only some tasks have: somebody who awaits them, something that they wait for in words, a name, local values.
//!
//! It stands beside the tasks, in a slab of the home's, so that an idle task that has none of it stays small. Home thread
//! only; no code of the user's runs in here.

use std::cell::RefCell;
use std::task::Waker;

use slab::Slab;

use super::extras::Extras;
use crate::observer::Wait;

/// The key of a task that has no details.
pub(super) const NONE: u32 = u32::MAX;

/// See the head of this file.
#[derive(Default)]
pub(super) struct Detail {
    /// Who awaits the JoinHandle.
    pub(super) joiner: Option<Waker>,
    /// What it last said it waits for.
    pub(super) wait: Option<Wait>,
    pub(super) extras: Option<Box<Extras>>,
}

/// The details of a home's tasks.
#[derive(Default)]
pub(super) struct Details(RefCell<Slab<Detail>>);

impl Details {
    /// Looks at a task's, or changes them.
    #[inline]
    pub(super) fn with<T>(&self, key: u32, change: impl FnOnce(&mut Detail) -> T) -> Option<T> {
        self.0.borrow_mut().get_mut(key as usize).map(change)
    }

    /// A task has details from now on: its key to them.
    #[inline]
    pub(super) fn add(&self, detail: Detail) -> u32 {
        self.0.borrow_mut().insert(detail) as u32
    }

    /// A task ends.
    #[inline]
    pub(super) fn remove(&self, key: u32) -> Detail {
        self.0.borrow_mut().remove(key as usize)
    }
}
