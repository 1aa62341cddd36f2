//! What registries, healthy and sick, answer to a request for a manifest.

use std::time::Duration;

use cri_shunt::inside::registry::proxy::Proxies;
use cri_shunt::inside::registry::{Endpoint, Login};

use crate::support::http1::Message;
use crate::support::image::{Image, MANIFEST, digest};
use crate::support::refusing::Refusing;
use crate::support::registry::Registry;
use crate::support::scripted::{Reply, Scripted, reply};
use crate::{ask, ask_through, ask_within, client, client_through, plain, stored};

#[tokio::test]
async fn a_real_registry_on_the_loopback_is_asked_without_any_word_on_transport() {
    let Some((registry, found)) = stored("live/plain") else { return };
    let access = Endpoint::of(registry.host());
    assert_eq!(ask(&registry.name("live/plain", "1"), &access, &Login::Anonymous).await, found);
    let by_digest = format!("{}/live/plain@{}", registry.host(), found.split(' ').next().unwrap());
    assert_eq!(ask(&by_digest, &access, &Login::Anonymous).await, found);
    assert_eq!(
        ask(&registry.name("live/plain", "2"), &access, &Login::Anonymous).await,
        "not-found: HOST answers 404 Not Found: MANIFEST_UNKNOWN, manifest unknown"
    );
    assert_eq!(
        ask(&registry.name("live/nowhere", "1"), &access, &Login::Anonymous).await,
        "not-found: HOST answers 404 Not Found: MANIFEST_UNKNOWN, manifest unknown"
    );
}

#[tokio::test]
async fn an_index_is_found_as_such() {
    let Some(registry) = Registry::shared() else { return };
    let image = Image::index(Image::busybox("live/index"));
    registry.push("live/index", "1", &image);
    let found =
        ask(&registry.name("live/index", "1"), &Endpoint::of(registry.host()), &Login::Anonymous).await;
    assert_eq!(found, format!("{} application/vnd.oci.image.index.v1+json", image.digest()));
    let asked: Vec<_> = registry
        .requests()
        .into_iter()
        .filter(|asked| asked.path.ends_with("live/index/manifests/1"))
        .collect();
    let methods: Vec<_> = asked.iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(methods, ["PUT", "HEAD"]);
}

/// What is said of a registry that answers so.
async fn of(answer: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> String {
    let server = Scripted::start(answer);
    ask(&format!("{}/a/b:1", server.host()), &plain(&server.host()), &Login::Anonymous).await
}

/// HEAD is answered by the first, GET by the second.
fn by_method(request: &Message, head: Reply, get: Reply) -> Reply {
    if request.method_and_path().0 == "HEAD" { head } else { get }
}

#[tokio::test]
async fn where_head_does_not_answer_get_does() {
    let body = r#"{"schemaVersion":2}"#;
    let found = format!("{} {MANIFEST}", digest(body.as_bytes()));
    let kind = ("Content-Type", MANIFEST);
    for (status, headers) in [(405, &[][..]), (200, &[kind]), (200, &[])] {
        let headers = headers.to_vec();
        let said =
            of(move |request| by_method(request, reply(status, &headers, ""), reply(200, &[kind], body)));
        assert_eq!(said.await, found, "{status}");
    }
    // Some registries refuse HEAD alone.
    for status in [403, 404] {
        let said =
            of(move |request| by_method(request, reply(status, &[], ""), reply(200, &[kind], body))).await;
        assert_eq!(said, found, "{status}");
    }
}

#[tokio::test]
async fn refusals_are_told_with_the_registrys_own_words() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    assert_eq!(
        of(move |_| reply(403, &[], denied)).await,
        "forbidden: HOST answers 403 Forbidden: DENIED, requested access to the resource is denied"
    );
    assert_eq!(
        of(|_| reply(429, &[("Retry-After", "120"), ("RateLimit-Limit", "100;w=21600")], "")).await,
        "rate-limited: HOST answers 429 Too Many Requests; again after 120 s, ratelimit-limit 100;w=21600"
    );
    assert_eq!(of(|_| reply(503, &[], "")).await, "status: HOST answers 503 Service Unavailable");
    assert_eq!(
        of(|_| reply(200, &[("Content-Type", "text/html")], "<html>")).await,
        "content: HOST answers, but with text/html, which is not a manifest; a login page, or not a registry at all?"
    );
    assert_eq!(
        of(|_| reply(401, &[], "")).await,
        "unauthorized: HOST answers 401 Unauthorized, asked without credentials; it names no way to log in"
    );
    assert_eq!(
        of(|_| reply(401, &[("WWW-Authenticate", "Negotiate, Digest realm=x")], "")).await,
        "unauthorized: HOST answers 401 Unauthorized, asked without credentials; it wants negotiate, digest, \
         which containerd does not speak"
    );
}

