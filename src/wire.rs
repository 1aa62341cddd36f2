//! Reads and edits single protobuf fields on raw message bytes.
//!
//! Holds: bytes that an edit does not own come out as they went in, in the same order: fields that
//! no type of ours knows, overlong varints, groups. What two protobuf implementations would read
//! differently is an error, never a guess.
//! Not here: the CRI's types, which come from `k8s-cri`; `cri` only names the fields that are edited.

mod field;
mod record;

pub mod cri;

#[cfg(test)]
mod tests;

pub use field::{append, cut, each, get, get_varint, set};
pub use record::{WireError, records};
