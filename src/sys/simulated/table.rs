//! [`Table`]: values under numbers that are never given twice, so that an event for something that is gone finds nothing.

/// The name of a value in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    place: u32,
    serial: u32,
}

pub(super) struct Table<T> {
    places: Vec<Option<(u32, T)>>,
    free: Vec<u32>,
    serial: u32,
}

impl<T> Table<T> {
    pub(super) fn new() -> Table<T> {
        Table { places: Vec::new(), free: Vec::new(), serial: 0 }
    }

    pub(super) fn insert(&mut self, value: T) -> Key {
        self.serial += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        self.places[place as usize] = Some((self.serial, value));
        Key { place, serial: self.serial }
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        match self.places.get(key.place as usize)? {
            Some((serial, value)) if *serial == key.serial => Some(value),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.places.get_mut(key.place as usize)? {
            Some((serial, value)) if *serial == key.serial => Some(value),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        self.free.push(key.place);
        self.places[key.place as usize].take().map(|(_, value)| value)
    }

    /// The keys of all that are like this, in an order that depends on nothing but what happened to the table.
    pub(super) fn keys(&self, is_wanted: impl Fn(&T) -> bool) -> Vec<Key> {
        let places = self.places.iter().enumerate();
        places
            .filter_map(|(place, value)| {
                let (serial, value) = value.as_ref()?;
                is_wanted(value).then_some(Key { place: place as u32, serial: *serial })
            })
            .collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}
