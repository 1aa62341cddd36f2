//! The token protocol: a token server of our own before a real docker-registry, and servers that misbehave.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cri_shunt::inside::files::secret::Secret;
use cri_shunt::inside::registry::{Endpoint, Login};
use rcgen::{KeyPair, SigningKey};
use serde_json::json;

use crate::support::certificates::{Authority, Certificate, Oddity};
use crate::support::guarded::{Guard, PASSWORD, USER};
use crate::support::http1::Message;
use crate::support::refusing::Refusing;
use crate::support::scripted::{Reply, Scripted, reply};
use crate::{ask, plain, stored, user};

const REFRESH: &str = "refresh-of-robot";

/// A token that docker-registry accepts: signed with ES256, the certificate in its head.
fn token(signer: &Certificate, scope: &str) -> String {
    let mut parts = scope.split(':');
    let (kind, name, actions) = (parts.next(), parts.next(), parts.next().unwrap_or("pull"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let head = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(&signer.der)]});
    let claims = json!({
        "iss": "testbed-issuer", "sub": "", "aud": "testbed", "exp": now + 600, "nbf": now - 60, "iat": now,
        "jti": "1", "access": [{"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}],
    });
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(head.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let key = KeyPair::from_pem(&signer.key).unwrap();
    let signature = key.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(fixed(&signature)))
}

/// r and s as 32 bytes each, of their DER form.
fn fixed(der: &[u8]) -> Vec<u8> {
    let integer = |at: usize| {
        let length = usize::from(der[at + 1]);
        let bytes = &der[at + 2..at + 2 + length];
        let bytes = bytes.strip_prefix(&[0]).unwrap_or(bytes);
        let mut padded = vec![0; 32 - bytes.len()];
        padded.extend_from_slice(bytes);
        (padded, at + 2 + length)
    };
    let (mut r, next) = integer(2);
    r.extend(integer(next).0);
    r
}

/// The fields of a query or a form.
fn fields(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.to_owned(), value.replace("%3A", ":").replace("%2F", "/").replace("%20", " "))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// Grants by password or refresh token; anonymous gets a token where `open`.
fn grant(signer: &Certificate, open: bool, posts: bool, request: &Message) -> Reply {
    let (method, path) = request.method_and_path();
    let body = String::from_utf8(request.body.clone()).unwrap();
    let given = if method == "POST" { body } else { path.split_once('?').unwrap().1.to_owned() };
    let fields = fields(&given);
    let field =
        |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let allowed = match (method, request.header("authorization")) {
        ("POST", _) if !posts => return reply(404, &[], "404 page not found"),
        ("POST", _) => match field("grant_type") {
            "refresh_token" => field("refresh_token") == REFRESH,
            _ => field("username") == USER && field("password") == PASSWORD,
        },
        (_, Some(login)) => login == basic,
        (_, None) => open,
    };
    assert_eq!(field("service"), "testbed");
    if !allowed {
        return reply(401, &[], r#"{"details":"incorrect username or password"}"#);
    }
    let token = token(signer, field("scope"));
    let answer = if method == "POST" { json!({"access_token": token}) } else { json!({"token": token}) };
    reply(200, &[], &answer.to_string())
}

#[tokio::test]
async fn a_real_registry_takes_the_tokens_of_its_server() {
    let Some((registry, found)) = stored("live/token") else { return };
    let dir = tempfile::tempdir().unwrap();
    let signer = Authority::new().issue(&["signer"], Oddity::SelfSigned);
    let (bundle, _) = signer.files(dir.path(), "signer");
    let identity = Login::IdentityToken(Secret::new(REFRESH.to_owned()));
    // A server with the form, one that knows only the older way, one that lets anybody pull.
    for (open, posts) in [(false, true), (false, false), (true, true)] {
        let signer = signer.clone();
        let server = Scripted::start(move |request| grant(&signer, open, posts, request));
        let realm = format!("http://{}/token", server.host());
        let guarded = Guard::default().token(&realm, &bundle).start(registry);
        let name = format!("{}/live/token:1", guarded.host());
        let access = Endpoint::of(guarded.host());
        let said = async |login: &Login| ask(&name, &access, login).await.replace(&server.host(), "SERVER");
        assert_eq!(said(&user(USER, PASSWORD)).await, found, "open {open}, posts {posts}");
        let refused = |who: &str| {
            format!(
                "unauthorized: no token for HOST, asked {who}: its token server SERVER answers 401 Unauthorized"
            )
        };
        assert_eq!(said(&user(USER, "wrong")).await, refused("as robot"));
        let anonymous = if open { found.clone() } else { refused("without credentials") };
        assert_eq!(said(&Login::Anonymous).await, anonymous);
        let with_token = if posts { found.clone() } else { refused("with an identity token") };
        assert_eq!(said(&identity).await, with_token);
        let scopes: Vec<_> =
            server.requests().iter().map(|request| request.method_and_path().1.to_owned()).collect();
        let get = scopes.iter().find(|path| path.contains('?'));
        let expected = "/token?service=testbed&scope=repository%3Alive%2Ftoken%3Apull";
        assert!(get.is_some_and(|path| path == expected), "{scopes:?}");
    }
}

/// A registry that wants a token of `realm`, and takes `Bearer good`.
fn wanting(realm: String) -> Scripted {
    Scripted::start(move |request| match request.header("authorization") {
        Some("Bearer good") => reply(200, &[("Content-Type", "text/html")], ""),
        _ => {
            let challenge = format!(r#"Basic realm="x", Bearer realm="{realm}",service="testbed""#);
            reply(401, &[("WWW-Authenticate", &challenge)], "")
        }
    })
}

/// What is said with a token server that answers so.
async fn of(answer: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> String {
    let server = Scripted::start(answer);
    let registry = wanting(format!("http://{}/token", server.host()));
    let said = ask(&format!("{}/a/b:1", registry.host()), &plain(&registry.host()), &Login::Anonymous).await;
    said.replace(&server.host(), "SERVER")
}

const THROUGH: &str = "content: HOST answers, but with text/html, which is not a manifest; a login page, or not a registry at all?";

#[tokio::test]
async fn either_name_of_a_token_will_do() {
    assert_eq!(of(|_| reply(200, &[], r#"{"token":"good"}"#)).await, THROUGH);
    assert_eq!(of(|_| reply(200, &[], r#"{"access_token":"good","expires_in":60}"#)).await, THROUGH);
    assert_eq!(of(|_| reply(200, &[], r#"{"token":"","access_token":"good"}"#)).await, THROUGH);
}

#[tokio::test]
async fn a_token_server_that_grants_nothing_is_told_so() {
    let asked = "no token for HOST, asked without credentials: ";
    let rows: [(u16, &str, &str); 6] = [
        (200, "{}", "protocol: ASKEDthe answer of its token server SERVER holds no token"),
        (
            200,
            "<html>",
            "protocol: ASKEDits token server SERVER answers something that is not a JSON object with a token",
        ),
        (
            403,
            r#"{"error":"access_denied"}"#,
            "unauthorized: ASKEDits token server SERVER answers 403 Forbidden",
        ),
        (429, "", "rate-limited: ASKEDits token server SERVER answers 429 Too Many Requests"),
        (503, "", "status: ASKEDits token server SERVER answers 503 Service Unavailable"),
        (
            200,
            r#"{"token":"a\nb"}"#,
            "unauthorized: HOST answers 401 Unauthorized, asked without credentials; what its token server sent as a token has bytes that no header may have",
        ),
    ];
    for (status, body, expected) in rows {
        assert_eq!(of(move |_| reply(status, &[], body)).await, expected.replace("ASKED", asked));
    }
    assert_eq!(
        of(|_| reply(200, &[], r#"{"token":"bad"}"#)).await,
        "unauthorized: HOST answers 401 Unauthorized, asked without credentials; there is no such repository, \
         or these credentials may not read it"
    );
    let huge = "x".repeat(2 << 20);
    assert_eq!(
        of(move |_| reply(200, &[], &huge)).await,
        format!("protocol: {asked}its token server SERVER answers with more than 262144 bytes")
    );
    let longest = "x".repeat(64 << 10);
    let long = format!(r#"{{"token":"{longest}y"}}"#);
    assert_eq!(
        of(move |_| reply(200, &[], &long)).await,
        format!(
            "protocol: {asked}its token server SERVER sends a token of more than 65536 bytes, which no server \
             takes in a header"
        )
    );
    let bearable = format!(r#"{{"token":"{longest}"}}"#);
    let said = of(move |_| reply(200, &[], &bearable)).await;
    assert!(!said.contains("no token for"), "{said}");
}

#[tokio::test]
async fn a_realm_that_cannot_be_asked_is_told_so() {
    let said = async |realm: &str| {
        let registry = wanting(realm.to_owned());
        ask(&format!("{}/a:1", registry.host()), &plain(&registry.host()), &Login::Anonymous).await
    };
    let asked = "no token for HOST, asked without credentials: ";
    assert_eq!(said("").await, format!("protocol: {asked}it names no token server"));
    assert_eq!(
        said("/token").await,
        format!("protocol: {asked}it names /token as its token server, which is not a URL")
    );
    let refusing = Refusing::start();
    let dead = refusing.host();
    assert_eq!(
        said(&format!("http://{dead}/t")).await,
        format!(
            "connect: {asked}with its token server, cannot connect to {dead}: Connection refused (os error 111)"
        )
    );
}
