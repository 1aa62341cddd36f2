//! Looks for faults in the certificate files that hosts need, before containerd fails with them.
//!
//! Holds: a file that containerd takes has no fault.
//! Not here: reading the files (`pem`); whether they have issued a registry's certificate, which containerd finds out.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;

use super::host_settings::{Transport, TransportNeed};
use crate::files::pem::{self, PemError};

mod dates;

use dates::Date;

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The host that it is for.
    pub host: String,
    /// The file.
    pub file: PathBuf,
    /// The problem with it.
    pub what: String,
}

/// Everything that is wrong with the files of these needs.
pub fn faults<'n>(needs: impl IntoIterator<Item = &'n TransportNeed>, now: SystemTime) -> Vec<Fault> {
    let now = Date::of(now);
    let mut faults = Vec::new();
    for need in needs {
        let mut add = |file: &Path, result: Result<(), Wrong>| {
            let Err(Wrong(what)) = result else { return };
            faults.push(Fault { host: need.host.clone(), file: file.to_owned(), what });
        };
        match &need.what {
            Transport::CaFile(file) => add(file, certificates(file, now, Which::Any)),
            Transport::ClientCert { cert, key } => {
                add(cert, certificates(cert, now, Which::First));
                let key = key.as_ref().unwrap_or(cert);
                add(key, private_key(cert, key));
            }
            Transport::Header { value, .. } => {
                if let crate::registry::HeaderValue::File(file) = value {
                    add(file, value.read().map(drop).map_err(|error| Wrong(error.to_string())));
                }
            }
            _ => {}
        }
    }
    faults
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

/// Whether there is a key, and whether it is the certificate's, as far as this program can know.
fn private_key(cert: &Path, key: &Path) -> Result<(), Wrong> {
    let found = pem::private_key(key)?;
    // A fault of the certificate is reported with the certificate.
    let Ok(chain) = pem::certificates(cert) else { return Ok(()) };
    // Go knows more kinds of keys.
    match CertifiedKey::from_der(chain, found, &rustls::crypto::ring::default_provider()) {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(Wrong(format!("its key is not that of the certificate {}", cert.display())))
        }
        _ => Ok(()),
    }
}

impl From<PemError> for Wrong {
    fn from(error: PemError) -> Self {
        Wrong(error.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, for the registry {}: {}", self.file.display(), self.host, self.what)
    }
}

#[cfg(test)]
mod tests;
