//! Builds and takes apart HTTP/2 connections, plainly: whole frames, whole blocks.

use crate::serve::listener::authority::huffman::{self, tests::encode};
use proptest::prelude::*;

/// A representation (RFC 7541, section 6), dynamic indexes left as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rep {
    /// An indexed field in one byte, `0x80 | index`.
    Index(u8),
    /// A number in a prefix: an indexed field (7 bits, 0x80) or a table size (5 bits, 0x20).
    Number { kind: u8, prefix: u32, number: u32 },
    /// Kind 0x40, 0x00 or 0x10.
    Literal { kind: u8, name: Name, value: Vec<u8>, is_huffman: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Index(u32),
    Text(Vec<u8>, bool),
}

fn put_number(out: &mut Vec<u8>, kind: u8, prefix: u32, number: u32) {
    let most = (1u32 << prefix) - 1;
    if number < most {
        out.push(kind | number as u8);
        return;
    }
    out.push(kind | most as u8);
    let mut rest = number - most;
    while rest >= 128 {
        out.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    out.push(rest as u8);
}

fn put_string(out: &mut Vec<u8>, string: &[u8], is_huffman: bool) {
    let coded = if is_huffman { encode(string) } else { string.to_vec() };
    put_number(out, u8::from(is_huffman) << 7, 7, coded.len() as u32);
    out.extend(coded);
}

pub(super) fn encode_block(reps: &[Rep]) -> Vec<u8> {
    let mut out = Vec::new();
    for rep in reps {
        match rep {
            Rep::Index(byte) => out.push(*byte),
            Rep::Number { kind, prefix, number } => put_number(&mut out, *kind, *prefix, *number),
            Rep::Literal { kind, name, value, is_huffman } => {
                let prefix = if *kind == 0x40 { 6 } else { 4 };
                match name {
                    Name::Index(index) => put_number(&mut out, *kind, prefix, *index),
                    Name::Text(text, is_huffman) => {
                        out.push(*kind);
                        put_string(&mut out, text, *is_huffman);
                    }
                }
                put_string(&mut out, value, *is_huffman);
            }
        }
    }
    out
}

fn number(block: &mut &[u8], prefix: u32) -> u32 {
    let most = (1u32 << prefix) - 1;
    let mut number = u32::from(take(block, 1)[0]) & most;
    let mut shift = 0;
    while number >= most {
        let byte = take(block, 1)[0];
        number += u32::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            break;
        }
    }
    number
}

fn take<'a>(block: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = block.split_at(n);
    *block = rest;
    taken
}

fn string(block: &mut &[u8]) -> (Vec<u8>, bool) {
    let is_huffman = block[0] & 0x80 != 0;
    let len = number(block, 7) as usize;
    let coded = take(block, len);
    (if is_huffman { huffman::decode(coded).unwrap() } else { coded.to_vec() }, is_huffman)
}

pub(super) fn decode_block(mut block: &[u8]) -> Vec<Rep> {
    let mut reps = Vec::new();
    while let Some(&byte) = block.first() {
        reps.push(match byte {
            0x80..0xff => Rep::Index(take(&mut block, 1)[0]),
            0xff => Rep::Number { kind: 0x80, prefix: 7, number: number(&mut block, 7) },
            0x20..0x40 => Rep::Number { kind: 0x20, prefix: 5, number: number(&mut block, 5) },
            _ => {
                let (kind, prefix) = if byte & 0x40 != 0 { (0x40, 6) } else { (byte & 0x10, 4) };
                let name = match number(&mut block, prefix) {
                    0 => {
                        let (text, is_huffman) = string(&mut block);
                        Name::Text(text, is_huffman)
                    }
                    index => Name::Index(index),
                };
                let (value, is_huffman) = string(&mut block);
                Rep::Literal { kind, name, value, is_huffman }
            }
        });
    }
    reps
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub(super) fn head(&self) -> (u8, u8, u32, usize) {
        (self.kind, self.flags, self.stream, self.payload.len())
    }

    /// The header block fragment; nothing for frames that carry none.
    pub(super) fn fragment(&self) -> Vec<u8> {
        let mut rest = &self.payload[..];
        match self.kind {
            1 => {
                let padding = if self.flags & 8 != 0 { usize::from(take(&mut rest, 1)[0]) } else { 0 };
                take(&mut rest, if self.flags & 0x20 != 0 { 5 } else { 0 });
                rest[..rest.len() - padding].to_vec()
            }
            9 => rest.to_vec(),
            _ => Vec::new(),
        }
    }
}

