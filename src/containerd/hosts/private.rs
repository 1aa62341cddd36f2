//! Private hosts: a host name of its own for each endpoint, and the `hosts.toml` that leads it to the endpoint.
//!
//! Holds: the name never resolves, so a file that containerd does not read leads nowhere. What goes into the name is
//! no secret: the value of a header is mixed with a salt that only this process has. Only directories of private hosts
//! that carry the shunt's mark are changed.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use super::file::{self, HeaderError, Serves, Text, is_readable, render};
use super::place::{HOSTS_TOML, coded};
use super::tree::{self, Place, write_hint};
use crate::containerd::Roots;
use crate::files::random::random;
use crate::registry::{Endpoint, HeaderValue};

/// The domain of all private hosts. `.invalid` never resolves (RFC 6761).
const PRIVATE_DOMAIN: &str = "cri-shunt.invalid";

/// The first label: image names below it sort after all others, so an image's first name is never private.
const FIRST: &str = "zzz.";

/// How many hex digits there are in a private host: enough for the endpoints of one node to differ.
const DIGITS: usize = 10;

/// The file for a private host is not there, or not everywhere where containerd reads it.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// It is not known where containerd looks.
    #[error("it is not known where containerd looks for hosts.toml")]
    Unknown,
    /// containerd has no `config_path`.
    #[error("containerd reads no hosts.toml")]
    NoRoots,
    /// A relative `config_path`, which containerd resolves in a directory of its own.
    #[error("containerd's config_path {} is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// Several schemes for a host in brackets.
    #[error("containerd 1.x cannot read a file that has the host {0} in brackets before another")]
    Unreadable(String),
    /// A header's value cannot be read, or is not a header's value.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A person or another program has made the directory.
    #[error("{} is not cri-shunt's and stays as it is: remove the directory", .0.display())]
    Taken(PathBuf),
    /// The disk has refused.
    #[error("cannot write {}: {error}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

impl NotWritten {
    /// What to do about it, where the error itself does not say.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Disk { error, .. } => write_hint(error.kind()),
            _ => None,
        }
    }
}

/// The private hosts of one daemon. Several on one machine, each with a state directory of its own, leave each other's
/// alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateHosts {
    domain: String,
}

/// Whether a host, or the name of a directory, is a private one of the shunt.
#[must_use]
pub fn is_private(host: &str) -> bool {
    let name = host.strip_suffix(PRIVATE_DOMAIN).and_then(|name| name.strip_suffix('.'));
    name.is_some_and(|name| name.starts_with(FIRST) || name == FIRST.trim_end_matches('.'))
}

// === impl PrivateHosts ===

