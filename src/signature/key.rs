//! Public keys, and whether a signature is by one of them.
//!
//! A key decides alone which algorithms its signatures may have; nothing that comes with a signature does.
//!
//! Facts: cosign signs with SHA-256 by every key of cosign 2, and with the digest that fits the curve from cosign 3 on; by
//! RSA with PKCS #1 v1.5. With an Ed25519 key cosign 2 signs the bytes themselves, and cosign 3 their hash (Ed25519ph), which
//! `ring` does not verify.

use std::fmt;

use ::ring::signature::{self as ring, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use spki::der::asn1::UintRef;
use spki::der::{self, Reader as _, SliceReader};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::hash::sha256;
use crate::files::byte_order_mark;

/// No file of a key is longer, in bytes.
const LONGEST: usize = 64 << 10;

/// The names of algorithms and curves in a key (RFC 3279, 5480, 8410).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A public key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    kind: Kind,
    /// As its algorithm takes it.
    key: Vec<u8>,
    /// All of it, as it was read.
    der: Vec<u8>,
    /// The SHA-256 of the whole key, in hexadecimal digits.
    fingerprint: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

/// Why a text is not a public key that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No block of the right kind.
    #[error("it holds no public key in PEM form (-----BEGIN PUBLIC KEY-----)")]
    NoKey,
    /// A secret lies where everybody may read.
    #[error("it holds a private key; the public key belongs here (cosign public-key --key FILE)")]
    Private,
    /// Something else.
    #[error("its key is damaged, or of a kind that is not known here (ECDSA P-256 and P-384, Ed25519, RSA)")]
    Unknown,
    /// A key that is easily broken, or one that takes too long.
    #[error("its RSA key has not between 2048 and 8192 bits")]
    RsaSize,
    /// Go finds no key behind it either.
    #[error("{}", byte_order_mark::REFUSED)]
    Mark,
    /// Too much text.
    #[error("it is longer than 64 KiB")]
    TooLong,
}

impl PublicKey {
    /// The first public key in a PEM text.
    ///
    /// # Errors
    /// Why there is none.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        if text.len() > LONGEST {
            return Err(KeyError::TooLong);
        }
        if byte_order_mark::is_before(text) {
            return Err(KeyError::Mark);
        }
        match SubjectPublicKeyInfoDer::from_pem_slice(text) {
            Ok(der) => Self::from_der(&der),
            Err(_) if text.windows(11).any(|word| word == b"PRIVATE KEY") => Err(KeyError::Private),
            Err(_) => Err(KeyError::NoKey),
        }
    }

    /// A key as `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn from_der(bytes: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::try_from(bytes).map_err(|_| KeyError::Unknown)?;
        let key = info.subject_public_key.as_bytes().ok_or(KeyError::Unknown)?;
        let kind = match info.algorithm.oids().map_err(|_| KeyError::Unknown)? {
            (EC, Some(P256)) if is_point(key, 32) => Kind::P256,
            (EC, Some(P384)) if is_point(key, 48) => Kind::P384,
            (ED25519, None) if key.len() == 32 => Kind::Ed25519,
            (RSA, None) => match modulus_bits(key).map_err(|_| KeyError::Unknown)? {
                2048..=8192 => Kind::Rsa,
                _ => return Err(KeyError::RsaSize),
            },
            _ => return Err(KeyError::Unknown),
        };
        Ok(PublicKey { kind, key: key.to_vec(), der: bytes.to_vec(), fingerprint: sha256(bytes) })
    }

    /// The SHA-256 of the key, in hexadecimal digits: by it a person tells keys apart.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The key as `SubjectPublicKeyInfo`.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it is of the one kind that logs have.
    pub(super) fn is_p256(&self) -> bool {
        self.kind == Kind::P256
    }

    pub(super) fn is_ed25519(&self) -> bool {
        self.kind == Kind::Ed25519
    }

    /// Whether the signature of these bytes is by this key.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithms: &[&dyn VerificationAlgorithm] = match self.kind {
            Kind::P256 => &[&ring::ECDSA_P256_SHA256_ASN1],
            Kind::P384 => &[&ring::ECDSA_P384_SHA384_ASN1, &ring::ECDSA_P384_SHA256_ASN1],
            Kind::Ed25519 => &[&ring::ED25519],
            Kind::Rsa => &[
                &ring::RSA_PKCS1_2048_8192_SHA256,
                &ring::RSA_PKCS1_2048_8192_SHA384,
                &ring::RSA_PKCS1_2048_8192_SHA512,
                &ring::RSA_PSS_2048_8192_SHA256,
                &ring::RSA_PSS_2048_8192_SHA384,
                &ring::RSA_PSS_2048_8192_SHA512,
            ],
        };
        let by = |algorithm: &&'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(*algorithm, &self.key).verify(message, signature).is_ok()
        };
        algorithms.iter().any(by)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?} {})", self.kind, self.fingerprint)
    }
}

/// Whether it is a point of a curve in its long form.
fn is_point(key: &[u8], length: usize) -> bool {
    key.len() == 2 * length + 1 && key[0] == 4
}

/// How many bits the modulus of an RSA key has (RFC 8017, A.1.1).
fn modulus_bits(key: &[u8]) -> der::Result<usize> {
    let mut reader = SliceReader::new(key)?;
    let modulus = reader.sequence(|numbers| {
        let modulus = numbers.decode::<UintRef<'_>>()?;
        numbers.decode::<UintRef<'_>>()?;
        Ok(modulus)
    })?;
    reader.finish(())?;
    let bytes = modulus.as_bytes();
    let zeros = bytes.first().map_or(0, |first| first.leading_zeros());
    Ok((8 * bytes.len()).saturating_sub(zeros as usize))
}
