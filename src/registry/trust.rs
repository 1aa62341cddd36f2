//! The certificates of the other side: whom to believe.
//!
//! Before: `tls` has the authorities of the system and of the configuration.  After: rustls asks here.
//! Holds: name and dates are checked always, but for `skip_verify`.
//!
//! Facts: Go (`crypto/x509`), and so containerd, takes a server's certificate that itself is one of the
//! trusted ones, an authority's or not. Registries with a self-signed certificate live from that; webpki
//! refuses an authority's certificate there.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The authorities of the system, read when first wanted.
#[derive(Debug, Default)]
pub(super) struct SystemRoots(OnceLock<Vec<CertificateDer<'static>>>);

impl SystemRoots {
    /// What can be read of them; a host without any has none.
    pub(super) fn get(&self) -> &[CertificateDer<'static>] {
        self.0.get_or_init(|| rustls_native_certs::load_native_certs().certs)
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
    /// What is signed by the trusted, and the trusted themselves.
    Trusted { chain: Arc<WebPkiServerVerifier>, trusted: Vec<CertificateDer<'static>> },
    /// `skip_verify`.
    Anyone,
    /// A machine without any authority, and none configured.
    Nobody,
}

impl Verifier {
    pub(super) fn trusting(trusted: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Self {
        let mut roots = RootCertStore::empty();
        // As Go does, a certificate that cannot be read is passed over: system stores hold odd ones.
        roots.add_parsable_certificates(trusted.iter().cloned());
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let whom = match chain {
            Ok(chain) => Whom::Trusted { chain, trusted },
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
        let (chain, trusted) = match &self.whom {
            Whom::Trusted { chain, trusted } => (chain, trusted),
            Whom::Anyone => return Ok(ServerCertVerified::assertion()),
            Whom::Nobody => return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // webpki has looked at the dates before it says this of an authority's certificate.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if trusted.contains(end_entity) => {
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
