//! Random messages as trees of records; an edit of the tree must give the bytes that `wire` gives.

use crate::wire::record::WireFault;
use crate::wire::record::{MAX_NUMBER, WireType, put_varint};
use crate::wire::{cut, each, get, get_varint, records, set};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Value {
    Varint(u64, usize),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(Vec<u8>),
    Message(Vec<Node>),
    Group(Vec<Node>),
}

/// A record, with the zero bytes by which its tag and its length are spelled longer than needed.
#[derive(Debug, Clone)]
pub(super) struct Node {
    number: u32,
    tag_pad: usize,
    len_pad: usize,
    value: Value,
}

fn put_padded(out: &mut Vec<u8>, value: u64, pad: usize) {
    let start = out.len();
    put_varint(out, value);
    let pad = pad.min(10 - (out.len() - start));
    if pad > 0 {
        *out.last_mut().unwrap() |= 0x80;
        out.extend(std::iter::repeat_n(0x80, pad - 1));
        out.push(0);
    }
}

fn tag(out: &mut Vec<u8>, node: &Node, wire_type: u64) {
    put_padded(out, u64::from(node.number) << 3 | wire_type, node.tag_pad);
}

pub(super) fn encode(nodes: &[Node]) -> Vec<u8> {
    let mut out = Vec::new();
    for node in nodes {
        match &node.value {
            Value::Varint(v, pad) => {
                tag(&mut out, node, 0);
                put_padded(&mut out, *v, *pad);
            }
            Value::Fixed64(v) => {
                tag(&mut out, node, 1);
                out.extend_from_slice(v);
            }
            Value::Fixed32(v) => {
                tag(&mut out, node, 5);
                out.extend_from_slice(v);
            }
            Value::Bytes(_) | Value::Message(_) => {
                let inner = payload(node);
                tag(&mut out, node, 2);
                put_padded(&mut out, inner.len() as u64, node.len_pad);
                out.extend(inner);
            }
            Value::Group(inner) => {
                tag(&mut out, node, 3);
                out.extend(encode(inner));
                tag(&mut out, node, 4);
            }
        }
    }
    out
}

fn payload(node: &Node) -> Vec<u8> {
    match &node.value {
        Value::Message(inner) => encode(inner),
        Value::Bytes(bytes) => bytes.clone(),
        _ => unreachable!("asked of length-delimited nodes only"),
    }
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 1u32..=2, 2 => 3u32..=20, 1 => 100u32..=5000, 1 => Just(MAX_NUMBER)]
}

pub(super) fn padding() -> impl Strategy<Value = usize> {
    prop_oneof![6 => Just(0usize), 1 => 1usize..=9]
}

/// Nodes whose length-delimited values are messages for `depth` levels, and any bytes below.
pub(super) fn nodes(depth: u32, numbers: BoxedStrategy<u32>) -> BoxedStrategy<Vec<Node>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes);
    let len = if depth == 0 {
        bytes.boxed()
    } else {
        nodes(depth - 1, number().boxed()).prop_map(Value::Message).boxed()
    };
    let group = if depth == 0 { Just(Vec::new()).boxed() } else { nodes(0, number().boxed()) };
    let value = prop_oneof![
        6 => len,
        1 => (any::<u64>(), padding()).prop_map(|(v, pad)| Value::Varint(v, pad)),
        1 => any::<[u8; 8]>().prop_map(Value::Fixed64),
        1 => any::<[u8; 4]>().prop_map(Value::Fixed32),
        1 => group.prop_map(Value::Group),
    ];
    let node = (numbers, padding(), padding(), value).prop_map(|(number, tag_pad, len_pad, value)| Node {
        number,
        tag_pad,
        len_pad,
        value,
    });
    prop::collection::vec(node, 0..6).boxed()
}

fn message() -> BoxedStrategy<Vec<Node>> {
    nodes(2, number().boxed())
}

/// Payloads at a path, in order.
fn payloads(nodes: &[Node], path: &[u32]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for node in nodes.iter().filter(|n| n.number == path[0]) {
        match &node.value {
            Value::Message(_) | Value::Bytes(_) if path.len() == 1 => found.push(payload(node)),
            Value::Message(inner) if path.len() > 1 => found.extend(payloads(inner, &path[1..])),
            _ => {}
        }
    }
    found
}

