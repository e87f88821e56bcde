//! [`Extensions`]: what modules above the runtime keep one of for each runtime, such as a pool of threads.
//!
//! The runtime knows none of them: it holds them by type, and drops them at its end, after the tasks and before the
//! timers and sources that they may still use.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::rc::Rc;

use crate::task;

/// At most one value of each type. There are a handful, so they are looked for one by one.
#[derive(Default)]
pub(crate) struct Extensions {
    values: RefCell<Vec<(TypeId, Rc<dyn Any>)>>,
}

impl Extensions {
    /// The value of this type, if there is one.
    pub(crate) fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let values = self.values.borrow();
        let found = values.iter().find(|(of, _)| *of == TypeId::of::<T>())?;
        found.1.clone().downcast().ok()
    }

    /// The value of this type, made now if there is none. `make` runs outside of all borrows.
    pub(crate) fn get_or_insert_with<T: 'static>(&self, make: impl FnOnce() -> T) -> Rc<T> {
        self.get().unwrap_or_else(|| {
            let value = Rc::new(make());
            self.put(value.clone());
            value
        })
    }

    /// Puts a value in the place of the one of its type, which is dropped when nobody uses it any more.
    pub(crate) fn set<T: 'static>(&self, value: T) {
        self.put(Rc::new(value));
    }

    fn put<T: 'static>(&self, value: Rc<T>) {
        let of = TypeId::of::<T>();
        let mut values = self.values.borrow_mut();
        let old = values.iter().position(|(other, _)| *other == of).map(|at| values.remove(at));
        values.push((of, value));
        drop(values);
        drop(old);
    }

    /// Drops all, the youngest first, also those that such a drop puts here.
    pub(super) fn clear(&self) {
        loop {
            let last = self.values.borrow_mut().pop();
            match last {
                Some(value) => task::let_go(value),
                None => return,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Told(&'static str, Rc<RefCell<Vec<&'static str>>>);

    impl Drop for Told {
        fn drop(&mut self) {
            // The list is not borrowed while a value is dropped: it may be looked at.
            self.1.borrow_mut().push(self.0);
        }
    }

    struct First(#[allow(dead_code, reason = "only its drop matters")] Told);
    struct Second(#[allow(dead_code, reason = "only its drop matters")] Told);

    #[test]
    fn there_is_one_of_each_type_and_the_youngest_is_dropped_first() {
        let told = Rc::new(RefCell::new(Vec::new()));
        let extensions = Extensions::default();
        assert!(extensions.get::<First>().is_none());
        extensions.get_or_insert_with(|| First(Told("first", told.clone())));
        extensions.get_or_insert_with(|| -> First { panic!("there is one") });
        extensions.set(Second(Told("second", told.clone())));
        extensions.set(First(Told("another first", told.clone())));
        assert_eq!(*told.borrow(), ["first"]);
        extensions.clear();
        assert_eq!(*told.borrow(), ["first", "another first", "second"]);
        assert!(extensions.get::<Second>().is_none());
    }
}
