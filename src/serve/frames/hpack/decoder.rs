//! Reads header blocks (RFC 7541, sections 5 and 6).

use super::fields::Fields;
use super::huffman;
use super::table::{DEFAULT_SIZE, Table};

/// The block breaks HPACK: no block after it on its connection can be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads the blocks of one connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
}

/// What is left of a block.
struct Rest<'a>(&'a [u8]);

impl Decoder {
    /// One that has read nothing.
    pub fn new() -> Decoder {
        Decoder { table: Table::new() }
    }

    /// Reads a whole block into `fields`.
    pub fn decode(&mut self, block: &[u8], fields: &mut Fields) -> Result<(), Malformed> {
        let mut rest = Rest(block);
        let mut may_resize = true;
        while let Some(first) = rest.0.first() {
            if first & 0xe0 == 0x20 {
                let size = rest.integer(5)?;
                if !may_resize || size > DEFAULT_SIZE {
                    return Err(Malformed);
                }
                self.table.set_max_size(size);
                continue;
            }
            may_resize = false;
            self.field(&mut rest, *first, fields)?;
        }
        Ok(())
    }

    fn field(&mut self, rest: &mut Rest<'_>, first: u8, fields: &mut Fields) -> Result<(), Malformed> {
        let (prefix, is_kept) = match first.leading_zeros() {
            0 => {
                let (name, value) = self.table.get(rest.integer(7)?).ok_or(Malformed)?;
                fields.push(name, value);
                return Ok(());
            }
            1 => (6, true),
            _ => (4, false),
        };
        let index = rest.integer(prefix)?;
        let start = fields.begin();
        let out = fields.bytes();
        match index {
            0 => rest.string(out)?,
            index => out.extend_from_slice(self.table.get(index).ok_or(Malformed)?.0),
        }
        let name_end = out.len();
        rest.string(out)?;
        if is_kept {
            let (name, value) = out[start..].split_at(name_end - start);
            self.table.insert(name, value);
        }
        fields.end(start, name_end);
        Ok(())
    }
}

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    fn integer(&mut self, prefix: u32) -> Result<usize, Malformed> {
        let mask = (1 << prefix) - 1;
        let mut value = usize::from(self.byte()? & mask);
        if value < usize::from(mask) {
            return Ok(value);
        }
        // Four bytes more are enough for whatever can be in a block.
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let is_huffman = self.0.first().ok_or(Malformed)? & 0x80 != 0;
        let len = self.integer(7)?;
        let (string, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        if is_huffman {
            return huffman::decode_into(string, out).ok_or(Malformed);
        }
        out.extend_from_slice(string);
        Ok(())
    }
}
