//! A mirror's words decide nothing: whatever it writes into its errors, the next mirror is asked, once, and nothing that
//! belongs to others is thrown away.
//!
//! containerd repeats what a registry says, each version in frames of its own. Here it does so really.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use tonic::Code;

/// What containerd says of its own machine and store, and of a registry that is away.
const WORDS: [&str; 8] = [
    "no space left on device",
    "write /var/lib/containerd/x: read-only file system: unknown",
    "image \"m/r:1\": not found",
    "\": not found",
    "dial tcp 192.0.2.1:443: connect: connection refused",
    ": eof",
    "parent snapshot sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa does not exist: \
     not found",
    "failed commit on ref \"layer-sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": unexpected \
     commit digest sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
];

/// Where the mirror says something.
#[derive(Clone, Copy, Debug)]
enum Place {
    Manifest,
    Token,
    Blob,
}

/// How it says something.
#[derive(Clone, Copy, Debug)]
enum How {
    /// In the line of the status, and in an error as the distribution-spec has it.
    Error(u16),
    /// In the line of the status, and in a text of two lines.
    Text(u16),
    /// In the URL that it leads to, where nobody listens.
    Redirect,
    /// In a line of the head that is no header.
    Line,
    /// In a header with a name that is none.
    Header,
}

const HOWS: [How; 6] =
    [How::Error(404), How::Error(500), How::Text(500), How::Redirect, How::Line, How::Header];

const END: &str = "Connection: close\r\n\r\n";

impl How {
    /// The whole answer.
    fn say(self, words: &str) -> String {
        let whole = |status: u16, body: &str| {
            format!("HTTP/1.1 {status} {words}\r\nContent-Length: {}\r\n{END}{body}", body.len())
        };
        match self {
            How::Error(status) => {
                let error = serde_json::json!({"code": "UNKNOWN", "message": words, "detail": words});
                whole(status, &serde_json::json!({ "errors": [error] }).to_string())
            }
            How::Text(status) => whole(status, &format!("{words}\n{words}")),
            How::Redirect => {
                let to = format!("Location: http://127.0.0.1:1/?{words}\r\n");
                format!("HTTP/1.1 307 Elsewhere\r\n{to}Content-Length: 0\r\n{END}")
            }
            How::Line => format!("HTTP/1.1 200 OK\r\n{words}\r\n{END}"),
            How::Header => format!("HTTP/1.1 200 OK\r\na b: {words}\r\n{END}"),
        }
    }
}

/// A mirror that says something to containerd, and its image.
struct Case {
    what: String,
    /// Where it does so.
    at: String,
    fake: Fake,
    name: String,
}

impl Case {
    fn new(registry: &Registry, path: &str, name: String, (place, how, words): (Place, How, &str)) -> Case {
        let fake = Fake::in_front_of(registry.host());
        let to_containerd = |raw: String| Behaviour::ToContainerd(Box::new(Behaviour::Raw(raw)));
        let at = match place {
            Place::Manifest => format!("/v2/{path}/manifests/"),
            Place::Blob => format!("/v2/{path}/blobs/"),
            Place::Token => {
                let realm = format!("WWW-Authenticate: Bearer realm=\"http://{}/auth\"\r\n", fake.host());
                let challenge = format!("HTTP/1.1 401 Unauthorized\r\n{realm}Content-Length: 0\r\n{END}");
                fake.on("/v2/", to_containerd(challenge));
                "/auth".to_owned()
            }
        };
        fake.on(&at, to_containerd(how.say(words)));
        Case { what: format!("{place:?} {how:?} {words}"), at, fake, name }
    }

    /// How many requests the mirror saw from this program at this path.
    fn seen(&self, agent: &str, path: &str) -> usize {
        let is_one = |agent_of: &Option<String>| agent_of.as_ref().is_some_and(|of| of.starts_with(agent));
        let records = self.fake.records();
        records.iter().filter(|record| is_one(&record.user_agent) && record.path.starts_with(path)).count()
    }
}

async fn the_next_mirror_is_asked_whatever_one_says(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let path = format!("words-{}/app", version.line().replace('.', "-"));
    registry.push(&path, "1", &Image::busybox(&path));
    let mut cases = Vec::new();
    for place in [Place::Manifest, Place::Token, Place::Blob] {
        for how in HOWS {
            for words in WORDS {
                let name = format!("words-{}.dev/{path}:1", cases.len());
                cases.push(Case::new(registry, &path, name, (place, how, words)));
            }
        }
    }
    // It has nothing.
    let next = Fake::start();
    let rule = |case: &Case| {
        let host = case.name.split('/').next().unwrap();
        rule(host, &[&case.fake.host(), &next.host()]) + "collapse = true\n"
    };
    let shunt = Shunt::start(&cases.iter().map(rule).collect::<String>(), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let tag = format!("/v2/{path}/manifests/1");
    for case in &cases {
        let (what, begin) = (&case.what, shunt.stderr().len());
        next.forget();
        let status = cri.pull(&case.name).await.unwrap_err();
        let log = || shunt.stderr()[begin..].to_owned();
        assert_ne!(case.seen("containerd/", &case.at), 0, "containerd was told nothing: {what}: {status}");
        assert_eq!(case.seen("cri-shunt/", &tag), 1, "it was asked again: {what}: {}", log());
        assert_ne!(next.records(), [], "it ended the pull: {what}: {status}");
        assert_ne!(
            status.code(),
            Code::ResourceExhausted,
            "it is taken for this machine's: {what}: {status}"
        );
        assert!(!log().contains("threw away"), "it threw away a download: {what}: {}", log());
    }
}

on_each_containerd!(the_next_mirror_is_asked_whatever_one_says);
