//! Signatures by identities, as Sigstore's services would give them out: an authority, a log of signatures and a log of
//! certificates, all in memory, with keys of their own.
//!
//! The real services are not on the loopback. What is made here is what cosign stores, and the real cosign verifies it.
//! Facts: sigstore/fulcio `docs/oid-info.md`; RFC 6962 (SCT, Merkle tree); rekor `pkg/types`, signed notes; sigstore/protobuf-specs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::registry::Registry;

/// In the middle of the years that certificates are for by default.
pub const NOW: i64 = 1_700_000_000;
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const MANIFEST: &str = super::image::MANIFEST;

/// The services.
pub struct Services {
    ca: CertificateParams,
    ca_key: KeyPair,
    ca_der: Vec<u8>,
    log: KeyPair,
    certificate_log: KeyPair,
}

/// What is to be signed, by whom and when, and what is wrong with it.
#[derive(Clone)]
pub struct Wish<'w> {
    pub subject: &'w str,
    pub issuer: &'w str,
    /// The years in which the certificate is valid.
    pub years: (i32, i32),
    /// When the log has taken the entry.
    pub time: i64,
    pub oddity: Oddity,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    None,
    /// The entry of the log is of something else.
    OtherEntry,
    /// The log has promised another time.
    OtherTime,
    /// The tree does not hold the entry.
    OtherTree,
    /// No log of certificates knows the certificate.
    NoCertificateLog,
    /// The signature is another key's.
    OtherKey,
}

/// A certificate with its key.
struct Leaf {
    pem: String,
    der: Vec<u8>,
    key: KeyPair,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sign(key: &KeyPair, message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der(), &random);
    pair.unwrap().sign(&random, message).unwrap().as_ref().to_vec()
}

fn id(key: &KeyPair) -> [u8; 32] {
    Sha256::digest(key.subject_public_key_info()).into()
}

/// An element of DER.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let head = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [head, value.to_vec()].concat()
}

impl<'w> Wish<'w> {
    pub fn of(issuer: &'w str, subject: &'w str) -> Self {
        Wish { subject, issuer, years: (2020, 2090), time: NOW, oddity: Oddity::None }
    }
}

impl Services {
    pub fn new() -> Services {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.distinguished_name = DistinguishedName::new();
        ca.distinguished_name.push(DnType::OrganizationName, "testbed");
        ca.distinguished_name.push(DnType::CommonName, "testbed identities");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let [ca_key, log, certificate_log] = [(); 3].map(|()| KeyPair::generate().unwrap());
        let ca_der = ca.self_signed(&ca_key).unwrap().der().to_vec();
        Services { ca, ca_key, ca_der, log, certificate_log }
    }