impl PrivateHosts {
    /// Those of the daemon that keeps its state in this directory.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        let hash = Sha256::digest(state_dir.as_os_str().as_encoded_bytes());
        let digits: String = hash.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
        Self { domain: format!("{digits}.{PRIVATE_DOMAIN}") }
    }

    /// The domain that all of them are below.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether a host, or the name of a directory, is one of these.
    pub(super) fn owns(&self, host: &str) -> bool {
        is_private(host) && host.strip_suffix(&self.domain).is_some_and(|name| name.ends_with('.'))
    }

    /// The private host of an endpoint: the same for the same settings, another where they differ. Where a header's value
    /// is written in the config it changes with each start of the program.
    #[must_use]
    pub fn host(&self, endpoint: &Endpoint) -> String {
        let Endpoint { host, schemes, api_root, ca, client, skip_verify, headers, dial_timeout } = endpoint;
        let mut hash = Sha256::new();
        // Each part with its length, so that no two settings run together.
        let mut add = |part: &[u8]| {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        };
        let mut list = |name: &str, parts: &[&[u8]]| {
            add(name.as_bytes());
            add(&parts.len().to_be_bytes());
            parts.iter().for_each(|part| add(part));
        };
        let path = |path: &Path| path.as_os_str().as_encoded_bytes().to_vec();
        list("host", &[host.as_bytes()]);
        list("schemes", &schemes.iter().map(|scheme| scheme.as_bytes()).collect::<Vec<_>>());
        list("root", &api_root.iter().map(String::as_bytes).collect::<Vec<_>>());
        list("ca", &ca.iter().map(|file| file.as_os_str().as_encoded_bytes()).collect::<Vec<_>>());
        for (cert, key) in client {
            list("client", &[&path(cert), &key.as_deref().map(path).unwrap_or_default()]);
        }
        list("verify", &[&[u8::from(*skip_verify)]]);
        list("timeout", &dial_timeout.iter().map(String::as_bytes).collect::<Vec<_>>());
        for (name, value) in headers {
            match value {
                HeaderValue::File(file) => list("header file", &[name.as_bytes(), &path(file)]),
                HeaderValue::Text(text) => {
                    list("header", &[name.as_bytes(), salt(), text.expose().as_bytes()])
                }
            }
        }
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{FIRST}{}.{}", &digits[..DIGITS], self.domain)
    }

    /// Makes sure that containerd finds the way to the endpoint under its private host, which is returned. Called just
    /// before a pull: other programs rewrite and remove these directories. Header files are read each time. It is cheap
    /// where the files are right. It blocks.
    ///
    /// # Errors
    /// [`NotWritten`] where containerd would not find the right file.
    pub fn ensure(&self, roots: &Roots, endpoint: &Endpoint) -> Result<String, NotWritten> {
        if *roots == Roots::Unknown {
            return Err(NotWritten::Unknown);
        }
        if let Some(relative) = roots.read().iter().find(|root| root.is_relative()) {
            return Err(NotWritten::Relative(relative.clone()));
        }
        let entries = file::entries(endpoint, "", Serves::Everything);
        if !is_readable(&entries, true) {
            return Err(NotWritten::Unreadable(endpoint.host.clone()));
        }
        let host = self.host(endpoint);
        let text =
            render(&[format!("How cri-shunt has {} asked for images.", endpoint.host)], &entries, true)?;
        if roots.written().is_empty() {
            return Err(NotWritten::NoRoots);
        }
        for root in roots.written() {
            put(root, &host, &text)?;
        }
        for root in roots.spare() {
            // containerd does not read it now.
            if let Err(error) = put(root, &host, &text) {
                tracing::debug!(%error, "not written for the other pull mode");
            }
        }
        Ok(host)
    }

    /// Removes the files of private hosts that are not in `keep`: a start does this for what a crash has left. Returns what
    /// could not be removed, in words.
    pub fn remove_stale(&self, roots: &Roots, keep: &BTreeSet<String>) -> Vec<String> {
        let _alone = tree::changes();
        let mut problems = Vec::new();
        for root in roots.all().into_iter().filter(|root| root.is_absolute()) {
            match self.remove_stale_in(root, keep) {
                Ok(left) => problems.extend(left.iter().map(|directory| {
                    format!(
                        "{} holds files that are not cri-shunt's, so the directory stays",
                        directory.display()
                    )
                })),
                Err(error) => problems.push(format!("{}: {error}", root.display())),
            }
        }
        problems
    }

    fn remove_stale_in(&self, root: &Path, keep: &BTreeSet<String>) -> io::Result<Vec<PathBuf>> {
        let mut left = tree::tidy(root)?;
        for name in tree::list(root)?.into_iter().filter(|name| self.owns(name) && !keep.contains(name)) {
            left.extend(tree::remove(root, &name)?);
        }
        tree::remove_joined(root)?;
        Ok(left)
    }
}

/// Random bytes of this process.
fn salt() -> &'static [u8] {
    static SALT: OnceLock<[u8; 32]> = OnceLock::new();
    SALT.get_or_init(|| {
        random().unwrap_or_else(|_| {
            let mut salt = [0; 32];
            // The keys of the standard library's hash maps are random as well.
            for part in salt.chunks_exact_mut(8) {
                part.copy_from_slice(&RandomState::new().build_hasher().finish().to_be_bytes());
            }
            salt
        })
    })
}

fn put(root: &Path, host: &str, text: &Text) -> Result<(), NotWritten> {
    let refused = |error| NotWritten::Disk { path: root.join(coded(host)).join(HOSTS_TOML), error };
    // Without waiting for others where there is nothing to do.
    if matches!(tree::look(root, host).map_err(refused)?, Place::Ours(there) if there == text.text) {
        return Ok(());
    }
    let _alone = tree::changes();
    let mut tries = 3;
    loop {
        let place = tree::look(root, host).map_err(refused)?;
        if let Place::Anothers(path) = place {
            return Err(NotWritten::Taken(path));
        }
        match tree::put(root, host, text, &place) {
            Ok(_) => return Ok(()),
            // Another program has removed the tree in this moment, or another daemon what was not finished.
            Err(error) if is_passing(error.kind()) && tries > 0 => tries -= 1,
            Err(error) => return Err(refused(error)),
        }
    }
}

fn is_passing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists)
}

/// Whether containerd's error says that it looked for a private host by DNS: it has not read the host's file, so its
/// `config_path` is another than was thought, or it pulls in its other mode.
#[must_use]
pub fn is_unread_private_host(status_text: &str) -> bool {
    // What is asked is the endpoint itself where the file was read; the private host is only in the image's name then,
    // and in the query `ns=`.
    ["lookup ", "\"https://", "\"http://"].iter().any(|before| {
        let hosts = status_text.split(before).skip(1);
        let end = |c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-');
        hosts.filter_map(|rest| rest.split(end).next()).any(|host| is_private(host.trim_end_matches('.')))
    })
}

#[cfg(test)]
mod tests;
