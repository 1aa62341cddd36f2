//! The ways on the shunt's socket that could lead round its rules: containerd's own API, pulls of a new kind, and
//! messages that are compressed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use k8s_cri::v1::{ImageStatusRequest, PullImageRequest};
use prost::Message as _;
use support::containerd::Containerd;
use support::cri::{Cri, spec};
use support::foreign;
use support::image::Image;
use support::raw::{Answer as Answered, Raw, framed};
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::upstream::{Answer, Upstream};
use support::version::Version;

const DENY: &str = "[[policy.rule]]\nprefix = \"quay.io/evil\"\ndeny = \"no\"\n";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const NAMESPACE: [(&str, &str); 1] = [("containerd-namespace", "k8s.io")];

async fn native(shunt: &Shunt, method: &str) -> Answered {
    let path = format!("/containerd.services.{method}");
    Raw::connect(&shunt.socket()).await.call_with(&path, b"", &NAMESPACE).await
}

async fn containerds_own_api_is_refused_while_a_policy_is_in_force(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let shunt = Shunt::start(DENY, containerd);
    let socket = containerd.socket();
    let socket = socket.to_str().unwrap();
    for method in [
        "images.v1.Images/List",
        "images.v1.Images/Create",
        "content.v1.Content/Write",
        "events.v1.Events/Subscribe",
        "version.v1.Version/Version",
        "transfer.v1.Transfer/Transfer",
        "no.such.Service/Method",
    ] {
        let answer = native(&shunt, method).await;
        let message = answer.message().unwrap_or_default();
        assert_eq!(answer.code(), Some(7), "{method}: {answer:?}");
        assert!(message.contains(socket) && message.contains("native-api"), "{method}: {message}");
    }
    let pulled = containerd.ctr_at(&shunt.socket(), &["images", "pull", "quay.io/evil/x:1"]);
    let said = String::from_utf8_lossy(&pulled.stderr).into_owned();
    assert!(!pulled.status.success() && said.contains(socket), "{said}");
    containerd.escapes().assert_never("quay.io");
    // What kubelet and crictl need is there.
    let client = Raw::connect(&shunt.socket()).await;
    for path in ["/runtime.v1.RuntimeService/Version", "/grpc.health.v1.Health/Check"] {
        assert_eq!(client.call(path, b"").await.code(), Some(0), "{path}");
    }
    std::fs::write(shunt.bypass_file(), "").unwrap();
    assert_eq!(native(&shunt, "images.v1.Images/List").await.code(), Some(0));
    std::fs::remove_file(shunt.bypass_file()).unwrap();
    assert_eq!(native(&shunt, "images.v1.Images/List").await.code(), Some(7));
}

async fn containerds_own_api_is_relayed_without_a_rule_and_where_the_configuration_says_so(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    for config in ["", &format!("[listen]\nnative-api = \"relay\"\n{DENY}")] {
        let shunt = Shunt::start(config, containerd);
        assert_eq!(native(&shunt, "images.v1.Images/List").await.code(), Some(0), "{config}");
        let listed = containerd.ctr_at(&shunt.socket(), &["images", "ls"]);
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    }
}

