//! A client's windows: answers of containerd and of the shunt share them, and what there is no room for waits.
//!
//! The upstream is a stand-in that records.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use h2::client::SendRequest;
use http::HeaderMap;
use support::PATIENCE;
use support::caller::{connect, connect_with, exchange, request};
use support::raw::framed;
use support::shunt::Shunt;
use support::upstream::{Answer, Upstream};
use tokio::sync::Notify;

/// A call that the shunt looks into.
const PULL: &str = "/runtime.v1.ImageService/PullImage";
/// The image that no rule is for.
const NGINX: &[u8] = b"\x0a\x09\x0a\x07nginx:1";
/// A call that passes.
const ELSEWHERE: &str = "/some.Service/Method";

/// How much may be sent now; none once everybody rests. Calls on `other` go through the same programs, each of which
/// has one thread: had one of them something left to do with this stream, it would do that meanwhile.
async fn room_or_rest(stream: &mut h2::SendStream<Bytes>, other: &mut SendRequest<Bytes>) -> Option<usize> {
    for _ in 0..20 {
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx));
        if let Some(room) = room.now_or_never() {
            return Some(room.unwrap().unwrap());
        }
        let (_, echoed, _) = exchange(other, ELSEWHERE, framed(b"passes by")).await;
        assert_eq!(echoed, framed(b"passes by"));
        *other = other.clone().ready().await.unwrap();
    }
    None
}

