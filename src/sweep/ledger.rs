//! Which names at mirrors the shunt brought in itself, and which of them others asked for.
//!
//! Before: `pull` takes a [`Ticket`] for each pull.  After: the sweeper takes a [`Due`] for a repository.
//! Holds: a name is ours only if an intent for it was on disk before its pull began and it was not there
//! before; a pull of the mirror's own name through the shunt makes it somebody else's. Tickets and dues
//! of one repository exclude each other, because tags share the record of their digest.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use containerd_client::services::v1::Image;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::Instant;

use super::file;
use crate::policy::Name;
use crate::upstream::{Store, StoreError};

/// For how long a removed name is remembered, for a CreateContainer that met its removal.
const REMEMBER_SWEPT: Duration = Duration::from_secs(60);
/// How many of them.
const REMEMBER_COUNT: usize = 1024;

/// Why the ledger could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file can't be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file, or the directory that it is in.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// containerd would not say what is there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// When containerd last changed a record, as it reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp(i64, i32);

impl From<&prost_types::Timestamp> for Stamp {
    fn from(at: &prost_types::Timestamp) -> Self {
        Self(at.seconds, at.nanos)
    }
}

/// What is known of the names in one mirror repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// Names that pulls of ours brought, with the date of the record when its pull ended. Without a
    /// date, the pull has not ended, or not well.
    pub names: BTreeMap<String, Option<Stamp>>,
    /// Names that were there before, or that somebody asked for by that very name.
    pub kept: BTreeSet<String>,
}

#[derive(Default)]
struct Repository {
    gate: Arc<RwLock<()>>,
    brought: Brought,
    /// Pulls under way that may bring digests nobody has told us of yet.
    bringing: usize,
    /// Not to be swept before this rest has begun.
    quiet_since: Option<Instant>,
}

#[derive(Default)]
struct Inner {
    repositories: HashMap<String, Repository>,
    swept: VecDeque<(Instant, String)>,
    version: u64,
}

/// The ledger of all mirror repositories.
pub struct Ledger {
    path: PathBuf,
    inner: Mutex<Inner>,
    saved: tokio::sync::Mutex<u64>,
    changed: Notify,
}

