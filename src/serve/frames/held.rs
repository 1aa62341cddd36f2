//! Answers that the client has no room for yet.
//!
//! Holds: frames leave in the order in which they came.

use super::head::{DATA, END_STREAM, HEAD, Head, PADDED, put, put_head};

/// A piece of a frame that is shorter than this costs more than it brings.
const LEAST: i64 = 1 << 10;

/// Whole frames for the client.
#[derive(Debug, Default)]
pub(super) struct Held {
    frames: Vec<u8>,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Where a frame is written that has to wait.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.frames
    }

    /// Moves what the client has room for to `out`, and takes it from `room`. How much DATA that was.
    ///
    /// A frame that is longer than the room leaves in pieces: a client that gives little at a time would never have room
    /// for all of it, if another answer with shorter frames uses what it gives.
    pub(super) fn release(&mut self, room: &mut i64, out: &mut Vec<u8>) -> u32 {
        let (mut at, mut moved) = (0, 0);
        while let Some(head) = Head::read(&self.frames[at..]) {
            if head.kind == DATA {
                if head.len as i64 > *room {
                    break;
                }
                *room -= head.len as i64;
                moved += head.len as u32;
            }
            at += HEAD + head.len;
        }
        out.extend_from_slice(&self.frames[..at]);
        self.frames.drain(..at);
        if self.frames.is_empty() {
            self.frames = Vec::new();
        }
        moved + self.split(room, out)
    }

    /// Moves the first bytes of a DATA frame that is too long for the room. How many.
    fn split(&mut self, room: &mut i64, out: &mut Vec<u8>) -> u32 {
        let Some(head) = Head::read(&self.frames) else { return 0 };
        let piece = *room;
        if piece < LEAST || head.has(PADDED) {
            return 0;
        }
        let len = piece as usize;
        put(out, DATA, head.flags & !END_STREAM, head.stream, &self.frames[HEAD..HEAD + len]);
        let mut rest = Vec::new();
        put_head(&mut rest, head.len - len, DATA, head.flags, head.stream);
        // What is left of the frame has its head where the piece was.
        self.frames.drain(..len);
        self.frames[..HEAD].copy_from_slice(&rest);
        *room = 0;
        piece as u32
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::HEADERS;
    use super::*;

    #[test]
    fn a_long_frame_leaves_in_pieces_where_little_room_is_given() {
        let message: Vec<u8> = (0..5000).map(|at| at as u8).collect();
        let mut held = Held::default();
        put(held.end(), DATA, END_STREAM, 3, &message);
        put(held.end(), HEADERS, 0, 5, b"x");
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        for (room, piece) in [(3000, 0..3000), (LEAST - 1, 3000..3000), (1500, 3000..4500)] {
            let mut left = room;
            assert_eq!(held.release(&mut left, &mut out) as usize, piece.len());
            assert_eq!(left, room - piece.len() as i64);
            if !piece.is_empty() {
                put(&mut expected, DATA, 0, 3, &message[piece]);
            }
        }
        assert_eq!(held.release(&mut 500, &mut out), 500);
        put(&mut expected, DATA, END_STREAM, 3, &message[4500..]);
        put(&mut expected, HEADERS, 0, 5, b"x");
        assert_eq!(out, expected);
        assert!(held.is_empty());
    }

    #[test]
    fn a_padded_frame_stays_whole() {
        let (mut held, mut out) = (Held::default(), Vec::new());
        put(held.end(), DATA, PADDED, 3, &[0; 3000]);
        assert_eq!(held.release(&mut 2000, &mut out), 0);
        assert_eq!(held.release(&mut 3000, &mut out), 3000);
    }
}
