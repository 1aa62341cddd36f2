//! Proxies of the environment, on the way to registries with and without TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cri_shunt::inside::registry::proxy::Proxies;
use cri_shunt::inside::registry::{Client, Endpoint, Login};

use crate::support::certificates::{Authority, Oddity};
use crate::support::refusing::Refusing;
use crate::support::scripted::{Reply, Scripted, reply, tunnel};
use crate::{PATIENCE, ask_through, client_through, plain, user};

const NAME: &str = "registry.test/a/b:1";

fn through(variable: &str, value: String) -> Client {
    client_through(Proxies::new([(variable.to_owned(), value)]), PATIENCE)
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
    let access = Endpoint { ca: vec![authority.file(dir.path())], ..Endpoint::of("registry.test") };
    let client = through("HTTPS_PROXY", format!("http://me:p%40ss@{}", proxy.host()));
    let said = ask_through(NAME, &access, &user("robot", "hunter2"), &client).await;
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
    let access = Endpoint { ca: vec![authority.file(dir.path())], ..Endpoint::of("registry.test") };
    let client = through("https_proxy", format!("https://{}", proxy.host()));
    let said = ask_through(NAME, &access, &Login::Anonymous, &client).await;
    assert_eq!(
        said.replace(&proxy.host(), "PROXY"),
        "proxy: the proxy PROXY answers 407 Proxy Authentication Required to CONNECT registry.test:443"
            .replace("registry.test", "HOST")
    );
    assert_eq!(registry.requests().len(), 0);
}

#[tokio::test]
async fn a_proxy_gets_nothing_by_the_settings_of_a_registry() {
    let (authority, stranger) = (Authority::new(), Authority::named("a stranger"));
    let said = async |endpoint: &Endpoint, proxy: &Scripted| {
        for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
            let client = through(name, format!("https://me:secret@{}", proxy.host()));
            let schemes = vec![if name == "HTTP_PROXY" { "http" } else { "https" }];
            let endpoint = Endpoint { schemes, host: "registry.test:80".to_owned(), ..endpoint.clone() };
            let name = "registry.test:80/a/b:1";
            let said = ask_through(name, &endpoint, &Login::Anonymous, &client).await;
            assert!(!said.contains("503"), "{said}");
        }
    };
    // That a registry may have any certificate says nothing of the proxy.
    let proxy = Scripted::start_tls(&stranger.issue(&["127.0.0.1"], Oddity::None), |_| reply(503, &[], ""));
    said(&Endpoint { skip_verify: true, ..Endpoint::default() }, &proxy).await;
    assert_eq!(proxy.requests().len(), 0);
    // Nor is the client certificate for it.
    let certificate = authority.issue(&["127.0.0.1"], Oddity::None);
    let proxy = Scripted::start_tls_for(&authority, &certificate, |_| reply(503, &[], ""));
    let dir = tempfile::tempdir().unwrap();
    let (client, key) = authority.issue(&["client"], Oddity::None).files(dir.path(), "client");
    let ca = vec![authority.file(dir.path())];
    said(&Endpoint { ca, client: vec![(client, Some(key))], ..Endpoint::default() }, &proxy).await;
    assert_eq!(proxy.requests().len(), 0);
}

#[tokio::test]
async fn plain_http_shows_the_proxy_the_whole_url() {
    let proxy = Scripted::start(|_| reply(503, &[], ""));
    let access = plain("registry.test:5000");
    let client = through("HTTP_PROXY", proxy.host());
    let said = ask_through(NAME, &access, &Login::Anonymous, &client).await;
    assert_eq!(said, "status: HOST answers 503 Service Unavailable");
    let asked = "HEAD http://registry.test:5000/v2/a/b/manifests/1".to_owned();
    assert_eq!(proxy.seen("host"), [(asked, Some("registry.test:5000".to_owned()))]);
}

