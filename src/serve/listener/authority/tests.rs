//! The filter against connections that are built and taken apart here, by the book and without its code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod connection;
mod through_h2;

use super::Filter;
use super::frames::MAX_HELD;
use connection::{Frame, Name, Rep, block_frames, decode_block, deframe, encode_block, frames};
use http::uri::Authority;
use proptest::prelude::*;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A peer whose bytes come in pieces of the given sizes, over and over; 0 = not now.
struct Peer<'a> {
    bytes: &'a [u8],
    sizes: &'a [usize],
    turn: usize,
}

impl AsyncRead for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        if size == 0 {
            return Poll::Pending;
        }
        let (now, later) = self.bytes.split_at(size.min(self.bytes.len()).min(buf.remaining()));
        buf.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// All that comes out of the filter, read with buffers of `room` bytes. Panics where it holds too much.
fn filtered_in(bytes: &[u8], sizes: &[usize], room: usize) -> Vec<u8> {
    let mut filter = Filter::new(Peer { bytes, sizes, turn: 0 });
    let mut context = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    let mut space = vec![0; room];
    loop {
        let mut buf = ReadBuf::new(&mut space);
        match Pin::new(&mut filter).poll_read(&mut context, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => return out,
            Poll::Ready(Ok(())) => out.extend_from_slice(buf.filled()),
            Poll::Ready(Err(error)) => panic!("the peer makes no errors: {error}"),
            Poll::Pending => {}
        }
        assert!(filter.held.len() <= MAX_HELD, "{} bytes held", filter.held.len());
    }
}

fn filtered(bytes: &[u8]) -> Vec<u8> {
    filtered_in(bytes, &[usize::MAX], 1 << 20)
}

fn authority(name: Name, value: &str, is_huffman: bool) -> Rep {
    Rep::Literal { kind: 0x40, name, value: value.into(), is_huffman }
}

fn by_index(value: &str) -> Rep {
    authority(Name::Index(1), value, false)
}

fn request(reps: &[Rep]) -> Vec<u8> {
    [PREFACE, &frames(&block_frames(1, &encode_block(reps), &[], None, false))].concat()
}

fn reps_of(connection: &[u8]) -> Vec<Rep> {
    let (frames, rest) = deframe(&connection[PREFACE.len()..]);
    assert_eq!(rest, b"", "whole frames");
    decode_block(&frames.iter().flat_map(Frame::fragment).collect::<Vec<_>>())
}

/// What the filter must make of a representation, if it may not come out as it is.
fn is_repaired(rep: &Rep) -> bool {
    let Rep::Literal { name, value, is_huffman, .. } = rep else { return false };
    let is_name = match name {
        Name::Index(index) => *index == 1,
        Name::Text(text, _) => text == b":authority",
    };
    let coded = if *is_huffman { super::huffman::tests::encode(value).len() } else { value.len() };
    is_name
        && !value.is_empty()
        && coded <= value.len()
        && coded <= 1024
        && Authority::try_from(&value[..]).is_err()
}

fn assert_repaired(before: &[Rep], after: &[Rep]) -> Result<(), TestCaseError> {
    prop_assert_eq!(before.len(), after.len());
    for (old, new) in before.iter().zip(after) {
        let (Rep::Literal { value: old_value, .. }, true) = (old, is_repaired(old)) else {
            prop_assert_eq!(old, new);
            continue;
        };
        let mut new = new.clone();
        let Rep::Literal { value, .. } = &mut new else { panic!("another representation: {new:?}") };
        prop_assert!(Authority::try_from(&value[..]).is_ok(), "{:?}", value);
        prop_assert_eq!(value.len(), old_value.len());
        value.clone_from(old_value);
        prop_assert_eq!(old, &new);
    }
    Ok(())
}

