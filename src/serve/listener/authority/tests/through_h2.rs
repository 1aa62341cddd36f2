//! Connections as grpc-go makes them, byte for byte, answered by the real `h2` behind the filter.

use super::connection::{Frame, Name, Rep, block_frames, encode_block, frames};
use super::{PREFACE, authority};
use crate::serve::listener::authority::Filter;
use tokio::io::AsyncWriteExt;

fn literal(name: u32, value: &str) -> Rep {
    Rep::Literal { kind: 0x40, name: Name::Index(name), value: value.into(), is_huffman: true }
}

/// Authorities of the first requests that `h2` accepts from these bytes, and what broke the connection
/// before there were so many.
async fn accepted(count: usize, bytes: Vec<u8>, room: usize) -> (Vec<String>, Option<h2::Error>) {
    let (client, server) = tokio::io::duplex(room);
    let (mut answers, mut requests) = tokio::io::split(client);
    let client = tokio::spawn(async move {
        let mut sink = tokio::io::sink();
        let write = async {
            // The server may hang up before all is written. No shutdown: at the end of its input
            // `h2` forgets what it has not handed out.
            let _ = requests.write_all(&bytes).await;
        };
        // Reads all the while: `h2` takes nothing in while it can't get its own frames out.
        let _ = tokio::join!(write, tokio::io::copy(&mut answers, &mut sink));
    });
    let mut h2 = h2::server::handshake(Filter::new(server)).await.unwrap();
    let mut authorities = Vec::new();
    let mut end = None;
    while authorities.len() < count && end.is_none() {
        match h2.accept().await.expect("the client does not hang up") {
            Ok((request, _)) => authorities.push(request.uri().authority().unwrap().to_string()),
            Err(error) => end = Some(error),
        }
    }
    drop(h2);
    client.abort();
    (authorities, end)
}

/// Three requests: the first fills the dynamic table, the others name its entries by index. An entry
/// of another size would shift none of them, so a table-size limit is put on, which the entries just
/// fit: where one of them grew, another would be evicted and its index be an error.
async fn assert_three_requests(path: &str) {
    let first = [
        Rep::Number { kind: 0x20, prefix: 5, number: (42 + path.len() + 37 + 15) as u32 },
        Rep::Index(0x83),
        Rep::Index(0x86),
        literal(4, "/runtime.v1.I/L"),
        authority(Name::Index(1), path, true),
    ];
    // The table now holds `:authority` (62) and `:path` (63).
    let again = [Rep::Index(0x83), Rep::Index(0x86), Rep::Index(0x80 | 63), Rep::Index(0x80 | 62)];
    let mut all = vec![Frame { kind: 4, flags: 0, stream: 0, payload: Vec::new() }];
    for (stream, reps, cuts) in [(1, &first[..], &[30][..]), (3, &again[..], &[2]), (5, &again[..], &[])] {
        let mut request = block_frames(stream, &encode_block(reps), cuts, Some(3), true);
        request[0].flags |= 1;
        all.extend(request);
    }
    for room in [1, 7, 4096] {
        let (authorities, error) = accepted(3, [PREFACE, &frames(&all)].concat(), room).await;
        assert!(error.is_none(), "{path}: {error:?}");
        assert_eq!(authorities.len(), 3, "{path}");
        assert!(authorities.iter().all(|a| a.len() == path.len() && a == &authorities[0]), "{authorities:?}");
    }
}

#[tokio::test]
async fn paths_go_through_and_on_by_index() {
    assert_three_requests("/run/cri-shunt/cri-shunt.sock").await;
    assert_three_requests("%2Frun%2Fcri-shunt%2Fcri-shunt.sock").await;
    assert_three_requests("localhost").await;
}

/// The table is as full as it may be: where the filter changed an entry's size by one, this would
/// be the error that it is here, where the client itself puts in a byte too much.
#[tokio::test]
async fn an_entry_one_byte_larger_would_have_been_noticed() {
    let path = "/run/cri-shunt/cri-shunt.sock";
    let first = [
        Rep::Number { kind: 0x20, prefix: 5, number: (42 + path.len() + 37 + 15) as u32 },
        Rep::Index(0x83),
        Rep::Index(0x86),
        literal(4, "/runtime.v1.I/L"),
        authority(Name::Index(1), &format!("{path}x"), true),
        Rep::Index(0x80 | 63),
    ];
    let request = block_frames(1, &encode_block(&first), &[], None, false);
    let settings = [Frame { kind: 4, flags: 0, stream: 0, payload: Vec::new() }];
    let (authorities, error) =
        accepted(1, [PREFACE, &frames(&settings), &frames(&request)].concat(), 4096).await;
    assert_eq!(authorities, Vec::<String>::new());
    assert_eq!(error.and_then(|e| e.reason()), Some(h2::Reason::PROTOCOL_ERROR));
}
