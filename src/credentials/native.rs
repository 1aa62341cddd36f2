//! Logins of the program's own configuration: by reference, never written out.
//!
//! Holds: the secret is read again each time, so a new password in a file is used from the next pull on.
//! Not here: the keys in the file (`config`).

use std::ffi::OsString;
use std::path::PathBuf;

use super::credential::{Credential, Known, Proof};
use super::error::Cause;
use super::file;
use super::key::RegistryKey;
use crate::files::secret::Secret;
use crate::policy::Source;

/// Set by systemd to the directory of a unit's credentials, see systemd.exec(5).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// In a file.
    File(PathBuf),
    /// In a credential that systemd passes to the unit, by its name.
    Systemd(String),
    /// In a variable of the program's environment.
    Variable(String),
}

/// A user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Username {
    /// As written.
    Text(String),
    /// In a file.
    File(PathBuf),
}

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// With a name and a password.
    Password(Username, Reference),
    /// With an identity token, which containerd exchanges for an access token.
    IdentityToken(Reference),
}

/// A login for one registry, or for a path on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is for.
    pub key: RegistryKey,
    /// How to log in.
    pub means: Means,
    /// Where it is written.
    pub source: Source,
}

// === impl Entry ===

impl Entry {
    /// Reads what it refers to.
    pub(super) fn credential(&self) -> Result<Credential, Cause> {
        let source = self.source.to_string();
        Ok(match &self.means {
            Means::Password(username, password) => {
                let username = Some(username.read()?);
                Credential { username, proof: Proof::Password(password.read()?), source }
            }
            Means::IdentityToken(token) => {
                Credential { username: None, proof: Proof::IdentityToken(token.read()?), source }
            }
        })
    }

    /// The login without its secret.
    pub(super) fn known(&self) -> Known {
        let source = self.source.to_string();
        let (username, secret) = match &self.means {
            Means::Password(username, password) => (Some(username.read()), password),
            Means::IdentityToken(token) => (None, token),
        };
        let (username, no_name) = match username {
            Some(Ok(name)) => (Some(name), None),
            Some(Err(cause)) => (None, Some(cause)),
            None => (None, None),
        };
        // The daemon has another environment, so a variable that is missing in this one says nothing.
        let unreadable = match secret {
            Reference::File(_) => secret.read().err(),
            Reference::Systemd(_) | Reference::Variable(_) => None,
        };
        let problem = no_name.or(unreadable).map(|cause| cause.to_string());
        Known { username, source, asks: None, problem }
    }
}

impl Username {
    fn read(&self) -> Result<String, Cause> {
        match self {
            Username::Text(name) => Ok(name.clone()),
            Username::File(path) => file::line(path),
        }
    }
}

impl Reference {
    fn read(&self) -> Result<Secret, Cause> {
        match self {
            Reference::File(path) => file::secret(path),
            Reference::Systemd(name) => match std::env::var_os(CREDENTIALS_DIRECTORY) {
                Some(directory) => file::secret(&PathBuf::from(directory).join(name)),
                None => Err(Cause::NoCredentialsDirectory { name: name.clone() }),
            },
            Reference::Variable(name) => {
                given(std::env::var_os(name)).map_err(|what| Cause::Variable { name: name.clone(), what })
            }
        }
    }
}

/// The secret in a variable, or what the variable is.
fn given(value: Option<OsString>) -> Result<Secret, &'static str> {
    match value.ok_or("not set")?.into_string() {
        Ok(text) if text.is_empty() => Err("empty"),
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err("not UTF-8 text"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_variable_without_a_text_says_why() {
        let told = |value: Option<&[u8]>| {
            let found = given(value.map(|bytes| OsString::from_vec(bytes.to_vec())));
            found.map(|secret| secret.expose().to_owned())
        };
        assert_eq!(told(Some(b"hush")), Ok("hush".to_owned()));
        assert_eq!(told(None), Err("not set"));
        assert_eq!(told(Some(b"")), Err("empty"));
        assert_eq!(told(Some(b"\xff")), Err("not UTF-8 text"));
    }
}
