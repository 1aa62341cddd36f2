//! What a registry, a token server or an environment says to the registry client.
//!
//! Input: a status in three digits, lines of headers, an empty line, a body. The whole is also read as the
//! variables of a proxy, and as a `Location`.
//! What must hold: no error has the secret in it that was sent, wherever the other side repeats it; a manifest
//! that is found has the digest that was asked for; a challenge, and a URL, reads as itself when it is written
//! down again.

use bytes::Bytes;
use cri_shunt::inside::files::secret::Secret;
use cri_shunt::inside::registry::proxy::Proxies;
use cri_shunt::inside::registry::{Endpoint, Login, Reply, Url, challenge, judge, token};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::secrets::{SECRET, hidden};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) fn run(bytes: &[u8]) {
    challenges(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        locations(text);
        proxies(text);
    }
    let _ = token::read(bytes);
    let Some(answer) = answer(bytes) else { return };
    for value in answer.headers.get_all("www-authenticate") {
        challenges(value.as_bytes());
    }
    let _ = token::read(&answer.body);
    for reference in ["1", DIGEST] {
        answers(&answer, reference);
    }
}

fn challenges(header: &[u8]) {
    let found = challenge::parse(header);
    assert!(found.len() <= header.len());
    for challenge in &found {
        assert!(!challenge.scheme.is_empty());
        let mut written = challenge.scheme.clone();
        for (index, name) in ["realm", "service", "scope", "error"].into_iter().enumerate() {
            let value = challenge.parameter(name).unwrap_or_default();
            let value = value.replace('\\', r"\\").replace('"', "\\\"");
            written += &format!("{}{name}=\"{value}\"", if index == 0 { " " } else { ", " });
        }
        let again = challenge::parse(written.as_bytes());
        assert_eq!(again.len(), 1, "{written}");
        assert_eq!(again[0].scheme, challenge.scheme);
        for name in ["realm", "service", "scope", "error"] {
            assert_eq!(again[0].parameter(name), challenge.parameter(name), "{written}");
        }
        if let Some(realm) = challenge.parameter("realm").and_then(Url::parse) {
            let scope = challenge.parameter("scope").unwrap_or_default();
            stays(&realm.with_query(&[("scope", scope)]));
        }
    }
}

fn locations(text: &str) {
    if let Some(url) = Url::parse(text) {
        stays(&url);
    }
    for base in ["https://r.example:5000/v2/a/manifests/1?ns=x", "http://[::1]/v2/"] {
        let base = Url::parse(base).unwrap();
        let Some(url) = base.join(text) else { continue };
        stays(&url);
        // Whatever is the same to us has to be the same to whoever connects by the text.
        let uri: http::Uri = url.to_string().parse().unwrap();
        let same = uri.authority().unwrap().as_str() == base.authority()
            && base.to_string().starts_with(&format!("{}:", uri.scheme_str().unwrap()));
        assert_eq!(url.same_origin(&base), same, "{url}");
    }
}

/// A URL reads as itself, and its target can be asked for.
fn stays(url: &Url) {
    let text = url.to_string();
    assert_eq!(Url::parse(&text).as_ref(), Some(url), "{text}");
    assert!(url.same_origin(url));
}

fn proxies(text: &str) {
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let names = ["HTTPS_PROXY", "http_proxy", "No_Proxy", "NO_PROXY"];
    let proxies = Proxies::new(names.map(|name| (name.to_owned(), line())));
    let host = line();
    hidden(&format!("{proxies:?}"));
    for https in [true, false] {
        let proxy = proxies.proxy_for(https, &host, 443);
        assert_eq!(proxy, proxies.proxy_for(https, &host, 443));
        if let Some(proxy) = proxy {
            assert!(!format!("{:?}", proxy.login).contains(SECRET));
        }
        for local in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(proxies.proxy_for(https, local, 5000), None);
        }
    }
    let mut all: Vec<(String, String)> = vec![("HTTPS_PROXY".to_owned(), host)];
    all.push(("NO_PROXY".to_owned(), "*".to_owned()));
    assert_eq!(Proxies::new(all).proxy_for(true, "r.example", 443), None);
}

/// An answer as it comes from the other side.
fn answer(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((bytes, &b""[..]), |end| (&bytes[..end], &bytes[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = StatusCode::from_bytes(lines.next()?).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        headers.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some(Reply { status, headers, body: Bytes::copy_from_slice(body), cut: false })
}

/// The answer to GET, the one to HEAD being the same, none at all, or one that leaves it to GET.
fn answers(answer: &Reply, reference: &str) {
    let login = Login::Password { username: "u".to_owned(), password: Secret::new(SECRET.to_owned()) };
    let endpoint = Endpoint::of("r.example");
    for head in [answer.status, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_FOUND] {
        for cut in [false, true] {
            let reply = |status| {
                let Reply { headers, body, .. } = answer;
                Reply { status, headers: headers.clone(), body: body.clone(), cut }
            };
            match judge(reference, &endpoint, &login, [reply(head), reply(answer.status)]) {
                Ok((digest, media_type, _)) => {
                    is_asked_for(&digest, reference);
                    assert!(media_type.starts_with("application/vnd."));
                }
                Err(refusal) => {
                    hidden(&refusal.to_string());
                    hidden(&format!("{refusal:?}"));
                    let _ = refusal.failure();
                }
            }
        }
    }
}

fn is_asked_for(digest: &str, reference: &str) {
    assert!(reference != DIGEST || digest == DIGEST);
    assert!(digest.contains(':') && cri_shunt::inside::policy::is_image_id(digest));
}
