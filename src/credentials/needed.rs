//! What logins need outside the configuration: files, programs, systemd credentials, variables.
//!
//! Holds: what has no fault here can be used at a pull. No secret is in a fault.
//! Not here: the login that a registry gets, and what a program answers.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::docker::DockerConfig;
use super::error::Cause;
use super::native::{Entry, Means, Reference, Username, credentials_directory};
use super::program::ProgramError;
use crate::files::access::Access;
use crate::files::reader::{Need, Reader};

/// One thing that a login needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginFile {
    /// The file of a user name.
    Username(PathBuf),
    /// A password or a token.
    Secret(Reference),
    /// A file of logins in Docker's form.
    DockerConfig {
        /// The file.
        path: PathBuf,
        /// The directory of the helpers that it names.
        helper_dir: Option<PathBuf>,
    },
    /// A credential helper or a plugin.
    Program(PathBuf),
}

impl LoginFile {
    /// What an entry of the configuration needs.
    #[must_use]
    pub fn of(entry: &Entry) -> Vec<Self> {
        let (username, secret) = match &entry.means {
            Means::Password(username, secret) => (Some(username), secret),
            Means::IdentityToken(secret) => (None, secret),
        };
        let username = username.and_then(|username| match username {
            Username::File(path) => Some(Self::Username(path.clone())),
            Username::Text(_) => None,
        });
        username.into_iter().chain([Self::Secret(secret.clone())]).collect()
    }

    /// A file of logins in Docker's form.
    #[must_use]
    pub fn of_docker(config: &DockerConfig) -> Self {
        let path: &Path = config.as_ref();
        Self::DockerConfig { path: path.to_owned(), helper_dir: config.helper_dir().map(Path::to_owned) }
    }

    fn docker(&self) -> Option<DockerConfig> {
        let Self::DockerConfig { path, helper_dir } = self else { return None };
        Some(DockerConfig::new(path.clone(), helper_dir.clone(), Duration::ZERO))
    }

    /// The programs that it names, where it can be read.
    #[must_use]
    pub fn helpers(&self) -> Vec<PathBuf> {
        self.docker().and_then(|config| config.examine().ok()).unwrap_or_default()
    }

    /// Whether it is a file of logins, and has a secret in it.
    #[must_use]
    pub fn holds_logins(&self) -> bool {
        self.docker().is_some_and(|config| config.holds_logins())
    }

    /// Whether a name or a secret has more than one line: all of the file is sent.
    #[must_use]
    pub fn has_more_lines(&self) -> bool {
        match self {
            Self::Username(path) => Username::File(path.clone()).read().is_ok_and(|name| name.contains('\n')),
            Self::Secret(Reference::File(path)) => {
                Reference::File(path.clone()).read().is_ok_and(|secret| secret.expose().contains('\n'))
            }
            _ => false,
        }
    }
}

impl Need for LoginFile {
    fn purpose(&self) -> String {
        let purpose = match self {
            Self::Username(_) => "user name",
            Self::Secret(_) => "password",
            Self::DockerConfig { .. } => "Docker config",
            Self::Program(_) => "credential program",
        };
        purpose.to_owned()
    }

    fn subject(&self) -> String {
        match self {
            Self::Username(path)
            | Self::Secret(Reference::File(path))
            | Self::DockerConfig { path, .. }
            | Self::Program(path) => path.display().to_string(),
            Self::Secret(Reference::Systemd(name)) => format!("systemd credential {name}"),
            Self::Secret(Reference::Variable(name)) => format!("variable {name}"),
        }
    }

    fn file(&self) -> Option<(&Path, Access)> {
        match self {
            Self::Username(path) | Self::Secret(Reference::File(path)) | Self::DockerConfig { path, .. } => {
                Some((path, Access::Read))
            }
            Self::Program(path) => Some((path, Access::Run)),
            Self::Secret(Reference::Systemd(_) | Reference::Variable(_)) => None,
        }
    }

