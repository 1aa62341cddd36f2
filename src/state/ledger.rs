//! Which names at mirrors the shunt brought in itself, and which of them others asked for.
//!
//! Before: `pull` takes a [`Ticket`] for each pull.  After: the sweeper takes a [`Due`] for a repository.
//! Holds: a name is ours only if an intent for it was on disk before its pull began. Tickets and dues of
//! one repository exclude each other, because tags share the record of their digest.
//! Not here: whose a name is (`brought`), the file's form (`file`).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::Instant;

mod brought;
mod file;

pub use brought::{Brought, Stamp, is_digest};

use brought::Book;

use crate::containerd::{Store, StoreError};
use crate::policy::Name;

/// The shortest rest, whatever is configured, so that what can't be swept yet does not keep us busy.
const SHORTEST_REST: Duration = Duration::from_millis(50);
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

#[derive(Default)]
struct Repository {
    gate: Arc<RwLock<()>>,
    book: Book,
    /// Pulls under way, whoever asked for them.
    tickets: usize,
    /// Since when none is.
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
    /// The version that is on disk. Whoever writes holds it.
    saved: Arc<tokio::sync::Mutex<u64>>,
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
        let quiet_since = Some(Instant::now());
        let repositories = known
            .into_iter()
            .map(|(name, brought)| {
                let book = Book::reopened(brought);
                (name, Repository { book, quiet_since, ..Repository::default() })
            })
            .collect();
        let inner = Inner { repositories, ..Inner::default() };
        Ok(Self { path, inner: Mutex::new(inner), saved: Arc::default(), changed: Notify::new() })
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
        let mut inner = self.lock();
        Ticket::new(self, &mut inner, name, gate, false)
    }

    /// A ticket for a pull from a mirror: an intent to bring `name`, on disk when this returns.
    ///
    /// # Errors
    /// containerd does not say what is there already, or the intent can't be written.
    pub async fn bring(self: &Arc<Self>, store: &Store, name: &Name) -> Result<Ticket, LedgerError> {
        let gate = self.enter(name.repository()).await;
        let keeps = self.lock().repositories.get(name.repository()).map_or(0, |known| known.book.keeps());
        let existing = store.in_repository(name.repository()).await?;
        let ticket = {
            let mut inner = self.lock();
            let repository = inner.repositories.entry(name.repository().to_owned()).or_default();
            repository.book.intend(name.as_str(), &existing, keeps);
            inner.version += 1;
            Ticket::new(self, &mut inner, name, gate, true)
        };
        // From here on the ticket undoes the intent, whatever becomes of the write.
        self.save().await?;
        Ok(ticket)
    }

    /// Writes the ledger, unless another writer has put our change on disk already.
    ///
    /// # Errors
    /// The file can't be written.
    pub async fn save(&self) -> Result<(), LedgerError> {
        let wanted = self.lock().version;
        let mut saved = self.saved.clone().lock_owned().await;
        if *saved >= wanted {
            return Ok(());
        }
        let (version, content) = {
            let inner = self.lock();
            let known: BTreeMap<&String, &Brought> = inner
                .repositories
                .iter()
                .filter(|(_, repository)| !repository.book.is_empty())
                .map(|(name, repository)| (name, &repository.book.brought))
                .collect();
            (inner.version, file::render(&known))
        };
        // The lock goes with the write: a caller that is cancelled here must not let a second writer in.
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            file::write(&path, &content)?;
            *saved = version;
            Ok(())
        });
        match written.await {
            Ok(result) => result,
            Err(error) => {
                Err(LedgerError::Write { path: self.path.clone(), source: std::io::Error::other(error) })
            }
        }
    }

    /// The repository that has rested longest, and for `rest` at least. It is closed to new pulls until
    /// its [`Due`] is gone.
    pub fn due(self: &Arc<Self>, rest: Duration) -> Option<Due> {
        let now = Instant::now();
        let inner = self.lock();
        let mut ripe: Vec<(Instant, &String, &Repository)> =
            inner.resting().filter(|(since, ..)| *since + rest.max(SHORTEST_REST) <= now).collect();
        ripe.sort_by_key(|(since, ..)| *since);
        ripe.into_iter().find_map(|(_, name, repository)| {
            let gate = repository.gate.clone().try_write_owned().ok()?;
            let brought = repository.book.brought.clone();
            Some(Due { ledger: self.clone(), repository: name.clone(), brought, _gate: gate })
        })
    }

    /// Returns when a repository may have become due.
    pub async fn wait(&self, rest: Duration) {
        let next = self.lock().resting().map(|(since, ..)| since).min();
        let changed = self.changed.notified();
        match next {
            // Never at once again: a repository can be due and yet about to be pulled from.
            Some(since) => {
                let soon = Instant::now() + SHORTEST_REST;
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
        self.lock().repositories.values().map(|repository| repository.book.brought.names.len()).sum()
    }
}

impl Inner {
    /// The repositories with something to sweep and no pull under way, and since when.
    fn resting(&self) -> impl Iterator<Item = (Instant, &String, &Repository)> {
        self.repositories
            .iter()
            .filter(|(_, repository)| repository.tickets == 0 && !repository.book.is_empty())
            .filter_map(|(name, repository)| Some((repository.quiet_since?, name, repository)))
    }

    /// Forgets `repository` if there is nothing to remember and its gate belongs to the caller alone.
    fn tidy(&mut self, repository: &str) {
        let idle = |known: &Repository| {
            // The map holds one handle of the gate, and the caller another. Whoever waits at the gate
            // holds it too, and will want this entry.
            known.tickets == 0 && known.book.is_empty() && Arc::strong_count(&known.gate) <= 2
        };
        if self.repositories.get(repository).is_some_and(idle) {
            self.repositories.remove(repository);
        }
    }
}

/// One pull under way. While it lives its repository is not swept.
pub struct Ticket {
    ledger: Arc<Ledger>,
    repository: String,
    name: String,
    brings: bool,
    /// What it brings has been told already.
    landed: bool,
    _gate: OwnedRwLockReadGuard<()>,
}

impl Ticket {
    fn new(
        ledger: &Arc<Ledger>,
        inner: &mut Inner,
        name: &Name,
        gate: OwnedRwLockReadGuard<()>,
        brings: bool,
    ) -> Self {
        inner.repositories.entry(name.repository().to_owned()).or_default().tickets += 1;
        Self {
            ledger: ledger.clone(),
            repository: name.repository().to_owned(),
            name: name.as_str().to_owned(),
            brings,
            landed: !brings,
            _gate: gate,
        }
    }

    /// The pull ended well: the name and the digest that it stands for are claimed, for us or for the
    /// client that asked. To be called as soon as it has ended, for what others change later is theirs.
    ///
    /// # Errors
    /// containerd does not say what is there now, or the claim can't be written. The sweeper then goes
    /// by the intent alone.
    pub async fn claim(&mut self, store: &Store) -> Result<(), LedgerError> {
        let Some(image) = store.get(&self.name).await? else { return Ok(()) };
        let digest = image.target.as_ref().map_or("", |target| target.digest.as_str());
        let digest_name = format!("{}@{digest}", self.repository);
        let digest_image = if digest_name == self.name { None } else { store.get(&digest_name).await? };
        {
            let mut inner = self.ledger.lock();
            let Some(repository) = inner.repositories.get_mut(&self.repository) else { return Ok(()) };
            let mut changed = self.brings;
            for image in std::iter::once(&image).chain(&digest_image) {
                changed |= repository.book.claim(image, self.brings);
            }
            if !std::mem::replace(&mut self.landed, true) {
                repository.book.land(&self.name, true);
            }
            if !changed {
                return Ok(());
            }
            inner.version += 1;
        }
        self.ledger.save().await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.ledger.lock();
        if let Some(repository) = inner.repositories.get_mut(&self.repository) {
            repository.tickets -= 1;
            repository.quiet_since = Some(Instant::now());
            if !self.landed {
                repository.book.land(&self.name, false);
            }
        }
        if !self.landed {
            inner.version += 1;
        }
        inner.tidy(&self.repository);
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

    /// Everything of ours that was there at `seen` is gone, `digests` too. What a pull that did not end
    /// well may yet bring is swept again.
    pub fn done(self, digests: BTreeMap<String, Option<Stamp>>, seen: Stamp) {
        let mut inner = self.ledger.lock();
        if let Some(repository) = inner.repositories.get_mut(&self.repository) {
            repository.book.swept(digests, seen);
            repository.quiet_since = Some(Instant::now());
        }
        inner.version += 1;
        inner.tidy(&self.repository);
    }
}

#[cfg(test)]
mod tests;
