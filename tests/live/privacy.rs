//! Credentials are shown only to the registry that they are for, and to its token server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cri_shunt::inside::files::secret::Secret;
use cri_shunt::inside::registry::{Endpoint, HeaderValue, Login};

use crate::support::certificates::{Authority, Oddity};
use crate::support::http1::Message;
use crate::support::image::MANIFEST;
use crate::support::scripted::{Reply, Scripted, reply};
use crate::{PATIENCE, ask, client, naming, plain, resolve, user};

const SECRET: &str = "hunter2-of-robot";

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("robot:{SECRET}")))
}

fn manifest() -> Reply {
    let digest = format!("sha256:{}", "a".repeat(64));
    reply(200, &[("Content-Type", MANIFEST), ("Docker-Content-Digest", &digest), ("Content-Length", "7")], "")
}

/// Whether the secret, or what is made of it, is anywhere in what a server was sent.
fn told(server: &Scripted) -> bool {
    let encoded = basic();
    server.requests().iter().any(|request| {
        let text = format!("{request:?} {}", String::from_utf8_lossy(&request.body));
        text.contains(SECRET) || text.contains(&encoded) || request.header("authorization").is_some()
    })
}

/// Wants Basic, then sends elsewhere.
fn sending_to(location: String) -> Scripted {
    Scripted::start(move |request: &Message| match request.header("authorization") {
        Some(_) => reply(307, &[("Location", &location)], ""),
        None => reply(401, &[("WWW-Authenticate", "Basic realm=x")], ""),
    })
}

#[tokio::test]
async fn a_redirect_takes_neither_credentials_nor_headers_to_another_host() {
    let recorder = Scripted::start(|_| manifest());
    let registry = sending_to(format!("http://{}/elsewhere", recorder.host()));
    let value = HeaderValue::Text(Secret::new(format!("key-{SECRET}")));
    let headers = vec![("X-Key".to_owned(), value)];
    let access = Endpoint { headers, ..plain(&registry.host()) };
    let said = ask(&format!("{}/a:1", registry.host()), &access, &user("robot", SECRET)).await;
    assert!(said.starts_with("sha256:"), "{said}");
    assert_eq!(recorder.requests().len(), 1);
    assert!(!told(&recorder), "{:?}", recorder.requests());
    let own = registry.requests();
    assert_eq!(own.last().unwrap().header("authorization"), Some(basic().as_str()));
    assert!(own.iter().all(|request| request.header("x-key") == Some(&format!("key-{SECRET}"))));
}

