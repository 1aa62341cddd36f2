//! Removes the names under which containerd fetched, also those that a crash left.
//!
//! Holds: only the shunt's own names are removed: names below the private domain, and the digest name of a mirror that
//! was fetched for a pull and that no client has asked for. An image that has no other name is removed as a whole,
//! because an image without a name would hold its disk space for ever.

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use crate::containerd::{Containerd, StoreError, is_id_record};
use crate::state::{InUse, State, TemporaryName};

/// containerd may go on with a cancelled pull for a while, and write its name then: from the unpacking on it does not
/// look at the cancellation. So the name is looked for again, after each of these.
const AGAIN_AFTER: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15), Duration::from_secs(60)];

/// How long to wait until CRI has noticed that a name is gone: a few milliseconds, when it is idle.
const FORGET_WITHIN: Duration = Duration::from_millis(500);
const FORGET_PAUSE: Duration = Duration::from_millis(1);

/// A name that exists for the fetching alone, in use by one pull.
pub(super) struct Temporary {
    state: Arc<State>,
    name: String,
    is_private: bool,
    in_use: Option<InUse>,
}

impl Temporary {
    /// Begins to use `name`; a private one is below the domain that is the shunt's own.
    ///
    /// # Errors
    /// containerd does not say whether the name is there already.
    pub(super) async fn enter(state: &Arc<State>, name: &str, is_private: bool) -> Result<Self, StoreError> {
        let in_use = state.temporary_names.enter(name).await;
        let temporary =
            Self { state: state.clone(), name: name.to_owned(), is_private, in_use: Some(in_use) };
        if let Some(in_use) = temporary.in_use.as_ref().filter(|_| !is_private)
            && in_use.known().was_there.is_none()
        {
            let there = state.containerd.store.get(name).await?.is_some();
            in_use.known().was_there.get_or_insert(there);
        }
        Ok(temporary)
    }

    /// The name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it leads to this digest, or nowhere any more. Else it is removed, whoever uses it: containerd up to 1.7
    /// converts manifests of the first format without a look at the digest that it has asked for.
    ///
    /// # Errors
    /// containerd does not say it.
    pub(super) async fn leads_to(&self, digest: &str) -> Result<bool, StoreError> {
        let found = self.state.containerd.store.get(&self.name).await?;
        if found.and_then(|image| image.target).is_none_or(|target| target.digest == digest) {
            return Ok(true);
        }
        if let Err(error) = remove(&self.state.containerd, &self.name).await {
            tracing::warn!(%error, name = self.name, "cannot remove a name that leads to another image than it says");
        }
        Ok(false)
    }

    /// Ends the use. The last user removes the name, and waits until CRI does not show it any more.
    pub(super) async fn remove(mut self) {
        let Some(in_use) = self.in_use.take() else { return };
        let (known, name) = (in_use.name(), self.name.clone());
        match leave(&self.state, in_use, &name, self.is_private).await {
            Ok(()) => return,
            Err(Unremoved::AskedFor) => {}
            Err(error) => tracing::warn!(%error, name, "cannot remove a name that a pull left"),
        }
        remove_later(&self.state, known, name, self.is_private);
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let Some(in_use) = self.in_use.take() else { return };
        let (state, name, is_private) = (self.state.clone(), self.name.clone(), self.is_private);
        let known = in_use.name();
        let tasks = state.tasks.clone();
        // The pull was cancelled or has failed.
        tasks.spawn(async move {
            if let Err(error) = leave(&state, in_use, &name, is_private).await {
                tracing::debug!(%error, name, "a name that a pull left is removed later");
            }
            remove_later(&state, known, name, is_private);
        });
    }
}

async fn leave(state: &Arc<State>, in_use: InUse, name: &str, is_private: bool) -> Result<(), Unremoved> {
    let Some(last) = in_use.leave() else { return Ok(()) };
    // A name of which nothing is known may be somebody else's.
    let is_temporary = is_private || last.was_there() == Some(false);
    if !is_temporary {
        return Ok(());
    }
    // Each name for the fetching has a digest.
    let Some((repository, digest)) = name.split_once('@') else { return Ok(()) };
    let gate = state.as_asked.of(repository);
    let _alone = gate.try_write().map_err(|_asked_for| Unremoved::AskedFor)?;
    if is_private || !is_tagged(state, repository, digest).await? {
        remove(&state.containerd, name).await?;
        wait_until_forgotten(state, name).await;
    }
    Ok(())
}

/// Whether a tag of the repository stands for the digest, so that somebody has asked for it by the mirror's name.
async fn is_tagged(state: &State, repository: &str, digest: &str) -> Result<bool, StoreError> {
    let records = state.containerd.store.in_repository(repository).await?;
    let stands_for = |target: &containerd_client::types::Descriptor| target.digest == digest;
    Ok(records.iter().any(|image| !image.name.contains('@') && image.target.as_ref().is_some_and(stands_for)))
}

