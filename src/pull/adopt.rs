//! Gives an image that was pulled from a mirror the name that was asked for, in containerd's own store.
//!
//! Holds: afterwards CRI answers the original name with the pulled image, or with that of a later pull; or nothing was
//! changed.
//! Not here: the label `io.cri-containerd.image`, which containerd sets by itself: set by hand it costs
//! the pause image its pin on containerd 1.7.

use std::time::Duration;

use containerd_client::services::v1::Image;
use containerd_client::types::Descriptor;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::containerd::{StoreError, record_names};
use crate::policy::Name;
use crate::pull::provenance::Provenance;
use crate::state::State;

/// The first pause between two looks; containerd needs some ten milliseconds when it is idle.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest: while hundreds of images are imported it takes seconds.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Why an image could not be adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It was removed before it had its name.
    #[error("the image was removed before it had its name")]
    Gone,
    /// CRI did not show the name in time.
    #[error("containerd did not show the image by that name within {} s", .0.as_secs_f32())]
    Slow(Duration),
    /// The daemon ends before CRI showed the name.
    #[error("cri-shunt was stopped before containerd showed the image by that name")]
    Stopped,
    /// The rule does not allow it, in words.
    #[error("{0}")]
    Refused(String),
    /// containerd's stores refuse.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// CRI refuses.
    #[error("containerd: {}", .0.message())]
    Cri(Box<Status>),
}

impl From<Status> for AdoptError {
    fn from(status: Status) -> Self {
        Self::Cri(Box::new(status))
    }
}

impl AdoptError {
    /// The code of the answer to a client.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(_) => Code::PermissionDenied,
            Self::Gone | Self::Slow(_) | Self::Stopped => Code::Aborted,
            Self::Store(error) => error.code(),
            Self::Cri(status) => status.code(),
        }
    }
}

/// What the record of `from` points at, once it is the image `id`.
///
/// A tag may have moved since it was pulled, under another pull of it; then the image is looked for
/// among the digests of the repository.
///
/// # Errors
/// [`AdoptError::Gone`] where no record has that image.
pub async fn target(state: &State, from: &Name, id: Option<&str>) -> Result<Descriptor, AdoptError> {
    let record = state.containerd.store.get(from.as_str()).await?.ok_or(AdoptError::Gone)?;
    let target = record.target.ok_or(AdoptError::Gone)?;
    let Some(id) = id else { return Ok(target) };
    let is_image = async |digest: &str| -> Result<bool, Status> {
        let image = state.containerd.cri.image(&format!("{}@{digest}", from.repository())).await?;
        Ok(image.is_some_and(|image| image.id == id))
    };
    if is_image(&target.digest).await? {
        return Ok(target);
    }
    for record in state.containerd.store.in_repository(from.repository()).await? {
        if let Some(other) = record.target
            && record.name.contains('@')
            && is_image(&other.digest).await?
        {
            return Ok(other);
        }
    }
    // No digest name tells, as for an image that is imported and never had one: CRI decides by the tag.
    match state.containerd.cri.image(from.as_str()).await? {
        Some(image) if image.id == id => Ok(target),
        _ => Err(AdoptError::Gone),
    }
}

/// Points `name`, and its repository with the digest, at `target`, and waits until CRI shows both. A later pull may
/// point a tag at another image meanwhile; then there is nothing to wait for.
///
/// # Errors
/// Where it does not come to that, the names just written are taken back.
pub async fn adopt(
    state: &State,
    name: &Name,
    target: &Descriptor,
    id: Option<&str>,
    provenance: &Provenance,
    timeout: Duration,
) -> Result<(), AdoptError> {
    let labels = provenance.labels();
    let mut written = Vec::with_capacity(2);
    // A pull that has failed may have fetched by the digest name, and looks for what it has left for a while.
    let by_digest = format!("{}@{}", name.repository(), target.digest);
    let in_use = state.temporary_names.enter(&by_digest).await;
    let gate = state.adopting.of(name.repository());
    let adopting = gate.read().await;
    let outcome = async {
        for name in record_names(name, target) {
            let before = state.containerd.store.put(&name, target, &labels).await?;
            written.push((name, before));
        }
        let end = Instant::now() + timeout;
        for (name, _) in &written {
            wait(state, name, target, id, end, timeout).await?;
        }
        Ok(())
    }
    .await;
    drop(adopting);
    if outcome.is_ok() {
        in_use.known().keep();
    } else {
        // Alone: another adoption of the same name may just be about to succeed.
        let _alone = gate.write().await;
        for (name, before) in written {
            take_back(state, &name, before, target, id).await;
        }
    }
    outcome
}

/// Waits until CRI answers `name` with the image `id`, or with any image where the id is not known.
async fn wait(
    state: &State,
    name: &str,
    target: &Descriptor,
    id: Option<&str>,
    end: Instant,
    timeout: Duration,
) -> Result<(), AdoptError> {
    let mut pause = FIRST_PAUSE;
    loop {
        if is_shown(state, name, id).await? {
            return Ok(());
        }
        if pause == LONGEST_PAUSE {
            match state.containerd.store.get(name).await?.and_then(|image| image.target) {
                None => return Err(AdoptError::Gone),
                // A later pull of the same tag got another image. This one keeps its digest.
                Some(now) if now.digest != target.digest => return Ok(()),
                Some(_) => {}
            }
            // A record whose content went before it was written stays, and is never shown.
            if state.containerd.store.manifest(&target.digest).await?.is_none() {
                return Err(AdoptError::Gone);
            }
        }
        if Instant::now() >= end {
            return Err(AdoptError::Slow(timeout));
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = state.hurry.cancelled() => return Err(AdoptError::Stopped),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn is_shown(state: &State, name: &str, id: Option<&str>) -> Result<bool, Status> {
    let image = state.containerd.cri.image(name).await?;
    Ok(image.is_some_and(|image| id.is_none_or(|id| image.id == id)))
}

/// Undoes one write: left alone, the name would point at nothing and never be collected.
async fn take_back(state: &State, name: &str, before: Option<Image>, target: &Descriptor, id: Option<&str>) {
    let undone = async {
        let now = state.containerd.store.get(name).await?.and_then(|image| image.target);
        // Another pull has made it good meanwhile, and its client was told so.
        if now.is_none_or(|now| now.digest != target.digest) || is_shown(state, name, id).await? {
            return Ok::<_, AdoptError>(());
        }
        match before.and_then(|image| Some((image.target?, image.labels))) {
            Some((target, labels)) => drop(state.containerd.store.put(name, &target, &labels).await?),
            None => state.containerd.store.delete(name).await?,
        }
        Ok(())
    };
    if let Err(error) = undone.await {
        tracing::error!(%error, name, "cannot take back a name that leads nowhere");
    }
}
