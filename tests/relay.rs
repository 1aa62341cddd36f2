//! What passes through, byte for byte, and what happens where one side breaks.
//!
//! The upstream is a stand-in that records; `compliance` does the like on a real containerd.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cri_shunt::inside::serve::serve_alone;
use http::{HeaderMap, HeaderValue};
use support::caller::{connect, exchange, request};
use support::image::digest;
use support::raw::framed;
use support::scripted::{Scripted, reply};
use support::shunt::Shunt;
use support::upstream::{Answer, Upstream};
use support::{PATIENCE, wait_for};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const PULL: &str = "/runtime.v1.ImageService/PullImage";
const ELSEWHERE: &str = "/some.Service/Method";
/// No longer than the first questions of a client are held where containerd is away.
const HELD: Duration = Duration::from_secs(1);
const READ: &str = "/containerd.services.content.v1.Content/Read";
const MANIFEST: &str = r#"{"schemaVersion": 2, "layers": []}"#;

/// A mirror that has one manifest under every name, and a rule that leads there.
fn mirror() -> (Scripted, String) {
    let digest = digest(MANIFEST.as_bytes());
    let server = Scripted::start(move |_| {
        let length = MANIFEST.len().to_string();
        let headers = [
            ("Content-Type", "application/vnd.oci.image.manifest.v1+json"),
            ("Content-Length", &length),
            ("Docker-Content-Digest", &digest),
        ];
        reply(200, &headers, MANIFEST)
    });
    let rule = format!("[[policy.rule]]\nprefix = \"docker.io\"\nmirrors = [\"{}/p\"]\n", server.host());
    (server, rule)
}

