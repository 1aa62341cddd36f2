//! The fields of one header block.
//!
//! Holds: all of them lie in one piece of memory, which the next block uses again.

/// The most bytes that the fields of a block may have, each counted with [`OVERHEAD`].
pub const MAX_LIST: usize = 32 << 10;
/// What an entry costs beside its bytes (RFC 7541, section 4.1).
pub(super) const OVERHEAD: usize = 32;

/// A list of names and values.
#[derive(Debug)]
pub struct Fields {
    bytes: Vec<u8>,
    /// Where each name and each value ends.
    ends: Vec<(usize, usize)>,
    /// The most bytes that it may have.
    limit: usize,
    is_too_large: bool,
}

impl Default for Fields {
    fn default() -> Self {
        Fields::with_limit(MAX_LIST)
    }
}

impl Fields {
    fn with_limit(limit: usize) -> Fields {
        Fields { bytes: Vec::new(), ends: Vec::new(), limit, is_too_large: false }
    }

    /// Of what the shunt itself has written: it may have any number of bytes.
    pub fn of_own() -> Fields {
        Fields::with_limit(usize::MAX)
    }

    /// Takes all of them away.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > 4096 {
            *self = Fields::with_limit(self.limit);
        }
        self.bytes.clear();
        self.ends.clear();
        self.is_too_large = false;
    }

    /// Adds a field, unless the list becomes too large, or is: a few bytes may stand for thousands of long fields.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        if self.is_too_large {
            return;
        }
        let start = self.begin();
        self.bytes.extend_from_slice(name);
        let name_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.end(start, name_end);
    }

    /// Where the next field begins. It is written to [`bytes`](Self::bytes), and counts with [`end`](Self::end).
    pub(super) fn begin(&self) -> usize {
        self.ends.last().map_or(0, |(_, end)| *end)
    }

    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn end(&mut self, start: usize, name_end: usize) {
        if self.bytes.len() + (self.ends.len() + 1) * OVERHEAD > self.limit {
            self.is_too_large = true;
            self.bytes.truncate(start);
        } else {
            self.ends.push((name_end, self.bytes.len()));
        }
    }

    /// Whether fields are missing because the list is too large.
    pub fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |(name_end, end)| {
            let field = (&self.bytes[start..*name_end], &self.bytes[*name_end..*end]);
            start = *end;
            field
        })
    }
}