/// Replaces what `f` answers for each node at a path; `Some(None)` drops it. Says whether it changed
/// anything: parents of a change get the shortest length, others keep theirs.
fn edit(nodes: &mut Vec<Node>, path: &[u32], f: &mut dyn FnMut() -> Option<Option<Vec<u8>>>) -> bool {
    let mut changed = false;
    let mut kept = Vec::new();
    for mut node in std::mem::take(nodes) {
        let mut keep = true;
        let is_len = matches!(node.value, Value::Message(_) | Value::Bytes(_));
        if node.number == path[0] && is_len && path.len() == 1 {
            match f() {
                None => {}
                Some(None) => (keep, changed) = (false, true),
                Some(Some(new)) => {
                    (node.value, node.len_pad, changed) = (Value::Bytes(new), 0, true);
                }
            }
        } else if node.number == path[0]
            && let Value::Message(inner) = &mut node.value
            && edit(inner, &path[1..], f)
        {
            (node.len_pad, changed) = (0, true);
        }
        if keep {
            kept.push(node);
        }
    }
    *nodes = kept;
    changed
}

const PATHS: [&[u32]; 4] = [&[1], &[1, 1], &[2, 2, 1], &[1, 2]];

proptest! {
    #[test]
    fn records_cover_the_message_without_a_gap(tree in message()) {
        let bytes = encode(&tree);
        let mut end = 0;
        for (node, record) in tree.iter().zip(records(&bytes)) {
            let record = record.unwrap();
            prop_assert_eq!((record.number, record.range.start), (node.number, end));
            prop_assert_eq!(&bytes[record.range.clone()], &encode(std::slice::from_ref(node))[..]);
            if record.wire_type == WireType::Len {
                prop_assert_eq!(&bytes[record.payload], &payload(node)[..]);
            }
            end = record.range.end;
        }
        prop_assert_eq!(end, bytes.len());
    }

    #[test]
    fn get_and_each_answer_what_the_tree_holds(tree in message(), path in prop::sample::select(&PATHS[..])) {
        let bytes = encode(&tree);
        let want = payloads(&tree, path);
        prop_assert_eq!(get(&bytes, path).unwrap(), want.last().map(|v| &v[..]));
        let got: Vec<_> = each(&bytes, path).unwrap().into_iter().map(|r| bytes[r].to_vec()).collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn set_replaces_the_last_and_cuts_the_others(
        tree in message(),
        path in prop::sample::select(&PATHS[..]),
        value in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = encode(&tree);
        let got = set(&bytes, path, &value).unwrap();
        prop_assert_eq!(get(&got, path).unwrap(), Some(&value[..]));
        let mut left = payloads(&tree, path).len();
        if left == 0 {
            // Where nothing was, there is one now. The whole can have become shorter: a parent that is
            // edited gets the shortest length.
            prop_assert_eq!(each(&got, path).unwrap().len(), 1);
        } else {
            let mut want = tree.clone();
            edit(&mut want, path, &mut || {
                left -= 1;
                Some((left == 0).then(|| value.clone()))
            });
            prop_assert_eq!(got, encode(&want));
        }
    }

    #[test]
    fn set_of_an_absent_field_keeps_every_byte_in_order(tree in message(), value in any::<[u8; 3]>()) {
        let bytes = encode(&tree);
        let got = set(&bytes, &[77, 78], &value).unwrap();
        prop_assert_eq!(&got[..bytes.len()], &bytes[..]);
        prop_assert_eq!(&got[bytes.len()..], [0xea, 0x04, 6, 0xf2, 0x04, 3, value[0], value[1], value[2]]);
    }

    #[test]
    fn cut_removes_all_and_nothing_else(tree in message(), path in prop::sample::select(&PATHS[..])) {
        let mut want = tree.clone();
        edit(&mut want, path, &mut || Some(None));
        prop_assert_eq!(cut(&encode(&tree), path).unwrap(), encode(&want));
    }

    #[test]
    fn cut_off_messages_are_errors_not_panics(tree in message(), at in any::<prop::sample::Index>()) {
        let bytes = encode(&tree);
        let bytes = &bytes[..at.index(bytes.len() + 1)];
        for path in PATHS {
            let read = (get(bytes, path).is_ok(), get_varint(bytes, path).is_ok());
            let written = (set(bytes, path, b"x").is_ok(), cut(bytes, path).is_ok());
            prop_assert_eq!(read, written);
        }
    }

    #[test]
    fn any_bytes_are_read_as_prost_reads_them(bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), 0u8..32, 0x80u8..0x90], 0..60,
    )) {
        let ours = records(&bytes).find_map(Result::err);
        let theirs = <() as prost::Message>::decode(&bytes[..]);
        prop_assert_eq!(ours.is_none(), theirs.is_ok(), "{:?} {:?}", ours, theirs);
        prop_assert!(ours.is_none_or(|e| e.offset <= bytes.len() && e.fault != WireFault::TooDeep));
        for path in PATHS {
            if let Ok(set) = set(&bytes, path, b"x") {
                prop_assert_eq!(get(&set, path), Ok(Some(&b"x"[..])));
            }
            if let Ok(cut) = cut(&bytes, path) {
                prop_assert_eq!(get(&cut, path), Ok(None));
            }
        }
    }
}
