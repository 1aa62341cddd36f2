//! Frames of HTTP/2 (RFC 9113, sections 4 and 6): their heads, and those that the shunt writes itself.

use h2::Reason;

/// The first bytes of a client.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a frame's head is.
pub(super) const HEAD: usize = 9;
/// How long a payload may be. Nobody is told that it may be longer.
pub(super) const MAX_PAYLOAD: usize = 16_384;
/// How large a window may become.
pub(super) const MAX_WINDOW: i64 = (1 << 31) - 1;
/// How large every window is at first.
pub(super) const WINDOW: u32 = 65_535;

pub(super) const DATA: u8 = 0x0;
pub(super) const HEADERS: u8 = 0x1;
pub(super) const PRIORITY: u8 = 0x2;
pub(super) const RST_STREAM: u8 = 0x3;
pub(super) const SETTINGS: u8 = 0x4;
pub(super) const PUSH_PROMISE: u8 = 0x5;
pub(super) const PING: u8 = 0x6;
pub(super) const GOAWAY: u8 = 0x7;
pub(super) const WINDOW_UPDATE: u8 = 0x8;
pub(super) const CONTINUATION: u8 = 0x9;

/// Of DATA and HEADERS.
pub(super) const END_STREAM: u8 = 0x1;
/// Of SETTINGS and PING.
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const WITH_PRIORITY: u8 = 0x20;

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) len: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    /// The head that `bytes` begin with, if they are enough.
    pub(super) fn read(bytes: &[u8]) -> Option<Head> {
        let [a, b, c, kind, flags, s1, s2, s3, s4] = *bytes.first_chunk::<HEAD>()?;
        Some(Head {
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            // The reserved bit says nothing.
            stream: u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]),
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload of DATA or HEADERS without padding and priority.
    pub(super) fn content<'a>(&self, mut payload: &'a [u8]) -> Result<&'a [u8], Reason> {
        let mut padding = 0;
        if self.has(PADDED) {
            let (first, rest) = payload.split_first().ok_or(Reason::PROTOCOL_ERROR)?;
            (padding, payload) = (usize::from(*first), rest);
        }
        if self.kind == HEADERS && self.has(WITH_PRIORITY) {
            let (priority, rest) = payload.split_first_chunk::<5>().ok_or(Reason::PROTOCOL_ERROR)?;
            let [a, b, c, d, _] = *priority;
            // A stream that waits for itself.
            if u32::from_be_bytes([a & 0x7f, b, c, d]) == self.stream {
                return Err(Reason::PROTOCOL_ERROR);
            }
            payload = rest;
        }
        let len = payload.len().checked_sub(padding).ok_or(Reason::PROTOCOL_ERROR)?;
        Ok(&payload[..len])
    }
}

/// A whole frame: its head, its payload, and how long both are.
type Next<'a> = (Head, &'a [u8], usize);

/// The next whole frame of `bytes`. None if more has to come first.
pub(super) fn next(bytes: &[u8]) -> Result<Option<Next<'_>>, Reason> {
    let Some(head) = Head::read(bytes) else { return Ok(None) };
    if head.len > MAX_PAYLOAD {
        return Err(Reason::FRAME_SIZE_ERROR);
    }
    let end = HEAD + head.len;
    Ok(bytes.get(HEAD..end).map(|payload| (head, payload, end)))
}

/// A payload that is a number, as of RST_STREAM and WINDOW_UPDATE.
pub(super) fn number(payload: &[u8]) -> Result<u32, Reason> {
    payload.try_into().map(u32::from_be_bytes).map_err(|_| Reason::FRAME_SIZE_ERROR)
}

/// What WINDOW_UPDATE adds to a window.
pub(super) fn increment(payload: &[u8]) -> Result<u32, Reason> {
    number(payload).map(|number| number & 0x7fff_ffff)
}

pub(super) fn put_head(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream: u32) {
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let [s1, s2, s3, s4] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, s1, s2, s3, s4]);
}

pub(super) fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    put_head(out, payload.len(), kind, flags, stream);
    out.extend_from_slice(payload);
}

/// A block as HEADERS, and CONTINUATION where it is long.
pub(super) fn put_block(out: &mut Vec<u8>, stream: u32, block: &[u8], end_stream: bool) {
    let mut kind = HEADERS;
    let mut flags = if end_stream { END_STREAM } else { 0 };
    let mut rest = block;
    while rest.len() > MAX_PAYLOAD {
        let (piece, more) = rest.split_at(MAX_PAYLOAD);
        put(out, kind, flags, stream, piece);
        (kind, flags, rest) = (CONTINUATION, 0, more);
    }
    put(out, kind, flags | END_HEADERS, stream, rest);
}

/// Adds to a window, unless that is nothing.
pub(super) fn put_credit(out: &mut Vec<u8>, stream: u32, increment: u32) {
    if increment > 0 {
        put(out, WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
    }
}

pub(super) fn put_reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    put(out, RST_STREAM, 0, stream, &u32::from(reason).to_be_bytes());
}

pub(super) fn put_goaway(out: &mut Vec<u8>, last: u32, reason: Reason) {
    let payload = u64::from(last) << 32 | u64::from(u32::from(reason));
    put(out, GOAWAY, 0, 0, &payload.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_are_written() {
        let mut out = Vec::new();
        put_reset(&mut out, 7, Reason::CANCEL);
        put_credit(&mut out, 0, 0);
        put_credit(&mut out, 5, 9);
        let (head, payload, len) = next(&out).unwrap().unwrap();
        assert_eq!(head, Head { len: 4, kind: RST_STREAM, flags: 0, stream: 7 });
        assert_eq!(number(payload), Ok(8));
        let (head, payload, end) = next(&out[len..]).unwrap().unwrap();
        assert_eq!((head.stream, increment(payload)), (5, Ok(9)));
        assert_eq!(len + end, out.len());
        assert_eq!(next(&out[..len - 1]), Ok(None));
        assert_eq!(next(&[0, 0x40, 1, 0, 0, 0, 0, 0, 1]), Err(Reason::FRAME_SIZE_ERROR));
    }

    #[test]
    fn a_long_block_goes_on_in_other_frames() {
        let block = vec![7; 2 * MAX_PAYLOAD + 1];
        let mut out = Vec::new();
        put_block(&mut out, 3, &block, true);
        let (mut at, mut read, mut frames) = (0, Vec::new(), Vec::new());
        while let Some((head, payload, len)) = next(&out[at..]).unwrap() {
            read.extend_from_slice(payload);
            frames.push((head.kind, head.flags));
            at += len;
        }
        assert_eq!(frames, [(HEADERS, END_STREAM), (CONTINUATION, 0), (CONTINUATION, END_HEADERS)]);
        assert_eq!(read, block);
    }

    #[test]
    fn padding_and_priority_are_left_out() {
        let head = |flags, len| Head { len, kind: HEADERS, flags, stream: 3 };
        let payload = [2, 0, 0, 0, 1, 9, b'a', b'b', 0, 0];
        assert_eq!(head(PADDED | WITH_PRIORITY, 10).content(&payload), Ok(&b"ab"[..]));
        assert_eq!(head(0, 10).content(&payload), Ok(&payload[..]));
        assert_eq!(head(PADDED, 1).content(&[1]), Err(Reason::PROTOCOL_ERROR));
        assert_eq!(head(WITH_PRIORITY, 5).content(&[0, 0, 0, 3, 0]), Err(Reason::PROTOCOL_ERROR));
        assert_eq!(head(PADDED, 0).content(&[]), Err(Reason::PROTOCOL_ERROR));
    }
}
