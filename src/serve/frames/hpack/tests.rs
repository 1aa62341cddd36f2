//! Both ways, by the examples of RFC 7541 and against each other. The fuzz target `frames` has them against `h2`.

use super::decoder::{Decoder, Malformed};
use super::encoder::{Encoder, field_without_table};
use super::fields::{Fields, MAX_LIST};
use proptest::prelude::*;

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let mut fields = Fields::default();
    decoder.decode(block, &mut fields)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(fields.iter().map(|(name, value)| (text(name), text(value))).collect())
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// RFC 7541, appendices C.3 and C.4: three requests on one connection, plain and in Huffman code.
#[test]
fn requests_of_the_appendix() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    let rows = [
        &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")][..],
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
            ("cache-control", "no-cache"),
        ],
        &[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ],
    ];
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        for (block, row) in blocks.iter().zip(rows) {
            let row: Vec<_> = row.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(decoded(&mut decoder, &bytes(block)), Ok(row), "{block}");
        }
    }
}

/// RFC 7541, appendix C.5: responses with a table of 256 bytes, so that entries leave it.
#[test]
fn entries_leave_the_table() {
    let mut decoder = Decoder::new();
    let first = "3fe1 01 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
                 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d";
    assert_eq!(decoded(&mut decoder, &bytes(first)).unwrap().len(), 4);
    let second = decoded(&mut decoder, &bytes("4803 3330 37c1 c0bf")).unwrap();
    assert_eq!(second[0], (":status".to_owned(), "307".to_owned()));
    assert_eq!(second[3], ("location".to_owned(), "https://www.example.com".to_owned()));
    // ":status: 302" was the oldest.
    assert_eq!(decoded(&mut decoder, &[0xc2]), Err(Malformed));
}

#[test]
fn what_is_no_block() {
    let rows: [(&str, &[u8]); 8] = [
        ("index 0", &[0x80]),
        ("an index of nothing", &[0xbe]),
        ("a name of nothing", &[0x7e, 0x01, b'a']),
        ("a string that ends early", &[0x04, 0x05, b'/']),
        ("an integer without an end", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("a table that is too large", &[0x3f, 0xe2, 0x1f]),
        ("a size behind a field", &[0x83, 0x20]),
        ("no Huffman string", &[0x04, 0x81, 0x00]),
    ];
    for (name, block) in rows {
        assert_eq!(decoded(&mut Decoder::new(), block), Err(Malformed), "{name}");
    }
}

#[test]
fn a_list_has_an_end_and_the_table_goes_on() {
    let mut decoder = Decoder::new();
    let mut block = Vec::new();
    let large = vec![b'x'; 4000];
    block.extend_from_slice(&[0x40, 0x01, b'a', 0x7f, 0xa1, 0x1e]);
    block.extend_from_slice(&large);
    block.extend_from_slice(&[0xbe; 4000]);
    let mut fields = Fields::default();
    decoder.decode(&block, &mut fields).unwrap();
    assert!(fields.is_too_large());
    assert_eq!(fields.iter().count(), MAX_LIST / (4001 + 32));
    assert!(fields.bytes().len() <= MAX_LIST);
    fields.clear();
    decoder.decode(&[0xbe], &mut fields).unwrap();
    assert_eq!(fields.iter().next(), Some((&b"a"[..], &large[..])));
}

fn field() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let names: Vec<&[u8]> = vec![b":path", b":authority", b":status", b"content-type", b"x", b"grpc-timeout"];
    let name = prop_oneof![
        4 => prop::sample::select(names).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    (name, prop::collection::vec(any::<u8>(), 0..300))
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        blocks in prop::collection::vec(prop::collection::vec(field(), 0..8), 0..20),
        limit in prop::option::of(0u32..5000),
    ) {
        let mut encoder = Encoder::new();
        let (mut with, mut without) = (Decoder::new(), Decoder::new());
        if let Some(limit) = limit {
            encoder.set_limit(limit);
        }
        for block in blocks {
            let (mut kept, mut plain) = (Vec::new(), Vec::new());
            encoder.begin(&mut kept);
            for (name, value) in &block {
                encoder.field(&mut kept, name, value);
                field_without_table(&mut plain, name, value);
            }
            for (decoder, written) in [(&mut with, kept), (&mut without, plain)] {
                let mut fields = Fields::default();
                decoder.decode(&written, &mut fields).unwrap();
                let read: Vec<_> = fields.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
                prop_assert_eq!(&read, &block);
            }
        }
    }

    #[test]
    fn no_bytes_are_too_much(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5)) {
        let mut decoder = Decoder::new();
        for block in blocks {
            if decoder.decode(&block, &mut Fields::default()).is_err() {
                break;
            }
        }
    }
}
