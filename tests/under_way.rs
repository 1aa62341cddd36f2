//! Calls that are under way while something changes: the daemon stops, takes another policy, or stands before a
//! containerd that only just starts.
//!
//! The upstream is a stand-in that waits.
//! Holds: nothing here waits for a time where it can wait for an event, and times are asserted from below only.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use containerd_client::services::v1 as api;
use containerd_client::types::Descriptor;
use http::HeaderMap;
use k8s_cri::v1::PullImageResponse;
use prost::Message as _;
use rustix::process::Signal;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::digest;
use support::raw::Raw;
use support::scripted::{Scripted, reply};
use support::shunt::{Shunt, rule};
use support::upstream::{Answer, Gate, Upstream};
use support::{PATIENCE, wait_for};

const PULL: &str = "/runtime.v1.ImageService/PullImage";
const READ: &str = "/containerd.services.content.v1.Content/Read";
const HELD: [&str; 3] = [
    "/runtime.v1.RuntimeService/Version",
    "/runtime.v1.RuntimeService/Status",
    "/runtime.v1.ImageService/ImageFsInfo",
];
const NOT_YET: &str = "server is not initialized yet";

/// A call that its gate holds.
async fn held(upstream: &Upstream, shunt: &Shunt, path: &'static str) -> (Arc<Gate>, CallUnderWay) {
    let gate = Arc::new(Gate::default());
    upstream.on(path, Answer::Held(gate.clone(), 0, "ended well"));
    let client = Raw::connect(&shunt.socket()).await;
    let call = tokio::spawn(async move { client.call(path, b"").await });
    tokio::time::timeout(PATIENCE, gate.came.notified()).await.expect("it arrives");
    (gate, call)
}

type CallUnderWay = tokio::task::JoinHandle<support::raw::Answer>;

#[tokio::test]
async fn at_a_stop_a_call_may_end_for_twenty_seconds() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("", upstream.socket());
    let (gate, ends) = held(&upstream, &shunt, "/some.Service/Ends").await;
    let (_shut, never_ends) = held(&upstream, &shunt, "/some.Service/NeverEnds").await;
    let stopped = Instant::now();
    shunt.signal(Signal::TERM);
    assert!(wait_for(async || shunt.stderr().contains("stopping: no new calls")).await);
    gate.open.notify_one();
    let answer = ends.await.unwrap();
    assert_eq!((answer.code(), answer.message().as_deref()), (Some(0), Some("ended well")), "{answer:?}");
    assert!(!never_ends.is_finished() && shunt.ended().is_none());
    assert!(wait_for(async || shunt.ended().is_some()).await, "{}", shunt.stderr());
    assert!(stopped.elapsed() >= Duration::from_secs(20));
    assert_eq!(shunt.ended().and_then(|status| status.code()), Some(0));
    assert!(shunt.stderr().contains("calls were still under way; they are cut"), "{}", shunt.stderr());
    assert_eq!(never_ends.await.unwrap().code(), None);
}

#[tokio::test]
async fn at_a_stop_a_stream_ends_at_once() {
    const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";
    let upstream = Upstream::start();
    upstream.on(EVENTS, Answer::Hang);
    let shunt = Shunt::start_before("", upstream.socket());
    let client = Raw::connect(&shunt.socket()).await;
    let stream = tokio::spawn(async move { client.call(EVENTS, b"").await });
    assert!(wait_for(async || upstream.come(EVENTS) == 1).await);
    shunt.signal(Signal::TERM);
    assert_eq!(shunt.ends().code(), Some(0));
    let answer = stream.await.unwrap();
    assert_eq!(answer.code(), Some(14), "{answer:?}");
    assert!(!shunt.stderr().contains("are cut"), "{}", shunt.stderr());
}

/// containerd never shows the name that an image is given: that takes a minute by default.
#[tokio::test]
async fn an_adoption_that_a_stop_cuts_is_undone() {
    const IMAGES: &str = "/containerd.services.images.v1.Images";
    let upstream = Upstream::start();
    let (mirror, manifest) = one_manifest();
    let target = Descriptor { digest: digest(manifest.as_bytes()), ..Descriptor::default() };
    let image = api::Image { name: "any".to_owned(), target: Some(target), ..api::Image::default() };
    let known = api::GetImageResponse { image: Some(image) };
    upstream.on(&format!("{IMAGES}/Get"), Answer::Message(known.encode_to_vec()));
    let content = api::ReadContentResponse { offset: 0, data: manifest.into() };
    upstream.on(READ, Answer::Message(content.encode_to_vec()));
    let pulled = PullImageResponse { image_ref: "sha256:id".to_owned() };
    upstream.on(PULL, Answer::Message(pulled.encode_to_vec()));
    let shunt = Shunt::start_before(&rule("q.dev", &[&mirror.host()]), upstream.socket());
    let cri = Cri::connect(&shunt.socket()).await;
    let pull = tokio::spawn(async move { cri.pull("q.dev/a:1").await });
    let update = format!("{IMAGES}/Update");
    assert!(wait_for(async || upstream.come(&update) == 2).await, "two names:\n{}", shunt.stderr());
    pull.abort();
    shunt.signal(Signal::TERM);
    // containerd's stand-in lives in this thread, so nothing here may block it.
    assert!(wait_for(async || shunt.stderr().contains("stopping: no new calls")).await);
    shunt.signal(Signal::TERM);
    assert!(wait_for(async || shunt.ended().is_some()).await);
    assert_eq!(upstream.come(&update), 4, "both are what they were:\n{}", shunt.stderr());
}

