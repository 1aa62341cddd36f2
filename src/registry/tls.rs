//! TLS as an endpoint's settings want it, and its failures in words.
//!
//! A file that cannot be used is an error that names it. The system's authorities are trusted beside those of
//! the files, as in containerd.
//!
//! Facts: of several client certificates Go sends the first that an authority named by the server has signed,
//! and none where none fits (`crypto/tls`, `CertificateRequestInfo.SupportsCertificate`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, SignatureScheme};

use super::client_key::client_key;
use super::error::{KINDS_OF_KEYS, RegistryError, TlsProblem};
use super::trust::{Roots, Verifier};
use crate::files::pem;

/// The files and settings that TLS with an endpoint depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct TlsSettings {
    pub(super) ca: Vec<PathBuf>,
    pub(super) client: Vec<(PathBuf, Option<PathBuf>)>,
    pub(super) skip_verify: bool,
}

/// TLS by one set of settings.
#[derive(Debug)]
pub(super) struct Tls {
    /// Different for each that was ever made: connections with the same number are alike.
    pub(super) number: u64,
    config: ClientConfig,
    /// As `config`, but with a verifier even where the registry may have any certificate.
    strict: ClientConfig,
    keys: Arc<[Arc<CertifiedKey>]>,
    trusted: String,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// The registry that the settings are for.
    Own,
    /// A host that a registry has led to. It gets no client certificate.
    Foreign,
    /// A proxy. It gets none either, and its certificate is always checked: it may get a password.
    Proxy,
}

/// TLS on one connection.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) config: Arc<ClientConfig>,
    certificates: Arc<ClientCertificates>,
    tls: Arc<Tls>,
}

/// The client certificates, and whether the other side asked for one and got none.
#[derive(Debug)]
struct ClientCertificates {
    keys: Arc<[Arc<CertifiedKey>]>,
    missed: AtomicBool,
}

// === impl TlsSettings ===

impl TlsSettings {
    /// All files that are read.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let client =
            self.client.iter().flat_map(|(certificate, key)| std::iter::once(certificate).chain(key));
        self.ca.iter().chain(client).map(PathBuf::as_path)
    }
}

// === impl Tls ===

impl Tls {
    /// Reads the files.
    pub(super) fn read(settings: &TlsSettings, host: &str, roots: Roots) -> Result<Self, RegistryError> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut own = Vec::new();
        for file in &settings.ca {
            own.extend(certificates(file, "the CA", host)?);
        }
        let keys = settings.client.iter().map(|(certificate, key)| {
            key_of_client(certificate, key.as_deref().unwrap_or(certificate), host, &provider)
        });
        let keys = keys.collect::<Result<Arc<[_]>, _>>()?;
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| RegistryError::tls(host, TlsProblem::Other(error.to_string())))?
            .dangerous();
        let mut strict = config
            .with_custom_certificate_verifier(Arc::new(Verifier::trusting(roots, own, &provider)))
            .with_no_client_auth();
        // rustls resumes no session here: each connection has a resolver of client certificates of its own. Without
        // this it would still keep what servers send for that.
        strict.resumption = Resumption::disabled();
        let mut config = strict.clone();
        if settings.skip_verify {
            config.dangerous().set_certificate_verifier(Arc::new(Verifier::skipping(&provider)));
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Tls { number, config, strict, keys, trusted: trusted(&settings.ca) })
    }

    /// For one connection, which is watched for what becomes of the client certificates.
    pub(super) fn session(self: &Arc<Self>, peer: Peer) -> Session {
        let keys = if peer == Peer::Own { Arc::clone(&self.keys) } else { Arc::default() };
        let certificates = Arc::new(ClientCertificates { keys, missed: AtomicBool::new(false) });
        let mut config = if peer == Peer::Proxy { self.strict.clone() } else { self.config.clone() };
        config.client_auth_cert_resolver = certificates.clone();
        Session { config: Arc::new(config), certificates, tls: Arc::clone(self) }
    }
}

// === impl Session ===

