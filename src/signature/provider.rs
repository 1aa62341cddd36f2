//! The cryptography of `sigstore-verify`, by `ring`.
//!
//! `ring` verifies messages and no hashes of messages. Where a hash is to be verified, the message is one that this thread
//! has in hand, see [`with_message`]: a signature of the message is one of its hash, and whoever has another message with
//! that hash has broken the hash.

use std::cell::RefCell;
use std::sync::Once;

use ring::signature::{self as by_ring, UnparsedPublicKey, VerificationAlgorithm};
use sha2::{Digest, Sha256, Sha384, Sha512};
use sigstore_verify::crypto::{
    CryptoProvider, Error, HashContext, Result, SigningScheme, install_default_provider,
};
use sigstore_verify::types::HashAlgorithm;

#[derive(Debug)]
struct Provider;

struct Hash<D>(D);

thread_local! {
    static MESSAGE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes `ring` what `sigstore-verify` uses; without it, it panics.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    // Nobody else in this program installs one.
    INSTALLED.call_once(|| {
        let _ = install_default_provider(&Provider);
    });
}

/// Does the work with this message in hand.
pub(super) fn with_message<T>(message: &[u8], work: impl FnOnce() -> T) -> T {
    MESSAGE.set(message.to_vec());
    let done = work();
    MESSAGE.set(Vec::new());
    done
}

impl<D: Digest + Send> HashContext for Hash<D> {
    fn update(&mut self, data: &[u8]) {
        Digest::update(&mut self.0, data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

impl CryptoProvider for Provider {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>> {
        Ok(match algorithm {
            HashAlgorithm::Sha2256 => Box::new(Hash(Sha256::new())),
            HashAlgorithm::Sha2384 => Box::new(Hash(Sha384::new())),
            HashAlgorithm::Sha2512 => Box::new(Hash(Sha512::new())),
            _ => return Err(Error::UnsupportedAlgorithm(algorithm.to_string())),
        })
    }

    fn verify_raw(&self, scheme: SigningScheme, key: &[u8], data: &[u8], signature: &[u8]) -> Result<()> {
        let verified = UnparsedPublicKey::new(algorithm(scheme)?, key).verify(data, signature);
        verified.map_err(|_| Error::Verification("the signature is another's".to_owned()))
    }

    fn verify_prehashed(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        digest: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        MESSAGE.with_borrow(|message| {
            let hash = match scheme.hash_algorithm() {
                Some(HashAlgorithm::Sha2256) => Sha256::digest(message).to_vec(),
                Some(HashAlgorithm::Sha2384) => Sha384::digest(message).to_vec(),
                Some(HashAlgorithm::Sha2512) => Sha512::digest(message).to_vec(),
                _ => Vec::new(),
            };
            match hash == digest {
                true => self.verify_raw(scheme, key, message, signature),
                false => Err(Error::Verification("its message is not known".to_owned())),
            }
        })
    }
}

fn algorithm(scheme: SigningScheme) -> Result<&'static dyn VerificationAlgorithm> {
    Ok(match scheme {
        SigningScheme::EcdsaP256Sha256 => &by_ring::ECDSA_P256_SHA256_ASN1,
        SigningScheme::EcdsaP256Sha384 => &by_ring::ECDSA_P256_SHA384_ASN1,
        SigningScheme::EcdsaP384Sha256 => &by_ring::ECDSA_P384_SHA256_ASN1,
        SigningScheme::EcdsaP384Sha384 => &by_ring::ECDSA_P384_SHA384_ASN1,
        SigningScheme::Ed25519 => &by_ring::ED25519,
        SigningScheme::RsaPssSha256 => &by_ring::RSA_PSS_2048_8192_SHA256,
        SigningScheme::RsaPssSha384 => &by_ring::RSA_PSS_2048_8192_SHA384,
        SigningScheme::RsaPssSha512 => &by_ring::RSA_PSS_2048_8192_SHA512,
        SigningScheme::RsaPkcs1Sha256 => &by_ring::RSA_PKCS1_2048_8192_SHA256,
        SigningScheme::RsaPkcs1Sha384 => &by_ring::RSA_PKCS1_2048_8192_SHA384,
        SigningScheme::RsaPkcs1Sha512 => &by_ring::RSA_PKCS1_2048_8192_SHA512,
        _ => return Err(Error::UnsupportedAlgorithm(scheme.name().to_owned())),
    })
}
