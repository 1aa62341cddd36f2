//! `explain --live` and containerd itself, asked the same: no image is called good that containerd does not take.

use crate::command::explain_at;
use crate::on_each_containerd;
use crate::support::containerd::Containerd;
use crate::support::cri::{Cri, user_and_password};
use crate::support::http1::Message;
use crate::support::image::{Image, MANIFEST, digest};
use crate::support::scripted::{Reply, Scripted, reply};
use crate::support::version::Version;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const FIRST_FORMAT: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// A registry with one manifest behind each tag, and by its digest unless `only_tag`.
fn registry(kind: &'static str, body: String, only_tag: bool) -> Scripted {
    Scripted::start(move |request| serve(request, kind, &body, only_tag))
}

fn serve(request: &Message, kind: &str, body: &str, only_tag: bool) -> Reply {
    let (method, path) = request.method_and_path();
    let digest = digest(body.as_bytes());
    let length = body.len().to_string();
    let headers = [("Content-Type", kind), ("Docker-Content-Digest", &*digest), ("Content-Length", &*length)];
    match path.rsplit_once("/manifests/") {
        Some((_, reference)) if only_tag && (method == "GET" || reference.contains(':')) => {
            reply(404, &[], "")
        }
        Some(_) if method == "HEAD" => reply(200, &headers, ""),
        Some(_) => reply(200, &headers[..2], body),
        None => reply(404, &[], ""),
    }
}

/// A registry that wants a token, and its token server, which answers so.
fn guarded(
    challenge: impl Fn(&str) -> String + Send + Sync + 'static,
    answer: &'static str,
) -> (Scripted, Scripted) {
    let body = String::from_utf8(Image::busybox("verdict").manifest()).unwrap();
    let server = Scripted::start(move |request| match request.method_and_path().1 {
        path if path.starts_with("/token") => reply(200, &[("Content-Type", "application/json")], answer),
        _ => reply(404, &[], ""),
    });
    let realm = format!("http://{}/token", server.host());
    let registry = Scripted::start(move |request| match request.header("authorization") {
        Some("Bearer good") => serve(request, MANIFEST, &body, false),
        _ => reply(401, &[("WWW-Authenticate", &challenge(&realm))], ""),
    });
    (registry, server)
}

struct Case {
    registry: Scripted,
    _server: Option<Scripted>,
    /// What explain says, with the host left out.
    says: &'static str,
    logs_in: bool,
    /// Whether containerd 1 may take such a manifest.
    only_2: bool,
}

fn cases() -> Vec<Case> {
    let of = |registry, says| Case { registry, _server: None, says, logs_in: false, only_2: false };
    let foreign = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{{"mediaType":"{MANIFEST}","size":2,"digest":"sha256:{}","platform":{{"os":"linux","architecture":"mips"}}}}]}}"#,
        "a".repeat(64)
    );
    let busybox = String::from_utf8(Image::busybox("verdict").manifest()).unwrap();
    let with_token = |challenge: fn(&str) -> String, answer, says, logs_in| {
        let (registry, server) = guarded(challenge, answer);
        Case { registry, _server: Some(server), says, logs_in, only_2: false }
    };
    vec![
        of(registry(INDEX, foreign, false), "HOST has the image, but nothing in it is for this machine"),
        Case {
            only_2: true,
            ..of(
                registry(FIRST_FORMAT, r#"{"schemaVersion":1}"#.to_owned(), false),
                "HOST answers, but with a manifest of the first format",
            )
        },
        of(registry(MANIFEST, busybox, true), "HOST names sha256:"),
        with_token(
            |realm| format!(r#"Bearer realm="{realm}",service="reg""#),
            r#"{"token":"good"}"#,
            "holds no token under the name access_token, where containerd looks for it",
            true,
        ),
        with_token(
            |realm| format!(r#"Bearer realm="{realm}",service="reg""#),
            r#"{"token":"good","access_token":"good","expires_in":"300"}"#,
            "answers with a `expires_in` that is not a whole number, so containerd does not read the answer",
            false,
        ),
        with_token(
            |realm| format!("Bearer realm={realm},service=reg"),
            r#"{"token":"good"}"#,
            "it names http as its token server, which is not a URL (its address has to be in quotes)",
            false,
        ),
    ]
}

async fn what_containerd_refuses_is_not_called_good(version: Version) {
    let Some(containerd) = Containerd::shared(version) else { return };
    let cri = Cri::connect(&containerd.socket()).await;
    for (number, case) in cases().into_iter().enumerate() {
        let Case { registry, says, logs_in, only_2, .. } = &case;
        let host = registry.host();
        let image = format!("{host}/verdict/a{number}:1");
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(containerd.socket(), dir.path().join("containerd.sock")).unwrap();
        std::fs::write(dir.path().join("password"), "sesame\n").unwrap();
        let login = match logs_in {
            true => format!(
                "[[credentials]]\nregistry = \"{host}\"\nusername = \"robot\"\npassword-file = \"password\"\n"
            ),
            false => String::new(),
        };
        let config = format!("[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{host}\"]\n{login}");
        let name = format!("quay.io/verdict/a{number}:1");
        let explained = explain_at(dir.path(), &config, "", &[], &[&name]);
        let line = explained.text.lines().find(|line| line.contains("error: ")).unwrap_or_default();
        let line = line.replace(&host, "HOST");
        let auth = logs_in.then(|| user_and_password("robot", "sesame"));
        let pulled = cri.pull_with(&image, auth).await;
        assert!(pulled.is_err(), "{version:?} {number}: containerd takes it");
        if *only_2 && version != Version::V2_1 {
            continue;
        }
        assert!(
            line.contains(says) && explained.status == 1,
            "{version:?} {number}:\n{}\n{pulled:?}",
            explained.text
        );
    }
}

on_each_containerd! {
    what_containerd_refuses_is_not_called_good
}
