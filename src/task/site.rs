//! What all tasks of one spawn line have in common: their home, their future's type, and the line. One pointer in each
//! task's header stands for the three.
//!
//! A home keeps a [`SpawnSite`] for each line and type that ever spawned there, found by a small hash table: a program
//! has as many as its source has `spawn`s. A task that another thread makes has one of its own, since the table is the
//! home thread's.
//!
//! - **T8 (sites)**: a site is freed with its home, which every task counts; one that belongs to a single task is freed with
//!   that task. So a header's site is there as long as the header.

use std::cell::RefCell;
use std::panic::Location;
use std::ptr::{self, NonNull};

use super::home::{Home, HomeRef};
use super::stage::Vtable;

/// See the head of this file.
pub(super) struct SpawnSite {
    home: NonNull<Home>,
    pub(super) vtable: &'static Vtable,
    pub(super) at: &'static Location<'static>,
    /// One task has it for itself.
    pub(super) is_own: bool,
}

impl SpawnSite {
    /// One for a single task, made on any thread.
    pub(super) fn own(home: &HomeRef, vtable: &'static Vtable, at: &'static Location<'static>) -> NonNull<SpawnSite> {
        let site = SpawnSite { home: home.as_non_null(), vtable, at, is_own: true };
        NonNull::from(Box::leak(Box::new(site)))
    }

    #[inline]
    pub(super) fn home(&self) -> &HomeRef {
        // SAFETY: T8: the home is there as long as the site. A `HomeRef` is this pointer, and is not dropped here.
        unsafe { HomeRef::by_ref(&self.home) }
    }

    fn is_of(&self, vtable: &'static Vtable, at: &'static Location<'static>) -> bool {
        ptr::eq(self.vtable, vtable) && ptr::eq(self.at, at)
    }
}

/// The sites of a home. Home thread only, until the home is freed.
pub(super) struct Sites {
    /// Open addressing: a power of two, at most half full.
    table: RefCell<Vec<Option<NonNull<SpawnSite>>>>,
}

/// Places of the first table.
const FEW: usize = 16;

impl Sites {
    pub(super) fn new() -> Sites {
        Sites { table: RefCell::new(Vec::new()) }
    }

    #[inline]
    pub(super) fn of(
        &self,
        home: &HomeRef,
        vtable: &'static Vtable,
        at: &'static Location<'static>,
    ) -> NonNull<SpawnSite> {
        let table = self.table.borrow();
        let mut place = first_place(&table, vtable, at);
        while let Some(Some(site)) = table.get(place) {
            // SAFETY: T8: the table's sites live as long as the home.
            if unsafe { site.as_ref() }.is_of(vtable, at) {
                return *site;
            }
            place = (place + 1) & (table.len() - 1);
        }
        drop(table);
        self.add(SpawnSite { home: home.as_non_null(), vtable, at, is_own: false })
    }

    /// A line spawns for the first time.
    #[cold]
    fn add(&self, site: SpawnSite) -> NonNull<SpawnSite> {
        let mut table = self.table.borrow_mut();
        let known: Vec<NonNull<SpawnSite>> = table.iter().copied().flatten().collect();
        if known.len() * 2 >= table.len() {
            let places = (table.len() * 2).max(FEW);
            table.clear();
            table.resize(places, None);
            known.into_iter().for_each(|site| put(&mut table, site));
        }
        let site = NonNull::from(Box::leak(Box::new(site)));
        put(&mut table, site);
        site
    }
}

fn put(table: &mut [Option<NonNull<SpawnSite>>], site: NonNull<SpawnSite>) {
    // SAFETY: T8, as above.
    let SpawnSite { vtable, at, .. } = unsafe { site.as_ref() };
    let mut place = first_place(table, vtable, at);
    while table[place].is_some() {
        place = (place + 1) & (table.len() - 1);
    }
    table[place] = Some(site);
}

/// Fibonacci hashing (Knuth, TAOCP 3, 6.4) of the two addresses. Beyond the end in an empty table.
#[inline]
fn first_place(table: &[Option<NonNull<SpawnSite>>], vtable: &Vtable, at: &Location<'static>) -> usize {
    let (vtable, at) = (ptr::from_ref(vtable).addr() as u64, ptr::from_ref(at).addr() as u64);
    let key = vtable ^ at.rotate_left(32);
    ((key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize) & table.len().wrapping_sub(1)
}

impl Drop for Sites {
    fn drop(&mut self) {
        for site in self.table.get_mut().drain(..).flatten() {
            // SAFETY: T8: the home ends, so no task is left; and `add` made it by a box.
            drop(unsafe { Box::from_raw(site.as_ptr()) });
        }
    }
}
