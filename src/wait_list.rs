//! The one structure in which anything waits: a FIFO of wakers from which each can leave at any time.
//!
//! Descriptors, channels and locks keep one each. It is plain data without any user code: whoever holds it in a
//! `RefCell` wakes, and drops wakers, after the borrow has ended. [`sync::WaitQueue`](crate::sync::WaitQueue) is this
//! list with a future before it.
//!
//! A waiter that was chosen stays in the list, as *notified*, until it has seen so. If it leaves before, the wake was
//! wasted on it and must be passed on: [`Left::PassOn`]; unless all were chosen, so that there is nobody to pass it to.
//! If it finds that somebody was quicker, and waits again, it is the first again.
//!
//! Beside its waker a waiter may leave word of what it `Want`s, for a holder that serves only those whom it can
//! satisfy: `sync::permits` does. For all others that is `()`, and costs nothing.
//!
//! Nearly always there is one waiter or none. So one has its place in the list itself, and only those that come while
//! it is taken are linked behind it, in a slab on the heap. A small one is kept for the next, so that a few who wait again
//! and again allocate nothing.

use std::num::NonZeroUsize;
use std::task::Waker;

use slab::Slab;

/// See the head of this file.
pub(crate) struct WaitList<Want = ()> {
    /// The place of one who came when nobody was there. Before all others, as long as it waits.
    first: First<Want>,
    others: Option<Box<Others<Want>>>,
}

enum First<Want> {
    Free,
    Waiting(Waker, Want),
    Notified(Chosen, Want),
}

/// How a waiter came to be notified.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chosen {
    Alone,
    WithAll,
}

/// A waiter in a list: the right to leave it. Its key in the slab, plus one: so an `Option` of it is one word, and every
/// future that can wait a word smaller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WaitKey(NonZeroUsize);

/// The key of the one who is first; no slab grows to this.
const FIRST: WaitKey = WaitKey(NonZeroUsize::MAX);

impl WaitKey {
    fn of_other(key: usize) -> WaitKey {
        WaitKey(NonZeroUsize::MIN.saturating_add(key))
    }

    /// Of one who is not the first.
    fn index(&self) -> usize {
        self.0.get() - 1
    }
}

/// What a waiter that left owes.
#[must_use]
pub(crate) enum Left {
    /// It was waiting; here is its waker, to be dropped outside of all borrows.
    Waiting(Waker),
    /// It alone had been notified: if it did not use that, the next must be.
    PassOn,
    /// It had been notified with all others.
    Nothing,
}

impl From<Chosen> for Left {
    fn from(chosen: Chosen) -> Left {
        match chosen {
            Chosen::Alone => Left::PassOn,
            Chosen::WithAll => Left::Nothing,
        }
    }
}

impl<Want> Default for WaitList<Want> {
    fn default() -> WaitList<Want> {
        WaitList { first: First::Free, others: None }
    }
}

impl WaitList {
    /// Puts a waiter at the end.
    #[inline]
    pub(crate) fn push(&mut self, waker: Waker) -> WaitKey {
        self.push_wanting(waker, ())
    }
}

impl<Want> WaitList<Want> {
    /// Puts a waiter at the end, with what it wants.
    #[inline]
    pub(crate) fn push_wanting(&mut self, waker: Waker, want: Want) -> WaitKey {
        if matches!(self.first, First::Free) && !self.has_others() {
            self.first = First::Waiting(waker, want);
            return FIRST;
        }
        self.push_other(waker, want)
    }

    #[inline(never)]
    fn push_other(&mut self, waker: Waker, want: Want) -> WaitKey {
        self.others.get_or_insert_default().push(waker, want)
    }

    /// What the first who waits wants.
    pub(crate) fn first_wants(&self) -> Option<&Want> {
        match &self.first {
            First::Waiting(_, want) => Some(want),
            First::Free | First::Notified(..) => self.others.as_ref().and_then(|others| others.first_wants()),
        }
    }

    /// Whether the waiter waits, and `waker` would be woken for it.
    pub(crate) fn waits_as(&self, key: &WaitKey, waker: &Waker) -> bool {
        self.waker(key).is_some_and(|own| own.will_wake(waker))
    }

    #[inline]
    pub(crate) fn is_notified(&self, key: &WaitKey) -> bool {
        self.waker(key).is_none()
    }

    #[inline]
    fn waker(&self, key: &WaitKey) -> Option<&Waker> {
        if *key != FIRST {
            return self.others.as_ref().and_then(|others| others.waiters[key.index()].waker.as_ref().ok());
        }
        match &self.first {
            First::Waiting(waker, _) => Some(waker),
            First::Free | First::Notified(..) => None,
        }
    }