    fn examine(&self, reader: &Reader) -> Result<(), String> {
        let examined = match self {
            Self::Username(path) => Username::File(path.clone()).read().map(drop),
            Self::Secret(reference) => secret(reference, reader),
            Self::DockerConfig { path, helper_dir } => {
                let config = DockerConfig::new(path.clone(), helper_dir.clone(), Duration::ZERO);
                config.examine().and_then(|programs| {
                    let fault = programs.into_iter().find_map(|path| reader.fault(&Self::Program(path)));
                    let unusable = |what| Cause::Content { path: path.clone(), message: what };
                    fault.map_or(Ok(()), |fault| Err(unusable(fault.what)))
                })
            }
            Self::Program(path) => return runnable(path).map_err(|error| self.unusable(&error)),
        };
        examined.map_err(|cause| cause.to_string())
    }

    fn unusable(&self, error: &io::Error) -> String {
        let message = error.to_string();
        match self.file() {
            Some((program, Access::Run)) => {
                ProgramError::Start { program: program.to_owned(), message }.to_string()
            }
            Some((path, Access::Read)) => Cause::File { path: path.to_owned(), message }.to_string(),
            None => message,
        }
    }
}

/// Only the daemon sees its variables and, unless this process is root, its credentials.
fn secret(reference: &Reference, reader: &Reader) -> Result<(), Cause> {
    let Reader::Daemon(daemon) = reader else { return reference.read().map(drop) };
    match reference {
        Reference::File(_) => reference.read().map(drop),
        Reference::Variable(_) => Ok(()),
        Reference::Systemd(name) => match credentials_directory() {
            Some(directory) if std::fs::read_dir(&directory).is_ok() => reference.read().map(drop),
            _ => match &daemon.credentials {
                Some(names) if !names.contains(name) => Err(Cause::no_credential(name, names)),
                _ => Ok(()),
            },
        },
    }
}

fn runnable(program: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let found = std::fs::metadata(program)?;
    let is_executable = found.is_file() && found.permissions().mode() & 0o111 != 0;
    if is_executable { Ok(()) } else { Err(io::Error::other("it is not executable")) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::files::access::Rights;
    use crate::files::reader::Daemon;

    fn daemon(credentials: Option<&[&str]>) -> Reader {
        let credentials = credentials.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let rights = Rights { uid: 0, gids: vec![0], reads_all: false };
        Reader::Daemon(Box::new(Daemon {
            rights,
            is_here: true,
            hidden: Vec::new(),
            credentials,
            said: HashMap::new(),
        }))
    }

    #[test]
    fn a_credential_that_the_unit_does_not_get_is_named_with_those_that_it_gets() {
        let need = LoginFile::Secret(Reference::Systemd("miror".to_owned()));
        let told = |credentials| daemon(credentials).fault(&need).map(|fault| fault.what);
        insta::assert_snapshot!(told(Some(&["mirror", "hub"])).unwrap(), @"the systemd credential miror is not there, only hub and mirror (LoadCredential= in the unit)");
        insta::assert_snapshot!(told(Some(&[])).unwrap(), @"the systemd credential miror is not there, and there is no other one (LoadCredential= in the unit)");
        assert_eq!((told(Some(&["miror"])), told(None)), (None, None));
    }

    #[test]
    fn the_helpers_of_a_file_are_needed_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let told = |text: &str, helper_dir: Option<&Path>| {
            std::fs::write(&path, text).unwrap();
            let helper_dir = helper_dir.map(Path::to_owned);
            let fault = Reader::This.fault(&LoginFile::DockerConfig { path: path.clone(), helper_dir });
            fault.map(|fault| fault.what.replace(dir.path().to_str().unwrap(), ""))
        };
        let text = r#"{"credHelpers": {"h.de": "x"}}"#;
        insta::assert_snapshot!(told(text, Some(dir.path())).unwrap(), @"/config.json: cannot run /docker-credential-x: No such file or directory (os error 2)");
        insta::assert_snapshot!(told(text, None).unwrap(), @"docker-credential-x is needed, and `helper-dir` is not set: programs are not looked for anywhere else");
        for unusable in
            [r#"{"credHelpers": {"h.de": 5}}"#, r#"{"credHelpers": {"h.de": ""}}"#, r#"{"credsStore": 5}"#]
        {
            assert!(told(unusable, Some(dir.path())).is_some(), "{unusable}");
        }
        assert_eq!((told("{}", None), told(r#"{"credsStore": ""}"#, None)), (None, None));
    }
}