#[tokio::test]
async fn what_is_no_http_is_told_so_and_costs_no_memory() {
    let garbage = "protocol: HOST answers something that is not HTTP";
    assert_eq!(of(|_| Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())).await, garbage);
    assert_eq!(of(|_| Reply::Raw(vec![0xff; 3000])).await, garbage);
    let cut = "cut: HOST hangs up before its answer is whole";
    assert_eq!(of(|_| Reply::Raw(Vec::new())).await, cut);
    assert_eq!(of(|_| Reply::Raw(b"HTTP/1.1 200 O".to_vec())).await, cut);
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let bounded = "protocol: HOST answers with a head of more than 65536 bytes or 100 headers";
    assert_eq!(of(move |_| Reply::Raw(long.clone().into_bytes())).await, bounded);
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200));
    assert_eq!(of(move |_| Reply::Raw(many.clone().into_bytes())).await, bounded);
    let huge = "x".repeat(6 << 20);
    assert_eq!(
        of(move |request| by_method(
            request,
            reply(405, &[], ""),
            reply(200, &[("Content-Type", MANIFEST)], &huge)
        ))
        .await,
        "content: HOST answers, but with a manifest of more than 4393216 bytes, which containerd refuses"
    );
}

#[tokio::test]
async fn redirects_are_followed_and_not_for_ever() {
    let Some((registry, found)) = stored("live/redirected") else { return };
    let to = format!("http://{}/v2/live/redirected/manifests/1", registry.host());
    assert_eq!(of(move |_| reply(307, &[("Location", &to)], "")).await, found);
    assert_eq!(
        of(|_| reply(302, &[("Location", "/again")], "")).await,
        "protocol: HOST redirects more than 10 times"
    );
    assert_eq!(
        of(|_| reply(302, &[("Location", "gopher://x/")], "")).await,
        "protocol: HOST redirects to gopher://x/, which is not a URL that can be asked"
    );
}

/// The clock goes on only where there is nothing left to do but wait.
#[tokio::test(start_paused = true)]
async fn silence_ends() {
    let server = Scripted::start(|_| Reply::Silence);
    let limit = Duration::from_secs(3);
    let endpoint = plain(&server.host());
    let name = format!("{}/a:1", server.host());
    let said = ask_within(&name, &endpoint, &Login::Anonymous, &client(), limit).await;
    assert_eq!(said, "timeout: no answer within 3 s: waiting for the answer of HOST");
}

#[tokio::test]
async fn a_connection_that_comes_to_nothing_is_told_apart() {
    let refusing = Refusing::start();
    let dead = refusing.host();
    let said = ask(&format!("{dead}/a:1"), &Endpoint::of(&dead), &Login::Anonymous).await;
    assert_eq!(said, "connect: cannot connect to HOST: Connection refused (os error 111)");
    // Longer than a part of a name may be, so that no resolver is asked.
    let nowhere = format!("{}.invalid", "x".repeat(64));
    let said = ask(&format!("{nowhere}/a:1"), &Endpoint::of(&nowhere), &Login::Anonymous).await;
    assert!(said.starts_with("dns: cannot find the address of HOST: "), "{said}");
    // A server that takes the connection, and says nothing to TLS.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let impatient = client_through(Proxies::default(), Duration::from_millis(300));
    let said = ask_through(&format!("{host}/a:1"), &Endpoint::of(&host), &Login::Anonymous, &impatient).await;
    assert_eq!(said, "timeout: no connection to HOST within 300 ms");
}
