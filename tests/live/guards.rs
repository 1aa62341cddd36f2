//! Where a registry tries to send this program, and what it would like to be told.

use cri_shunt::inside::registry::proxy::Proxies;
use cri_shunt::inside::registry::{Endpoint, HeaderValue, Login};

use crate::kept::KeepAlive;
use crate::support::http1::Message;
use crate::support::refusing::Refusing;
use crate::support::scripted::{Reply, Scripted, reply};
use crate::{PATIENCE, ask, ask_through, client_through, naming, plain, user};

/// What a service of the node would answer to whoever reaches it.
const HUSH: &str = r#"{"errors":[{"code":"HUSH","message":"hush of the node"}],"error":"hush"}"#;

/// A registry that is not on this machine, as far as can be seen: it is reached through a proxy.
async fn from_outside(answer: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> String {
    let proxy = Scripted::start(answer);
    let client = client_through(Proxies::new([("HTTP_PROXY".to_owned(), proxy.host())]), PATIENCE);
    ask_through("registry.test/a:1", &plain("registry.test"), &user("robot", "hunter2"), &client).await
}

/// Redirects to `location`.
fn sending(location: String) -> impl Fn(&Message) -> Reply + Send + Sync + 'static {
    move |_| reply(307, &[("Location", &location)], "")
}

#[tokio::test]
async fn a_registry_elsewhere_does_not_lead_to_this_machine_or_its_link() {
    let node = Scripted::start(|_| reply(500, &[], HUSH));
    let port = node.host().rsplit_once(':').unwrap().1.to_owned();
    let rows = [
        ("127.0.0.1", "on the loopback"),
        ("localhost", "on the loopback"),
        ("[::1]", "on the loopback"),
        ("[::ffff:127.0.0.1]", "on the loopback"),
        ("0.0.0.0", "on the unspecified address"),
        ("169.254.169.254", "on a link-local address"),
        ("[fe80::1]", "on a link-local address"),
        ("224.0.0.1", "on a multicast address"),
        ("a.localhost.", "on the loopback"),
    ];
    for (host, place) in rows {
        let url = format!("http://{host}:{port}/latest/meta-data");
        let to = format!("{host}:{port}");
        let only = format!("is {place}, where only a registry on such an address itself may lead");
        let said = from_outside(naming(url.clone())).await.replace(&to, "THERE").replace(host, "THERE");
        assert_eq!(
            said,
            format!("protocol: no token for HOST, asked as robot: its token server THERE {only}"),
            "{host}"
        );
        let said = from_outside(sending(url)).await.replace(&to, "THERE").replace(host, "THERE");
        assert_eq!(said, format!("protocol: HOST redirects to THERE, which {only}"), "{host}");
    }
    assert_eq!(node.requests().len(), 0);
}

#[tokio::test]
async fn a_number_that_is_not_an_address_and_a_private_name_are_not_asked_for() {
    for (host, reason) in [
        ("0x7f.1", "is a number, but not an address in its usual form"),
        ("2130706433", "is a number, but not an address in its usual form"),
        ("way.cri-shunt.invalid", "is below .invalid, where no host can be"),
    ] {
        let said = from_outside(sending(format!("http://{host}/a"))).await;
        assert_eq!(said, format!("protocol: HOST redirects to {host}, which {reason}"));
    }
}

#[tokio::test]
async fn a_registry_on_the_loopback_leads_to_the_loopback_alone() {
    for host in ["169.254.169.254", "0.0.0.0"] {
        let registry = Scripted::start(sending(format!("http://{host}/a")));
        let name = format!("{}/a:1", registry.host());
        let said = ask(&name, &plain(&registry.host()), &Login::Anonymous).await;
        assert!(said.starts_with(&format!("protocol: HOST redirects to {host}, which is on ")), "{said}");
    }
    // What stands behind a redirect has no say in where to go on to.
    let proxy = Scripted::start(|request: &Message| match request.method_and_path().1 {
        path if path.starts_with("http://registry.test/") => {
            reply(307, &[("Location", "http://other.test/")], "")
        }
        _ => reply(307, &[("Location", "http://127.0.0.1:1/")], ""),
    });
    let client = client_through(Proxies::new([("HTTP_PROXY".to_owned(), proxy.host())]), PATIENCE);
    let said = ask_through("registry.test/a:1", &plain("registry.test"), &Login::Anonymous, &client).await;
    assert!(said.starts_with("protocol: other.test redirects to 127.0.0.1:1, which is on the "), "{said}");
}

