//! Judges one `:authority` value and makes its replacement.
//!
//! Holds: a replacement has the coded and the decoded length of what it replaces, and is a value that
//! `http::uri::Authority` accepts.

use super::huffman;
use http::uri::Authority;

/// A five-bit letter, and letters that are one, two and three bits longer.
const LETTERS: [u8; 4] = [b'a', b'h', b'k', b'X'];

/// Overwrites a value that no HTTP stack takes. What can't be replaced stays: an empty one, which has
/// no other of its length; bytes that are no Huffman string; one that Huffman coding made longer, which
/// no encoder in use sends.
pub(super) fn repair(coded: &mut [u8], is_huffman: bool) {
    if !is_huffman {
        if Authority::try_from(&*coded).is_err() {
            coded.fill(LETTERS[0]);
        }
        return;
    }
    let Some(plain) = huffman::decode(coded) else { return };
    if plain.is_empty() || Authority::try_from(&*plain).is_ok() {
        return;
    }
    let mut new = coded.to_vec();
    if huffman::encode_exactly(letters(plain.len(), coded.len()), &mut new).is_some() {
        coded.copy_from_slice(&new);
    }
}

/// As many letters as the value has, with so many bits that their code fills `coded_len` bytes: five
/// each, and three more for the first ones as long as that is too little.
fn letters(count: usize, coded_len: usize) -> impl Iterator<Item = u8> {
    // With this many bits the last byte holds one at least.
    let least = (coded_len * 8).saturating_sub(7);
    let mut missing = least.saturating_sub(5 * count);
    (0..count).map(move |_| {
        let extra = missing.min(3);
        missing -= extra;
        LETTERS[extra]
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::super::huffman::{decode, tests::encode};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_replaced_and_what_is_not() {
        let rows: [(&str, bool); 9] = [
            ("/run/cri-shunt/cri-shunt.sock", true),
            ("%2Frun%2Fcri-shunt%2Fcri-shunt.sock", true),
            ("unix:/run/x.sock", true),
            ("/", true),
            ("a b", true),
            ("localhost", false),
            ("127.0.0.1:10010", false),
            ("[::1]:80", false),
            ("", false),
        ];
        for (value, replaced) in rows {
            let mut raw = value.as_bytes().to_vec();
            repair(&mut raw, false);
            assert_eq!(raw != value.as_bytes(), replaced, "{value} as it is");
            let mut coded = encode(value.as_bytes());
            repair(&mut coded, true);
            let plain = decode(&coded).unwrap();
            assert_eq!(plain != value.as_bytes(), replaced, "{value} in Huffman code");
            assert_eq!(plain.len(), value.len(), "{value} in Huffman code");
        }
    }

    #[test]
    fn bytes_that_are_no_huffman_string_stay() {
        let mut coded = [0x10, 0x00, 0x00];
        repair(&mut coded, true);
        assert_eq!(coded, [0x10, 0x00, 0x00]);
    }

    proptest! {
        #[test]
        fn every_value_that_huffman_shortens_becomes_acceptable(
            value in prop::collection::vec(
                prop_oneof![8 => prop::sample::select(&b"/%2Frun-sockXZ&;,=.~$"[..]), 1 => any::<u8>()],
                1..200,
            ),
        ) {
            let mut coded = encode(&value);
            let before = coded.clone();
            repair(&mut coded, true);
            prop_assert_eq!(coded.len(), before.len());
            let plain = decode(&coded).unwrap();
            prop_assert_eq!(plain.len(), value.len());
            if Authority::try_from(&value[..]).is_ok() || coded.len() > value.len() {
                prop_assert_eq!(coded, before);
            } else {
                prop_assert!(Authority::try_from(&plain[..]).is_ok());
            }
        }
    }
}