pub(super) fn frames(frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    for Frame { kind, flags, stream, payload } in frames {
        out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
        out.extend_from_slice(&[*kind, *flags]);
        out.extend_from_slice(&stream.to_be_bytes());
        out.extend_from_slice(payload);
    }
    out
}

/// Whole frames, and the rest.
pub(super) fn deframe(mut bytes: &[u8]) -> (Vec<Frame>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if len > rest.len() {
            break;
        }
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let (payload, rest) = rest.split_at(len);
        frames.push(Frame { kind: head[3], flags: head[4], stream, payload: payload.to_vec() });
        bytes = rest;
    }
    (frames, bytes)
}

/// A block as HEADERS and CONTINUATION frames, cut where told.
pub(super) fn block_frames(
    stream: u32,
    block: &[u8],
    cuts: &[usize],
    padding: Option<u8>,
    has_priority: bool,
) -> Vec<Frame> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| (*cut).min(block.len())).collect();
    ends.sort_unstable();
    ends.push(block.len());
    let mut frames = Vec::new();
    let mut start = 0;
    for end in ends {
        let (mut payload, mut flags) = (Vec::new(), 0);
        if start == 0 && frames.is_empty() {
            payload.extend(padding);
            payload.extend_from_slice(if has_priority { &[0, 0, 0, 0, 16] } else { &[] });
            flags = u8::from(padding.is_some()) << 3 | u8::from(has_priority) << 5;
        }
        payload.extend_from_slice(&block[start..end]);
        if frames.is_empty() {
            payload.extend(std::iter::repeat_n(0, usize::from(padding.unwrap_or(0))));
        }
        frames.push(Frame { kind: if frames.is_empty() { 1 } else { 9 }, flags, stream, payload });
        start = end;
    }
    frames.last_mut().unwrap().flags |= 4;
    frames
}

/// A header block, the frames that carry it, and other frames around it.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub reps: Vec<Rep>,
    pub frames: Vec<Frame>,
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "/run/[a-zA-Z0-9./_-]{0,60}",
        2 => "%2F[a-z]{1,9}%2F[a-z.]{1,60}",
        2 => "[a-z.]{1,20}(:[0-9]{1,5})?",
        1 => "[ -~]{0,40}",
        1 => "/[a-z]{400,1200}",
        1 => "[\u{0}-\u{2ff}]{0,20}",
    ]
    .prop_map(String::into_bytes)
}

fn rep() -> impl Strategy<Value = Rep> {
    let text = prop_oneof![
        2 => Just(":authority".to_owned()),
        1 => Just(":authoritz".to_owned()),
        1 => Just(":authorit".to_owned()),
        2 => "[a-z-]{0,20}",
        1 => "[a-z-]{120,300}",
    ];
    let name = prop_oneof![
        3 => Just(Name::Index(1)),
        2 => (2u32..5000).prop_map(Name::Index),
        3 => (text, any::<bool>()).prop_map(|(text, h)| Name::Text(text.into_bytes(), h)),
    ];
    let literal = (prop::sample::select(&[0x40u8, 0, 0x10][..]), name, value(), any::<bool>())
        .prop_map(|(kind, name, value, is_huffman)| Rep::Literal { kind, name, value, is_huffman });
    prop_oneof![
        3 => (0x80u8..0xff).prop_map(Rep::Index),
        1 => (127u32..9000).prop_map(|number| Rep::Number { kind: 0x80, prefix: 7, number }),
        1 => (0u32..9000).prop_map(|number| Rep::Number { kind: 0x20, prefix: 5, number }),
        5 => literal,
    ]
}

fn other() -> impl Strategy<Value = Vec<Frame>> {
    let kind = prop::sample::select(&[0u8, 2, 3, 4, 6, 8, 0xaa][..]);
    let payload = prop::collection::vec(any::<u8>(), 0..60);
    let frame = (kind, any::<u8>(), payload).prop_map(|(kind, flags, payload)| Frame {
        kind,
        flags,
        stream: 1,
        payload,
    });
    prop::collection::vec(frame, 0..3)
}

pub(super) fn block() -> impl Strategy<Value = Block> {
    (
        prop::collection::vec(rep(), 0..8),
        prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        prop::option::weighted(0.3, any::<u8>()),
        any::<bool>(),
        other(),
        other(),
    )
        .prop_map(|(reps, cuts, padding, has_priority, before, after)| {
            let block = encode_block(&reps);
            let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(block.len() + 1)).collect();
            let carried = block_frames(3, &block, &cuts, padding, has_priority);
            Block { reps, frames: [before, carried, after].concat() }
        })
}
