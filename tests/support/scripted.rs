//! A server that answers as a test says, in TLS or plain, and remembers every request whole.
//!
//! A test gives it a function from request to answer.
//! Holds: a request is recorded before it is answered.
//! Not here: a real registry (`registry`, `guarded`), common misbehaviour of one (`fake`).

use super::certificates::{Authority, Certificate};
use super::http1::{self, Message};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientCertVerifierBuilder, WebPkiClientVerifier};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a request is answered with.
pub enum Reply {
    /// An answer.
    Message(Message),
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
    /// Nothing, ever.
    Silence,
    /// A tunnel to an address.
    Tunnel(String),
}

/// The server.
pub struct Scripted {
    addr: SocketAddr,
    requests: Arc<Mutex<Vec<Message>>>,
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// An answer with a status, headers and a body.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    Reply::Message(Message {
        first: format!("HTTP/1.1 {status} Scripted"),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.as_bytes().to_vec(),
    })
}

impl Scripted {
    /// In plain http.
    pub fn start(answer: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> Scripted {
        Scripted::serve(None, answer)
    }

    /// Over TLS with a certificate.
    pub fn start_tls(
        certificate: &Certificate,
        answer: impl Fn(&Message) -> Reply + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::with_tls(certificate, WebPkiClientVerifier::no_client_auth(), answer)
    }

    /// Over TLS, and only for clients with a certificate of this authority.
    pub fn start_tls_for(
        clients: &Authority,
        certificate: &Certificate,
        answer: impl Fn(&Message) -> Reply + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::with_tls(certificate, verifier(clients).build().unwrap(), answer)
    }

    /// Over TLS; asks for a certificate of this authority, but does not insist.
    pub fn start_tls_asking(
        clients: &Authority,
        certificate: &Certificate,
        answer: impl Fn(&Message) -> Reply + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::with_tls(certificate, verifier(clients).allow_unauthenticated().build().unwrap(), answer)
    }

    fn with_tls(
        certificate: &Certificate,
        clients: Arc<dyn ClientCertVerifier>,
        answer: impl Fn(&Message) -> Reply + Send + Sync + 'static,
    ) -> Scripted {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = vec![CertificateDer::from(certificate.der.clone())];
        let key = PrivateKeyDer::try_from(certificate.key_der.clone()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .unwrap();
        Scripted::serve(Some(Arc::new(config)), answer)
    }

    fn serve(
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&Message) -> Reply + Send + Sync + 'static,
    ) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Message>>> = Arc::default();
        let (records, answer) = (requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (records, answer, tls) = (records.clone(), answer.clone(), tls.clone());
                // Errors are clients that went away, or did not like the certificate.
                std::thread::spawn(move || drop(handle(stream, tls, &records, &*answer)));
            }
        });
        Scripted { addr, requests }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.addr.to_string()
    }

    /// All requests so far, oldest first.
    pub fn requests(&self) -> Vec<Message> {
        self.requests.lock().unwrap().clone()
    }

    /// Method, path and the value of a header of each request.
    pub fn seen(&self, header: &str) -> Vec<(String, Option<String>)> {
        let line = |request: &Message| {
            let (method, path) = request.method_and_path();
            (format!("{method} {path}"), request.header(header).map(str::to_owned))
        };
        self.requests().iter().map(line).collect()
    }
}

/// Takes clients with a certificate of this authority.
fn verifier(clients: &Authority) -> ClientCertVerifierBuilder {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
}

fn handle(
    tcp: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    records: &Mutex<Vec<Message>>,
    answer: &dyn Fn(&Message) -> Reply,
) -> std::io::Result<()> {
    let end = tcp.try_clone()?;
    let mut stream: Box<dyn Stream> = match tls {
        Some(config) => {
            let connection = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
            Box::new(rustls::StreamOwned::new(connection, tcp))
        }
        None => Box::new(tcp),
    };
    // One request a connection: nothing is read ahead that a tunnel would need.
    let request = match http1::read(&mut stream, true) {
        // As a server does that a client takes for one with TLS.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
        }
        request => request?,
    };
    records.lock().unwrap().push(request.clone());
    match answer(&request) {
        Reply::Message(message) => {
            stream.write_all(message.head().as_bytes())?;
            if request.method_and_path().0 != "HEAD" {
                stream.write_all(&message.body)?;
            }
        }
        Reply::Raw(bytes) => stream.write_all(&bytes)?,
        Reply::Silence => drop(stream.read(&mut [0])),
        Reply::Tunnel(address) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            return tunnel(end, TcpStream::connect(address)?);
        }
    }
    stream.flush()
}

/// Both ways at once, until either side ends.
pub fn tunnel(here: TcpStream, there: TcpStream) -> std::io::Result<()> {
    let (mut from, mut to) = (here.try_clone()?, there.try_clone()?);
    std::thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(std::net::Shutdown::Write));
    });
    let (mut from, mut to) = (there, here);
    drop(std::io::copy(&mut from, &mut to));
    to.shutdown(std::net::Shutdown::Write)
}
