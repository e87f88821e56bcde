//! What few tasks have: a name, and local values. The details of a task have one pointer for both.
//!
//! What a local value is, and who may see it, is the business of `runtime/local.rs`: here it has a key and belongs to a
//! task. Dropping one is code of the user's, so no function here does it: what goes out is handed out.

use std::any::Any;
use std::rc::Rc;

/// See the head of this file.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) name: Option<Rc<str>>,
    /// In the order in which they were first set. Few, so they are searched one by one.
    locals: Vec<LocalValue>,
}

/// One of a task's local values.
#[derive(Clone)]
pub(crate) struct LocalValue {
    key: LocalKey,
    value: Rc<dyn Any>,
}

/// Which local value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalKey {
    /// Where its `static` lies.
    pub(crate) address: usize,
    /// Whether the tasks that a task spawns begin with it.
    pub(crate) inherited: bool,
}

impl Extras {
    /// `None` if there is nothing to keep.
    pub(crate) fn new(name: Option<Rc<str>>, locals: Vec<LocalValue>) -> Option<Box<Extras>> {
        (name.is_some() || !locals.is_empty()).then(|| Box::new(Extras { name, locals }))
    }

    pub(crate) fn local(&self, key: LocalKey) -> Option<Rc<dyn Any>> {
        self.locals.iter().find(|local| local.key == key).map(|local| local.value.clone())
    }

    /// The value that was there before.
    pub(crate) fn set_local(&mut self, key: LocalKey, value: Rc<dyn Any>) -> Option<Rc<dyn Any>> {
        if let Some(local) = self.locals.iter_mut().find(|local| local.key == key) {
            return Some(std::mem::replace(&mut local.value, value));
        }
        self.locals.push(LocalValue { key, value });
        None
    }

    pub(crate) fn take_local(&mut self, key: LocalKey) -> Option<Rc<dyn Any>> {
        let place = self.locals.iter().position(|local| local.key == key)?;
        Some(self.locals.remove(place).value)
    }

    /// What a task begins with that is spawned by this one: the same values, not copies.
    pub(crate) fn inherited(&self) -> Vec<LocalValue> {
        self.locals.iter().filter(|local| local.key.inherited).cloned().collect()
    }

    /// All values, to be dropped one by one.
    pub(crate) fn into_locals(self) -> Vec<LocalValue> {
        self.locals
    }
}
