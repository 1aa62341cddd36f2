//! Tells whether an image is a container checkpoint.
//!
//! Before: `pull` after a pull, `lookup` before a CreateContainer.  After: they refuse it.
//! Holds: containerd 2.1 reads the annotation from the manifest of its own platform and then pulls the
//! base image that the checkpoint names; here any manifest of an index that is on the node counts.

use containerd_client::types::Descriptor;
use serde_json::Value;

use crate::containerd::{Store, StoreError};

/// What marks a checkpoint (containerd `internal/cri/server/container_checkpoint_linux.go`, CRIU's
/// `crit` annotations).
const ANNOTATION: &str = "org.criu.checkpoint.container.name";

/// Whether `target`, a manifest or an index, is a checkpoint.
///
/// # Errors
/// containerd's refusal to show the content.
pub async fn is_checkpoint(store: &Store, target: &Descriptor) -> Result<bool, StoreError> {
    let Some(manifest) = read(store, &target.digest).await? else { return Ok(false) };
    if annotated(&manifest) || target.annotations.contains_key(ANNOTATION) {
        return Ok(true);
    }
    let children = manifest["manifests"].as_array().into_iter().flatten();
    for digest in children.filter_map(|child| child["digest"].as_str()) {
        // Manifests of other platforms are not here.
        if let Some(child) = read(store, digest).await?
            && annotated(&child)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn read(store: &Store, digest: &str) -> Result<Option<Value>, StoreError> {
    let bytes = store.manifest(digest).await?;
    // What is no JSON is no manifest, and containerd can't start anything from it.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn annotated(manifest: &Value) -> bool {
    manifest["annotations"].get(ANNOTATION).is_some()
}
