//! TLS with registries: private authorities, bad certificates, client certificates.

use std::path::{Path, PathBuf};

use cri_shunt::inside::registry::{Endpoint, Login};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::certificates::{Authority, Certificate, Oddity};
use crate::support::guarded::Guard;
use crate::support::registry::Registry;
use crate::support::scripted::{Reply, Scripted, reply};
use crate::{ask, stored};

const HERE: &[&str] = &["127.0.0.1"];

/// TLS that is verified, on the loopback too.
fn verified(host: &str, ca: &[PathBuf]) -> Endpoint {
    Endpoint { host: host.to_owned(), schemes: vec!["https"], ca: ca.to_vec(), ..Endpoint::default() }
}

async fn ask_at(host: &str, access: &Endpoint, repository: &str) -> String {
    ask(&format!("{host}/{repository}:1"), access, &Login::Anonymous).await
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_its_file_is_given() {
    let Some((registry, found)) = stored("live/tls") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (authority, stranger, namesake) =
        (Authority::new(), Authority::named("a stranger"), Authority::new());
    let guarded =
        Guard::default().tls(&authority.issue(HERE, Oddity::None).files(dir.path(), "s")).start(registry);
    let host = guarded.host();
    let ca = authority.file(dir.path());
    assert_eq!(ask_at(host, &verified(host, std::slice::from_ref(&ca)), "live/tls").await, found);
    let other = tempfile::tempdir().unwrap();
    let other_ca = stranger.file(other.path());
    let both = verified(host, &[other_ca.clone(), ca]);
    assert_eq!(ask_at(host, &both, "live/tls").await, found);
    assert_eq!(
        ask_at(host, &verified(host, &[]), "live/tls").await,
        "tls: TLS with HOST: its certificate is signed by an authority that is not trusted here \
         (trusted: those of the system); `ca` names the file of another"
    );
    assert_eq!(
        ask_at(host, &verified(host, std::slice::from_ref(&other_ca)), "live/tls").await,
        format!(
            "tls: TLS with HOST: its certificate is signed by an authority that is not trusted here \
             (trusted: those of the system and {}); `ca` names the file of another",
            other_ca.display()
        )
    );
    let old = tempfile::tempdir().unwrap();
    let old_ca = namesake.file(old.path());
    assert_eq!(
        ask_at(host, &verified(host, std::slice::from_ref(&old_ca)), "live/tls").await,
        format!(
            "tls: TLS with HOST: its certificate is signed by an authority that has the name of a trusted one and \
             another key; an old CA file? (trusted: those of the system and {})",
            old_ca.display()
        )
    );
    // Without any word on transport containerd takes any certificate on the loopback; so does skip_verify.
    assert_eq!(ask_at(host, &Endpoint::of(host), "live/tls").await, found);
    let plain = crate::plain(host);
    assert_eq!(
        ask_at(host, &plain, "live/tls").await,
        "status: HOST answers 400 Bad Request; it was asked in plain http, does it want TLS?"
    );
}

/// What is said of a server with such a certificate.
async fn with(names: &[&str], oddity: Oddity) -> String {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let certificate = authority.issue(names, oddity);
    let server = Scripted::start_tls(&certificate, |_| reply(503, &[], ""));
    let ca = match oddity {
        Oddity::SelfSigned | Oddity::SelfSignedExpired => certificate.files(dir.path(), "self").0,
        _ => authority.file(dir.path()),
    };
    ask_at(&server.host(), &verified(&server.host(), &[ca]), "a").await
}

#[tokio::test]
async fn a_bad_certificate_is_told_by_what_is_bad() {
    let reached = "status: HOST answers 503 Service Unavailable";
    assert_eq!(with(HERE, Oddity::None).await, reached);
    assert_eq!(
        with(HERE, Oddity::Expired).await,
        "tls: TLS with HOST: its certificate has expired (on 2002-03-04T00:00:00Z)"
    );
    assert_eq!(
        with(HERE, Oddity::Early).await,
        "tls: TLS with HOST: its certificate is not valid yet (from 2901-01-01T00:00:00Z on)"
    );
    assert_eq!(
        with(&["a.example", "*.b.example"], Oddity::None).await,
        "tls: TLS with HOST: its certificate is not for this name; it is for a.example, *.b.example"
    );
}

/// containerd knows P-521, and the library of TLS here does not.
#[tokio::test]
async fn a_kind_of_key_that_is_not_known_here_is_told_with_those_that_are() {
    const KNOWN: &str = "RSA of 2048 to 4096 bits, ECDSA P-256 and P-384, Ed25519";
    let dir = tempfile::tempdir().unwrap();
    // Made by openssl: the certificate and key of an authority, a key, a request for it, the certificate.
    let script = "set -e; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes -keyout ca.key \
                  -out ca.crt -subj /CN=big -days 2; openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                  -keyout s.key -out s.csr -subj /CN=s; echo subjectAltName=IP:127.0.0.1 >names; openssl x509 -req \
                  -in s.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out s.crt -days 2 -extfile names";
    let mut command = std::process::Command::new("sh");
    let made = command.args(["-c", script]).current_dir(dir.path()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let file = |name: &str| dir.path().join(name);
    let of_big = Certificate {
        pem: std::fs::read_to_string(file("s.crt")).unwrap(),
        key: std::fs::read_to_string(file("s.key")).unwrap(),
        der: CertificateDer::from_pem_file(file("s.crt")).unwrap().to_vec(),
        key_der: PrivateKeyDer::from_pem_file(file("s.key")).unwrap().secret_der().to_vec(),
    };
    let server = Scripted::start_tls(&of_big, |_| reply(503, &[], ""));
    assert_eq!(
        ask_at(&server.host(), &verified(&server.host(), &[file("ca.crt")]), "a").await,
        format!(
            "tls: TLS with HOST: its certificate cannot be used: it has a key or a signature of a kind that is not \
             known here (known keys: {KNOWN}); containerd may know it"
        )
    );
    // A server whose own key is such: it has nothing to offer, and ends the handshake.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let refuse = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4096];
        assert!(stream.read(&mut hello).await.unwrap() > 0);
        stream.write_all(&[0x15, 3, 3, 0, 2, 2, 40]).await.unwrap();
    };
    let endpoint = verified(&host, &[file("ca.crt")]);
    assert_eq!(
        tokio::join!(ask_at(&host, &endpoint, "a"), refuse).0,
        format!(
            "tls: TLS with HOST: no TLS version, cipher or kind of key in common (handshake failure): TLS 1.2 and 1.3 \
             are known here, and certificates with keys of {KNOWN}; containerd may know others"
        )
    );
    let (cert, key) = (file("ca.crt"), Some(file("ca.key")));
    let endpoint = Endpoint { client: vec![(cert, key)], ..verified(&host, &[]) };
    let said = ask_at(&host, &endpoint, "a").await;
    let what = "the client key for HOST: its key is of the curve P-521, which cannot be used here, although containerd";
    assert!(said.contains(what) && said.ends_with(KNOWN), "{said}");
}

#[tokio::test]
async fn a_self_signed_authority_may_be_a_server_where_it_is_trusted_itself() {
    assert_eq!(with(HERE, Oddity::SelfSigned).await, "status: HOST answers 503 Service Unavailable");
    assert_eq!(
        with(HERE, Oddity::SelfSignedExpired).await,
        "tls: TLS with HOST: its certificate has expired (on 2002-03-04T00:00:00Z)"
    );
    assert_eq!(
        with(&["a.example"], Oddity::SelfSigned).await,
        "tls: TLS with HOST: its certificate is not for this name; it is for a.example"
    );
}

#[tokio::test]
async fn a_server_that_is_trusted_itself_needs_no_authority() {
    let dir = tempfile::tempdir().unwrap();
    let of = async |names: &[&str], oddity: Oddity| {
        let certificate = Authority::named("one that nobody knows").issue(names, oddity);
        let server = Scripted::start_tls(&certificate, |_| reply(503, &[], ""));
        let (file, _) = certificate.files(dir.path(), "pinned");
        ask_at(&server.host(), &verified(&server.host(), &[file]), "a").await
    };
    assert_eq!(of(HERE, Oddity::None).await, "status: HOST answers 503 Service Unavailable");
    assert_eq!(
        of(HERE, Oddity::Expired).await,
        "tls: TLS with HOST: its certificate has expired (on 2002-03-04T00:00:00Z)"
    );
    assert_eq!(
        of(&["a.example"], Oddity::None).await,
        "tls: TLS with HOST: its certificate is not for this name; it is for a.example"
    );
}

#[tokio::test]
async fn client_certificates() {
    let Some((registry, found)) = stored("live/client") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ca = authority.file(dir.path());
    let guard = Guard::default().tls(&authority.issue(HERE, Oddity::None).files(dir.path(), "s"));
    let guarded = guard.client_ca(&ca).start(registry);
    let host = guarded.host();
    let with = |client: Option<(PathBuf, Option<PathBuf>)>| Endpoint {
        client: client.into_iter().collect(),
        ..verified(host, std::slice::from_ref(&ca))
    };
    assert_eq!(
        ask_at(host, &with(None), "live/client").await,
        "tls: TLS with HOST: it wants a client certificate, and none is configured for it"
    );
    let good = authority.issue(&["client"], Oddity::None);
    let (certificate, key) = good.files(dir.path(), "good");
    assert_eq!(ask_at(host, &with(Some((certificate, Some(key)))), "live/client").await, found);
    let both = dir.path().join("both.pem");
    std::fs::write(&both, format!("{}{}", good.key, good.pem)).unwrap();
    assert_eq!(ask_at(host, &with(Some((both, None))), "live/client").await, found);
    let (certificate, key) = stranger.issue(&["client"], Oddity::None).files(dir.path(), "strange");
    let said = ask_at(host, &with(Some((certificate, Some(key)))), "live/client").await;
    assert!(said.starts_with("tls: TLS with HOST: it does not accept the client certificate ("), "{said}");
}

#[tokio::test]
async fn a_host_that_a_registry_leads_to_gets_no_client_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let certificate = authority.issue(HERE, Oddity::None);
    let other = Scripted::start_tls_for(&authority, &certificate, |_| reply(503, &[], ""));
    let there = other.host();
    let (to, realm) = (format!("https://{there}/"), format!("Bearer realm=\"https://{there}/token\""));
    let leading = Scripted::start_tls_for(&authority, &certificate, move |request| {
        match request.method_and_path().1.contains("/redirected/") {
            true => reply(307, &[("Location", &to)], ""),
            false => reply(401, &[("WWW-Authenticate", &realm)], ""),
        }
    });
    let (client, key) = authority.issue(&["client"], Oddity::None).files(dir.path(), "client");
    let ca = authority.file(dir.path());
    let of = |host: &str| Endpoint {
        client: vec![(client.clone(), Some(key.clone()))],
        ..verified(host, std::slice::from_ref(&ca))
    };
    let missed = format!("TLS with {there}: it wants a client certificate, and none is configured for it");
    for repository in ["redirected", "challenged"] {
        let said = ask_at(&leading.host(), &of(&leading.host()), repository).await;
        assert!(said.starts_with("tls: ") && said.ends_with(&missed), "{said}");
    }
    assert_eq!(other.requests().len(), 0);
    // Where it is asked for its own sake it gets one.
    assert_eq!(ask_at(&there, &of(&there), "a").await, "status: HOST answers 503 Service Unavailable");
}

