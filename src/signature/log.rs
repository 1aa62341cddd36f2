//! The entry of a log, as cosign 2 keeps it beside a signature, and the log's promise that it has it.
//!
//! A log signs what it has taken and when, so that nobody has to ask it.
//!
//! Facts: cosign `specs/SIGNATURE_SPEC.md` (`dev.sigstore.cosign/bundle`); rekor's `hashedrekord` 0.0.1; RFC 8785 (the form
//! that is signed).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::claim::{Rejection, shown};
use super::hash::sha256;
use super::json;
use super::key::PublicKey;
use super::simple::Simple;

/// No entry is longer, in bytes.
pub(super) const LONGEST: usize = 64 << 10;

/// An entry.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) signed_entry_timestamp: String,
    pub(super) payload: Payload,
}

/// What the log has promised.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Payload {
    pub(super) body: String,
    pub(super) integrated_time: i64,
    pub(super) log_index: i64,
    #[serde(rename = "logID")]
    pub(super) log_id: String,
}

/// Of what kind an entry is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryBody {
    pub(super) api_version: String,
    pub(super) kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Hashed {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    data: Data,
    signature: Signature,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    hash: Hash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Signature {
    content: String,
    public_key: Key,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    content: String,
}

impl Entry {
    /// Reads one.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        json::read(text.as_bytes(), LONGEST).map_err(|error| format!("its entry of a log: {error}"))
    }

    /// Whether one of the logs has promised that this signature by this key is in it.
    pub(super) fn holds(
        &self,
        logs: &[PublicKey],
        simple: &Simple,
        key: &PublicKey,
    ) -> Result<(), Rejection> {
        let Payload { body, integrated_time, log_index, log_id } = &self.payload;
        let is_hex = log_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let promise = decoded(&self.signed_entry_timestamp)?;
        // A body that can be decoded, and a number, need no escapes.
        let Hashed { api_version, kind, spec } = self.payload.body().map_err(untrusted)?;
        let signed = format!(
            r#"{{"body":"{body}","integratedTime":{integrated_time},"logID":"{log_id}","logIndex":{log_index}}}"#
        );
        if !is_hex || !logs.iter().any(|log| log.has_signed(signed.as_bytes(), &promise)) {
            return Err(untrusted("none of the logs that are asked for has promised its entry".to_owned()));
        }
        let hash = sha256(&simple.payload);
        let is_kind = kind == "hashedrekord" && api_version == "0.0.1";
        let is_payload = spec.data.hash.algorithm == "sha256" && spec.data.hash.value == hash;
        let is_signature = decoded(&spec.signature.content)? == decoded(simple.signature.trim_end())?;
        let is_key = PublicKey::from_pem(&decoded(&spec.signature.public_key.content)?).as_ref() == Ok(key);
        match is_kind && is_payload && is_signature && is_key {
            true => Ok(()),
            false => Err(untrusted("its entry of a log is of another signature".to_owned())),
        }
    }
}

impl Payload {
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, String> {
        let body = STANDARD.decode(&self.body).map_err(|error| error.to_string())?;
        json::read(&body, LONGEST).map_err(|error| format!("its entry of a log: {error}"))
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Rejection> {
    STANDARD.decode(text).map_err(|error| untrusted(error.to_string()))
}

fn untrusted(problem: String) -> Rejection {
    Rejection::Untrusted(shown(&problem))
}