#[tokio::test]
async fn the_same_host_by_another_name_is_another_host() {
    let recorder = Scripted::start(|_| manifest());
    let port = recorder.host().split(':').nth(1).unwrap().to_owned();
    let registry = sending_to(format!("http://localhost:{port}/elsewhere"));
    let said =
        ask(&format!("{}/a:1", registry.host()), &plain(&registry.host()), &user("robot", SECRET)).await;
    assert!(said.starts_with("sha256:"), "{said}");
    assert!(!told(&recorder), "{:?}", recorder.requests());
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_them() {
    let registry = Scripted::start(|request: &Message| {
        let authorized = request.header("authorization").is_some();
        match request.method_and_path().1 {
            _ if !authorized => reply(401, &[("WWW-Authenticate", "Basic realm=x")], ""),
            "/moved" => manifest(),
            _ => reply(308, &[("Location", "/moved")], ""),
        }
    });
    let said =
        ask(&format!("{}/a:1", registry.host()), &plain(&registry.host()), &user("robot", SECRET)).await;
    assert!(said.starts_with("sha256:"), "{said}");
    assert_eq!(registry.seen("authorization").last(), Some(&("HEAD /moved".to_owned(), Some(basic()))));
}

#[tokio::test]
async fn a_login_takes_the_place_of_a_configured_authorization_that_does_not_suffice() {
    let registry = Scripted::start(|request: &Message| match request.header("authorization") {
        Some(login) if login == basic() => manifest(),
        _ => reply(401, &[("WWW-Authenticate", "Basic realm=x")], ""),
    });
    let value = HeaderValue::Text(Secret::new("Bearer old".to_owned()));
    let headers = vec![("Authorization".to_owned(), value)];
    let access = Endpoint { headers, ..plain(&registry.host()) };
    let said = ask(&format!("{}/a:1", registry.host()), &access, &user("robot", SECRET)).await;
    assert!(said.starts_with("sha256:"), "{said}");
    let seen: Vec<_> = registry.seen("authorization").into_iter().map(|(_, login)| login.unwrap()).collect();
    assert_eq!(seen, ["Bearer old".to_owned(), basic()]);
}

#[tokio::test]
async fn who_is_redirected_to_may_ask_for_credentials_in_vain() {
    let greedy = Scripted::start(|_| reply(401, &[("WWW-Authenticate", "Basic realm=x")], ""));
    let to = format!("http://{}/mine", greedy.host());
    let registry = Scripted::start(move |_| reply(302, &[("Location", &to)], ""));
    let said =
        ask(&format!("{}/a:1", registry.host()), &plain(&registry.host()), &user("robot", SECRET)).await;
    assert_eq!(
        said,
        format!(
            "unauthorized: {} answers 401 Unauthorized, asked as robot; HOST had redirected there, where no \
             credentials go; there is no such repository, or these credentials may not read it",
            greedy.host()
        )
    );
    assert!(!told(&greedy));
}

#[tokio::test]
async fn a_token_server_in_plain_http_gets_nothing_from_a_registry_with_tls() {
    let server = Scripted::start(|_| reply(200, &[], r#"{"token":"t"}"#));
    let authority = Authority::new();
    let certificate = authority.issue(&["127.0.0.1"], Oddity::None);
    let registry = Scripted::start_tls(&certificate, naming(format!("http://{}/token", server.host())));
    let host = registry.host();
    let dir = tempfile::tempdir().unwrap();
    let ca = vec![authority.file(dir.path())];
    let access = Endpoint { schemes: vec!["https"], ca, ..plain(&host) };
    for login in [user("robot", SECRET), Login::IdentityToken(Secret::new(SECRET.to_owned()))] {
        let said = ask(&format!("{host}/a:1"), &access, &login).await;
        let end = format!("its token server {} is in plain http, where no credentials go", server.host());
        assert!(
            said.starts_with("unauthorized: no token for HOST, asked ") && said.ends_with(&end),
            "{said}"
        );
    }
    assert_eq!(server.requests().len(), 0);
    // Nobody's token may come from there.
    let said = ask(&format!("{host}/a:1"), &access, &Login::Anonymous).await;
    assert!(said.starts_with("unauthorized: HOST answers 401"), "{said}");
    assert!(!told(&server) && server.requests().len() == 1);
}

#[tokio::test]
async fn a_token_server_that_redirects_takes_them_nowhere() {
    for status in [301, 302, 303, 307, 308] {
        let recorder = Scripted::start(|_| reply(200, &[], r#"{"token":"t"}"#));
        let to = format!("http://{}/theirs", recorder.host());
        let server = Scripted::start(move |_| reply(status, &[("Location", &to)], ""));
        let registry = Scripted::start(naming(format!("http://{}/token", server.host())));
        let access = plain(&registry.host());
        for login in [user("robot", SECRET), Login::IdentityToken(Secret::new(SECRET.to_owned()))] {
            drop(ask(&format!("{}/a:1", registry.host()), &access, &login).await);
        }
        assert!(!told(&recorder), "{status}: {:?}", recorder.requests());
        assert!(told(&server), "{status}: the server itself was asked");
    }
}

#[tokio::test]
async fn a_secret_that_comes_back_is_not_repeated() {
    let echo = format!(r#"{{"errors":[{{"code":"DENIED","message":"no {SECRET} here"}}]}}"#);
    // A registry that is its own token server: `guards` has that the words of others are not told at all.
    let registry = Scripted::start(move |request: &Message| {
        if request.method_and_path().1.starts_with("/token") {
            return reply(403, &[], &echo);
        }
        let realm = format!(r#"Bearer realm="http://{}/token",service="s""#, request.header("host").unwrap());
        reply(401, &[("WWW-Authenticate", &realm)], "")
    });
    let said =
        ask(&format!("{}/a:1", registry.host()), &plain(&registry.host()), &user("robot", SECRET)).await;
    assert_eq!(
        said,
        "unauthorized: no token for HOST, asked as robot: its token server HOST answers 403 Forbidden: DENIED, \
         no (a secret) here"
    );

    let echo = format!(r#"{{"errors":[{{"code":"DENIED","message":"no {SECRET} here"}}]}}"#);
    let registry = Scripted::start(move |request: &Message| match request.header("authorization") {
        Some(_) => reply(403, &[], &echo),
        None => reply(401, &[("WWW-Authenticate", "Basic realm=x")], ""),
    });
    let said =
        ask(&format!("{}/a:1", registry.host()), &plain(&registry.host()), &user("robot", SECRET)).await;
    assert_eq!(said, "forbidden: HOST answers 403 Forbidden: DENIED, no (a secret) here");
    let name = format!("{}/a:1", registry.host());
    let (access, login) = (plain(&registry.host()), user("robot", SECRET));
    let error = resolve(&client(), &name, &access, &login, PATIENCE).await.unwrap_err();
    let debug = format!("{error:?} {login:?}");
    assert!(!debug.contains(SECRET), "{debug}");
}

/// What is said to a login and a configured header by a registry that answers so to whoever is logged in.
async fn repeated(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> String {
    let tokens = Scripted::start(|_| reply(200, &[], r#"{"access_token":"a-token\"of-theirs"}"#));
    let challenge = format!(r#"Bearer realm="http://{}/token""#, tokens.host());
    let registry = Scripted::start(move |request: &Message| match request.header("authorization") {
        Some(token) => answer(&format!("{} {token} {}", request.header("x-key").unwrap(), basic())),
        None => reply(401, &[("WWW-Authenticate", &challenge)], ""),
    });
    let value = HeaderValue::Text(Secret::new("Key of-The-node".to_owned()));
    let headers = vec![("X-Key".to_owned(), value)];
    let access = Endpoint { headers, ..plain(&registry.host()) };
    ask(&format!("{}/a:1", registry.host()), &access, &user("robot", SECRET)).await
}

#[tokio::test]
async fn whatever_was_sent_is_not_repeated_from_wherever_it_comes_back() {
    let body = |sent: &str| serde_json::json!({"errors": [{"code": "DENIED", "message": sent}]}).to_string();
    assert_eq!(
        repeated(move |sent| reply(403, &[], &body(sent))).await,
        "forbidden: HOST answers 403 Forbidden: DENIED, (a secret) Bearer (a secret) Basic (a secret)"
    );
    assert_eq!(
        repeated(|sent| reply(429, &[("Retry-After", sent)], "")).await,
        "rate-limited: HOST answers 429 Too Many Requests; again after (a secret) Bearer (a secret) Basic (a secret)"
    );
    assert_eq!(
        repeated(|sent| reply(302, &[("Location", &format!("{}x:{sent}", "x".repeat(175)))], "")).await,
        format!(
            "protocol: HOST redirects to {}x:(a secret) Bearer (a se..., which is not a URL that can be asked",
            "x".repeat(175)
        )
    );
    assert_eq!(
        repeated(|_| reply(302, &[("Location", "ftp://of-the-NODE/")], "")).await,
        "protocol: HOST redirects to ftp://(a secret)/, which is not a URL that can be asked"
    );
    let said = repeated(|_| reply(302, &[("Location", "http://of-The-node:0x/")], "")).await;
    assert!(said.contains("redirects to http://(a secret):0x/"), "{said}");
    assert_eq!(
        repeated(|_| reply(401, &[("WWW-Authenticate", r#"Bearer error="of-The-node""#)], "")).await,
        "unauthorized: HOST answers 401 Unauthorized, asked as robot: (a secret); there is no such repository, \
         or these credentials may not read it"
    );
}

#[tokio::test]
async fn a_secret_as_the_name_of_a_token_server_or_a_way_to_log_in_is_not_repeated() {
    let said = async |challenge: &'static str| {
        let registry = Scripted::start(move |_| reply(401, &[("WWW-Authenticate", challenge)], ""));
        ask(&format!("{}/a:1", registry.host()), &plain(&registry.host()), &user("robot", SECRET)).await
    };
    assert_eq!(
        said(r#"Bearer realm="hunter2-of-robot""#).await,
        "unauthorized: no token for HOST, asked as robot: it names (a secret) as its token server, which is not a URL"
            .replace("unauthorized", "protocol")
    );
    assert_eq!(
        said("Hunter2-of-robot x=y").await,
        "unauthorized: HOST answers 401 Unauthorized, asked as robot; it wants (a secret), which containerd does \
         not speak"
    );
}
