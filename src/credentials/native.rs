//! Logins of the program's own configuration: by reference, never written out.
//!
//! Holds: the secret is read again each time, so a new password in a file is used from the next pull on.
//! Not here: the keys in the file (`config`).

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::credential::{Credential, Proof};
use super::error::Cause;
use super::file;
use super::key::RegistryKey;
use crate::files::secret::Secret;
use crate::policy::Source;

/// Where systemd keeps them for the unit. Only root may look; a command of root sees what the daemon sees.
const OF_THE_UNIT: &str = "/run/credentials/cri-shunt.service";

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

    /// The user's name, where there is one and it can be read.
    pub(super) fn username(&self) -> Option<String> {
        match &self.means {
            Means::Password(username, _) => username.read().ok(),
            Means::IdentityToken(_) => None,
        }
    }
}

impl Username {
    /// The name.
    pub(super) fn read(&self) -> Result<String, Cause> {
        match self {
            Username::Text(name) => Ok(name.clone()),
            Username::File(path) => file::line(path),
        }
    }
}

impl Reference {
    /// The secret.
    pub(super) fn read(&self) -> Result<Secret, Cause> {
        match self {
            Reference::File(path) => file::secret(path),
            Reference::Systemd(name) => match credentials_directory() {
                Some(directory) => credential(&directory, name),
                None => Err(Cause::NoCredentialsDirectory { name: name.clone() }),
            },
            Reference::Variable(name) => {
                given(std::env::var_os(name)).map_err(|what| Cause::Variable { name: name.clone(), what })
            }
        }
    }
}

/// The directory of systemd's credentials: this process's own, else that of the daemon's unit, if it runs.
pub(super) fn credentials_directory() -> Option<PathBuf> {
    let own = std::env::var_os(CREDENTIALS_DIRECTORY).map(PathBuf::from);
    own.or_else(|| Some(PathBuf::from(OF_THE_UNIT)).filter(|directory| directory.is_dir()))
}

/// A credential in its directory. Where it is not there, the names of the others help.
fn credential(directory: &Path, name: &str) -> Result<Secret, Cause> {
    let path = directory.join(name);
    let is_missing = matches!(path.metadata(), Err(error) if error.kind() == ErrorKind::NotFound);
    match std::fs::read_dir(directory).ok().filter(|_| is_missing) {
        None => file::secret(&path),
        Some(entries) => {
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            Err(Cause::no_credential(name, &names.collect::<Vec<_>>()))
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
    fn a_credential_with_another_name_is_found_by_the_names_that_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let told = |name: &str| credential(dir.path(), name).map(|secret| secret.expose().to_owned());
        let missing = told("mirror").unwrap_err().to_string();
        insta::assert_snapshot!(missing, @"the systemd credential mirror is not there, and there is no other one (LoadCredential= in the unit)");
        std::fs::write(dir.path().join("mirror"), "hush\n").unwrap();
        std::fs::write(dir.path().join("hub"), "").unwrap();
        assert_eq!(told("mirror").unwrap(), "hush");
        let missing = told("miror").unwrap_err().to_string();
        insta::assert_snapshot!(missing, @"the systemd credential miror is not there, only hub and mirror (LoadCredential= in the unit)");
        assert!(told("hub").unwrap_err().to_string().ends_with("hub: it is empty"));
    }

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