#[tokio::test]
async fn a_call_arrives_and_returns_as_it_was_sent() {
    let upstream = Upstream::start();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status-details-bin", HeaderValue::from_static("CAUSA2FiYw"));
    trailers.append("x-trailer", HeaderValue::from_static("a"));
    trailers.append("x-trailer", HeaderValue::from_static("b"));
    upstream.on(ELSEWHERE, Answer::Echo(trailers.clone()));
    let shunt = Shunt::start_before(&mirror().1, upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    // Two messages, the second larger than any window on the way.
    let mut body = framed(b"\x08\x96\x01\xf2\x3f\x03abc").to_vec();
    body.extend_from_slice(&framed(&vec![7; 20 << 20]));
    let (head, echoed, ends) = exchange(&mut sender, ELSEWHERE, body.clone().into()).await;
    assert!(echoed == body, "{} bytes came back of {}", echoed.len(), body.len());
    assert_eq!(head["x-head"], "kept");
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    assert_eq!(ends, trailers);
    let arrived = upstream.calls(ELSEWHERE).remove(0);
    assert_eq!(&arrived.headers, request(ELSEWHERE).headers());
}

#[tokio::test]
async fn fields_that_nobody_here_knows_arrive() {
    let upstream = Upstream::start();
    upstream.on(PULL, Answer::Status(5, "it was not found"));
    upstream.on(READ, Answer::Status(5, "not found"));
    let (mirror, rule) = mirror();
    let shunt = Shunt::start_before(&rule, upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    // image { image: "nginx:1", 20: "later" }, auth { username: "u" }, 99: 7
    let spec = b"\x0a\x07nginx:1\xa2\x01\x05later";
    let mut message = vec![0x0a, u8::try_from(spec.len()).unwrap()];
    message.extend_from_slice(spec);
    message.extend_from_slice(b"\x12\x03\x0a\x01u\x98\x06\x07");
    let (_, _, trailers) = {
        let (response, mut stream) = sender.send_request(request(PULL), false).unwrap();
        stream.send_data(framed(&message), true).unwrap();
        let (head, _) = response.await.unwrap().into_parts();
        (0, 0, head.headers)
    };
    assert_eq!(trailers["grpc-status"], "5");
    let name = format!("{}/p/library/nginx@{}", mirror.host(), digest(MANIFEST.as_bytes()));
    let mut expected =
        vec![0x0a, u8::try_from(name.len() + 2 + 8).unwrap(), 0x0a, u8::try_from(name.len()).unwrap()];
    expected.extend_from_slice(name.as_bytes());
    expected.extend_from_slice(b"\xa2\x01\x05later\x98\x06\x07");
    assert_eq!(upstream.calls(PULL)[0].body, framed(&expected));
}

/// Longer than what a request may have in its headers.
#[tokio::test]
async fn a_long_status_of_containerds_is_whole_also_where_a_call_is_looked_into() {
    let upstream = Upstream::start();
    let text: &'static str = "x".repeat(40_000).leak();
    let shunt = Shunt::start_before("", upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    for path in [ELSEWHERE, PULL] {
        upstream.on(path, Answer::Status(5, text));
        let (_, _, trailers) = exchange(&mut sender, path, framed(b"\x0a\x09\x0a\x07nginx:1")).await;
        assert_eq!(trailers["grpc-status"], "5", "{path}");
        assert!(trailers.get("grpc-message").is_some_and(|message| message == text), "{path}");
        sender = sender.ready().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_protobuf_is_not_passed_on() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before(&mirror().1, upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    // A length that leads past the end; a field number that gogo would read as another one.
    for message in [&b"\x0a\x7fx"[..], &b"\x8a\x80\x80\x80\x80\x01\x02\x0a\x00"[..]] {
        let (response, mut stream) = sender.send_request(request(PULL), false).unwrap();
        stream.send_data(framed(message), true).unwrap();
        assert_eq!(response.await.unwrap().headers()["grpc-status"], "13");
        sender = sender.ready().await.unwrap();
    }
    assert!(upstream.calls(PULL).is_empty());
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    let upstream = Upstream::start();
    for path in [ELSEWHERE, PULL] {
        upstream.on(path, Answer::Hang);
    }
    upstream.on(READ, Answer::Status(5, "not found"));
    let (_mirror, rule) = mirror();
    let shunt = Shunt::start_before(&rule, upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    for path in [ELSEWHERE, PULL] {
        let (response, mut stream) = sender.send_request(request(path), false).unwrap();
        stream.send_data(framed(b"\x0a\x09\x0a\x07nginx:1"), true).unwrap();
        assert!(wait_for(async || upstream.come(path) == 1).await, "{path}");
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        let cancelled = wait_for(async || upstream.calls(path).first().is_some_and(|call| call.cancelled));
        assert!(cancelled.await, "{path}");
        sender = sender.ready().await.unwrap();
    }
    // And the whole connection.
    let mut other = connect(&shunt.socket()).await;
    let (_response, _stream) = other.send_request(request(ELSEWHERE), false).unwrap();
    assert!(wait_for(async || upstream.come(ELSEWHERE) == 2).await);
    drop((_response, _stream, other));
    let cancelled = wait_for(async || upstream.calls(ELSEWHERE).len() == 2);
    assert!(cancelled.await);
}

#[tokio::test]
async fn a_reset_of_containerds_reaches_the_client() {
    let upstream = Upstream::start();
    let open = Arc::new(tokio::sync::Notify::new());
    upstream.on(ELSEWHERE, Answer::Reset(open.clone(), h2::Reason::ENHANCE_YOUR_CALM));
    let shunt = Shunt::start_before(&mirror().1, upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    let (response, _stream) = sender.send_request(request(ELSEWHERE), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), Bytes::from_static(b"\0\0\0\0\x09half"));
    open.notify_one();
    let error = body.data().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn a_containerd_that_is_started_again_answers_on_the_same_connection() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("upstream.sock");
    let shunt = Shunt::start_before(&mirror().1, &socket);
    let mut sender = connect(&shunt.socket()).await;
    for round in 0..3 {
        let containerd = answer_all(&socket);
        for _ in 0..3 {
            let (_, echoed, trailers) = exchange(&mut sender, ELSEWHERE, framed(b"x")).await;
            assert_eq!(
                (echoed, trailers["grpc-status"].as_bytes()),
                (framed(b"").to_vec(), &b"0"[..]),
                "{round}"
            );
            sender = sender.ready().await.unwrap();
        }
        containerd.abort();
        std::fs::remove_file(&socket).unwrap();
        // Until it is seen to be gone.
        let is_away = async || {
            let (response, _stream) = sender.send_request(request(ELSEWHERE), true).unwrap();
            let head = response.await.unwrap();
            sender = sender.clone().ready().await.unwrap();
            head.headers().get("grpc-status").is_some_and(|code| code == "14")
        };
        assert!(wait_for(is_away).await, "{round}");
    }
}

#[tokio::test]
async fn clients_that_come_one_after_another_are_served_by_the_containerd_of_then() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("upstream.sock");
    let shunt = Shunt::start_before(&mirror().1, &socket);
    for round in 0..3 {
        let containerd = answer_all(&socket);
        for _ in 0..8 {
            let mut sender = connect(&shunt.socket()).await;
            for _ in 0..2 {
                let (_, echoed, trailers) = exchange(&mut sender, ELSEWHERE, framed(b"x")).await;
                assert_eq!(echoed, framed(b"").to_vec(), "{round}");
                assert_eq!(trailers["grpc-status"], "0", "{round}");
                sender = sender.ready().await.unwrap();
            }
        }
        containerd.abort();
        assert!(containerd.await.is_err());
        std::fs::remove_file(&socket).unwrap();
    }
}

/// What the shunt says on a connection that waits for a client: the preface, and SETTINGS that say nothing but
/// ENABLE_PUSH = 0.
const GREETING: [u8; 39] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x02\0\0\0\0";

/// The next connection to `listener`, and the first that it says. The shunt has others than those for its clients.
async fn greeted(listener: &tokio::net::UnixListener) -> (tokio::net::UnixStream, [u8; GREETING.len()]) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting).await.unwrap();
    (stream, greeting)
}

#[tokio::test]
async fn a_connection_that_containerd_is_about_to_end_is_given_to_no_client() {
    // SETTINGS, and GOAWAY with NO_ERROR.
    const LEAVING: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0";
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("upstream.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let shunt = Shunt::start_before(&mirror().1, &socket);
    // Among the shunt's own connections is the one that waits for the first client.
    let mut left = Vec::new();
    loop {
        let (mut stream, greeting) = greeted(&listener).await;
        stream.write_all(LEAVING).await.unwrap();
        left.push(stream);
        if greeting == GREETING {
            break;
        }
    }
    let containerd = answer_from(listener);
    let mut sender = connect(&shunt.socket()).await;
    let (_, _, trailers) = exchange(&mut sender, ELSEWHERE, framed(b"x")).await;
    assert_eq!(trailers["grpc-status"], "0");
    containerd.abort();
}

#[tokio::test]
async fn a_client_that_was_answered_leaves_a_connection_for_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("upstream.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let shunt = Shunt::start_before(&mirror().1, &socket);
    let (made, mut is_made) = tokio::sync::mpsc::unbounded_channel();
    let containerd = tokio::spawn(async move {
        loop {
            let (stream, greeting) = greeted(&listener).await;
            if greeting == GREETING {
                made.send(()).unwrap();
            }
            let (rest, answers) = stream.into_split();
            let requests = std::io::Cursor::new(greeting).chain(rest);
            tokio::spawn(answer(tokio::io::join(requests, answers)));
        }
    });
    is_made.recv().await.unwrap();
    // Each of them takes the one that waits.
    for _ in 0..3 {
        let mut sender = connect(&shunt.socket()).await;
        let (_, _, trailers) = exchange(&mut sender, ELSEWHERE, framed(b"x")).await;
        assert_eq!(trailers["grpc-status"], "0");
        let made = tokio::time::timeout(PATIENCE, is_made.recv()).await;
        assert_eq!(made.expect("no connection waits for the next client"), Some(()));
    }
    containerd.abort();
}

/// One thread serves all.
#[tokio::test]
async fn a_client_that_sends_on_and_on_lets_others_have_their_turn() {
    use std::io::Write;
    const READ: usize = 64 << 10;
    const READS: usize = 32;
    let dir = tempfile::tempdir().unwrap();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let far = tokio::net::UnixStream::from_std(far).unwrap();
    std::thread::spawn(move || {
        // 700 times `:method: POST` on one stream. It is more work to read that than to send it.
        let head = [&b"\0\x02\xbc\x01\x04\0\0\0\x01"[..], &[0x83; 700]].concat();
        let frames = head.repeat(READ / head.len());
        (&near).write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        (0..READS).for_each(|_| (&near).write_all(&frames).unwrap());
    });
    let socket = dir.path().join("nobody.sock");
    let served = tokio::spawn(async move { serve_alone(far, &socket, false).await });
    let mut turns = 0;
    while !served.is_finished() {
        tokio::task::yield_now().await;
        turns += 1;
    }
    served.await.unwrap();
    // Reads that fill the space end a turn; four shorter ones do.
    assert!(turns >= READS / 4, "{turns} turns beside {READS} reads");
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_and_many_of_them_end_the_connection() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before(&mirror().1, upstream.socket());
    let sender = connect(&shunt.socket()).await;
    let long: HeaderValue = "x".repeat(33 << 10).parse().unwrap();
    let mut refused = 0;
    let end = loop {
        let mut request = request(ELSEWHERE);
        request.headers_mut().insert("x-long", long.clone());
        let answer = async {
            let (response, _stream) = sender.clone().ready().await?.send_request(request, true)?;
            response.await
        };
        match answer.await {
            Ok(head) => assert_eq!(head.status(), 431),
            Err(error) => break error,
        }
        refused += 1;
    };
    assert!((64..=65).contains(&refused), "{refused} were refused");
    assert_eq!(end.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM), "{end}");
    assert_eq!(upstream.calls(ELSEWHERE).len(), 0);
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let upstream = Upstream::start();
    upstream.on(ELSEWHERE, Answer::Echo(HeaderMap::new()));
    let shunt = Shunt::start_before(&mirror().1, upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let oversized = [&preface[..], &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat();
    let headers_on_zero =
        [&preface[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 0, 0x82]].concat();
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), oversized, headers_on_zero] {
        let mut stream = tokio::net::UnixStream::connect(shunt.socket()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the connection stays open after {bytes:02x?}");
    }
    let (_, echoed, _) = exchange(&mut sender, ELSEWHERE, framed(b"still here")).await;
    assert_eq!(echoed, framed(b"still here"));
}

#[tokio::test]
async fn a_containerd_that_is_away_is_named_and_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("upstream.sock");
    let shunt = Shunt::start_before(&mirror().1, &socket);
    let mut sender = connect(&shunt.socket()).await;
    let (response, _stream) = sender.send_request(request(ELSEWHERE), true).unwrap();
    let head = response.await.unwrap();
    assert_eq!(head.headers()["grpc-status"], "14");
    let message = head.headers()["grpc-message"].to_str().unwrap();
    assert!(message.contains(socket.to_str().unwrap()), "{message}");

    // Version is held for a while. On a busy machine that may be over before containerd is there; then once more.
    for _ in 0..100 {
        let asked = Instant::now();
        sender = sender.ready().await.unwrap();
        let (version, mut stream) =
            sender.send_request(request("/runtime.v1.RuntimeService/Version"), false).unwrap();
        stream.send_data(framed(b""), true).unwrap();
        // Its answer comes after the other call has arrived.
        sender = sender.ready().await.unwrap();
        let (passing, _stream) = sender.send_request(request(ELSEWHERE), true).unwrap();
        assert_eq!(passing.await.unwrap().headers()["grpc-status"], "14");
        let containerd = answer_all(&socket);
        let failed = version.await.unwrap().headers().get("grpc-status").cloned();
        if failed.is_none() {
            return;
        }
        assert!(asked.elapsed() > HELD, "at once: {failed:?}");
        containerd.abort();
        std::fs::remove_file(&socket).unwrap();
    }
    panic!("it was never held for long enough");
}

/// Stands in for a containerd: each call has a message without content for an answer.
fn answer_all(socket: &Path) -> tokio::task::JoinHandle<()> {
    answer_from(tokio::net::UnixListener::bind(socket).unwrap())
}

fn answer_from(listener: tokio::net::UnixListener) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(answer(stream));
        }
    })
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        stream.send_data(framed(b""), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        stream.send_trailers(trailers).unwrap();
    }
}