#[tokio::test]
async fn an_answer_that_has_begun_is_no_reason_for_another_scheme_or_a_client_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let certificate = authority.issue(HERE, Oddity::None);
    for (answer, failure, problem) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "cut", "hangs up before its answer is whole"),
        ("SSH-2.0\r\n\r\n", "protocol", "answers something that is not HTTP"),
    ] {
        let server = Scripted::start_tls_asking(&authority, &certificate, move |request| {
            let is_head = answer.starts_with("HTTP") && request.method_and_path().0 == "HEAD";
            if is_head { reply(405, &[], "") } else { Reply::Raw(answer.as_bytes().to_vec()) }
        });
        let ca = authority.file(dir.path());
        let strict = verified(&server.host(), &[ca]);
        assert_eq!(ask_at(&server.host(), &strict, "a").await, format!("{failure}: HOST {problem}"));
        // Only where it is not HTTP at all, plain http may be.
        let both = Endpoint { schemes: vec!["https", "http"], ..strict };
        let again = if answer.starts_with("HTTP") { String::new() } else { format!("; then HOST {problem}") };
        assert_eq!(ask_at(&server.host(), &both, "a").await, format!("{failure}: HOST {problem}{again}"));
    }
}

#[tokio::test]
async fn a_registry_in_plain_http_is_told_from_one_with_tls() {
    let Some(registry) = Registry::shared() else { return };
    let said = ask_at(registry.host(), &verified(registry.host(), &[]), "a").await;
    assert_eq!(
        said,
        "tls: TLS with HOST: it does not speak TLS; is it a registry in plain http? Then set `plain-http = true`"
    );
}