impl Session {
    /// What became of a client certificate that the other side has asked for and not got.
    pub(super) fn missed_certificate(&self) -> Option<TlsProblem> {
        let missed = self.certificates.missed.load(Ordering::Relaxed);
        missed.then(|| match self.certificates.keys.is_empty() {
            true => TlsProblem::ClientCertificateWanted,
            false => TlsProblem::ClientCertificateUnfit,
        })
    }

    /// What rustls says, in words; `None` where the error is not rustls' own.
    pub(super) fn problem(&self, error: &(dyn std::error::Error + 'static)) -> Option<TlsProblem> {
        match rustls_error(error)? {
            Error::InvalidMessage(_) => Some(TlsProblem::NotSpoken),
            Error::InvalidCertificate(error) => Some(self.certificate_problem(error)),
            Error::AlertReceived(alert) => Some(self.alert_problem(*alert)),
            Error::PeerIncompatible(why) => Some(TlsProblem::Other(format!(
                "it speaks TLS in a way that is not known here ({}); containerd may know it",
                in_words(why)
            ))),
            Error::PeerMisbehaved(why) => {
                Some(TlsProblem::Other(format!("it breaks the rules of TLS ({})", in_words(why))))
            }
            other => Some(TlsProblem::Other(other.to_string())),
        }
    }

    fn certificate_problem(&self, error: &CertificateError) -> TlsProblem {
        match error {
            CertificateError::UnknownIssuer => {
                TlsProblem::UnknownAuthority { trusted: self.tls.trusted.clone() }
            }
            CertificateError::Expired => TlsProblem::Expired(String::new()),
            CertificateError::ExpiredContext { not_after, .. } => {
                TlsProblem::Expired(format!(" (on {})", date(*not_after)))
            }
            CertificateError::NotValidYet => TlsProblem::NotYetValid(String::new()),
            CertificateError::NotValidYetContext { not_before, .. } => {
                TlsProblem::NotYetValid(format!(" (from {} on)", date(*not_before)))
            }
            CertificateError::NotValidForName => TlsProblem::WrongName(String::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                TlsProblem::WrongName(names(presented))
            }
            CertificateError::BadSignature => TlsProblem::OldAuthority { trusted: self.tls.trusted.clone() },
            CertificateError::BadEncoding => other_certificate("it is damaged"),
            CertificateError::Revoked => other_certificate("it has been revoked"),
            CertificateError::UnhandledCriticalExtension => {
                other_certificate("it has a critical extension that is not known here")
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                other_certificate("it is not for servers")
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                other_certificate(&format!(
                    "it has a key or a signature of a kind that is not known here (known keys: {KINDS_OF_KEYS}); \
                     containerd may know it"
                ))
            }
            // The text of webpki's errors is their name.
            CertificateError::Other(error) => other_certificate(&in_words(&error.0)),
            other => other_certificate(&in_words(other)),
        }
    }

    fn alert_problem(&self, alert: AlertDescription) -> TlsProblem {
        use AlertDescription as Alert;
        let missed = self.missed_certificate();
        match (alert, missed) {
            (Alert::BadCertificate | Alert::HandshakeFailure | Alert::CertificateRequired, Some(missed)) => {
                missed
            }
            // TLS 1.3 has an alert for it; 1.2 sends one of the others.
            (Alert::CertificateRequired, None) => TlsProblem::ClientCertificateWanted,
            (
                Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::DecryptError,
                None,
            ) if !self.certificates.keys.is_empty() => TlsProblem::ClientCertificateRefused(in_words(&alert)),
            (Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity, _) => {
                TlsProblem::Other(format!(
                    "no TLS version, cipher or kind of key in common ({}): TLS 1.2 and 1.3 are known here, and \
                     certificates with keys of {KINDS_OF_KEYS}; containerd may know others",
                    in_words(&alert)
                ))
            }
            (other, _) => TlsProblem::Other(format!("it breaks off the handshake ({})", in_words(&other))),
        }
    }
}

// === impl ClientCertificates ===

impl ResolvesClientCert for ClientCertificates {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| {
            let signed = |certificate: &CertificateDer<'_>| {
                issuer(certificate).is_some_and(|issuer| authorities.contains(&issuer))
            };
            key.key.choose_scheme(schemes).is_some()
                && (authorities.is_empty() || key.cert.iter().any(signed))
        };
        let found = self.keys.iter().find(fits).cloned();
        self.missed.store(found.is_none(), Ordering::Relaxed);
        found
    }

    // Even without certificates this side wants to know whether one is asked for.
    fn has_certs(&self) -> bool {
        true
    }
}

