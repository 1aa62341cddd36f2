//! Files of an endpoint that change, and proxies that do.

use std::path::Path;

use cri_shunt::inside::registry::proxy::Proxies;
use cri_shunt::inside::registry::{Endpoint, HeaderValue, Login};

use crate::support::certificates::{Authority, Oddity};
use crate::support::scripted::{Scripted, reply};
use crate::{ask_through, client, plain};

/// Replaces a file as programs do that mind their readers.
fn replace(file: &Path, text: &[u8]) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, file).unwrap();
}

#[tokio::test]
async fn a_header_is_that_of_the_file_as_it_is_now() {
    let server = Scripted::start(|_| reply(503, &[], ""));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let headers = vec![("X-Key".to_owned(), HeaderValue::File(file.clone()))];
    let endpoint = Endpoint { headers, ..plain(&server.host()) };
    let (client, name) = (client(), format!("{}/a:1", server.host()));
    let ask = async || ask_through(&name, &endpoint, &Login::Anonymous, &client).await;
    for key in ["first-key", "other-key", "other-key"] {
        replace(&file, format!("{key}\n").as_bytes());
        assert_eq!(ask().await, "status: HOST answers 503 Service Unavailable");
        assert_eq!(server.seen("x-key").last().unwrap().1.as_deref(), Some(key));
    }
    let asked = server.requests().len();
    // The old value is never sent in its place.
    for (text, problem) in
        [("two\nlines\n", "it is not one line of text"), ("", "it is not one line of text")]
    {
        replace(&file, text.as_bytes());
        let said = ask().await.replace(&dir.path().display().to_string(), "DIR");
        assert_eq!(said, format!("config: DIR/key, the header X-Key for HOST: {problem}"));
    }
    std::fs::remove_file(&file).unwrap();
    let said = ask().await.replace(&dir.path().display().to_string(), "DIR");
    assert_eq!(said, "config: DIR/key, the header X-Key for HOST: No such file or directory (os error 2)");
    assert_eq!(server.requests().len(), asked);
    replace(&file, b"third-key");
    ask().await;
    assert_eq!(server.seen("x-key").last().unwrap().1.as_deref(), Some("third-key"));
}

#[tokio::test]
async fn an_authority_is_that_of_the_file_as_it_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::named("a stranger"));
    let server = Scripted::start_tls(&authority.issue(&["127.0.0.1"], Oddity::None), |_| reply(503, &[], ""));
    let ca = authority.file(dir.path());
    let right = std::fs::read(&ca).unwrap();
    let other = tempfile::tempdir().unwrap();
    let wrong = std::fs::read(stranger.file(other.path())).unwrap();
    let endpoint = Endpoint { schemes: vec!["https"], ca: vec![ca.clone()], ..plain(&server.host()) };
    let (client, name) = (client(), format!("{}/a:1", server.host()));
    let ask = async || ask_through(&name, &endpoint, &Login::Anonymous, &client).await;
    let answers = "status: HOST answers 503 Service Unavailable";
    assert_eq!(ask().await, answers);
    replace(&ca, &wrong);
    assert!(ask().await.starts_with("tls: TLS with HOST: its certificate is signed by an authority"));
    replace(&ca, &right);
    assert_eq!(ask().await, answers);
    std::fs::remove_file(&ca).unwrap();
    let said = ask().await;
    assert!(
        said.starts_with("config: ") && said.ends_with("No such file or directory (os error 2)"),
        "{said}"
    );
}

#[tokio::test]
async fn of_several_client_certificates_the_one_is_sent_that_the_registry_can_check() {
    let Some((registry, found)) = crate::stored("live/several") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::named("a stranger"));
    let ca = authority.file(dir.path());
    let server = authority.issue(&["127.0.0.1"], Oddity::None).files(dir.path(), "s");
    let guarded = crate::support::guarded::Guard::default().tls(&server).client_ca(&ca).start(registry);
    let own = |authority: &Authority, stem| {
        let (certificate, key) = authority.issue(&["client"], Oddity::None).files(dir.path(), stem);
        (certificate, Some(key))
    };
    let (good, strange) = (own(&authority, "good"), own(&stranger, "strange"));
    let name = format!("{}/live/several:1", guarded.host());
    let ask = async |clients: &[_]| {
        let (schemes, ca) = (vec!["https"], vec![ca.clone()]);
        let endpoint = Endpoint { schemes, ca, client: clients.to_vec(), ..plain(guarded.host()) };
        ask_through(&name, &endpoint, &Login::Anonymous, &client()).await
    };
    assert_eq!(ask(&[strange.clone(), good.clone()]).await, found);
    assert_eq!(
        ask(&[strange]).await,
        "tls: TLS with HOST: it wants a client certificate of an authority that has signed none of those \
         configured for it"
    );
}

#[tokio::test]
async fn other_proxies_hold_from_the_next_question_on() {
    let (one, two) = (Scripted::start(|_| reply(501, &[], "")), Scripted::start(|_| reply(502, &[], "")));
    let client = client();
    let ask = async |proxy: &Scripted| {
        client.set_proxies(Proxies::new([("HTTP_PROXY".to_owned(), proxy.host())]));
        ask_through("registry.test/a:1", &plain("registry.test"), &Login::Anonymous, &client).await
    };
    assert_eq!(ask(&one).await, "status: HOST answers 501 Not Implemented");
    assert_eq!(ask(&two).await, "status: HOST answers 502 Bad Gateway");
}

#[tokio::test]
async fn a_dial_timeout_is_that_of_the_endpoint() {
    // It takes the connection, and says nothing to TLS.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let with = |dial_timeout: &str| Endpoint {
        schemes: vec!["https"],
        dial_timeout: Some(dial_timeout.to_owned()),
        ..plain(&host)
    };
    let name = format!("{host}/a:1");
    let ask = async |endpoint: &Endpoint| ask_through(&name, endpoint, &Login::Anonymous, &client()).await;
    assert_eq!(ask(&with("150ms")).await, "timeout: no connection to HOST within 150 ms");
    assert_eq!(ask(&with("soon")).await, "config: the dial timeout of HOST, \"soon\", is not a duration");
}
