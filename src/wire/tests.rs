//! `wire` against two models: prost's decode of the merged message, and an edit of a record tree.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod against_prost;
mod against_tree;

use super::record::WireFault;
use super::{WireError, append, cri, get, get_varint, records, set};
use prost::Message as _;

fn fault(bytes: &[u8]) -> (WireFault, usize) {
    let error = records(bytes).find_map(Result::err).expect("these bytes are malformed");
    (error.fault, error.offset)
}

#[test]
fn malformed_bytes_are_named_with_their_place() {
    let deep: Vec<u8> = std::iter::repeat_n(0x0b, 101).chain(std::iter::repeat_n(0x0c, 101)).collect();
    let rows: &[(&str, &[u8], WireFault, usize)] = &[
        ("half a tag", &[0x8a], WireFault::Truncated, 0),
        ("a tag without a value", &[0x08], WireFault::Truncated, 1),
        ("a length without bytes", &[0x08, 1, 0x0a, 5, 1], WireFault::Truncated, 4),
        (
            "a length of 2^64-1",
            &[0x0a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            WireFault::Truncated,
            11,
        ),
        (
            "eleven bytes of varint",
            &[0x08, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0],
            WireFault::LongVarint,
            1,
        ),
        ("65 bits", &[0x08, 128, 128, 128, 128, 128, 128, 128, 128, 128, 2], WireFault::LongVarint, 1),
        ("number 0", &[0x02, 0], WireFault::BadNumber, 0),
        // gogo reads 2^32+1 as 1: the classic way to show two readers two images.
        ("number 2^32+1", &[0x8a, 0x80, 0x80, 0x80, 0x80, 0x01, 0], WireFault::BadNumber, 0),
        ("number 2^29", &[0x82, 0x80, 0x80, 0x80, 0x10, 0], WireFault::BadNumber, 0),
        ("wire type 6", &[0x0e], WireFault::BadWireType, 0),
        ("wire type 7 inside a group", &[0x0b, 0x0f], WireFault::BadWireType, 1),
        ("an end without a start", &[0x0c], WireFault::BadGroup, 0),
        ("a group closed by another number", &[0x0b, 0x14], WireFault::BadGroup, 1),
        ("a group left open", &[0x0b, 0x08, 1], WireFault::Truncated, 3),
        ("101 groups", &deep, WireFault::TooDeep, 100),
    ];
    for &(name, bytes, want, offset) in rows {
        assert_eq!(fault(bytes), (want, offset), "{name}");
    }
}

#[test]
fn offsets_count_from_the_outermost_message() {
    let inner = [0x12, 0x01, 0x00, 0x0e];
    let bytes = append(&[0x18, 0x01], 1, &inner);
    let error = get(&bytes, &[1, 1]).unwrap_err();
    assert_eq!(error, WireError { fault: WireFault::BadWireType, offset: 7 });
    assert_eq!(error.to_string(), "malformed protobuf message at byte 7: an unknown wire type");
}

#[test]
fn last_occurrence_wins_and_an_explicit_empty_one_counts() {
    let spec = |image: &str| append(&[], 1, image.as_bytes());
    let bytes = append(&append(&[], 1, &spec("a")), 1, &spec("b"));
    assert_eq!(get(&bytes, &[1, 1]), Ok(Some(&b"b"[..])));
    let bytes = append(&bytes, 1, &spec(""));
    assert_eq!(get(&bytes, &[1, 1]), Ok(Some(&b""[..])));
    // A parent without the field merges and hides nothing.
    let bytes = append(&append(&[], 1, &spec("a")), 1, &[]);
    assert_eq!(get(&bytes, &[1, 1]), Ok(Some(&b"a"[..])));
    assert_eq!(get(&bytes, &[2]), Ok(None));
}

#[test]
fn record_of_another_wire_type_is_no_value_and_stays() {
    // image.image as a varint, then as a string, then `image` as a fixed32.
    let bytes = [0x0a, 0x05, 0x08, 0x01, 0x0a, 0x01, b'x', 0x0d, 1, 2, 3, 4];
    assert_eq!(get(&bytes, &[1, 1]), Ok(Some(&b"x"[..])));
    let want = [0x0a, 0x06, 0x08, 0x01, 0x0a, 0x02, b'y', b'z', 0x0d, 1, 2, 3, 4];
    assert_eq!(set(&bytes, &[1, 1], b"yz").unwrap(), want);
}

#[test]
fn absent_field_is_put_into_the_last_parent_or_a_new_one() {
    assert_eq!(set(&[], &[1, 1], b"x").unwrap(), [0x0a, 3, 0x0a, 1, b'x']);
    let bytes = [0x0a, 0, 0x10, 1, 0x0a, 0, 0x10, 2];
    assert_eq!(set(&bytes, &[1, 1], b"x").unwrap(), [0x0a, 0, 0x10, 1, 0x0a, 3, 0x0a, 1, b'x', 0x10, 2]);
}

#[test]
fn varints_are_read_last_wins_and_overlong() {
    let verbose = cri::image_status_request::VERBOSE;
    assert_eq!(get_varint(&[0x10, 1, 0x10, 0x80, 0x00], verbose), Ok(Some(0)));
    assert_eq!(get_varint(&[0x10, 0, 0x10, 0x81, 0x80, 0x00], verbose), Ok(Some(1)));
    assert_eq!(get_varint(&[0x12, 1, 1], verbose), Ok(None));
}

#[test]
fn appended_map_entry_is_read_by_prost() {
    let old = k8s_cri::v1::ImageStatusResponse {
        info: [("info".to_owned(), "{}".to_owned())].into(),
        ..Default::default()
    };
    let entry = cri::map_entry("cri-shunt", "{\"asked\":1}");
    let bytes = append(&old.encode_to_vec(), cri::image_status_response::INFO, &entry);
    let mut want = old;
    want.info.insert("cri-shunt".to_owned(), "{\"asked\":1}".to_owned());
    assert_eq!(k8s_cri::v1::ImageStatusResponse::decode(&*bytes).unwrap(), want);
}
