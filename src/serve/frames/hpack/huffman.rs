//! The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B).
//!
//! Holds: the code is canonical, so the table is only each symbol's length; the codes follow from it,
//! counted up by length and symbol.

/// End of string: never sent, only its first bits as padding.
const EOS: usize = 256;
const LONGEST: usize = 30;

/// Length in bits of each byte's code, and of the end of string.
const LENGTHS: [u8; EOS + 1] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, // 0x00
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, // 0x10
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //         0x20
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //              0x30
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //                0x40
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //             0x50
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //                0x60
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //            0x70
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, // 0x80
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, // 0x90
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, // 0xa0
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, // 0xb0
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, // 0xc0
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, // 0xd0
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, // 0xe0
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, // 0xf0
    30,
];

const TABLE: Table = Table::new();

struct Table {
    /// Symbols by length, then by value.
    symbols: [u16; EOS + 1],
    /// Per length: its first code, how many codes it has, and where they begin in `symbols`.
    first: [u32; LONGEST + 1],
    count: [u32; LONGEST + 1],
    start: [u32; LONGEST + 1],
}

impl Table {
    const fn new() -> Table {
        let mut table = Table {
            symbols: [0; EOS + 1],
            first: [0; LONGEST + 1],
            count: [0; LONGEST + 1],
            start: [0; LONGEST + 1],
        };
        let (mut code, mut at, mut len) = (0u32, 0usize, 1usize);
        while len <= LONGEST {
            code <<= 1;
            table.first[len] = code;
            table.start[len] = at as u32;
            let mut symbol = 0;
            while symbol <= EOS {
                if LENGTHS[symbol] as usize == len {
                    table.symbols[at] = symbol as u16;
                    at += 1;
                    code += 1;
                }
                symbol += 1;
            }
            table.count[len] = code - table.first[len];
            len += 1;
        }
        table
    }
}

/// Decodes a string, behind what is in `out` already; `None` where the bytes are no Huffman string (RFC 7541, section
/// 5.2: an end of string, or padding that is longer than seven bits or not its beginning).
pub(super) fn decode_into(coded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut coded = coded.iter();
    // The lowest `have` bits are still to be decoded.
    let (mut bits, mut have) = (0u64, 0usize);
    loop {
        while have <= 48
            && let Some(byte) = coded.next()
        {
            bits = bits << 8 | u64::from(*byte);
            have += 8;
        }
        // What is missing at the end counts as padding.
        let next = if have >= 8 { bits >> (have - 8) } else { bits << (8 - have) | (0xff >> have) } as u8;
        let (symbol, len) = SHORT[usize::from(next)];
        if len != 0 && usize::from(len) <= have {
            out.push(symbol);
            have -= usize::from(len);
        } else if have < 8 && bits & ((1 << have) - 1) == (1 << have) - 1 {
            return Some(());
        } else {
            let (symbol, len) = long(bits, have)?;
            out.push(symbol);
            have -= len;
        }
    }
}

/// The symbol of a code of more than eight bits with which the lowest `have` bits begin.
fn long(bits: u64, have: usize) -> Option<(u8, usize)> {
    (9..=have.min(LONGEST)).find_map(|len| {
        let code = (bits >> (have - len) & ((1 << len) - 1)) as u32;
        // In a canonical code no longer code lies below `first`; a wrapped one would not match.
        let nth = code.wrapping_sub(TABLE.first[len]);
        // Only the end of string does not stand for a byte.
        (nth < TABLE.count[len])
            .then(|| Some((u8::try_from(TABLE.symbols[(TABLE.start[len] + nth) as usize]).ok()?, len)))
    })?
}

/// By the next eight bits: the symbol of a code that is not longer, and how long it is; else 0.
const SHORT: [(u8, u8); 256] = {
    let mut short = [(0, 0); 256];
    let mut symbol = 0;
    while symbol < EOS {
        let (code, len) = code(symbol as u8);
        if len <= 8 {
            let mut low = 0;
            while low < 1 << (8 - len) {
                short[(code << (8 - len) | low) as usize] = (symbol as u8, len as u8);
                low += 1;
            }
        }
        symbol += 1;
    }
    short
};

/// Code and its length in bits.
const fn code(byte: u8) -> (u32, usize) {
    let len = LENGTHS[byte as usize] as usize;
    let mut nth = 0;
    while TABLE.symbols[TABLE.start[len] as usize + nth] != byte as u16 {
        nth += 1;
    }
    (TABLE.first[len] + nth as u32, len)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn decode(coded: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode_into(coded, &mut out).map(|()| out)
    }

    fn encode(string: &[u8]) -> Vec<u8> {
        let (mut bits, mut have, mut out) = (0u64, 0, Vec::new());
        for byte in string {
            let (code, len) = code(*byte);
            bits = bits << len | u64::from(code);
            have += len;
            while have >= 8 {
                have -= 8;
                out.push((bits >> have) as u8);
            }
        }
        if have > 0 {
            out.push((bits << (8 - have)) as u8 | 0xff >> have);
        }
        out
    }

    #[test]
    fn code_is_complete() {
        let total: u64 = LENGTHS.iter().map(|len| 1 << (LONGEST - usize::from(*len))).sum();
        assert_eq!(total, 1 << LONGEST);
    }

    /// RFC 7541, appendix B: the first and last row of some lengths.
    #[test]
    fn codes_of_the_appendix() {
        let rows = [
            (b'0', 0x0, 5),
            (b't', 0x9, 5),
            (b' ', 0x14, 6),
            (b'u', 0x2d, 6),
            (b':', 0x5c, 7),
            (b'z', 0x7b, 7),
            (b'&', 0xf8, 8),
            (b'Z', 0xfd, 8),
            (b'\\', 0x7fff0, 19),
            (0x80, 0xfffe6, 20),
            (b'\n', 0x3fff_fffc, 30),
            (0x16, 0x3fff_fffe, 30),
            (0xff, 0x3ff_ffee, 26),
        ];
        for (byte, bits, len) in rows {
            assert_eq!(code(byte), (bits, len), "{byte:#x}");
        }
    }

    /// RFC 7541, appendices C.4 and C.6.
    #[test]
    fn strings_of_the_appendix() {
        let rows: [(&str, &[u8]); 5] = [
            ("www.example.com", &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]),
            ("no-cache", &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]),
            ("custom-value", &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]),
            ("302", &[0x64, 0x02]),
            ("", &[]),
        ];
        for (string, coded) in rows {
            assert_eq!(encode(string.as_bytes()), coded, "{string}");
            assert_eq!(decode(coded).as_deref(), Some(string.as_bytes()), "{string}");
        }
    }

    #[test]
    fn what_is_no_huffman_string() {
        let rows: [(&str, &[u8]); 4] = [
            (
                "eight bits of padding",
                &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff, 0xff],
            ),
            ("padding of zeros: '2' and two bits", &[0x10, 0x00, 0x00]),
            ("end of string", &[0xff, 0xff, 0xff, 0xff]),
            ("cut inside a code", &[0xff, 0xfe]),
        ];
        for (name, coded) in rows {
            assert_eq!(decode(coded), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_coded_is_decoded(string in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(decode(&encode(&string)), Some(string));
        }
    }
}
