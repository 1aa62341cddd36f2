use bytes::Bytes;
use http::HeaderMap;

use super::super::url::Url;
use super::*;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    Answer {
        url: Url::parse("https://r.example/v2/a/manifests/1").unwrap(),
        status: StatusCode::from_u16(status).unwrap(),
        headers: map,
        body: Bytes::copy_from_slice(body.as_bytes()),
        cut: false,
        words: Some(Default::default()),
        special: None,
    }
}

/// The digest at the end of a name.
fn asked(name: &str) -> Option<&str> {
    name.split_once('@').map(|(_, digest)| digest)
}

fn head(headers: &[(&'static str, &str)], of: &str) -> String {
    match of_head(&answer(200, headers, ""), asked(of)) {
        Ok(Verdict::Found(found)) => format!("{} {} {:?}", found.digest, found.media_type, found.size),
        Ok(Verdict::AskAgain) => "ask again".to_owned(),
        Ok(Verdict::AskWhy) => "ask why".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_head_of_a_manifest_is_enough_where_it_is_whole() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let other = format!("sha256:{}", "b".repeat(64));
    let (kind, length) = (("content-type", INDEX), ("content-length", "7"));
    let stated = ("docker-content-digest", digest.as_str());
    let by_digest = format!("r.example/a@{digest}");
    let found = format!("{digest} {INDEX} Some(7)");
    assert_eq!(head(&[kind, length, stated], "r.example/a:1"), found);
    assert_eq!(
        head(&[("content-type", &format!("{INDEX}; charset=utf-8")), length, stated], "r.example/a:1"),
        found
    );
    for incomplete in [&[kind, length][..], &[kind, stated], &[length, stated]] {
        assert_eq!(head(incomplete, "r.example/a:1"), "ask again");
    }
    // The digest that was asked for need not be said.
    assert_eq!(head(&[kind, length], &by_digest), found);
    assert_eq!(
        head(&[kind, length, ("docker-content-digest", &other)], &by_digest),
        format!("r.example answers, but with another digest than was asked for ({other})")
    );
    assert_eq!(
        head(&[kind, length, ("docker-content-digest", "sha256:zz")], "r.example/a:1"),
        "r.example answers, but its Docker-Content-Digest is not a digest: sha256:zz"
    );
    assert_eq!(
        head(&[("content-type", "text/html"), length, stated], "r.example/a:1"),
        "r.example answers, but with text/html, which is not a manifest; a login page, or not a registry at all?"
    );
    assert_eq!(
        head(&[kind, ("content-length", "4393217"), stated], "r.example/a:1"),
        "r.example answers, but with a manifest of more than 4393216 bytes, which containerd refuses"
    );
}

#[test]
fn the_digest_of_a_body_is_counted() {
    let body = format!(r#"{{"mediaType":"{INDEX}"}}"#);
    let digest = digest_like("sha256", body.as_bytes());
    let long = digest_like("sha512:", body.as_bytes());
    let found = of_get(&answer(200, &[], &body), None).unwrap();
    assert_eq!((found.digest.as_str(), found.media_type.as_str()), (digest.as_str(), INDEX));
    let found = of_get(&answer(200, &[], &body), Some(&long)).unwrap();
    assert_eq!(found.digest, long);
    let wrong = format!("sha256:{}", "c".repeat(64));
    let error = of_get(&answer(200, &[], &body), Some(&wrong)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("r.example answers, but with another digest than was asked for ({digest})")
    );
    let stated = format!("sha256:{}", "d".repeat(64));
    let error = of_get(&answer(200, &[("docker-content-digest", &stated)], &body), None);
    assert_eq!(
        error.unwrap_err().to_string(),
        format!("r.example answers, but its manifest does not have the digest that it says ({stated})")
    );
    let error = of_get(&answer(200, &[], "garbage"), None).unwrap_err();
    assert_eq!(error.to_string(), "r.example answers, but says no media type, nor does the manifest");
}

#[test]
fn refusals_say_what_the_registry_says() {
    let said = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#;
    let rows = [
        (answer(404, &[], said), "r.example answers 404 Not Found: MANIFEST_UNKNOWN, manifest unknown"),
        (answer(403, &[], "<html>"), "r.example answers 403 Forbidden"),
        (answer(502, &[], ""), "r.example answers 502 Bad Gateway"),
        (
            answer(429, &[("retry-after", "30"), ("ratelimit-remaining", "0;w=21600")], ""),
            "r.example answers 429 Too Many Requests; again after 30 s, ratelimit-remaining 0;w=21600",
        ),
        (
            answer(599, &[], r#"{"error":"odd","error_description":"very"}"#),
            "r.example answers 599: odd, very",
        ),
    ];
    for (get, expected) in rows {
        let error = of_get(&get, None).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let long = format!(r#"{{"errors":[{{"code":"{}"}}]}}"#, "x".repeat(5000));
    assert_eq!(detail(&answer(500, &[], &long)).len(), ": ".len() + 200 + "...".len());
}

#[test]
fn get_tells_why_head_was_refused() {
    let denied = answer(403, &[], r#"{"errors":[{"code":"DENIED","message":"not you"}]}"#);
    let head = answer(403, &[], "");
    assert_eq!(reason(&head, Some(&denied)).to_string(), "r.example answers 403 Forbidden: DENIED, not you");
    assert_eq!(reason(&head, None).to_string(), "r.example answers 403 Forbidden");
}

#[test]
fn the_digest_of_a_tag_needs_a_length_and_that_of_a_digest_does_not() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let kind = ("content-type", INDEX);
    assert_eq!(head(&[kind], &format!("r.example/a@{digest}")), format!("{digest} {INDEX} None"));
    assert_eq!(head(&[], &format!("r.example/a@{digest}")), "ask again");
    assert_eq!(head(&[kind, ("docker-content-digest", &digest)], "r.example/a:1"), "ask again");
}

fn classed(status: u16, headers: &[(&'static str, &str)]) -> (Failure, Option<u64>) {
    let class = class(&answer(status, headers, ""));
    (class.failure, class.retry_after.map(|rest| rest.as_secs()))
}

#[test]
fn a_registry_that_wants_to_rest_is_understood() {
    let far = ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT");
    let day = 24 * 3600;
    let rows = [
        (429, ("retry-after", "30"), (Failure::RateLimited, Some(30))),
        (429, ("retry-after", "99999999999999999999999"), (Failure::RateLimited, Some(day))),
        (429, ("retry-after", "-1"), (Failure::RateLimited, None)),
        (429, ("retry-after", ""), (Failure::RateLimited, None)),
        (429, far, (Failure::RateLimited, Some(day))),
        (429, ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), (Failure::RateLimited, Some(0))),
        (429, ("retry-after", "Sun, 06 Nov 1994 08:49 GMT"), (Failure::RateLimited, None)),
        (429, ("retry-after", "Sun, 77 Foo 1994 08:49:37 GMT"), (Failure::RateLimited, None)),
        (503, ("retry-after", "7"), (Failure::Status, Some(7))),
        (500, ("retry-after", "7"), (Failure::Status, None)),
        (403, ("x-ratelimit-remaining", "0"), (Failure::RateLimited, None)),
        (503, ("ratelimit-remaining", "0;w=21600"), (Failure::RateLimited, None)),
        (403, ("ratelimit-remaining", "10"), (Failure::Forbidden, None)),
        (404, ("ratelimit-remaining", "0"), (Failure::NotFound, None)),
    ];
    for (status, header, expected) in rows {
        assert_eq!(classed(status, &[header]), expected, "{status} {header:?}");
    }
}

#[test]
fn nothing_is_repeated_of_a_host_that_somebody_else_has_named() {
    let said = r#"{"errors":[{"code":"HUSH","message":"hush"}]}"#;
    let headers = [
        ("content-type", "text/hush"),
        ("retry-after", "hush"),
        ("ratelimit-limit", "hush"),
        ("docker-content-digest", "hush"),
    ];
    for status in [200, 403, 429, 503] {
        let foreign = Answer { words: None, ..answer(status, &headers, said) };
        let error = of_get(&foreign, None).unwrap_err().to_string();
        assert!(!error.to_lowercase().contains("hush"), "{error}");
    }
}
