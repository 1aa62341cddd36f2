//! Walks HTTP/2 frames (RFC 9113, sections 3.4, 4.1, 6.2 and 6.10) and repairs values where they lie.
//!
//! Holds: frames keep their lengths, so nothing moves; a frame's length costs no memory, DATA is
//! stepped over. If the bytes are not a client's HTTP/2, the walk ends for good and lets all pass: `h2`
//! ends such a connection itself.

use super::hpack::{Value, Walker};
use super::value;
use std::ops::Range;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_LEN: usize = 9;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The most bytes that wait for the end of one value; a longer wait lets the value pass as it came.
/// Room for the longest value that is repaired, spread over CONTINUATION frames.
pub(super) const MAX_HELD: usize = 4096;

/// Longest coded value that is repaired. A socket path has 107 bytes at most, percent-encoded 321.
const MAX_VALUE: usize = 1024;

/// The walk through the bytes of one connection, from its start.
#[derive(Debug)]
pub(super) struct Walk {
    at: At,
    /// The stream whose header block has not ended.
    open_block: Option<[u8; 4]>,
    walker: Walker,
    /// The value that begins with the next byte, not judged yet.
    pending: Option<Value>,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// So many bytes of the preface were there.
    Preface(usize),
    /// So many bytes of a frame's head were there.
    Head([u8; HEAD_LEN], usize),
    /// Before the padding length of a HEADERS frame with so long a payload.
    PadLength(Payload),
    Payload(Payload),
    /// No HTTP/2.
    Lost,
}

/// The rest of a frame's payload, in this order.
#[derive(Debug, Clone, Copy, Default)]
struct Payload {
    skip: usize,
    fragment: usize,
    padding: usize,
    /// The header block ends with this frame.
    ends_block: bool,
}

struct Head {
    len: usize,
    kind: u8,
    flags: u8,
    stream: [u8; 4],
}

impl Head {
    fn parse(bytes: [u8; HEAD_LEN]) -> Head {
        let [a, b, c, kind, flags, s1, s2, s3, s4] = bytes;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        // The reserved bit says nothing (RFC 9113, section 4.1).
        Head { len, kind, flags, stream: [s1 & 0x7f, s2, s3, s4] }
    }
}

/// Where a value's bytes lie.
enum ValueSpans {
    Whole(Vec<Range<usize>>),
    /// More bytes must come first.
    Unfinished,
    /// It is too long, or its block ends before it does.
    Never,
}

impl Walk {
    pub(super) fn new() -> Walk {
        Walk { at: At::Preface(0), open_block: None, walker: Walker::new(), pending: None }
    }

    /// Walks bytes that follow what was passed before, repairs them in place, and answers how many may
    /// go out. The others begin with a value that is not whole: they must come again, with more.
    pub(super) fn pass(&mut self, bytes: &mut [u8]) -> usize {
        let mut pos = 0;
        while pos < bytes.len() {
            if let Some(value) = self.pending {
                if !self.judge(&mut bytes[pos..], value) {
                    return pos;
                }
                self.pending = None;
            }
            pos += match self.at {
                At::Lost => return bytes.len(),
                At::Preface(have) => self.preface(&bytes[pos..], have),
                At::Head(head, have) => self.head(&bytes[pos..], head, have),
                At::PadLength(payload) => self.pad_length(bytes[pos], payload),
                At::Payload(payload) => self.payload(&bytes[pos..], payload),
            };
        }
        pos
    }

    fn preface(&mut self, bytes: &[u8], have: usize) -> usize {
        let n = bytes.len().min(PREFACE.len() - have);
        self.at = if bytes[..n] != PREFACE[have..have + n] {
            At::Lost
        } else if have + n < PREFACE.len() {
            At::Preface(have + n)
        } else {
            At::Head([0; HEAD_LEN], 0)
        };
        n
    }

    fn head(&mut self, bytes: &[u8], mut head: [u8; HEAD_LEN], have: usize) -> usize {
        let n = bytes.len().min(HEAD_LEN - have);
        head[have..have + n].copy_from_slice(&bytes[..n]);
        self.at = if have + n < HEAD_LEN { At::Head(head, have + n) } else { self.begin(&Head::parse(head)) };
        n
    }

