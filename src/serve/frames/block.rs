//! Header blocks: one that comes in several frames, and the one that ends an answer with a status.

use http::{HeaderMap, HeaderValue};
use tonic::Status;

use super::hpack::encoder::field_without_table;

/// A header block that has not ended.
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) end_stream: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) frames: usize,
}

/// The block that ends an answer with a status; `is_alone` if it is all of the answer.
pub(super) fn block_of(status: &Status, is_alone: bool) -> Vec<u8> {
    let mut fields = HeaderMap::new();
    let mut block = Vec::new();
    if is_alone {
        field_without_table(&mut block, b":status", b"200");
        field_without_table(&mut block, b"content-type", b"application/grpc");
    }
    if status.add_header(&mut fields).is_err() {
        fields.insert("grpc-status", HeaderValue::from(status.code() as i32));
    }
    for (name, value) in &fields {
        field_without_table(&mut block, name.as_str().as_bytes(), value.as_bytes());
    }
    block
}
