//! The dynamic table of HPACK (RFC 7541, sections 2.3.2 and 4), together with the static one.

use std::collections::VecDeque;

use super::fields::OVERHEAD;
use super::static_table::STATIC;

/// The size that a table has, and may have at most, until SETTINGS say something else. The shunt's never do.
pub(super) const DEFAULT_SIZE: usize = 4096;

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// The newest comes first.
    entries: VecDeque<Entry>,
    size: usize,
    max_size: usize,
}

#[derive(Debug)]
struct Entry {
    bytes: Box<[u8]>,
    name_len: usize,
}

impl Entry {
    fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}

impl Table {
    pub(super) fn new() -> Table {
        Table { entries: VecDeque::new(), size: 0, max_size: DEFAULT_SIZE }
    }

    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    pub(super) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict(0);
    }

    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let entry = Entry { bytes: [name, value].concat().into_boxed_slice(), name_len: name.len() };
        self.evict(entry.size());
        // One that is larger than the table empties it, and is not in it.
        if entry.size() <= self.max_size {
            self.size += entry.size();
            self.entries.push_front(entry);
        }
    }

    fn evict(&mut self, room: usize) {
        while self.size + room > self.max_size
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size();
        }
    }

    /// Name and value of an index of both tables.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let index = index.checked_sub(1)?;
        if let Some(field) = STATIC.get(index) {
            return Some(*field);
        }
        let entry = self.entries.get(index - STATIC.len())?;
        Some(entry.bytes.split_at(entry.name_len))
    }

    /// The index of this very field.
    pub(super) fn find(&self, name: &[u8], value: &[u8]) -> Option<usize> {
        let is_it = |entry: &Entry| {
            entry.name_len == name.len()
                && entry.bytes.len() == name.len() + value.len()
                && entry.bytes.ends_with(value)
                && entry.bytes.starts_with(name)
        };
        self.entries.iter().position(is_it).map(|at| at + 1 + STATIC.len())
    }
}