    /// What whoever trusts these services has.
    pub fn trusted_root(&self) -> String {
        let log = |key: &KeyPair, url: &str| {
            json!({
                "baseUrl": url, "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": b64(key.subject_public_key_info()), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": "2000-01-01T00:00:00Z"},
                },
                "logId": {"keyId": b64(id(key))},
            })
        };
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.log, "https://log.example")],
            "certificateAuthorities": [{
                "subject": {"organization": "testbed", "commonName": "testbed identities"},
                "uri": "https://identities.example",
                "certChain": {"certificates": [{"rawBytes": b64(&self.ca_der)}]},
                "validFor": {"start": "2000-01-01T00:00:00Z"},
            }],
            "ctlogs": [log(&self.certificate_log, "https://certificates.example")],
            "timestampAuthorities": [],
        });
        root.to_string()
    }

    fn certificate(&self, wish: &Wish<'_>) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from(vec![1, 2, 3, 4]));
        params.not_before = rcgen::date_time_ymd(wish.years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(wish.years.1, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let subject = wish.subject.try_into().unwrap();
        let is_url = wish.subject.contains("://");
        params.subject_alt_names =
            vec![if is_url { SanType::URI(subject) } else { SanType::Rfc822Name(subject) }];
        // The issuer, in the older and in the newer form.
        let newer = der(0x0c, wish.issuer.as_bytes());
        for (number, content) in [(1, wish.issuer.as_bytes().to_vec()), (8, newer)] {
            let oid = [1, 3, 6, 1, 4, 1, 57264, 1, number];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, content));
        }
        let issue = |params: &CertificateParams| {
            params.signed_by(&key, &Issuer::from_params(&self.ca, &self.ca_key)).unwrap()
        };
        if wish.oddity != Oddity::NoCertificateLog {
            let promise = self.certificate_promise(issue(&params).der());
            let oid = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, promise));
        }
        let certificate = issue(&params);
        Leaf { pem: certificate.pem(), der: certificate.der().to_vec(), key }
    }

    /// What the log of certificates promises of a certificate that has no promise yet (RFC 6962, 3.2).
    fn certificate_promise(&self, certificate: &[u8]) -> Vec<u8> {
        // The certificate without its signature: the first element in the outer one.
        let length = |at: usize| usize::from(u16::from_be_bytes([certificate[at + 2], certificate[at + 3]]));
        let signed = &certificate[4..4 + 4 + length(4)];
        let time = (NOW as u64 * 1000).to_be_bytes();
        let issuer: [u8; 32] = id(&self.ca_key);
        let size = &(signed.len() as u32).to_be_bytes()[1..];
        let message = [&[0, 0], &time[..], &[0, 1], &issuer, size, signed, &[0, 0]].concat();
        let signature = sign(&self.certificate_log, &message);
        let promise =
            [&[0], &id(&self.certificate_log)[..], &time, &[0, 0, 4, 3], &size16(&signature), &signature]
                .concat();
        let list = [&size16(&promise)[..], &promise].concat();
        der(0x04, &[&size16(&list)[..], &list].concat())
    }

    /// The entry of the log for a body, as a bundle has it.
    fn entry(&self, body: &Value, wish: &Wish<'_>) -> Value {
        let kind = json!({"kind": body["kind"], "version": body["apiVersion"]});
        let body = body.to_string();
        let (log, root) = (id(&self.log), Sha256::digest([&[0], body.as_bytes()].concat()));
        let promised = if wish.oddity == Oddity::OtherTime { wish.time + 1 } else { wish.time };
        let promise = format!(
            r#"{{"body":"{}","integratedTime":{promised},"logID":"{}","logIndex":0}}"#,
            b64(&body),
            hex(log)
        );
        let tree = if wish.oddity == Oddity::OtherTree { Sha256::digest(b"other") } else { root };
        let note = format!("log.example - 1\n1\n{}\n", b64(tree));
        let signature = [&log[..4], &sign(&self.log, note.as_bytes())].concat();
        json!({
            "logIndex": "0", "logId": {"keyId": b64(log)}, "kindVersion": kind, "integratedTime": wish.time.to_string(),
            "inclusionPromise": {"signedEntryTimestamp": b64(sign(&self.log, promise.as_bytes()))},
            "inclusionProof": {
                "logIndex": "0", "rootHash": b64(tree), "treeSize": "1", "hashes": [],
                "checkpoint": {"envelope": format!("{note}\n\u{2014} log.example {}\n", b64(signature))},
            },
            "canonicalizedBody": b64(&body),
        })
    }

    /// Signs an image as cosign 3 does, and stores the bundle in the list behind the tag `sha256-…`.
    pub fn bundle(&self, registry: &Registry, repository: &str, digest: &str, wish: &Wish<'_>) {
        let leaf = self.certificate(wish);
        let kind = "application/vnd.in-toto+json";
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": digest.strip_prefix("sha256:").unwrap()}}],
            "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
        })
        .to_string();
        let signed = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        let signature = b64(self.signature(&leaf.key, signed.as_bytes(), wish));
        let envelope = json!({
            "payload": b64(&statement), "payloadType": kind, "signatures": [{"sig": signature}],
        });
        let hash = |text: &str| json!({"algorithm": "sha256", "value": hex(Sha256::digest(text))});
        let noted = if wish.oddity == Oddity::OtherEntry { "other" } else { &statement };
        let body = json!({
            "apiVersion": "0.0.1", "kind": "dsse",
            "spec": {
                "envelopeHash": hash(&envelope.to_string()), "payloadHash": hash(noted),
                "signatures": [{"signature": signature, "verifier": b64(&leaf.pem)}],
            },
        });
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(&leaf.der)}, "tlogEntries": [self.entry(&body, wish)],
                "timestampVerificationData": {},
            },
            "dsseEnvelope": envelope,
        });
        let layer = registry.put_blob(repository, bundle.to_string().as_bytes());
        let config = registry.put_blob(repository, b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
            "config": {"mediaType": EMPTY, "digest": config, "size": 2},
            "layers": [{"mediaType": BUNDLE, "digest": layer, "size": bundle.to_string().len()}],
            "subject": {"mediaType": MANIFEST, "digest": digest, "size": 1},
            "annotations": {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
            },
        })
        .to_string();
        let stored = super::image::digest(manifest.as_bytes());
        registry.put_manifest(repository, &stored, MANIFEST, manifest.as_bytes());
        let index = json!({
            "schemaVersion": 2, "mediaType": super::image::INDEX,
            "manifests": [{"mediaType": MANIFEST, "digest": stored, "size": manifest.len(), "artifactType": BUNDLE}],
        });
        let tag = digest.replacen(':', "-", 1);
        registry.put_manifest(repository, &tag, super::image::INDEX, index.to_string().as_bytes());
    }

    /// Signs an image as cosign 2 does, and stores that behind the tag `sha256-….sig`.
    pub fn simple(
        &self,
        registry: &Registry,
        (repository, name): (&str, &str),
        digest: &str,
        wish: &Wish<'_>,
    ) {
        let leaf = self.certificate(wish);
        self.store(registry, (repository, name), digest, wish, (&leaf.key, &leaf.pem, &leaf.pem));
    }

    /// The same by a key and without a certificate; the answer is the public key.
    pub fn logged(
        &self,
        registry: &Registry,
        (repository, name): (&str, &str),
        digest: &str,
        wish: &Wish<'_>,
    ) -> String {
        let key = KeyPair::generate().unwrap();
        let public = key.public_key_pem();
        self.store(registry, (repository, name), digest, wish, (&key, &public, ""));
        public
    }

    /// The certificate of the authority, and the key of the log, in PEM form.
    pub fn parts(&self) -> [String; 2] {
        [self.ca.self_signed(&self.ca_key).unwrap().pem(), self.log.public_key_pem()]
    }

    fn store(
        &self,
        registry: &Registry,
        (repository, name): (&str, &str),
        digest: &str,
        wish: &Wish<'_>,
        (key, verifier, certificate): (&KeyPair, &str, &str),
    ) {
        let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
        let payload = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"{name}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
        );
        let signature = b64(self.signature(key, payload.as_bytes(), wish));
        let noted = if wish.oddity == Oddity::OtherEntry { "other" } else { &payload };
        let body = json!({
            "apiVersion": "0.0.1", "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": hex(Sha256::digest(noted))}},
                "signature": {"content": signature, "publicKey": {"content": b64(verifier)}},
            },
        });
        let entry = self.entry(&body, wish);
        let entry = json!({
            "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "Payload": {
                "body": entry["canonicalizedBody"], "integratedTime": wish.time, "logIndex": 0, "logID": hex(id(&self.log)),
            },
        });
        let layer = registry.put_blob(repository, payload.as_bytes());
        let config = registry.put_blob(repository, b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [{
                "mediaType": kind, "digest": layer, "size": payload.len(),
                "annotations": {
                    "dev.cosignproject.cosign/signature": signature,
                    "dev.sigstore.cosign/bundle": entry.to_string(),
                    "dev.sigstore.cosign/certificate": certificate,
                    "dev.sigstore.cosign/chain": "",
                },
            }],
        });
        let tag = format!("{}.sig", digest.replacen(':', "-", 1));
        registry.put_manifest(repository, &tag, MANIFEST, manifest.to_string().as_bytes());
    }

    fn signature(&self, key: &KeyPair, message: &[u8], wish: &Wish<'_>) -> Vec<u8> {
        sign(if wish.oddity == Oddity::OtherKey { &self.log } else { key }, message)
    }
}

fn size16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}
