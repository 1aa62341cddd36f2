//! Looks at what containerd would run: the manifest, or those of an index that are for this machine.
//!
//! Two things in a manifest would lead containerd past every rule: a layer with `urls` of its own, and a checkpoint, whose
//! base image containerd 2.1 pulls from wherever the checkpoint says.
//! Holds: each digest is looked at once, and no more than [`MOST_MANIFESTS`] manifests of one image.

use std::sync::Arc;

use containerd_client::types::Descriptor;
use serde::Deserialize;
use tonic::Status;

use super::auth::Auth;
use super::failure;
use super::record::{Class, Failure};
use super::under_way::Pull;
use crate::containerd::{Store, StoreError};
use crate::policy::{Candidate, Checkpoint};
use crate::registry::{Resolve, Resolved};
use crate::state::{Contents, State};

/// What marks a checkpoint (containerd `internal/cri/server/container_checkpoint_linux.go`, CRIU's `crit`
/// annotations).
const CHECKPOINT: &str = "org.criu.checkpoint.container.name";

/// How many manifests and indexes of one image are looked at. An index has one manifest for each platform; those of
/// other platforms are not looked at.
const MOST_MANIFESTS: usize = 16;

/// The fields that are read of a manifest or an index.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Manifest {
    annotations: Option<serde_json::Map<String, serde_json::Value>>,
    manifests: Option<Vec<Child>>,
    layers: Option<Vec<Layer>>,
}

/// An entry of an index.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Child {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Layer {
    digest: String,
    urls: Option<Vec<String>>,
}

impl Pull<'_> {
    /// Refuses what would lead containerd past the rules.
    pub(super) async fn admit(
        &self,
        candidate: &Candidate,
        auth: &Auth,
        resolved: &Resolved,
    ) -> Result<(), Failure> {
        let contents = match self.state.contents.get(&resolved.digest) {
            Some(contents) => contents,
            None => {
                let contents = self.look(candidate, auth, resolved).await?;
                self.state.contents.note(&resolved.digest, contents.clone());
                contents
            }
        };
        if contents.is_too_wide {
            let text = format!("it has more than {MOST_MANIFESTS} manifests for this machine");
            return Err(Failure::new(Class::Content, text));
        }
        if contents.is_checkpoint && self.rule.checkpoint() == Checkpoint::Refuse {
            return Err(Failure::new(Class::Content, checkpoint_text(&self.rule_text())));
        }
        if let Some(url) = &contents.foreign_url
            && !self.rule.foreign_urls()
        {
            let text = format!(
                "a layer of it comes from {url}, past every rule; {} does not allow that (foreign-urls = true)",
                self.rule_text()
            );
            return Err(Failure::new(Class::Content, text));
        }
        Ok(())
    }

    async fn look(
        &self,
        candidate: &Candidate,
        auth: &Auth,
        resolved: &Resolved,
    ) -> Result<Contents, Failure> {
        // As it was asked before, so that its token serves once more.
        let (endpoint, digest) = (&self.endpoint(candidate), &resolved.digest);
        let login = self.login(auth, endpoint)?;
        let repository = candidate.name.path();
        let mut walk = Walk::from(digest);
        while let Some(digest) = walk.next_digest() {
            let end = self.resolve_end(false);
            let question = Resolve { endpoint, repository, reference: &digest, ns: None, login: &login, end };
            let manifest = self.manifest(&question, auth).await?;
            let refused =
                |error| Failure::new(Class::Protocol, format!("{digest} is not a manifest: {error}"));
            walk.add_bytes(&manifest).map_err(refused)?;
        }
        Ok(walk.contents)
    }

    /// The manifest with the digest of the question, from containerd or else from the registry.
    async fn manifest(&self, question: &Resolve<'_>, auth: &Auth) -> Result<Vec<u8>, Failure> {
        let (store, digest) = (&self.state.containerd.store, question.reference);
        if let Ok(Some(bytes)) = store.manifest(digest).await {
            return Ok(bytes);
        }
        let manifest = self.state.registry.manifest(question, digest).await;
        let manifest = manifest.map_err(|refusal| failure::of_registry(&refusal, auth))?;
        // containerd finds it there, and does not ask the registry for it a second time.
        if let Err(error) = store.add_manifest(digest, &manifest.bytes).await {
            tracing::debug!(%error, "containerd fetches a manifest once more");
        }
        Ok(manifest.bytes.to_vec())
    }
}

