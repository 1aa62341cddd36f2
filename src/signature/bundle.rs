//! A Sigstore bundle, as cosign 3 stores it, that a key has signed.
//!
//! A bundle is an envelope (DSSE) around a statement (in-toto). The statement lists digests and has no name.
//! Holds: exactly one signature; the type of the statement's content is the one that cosign writes for a signature, so
//! that no attestation, for example a list of packages, passes for one.
//!
//! Facts: sigstore/protobuf-specs `sigstore_bundle.proto`; DSSE `protocol.md` (PAE); in-toto Statement v1.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::claim::{Claim, Rejection, Subject, shown};
use super::json::{self, Anything};
use super::key::PublicKey;

/// No bundle is longer, in bytes.
pub(super) const LONGEST: usize = 1 << 20;

/// How the media types of bundles begin: `…bundle.v0.3+json` and, before, `…bundle+json;version=0.1`.
pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle";

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// No statement lists more digests.
const MOST_SUBJECTS: usize = 64;

/// A bundle that was read and not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    envelope: Envelope,
    by_key: bool,
}

/// What an envelope holds.
pub(super) struct Content(Vec<u8>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Outside {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<Anything>,
}

/// Who says to have signed it. Which key is asked for is known without it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Material {
    public_key: Option<Anything>,
    certificate: Option<Anything>,
    x509_certificate_chain: Option<Anything>,
    #[serde(default, rename = "tlogEntries")]
    _tlog_entries: Option<Anything>,
    #[serde(default, rename = "timestampVerificationData")]
    _timestamps: Option<Anything>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    sig: String,
    #[serde(default, rename = "keyid")]
    _keyid: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
    subject: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Value>>,
}

impl Bundle {
    /// Reads one.
    ///
    /// # Errors
    /// Why it is none, or none of an image.
    pub fn read(bytes: &[u8]) -> Result<Self, Rejection> {
        let outside: Outside = json::read(bytes, LONGEST).map_err(malformed)?;
        if !outside.media_type.starts_with(MEDIA_TYPE) {
            return Err(malformed("its media type is another".to_owned()));
        }
        let Material { public_key, certificate, x509_certificate_chain, .. } = outside.verification_material;
        let by_key = match (public_key, certificate, x509_certificate_chain) {
            (Some(_), None, None) => true,
            (None, Some(_), None) | (None, None, Some(_)) => false,
            _ => return Err(malformed("it says in no way, or in two, who has signed it".to_owned())),
        };
        let envelope = match (outside.dsse_envelope, outside.message_signature) {
            (Some(envelope), None) => envelope,
            (None, Some(_)) => {
                let text = "it signs bytes without saying what they are, as for a file and not for an image";
                return Err(Rejection::Unknown(text.to_owned()));
            }
            _ => return Err(malformed("it has no content, or two".to_owned())),
        };
        Ok(Bundle { envelope, by_key })
    }

    /// What it says, by whichever of the keys has signed it.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn verified<'k>(&self, keys: &'k [PublicKey]) -> Result<(&'k PublicKey, Claim), Rejection> {
        if !self.by_key {
            let text = "it is signed with a certificate (keyless), and keys are asked for";
            return Err(Rejection::Unknown(text.to_owned()));
        }
        let (content, signature) = (self.statement()?, decoded(self.signature()?)?);
        let signed = pae(&self.envelope.payload_type, &content.0);
        let key = keys.iter().find(|key| key.has_signed(&signed, &signature));
        let key = key.ok_or_else(|| match keys.iter().any(PublicKey::is_ed25519) {
            true => Rejection::OtherKeyOrForm,
            false => Rejection::OtherKey,
        })?;
        Ok((key, content.read()?))
    }

    /// The statement, which is not verified yet.
    pub(super) fn statement(&self) -> Result<Content, Rejection> {
        let Envelope { payload, payload_type, .. } = &self.envelope;
        if payload_type != PAYLOAD_TYPE {
            return Err(malformed(format!("its content is \"{}\"", shown(payload_type))));
        }
        self.signature()?;
        decoded(payload).map(Content)
    }

    pub(super) fn is_by_key(&self) -> bool {
        self.by_key
    }

    fn signature(&self) -> Result<&str, Rejection> {
        match self.envelope.signatures.as_slice() {
            [Signature { sig, .. }] => Ok(sig),
            _ => Err(malformed("it has not exactly one signature".to_owned())),
        }
    }
}