impl Ledger {
    /// Reads the ledger in `directory`, which is made if it is not there. A file that can't be
    /// understood is put aside, with an error in the log: names it held will not be swept.
    ///
    /// # Errors
    /// The directory can't be made or the file can't be read.
    pub fn open(directory: PathBuf) -> Result<Self, LedgerError> {
        let path = directory.join("mirror-names.json");
        let known = file::read(&path)?;
        let now = Instant::now();
        let repositories = known
            .into_iter()
            .map(|(name, brought)| {
                (name, Repository { brought, quiet_since: Some(now), ..Repository::default() })
            })
            .collect();
        let inner = Inner { repositories, ..Inner::default() };
        Ok(Self { path, inner: Mutex::new(inner), saved: tokio::sync::Mutex::new(0), changed: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock; were it so, the counts would still be sound.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn enter(self: &Arc<Self>, repository: &str) -> OwnedRwLockReadGuard<()> {
        let gate = self.lock().repositories.entry(repository.to_owned()).or_default().gate.clone();
        gate.read_owned().await
    }

    /// A ticket for a pull that a client asked for by this very name.
    pub async fn asked_for(self: &Arc<Self>, name: &Name) -> Ticket {
        let gate = self.enter(name.repository()).await;
        Ticket::new(self, name, gate, false)
    }

    /// A ticket for a pull from a mirror: an intent to bring `name`, on disk when this returns.
    ///
    /// # Errors
    /// containerd does not say what is there already, or the intent can't be written.
    pub async fn bring(self: &Arc<Self>, store: &Store, name: &Name) -> Result<Ticket, LedgerError> {
        let gate = self.enter(name.repository()).await;
        let existing = store.in_repository(name.repository()).await?;
        {
            let mut inner = self.lock();
            let repository = inner.repositories.entry(name.repository().to_owned()).or_default();
            repository.intend(name.as_str(), &existing);
            repository.bringing += 1;
            inner.version += 1;
        }
        // From here on the ticket undoes the count, whatever becomes of the write.
        let ticket = Ticket::new(self, name, gate, true);
        self.save().await?;
        Ok(ticket)
    }

    /// Writes the ledger, unless another writer has put our change on disk already.
    ///
    /// # Errors
    /// The file can't be written.
    pub async fn save(&self) -> Result<(), LedgerError> {
        let wanted = self.lock().version;
        let mut saved = self.saved.lock().await;
        if *saved >= wanted {
            return Ok(());
        }
        let (version, content) = {
            let inner = self.lock();
            let known: BTreeMap<&String, &Brought> = inner
                .repositories
                .iter()
                .filter(|(_, repository)| !repository.brought.names.is_empty())
                .map(|(name, repository)| (name, &repository.brought))
                .collect();
            (inner.version, file::render(&known))
        };
        file::write(self.path.clone(), content).await?;
        *saved = version;
        Ok(())
    }

    /// The repositories that have rested for `rest`, each closed to new pulls until its [`Due`] is gone.
    pub fn due(self: &Arc<Self>, rest: Duration) -> Vec<Due> {
        let now = Instant::now();
        let inner = self.lock();
        let ripe = inner.repositories.iter().filter(|(_, repository)| {
            !repository.brought.names.is_empty()
                && repository.quiet_since.is_some_and(|since| since + rest <= now)
        });
        ripe.filter_map(|(name, repository)| {
            let gate = repository.gate.clone().try_write_owned().ok()?;
            let brought = repository.brought.clone();
            Some(Due { ledger: self.clone(), repository: name.clone(), brought, _gate: gate })
        })
        .collect()
    }

    /// Returns when a repository may have become due.
    pub async fn wait(&self, rest: Duration) {
        let next = {
            let inner = self.lock();
            let waiting = inner.repositories.values().filter(|r| !r.brought.names.is_empty());
            waiting.filter_map(|repository| repository.quiet_since).min()
        };
        let changed = self.changed.notified();
        match next {
            // Never at once again: a repository can be due and yet busy.
            Some(since) => {
                let soon = Instant::now() + Duration::from_millis(50);
                let _ = tokio::time::timeout_at((since + rest).max(soon), changed).await;
            }
            None => changed.await,
        }
    }

    /// Leaves `repository` alone for `pause` longer.
    pub fn put_off(&self, repository: &str, pause: Duration) {
        if let Some(repository) = self.lock().repositories.get_mut(repository) {
            repository.quiet_since = Some(Instant::now() + pause);
        }
    }

    /// Notes that `name` is removed now.
    pub fn about_to_sweep(&self, name: &str) {
        let mut inner = self.lock();
        if inner.swept.len() == REMEMBER_COUNT {
            inner.swept.pop_front();
        }
        inner.swept.push_back((Instant::now(), name.to_owned()));
    }

    /// Whether `message` speaks of a name that was removed a moment ago.
    pub fn speaks_of_swept(&self, message: &str) -> bool {
        let now = Instant::now();
        self.lock()
            .swept
            .iter()
            .any(|(at, name)| *at + REMEMBER_SWEPT > now && message.contains(name.as_str()))
    }

    /// How many names wait to be swept.
    pub fn pending(&self) -> usize {
        self.lock().repositories.values().map(|repository| repository.brought.names.len()).sum()
    }
}

impl Repository {
    fn intend(&mut self, name: &str, existing: &[Image]) {
        let quiet = self.bringing == 0 && self.brought.names.is_empty();
        for image in existing {
            // While pulls of ours are under way, a digest that nobody has claimed may be theirs.
            if (quiet || image.name == name && self.bringing == 0)
                && !self.brought.names.contains_key(&image.name)
            {
                self.brought.kept.insert(image.name.clone());
            }
        }
        if !self.brought.kept.contains(name) {
            self.brought.names.insert(name.to_owned(), None);
        }
    }
}

/// One pull under way. While it lives its repository is not swept.
pub struct Ticket {
    ledger: Arc<Ledger>,
    repository: String,
    name: String,
    brings: bool,
    _gate: OwnedRwLockReadGuard<()>,
}

impl Ticket {
    fn new(ledger: &Arc<Ledger>, name: &Name, gate: OwnedRwLockReadGuard<()>, brings: bool) -> Self {
        Self {
            ledger: ledger.clone(),
            repository: name.repository().to_owned(),
            name: name.as_str().to_owned(),
            brings,
            _gate: gate,
        }
    }

    /// The pull ended well: the name and the digest that it stands for are claimed, for us or for the
    /// client that asked.
    ///
    /// # Errors
    /// containerd does not say what is there now, or the claim can't be written. The sweeper then goes
    /// by the intent alone.
    pub async fn claim(&self, store: &Store) -> Result<(), LedgerError> {
        let Some(image) = store.get(&self.name).await? else { return Ok(()) };
        let digest = image.target.as_ref().map_or("", |target| target.digest.as_str());
        let digest_name = format!("{}@{digest}", self.repository);
        let digest_image =
            if digest_name == self.name { Some(image.clone()) } else { store.get(&digest_name).await? };
        let changed = {
            let mut inner = self.ledger.lock();
            let Some(repository) = inner.repositories.get_mut(&self.repository) else { return Ok(()) };
            let before = repository.brought.clone();
            for image in [Some(image), digest_image].into_iter().flatten() {
                repository.claim(image, self.brings);
            }
            let changed = repository.brought != before;
            inner.version += u64::from(changed);
            changed
        };
        if changed { self.ledger.save().await } else { Ok(()) }
    }
}

impl Repository {
    fn claim(&mut self, image: Image, ours: bool) {
        if !ours {
            self.brought.names.remove(&image.name);
            self.brought.kept.insert(image.name);
        } else if !self.brought.kept.contains(&image.name) {
            self.brought.names.insert(image.name, image.updated_at.as_ref().map(Stamp::from));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.ledger.lock();
        if let Some(repository) = inner.repositories.get_mut(&self.repository) {
            repository.bringing -= usize::from(self.brings);
            repository.quiet_since = Some(Instant::now());
            // The map holds one handle of the gate, and this ticket's guard another.
            if repository.brought.names.is_empty() && Arc::strong_count(&repository.gate) <= 2 {
                inner.repositories.remove(&self.repository);
            }
        }
        drop(inner);
        self.ledger.changed.notify_one();
    }
}

/// A repository that is being swept. While it lives no pull of that repository begins.
pub struct Due {
    ledger: Arc<Ledger>,
    repository: String,
    brought: Brought,
    _gate: OwnedRwLockWriteGuard<()>,
}

impl Due {
    /// The repository, with its host.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What was noted of it.
    pub fn brought(&self) -> &Brought {
        &self.brought
    }

    /// Everything of ours in it is gone: forgets it.
    pub fn done(self) {
        let mut inner = self.ledger.lock();
        if let Some(repository) = inner.repositories.get_mut(&self.repository) {
            repository.brought = Brought::default();
            repository.quiet_since = None;
            // Whoever waits at the gate holds it too, and will want this entry.
            if Arc::strong_count(&repository.gate) <= 2 {
                inner.repositories.remove(&self.repository);
            }
        }
        inner.version += 1;
    }
}
