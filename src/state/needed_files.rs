//! The files that pulls need, with the place in the configuration that names each.
//!
//! Holds: a fault is told in the same words by the daemon's log, by `status` and by `check`.

use std::path::{Path, PathBuf};

use crate::containerd::hosts::HostFile;
use crate::credentials::LoginFile;
use crate::files::reader::{Fault, Need, Reader};
use crate::policy::Source;

/// A file, or whatever else is outside the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededFile {
    file: Kind,
    /// The registry that it is for, where one is named.
    registry: Option<String>,
    /// Where it is named.
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Login(LoginFile),
    Host(HostFile),
}

/// A file as the daemon found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it is for.
    pub purpose: String,
    /// Its path, or another name.
    pub subject: String,
    /// Why it cannot be used.
    pub fault: Option<Fault>,
    /// All of that on one line; empty where there is no fault.
    pub line: String,
}

// === impl NeededFile ===

impl NeededFile {
    /// What a login needs.
    #[must_use]
    pub fn of_login(file: LoginFile, registry: Option<String>, source: Source) -> Self {
        Self { file: Kind::Login(file), registry, source }
    }

    /// What a host needs.
    #[must_use]
    pub fn of_host(file: HostFile, host: String, source: Source) -> Self {
        Self { file: Kind::Host(file), registry: Some(host), source }
    }

    /// Its path, where it is a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        let file = match &self.file {
            Kind::Login(file) => file.file(),
            Kind::Host(file) => file.file(),
        };
        file.map(|(path, _)| path)
    }

    /// Whether it is a secret, whatever is in it.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        match &self.file {
            Kind::Login(file) => matches!(file, LoginFile::Secret(_)),
            Kind::Host(file) => matches!(file, HostFile::Header(_) | HostFile::ClientKey { .. }),
        }
    }

    /// The directory of the programs that it may name.
    #[must_use]
    pub fn helper_dir(&self) -> Option<&Path> {
        match &self.file {
            Kind::Login(LoginFile::DockerConfig { helper_dir, .. }) => helper_dir.as_deref(),
            _ => None,
        }
    }

    /// The programs that it names. It is read for that.
    #[must_use]
    pub fn helpers(&self) -> Vec<PathBuf> {
        match &self.file {
            Kind::Login(file) => file.helpers(),
            Kind::Host(_) => Vec::new(),
        }
    }

    /// Whether it is a file of logins, which may hold secrets or only name programs.
    #[must_use]
    pub fn is_of_logins(&self) -> bool {
        matches!(&self.file, Kind::Login(LoginFile::DockerConfig { .. }))
    }

    /// Whether it is such a file, and has a secret in it. It is read for that.
    #[must_use]
    pub fn holds_logins(&self) -> bool {
        matches!(&self.file, Kind::Login(file) if file.holds_logins())
    }

    /// Whether it is the file of one secret or name, and has several lines. It is read for that.
    #[must_use]
    pub fn has_more_lines(&self) -> bool {
        matches!(&self.file, Kind::Login(file) if file.has_more_lines())
    }

    /// Why it cannot be used.
    #[must_use]
    pub fn fault(&self, reader: &Reader) -> Option<Fault> {
        match &self.file {
            Kind::Login(file) => reader.fault(file),
            Kind::Host(file) => reader.fault(file),
        }
    }

    /// As [`Self::fault`], for those who ask about it.
    #[must_use]
    pub fn verdict(&self, reader: &Reader) -> Verdict {
        let fault = self.fault(reader);
        let line = fault.as_ref().map(|fault| self.line(fault)).unwrap_or_default();
        let need: &dyn Need = match &self.file {
            Kind::Login(file) => file,
            Kind::Host(file) => file,
        };
        Verdict { purpose: need.purpose(), subject: need.subject(), fault, line }
    }

    /// The fault with the file, and with those who need it.
    #[must_use]
    pub fn message(&self, fault: &Fault) -> String {
        match (&self.file, &self.registry) {
            (Kind::Host(file), Some(host)) => {
                format!("{}, for the registry {host}: {}", file.subject(), fault.what)
            }
            _ => fault.what.clone(),
        }
    }

    /// What to do, and what happens until then.
    #[must_use]
    pub fn hint(&self, fault: &Fault) -> String {
        let until = match (&self.file, self.registry.as_deref()) {
            (Kind::Host(_), _) => "until this is fixed, no image comes from there".to_owned(),
            (Kind::Login(LoginFile::DockerConfig { .. }), _) if fault.is_closed => {
                "until this is fixed, pulls that need the file fail".to_owned()
            }
            (Kind::Login(LoginFile::DockerConfig { .. }), _) => {
                "a missing file counts as empty; with any other fault, pulls that need the file fail"
                    .to_owned()
            }
            (Kind::Login(LoginFile::Program(_)), _) => {
                "pulls that need it fail until it can be run".to_owned()
            }
            (Kind::Login(_), Some(registry)) => {
                format!("pulls that need this login for {registry} fail until it can be read")
            }
            (Kind::Login(_), None) => "pulls that need this login fail until it can be read".to_owned(),
        };
        match &fault.advice {
            Some(advice) => format!("{advice}; {until}"),
            None => until,
        }
    }

    /// All of that on one line.
    fn line(&self, fault: &Fault) -> String {
        format!("{}: {} ({})", self.source, self.message(fault), self.hint(fault))
    }
}
