//! What is said to a plugin, and what it answers.
//!
//! Before: `Provider` needs logins for an image.  After: it has them, with how long and what for they are.
//! Holds: an answer that is not as the protocol says gives nothing; nothing of its logins is in a complaint.
//!
//! Facts: kubernetes v1.36 `pkg/apis/credentialprovider`, `pkg/credentialprovider/plugin/plugin.go`.

use std::time::Duration;

use serde_json::{Value, json};

use super::cache::KeyType;
use super::duration;
use super::fields::Fields;
use super::glob;
use crate::files::secret::Secret;

/// The API group of the protocol.
pub(super) const GROUP: &str = "credentialprovider.kubelet.k8s.io";

/// What a plugin has answered.
#[derive(Debug)]
pub struct Answer {
    /// The image that it was asked for.
    pub(super) image: String,
    pub(super) key_type: KeyType,
    /// How long it lasts, where it says so.
    pub(super) duration: Option<Duration>,
    /// User and password by pattern.
    pub(super) auth: Vec<(String, (String, Secret))>,
}

/// The request for an image, which is a name without tag and digest.
pub(super) fn request(image: &str, version: &str) -> Vec<u8> {
    let api_version = format!("{GROUP}/{version}");
    let request = json!({"kind": "CredentialProviderRequest", "apiVersion": api_version, "image": image});
    format!("{request}\n").into_bytes()
}

/// Reads an answer.
///
/// # Errors
/// What is not as the protocol says.
pub fn answer(stdout: &[u8], version: &str, image: &str) -> Result<Answer, String> {
    if stdout.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    let value: Value = serde_json::from_slice(stdout).map_err(|error| format!("no JSON: {error}"))?;
    let mut fields = Fields::of("", &value)?;
    let kind = fields.text("kind")?.unwrap_or_default();
    if kind != "CredentialProviderResponse" {
        return Err(format!("`kind` is {kind:?}, not \"CredentialProviderResponse\""));
    }
    let expected = format!("{GROUP}/{version}");
    let found = fields.text("apiVersion")?.unwrap_or_default();
    if found != expected {
        return Err(format!("`apiVersion` is {found:?}, and {expected:?} is what the plugin was asked in"));
    }
    let key_type = match fields.text("cacheKeyType")?.unwrap_or_default() {
        "Image" => KeyType::Image,
        "Registry" => KeyType::Registry,
        "Global" => KeyType::Global,
        other => return Err(format!("`cacheKeyType` is {other:?}, none of Image, Registry, Global")),
    };
    let duration = fields.text("cacheDuration")?.map(duration::parse).transpose();
    let duration = duration.map_err(|error| format!("`cacheDuration`: {error}"))?;
    let mut auth = Vec::new();
    for (key, login) in fields.entries("auth")? {
        let mut login = Fields::of("auth.*", login)?;
        let username = login.text("username")?.unwrap_or_default().to_owned();
        let password = login.text("password")?.unwrap_or_default().to_owned();
        auth.push((key.clone(), (username, Secret::new(password))));
    }
    Ok(Answer { image: image.to_owned(), key_type, duration, auth })
}

impl Answer {
    /// The login for an image.
    pub fn login(&self, image: &str) -> Option<(String, Secret)> {
        glob::choose(&self.auth, image).map(|(_, login)| login.clone())
    }
}