async fn with_files(ca: &[PathBuf], client_cert: Option<(PathBuf, Option<PathBuf>)>, dir: &Path) -> String {
    let client = client_cert.into_iter().collect();
    let access = Endpoint { client, ..verified("r.example", ca) };
    let said = ask_at("r.example", &access, "a").await;
    said.replace(&dir.display().to_string(), "DIR")
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_the_host_that_it_is_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let said = async |ca: PathBuf| with_files(&[ca], None, dir.path()).await;
    assert_eq!(
        said(dir.path().join("gone.crt")).await,
        "config: DIR/gone.crt, the CA for HOST: No such file or directory (os error 2)"
    );
    assert_eq!(
        said(file("no.crt", "hello")).await,
        "config: DIR/no.crt, the CA for HOST: it holds no certificate in PEM form"
    );
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(said(pipe).await, "config: DIR/pipe, the CA for HOST: it is not a regular file");
    assert_eq!(
        said("/dev/zero".into()).await,
        "config: /dev/zero, the CA for HOST: it is not a regular file"
    );
    let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    let text = said(file("broken.crt", broken)).await;
    assert!(text.starts_with("config: DIR/broken.crt, the CA for HOST: "), "{text}");

    let certificate = Authority::new().issue(&["client"], Oddity::None);
    let other = Authority::new().issue(&["client"], Oddity::None);
    let (cert, _) = certificate.files(dir.path(), "one");
    let (_, key) = other.files(dir.path(), "two");
    let said = async |client: (PathBuf, Option<PathBuf>)| with_files(&[], Some(client), dir.path()).await;
    assert_eq!(
        said((cert.clone(), None)).await,
        "config: DIR/one.crt, the client key for HOST: it holds no private key in PEM form"
    );
    assert_eq!(
        said((cert.clone(), Some(key))).await,
        "config: DIR/two.key, the client key for HOST: its key is not that of the certificate DIR/one.crt"
    );
    assert_eq!(
        said((dir.path().join("none.crt"), None)).await,
        "config: DIR/none.crt, the client certificate for HOST: No such file or directory (os error 2)"
    );
}