/// Looks for the name again, for a while. What is known of it is kept until then.
fn remove_later(state: &Arc<State>, known: TemporaryName, name: String, is_private: bool) {
    let state = state.clone();
    tokio::spawn(async move {
        for pause in AGAIN_AFTER {
            tokio::time::sleep(pause).await;
            let in_use = known.enter().await;
            tracing::debug!(name, "looks again for a name that a pull may have left");
            if let Err(error) = leave(&state, in_use, &name, is_private).await {
                tracing::debug!(%error, name, "cannot remove a name that a pull left yet");
            }
        }
    });
}

/// Why a name could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum Unremoved {
    /// A client pulls from its repository, so containerd may be about to give it to that pull.
    #[error("a client is pulling from that repository")]
    AskedFor,
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// CRI refuses.
    #[error("containerd: {}", .0.message())]
    Cri(Box<Status>),
}

impl From<Status> for Unremoved {
    fn from(status: Status) -> Self {
        Self::Cri(Box::new(status))
    }
}

/// Removes all names below the private domain, or only counts them. No daemon may run.
///
/// # Errors
/// containerd's refusal.
pub async fn remove_private(
    containerd: &Containerd,
    domain: &str,
    changing: bool,
) -> Result<usize, Unremoved> {
    let names = containerd.store.names_below(domain).await?;
    if changing {
        for name in &names {
            remove(containerd, name).await?;
        }
    }
    Ok(names.len())
}

/// Removes a name: the record alone where the image has another, else the image whole.
async fn remove(containerd: &Containerd, name: &str) -> Result<(), Unremoved> {
    let Containerd { store, cri, .. } = containerd;
    let Some(record) = store.get(name).await? else { return Ok(()) };
    let digest = record.target.map(|target| target.digest).unwrap_or_default();
    let others = store.with_target(&digest).await?;
    let stands_beside = others.iter().any(|image| image.name != name && !is_id_record(&image.name));
    // CRI removes every name of an image, also those that point at another manifest of the same image.
    let shown = cri.image(name).await?;
    let names = shown.iter().flat_map(|image| image.repo_tags.iter().chain(&image.repo_digests));
    if stands_beside || names.into_iter().any(|other| other != name) {
        store.delete(name).await?;
    } else {
        cri.remove_image(name).await?;
    }
    Ok(())
}

async fn wait_until_forgotten(state: &State, name: &str) {
    let forgotten = async {
        while matches!(state.containerd.cri.image(name).await, Ok(Some(_))) {
            tokio::time::sleep(FORGET_PAUSE).await;
        }
    };
    if tokio::time::timeout(FORGET_WITHIN, forgotten).await.is_err() {
        tracing::debug!(name, "CRI still shows a name that was removed");
    }
}

/// Whenever containerd answers again: removes all names below the private domain that no pull uses, also those that come
/// a little later, and the files of private hosts that are not needed.
pub async fn tidy(state: Arc<State>) {
    let mut facts = state.containerd.watch_facts();
    while facts.wait_for(Option::is_some).await.is_ok() {
        let tidying = async {
            tidy_names(&state).await;
            tidy_files(&state).await;
            // containerd may not have seen yet that the client of a pull is gone: an earlier run of this daemon.
            for pause in AGAIN_AFTER {
                tokio::time::sleep(pause).await;
                tidy_names(&state).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            () = tidying => {}
            gone = facts.wait_for(Option::is_none) => if gone.is_err() { return },
        }
    }
}

async fn tidy_names(state: &State) {
    if let Err(error) = remove_unused(state).await {
        tracing::warn!(%error, "cannot look for names that an earlier run left");
    }
}

async fn remove_unused(state: &State) -> Result<(), StoreError> {
    let mut removed = 0;
    for name in state.containerd.store.names_below(state.private_hosts.domain()).await? {
        let in_use = state.temporary_names.enter(&name).await;
        let Some(_last) = in_use.leave() else { continue };
        match remove(&state.containerd, &name).await {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(%error, name, "cannot remove a name that an earlier run left"),
        }
    }
    if removed > 0 {
        tracing::info!(removed, "removed temporary names that an earlier run had left");
    }
    Ok(())
}

async fn tidy_files(state: &Arc<State>) {
    let (hosts, roots) = (state.clone(), state.containerd.facts().roots.clone());
    let stale = tokio::task::spawn_blocking(move || hosts.remove_stale_hosts(&roots));
    for problem in
        stale.await.unwrap_or_else(|error| vec![format!("stale files were not looked for: {error}")])
    {
        tracing::warn!("{problem}");
    }
}
