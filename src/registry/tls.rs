//! TLS as a candidate's transport wants it, and its failures in words.
//!
//! Before: `connect` has the files of an `Access`.  After: a rustls configuration, and `TlsProblem`s.
//! Holds: a file that cannot be used is an error that names it; the system's authorities are trusted beside
//! those of the files, as in containerd.
//! Not here: the verification itself (`trust`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, SignatureScheme};

use super::access::{Access, Network};
use super::error::{RegistryError, TlsProblem};
use super::trust::Verifier;
use crate::files::pem;

/// TLS with one registry and those that it names.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    client: Arc<ClientCertificate>,
    trusted: String,
}

/// The client certificate, and whether one was asked for.
#[derive(Debug)]
struct ClientCertificate {
    key: Option<Arc<CertifiedKey>>,
    wanted: AtomicBool,
}

impl Tls {
    pub(super) fn new(access: &Access, network: &Network) -> Result<Self, RegistryError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut own = Vec::new();
        for file in &access.ca {
            own.extend(certificates(file, "the CA", &access.host)?);
        }
        let key = match &access.client_cert {
            Some((certificate, key)) => {
                Some(client_key(certificate, key.as_deref().unwrap_or(certificate), &access.host, &provider)?)
            }
            None => None,
        };
        let client = Arc::new(ClientCertificate { key, wanted: AtomicBool::new(false) });
        let verifier = if access.skip_verify {
            Verifier::skipping(&provider)
        } else {
            let trusted = network.roots.get().iter().cloned().chain(own).collect();
            Verifier::trusting(trusted, &provider)
        };
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&access.host, TlsProblem::Other(error.to_string())))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(client.clone());
        Ok(Tls { config: Arc::new(config), client, trusted: trusted(&access.ca) })
    }

    /// Whether the other side has asked for a certificate that is not there.
    pub(super) fn lacks_client_certificate(&self) -> bool {
        self.client.key.is_none() && self.client.wanted.load(Ordering::Relaxed)
    }

    /// What rustls says, in words; none where the error is not rustls'.
    pub(super) fn problem(&self, error: &(dyn std::error::Error + 'static)) -> Option<TlsProblem> {
        match rustls_error(error)? {
            Error::InvalidMessage(_) => Some(TlsProblem::NotSpoken),
            Error::InvalidCertificate(error) => Some(self.certificate_problem(error)),
            Error::AlertReceived(alert) => Some(self.alert_problem(*alert)),
            other => Some(TlsProblem::Other(other.to_string())),
        }
    }

    fn certificate_problem(&self, error: &CertificateError) -> TlsProblem {
        match error {
            CertificateError::UnknownIssuer => TlsProblem::UnknownAuthority { trusted: self.trusted.clone() },
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
            CertificateError::BadSignature => TlsProblem::OldAuthority { trusted: self.trusted.clone() },
            other => TlsProblem::Other(format!("its certificate cannot be used: {other:?}")),
        }
    }

    fn alert_problem(&self, alert: AlertDescription) -> TlsProblem {
        use AlertDescription as Alert;
        match alert {
            // TLS 1.3 has a word for it; 1.2 says one of the others.
            Alert::CertificateRequired => TlsProblem::ClientCertificateWanted,
            Alert::BadCertificate | Alert::HandshakeFailure if self.lacks_client_certificate() => {
                TlsProblem::ClientCertificateWanted
            }
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
                if self.client.key.is_some() =>
            {
                TlsProblem::ClientCertificateRefused(format!("{alert:?}"))
            }
            Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => {
                TlsProblem::Other(format!(
                    "no TLS version or cipher in common ({alert:?}); containerd may know older ones"
                ))
            }
            other => TlsProblem::Other(format!("it breaks the handshake off ({other:?})")),
        }
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.wanted.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    // Whether it is asked for is to be learned even where there is none.
    fn has_certs(&self) -> bool {
        true
    }
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

fn client_key(
    certificate: &Path,
    key: &Path,
    host: &str,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, RegistryError> {
    let chain = certificates(certificate, "the client certificate", host)?;
    let refuse = |problem: String| unfit(key, "the client key", host, problem);
    let found = pem::private_key(key).map_err(|error| refuse(error.to_string()))?;
    let key = CertifiedKey::from_der(chain, found, provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            refuse(format!("its key is not that of the certificate {}", certificate.display()))
        }
        other => refuse(other.to_string()),
    })?;
    Ok(Arc::new(key))
}

fn unfit(file: &Path, what: &'static str, host: &str, problem: String) -> RegistryError {
    RegistryError::File { file: file.to_owned(), what, host: host.to_owned(), problem }
}

pub(super) fn tls(host: &str, problem: TlsProblem) -> RegistryError {
    RegistryError::Tls { host: host.to_owned(), problem }
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
