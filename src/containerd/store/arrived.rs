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
    /// The blobs that are whole.
    whole: BTreeSet<String>,
    /// How many bytes there are of the others, by download.
    partly: BTreeMap<String, i64>,
    /// Whether something is missing, or it is not known yet what belongs to the image.
    pub is_missing: bool,
}

impl Store {
    /// How much is there of the image with these manifests. `before` is an earlier answer: what was whole then is not
    /// looked at again.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn arrived(&self, manifests: &[String], before: &Arrived) -> Result<Arrived, StoreError> {
        let mut now = Arrived { whole: before.whole.clone(), ..Arrived::default() };
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
        let mut missing = false;
        for blob in blobs.iter().filter(|blob| !before.whole.contains(*blob)) {
            match self.info(blob).await? {
                Some(_) => drop(now.whole.insert(blob.clone())),
                None => missing = true,
            }
        }
        let is_known = !blobs.is_empty();
        blobs.extend(manifests.iter().cloned());
        now.is_missing = missing || !is_known;
        let request = call(api::ListStatusesRequest::default());
        let answer = self.content.clone().list_statuses(request).await;
        let statuses = answer.map_err(content_error("list", "downloads"))?.into_inner().statuses;
        for status in statuses {
            let of = KINDS.iter().find_map(|kind| status.r#ref.strip_prefix(kind)?.strip_prefix('-'));
            if of.is_some_and(|of| blobs.contains(of)) {
                now.partly.insert(status.r#ref, status.offset);
            }
        }
        Ok(now)
    }
}
