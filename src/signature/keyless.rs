//! Signatures by an identity instead of a key ("keyless"): a certificate of some minutes says who signed, and a log or a
//! timestamp says when.
//!
//! `sigstore-verify` verifies certificate, time, log entry and signature against an offline trusted root. Here its input is
//! made from what is stored, and its result is held against the identities that are asked for.
//! Holds: what the trusted root knows of is demanded: an entry in its logs, and a place of the certificate in its logs of
//! certificates. Nothing is asked of a network.
//!
//! Facts: sigstore/protobuf-specs `sigstore_trustroot.proto`, `sigstore_bundle.proto`; cosign `specs/SIGNATURE_SPEC.md`
//! (annotations beside a signature). cosign 2 keeps no proof of inclusion beside a signature, but the log's signed promise.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{Bundle, Sha256Hash};
use sigstore_verify::{SubjectAltName, VerificationPolicy, VerificationResult, Verifier};

use super::bundle;
use super::claim::{Claim, Rejection, shown};
use super::json;
use super::key::PublicKey;
use super::log::{Entry, EntryBody, LONGEST as LONGEST_WITNESS};
use super::provider;
use super::simple::{Simple, Witness};

/// No trusted root is longer, in bytes.
const LONGEST: usize = 4 << 20;

/// Whom and what to trust: a `trusted_root.json`.
#[derive(Clone)]
pub struct TrustRoot {
    verifier: Arc<Verifier>,
    /// Whether it knows a log of signatures, and one of certificates.
    logs: bool,
    certificate_logs: bool,
    /// The hash of the file, by which two are told apart.
    fingerprint: [u8; 32],
}

/// Who has signed, as the certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signer {
    /// The URL of who knows the subject.
    pub issuer: String,
    /// A mail address, or the URL of a job.
    pub subject: String,
    /// Whether the certificate says that it is a mail address.
    pub is_mail: bool,
}

/// Who has to have signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identities {
    /// The issuer.
    pub issuer: Words,
    /// The subject.
    pub subject: Words,
    /// Whether it has to be a mail address.
    pub mail: bool,
}

/// What makes a pattern match the whole.
const BEFORE: &str = "^(?:";
const AFTER: &str = ")$";

/// Words that are asked for.
#[derive(Clone, Debug)]
pub enum Words {
    /// These.
    Exact(String),
    /// Those that the expression matches from the first to the last.
    Matching(Regex),
}

impl TrustRoot {
    /// Reads a `trusted_root.json`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        provider::install();
        let root: TrustedRoot = json::read(bytes, LONGEST)?;
        if root.certificate_authorities.is_empty() {
            return Err("it has no certificate authority".to_owned());
        }
        let verifier = Arc::new(Verifier::new(&root).map_err(|error| shown(&error.to_string()))?);
        let (logs, certificate_logs) = (!root.tlogs.is_empty(), !root.ctlogs.is_empty());
        Ok(TrustRoot { verifier, logs, certificate_logs, fingerprint: Sha256::digest(bytes).into() })
    }

    /// One of certificates of authorities and keys of logs alone. Nothing is demanded of a log of certificates then.
    ///
    /// # Errors
    /// Why these are none.
    pub(super) fn of_parts(authorities: &[u8], logs: &[PublicKey]) -> Result<Self, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(authorities).collect();
        let certificates = certificates.map_err(|_| "a certificate of it is damaged".to_owned())?;
        if certificates.is_empty() {
            return Err("it holds no certificate in PEM form".to_owned());
        }
        let raw = |bytes: &[u8]| json!({"rawBytes": STANDARD.encode(bytes)});
        let log = |key: &PublicKey| {
            json!({
                "baseUrl": "", "hashAlgorithm": "SHA2_256", "logId": {"keyId": STANDARD.encode(Sha256::digest(key.der()))},
                "publicKey": {"rawBytes": STANDARD.encode(key.der()), "keyDetails": "PKIX_ECDSA_P256_SHA_256"},
            })
        };
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "certificateAuthorities": [{
                "uri": "", "certChain": {"certificates": certificates.iter().map(|der| raw(der)).collect::<Vec<_>>()},
            }],
            "tlogs": logs.iter().map(log).collect::<Vec<_>>(),
        });
        Self::read(root.to_string().as_bytes())
    }

    /// Who has signed an image with a bundle, and what it says.
    pub(super) fn bundle(&self, bytes: &[u8], digest: &str) -> Result<(Signer, Claim), Rejection> {
        let statement = bundle::Bundle::read(bytes)?.statement()?;
        let parsed: Bundle = json::read(bytes, bundle::LONGEST).map_err(untrusted)?;
        if self.logs && parsed.verification_material.tlog_entries.is_empty() {
            return Err(untrusted("it has no entry in a log".to_owned()));
        }
        let digest = digest.strip_prefix("sha256:").and_then(|hex| Sha256Hash::from_hex(hex).ok());
        let digest =
            digest.ok_or_else(|| untrusted("the image's digest is not one by SHA-256".to_owned()))?;
        let policy = if self.logs { self.policy() } else { self.policy().skip_tlog_unsafe() };
        let verified = self.verifier.verify(digest, &parsed, &policy);
        let verified = verified.map_err(|error| untrusted(error.to_string()))?;
        Ok((signer(&verified)?, statement.read()?))
    }

    /// The same for a signature of cosign 2.
    pub(super) fn simple(&self, simple: &Simple, witness: &Witness) -> Result<(Signer, Claim), Rejection> {
        let parsed = stored(simple, witness).map_err(untrusted)?;
        // The promise of the log is verified with the time that it says.
        let policy = self.policy().skip_tlog_unsafe();
        let payload = simple.payload.as_slice();
        let verified = provider::with_message(payload, || self.verifier.verify(payload, &parsed, &policy));
        let verified = verified.map_err(|error| untrusted(error.to_string()))?;
        Ok((signer(&verified)?, simple.read()?))
    }

    fn policy(&self) -> VerificationPolicy {
        let policy = VerificationPolicy::any_identity();
        if self.certificate_logs { policy } else { policy.skip_sct() }
    }
}