fn other_certificate(problem: &str) -> TlsProblem {
    TlsProblem::Other(format!("its certificate cannot be used: {problem}"))
}

/// A name of the library in words: `CaUsedAsEndEntity` is `ca used as end entity`.
fn in_words(name: &impl std::fmt::Debug) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for letter in format!("{name:?}").chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
        before = letter;
    }
    words
}

/// The name of the authority that has signed a certificate, in DER (RFC 5280, 4.1).
fn issuer(certificate: &[u8]) -> Option<&[u8]> {
    /// The whole first value, its content, and what follows.
    fn value(der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
        let first = usize::from(*der.get(1)?);
        let (length, head) = match first {
            0..=0x7f => (first, 2),
            0x81..=0x83 => {
                let bytes = der.get(2..2 + (first - 0x80))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + bytes.len())
            }
            _ => return None,
        };
        let content = der.get(head..head + length)?;
        Some((&der[..head + length], content, &der[head + length..]))
    }
    let (_, content, _) = value(certificate)?;
    let (_, signed, _) = value(content)?;
    let has_version = signed.first() == Some(&0xa0);
    let serial = if has_version { value(signed)?.2 } else { signed };
    let algorithm = value(serial)?.2;
    let issuer = value(algorithm)?.2;
    Some(value(issuer)?.0)
}

fn trusted(files: &[PathBuf]) -> String {
    let mut text = "those of the system".to_owned();
    for (index, file) in files.iter().enumerate() {
        let and = if index + 1 == files.len() { " and" } else { "," };
        text.push_str(&format!("{and} {}", file.display()));
    }
    text
}

fn certificates(
    file: &Path,
    what: &'static str,
    host: &str,
) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    pem::certificates(file).map_err(|error| unfit(file, what, host, error.to_string()))
}

fn key_of_client(
    certificate: &Path,
    key: &Path,
    host: &str,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, RegistryError> {
    let chain = certificates(certificate, "the client certificate", host)?;
    let refuse = |problem: String| unfit(key, "the client key", host, problem);
    let found = pem::private_key(key).map_err(|error| refuse(error.to_string()))?;
    let key = client_key(certificate, chain, found, provider);
    let key = key.map_err(|error| refuse(error.to_string()))?;
    Ok(Arc::new(key))
}

fn unfit(file: &Path, what: &'static str, host: &str, problem: String) -> RegistryError {
    RegistryError::File { file: file.to_owned(), what: what.to_owned(), host: host.to_owned(), problem }
}

/// The names on a certificate, not all of a thousand.
fn names(presented: &[String]) -> String {
    const MOST: usize = 5;
    if presented.is_empty() {
        return "; it has no name at all (a Common Name does not count)".to_owned();
    }
    // webpki writes `DnsName("a.example")`.
    let plain = |name: &String| match name.split_once("(\"") {
        Some((_, rest)) => rest.trim_end_matches("\")").to_owned(),
        None => name.clone(),
    };
    let shown: Vec<String> = presented.iter().take(MOST).map(plain).collect();
    let more = if presented.len() > MOST { " and others" } else { "" };
    format!("; it is for {}{more}", shown.join(", "))
}

fn date(time: UnixTime) -> String {
    prost_types::Timestamp::from(UNIX_EPOCH + Duration::from_secs(time.as_secs())).to_string()
}

/// Finds rustls' own error below those of tokio and hyper.
fn rustls_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Error> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // The source of an io::Error is that of the error within, not the error itself.
        current = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(within) => Some(within),
            None => error.source(),
        };
    }
    None
}
