//! Writes header blocks (RFC 7541, sections 5 and 6).
//!
//! Holds: strings are not Huffman-coded: on a Unix socket bytes cost less than bits.

use super::static_table::STATIC;
use super::table::{DEFAULT_SIZE, Table};

/// The names whose values come again with the next call.
const KEPT: [&[u8]; 6] =
    [b":path", b":authority", b"content-type", b"user-agent", b"te", b"grpc-accept-encoding"];
/// Larger fields do not stay in a table for long.
const MAX_KEPT: usize = 512;

/// Writes the blocks of one connection, in their order.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    /// The next block has to say how large the table is.
    is_resized: bool,
}

impl Encoder {
    /// One that has written nothing.
    pub fn new() -> Encoder {
        Encoder { table: Table::new(), is_resized: false }
    }

    /// Notes how large the reader lets the table be.
    pub fn set_limit(&mut self, limit: u32) {
        let limit = usize::try_from(limit).unwrap_or(DEFAULT_SIZE);
        if limit < self.table.max_size() {
            self.table.set_max_size(limit);
            self.is_resized = true;
        }
    }

    /// To be called before the fields of a block.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_resized) {
            integer(out, 0x20, 5, self.table.max_size());
        }
    }

    /// Writes a field.
    pub fn field(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        let (name_index, index) = static_index(name, value);
        if let Some(index) = index {
            return integer(out, 0x80, 7, index);
        }
        if !KEPT.contains(&name) || name.len() + value.len() > MAX_KEPT {
            return literal(out, 0, 4, name_index, name, value);
        }
        if let Some(index) = self.table.find(name, value) {
            return integer(out, 0x80, 7, index);
        }
        literal(out, 0x40, 6, name_index, name, value);
        self.table.insert(name, value);
    }
}

/// Writes a field in a way that touches no table.
pub fn field_without_table(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let (name_index, index) = static_index(name, value);
    match index {
        Some(index) => integer(out, 0x80, 7, index),
        None => literal(out, 0, 4, name_index, name, value),
    }
}

/// The index of the name in the static table, or 0, and that of the field.
fn static_index(name: &[u8], value: &[u8]) -> (usize, Option<usize>) {
    let first = match name {
        b":authority" => 1,
        b":method" => 2,
        b":path" => 4,
        b":scheme" => 6,
        b":status" => 8,
        b"content-type" => 31,
        b"user-agent" => 58,
        _ => return (0, None),
    };
    let same_name = STATIC[first - 1..].iter().take_while(|(known, _)| *known == name);
    let found = same_name.into_iter().position(|(_, known)| *known == value && !value.is_empty());
    (first, found.map(|at| first + at))
}

fn literal(out: &mut Vec<u8>, first: u8, prefix: u32, name_index: usize, name: &[u8], value: &[u8]) {
    integer(out, first, prefix, name_index);
    if name_index == 0 {
        integer(out, 0, 7, name.len());
        out.extend_from_slice(name);
    }
    integer(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

fn integer(out: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let mask = (1usize << prefix) - 1;
    if value < mask {
        return out.push(first | value as u8);
    }
    out.push(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