/// A look at an image's manifests, from its own or its index on.
pub struct Walk {
    contents: Contents,
    next: Vec<String>,
    left: usize,
}

impl Walk {
    /// A walk that begins at this digest.
    pub fn from(digest: &str) -> Self {
        Self { contents: Contents::default(), next: vec![digest.to_owned()], left: MOST_MANIFESTS }
    }

    /// The manifest to look at next.
    pub fn next_digest(&mut self) -> Option<String> {
        let next = self.next.pop()?;
        if self.left == 0 {
            self.contents.is_too_wide = true;
            return None;
        }
        self.left -= 1;
        Some(next)
    }

    /// Looks at the bytes of the manifest that [`Walk::next_digest`] gave.
    ///
    /// # Errors
    /// They are not a manifest.
    pub fn add_bytes(&mut self, bytes: &[u8]) -> Result<(), serde_json::Error> {
        self.add(&serde_json::from_slice(bytes)?);
        Ok(())
    }

    fn add(&mut self, manifest: &Manifest) {
        self.contents.add(manifest.contents());
        self.next.extend(manifest.for_this_machine().map(str::to_owned));
    }
}

/// Whether `target`, which is on the node, is a checkpoint that is not allowed.
///
/// # Errors
/// containerd does not show the content.
pub(super) async fn is_refused_checkpoint(
    state: &Arc<State>,
    target: &Descriptor,
    checkpoint: Checkpoint,
) -> Result<bool, StoreError> {
    if checkpoint == Checkpoint::Allow {
        return Ok(false);
    }
    if target.annotations.contains_key(CHECKPOINT) {
        return Ok(true);
    }
    if let Some(contents) = state.contents.get(&target.digest) {
        return Ok(contents.is_checkpoint || contents.is_too_wide);
    }
    let store = &state.containerd.store;
    let mut walk = Walk::from(&target.digest);
    while let Some(digest) = walk.next_digest() {
        // containerd cannot use a manifest that is not here.
        if let Some(manifest) = read(store, &digest).await? {
            walk.add(&manifest);
        }
    }
    let contents = walk.contents;
    state.contents.note(&target.digest, contents.clone());
    Ok(contents.is_checkpoint || contents.is_too_wide)
}

