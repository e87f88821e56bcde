//! The live tasks of a home: found at its end, by inspection and by verdicts, in no order.
//!
//! A table of chunks that never move, so that growing copies nothing and leaves no empty half: a million tasks cost eight
//! bytes each here. The places of tasks that ended are linked through the table itself. Home thread only.

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};

use super::header::{Header, TaskRef};

/// Places of a chunk.
const CHUNK: usize = 64;

type Chunk = Box<[Cell<*const Header>; CHUNK]>;

/// See the head of this file.
pub(crate) struct Live {
    /// A place holds a task; or an odd number, which says the next free place; or, if it was never used, nothing.
    chunks: RefCell<Vec<Chunk>>,
    /// The first free place, of this or of a chunk to come.
    free: Cell<u32>,
    count: Cell<usize>,
}

fn free_place(next: u32) -> *const Header {
    ptr::without_provenance(next as usize * 2 + 1)
}

impl Live {
    pub(super) fn new() -> Live {
        Live { chunks: RefCell::new(Vec::new()), free: Cell::new(0), count: Cell::new(0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.count.get()
    }

    /// A task begins to live. Its place.
    #[inline]
    pub(super) fn insert(&self, task: NonNull<Header>) -> u32 {
        let place = self.free.get();
        let chunks = self.chunks.borrow();
        let Some(chunk) = chunks.get(place as usize / CHUNK) else {
            drop(chunks);
            self.grow();
            return self.insert(task);
        };
        let next = chunk[place as usize % CHUNK].replace(task.as_ptr());
        // Beyond a place that was never used, none was.
        self.free.set(if next.is_null() { place + 1 } else { (next.addr() / 2) as u32 });
        self.count.set(self.count.get() + 1);
        place
    }

    #[cold]
    fn grow(&self) {
        let mut chunks = self.chunks.borrow_mut();
        assert!(chunks.len() < u32::MAX as usize / CHUNK, "more than 2^32 tasks of one runtime at once");
        chunks.push(Box::new([const { Cell::new(ptr::null()) }; CHUNK]));
    }

    /// It has ended.
    #[inline]
    pub(super) fn remove(&self, place: u32) {
        let chunks = self.chunks.borrow();
        chunks[place as usize / CHUNK][place as usize % CHUNK].set(free_place(self.free.get()));
        self.free.set(place);
        self.count.set(self.count.get() - 1);
    }

    /// The task of this place, if there is one.
    pub(crate) fn get(&self, place: usize) -> Option<TaskRef> {
        let chunks = self.chunks.borrow();
        let held = chunks.get(place / CHUNK)?[place % CHUNK].get();
        let task = NonNull::new(held.cast_mut()).filter(|_| held.addr() & 1 == 0)?;
        Some(TaskRef(task))
    }

    /// All of this moment.
    pub(crate) fn all(&self) -> impl Iterator<Item = TaskRef> + '_ {
        let places = self.chunks.borrow().len() * CHUNK;
        (0..places).filter_map(|place| self.get(place)).take(self.len())
    }

    /// The task of this number.
    pub(crate) fn find(&self, id: crate::observer::TaskId) -> Option<TaskRef> {
        self.all().find(|task| task.header().id() == id)
    }
}