#[tokio::test]
async fn a_pull_of_a_kind_that_is_not_known_is_not_there_while_a_policy_is_in_force() {
    const PATHS: [&str; 2] =
        ["/runtime.v1.ImageService/PullSecurityProfile", "/runtime.v1alpha2.ImageService/PullAll"];
    let upstream = Upstream::start();
    PATHS.iter().for_each(|path| upstream.on(path, Answer::Status(0, "relayed")));
    let shunt = Shunt::start_before(DENY, upstream.socket());
    let client = Raw::connect(&shunt.socket()).await;
    for path in PATHS {
        let answer = client.call(path, b"").await;
        assert_eq!((answer.code(), upstream.come(path)), (Some(12), 0), "{answer:?}");
    }
    std::fs::write(shunt.bypass_file(), "").unwrap();
    let ruleless = Shunt::start_before("", upstream.socket());
    for shunt in [&shunt, &ruleless] {
        let client = Raw::connect(&shunt.socket()).await;
        for path in PATHS {
            let answer = client.call(path, b"").await;
            assert_eq!(
                (answer.code(), answer.message().as_deref()),
                (Some(0), Some("relayed")),
                "{answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_pod_from_a_checkpoint_brings_no_image_past_the_rules() {
    const RESTORE: &str = "/runtime.v1.RuntimeService/RestorePod";
    let upstream = Upstream::start();
    upstream.on(RESTORE, Answer::Status(0, "relayed"));
    // path: "/a", container_configs { image { image: "nginx" } }, 99: 7
    let message = b"\x0a\x02/a\x2a\x09\x12\x07\x0a\x05nginx\x98\x06\x07";
    let denying = Shunt::start_before(DENY, upstream.socket());
    let answer = Raw::connect(&denying.socket()).await.call(RESTORE, message).await;
    assert_eq!((answer.code(), upstream.come(RESTORE)), (Some(7), 0), "{answer:?}");
    let routing = Shunt::start_before(&rule("quay.io", &["m.dev"]), upstream.socket());
    let answer = Raw::connect(&routing.socket()).await.call(RESTORE, message).await;
    assert_eq!(answer.message().as_deref(), Some("relayed"), "{answer:?}");
    assert_eq!(upstream.calls(RESTORE)[0].body, framed(message));
    let asked = ImageStatusRequest { image: Some(spec("nginx")), verbose: false }.encode_to_vec();
    assert!(upstream.calls(STATUS).iter().any(|call| call.body == framed(&asked)));
}

async fn no_other_http_method_is_a_way_round(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let shunt = Shunt::start(DENY, containerd);
    let client = Raw::connect(&shunt.socket()).await;
    let message = PullImageRequest { image: Some(spec("quay.io/evil/x:1")), ..PullImageRequest::default() };
    for method in ["POST", "GET", "PUT", "PATCH"] {
        let head = Request::builder().method(method).uri(format!("http://localhost{PULL}"));
        let head = head.header("content-type", "application/grpc").body(()).unwrap();
        let answer = client.send(head, framed(&message.encode_to_vec()), usize::MAX).await;
        // containerd 1.6 takes them all for a call.
        let taken = method == "POST" || version == Version::V1_6;
        assert_eq!(answer.code() == Some(7), taken, "{method}: {answer:?}");
        assert_ne!(answer.code(), Some(0), "{method}");
    }
    containerd.escapes().assert_never("quay.io");
}

/// A client that shares nothing with the program compresses its questions.
async fn a_compressed_question_is_looked_into_as_any_other(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    // Such a name becomes smaller.
    let repository = format!("hidden/{}{}", "a".repeat(150), version.line().replace('.', "-"));
    let image = Image::busybox(&repository);
    registry.push(&repository, "1", &image);
    let name = registry.name(&repository, "1");
    Cri::connect(&containerd.socket()).await.pull(&name).await.unwrap();
    let host = registry.host();
    let deny = format!("[[policy.rule]]\nprefix = \"{host}/hidden\"\ndeny = \"no\"\n");
    let shunt = Shunt::start(&format!("[policy]\npresent = \"hide\"\n{deny}"), containerd);
    let call = |socket: &Path, path: &str, message: &[u8]| {
        let how = foreign::Call { gzip: true, ..foreign::Call::default() };
        foreign::call(socket, path, message, &how)
    };
    let message = ImageStatusRequest { image: Some(spec(&name)), verbose: false }.encode_to_vec();
    let Some(direct) = call(&containerd.socket(), STATUS, &message) else { return };
    let through = call(&shunt.socket(), STATUS, &message).unwrap();
    assert_eq!(through.code, direct.code, "{through:?}");
    let taken = direct.code == 0;
    assert_eq!(taken, version != Version::V1_6, "{direct:?}");
    if taken {
        assert!(direct.response.unwrap().len() > 100);
        assert_eq!(through.response.as_deref(), Some(""), "it is hidden");
    } else {
        assert_eq!(through.message, direct.message);
    }
    let message =
        PullImageRequest { image: Some(spec(&name)), ..PullImageRequest::default() }.encode_to_vec();
    let denied = call(&shunt.socket(), PULL, &message).unwrap();
    assert_eq!(denied.code, if taken { 7 } else { direct.code }, "{denied:?}");
    // The header alone has containerd compress its answer.
    let header = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")];
    let message = ImageStatusRequest { image: Some(spec(&image.id())), verbose: true }.encode_to_vec();
    let through = Raw::connect(&shunt.socket()).await.call_with(STATUS, &message, &header).await;
    assert_eq!(through.code(), Some(direct.code), "{through:?}");
    if taken {
        assert!(contains(&through.messages[0], b"cri-shunt"), "provenance is told");
        assert_eq!(through.field("grpc-encoding"), None);
    }
    Cri::connect(&containerd.socket()).await.remove(&image.id()).await.unwrap();
}

fn contains(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}

/// The frame of a compressed message.
fn compressed(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(message).unwrap();
    let message = encoder.finish().unwrap();
    [&[1], &u32::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

#[tokio::test]
async fn a_small_message_does_not_become_one_that_is_too_large() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before(DENY, upstream.socket());
    let client = Raw::connect(&shunt.socket()).await;
    let bomb: bytes::Bytes = compressed(&vec![0; 512 << 20]).into();
    assert!(bomb.len() < 1 << 20);
    let before = shunt.peak();
    for (encoding, code) in [("gzip", 8), ("none-such", 12)] {
        let header = [("grpc-encoding", encoding)];
        let answer = client.exchange(PULL, bomb.clone(), &header, usize::MAX).await;
        assert_eq!(answer.code(), Some(code), "{answer:?}");
        let known = answer.field("grpc-accept-encoding");
        assert_eq!(known.as_deref(), (code == 12).then_some("identity,gzip"));
    }
    let grown = shunt.peak() - before;
    // The limit of 16 MiB, and as much again while its buffer grows.
    assert!(grown < 64 << 20, "{grown}");
    assert_eq!(upstream.come(PULL), 0);
}

on_each_containerd!(
    no_other_http_method_is_a_way_round,
    a_compressed_question_is_looked_into_as_any_other,
    containerds_own_api_is_refused_while_a_policy_is_in_force,
    containerds_own_api_is_relayed_without_a_rule_and_where_the_configuration_says_so,
);