#[test]
fn paths_of_both_spellings_become_letters_and_names_stay() {
    for kind in [0x40, 0x00, 0x10] {
        for is_huffman in [false, true] {
            for name in [
                Name::Index(1),
                Name::Text(b":authority".to_vec(), false),
                Name::Text(b":authority".to_vec(), true),
            ] {
                for (value, stays) in
                    [("/run/x.sock", false), ("%2Frun%2Fx.sock", false), ("localhost", true), ("", true)]
                {
                    let rep = Rep::Literal { kind, name: name.clone(), value: value.into(), is_huffman };
                    let reps = [Rep::Index(0x83), rep, Rep::Index(0x86)];
                    let sent = request(&reps);
                    let got = filtered(&sent);
                    assert_eq!(got == sent, stays, "{reps:?}");
                    assert_repaired(&reps, &reps_of(&got)).unwrap();
                }
            }
        }
    }
}

#[test]
fn other_names_and_other_frames_keep_such_values() {
    let with_name = |name| Rep::Literal { kind: 0, name, value: b"/run/x.sock".to_vec(), is_huffman: false };
    let path = with_name(Name::Index(4));
    let near = with_name(Name::Text(b":authoritx".to_vec(), false));
    let sent = request(&[path, near]);
    assert_eq!(filtered(&sent), sent);
    // A DATA frame that holds what a header block would.
    let fragment = encode_block(&[by_index("/run/x.sock")]);
    let sent = [PREFACE, &frames(&[Frame { kind: 0, flags: 0x4, stream: 1, payload: fragment }])].concat();
    assert_eq!(filtered(&sent), sent);
}

#[test]
fn value_is_found_across_padded_headers_and_continuations() {
    let reps = [Rep::Index(0x83), by_index("/run/cri-shunt/cri-shunt.sock"), Rep::Index(0x86)];
    let block = encode_block(&reps);
    // Every place for a cut, so that it falls before, into and behind each part of the value.
    for cut in 0..block.len() {
        let sent = [PREFACE, &frames(&block_frames(1, &block, &[cut, cut + 3], Some(7), true))].concat();
        for sizes in [&[usize::MAX][..], &[1], &[1, 0], &[3, 2]] {
            assert_repaired(&reps, &reps_of(&filtered_in(&sent, sizes, 64))).unwrap();
        }
    }
}

#[test]
fn what_is_no_http2_passes() {
    let block = encode_block(&[by_index("/run/x.sock")]);
    let good = frames(&block_frames(1, &block, &[], None, false));
    let lone = frames(&[Frame { kind: 9, flags: 4, stream: 1, payload: block.clone() }]);
    let torn = frames(&block_frames(1, &block[..5], &[], None, false));
    let padding = frames(&[Frame { kind: 1, flags: 0xc, stream: 1, payload: vec![9, 0x41] }]);
    let integer = frames(&block_frames(1, &[0x7f, 255, 255, 255, 255, 0], &[], None, false));
    let open = &block_frames(1, &block, &[2], None, false)[..1];
    let rows: [(&str, Vec<u8>); 7] = [
        ("no preface", [b"GET / HTTP/1.1\r\n\r\n        ", &good[..]].concat()),
        ("a CONTINUATION of nothing", [PREFACE, &lone, &good].concat()),
        ("a block that ends inside a value", [PREFACE, &torn, &good].concat()),
        ("padding longer than the frame", [PREFACE, &padding, &good].concat()),
        ("an endless integer", [PREFACE, &integer, &good].concat()),
        ("a block that another frame breaks", [PREFACE, &frames(open), &good].concat()),
        ("half a preface", PREFACE[..12].to_vec()),
    ];
    for (name, sent) in rows {
        assert_eq!(filtered(&sent), sent, "{name}");
        assert_eq!(filtered_in(&sent, &[1], 3), sent, "{name}, byte by byte");
    }
}

#[test]
fn end_inside_a_value_gives_out_what_was_held() {
    let sent = request(&[by_index("/run/x.sock")]);
    let sent = &sent[..sent.len() - 2];
    assert_eq!(filtered(sent), sent);
    assert_eq!(filtered_in(sent, &[1], 3), sent);
}

