//! How much of an image containerd has, while it fetches it.
//!
//! Source: containerd `core/images/handlers.go` (`SetChildrenMappedLabels` names what a manifest holds, before it is
//! fetched), `core/remotes/handlers.go` (`MakeRefKey` names the downloads).

use std::collections::{BTreeMap, BTreeSet};

use containerd_client::services::v1 as api;

use super::content::{CHILD, KINDS, MAX_BLOBS};
use super::{Store, StoreError, call, content_error};

/// What is there of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Whether it is known what belongs to the image.
    is_known: bool,
    /// How many bytes there are of the blobs that are not whole, by download.
    downloads: BTreeMap<String, i64>,
}

impl Store {
    /// How much is there of the image with these manifests.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn arrived(&self, manifests: &[String]) -> Result<Arrived, StoreError> {
        let mut blobs: BTreeSet<String> = BTreeSet::new();
        for manifest in manifests {
            let labels = self.info(manifest).await?.map(|info| info.labels).unwrap_or_default();
            // What an index names is among the manifests, or for other machines.
            let of_image = |label: &str| {
                label.strip_prefix(CHILD).is_some_and(|kind| kind == "config" || kind.starts_with("l."))
            };
            let children = labels.into_iter().filter(|(label, _)| of_image(label)).map(|(_, child)| child);
            blobs.extend(children.take(MAX_BLOBS.saturating_sub(blobs.len())));
        }
        let is_known = !blobs.is_empty();
        blobs.extend(manifests.iter().cloned());
        let request = call(api::ListStatusesRequest::default());
        let answer = self.content.clone().list_statuses(request).await;
        let statuses = answer.map_err(content_error("list", "downloads"))?.into_inner().statuses;
        let of_image = |reference: &str| {
            let digest = KINDS.iter().find_map(|kind| reference.strip_prefix(kind)?.strip_prefix('-'));
            digest.is_some_and(|digest| blobs.contains(digest))
        };
        let downloads = statuses.into_iter().map(|status| (status.r#ref, status.offset));
        Ok(Arrived { is_known, downloads: downloads.filter(|(reference, _)| of_image(reference)).collect() })
    }
}

impl Arrived {
    /// Whether containerd waits for a registry. It begins a download before it asks for the blob
    /// (`core/remotes/handlers.go`, `Fetch`), and needs none of a layer that it has unpacked before, or that another
    /// pull unpacks (`core/unpack/unpacker.go`).
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.is_known || !self.downloads.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_download_nothing_is_waited_for() {
        assert!(Arrived::default().is_waiting(), "not even the manifests are there");
        let unpacking = Arrived { is_known: true, downloads: BTreeMap::new() };
        assert!(!unpacking.is_waiting(), "whichever layers are not there");
        let downloads = BTreeMap::from([("layer-sha256:1".to_owned(), 0)]);
        assert!(Arrived { downloads, ..unpacking }.is_waiting());
    }
}
