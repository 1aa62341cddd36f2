//! What is not in any message: deadlines, cancellation, metadata, and how many at once.
//!
//! A registry that says nothing makes calls that last; containerd must see the same of them from both sides.

use crate::images::{LIST, STATUS, status};
use crate::pulls::PULL;
use crate::sides::Sides;
use crate::support::cri::spec;
use crate::support::fake::{Behaviour, Fake};
use crate::support::raw::framed;
use crate::support::version::Version;
use crate::support::wait_for;
use bytes::Bytes;
use http::Request;
use k8s_cri::v1::PullImageRequest;
use prost::Message as _;
use std::time::{Duration, Instant};

fn endless(fake: &Fake) -> Vec<u8> {
    fake.on("/v2/", Behaviour::Silent);
    let image = format!("{}/compliance/endless:1", fake.host());
    PullImageRequest { image: Some(spec(&image)), ..Default::default() }.encode_to_vec()
}

/// critest's "should timeout if requested", and a deadline that ends a call on its way.
pub async fn deadlines(sides: &Sides) {
    let fake = Fake::start();
    let message = endless(&fake);
    sides
        .story(async |side| {
            let begin = Instant::now();
            let answer = side.raw.call_with(PULL, &message, &[("grpc-timeout", "400m")]).await;
            let took = begin.elapsed();
            assert!(took > Duration::from_millis(300), "{took:?}");
            // grpc-go's server races: its handler says DeadlineExceeded, its timer resets the stream.
            let ended =
                answer.code() == Some(4) || answer.reset.as_deref() == Some("stream no longer needed");
            assert!(ended, "{answer:?}");
            side.note("a pull that does not end in time", ended);
        })
        .await;
    for timeout in ["1H", "50000m", "50000000u"] {
        sides.same_with(STATUS, &status("compliance-absent", false), &[("grpc-timeout", timeout)]).await;
    }
    // Not "-1S": grpc-go takes it for a deadline that is over, and then races with its own handler.
    for malformed in ["1", "m", "123456789S", "1x"] {
        sides.same_with(LIST, b"", &[("grpc-timeout", malformed)]).await;
    }
}

pub async fn cancellation_reaches_containerd(sides: &Sides) {
    let fake = Fake::start();
    let message = endless(&fake);
    sides
        .story(async |side| {
            let (asked, left) = (fake.records().len(), fake.left());
            // Nobody answers, so the client gives up once the registry was asked, and resets the stream.
            tokio::select! {
                answer = side.raw.call(PULL, &message) => panic!("it ends by itself: {answer:?}"),
                is_asked = wait_for(async || fake.records().len() > asked) => assert!(is_asked),
            }
            let hung_up = wait_for(async || fake.left() > left).await;
            side.note("containerd hung up on the registry", hung_up);
            assert!(hung_up, "the cancelled pull goes on in containerd");
        })
        .await;
}

