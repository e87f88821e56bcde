//! A waker that tells of each of its operations, and does then what it is told: panic, or use the thing that holds it.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::task::{RawWaker, RawWakerVTable, Waker};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    Clone,
    Wake,
    Drop,
}

pub(super) const OPS: [Op; 3] = [Op::Clone, Op::Wake, Op::Drop];

type Act = Rc<dyn Fn(Op)>;

#[derive(Default)]
pub(super) struct Spy {
    wakes: Cell<usize>,
    act: RefCell<Option<Act>>,
}

impl Spy {
    pub(super) fn new() -> Rc<Spy> {
        Rc::default()
    }

    /// From now on `act` is called for each operation, before it takes effect.
    pub(super) fn acts(&self, act: impl Fn(Op) + 'static) {
        *self.act.borrow_mut() = Some(Rc::new(act));
    }

    /// `act` is called in the `nth` (from 0) operation of this kind, and never again.
    pub(super) fn acts_once(&self, on: Op, nth: usize, act: impl Fn() + 'static) {
        let seen = Cell::new(0);
        self.acts(move |op| {
            if op == on && seen.replace(seen.get() + 1) == nth {
                act();
            }
        });
    }

    pub(super) fn acts_no_more(&self) {
        let act = self.act.take();
        drop(act);
    }

    pub(super) fn wakes(&self) -> usize {
        self.wakes.get()
    }

    /// A waker, to be kept on this thread. The test's own copy is never dropped as a waker: that would be an operation.
    pub(super) fn waker(self: &Rc<Spy>) -> ManuallyDrop<Waker> {
        let data = Rc::as_ptr(self).cast();
        // SAFETY: the functions of the table treat `data` as a counted `Spy`; this copy is not counted, and is never
        // dropped. No test takes it to another thread, nor uses it when its own `Rc` is gone.
        ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) })
    }

    fn tell(&self, op: Op) {
        let act = self.act.borrow().clone();
        if let Some(act) = act {
            act(op);
        }
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

fn spy<'a>(data: *const ()) -> &'a Spy {
    // SAFETY: the data of our wakers is a `Spy`, which the test holds longer than any waker is used.
    unsafe { &*data.cast::<Spy>() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    spy(data).tell(Op::Clone);
    // SAFETY: it came from an `Rc` that lives.
    unsafe { Rc::increment_strong_count(data.cast::<Spy>()) };
    RawWaker::new(data, &TABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: a waker that is woken by value ends: its count is ours.
    let spy = unsafe { Rc::from_raw(data.cast::<Spy>()) };
    spy.wakes.set(spy.wakes.get() + 1);
    spy.tell(Op::Wake);
}

unsafe fn wake_by_ref(data: *const ()) {
    let spy = spy(data);
    spy.wakes.set(spy.wakes.get() + 1);
    spy.tell(Op::Wake);
}

unsafe fn release(data: *const ()) {
    // SAFETY: the waker's own count.
    let spy = unsafe { Rc::from_raw(data.cast::<Spy>()) };
    spy.tell(Op::Drop);
}