#[tokio::test]
async fn a_slow_reader_costs_no_more_than_its_windows() {
    let upstream = Upstream::start();
    upstream.on(ELSEWHERE, Answer::Echo(HeaderMap::new()));
    let shunt = Shunt::start_before("", upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    let mut other = connect(&shunt.socket()).await;
    let before = shunt.peak();
    let chunk = Bytes::from(vec![1; 1 << 16]);
    let (mut sent, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let (response, mut stream) = sender.send_request(request(ELSEWHERE), false).unwrap();
        let mut taken = 0;
        // It would be echoed, but nobody takes the echo.
        while taken < 64 << 20 {
            stream.reserve_capacity(chunk.len());
            let Some(room) = room_or_rest(&mut stream, &mut other).await else { break };
            taken += room;
            stream.send_data(chunk.slice(..room.min(chunk.len())), false).unwrap();
        }
        sent.push(taken);
        streams.push((response, stream));
    }
    // Each window twice, there and back, and a little that is between two windows or with client and upstream.
    let (stream, connection, between) = (1 << 20, 4 << 20, 256 << 10);
    // At least what every connection begins with.
    assert!(sent[0] >= 64 << 10, "{sent:?}");
    assert!(sent.iter().all(|taken| *taken <= 2 * stream + between), "{sent:?}");
    assert!(sent.iter().sum::<usize>() <= 2 * connection + between, "{sent:?}");
    // Both ways, and as much again for the allocator.
    let grown = shunt.peak() - before;
    assert!(grown < 4 * connection as u64, "{grown} bytes for {sent:?}");
    drop(streams);
}

/// The client's window for the connection is what HTTP/2 begins with: its own library ends a connection on which more
/// comes.
#[tokio::test]
async fn answers_of_the_shunt_and_of_containerd_share_the_window_of_the_client() {
    let upstream = Upstream::start();
    let message = vec![7; 60 << 10];
    upstream.on(PULL, Answer::Message(message.clone()));
    upstream.on(ELSEWHERE, Answer::Echo(HeaderMap::new()));
    let shunt = Shunt::start_before("", upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    let mut calls = Vec::new();
    for number in 0..12 {
        let path = if number % 2 == 0 { PULL } else { ELSEWHERE };
        let (response, mut stream) = sender.send_request(request(path), false).unwrap();
        let body = if path == PULL { framed(NGINX) } else { framed(&message) };
        stream.reserve_capacity(body.len());
        // Nothing is read meanwhile, but for the heads of answers.
        let sending = tokio::spawn(async move {
            let mut body = body;
            while !body.is_empty() {
                stream.reserve_capacity(body.len());
                let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
                stream.send_data(body.split_to(room.min(body.len())), false).unwrap();
            }
            stream.send_data(Bytes::new(), true).unwrap();
        });
        calls.push((path, response, sending));
        sender = sender.ready().await.unwrap();
    }
    // The last one is read first.
    let mut read = futures_util::stream::FuturesUnordered::new();
    for (path, response, sending) in calls.into_iter().rev() {
        read.push(async move {
            let mut body = response.await.unwrap().into_body();
            let mut bytes = Vec::new();
            while let Some(chunk) = body.data().await {
                let chunk = chunk.unwrap();
                tokio::task::yield_now().await;
                body.flow_control().release_capacity(chunk.len()).unwrap();
                bytes.extend_from_slice(&chunk);
            }
            sending.await.unwrap();
            (path, bytes, body.trailers().await.unwrap().unwrap())
        });
    }
    while let Some((path, bytes, trailers)) = futures_util::StreamExt::next(&mut read).await {
        assert!(bytes == framed(&message), "{path}: {} bytes", bytes.len());
        assert_eq!(trailers["grpc-status"], "0");
    }
}

/// A client with a large window for its connection gives nothing of it back for a long time. Its answers come all the same.
#[tokio::test]
async fn a_client_that_gives_no_room_back_for_long_gets_every_answer() {
    let upstream = Upstream::start();
    let message = vec![7; 60 << 10];
    upstream.on(PULL, Answer::Message(message.clone()));
    upstream.on(ELSEWHERE, Answer::Message(message.clone()));
    let shunt = Shunt::start_before("", upstream.socket());
    let mut sender =
        connect_with(h2::client::Builder::new().initial_connection_window_size(16 << 20), &shunt.socket())
            .await;
    for number in 0..60 {
        let path = if number % 2 == 0 { PULL } else { ELSEWHERE };
        let answer = exchange(&mut sender, path, framed(NGINX));
        let (_, body, _) = tokio::time::timeout(PATIENCE, answer).await.expect("no answer any more");
        assert!(body == framed(&message), "{path}: {} bytes", body.len());
    }
}

/// Asks for the image, and gives no room for the answer.
async fn ask(sender: &mut SendRequest<Bytes>, path: &str, message: &[u8]) -> h2::client::ResponseFuture {
    let (response, mut stream) = sender.send_request(request(path), false).unwrap();
    stream.send_data(framed(message), true).unwrap();
    *sender = sender.clone().ready().await.unwrap();
    response
}

#[tokio::test]
async fn an_answer_that_waits_for_room_is_not_lost_when_containerd_ends() {
    let upstream = Upstream::start();
    let message = vec![7; 60 << 10];
    let ended = Arc::new(Notify::new());
    upstream.on(PULL, Answer::Message(message.clone()));
    upstream.on(ELSEWHERE, Answer::Last(message.clone(), ended.clone()));
    upstream.on("/some.Service/Other", Answer::Status(0, ""));
    let shunt = Shunt::start_before("", upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    // The answer of the shunt uses what the client has given for the connection.
    let mut pulled = ask(&mut sender, PULL, NGINX).await.await.unwrap().into_body();
    let mut used = 0;
    while used < framed(&message).len() {
        used += pulled.data().await.unwrap().unwrap().len();
    }
    let mut passed = ask(&mut sender, ELSEWHERE, NGINX).await.await.unwrap().into_body();
    tokio::time::timeout(PATIENCE, ended.notified()).await.expect("containerd stays");
    // The shunt has one thread: once this is answered, it has seen that.
    let mut other = connect(&shunt.socket()).await;
    exchange(&mut other, "/some.Service/Other", framed(b"")).await;
    pulled.flow_control().release_capacity(used).unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = tokio::time::timeout(PATIENCE, passed.data()).await.expect("it is lost") {
        let chunk = chunk.unwrap();
        passed.flow_control().release_capacity(chunk.len()).unwrap();
        bytes.extend_from_slice(&chunk);
    }
    assert!(bytes == framed(&message), "{} bytes", bytes.len());
    assert_eq!(passed.trailers().await.unwrap().unwrap()["grpc-status"], "0");
}

/// Statuses need no room themselves, but they wait behind what does.
#[tokio::test]
async fn a_client_that_asks_on_and_gives_no_room_is_sent_away() {
    let upstream = Upstream::start();
    upstream.on(PULL, Answer::Message(vec![7; 60 << 10]));
    let rule = format!("[[policy.rule]]\nprefix = \"q.dev\"\ndeny = \"{}\"\n", "x".repeat(6000));
    let shunt = Shunt::start_before(&rule, upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    let mut answers = vec![ask(&mut sender, PULL, NGINX).await, ask(&mut sender, PULL, NGINX).await];
    let second = answers.pop().unwrap().await.unwrap();
    let mut denied = Vec::new();
    for _ in 0..400 {
        denied.push(ask(&mut sender, PULL, b"\x0a\x09\x0a\x07q.dev/a").await);
    }
    let last = tokio::time::timeout(PATIENCE, denied.pop().unwrap()).await.expect("no end");
    assert!(last.is_err(), "all of it is kept: {last:?}");
    let end = sender.ready().await.err().and_then(|error| error.reason());
    assert_eq!(end, Some(h2::Reason::ENHANCE_YOUR_CALM));
    drop(second);
}
