//! Header blocks (HPACK, RFC 7541): read with a bounded table, written with one or without.
//!
//! Holds: no block makes a reader keep more than a table of [`table::DEFAULT_SIZE`] and a list of [`fields::MAX_LIST`],
//! unless the shunt has written it itself.

pub(super) mod decoder;
pub(super) mod encoder;
pub(super) mod fields;
mod huffman;
mod static_table;
mod table;

#[cfg(test)]
mod tests;
