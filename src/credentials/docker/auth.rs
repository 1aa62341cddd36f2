//! One entry of `auths`.
//!
//! Holds: `auth` wins over `username` and `password`, as in kubelet; no value is in an error. An access token
//! (`registrytoken`) is an error, because containerd's `ParseAuth` ignores it.

use serde_json::Value;

use super::super::basic_auth::decode;
use super::super::credential::{Given, Proof};
use crate::files::secret::Secret;

/// The login in an entry; `None` if the entry is empty.
pub(super) fn read(entry: &Value) -> Result<Option<Given>, &'static str> {
    if entry.is_null() {
        return Ok(None);
    }
    let entry = entry.as_object().ok_or("it is not an object")?;
    let text = |key: &str, not_a_text| match entry.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(not_a_text),
    };
    let encoded = text("auth", "`auth` is not a text")?.map(decode).transpose()?;
    if let Some(identity) = text("identitytoken", "`identitytoken` is not a text")? {
        let username = encoded.map(|(username, _)| username);
        // docker writes a meaningless name in front of an empty password.
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
    Ok(username.map(|name| (Some(name.to_owned()), Proof::password(secret.unwrap_or_default()))))
}

/// The user name that stands for an identity token.
pub(super) const TOKEN_USER: &str = "<token>";
