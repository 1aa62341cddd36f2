//! The request to a plugin, and its answer.
//!
//! Holds: an answer that breaks the protocol is an error; no login is in the error.
//!
//! Facts: kubernetes v1.36 `pkg/apis/credentialprovider`, `pkg/credentialprovider/plugin/plugin.go`.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::glob;
use super::fields::Fields;
use crate::files::go_duration;
use crate::files::secret::Secret;

/// The API group of the protocol.
pub(super) const GROUP: &str = "credentialprovider.kubelet.k8s.io";

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum KeyType {
    /// The one image.
    Image,
    /// Every image of its registry.
    Registry,
    /// Every image that the plugin is asked for.
    Global,
}

/// What a plugin has answered.
#[derive(Debug)]
pub struct ProviderAnswer {
    /// The image that it was asked for.
    pub(super) image: String,
    pub(super) key_type: KeyType,
    /// How long it is valid, if it says so.
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
/// How the answer breaks the protocol.
pub fn answer(stdout: &[u8], version: &str, image: &str) -> Result<ProviderAnswer, String> {
    if stdout.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    let value: Value = serde_json::from_slice(stdout).map_err(|error| format!("it is not JSON: {error}"))?;
    let mut fields = Fields::of("", &value)?;
    let kind = fields.text("kind")?.unwrap_or_default();
    if kind != "CredentialProviderResponse" {
        return Err(format!("`kind` is {kind:?}, not \"CredentialProviderResponse\""));
    }
    let expected = format!("{GROUP}/{version}");
    let found = fields.text("apiVersion")?.unwrap_or_default();
    if found != expected {
        return Err(format!("`apiVersion` is {found:?}, but the plugin was asked with {expected:?}"));
    }
    let key_type = match fields.text("cacheKeyType")?.unwrap_or_default() {
        "Image" => KeyType::Image,
        "Registry" => KeyType::Registry,
        "Global" => KeyType::Global,
        other => return Err(format!("`cacheKeyType` is {other:?}, and must be Image, Registry or Global")),
    };
    let duration = fields.text("cacheDuration")?.map(go_duration::parse).transpose();
    let duration = duration.map_err(|error| format!("`cacheDuration`: {error}"))?;
    let mut auth = Vec::new();
    for (key, login) in fields.entries("auth")? {
        let mut login = Fields::of("auth.*", login)?;
        let username = login.text("username")?.unwrap_or_default().to_owned();
        let password = login.text("password")?.unwrap_or_default().to_owned();
        auth.push((key.clone(), (username, Secret::new(password))));
    }
    Ok(ProviderAnswer { image: image.to_owned(), key_type, duration, auth })
}

impl ProviderAnswer {
    /// The login for an image.
    pub fn login(&self, image: &str) -> Option<(String, Secret)> {
        glob::choose(&self.auth, image).map(|(_, login)| login.clone())
    }
}