async fn read(store: &Store, digest: &str) -> Result<Option<Manifest>, StoreError> {
    let bytes = store.manifest(digest).await?;
    // If it is not JSON, it is not a manifest, and containerd cannot start anything from it.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Why a checkpoint is refused.
pub(super) fn checkpoint_text(rule: &str) -> String {
    format!(
        "it is a checkpoint, whose base image would be pulled past every rule; {rule} does not allow that \
         (checkpoint = \"allow\")"
    )
}

/// The refusal of a checkpoint that a container is to be made of.
pub(super) fn refused_checkpoint(image: &str) -> Status {
    Status::permission_denied(format!(
        "{image} is a checkpoint, whose base image would be pulled past every rule; no rule allows that \
         (checkpoint = \"allow\")"
    ))
}

impl Manifest {
    fn contents(&self) -> Contents {
        let layers = self.layers.iter().flatten();
        let foreign = layers.filter_map(|layer| Some((layer, layer.urls.as_ref()?.first()?))).next();
        Contents {
            is_checkpoint: self.annotations.as_ref().is_some_and(|all| all.contains_key(CHECKPOINT)),
            foreign_url: foreign.map(|(layer, url)| format!("{} ({})", host(url), layer.digest)),
            is_too_wide: false,
        }
    }

    /// The entries of an index that containerd may run here. One without a platform counts: containerd reads it
    /// from the image's own configuration.
    fn for_this_machine(&self) -> impl Iterator<Item = &str> {
        let children = self.manifests.iter().flatten().filter(|child| child.is_for_this_machine());
        children.map(|child| child.digest.as_str())
    }
}

impl Child {
    fn is_for_this_machine(&self) -> bool {
        let Some(platform) = &self.platform else { return true };
        let os = platform.os.is_empty() || platform.os == "linux";
        let architectures: &[&str] = match std::env::consts::ARCH {
            "x86_64" => &["amd64"],
            // containerd takes an image for arm on arm64 too (`platforms.Default`).
            "aarch64" => &["arm64", "arm"],
            other => &[other],
        };
        let architecture = platform.architecture.as_str();
        os && (architecture.is_empty() || architectures.contains(&architecture))
    }
}

/// What may be repeated of a URL in a manifest.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest[..end].rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str) -> Contents {
        serde_json::from_str::<Manifest>(text).unwrap().contents()
    }

    #[test]
    fn a_checkpoint_and_a_foreign_layer_are_found() {
        let plain = contents(r#"{"schemaVersion": 2, "layers": [{"digest": "sha256:1"}, {"urls": []}]}"#);
        assert_eq!(plain, Contents::default());
        let checkpoint = contents(r#"{"annotations": {"org.criu.checkpoint.container.name": "x"}}"#);
        assert!(checkpoint.is_checkpoint);
        let foreign = contents(
            r#"{"layers": [{"digest": "sha256:1"}, {"digest": "sha256:2", "urls": ["https://u:p@far.dev:1/a?b"]}]}"#,
        );
        assert_eq!(foreign.foreign_url.as_deref(), Some("far.dev:1 (sha256:2)"));
    }

    #[test]
    fn of_an_index_what_is_for_this_machine_is_looked_at_and_no_more_than_a_few() {
        let arch = if std::env::consts::ARCH == "x86_64" { "amd64" } else { "arm64" };
        let entry = |digest: &str, os: &str, architecture: &str| {
            format!(
                r#"{{"digest": "{digest}", "platform": {{"os": "{os}", "architecture": "{architecture}"}}}}"#
            )
        };
        let index = |entries: &[String]| format!(r#"{{"manifests": [{}]}}"#, entries.join(", "));
        let looked_at = |top: &str| {
            let (mut walk, mut seen) = (Walk::from("top"), Vec::new());
            while let Some(digest) = walk.next_digest() {
                let text = match digest.as_str() {
                    "top" => top.to_owned(),
                    "nested" => index(&[entry("inner", "linux", arch)]),
                    "inner" => r#"{"layers": [{"digest": "l", "urls": ["https://far.dev"]}]}"#.to_owned(),
                    _ => "{}".to_owned(),
                };
                walk.add_bytes(text.as_bytes()).unwrap();
                seen.push(digest);
            }
            (walk.contents, seen)
        };
        let entries = [entry("a", "linux", "s390x"), entry("b", "windows", arch), entry("c", "linux", arch)];
        let (contents, seen) = looked_at(&index(&entries));
        assert_eq!((contents, seen), (Contents::default(), vec!["top".to_owned(), "c".to_owned()]));
        let (contents, _) = looked_at(&index(&[r#"{"digest": "nested"}"#.to_owned()]));
        assert_eq!(contents.foreign_url.as_deref(), Some("far.dev (l)"));
        let many: Vec<String> = (0..30_000).map(|i| entry(&i.to_string(), "linux", arch)).collect();
        let (contents, seen) = looked_at(&index(&many));
        assert!(contents.is_too_wide && seen.len() == MOST_MANIFESTS, "{}", seen.len());
    }
}
