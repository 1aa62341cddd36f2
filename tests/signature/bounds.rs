//! Registries that answer with too much, with something else, or without an end.

use crate::support::http1::Message;
use crate::support::image::{INDEX, MANIFEST, digest};
use crate::support::scripted::{Reply, Scripted, reply};
use crate::{demand, judged};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What is said of the image at a registry that answers so.
async fn said(answer: impl Fn(&str, &Message) -> Reply + Send + Sync + 'static) -> (String, Vec<String>) {
    let server = Scripted::start(move |message| answer(message.method_and_path().1, message));
    let host = server.host();
    let name = format!("{host}/a:1").parse().unwrap();
    let said = judged(&host, "a", &name, DIGEST, &demand(&[])).await.unwrap_err();
    let paths = server.requests().iter().map(|request| request.method_and_path().1.to_owned()).collect();
    (said.replace(&host, "HOST"), paths)
}

fn entry(number: usize, kind: &str) -> String {
    format!(r#"{{"mediaType":"{MANIFEST}","digest":"sha256:{number:064}","artifactType":"{kind}"}}"#)
}

fn index(entries: &[String]) -> Reply {
    let body = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    reply(200, &[("Content-Type", INDEX)], &body)
}

fn missing() -> Reply {
    reply(404, &[], "")
}

#[tokio::test]
async fn the_list_of_referrers_goes_before_the_tag_that_stands_in_for_it() {
    let tag = DIGEST.replace(':', "-");
    let (why, paths) = said(|path, _| match path.contains("/referrers/") {
        true => index(&[entry(1, "application/vnd.other"), entry(2, BUNDLE)]),
        false => missing(),
    })
    .await;
    assert_eq!(why, "it has no signature");
    let second = format!("/v2/a/manifests/sha256:{:064}", 2);
    let referrers = format!("/v2/a/referrers/{DIGEST}");
    assert_eq!(paths, [referrers.clone(), second, format!("/v2/a/manifests/{tag}.sig")]);
    // It does not know the question: by its status, or with a page for people.
    for other in [400, 404, 405, 406, 501, 200] {
        let answer = move |path: &str, _: &Message| match path.contains("/referrers/") {
            true => reply(other, &[("Content-Type", "text/html")], "<html>"),
            false => missing(),
        };
        let (why, paths) = said(answer).await;
        assert_eq!(why, "it has no signature");
        let tags = [format!("/v2/a/manifests/{tag}"), format!("/v2/a/manifests/{tag}.sig")];
        assert_eq!(paths, [&[referrers.clone()][..], &tags].concat());
    }
}

#[tokio::test]
async fn a_registry_that_does_not_tell_is_no_registry_without_signatures() {
    let (why, _) = said(|_, _| reply(500, &[], "")).await;
    assert_eq!(why, "HOST answers 500 Internal Server Error");
    let answer = |path: &str, _: &Message| match path.contains("/referrers/") {
        true => missing(),
        false => reply(403, &[], ""),
    };
    assert_eq!(said(answer).await.0, "HOST answers 403 Forbidden");
}

#[tokio::test]
async fn a_list_has_an_end() {
    let many: Vec<String> = (0..10_000).map(|number| entry(number, BUNDLE)).collect();
    let (why, paths) = said(move |_, _| index(&many)).await;
    assert_eq!(why, "the list of referrers: it has more than 1000 entries");
    assert_eq!(paths.len(), 1);

    // Each part leads to another one.
    let endless = |path: &str, _: &Message| {
        let number = path.split_once("n=").map_or(0, |(_, number)| number.parse::<usize>().unwrap());
        let link = format!("<{}?n={}>; rel=\"next\"", path.split('?').next().unwrap(), number + 1);
        reply(200, &[("Content-Type", INDEX), ("Link", &link)], r#"{"manifests":[]}"#)
    };
    let (why, paths) = said(endless).await;
    assert_eq!(why, "the list of referrers: it comes in more than 20 parts");
    assert_eq!(paths.len(), 20);

    // And none leads anywhere else.
    for link in
        ["</v2/b/referrers/x>; rel=\"next\"", "<http://127.0.0.1:1/>; rel=\"next\"", "x; rel=\"next\""]
    {
        let answer = move |_: &str, _: &Message| {
            reply(200, &[("Content-Type", INDEX), ("Link", link)], r#"{"manifests":[]}"#)
        };
        let (why, paths) = said(answer).await;
        assert_eq!(why, "HOST answers, but its list goes on at another place than it began");
        assert_eq!(paths.len(), 1);
    }
}

#[tokio::test]
async fn a_list_comes_in_parts() {
    let (_, paths) = said(|path, _| match path.split_once("/referrers/") {
        Some((_, rest)) if rest.ends_with("?n=2") => index(&[entry(2, BUNDLE)]),
        Some(_) => {
            let link = format!("<{path}?n=2>; rel=\"next\"");
            let body = format!(r#"{{"manifests":[{}]}}"#, entry(1, BUNDLE));
            reply(200, &[("Content-Type", INDEX), ("Link", &link)], &body)
        }
        None => missing(),
    })
    .await;
    let manifests = paths.iter().filter(|path| path.contains("/manifests/sha256:"));
    assert_eq!(manifests.count(), 2, "{paths:?}");
}

#[tokio::test]
async fn no_answer_is_read_without_a_bound() {
    let long = "x".repeat(10 << 20);
    let body = long.clone();
    let (why, _) = said(move |_, _| reply(200, &[("Content-Type", INDEX)], &body)).await;
    assert!(why.contains("with a manifest of more than 4393216 bytes"), "{why}");
    // A signature of 10 MB, and ten thousand signatures.
    let layer = |digest: &str| {
        let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":1}}"#)
    };
    let blob = digest(long.as_bytes());
    for (layers, expected) in [
        (layer(&blob), "HOST answers, but with a blob of more than 65536 bytes".to_owned()),
        (
            vec![layer(&blob); 10_000].join(","),
            format!("tag {}.sig: with it there are more than 128 signatures", DIGEST.replace(':', "-")),
        ),
        (
            layer(DIGEST),
            "HOST answers, but with a blob that has another digest than was asked for".to_owned(),
        ),
    ] {
        let (long, blob) = (long.clone(), blob.clone());
        let answer = move |path: &str, _: &Message| match path {
            path if path.ends_with(".sig") => {
                reply(200, &[("Content-Type", MANIFEST)], &format!(r#"{{"layers":[{layers}]}}"#))
            }
            path if path.ends_with(&blob) => reply(200, &[], &long),
            path if path.contains("/blobs/") => reply(200, &[], "other"),
            _ => missing(),
        };
        assert_eq!(said(answer).await.0, expected);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_not_passed_over() {
    for (body, expected) in [
        (r#"{"manifests":[]} x"#, "trailing characters at line 1 column 18"),
        (r#"{"manifests":[],"manifests":[]}"#, "a name stands twice in one object at line 1 column 31"),
        (r#"{"manifests":[{}]}"#, "missing field `mediaType` at line 1 column 16"),
    ] {
        let (why, _) = said(move |_, _| reply(200, &[("Content-Type", INDEX)], body)).await;
        assert_eq!(why, format!("the list of referrers: {expected}"));
    }
}

#[tokio::test]
async fn what_is_no_digest_is_told_in_few_words_and_asked_for_nowhere() {
    const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
    let odd = ["x".repeat(100_000), format!("sha256:{:064}/../../b", 1), "a\u{1b}[31m\nb".to_owned()];
    for digest in odd {
        let of = |kind: &str, more: &str| {
            let digest = serde_json::to_string(&digest).unwrap();
            format!(r#"{{"mediaType":"{kind}","digest":{digest}{more}}}"#)
        };
        let entry = of(MANIFEST, &format!(r#","artifactType":"{BUNDLE}""#));
        let layers = format!(r#"{{"schemaVersion":2,"layers":[{}]}}"#, of(SIMPLE, ""));
        let as_entry = said(move |path, _| match path.contains("/referrers/") {
            true => index(std::slice::from_ref(&entry)),
            false => missing(),
        });
        let as_layer = said(move |path, _| match path.ends_with(".sig") {
            true => reply(200, &[("Content-Type", MANIFEST)], &layers),
            false => missing(),
        });
        for (why, paths) in [as_entry.await, as_layer.await] {
            assert!(why.ends_with("in it is not a digest"), "{why}");
            assert!(why.len() < 400 && !why.contains(char::is_control), "{why:?}");
            assert!(paths.iter().all(|path| path.len() < 200), "{paths:?}");
        }
    }
}