/// A mirror that has one manifest under every name.
fn one_manifest() -> (Scripted, &'static str) {
    const MANIFEST: &str = r#"{"schemaVersion": 2, "layers": []}"#;
    let (digest, length) = (digest(MANIFEST.as_bytes()), MANIFEST.len().to_string());
    let mirror = Scripted::start(move |_| {
        let headers = [
            ("Content-Type", "application/vnd.oci.image.manifest.v1+json"),
            ("Content-Length", &length),
            ("Docker-Content-Digest", &digest),
        ];
        reply(200, &headers, MANIFEST)
    });
    (mirror, MANIFEST)
}

/// containerd says each time that something has removed what it was working with.
#[tokio::test]
async fn an_image_that_is_always_removed_is_pulled_six_times() {
    let upstream = Upstream::start();
    upstream.on(PULL, Answer::Status(5, "failed to create image reference \"a\": image \"a\": not found"));
    let (mirror, manifest) = one_manifest();
    let content = api::ReadContentResponse { offset: 0, data: manifest.into() };
    upstream.on(READ, Answer::Message(content.encode_to_vec()));
    let shunt = Shunt::start_before(&rule("q.dev", &[&mirror.host()]), upstream.socket());
    let cri = Cri::connect(&shunt.socket()).await;
    for (name, pulls) in [("q.dev/a:1", 6), ("passes.dev/a:1", 12)] {
        let status = cri.pull(name).await.unwrap_err();
        assert_eq!(upstream.come(PULL), pulls, "{status} {}", shunt.stderr());
        let words = "pulled 6 times, and each time something removed it before it had its name";
        assert!(status.message().contains(words), "{status}");
    }
}

#[tokio::test]
async fn a_pull_keeps_the_policy_that_it_began_with() {
    let upstream = Upstream::start();
    let mirrors = [Fake::start(), Fake::start()];
    mirrors[0].on("/v2/", Behaviour::Held);
    let hosts = mirrors.each_ref().map(Fake::host);
    let rule = format!("mirrors = {hosts:?}");
    let config = format!("[pull]\nstall-after = \"0s\"\n[[policy.rule]]\nprefix = \"q.dev\"\n{rule}\n");
    let shunt = Shunt::start_before(&config, upstream.socket());
    let cri = Cri::connect(&shunt.socket()).await;
    let pull = tokio::spawn(async move { cri.pull("q.dev/a:1").await });
    assert!(wait_for(async || !mirrors[0].records().is_empty()).await, "{}", shunt.stderr());
    let text = std::fs::read_to_string(shunt.config_file()).unwrap();
    shunt.write(&text.replace(&rule, "deny = \"by now\""));
    shunt.signal(Signal::HUP);
    assert!(wait_for(async || shunt.stderr().contains("new policy loaded")).await);
    let denied = Cri::connect(&shunt.socket()).await.pull("q.dev/a:1").await.unwrap_err();
    assert!(denied.message().contains("by now"), "{denied}");
    mirrors[0].on("/v2/", Behaviour::Status(404));
    let status = pull.await.unwrap().unwrap_err();
    for host in &hosts {
        assert!(status.message().contains(host.as_str()), "{status}");
    }
    assert!(!status.message().contains("by now"), "{status}");
    assert!(!mirrors[1].records().is_empty());
    assert_eq!(upstream.come(PULL), 0, "containerd is asked for what somebody has");
}

#[tokio::test]
async fn the_first_questions_are_held_while_containerd_starts() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("", upstream.socket());
    for path in HELD {
        upstream.on(path, Answer::Status(14, NOT_YET));
        let client = Raw::connect(&shunt.socket()).await;
        let call = tokio::spawn(async move { client.call_with(path, b"", &[("x-from", "client")]).await });
        // The daemon itself asks some of this, too.
        let asked = || upstream.calls(path).iter().filter(|call| call.headers.contains_key("x-from")).count();
        assert!(wait_for(async || asked() >= 2).await, "{path}: asked again");
        upstream.on(path, Answer::Echo(HeaderMap::new()));
        let answer = call.await.unwrap();
        assert_eq!(answer.code(), Some(0), "{path}: {answer:?}");
    }
    // What no client asks first has the answer that there is.
    let other = "/runtime.v1.ImageService/ListImages";
    upstream.on(other, Answer::Status(14, NOT_YET));
    let answer = Raw::connect(&shunt.socket()).await.call(other, b"").await;
    assert_eq!((answer.code(), upstream.calls(other).len()), (Some(14), 1), "{answer:?}");
}

#[tokio::test]
async fn they_are_held_for_a_while_and_then_told() {
    let upstream = Upstream::start();
    for path in HELD {
        upstream.on(path, Answer::Status(14, NOT_YET));
    }
    let unready = Shunt::start_before("", upstream.socket());
    let away = Shunt::start_before("", std::path::Path::new("/nowhere/containerd.sock"));
    for (shunt, part) in [(&unready, "not initialized"), (&away, "/nowhere/containerd.sock")] {
        for path in HELD {
            let client = Raw::connect(&shunt.socket()).await;
            let asked = Instant::now();
            let answer = tokio::time::timeout(PATIENCE, client.call(path, b"")).await.expect("it ends");
            assert!(asked.elapsed() >= Duration::from_secs(1), "{path}: at once");
            assert_eq!(answer.code(), Some(14), "{path}: {answer:?}");
            assert!(answer.message().is_some_and(|message| message.contains(part)), "{path}: {answer:?}");
        }
    }
}