#[test]
fn hostile_waits_are_bounded() {
    // A value of 1000 bytes whose rest never comes, behind a flood of empty CONTINUATION frames.
    let value = "/".repeat(1000);
    let block = encode_block(&[by_index(&value)]);
    let mut all = block_frames(1, &block, &[20], None, false);
    let last = all.pop().unwrap();
    all.extend(std::iter::repeat_n(Frame { kind: 9, flags: 0, stream: 1, payload: Vec::new() }, 2000));
    all.push(last);
    let sent = [PREFACE, &frames(&all)].concat();
    // `filtered_in` looks at what is held after each read.
    assert_eq!(filtered_in(&sent, &[100], 4096), sent);
    // 16 MiB of a value, and of a frame, that are not there.
    let mut sent =
        [PREFACE, &[0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1, 0x41, 0x7f, 0x80, 0x80, 0x80, 0x07]].concat();
    sent.extend_from_slice(&[b'/'; 20_000]);
    assert_eq!(filtered_in(&sent, &[100], 4096), sent);
}

#[test]
fn reading_into_no_room_loses_nothing() {
    let sent = request(&[by_index("/run/x.sock")]);
    let mut filter = Filter::new(Peer { bytes: &sent, sizes: &[usize::MAX], turn: 0 });
    let mut context = Context::from_waker(Waker::noop());
    let polled = Pin::new(&mut filter).poll_read(&mut context, &mut ReadBuf::new(&mut []));
    assert!(matches!(polled, Poll::Ready(Ok(()))));
    let mut space = [0; 200];
    let mut buf = ReadBuf::new(&mut space);
    let polled = Pin::new(&mut filter).poll_read(&mut context, &mut buf);
    assert!(matches!(polled, Poll::Ready(Ok(()))));
    assert_eq!(buf.filled(), filtered(&sent));
}

proptest! {
    #[test]
    fn connections_keep_all_but_bad_authorities(
        blocks in prop::collection::vec(connection::block(), 1..5),
        sizes in prop::collection::vec(prop_oneof![1 => 0usize..4, 1 => 1usize..40, 1 => Just(9999)], 1..8),
        room in prop_oneof![1usize..40, Just(16384)],
    ) {
        prop_assume!(sizes.iter().any(|size| *size > 0));
        let sent: Vec<Frame> = blocks.iter().flat_map(|block| block.frames.clone()).collect();
        let bytes = [PREFACE, &frames(&sent)].concat();
        let out = filtered_in(&bytes, &sizes, room);
        prop_assert_eq!(&out[..PREFACE.len()], PREFACE);
        let (got, rest) = deframe(&out[PREFACE.len()..]);
        prop_assert_eq!(rest, b"");
        prop_assert_eq!(got.len(), sent.len());
        for (old, new) in sent.iter().zip(&got) {
            prop_assert_eq!(old.head(), new.head());
            if !matches!(old.kind, 1 | 9) {
                prop_assert_eq!(old, new);
            }
        }
        let mut got = got.into_iter();
        for block in &blocks {
            let frames: Vec<Frame> = got.by_ref().take(block.frames.len()).collect();
            let fragment: Vec<u8> = frames.iter().flat_map(Frame::fragment).collect();
            assert_repaired(&block.reps, &decode_block(&fragment))?;
        }
    }

    #[test]
    fn any_bytes_come_out_alike_however_they_come_in(
        tail in prop::collection::vec(prop_oneof![
            4 => any::<u8>(),
            4 => Just(0u8),
            2 => prop::sample::select(&[1u8, 4, 9, 12, 0x41, 0x01, 11, b'/'][..]),
        ], 0..400),
        sizes in prop::collection::vec(1usize..50, 1..5),
        room in 1usize..300,
    ) {
        let sent = [PREFACE, &tail].concat();
        let whole = filtered(&sent);
        prop_assert_eq!(whole.len(), sent.len());
        prop_assert_eq!(&filtered_in(&sent, &sizes, room), &whole);
        prop_assert_eq!(filtered(&whole), whole);
    }
}