/// Makes a bundle of what cosign 2 stores.
fn stored(simple: &Simple, witness: &Witness) -> Result<Bundle, String> {
    let text = [&witness.certificate, &witness.chain];
    if text.iter().any(|text| text.len() > LONGEST_WITNESS) {
        return Err(format!("its certificates are longer than {LONGEST_WITNESS} bytes"));
    }
    let mut certificates = Vec::new();
    for pem in text {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| "a certificate of it is damaged".to_owned())?;
            certificates.push(json!({"rawBytes": STANDARD.encode(certificate)}));
        }
    }
    let Entry { signed_entry_timestamp, payload } = Entry::read(&witness.entry)?;
    let EntryBody { api_version, kind } = payload.body()?;
    let id = hex(&payload.log_id).ok_or("the name of its log is no hexadecimal number")?;
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {
            "x509CertificateChain": {"certificates": certificates},
            "tlogEntries": [{
                "logIndex": payload.log_index.to_string(),
                "logId": {"keyId": STANDARD.encode(id)},
                "kindVersion": {"kind": kind, "version": api_version},
                "integratedTime": payload.integrated_time.to_string(),
                "inclusionPromise": {"signedEntryTimestamp": signed_entry_timestamp},
                "canonicalizedBody": payload.body,
            }],
        },
        "messageSignature": {
            "messageDigest": {
                "algorithm": "SHA2_256",
                "digest": STANDARD.encode(Sha256::digest(&simple.payload)),
            },
            "signature": simple.signature.trim_end(),
        },
    });
    Bundle::from_json(&bundle.to_string()).map_err(|error| error.to_string())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn signer(verified: &VerificationResult) -> Result<Signer, Rejection> {
    match (verified.issuer(), verified.identity()) {
        (Some(issuer), Some(subject)) => {
            let is_mail = matches!(subject, SubjectAltName::Email(_));
            Ok(Signer { issuer: issuer.to_owned(), subject: subject.as_str().to_owned(), is_mail })
        }
        _ => Err(untrusted("its certificate says no issuer or no subject".to_owned())),
    }
}

fn untrusted(problem: String) -> Rejection {
    Rejection::Untrusted(shown(&problem))
}

impl Identities {
    /// Whether the signer is one of them.
    pub fn has(&self, signer: &Signer) -> bool {
        let kind_fits = signer.is_mail || !self.mail;
        kind_fits && self.issuer.are(&signer.issuer) && self.subject.are(&signer.subject)
    }
}

impl Words {
    /// Those that a regular expression matches as a whole.
    ///
    /// # Errors
    /// Why it is none.
    pub fn matching(pattern: &str) -> Result<Self, String> {
        // Alone first, so that no bracket of it closes ours.
        Regex::new(pattern).map_err(|error| error.to_string())?;
        Regex::new(&format!("{BEFORE}{pattern}{AFTER}"))
            .map(Self::Matching)
            .map_err(|error| error.to_string())
    }

    fn are(&self, words: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == words,
            Self::Matching(pattern) => pattern.is_match(words),
        }
    }

    fn text(&self) -> (bool, &str) {
        match self {
            Self::Exact(exact) => (true, exact),
            Self::Matching(pattern) => (false, pattern.as_str()),
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => f.write_str(exact),
            Self::Matching(pattern) => {
                let pattern = pattern.as_str();
                let written = pattern.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER));
                f.write_str(written.unwrap_or(pattern))
            }
        }
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Words {}

impl Hash for Words {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl PartialEq for TrustRoot {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for TrustRoot {}

impl Hash for TrustRoot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

impl fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All of it: demands are told apart by this text.
        write!(f, "TrustRoot({:02x?})", self.fingerprint)
    }
}