#[tokio::test]
async fn the_bypass_file_suspends_every_rule_at_once() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("[policy]\ndefault = \"deny\"\n", upstream.socket());
    let mut sender = connect(&shunt.socket()).await;
    let mut pull = async || {
        let (response, mut stream) = sender.send_request(request(PULL), false).unwrap();
        stream.send_data(framed(b"\x0a\x09\x0a\x07nginx:1"), true).unwrap();
        let head = response.await.unwrap();
        sender = sender.clone().ready().await.unwrap();
        head.headers().get("grpc-status").and_then(|code| code.to_str().ok()?.parse::<i32>().ok())
    };
    assert_eq!(pull().await, Some(7));
    std::fs::write(shunt.bypass_file(), "").unwrap();
    assert_eq!(pull().await, None);
    assert_eq!(pull().await, None);
    std::fs::remove_file(shunt.bypass_file()).unwrap();
    assert_eq!(pull().await, Some(7));
    assert_eq!(upstream.calls(PULL).len(), 2);
    let begun = format!("the bypass file {} is there", shunt.bypass_file().display());
    assert_eq!(shunt.stderr().matches(&begun).count(), 1, "{}", shunt.stderr());
    assert_eq!(shunt.stderr().matches("the policy is applied again").count(), 1, "{}", shunt.stderr());
}

#[tokio::test]
async fn the_bypass_file_is_logged_once_and_named_also_without_a_call() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("", upstream.socket());
    std::fs::write(shunt.bypass_file(), "").unwrap();
    shunt.says("no policy is applied");
    let status = shunt.command(&["status", "--socket", shunt.socket().to_str().unwrap()]);
    assert_eq!(status.status.code(), Some(1));
    let said = String::from_utf8(status.stdout).unwrap();
    assert!(said.contains(&format!("SUSPENDED: {} exists", shunt.bypass_file().display())), "{said}");
    std::fs::remove_file(shunt.bypass_file()).unwrap();
    shunt.says("the policy is applied again");
    assert_eq!(shunt.stderr().matches("no policy is applied").count(), 1, "{}", shunt.stderr());
}