    /// Lets a waiter wait on, with another waker; or again, if it was notified: then it is the first. The old waker is
    /// to be dropped outside of all borrows.
    pub(crate) fn renew(&mut self, key: &WaitKey, waker: Waker) -> Option<Waker> {
        if *key != FIRST {
            return self.others.as_mut().and_then(|others| others.renew(key.index(), waker));
        }
        let (old, want) = match std::mem::replace(&mut self.first, First::Free) {
            First::Waiting(old, want) => (Some(old), want),
            First::Notified(_, want) => (None, want),
            First::Free => unreachable!("a waiter waits on in a list that it is not in"),
        };
        self.first = First::Waiting(waker, want);
        old
    }

    /// Chooses the first who waits. The caller wakes it outside of all borrows.
    #[inline]
    pub(crate) fn notify_one(&mut self) -> Option<Waker> {
        self.notify(Chosen::Alone)
    }

    /// Chooses the first who waits, as one of all: the caller goes on until there is none.
    pub(crate) fn notify_with_all(&mut self) -> Option<Waker> {
        self.notify(Chosen::WithAll)
    }

    #[inline]
    fn notify(&mut self, chosen: Chosen) -> Option<Waker> {
        if !matches!(self.first, First::Waiting(..)) {
            return self.others.as_mut()?.notify(chosen);
        }
        match std::mem::replace(&mut self.first, First::Free) {
            First::Waiting(waker, want) => {
                self.first = First::Notified(chosen, want);
                Some(waker)
            }
            First::Free | First::Notified(..) => unreachable!("it waits"),
        }
    }

    /// The waiter leaves.
    #[inline]
    pub(crate) fn remove(&mut self, key: WaitKey) -> Left {
        if key == FIRST {
            return match std::mem::replace(&mut self.first, First::Free) {
                First::Waiting(waker, _) => Left::Waiting(waker),
                First::Notified(chosen, _) => chosen.into(),
                First::Free => Left::Nothing,
            };
        }
        self.remove_other(key.index())
    }

    #[inline(never)]
    fn remove_other(&mut self, key: usize) -> Left {
        let Some(others) = &mut self.others else { unreachable!("a waiter leaves a list that it is not in") };
        let left = others.remove(key);
        if others.waiters.is_empty() && others.waiters.capacity() > MOST_KEPT {
            self.others = None;
        }
        left
    }

    #[inline]
    fn has_others(&self) -> bool {
        self.others.as_ref().is_some_and(|others| !others.waiters.is_empty())
    }

    /// Whether nobody waits, not counting the notified.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !matches!(self.first, First::Waiting(..)) && self.others.as_ref().is_none_or(|others| others.ends.is_none())
    }

    /// How many are in the list, the notified too.
    pub(crate) fn len(&self) -> usize {
        let others = self.others.as_ref().map_or(0, |others| others.waiters.len());
        others + usize::from(!matches!(self.first, First::Free))
    }
}

/// Room for how many is kept while nobody needs it. Arbitrary: a kilobyte or so.
const MOST_KEPT: usize = 32;

/// Those that came while somebody was there.
struct Others<Want> {
    waiters: Slab<Waiter<Want>>,
    /// Keys of the first and last that are not notified.
    ends: Option<(usize, usize)>,
}

struct Waiter<Want> {
    /// If notified, it is no longer linked.
    waker: Result<Waker, Chosen>,
    want: Want,
    previous: usize,
    next: usize,
}

/// No waiter.
const NONE: usize = usize::MAX;

impl<Want> Default for Others<Want> {
    fn default() -> Others<Want> {
        Others { waiters: Slab::new(), ends: None }
    }
}

/// None of this is inlined where it is used: one who waits alone does not pay for the registers that it needs.
impl<Want> Others<Want> {
    fn push(&mut self, waker: Waker, want: Want) -> WaitKey {
        let key = self.waiters.insert(Waiter { waker: Ok(waker), want, previous: NONE, next: NONE });
        self.link_last(key);
        WaitKey::of_other(key)
    }

    fn first_wants(&self) -> Option<&Want> {
        self.ends.map(|(first, _)| &self.waiters[first].want)
    }

    #[inline(never)]
    fn renew(&mut self, key: usize, waker: Waker) -> Option<Waker> {
        let old = std::mem::replace(&mut self.waiters[key].waker, Ok(waker)).ok();
        if old.is_none() {
            self.link_first(key);
        }
        old
    }

    #[inline(never)]
    fn notify(&mut self, chosen: Chosen) -> Option<Waker> {
        let (first, _) = self.ends?;
        self.unlink(first);
        std::mem::replace(&mut self.waiters[first].waker, Err(chosen)).ok()
    }

