//! Walks the top-level records of one protobuf message.
//!
//! Holds: never a panic, never a read past the buffer; the records' ranges follow one another
//! without a gap. A message is accepted if gogo, protobuf-go and prost all accept it; where one of them refuses
//! it or reads it differently (field numbers past 2^29-1, which gogo truncates to 32 bits; the tenth byte of
//! a varint above 1; groups closed by another number) the message is refused.

use std::ops::Range;

/// Deepest nesting of groups that is walked; prost stops at 100 levels as well.
const MAX_GROUP_DEPTH: usize = 100;

/// Largest field number that the encoding specification allows.
pub(super) const MAX_NUMBER: u32 = (1 << 29) - 1;

/// Why bytes are not a protobuf message, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed protobuf message at byte {offset}: {fault}")]
pub struct WireError {
    /// The problem.
    pub fault: WireFault,
    /// Byte offset in the message that was handed in.
    pub offset: usize,
}

/// What can be wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// The message ends inside a record.
    #[error("the message ends inside a field")]
    Truncated,
    /// A varint of more than ten bytes, or more than 64 bits.
    #[error("a number longer than 64 bits")]
    LongVarint,
    /// A field number of 0 or past 2^29-1.
    #[error("a field number out of range")]
    BadNumber,
    /// Wire types 6 and 7 do not exist.
    #[error("an unknown wire type")]
    BadWireType,
    /// A group that nothing closes, or that another number closes, or an end without a start.
    #[error("an unbalanced group")]
    BadGroup,
    /// Groups nested deeper than any implementation reads.
    #[error("groups nested too deep")]
    TooDeep,
}

impl WireFault {
    pub(super) fn at(self, offset: usize) -> WireError {
        WireError { fault: self, offset }
    }
}

/// The wire type of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    /// Wire type 0.
    Varint,
    /// Wire type 1, eight bytes.
    Fixed64,
    /// Wire type 2: strings, bytes, embedded messages, map entries, packed lists.
    Len,
    /// Wire types 3 and 4, with everything between.
    Group,
    /// Wire type 5, four bytes.
    Fixed32,
}

/// One top-level record of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Field number, 1 to 2^29-1.
    pub number: u32,
    /// Wire type.
    pub wire_type: WireType,
    /// From the first byte of the tag to the last byte of the value.
    pub range: Range<usize>,
    /// Length of the tag; tags may be overlong and are kept as they are.
    pub tag_len: usize,
    /// The value: the varint's bytes, the fixed bytes, what the length counts, or a group's records
    /// up to its end tag.
    pub payload: Range<usize>,
}

/// Iterator over the records of a message; see [`records`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    buf: &'a [u8],
    pos: usize,
}

/// All top-level records of a message, in order. After the first error it ends.
///
/// Encoding: protobuf.dev, "Encoding"; wire types 0 to 5.
#[must_use]
pub fn records(buf: &[u8]) -> Records<'_> {
    Records { buf, pos: 0 }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.pos >= self.buf.len() {
            return None;
        }
        let record = record(self.buf, self.pos);
        self.pos = record.as_ref().map_or(self.buf.len(), |r| r.range.end);
        Some(record)
    }
}

fn record(buf: &[u8], start: usize) -> Result<Record, WireError> {
    let tag = tag(buf, start)?;
    let (wire_type, payload, end) = match tag.wire_type {
        3 => {
            let (inner_end, end) = group_end(buf, tag.end, tag.number)?;
            (WireType::Group, tag.end..inner_end, end)
        }
        4 => return Err(WireFault::BadGroup.at(start)),
        _ => {
            let (wire_type, payload) = value(buf, &tag)?;
            let end = payload.end;
            (wire_type, payload, end)
        }
    };
    Ok(Record { number: tag.number, wire_type, range: start..end, tag_len: tag.end - start, payload })
}

struct Tag {
    number: u32,
    wire_type: u8,
    start: usize,
    end: usize,
}

fn tag(buf: &[u8], start: usize) -> Result<Tag, WireError> {
    let (key, end) = varint(buf, start)?;
    match u32::try_from(key >> 3) {
        Ok(number @ 1..=MAX_NUMBER) => Ok(Tag { number, wire_type: (key & 7) as u8, start, end }),
        _ => Err(WireFault::BadNumber.at(start)),
    }
}

/// Wire type and payload range of a value that is not a group.
fn value(buf: &[u8], tag: &Tag) -> Result<(WireType, Range<usize>), WireError> {
    let (wire_type, begin, len) = match tag.wire_type {
        0 => {
            let (_, end) = varint(buf, tag.end)?;
            (WireType::Varint, tag.end, (end - tag.end) as u64)
        }
        1 => (WireType::Fixed64, tag.end, 8),
        2 => {
            let (len, begin) = varint(buf, tag.end)?;
            (WireType::Len, begin, len)
        }
        5 => (WireType::Fixed32, tag.end, 4),
        _ => return Err(WireFault::BadWireType.at(tag.start)),
    };
    // The subtraction can't wrap (begin <= buf.len()), where an addition of a hostile length could.
    if len > (buf.len() - begin) as u64 {
        return Err(WireFault::Truncated.at(begin));
    }
    Ok((wire_type, begin..begin + len as usize))
}

/// Where the records of a group end, and where its end tag ends. A stack instead of recursion, so
/// that hostile nesting costs no native stack.
fn group_end(buf: &[u8], mut pos: usize, number: u32) -> Result<(usize, usize), WireError> {
    let mut open = vec![number];
    loop {
        let tag = tag(buf, pos)?;
        pos = match tag.wire_type {
            3 if open.len() >= MAX_GROUP_DEPTH => return Err(WireFault::TooDeep.at(pos)),
            3 => {
                open.push(tag.number);
                tag.end
            }
            4 if open.pop() != Some(tag.number) => return Err(WireFault::BadGroup.at(pos)),
            4 if open.is_empty() => return Ok((pos, tag.end)),
            4 => tag.end,
            _ => value(buf, &tag)?.1.end,
        };
    }
}

/// A varint at `start`: value and end. Overlong forms up to ten bytes are values.
pub(super) fn varint(buf: &[u8], start: usize) -> Result<(u64, usize), WireError> {
    let mut value = 0;
    for (i, &byte) in buf.get(start..).unwrap_or_default().iter().take(10).enumerate() {
        if i == 9 && byte > 1 {
            return Err(WireFault::LongVarint.at(start));
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok((value, start + i + 1));
        }
    }
    // Ten bytes never come here: the tenth is a last one or refused.
    Err(WireFault::Truncated.at(start))
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
