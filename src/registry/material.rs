//! What an endpoint's files hold: TLS settings and headers, kept until a file changes.
//!
//! Files are read on a thread of their own, since the daemon has one thread for all else and a file may be on a
//! slow disk. What was read is kept with the state that the files had; each question compares it with the state
//! now. A file that is gone or unusable is an error, never an old value.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::sync::Semaphore;

use super::endpoint::{Endpoint, HeaderValue};
use super::error::RegistryError;
use super::secrets::sensitive;
use super::tls::{Tls, TlsSettings};
use super::trust::SystemRoots;
use crate::files::fingerprint::FileState;
use crate::files::secret::Secret;

/// How many files or settings are kept; more come only from configurations that were in force before.
const MOST: usize = 1024;

/// How often a file is read again that changes while it is read.
const TRIES: usize = 3;

/// How many reads run at once. A read that hangs keeps its permit, so that hanging reads never use up the
/// threads that the program needs for other files.
const READERS: usize = 8;

/// What was read of the files of all endpoints.
#[derive(Debug)]
pub(super) struct Materials {
    roots: SystemRoots,
    /// By the settings, and whether the system had authorities.
    tls: Kept<(TlsSettings, bool), Arc<Tls>>,
    headers: Kept<PathBuf, Secret>,
    /// One permit for each read.
    reads: Arc<Semaphore>,
}

/// What was read of the files of one endpoint.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) tls: Arc<Tls>,
    /// The configured headers.
    pub(super) headers: HeaderMap,
}

#[derive(Debug)]
struct Kept<K, V>(Mutex<HashMap<K, (Vec<FileState>, V)>>);

impl Default for Materials {
    fn default() -> Self {
        let (roots, tls, headers) = Default::default();
        Materials { roots, tls, headers, reads: Arc::new(Semaphore::new(READERS)) }
    }
}

impl Materials {
    /// Whoever asks has a time limit; a disk that hangs has none.
    pub(super) async fn of(self: &Arc<Self>, endpoint: &Endpoint) -> Result<Material, RegistryError> {
        let settings = endpoint.tls_settings();
        let from_files = endpoint.headers.iter().any(|(_, value)| matches!(value, HeaderValue::File(_)));
        let is_known = || self.roots.is_known() && self.tls.is_known(&(settings.clone(), true));
        if !from_files && settings.files().next().is_none() && is_known() {
            return self.read(endpoint, settings);
        }
        let (here, endpoint) = (Arc::clone(self), endpoint.clone());
        let host = endpoint.host.clone();
        let permit = Arc::clone(&self.reads).acquire_owned().await;
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            here.read(&endpoint, settings)
        });
        let stopped = |_| RegistryError::Config(format!("reading the files for {host} has been broken off"));
        reading.await.map_err(stopped)?
    }

    fn read(&self, endpoint: &Endpoint, settings: TlsSettings) -> Result<Material, RegistryError> {
        let host = &endpoint.host;
        // Authorities that the system has got only now are for settings that are known already, too.
        let roots = self.roots.get();
        let key = (settings, !roots.is_empty());
        let files: Vec<&Path> = key.0.files().collect();
        let read = || Tls::read(&key.0, host, Arc::clone(&roots)).map(Arc::new);
        let tls = self.tls.get(&key, &files, host, read)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &endpoint.headers {
            let text = match value {
                HeaderValue::Text(text) => text.clone(),
                HeaderValue::File(file) => self.header(name, value, file, host)?,
            };
            let bad = || {
                let problem = "cannot be sent: its name or value has bytes that no header may have";
                RegistryError::Config(format!("the header \"{name}\" for {host} {problem}"))
            };
            let key: HeaderName = name.parse().map_err(|_| bad())?;
            headers.append(key, sensitive(text.expose()).ok_or_else(bad)?);
        }
        Ok(Material { tls, headers })
    }

    fn header(
        &self,
        name: &str,
        value: &HeaderValue,
        file: &Path,
        host: &str,
    ) -> Result<Secret, RegistryError> {
        self.headers.get(&file.to_owned(), &[file], host, || {
            value.read().map_err(|error| RegistryError::File {
                file: file.to_owned(),
                what: format!("the header {name}"),
                host: host.to_owned(),
                problem: error.to_string(),
            })
        })
    }
}

// === impl Kept ===

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Kept(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Kept<K, V> {
    fn is_known(&self, key: &K) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    /// The value that was made of the files, or the one that `read` makes of them now.
    fn get(
        &self,
        key: &K,
        files: &[&Path],
        host: &str,
        read: impl Fn() -> Result<V, RegistryError>,
    ) -> Result<V, RegistryError> {
        let states = || files.iter().map(|file| FileState::of(file)).collect::<Vec<_>>();
        let mut before = states();
        if let Some((known, value)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key)
            && *known == before
        {
            return Ok(value.clone());
        }
        for _ in 0..TRIES {
            let value = read()?;
            let after = states();
            if after == before {
                return Ok(self.keep(key, before, value));
            }
            before = after;
        }
        let file = files.first().copied().unwrap_or(Path::new("")).to_owned();
        let problem = "it changes while it is read".to_owned();
        Err(RegistryError::File { file, what: "a file".to_owned(), host: host.to_owned(), problem })
    }

    /// The value to go on with: of several that were read at once the first stays, so that what hangs on it is
    /// shared.
    fn keep(&self, key: &K, states: Vec<FileState>, value: V) -> V {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, first)) = kept.get(key)
            && *known == states
        {
            return first.clone();
        }
        // Of a file that has changed just now a further change would not show.
        let at_rest = |state: &FileState| match state {
            FileState::There(stamp) => stamp.unrest() == Duration::ZERO,
            FileState::Away(_) | FileState::Moving => false,
        };
        if !states.iter().all(at_rest) {
            kept.remove(key);
            return value;
        }
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(key.clone(), (states, value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_read_from_a_disk_that_hangs_leave_threads_to_others() {
        let (materials, file) = (Arc::new(Materials::default()), tempfile::NamedTempFile::new().unwrap());
        std::fs::write(file.path(), "x").unwrap();
        let headers = vec![("X-Key".to_owned(), HeaderValue::File(file.path().to_owned()))];
        let endpoint = Endpoint { headers, ..Endpoint::of("r.example") };
        // So many have begun to read and do not end.
        let hanging =
            Arc::clone(&materials.reads).acquire_many_owned(READERS.try_into().unwrap()).await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), materials.of(&endpoint)).await.unwrap_err();
        drop(hanging);
        assert_eq!(materials.of(&endpoint).await.unwrap().headers["x-key"], "x");
        assert_eq!(materials.reads.available_permits(), READERS);
    }
}