    fn begin(&mut self, head: &Head) -> At {
        let ends_block = head.flags & END_HEADERS != 0;
        match (head.kind, self.open_block) {
            (HEADERS, None) => {
                self.open_block = Some(head.stream);
                let skip = if head.flags & PRIORITY != 0 { 5 } else { 0 };
                let payload = Payload { skip, fragment: head.len, padding: 0, ends_block };
                if head.flags & PADDED != 0 { At::PadLength(payload) } else { shaped(payload, 0) }
            }
            (CONTINUATION, Some(stream)) if stream == head.stream => {
                At::Payload(Payload { fragment: head.len, ends_block, ..Payload::default() })
            }
            (CONTINUATION, _) | (_, Some(_)) => At::Lost,
            (_, None) => At::Payload(Payload { skip: head.len, ..Payload::default() }),
        }
    }

    fn pad_length(&mut self, byte: u8, payload: Payload) -> usize {
        self.at = match payload.fragment.checked_sub(1) {
            Some(fragment) => shaped(Payload { fragment, ..payload }, usize::from(byte)),
            None => At::Lost,
        };
        1
    }

    /// A part of a payload; 0 where the payload is over.
    fn payload(&mut self, bytes: &[u8], mut payload: Payload) -> usize {
        let part = if payload.skip > 0 {
            &mut payload.skip
        } else if payload.fragment > 0 {
            return self.fragment(bytes, payload);
        } else if payload.padding > 0 {
            &mut payload.padding
        } else {
            self.end(payload);
            return 0;
        };
        let n = bytes.len().min(*part);
        *part -= n;
        self.at = At::Payload(payload);
        n
    }

    fn fragment(&mut self, bytes: &[u8], payload: Payload) -> usize {
        let n = bytes.len().min(payload.fragment);
        let n = match self.walker.feed(&bytes[..n]) {
            Ok(None) => n,
            Ok(Some((at, value))) => {
                self.pending = Some(value);
                at
            }
            Err(_) => {
                self.at = At::Lost;
                return n;
            }
        };
        self.at = At::Payload(Payload { fragment: payload.fragment - n, ..payload });
        n
    }

    fn end(&mut self, payload: Payload) {
        if payload.ends_block {
            self.open_block = None;
        }
        // A block that ends inside a representation is a connection error to `h2`.
        let is_torn = payload.ends_block && !self.walker.is_between();
        self.at = if is_torn { At::Lost } else { At::Head([0; HEAD_LEN], 0) };
    }

    /// Repairs the value with which `bytes` begin. False: it is not whole yet.
    fn judge(&self, bytes: &mut [u8], value: Value) -> bool {
        let spans = match self.find(bytes, value.len) {
            ValueSpans::Unfinished => return false,
            ValueSpans::Never => return true,
            ValueSpans::Whole(spans) => spans,
        };
        if let [span] = &spans[..] {
            value::repair(&mut bytes[span.clone()], value.is_huffman);
            return true;
        }
        let mut coded: Vec<u8> = spans.iter().flat_map(|span| &bytes[span.clone()]).copied().collect();
        value::repair(&mut coded, value.is_huffman);
        let mut rest = &coded[..];
        for span in spans {
            let (piece, more) = rest.split_at(span.len());
            bytes[span].copy_from_slice(piece);
            rest = more;
        }
        true
    }

    /// Looks ahead for the bytes of a value, across CONTINUATION frames, without walking.
    fn find(&self, bytes: &[u8], len: usize) -> ValueSpans {
        let At::Payload(mut payload) = self.at else { return ValueSpans::Never };
        let (mut pos, mut left, mut spans) = (0, len, Vec::new());
        if len > MAX_VALUE {
            return ValueSpans::Never;
        }
        while left > 0 {
            let n = left.min(payload.fragment);
            if n > 0 {
                spans.push(pos..pos + n);
            }
            left -= n;
            pos += n;
            if left > 0 {
                if payload.ends_block {
                    return ValueSpans::Never;
                }
                pos += payload.padding;
                if let Some(head) = bytes.get(pos..).and_then(<[u8]>::first_chunk::<HEAD_LEN>) {
                    let head = Head::parse(*head);
                    if head.kind != CONTINUATION || self.open_block != Some(head.stream) {
                        return ValueSpans::Never;
                    }
                    let ends_block = head.flags & END_HEADERS != 0;
                    payload = Payload { fragment: head.len, ends_block, ..Payload::default() };
                }
                pos += HEAD_LEN;
            }
            if pos > MAX_HELD {
                return ValueSpans::Never;
            }
            if pos > bytes.len() {
                return ValueSpans::Unfinished;
            }
        }
        ValueSpans::Whole(spans)
    }
}

/// The payload of a HEADERS frame, once its padding is known; all of it must fit.
fn shaped(payload: Payload, padding: usize) -> At {
    match payload.fragment.checked_sub(payload.skip + padding) {
        Some(fragment) => At::Payload(Payload { fragment, padding, ..payload }),
        None => At::Lost,
    }
}
