//! Reads and replaces the value at a path of field numbers.
//!
//! Holds: `get` answers what gogo, protobuf-go and prost answer: occurrences of an embedded message
//! merge, the last occurrence of a scalar wins, a record of another wire type is ignored. After `set` and
//! `cut` the same is true of the new bytes; every other record is unchanged and in its old place.

use super::record::{Record, WireError, WireType, put_varint, records, varint};
use std::ops::Range;

/// The value of a string, bytes or message field at `path`, e.g. `[1, 1]` for the `image` inside
/// `PullImageRequest.image`. `None` = absent. An embedded message comes as its last occurrence only;
/// [`each`] gives all.
pub fn get<'a>(buf: &'a [u8], path: &[u32]) -> Result<Option<&'a [u8]>, WireError> {
    Ok(last(buf, path, WireType::Len)?.map(|range| &buf[range]))
}

/// The value of a varint field (bool, enum, integer) at `path`.
pub fn get_varint(buf: &[u8], path: &[u32]) -> Result<Option<u64>, WireError> {
    let Some(range) = last(buf, path, WireType::Varint)? else { return Ok(None) };
    Ok(Some(varint(buf, range.start)?.0))
}

/// Payload ranges of every length-delimited field at `path`, in order, across all occurrences of its
/// parents: the elements of a repeated field, the entries of a map, the pieces of one message.
pub fn each(buf: &[u8], path: &[u32]) -> Result<Vec<Range<usize>>, WireError> {
    let mut found = Vec::new();
    visit(buf, 0, path, WireType::Len, &mut |range| found.push(range))?;
    Ok(found)
}

/// The same bytes with the value at `path` replaced. Every occurrence of the field is cut and the new
/// one stands where the last stood; without one it is appended to the last occurrence of its
/// parent, or to parents made for it at the end.
pub fn set(buf: &[u8], path: &[u32], value: &[u8]) -> Result<Vec<u8>, WireError> {
    let Some(kept) = last(buf, path, WireType::Len)? else { return insert(buf, 0, path, value) };
    let edited = rewrite(buf, 0, path, &mut |range| {
        if range == kept { Edit::Replace(value.to_vec()) } else { Edit::Drop }
    })?;
    Ok(edited.unwrap_or_else(|| buf.to_vec()))
}

/// The same bytes without any occurrence of the field at `path`. Parents stay, even empty ones.
pub fn cut(buf: &[u8], path: &[u32]) -> Result<Vec<u8>, WireError> {
    let edited = rewrite(buf, 0, path, &mut |_| Edit::Drop)?;
    Ok(edited.unwrap_or_else(|| buf.to_vec()))
}

/// The same bytes with one more length-delimited record at the end: a map entry, a list element.
#[must_use]
pub fn append(buf: &[u8], number: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(buf.len() + payload.len() + 15);
    out.extend_from_slice(buf);
    put_varint(&mut out, u64::from(number) << 3 | 2);
    put_len(&mut out, payload);
    out
}

enum Edit {
    Keep,
    Drop,
    Replace(Vec<u8>),
}

/// Payload range of the last occurrence of the field at `path`.
fn last(buf: &[u8], path: &[u32], wire_type: WireType) -> Result<Option<Range<usize>>, WireError> {
    let mut found = None;
    visit(buf, 0, path, wire_type, &mut |range| found = Some(range))?;
    Ok(found)
}

/// Calls `f` with the payload range of each field at `path`; `base` is where `buf` begins in the whole.
fn visit(
    buf: &[u8],
    base: usize,
    path: &[u32],
    wire_type: WireType,
    f: &mut dyn FnMut(Range<usize>),
) -> Result<(), WireError> {
    let Some((&number, rest)) = path.split_first() else { return Ok(()) };
    for record in records(buf) {
        let record = record.map_err(|e| shift(e, base))?;
        if record.number != number {
            continue;
        }
        if rest.is_empty() {
            if record.wire_type == wire_type {
                f(base + record.payload.start..base + record.payload.end);
            }
        } else if record.wire_type == WireType::Len {
            let start = base + record.payload.start;
            visit(&buf[record.payload], start, rest, wire_type, f)?;
        }
    }
    Ok(())
}

/// Edits each length-delimited field at `path`. `None` = nothing changed, so that parents keep their
/// own spelling of tag and length.
fn rewrite(
    buf: &[u8],
    base: usize,
    path: &[u32],
    f: &mut dyn FnMut(Range<usize>) -> Edit,
) -> Result<Option<Vec<u8>>, WireError> {
    let Some((&number, rest)) = path.split_first() else { return Ok(None) };
    let mut out: Option<Vec<u8>> = None;
    for record in records(buf) {
        let record = record.map_err(|e| shift(e, base))?;
        let start = base + record.payload.start;
        let edit = if record.number != number || record.wire_type != WireType::Len {
            Edit::Keep
        } else if rest.is_empty() {
            f(start..base + record.payload.end)
        } else {
            rewrite(&buf[record.payload.clone()], start, rest, f)?.map_or(Edit::Keep, Edit::Replace)
        };
        match (&mut out, edit) {
            (None, Edit::Keep) => {}
            (None, Edit::Drop) => out = Some(buf[..record.range.start].to_vec()),
            (None, Edit::Replace(value)) => {
                let mut copy = buf[..record.range.start].to_vec();
                put_record(&mut copy, buf, &record, &value);
                out = Some(copy);
            }
            (Some(out), Edit::Keep) => out.extend_from_slice(&buf[record.range]),
            (Some(_), Edit::Drop) => {}
            (Some(out), Edit::Replace(value)) => put_record(out, buf, &record, &value),
        }
    }
    Ok(out)
}

/// Puts a value into the last occurrence of its parent, or at the end under new parents.
fn insert(buf: &[u8], base: usize, path: &[u32], value: &[u8]) -> Result<Vec<u8>, WireError> {
    let Some((&number, rest)) = path.split_first() else { return Ok(value.to_vec()) };
    let mut parent: Option<Record> = None;
    for record in records(buf) {
        let record = record.map_err(|e| shift(e, base))?;
        if !rest.is_empty() && record.number == number && record.wire_type == WireType::Len {
            parent = Some(record);
        }
    }
    let Some(parent) = parent else { return Ok(append(buf, number, &insert(&[], 0, rest, value)?)) };
    let inner = insert(&buf[parent.payload.clone()], base + parent.payload.start, rest, value)?;
    let mut out = buf[..parent.range.start].to_vec();
    put_record(&mut out, buf, &parent, &inner);
    out.extend_from_slice(&buf[parent.range.end..]);
    Ok(out)
}

/// A length-delimited record with its old tag and a new value.
fn put_record(out: &mut Vec<u8>, buf: &[u8], record: &Record, value: &[u8]) {
    let start = record.range.start;
    out.extend_from_slice(&buf[start..start + record.tag_len]);
    put_len(out, value);
}

fn put_len(out: &mut Vec<u8>, value: &[u8]) {
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn shift(error: WireError, base: usize) -> WireError {
    WireError { offset: error.offset + base, ..error }
}
