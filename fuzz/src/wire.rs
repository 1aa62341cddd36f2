//! Any bytes as a message, and as the frame around one: no panic, and after an edit `get` answers the edit.

use bytes::Bytes;
use cri_shunt::inside::containerd::{frame, unframe};
use cri_shunt::inside::wire::{cri, cut, each, get, get_varint, records, set};

const PATHS: [&[u32]; 4] = [
    cri::pull_image_request::IMAGE,
    cri::pull_image_request::AUTH,
    cri::create_container_request::IMAGE,
    cri::mount::IMAGE,
];

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(message) = unframe(&Bytes::copy_from_slice(bytes)) {
        assert!(bytes.starts_with(&frame(&message)));
    }
    let mut end = 0;
    for record in records(bytes).map_while(Result::ok) {
        assert_eq!(record.range.start, end);
        end = record.range.end;
        assert!(record.payload.end <= end && end <= bytes.len());
    }
    for path in PATHS {
        let _ = get_varint(bytes, path);
        let before = get(bytes, path);
        let edited = set(bytes, path, b"docker.io/library/x:1");
        assert_eq!(before.is_ok(), edited.is_ok());
        if let Ok(edited) = edited {
            assert_eq!(get(&edited, path), Ok(Some(&b"docker.io/library/x:1"[..])));
        }
        if let Ok(less) = cut(bytes, path) {
            assert_eq!(get(&less, path), Ok(None));
        }
        if let Ok(found) = each(bytes, path) {
            assert_eq!(before.unwrap(), found.last().map(|range| &bytes[range.clone()]));
        }
    }
}
