//! A signature as cosign 2 stores it: a small text that names an image, and its signature beside it.
//!
//! Facts: cosign `specs/SIGNATURE_SPEC.md` ("Simple Signing"); containers/image `signature/internal/sigstore_payload.go`,
//! which is as strict.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::claim::{Claim, Rejection, Subject};
use super::json;
use super::key::PublicKey;

/// No payload is longer, in bytes.
pub(super) const LONGEST: usize = 64 << 10;

/// What cosign writes as the type of what is signed.
const TYPE: &str = "cosign container image signature";

/// The text and its signature, neither of them looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simple {
    /// The text that is signed.
    pub payload: Vec<u8>,
    /// Its signature, in base64.
    pub signature: String,
    /// Who says to have signed it and when, where that is kept.
    pub witness: Option<Witness>,
}

/// What cosign 2 keeps beside a signature that is by an identity, or that is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The certificate of the signer, in PEM form; nothing where a key has signed.
    pub certificate: String,
    /// Those between it and its authority.
    pub chain: String,
    /// The entry of a log.
    pub entry: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    #[serde(rename = "type")]
    kind: String,
    image: Image,
    identity: Identity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

impl Simple {
    /// What it says, by whichever of the keys has signed it.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn verified<'k>(&self, keys: &'k [PublicKey]) -> Result<(&'k PublicKey, Claim), Rejection> {
        let signature = STANDARD.decode(self.signature.trim_end());
        let signature = signature.map_err(|error| malformed(error.to_string()))?;
        let key = keys.iter().find(|key| key.has_signed(&self.payload, &signature));
        Ok((key.ok_or(Rejection::OtherKey)?, self.read()?))
    }

    /// What it says. The caller has verified it.
    pub(super) fn read(&self) -> Result<Claim, Rejection> {
        read(&self.payload)
    }
}

fn read(payload: &[u8]) -> Result<Claim, Rejection> {
    let payload: Payload = json::read(payload, LONGEST).map_err(malformed)?;
    let Critical { kind, image, identity } = payload.critical;
    if kind != TYPE {
        return Err(malformed("its type is another".to_owned()));
    }
    let subjects = vec![Subject::new(vec![image.digest], payload.optional)];
    Ok(Claim { subjects, reference: Some(identity.reference) })
}

fn malformed(problem: String) -> Rejection {
    Rejection::Malformed { what: "signature of an image", problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"critical":{"identity":{"docker-reference":"r.dev/a"},"image":{"docker-manifest-digest":"sha256:0"},"type":"cosign container image signature"},"optional":{"a":"b","n":1}}"#;

    #[test]
    fn a_payload_is_read_whole_or_not_at_all() {
        let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let mut claim = Claim {
            subjects: vec![Subject { digests: vec!["sha256:0".to_owned()], annotations }],
            reference: Some("r.dev/a".to_owned()),
        };
        assert_eq!(read(WHOLE.as_bytes()).unwrap(), claim);
        claim.subjects[0].annotations.clear();
        assert_eq!(read(WHOLE.replace(r#"{"a":"b","n":1}"#, "null").as_bytes()).unwrap(), claim);
        let rows = [
            (format!("{WHOLE}{{}}"), "trailing characters"),
            (WHOLE.replace("cosign container", "atomic container"), "its type is another"),
            (WHOLE.replace(r#""optional""#, r#""Optional""#), "unknown field"),
            (WHOLE.replace(r#""type""#, r#""x":1,"type""#), "unknown field"),
            (WHOLE.replace(r#""type""#, r#""type":"x","type""#), "a name stands twice"),
            (WHOLE.replace(r#""docker-manifest-digest":"sha256:0""#, ""), "missing field"),
            (WHOLE.replace(r#"{"a":"b","n":1}"#, r#"{"a":"b","a":"c"}"#), "a name stands twice"),
        ];
        for (payload, expected) in rows {
            let error = read(payload.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{payload}\n{error}");
        }
    }
}
