//! Proxies of the environment, on the way to registries with and without TLS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cri_shunt::inside::registry::proxy::Proxies;
use cri_shunt::inside::registry::{Access, Login, Network, Scheme};

use crate::support::certificates::{Authority, Oddity};
use crate::support::scripted::{Reply, Scripted, reply};
use crate::{PATIENCE, ask_through, user};

const NAME: &str = "registry.test/a/b:1";

fn through(variable: &str, value: String) -> Network {
    Network::new(Proxies::new([(variable.to_owned(), value)]), PATIENCE, PATIENCE)
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_the_proxy_sees_nothing_of_it() {
    let authority = Authority::new();
    let registry = Scripted::start_tls(&authority.issue(&["registry.test"], Oddity::None), |request| {
        match request.header("authorization") {
            Some(_) => reply(503, &[], ""),
            None => reply(401, &[("WWW-Authenticate", "Basic realm=x")], ""),
        }
    });
    let to = registry.host();
    let proxy = Scripted::start(move |_| Reply::Tunnel(to.clone()));
    let dir = tempfile::tempdir().unwrap();
    let access = Access { ca: vec![authority.file(dir.path())], ..Access::of("registry.test") };
    let network = through("HTTPS_PROXY", format!("http://me:p%40ss@{}", proxy.host()));
    let said = ask_through(NAME, &access, &user("robot", "hunter2"), &network).await;
    assert_eq!(said, "status: HOST answers 503 Service Unavailable");
    let login = Some(format!("Basic {}", STANDARD.encode("me:p@ss")));
    let connect = ("CONNECT registry.test:443".to_owned(), login);
    assert_eq!(proxy.seen("proxy-authorization"), [connect.clone(), connect]);
    assert!(proxy.requests().iter().all(|request| request.header("authorization").is_none()));
    let asked = ("HEAD /v2/a/b/manifests/1".to_owned(), None);
    assert_eq!(registry.seen("proxy-authorization"), [asked.clone(), asked]);
}

#[tokio::test]
async fn a_proxy_may_speak_tls_itself() {
    let authority = Authority::new();
    let registry =
        Scripted::start_tls(&authority.issue(&["registry.test"], Oddity::None), |_| reply(503, &[], ""));
    let proxy = Scripted::start_tls(&authority.issue(&["127.0.0.1"], Oddity::None), |_| reply(407, &[], ""));
    let dir = tempfile::tempdir().unwrap();
    let access = Access { ca: vec![authority.file(dir.path())], ..Access::of("registry.test") };
    let network = through("https_proxy", format!("https://{}", proxy.host()));
    let said = ask_through(NAME, &access, &Login::Anonymous, &network).await;
    assert_eq!(
        said.replace(&proxy.host(), "PROXY"),
        "proxy: the proxy PROXY answers 407 Proxy Authentication Required to CONNECT registry.test:443"
            .replace("registry.test", "HOST")
    );
    assert_eq!(registry.requests().len(), 0);
}

#[tokio::test]
async fn plain_http_shows_the_proxy_the_whole_url() {
    let proxy = Scripted::start(|_| reply(503, &[], ""));
    let access = Access { scheme: Scheme::Http, ..Access::of("registry.test:5000") };
    let network = through("HTTP_PROXY", proxy.host());
    let said = ask_through(NAME, &access, &Login::Anonymous, &network).await;
    assert_eq!(said, "status: HOST answers 503 Service Unavailable");
    let asked = "HEAD http://registry.test:5000/v2/a/b/manifests/1".to_owned();
    assert_eq!(proxy.seen("host"), [(asked, Some("registry.test:5000".to_owned()))]);
}

#[tokio::test]
async fn a_proxy_that_fails_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let said = async |proxy: String| {
        let network = through("HTTPS_PROXY", proxy);
        ask_through(NAME, &Access::of("registry.test"), &Login::Anonymous, &network).await
    };
    assert_eq!(
        said(format!("http://u:hunter2@{free}")).await,
        format!(
            "proxy: the proxy {free} does not lead to HOST:443: cannot connect to {free}: Connection refused (os \
             error 111)"
        )
    );
    let plain = Scripted::start(|_| Reply::Raw(b"SSH-2.0\r\n\r\n".to_vec()));
    assert_eq!(
        said(format!("https://{}", plain.host())).await.replace(&plain.host(), "PROXY"),
        "proxy: the proxy PROXY does not lead to HOST:443: TLS with PROXY: it does not speak TLS; is it a registry in \
         plain http?"
    );
    let garbage = Scripted::start(|_| Reply::Raw(b"SSH-2.0\r\n\r\n".to_vec()));
    let text = said(garbage.host()).await;
    assert!(
        text.starts_with(&format!("proxy: the proxy {} gives no answer to CONNECT: ", garbage.host())),
        "{text}"
    );
    // It takes the connection, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let proxies = Proxies::new([("HTTPS_PROXY".to_owned(), address.clone())]);
    let network = Network::new(proxies, std::time::Duration::from_millis(300), PATIENCE);
    assert_eq!(
        ask_through(NAME, &Access::of("registry.test"), &Login::Anonymous, &network).await,
        format!("timeout: no connection to HOST:443 through the proxy {address} within 300 ms")
    );
    let socks = Scripted::start(|_| Reply::Silence);
    assert_eq!(
        said(format!("socks5://{}", socks.host())).await,
        format!(
            "proxy: the proxy {} speaks socks5, which containerd knows and `explain` does not",
            socks.host()
        )
    );
}
