//! The files that hosts need, and the faults in them, before a pull or containerd fails with them.
//!
//! Holds: a file that containerd takes has no fault, unless it is a key that the shunt's own questions cannot use.
//! Not here: reading the files (`pem`); whether they have issued a registry's certificate, which containerd finds out.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::host_settings::Transport;
use crate::files::access::Access;
use crate::files::pem::{self, PemError};
use crate::files::reader::{Need, Reader};
use crate::registry::{ClientKeyError, Endpoint, HeaderValue, client_key};

mod dates;

use dates::Date;

/// A file that says how a host is reached, or proves who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostFile {
    /// Certificate authorities.
    Authority(PathBuf),
    /// A client certificate.
    ClientCert(PathBuf),
    /// Its key.
    ClientKey {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file, which may be the same.
        key: PathBuf,
    },
    /// The value of a header.
    Header(PathBuf),
}

// === impl HostFile ===

impl HostFile {
    /// The files that a host needs for one thing.
    #[must_use]
    pub fn of(what: &Transport) -> Vec<Self> {
        match what {
            Transport::CaFile(file) => vec![Self::Authority(file.clone())],
            Transport::ClientCert { cert, key } => Self::of_client(cert, key.as_ref()),
            Transport::Header { value: HeaderValue::File(file), .. } => vec![Self::Header(file.clone())],
            _ => Vec::new(),
        }
    }

    /// All files that are needed to reach a registry.
    #[must_use]
    pub fn of_endpoint(endpoint: &Endpoint) -> Vec<Self> {
        let headers = endpoint.headers.iter().filter_map(|(_, value)| match value {
            HeaderValue::File(file) => Some(Self::Header(file.clone())),
            HeaderValue::Text(_) => None,
        });
        let authorities = endpoint.ca.iter().map(|file| Self::Authority(file.clone()));
        let clients = endpoint.client.iter().flat_map(|(cert, key)| Self::of_client(cert, key.as_ref()));
        authorities.chain(clients).chain(headers).collect()
    }

    fn of_client(cert: &Path, key: Option<&PathBuf>) -> Vec<Self> {
        let (cert, key) = (cert.to_owned(), key.map_or(cert, |key| key).to_owned());
        vec![Self::ClientCert(cert.clone()), Self::ClientKey { cert, key }]
    }

    fn path(&self) -> &Path {
        match self {
            Self::Authority(file) | Self::ClientCert(file) | Self::Header(file) => file,
            Self::ClientKey { key, .. } => key,
        }
    }

    /// Whether it can be used at a time.
    ///
    /// # Errors
    /// The problem with it.
    pub fn check(&self, now: SystemTime) -> Result<(), String> {
        let now = Date::of(now);
        let checked = match self {
            Self::Authority(file) => certificates(file, now, Which::Any),
            Self::ClientCert(file) => certificates(file, now, Which::First),
            Self::ClientKey { cert, key } => private_key(cert, key),
            Self::Header(file) => {
                let read = HeaderValue::File(file.clone()).read();
                read.map(drop).map_err(|error| Wrong(error.to_string()))
            }
        };
        checked.map_err(|Wrong(what)| what)
    }
}

impl Need for HostFile {
    fn purpose(&self) -> String {
        match self {
            Self::Authority(_) => "certificate authority".to_owned(),
            Self::ClientCert(_) => "client certificate".to_owned(),
            Self::ClientKey { cert, .. } => format!("key of {}", cert.display()),
            Self::Header(_) => "header".to_owned(),
        }
    }

    fn subject(&self) -> String {
        self.path().display().to_string()
    }

    fn file(&self) -> Option<(&Path, Access)> {
        Some((self.path(), Access::Read))
    }

    fn examine(&self, _: &Reader) -> Result<(), String> {
        self.check(SystemTime::now())
    }

    fn unusable(&self, error: &io::Error) -> String {
        error.to_string()
    }
}

/// Which certificates of a file must be valid now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// One of them: a bundle may hold old ones.
    Any,
    /// The first, which is the one that is shown.
    First,
}

/// The fault, in words.
struct Wrong(String);

fn certificates(file: &Path, now: Date, which: Which) -> Result<(), Wrong> {
    let mut found = pem::certificates(file)?;
    if which == Which::First {
        found.truncate(1);
    }
    // containerd ignores what it cannot read in a bundle.
    let dates: Vec<(Date, Date)> = found.iter().filter_map(|der| dates::validity(der)).collect();
    let Some((begins, ends)) = dates.first() else { return Err(PemError::Damaged.into()) };
    match () {
        () if dates.iter().any(|(begins, ends)| (begins..=ends).contains(&&now)) => Ok(()),
        () if now > *ends => Err(Wrong(format!("its certificate expired on {ends}"))),
        () => Err(Wrong(format!("its certificate is not valid before {begins}"))),
    }
}

/// Whether there is a key, whether it is the certificate's, and whether the registry can be asked with it.
fn private_key(cert: &Path, key: &Path) -> Result<(), Wrong> {
    let found = pem::private_key(key)?;
    // A fault of the certificate is reported with the certificate.
    let Ok(chain) = pem::certificates(cert) else { return Ok(()) };
    match client_key(cert, chain, found, &rustls::crypto::ring::default_provider()) {
        Ok(_) | Err(ClientKeyError::Other(_)) => Ok(()),
        Err(error) => Err(Wrong(error.to_string())),
    }
}

impl From<PemError> for Wrong {
    fn from(error: PemError) -> Self {
        Wrong(error.to_string())
    }
}

#[cfg(test)]
mod tests;