#[tokio::test]
async fn a_kept_connection_to_the_loopback_is_not_for_a_registry_elsewhere() {
    let node = KeepAlive::start();
    let proxy = Scripted::start(sending(format!("http://{}/v2/", node.host())));
    let client = client_through(Proxies::new([("HTTP_PROXY".to_owned(), proxy.host())]), PATIENCE);
    let name = format!("{}/a:1", node.host());
    let found = ask_through(&name, &plain(&node.host()), &Login::Anonymous, &client).await;
    assert!(found.starts_with("sha256:"), "{found}");
    let said = ask_through("registry.test/a:1", &plain("registry.test"), &Login::Anonymous, &client).await;
    assert!(said.contains("which is on the loopback"), "{said}");
    assert_eq!(node.requests().len(), 1);
}

#[tokio::test]
async fn only_status_and_host_are_repeated_of_a_server_that_a_registry_names() {
    let node = Scripted::start(|_| reply(403, &[("Retry-After", "hush"), ("RateLimit-Limit", "hush")], HUSH));
    let registry = Scripted::start(naming(format!("http://{}/token", node.host())));
    let name = format!("{}/a:1", registry.host());
    let said = ask(&name, &plain(&registry.host()), &Login::Anonymous).await.replace(&node.host(), "NODE");
    assert_eq!(
        said,
        "unauthorized: no token for HOST, asked without credentials: its token server NODE answers 403 Forbidden"
    );
    for (status, text) in
        [(403, "403 Forbidden"), (429, "429 Too Many Requests"), (500, "500 Internal Server Error")]
    {
        let node = Scripted::start(move |_| reply(status, &[("Retry-After", "hush")], HUSH));
        let registry = Scripted::start(sending(format!("http://{}/", node.host())));
        let name = format!("{}/a:1", registry.host());
        let said =
            ask(&name, &plain(&registry.host()), &Login::Anonymous).await.replace(&node.host(), "NODE");
        assert!(said.ends_with(&format!(": NODE answers {text}")), "{said}");
    }
    let node = Scripted::start(|_| reply(200, &[("Content-Type", "text/hush")], HUSH));
    let registry = Scripted::start(sending(format!("http://{}/", node.host())));
    let name = format!("{}/a:1", registry.host());
    let said = ask(&name, &plain(&registry.host()), &Login::Anonymous).await;
    assert!(said.contains("answers, but with something, which is not a manifest"), "{said}");
    // The registry's own token server may say what it likes.
    let registry = Scripted::start(|request: &Message| match request.method_and_path().1 {
        path if path.starts_with("/token") => reply(403, &[], HUSH),
        _ => {
            let realm = format!(r#"Bearer realm="http://{}/token""#, request.header("host").unwrap());
            reply(401, &[("WWW-Authenticate", &realm)], "")
        }
    });
    let name = format!("{}/a:1", registry.host());
    let said = ask(&name, &plain(&registry.host()), &Login::Anonymous).await;
    assert!(said.ends_with("answers 403 Forbidden: HUSH, hush of the node"), "{said}");
}

#[tokio::test]
async fn a_login_goes_to_no_realm_that_a_redirects_target_names() {
    let tokens = Scripted::start(|_| reply(200, &[], r#"{"token":"t"}"#));
    let greedy = Scripted::start(naming(format!("http://{}/token", tokens.host())));
    let registry = Scripted::start(sending(format!("http://{}/a", greedy.host())));
    let value = HeaderValue::Text(cri_shunt::inside::files::secret::Secret::new("key-of-node".to_owned()));
    let endpoint = Endpoint { headers: vec![("X-Key".to_owned(), value)], ..plain(&registry.host()) };
    let said = ask(&format!("{}/a:1", registry.host()), &endpoint, &user("robot", "hunter2")).await;
    assert!(said.contains("HOST had redirected there, where no credentials go"), "{said}");
    assert_eq!(tokens.requests().len(), 0);
    assert_eq!(greedy.seen("x-key").iter().filter(|(_, key)| key.is_some()).count(), 0);
}

#[tokio::test]
async fn a_registry_that_has_answered_over_tls_is_not_asked_in_plain_http_too() {
    use crate::support::certificates::{Authority, Oddity};
    // What it leads to speaks no TLS, or is not there.
    let plain_host = Scripted::start(|_| reply(200, &[], ""));
    let refusing = Refusing::start();
    let dead = refusing.host();
    for (there, told) in [(plain_host.host(), "tls: TLS with "), (dead, "connect: cannot connect to ")] {
        let certificate = Authority::new().issue(&["127.0.0.1"], Oddity::None);
        let to = format!("https://{there}/");
        let registry = Scripted::start_tls(&certificate, move |_| reply(307, &[("Location", &to)], ""));
        let host = registry.host();
        let said = ask(&format!("{host}/a:1"), &Endpoint::of(&host), &Login::Anonymous).await;
        assert!(said.starts_with(told), "{said}");
        assert!(!said.contains("HOST"), "{said}");
        assert_eq!(registry.requests().len(), 1);
    }
}
