//! The memory of tasks that ended, kept for the next: a spawn that finds a block of its size pays no allocator.
//!
//! One list for each size, exact to the byte, so that nothing is wasted; only for small ones, where the allocator is what a
//! task costs. At most [`MOST_KEPT`] blocks in all. In debug builds nothing is kept: tools that watch the heap see each
//! task freed.
//!
//! - **T7 (blocks)**: a block in a list has the layout of that list, nobody refers to it, and its first word is the link to
//!   the next. Home thread only.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Blocks are kept up to this size, in bytes.
const LARGEST: usize = 256;
const WORD: usize = 8;

/// Arbitrary: enough for the batches of a busy server, and 256 KiB at the worst.
const MOST_KEPT: usize = if cfg!(debug_assertions) { 0 } else { 1024 };

/// See the head of this file.
pub(super) struct Blocks {
    /// By size in words.
    lists: [Cell<*mut u8>; LARGEST / WORD + 1],
    kept: Cell<usize>,
    most: Cell<usize>,
}

impl Blocks {
    pub(super) fn new() -> Blocks {
        Blocks::keeping(MOST_KEPT)
    }

    fn keeping(most: usize) -> Blocks {
        let lists = [const { Cell::new(ptr::null_mut()) }; LARGEST / WORD + 1];
        Blocks { lists, kept: Cell::new(0), most: Cell::new(most) }
    }

    /// A block of this layout, whose size is not zero.
    #[inline]
    pub(super) fn take(&self, layout: Layout) -> NonNull<u8> {
        if is_small(layout) {
            let list = &self.lists[layout.size() / WORD];
            if let Some(block) = NonNull::new(list.get()) {
                // SAFETY: T7: its first word is the link.
                list.set(unsafe { block.cast::<*mut u8>().read() });
                self.kept.set(self.kept.get() - 1);
                return block;
            }
        }
        allocate(layout)
    }

    /// Takes a block of this layout back, which nobody refers to any more.
    ///
    /// # Safety
    /// `take` or `allocate` gave it for this layout.
    #[inline]
    pub(super) unsafe fn give(&self, block: NonNull<u8>, layout: Layout) {
        if is_small(layout) && self.kept.get() < self.most.get() {
            let list = &self.lists[layout.size() / WORD];
            // SAFETY: T7: it is large enough for a word, and aligned.
            unsafe { block.cast::<*mut u8>().write(list.get()) };
            list.set(block.as_ptr());
            return self.kept.set(self.kept.get() + 1);
        }
        // SAFETY: the caller's promise.
        unsafe { free(block, layout) };
    }

    /// Frees all, and keeps nothing any more.
    pub(super) fn close(&self) {
        self.most.set(0);
        if self.kept.get() == 0 {
            return;
        }
        for (words, list) in self.lists.iter().enumerate() {
            while let Some(block) = NonNull::new(list.get()) {
                // SAFETY: T7: its first word is the link.
                list.set(unsafe { block.cast::<*mut u8>().read() });
                let layout = Layout::from_size_align(words * WORD, WORD).expect("a small layout");
                // SAFETY: T7: it has the layout of its list.
                unsafe { free(block, layout) };
            }
        }
        self.kept.set(0);
    }
}

#[inline]
const fn is_small(layout: Layout) -> bool {
    layout.size() <= LARGEST && layout.align() == WORD
}

/// From the allocator, on any thread.
pub(super) fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: a task's layout is never empty.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Back to it, on any thread.
///
/// # Safety
/// It came from the allocator with this layout, and nobody refers to it.
pub(super) unsafe fn free(block: NonNull<u8>, layout: Layout) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(block.as_ptr(), layout) };
}

#[cfg(test)]
mod tests {
    use super::{Blocks, Layout};

    #[test]
    fn a_block_is_used_again_for_the_same_size_only() {
        let (small, large) = (Layout::new::<[u64; 9]>(), Layout::new::<[u64; 10]>());
        let blocks = Blocks::keeping(2);
        let first = blocks.take(small);
        // SAFETY: `take` gave it for this layout, as all below.
        unsafe { blocks.give(first, small) };
        let other = blocks.take(large);
        assert_ne!(other, first);
        assert_eq!(blocks.take(small), first);
        // SAFETY: as above.
        unsafe { blocks.give(first, small) };
        // SAFETY: as above.
        unsafe { blocks.give(other, large) };
        assert_eq!(blocks.kept.get(), 2);
        blocks.close();
        assert_eq!(blocks.kept.get(), 0);
    }

    #[test]
    fn no_more_are_kept_than_it_was_told() {
        let layout = Layout::new::<[u64; 9]>();
        let blocks = Blocks::keeping(1);
        let three = [(); 3].map(|()| blocks.take(layout));
        for block in three {
            // SAFETY: `take` gave it for this layout.
            unsafe { blocks.give(block, layout) };
        }
        assert_eq!(blocks.kept.get(), 1);
        blocks.close();
    }

    #[test]
    fn what_is_aligned_or_large_goes_to_the_allocator() {
        #[repr(align(64))]
        struct Aligned;
        let blocks = Blocks::keeping(8);
        for layout in [Layout::new::<[u64; 400]>(), Layout::from_size_align(64, align_of::<Aligned>()).unwrap()] {
            let block = blocks.take(layout);
            assert_eq!(block.addr().get() % layout.align(), 0);
            // SAFETY: `take` gave it for this layout.
            unsafe { blocks.give(block, layout) };
        }
        assert_eq!(blocks.kept.get(), 0);
    }
}
