//! Reads certificates and private keys from files.
//!
//! Holds: a damaged block next to a good one does no harm, as in Go and so in containerd.
//! Not here: how long a certificate is valid, which certificates to trust (`registry`).
//!
//! Source: RFC 7468 (the text form); Go `crypto/x509` `CertPool.AppendCertsFromPEM`, `crypto/tls` `X509KeyPair`.

use std::io;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::files::{byte_order_mark, regular_file};

/// No file of certificates is larger.
const LARGEST: u64 = 8 << 20;

/// Why a file has no certificate or key.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Something else.
    #[error("it holds no certificate in PEM form")]
    NoCertificate,
    /// The files may have been mixed up.
    #[error("it holds no certificate, but a private key")]
    KeyInstead,
    /// The mark hides the first block from Go.
    #[error("{}", byte_order_mark::REFUSED)]
    Mark,
    /// It holds certificates, and all of them are damaged.
    #[error("a certificate in it is damaged")]
    Damaged,
    /// Something else.
    #[error("it holds no private key in PEM form")]
    NoKey,
    /// A key with a password.
    #[error("its key is encrypted, and containerd has no password for it")]
    Encrypted,
}

/// The certificates in a file, at least one.
///
/// # Errors
/// Why there are no certificates or keys.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = regular_file::read(file, LARGEST)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok).collect();
    match () {
        () if !found.is_empty() => Ok(found),
        () if byte_order_mark::is_before(&text) => Err(PemError::Mark),
        () if has(&text, b"-----BEGIN CERTIFICATE-----") => Err(PemError::Damaged),
        () if key_in(&text).is_some() => Err(PemError::KeyInstead),
        () => Err(PemError::NoCertificate),
    }
}

/// The first private key in a file.
///
/// # Errors
/// Why there are no certificates or keys.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let text = regular_file::read(file, LARGEST)?;
    // The word is in the label, or in a header of the older form.
    let encrypted = || has(&text, b"ENCRYPTED");
    key_in(&text).ok_or_else(|| match () {
        () if byte_order_mark::is_before(&text) => PemError::Mark,
        () if encrypted() => PemError::Encrypted,
        () => PemError::NoKey,
    })
}

fn key_in(text: &[u8]) -> Option<PrivateKeyDer<'static>> {
    PrivateKeyDer::pem_slice_iter(text).find_map(Result::ok)
}

fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\r\nAAEC\r\n-----END CERTIFICATE-----\r\n";
    const DAMAGED: &str = "-----BEGIN CERTIFICATE-----\nA!EC\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nAwQF\n-----END EC PRIVATE KEY-----\n";
    const LOCKED: &str =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAwQF\n-----END RSA PRIVATE KEY-----\n";

    #[test]
    fn what_is_whole_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        let rows = [
            (CERTIFICATE.to_owned(), "1 certificates", "it holds no private key in PEM form"),
            (format!("# a\n{KEY}{CERTIFICATE}{DAMAGED}{CERTIFICATE}"), "2 certificates", "a key"),
            (KEY.to_owned(), "it holds no certificate, but a private key", "a key"),
            (DAMAGED.to_owned(), "a certificate in it is damaged", "it holds no private key in PEM form"),
            (
                CERTIFICATE[..40].to_owned(),
                "a certificate in it is damaged",
                "it holds no private key in PEM form",
            ),
            (
                LOCKED.to_owned(),
                "it holds no certificate in PEM form",
                "its key is encrypted, and containerd has no password for it",
            ),
            (format!("\u{feff}{CERTIFICATE}{KEY}"), byte_order_mark::REFUSED, "a key"),
            (format!("\u{feff}{KEY}"), byte_order_mark::REFUSED, byte_order_mark::REFUSED),
            (format!("\u{feff}{DAMAGED}{CERTIFICATE}"), "1 certificates", byte_order_mark::REFUSED),
            (
                "0\u{82}\u{1}".to_owned(),
                "it holds no certificate in PEM form",
                "it holds no private key in PEM form",
            ),
        ];
        for (text, expected, key) in rows {
            std::fs::write(&file, &text).unwrap();
            let found = certificates(&file).map(|found| format!("{} certificates", found.len()));
            assert_eq!(found.unwrap_or_else(|error| error.to_string()), expected, "{text}");
            let found = private_key(&file).map(|_| "a key".to_owned());
            assert_eq!(found.unwrap_or_else(|error| error.to_string()), key, "{text}");
        }
    }
}
