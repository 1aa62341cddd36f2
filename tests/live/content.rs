//! The bytes of a manifest, and registries that lie about them.

use cri_shunt::inside::registry::{Endpoint, Login, Resolve};
use tokio::time::Instant;

use crate::support::http1::Message;
use crate::support::image::{MANIFEST, digest};
use crate::support::scripted::{Reply, Scripted, reply};
use crate::{PATIENCE, client, plain, stored, told};

/// The longest manifest that containerd takes.
const LONGEST: usize = 4 * 1048 * 1048;

fn question<'q>(endpoint: &'q Endpoint, repository: &'q str) -> Resolve<'q> {
    let end = Instant::now() + PATIENCE;
    Resolve { endpoint, repository, reference: "1", warm: None, ns: None, login: &Login::Anonymous, end }
}

async fn fetched(endpoint: &Endpoint, repository: &str, digest: &str) -> Result<Vec<u8>, String> {
    let fetched = client().manifest(&question(endpoint, repository), digest).await;
    fetched
        .map(|manifest| manifest.bytes.to_vec())
        .map_err(|error| told(&error).replace(&endpoint.host, "HOST"))
}

/// What comes of the manifest `digest` at a registry that answers so.
async fn of(
    digest: &str,
    answer: impl Fn(&Message) -> Reply + Send + Sync + 'static,
) -> Result<Vec<u8>, String> {
    let server = Scripted::start(answer);
    fetched(&plain(&server.host()), "a", digest).await
}

#[tokio::test]
async fn a_real_registry_gives_the_bytes_that_were_asked_for() {
    let Some((registry, found)) = stored("live/bytes") else { return };
    let (wanted, kind) = found.split_once(' ').unwrap();
    let endpoint = Endpoint::of(registry.host());
    let client = client();
    let question = question(&endpoint, "live/bytes");
    let resolved = client.resolve(&question).await.unwrap();
    assert_eq!((resolved.digest.as_str(), resolved.endpoint.host.as_str()), (wanted, registry.host()));
    let manifest = client.manifest(&question, &resolved.digest).await.unwrap();
    assert_eq!((digest(&manifest.bytes).as_str(), manifest.media_type.as_str()), (wanted, kind));
    assert_eq!(Some(manifest.bytes.len() as u64), resolved.size);
    let missing = format!("sha256:{}", "0".repeat(64));
    let said = fetched(&endpoint, "live/bytes", &missing).await.unwrap_err();
    assert!(said.starts_with("not-found: HOST answers 404 Not Found: MANIFEST_UNKNOWN"), "{said}");
}

#[tokio::test]
async fn a_manifest_of_4_mib_passes_and_a_longer_one_than_containerd_takes_does_not() {
    for (length, passes) in [(4 << 20, true), (LONGEST, true), (LONGEST + 1, false), (5 << 20, false)] {
        let body = "x".repeat(length);
        let wanted = digest(body.as_bytes());
        let got = of(&wanted, move |_| reply(200, &[("Content-Type", MANIFEST)], &body)).await;
        match passes {
            true => assert_eq!(got.unwrap().len(), length),
            false => assert_eq!(
                got.unwrap_err(),
                "content: HOST answers, but with a manifest of more than 4393216 bytes, which containerd refuses"
            ),
        }
    }
}

#[tokio::test]
async fn a_registry_that_lies_is_told_so() {
    let body = r#"{"schemaVersion":2}"#;
    let wanted = digest(body.as_bytes());
    let other = digest(b"other");
    let kind = ("Content-Type", MANIFEST);
    assert_eq!(of(&wanted, move |_| reply(200, &[kind], body)).await.unwrap(), body.as_bytes());
    let another = |digest: &str| {
        format!("content: HOST answers, but with another digest than was asked for ({digest})")
    };
    assert_eq!(of(&other, move |_| reply(200, &[kind], body)).await.unwrap_err(), another(&wanted));
    let stated = other.clone();
    assert_eq!(
        of(&wanted, move |_| reply(200, &[kind, ("Docker-Content-Digest", &stated)], body))
            .await
            .unwrap_err(),
        format!("content: HOST answers, but its manifest does not have the digest that it says ({other})")
    );
    assert_eq!(
        of(&wanted, move |_| reply(200, &[("Content-Type", "text/html")], body)).await.unwrap_err(),
        "content: HOST answers, but with text/html, which is not a manifest; a login page, or not a registry at all?"
    );
    // More than there is, and less.
    let raw = |length: usize| {
        let text =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {MANIFEST}\r\nContent-Length: {length}\r\n\r\n{body}");
        move |_: &Message| Reply::Raw(text.clone().into_bytes())
    };
    assert_eq!(
        of(&wanted, raw(body.len() + 1)).await.unwrap_err(),
        "cut: HOST hangs up before its answer is whole"
    );
    assert_eq!(of(&wanted, raw(body.len() - 1)).await.unwrap_err(), another(&digest(&body.as_bytes()[..18])));
}

#[tokio::test]
async fn a_question_that_makes_no_url_is_not_asked() {
    let server = Scripted::start(|_| reply(200, &[], ""));
    let endpoint = plain(&server.host());
    let wanted = digest(b"x");
    for (repository, digest) in [
        ("", &*wanted),
        ("../a", &*wanted),
        ("a?b", &*wanted),
        ("a", "latest"),
        ("a", "sha256:zz"),
        ("a", "a/b"),
    ] {
        let said = fetched(&endpoint, repository, digest).await.unwrap_err();
        assert!(said.starts_with("config: "), "{said}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn the_registry_that_a_mirror_stands_in_for_is_said_only_where_it_is_known() {
    let server = Scripted::start(|_| reply(404, &[], ""));
    let endpoint = Endpoint { api_root: Some("/mirror/v2".to_owned()), ..plain(&server.host()) };
    for ns in [Some("docker.io"), None] {
        client().resolve(&Resolve { ns, ..question(&endpoint, "a/b") }).await.unwrap_err();
    }
    let paths: Vec<String> =
        server.requests().iter().map(|asked| asked.method_and_path().1.to_owned()).collect();
    let path = "/mirror/v2/a/b/manifests/1";
    assert_eq!(
        paths,
        [format!("{path}?ns=docker.io"), format!("{path}?ns=docker.io"), path.to_owned(), path.to_owned()]
    );
}
