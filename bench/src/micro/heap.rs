//! Counts what is asked of the heap, while it is told to; else it is the system's allocator behind one load.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

struct Counting;

#[global_allocator]
static HEAP: Counting = Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// What was asked for, less what was given back; and how often something was asked for.
pub struct Taken {
    pub bytes: i64,
    pub allocations: u64,
}

pub fn start_counting() {
    BYTES.store(0, Relaxed);
    ALLOCATIONS.store(0, Relaxed);
    COUNTS.store(true, Relaxed);
}

pub fn stop_counting() -> Taken {
    COUNTS.store(false, Relaxed);
    Taken { bytes: BYTES.load(Relaxed), allocations: ALLOCATIONS.load(Relaxed) }
}

#[cold]
fn count(bytes: i64, allocations: u64) {
    BYTES.fetch_add(bytes, Relaxed);
    ALLOCATIONS.fetch_add(allocations, Relaxed);
}

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Relaxed) {
            count(layout.size() as i64, 1);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Relaxed) {
            count(layout.size() as i64, 1);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if COUNTS.load(Relaxed) {
            count(-(layout.size() as i64), 0);
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if COUNTS.load(Relaxed) {
            count(size as i64 - layout.size() as i64, 1);
        }
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}