/// containerd answers by the namespace that is in the metadata; odd but legal metadata does no harm.
pub async fn metadata_reaches_containerd(sides: &Sides) {
    let path = "/containerd.services.images.v1.Images/List";
    for namespace in ["k8s.io", "other", "", "not/valid"] {
        sides.same_with(path, b"", &[("containerd-namespace", namespace)]).await;
    }
    let odd = [
        ("containerd-namespace", "k8s.io"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-bin", "AAECAw"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("user-agent", "compliance/1"),
        ("grpc-accept-encoding", "identity,deflate,gzip"),
    ];
    sides.same_with(path, b"", &odd).await;
    sides.same_with(STATUS, &status("compliance-absent", false), &odd).await;
    // The message is not compressed, its flag says so: the header alone must not change the way. A containerd that
    // knows gzip would compress its answer, which the shunt does not take where it looks into it (tests/doors.rs).
    sides.same_with(STATUS, &status("compliance-absent", false), &[("grpc-encoding", "none-such")]).await;
    sides.same_with(LIST, b"", &[("grpc-encoding", "gzip")]).await;
    let large = "x".repeat(12 << 10);
    sides.same_with(STATUS, &status("compliance-absent", false), &[("x-large", large.as_str())]).await;
}

pub async fn many_calls_at_once(sides: &Sides) {
    sides
        .story(async |side| {
            let absent = status("compliance-absent", false);
            let call = |number| match number % 3 {
                0 => side.raw.call(LIST, b""),
                _ => side.raw.call(STATUS, &absent),
            };
            let calls = (0..300).map(call);
            let answers = futures_util::future::join_all(calls).await;
            side.note("all answered", answers.iter().map(|answer| answer.code()).collect::<Vec<_>>());
            assert!(answers.iter().all(|answer| answer.code() == Some(0)));
        })
        .await;
}

pub async fn bodies_that_are_no_grpc(sides: &Sides) {
    let message = status("compliance-absent", false);
    let mut cut = framed(&message).to_vec();
    cut.truncate(cut.len() - 3);
    let mut compressed = framed(&message).to_vec();
    compressed[0] = 1;
    let mut flagged = framed(&message).to_vec();
    flagged[0] = 7;
    let twice = [framed(&message), framed(&message)].concat();
    let empty_frame = framed(b"").to_vec();
    // A body of nothing at all is left out: containerd never answers it.
    let bodies =
        [b"\0\0".to_vec(), cut, compressed, flagged, twice, empty_frame, b"GET / HTTP/1.1\r\n\r\n".to_vec()];
    sides
        .story(async |side| {
            for path in [
                "/runtime.v1.RuntimeService/ContainerStatus",
                "/runtime.v1.RuntimeService/UpdateRuntimeConfig",
            ] {
                for body in &bodies {
                    let answer = side.raw.exchange(path, Bytes::from(body.clone()), &[], usize::MAX).await;
                    side.note_answer(&format!("{path} {}", body.escape_ascii()), &answer);
                }
            }
            for path in [STATUS, PULL, "/runtime.v1.RuntimeService/Version"] {
                // An empty message asks for the empty name, whose answer hangs on the images of other cases.
                for body in bodies.iter().filter(|body| body.as_slice() != framed(b"")) {
                    // What the shunt reads before it asks containerd, it refuses in its own words.
                    let answer = side.raw.exchange(path, Bytes::from(body.clone()), &[], usize::MAX).await;
                    let refused = answer.code() != Some(0);
                    side.note(&format!("{path} {}", body.escape_ascii()), (refused, answer.messages));
                }
            }
        })
        .await;
}

/// What a web client or a mistaken one sends. containerd's own answer to it, also for methods that the shunt looks into.
pub async fn requests_that_are_no_grpc_calls(sides: &Sides) {
    const GRPC: &str = "application/grpc";
    const WEB: &str = "application/grpc-web+proto";
    let message = framed(&status("compliance-absent", false));
    for path in [STATUS, PULL, LIST, "/runtime.v1.RuntimeService/Version"] {
        let query = format!("{path}?a=b");
        let cases = [
            ("GET", path, Some(GRPC)),
            ("PUT", path, Some(GRPC)),
            ("DELETE", path, None),
            ("POST", path, Some(WEB)),
            ("POST", path, Some("text/html")),
            ("POST", path, None),
            ("POST", &query, Some(GRPC)),
            ("GET", "/", None),
        ];
        for (method, path, content_type) in cases {
            sides
                .story(async |side| {
                    let mut head = Request::builder().method(method).uri(format!("http://localhost{path}"));
                    if let Some(content_type) = content_type {
                        head = head.header("content-type", content_type);
                    }
                    let head = head.header("te", "trailers").body(()).unwrap();
                    let answer = side.raw.send(head, message.clone(), usize::MAX).await;
                    // containerd 1.6 takes every HTTP method.
                    let taken = sides.version() == Version::V1_6 && content_type == Some(GRPC);
                    assert!(taken || answer.code() != Some(0), "{method} {path} {content_type:?}");
                    side.note_answer(&format!("{method} {path} {content_type:?}"), &answer);
                })
                .await;
        }
    }
}