impl Content {
    /// What it says. The caller has verified it.
    pub(super) fn read(&self) -> Result<Claim, Rejection> {
        read(&self.0)
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Rejection> {
    STANDARD.decode(text).map_err(|error| malformed(error.to_string()))
}

/// What is signed of an envelope ("Pre-Authentication Encoding").
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut text = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    text.extend_from_slice(payload);
    text
}

fn read(payload: &[u8]) -> Result<Claim, Rejection> {
    let Statement { kind, predicate_type, subject: subject_list } =
        json::read(payload, LONGEST).map_err(malformed)?;
    if !STATEMENTS.contains(&kind.as_str()) {
        return Err(malformed(format!("its statement is of the type \"{}\"", shown(&kind))));
    }
    if predicate_type != PREDICATE {
        let text = format!("it is an attestation ({}), not a signature", shown(&predicate_type));
        return Err(Rejection::Unknown(text));
    }
    if subject_list.len() > MOST_SUBJECTS {
        return Err(malformed(format!("it lists more than {MOST_SUBJECTS} images")));
    }
    let digests = |digest: BTreeMap<String, String>| {
        digest.into_iter().map(|(algorithm, hex)| format!("{algorithm}:{hex}")).collect()
    };
    let subject = |Listed { digest, annotations }| Subject::new(digests(digest), annotations);
    Ok(Claim { subjects: subject_list.into_iter().map(subject).collect(), reference: None })
}

fn malformed(problem: String) -> Rejection {
    Rejection::Malformed { what: "bundle", problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cosign 3.1 has written.
    const WHOLE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"4AN7"}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}"#;
    const STATEMENT: &str = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"00"},"annotations":{"x":"y"}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}"#;

    /// The example of the DSSE protocol.
    #[test]
    fn what_is_signed_has_the_lengths_before_it() {
        let signed = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(signed, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn a_bundle_is_read_whole_or_not_at_all() {
        Bundle::read(WHOLE.as_bytes()).unwrap();
        let rows = [
            (format!("{WHOLE} x"), "trailing characters"),
            (WHOLE.replace("sigstore.bundle", "sigstore.other"), "its media type is another"),
            (WHOLE.replace("{\"publicKey\"", "{\"certificate\":{},\"publicKey\""), "in no way, or in two"),
            (WHOLE.replace("dsseEnvelope", "messageSignature"), "without saying what they are"),
            (WHOLE.replace("\"dsse", "\"messageSignature\":{},\"dsse"), "no content, or two"),
            (WHOLE.replace("\"dsse", "\"more\":{},\"dsse"), "unknown field"),
            (WHOLE.replace("{\"sig\"", "{\"sig\":\"\",\"sig\""), "a name stands twice"),
            (" ".repeat(LONGEST + 1), "it is longer than"),
        ];
        for (text, expected) in rows {
            let error = Bundle::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}\n{error}");
        }
        let keyless = WHOLE.replace("\"publicKey\"", "\"certificate\"");
        let error = Bundle::read(keyless.as_bytes()).unwrap().verified(&[]).unwrap_err();
        assert!(error.to_string().contains("signed with a certificate"), "{error}");
        let two = WHOLE.replace(r#"{"sig":"AAAA"}"#, r#"{"sig":"AAAA"},{"sig":"AAAA"}"#);
        let error = Bundle::read(two.as_bytes()).unwrap().verified(&[]).unwrap_err();
        assert!(error.to_string().contains("exactly one signature"), "{error}");
    }

    #[test]
    fn a_statement_is_a_signature_of_images() {
        let claim = read(STATEMENT.as_bytes()).unwrap();
        assert_eq!((claim.subjects.len(), claim.reference), (1, None));
        assert_eq!(claim.subjects[0].digests, ["sha256:00"]);
        assert_eq!(claim.subjects[0].annotations["x"], "y");
        let many = format!("[{}{{\"digest\":{{}}}}]", "{\"digest\":{}},".repeat(MOST_SUBJECTS));
        let subject = r#"[{"digest":{"sha256":"00"},"annotations":{"x":"y"}}]"#;
        let rows = [
            (STATEMENT.replace("in-toto.io", "other.io"), "its statement is of the type"),
            (STATEMENT.replace("cosign/sign", "slsa"), "it is an attestation (https://sigstore.dev/slsa/v1)"),
            (STATEMENT.replace(subject, &many), "it lists more than 64 images"),
            (format!("{STATEMENT}{{}}"), "trailing characters"),
            (STATEMENT.replace("\"x\":\"y\"", "\"x\":\"y\",\"x\":\"z\""), "a name stands twice"),
        ];
        for (text, expected) in rows {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}\n{error}");
        }
    }
}
