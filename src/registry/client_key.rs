//! The key of a client certificate, and why TLS cannot use it.
//!
//! Facts: Go, and so containerd, knows more kinds of keys than the library here: P-521 and P-224, and RSA of other sizes.

use std::path::Path;

use rustls::Error;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::error::KINDS_OF_KEYS;

/// The curve P-521 as a key names it (RFC 5480, 2.1.1.1).
const P_521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientKeyError {
    /// The files have been mixed up.
    #[error("its key is not that of the certificate {0}")]
    OfAnother(String),
    /// Go may know it.
    #[error(
        "its key is {0}, which cannot be used here, although containerd may know it: get a certificate for a key of \
         one of these kinds: {KINDS_OF_KEYS}"
    )]
    Kind(&'static str),
    /// Anything else.
    #[error("{0}")]
    Other(Error),
}

/// The key with its certificates, which are those of a file.
///
/// # Errors
/// Why it cannot be used.
pub fn client_key(
    certificate: &Path,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, ClientKeyError> {
    let der = key.secret_der();
    let is_p_521 = der.windows(P_521.len()).any(|found| found == P_521);
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => ClientKeyError::OfAnother(certificate.display().to_string()),
        // What rustls says here is no more than that.
        Error::General(_) if is_p_521 => ClientKeyError::Kind("of the curve P-521"),
        Error::General(_) => ClientKeyError::Kind("damaged or of another kind"),
        other => ClientKeyError::Other(other),
    })
}