#[tokio::test]
async fn a_proxy_that_fails_is_named() {
    let refusing = Refusing::start();
    let dead = refusing.host();
    let said = async |proxy: String| {
        let client = through("HTTPS_PROXY", proxy);
        ask_through(NAME, &Endpoint::of("registry.test"), &Login::Anonymous, &client).await
    };
    assert_eq!(
        said(format!("http://u:hunter2@{dead}")).await,
        format!(
            "proxy: the proxy {dead} does not lead to HOST:443: cannot connect to {dead}: Connection refused (os \
             error 111)"
        )
    );
    let plain = Scripted::start(|_| Reply::Raw(b"SSH-2.0\r\n\r\n".to_vec()));
    assert_eq!(
        said(format!("https://{}", plain.host())).await.replace(&plain.host(), "PROXY"),
        "proxy: the proxy PROXY does not lead to HOST:443: TLS with PROXY: it does not speak TLS; is it a registry in \
         plain http? Then set `plain-http = true`"
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
    let client = client_through(proxies, std::time::Duration::from_millis(300));
    assert_eq!(
        ask_through(NAME, &Endpoint::of("registry.test"), &Login::Anonymous, &client).await,
        format!("timeout: no connection to HOST:443 through the proxy {address} within 300 ms")
    );
    assert_eq!(
        said("gopher://p.test".to_owned()).await,
        "proxy: the proxy p.test:80 speaks gopher, which is not the name of a protocol of proxies"
    );
}

/// What a SOCKS5 proxy was asked for: the login, and host and port.
type Asked = (Option<(String, String)>, String);

/// A SOCKS5 proxy that wants a login where `login` is set, and gives this reply; a 0 leads to `to`.
fn socks(login: bool, reply: u8, to: String) -> (String, Receiver<Asked>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Errors are clients that went away.
        listener.incoming().flatten().for_each(|stream| drop(one(stream, login, reply, &to, &sender)));
    });
    (address, receiver)
}

fn one(
    mut stream: TcpStream,
    login: bool,
    reply: u8,
    to: &str,
    asked: &Sender<Asked>,
) -> std::io::Result<()> {
    fn take(stream: &mut TcpStream, length: u8) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length.into()];
        stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
    /// A text whose length is the last of `before` bytes.
    fn text(stream: &mut TcpStream, before: u8) -> std::io::Result<String> {
        let length = *take(stream, before)?.last().unwrap();
        Ok(String::from_utf8(take(stream, length)?).unwrap())
    }
    let methods = take(&mut stream, 2)?[1];
    take(&mut stream, methods)?;
    stream.write_all(&[5, if login { 2 } else { 0 }])?;
    let mut who = None;
    if login {
        who = Some((text(&mut stream, 2)?, text(&mut stream, 1)?));
        stream.write_all(&[1, 0])?;
    }
    let host = text(&mut stream, 5)?;
    let port = take(&mut stream, 2)?;
    asked.send((who, format!("{host}:{}", u16::from_be_bytes([port[0], port[1]])))).unwrap();
    stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0])?;
    if reply == 0 { tunnel(stream, TcpStream::connect(to)?) } else { Ok(()) }
}

#[tokio::test]
async fn a_socks_proxy_looks_the_name_up_itself() {
    let registry = Scripted::start(|_| reply(503, &[], ""));
    for (scheme, login) in [("socks5", ""), ("socks5h", "me:p%40ss@")] {
        let (proxy, asked) = socks(!login.is_empty(), 0, registry.host());
        let client = through("HTTP_PROXY", format!("{scheme}://{login}{proxy}"));
        let endpoint = plain("registry.test:5000");
        let said = ask_through("registry.test:5000/a/b:1", &endpoint, &Login::Anonymous, &client);
        assert_eq!(said.await, "status: HOST answers 503 Service Unavailable");
        let who = (!login.is_empty()).then(|| ("me".to_owned(), "p@ss".to_owned()));
        assert_eq!(asked.recv().unwrap(), (who, "registry.test:5000".to_owned()));
        assert_eq!(registry.requests().last().unwrap().method_and_path().1, "/v2/a/b/manifests/1");
    }
}

#[tokio::test]
async fn a_socks_proxy_that_refuses_is_named() {
    let said = async |login: bool, answer: u8| {
        let (proxy, _asked) = socks(login, answer, String::new());
        let client = through("HTTPS_PROXY", format!("socks5://{proxy}"));
        let endpoint = Endpoint::of("registry.test");
        ask_through(NAME, &endpoint, &Login::Anonymous, &client).await.replace(&proxy, "PROXY")
    };
    assert_eq!(said(false, 5).await, "proxy: the proxy PROXY does not lead to HOST:443: connection refused");
    assert_eq!(
        said(true, 0).await,
        "proxy: the proxy PROXY wants another way to log in than a user and a password"
    );
    let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = http.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut stream = http.accept().unwrap().0;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let client = through("HTTPS_PROXY", format!("socks5://{address}"));
    let said = ask_through(NAME, &Endpoint::of("registry.test"), &Login::Anonymous, &client).await;
    assert_eq!(said, format!("proxy: the proxy {address} does not speak SOCKS5"));
}
