//! The certificates of the other side: whom to believe.
//!
//! Name and dates are always checked, except with `skip_verify`.
//!
//! Facts: Go (`crypto/x509`), and so containerd, accepts a server's certificate that is itself one of the
//! trusted ones, an authority's or not. Registries with a self-signed certificate need that; webpki
//! refuses an authority's certificate there.

use std::sync::{Arc, Once, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_native_certs::CertificateResult;

/// The authorities of the system, read when first wanted.
#[derive(Debug, Default)]
pub(super) struct SystemRoots(OnceLock<Roots>);

/// Certificates of authorities.
pub(super) type Roots = Arc<[CertificateDer<'static>]>;

impl SystemRoots {
    /// What can be read of them. Reads files until there is one, and then never again, as Go.
    pub(super) fn get(&self) -> Roots {
        static TOLD: Once = Once::new();
        self.get_by(|| {
            let CertificateResult { certs, errors, .. } = rustls_native_certs::load_native_certs();
            if let Some(error) = errors.first() {
                TOLD.call_once(|| {
                    let (found, failed) = (certs.len(), errors.len());
                    tracing::warn!(%error, failed, found, "authorities of the system cannot be read");
                });
            }
            certs
        })
    }

    fn get_by(&self, read: impl FnOnce() -> Vec<CertificateDer<'static>>) -> Roots {
        if let Some(known) = self.0.get() {
            return known.clone();
        }
        let found = Roots::from(read());
        if found.is_empty() { found } else { self.0.get_or_init(|| found).clone() }
    }

    pub(super) fn is_known(&self) -> bool {
        self.0.get().is_some()
    }
}

/// Whom this side believes.
#[derive(Debug)]
pub(super) struct Verifier {
    whom: Whom,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Whom {
    /// Whatever the trusted ones have signed, and the trusted ones themselves.
    Trusted { chain: Arc<WebPkiServerVerifier>, system: Roots, own: Vec<CertificateDer<'static>> },
    /// `skip_verify`.
    Anyone,
    /// The machine has no authorities, and none are configured.
    Nobody,
}

impl Verifier {
    /// Believes the authorities of the system and those of the configuration.
    pub(super) fn trusting(
        system: Roots,
        own: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        // As in Go, a certificate that cannot be read is passed over: system stores hold odd ones.
        roots.add_parsable_certificates(system.iter().chain(&own).cloned());
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let whom = match chain {
            Ok(chain) => Whom::Trusted { chain, system, own },
            Err(_) => Whom::Nobody,
        };
        Verifier { whom, algorithms: provider.signature_verification_algorithms }
    }

    pub(super) fn skipping(provider: &CryptoProvider) -> Self {
        Verifier { whom: Whom::Anyone, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (chain, system, own) = match &self.whom {
            Whom::Trusted { chain, system, own } => (chain, system, own),
            Whom::Anyone => return Ok(ServerCertVerified::assertion()),
            Whom::Nobody => return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // webpki has looked at the dates before it says this of an authority's certificate, or of one whose
            // authority it does not know.
            Err(Error::InvalidCertificate(CertificateError::Other(_) | CertificateError::UnknownIssuer))
                if own.contains(end_entity) || system.contains(end_entity) =>
            {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_that_come_late_are_found_and_then_kept() {
        let roots = SystemRoots::default();
        let one = CertificateDer::from(vec![1]);
        assert!(roots.get_by(Vec::new).is_empty() && !roots.is_known());
        assert_eq!(roots.get_by(|| vec![one.clone()]).len(), 1);
        assert!(roots.is_known());
        assert_eq!(*roots.get_by(Vec::new), [one]);
    }
}