    fn remove(&mut self, key: usize) -> Left {
        if self.waiters[key].waker.is_ok() {
            self.unlink(key);
        }
        self.waiters.remove(key).waker.map_or_else(Left::from, Left::Waiting)
    }

    fn link_first(&mut self, key: usize) {
        let Some((first, last)) = self.ends else { return self.link_last(key) };
        self.waiters[first].previous = key;
        self.ends = Some((key, last));
        let waiter = &mut self.waiters[key];
        (waiter.previous, waiter.next) = (NONE, first);
    }

    fn link_last(&mut self, key: usize) {
        let previous = match self.ends {
            None => {
                self.ends = Some((key, key));
                NONE
            }
            Some((first, last)) => {
                self.waiters[last].next = key;
                self.ends = Some((first, key));
                last
            }
        };
        let waiter = &mut self.waiters[key];
        (waiter.previous, waiter.next) = (previous, NONE);
    }

    fn unlink(&mut self, key: usize) {
        let Waiter { previous, next, .. } = self.waiters[key];
        let Some((mut first, mut last)) = self.ends else { unreachable!("a waiter waits in a list where none does") };
        match previous {
            NONE => first = next,
            _ => self.waiters[previous].next = next,
        }
        match next {
            NONE => last = previous,
            _ => self.waiters[next].previous = previous,
        }
        self.ends = (first != NONE).then_some((first, last));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::task::Wake;

    /// A waker that can be told from the others.
    struct Named;
    impl Wake for Named {
        fn wake(self: Arc<Self>) {}
    }

    #[derive(Clone, Debug)]
    enum Op {
        Push,
        Notify,
        /// The n-th waiter leaves.
        Remove(usize),
        /// The n-th waiter gets a new waker.
        Renew(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            Just(Op::Push),
            Just(Op::Notify),
            any::<usize>().prop_map(Op::Remove),
            any::<usize>().prop_map(Op::Renew)
        ]
    }

    /// The naive model: everybody in a vector, in order of waiting, and whether it was notified.
    fn check(ops: Vec<Op>) {
        let mut list = WaitList::default();
        // Beside each waiter: its waker, whether it was notified, and what it wants.
        let mut model: Vec<(WaitKey, Waker, bool, usize)> = Vec::new();
        for (number, op) in ops.into_iter().enumerate() {
            match op {
                Op::Push => {
                    let waker = Waker::from(Arc::new(Named));
                    model.push((list.push_wanting(waker.clone(), number), waker, false, number));
                }
                Op::Notify => {
                    let chosen = list.notify_one();
                    let expected = model.iter_mut().find(|(_, _, notified, _)| !notified);
                    assert_eq!(chosen.is_some(), expected.is_some());
                    if let (Some(chosen), Some((key, waker, notified, _))) = (chosen, expected) {
                        assert!(chosen.will_wake(waker), "somebody was woken before his turn");
                        *notified = true;
                        assert!(list.is_notified(key));
                    }
                }
                Op::Remove(n) if !model.is_empty() => {
                    let (key, waker, notified, _) = model.remove(n % model.len());
                    match list.remove(key) {
                        Left::Waiting(own) => assert!(!notified && own.will_wake(&waker)),
                        Left::PassOn => assert!(notified),
                        Left::Nothing => panic!("nobody was notified with all"),
                    }
                }
                Op::Renew(n) if !model.is_empty() => {
                    let n = n % model.len();
                    let waker = Waker::from(Arc::new(Named));
                    let old = list.renew(&model[n].0, waker.clone());
                    assert_eq!(old.is_none(), model[n].2);
                    model[n].1 = waker;
                    if std::mem::take(&mut model[n].2) {
                        let again = model.remove(n);
                        // Only the one who was there before all others stays before it.
                        let before = usize::from(model.first().is_some_and(|(key, ..)| *key == FIRST));
                        model.insert(if again.0 == FIRST { 0 } else { before }, again);
                    }
                }
                Op::Remove(_) | Op::Renew(_) => {}
            }
            assert_eq!(list.len(), model.len());
            assert_eq!(list.is_empty(), model.iter().all(|(_, _, notified, _)| *notified));
            let first = model.iter().find(|(_, _, notified, _)| !notified);
            assert_eq!(list.first_wants(), first.map(|(.., want)| want));
            assert!(model.iter().all(|(key, waker, notified, _)| list.waits_as(key, waker) != *notified));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn behaves_like_a_vector_of_waiters(ops in proptest::collection::vec(op(), 1..100)) {
            check(ops);
        }
    }
}
