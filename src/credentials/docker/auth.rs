//! One entry of `auths`.
//!
//! Before: `docker` has found the entry.  After: a login, or nothing.
//! Holds: `auth` wins over `username` and `password`, as for kubelet; nothing of a value is in an error. What
//! containerd has no use for, an access token (`registrytoken`), is an error: its `ParseAuth` does not look at one.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use serde_json::Value;

use super::super::{Given, Proof};
use super::password;
use crate::files::secret::Secret;

/// With padding or without, as kubelet takes both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The login in an entry; nothing where it is empty.
pub(super) fn read(entry: &Value) -> Result<Option<Given>, &'static str> {
    if entry.is_null() {
        return Ok(None);
    }
    let entry = entry.as_object().ok_or("it is no object")?;
    let text = |key: &str, not_a_text| match entry.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(not_a_text),
    };
    let encoded = text("auth", "`auth` is not a text")?.map(decode).transpose()?;
    if let Some(identity) = text("identitytoken", "`identitytoken` is not a text")? {
        let username = encoded.map(|(username, _)| username);
        // docker writes a name without a meaning before the empty password.
        let username = username.filter(|name| !name.trim_matches('0').is_empty() && name != TOKEN_USER);
        return Ok(Some((username, Proof::IdentityToken(Secret::new(identity.to_owned())))));
    }
    if text("registrytoken", "`registrytoken` is not a text")?.is_some() {
        return Err("containerd cannot present a registry token");
    }
    if let Some((username, secret)) = encoded {
        return Ok(Some((Some(username), Proof::Password(secret))));
    }
    let username = text("username", "`username` is not a text")?;
    let secret = text("password", "`password` is not a text")?;
    Ok(username.map(|name| (Some(name.to_owned()), password(secret.unwrap_or_default()))))
}

/// The user by which docker marks an identity token.
pub(super) const TOKEN_USER: &str = "<token>";

/// `user:password` in base64. Line breaks in it are nothing, as in Go's decoder.
pub(in crate::credentials) fn decode(encoded: &str) -> Result<(String, Secret), &'static str> {
    let encoded: String = encoded.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let bytes = BASE64.decode(encoded).map_err(|_| "`auth` is not base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "`auth` is no text in base64")?;
    // docker pads the password with NULs.
    let text = text.trim_end_matches('\0');
    let (username, password) = text.split_once(':').ok_or("`auth` has no colon between user and password")?;
    Ok((username.to_owned(), Secret::new(password.to_owned())))
}
