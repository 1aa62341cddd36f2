//! Looks at what containerd would run: the manifest, or those of an index that are for this machine.
//!
//! Two things in a manifest would lead containerd past every rule: a layer with `urls` of its own, and a checkpoint, whose
//! base image containerd 2.1 pulls from wherever the checkpoint says.
//! Holds: what cannot be looked at as a whole is refused. What was found of a digest is remembered.

mod walk;

use containerd_client::types::Descriptor;

pub use walk::{Walk, machine};

use self::walk::CHECKPOINT;
use super::auth::Auth;
use super::record::{Class, Failure};
use super::under_way::{Pull, Trial};
use crate::containerd::StoreError;
use crate::policy::Checkpoint;
use crate::registry::{Login, Resolve, Resolved};
use crate::state::{Contents, State};

/// What a rule says that allows a checkpoint.
const ALLOWS: &str = "checkpoint = \"allow\"";

impl Pull<'_> {
    /// Refuses what would lead containerd past the rules.
    pub(super) async fn admit(
        &self,
        mirror: &Trial<'_>,
        auth: &Auth,
        login: &Login,
        resolved: &Resolved,
    ) -> Result<(), Failure> {
        let contents = match self.state.contents.get(&resolved.digest) {
            Some(contents) => contents,
            None => {
                let contents = self.look(mirror, auth, login, resolved).await?;
                self.state.contents.note(&resolved.digest, contents.clone());
                contents
            }
        };
        let refused = |text| Err(Failure::new(Class::Content, text));
        if let Some(unclear) = contents.unclear {
            return refused(unclear);
        }
        let forbids = format!("{} does not allow that", self.rule_text());
        if contents.is_checkpoint && self.rule.checkpoint() == Checkpoint::Refuse {
            return refused(checkpoint_text(&forbids));
        }
        match contents.foreign_url {
            Some(url) if !self.rule.foreign_urls() => refused(format!(
                "a layer of it comes from {url}, past every rule; {forbids} (foreign-urls = true)"
            )),
            _ => Ok(()),
        }
    }

    async fn look(
        &self,
        mirror: &Trial<'_>,
        auth: &Auth,
        login: &Login,
        resolved: &Resolved,
    ) -> Result<Contents, Failure> {
        let endpoint = &mirror.endpoint;
        let (repository, ns) = (mirror.candidate.name.path(), self.ns(mirror));
        // One end for all of them: a registry that answers drop by drop has no more time than one that is mute.
        let end = self.answer_by(mirror.has_successor);
        let mut walk = Walk::from(&resolved.digest);
        while let Some(digest) = walk.next_digest() {
            let question = Resolve { endpoint, repository, reference: &digest, warm: None, ns, login, end };
            let manifest = self.manifest(&question, mirror, auth).await?;
            let refused =
                |error| Failure::new(Class::Protocol, format!("{digest} is not a manifest: {error}"));
            walk.add_bytes(&manifest).map_err(refused)?;
        }
        Ok(walk.contents())
    }

    /// The manifest with the digest of the question, from containerd or else from the registry.
    async fn manifest(
        &self,
        question: &Resolve<'_>,
        mirror: &Trial<'_>,
        auth: &Auth,
    ) -> Result<Vec<u8>, Failure> {
        let (store, digest) = (&self.state.containerd.store, question.reference);
        if let Ok(Some(bytes)) = store.manifest(digest).await {
            return Ok(bytes);
        }
        let manifest = self.client(mirror.candidate).manifest(question, digest).await;
        let manifest = manifest.map_err(|refusal| self.refused(mirror, auth, question.login, &refusal))?;
        self.note_last(mirror, question.login, manifest.rest);
        // containerd finds it there, and does not ask the registry for it a second time.
        if let Err(error) = store.add_manifest(digest, &manifest.bytes).await {
            tracing::debug!(%error, "containerd fetches a manifest once more");
        }
        Ok(manifest.bytes.to_vec())
    }
}

/// Why `target`, which is on the node, is refused as a checkpoint; none where it is not. `forbids` says in words which
/// rule does not allow one.
///
/// # Errors
/// containerd does not show the content.
pub(super) async fn refused_checkpoint(
    state: &State,
    target: &Descriptor,
    checkpoint: Checkpoint,
    forbids: &str,
) -> Result<Option<String>, StoreError> {
    if checkpoint == Checkpoint::Allow {
        return Ok(None);
    }
    let is_marked = target.annotations.contains_key(CHECKPOINT);
    let contents = if is_marked { Contents::default() } else { on_the_node(state, &target.digest).await? };
    Ok(if is_marked || contents.is_checkpoint {
        Some(checkpoint_text(forbids))
    } else {
        let unclear = |why| format!("whether it is a checkpoint cannot be seen: {why}; {forbids} ({ALLOWS})");
        contents.unclear.map(unclear)
    })
}

/// The manifests and indexes of the image `digest` that are for this machine, as far as they are on the node.
///
/// # Errors
/// containerd does not show the content.
pub(super) async fn manifests_here(state: &State, digest: &str) -> Result<Vec<String>, StoreError> {
    let (mut walk, mut here) = (Walk::from(digest), Vec::new());
    while let Some(digest) = walk.next_digest() {
        if let Some(bytes) = state.containerd.store.manifest(&digest).await?
            && walk.add_bytes(&bytes).is_ok()
        {
            here.push(digest);
        }
    }
    Ok(here)
}

/// What the image `digest` holds, as far as it is on the node.
///
/// # Errors
/// containerd does not show the content.
pub(super) async fn on_the_node(state: &State, digest: &str) -> Result<Contents, StoreError> {
    if let Some(contents) = state.contents.get(digest) {
        return Ok(contents);
    }
    let (mut walk, mut is_whole) = (Walk::from(digest), true);
    while let Some(digest) = walk.next_digest() {
        // containerd cannot use a manifest that is not here. It may come later.
        let Some(bytes) = state.containerd.store.manifest(&digest).await? else {
            is_whole = false;
            continue;
        };
        if let Err(error) = walk.add_bytes(&bytes) {
            walk.note_unclear(format!("{digest} is not a manifest: {error}"));
        }
    }
    let contents = walk.contents();
    if is_whole {
        state.contents.note(digest, contents.clone());
    }
    Ok(contents)
}

fn checkpoint_text(forbids: &str) -> String {
    format!("it is a checkpoint, whose base image would be pulled past every rule; {forbids} ({ALLOWS})")
}
